package commands

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// looking is a rig whose writer has nearly nothing in memory.
func looking(t *testing.T) (*rig, *logHistory) {
	r := &rig{t: t, store: newFaulty(t), clock: newClock()}
	o := lookingUp(r.store.Store, Options{})
	r.w = r.writer(o)
	return r.opened("a", "b"), o.History.(*logHistory)
}

// What is in memory does not grow with the history, and everything stays known.
func TestAWriterForgetsWhatCanBeLookedUp(t *testing.T) {
	r, _ := looking(t)
	for n := range 40 {
		_, err := r.do(olga, fmt.Sprint("fill", n), fill("a", fmt.Sprint(n), "buy", "1", "0.1"))
		require.NoError(t, err)
	}
	all := len(r.records())
	require.NoError(t, r.w.lookAt(t.Context(), func(stateFold) error {
		require.Less(t, len(r.w.accepted.old)+len(r.w.accepted.young), 10)
		require.Greater(t, r.w.accepted.oldFrom, uint64(30))
		return nil
	}))
	for n := range 40 {
		again, err := r.do(olga, fmt.Sprint("fill", n), fill("a", fmt.Sprint(n), "buy", "1", "0.1"))
		require.NoError(t, err)
		require.True(t, again.Replayed)
		_, err = r.do(olga, fmt.Sprint("fill", n), fill("a", fmt.Sprint(n), "buy", "2", "0.1"))
		requireCode(t, domain.CodeIdempotencyMismatch, err)
		r.refused(domain.CodeTradeIDConflict, botCaller("a"), fill("a", fmt.Sprint(n), "buy", "2", "0.1"))
	}
	require.Len(t, r.records(), all)
	r.w.Close()
	r.checkIndex()
}

// A look-up that fails is no "not known": nothing is decided and nothing recorded, whatever the
// decision would have been. When it works again, so does the command.
func TestWhatCannotBeLookedUpIsUnavailable(t *testing.T) {
	r, h := looking(t)
	r.must(botCaller("a"), fill("a", "1", "buy", "1", "0.1"))
	for range 5 {
		r.must(olga, deposit("1"))
	}
	all := len(r.records())
	h.fail(errors.New("the disk does not answer"))
	for name, c := range map[string]Command{
		"a repeat":                  fill("a", "1", "buy", "1", "0.1"),
		"a new fill":                fill("a", "2", "buy", "1", "0.1"),
		"a void of what is unknown": VoidFill{FillID: domain.FillID{Bot: "a", TradeID: "never"}},
		"a confirmation":            ConfirmFill{FillID: domain.FillID{Bot: "a", TradeID: "1"}},
		"a deposit":                 deposit("1"),
		"a permit":                  permit("a", "1"),
	} {
		_, err := r.do(olga, "down "+name, c)
		requireCode(t, domain.CodeUnavailable, err)
	}
	require.Len(t, r.records(), all)
	h.fail(nil)
	a, err := r.do(olga, "down a repeat", fill("a", "1", "buy", "1", "0.1"))
	require.NoError(t, err)
	require.False(t, a.Replayed)
	require.Equal(t, 1, r.count(domain.FillRecordedType), "it was booked before")
	_, err = r.do(olga, "down a new fill", fill("a", "2", "buy", "1", "0.1"))
	require.NoError(t, err)
	require.Equal(t, 2, r.count(domain.FillRecordedType))
	r.check()
}

// The same for what a decision asks on the spot: it fails after the command was found new.
func TestALookUpThatFailsWhileDeciding(t *testing.T) {
	r, h := looking(t)
	r.must(botCaller("a"), fill("a", "1", "buy", "1", "0.1"))
	for range 5 {
		r.must(olga, deposit("1"))
	}
	before, err := fold(t, r.store).Hash()
	require.NoError(t, err)
	c := fill("a", "9", "buy", "1", "0.1")
	request := Request{Caller: olga, Key: "late", Command: c}
	require.NoError(t, r.w.lookAt(t.Context(), func(f stateFold) error {
		h.fail(errors.New("the disk does not answer"))
		at := circumstances{now: r.clock.Now()}
		r.w.past.begin(nil)
		_, _, err := f.decide(at, &request)
		require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err), "%v", err)
		h.fail(nil)
		r.w.discard() // as a group that fails does
		return nil
	}))
	after, err := fold(t, r.store).Hash()
	require.NoError(t, err)
	require.Equal(t, before, after)
	r.must(botCaller("a"), c)
	r.check()
}

// A hit that the log does not confirm is reported, and decides nothing.
func TestAHitIsConfirmedByItsRecord(t *testing.T) {
	for name, spoil := range map[string]func(h *HistoryHit){
		"another revision": func(h *HistoryHit) { h.Revision-- },
		"beyond the end":   func(h *HistoryHit) { h.Revision += 1000 },
		"another mark":     func(h *HistoryHit) { h.Mark[0] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			r, h := looking(t)
			_, err := r.do(olga, "first", fill("a", "1", "buy", "1", "0.1"))
			require.NoError(t, err)
			for range 9 {
				r.must(olga, deposit("1"))
			}
			r.must(olga, fill("a", "2", "buy", "1", "0.1")) // the first one is dropped from memory
			r.must(olga, fill("a", "3", "buy", "1", "0.1"))
			for range 3 {
				r.must(olga, deposit("1"))
			}
			all := len(r.records())
			h.mu.Lock()
			for _, hits := range h.streams[Stream("main")].hits {
				for i := range hits {
					spoil(&hits[i])
				}
			}
			h.mu.Unlock()
			for _, key := range []string{"first", "second"} {
				if key == "second" && name == "beyond the end" {
					continue // where facts are in memory, and hits are not read
				}
				_, err := r.do(olga, key, fill("a", "1", "buy", "1", "0.1"))
				requireCode(t, domain.CodeUnavailable, err)
				require.NotEmpty(t, h.doubts)
			}
			require.Len(t, r.records(), all)
		})
	}
}

func (r *rig) count(eventType string) (n int) {
	for _, rec := range r.records() {
		if rec.Type == eventType {
			n++
		}
	}
	return n
}

// A checkpoint may end between two records of one command. The command is the same one.
func TestACheckpointInsideACommand(t *testing.T) {
	r, h := looking(t)
	_, err := r.do(olga, "buy", fill("a", "1", "buy", "1", "0.5"))
	require.NoError(t, err)
	_, err = r.do(olga, "sell", fill("a", "2", "sell", "1", "0.1")) // with the trade that it closes
	require.NoError(t, err)
	records := r.records()
	first := len(records) - 1
	for records[first-1].Type != domain.FillRecordedType {
		first--
	}
	require.Greater(t, len(records)-first, 0)
	s := foldOf(t, records[:first])
	state, err := s.Snapshot()
	require.NoError(t, err)
	c := &cache{}
	c.Save(CheckpointState, Stream("main"), s.Next-1, state)
	r.w.Close()
	r.w = r.writer(Options{History: h, Checkpoints: c, Recent: 1})
	a, err := r.do(olga, "sell", fill("a", "2", "sell", "1", "0.1"))
	require.NoError(t, err)
	require.True(t, a.Replayed)
	require.Len(t, a.Events, len(records)-first+1)
	require.Equal(t, uint64(first), r.w.origin.size)
	r.check()
}

// A stop does not wait for the index, and is recorded when there is one again.
func TestAStopHoldsWithoutAHistory(t *testing.T) {
	store := newFaulty(t)
	h := newLogHistory(store.Store)
	e := &engined{t: t, store: store, engine: NewEngine(store, EngineOptions{Options: Options{Now: newClock().Now, History: h, Recent: 1}})}
	t.Cleanup(e.engine.Close)
	require.NoError(t, e.engine.Load(t.Context(), nil))
	e.opened("main")
	h.fail(errors.New("it is being made again"))
	_, recorded, err := e.engine.Stop(context.Background(), "main", Request{Caller: olga, Key: "stop", Command: EngageStop{Kind: domain.StopManual, Reason: "x"}})
	require.NoError(t, err)
	require.False(t, recorded)
	_, err = e.do("main", botCaller("a"), permit("a", "1"))
	require.Error(t, err)
	h.fail(nil)
	e.eventually(func() bool { return len(e.engaged("main")) == 1 }, "it is recorded")
}
