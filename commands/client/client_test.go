package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

// answers is a server with planned answers. It remembers the keys of the requests.
type answers struct {
	mu    sync.Mutex
	keys  []string
	reply func(w http.ResponseWriter, r *http.Request, n int)
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.keys = append(a.keys, r.Header.Get("Idempotency-Key"))
	n := len(a.keys)
	a.mu.Unlock()
	a.reply(w, r, n)
}

func problem(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Problem{Type: "urn:pets:problem:" + code, Status: status, Detail: "no"})
}

func talk(t *testing.T, a *answers, o Options) *Client {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	o.URL, o.Key = server.URL, "pets_secret"
	c, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// "Retries with the same key": failures that may be over in a moment are retried,
// refusals are not.
func TestRetries(t *testing.T) {
	t.Parallel()
	a := &answers{reply: func(w http.ResponseWriter, r *http.Request, n int) {
		require.Equal(t, "Bearer pets_secret", r.Header.Get("Authorization"))
		switch n {
		case 1:
			problem(w, 503, "unavailable")
		case 2:
			problem(w, 429, "rate_limited")
		case 3:
			panic(http.ErrAbortHandler) // no answer at all
		case 4:
			http.Error(w, "bad gateway", http.StatusBadGateway)
		default:
			_, _ = w.Write([]byte(`{"revision":7,"events":[],"directives":[{"action":"stop","bots":["a"],"reason":"x"}]}`))
		}
	}}
	var told []commands.Directive
	c := talk(t, a, Options{OnDirective: func(d commands.Directive) { told = append(told, d) }})
	answer, err := c.Portfolio("main").RecordFill(t.Context(), "order 1", commands.RecordFill{})
	require.NoError(t, err)
	require.Equal(t, uint64(7), answer.Revision)
	require.Equal(t, []commands.Directive{{Action: "stop", Bots: []string{"a"}, Reason: "x"}}, told)
	require.GreaterOrEqual(t, len(a.keys), 5)
	for _, k := range a.keys {
		require.Equal(t, a.keys[0], k)
	}
	for _, code := range []string{"invalid", "conflict", "denied", "idempotency_mismatch", "halted", "internal"} {
		a.keys = nil
		a.reply = func(w http.ResponseWriter, _ *http.Request, _ int) { problem(w, 400, code) }
		_, err := c.Portfolio("main").RecordFill(t.Context(), "order "+code, commands.RecordFill{})
		require.Equal(t, domain.Code(code), CodeOf(err))
		require.Len(t, a.keys, 1)
	}
}

// Directives arrive with what they name: the orders to cancel, what may be left of a group, and
// the legs to close. Answers carry the flags of a fill and the marks that were refused.
func TestDirectivesNameOrders(t *testing.T) {
	t.Parallel()
	half := domain.MustDecimal("0.5")
	want := []commands.Directive{
		{Action: commands.ActionCancelOrders, Bots: []string{"a"}, Reason: "x", Permits: []string{"p1"}},
		{Action: commands.ActionGroupShrunk, Bots: []string{"a"}, Reason: "x", Shrunk: []domain.ShrunkOrder{{Permit: "p2", Left: half}}},
		{Action: commands.ActionCloseLegs, Bots: []string{"a"}, Reason: "x", Legs: []domain.OpenLeg{{Instrument: domain.Instrument{Market: "m", Outcome: "NO"}, Quantity: half}}},
	}
	sent := commands.Answer{Directives: want, Flags: []string{domain.FlagPriceOff}, Refused: []domain.RefusedMark{{Index: 1, Code: domain.CodeInvalid, Message: "y"}}}
	var paths []string
	a := &answers{reply: func(w http.ResponseWriter, r *http.Request, _ int) {
		paths = append(paths, r.URL.Path)
		_ = json.NewEncoder(w).Encode(sent)
	}}
	var told []commands.Directive
	c := talk(t, a, Options{OnDirective: func(d commands.Directive) { told = append(told, d) }})
	answer, err := c.Portfolio("main").ChangeSets(t.Context(), "set 1", commands.ChangeSets{Bot: "a", SetID: "s"})
	require.NoError(t, err)
	require.Equal(t, []string{"/v1/portfolios/main/sets"}, paths)
	require.Equal(t, want, told)
	require.Equal(t, sent.Flags, answer.Flags)
	require.Equal(t, sent.Refused, answer.Refused)
}

// A request is not repeated before the server's Retry-After; if that is after the end of
// the client's patience, it is not repeated at all.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	wait := "2"
	var asked []time.Time
	a := &answers{reply: func(w http.ResponseWriter, _ *http.Request, n int) {
		asked = append(asked, time.Now())
		if n == 1 {
			w.Header().Set("Retry-After", wait)
			problem(w, 429, "rate_limited")
			return
		}
		_, _ = w.Write([]byte(`{"revision":7,"events":[],"directives":[]}`))
	}}
	c := talk(t, a, Options{})
	_, err := c.Portfolio("main").RecordFill(t.Context(), "order 1", commands.RecordFill{})
	require.NoError(t, err)
	require.Len(t, asked, 2)
	require.GreaterOrEqual(t, asked[1].Sub(asked[0]), 2*time.Second)

	wait, a.keys = "3600", nil
	_, err = c.Portfolio("main").RecordFill(t.Context(), "order 2", commands.RecordFill{})
	require.Equal(t, domain.CodeRateLimited, CodeOf(err))
	require.Len(t, a.keys, 1)
	var p *Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, time.Hour, p.RetryAfter)
}

// "Keeps its idempotency keys in a file across restarts."
func TestKeysSurviveARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	a := &answers{reply: func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write([]byte(`{}`)) }}
	for range 3 {
		c := talk(t, a, Options{KeysFile: file})
		require.NoError(t, c.Send(t.Context(), http.MethodPost, "/v1/x", "order 1", struct{}{}, nil))
		require.NoError(t, c.Send(t.Context(), http.MethodPost, "/v1/x", "order 2", struct{}{}, nil))
	}
	require.Equal(t, []string{a.keys[0], a.keys[1], a.keys[0], a.keys[1], a.keys[0], a.keys[1]}, a.keys)
	require.NotEqual(t, a.keys[0], a.keys[1])
	c := talk(t, a, Options{KeysFile: file})
	require.NoError(t, c.Forget("order 1"))
	require.NoError(t, c.Send(t.Context(), http.MethodPost, "/v1/x", "order 1", struct{}{}, nil))
	require.NotEqual(t, a.keys[0], a.keys[6])
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	// A line that a crash cut short was never sent; an invalid line in the middle is damage.
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(whole, []byte(`{"reference":"ord`)...), 0o600))
	_, err = New(Options{URL: "http://127.0.0.1:1", KeysFile: file})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append([]byte("junk\n"), whole...), 0o600))
	_, err = New(Options{URL: "http://127.0.0.1:1", KeysFile: file})
	require.ErrorContains(t, err, file+":1")
	for _, reference := range []string{"", string(make([]byte, 300))} {
		require.Error(t, c.Send(t.Context(), http.MethodPost, "/v1/x", reference, struct{}{}, nil))
	}
}

// A stream that breaks is resumed after the last event that was passed on.
func TestFollowResumes(t *testing.T) {
	t.Parallel()
	var lasts []string
	var connections atomic.Int32
	a := &answers{reply: func(w http.ResponseWriter, r *http.Request, n int) {
		lasts = append(lasts, r.Header.Get("Last-Event-ID"))
		connections.Add(1)
		w.Header().Set("Content-Type", "text/event-stream")
		from := 10 * n
		fmt.Fprintf(w, "event: hello\ndata: {\"revision\":%d,\"directives\":[{\"action\":\"stop\",\"bots\":[\"a\"],\"reason\":\"standing\"}]}\n\n: alive\n\n", from)
		fmt.Fprintf(w, "event: event\ndata: {\"revision\":%d,\"type\":\"x\"}\n\nid: %d\nevent: directive\ndata: {\"action\":\"stop\",\"bots\":[\"a\"],\"reason\":\"new\"}\n\n", from+1, from+1)
		fmt.Fprintf(w, "id: %d\nevent: event\ndata: {\"revi", from+2) // cut in its middle
	}}
	var told []string
	c := talk(t, a, Options{OnDirective: func(d commands.Directive) { told = append(told, d.Reason) }})
	var seen []uint64
	enough := errors.New("enough")
	err := c.Portfolio("main").Follow(t.Context(), nil, func(e Event) error {
		if seen = append(seen, e.Revision); len(seen) == 3 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.Equal(t, []uint64{11, 21, 31}, seen)
	require.Equal(t, []string{"", "11", "21"}, lasts)
	require.Equal(t, []string{"standing", "new", "standing", "new", "standing"}, told)

	a.reply = func(w http.ResponseWriter, _ *http.Request, _ int) { problem(w, 403, "denied") }
	require.Equal(t, domain.CodeDenied, CodeOf(c.Portfolio("main").Follow(t.Context(), nil, func(Event) error { return nil })))
}

// No error contains the key or the address.
func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	_, err := New(Options{URL: "https://user:pets_secret@host"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "pets_secret")
	c, err := New(Options{URL: "http://127.0.0.1:1", Key: "pets_secret", Patience: 50 * time.Millisecond})
	require.NoError(t, err)
	err = c.Get(context.Background(), "/v1/portfolios", nil)
	require.ErrorContains(t, err, "no answer after")
	require.NotContains(t, err.Error(), "pets_secret")
	require.NotContains(t, fmt.Sprintf("%+v %#v", c, *c), "pets_secret")
}

// A stream that shows few events reports its progress: skipped events are not read again
// after a break.
func TestFollowGoesOnWhereTheStreamWas(t *testing.T) {
	t.Parallel()
	var lasts []string
	a := &answers{reply: func(w http.ResponseWriter, r *http.Request, n int) {
		lasts = append(lasts, r.Header.Get("Last-Event-ID"))
		if n == 3 {
			problem(w, 403, "denied")
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: hello\ndata: {\"revision\":0,\"directives\":[]}\n\n: alive\n\nid: %d\n: alive\n\n", 7*n)
	}}
	err := talk(t, a, Options{}).Portfolio("main").Follow(t.Context(), nil, func(Event) error { return nil })
	require.Equal(t, domain.CodeDenied, CodeOf(err))
	require.Equal(t, []string{"", "7", "14"}, lasts)
}
