package commands

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/eventstore"
)

// Limits of the writer's loop.
const (
	// MaxRequests bounds one DoAll, and what is decided before anybody is answered.
	MaxRequests = 4096

	maxQueued     = 1024   // calls waiting, beyond which callers wait to be queued
	maxAttempts   = 20     // appends tried for one group before it is given up
	maxYields     = 8      // times the writer steps aside before it decides
	snapshotEvery = 50_000 // events between snapshots, and at least an eighth of the stream
)

// Snapshots keeps disposable caches of folded state. Losing one costs time,
// never truth: a snapshot that cannot be used is ignored.
type Snapshots interface {
	// Load returns the newest snapshot of a kind with a revision ≤ atMost, or nil.
	Load(kind, stream string, atMost uint64) (revision uint64, data []byte)
	// Save stores one; failures are the implementation's to report.
	Save(kind, stream string, revision uint64, data []byte)
}

// Kinds of snapshots.
const (
	SnapshotState = "state"
	SnapshotIndex = "commands"
)

// Options of a Writer.
type Options struct {
	// Now is the wall clock; time.Now by default.
	Now func() time.Time
	// Monotonic is the time since some moment by a clock that nobody sets: the wall
	// clock is watched against it. time.Since by default where Now is not given;
	// where Now is, nil compares nothing.
	Monotonic func() time.Duration
	// Jumped is told of a wall clock that was moved; it may be nil.
	Jumped func(stream string, by time.Duration)
	// Ahead is told, once the stream is folded, of a wall clock that is more than 24 h
	// ahead of the last record. It may be the clock, or a quiet day: nothing is refused,
	// and a person is asked. It may be nil.
	Ahead func(stream string, by time.Duration)
	// Instance distinguishes writers; random by default.
	Instance uuid.UUID
	// Snapshots may be nil.
	Snapshots Snapshots
	// Hold is asked before a command that could let a bot trade is decided: an
	// error refuses it. It is how an emergency stop holds that cannot be recorded
	// yet. It may be nil.
	Hold func() error
	// Living lists the users with an API key that works, and those with one that was
	// revoked; known is false where no key was ever issued. It is asked before one person confirms what another asked for. Where
	// it is nil nobody keeps keys.
	Living func() (users, revoked []string, known bool, err error)
}

// Writer decides the commands of one stream: a portfolio's, or the system's. One goroutine takes what is
// queued, decides it against the state folded from the stream at revision r,
// appends the events at r in one durable write, and only then answers. If
// anything came between, it catches up and decides again.
type Writer struct {
	store   eventstore.Store
	subject string // the portfolio's id, or the system stream's name: part of every id
	stream  string
	blank   func() stateFold
	options Options
	queue   chan *job
	ctx     context.Context //nolint:containedctx // ends with Close
	stop    context.CancelFunc
	done    chan struct{}

	// Private to the goroutine. state and index run ahead of what is durable
	// while a group is decided; both are nil after any failure and are then
	// folded from the stream again.
	state    stateFold
	index    index
	durable  uint64 // the revision the next durable record gets
	snapshot uint64 // durable at the last snapshot
	poisoned error  // of the store: it takes no append until it is opened anew
	jump     jump
	still    standstill
	asked    bool // whether the clock is ahead, once
}

// job is one call: one or several requests, in order.
type job struct {
	ctx      context.Context //nolint:containedctx // it travels with the requests through the queue
	requests []Request
	results  []Result
	// brief leaves out most of the answers: an import only counts. each decides
	// every request by itself: one that fails does not stop those after it.
	brief, each bool
	// load asks only for the stream to be folded, look to be shown the state; err is
	// what came of it.
	load bool
	look func(*portfolio.State) error
	err  error
	// failed is 1 + the index of the first request that failed, 0 while none has.
	failed int
	done   chan struct{} // closed when the results are there
}

// ErrNotTried is the result of the requests after one that failed.
var ErrNotTried = errors.New("not tried, because a request before it failed")

var errStopped = domain.Errorf(domain.CodeUnavailable, "the server is stopping")

// NewWriter starts the writer of a portfolio. It reads the stream when the first
// command comes.
func NewWriter(store eventstore.Store, portfolioID string, o Options) *Writer {
	return newWriter(store, portfolioID, Stream(portfolioID), o, func() stateFold { return &portfolioFold{portfolioID, portfolio.New()} })
}

// NewSystemWriter starts the writer of the system stream.
func NewSystemWriter(store eventstore.Store, o Options) *Writer {
	return newWriter(store, SystemStream, SystemStream, o, func() stateFold { return &systemFold{system.New()} })
}

func newWriter(store eventstore.Store, subject, stream string, o Options, blank func() stateFold) *Writer {
	if o.Now == nil {
		o.Now = time.Now
		if o.Monotonic == nil {
			start := time.Now()
			o.Monotonic = func() time.Duration { return time.Since(start) }
		}
	}
	if o.Instance == uuid.Nil {
		o.Instance = uuid.New()
	}
	w := &Writer{
		store: store, subject: subject, stream: stream, blank: blank, options: o,
		queue: make(chan *job, maxQueued), done: make(chan struct{}),
	}
	w.jump.monotonic, w.still.monotonic = o.Monotonic, o.Monotonic
	w.jump.noticed = func(by time.Duration) {
		if o.Jumped != nil {
			o.Jumped(stream, by)
		}
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	go w.run()
	return w
}

// Do sends one command and waits until its events are durable. When the context
// ends first the command may still happen; the same key again tells.
func (w *Writer) Do(ctx context.Context, r Request) (Answer, error) {
	results, err := w.send(&job{ctx: ctx, requests: []Request{r}})
	if err != nil {
		return Answer{}, err
	}
	return results[0].Answer, results[0].Err
}

// DoAll sends at most [MaxRequests] commands in order, stopping at the first
// that fails: those after it get [ErrNotTried]. Answers say only Revision,
// Replayed and, of what was not, the events. The requests must not be changed
// afterwards, even if the context ended.
func (w *Writer) DoAll(ctx context.Context, requests []Request) ([]Result, error) {
	if len(requests) > MaxRequests {
		return nil, domain.Errorf(domain.CodeTooLarge, "%d commands at once; the most is %d", len(requests), MaxRequests)
	}
	return w.send(&job{ctx: ctx, requests: requests, brief: true})
}

// DoEach sends at most [MaxRequests] commands in order, each decided on its own
// and answered whole: one that fails does not stop those after it.
func (w *Writer) DoEach(ctx context.Context, requests []Request) ([]Result, error) {
	if len(requests) > MaxRequests {
		return nil, domain.Errorf(domain.CodeTooLarge, "%d commands at once; the most is %d", len(requests), MaxRequests)
	}
	return w.send(&job{ctx: ctx, requests: requests, each: true})
}

// Load folds the stream now, instead of when the first command comes.
func (w *Writer) Load(ctx context.Context) error {
	_, err := w.send(&job{ctx: ctx, load: true})
	return err
}

func (w *Writer) send(j *job) ([]Result, error) {
	ctx := j.ctx
	j.results, j.done = make([]Result, len(j.requests)), make(chan struct{})
	select {
	case w.queue <- j:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.ctx.Done():
		return nil, errStopped
	}
	select {
	case <-j.done:
		return j.results, j.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.done:
		select {
		case <-j.done: // it was answered on the way out
			return j.results, j.err
		default:
			return nil, errStopped
		}
	}
}

// Close ends the goroutine after the batch at hand and saves a snapshot. What
// waits behind that batch is refused, and has not happened.
func (w *Writer) Close() {
	w.stop()
	<-w.done
}

func (w *Writer) run() {
	defer close(w.done)
	for w.ctx.Err() == nil {
		select {
		case <-w.ctx.Done():
		case j := <-w.queue:
			w.batch(j)
		}
	}
	w.saveSnapshot()
}

// batch decides everything that is queued, up to a limit, and answers it.
func (w *Writer) batch(first *job) {
	jobs := w.gather(first)
	var steps []*step
	for _, j := range jobs {
		if j.load {
			j.err = w.load()
		}
		if j.look != nil {
			j.err = w.show(j.look)
		}
		for i := range j.requests {
			steps = append(steps, &step{job: j, i: i})
		}
	}
	w.process(steps)
	for _, j := range jobs {
		close(j.done)
	}
	if w.durable >= w.snapshot+max(snapshotEvery, w.durable/8) {
		w.saveSnapshot()
	}
}

// gather takes what is queued. Those who were answered a moment ago are about to
// ask again: as long as stepping aside brings more of them, it does so once more,
// and one durable write serves all.
func (w *Writer) gather(first *job) []*job {
	jobs := []*job{first}
	yielded, before := 0, 0
	for n := len(first.requests); n < MaxRequests; {
		select {
		case j := <-w.queue:
			jobs = append(jobs, j)
			n += len(j.requests)
			continue
		default:
		}
		if yielded == maxYields || len(jobs) == before {
			return jobs
		}
		yielded, before = yielded+1, len(jobs)
		runtime.Gosched()
	}
	return jobs
}

// process gives every step its result, group by group: a group is what one
// append takes. A group that was overtaken is decided again, against what the
// stream holds by then; after any other failure nothing of it is acknowledged.
func (w *Writer) process(steps []*step) {
	for attempt := 1; len(steps) > 0; attempt++ {
		g := w.decideGroup(steps)
		err := w.commit(g)
		w.jump.settled(err == nil)
		w.still.settled(err == nil)
		if err != nil || g.spoiled {
			w.discard()
		}
		switch {
		case err == nil:
			w.answer(g)
		case overtaken(err) && attempt < maxAttempts:
			continue
		default:
			w.fail(g, err)
		}
		steps, attempt = steps[len(g.steps):], 0
	}
}

// commit makes a group durable: all of its records, or none.
func (w *Writer) commit(g *group) error {
	if len(g.proposed) == 0 {
		return w.confirm(g)
	}
	expected := eventstore.Expected(int64(w.durable) - 1) //nolint:gosec // revisions stay far below 2^63
	// THE commit point. A crash before Append returns may lose the group, and
	// nobody has been told of it; once it returns, every record survives.
	done, err := w.store.Append(context.Background(), w.stream, expected, g.proposed)
	if err != nil {
		return err
	}
	if done.Idempotent {
		// An attempt we had given up as ambiguous came through after all: what
		// stands there are its records, not these.
		return errOvertaken
	}
	w.durable = done.Last + 1
	g.records = done.Records(w.stream, g.proposed)
	return nil
}

// confirm makes sure that refusals, which append nothing, rest on the whole
// stream: another server may have added what makes this command right.
func (w *Writer) confirm(g *group) error {
	if !g.refuses() {
		return nil
	}
	return w.atHead()
}

// atHead makes sure that the state is that of the whole stream.
func (w *Writer) atHead() error {
	next := uint64(0)
	head, err := w.store.Head(context.Background(), w.stream)
	var missing *eventstore.NotFound
	switch {
	case err == nil:
		next = head + 1
	case !errors.As(err, &missing):
		return err
	}
	if next != w.durable {
		return errOvertaken
	}
	return nil
}

var errOvertaken = errors.New("the stream holds more than was decided on")

// overtaken: a conflict wrote nothing; an ambiguous append may have, and reading
// the stream again finds our command ids if it did.
func overtaken(err error) bool {
	var conflict *eventstore.Conflict
	var ambiguous *eventstore.Ambiguous
	return errors.Is(err, errOvertaken) || errors.As(err, &conflict) || errors.As(err, &ambiguous)
}

// discard throws state and index away; the next decision folds them anew.
func (w *Writer) discard() { w.state, w.index = nil, nil }

// fail refuses a group that did not become durable: also its refusals, which
// were decided on records that now do not exist.
func (w *Writer) fail(g *group, err error) {
	var u *eventstore.Unavailable
	if errors.As(err, &u) && u.Poisoned {
		w.poisoned = err
	}
	failed := asUnavailable(err)
	for _, s := range g.steps {
		if s.judged {
			s.err = failed
			s.job.failAt(s.i)
		}
		s.job.results[s.i] = Result{Err: s.err}
	}
}

func asUnavailable(err error) error {
	message := "the store did not take the events; nothing was acknowledged"
	if overtaken(err) {
		message = "the stream moved on at every attempt; the same Idempotency-Key again tells whether it happened"
	}
	return &domain.Error{Code: domain.CodeUnavailable, Message: message, Cause: err}
}

// failAt notes a request that failed, unless one before it did.
func (j *job) failAt(i int) {
	if j.failed == 0 || i < j.failed-1 {
		j.failed = i + 1
	}
}
