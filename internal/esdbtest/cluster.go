package esdbtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// Options say what server a test wants. The zero value is one without TLS and credentials.
type Options struct {
	// Addresses to listen on, one for each server: 127.0.0.1 and a free port if empty.
	Addresses []string
	// TLS makes a certificate authority and a certificate for localhost and 127.0.0.1.
	TLS bool
	// User and Password are demanded of every call to a stream, if User is not empty. They need
	// TLS: without it a server does not look at credentials.
	User, Password string
	// MaxAppendSize is that of one append, in bytes: 1 MiB if 0.
	MaxAppendSize int
	// Version is what the server says it is.
	Version string
	// NoSystemEvents leaves the log empty, without the events that a new server has of its own.
	NoSystemEvents bool
	// NoBatchAppend hides that the server has the call BatchAppend.
	NoBatchAppend bool
}

// Defaults of a server.
const (
	DefaultMaxAppendSize = 1 << 20
	DefaultVersion       = "24.10.0"
)

// Cluster is a set of servers on one log.
type Cluster struct {
	options Options
	db      *database
	caFile  string
	nodes   []*node
	closed  chan struct{}
	once    sync.Once

	mu     sync.Mutex
	leader int // -1 during an election
}

// Server is one server: a cluster's, or one alone.
type Server struct {
	node *node
}

// Start starts one server, which stops when the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	return StartCluster(t, 1, o).Server(0)
}

// StartCluster starts so many servers on one log. The first is the leader.
func StartCluster(t testing.TB, servers int, o Options) *Cluster {
	t.Helper()
	c, err := New(t.TempDir(), servers, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// New is StartCluster without a test: the certificate authority is written to dir/ca.crt, and
// Close stops the servers.
func New(dir string, servers int, o Options) (*Cluster, error) {
	switch {
	case o.User != "" && !o.TLS:
		return nil, fmt.Errorf("credentials need TLS: without it the server does not look at them")
	case servers < 1:
		return nil, fmt.Errorf("a cluster of %d servers", servers)
	case len(o.Addresses) > 0 && len(o.Addresses) != servers:
		return nil, fmt.Errorf("%d addresses for %d servers", len(o.Addresses), servers)
	}
	if o.MaxAppendSize == 0 {
		o.MaxAppendSize = DefaultMaxAppendSize
	}
	if o.Version == "" {
		o.Version = DefaultVersion
	}
	c := &Cluster{options: o, db: newDatabase(), closed: make(chan struct{})}
	if !o.NoSystemEvents {
		c.db.addSystemEvents()
	}
	authority, config, err := certificates(o.TLS)
	if err != nil {
		return nil, err
	}
	if o.TLS {
		c.caFile = filepath.Join(dir, "ca.crt")
		if err := os.WriteFile(c.caFile, authority, 0o600); err != nil {
			return nil, err
		}
	}
	for i := range servers {
		n := newNode(c, config)
		if len(o.Addresses) > 0 {
			n.address = o.Addresses[i]
		}
		if err := n.listen(); err != nil {
			c.Close()
			return nil, err
		}
		c.nodes = append(c.nodes, n)
	}
	return c, nil
}

// Close stops every server.
func (c *Cluster) Close() {
	c.once.Do(func() { close(c.closed) })
	for _, n := range c.nodes {
		n.stop()
	}
}

// Server returns one of the servers.
func (c *Cluster) Server(i int) *Server { return &Server{node: c.nodes[i]} }

// Cluster returns the cluster of a server, which for one alone is itself.
func (s *Server) Cluster() *Cluster { return s.node.cluster }

// CAFile is the file with the certificate authority, or empty without TLS.
func (c *Cluster) CAFile() string { return c.caFile }

// URL is the connection string of the server alone, with its credentials.
func (s *Server) URL() string { return s.node.cluster.url(s.Addr()) }

// URL is the connection string of all servers.
func (c *Cluster) URL() string {
	addresses := make([]string, len(c.nodes))
	for i := range c.nodes {
		addresses[i] = c.Server(i).Addr()
	}
	return c.url(strings.Join(addresses, ","))
}

func (c *Cluster) url(addresses string) string {
	if !c.options.TLS {
		return "esdb://" + addresses + "?tls=false"
	}
	user := ""
	if c.options.User != "" {
		user = c.options.User + ":" + c.options.Password + "@"
	}
	return "esdb://" + user + addresses + "?tls=true&tlsCAFile=" + c.caFile
}

// Addr is the address of the server, the same when it was down and is up again.
func (s *Server) Addr() string {
	host, port := s.node.endpoint()
	return net.JoinHostPort(host, fmt.Sprint(port))
}

// MoveLeader makes another server the leader, at once. Connections and subscriptions stay: the
// old leader passes writes on, as followers do.
func (c *Cluster) MoveLeader(to int) {
	c.mu.Lock()
	c.leader = to
	c.mu.Unlock()
}

// StartElection leaves the cluster without a leader until MoveLeader: writes are answered
// UNAVAILABLE.
func (c *Cluster) StartElection() { c.MoveLeader(-1) }

// leaderNode returns the leader, or nil if there is none that answers.
func (c *Cluster) leaderNode() *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader < 0 || !c.nodes[c.leader].up.Load() {
		return nil
	}
	return c.nodes[c.leader]
}

// leaderEndpoint is the address of the leader as a node tells it: its own if there is none.
func (c *Cluster) leaderEndpoint(own *node) (string, int) {
	if leader := c.leaderNode(); leader != nil {
		return leader.endpoint()
	}
	return own.endpoint()
}

// canCommit refuses writes without a leader, and without the majority that commits them.
func (c *Cluster) canCommit(ctx context.Context) error {
	if c.leaderNode() == nil {
		return errNotReady(ctx)
	}
	up := 0
	for _, n := range c.nodes {
		if n.up.Load() {
			up++
		}
	}
	if 2*up <= len(c.nodes) {
		return errTimeout(ctx)
	}
	return nil
}

// Stop takes the server down: its connections are cut, and new ones refused.
func (s *Server) Stop() { s.node.stop() }

// Restart takes a server up again that is down, on its old address and with the same log.
func (s *Server) Restart() error { return s.node.listen() }

// Pause stops the server as SIGSTOP stops a process: connections stay and new ones are accepted,
// and nothing is read or answered.
func (s *Server) Pause() { s.node.gate.pause() }

// Resume lets it go on, with everything that came in the meantime.
func (s *Server) Resume() { s.node.gate.resume() }

// CutConnections cuts every connection to the server.
func (s *Server) CutConnections() { s.node.cutAll() }

// DropSubscriptions ends every subscription, and leaves the connections alone. It returns how
// many there were.
func (s *Server) DropSubscriptions() int {
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	for _, cancel := range s.node.subs {
		cancel(errDropped)
	}
	return len(s.node.subs)
}

// HoldReplication keeps what is written from now on from the readers of this server, as a
// follower does that lags behind.
func (s *Server) HoldReplication() {
	d := s.node.cluster.db
	d.mu.Lock()
	defer d.mu.Unlock()
	s.node.held.Store(int64(len(d.log)))
}

// ReleaseReplication lets the server catch up.
func (s *Server) ReleaseReplication() {
	d := s.node.cluster.db
	d.mu.Lock()
	defer d.mu.Unlock()
	s.node.held.Store(-1)
	d.wake()
}

// Calls returns how many calls of a kind reached the server.
func (s *Server) Calls(call Call) int {
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	return s.node.calls[call]
}

// Write appends events to a stream as another program would: without an expected revision.
func (c *Cluster) Write(stream string, events ...Event) {
	for i := range events {
		if events[i].ID == uuid.Nil {
			events[i].ID = uuid.New()
		}
	}
	c.db.append(stream, expectAny, events)
}

// Events returns the events of a stream that are in the log, or all of the log for "".
func (c *Cluster) Events(stream string) []Recorded {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	all := c.db.log
	if stream != "" {
		all = c.db.streams[stream]
	}
	events := make([]Recorded, len(all))
	for i, r := range all {
		events[i] = *r
	}
	return events
}
