package esdb

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// Address says where a database is and how to log in to it. It is made by [Parse]
// and shows neither hosts nor credentials when it is printed, logged or encoded.
type Address struct {
	// A closure, because reflection prints whatever is in a field.
	reveal func() esdb.Configuration
}

// hidden is what an Address shows of itself.
const hidden = "esdb://…"

// String implements fmt.Stringer.
func (Address) String() string { return hidden }

// Format implements fmt.Formatter: every verb prints the same.
func (Address) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue implements slog.LogValuer.
func (Address) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler, and refuses.
func (Address) MarshalText() ([]byte, error) {
	return nil, errors.New("esdb: an address is not written anywhere")
}

// The schemes of a connection string.
const (
	scheme         = "esdb"
	schemeDiscover = "esdb+discover" // one host name that stands for all nodes
)

const defaultPort = 2113

// Of the discovery of a node. A client that gives up is replaced, so a low number
// of attempts only limits how long one client goes on after it was closed.
const (
	discoverAttempts = 5
	discoverInterval = 100 // ms
	discoverTimeout  = 3   // s, of one question to one node
	keepAlive        = 10 * time.Second
	keepAliveTimeout = 5 * time.Second
)

// Parse reads a connection string such as
// esdb://user:password@host1:2113,host2:2113,host3:2113?tls=true. Its errors never
// repeat a part of it, except the name of an option.
//
// It refuses what would be unsafe or misunderstood: credentials without TLS, which
// the client drops in silence; a certificate that is not verified; a node that is
// not the leader, whose answers may be old; and every option it does not know.
func Parse(connection string) (Address, error) {
	rest, discover := "", false
	switch s, after, ok := strings.Cut(connection, "://"); {
	case !ok:
		return Address{}, errors.New("not a connection string; write esdb://host:2113?tls=true")
	case s == schemeDiscover:
		rest, discover = after, true
	case s == scheme:
		rest = after
	default:
		return Address{}, errors.New("unknown scheme; write esdb:// or esdb+discover://")
	}
	c := esdb.Configuration{
		DnsDiscover: discover, NodePreference: esdb.NodePreferenceLeader, Logger: esdb.NoopLogging(),
		MaxDiscoverAttempts: discoverAttempts, DiscoveryInterval: discoverInterval, GossipTimeout: discoverTimeout,
		KeepAliveInterval: keepAlive, KeepAliveTimeout: keepAliveTimeout,
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts := rest
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		hosts = rest[i+1:]
		if err := credentials(&c, rest[:i]); err != nil {
			return Address{}, err
		}
	}
	if err := nodes(&c, strings.TrimSuffix(hosts, "/")); err != nil {
		return Address{}, err
	}
	if err := settings(&c, query); err != nil {
		return Address{}, err
	}
	if c.DisableTLS && c.Username != "" {
		return Address{}, errors.New("credentials need TLS: with tls=false the client would connect without them; use tls=true, or leave the credentials out")
	}
	return Address{func() esdb.Configuration { return c }}, nil
}

// credentials reads user:password, both percent-encoded.
func credentials(c *esdb.Configuration, s string) error {
	user, password, ok := strings.Cut(s, ":")
	var err, err2 error
	c.Username, err = url.PathUnescape(user)
	c.Password, err2 = url.PathUnescape(password)
	switch {
	case err != nil || err2 != nil:
		return errors.New("the credentials are not percent-encoded: write %40 for @, %3A for : and %25 for %")
	case !ok || c.Username == "" || c.Password == "":
		return errors.New("credentials need a user and a password: esdb://user:password@host")
	}
	return nil
}

// nodes reads host:port,host:port.
func nodes(c *esdb.Configuration, s string) error {
	var ends []*esdb.EndPoint
	for i, node := range strings.Split(s, ",") {
		host, port, found := strings.Cut(node, ":")
		number := uint64(defaultPort)
		var err error
		if found {
			number, err = strconv.ParseUint(port, 10, 16)
		}
		switch {
		case host == "":
			return fmt.Errorf("host %d has no name; write esdb://host:2113", i+1)
		case strings.ContainsAny(host, "/#[] \t\r\n\\"):
			return fmt.Errorf("host %d is no host name", i+1)
		case err != nil || number == 0:
			return fmt.Errorf("the port of host %d is not a number from 1 to 65535", i+1)
		}
		ends = append(ends, &esdb.EndPoint{Host: host, Port: uint16(number)})
	}
	switch {
	case c.DnsDiscover && len(ends) > 1:
		return errors.New("esdb+discover:// has one host name, which stands for all nodes; with several hosts write esdb://")
	case len(ends) == 1:
		c.Address = ends[0].String()
	default:
		c.GossipSeeds = ends
	}
	return nil
}

// settings reads the options of a connection string. Their names have no case.
func settings(c *esdb.Configuration, query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the options after ? cannot be read; write name=value&name=value")
	}
	seen := map[string]bool{}
	for name, all := range values {
		key := strings.ToLower(name)
		if len(all) != 1 || seen[key] {
			return fmt.Errorf("option %s is given more than once", shown(name))
		}
		seen[key] = true
		if err := setting(c, key, name, all[0]); err != nil {
			return err
		}
	}
	if (c.UserCertFile == "") != (c.UserKeyFile == "") {
		return errors.New("userCertFile and userKeyFile are needed together")
	}
	return nil
}

func setting(c *esdb.Configuration, key, name, value string) error {
	switch key {
	case "tls":
		on, err := strconv.ParseBool(strings.ToLower(value))
		if err != nil {
			return errors.New("tls is true or false")
		}
		c.DisableTLS = !on
	case "tlsverifycert":
		if !strings.EqualFold(value, "true") {
			return errors.New("tlsVerifyCert=false would give the credentials to any server that answers; name the certificate authority by tlsCAFile instead")
		}
	case "tlscafile":
		return authority(c, value)
	case "usercertfile":
		return absolute(&c.UserCertFile, "userCertFile", value)
	case "userkeyfile":
		return absolute(&c.UserKeyFile, "userKeyFile", value)
	case "nodepreference":
		if !strings.EqualFold(value, "leader") {
			return errors.New("nodePreference is leader: the answers of another node may be old")
		}
	case "keepaliveinterval":
		return milliseconds(&c.KeepAliveInterval, "keepAliveInterval", value)
	case "keepalivetimeout":
		return milliseconds(&c.KeepAliveTimeout, "keepAliveTimeout", value)
	case "maxdiscoverattempts", "discoveryinterval", "gossiptimeout", "defaultdeadline", "throwonappendfailure":
		return fmt.Errorf("option %s cannot be set: how often and how long to try is not left to the client", name)
	default:
		return fmt.Errorf("unknown option %s; there are tls, tlsCAFile, tlsVerifyCert, userCertFile, userKeyFile, nodePreference, keepAliveInterval, keepAliveTimeout", shown(name))
	}
	return nil
}

// shown returns the name of an option if it looks like one: a password with an
// unescaped ? ends up there.
func shown(name string) string {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return "with a name that is no word"
		}
	}
	return strconv.Quote(name[:min(len(name), 30)])
}

// authority reads the certificates that are trusted. A relative name would depend
// on the folder that a server is started in.
func authority(c *esdb.Configuration, name string) error {
	if err := absolute(new(string), "tlsCAFile", name); err != nil {
		return err
	}
	pem, err := os.ReadFile(name)
	if err != nil {
		return errors.New("the file of tlsCAFile cannot be read")
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return errors.New("the file of tlsCAFile holds no certificate in PEM")
	}
	return nil
}

func absolute(to *string, name, value string) error {
	if !filepath.IsAbs(value) {
		return fmt.Errorf("%s is not an absolute path", name)
	}
	*to = value
	return nil
}

func milliseconds(to *time.Duration, name, value string) error {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("%s is a number of milliseconds above 0", name)
	}
	*to = time.Duration(n) * time.Millisecond
	return nil
}
