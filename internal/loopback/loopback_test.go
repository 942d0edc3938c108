package loopback

import (
	"net"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHost(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "[::1]": true, "localhost": true, "LocalHost.": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "192.0.2.1": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "example.com": false,
	} {
		require.Equal(t, want, Host(host), host)
	}
}

// "No plaintext beyond loopback": a name is never this machine, whatever it resolves to today.
func TestClear(t *testing.T) {
	for address, want := range map[string]bool{
		"http://127.0.0.1:7433": false, "http://localhost:7433": false, "http://[::1]:7433": false, "http://[::]:7433": false, "http://0.0.0.0:1": false,
		"http://192.0.2.1:7433": true, "http://[2001:db8::1]:7433": true, "http://example.com": true, "http://localhost.example.com": true,
		"https://192.0.2.1:7433": false, "https://example.com": false,
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, want, Clear(u), address)
	}
}

type fakeConn struct {
	net.Conn
	near, far net.Addr
}

func (c fakeConn) LocalAddr() net.Addr  { return c.near }
func (c fakeConn) RemoteAddr() net.Addr { return c.far }

func TestConn(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 7433} }
	require.True(t, Conn(fakeConn{near: at("127.0.0.1"), far: at("127.0.0.1")}))
	require.True(t, Conn(fakeConn{near: at("192.0.2.7"), far: at("192.0.2.7")}), "one of this machine's own addresses")
	require.False(t, Conn(fakeConn{near: at("192.0.2.7"), far: at("192.0.2.8")}))
	require.False(t, Conn(fakeConn{near: at("127.0.0.1"), far: &net.UnixAddr{Name: "x"}}))
}
