package portfolio

import (
	"slices"

	"pets/domain"
)

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

// remember does what a record changes about what is known of fills and other facts. Records
// of the past are told again by it (past_lookup.go).
func (s *State) remember(at domain.Stamp, event domain.Event) {
	switch e := event.(type) {
	case *domain.FillRecorded:
		s.rememberFill(at, e)
	case *domain.FillReinstated:
		s.rememberFill(at, &e.FillRecorded)
	case *domain.FillConfirmed:
		s.rememberEnd(at, e.FillID, e.Market, Confirmed)
	case *domain.FillVoided:
		s.rememberEnd(at, e.FillID, e.Market, Voided)
	case *domain.FundingRecorded:
		s.keepFill(at, fundingID(e), FillRef{Revision: at.Revision, Content: contentOfFunding(e), Status: Confirmed}, e.Market)
	case *domain.SetsChanged:
		s.Past.keep(at.Revision, setID(e), FillRef{Revision: at.Revision, Content: contentOfSets(e), Status: Confirmed})
	case *domain.TradeClosed:
		if e.ClosedBy == domain.ClosedByReport {
			s.keepFill(at, reportedID(e), FillRef{Revision: at.Revision, Content: contentOfTrade(e), Status: Confirmed}, e.Market)
		}
	case *domain.TradesClosed:
		for _, one := range domain.Flatten(e) {
			s.remember(at, one)
		}
	}
}

// rememberFill remembers a fill, and returns how it stands.
func (s *State) rememberFill(at domain.Stamp, e *domain.FillRecorded) FillStatus {
	s.Past.name(at.Revision, e.FillID, e.Market)
	second := s.Policy.Second()
	ref := FillRef{Revision: at.Revision, Content: contentOfFill(e), Status: Confirmed, Sells: second && e.Side == domain.Sell}
	if slices.Contains(e.Flags, domain.FlagVoided) {
		ref.Status, ref.Early = Voided, second
		s.keepFill(at, e.FillID, ref, e.Market)
		return Voided
	}
	ref.Within = second && e.Permit != "" && !slices.ContainsFunc(e.Flags, unpermitted)
	if e.Status != domain.FillProvisionalStatus {
		s.keepFill(at, e.FillID, ref, e.Market)
		return Confirmed
	}
	ref.Status = Provisional
	s.awaitFill(e.FillID, ref, e.Instrument)
	return Provisional
}

// rememberEnd remembers that a provisional fill is final, and returns it. A void of one that
// has not arrived is remembered until it does; nil is returned.
func (s *State) rememberEnd(at domain.Stamp, id domain.FillID, market string, status FillStatus) *ProvisionalFill {
	p := s.provisional(id, market)
	switch {
	case p != nil:
		s.endProvisional(at, id, p, status)
	case status == Voided:
		s.keepFill(at, id, FillRef{Revision: at.Revision, Status: Voided, Early: s.Policy.Second()}, market)
	}
	return p
}

// keepFill remembers a fact of a market for good.
func (s *State) keepFill(at domain.Stamp, id domain.FillID, ref FillRef, market string) {
	if s.Policy.Second() {
		ref.Market = s.marketName(market)
	}
	s.Past.keep(at.Revision, id, ref)
}

// awaitFill remembers a provisional fill until it is confirmed or voided.
func (s *State) awaitFill(id domain.FillID, ref FillRef, i domain.Instrument) {
	if s.Policy.Second() {
		ref.Market = s.marketName(i.Market)
	}
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

// endProvisional makes a provisional fill final.
func (s *State) endProvisional(at domain.Stamp, id domain.FillID, p *ProvisionalFill, status FillStatus) {
	s.forgetProvisional(id, p)
	ref := p.FillRef
	ref.Status = status
	s.keepFill(at, id, ref, ref.Market)
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
