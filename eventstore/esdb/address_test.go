package esdb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// secrets of the connection strings of these tests. None may be seen anywhere.
var secrets = []string{"s3cr3t", "hunter2", "olga", "ledger.internal", "2117"}

func requireNoSecret(t *testing.T, text string, more ...string) {
	t.Helper()
	for _, s := range append(more, secrets...) {
		require.NotContains(t, text, s)
	}
}

func TestAConnectionStringIsRefusedForAReason(t *testing.T) {
	for connection, want := range map[string]string{
		"":      "not a connection string",
		"olga":  "not a connection string",
		"/data": "not a connection string",
		"http://olga:s3cr3t@ledger.internal:2117":                                  "unknown scheme",
		"kurrentdb://ledger.internal":                                              "unknown scheme",
		"esdb://":                                                                  "host 1 has no name",
		"esdb://olga:s3cr3t@":                                                      "host 1 has no name",
		"esdb://ledger.internal,,b":                                                "host 2 has no name",
		"esdb://ledger.internal:0":                                                 "port of host 1",
		"esdb://ledger.internal:65536":                                             "port of host 1",
		"esdb://ledger.internal:":                                                  "port of host 1",
		"esdb://ledger.internal/path":                                              "no host name",
		"esdb://[::1]:2117":                                                        "no host name",
		"esdb+discover://ledger.internal,b":                                        "one host name",
		"esdb://olga:s3cr3t@ledger.internal:2117?tls=false":                        "credentials need TLS",
		"esdb://olga:s3cr3t@ledger.internal:2117?TLS=FALSE":                        "credentials need TLS",
		"esdb://olga@ledger.internal":                                              "a user and a password",
		"esdb://:s3cr3t@ledger.internal":                                           "a user and a password",
		"esdb://olga:@ledger.internal":                                             "a user and a password",
		"esdb://olga:s3cr3t%zz@ledger.internal":                                    "percent-encoded",
		"esdb://olga:s3cr3t/x@ledger.internal?tls=perhaps":                         "true or false",
		"esdb://olga:s3cr3t?hunter2@ledger.internal":                               "port of host 1",
		"esdb://ledger.internal?tls=true&tls=true":                                 "more than once",
		"esdb://ledger.internal?tls=true&TLS=true":                                 "more than once",
		"esdb://ledger.internal?pasword=s3cr3t":                                    `unknown option "pasword"`,
		"esdb://ledger.internal?hunter2@x=s3cr3t":                                  "unknown option with a name that is no word",
		"esdb://ledger.internal?a;b=c":                                             "cannot be read",
		"esdb://olga:s3cr3t@ledger.internal?tlsVerifyCert=false":                   "any server that answers",
		"esdb://ledger.internal?nodePreference=follower":                           "may be old",
		"esdb://ledger.internal?maxDiscoverAttempts=3":                             "cannot be set",
		"esdb://ledger.internal?defaultDeadline=3":                                 "cannot be set",
		"esdb://ledger.internal?keepAliveInterval=-1":                              "milliseconds above 0",
		"esdb://ledger.internal?tlsCAFile=ca-of-hunter2.crt":                       "not an absolute path",
		"esdb://ledger.internal?tlsCAFile=/nowhere/hunter2.crt":                    "cannot be read",
		"esdb://ledger.internal?userCertFile=/nowhere/hunter2.crt":                 "needed together",
		"esdb://ledger.internal?userCertFile=hunter2.crt&userKeyFile=/hunter2.key": "not an absolute path",
	} {
		_, err := Parse(connection)
		require.ErrorContains(t, err, want, connection)
		requireNoSecret(t, err.Error())
	}
	name := filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(name, []byte("hunter2"), 0o600))
	_, err := Parse("esdb://ledger.internal?tlsCAFile=" + name)
	require.ErrorContains(t, err, "no certificate in PEM")
}

func TestAConnectionStringIsRead(t *testing.T) {
	a, err := Parse("esdb://olga:s3cr3t%40%3A%25%3F@a:2117,b,c:1/?tls=true&nodePreference=LEADER&keepAliveInterval=20000&tlsVerifyCert=true&keepAliveTimeout=7&userCertFile=/u.crt&userKeyFile=/u.key")
	require.NoError(t, err)
	c := a.reveal()
	require.Equal(t, "olga", c.Username)
	require.Equal(t, "s3cr3t@:%?", c.Password)
	require.Len(t, c.GossipSeeds, 3)
	require.Equal(t, "a:2117 b:2113 c:1", fmt.Sprintf("%s %s %s", c.GossipSeeds[0], c.GossipSeeds[1], c.GossipSeeds[2]))
	require.False(t, c.DisableTLS)
	require.False(t, c.SkipCertificateVerification)
	require.Equal(t, 20*time.Second, c.KeepAliveInterval)
	require.Equal(t, 7*time.Millisecond, c.KeepAliveTimeout)
	require.Equal(t, "/u.crt /u.key", c.UserCertFile+" "+c.UserKeyFile)

	a, err = Parse("esdb+discover://cluster?tls=false")
	require.NoError(t, err)
	c = a.reveal()
	require.True(t, c.DnsDiscover)
	require.True(t, c.DisableTLS)
	require.Equal(t, "cluster:2113", c.Address)
}

// sink keeps what an assertion says.
type sink struct{ strings.Builder }

func (s *sink) Errorf(format string, args ...any) { fmt.Fprintf(s, format, args...) }

// dumped is what testify shows of a value, by reflection and without its methods.
func dumped(v any) string {
	var s sink
	assert.Equal(&s, struct{ V any }{}, struct{ V any }{v})
	return s.String()
}

// An address, and whatever has one, shows nothing of itself.
func TestAnAddressIsNeverShown(t *testing.T) {
	a, err := Parse("esdb://olga:s3cr3t@ledger.internal:2117?tls=true")
	require.NoError(t, err)
	holder := struct {
		Address Address
		Pointer *Address
	}{a, &a}
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	log.Info("x", "address", a, "pointer", &a, "holder", holder)
	text := logged.String()
	for _, v := range []any{a, &a, holder, &holder} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text += fmt.Sprintf(verb, v)
		}
		text += dumped(v)
		_, err := json.Marshal(v)
		require.Error(t, err)
		text += err.Error()
	}
	require.Contains(t, text, hidden)
	requireNoSecret(t, text)
	require.NotContains(t, text, strings.ToUpper(fmt.Sprintf("%x", "s3cr3t")))
	_, err = Open(t.Context(), Address{}, Options{})
	require.ErrorContains(t, err, "the address is empty")
}
