package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/httpapi"
	"pets/internal/open"
)

// Socket is the stop socket of the server that holds a folder.
type Socket struct {
	dir   string // the folder of the socket
	store string // the folder of the store
}

// SocketOf returns the stop socket of the server that holds a store's folder, or nil. It does
// not return a socket that may belong to a different server, because that one would be stopped.
func (a *App) SocketOf(store string) *Socket {
	k, _ := a.KeeperOf(store) // an untrusted lock is ignored
	switch {
	case k != nil && k.Owns():
		return answering(&Socket{k.Dir, store})
	case k != nil:
		return nil
	}
	if _, held := open.HolderOf(store); held { // by another store's server
		return nil
	}
	return answering(&Socket{store, store})
}

// SocketBeside returns the stop socket of the server at an address, if a lock says that both
// belong to the same server; else nil.
func (a *App) SocketBeside(address string) *Socket {
	k := a.keeperAt(address)
	if k == nil || !k.Owns() {
		return nil
	}
	return answering(&Socket{k.Dir, k.Store})
}

// keeperAt returns the server at an address, according to the lock in PETS_DIR or in the
// folder of the store; nil if neither names that address.
func (a *App) keeperAt(address string) *open.Keeper {
	dirs := []string{a.Config.ServerDir()}
	if store, err := a.Config.StoreDir(); err == nil {
		dirs = a.LockDirs(store)
	}
	for _, dir := range dirs {
		if h, held := open.HolderOf(dir); held && h.URL != "" && sameServer(h.URL, address) {
			return &open.Keeper{Holder: h, Dir: cmp.Or(h.Dir, dir), In: dir}
		}
	}
	return nil
}

// answering returns the socket if a server listens on it, else nil.
func answering(s *Socket) *Socket {
	if info, err := os.Lstat(filepath.Join(s.dir, httpapi.SocketName)); err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil
	}
	c, err := s.dial(context.Background())
	if err != nil {
		return nil
	}
	_ = c.Close() // only the connection mattered
	return s
}

// dial connects to the socket.
func (s *Socket) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return httpapi.DialSocket(ctx, s.dir)
}

// sameServer reports whether two addresses name the same server, as far as this machine can tell.
func sameServer(a, b string) bool {
	x, err1 := url.Parse(a)
	y, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && x.Scheme == y.Scheme && portOf(x) == portOf(y) &&
		(x.Hostname() == y.Hostname() || onLoopback(x) && onLoopback(y))
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

func onLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// localCA returns the self-made certificate of a server on this machine, from its PETS_DIR.
// PETS_CA takes precedence.
func (a *App) localCA(dir, address string) string {
	own := filepath.Join(dir, open.TLSName, "cert.pem")
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" || a.Config.CAFile != "" {
		return a.Config.CAFile
	}
	if info, err := os.Lstat(own); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return own
}

// trusted returns the certificate that a named server is checked against: PETS_CA, or the
// one in PETS_DIR if its lock says that it belongs to the same server, and may be believed.
func (a *App) trusted(address string) string {
	k := a.keeperAt(address)
	if a.Config.CAFile != "" || a.Config.TLSCert != "" || k == nil || a.strangeTo(k) != nil {
		return a.Config.CAFile
	}
	return a.localCA(k.Dir, k.URL)
}

// Decided reports whether an error is the server's decision, which stays the same on any
// other way to it.
func Decided(err error) bool {
	var p *client.Problem
	if !errors.As(err, &p) || p.Code() == client.CodeForeign {
		return false
	}
	open := []domain.Code{domain.CodeUnavailable, domain.CodeRateLimited, domain.CodeUnauthenticated, domain.CodeKeyExpired, domain.CodeDenied}
	return !slices.Contains(open, p.Code())
}

// AwaitHolder waits until a store's holder is a server that answers, or releases the store.
func (a *App) AwaitHolder(ctx context.Context, store string) {
	wait := a.Patiently("its holder is not a server, or not ready yet", open.HolderPatience)
	for {
		pid, writes := open.WriterOf(store)
		if !writes || a.SocketOf(store) != nil {
			return
		}
		if k, _ := a.KeeperOf(store); k != nil && k.URL != "" {
			return
		}
		if !wait(ctx, fmt.Errorf("%s: locked by pid %d", store, pid)) {
			return
		}
	}
}
