// Command esdbserver runs the server of internal/esdbtest on fixed addresses, for test suites of
// other programs. It forgets everything when it ends, and is no database.
//
// It owns the flags, and refuses addresses that are not of this machine.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"pets/internal/esdbtest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "esdbserver:", err)
		os.Exit(1)
	}
}

func run() error {
	insecure := flag.String("insecure", "", "address of a server without TLS, such as localhost:2114")
	secure := flag.String("tls", "", "addresses of the servers of one cluster with TLS, such as localhost:2115, with commas between them")
	dir := flag.String("dir", "", "folder to write ca.crt to, the certificate authority; it has to exist")
	user := flag.String("user", "admin", "user of the servers with TLS")
	password := flag.String("password", "changeit", "the user's password")
	flag.Parse()
	if *insecure == "" && *secure == "" {
		return errors.New("nothing to do: give -insecure, -tls, or both")
	}
	if *secure != "" && *dir == "" {
		return errors.New("-tls needs -dir, for the certificate authority")
	}
	for _, o := range []esdbtest.Options{
		{Addresses: addresses(*insecure)},
		{Addresses: addresses(*secure), TLS: true, User: *user, Password: *password},
	} {
		if len(o.Addresses) == 0 {
			continue
		}
		if err := local(o.Addresses); err != nil {
			return err
		}
		c, err := esdbtest.New(*dir, len(o.Addresses), o)
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Println("listening on", strings.Join(o.Addresses, " "))
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	return nil
}

func addresses(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// local refuses to show a server without durability and with a known password to other machines.
func local(addresses []string) error {
	for _, a := range addresses {
		host, _, err := net.SplitHostPort(a)
		if err != nil {
			return err
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("%s is not an address of this machine alone: use localhost", a)
		}
	}
	return nil
}
