package esdbtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// maxMessage is the size of the largest message that the server takes.
const maxMessage = 17 << 20

// errDropped is why a subscription ends that the server drops.
var errDropped = errors.New("dropped")

// node is one member of a cluster, and its services.
type node struct {
	streams.UnimplementedStreamsServer

	cluster *Cluster
	id      uuid.UUID
	address string // host:port, the same after a restart
	tls     *tls.Config
	gate    *gate
	up      atomic.Bool
	held    atomic.Int64 // so many events of the log are replicated to it; -1 is all of them

	mu      sync.Mutex
	server  *grpc.Server
	served  chan struct{} // closed when the server has ended
	conns   map[string]*conn
	faults  []*Injected
	calls   map[Call]int
	subs    map[int]context.CancelCauseFunc
	nextID  int
	batches atomic.Int64 // calls of BatchAppend
}

func newNode(c *Cluster, config *tls.Config) *node {
	n := &node{
		cluster: c, id: uuid.New(), address: "127.0.0.1:0", tls: config, gate: newGate(),
		conns: map[string]*conn{}, calls: map[Call]int{}, subs: map[int]context.CancelCauseFunc{},
	}
	n.held.Store(-1)
	return n
}

// listen starts the services, on the address that the node had before if it had one.
func (n *node) listen() error {
	var l net.Listener
	var err error
	// The port may be busy for a moment with what is left of the last run.
	for range 100 {
		if l, err = net.Listen("tcp", n.address); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("the test server cannot listen: %w", err)
	}
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage), grpc.WaitForHandlers(true),
		// The server does not mind how often a client asks whether it is there.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Millisecond, PermitWithoutStream: true}),
	}
	if n.tls != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(n.tls)))
	}
	server := grpc.NewServer(options...)
	streams.RegisterStreamsServer(server, n)
	gossip.RegisterGossipServer(server, gossiper{node: n})
	serverfeatures.RegisterServerFeaturesServer(server, features{node: n})
	served := make(chan struct{})
	n.mu.Lock()
	n.address = l.Addr().String()
	n.server, n.served = server, served
	n.mu.Unlock()
	n.up.Store(true)
	go func() {
		defer close(served)
		_ = server.Serve(listener{Listener: l, node: n}) // it ends when the node stops
	}()
	return nil
}

// stop ends the services without a farewell.
func (n *node) stop() {
	if !n.up.Swap(false) {
		return
	}
	n.mu.Lock()
	server, served := n.server, n.served
	n.mu.Unlock()
	n.cutAll()
	server.Stop()
	<-served
}

func (n *node) endpoint() (host string, port int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host, text, err := net.SplitHostPort(n.address)
	if err != nil {
		panic(err) // the address of a listener
	}
	if port, err = strconv.Atoi(text); err != nil {
		panic(err)
	}
	return host, port
}

// seen is how many events of the log this node has.
func (n *node) seen() int {
	if held := n.held.Load(); held >= 0 {
		return int(held)
	}
	return everything
}

// enter makes a subscription known, so that it can be dropped.
func (n *node) enter(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	id := n.nextID
	n.nextID++
	n.subs[id] = cancel
	return ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.subs, id)
		cancel(nil)
	}
}

// intercept counts a call and does what goes wrong before it.
func (n *node) intercept(ctx context.Context, call Call, stream string) (*Injected, error) {
	n.mu.Lock()
	n.calls[call]++
	n.mu.Unlock()
	i := n.faultOf(call, stream)
	return i, n.before(ctx, i)
}

// requiresLeader says whether the client wants no other node to answer.
func requiresLeader(ctx context.Context) bool {
	md, _ := metadata.FromIncomingContext(ctx)
	v := md.Get("requires-leader")
	return len(v) > 0 && (v[0] == "true" || v[0] == "True")
}

// mayRead lets a node answer a read itself, unless the client requires a leader that it is not.
func (n *node) mayRead(ctx context.Context) error {
	if err := n.authorize(ctx); err != nil {
		return err
	}
	if requiresLeader(ctx) {
		return n.leads(ctx)
	}
	return nil
}

// leads refuses what only a leader does.
func (n *node) leads(ctx context.Context) error {
	leader := n.cluster.leaderNode()
	switch {
	case leader == nil:
		return errNotReady(ctx)
	case leader != n:
		host, port := leader.endpoint()
		return errNotLeader(ctx, host, port)
	}
	return nil
}

// write does a write, between what goes wrong before and after it. A follower passes it on to
// the leader, unless the client requires that it is the leader.
func (n *node) write(ctx context.Context, call Call, stream string, do func() verdict) (verdict, error) {
	i, err := n.intercept(ctx, call, stream)
	if err != nil {
		return verdict{}, err
	}
	if i.kind() == LateWrite {
		return n.writeLate(ctx, i, do)
	}
	if requiresLeader(ctx) {
		if err := n.leads(ctx); err != nil {
			return verdict{}, err
		}
	}
	if err := n.cluster.canCommit(ctx); err != nil {
		return verdict{}, err
	}
	if i.kind() == Conflict {
		return verdict{decision: wrongVersion, current: n.cluster.db.head(stream)}, nil
	}
	v := do()
	return v, n.after(ctx, i)
}

// writeLate writes when the fault is released, whether the client still waits or not.
func (n *node) writeLate(ctx context.Context, i *Injected, do func() verdict) (verdict, error) {
	written := make(chan verdict, 1)
	go func() {
		select {
		case <-i.released:
			written <- do()
			i.finish.Do(func() { close(i.done) })
		case <-n.cluster.closed:
		}
	}()
	select {
	case v := <-written:
		return v, nil
	case <-ctx.Done():
		return verdict{}, status.FromContextError(ctx.Err()).Err()
	}
}
