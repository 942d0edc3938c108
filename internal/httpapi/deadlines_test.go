package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// hasty are short deadlines, so that a test need not wait for those of a server; a
// connection at rest stays as long as it does there.
var hasty = deadlines{header: time.Second, request: time.Second, response: 3 * time.Second, idle: time.Minute}

// closedWithin is far more than any of them, and far less than for ever.
const closedWithin = 12 * time.Second

// on has the rig answer on a listener of its own, with bounds and short deadlines.
func (r *rig) on(l net.Listener, b bounds) {
	r.t.Helper()
	r.api.sendWithin = time.Second
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := newServer(r.api, slog.New(slog.DiscardHandler), nil, hasty)
	go func() { done <- serve(ctx, s, newConns(l, b), r.api.EndStreams) }()
	r.t.Cleanup(func() {
		cancel()
		require.NoError(r.t, <-done)
	})
}

// onTCP is on, at an address of this machine.
func (r *rig) onTCP(b bounds) (address string) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	r.on(l, b)
	r.base = "http://" + l.Addr().String()
	return l.Addr().String()
}

// header is the beginning of a request of a route by somebody who may send it.
func (r *rig) header(row *route) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: 6f1c1b1e-8a51-4a3b-9d3c-1f0f4f0d2a11\r\nContent-Type: application/json\r\n",
		row.method, concrete(row.path), r.keys[keyFor[row.roles[0]]])
}

// unfinished are the ways not to end a request, after its first header lines.
var unfinished = map[string]string{
	"half header":   "X-",
	"half body":     "Content-Length: 1000\r\n\r\n{",
	"half chunk":    "Transfer-Encoding: chunked\r\n\r\n5\r\n{",
	"half trailer":  "Transfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n2\r\n{}\r\n0\r\nX-A: 1",
	"100, and then": "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
	"much of it":    "Content-Length: 900000000\r\n\r\n" + strings.Repeat(" ", 300<<10),
}

// everyRoute runs a check for each route, several at a time: fewer than one key may
// have under way.
func everyRoute(rows []route, check func(*route)) {
	slots := make(chan struct{}, maxInFlightPerKey-inFlightForFactsPerKey)
	var all sync.WaitGroup
	for i := range rows {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			check(&rows[i])
		})
	}
	all.Wait()
}

// siblings are the routes that stand in no table.
func siblings() []route {
	anybody := []domain.Role{domain.RoleOperator}
	return []route{
		{method: "GET", path: "/livez", roles: anybody},
		{method: "GET", path: "/readyz", roles: anybody},
		{method: "GET", path: "/openapi.json", roles: anybody},
		{method: "POST", path: "/nowhere", roles: anybody},
		{method: "PATCH", path: "/v1/portfolios", roles: anybody},
		{method: "POST", path: "/v1/portfolios/nobody/permits", roles: anybody},
		{method: "GET", path: "/v1/portfolios//main", roles: anybody},
		{method: "BREW", path: "/livez", roles: anybody},
		{method: "CONNECT", path: "/v1/portfolios", roles: anybody},
	}
}

// "Deadlines tested over the whole route table": header and body that never end
// are cut off, whichever route they are sent to.
func TestNoRouteWaitsForARequestThatDoesNotEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for time-outs")
	}
	t.Parallel()
	for name, rest := range unfinished {
		t.Run(name, func(t *testing.T) { // each waits for its own server: they wait together
			t.Parallel()
			r := newRig(t, rigged{}).opened()
			address := r.onTCP(ofListener)
			everyRoute(append(siblings(), table...), func(row *route) {
				if err := r.abandon(address, r.header(row)+rest); err != nil {
					t.Errorf("%s: %v", row.short(), err)
				}
			})
			require.Equal(t, http.StatusOK, r.get("operator", main+"/state").status, "others are answered")
		})
	}
}

// abandon sends the beginning of a request and waits until the server hangs up.
func (r *rig) abandon(address, beginning string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(closedWithin))
	go func() { _, _ = io.WriteString(c, beginning) }() // as much of it as is taken
	answer, err := io.ReadAll(c)
	var late net.Error
	switch {
	case errors.As(err, &late) && late.Timeout():
		return fmt.Errorf("not closed within %s", closedWithin)
	case strings.HasPrefix(string(answer), "HTTP/1.1 200 OK") && !strings.Contains(beginning, "GET "):
		return fmt.Errorf("answered %q", answer)
	}
	return nil
}

// pipes is a listener of connections without any buffer: what their reader does not
// take cannot be sent.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{dialed: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialed:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.dialed <- theirs
	return ours
}

// Nor does any route wait for a reader who does not take its answer.
func TestNoRouteWaitsForAReaderWhoDoesNotRead(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for time-outs")
	}
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	l := newPipes()
	r.on(l, ofListener)
	everyRoute(append(siblings(), table...), func(row *route) {
		c := l.dial()
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(closedWithin))
		if _, err := io.WriteString(c, r.header(row)+"Content-Length: 2\r\n\r\n{}"); err != nil {
			t.Errorf("%s: %v", row.short(), err)
			return
		}
		// Nothing is read: the next thing that may happen is that they hang up.
		if _, err := io.WriteString(c, strings.Repeat("x", 64<<10)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: not closed within %s: %v", row.short(), closedWithin, err)
		}
	})
}

// An answer that took long to make has as much time to be sent as any other: after a
// queue of 10 s and a fold of 28 s, 2 s were left of the 40 s that a response may take.
func TestTheTimeToSendBeginsWithTheFirstByte(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	ours, theirs := net.Pipe()
	l := newPipes()
	s := newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		rec := &recorder{ResponseWriter: w, out: http.NewResponseController(w), within: time.Minute, most: time.Minute}
		<-release
		_, _ = rec.Write([]byte("late"))
	}), slog.New(slog.DiscardHandler), nil, deadlines{header: time.Second, request: time.Second, response: 10 * time.Millisecond, idle: time.Minute})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	l.dialed <- theirs
	defer ours.Close()
	_, err := io.WriteString(ours, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	time.Sleep(100 * time.Millisecond) // far longer than a response may take
	close(release)
	_ = ours.SetReadDeadline(time.Now().Add(closedWithin))
	answer, err := io.ReadAll(ours)
	require.NoError(t, err)
	require.Contains(t, string(answer), "late")
}

// What a server is started with is no longer than what was tested.
func TestDeadlinesOfAServer(t *testing.T) {
	for _, d := range []deadlines{ofServer, ofSocket} {
		require.Positive(t, d.header)
		require.Positive(t, d.idle)
		require.LessOrEqual(t, d.header, 5*time.Second, "closed ≤ 5 s")
		require.LessOrEqual(t, d.request, 5*time.Second, "closed ≤ 5 s")
		require.LessOrEqual(t, d.response, 40*time.Second)
		s := newServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler), nil, d)
		require.Equal(t, []time.Duration{d.header, d.request, d.response, d.idle}, []time.Duration{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout})
		require.False(t, s.Protocols.HTTP2(), "one request of a connection at a time")
		require.False(t, s.Protocols.UnencryptedHTTP2())
	}
	require.LessOrEqual(t, sendWithin, 10*time.Second)
}
