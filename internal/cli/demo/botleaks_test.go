package demo_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// "No plaintext beyond loopback", no redirect and no proxy: the example bots send their key to
// the server that they were given, and to nobody else.
func TestExampleBotsKeepTheirKey(t *testing.T) {
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		for _, far := range []string{"http://192.0.2.7:7433", "http://pets.example.com"} {
			b := r.start(far)
			require.Error(r.t, r.over(b))
			require.Contains(r.t, b.out.String(), "in clear")
		}
		var stolen, asked atomic.Int32
		thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
		r.t.Cleanup(thief.Close)
		elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			asked.Add(1)
			http.Redirect(w, q, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1), http.StatusTemporaryRedirect)
		}))
		r.t.Cleanup(elsewhere.Close)
		b := r.start(elsewhere.URL)
		require.Eventually(r.t, func() bool { return asked.Load() > 3 || len(b.ended) > 0 }, botPatience, 5*time.Millisecond)
		_ = b.cmd.Process.Kill() // it may have ended
		require.NotZero(r.t, asked.Load())
		require.Zero(r.t, stolen.Load())

		r.env = []string{"http_proxy=" + thief.URL, "HTTP_PROXY=" + thief.URL}
		r.end(r.start(r.server.URL, "--orders", "1", "--rest", "0.05"))
		require.Zero(r.t, stolen.Load(), "a proxy")
	})
}
