package portfolio

import (
	"crypto/sha256"
	"iter"
	"maps"
	"slices"

	"pets/domain"
)

// PastRecords finds what the records of a portfolio's stream say about the past. Each
// question is about the records before a revision.
type PastRecords interface {
	// Mentions names the records that are about an id (see [EachIdentity]), in order.
	Mentions(id domain.FillID, before uint64) ([]Mention, error)
	// MentionsIn names those of them that name a market, or none.
	MentionsIn(id domain.FillID, market string, before uint64) ([]Mention, error)
	// Read reads records that are about an id.
	Read(id domain.FillID, mentions []Mention) ([]Recorded, error)
	// OfBot and OfOthers yield what [Past] says. An error is the last element.
	OfBot(bot, market, trade string, before uint64) iter.Seq2[domain.FillID, error]
	OfOthers(id domain.FillID, market string, before uint64) iter.Seq2[domain.FillID, error]
	// Archive returns the last record that archived or restored a market; false if there is
	// none. Tokens returns the markets of the records that archived one with a token.
	Archive(market string, before uint64) (last Recorded, found bool, err error)
	Tokens(token string, before uint64) (markets []string, err error)
}

// Mention is a record that is about an id, without what it says.
type Mention struct {
	Revision uint64
	// Market marks the market that the record names for the id; it is zero for none, and for
	// several.
	Market MarketMark
	// Check tells the record from others when it is read.
	Check [8]byte
}

// MarketMark stands for the name of a market: the first bytes of its SHA-256. It is zero for
// no name.
type MarketMark [8]byte

// MarkOfMarket returns the mark of a market.
func MarkOfMarket(market string) (mark MarketMark) {
	if market == "" {
		return mark
	}
	sum := sha256.Sum256([]byte(market))
	return MarketMark(sum[:])
}

// Recorded is an event with its place.
type Recorded struct {
	At    domain.Stamp
	Event domain.Event
}

// EachIdentity calls fact for every id of which an event changes what is known, with the market
// that it names, and fill for the id of a fill that it reports. An index of them finds the
// records that [PastRecords] returns.
func EachIdentity(event domain.Event, fact, fill func(id domain.FillID, market string)) {
	switch e := event.(type) {
	case *domain.FillRecorded:
		fact(e.FillID, e.Market)
		fill(e.FillID, e.Market)
	case *domain.FillReinstated:
		fact(e.FillID, e.Market)
		fill(e.FillID, e.Market)
	case *domain.FillConfirmed:
		fact(e.FillID, e.Market)
	case *domain.FillVoided:
		fact(e.FillID, e.Market)
	case *domain.FundingRecorded:
		fact(fundingID(e), e.Market)
	case *domain.SetsChanged:
		fact(setID(e), "") // the market is no part of the identity
	case *domain.TradeClosed:
		if e.ClosedBy == domain.ClosedByReport {
			fact(reportedID(e), e.Market)
		}
	case *domain.TradesClosed:
		for _, one := range domain.Flatten(e) {
			EachIdentity(one, fact, fill)
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
	// markets are those that were archived, or restored, last.
	markets map[string]archivedAt
	ids     idPieces
}

// RecentFacts is how many facts are held before older ones are dropped.
const RecentFacts = 2048

func newRecent(from uint64) *recent {
	return &recent{from: from, facts: map[domain.FillID][]FillRef{}, names: map[tradeKey][]domain.FillID{}, markets: map[string]archivedAt{}}
}

func (r *recent) clone() *recent {
	return &recent{from: r.from, count: r.count, facts: maps.Clone(r.facts), names: maps.Clone(r.names), markets: maps.Clone(r.markets)}
}

// known returns what is known of an id in a market, of which the market may not be known, or
// nil if that is nothing. Where the facts of markets are apart, it reads no records of other
// markets.
func (p *lookedUp) known(id domain.FillID, market string) *wholePast {
	memory := p.inMemory(id)
	mentions, apart, err := p.mentions(id, market, memory)
	if err != nil {
		p.err = err
		return nil
	}
	if apart {
		memory = slices.DeleteFunc(memory, func(ref FillRef) bool { return ref.Market != market })
	}
	if len(mentions) == 0 && len(memory) == 0 {
		return nil
	}
	return p.factsOf(id, mentions, memory)
}

// inMemory returns the facts of an id that are in memory, in order.
func (p *lookedUp) inMemory(id domain.FillID) []FillRef {
	return slices.Concat(p.old.facts[id], p.young.facts[id])
}

// mentions names the records that say what is known of an id in a market, and reports that
// those of other markets say nothing about it.
func (p *lookedUp) mentions(id domain.FillID, market string, memory []FillRef) (m []Mention, apart bool, err error) {
	if market == "" || slices.ContainsFunc(memory, withoutMarket) {
		m, err = p.evidence.Mentions(id, p.old.from)
		return m, false, err
	}
	if p.alwaysSecond() {
		m, err = p.evidence.MentionsIn(id, market, p.old.from)
		if err != nil || p.apart(m) {
			return m, true, err
		}
	}
	if m, err = p.evidence.Mentions(id, p.old.from); err != nil || !p.apart(m) {
		return m, false, err
	}
	mark := MarkOfMarket(market)
	return slices.DeleteFunc(m, func(one Mention) bool { return one.Market != mark }), true, nil
}

func withoutMarket(ref FillRef) bool { return ref.Market == "" }

// apart reports that each record names its market, and was recorded under the second edition.
// Then facts of different markets have nothing to do with each other.
func (p *lookedUp) apart(mentions []Mention) bool {
	return !slices.ContainsFunc(mentions, func(m Mention) bool {
		return m.Market == MarketMark{} || !secondAt(p.changes, m.Revision)
	})
}

// alwaysSecond reports that no record but the first was recorded under the first edition.
func (p *lookedUp) alwaysSecond() bool { return len(p.changes) == 1 && p.changes[0] == 0 }

// factsOf folds the records about an id into a past, and then the facts in memory.
func (p *lookedUp) factsOf(id domain.FillID, mentions []Mention, memory []FillRef) *wholePast {
	var records []Recorded
	if len(mentions) > 0 {
		var err error
		if records, err = p.evidence.Read(id, mentions); err != nil {
			p.err = err
			return nil
		}
	}
	all := pastOf(records, p.changes)
	for _, ref := range memory {
		all.keep(0, id, ref)
	}
	return all
}

// pastOf folds records into a past, as they were folded when they were new. What they say
// depends on the edition of the rules that was in force.
func pastOf(records []Recorded, changes []uint64) *wholePast {
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
	if all := p.known(id, market); all != nil {
		return all.Find(id, market)
	}
	return FillRef{}, false
}

// Several implements [Past]. It reads the records of one market after another, until it has
// found facts of two.
func (p *lookedUp) Several(id domain.FillID) bool {
	memory := p.inMemory(id)
	mentions, err := p.evidence.Mentions(id, p.old.from)
	if err != nil {
		p.err = err
		return false
	}
	if slices.ContainsFunc(memory, withoutMarket) || !p.apart(mentions) {
		all := p.factsOf(id, mentions, memory)
		return all != nil && all.Several(id)
	}
	if slices.ContainsFunc(memory, func(ref FillRef) bool { return ref.Market != memory[0].Market }) {
		return true
	}
	known := map[MarketMark]bool{}
	if len(memory) > 0 {
		known[MarkOfMarket(memory[0].Market)] = true
	}
	byMarket, order := inMarkets(mentions)
	for _, market := range order {
		if known[market] {
			continue
		}
		facts := p.factsOf(id, byMarket[market], nil)
		if facts == nil {
			return false
		}
		if len(facts.first) > 0 {
			known[market] = true
		}
		if len(known) > 1 {
			return true
		}
	}
	return false
}

// inMarkets sorts mentions by the market that they name.
func inMarkets(mentions []Mention) (byMarket map[MarketMark][]Mention, order []MarketMark) {
	byMarket = map[MarketMark][]Mention{}
	for _, m := range mentions {
		if byMarket[m.Market] == nil {
			order = append(order, m.Market)
		}
		byMarket[m.Market] = append(byMarket[m.Market], m)
	}
	return byMarket, order
}

// OfBot implements [Past].
func (p *lookedUp) OfBot(bot, market, trade string) iter.Seq[domain.FillID] {
	return p.newestFirst(reportedBy(bot), tradeKey{market, trade}, p.evidence.OfBot(bot, market, trade, p.old.from))
}

// OfOthers implements [Past].
func (p *lookedUp) OfOthers(id domain.FillID, market string) iter.Seq[domain.FillID] {
	if id.Venue == "" {
		return noFills
	}
	return p.newestFirst(reportedByOthers(id), tradeKey{market, id.TradeID}, p.evidence.OfOthers(id, market, p.old.from))
}

// newestFirst yields the selected ids of a trade id that are in memory, and then those of the
// evidence.
func (p *lookedUp) newestFirst(selected func(domain.FillID) bool, key tradeKey, older iter.Seq2[domain.FillID, error]) iter.Seq[domain.FillID] {
	return func(yield func(domain.FillID) bool) {
		seen := map[domain.FillID]bool{}
		for id := range newestFirst(selected, p.young.names[key], p.old.names[key]) {
			if seen[id] = true; !yield(id) {
				return
			}
		}
		for id, err := range older {
			if err != nil {
				p.err = err
				return
			}
			if !seen[id] && !yield(id) {
				return
			}
		}
	}
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
	p.young.names[key] = p.young.ids.add(p.young.names[key], id)
	p.young.count++
}

// Archived implements [Past].
func (p *lookedUp) Archived(market string) (*domain.MarketArchived, uint64, bool) {
	for _, r := range []*recent{p.young, p.old} {
		if a, known := r.markets[market]; known {
			return a.event, a.revision, a.event != nil
		}
	}
	last, found, err := p.evidence.Archive(market, p.old.from)
	if err != nil {
		p.err = err
	}
	e, archived := last.Event.(*domain.MarketArchived)
	if archived = archived && err == nil && found; archived { // it is asked for again, by a feed
		p.young.archived(last.At.Revision, e)
	}
	return e, last.At.Revision, archived
}

// TokenOf implements [Past].
func (p *lookedUp) TokenOf(token string) string {
	markets, err := p.evidence.Tokens(token, p.old.from)
	if err != nil {
		p.err = err
		return ""
	}
	for _, r := range []*recent{p.old, p.young} {
		markets = append(markets, slices.Sorted(maps.Keys(r.markets))...)
	}
	for _, market := range markets { // it may have other tokens by now, or be in the state
		if e, _, archived := p.Archived(market); archived && slices.Contains(e.Tokens, token) {
			return market
		}
	}
	return ""
}

// archiveFact is for how many bytes of an archived market another fact could be held.
const archiveFact = 256

func (p *lookedUp) archive(revision uint64, e *domain.MarketArchived) { p.young.archived(revision, e) }

func (r *recent) archived(revision uint64, e *domain.MarketArchived) {
	r.markets[e.Market] = archivedAt{e, revision}
	r.count += 1 + len(e.Content)/archiveFact
}

func (p *lookedUp) restore(revision uint64, market string) {
	p.young.markets[market] = archivedAt{nil, revision}
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

// EachMarket calls market with the market that an event archives or restores, and token with
// each token of one that it archives.
func EachMarket(event domain.Event, market, token func(string)) {
	switch e := event.(type) {
	case *domain.MarketArchived:
		market(e.Market)
		for _, one := range e.Tokens {
			token(one)
		}
	case *domain.MarketRestored:
		market(e.Market)
	}
}

// Remembers reports whether events of a type may have identities (see [EachIdentity]).
func Remembers(eventType string) bool {
	switch domain.CurrentType(eventType) {
	case domain.FillRecordedType, domain.FillReinstatedType, domain.FillConfirmedType, domain.FillVoidedType, domain.FundingRecordedType,
		domain.SetsChangedType, domain.TradeClosedType, domain.TradesClosedType, domain.MarketArchivedType, domain.MarketRestoredType:
		return true
	}
	return false
}
