package commands

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/work"
)

// patience limits every wait; a test that reaches it hangs.
const patience = 4 * time.Minute

var (
	noon  = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	olga  = domain.Caller{User: "olga", Role: domain.RoleOperator}
	alice = domain.Caller{User: "alice", Role: domain.RoleAdmin}
)

func botCaller(bot string) domain.Caller {
	return domain.Caller{User: "key-" + bot, Role: domain.RoleBot, Bot: bot}
}

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

// clock is a wall clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: noon} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fault is what happens to one append.
type fault struct {
	before func()        // first, before the store sees it
	gate   chan struct{} // then it blocks until this is closed
	write  bool          // then it is written, if err is set
	after  func()        // and then this
	err    error         // the answer; nil is the store's own
}

// faulty is a store whose appends fail as planned, one fault after the other. It fails
// the test if the writer violates the contract of an append.
type faulty struct {
	eventstore.Store
	t testing.TB

	mu      sync.Mutex
	faults  []fault
	poison  error
	headErr error
	// streamsErr is the answer to a request for the list of streams.
	streamsErr error
	// mute: such a request is not answered before its context ends.
	mute    bool
	readErr error
	// reads counts how often a stream was read from its beginning, as a fold does, and begun how
	// often it was read at all.
	reads    int
	begun    int
	appends  [][]eventstore.Proposed
	blocked  chan struct{} // gets one when an append waits at its gate
	attempts int
}

func newFaulty(t testing.TB) *faulty {
	return &faulty{Store: memory.New(), t: t, blocked: make(chan struct{}, 100)}
}

// Unwrap returns the store below, whose limits are those of this one.
func (f *faulty) Unwrap() eventstore.Store { return f.Store }

func (f *faulty) plan(faults ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

func (f *faulty) next(records []eventstore.Proposed) (fault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts++
	f.checkWhole(records)
	if f.poison != nil {
		return fault{}, f.poison
	}
	var p fault
	if len(f.faults) > 0 {
		p, f.faults = f.faults[0], f.faults[1:]
	}
	var u *eventstore.Unavailable
	if errors.As(p.err, &u) && u.Poisoned {
		f.poison = p.err
	}
	return p, nil
}

// checkWhole: one command is a run of consecutive records with one metadata and one time.
func (f *faulty) checkWhole(records []eventstore.Proposed) {
	seen := map[string]bool{}
	last := ""
	for i, r := range records {
		m, err := domain.DecodeMetadata(r.Metadata)
		if err != nil {
			f.t.Errorf("metadata: %v", err)
		}
		if m.CommandID != last && seen[m.CommandID] {
			f.t.Errorf("command %s stands twice in one append", m.CommandID)
		}
		if i > 0 && r.Time.Before(records[i-1].Time) {
			f.t.Errorf("time goes back within an append")
		}
		last, seen[m.CommandID] = m.CommandID, true
	}
}

func (f *faulty) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	p, err := f.next(records)
	if err != nil {
		return eventstore.Appended{}, err
	}
	if p.before != nil {
		p.before()
	}
	if p.gate != nil {
		f.blocked <- struct{}{}
		<-p.gate
	}
	if p.err != nil && !p.write {
		return eventstore.Appended{}, p.err
	}
	done, err := f.Store.Append(ctx, stream, expected, records)
	if p.after != nil {
		p.after()
	}
	if err == nil && !done.Idempotent {
		f.mu.Lock()
		f.appends = append(f.appends, records)
		f.mu.Unlock()
	}
	if p.err != nil {
		return eventstore.Appended{}, p.err
	}
	return done, err
}

func (f *faulty) Head(ctx context.Context, stream string) (uint64, error) {
	f.mu.Lock()
	err := f.headErr
	f.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return f.Store.Head(ctx, stream)
}

func (f *faulty) Streams(ctx context.Context) ([]string, error) {
	f.mu.Lock()
	err, mute := f.streamsErr, f.mute
	f.mu.Unlock()
	if mute {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return f.Store.Streams(ctx)
}

func (f *faulty) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	f.mu.Lock()
	err := f.readErr
	if f.begun++; from == 0 {
		f.reads++
	}
	f.mu.Unlock()
	if err != nil {
		return func(yield func(eventstore.Record, error) bool) { yield(eventstore.Record{}, err) }
	}
	return f.Store.ReadStream(ctx, stream, from)
}

var (
	errDown     = &eventstore.Unavailable{Cause: errors.New("the cable is out")}
	errPoisoned = &eventstore.Unavailable{Poisoned: true, Cause: errors.New("fsync: EIO")}
	errUnknown  = &eventstore.Ambiguous{Cause: errors.New("timeout")}
)

// rig is one portfolio "main" with a writer, on a store that can fail.
type rig struct {
	t     testing.TB
	store *faulty
	clock *clock
	w     *Writer
	keys  int
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, store: newFaulty(t), clock: newClock()}
	r.w = r.writer()
	return r
}

// writer is another server on the same store.
func (r *rig) writer(o ...Options) *Writer {
	options := Options{}
	if len(o) > 0 {
		options = o[0]
	}
	options.Now = r.clock.Now
	if options.Work == nil {
		options.Work = work.New(1) // whatever asks for a second place hangs
	}
	options = withHistory(r.store.Store, options)
	w := NewWriter(r.store, "main", options)
	r.t.Cleanup(w.Close)
	return w
}

// restart closes the writer and starts another.
func (r *rig) restart() {
	r.w.Close()
	r.w = r.writer()
}

func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *rig) key() string {
	r.keys++
	return fmt.Sprintf("key-%d", r.keys)
}

func (r *rig) do(c domain.Caller, key string, command Command) (Answer, error) {
	return r.w.Do(r.ctx(), Request{Caller: c, Key: key, Command: command})
}

func (r *rig) must(c domain.Caller, command Command) Answer {
	r.t.Helper()
	a, err := r.do(c, r.key(), command)
	require.NoError(r.t, err)
	return a
}

func (r *rig) refused(code domain.Code, c domain.Caller, command Command) error {
	r.t.Helper()
	_, err := r.do(c, r.key(), command)
	requireCode(r.t, code, err)
	return err
}

func requireCode(t testing.TB, code domain.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, domain.CodeOf(err), "%v", err)
}

func openMain() OpenPortfolio {
	p := domain.DefaultPolicy(domain.ModePaper)
	return OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: p}
}

func deposit(amount string) RecordDeposit {
	return RecordDeposit{Wallet: domain.WalletHot, Amount: dec(amount)}
}

// opened has portfolio main with 10,000 and running bots with 1,000 each.
func (r *rig) opened(bots ...string) *rig {
	r.t.Helper()
	r.must(olga, openMain())
	r.must(olga, deposit("10000"))
	for _, b := range bots {
		r.must(olga, RegisterBot{ID: b, Capital: dec("1000"), Start: true})
	}
	return r
}

func permit(bot, quantity string) AskPermit {
	return AskPermit{
		Bot: bot, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy,
		Quantity: dec(quantity), LimitPrice: dec("0.5"),
	}
}

func fill(bot, id, side, quantity, price string) RecordFill {
	return RecordFill{
		FillID: domain.FillID{Bot: bot, TradeID: id}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"},
		Side: domain.Side(side), Quantity: dec(quantity), Price: dec(price),
	}
}

// records returns the stored stream of main.
func (r *rig) records() []eventstore.Record { return recordsOf(r.t, r.store.Store) }

func recordsOf(t testing.TB, store eventstore.Store) []eventstore.Record {
	t.Helper()
	var all []eventstore.Record
	require.NoError(t, eventstore.Walk(context.Background(), store, Stream("main"), 0, func(rec eventstore.Record) error {
		all = append(all, rec)
		return nil
	}))
	return all
}

// fold folds the stored stream from its beginning.
func fold(t testing.TB, store eventstore.Store) *portfolio.State {
	t.Helper()
	return foldOf(t, recordsOf(t, store))
}

func foldOf(t testing.TB, records []eventstore.Record) *portfolio.State {
	t.Helper()
	s := portfolio.New()
	for _, rec := range records {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	}
	return s
}

// stateOf returns a writer's state of a portfolio.
func stateOf(w *Writer) *portfolio.State {
	f, ok := w.state.(*portfolioFold)
	if !ok {
		return nil
	}
	return f.s
}

func hashOf(t testing.TB, s *portfolio.State) string {
	t.Helper()
	require.NotNil(t, s)
	h, err := s.Hash()
	require.NoError(t, err)
	return h
}

// check is called at the end of every test: the books balance, time never goes back, each
// command is a run of consecutive records, and the live state is the fold of the stream.
// It closes the writer first, so that its state can be read.
func (r *rig) check() {
	r.t.Helper()
	checkStream(r.t, r.store.Store)
	r.w.Close()
	if r.w.state != nil {
		known := r.records()[:r.w.durable] // another server may be ahead
		require.Equal(r.t, hashOf(r.t, foldOf(r.t, known)), hashOf(r.t, stateOf(r.w)), "live state and fresh fold differ")
	}
}

func checkStream(t testing.TB, store eventstore.Store) {
	t.Helper()
	var last time.Time
	ended := map[string]bool{}
	current := ""
	for _, rec := range recordsOf(t, store) {
		require.False(t, rec.Time.Before(last), "revision %d goes back in time", rec.Revision)
		last = rec.Time
		m, err := domain.DecodeMetadata(rec.Metadata)
		require.NoError(t, err)
		if m.CommandID != current {
			require.False(t, ended[m.CommandID], "command %s has two effects", m.CommandID)
			ended[current], current = true, m.CommandID
		}
	}
	sums := map[string]domain.Decimal{}
	for account, amount := range fold(t, store).Book {
		sums[account.Asset] = sums[account.Asset].Add(amount)
	}
	for asset, sum := range sums {
		require.True(t, sum.IsZero(), "the sum over all accounts of %s is %s", asset, sum)
	}
}

// stored checks that an answer's records are in the stream, once and as the answer says.
func stored(t testing.TB, all []eventstore.Record, a Answer) {
	t.Helper()
	require.NotEmpty(t, a.Events)
	for _, ref := range a.Events {
		require.Less(t, ref.Revision, uint64(len(all)))
		rec := all[ref.Revision]
		require.Equal(t, ref.ID, rec.ID)
		require.Equal(t, ref.Type, rec.Type)
	}
	require.Equal(t, a.Revision, a.Events[len(a.Events)-1].Revision)
}

// same compares two answers, including the unexported events but without Replayed.
func same(t testing.TB, first, again Answer) {
	t.Helper()
	first.Replayed, again.Replayed = false, false
	require.Equal(t, first, again)
}

func types(a Answer) []string {
	var out []string
	for _, e := range a.Events {
		out = append(out, e.Type)
	}
	return out
}

// soon waits for a channel.
func soon[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

// never checks that nothing arrives for a moment.
func never[T any](t testing.TB, ch <-chan T) {
	t.Helper()
	select {
	case <-ch:
		require.FailNow(t, "it came too early")
	case <-time.After(30 * time.Millisecond):
	}
}

type outcome struct {
	answer Answer
	err    error
}

// start sends a command and returns the channel of its outcome.
func (r *rig) start(ctx context.Context, c domain.Caller, key string, command Command) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		a, err := r.w.Do(ctx, Request{Caller: c, Key: key, Command: command})
		out <- outcome{a, err}
	}()
	return out
}

// waitQueued waits until n calls wait in the writer's queue.
func (r *rig) waitQueued(n int) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.w.queue.waiting() == n }, patience, time.Millisecond)
}

// testCommand is a command defined by a test.
type testCommand struct {
	Label string `json:"label"`
	f     func(*portfolio.Decision) error
}

var testSpec = &Spec{Name: "test", Blank: testCommand{}, Roles: operators}

func (testCommand) spec() *Spec                          { return testSpec }
func (c testCommand) Decide(d *portfolio.Decision) error { return c.f(d) }
