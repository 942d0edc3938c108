// Package loopback says whether what is sent to an address stays on this machine.
//
// It owns that one question, for clients that would send a key in clear and for servers that
// answer. It refuses to resolve names: only localhost counts, because any other name may lead
// to another machine tomorrow; [Conn] looks at where a connection really goes.
package loopback

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Host reports whether a host, without its port, is localhost or a loopback address.
func Host(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// Clear reports whether a request to a URL would go to another machine in clear. The
// unspecified address and the addresses of this machine's own interfaces are this machine.
func Clear(u *url.URL) bool { return u.Scheme == "http" && !here(u.Hostname()) }

func here(host string) bool {
	if Host(host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if ip = ip.Unmap(); ip.IsUnspecified() {
		return true
	}
	own, _ := net.InterfaceAddrs() // without them only loopback counts
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == ip.WithZone("") {
			return true
		}
	}
	return false
}

// Conn reports whether a connection ends on this machine: its far end is a loopback address,
// or has the address of its near end.
func Conn(c net.Conn) bool {
	far, ok1 := c.RemoteAddr().(*net.TCPAddr)
	near, ok2 := c.LocalAddr().(*net.TCPAddr)
	return ok1 && ok2 && (far.IP.IsLoopback() || far.IP.Equal(near.IP))
}
