package serve

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/config"
	"pets/internal/open"
)

// servedAt runs a server on a folder, whose clock says when, for as long as the test looks at
// it. It returns the log.
func servedAt(t *testing.T, folder string, when time.Time, env []string, look func(*Server)) (log string, err error) {
	t.Helper()
	c, err := config.Load(t.TempDir(), append(env, "PETS_STORE=embedded:"+folder, "PETS_LISTEN=127.0.0.1:0", "PETS_METRICS_LISTEN=127.0.0.1:0")) // the first counts
	require.NoError(t, err)
	var errs, out clitest.Buffer
	now := func() time.Time { return when }
	a := &cli.App{Place: open.Place{Err: &errs, Config: c, Wall: now}, Out: &out, Dir: t.TempDir()}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	s, err := New(ctx, a, now)
	require.NoError(t, err)
	err = s.Run(ctx, func(context.Context) error {
		look(s)
		stop()
		return nil
	})
	return errs.String(), err
}

func asks(t *testing.T, s *Server, key string) domain.Code {
	t.Helper()
	c, err := client.New(client.Options{URL: s.URL(), Key: key, Patience: time.Second})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	return client.CodeOf(c.Get(t.Context(), "/v1/api-keys", nil))
}

const (
	firstKey  = "pets_T3stK9vQ2mXw7RzL4bNcY8hJ6fDsA1gPuE5oWiVkZq0"
	secondKey = "pets_q0ZkViWo5EuPg1AsDf6Jh8YcNb4LzR7wXm2Qv9KtS3T"
)

// "The last admin key's expiry must not lock everybody out; say what the way in is."
func TestTheWayBackIn(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	late := start.Add(400 * 24 * time.Hour)
	file := filepath.Join(t.TempDir(), "admin.key")
	set := func(key string) []string {
		require.NoError(t, os.WriteFile(file, []byte(key+"\n"), 0o600))
		return []string{"PETS_ADMIN_KEY_FILE=" + file}
	}
	serve := func(when time.Time, env []string, look func(*Server)) string {
		t.Helper()
		log, err := servedAt(t, folder, when, env, look)
		require.NoError(t, err)
		require.NotContains(t, log, firstKey)
		require.NotContains(t, log, secondKey)
		return log
	}
	log := serve(start, set(firstKey), func(s *Server) { require.Empty(t, asks(t, s, firstKey)) })
	require.Contains(t, log, `"from":"PETS_ADMIN_KEY_FILE"`)
	serve(start.Add(time.Hour), set(secondKey), func(s *Server) {
		require.Equal(t, domain.CodeUnauthenticated, asks(t, s, secondKey), "while one lives, no other is taken")
	})

	// Before it ends, the log says so; afterwards, what to do.
	log = serve(start.Add(340*24*time.Hour), nil, func(s *Server) {
		told := map[string]time.Time{}
		s.tellOfKeys(t.Context(), told)
		s.tellOfKeys(t.Context(), told)
	})
	require.Contains(t, log, "CRITICAL: the last admin key expires soon")
	log = serve(late, nil, func(s *Server) { require.Equal(t, domain.CodeKeyExpired, asks(t, s, firstKey)) })
	require.Contains(t, log, "Put a new one into PETS_ADMIN_KEY_FILE")

	// A key that has ended never comes back, and a weak one is none; trading goes on meanwhile.
	log = serve(late, set(firstKey), func(s *Server) { require.Equal(t, domain.CodeKeyExpired, asks(t, s, firstKey)) })
	require.Contains(t, log, "cannot be used; set another one")
	log = serve(late, set(strings.Repeat("abc123XYZ0", 4)), func(*Server) {})
	require.Contains(t, log, "holds a key that can be guessed")
	log = serve(late, set(secondKey), func(s *Server) { require.Empty(t, asks(t, s, secondKey)) })
	require.Contains(t, log, "CRITICAL: no admin key was accepted any more, and a new one was set")
}

// "Weak values refused", where a first key would come of it; and no key is shown instead.
func TestAWeakFirstKeyIsRefused(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	_, err := servedAt(t, folder, time.Now(), []string{"PETS_ADMIN_KEY=test-admin-key-0123456789-0123456789-0123456789"}, func(*Server) {
		require.Fail(t, "it is ready")
	})
	require.ErrorContains(t, err, "PETS_ADMIN_KEY holds a key that can be guessed")
}

// "`Host` is checked on both listeners", for what needs no key, too.
func TestNoPageOfABrowserReadsAServer(t *testing.T) {
	_, err := servedAt(t, filepath.Join(t.TempDir(), "store"), time.Now(), []string{"PETS_ADMIN_KEY=" + firstKey, "PETS_ALLOWED_HOSTS=pets.internal"}, func(s *Server) {
		for _, url := range []string{s.URL() + "/livez", s.URL() + "/readyz", s.URL() + "/openapi.json", "http://" + s.MetricsAddress + "/metrics"} {
			for host, want := range map[string]int{"": 200, "localhost:1": 200, "pets.internal": 200, "evil.example": 421, "127.0.0.1.evil.example:7433": 421} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
				require.NoError(t, err)
				req.Host = host
				resp, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, want, resp.StatusCode, "%s of %s", url, host)
			}
		}
	})
	require.NoError(t, err)
}

// A server that answers in clear beyond this machine says that no client of pets sends it a key
// from there, and the client on this machine still reaches it.
func TestPlaintextBeyondThisMachine(t *testing.T) {
	log, err := servedAt(t, filepath.Join(t.TempDir(), "store"), time.Now(), []string{"PETS_ADMIN_KEY=" + firstKey, "PETS_LISTEN=0.0.0.0:0", "PETS_ALLOW_PLAINTEXT=true"}, func(s *Server) {
		_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL(), "http://"))
		require.NoError(t, err)
		c, err := client.New(client.Options{URL: "http://127.0.0.1:" + port, Key: firstKey, Patience: time.Second})
		require.NoError(t, err)
		require.NoError(t, c.Get(t.Context(), "/v1/api-keys", nil))
		require.NoError(t, c.Close())
	})
	require.NoError(t, err)
	require.Contains(t, log, "clients ask by its https:// address")
}

// "/metrics beyond loopback needs a key (auditor) and TLS, else the start is refused with the
// setting named."
func TestMetricsForOtherMachines(t *testing.T) {
	settled := func(f serveFlags, env ...string) error {
		c, err := config.Load(t.TempDir(), env)
		require.NoError(t, err)
		return f.settle(&c)
	}
	for _, listen := range []string{"0.0.0.0:7434", ":7434", "192.0.2.7:7434", "[::]:7434"} {
		require.ErrorContains(t, settled(serveFlags{}, "PETS_METRICS_LISTEN="+listen), "PETS_METRICS_LISTEN is an address that other machines reach", listen)
		require.Error(t, settled(serveFlags{metrics: listen, allowPlaintext: true}), "that is for what adds TLS to the API")
		require.NoError(t, settled(serveFlags{metrics: listen, tlsSelf: true}))
	}
	require.NoError(t, settled(serveFlags{metrics: "off"}))
	require.NoError(t, settled(serveFlags{metrics: "localhost:7434"}))

	folder := filepath.Join(t.TempDir(), "store")
	_, err := servedAt(t, folder, time.Now(), []string{"PETS_ADMIN_KEY=" + firstKey, "PETS_TLS_SELF=true", "PETS_METRICS_LISTEN=0.0.0.0:0"}, func(s *Server) {
		_, port, _ := strings.Cut(strings.TrimPrefix(s.MetricsAddress, "[::]"), ":")
		at := "https://127.0.0.1:" + port
		for key, want := range map[string]domain.Code{"": domain.CodeUnauthenticated, "pets_wrong": domain.CodeUnauthenticated, firstKey: ""} {
			c, err := client.New(client.Options{URL: at, Key: key, CAFile: filepath.Join(folder, "tls", "cert.pem"), Patience: time.Second})
			require.NoError(t, err)
			raw, err := c.Look(t.Context(), "/metrics")
			require.Equal(t, want, client.CodeOf(err), "%s: %v", key, err)
			require.Equal(t, want == "", strings.Contains(string(raw.Body), "pets_api_key_expiry_timestamp_seconds{role=\"admin\"}"), key)
			require.NoError(t, c.Close())
		}
		resp, err := http.Get("http://127.0.0.1:" + port + "/metrics")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, "in clear nothing is shown")
	})
	require.NoError(t, err)
}
