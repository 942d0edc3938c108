package httpapi

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
)

// from is a connection that comes from some address.
type from struct {
	net.Conn
	address string
}

func (f from) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", f.address)
	if err != nil {
		panic(err)
	}
	return a
}

// come takes in a connection from an address, and says whether there was room.
func come(t *testing.T, c *conns, address string) (*conn, bool) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	return c.admit(from{theirs, address})
}

// gone: the connection was closed to make room.
func gone(n *conn) bool {
	n.conns.mu.Lock()
	defer n.conns.mu.Unlock()
	return n.in == nil
}

// "Caps per source (64)": the one that has waited longest without a key makes room
// for the next, and no other source, and nobody with a key, is any the worse.
func TestTheOldestStrangerMakesRoom(t *testing.T) {
	c := newConns(nil, bounds{all: 10, source: 3, newcomers: 3, key: 2})
	other, ok := come(t, c, "192.0.2.2:1")
	require.True(t, ok)
	keyed, ok := come(t, c, "192.0.2.1:1")
	require.True(t, ok)
	keyed.keyed("k1")
	var all []*conn
	for i := range 5 {
		n, ok := come(t, c, fmt.Sprintf("192.0.2.1:%d", i+2))
		require.True(t, ok, "nobody is turned away")
		all = append(all, n)
	}
	require.True(t, gone(all[0]) && gone(all[1]), "over the limit of 3, the oldest goes")
	require.False(t, gone(all[2]) || gone(all[3]) || gone(all[4]))
	require.False(t, gone(other), "of another source")
	require.False(t, gone(keyed), "with a key")
	_, err := all[0].Read(make([]byte, 1))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Equal(t, bounds{all: 4_096, source: 64, newcomers: 1_024, settle: time.Second, key: 128}, ofListener)
}

// Who has just come is not closed before it could say who it is, unless too many
// come at once.
func TestANewcomerGetsTimeToSayWhoItIs(t *testing.T) {
	now := time.Now()
	c := newConns(nil, bounds{all: 20, source: 2, newcomers: 5, settle: time.Second, key: 2})
	c.now = func() time.Time { return now }
	var all []*conn
	for i := range 5 {
		n, _ := come(t, c, fmt.Sprintf("192.0.2.1:%d", i+1))
		all = append(all, n)
		require.Equal(t, i+1, c.unknown.size("192.0.2.1"), "all of them are new")
		now = now.Add(100 * time.Millisecond)
	}
	_, _ = come(t, c, "192.0.2.1:6")
	require.True(t, gone(all[0]), "the sixth at once")
	require.False(t, gone(all[1]))
	now = now.Add(850 * time.Millisecond) // all but the last two have had their time
	last, _ := come(t, c, "192.0.2.1:7")
	require.True(t, gone(all[1]) && gone(all[2]) && gone(all[3]))
	require.False(t, gone(all[4]) || gone(last))
	require.Equal(t, 3, c.unknown.size("192.0.2.1"))
}

// A listener that is full closes strangers first, then who rests longest; who is
// being answered is never closed, and the new one is only refused where all are.
func TestAFullListenerClosesWhoIsOfNoUse(t *testing.T) {
	c := newConns(nil, bounds{all: 3, source: 64, newcomers: 64, key: 64})
	a, _ := come(t, c, "192.0.2.1:1")
	a.keyed("k1")
	b, _ := come(t, c, "192.0.2.1:2")
	b.keyed("k2")
	stranger, _ := come(t, c, "192.0.2.3:1")
	a.keyed("k1") // used again: b has rested longer now
	d, ok := come(t, c, "192.0.2.4:1")
	require.True(t, ok)
	require.True(t, gone(stranger))
	d.keyed("k3")
	a.hold()
	d.hold()
	e, ok := come(t, c, "192.0.2.5:1")
	require.True(t, ok)
	require.True(t, gone(b), "rested longest")
	require.False(t, gone(a) || gone(d))
	e.hold()
	_, ok = come(t, c, "192.0.2.6:1")
	require.False(t, ok, "all are busy")
	a.release()
	_, ok = come(t, c, "192.0.2.6:1")
	require.True(t, ok)
	require.True(t, gone(a))
	require.NoError(t, d.Close())
	require.NoError(t, e.Close())
	require.Equal(t, 0, c.known.all.Len())
	require.Empty(t, c.known.of, "nothing is kept of who has gone")
}

// A key's connections are bounded, too: the one that has rested longest goes.
func TestConnectionsOfAKey(t *testing.T) {
	c := newConns(nil, bounds{all: 100, source: 64, newcomers: 64, key: 2})
	var all []*conn
	for i := range 3 {
		n, _ := come(t, c, fmt.Sprintf("192.0.2.1:%d", i))
		n.keyed("k1")
		all = append(all, n)
	}
	require.True(t, gone(all[0]))
	require.False(t, gone(all[1]) || gone(all[2]))
	all[1].keyed("k2") // a proxy sends another's request over it
	require.Equal(t, 1, c.known.size("k1"))
	require.Equal(t, 1, c.known.size("k2"))
	all[0].keyed("k1") // too late
	require.Equal(t, 1, c.known.size("k1"))
}

// One customer of a provider is one source, whichever of his addresses he takes.
func TestSources(t *testing.T) {
	for address, source := range map[string]string{
		"192.0.2.1:7": "192.0.2.1", "[::ffff:192.0.2.1]:7": "192.0.2.1", "[2001:db8:1:2:3::4]:7": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::]:7": "2001:db8:1:2::/64", "[fe80::1%lo]:7": "fe80::/64", "[::1]:7": "::/64",
	} {
		a, err := net.ResolveTCPAddr("tcp", address)
		require.NoError(t, err)
		require.Equal(t, source, groupOf(a), address)
	}
}

// crowd opens connections that send a beginning and then nothing.
func crowd(t *testing.T, address, beginning string, size int) {
	t.Helper()
	for range size {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, beginning) // who is cut off already is one less
	}
}

// prompt is a client that makes a connection of its own, and does not wait for ever.
func (r *rig) prompt(t *testing.T, who, method, path, body string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), closedWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys[who])
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "6f1c1b1e-8a51-4a3b-9d3c-1f0f4f0d2a12")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// "2,048 idle connections without a key lock everybody out": no more. Neither do
// "2,060 such sockets of one bot key" that never end the body of a permit.
func TestNobodyIsLockedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	address := r.onTCP(ofListener)
	half := "Content-Length: 1000\r\n\r\n{"
	askPermit := fmt.Sprintf("POST %s/permits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: 6f1c1b1e-8a51-4a3b-9d3c-1f0f4f0d2a11\r\nContent-Type: application/json\r\n",
		main, r.keys["alpha"])
	crowd(t, address, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 2_100) // and rest for a minute
	require.Equal(t, http.StatusOK, r.prompt(t, "operator", "GET", main+"/state", ""))
	crowd(t, address, askPermit+half, 2_060)
	crowd(t, address, "POST /v1/emergency-stop HTTP/1.1\r\nHost: x\r\n"+half, 300)
	require.Equal(t, http.StatusOK, r.prompt(t, "beta", "GET", main+"/state", ""))
	require.Equal(t, http.StatusOK, r.prompt(t, "operator", "POST", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`))
}

// A key has 32 requests under way; one more is told so, unless it stops something.
func TestRequestsUnderWayOfAKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	address := r.onTCP(ofListener)
	crowd(t, address, r.header(rowNamed(t, "record_deposit"))+"Content-Length: 1000\r\n\r\n{", maxInFlightPerKey)
	require.Eventually(t, func() bool {
		return r.prompt(t, "operator", "GET", main+"/state", "") == http.StatusTooManyRequests
	}, closedWithin, time.Millisecond)
	require.Equal(t, http.StatusOK, r.prompt(t, "auditor", "GET", main+"/state", ""), "others are answered")
	for _, path := range []string{main + "/bots/alpha/stop", main + "/emergency-stop", "/v1/emergency-stop"} {
		body := `{"kind":"manual","reason":"smoke"}`
		if strings.HasSuffix(path, "alpha/stop") {
			body = `{"reason":"smoke"}`
		}
		require.NotEqual(t, http.StatusTooManyRequests, r.prompt(t, "operator", "POST", path, body), path)
	}
	require.Eventually(t, func() bool {
		return r.prompt(t, "operator", "GET", main+"/state", "") == http.StatusOK
	}, closedWithin, 10*time.Millisecond, "places come back")
}

func rowNamed(t *testing.T, name string) *route {
	t.Helper()
	for i := range table {
		if table[i].name == name {
			return &table[i]
		}
	}
	t.Fatal(name)
	return nil
}

// "Slots kept for people": the keys of machines never have all of the places, of
// requests or of event streams.
func TestPlacesArePeoples(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	r.api.streams, r.api.inFlight = newPlaces(6, 3, 2), newPlaces(6, 3, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := func(who string) int {
		messages, resp := r.listen(ctx, who, "", "")
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode == http.StatusOK {
			next(t, messages)
		}
		return resp.StatusCode
	}
	for _, who := range []string{"alpha", "beta", "alpha", "auditor"} {
		require.Equal(t, http.StatusOK, open(who), who)
	}
	for _, who := range []string{"alpha", "beta", "auditor"} {
		require.Equal(t, http.StatusTooManyRequests, open(who), "%s: four of six are taken", who)
	}
	require.Equal(t, http.StatusOK, open("operator"))
	require.Equal(t, http.StatusOK, open("approver"))
	require.Equal(t, http.StatusTooManyRequests, open("admin"), "there are no more than six")
	require.Equal(t, http.StatusOK, r.get("alpha", main+"/state").status, "a stream is no request under way")
	require.Zero(t, r.api.inFlight.taken)
	cancel()
	require.Eventually(t, func() bool {
		r.api.streams.mu.Lock()
		defer r.api.streams.mu.Unlock()
		return r.api.streams.taken == 0 && len(r.api.streams.byKey) == 0
	}, closedWithin, time.Millisecond)
}

// A handshake of TLS that does not end is cut off, and makes room like any other
// stranger.
func TestHandshakesThatDoNotEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	made := httptest.NewUnstartedServer(http.NotFoundHandler())
	made.StartTLS()
	defer made.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := newServer(r.api, r.api.log, &tls.Config{Certificates: made.TLS.Certificates, MinVersion: tls.VersionTLS12}, hasty)
	c := newConns(l, bounds{all: 8, source: 4, newcomers: 4, key: 4})
	go func() { _ = serve(ctx, s, c, r.api.EndStreams) }()
	address := l.Addr().String()
	crowd(t, address, "\x16\x03\x01", 20)

	client := made.Client()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+main+"/state", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys["operator"])
	resp, err := client.Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body) // else the client hangs up
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	c.mu.Lock()
	require.Equal(t, 1, c.known.all.Len(), "below TLS, too, a connection is its key's")
	c.mu.Unlock()

	slow, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer slow.Close()
	_, _ = io.WriteString(slow, "\x16\x03\x01")
	_ = slow.SetReadDeadline(time.Now().Add(closedWithin))
	_, err = io.ReadAll(bufio.NewReader(slow))
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	require.NotContains(t, fmt.Sprint(err), "timeout")
}

// appending calls somebody while an append is under way.
type appending struct {
	eventstore.Store
	now atomic.Pointer[func()]
}

func (a *appending) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if now := a.now.Load(); now != nil {
		(*now)()
	}
	return a.Store.Append(ctx, stream, expected, records)
}

// "Who is being answered is never closed" to make room: a stop takes no place, and while it is
// decided its connection is as busy as any other.
func TestAConnectionWhoseStopIsDecidedIsNotCut(t *testing.T) {
	store := &appending{Store: memory.New()}
	r := newRig(t, rigged{store: store}).opened()
	for _, path := range []string{main + "/bots/alpha/stop", main + "/emergency-stop", "/v1/emergency-stop"} {
		c := newConns(nil, bounds{all: 1, source: 64, newcomers: 64, key: 64})
		n, _ := come(t, c, "192.0.2.1:1")
		asked := 0
		during := func() {
			_, ok := come(t, c, "192.0.2.2:1")
			if ok || gone(n) { // in a goroutine of the writer
				t.Errorf("%s: it was closed while the stop was decided", path)
			}
			asked++
		}
		body := `{"kind":"security_breach","reason":"smoke"}`
		if strings.HasSuffix(path, "alpha/stop") {
			body = `{"reason":"smoke"}`
		}
		req := httptest.NewRequestWithContext(withConn(t.Context(), n), http.MethodPost, path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+r.keys["operator"])
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", uuid.NewString())
		answer := httptest.NewRecorder()
		store.now.Store(&during)
		r.api.ServeHTTP(answer, req)
		store.now.Store(nil)
		require.Equal(t, http.StatusOK, answer.Code, answer.Body)
		require.Positive(t, asked, path)
		_, ok := come(t, c, "192.0.2.2:1")
		require.True(t, ok, "%s: afterwards it may be closed", path)
	}
}
