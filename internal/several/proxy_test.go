package several_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// way is what a proxy does with the connections of its server.
type way int

const (
	wayOpen way = iota
	wayCut      // connections are closed, and new ones too
	wayHang     // nothing passes, and what was sent meanwhile arrives later
	waySlow     // each piece takes slowBy
)

const slowBy = 15 * time.Millisecond

// proxy is between one server and the database.
type proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	way     way
	changed chan struct{} // closed when way changes, and replaced
	conns   map[net.Conn]bool
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, target: target, changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() { p.accept(&running) })
	t.Cleanup(func() {
		_ = l.Close()
		p.set(wayCut)
		running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set changes what becomes of the connections from now on.
func (p *proxy) set(to way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.way = to
	if to == wayCut {
		p.closeAll()
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// closeAll cuts the connections. The caller has the lock.
func (p *proxy) closeAll() {
	for c := range p.conns {
		_ = c.Close() // it is gone in either case
	}
	clear(p.conns)
}

func (p *proxy) accept(running *sync.WaitGroup) {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		if !p.enter(near, far) {
			continue
		}
		running.Go(func() { p.pass(near, far) })
		running.Go(func() { p.pass(far, near) })
	}
}

// enter takes a connection, unless it is to be cut.
func (p *proxy) enter(near, far net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[near], p.conns[far] = true, true
	if p.way == wayCut {
		p.closeAll()
		return false
	}
	return true
}

// pass copies one direction until either side is closed.
func (p *proxy) pass(from, to net.Conn) {
	defer p.leave(from, to)
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			p.hold()
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hold waits as the way demands.
func (p *proxy) hold() {
	for {
		p.mu.Lock()
		way, changed := p.way, p.changed
		p.mu.Unlock()
		if way == waySlow {
			time.Sleep(slowBy)
		}
		if way != wayHang {
			return
		}
		<-changed
	}
}

func (p *proxy) leave(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}
