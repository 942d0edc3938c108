// Command esdbserver runs the server of internal/esdbtest on fixed addresses, for test suites of
// other programs and for trying things out. It forgets everything when it ends, and is no database:
//
//	mkdir /tmp/ca
//	go run ./internal/esdbtest/esdbserver -insecure localhost:2114 -tls localhost:2115 -dir /tmp/ca
//
// It owns the flags, and refuses addresses that other machines can reach.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"pets/internal/esdbtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "esdbserver:", err)
		os.Exit(1)
	}
}

// run starts the servers, says their connection strings, and stops them when ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("esdbserver", flag.ContinueOnError)
	insecure := flags.String("insecure", "", "addresses of servers without TLS, such as localhost:2114; several, with commas between them, are one cluster")
	secure := flags.String("tls", "", "addresses of servers with TLS, such as localhost:2115")
	dir := flags.String("dir", "", "folder for ca.crt, the certificate authority of -tls; it has to exist")
	user := flags.String("user", "admin", "user of the servers with TLS")
	password := flags.String("password", "changeit", "the user's password")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	case *insecure == "" && *secure == "":
		return errors.New("nothing to run: give -insecure, -tls, or both")
	case *secure != "" && *dir == "":
		return errors.New("-tls needs -dir, the folder for the certificate authority")
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
		fmt.Fprintln(out, c.URL())
	}
	<-ctx.Done()
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
			return fmt.Errorf("other machines can reach %s: use localhost", a)
		}
	}
	return nil
}
