package esdbtest

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/peer"
)

// gate holds the bytes of a paused node.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the node runs
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) pause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default: // paused already
	}
}

func (g *gate) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// wait returns when the node runs, or the connection is closed.
func (g *gate) wait(closed <-chan struct{}) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
	case <-closed:
	}
}

// listener knows the connections of a node, to cut them and to hold them.
type listener struct {
	net.Listener
	node *node
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &conn{Conn: c, node: l.node, closed: make(chan struct{})}
	l.node.mu.Lock()
	l.node.conns[c.RemoteAddr().String()] = conn
	l.node.mu.Unlock()
	return conn, nil
}

type conn struct {
	net.Conn
	node   *node
	closed chan struct{}
	once   sync.Once
}

// Read gives what came while the node was paused to the server when it runs again: a paused
// process loses nothing.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.node.gate.wait(c.closed)
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	c.node.gate.wait(c.closed)
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.node.mu.Lock()
		defer c.node.mu.Unlock()
		delete(c.node.conns, c.RemoteAddr().String())
	})
	return c.Conn.Close()
}

// reset cuts the connection without a farewell, as a process does that is killed.
func (c *conn) reset() {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// cut resets the connection of a call.
func (n *node) cut(ctx context.Context) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return
	}
	n.mu.Lock()
	c := n.conns[p.Addr.String()]
	n.mu.Unlock()
	if c != nil {
		c.reset()
	}
}

// cutAll resets every connection.
func (n *node) cutAll() {
	n.mu.Lock()
	conns := make([]*conn, 0, len(n.conns))
	for _, c := range n.conns {
		conns = append(conns, c)
	}
	n.mu.Unlock()
	for _, c := range conns {
		c.reset()
	}
}
