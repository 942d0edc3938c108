package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "Errors that waiting cannot mend end at once": a wrong name, scheme, certificate or
// server. Each is tried once.
func TestWhatWaitingDoesNotMend(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	dials := atomic.Int32{}
	failing := func(err error) func(context.Context) (net.Conn, error) {
		return func(context.Context) (net.Conn, error) {
			dials.Add(1)
			return nil, err
		}
	}
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"name":        {Options{URL: "http://x", Dial: failing(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true})}, "no such host"},
		"not trusted": {Options{URL: "http://x", Dial: failing(domain.Errorf(domain.CodeDenied, "not his"))}, "not his"},
		"not allowed": {Options{URL: "http://x", Dial: failing(&net.OpError{Op: "dial", Err: syscall.EACCES})}, "permission denied"},
		"no TLS":      {Options{URL: strings.Replace(plain.URL, "http:", "https:", 1)}, "begins with http://"},
		"TLS":         {Options{URL: strings.Replace(secure.URL, "https:", "http:", 1)}, "begins with https://"},
		"certificate": {Options{URL: secure.URL}, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			dials.Store(0)
			cl, err := New(c.options)
			require.NoError(t, err)
			defer func() { require.NoError(t, cl.Close()) }()
			err = cl.Get(t.Context(), "/v1/x", nil)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "no answer after", "it was not waited for")
			require.LessOrEqual(t, dials.Load(), int32(1))
		})
	}
}

// "Go client used by bots keeps its retry semantics": it waits for a name server that is
// down, and for a server that is being restarted. A caller may set a shorter limit for
// refused connections, and is told meanwhile.
func TestWhatMayMend(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"name server": &net.DNSError{Err: "server misbehaving", IsTemporary: true},
		"refused":     &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
	} {
		dials := atomic.Int32{}
		dial := func(context.Context) (net.Conn, error) {
			dials.Add(1)
			return nil, err
		}
		c, err := New(Options{URL: "http://x", Dial: dial, Patience: 300 * time.Millisecond})
		require.NoError(t, err)
		require.ErrorContains(t, c.Get(t.Context(), "/v1/x", nil), "no answer after", name)
		require.Greater(t, dials.Load(), int32(2), name)
	}
	var why error
	c, err := New(Options{
		URL: "http://x", Refused: 5 * time.Second, Waiting: func(err error, _ time.Duration) { why = err },
		Dial: func(context.Context) (net.Conn, error) { return nil, syscall.ECONNREFUSED },
	})
	require.NoError(t, err)
	start := time.Now()
	require.ErrorIs(t, c.Get(t.Context(), "/v1/x", nil), syscall.ECONNREFUSED)
	require.Less(t, time.Since(start), 20*time.Second, "not as long as its patience")
	require.ErrorIs(t, why, syscall.ECONNREFUSED)
}

// "Bounds that also cut a request under way": the server accepts a request and never
// answers.
func TestWithin(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	a := &answers{reply: func(_ http.ResponseWriter, r *http.Request, _ int) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}}
	c := talk(t, a, Options{Within: 200 * time.Millisecond})
	start := time.Now()
	err := c.Send(t.Context(), http.MethodPost, "/v1/x", "x", struct{}{}, nil)
	require.ErrorIs(t, err, ErrNoAnswer)
	require.Less(t, time.Since(start), 10*time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	require.True(t, errors.Is(c.Send(ctx, http.MethodPost, "/v1/x", "y", struct{}{}, nil), context.Canceled))
}

// "What lets trading go on is sent once": a stop may be engaged while a retry waits.
func TestOnce(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]func(w http.ResponseWriter){
		"not ready": func(w http.ResponseWriter) { problem(w, 503, "unavailable") },
		"no answer": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			a := &answers{reply: func(w http.ResponseWriter, _ *http.Request, _ int) { reply(w) }}
			c := talk(t, a, Options{Once: true})
			err := c.Portfolio("main").Post(t.Context(), "/bots/a/start", "start", struct{}{}, nil)
			require.ErrorContains(t, err, "sent once, and not again by itself")
			a.mu.Lock()
			defer a.mu.Unlock()
			require.Len(t, a.keys, 1)
		})
	}
}

// "What cannot pass within the patience is not retried", and nothing calls "no answer" what was
// one: what waiting for may mend is sent again until the patience ends.
func TestAnAnswerThatStaysIsOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after string
		once  bool
		code  domain.Code
		want  string
		tries func(int) bool
	}{
		"it stays":            {"60", false, domain.CodeUnavailable, "refused; the server says to come back after more than", func(n int) bool { return n == 1 }},
		"it stays, sent once": {"60", true, domain.CodeClock, "refused; sent again within the next 1m0s", func(n int) bool { return n == 1 }},
		"it may pass":         {"1", false, domain.CodeUnavailable, "refused for", func(n int) bool { return n > 2 }},
		"it may pass, once":   {"1", true, domain.CodeUnavailable, "look, and send it again", func(n int) bool { return n == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			a := &answers{reply: func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.Header().Set("Retry-After", c.after)
				problem(w, 503, string(c.code))
			}}
			err := talk(t, a, Options{Once: c.once, Patience: 400 * time.Millisecond}).Send(t.Context(), http.MethodPost, "/v1/x", "x", struct{}{}, nil)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, ": no", "the server's own words")
			require.NotContains(t, err.Error(), "no answer")
			require.Equal(t, c.code, CodeOf(err))
			a.mu.Lock()
			defer a.mu.Unlock()
			require.True(t, c.tries(len(a.keys)), "%d tries", len(a.keys))
		})
	}
}
