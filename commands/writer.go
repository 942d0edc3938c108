package commands

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// Limits of the writer's loop.
const (
	maxQueued        = 1024 // requests waiting, beyond which callers wait to be queued
	maxBatchRequests = 4096 // requests decided before a flush
	// An append is closed once it has this much; one command may add as much
	// again and still fit the store's limits.
	fullBytes      = eventstore.MaxAppendBytes / 2
	fullRecords    = eventstore.MaxAppendRecords / 2
	maxConflicts   = 20     // catch-ups for one batch before it is given up
	snapshotEvery  = 50_000 // events between snapshots
	clockTolerance = 2 * time.Second
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
	// Instance distinguishes writers; random by default.
	Instance uuid.UUID
	// Snapshots may be nil.
	Snapshots Snapshots
}

// Writer decides the commands of one portfolio. One goroutine takes what is
// queued, decides it against the state folded from the stream at revision r,
// appends the events at r in one durable write, and only then answers. If
// anything came between, it catches up and decides again.
type Writer struct {
	store     eventstore.Store
	portfolio string
	stream    string
	options   Options
	queue     chan *job
	stop      chan struct{}
	done      chan struct{}
	once      sync.Once

	// Private to the goroutine. state and index run ahead of what is durable
	// while a batch is decided; state is nil after any failure and is then folded
	// from the stream again.
	state     *portfolio.State
	index     index
	durable   uint64 // the revision the next durable record gets
	snapshot  uint64 // durable at the last snapshot
	proposed  []eventstore.Proposed
	bytes     int
	undecided []*item // decided in memory, not durable yet, in order
}

// job is what one caller asked for: one or several requests, in order.
type job struct {
	ctx      context.Context //nolint:containedctx // it travels with the request through the queue
	requests []Request
	results  []Result
	// brief leaves out the answers' events: an import only counts.
	brief bool
	// broken: a request failed, the ones after it are not tried.
	broken bool
	done   chan struct{}
}

// item is one decided request that waits for its records to be durable.
type item struct {
	job      *job
	i        int
	command  uuid.UUID
	events   []domain.Event
	first    uint64
	replayed bool
}

// ErrNotTried is the result of the requests after one that failed.
var ErrNotTried = errors.New("not tried, because a request before it failed")

// NewWriter starts the writer of a portfolio. It reads the stream when the first
// command comes.
func NewWriter(store eventstore.Store, portfolioID string, o Options) *Writer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Instance == uuid.Nil {
		o.Instance = uuid.New()
	}
	w := &Writer{
		store: store, portfolio: portfolioID, stream: Stream(portfolioID), options: o,
		queue: make(chan *job, maxQueued), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go w.run()
	return w
}

// Do sends one command and waits until its events are durable. When the context
// ends first the command may still happen; the same key again tells.
func (w *Writer) Do(ctx context.Context, r Request) (Answer, error) {
	results, err := w.send(ctx, []Request{r}, false)
	if err != nil {
		return Answer{}, err
	}
	return results[0].Answer, results[0].Err
}

// DoAll sends commands in order, stopping at the first that fails: those after
// it get [ErrNotTried]. Answers say only Revision and Replayed.
func (w *Writer) DoAll(ctx context.Context, requests []Request) ([]Result, error) {
	return w.send(ctx, requests, true)
}

func (w *Writer) send(ctx context.Context, requests []Request, brief bool) ([]Result, error) {
	j := &job{ctx: ctx, requests: requests, results: make([]Result, len(requests)), brief: brief, done: make(chan struct{})}
	select {
	case w.queue <- j:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.stop:
		return nil, errStopped
	}
	select {
	case <-j.done:
		return j.results, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.done:
		select {
		case <-j.done: // it was answered on the way out
			return j.results, nil
		default:
			return nil, errStopped
		}
	}
}

var errStopped = domain.Errorf(domain.CodeUnavailable, "the server is stopping")

// Close ends the goroutine after the batch at hand and saves a snapshot.
func (w *Writer) Close() {
	w.once.Do(func() { close(w.stop) })
	<-w.done
}

func (w *Writer) run() {
	defer close(w.done)
	for {
		select {
		case <-w.stop:
			w.saveSnapshot()
			return
		case j := <-w.queue:
			w.batch(j)
		}
	}
}

// batch decides everything that is queued, up to a limit, and makes it durable.
func (w *Writer) batch(first *job) {
	jobs, n := []*job{first}, len(first.requests)
	for n < maxBatchRequests {
		select {
		case j := <-w.queue:
			jobs = append(jobs, j)
			n += len(j.requests)
			continue
		default:
		}
		break
	}
	for _, j := range jobs {
		for i := range j.requests {
			w.take(j, i)
		}
	}
	w.flush()
	for _, j := range jobs {
		close(j.done)
	}
	if w.state != nil && w.durable-w.snapshot >= snapshotEvery {
		w.saveSnapshot()
	}
}

// take decides one request, or says why not.
func (w *Writer) take(j *job, i int) {
	switch {
	case j.broken:
		j.results[i].Err = ErrNotTried
		return
	case j.ctx.Err() != nil:
		j.fail(i, j.ctx.Err())
		return
	}
	if err := w.decide(j, i); err != nil {
		j.fail(i, err)
	}
}

func (j *job) fail(i int, err error) {
	j.results[i] = Result{Err: err}
	j.broken = true
}

// decide runs one command against the state. Its events wait in w.proposed.
func (w *Writer) decide(j *job, i int) error {
	r := j.requests[i]
	if err := check(r); err != nil {
		return err
	}
	hash, err := requestHash(w.portfolio, r)
	if err != nil {
		return err
	}
	if w.bytes >= fullBytes || len(w.proposed) >= fullRecords {
		w.flush()
	}
	if err := w.load(j.ctx); err != nil {
		return err
	}
	id := CommandID(r.Caller, r.Key)
	if known, ok := w.index[id]; ok {
		if known.Hash != hash {
			return domain.Errorf(domain.CodeIdempotencyMismatch, "this Idempotency-Key was used for another request")
		}
		w.undecided = append(w.undecided, &item{job: j, i: i, command: id, replayed: true})
		return nil
	}
	if err := admissible(r, w.state.Clock, w.state.IsOpen()); err != nil {
		return err
	}
	now, err := w.clock(r)
	if err != nil {
		return err
	}
	return w.record(&item{job: j, i: i, command: id, first: w.state.Next}, r, hash, now)
}

func check(r Request) error {
	if r.Key == "" || len(r.Key) > MaxKeyBytes {
		return domain.Invalid("Idempotency-Key", "is required and has at most %d bytes; keep one UUID per command", MaxKeyBytes)
	}
	return authorise(r)
}

// clock gives the record time of a request: the row's for an import, otherwise
// ours, clamped to the last record when it is up to 2 s behind.
func (w *Writer) clock(r Request) (time.Time, error) {
	last := w.state.Time
	if r.Import != nil {
		at := r.Import.At.UTC()
		if at.Before(last) {
			return at, domain.Errorf(domain.CodeClock, "the row's time %s lies before the portfolio's last record at %s; history is only appended to, so import older files first, or into a new portfolio",
				at.Format(time.RFC3339Nano), last.Format(time.RFC3339Nano))
		}
		return at, nil
	}
	if w.state.Clock == domain.ClockImported {
		return last, nil // a reset of an imported portfolio belongs where its history ends
	}
	now := w.options.Now().Round(0).UTC()
	if behind := last.Sub(now); behind > clockTolerance {
		return now, domain.Errorf(domain.CodeClock, "our clock is %s behind the portfolio's last record; nothing is decided until it is right", behind.Round(time.Millisecond))
	} else if behind > 0 {
		now = last
	}
	return now, nil
}

// record decides, encodes and queues the records of one command.
func (w *Writer) record(it *item, r Request, hash string, now time.Time) error {
	d := w.state.Begin(now, r.Caller)
	if err := run(d, r.Command); err != nil {
		var defect *panicError
		if d.Dirty() || errors.As(err, &defect) {
			w.abandon()
		}
		return err
	}
	it.events = d.Events()
	records, size, err := w.encode(it, r, hash, now)
	if err != nil {
		w.abandon()
		return err
	}
	w.proposed = append(w.proposed, records...)
	w.bytes += size
	w.index[it.command] = indexEntry{First: it.first, Count: len(records), Hash: hash}
	w.undecided = append(w.undecided, it)
	return nil
}

// run decides a command. A defect that panics is refused like any other request
// that cannot be decided: the state it may have touched is thrown away.
func run(d *portfolio.Decision, c Command) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	if err := c.Decide(d); err != nil {
		return err
	}
	return d.Finish()
}

// panicError is a defect found while deciding.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("internal: deciding panicked: %v", e.value) }

func (w *Writer) encode(it *item, r Request, hash string, now time.Time) ([]eventstore.Proposed, int, error) {
	m := domain.Metadata{
		Actor: r.Caller.User, Role: r.Caller.Role, Bot: r.Caller.Bot,
		Command: r.Command.Name(), CommandID: it.command.String(), RequestHash: hash,
	}
	if r.Import != nil {
		at := w.options.Now().UTC().Truncate(time.Second)
		m.ImportedAt, m.Source = &at, r.Import.Source
	} else if w.state.Clock == domain.ClockImported {
		at := w.options.Now().UTC().Truncate(time.Second)
		m.ImportedAt = &at
	}
	meta, err := encodeJSON(m)
	if err != nil {
		return nil, 0, err
	}
	records, size := make([]eventstore.Proposed, len(it.events)), 0
	for i, e := range it.events {
		data, err := domain.Encode(e)
		if err != nil {
			return nil, 0, err
		}
		records[i] = eventstore.Proposed{
			ID: recordID(w.portfolio, it.command, w.options.Instance, i), Type: e.EventType(), Time: now, Metadata: meta, Data: data,
		}
		size += records[i].Size()
	}
	if size > fullBytes || len(records) > fullRecords {
		return nil, 0, domain.Errorf(domain.CodeTooLarge, "the command would record %d events of %d bytes; split it", len(records), size)
	}
	return records, size, nil
}

// abandon throws the state away after a decision that had already changed it was
// refused. What was decided before it stands and is made durable first.
func (w *Writer) abandon() {
	w.flush()
	w.discard()
}

func (w *Writer) discard() { w.state, w.index = nil, nil }

// flush makes the batch durable and answers it. On a conflict it catches up and
// decides the batch again; on any other failure nothing of it is acknowledged.
func (w *Writer) flush() {
	for range maxConflicts {
		if len(w.proposed) == 0 {
			w.answer(nil)
			return
		}
		expected := eventstore.Expected(int64(w.durable) - 1) //nolint:gosec // revisions stay far below 2^63
		// THE commit point. A crash before Append returns may lose the batch, and
		// nobody has been told of it; once it returns, every record survives.
		done, err := w.store.Append(context.Background(), w.stream, expected, w.proposed)
		if err == nil {
			w.durable = done.Last + 1
			w.answer(done.Records(w.stream, w.proposed))
			return
		}
		if !w.retryable(err) {
			w.failAll(err)
			return
		}
		w.decideAgain()
	}
	w.failAll(domain.Errorf(domain.CodeUnavailable, "the stream moved %d times while this was decided", maxConflicts))
}

// retryable: a conflict wrote nothing; an ambiguous append may have, and reading
// the stream again finds our command ids if it did.
func (w *Writer) retryable(err error) bool {
	var conflict *eventstore.Conflict
	var ambiguous *eventstore.Ambiguous
	return errors.As(err, &conflict) || errors.As(err, &ambiguous)
}

// decideAgain folds the stream anew and decides the batch against it.
func (w *Writer) decideAgain() {
	items := w.undecided
	w.clear()
	w.discard()
	for _, it := range items {
		w.take(it.job, it.i)
	}
}

func (w *Writer) clear() {
	w.undecided, w.proposed, w.bytes = nil, nil, 0
}

func (w *Writer) failAll(err error) {
	failed := asUnavailable(err)
	for _, it := range w.undecided {
		it.job.fail(it.i, failed)
	}
	w.clear()
	w.discard()
}

func asUnavailable(err error) error {
	var e *domain.Error
	if errors.As(err, &e) {
		return err
	}
	return &domain.Error{Code: domain.CodeUnavailable, Message: "the store did not take the events; nothing was acknowledged", Cause: err}
}

// answer gives every item of the batch its answer.
func (w *Writer) answer(records []eventstore.Record) {
	for _, it := range w.undecided {
		n := len(it.events)
		result := &it.job.results[it.i]
		switch {
		case it.replayed:
			result.Answer, result.Err = w.recall(it)
		case it.job.brief:
			result.Answer = Answer{Revision: records[n-1].Revision, events: it.events}
		default:
			result.Answer, result.Err = w.complete(records[:n], it.events)
		}
		records = records[n:]
	}
	w.clear()
}

// complete builds an answer; a coalesced denial answers with the first one.
func (w *Writer) complete(records []eventstore.Record, events []domain.Event) (Answer, error) {
	a := answerOf(records, events)
	for _, e := range events {
		noted, ok := e.(*domain.CommandNoted)
		if !ok || noted.Of == nil {
			continue
		}
		first, err := w.read(context.Background(), *noted.Of, 1)
		if err != nil {
			return Answer{}, err
		}
		of, err := domain.Decode(first[0].Type, first[0].Data)
		if err != nil {
			return Answer{}, err
		}
		if denied, ok := of.(*domain.PermitDenied); ok {
			a.Permit = &PermitAnswer{Reasons: denied.Reasons}
		}
	}
	return a, nil
}

// recall answers a repeated command from its stored records.
func (w *Writer) recall(it *item) (Answer, error) {
	entry, ok := w.index[it.command]
	if !ok {
		return Answer{}, domain.Errorf(domain.CodeInternal, "a known command is no longer indexed")
	}
	if it.job.brief {
		return Answer{Revision: entry.First + uint64(entry.Count) - 1, Replayed: true}, nil //nolint:gosec // counts are positive
	}
	records, err := w.read(it.job.ctx, entry.First, entry.Count)
	if err != nil {
		return Answer{}, err
	}
	events := make([]domain.Event, len(records))
	for i, rec := range records {
		if events[i], err = domain.Decode(rec.Type, rec.Data); err != nil {
			return Answer{}, fmt.Errorf("revision %d: %w", rec.Revision, err)
		}
	}
	a, err := w.complete(records, events)
	a.Replayed = true
	return a, err
}

func (w *Writer) read(ctx context.Context, first uint64, count int) ([]eventstore.Record, error) {
	records := make([]eventstore.Record, 0, count)
	for rec, err := range w.store.ReadStream(ctx, w.stream, first) {
		if err != nil {
			return nil, asUnavailable(err)
		}
		if records = append(records, rec); len(records) == count {
			return records, nil
		}
	}
	return nil, domain.Errorf(domain.CodeInternal, "records %d to %d are not all in the stream", first, first+uint64(count)-1) //nolint:gosec // counts are positive
}
