package commands

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// together sends commands so that they form one batch, in their order.
func (r *rig) together(requests ...Request) []outcome {
	r.t.Helper()
	return r.togetherWith(nil, requests...)
}

// togetherWith also plans faults for the appends of the batch.
func (r *rig) togetherWith(faults []fault, requests ...Request) []outcome {
	r.t.Helper()
	gate := make(chan struct{})
	r.store.plan(fault{gate: gate})
	r.store.plan(faults...)
	held := r.start(r.ctx(), olga, r.key(), deposit("1"))
	soon(r.t, r.store.blocked)
	outs := make([]<-chan outcome, len(requests))
	for i, q := range requests {
		outs[i] = r.start(r.ctx(), q.Caller, q.Key, q.Command)
		r.waitQueued(i + 1)
	}
	close(gate)
	require.NoError(r.t, soon(r.t, held).err)
	results := make([]outcome, len(outs))
	for i := range outs {
		results[i] = soon(r.t, outs[i])
	}
	return results
}

func (r *rig) by(c domain.Caller, commands ...Command) []Request {
	out := make([]Request, len(commands))
	for i, command := range commands {
		out[i] = Request{Caller: c, Key: r.key(), Command: command}
	}
	return out
}

// "Appends them in one durable write": commands that wait together are one append.
func TestABatchIsOneAppend(t *testing.T) {
	r := newRig(t).opened("a")
	before := len(r.store.appends)
	for _, out := range r.together(r.by(olga, deposit("1"), StopBot{Bot: "a"}, StartBot{Bot: "a"}, deposit("2"))...) {
		require.NoError(t, out.err)
		stored(t, r.records(), out.answer)
	}
	require.Len(t, r.store.appends[before:], 2) // the one that held them up, and theirs
	require.Len(t, r.store.appends[before+1], 4)
	r.check()
}

// "A batch is cut into appends; each command is atomic, the batch is not."
func TestALargeBatchIsCut(t *testing.T) {
	r := newRig(t).opened("a")
	before := len(r.store.appends)
	requests := make([]Request, 2000)
	for i := range requests {
		requests[i] = Request{Caller: olga, Key: fmt.Sprint("bulk", i), Command: RecordTrade{
			Bot: "a", Market: strings.Repeat("m", 256), PnL: dec("0.01"), TradeID: fmt.Sprint(i),
		}}
	}
	results, err := r.w.DoAll(r.ctx(), requests)
	require.NoError(t, err)
	last := uint64(0)
	for _, res := range results {
		require.NoError(t, res.Err)
		require.Greater(t, res.Answer.Revision, last)
		require.Equal(t, 1, res.Answer.Closed())
		last = res.Answer.Revision
	}
	cut := r.store.appends[before:]
	require.Greater(t, len(cut), 2)
	for i, a := range cut {
		size := 0
		for j := range a {
			size += a[j].Size()
		}
		require.LessOrEqual(t, size, eventstore.MaxAppendBytes)
		require.LessOrEqual(t, len(a), eventstore.MaxAppendRecords)
		if i < len(cut)-1 {
			require.GreaterOrEqual(t, size, fullBytes, "an append is not cut before it is full")
		}
	}
	again, err := r.w.DoAll(r.ctx(), requests)
	require.NoError(t, err)
	for i := range again {
		require.True(t, again[i].Answer.Replayed)
		require.Equal(t, results[i].Answer.Revision, again[i].Answer.Revision)
	}
	r.check()
}

// "Every loop, queue, retry and body has a limit": limit and limit + 1.
func TestDoAllIsBounded(t *testing.T) {
	r := newRig(t).opened()
	_, err := r.w.DoAll(r.ctx(), make([]Request, MaxRequests+1))
	requireCode(t, domain.CodeTooLarge, err)
	results, err := r.w.DoAll(r.ctx(), make([]Request, MaxRequests))
	require.NoError(t, err)
	requireCode(t, domain.CodeInvalid, results[0].Err)
	require.ErrorIs(t, results[MaxRequests-1].Err, ErrNotTried)
	results, err = r.w.DoAll(r.ctx(), nil)
	require.NoError(t, err)
	require.Empty(t, results)
	r.check()
}

// "DoAll sends commands in order, stopping at the first that fails: those after
// it get ErrNotTried"; those before it are booked.
func TestDoAllStopsAtTheFirstFailure(t *testing.T) {
	r := newRig(t).opened()
	all := len(r.records())
	results, err := r.w.DoAll(r.ctx(), r.by(olga, deposit("1"), StartBot{Bot: "nobody"}, deposit("2"), deposit("3")))
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	requireCode(t, domain.CodeNotFound, results[1].Err)
	require.ErrorIs(t, results[2].Err, ErrNotTried)
	require.ErrorIs(t, results[3].Err, ErrNotTried)
	require.Len(t, r.records(), all+1)
	// The failure of one call does not affect the next.
	results, err = r.w.DoAll(r.ctx(), r.by(olga, deposit("2")))
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	r.check()
}

// An append fails in the middle of a long call: the durable part is booked, the rest is
// not, and repeating the call completes it.
func TestDoAllIsResumable(t *testing.T) {
	r := newRig(t).opened("a")
	requests := make([]Request, 2000)
	for i := range requests {
		requests[i] = Request{Caller: olga, Key: fmt.Sprint("bulk", i), Command: RecordTrade{
			Bot: "a", Market: strings.Repeat("m", 256), PnL: dec("0.01"), TradeID: fmt.Sprint(i),
		}}
	}
	r.store.plan(fault{}, fault{err: errDown})
	results, err := r.w.DoAll(r.ctx(), requests)
	require.NoError(t, err)
	booked := 0
	for booked < len(results) && results[booked].Err == nil {
		booked++
	}
	require.Positive(t, booked)
	requireCode(t, domain.CodeUnavailable, results[booked].Err)
	for _, res := range results[booked:] {
		require.Error(t, res.Err)
	}
	require.ErrorIs(t, results[len(results)-1].Err, ErrNotTried)
	require.Equal(t, booked, fold(t, r.store).Bots["a"].Trades)

	results, err = r.w.DoAll(r.ctx(), requests)
	require.NoError(t, err)
	for i, res := range results {
		require.NoError(t, res.Err)
		require.Equal(t, i < booked, res.Answer.Replayed, "%d", i)
	}
	require.Equal(t, len(requests), fold(t, r.store).Bots["a"].Trades)
	r.check()
}

// "A command that would not fit one append is refused": settling with more holders than
// fit. Nothing of it is recorded, the state is unchanged, and the settlement can be split
// by bot.
func TestATooLargeCommandIsRefused(t *testing.T) {
	r := newRig(t)
	r.w.Close()
	r.w = r.writer(Options{most: portfolio.Room{Records: 20, Bytes: 1 << 20}})
	r.opened()
	name := func(i int) string { return fmt.Sprintf("bot%d", i) }
	var requests []Request
	for i := range 20 {
		requests = append(requests, r.by(olga, RegisterBot{ID: name(i), Capital: dec("1")}, fill(name(i), "1", "buy", "1", "0.5"))...)
	}
	results, err := r.w.DoAll(r.ctx(), requests)
	require.NoError(t, err)
	for _, res := range results {
		require.NoError(t, res.Err)
	}
	all := len(r.records())
	settle := SettleMarket{Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Payout: dec("1")}
	outs := r.together(r.by(olga, deposit("3"), settle, deposit("4"))...)
	require.NoError(t, outs[0].err)
	requireCode(t, domain.CodeTooLarge, outs[1].err)
	require.ErrorContains(t, outs[1].err, "one command may record 20 events of 1048576 bytes in all")
	require.NoError(t, outs[2].err)
	require.Len(t, r.records(), all+3)
	require.Equal(t, "10008", fold(t, r.store).NetDeposits().String())
	settle.Bot = name(7)
	r.must(olga, settle)
	r.check()
}

// "A result that would reach 10^15 is refused when deciding", even when only the sum with
// earlier commands shows it; the commands beside it are accepted.
func TestARefusalAfterItEmittedLeavesNoTrace(t *testing.T) {
	r := newRig(t).opened()
	r.must(olga, deposit("600000000000000"))
	for _, n := range []int{1, 2} { // alone and twice in a batch
		requests := r.by(olga, deposit("5"))
		for range n {
			requests = append(requests, r.by(olga, deposit("500000000000000"), deposit("6"))...)
		}
		before := fold(t, r.store).NetDeposits()
		outs := r.together(requests...)
		want := before.Add(dec("6")) // what held them up, and the first
		for i, out := range outs {
			if i%2 == 1 {
				requireCode(t, domain.CodeInvalid, out.err)
				continue
			}
			require.NoError(t, out.err)
			stored(t, r.records(), out.answer)
			if i > 0 {
				want = want.Add(dec("6"))
			}
		}
		require.Equal(t, want, fold(t, r.store).NetDeposits())
	}
	r.check()
}

// "A defect that panics is refused like any other request that cannot be decided": the
// code is internal, nothing is recorded, the state is rebuilt, and the writer continues.
// The error has the stack for the log, but not in its message.
func TestAPanicIsADefectOfOneCommand(t *testing.T) {
	panics := map[string]func(*portfolio.Decision) error{
		"at once":          func(*portfolio.Decision) error { panic("secret 4711") },
		"after it emitted": func(d *portfolio.Decision) error { _ = deposit("9").Decide(d); panic("secret 4711") },
		"after it meddled": func(d *portfolio.Decision) error { d.State().Bots = nil; panic(errors.New("secret 4711")) },
		"out of range":     func(d *portfolio.Decision) error { d.Events()[3] = nil; return nil },
	}
	for name, f := range panics {
		t.Run(name, func(t *testing.T) {
			r := newRig(t).opened("a")
			outs := r.together(r.by(olga, deposit("1"), testCommand{name, f}, deposit("2"))...)
			require.NoError(t, outs[0].err)
			requireCode(t, domain.CodeInternal, outs[1].err)
			require.NotContains(t, outs[1].err.Error(), "4711")
			var defect *Defect
			require.ErrorAs(t, outs[1].err, &defect)
			require.Contains(t, string(defect.Stack), "batch_test.go")
			require.NoError(t, outs[2].err)
			require.Equal(t, "10004", fold(t, r.store).NetDeposits().String())
			r.must(olga, StopBot{Bot: "a"})
			r.check()
		})
	}
}

// A panic while a batch is decided again does not circumvent the limits: each attempt is
// one group.
func TestAPanicBesideAConflict(t *testing.T) {
	r := newRig(t).opened("a")
	other := r.writer()
	gate := make(chan struct{})
	r.store.plan(fault{gate: gate}, fault{before: func() {
		_, err := other.Do(r.ctx(), Request{Caller: olga, Key: "o", Command: deposit("100")})
		require.NoError(t, err)
	}})
	held := r.start(r.ctx(), olga, "held", deposit("1"))
	soon(t, r.store.blocked)
	outs := make([]<-chan outcome, 3)
	for i, c := range []Command{deposit("10"), testCommand{"x", func(*portfolio.Decision) error { panic("x") }}, deposit("20")} {
		outs[i] = r.start(r.ctx(), olga, r.key(), c)
		r.waitQueued(i + 1)
	}
	close(gate)
	require.NoError(t, soon(t, held).err)
	require.NoError(t, soon(t, outs[0]).err)
	requireCode(t, domain.CodeInternal, soon(t, outs[1]).err)
	require.NoError(t, soon(t, outs[2]).err)
	require.Equal(t, "10131", fold(t, r.store).NetDeposits().String())
	r.check()
}

// Records that grow when a command is decided again still fit: grants become denials with
// all their reasons after another server has stopped everything.
func TestABatchThatGrowsWhenDecidedAgainIsCut(t *testing.T) {
	r := newRig(t).opened("a")
	other := r.writer()
	requests := make([]Request, 1500)
	for i := range requests {
		ask := permit("a", "0.001")
		ask.Market = strings.Repeat("m", 250)
		ask.Outcome = fmt.Sprint(i)
		requests[i] = Request{Caller: olga, Key: fmt.Sprint("ask", i), Command: ask}
	}
	r.store.plan(fault{before: func() {
		_, err := other.Do(r.ctx(), Request{Caller: olga, Key: "o", Command: EngageStop{Kind: "manual", Reason: strings.Repeat("x", 1000)}})
		require.NoError(t, err)
	}})
	results, err := r.w.DoAll(r.ctx(), requests)
	require.NoError(t, err)
	for _, res := range results {
		require.NoError(t, res.Err)
	}
	require.Empty(t, fold(t, r.store).Permits)
	r.check()
}

// A refused command needs no append, nor does a mismatch.
func TestRefusalsAppendNothing(t *testing.T) {
	r := newRig(t).opened()
	attempts := r.store.attempts
	r.refused(domain.CodeNotFound, olga, StartBot{Bot: "x"})
	_, err := r.do(olga, "key-1", deposit("1"))
	requireCode(t, domain.CodeIdempotencyMismatch, err)
	require.Equal(t, attempts, r.store.attempts)
	r.check()
}
