package esdb

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/metadata"
)

// The pause between two attempts grows from firstPause to longestPause.
const (
	firstPause   = 20 * time.Millisecond
	longestPause = time.Second
)

// gRPC writes its errors, with the names of hosts, to the standard error. Nothing
// else of this program uses gRPC.
func init() { grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) }

// link is the connection to the database: one client of the library, and after
// that has failed, another. It owns every call of the client.
//
// The client stops for good when it does not find a node, ignores contexts while
// it looks for one, and panics when it is closed while a call reports an error. So
// each call has a goroutine of its own, whose end no caller has to wait for, and a
// client that lost its connection is replaced, and closed when its calls have ended.
type link struct {
	address Address
	timeout time.Duration
	log     *slog.Logger
	health  *health

	closing context.Context // ends when the store is closed
	close   context.CancelFunc

	mu      sync.Mutex
	current *client
	dialed  int
	cause   error // why there is no connection
}

// client is one client of the library, until it has failed.
type client struct {
	up       chan struct{} // closed when it is connected
	use      func() *esdb.Client
	refusals atomic.Int32 // by nodes that are not the leader

	retired context.Context // ends when it has failed
	retire  context.CancelFunc
	mu      sync.Mutex
	calls   int
	idle    chan struct{} // closed when it is retired and has no calls
}

func newClient() *client {
	c := &client{up: make(chan struct{}), idle: make(chan struct{})}
	c.retired, c.retire = context.WithCancel(context.Background())
	return c
}

// take begins a call. It reports false if the client is retired.
func (c *client) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired.Err() != nil {
		return false
	}
	c.calls++
	return true
}

// leave ends a call.
func (c *client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls--; c.calls == 0 && c.retired.Err() != nil {
		close(c.idle)
	}
}

// closeIdle retires the client, and closes it once its calls have ended: one that
// reports an error to a closed client panics ("send on closed channel"). In the end
// it is closed all the same, which ends calls that hang in it.
func (c *client) closeIdle() {
	c.mu.Lock()
	c.retire()
	if c.calls == 0 {
		close(c.idle)
	}
	c.mu.Unlock()
	go func() {
		timer := time.NewTimer(longestHang)
		defer timer.Stop()
		select {
		case <-c.idle:
		case <-timer.C:
		}
		_ = c.use().Close() // it returns nil
	}()
}

// longestHang is how long calls may hang in a client that was given up.
const longestHang = 10 * time.Minute

// refusalsAllowed is how often a client may follow a node's word about which is the
// leader, before the cluster is asked again.
const refusalsAllowed = 5

func newLink(a Address, o Options, h *health) *link {
	l := &link{address: a, timeout: o.Timeout, log: o.Log, health: h}
	l.closing, l.close = context.WithCancel(context.Background())
	l.current = newClient()
	go l.dial(l.current)
	return l
}

// dial connects, for as long as it takes.
func (l *link) dial(c *client) {
	for pause := firstPause; l.closing.Err() == nil; pause = min(2*pause, longestPause) {
		config := l.address.reveal()
		made, err := esdb.NewClient(&config)
		if err == nil {
			if err = connect(made); err == nil {
				l.connected(c, made)
				return
			}
			_ = made.Close() // it returns nil
		}
		l.failed(err)
		sleep(l.closing, pause)
	}
}

// connect waits until the client has found a node.
func connect(c *esdb.Client) (err error) {
	defer recoverTo(&err)
	_, err = c.GetServerVersion()
	return err
}

func (l *link) connected(c *client, made *esdb.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.use = func() *esdb.Client { return made }
	if l.closing.Err() != nil {
		_ = made.Close()
	}
	l.dialed++
	l.cause = nil
	l.health.connected(l.dialed > 1)
	if l.dialed > 1 {
		l.log.Info("connected to EventStoreDB again")
	}
	close(c.up)
}

func (l *link) failed(err error) {
	p := problemOf(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil || l.cause.Error() != p.Error() {
		l.log.Warn("EventStoreDB cannot be reached", "reason", p.reason)
	}
	l.cause = p
}

// lost replaces a client that has failed. Only the first caller does.
func (l *link) lost(c *client, p *problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != c || l.closing.Err() != nil {
		return
	}
	l.log.Warn("the connection to EventStoreDB was lost", "reason", p.reason)
	l.cause = p
	l.health.lost()
	l.current = newClient()
	c.closeIdle()
	go l.dial(l.current)
}

// get returns a connected client for one call, after which the caller has to leave
// it.
func (l *link) get(ctx context.Context) (*client, error) {
	for {
		l.mu.Lock()
		c := l.current
		l.mu.Unlock()
		select {
		case <-c.up:
		case <-l.closing.Done():
			return nil, closedError
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if c.take() {
			return c, nil
		}
		if l.closing.Err() != nil {
			return nil, closedError
		}
	}
}

// why returns the reason for which there is no connection now, or nil.
func (l *link) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// shut ends all calls.
func (l *link) shut() {
	l.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.current.up:
		l.current.closeIdle()
	default: // dial closes it
	}
}

// leader makes a request that only the leader answers. The client has an option
// for it, which it never sends.
func leader(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}

// call runs one call of the client in a goroutine of its own, so that it ends with
// the context or after the timeout whatever the client does. It reports whether
// anything may have been sent. An error is that of the context, that of a closed
// store, or a problem.
func call[T any](ctx context.Context, l *link, f func(context.Context, *esdb.Client) (T, error)) (result T, sent bool, err error) {
	return callFor(ctx, l, l.timeout, f)
}

// callFor is call with another timeout.
func callFor[T any](ctx context.Context, l *link, timeout time.Duration, f func(context.Context, *esdb.Client) (T, error)) (result T, sent bool, err error) {
	if err := ctx.Err(); err != nil {
		return result, false, err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	c, err := l.get(limited)
	if err != nil {
		cancel()
		return result, false, l.ended(ctx, err)
	}
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		defer c.leave()
		defer cancel()
		var o outcome
		defer func() { done <- o }()
		defer recoverTo(&o.err)
		o.result, o.err = f(leader(limited), c.use())
	}()
	select {
	case o := <-done:
		if o.err == nil {
			return o.result, true, nil
		}
		return result, true, l.judge(ctx, c, o.err)
	case <-limited.Done():
	case <-c.retired.Done():
		// Its connection is broken, so this call ends too. It is not canceled: the
		// client would read what gRPC writes then.
	}
	select {
	case o := <-done: // the answer came together with the end
		if o.err == nil {
			return o.result, true, nil
		}
	default:
	}
	return result, true, l.unanswered(ctx)
}

// ended is the error of a call for which there was no connection.
func (l *link) ended(ctx context.Context, err error) error {
	switch {
	case l.closing.Err() != nil:
		return closedError
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if why := l.why(); why != nil {
		return why
	}
	return problemOf(err)
}

// unanswered is the error of a call that was sent and is given up. Whatever the
// reason, it may still be executed.
func (l *link) unanswered(ctx context.Context) error {
	switch {
	case l.closing.Err() != nil:
		return closedError
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return &problem{class: late, reason: "no answer in time"}
}

// judge says what the error of a call means, and replaces a client that is of no
// use any more.
func (l *link) judge(ctx context.Context, c *client, err error) error {
	if l.closing.Err() != nil {
		return closedError
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p := problemOf(err)
	if p.broken || p.class == follower && c.refusals.Add(1)%refusalsAllowed == 0 {
		l.lost(c, p)
	}
	return p
}

// recoverTo turns a panic of the client into an error.
func recoverTo(err *error) {
	if r := recover(); r != nil {
		*err = panicked()
	}
}

// sleep returns after a time, or when the context ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// patience is how long an operation is tried again, and the pauses between.
type patience struct {
	until time.Time
	pause time.Duration
}

func newPatience(d time.Duration) patience { return patience{time.Now().Add(d), firstPause} }

// wait pauses before the next attempt. It reports false if there is none: the time
// is up, or one of the contexts ended.
func (p *patience) wait(one, other context.Context) bool {
	if time.Now().Add(p.pause).After(p.until) {
		return false
	}
	timer := time.NewTimer(p.pause)
	defer timer.Stop()
	p.pause = min(2*p.pause, longestPause)
	select {
	case <-timer.C:
		return true
	case <-one.Done():
	case <-other.Done():
	}
	return false
}

// again reports an error after which the same call may succeed.
func again(err error) bool {
	p, ok := err.(*problem) //nolint:errorlint // made by this file, never wrapped
	return ok && (p.class == lost || p.class == late || p.class == follower)
}

// is reports a problem of a class.
func is(err error, c class) bool {
	p, ok := err.(*problem) //nolint:errorlint // made by this package, never wrapped
	return ok && p.class == c
}

// retry repeats a call until it has a clear answer. Its error is one of
// [eventstore.Store], or a problem of the classes missing, gone or conflicting.
func retry[T any](ctx context.Context, s *Store, p *patience, f func(context.Context, *esdb.Client) (T, error)) (T, error) {
	for {
		result, _, err := call(ctx, s.link, f)
		if err == nil {
			return result, nil
		}
		if again(err) && p.wait(ctx, s.link.closing) {
			continue
		}
		if is(err, missing) || is(err, gone) || is(err, conflicting) {
			return result, err
		}
		return result, s.final(ctx, err)
	}
}

// final is the error of an operation that changed nothing.
func (s *Store) final(ctx context.Context, err error) error {
	p, ok := err.(*problem) //nolint:errorlint // made by this package, never wrapped
	switch {
	case s.link.closing.Err() != nil:
		return closedError
	case !ok:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return unavailable(p)
}
