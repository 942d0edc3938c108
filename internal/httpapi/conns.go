package httpapi

import (
	chain "container/list"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"pets/domain"
)

// bounds are the connection limits of one listener. A connection belongs to its
// source until it has sent a valid key, and to that key from then on, so that
// bots behind one proxy, or on this machine, do not compete as strangers.
type bounds struct {
	all int
	// Without a valid key: of one source, and of those that arrived within the
	// last settle. A new connection gets that long to authenticate, and is not
	// closed for others that arrive meanwhile.
	source, newcomers int
	settle            time.Duration
	// key bounds those of one key.
	key int
}

// ofListener allows 32 requests and 32 event streams of a key, and as many idle
// connections.
var ofListener = bounds{all: 4_096, source: 64, newcomers: 1_024, settle: time.Second, key: 128}

// conns are the connections of a listener. None is refused because others are
// idle: the one that has been idle longest is closed instead. A connection is
// refused only if every other one is busy with a request.
type conns struct {
	net.Listener
	bounds bounds
	now    func() time.Time
	// room frees a file descriptor if the process has none left; nil closes one
	// of this listener's own connections.
	room func() bool

	mu      sync.Mutex
	unknown groups // by source
	known   groups // by key, those of most recent use last
}

// groups holds connections in two orders: all of them, and those that belong
// together.
type groups struct {
	all chain.List
	of  map[string]*chain.List
}

// conn is one connection. It is busy while it carries admitted requests.
type conn struct {
	net.Conn
	conns *conns
	busy  atomic.Int32
	// answers counts the answers it got before it showed a valid key.
	answers atomic.Int32
	since   time.Time

	// Its place in the lists; guarded by conns.mu.
	in       *groups // nil once it is closed
	group    string
	all, own *chain.Element
}

func newConns(l net.Listener, b bounds) *conns {
	return &conns{
		Listener: l, bounds: b, now: time.Now,
		unknown: groups{of: map[string]*chain.List{}}, known: groups{of: map[string]*chain.List{}},
	}
}

// Accept implements net.Listener.
func (c *conns) Accept() (net.Conn, error) {
	for {
		raw, err := c.Listener.Accept()
		if err != nil {
			if outOfFiles(err) && c.makeRoom() {
				time.Sleep(acceptAgain)
				continue
			}
			return nil, err
		}
		if n, ok := c.admit(raw); ok {
			return n, nil
		}
		_ = raw.Close() // nothing was sent to it yet
	}
}

// admit makes room for a new connection and adds it.
func (c *conns) admit(raw net.Conn) (*conn, bool) {
	n := &conn{Conn: raw, conns: c, since: c.now()}
	source := groupOf(raw.RemoteAddr())
	c.mu.Lock()
	out := c.surplus(source, n.since)
	room := true
	if len(out) == 0 && c.unknown.all.Len()+c.known.all.Len() >= c.bounds.all {
		last := oldest(&c.unknown.all)
		if last == nil {
			last = oldest(&c.known.all)
		}
		if room = last != nil; room {
			c.remove(last)
			out = append(out, last)
		}
	}
	if room {
		c.put(n, &c.unknown, source)
	}
	c.mu.Unlock()
	for _, o := range out {
		o.cut()
	}
	return n, room
}

func (c *conns) makeRoom() bool {
	if c.room != nil {
		return c.room()
	}
	return c.closeOldest(true) || c.closeOldest(false)
}

// closeOldest closes the connection that has been idle longest, of strangers or
// of keys. It returns false if all of them are busy.
func (c *conns) closeOldest(strangers bool) bool {
	of := &c.known
	if strangers {
		of = &c.unknown
	}
	c.mu.Lock()
	n := oldest(&of.all)
	c.remove(n)
	c.mu.Unlock()
	n.cut()
	return n != nil
}

// surplus removes one of a source's surplus connections, including the new one:
// one that had time to authenticate or, if too many arrive at once, the oldest.
func (c *conns) surplus(source string, now time.Time) (out []*conn) {
	for {
		size := c.unknown.size(source)
		if size < c.bounds.source {
			return out
		}
		n := oldest(c.unknown.of[source])
		if n == nil || now.Sub(n.since) < c.bounds.settle && size < c.bounds.newcomers {
			return out
		}
		c.remove(n)
		out = append(out, n)
	}
}

// sweep closes surplus connections of sources even if they open no others: those
// that had time to authenticate and did not.
func (c *conns) sweep() {
	now := c.now()
	var out []*conn
	c.mu.Lock()
	for _, own := range c.unknown.of {
		for own.Len() > c.bounds.source {
			n := oldest(own)
			if n == nil || now.Sub(n.since) < c.bounds.settle {
				break
			}
			c.remove(n)
			out = append(out, n)
		}
	}
	c.mu.Unlock()
	for _, o := range out {
		o.cut()
	}
}

// sweeping sweeps every second until the context ends.
func (c *conns) sweeping(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.sweep()
		case <-ctx.Done():
			return
		}
	}
}

// keyed notes that a connection has sent a valid key.
func (c *conns) keyed(n *conn, key string) {
	c.mu.Lock()
	var out *conn
	switch {
	case n.in == nil: // it was cut meanwhile
	case n.in == &c.known && n.group == key:
		c.known.all.MoveToBack(n.all)
		c.known.of[key].MoveToBack(n.own)
	default:
		c.remove(n)
		if c.known.size(key) >= c.bounds.key {
			out = oldest(c.known.of[key])
			c.remove(out)
		}
		c.put(n, &c.known, key)
	}
	c.mu.Unlock()
	out.cut()
}

func (c *conns) put(n *conn, g *groups, name string) {
	own := g.of[name]
	if own == nil {
		own = chain.New()
		g.of[name] = own
	}
	n.in, n.group, n.all, n.own = g, name, g.all.PushBack(n), own.PushBack(n)
}

func (c *conns) remove(n *conn) {
	if n == nil || n.in == nil {
		return
	}
	g, own := n.in, n.in.of[n.group]
	g.all.Remove(n.all)
	if own.Remove(n.own); own.Len() == 0 {
		delete(g.of, n.group)
	}
	n.in = nil
}

func (g *groups) size(name string) int {
	if own := g.of[name]; own != nil {
		return own.Len()
	}
	return 0
}

// oldest returns the first connection that carries no request, or nil.
func oldest(l *chain.List) *conn {
	for e := l.Front(); e != nil; e = e.Next() {
		if n, ok := e.Value.(*conn); ok && n.busy.Load() == 0 {
			return n
		}
	}
	return nil
}

// cut closes a connection while it is served. It closes below TLS, whose closing
// message could wait for a reader who reads nothing.
func (n *conn) cut() {
	if n != nil {
		_ = n.Conn.Close() // it is closed in any case
	}
}

// Close implements net.Conn.
func (n *conn) Close() error {
	n.conns.mu.Lock()
	n.conns.remove(n)
	n.conns.mu.Unlock()
	return n.Conn.Close()
}

// CloseWrite lets net/http finish an answer to a client that has not sent
// everything.
func (n *conn) CloseWrite() error {
	if half, ok := n.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// connOf returns the connection below the one that net/http serves, or nil.
func connOf(c net.Conn) *conn {
	if below, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = below.NetConn()
	}
	n, _ := c.(*conn)
	return n
}

// connKey is the context key of a request's connection.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, connOf(c))
}

// connIn returns the connection of a request, or nil in a server without limits.
func connIn(ctx context.Context) *conn {
	n, _ := ctx.Value(connKey{}).(*conn)
	return n
}

// keyed notes that the connection has sent a valid key.
func (n *conn) keyed(key string) {
	if n != nil {
		n.conns.keyed(n, key)
	}
}

// stranger reports that it has not sent a valid key yet.
func (n *conn) stranger() bool {
	n.conns.mu.Lock()
	defer n.conns.mu.Unlock()
	return n.in != &n.conns.known
}

// hold keeps the connection from being closed for others until [conn.release].
func (n *conn) hold() {
	if n != nil {
		n.busy.Add(1)
	}
}

func (n *conn) release() {
	if n != nil {
		n.busy.Add(-1)
	}
}

func groupOf(a net.Addr) string { return sourceAt(a.String(), a.Network()) }

// sourceAt returns what counts as one source: an IPv4 address, or the 64 bits of
// an IPv6 address that a provider gives to one customer.
func sourceAt(address, otherwise string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return otherwise
	}
	ip := at.Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return ip.String()
	}
	return p.String()
}

// What strangers, callers without a valid key, may request. Every answer takes
// processor time, for which a stop may have to wait.
const (
	// answersForStranger is how many answers one connection gets before it has
	// shown a valid key. Then it is closed. Otherwise thousands of pipelined
	// requests on open connections would bypass the limits of connections.
	answersForStranger = 8
	// openRate and openBurst limit, per source, the routes that need no key: a
	// monitoring system sends a few requests a second.
	openRate  = 20
	openBurst = 40
	// refusalRate and refusalBurst limit, per key, the refusals (403 and 429)
	// that are answered at once.
	refusalRate  = 100
	refusalBurst = 200
	// lingerFor is how long an answer beyond these limits is delayed. A client
	// that repeats its request at once then sends two a second on each
	// connection.
	lingerFor = 500 * time.Millisecond
	// maxDocuments is how many clients may read the OpenAPI document at a time.
	maxDocuments = 16
)

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.needsKey(r) || a.letStranger(w, r) {
		a.mux.ServeHTTP(w, r)
	}
}

// needsKey reports that the request matches a row of the table, where [API.guard]
// requires a key. Everything else is answered to strangers: health, the document,
// redirects, and unknown routes.
func (a *API) needsKey(r *http.Request) bool {
	_, pattern := a.mux.Handler(r)
	return a.guarded[pattern] && path.Clean(r.URL.Path) == r.URL.Path
}

// letStranger counts a request that needs no key, and answers one that is too
// many. /livez is always answered, only later, because a flood from the address
// of a monitoring system must not make the server look dead.
func (a *API) letStranger(w http.ResponseWriter, r *http.Request) bool {
	if a.limits.open(sourceOf(r), a.now()) {
		lastAnswer(w, r)
		return true
	}
	a.linger(w, r)
	if r.URL.Path == "/livez" {
		return true
	}
	writeProblem(w, problemOf(errStrangers))
	return false
}

var errStrangers = domain.Errorf(domain.CodeRateLimited, "too many requests without a valid key")

// refuseStranger answers a request whose key is not valid, with a delay that
// grows with their number. expired is the id of one that has expired, or "".
func (a *API) refuseStranger(q *request, expired string, err error) error {
	source := sourceOf(q.r)
	a.denials.note(source, expired, q.row.name, domain.CodeUnauthenticated, a.now())
	if a.limits.stranger(source, a.now()) {
		lastAnswer(q.w, q.r)
		return err
	}
	a.linger(q.w, q.r)
	return errStrangers
}

// slowDown delays a refusal of a key that causes too many of them.
func (a *API) slowDown(q *request) {
	if q.key.id == "" || a.limits.refusal(q.key.id, a.now()) {
		return
	}
	if _, local := localIn(q.r.Context()); local {
		return
	}
	q.leave() // it is already answered, and holds no place
	a.linger(q.w, q.r)
}

// lastAnswer closes the connection after this answer if it has had all the
// answers that a stranger gets.
func lastAnswer(w http.ResponseWriter, r *http.Request) {
	if n := connIn(r.Context()); n != nil && n.stranger() && n.answers.Add(1) >= answersForStranger {
		w.Header().Set("Connection", "close")
	}
}

// linger waits before a request is answered, and closes its connection after the
// answer.
func (a *API) linger(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	wait := time.NewTimer(lingerFor)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
	case <-a.closing.Done():
	}
}

// documentPlace takes a place among the readers of the document. It returns false
// if all are taken.
func (a *API) documentPlace() (release func(), ok bool) {
	select {
	case a.documents <- struct{}{}:
		return func() { <-a.documents }, true
	default:
		return nil, false
	}
}
