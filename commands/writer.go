package commands

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/eventstore"
	"pets/internal/work"
)

// Limits of the writer's loop.
const (
	// MaxRequests bounds one DoAll.
	MaxRequests = 4096

	maxLooks    = 16     // calls that only read the state, served between two groups
	maxAttempts = 64     // appends tried for one group before it fails
	several     = 16     // commands of one call, which are worth a place of their own (internal/work)
	maxYields   = 8      // times the writer yields before it decides
	spareFor    = 50_000 // events after which a spare that was not needed is dropped
)

// Checkpoints are disposable copies of folded state. A writer starts from the newest and
// makes none. Losing one costs only time: a checkpoint that cannot be used is ignored.
type Checkpoints interface {
	// Load returns the newest checkpoint of a kind with a revision ≤ atMost, or nil.
	Load(kind, stream string, atMost uint64) (revision uint64, data []byte)
}

// CheckpointState is the kind of checkpoints that there are. They do not hold the past.
const CheckpointState = "state"

// CheckpointVersion is the version of what is in checkpoints. Those of another version cannot
// be used.
var CheckpointVersion = strconv.Itoa(portfolio.Version)

// Writer decides the commands of one stream: a portfolio's, or the system's. One
// goroutine takes a group of the queued commands, stops first and then each
// caller in turn (queue.go). It decides them against the state folded from the
// stream at revision r, appends the events at r in one durable write, and only
// then answers. If another record came between, it catches up and decides again.
type Writer struct {
	store   eventstore.Store
	subject string // the portfolio's id, or the system stream's name: part of every id
	stream  string
	blank   func() stateFold
	options Options
	// limits are those of the store, and full is what closes an append.
	limits, full eventstore.Limits
	spaces       *knownSpaces
	queue        *queue
	ctx          context.Context //nolint:containedctx // ends with Close
	stop         context.CancelFunc
	done         chan struct{}
	folded       atomic.Bool // the stream was folded, once
	timed        atomic.Bool // a permit may be open that will end with time
	// reached is the last record's time on the wall clock, in nanoseconds since 1970.
	reached atomic.Int64

	// Private to the goroutine. state and accepted are ahead of what is durable
	// while a group is decided. Both are nil after any failure and are then
	// folded from the stream again.
	state    stateFold
	accepted *accepted
	past     *past   // nil without a History; callers only look ahead with it
	durable  uint64  // the revision the next durable record gets
	origin   origin  // what the state was restored from
	poisoned error   // set if the store accepts no append until it is opened again
	carried  []*step // of groups that were overtaken, to be decided again
	steps    []*step // the room for those of the next group
	recorded int     // records of the group before: the next has as many, mostly
	// spare is a second state (load.go), spareUsed the revision at which it was last needed.
	// wantSpare: make one before the next decision.
	spare     stateFold
	spareUsed uint64
	wantSpare bool
	jump      jump
	still     standstill
	way       way
	asked     bool // the check for a clock that is ahead was made
}

// job is one call: one or several requests, in order.
type job struct {
	ctx      context.Context //nolint:containedctx // it passes through the queue with the requests
	requests []Request
	ids      []identity // of the requests
	steps    []step     // one for each request
	results  []Result
	// brief leaves out most of the answers, for an import, which only counts.
	// each decides every request by itself: a failure does not stop the others.
	brief, each bool
	// load requests only the folding of the stream, look requests a view of the
	// state; err is the result.
	load bool
	look func(stateFold) error
	err  error
	// failed is 1 + the index of the first request that failed, 0 while none has.
	failed int
	// answered counts the requests that have their result, from the first on.
	answered int
	// parts is how the caller learns of results before all are there; it is nil for a
	// caller that waits for all.
	parts *parts
	done  chan struct{} // closed when the results are there

	// Of the queue.
	lane int
	key  turnKey
	next int // the next request to be taken
}

// single is a call of one request, with the room for all that it needs.
type single struct {
	job      job
	requests [1]Request
	ids      [1]identity
	steps    [1]step
	results  [1]Result
}

func newSingle(ctx context.Context, r Request) *single {
	one := &single{requests: [1]Request{r}}
	one.job = job{ctx: ctx, requests: one.requests[:], ids: one.ids[:], steps: one.steps[:], results: one.results[:]}
	return one
}

func (j *job) isLook() bool { return j.load || j.look != nil }

// ErrNotTried is the result of the requests after one that failed.
var ErrNotTried = errors.New("not tried, because a request before it failed")

var errStopped = domain.Errorf(domain.CodeUnavailable, "the server is stopping")

// NewWriter starts the writer of a portfolio. It reads the stream when the first
// command arrives.
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
	if o.elapsed == nil {
		o.elapsed = o.Monotonic
	}
	if o.elapsed == nil {
		o.elapsed = func() time.Duration { return 0 }
	}
	limits := eventstore.LimitsOf(store)
	if o.most == (portfolio.Room{}) {
		o.most = roomOf(limits)
	}
	if o.Recent == 0 {
		o.Recent = portfolio.RecentFacts
	}
	if o.spareFor == 0 {
		o.spareFor = spareFor
	}
	if o.Instance == uuid.Nil {
		o.Instance = uuid.New()
	}
	if o.StopsOnly {
		o.History = nil
	}
	w := &Writer{
		store: store, subject: subject, stream: stream, blank: blank, options: o,
		limits: limits, full: fullAt(limits),
		spaces: newKnownSpaces(), queue: newQueue(), done: make(chan struct{}),
	}
	w.jump.monotonic, w.still.monotonic = o.Monotonic, o.Monotonic
	w.jump.onNotice = func(by time.Duration) {
		if o.Jumped != nil {
			o.Jumped(stream, by)
		}
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	if o.History != nil {
		w.past = &past{history: o.History, store: store, stream: stream, ctx: w.ctx, most: o.Recent}
	}
	go w.run()
	return w
}

// Do sends one command and waits until its events are durable. If the context
// ends first the command may still be executed; sending it again with the same
// key returns the outcome.
func (w *Writer) Do(ctx context.Context, r Request) (Answer, error) {
	one := newSingle(ctx, r)
	if _, err := w.send(&one.job); err != nil {
		return Answer{}, err
	}
	return one.results[0].Answer, one.results[0].Err
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

// Load folds the stream now, instead of when the first command arrives.
func (w *Writer) Load(ctx context.Context) error {
	_, err := w.send(&job{ctx: ctx, load: true})
	return err
}

func (w *Writer) send(j *job) ([]Result, error) {
	if len(j.requests) == 0 && !j.isLook() {
		return nil, nil
	}
	if err := w.enqueue(j); err != nil {
		return nil, err
	}
	select {
	case <-j.done:
		w.complete(j)
		return j.results, j.err
	case <-j.ctx.Done():
		w.queue.remove(j)
		return nil, j.ctx.Err()
	case <-w.done:
		return w.left(j)
	}
}

// enqueue prepares a call, on the goroutine of its caller, and queues it.
func (w *Writer) enqueue(j *job) error {
	j.done = make(chan struct{})
	if n := len(j.requests); j.results == nil {
		j.results, j.ids, j.steps = make([]Result, n), make([]identity, n), make([]step, n)
	}
	prepare := func() {
		identifyInto(j.ids, w.subject, w.spaces, j.requests)
		w.past.lookAhead(j.ctx, j.requests, j.ids)
	}
	if w.ctx.Err() != nil {
		return errStopped
	}
	if len(j.requests) < several {
		prepare()
	} else {
		w.options.Work.Do(work.Requests, prepare)
	}
	return w.queue.put(j.ctx, w.ctx, j)
}

// left returns the outcome of a call when the writer has ended: it may have been
// answered on the way out, or in part.
func (w *Writer) left(j *job) ([]Result, error) {
	select {
	case <-j.done:
	default:
		if j.answered == 0 {
			return nil, errStopped
		}
	}
	w.complete(j)
	for i := j.answered; i < len(j.results); i++ {
		j.results[i] = Result{Err: errStopped}
	}
	return j.results, j.err
}

// Close ends the goroutine after the current group. Calls waiting behind that
// group are refused and have no effect.
func (w *Writer) Close() {
	w.stop()
	<-w.done
}

func (w *Writer) run() {
	defer close(w.done)
	for w.ctx.Err() == nil {
		if w.queue.waiting() == 0 && len(w.carried) == 0 {
			select {
			case <-w.ctx.Done():
			case <-w.queue.wake:
			}
			continue
		}
		w.serveLooks()
		w.giveWay()
		w.gather()
		w.process(w.decideGroup())
	}
}

// serveLooks answers some of the calls that only read the state. They see what is
// durable.
func (w *Writer) serveLooks() {
	for range maxLooks {
		j := w.queue.nextLook()
		if j == nil {
			return
		}
		if j.load {
			j.err = w.load()
		} else {
			j.err = w.show(j.look)
		}
		close(j.done)
	}
}

// gather yields. Callers that were just answered are about to send again: as long
// as yielding brings more of them, it yields once more, and one durable write
// serves all. A stop does not wait for them: where much else wants the processor, a yield
// may take long.
func (w *Writer) gather() (yields int) {
	before := 0
	for yields < maxYields {
		n := w.queue.waiting()
		if n == before || w.queue.stopWaits() {
			return yields
		}
		before = n
		runtime.Gosched()
		yields++
	}
	return yields
}

// take returns the next command of a group, or nil if the group is full. It
// includes stops that arrive while the group is decided; the group then ends
// soon, so that they are recorded.
func (w *Writer) take(g *group) *step {
	if g.full(w.full) {
		return nil
	}
	if s := w.queue.stop(); s != nil {
		g.stops = true
		return s
	}
	if g.stops && (g.others >= besideStops || w.options.elapsed()-g.began >= besideStopsFor) {
		return nil
	}
	if len(w.carried) > 0 {
		s := w.carried[0]
		w.carried = w.carried[1:]
		g.others++
		return s
	}
	if g.again {
		return nil
	}
	s := w.queue.other(w.options.elapsed(), g.stops)
	if s != nil {
		g.others++
	}
	return s
}

// decideGroup decides as many commands as fit one append.
func (w *Writer) decideGroup() *group {
	now := w.options.elapsed()
	w.queue.begin(now)
	g := &group{steps: w.steps, proposed: make([]eventstore.Proposed, 0, w.recorded), again: len(w.carried) > 0, began: now}
	w.armBefore()
	place := w.place()
	defer func() { place.Leave() }()
	for s := w.take(g); s != nil; s = w.take(g) {
		g.steps = append(g.steps, s)
		w.decide(g, s)
		if s.took >= heavy {
			g.heavy = true
			w.queue.putOff(s.job, w.options.elapsed()+s.took)
		}
		if place.Over() {
			place.Leave()
			place = w.place()
		}
	}
	return g
}

// process gives every step of a group its result. A group that was overtaken is
// decided again, against the current stream. After any other failure nothing of
// it is acknowledged.
func (w *Writer) process(g *group) {
	if len(g.steps) == 0 {
		return
	}
	err := w.commit(g)
	w.jump.settled(err == nil)
	w.still.settled(err == nil)
	w.noteTime()
	w.timed.Store(true)
	if err != nil || g.spoiled {
		if !w.stepBack(g, err) {
			w.discard()
		}
	} else {
		w.keepSpare(g)
		w.forget()
	}
	switch {
	case err == nil:
		if len(g.proposed) > 0 {
			w.way.succeeded(time.Now(), g.attempts())
		}
		w.answer(g)
		for _, s := range w.carried { // there was progress: each append has its own attempts
			s.attempts = 0
		}
	case overtaken(err):
		w.way.overtaken(time.Now())
		w.again(g, err)
	default:
		w.fail(g.steps, err)
	}
	tell(g.steps)
	clear(g.steps)
	w.steps, w.recorded = g.steps[:0], min(len(g.proposed), w.full.Records)
}

// again lets the steps of a group that was overtaken be decided once more, except
// those that were overtaken too often.
func (w *Writer) again(g *group, err error) {
	var left, tired []*step
	for _, s := range g.steps {
		if s.attempts++; s.attempts < maxAttempts {
			left = append(left, s)
		} else {
			tired = append(tired, s)
		}
	}
	w.fail(tired, err)
	w.carried = append(left, w.carried...)
}

// commit makes a group durable: all of its records, or none.
func (w *Writer) commit(g *group) error {
	if len(g.proposed) == 0 {
		return w.confirm(g)
	}
	expected := eventstore.Expected(int64(w.durable) - 1) //nolint:gosec // revisions stay far below 2^63
	// THE commit point. A crash before Append returns may lose the group, which
	// was not acknowledged. Once it returns, every record survives.
	done, err := w.store.Append(context.Background(), w.stream, expected, g.proposed)
	if err != nil {
		return err
	}
	if done.Idempotent {
		// An attempt that counted as ambiguous was stored after all: the records
		// are those of that attempt, not these.
		return errOvertaken
	}
	w.durable = done.Last + 1
	g.records = done.Records(w.stream, g.proposed)
	return nil
}

// confirm makes sure that refusals, which append nothing, are based on the whole
// stream: another server may have added records that make this command valid.
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
		return &overtakenAt{next}
	}
	return nil
}

var errOvertaken = errors.New("the stream holds more than was decided on")

// notSound stops the portfolio: its books are inconsistent, so no decision can be
// based on them.
func (w *Writer) notSound(reason string) {
	if w.options.unsound != nil {
		w.options.unsound(reason)
	}
}

// checkBooks checks that the folded books are consistent.
func (w *Writer) checkBooks() {
	if !w.state.balanced() {
		w.notSound("the balances of the ledger do not sum to zero")
	}
}

// discard drops what was folded; the next decision folds it again.
func (w *Writer) discard() { w.state, w.accepted, w.spare = nil, nil, nil }

// fail refuses what did not become durable, including refusals that were based on
// records that do not exist now.
func (w *Writer) fail(steps []*step, err error) {
	var u *eventstore.Unavailable
	if errors.As(err, &u) && u.Poisoned {
		w.poisoned = err
		if w.options.poisoned != nil {
			w.options.poisoned(err)
		}
	}
	failed := asUnavailable(err)
	for _, s := range steps {
		if s.repeats(w.durable) {
			s.later = true
			s.finish(Result{})
			continue
		}
		if s.judged {
			s.err = failed
			s.job.failAt(s.i)
		}
		s.finish(Result{Err: s.err})
	}
}

// repeats reports a command that was accepted by records before a revision: its answer is
// theirs, whatever becomes of the group that it came in.
func (s *step) repeats(durable uint64) bool {
	return s.err == nil && s.known != nil && s.known.first+uint64(s.known.count) <= durable
}

// finish gives a step its result, and answers its call with the last one.
func (s *step) finish(r Result) {
	j := s.job
	j.results[s.i], s.finished = r, true
	for j.answered < len(j.steps) && j.steps[j.answered].finished {
		j.answered++
	}
	if j.answered == len(j.steps) {
		close(j.done)
	}
}

func asUnavailable(err error) error {
	message, after := "the store did not accept the events; nothing was acknowledged", time.Duration(0)
	if overtaken(err) {
		message = "other records were appended during every attempt; send it again with the same Idempotency-Key to learn the outcome"
	}
	if u := (*eventstore.Unavailable)(nil); errors.As(err, &u) && u.Poisoned {
		trouble := eventstore.TroubleOf(err)
		message += ". It accepts no more: " + trouble.What + ". " + trouble.Advice
		after = domain.Lasting
	}
	return &domain.Error{Code: domain.CodeUnavailable, Message: message, Cause: err, After: after}
}

// failAt notes a request that failed, unless an earlier one did.
func (j *job) failAt(i int) {
	if j.failed == 0 || i < j.failed-1 {
		j.failed = i + 1
	}
}
