package commands

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
)

// "Nothing is answered before it is durable."
func TestNothingIsAnsweredBeforeItIsDurable(t *testing.T) {
	r := newRig(t).opened()
	before := len(r.records())
	gate := make(chan struct{})
	r.store.plan(fault{gate: gate})

	out := r.start(r.ctx(), olga, "slow", deposit("1"))
	soon(t, r.store.blocked)
	never(t, out)
	require.Len(t, r.records(), before)

	close(gate)
	got := soon(t, out)
	require.NoError(t, got.err)
	stored(t, r.records(), got.answer)
	r.check()
}

// "Nothing is answered before it is durable": that includes refusals based on a record
// that is not durable yet. If the append then failed, the refusal would be based on an
// event that never happened.
func TestARefusalSharesTheFateOfWhatItRestsOn(t *testing.T) {
	r := newRig(t).opened()
	gate := make(chan struct{})
	r.store.plan(fault{gate: gate}, fault{err: errDown})

	first := r.start(r.ctx(), olga, "hold", deposit("1"))
	soon(t, r.store.blocked) // these form one batch
	registered := r.start(r.ctx(), olga, "one", RegisterBot{ID: "x"})
	r.waitQueued(1)
	again := r.start(r.ctx(), olga, "two", RegisterBot{ID: "x"})
	r.waitQueued(2)
	bare := r.start(r.ctx(), olga, "", RegisterBot{ID: "x"})
	r.waitQueued(3)
	close(gate)

	require.NoError(t, soon(t, first).err)
	requireCode(t, domain.CodeUnavailable, soon(t, registered).err)
	requireCode(t, domain.CodeUnavailable, soon(t, again).err) // not conflict, "already registered"
	requireCode(t, domain.CodeInvalid, soon(t, bare).err)      // not based on any state
	r.must(olga, RegisterBot{ID: "x"})
	r.check()
}

// A command that was recorded before has its first answer, also in a group whose append fails.
func TestARepeatDoesNotShareTheFateOfItsGroup(t *testing.T) {
	r := newRig(t).opened()
	recorded, err := r.do(olga, "before", deposit("2"))
	require.NoError(t, err)
	gate := make(chan struct{})
	r.store.plan(fault{gate: gate}, fault{err: errDown})
	first := r.start(r.ctx(), olga, "hold", deposit("1"))
	soon(t, r.store.blocked) // these form one batch
	lost := r.start(r.ctx(), olga, "lost", deposit("3"))
	r.waitQueued(1)
	again := r.start(r.ctx(), olga, "before", deposit("2"))
	r.waitQueued(2)
	held := r.start(r.ctx(), olga, "lost", deposit("3"))
	r.waitQueued(3)
	close(gate)

	require.NoError(t, soon(t, first).err)
	requireCode(t, domain.CodeUnavailable, soon(t, lost).err)
	repeat := soon(t, again)
	require.NoError(t, repeat.err)
	require.True(t, repeat.answer.Replayed)
	require.Equal(t, recorded.Revision, repeat.answer.Revision)
	requireCode(t, domain.CodeUnavailable, soon(t, held).err) // of what was not recorded
	r.check()
}

// "After a failed append the state is thrown away and folded again": nothing of it is
// acknowledged, and the next command is decided against the durable state.
func TestAfterAFailedAppendTheDurableStateCounts(t *testing.T) {
	r := newRig(t).opened("a")
	all := len(r.records())
	r.store.plan(fault{err: errDown})
	_, err := r.do(olga, "lost", deposit("5000"))
	requireCode(t, domain.CodeUnavailable, err)
	require.Len(t, r.records(), all)

	// 10,000 less the bot's 1,000 are there; the other 5,000 never arrived.
	r.refused(domain.CodeInvalid, olga, RegisterBot{ID: "b", Capital: dec("9001")})
	r.must(olga, RegisterBot{ID: "b", Capital: dec("9000")})
	a, err := r.do(olga, "lost", deposit("5000"))
	require.NoError(t, err)
	require.False(t, a.Replayed)
	r.check()
}

// "A write or fsync error poisons the store until restart: commands answer 503,
// reads go on, nothing is acknowledged that is not durable."
func TestAPoisonedStoreTakesNoCommandAndReadsGoOn(t *testing.T) {
	r := newRig(t).opened()
	first, err := r.do(olga, "k", deposit("1"))
	require.NoError(t, err)
	r.store.plan(fault{err: errPoisoned})
	r.refused(domain.CodeUnavailable, olga, deposit("2"))
	attempts := r.store.attempts
	for range 3 {
		r.refused(domain.CodeUnavailable, olga, deposit("3"))
	}
	require.Equal(t, attempts, r.store.attempts, "a poisoned store is not asked again")

	again, err := r.do(olga, "k", deposit("1")) // an answer is only read
	require.NoError(t, err)
	require.True(t, again.Replayed)
	same(t, first, again)

	r.store.poison = nil // opened again
	r.restart()
	r.must(olga, deposit("2"))
	r.check()
}

// A poisoned append may be on disk although it was not acknowledged; after the restart
// the retry finds it.
func TestAPoisonedAppendThatSurvivesHasOneEffect(t *testing.T) {
	r := newRig(t).opened()
	r.store.plan(fault{err: errPoisoned, write: true})
	_, err := r.do(olga, "k", deposit("5"))
	requireCode(t, domain.CodeUnavailable, err)
	r.store.poison = nil
	r.restart()
	a, err := r.do(olga, "k", deposit("5"))
	require.NoError(t, err)
	require.True(t, a.Replayed)
	require.Equal(t, "10005", fold(t, r.store.Store).NetDeposits().String())
	r.check()
}

// Unreadable history: nothing is decided on a part of it.
func TestNothingIsDecidedOnAHistoryThatCannotBeRead(t *testing.T) {
	r := newRig(t).opened()
	r.w.Close()
	r.store.readErr = errDown
	r.w = r.writer()
	r.refused(domain.CodeUnavailable, olga, deposit("1"))
	requireCode(t, domain.CodeDenied, func() error { _, err := r.do(botCaller("a"), "k", deposit("1")); return err }())
	r.store.readErr = nil
	r.must(olga, deposit("1"))
	r.check()
}

// "An unknown type or version is an error that stops the reader, never a skip."
func TestAnUnknownEventStopsTheWriter(t *testing.T) {
	r := newRig(t).opened()
	r.w.Close()
	all := r.records()
	_, err := r.store.Store.Append(t.Context(), Stream("main"), eventstore.At(uint64(len(all)-1)), []eventstore.Proposed{{
		ID: CommandID(olga, "x"), Type: "money.vanished.v9", Time: noon, Metadata: all[0].Metadata, Data: []byte("{}"),
	}})
	require.NoError(t, err)
	r.w = r.writer()
	err = r.refused(domain.CodeUnavailable, olga, deposit("1"))
	require.ErrorContains(t, err, "money.vanished.v9")
}

// A caller who leaves does not cancel the loading of a long history: otherwise a history
// that takes longer than callers wait would never be loaded.
func TestLoadingBelongsToTheWriter(t *testing.T) {
	r := newRig(t).opened()
	r.w.Close()
	slow := &slowReads{Store: r.store, gate: make(chan struct{}), reading: make(chan struct{}, 9)}
	r.w = NewWriter(slow, "main", Options{Now: r.clock.Now})
	t.Cleanup(r.w.Close)
	ctx, cancel := context.WithCancel(t.Context())
	first := r.start(ctx, olga, "first", deposit("1"))
	soon(t, slow.reading)
	cancel()
	require.ErrorIs(t, soon(t, first).err, context.Canceled)
	second := r.start(r.ctx(), olga, "second", deposit("2"))
	close(slow.gate)
	require.NoError(t, soon(t, second).err)
	require.Empty(t, slow.reading, "the history was read once")
}

// Close does not wait for a history to load: nothing has been decided yet.
func TestCloseEndsTheLoading(t *testing.T) {
	r := newRig(t).opened()
	r.w.Close()
	slow := &slowReads{Store: r.store, gate: make(chan struct{}), reading: make(chan struct{}, 9)}
	r.w = NewWriter(slow, "main", Options{Now: r.clock.Now})
	out := r.start(r.ctx(), olga, "k", deposit("1"))
	soon(t, slow.reading)
	closed := make(chan struct{})
	go func() { r.w.Close(); close(closed) }()
	soon(t, closed)
	requireCode(t, domain.CodeUnavailable, soon(t, out).err)
}

// slowReads blocks in the middle of its first read.
type slowReads struct {
	eventstore.Store
	gate    chan struct{}
	reading chan struct{}
}

func (s *slowReads) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		s.reading <- struct{}{}
		for rec, err := range s.Store.ReadStream(ctx, stream, from) {
			select {
			case <-s.gate:
			case <-ctx.Done():
				yield(eventstore.Record{}, ctx.Err())
				return
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// The same on the real engine: an answered command is there after a restart, and a closed
// store answers 503.
func TestOnTheRealEngine(t *testing.T) {
	dir := t.TempDir()
	store, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	w := NewWriter(store, "main", Options{})
	send := func(key string, c Command) (Answer, error) {
		return w.Do(t.Context(), Request{Caller: olga, Key: key, Command: c})
	}
	_, err = send("open", openMain())
	require.NoError(t, err)
	first, err := send("d", deposit("7"))
	require.NoError(t, err)
	require.NoError(t, store.Close())
	_, err = send("d2", deposit("8"))
	requireCode(t, domain.CodeUnavailable, err)
	_, err = send("d", deposit("7")) // even an answer cannot be read from a closed store
	requireCode(t, domain.CodeUnavailable, err)
	w.Close()

	store, err = embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	defer store.Close()
	w = NewWriter(store, "main", Options{})
	defer w.Close()
	again, err := send("d", deposit("7"))
	require.NoError(t, err)
	require.True(t, again.Replayed)
	same(t, first, again)
	require.Equal(t, "7", fold(t, store).NetDeposits().String())
	checkStream(t, store)
}

// "Close ends the goroutine after the batch at hand": the group being appended is
// answered, and calls waiting behind it are refused without effect.
func TestCloseAnswersTheBatchAtHand(t *testing.T) {
	r := newRig(t).opened()
	gate := make(chan struct{})
	r.store.plan(fault{gate: gate})
	at := r.start(r.ctx(), olga, "at hand", deposit("1"))
	soon(t, r.store.blocked)
	behind := r.start(r.ctx(), olga, "behind", deposit("2"))
	r.waitQueued(1)
	closed := make(chan struct{})
	go func() { r.w.Close(); close(closed) }()
	<-r.w.ctx.Done()
	never(t, closed)
	close(gate)
	soon(t, closed)
	require.NoError(t, soon(t, at).err)
	requireCode(t, domain.CodeUnavailable, soon(t, behind).err)
	_, err := r.do(olga, "late", deposit("3"))
	requireCode(t, domain.CodeUnavailable, err)
	r.w.Close() // again does nothing
	require.Equal(t, "10001", fold(t, r.store.Store).NetDeposits().String())
	r.check()
}

// "Every command … must survive a full queue": callers wait to be queued until their
// context ends.
func TestAFullQueueMakesCallersWait(t *testing.T) {
	r := newRig(t).opened()
	gate := make(chan struct{})
	r.store.plan(fault{gate: gate})
	held := r.start(r.ctx(), olga, "held", deposit("1"))
	soon(t, r.store.blocked)
	outs := make([]<-chan outcome, maxQueued)
	for i := range outs {
		outs[i] = r.start(r.ctx(), olga, r.key(), deposit("1"))
	}
	r.waitQueued(maxQueued)
	ctx, cancel := context.WithCancel(t.Context())
	over := r.start(ctx, olga, "over", deposit("1"))
	never(t, over)
	cancel()
	require.ErrorIs(t, soon(t, over).err, context.Canceled)
	close(gate)
	require.NoError(t, soon(t, held).err)
	for _, out := range outs {
		require.NoError(t, soon(t, out).err)
	}
	require.Equal(t, "11025", fold(t, r.store.Store).NetDeposits().String())
	require.Less(t, len(r.store.appends), 20, "what waits is appended together")
	r.check()
}
