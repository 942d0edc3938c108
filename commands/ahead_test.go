package commands

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// What was looked up before a command was queued counts as long as everything later is in
// memory, and the History was not doubted; otherwise it is looked up again.
func TestWhatWasLookedUpAheadMayBeOld(t *testing.T) {
	key := keyOfCommand("s", uuid.New())
	h := newLogHistory(nil)
	a := &ahead{asOf: 7, keys: []HistoryKey{key}, found: make([][]HistoryHit, 1)}
	require.True(t, a.usable(h, 7))
	require.False(t, a.usable(h, 8), "a record at 7 may be of it")
	_, known := a.of(key)
	require.True(t, known)
	_, known = a.of(keyOfCommand("s", uuid.New()))
	require.False(t, known)
	h.Doubt(errors.New("it is wrong"))
	require.False(t, a.usable(h, 7))
	require.False(t, (*ahead)(nil).usable(h, 0))
}

// Keys of different things differ, also where their texts run together.
func TestKeysOfTheHistory(t *testing.T) {
	seen := map[HistoryKey]string{}
	add := func(what string, key HistoryKey) {
		require.Empty(t, seen[key], what)
		seen[key] = what
	}
	for _, id := range []domain.FillID{
		{Bot: "a", TradeID: "1"},
		{Bot: "a", TradeID: "1", Leg: 1},
		{Bot: "a", TradeID: "1", Leg: 11},
		{Bot: "a", Venue: "1"},
		{Bot: "a1"},
		{Bot: "a", TradeID: "11"},
		{Bot: "a", TradeID: "1", Leg: domain.ReportedLeg},
		{Bot: "1:a", TradeID: "1"},
		{Bot: "a", Venue: "1:1"},
	} {
		add(fmt.Sprintf("%+v", id), keyOfFact("s", id))
		add(fmt.Sprintf("%+v of another stream", id), keyOfFact("t", id))
		for _, market := range []string{"", "m", "1:m"} {
			add(fmt.Sprintf("%+v in %q", id, market), keyOfFactIn("s", id, market))
		}
	}
	add("a trade", keyOfFillOfBot("s", "a", "m", "1"))
	add("another", keyOfFillOfBot("s", "a", "m1", ""))
	add("at a venue", keyOfFillAt("s", domain.FillID{Bot: "a", Venue: "v", TradeID: "1"}, "m"))
	require.NotEmpty(t, seen[keyOfFactIn("s", domain.FillID{Bot: "a", TradeID: "1"}, "m")])
	require.Equal(t, keyOfFillAt("s", domain.FillID{Bot: "a", Venue: "v"}, "m"), keyOfFillAt("s", domain.FillID{Bot: "b", Venue: "v"}, "m"), "any bot may report it")
	add("a command", keyOfCommand("s", uuid.UUID{1}))
}

// Keys and marks are stored. If one of them changes, raise the version of the format of the
// index, so that what an older build wrote is made again.
func TestKeysAreThoseOfTheFormat(t *testing.T) {
	id := domain.FillID{Bot: "a", Venue: "v", TradeID: "1", Leg: 2}
	record := uuid.UUID{1, 2, 3}
	var all []string
	for _, one := range [][16]byte{
		keyOfCommand("s", record), keyOfFact("s", id), keyOfFactIn("s", id, "m"), keyOfFillOfBot("s", "a", "m", "1"), keyOfFillAt("s", id, "m"),
		markOfFact("m", record), markOfFact("", record), markOfPlace(id), markOfBot("a"),
	} {
		all = append(all, hex.EncodeToString(one[:]))
	}
	require.Equal(t, []string{
		"05d55d92b88fbb7eac63ddb799dc0a73",
		"e101ed484bab8745992f3ef14bccf9fc",
		"89b67c1313bbd7e56a96e5f4f5967b45",
		"9463510e5605ba7b4c332ccf4e7fe637",
		"8d557ffae209ee895fc9174db02cf201",
		"62c66a7a5dd70c310102030000000000",
		"00000000000000000102030000000000",
		"9e77c0a9f2c0d48f86effea9b0c0d4dd",
		"8e2c09406012970d442aece222d0f98b",
	}, all)
}

// pause keeps the writer from deciding until the returned function is called.
func (r *rig) pause() (release func()) {
	hold, in := make(chan struct{}), make(chan struct{})
	go func() {
		_ = r.w.lookAt(r.t.Context(), func(stateFold) error { close(in); <-hold; return nil })
	}()
	<-in
	return func() { close(hold) }
}

// A request that was looked up in an index that had lost a fill, and is decided after the index
// was doubted, or made again: it is not booked twice.
func TestWhatWasLookedUpBeforeADoubt(t *testing.T) {
	for name, then := range map[string]func(h *logHistory){
		"doubted":    func(h *logHistory) { h.fail(errors.New("it differs from the log")) },
		"made again": func(h *logHistory) { h.Doubt(errors.New("it differs from the log")); h.makeAgain(Stream("main")) },
	} {
		t.Run(name, func(t *testing.T) {
			r, h := looking(t)
			again := fill("a", "1", "buy", "1", "0.1")
			r.must(botCaller("a"), again)
			for range 6 {
				r.must(olga, deposit("1"))
			}
			h.lose(Stream("main"), func() bool { return true })
			release := r.pause()
			out := r.start(t.Context(), olga, "again", again)
			r.waitQueued(1)
			then(h)
			release()
			soon(t, out)
			h.makeAgain(Stream("main"))
			_, err := r.do(olga, "again", again)
			require.NoError(t, err)
			require.Equal(t, 1, r.count(domain.FillRecordedType))
			r.check()
		})
	}
}

// What was looked up ahead is of use no more when the writer has dropped later records from
// memory meanwhile: it is looked up again.
func TestWhatWasLookedUpBeforeTheWriterForgot(t *testing.T) {
	r, _ := looking(t)
	release := r.pause()
	c := fill("a", "1", "buy", "1", "0.1")
	first := r.start(t.Context(), olga, "first", c) // these two know nothing of one another
	r.waitQueued(1)
	second := r.start(t.Context(), olga, "second", c)
	r.waitQueued(2)
	for n := range 8 {
		_ = r.start(t.Context(), alice, fmt.Sprint("other", n), deposit("1"))
	}
	r.waitQueued(10)
	release()
	soon(t, first)
	soon(t, second)
	for range 6 {
		r.must(olga, deposit("1"))
	}
	require.Equal(t, 1, r.count(domain.FillRecordedType))
	r.check()
}

// The caller of a batch reads what its requests repeat, so that the writer, for which all
// others wait, reads nothing.
func TestTheWriterReadsNoRepeats(t *testing.T) {
	for _, n := range []int{1, 300} {
		r, h := looking(t)
		batch := func(keys string) (all []Request) {
			for i := range n {
				all = append(all, Request{Caller: olga, Key: fmt.Sprint(keys, i), Command: fill("a", fmt.Sprint("t", i), "buy", "0.01", "0.1")})
			}
			return all
		}
		send := func(keys string) []Result {
			results, err := r.w.DoAll(t.Context(), batch(keys))
			require.NoError(t, err)
			for _, one := range results {
				require.NoError(t, one.Err)
			}
			return results
		}
		send("first")
		for range 9 {
			r.must(olga, deposit("1"))
		}
		r.w.past.reads = 0
		for _, one := range send("first") {
			require.True(t, one.Answer.Replayed)
		}
		send("second")
		require.Equal(t, n, r.count(domain.FillRecordedType))
		require.Zero(t, r.w.past.reads)
		h.mu.Lock()
		h.keys = 0
		h.mu.Unlock()
		same := batch("third")
		for i := range same {
			same[i].Command = same[0].Command
		}
		_, err := r.w.DoEach(t.Context(), same)
		require.NoError(t, err)
		require.Less(t, h.keys, 13*n, "what all of them ask is asked once")
		r.check()
	}
}

// However often the index is doubted, closed, damaged or made again, between any two commands
// and while one waits: a command is answered rightly, or refused as unavailable, and no fill is
// booked twice.
func TestAStormOfDoubts(t *testing.T) {
	for seed := range uint64(6) {
		r, h := looking(t)
		random := rand.New(rand.NewPCG(seed, 1))
		stream := Stream("main")
		booked := map[string]bool{}
		down := errors.New("it is closed")
		for n := range 120 {
			trade := fmt.Sprint(random.IntN(25))
			c := fill("a", trade, "buy", "0.01", "0.1")
			key := fmt.Sprint("key", random.IntN(2)*(n+1), "-", trade)
			release := r.pause()
			harm := random.IntN(8)
			if harm == 0 { // it loses entries, and that is found out while the command waits
				h.lose(stream, func() bool { return random.IntN(2) == 0 })
			}
			out := r.start(t.Context(), olga, key, c)
			r.waitQueued(1)
			switch harm {
			case 0:
				h.Doubt(errors.New("entries are missing"))
				h.fail(errors.New("it is made again"))
				if random.IntN(2) == 0 {
					h.makeAgain(stream)
				}
			case 1:
				h.fail(down)
			case 2:
				h.makeAgain(stream)
			}
			release()
			o := soon(t, out)
			if domain.CodeOf(o.err) == domain.CodeUnavailable {
				h.makeAgain(stream)
				continue
			}
			require.NoError(t, o.err)
			booked[trade] = true
			require.Equal(t, len(booked), r.count(domain.FillRecordedType), "seed %d, step %d", seed, n)
			h.makeAgain(stream)
		}
		r.check()
	}
}

// reads returns how often the store is read for a command: by its caller, and by the writer.
func (r *rig) reads(by domain.Caller, c Command) (caller, writer int) {
	r.t.Helper()
	r.store.mu.Lock()
	before := r.store.begun
	r.store.mu.Unlock()
	r.w.past.reads = 0
	_, _ = r.do(by, r.key(), c) // a refusal reads as much
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	return r.store.begun - before - r.w.past.reads, r.w.past.reads
}

// What one bot does to a trade id costs neither its own decisions nor those of others: in many
// markets, at many venues, and voided before it arrives and reported again and again.
func TestReadsOfADecision(t *testing.T) {
	for _, n := range []int{1, 1000} {
		r := &rig{t: t, store: newFaulty(t), clock: newClock()}
		r.w = r.writer(lookingUp(r.store.Store, Options{}))
		open := openMain()
		open.Policy.Rules = domain.SecondRules
		r.must(olga, open)
		r.must(olga, deposit("10000"))
		for _, bot := range []string{"a", "b"} {
			r.must(olga, RegisterBot{ID: bot, Capital: dec("1000"), Start: true})
		}
		of := func(bot, market, venue, trade string) RecordFill {
			c := fill(bot, trade, "buy", "0.01", "0.1")
			c.Market, c.Venue = market, venue
			return c
		}
		early := of("a", "m", "v", "early")
		r.must(botCaller("a"), VoidFill{FillID: early.FillID, Market: "m"})
		var all []Request
		for i := range n {
			for _, c := range []RecordFill{of("a", fmt.Sprint("m", i), "v", "1"), of("a", "venues", fmt.Sprint("v", i), "1"), early} {
				all = append(all, Request{Caller: olga, Key: fmt.Sprint("all", len(all)), Command: c})
			}
		}
		r.all(all)
		require.Equal(t, 2*n+1, r.count(domain.FillRecordedType), "an early void is recorded once")
		for i := range 6 { // what is above is dropped from memory
			r.must(olga, of("a", "x", "v", fmt.Sprint("x", i)))
		}
		sold := of("b", "m", "v", "early")
		sold.Side = domain.Sell
		for _, c := range []struct {
			name string
			by   domain.Caller
			do   Command
			most int
		}{
			{"a new fill", botCaller("a"), of("a", "new", "v", "1"), 0},
			{"a fill at another venue", botCaller("a"), of("a", "venues", "w", "1"), 0},
			{"a repeat", botCaller("a"), of("a", "m0", "v", "1"), 1},
			{"the same early void", botCaller("a"), early, 2},
			{"the fill of another bot", botCaller("b"), sold, 2},
			{"a result beside fills", olga, RecordTrade{Bot: "a", Market: "venues", TradeID: "1", PnL: dec("1")}, 2},
			{"a void without a market", olga, VoidFill{FillID: domain.FillID{Bot: "a", Venue: "v", TradeID: "1"}}, 3},
		} {
			caller, writer := r.reads(c.by, c.do)
			require.LessOrEqual(t, writer, c.most, "%s, beside %d: by the writer", c.name, n)
			require.LessOrEqual(t, caller, 4, "%s, beside %d: by its caller", c.name, n)
		}
		r.check()
	}
}
