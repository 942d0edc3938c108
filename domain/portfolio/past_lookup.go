package portfolio

import (
	"maps"
	"slices"

	"pets/domain"
)

// PastRecords finds what the records of a portfolio's stream say about the past.
type PastRecords interface {
	// Records returns the records before a revision that are about an id (see
	// [Identities]), in order. It may return others as well.
	Records(id domain.FillID, before uint64) ([]Recorded, error)
	// OfBot and OfOthers return what [Past] says of the records before a revision.
	OfBot(bot, market, trade string, before uint64) ([]domain.FillID, error)
	OfOthers(id domain.FillID, market string, before uint64) ([]domain.FillID, error)
}

// Recorded is an event with its place.
type Recorded struct {
	At    domain.Stamp
	Event domain.Event
}

// Identities calls fact for every id of which an event changes what is known, and named for
// the id of a fill that it reports, with its market. An index of them finds the records
// that [PastRecords] returns.
func Identities(event domain.Event, fact func(id domain.FillID), named func(id domain.FillID, market string)) {
	switch e := event.(type) {
	case *domain.FillRecorded:
		fact(e.FillID)
		named(e.FillID, e.Market)
	case *domain.FillReinstated:
		fact(e.FillID)
		named(e.FillID, e.Market)
	case *domain.FillConfirmed:
		fact(e.FillID)
	case *domain.FillVoided:
		fact(e.FillID)
	case *domain.FundingRecorded:
		fact(fundingID(e))
	case *domain.SetsChanged:
		fact(setID(e))
	case *domain.TradeClosed:
		if e.ClosedBy == domain.ClosedByReport {
			fact(reportedID(e))
		}
	case *domain.TradesClosed:
		for _, one := range domain.Flatten(e) {
			Identities(one, fact, named)
		}
	}
}

// LookUp lets the state hold only what is added to the past from now on, until that can be
// looked up, too. Everything before is looked up in the evidence. It begins to drop what can
// be looked up when it holds a number of facts, usually [RecentFacts].
func (s *State) LookUp(e PastRecords, most int) {
	s.Past = &lookedUp{evidence: e, changes: s.EditionChanges, most: most, old: newRecent(s.Next), young: newRecent(s.Next)}
}

// PastIndexed tells the state that everything that the records before a revision say about
// the past can be looked up, so that it need not be held any more.
func (s *State) PastIndexed(revision uint64) { s.Past.indexed(revision, s.Next) }

// lookedUp is a past of which only the newest facts are in memory: those of records since
// old.from. The evidence is asked for those before. What it answers about a record that is
// also in memory is left out, so it may be ahead.
type lookedUp struct {
	evidence PastRecords
	changes  []uint64
	most     int
	// old is dropped when the evidence has all of it, and young then takes its place.
	old, young *recent
	err        error
}

// recent is what records from a revision on say.
type recent struct {
	from  uint64
	count int
	facts map[domain.FillID][]FillRef // in order
	names map[tradeKey][]domain.FillID
}

// RecentFacts is how many facts are held before older ones are dropped.
const RecentFacts = 2048

func newRecent(from uint64) *recent {
	return &recent{from: from, facts: map[domain.FillID][]FillRef{}, names: map[tradeKey][]domain.FillID{}}
}

func (r *recent) clone() *recent {
	return &recent{from: r.from, count: r.count, facts: maps.Clone(r.facts), names: maps.Clone(r.names)}
}

// known tells the facts of an id from its records again, and then those in memory. It returns
// nil if there are none.
func (p *lookedUp) known(id domain.FillID) *wholePast {
	records, err := p.evidence.Records(id, p.old.from)
	if err != nil {
		p.err = err
		return nil
	}
	old, young := p.old.facts[id], p.young.facts[id]
	if len(records) == 0 && len(old) == 0 && len(young) == 0 {
		return nil
	}
	all := retell(records, p.changes)
	for _, ref := range append(old[:len(old):len(old)], young...) {
		all.keep(0, id, ref)
	}
	return all
}

// retell folds records into a past, as they were folded when they were new. What they say
// depends on the edition of the rules that was in force.
func retell(records []Recorded, changes []uint64) *wholePast {
	past := newPast()
	s := &State{Provisional: map[domain.FillID][]*ProvisionalFill{}, Past: past, derived: derived{voidable: map[place]int{}}}
	for _, r := range records {
		s.Policy.Rules = 0
		if secondAt(changes, r.At.Revision) {
			s.Policy.Rules = domain.SecondRules
		}
		s.remember(r.At, r.Event)
	}
	return past
}

// secondAt reports whether the second edition was in force when a record was applied.
func secondAt(changes []uint64, revision uint64) bool {
	before, _ := slices.BinarySearch(changes, revision)
	return before%2 == 1
}

// Find implements [Past].
func (p *lookedUp) Find(id domain.FillID, market string) (FillRef, bool) {
	if all := p.known(id); all != nil {
		return all.Find(id, market)
	}
	return FillRef{}, false
}

// Several implements [Past].
func (p *lookedUp) Several(id domain.FillID) bool {
	all := p.known(id)
	return all != nil && all.Several(id)
}

// OfBot implements [Past].
func (p *lookedUp) OfBot(bot, market, trade string) []domain.FillID {
	ids, err := p.evidence.OfBot(bot, market, trade, p.old.from)
	if err != nil {
		p.err = err
		return nil
	}
	key := tradeKey{market, trade}
	return thoseOfBot(thoseOfBot(ids, p.old.names[key], bot), p.young.names[key], bot)
}

// OfOthers implements [Past].
func (p *lookedUp) OfOthers(id domain.FillID, market string) []domain.FillID {
	ids, err := p.evidence.OfOthers(id, market, p.old.from)
	if err != nil {
		p.err = err
		return nil
	}
	key := tradeKey{market, id.TradeID}
	return thoseOfOthers(thoseOfOthers(ids, p.old.names[key], id), p.young.names[key], id)
}

// Err implements [Past].
func (p *lookedUp) Err() error {
	err := p.err
	p.err = nil
	return err
}

func (p *lookedUp) keep(_ uint64, id domain.FillID, ref FillRef) {
	known := p.young.facts[id]
	p.young.facts[id] = append(known[:len(known):len(known)], ref) // a copy of the state may share the slice
	p.young.count++
}

func (p *lookedUp) name(_ uint64, id domain.FillID, market string) {
	key := tradeKey{market, id.TradeID}
	known := p.young.names[key]
	p.young.names[key] = append(known[:len(known):len(known)], id)
	p.young.count++
}

func (p *lookedUp) ruled(changes []uint64) { p.changes = changes }

func (p *lookedUp) indexed(revision, next uint64) {
	if p.young.count >= p.most && revision >= p.young.from {
		p.old, p.young = p.young, newRecent(next)
	}
}

func (p *lookedUp) clone() Past {
	return &lookedUp{evidence: p.evidence, changes: p.changes, most: p.most, old: p.old.clone(), young: p.young.clone()}
}

// Remembers reports whether events of a type may have [Identities].
func Remembers(eventType string) bool {
	switch domain.CurrentType(eventType) {
	case domain.FillRecordedType, domain.FillReinstatedType, domain.FillConfirmedType, domain.FillVoidedType, domain.FundingRecordedType,
		domain.SetsChangedType, domain.TradeClosedType, domain.TradesClosedType:
		return true
	}
	return false
}
