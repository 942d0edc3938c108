package client

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// "No plaintext beyond loopback": a client with a key is not made for an http:// address of
// another machine, and one without a key has nothing to lose.
func TestNoKeyGoesToAnotherMachineInClear(t *testing.T) {
	for _, address := range []string{"http://192.0.2.7:7433", "http://pets.example.com:7433", "http://localhost.example.com", "http://[2001:db8::1]:7433"} {
		_, err := New(Options{URL: address, Key: "pets_canary"})
		require.ErrorIs(t, err, ErrClear, address)
		require.NotContains(t, err.Error(), "canary")
		_, err = New(Options{URL: address})
		require.NoError(t, err, address)
	}
	for _, address := range []string{"http://127.0.0.1:7433", "http://localhost:7433", "http://[::1]:7433", "https://pets.example.com"} {
		_, err := New(Options{URL: address, Key: "pets_canary"})
		require.NoError(t, err, address)
	}
}

// away is a connection to another machine.
type away struct {
	net.Conn
	closed bool
}

func (*away) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000} }
func (*away) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 7433} }
func (c *away) Close() error       { c.closed = true; return nil }

// The address named this machine when the client was made: a connection that leads elsewhere
// is closed before anything is sent, and not tried again.
func TestAConnectionThatLeavesThisMachineIsClosed(t *testing.T) {
	var c away
	_, err := stays(&c)
	require.ErrorIs(t, err, ErrClear)
	require.True(t, c.closed)
	require.True(t, final(err))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	here, err := dialHere(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, here.Close())
}

// A redirect is not followed: another address, in clear perhaps, would get the key.
func TestARedirectGetsNoKey(t *testing.T) {
	var stolen atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.RedirectHandler(thief.URL, status))
		c, err := New(Options{URL: s.URL, Key: "pets_canary", Patience: time.Second, OwnKeys: true})
		require.NoError(t, err)
		require.Equal(t, CodeForeign, CodeOf(c.Get(t.Context(), "/v1/portfolios", nil)), status)
		require.Equal(t, CodeForeign, CodeOf(c.Send(t.Context(), "POST", "/v1/api-keys", "k", struct{}{}, nil)), status)
		s.Close()
	}
	require.Zero(t, stolen.Load())
}

// A proxy of the environment never sees a request in clear. net/http reads HTTP_PROXY once in
// a process, and spares loopback by its rules, so a child asks for an address of this machine
// that those rules do not know.
func TestNoProxySeesAKeyInClear(t *testing.T) {
	if server := os.Getenv("PROXIED_SERVER"); server != "" {
		c, err := New(Options{URL: server, Key: "pets_canary", Patience: time.Second})
		require.NoError(t, err)
		require.NoError(t, c.Get(t.Context(), "/v1/portfolios", nil))
		return
	}
	var seen, asked atomic.Int32
	count := func(n *atomic.Int32) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n.Add(1)
			_, _ = w.Write([]byte("{}"))
		}))
	}
	proxy := count(&seen)
	defer proxy.Close()
	server := count(&asked)
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoProxySeesAKeyInClear$")
	child.Env = append(os.Environ(), "PROXIED_SERVER=http://0.0.0.0:"+port, "HTTP_PROXY="+proxy.URL, "NO_PROXY=", "no_proxy=")
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Zero(t, seen.Load(), "the proxy saw the request")
	require.EqualValues(t, 1, asked.Load())
}
