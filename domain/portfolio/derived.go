package portfolio

import (
	"iter"
	"maps"
	"slices"

	"pets/domain"
	"pets/domain/risk"
)

// What follows from the state is kept beside it, so that no command walks all bots, all
// holders of a market or all permits: who holds what, who may be stopped, what is tripped,
// and sums. None of it is in a snapshot. derive builds it from the rest of the state, and
// all amounts are exact, so what is kept step by step equals that to the last digit.

// derived is what follows from a state. Sums over permits are in permitIndex.
type derived struct {
	// held are the instruments in which each bot has a holding, also a flat one.
	held map[string]map[domain.Instrument]*Instrument
	// running and halted are the bots of which [Bot] says so, open counts those with an open
	// position.
	running, halted map[string]struct{}
	open            int
	// stopping are the tripped breakers that stop all bots, tripped the others by their bot,
	// and warned those of the portfolio that have warned.
	stopping, warned map[risk.Key]struct{}
	tripped          map[string]map[risk.Key]struct{}
	// touched are the bots that may have changed since warnings were last compared.
	touched []string
	// owing are the bots that have or owe some of another asset, owed is what they all do.
	owing map[string]map[string]struct{}
	owed  map[string]domain.Decimal
	// waiting are the instruments with a mark beyond the collar.
	waiting map[*Instrument]struct{}
	// arbitrages are those of each bot, voidable counts its provisional fills by market.
	// deadlines are those of arbitrages that have not timed out, the earliest first; some
	// of them may have ended.
	arbitrages map[string]map[string]*risk.Arbitrage
	deadlines  expiryHeap
	voidable   map[place]int
	// exposed is kept while a limit asks for it, else nil.
	exposed *exposures
	// deferred are the results that wait for the bot's next one in the market.
	deferred map[place]map[string]struct{}
	// settled are the settled markets (archive.go).
	settled settledMarkets
	// applied counts the events and rows that were applied: see [State.moved].
	applied uint64
}

// place is a bot in a market.
type place struct{ market, bot string }

func newDerived() derived {
	return derived{
		held: map[string]map[domain.Instrument]*Instrument{}, running: map[string]struct{}{}, halted: map[string]struct{}{},
		stopping: map[risk.Key]struct{}{}, warned: map[risk.Key]struct{}{}, tripped: map[string]map[risk.Key]struct{}{},
		owing: map[string]map[string]struct{}{}, owed: map[string]domain.Decimal{}, waiting: map[*Instrument]struct{}{},
		arbitrages: map[string]map[string]*risk.Arbitrage{}, voidable: map[place]int{},
		deferred: map[place]map[string]struct{}{},
	}
}

// derive builds all of it from the state.
func (s *State) derive() {
	touched, applied := s.derived.touched, s.derived.applied
	s.derived = newDerived()
	s.derived.applied = applied
	for _, b := range s.Bots {
		b.touched = false
		s.noteStatus(b)
		if b.Positions > 0 {
			s.derived.open++
		}
		for asset, amount := range b.Other {
			s.owes(b, asset, amount)
		}
		for id := range b.Results {
			s.noteResult(b, id)
		}
	}
	s.touchAll(touched)
	for _, in := range s.Instruments {
		for _, h := range in.Holdings {
			s.noteHolding(in, h.Bot)
		}
		if in.Waiting != nil {
			s.derived.waiting[in] = struct{}{}
		}
	}
	for key, b := range s.Breakers {
		s.noteBreaker(key, b)
	}
	for _, a := range s.Arbitrages {
		s.noteArbitrage(a)
	}
	for id, fills := range s.Provisional {
		for _, p := range fills {
			s.derived.voidable[place{p.In.Market, id.Bot}]++
		}
	}
	s.indexPermits()
	s.deriveExposures()
	s.deriveSettled()
}

// --- bots

// touch notes that a bot may have changed.
func (s *State) touch(b *Bot) {
	if !b.touched {
		b.touched = true
		s.derived.touched = append(s.derived.touched, b.ID)
	}
}

func (s *State) touchAll(ids []string) {
	for _, id := range ids {
		if b := s.Bots[id]; b != nil {
			s.touch(b)
		} else {
			s.derived.touched = append(s.derived.touched, id)
		}
	}
}

// registerBot adds a bot. One that a stream of another program registers again begins anew.
func (s *State) registerBot(b *Bot) {
	again := s.Bots[b.ID] != nil
	s.Bots[b.ID] = b
	if again {
		s.derive()
	}
	s.touch(b)
	s.noteStatus(b)
}

// noteStatus keeps the sets of running and halted bots in step with one.
func (s *State) noteStatus(b *Bot) {
	setMember(s.derived.running, b.ID, b.Status == Running)
	setMember(s.derived.halted, b.ID, b.Halted)
}

// setMember puts a key into a set, or takes it out.
func setMember[K comparable](set map[K]struct{}, key K, in bool) {
	if in {
		set[key] = struct{}{}
	} else {
		delete(set, key)
	}
}

// setPositions changes how many open positions a bot has.
func (s *State) setPositions(b *Bot, n int) {
	switch {
	case b.Positions <= 0 && n > 0:
		s.derived.open++
	case b.Positions > 0 && n <= 0:
		s.derived.open--
	}
	b.Positions = n
}

// owes keeps the sums of other assets in step with what a bot has of one.
func (s *State) owes(b *Bot, asset string, change domain.Decimal) {
	d := &s.derived
	addTo(d.owed, asset, change, domain.Decimal.Add)
	if d.owing[asset] == nil {
		d.owing[asset] = map[string]struct{}{}
	}
	setMember(d.owing[asset], b.ID, !b.Other[asset].IsZero())
}

// --- holdings

func (s *State) noteHolding(in *Instrument, bot string) {
	held := s.derived.held[bot]
	if held == nil {
		held = map[domain.Instrument]*Instrument{}
		s.derived.held[bot] = held
	}
	held[in.Instrument] = in
}

func (s *State) unhold(in *Instrument, bot string) {
	held := s.derived.held[bot]
	if delete(held, in.Instrument); len(held) == 0 {
		delete(s.derived.held, bot)
	}
}

// holdingsOf yields the holdings of a bot, in no order.
func (s *State) holdingsOf(bot string) iter.Seq2[*Instrument, *Holding] {
	return func(yield func(*Instrument, *Holding) bool) {
		for _, in := range s.derived.held[bot] {
			if h := in.Holding(bot); h != nil && !yield(in, h) {
				return
			}
		}
	}
}

// marketsOf yields the markets in which a bot has a holding, in no order.
func (s *State) marketsOf(bot string) iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := map[string]bool{}
		for i := range s.derived.held[bot] {
			if !seen[i.Market] && !yield(i.Market) {
				return
			}
			seen[i.Market] = true
		}
	}
}

// --- breakers

// setBreaker changes the stored state of a breaker, nil for one that is ok.
func (s *State) setBreaker(key risk.Key, b *risk.Breaker) {
	s.noteBreaker(key, nil)
	if b == nil {
		delete(s.Breakers, key)
		return
	}
	s.Breakers[key] = b
	s.noteBreaker(key, b)
}

func (s *State) noteBreaker(key risk.Key, b *risk.Breaker) {
	d := &s.derived
	tripped := b != nil && b.Status == risk.Tripped
	setMember(d.stopping, key, tripped && b.Stops == domain.StopAll)
	r, known := risk.RuleOf(key.Breaker)
	setMember(d.warned, key, b != nil && b.Status == risk.Warned && known && r.Scope != risk.OfBot)
	if own := d.tripped[key.Bot]; own != nil || tripped {
		if own == nil {
			own = map[risk.Key]struct{}{}
			d.tripped[key.Bot] = own
		}
		if setMember(own, key, tripped && b.Stops != domain.StopAll); len(own) == 0 {
			delete(d.tripped, key.Bot)
		}
	}
	if b != nil && b.Status == risk.Warned {
		s.touchAll([]string{key.Bot})
	}
}

// anyTripped reports that a breaker is tripped.
func (s *State) anyTripped() bool { return len(s.derived.stopping)+len(s.derived.tripped) > 0 }

// trippedFor reports that a tripped breaker keeps a bot from trading.
func (s *State) trippedFor(bot string) bool {
	return len(s.derived.stopping)+len(s.derived.tripped[bot]) > 0
}

// haltedBy returns the tripped breakers that keep a bot from trading: those that
// stop all bots, and its own.
func (s *State) haltedBy(bot string) []risk.Key {
	if !s.trippedFor(bot) {
		return nil
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(s.derived.stopping)), maps.Keys(s.derived.tripped[bot]))
	slices.SortFunc(keys, risk.Compare)
	return keys
}

// --- arbitrages and fills that can be voided

func (s *State) noteArbitrage(a *risk.Arbitrage) {
	of := s.derived.arbitrages[a.Bot]
	if of == nil {
		of = map[string]*risk.Arbitrage{}
		s.derived.arbitrages[a.Bot] = of
	}
	of[a.ID] = a
	for h := &s.derived.deadlines; len(*h) > 0 && !(*h)[0].runs(s.Arbitrages[(*h)[0].id]); {
		h.pop()
	}
	if !a.TimedOut {
		s.derived.deadlines.push(expiring{a.Deadline, a.ID})
	}
}

// runs reports that the time of an arbitrage, nil for one that has ended, ends at that of the
// entry, and that no record says yet that it is over.
func (e expiring) runs(a *risk.Arbitrage) bool {
	return a != nil && !a.TimedOut && a.Deadline.Equal(e.at)
}

func (s *State) forgetArbitrage(a *risk.Arbitrage) {
	delete(s.Arbitrages, a.ID)
	of := s.derived.arbitrages[a.Bot]
	if delete(of, a.ID); len(of) == 0 {
		delete(s.derived.arbitrages, a.Bot)
	}
}
