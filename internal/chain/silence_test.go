package chain_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/chain"
	"pets/internal/chain/chaintest"
)

// locked is a log that several goroutines write to.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// listen answers every connection with the same bytes, or with nothing.
func listen(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1<<16))
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// bomb unpacks to far more than may be answered.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = io.WriteString(z, `{"jsonrpc":"2.0","id":1,"result":"0x`)
	_, _ = io.CopyN(z, zeros{}, 16<<20)
	_ = z.Close()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// "Errors and logs never contain URLs, tokens, or user-info … over every error
// path". The canary stands in the path, the query and the user-info, and in what
// the endpoint answers.
func TestErrorsSayNothingOfTheURL(t *testing.T) {
	w := newWorld(t)
	var logged locked
	before := log.Writer()
	log.SetOutput(&logged)
	t.Cleanup(func() { log.SetOutput(before) })
	echo := strings.Repeat("see http://127.0.0.1/v3/"+canary+" ", 20)
	quoted, _ := json.Marshal(echo)
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	unpack := httptest.NewServer(http.HandlerFunc(bomb))
	t.Cleanup(unpack.Close)
	for name, tt := range map[string]struct {
		url   string
		fault chaintest.Fault
		want  string
	}{
		"no such name":       {url: "http://" + canary + "..invalid:1", want: "its host name cannot be resolved"},
		"nobody listens":     {url: "http://127.0.0.1:1", want: "refused the connection"},
		"a certificate":      {url: tls.URL, want: "its certificate is not accepted"},
		"no TLS":             {url: "https://" + listen(t, echo), want: "does not speak TLS correctly"},
		"not HTTP":           {url: "http://" + listen(t, echo), want: "cannot be reached, or gives an answer that cannot be understood"},
		"closed at once":     {url: "http://" + listen(t, ""), want: "ended its answer too early"},
		"a header that ends": {url: "http://" + listen(t, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), want: "ended its answer too early"},
		"two answers":        {url: "http://" + listen(t, "HTTP/1.1 500 x\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n"+echo), want: "HTTP status 500"},
		"a bomb":             {url: unpack.URL, want: "answered with more than 8388608 bytes"},
		"401":                {fault: chaintest.Status(401, echo), want: "HTTP status 401"},
		"403 in JSON":        {fault: chaintest.Status(403, `{"error":{"code":1,"message":`+string(quoted)+`}}`), want: "HTTP status 403"},
		"429":                {fault: chaintest.Status(429, echo), want: "HTTP status 429"},
		"500":                {fault: chaintest.Status(500, echo), want: "HTTP status 500"},
		"500, huge":          {fault: chaintest.Status(500, strings.Repeat(echo, 30_000)), want: "HTTP status 500"},
		"a redirect":         {fault: chaintest.Redirect("http://127.0.0.1:1/" + canary), want: "HTTP status 307"},
		"text":               {fault: chaintest.Body(echo), want: "malformed JSON"},
		"nothing":            {fault: chaintest.Body(""), want: "ended its answer too early"},
		"an array":           {fault: chaintest.Body(`["` + canary + `"]`), want: "malformed JSON"},
		"a wrong type":       {fault: chaintest.Result(string(quoted)), want: "malformed JSON"},
		"an object":          {fault: chaintest.Result(`{"` + canary + `":1}`), want: "malformed JSON"},
		"an error":           {fault: chaintest.Refuse(-32000, echo), want: "JSON-RPC error -32000"},
		"a refusal":          {fault: chaintest.Refuse(-32000, "nonce too low "+echo), want: "the nonce is used"},
		"a revert":           {fault: chaintest.Refuse(3, "execution reverted: "+echo), want: "would fail"},
		"cut short":          {fault: chaintest.Truncated, want: "ended its answer too early"},
		"cut":                {fault: chaintest.Cut, want: "ended its answer too early"},
		"huge":               {fault: chaintest.Huge(16 << 20), want: "answered with more than 8388608 bytes"},
		"it hangs":           {fault: chaintest.Hang, want: "did not answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.url == "" {
				p := w.node.Proxy()
				p.Set(tt.fault)
				tt.url = p.URL()
			}
			config := w.config(false, tt.url)
			if name == "it hangs" {
				config.Timeout = shortly
			}
			_, err := chain.Dial(t.Context(), config)
			silent(t, err)
			require.ErrorContains(t, err, "endpoint 0: eth_chainId: ")
			require.ErrorContains(t, err, tt.want)
			require.Less(t, len(err.Error()), 300)
		})
	}
	require.NotContains(t, logged.String(), canary)
}

// A client, its configuration and what it knows of its endpoints can be printed,
// logged and compared without the URLs coming out.
func TestNothingPrintsTheURL(t *testing.T) {
	w := newWorld(t)
	config := w.config(true, w.a.URL(), w.b.URL())
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", w.live)
		fmt.Fprintf(&out, verb+"\n", *w.live)
		fmt.Fprintf(&out, verb+"\n", config)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "client", w.live, "config", config)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "client", w.live, "config", config)
	require.NotContains(t, out.String(), canary)
	require.NotContains(t, out.String(), "127.0.0.1")
}

// What a live client refuses before it asks anybody.
func TestConfiguration(t *testing.T) {
	w := newWorld(t)
	for want, config := range map[string]chain.Config{
		"endpoints must be at least 2":                      w.config(true, w.a.URL()),
		"endpoints must be at least 1":                      w.config(false),
		"endpoint 1 has the same host as endpoint 0":        w.config(true, w.a.URL(), w.a.URL()),
		"endpoint 2 has the same host as endpoint 1":        w.config(true, w.a.URL(), "https://Example.org/a", "https://example.org.:8443/b"),
		"endpoint 1 must be https: otherwise a third party": w.config(true, w.a.URL(), "http://example.org"),
		"endpoint 0 must be an http or https URL":           w.config(false, "ws://127.0.0.1:1"),
		"endpoint 1 must be an http or https URL":           w.config(false, w.a.URL(), "://"),
		"endpoints must be at most 8":                       w.config(false, strings.Fields(strings.Repeat("http://127.0.0.1:1 ", 9))...),
		"timeout must be above 0 and at most 1m0s":          {Chain: w.registry.Chains[0], Endpoints: make([]chain.Endpoint, 1), Timeout: time.Hour},
		"endpoint 0 is missing":                             {Chain: w.registry.Chains[0], Endpoints: make([]chain.Endpoint, 1)},
		"chain must come from a registry":                   {Endpoints: make([]chain.Endpoint, 1)},
	} {
		_, err := chain.Dial(w.ctx(), config)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), canary)
	}
}
