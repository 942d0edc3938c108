package portfolio

import (
	"iter"
	"maps"
	"slices"

	"pets/domain"
)

// Past holds what is final: the identities of fills, reported trades, funding and changes
// of sets that can no longer change. It only grows, with every fact for as long as the
// portfolio trades, while the rest of the state grows with what is open.
//
// Decisions read it, so that no fact is booked twice. Applying an event adds to it and
// never reads it: what an event does to the rest of the state does not depend on the past.
type Past struct {
	// first holds one fact of each id, more those of other markets under the same id.
	first map[domain.FillID]FillRef
	more  map[FillKey]FillRef
	// several counts the facts in more by their id.
	several map[domain.FillID]int
	// reported finds who reported a fill of a named venue, also one that is provisional.
	reported reportedFills
}

func newPast() *Past {
	return &Past{first: map[domain.FillID]FillRef{}, more: map[FillKey]FillRef{}, several: map[domain.FillID]int{}, reported: reportedFills{map[uint64]string{}, map[uint64][]string{}}}
}

// Len returns how many facts there are.
func (p *Past) Len() int { return len(p.first) + len(p.more) }

// Find returns the fact that a report of a market repeats: one of the same id and market.
// A market that is not known, of a report or of a fact of the first edition, is no part of
// the identity.
func (p *Past) Find(id domain.FillID, market string) (FillRef, bool) {
	ref, ok := p.first[id]
	if !ok || ref.of(market) {
		return ref, ok
	}
	ref, ok = p.more[FillKey{FillID: id, Market: market}]
	return ref, ok
}

// Several reports that there are facts of an id in several markets.
func (p *Past) Several(id domain.FillID) bool { return p.several[id] > 0 }

// Reporters returns the bots that may have reported a fill of a named venue: the facts
// themselves say which of them did.
func (p *Past) Reporters(id domain.FillID) []string { return p.reported.bots(id) }

// All returns every fact, in no order.
func (p *Past) All() iter.Seq2[domain.FillID, FillRef] {
	return func(yield func(domain.FillID, FillRef) bool) {
		for id, ref := range p.first {
			if !yield(id, ref) {
				return
			}
		}
		for key, ref := range p.more {
			if !yield(key.FillID, ref) {
				return
			}
		}
	}
}

// keep adds a fact. The later of two of one identity counts, but a void of a fill that had
// not arrived says nothing about one that had.
func (p *Past) keep(id domain.FillID, ref FillRef) {
	p.reported.note(id)
	first, ok := p.first[id]
	key := FillKey{FillID: id, Market: ref.Market}
	switch {
	case ok && !first.of(ref.Market):
		if known, also := p.more[key]; !also {
			p.several[id]++
		} else if ref.unarrived() && !known.unarrived() {
			return
		}
		p.more[key] = ref
	case ok && ref.unarrived() && !first.unarrived():
	default:
		p.first[id] = ref
	}
}

func (p *Past) clone() *Past {
	return &Past{first: maps.Clone(p.first), more: maps.Clone(p.more), several: maps.Clone(p.several), reported: p.reported.clone()}
}

// of reports that a fact is one of a market, as far as both are known.
func (r *FillRef) of(market string) bool {
	return r.Market == "" || market == "" || r.Market == market
}

// unarrived reports the void of a fill that has not been reported.
func (r *FillRef) unarrived() bool { return r.Status == Voided && r.Content == Content{} }

// ProvisionalFill is a provisional fill: it will be confirmed or voided. It is never changed in
// place.
type ProvisionalFill struct {
	FillRef
	In domain.Instrument
}

// fill returns what is known of the fill of an id that a report of a market repeats, and
// the fill itself where it is provisional.
func (s *State) fill(id domain.FillID, market string) (ref FillRef, pending *ProvisionalFill, known bool) {
	if p := s.provisional(id, market); p != nil {
		return p.FillRef, p, true
	}
	ref, known = s.Past.Find(id, market)
	return ref, nil, known
}

// provisional returns the provisional fill of an id that a report of a market repeats, or nil.
func (s *State) provisional(id domain.FillID, market string) *ProvisionalFill {
	for _, p := range s.Provisional[id] {
		if p.of(market) {
			return p
		}
	}
	return nil
}

// several reports that there are fills of an id in several markets.
func (s *State) several(id domain.FillID) bool {
	pending := s.Provisional[id]
	if len(pending) > 1 || s.Past.Several(id) {
		return true
	}
	first, known := s.Past.Find(id, "")
	return known && len(pending) == 1 && !pending[0].of(first.Market)
}

// keepFill remembers a fact of a market for good.
func (s *State) keepFill(id domain.FillID, ref FillRef, market string) {
	if s.Policy.Second() {
		ref.Market = s.marketName(market)
	}
	s.Past.keep(id, ref)
}

// awaitFill remembers a provisional fill until it is confirmed or voided.
func (s *State) awaitFill(id domain.FillID, ref FillRef, i domain.Instrument) {
	if s.Policy.Second() {
		ref.Market = s.marketName(i.Market)
	}
	s.Past.reported.note(id)
	if known := s.provisional(id, ref.Market); known != nil {
		s.forgetProvisional(id, known)
	}
	s.Provisional[id] = append(s.without(id, nil), &ProvisionalFill{FillRef: ref, In: i})
	s.derived.voidable[place{i.Market, id.Bot}]++
}

// without returns the provisional fills of an id but one, in a slice of its own: a copy of
// the state may share the other.
func (s *State) without(id domain.FillID, one *ProvisionalFill) []*ProvisionalFill {
	rest := make([]*ProvisionalFill, 0, len(s.Provisional[id])+1)
	for _, p := range s.Provisional[id] {
		if p != one {
			rest = append(rest, p)
		}
	}
	return rest
}

func (s *State) forgetProvisional(id domain.FillID, p *ProvisionalFill) {
	if s.Provisional[id] = s.without(id, p); len(s.Provisional[id]) == 0 {
		delete(s.Provisional, id)
	}
	at := place{p.In.Market, id.Bot}
	if s.derived.voidable[at]--; s.derived.voidable[at] == 0 {
		delete(s.derived.voidable, at)
	}
}

// endProvisional makes a provisional fill final, and returns its instrument.
func (s *State) endProvisional(id domain.FillID, p *ProvisionalFill, status FillStatus) *Instrument {
	s.forgetProvisional(id, p)
	in := s.instrument(p.In)
	ref := p.FillRef
	ref.Status = status
	s.keepFill(id, ref, ref.Market)
	return in
}

// moveProvisional names the provisional fills of a bot in an instrument after another one.
func (s *State) moveProvisional(bot string, from, to domain.Instrument) {
	for id, fills := range s.Provisional {
		if id.Bot != bot {
			continue
		}
		for n, p := range fills {
			if p.In == from {
				moved := slices.Clone(s.Provisional[id])
				moved[n] = &ProvisionalFill{FillRef: p.FillRef, In: to}
				s.forgetProvisional(id, p)
				s.Provisional[id] = moved
				s.derived.voidable[place{to.Market, bot}]++
			}
		}
	}
}

// reportedFills finds the bots that reported a fill of a named venue. It has a number of 64
// bits for each fill, which two may share: the fills themselves say which it is.
type reportedFills struct {
	first map[uint64]string
	more  map[uint64][]string
}

func (r reportedFills) clone() reportedFills {
	more := make(map[uint64][]string, len(r.more))
	for n, bots := range r.more {
		more[n] = slices.Clone(bots)
	}
	return reportedFills{maps.Clone(r.first), more}
}

func (r reportedFills) bots(id domain.FillID) []string {
	n := numberOf(id)
	first, known := r.first[n]
	if !known {
		return nil
	}
	return append([]string{first}, r.more[n]...)
}

func (r reportedFills) note(id domain.FillID) {
	if id.Venue == "" {
		return
	}
	n := numberOf(id)
	switch first, known := r.first[n]; {
	case !known:
		r.first[n] = id.Bot
	case first != id.Bot && !slices.Contains(r.more[n], id.Bot):
		r.more[n] = append(r.more[n], id.Bot)
	}
}

// numberOf returns the number of a fill, whichever bot reports it (FNV-1a).
func numberOf(id domain.FillID) uint64 {
	n := uint64(14695981039346656037)
	add := func(b byte) { n = (n ^ uint64(b)) * 1099511628211 }
	for _, text := range []string{id.Venue, id.TradeID} {
		for i := range len(text) {
			add(text[i])
		}
		add(0)
	}
	for leg := uint64(id.Leg); leg > 0; leg >>= 8 { //nolint:gosec // only told apart
		add(byte(leg))
	}
	return n
}
