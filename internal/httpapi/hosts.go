package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"pets/domain"
	"pets/internal/loopback"
)

// Hosts are the names under which a listener answers. A page of a browser can have
// a name of its own resolve to this machine, and would then read what needs no key:
// the name that the browser sends is not among these.
type Hosts struct {
	names []string
	any   bool // every address, as an address is no name that somebody else can own
}

// NewHosts returns the names of a listener at host:port: those of loopback, its own
// host, those of its certificate, and those that are configured. A listener at
// every address of its machine answers to every address.
func NewHosts(listen string, configured []string, secure *tls.Config) *Hosts {
	h := &Hosts{names: slices.Clone(configured)}
	host, _, _ := net.SplitHostPort(listen)
	ip, err := netip.ParseAddr(host)
	h.any = host == "" || err == nil && ip.IsUnspecified()
	h.names = append(h.names, host)
	if secure != nil {
		for _, pair := range secure.Certificates {
			h.names = append(h.names, namesOf(pair)...)
		}
	}
	return h
}

// namesOf lists the names and addresses of a certificate.
func namesOf(pair tls.Certificate) []string {
	leaf := pair.Leaf
	if leaf == nil && len(pair.Certificate) > 0 {
		leaf, _ = x509.ParseCertificate(pair.Certificate[0]) // without it there are no names
	}
	if leaf == nil {
		return nil
	}
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// Allowed reports whether a request for a host, with or without a port, is for this
// listener.
func (h *Hosts) Allowed(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "" {
		return false
	}
	if loopback.Host(host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err == nil && h.any {
		return true
	}
	return slices.ContainsFunc(h.names, func(name string) bool {
		if other, bad := netip.ParseAddr(name); err == nil && bad == nil {
			return ip.Unmap() == other.Unmap()
		}
		return covers(strings.ToLower(name), host)
	})
}

// covers reports whether a name is a host, or a wildcard that stands for it:
// *.example.com stands for one more label, as in a certificate.
func covers(name, host string) bool {
	if above, wild := strings.CutPrefix(name, "*."); wild {
		_, rest, found := strings.Cut(host, ".")
		return found && rest == above
	}
	return name == host
}

// Guard refuses requests for other hosts. They get 421, and no more of what they
// sent is read.
func (h *Hosts) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Allowed(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		p := problemOf(domain.Errorf(domain.CodeDenied, "the Host of the request is not a name of this server. Ask by a name in its certificate, by its address, or by localhost on its own machine; or name this one in its PETS_ALLOWED_HOSTS"))
		p.Status = http.StatusMisdirectedRequest
		writeProblem(w, p)
	})
}

// Guarded returns a handler that needs a key of one of the roles that may list the
// API keys, for every portfolio: that of the metrics, where other machines reach
// them.
func (a *API) Guarded(next http.Handler) http.Handler {
	row := &route{
		method: http.MethodGet, name: "metrics", roles: keyLists, global: true, early: true,
		handle: func(q *request) error {
			q.let = false // a scrape uses up no bytes of its key
			next.ServeHTTP(q.w, q.r)
			return nil
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.serve(row, w, r) })
}
