package portfolio

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"

	"pets/domain"
)

// Past answers what decisions ask about what is final: the identities of fills, reported
// trades, funding and changes of sets that can no longer change. It only grows, with every
// fact for as long as the portfolio trades, while the rest of the state grows with what is
// open. So it is no part of a snapshot, and need not be in memory.
//
// Decisions read it, so that no fact is booked twice. Applying an event adds to it and
// never reads it: what an event does to the rest of the state does not depend on the past.
//
// There are three kinds. That of [New] holds every fact in a map. After [State.LookUp] the
// state holds the newest facts only, and looks up the others. After [State.Forget] it holds
// none, and answers nothing.
type Past interface {
	// Find returns the fact that a report of a market repeats: one of the same id and
	// market. A market that is not known, of a report or of a fact of the first edition, is
	// no part of the identity.
	Find(id domain.FillID, market string) (FillRef, bool)
	// Several reports that there are facts of an id in several markets.
	Several(id domain.FillID) bool
	// OfBot yields the ids under which a bot reported fills of a trade id in a market, and
	// OfOthers those under which other bots reported the same leg of it at the same named
	// venue. Each id comes once, the one that was reported last before the others. The fills
	// may be provisional or voided.
	OfBot(bot, market, trade string) iter.Seq[domain.FillID]
	OfOthers(id domain.FillID, market string) iter.Seq[domain.FillID]
	// Archived returns the latest market.archived of a market, with its revision, unless the
	// market was restored after it. TokenOf returns an archived market that has a token, or "".
	Archived(market string) (e *domain.MarketArchived, revision uint64, archived bool)
	TokenOf(token string) (market string)
	// Err returns why a question since the last call of Err could not be answered, or nil.
	// Such a question was answered with "not known". Nothing may be decided on that.
	Err() error

	// keep adds a fact, name an id of a fill under its market and trade id, both of the
	// record at a revision.
	keep(revision uint64, id domain.FillID, ref FillRef)
	name(revision uint64, id domain.FillID, market string)
	// archive adds a market that left the state, restore one that is in it again.
	archive(revision uint64, e *domain.MarketArchived)
	restore(revision uint64, market string)
	// ruled notes at which revisions the edition of the rules changed.
	ruled(changes []uint64)
	// indexed notes that what records before a revision say can be looked up. The next
	// record will be that at next.
	indexed(revision, next uint64)
	clone() Past
}

// wholePast is a past in memory.
type wholePast struct {
	// first holds one fact of each id, more those of other markets under the same id.
	first map[domain.FillID]FillRef
	more  map[FillKey]FillRef
	// several counts the facts in more by their id.
	several map[domain.FillID]int
	names   map[tradeKey][]domain.FillID
	// archived are the markets that are not in the state, tokenOf those of their tokens.
	archived map[string]archivedAt
	tokenOf  map[string]string
	ids      idPieces
}

// archivedAt is a market.archived with its revision. Without one the market was restored then.
type archivedAt struct {
	event    *domain.MarketArchived
	revision uint64
}

// idPieces is memory for the first id of a list: nearly all lists have one.
type idPieces struct{ free []domain.FillID }

// add appends an id to a list. A copy of the state may share the list, but never the pieces.
func (p *idPieces) add(list []domain.FillID, id domain.FillID) []domain.FillID {
	if len(list) > 0 {
		return append(list[:len(list):len(list)], id)
	}
	if len(p.free) == 0 {
		p.free = make([]domain.FillID, 32)
	}
	list, p.free = p.free[:1:1], p.free[1:]
	list[0] = id
	return list
}

// tradeKey is a trade id in a market, of any bot.
type tradeKey struct{ market, trade string }

func newPast() *wholePast {
	return &wholePast{
		first: map[domain.FillID]FillRef{}, more: map[FillKey]FillRef{}, several: map[domain.FillID]int{}, names: map[tradeKey][]domain.FillID{},
		archived: map[string]archivedAt{}, tokenOf: map[string]string{},
	}
}

// Find implements [Past].
func (p *wholePast) Find(id domain.FillID, market string) (FillRef, bool) {
	ref, ok := p.first[id]
	if !ok || ref.of(market) {
		return ref, ok
	}
	ref, ok = p.more[FillKey{FillID: id, Market: market}]
	return ref, ok
}

// Several implements [Past].
func (p *wholePast) Several(id domain.FillID) bool { return p.several[id] > 0 }

// OfBot implements [Past].
func (p *wholePast) OfBot(bot, market, trade string) iter.Seq[domain.FillID] {
	return newestFirst(reportedBy(bot), p.names[tradeKey{market, trade}])
}

// OfOthers implements [Past].
func (p *wholePast) OfOthers(id domain.FillID, market string) iter.Seq[domain.FillID] {
	return newestFirst(reportedByOthers(id), p.names[tradeKey{market, id.TradeID}])
}

// Err implements [Past].
func (p *wholePast) Err() error { return nil }

// keep adds a fact. The later of two of one identity counts, but a void of a fill that had
// not arrived says nothing about one that had.
func (p *wholePast) keep(_ uint64, id domain.FillID, ref FillRef) {
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

func (p *wholePast) name(_ uint64, id domain.FillID, market string) {
	key := tradeKey{market, id.TradeID}
	p.names[key] = p.ids.add(p.names[key], id)
}

// Archived implements [Past].
func (p *wholePast) Archived(market string) (*domain.MarketArchived, uint64, bool) {
	a, ok := p.archived[market]
	return a.event, a.revision, ok
}

// TokenOf implements [Past].
func (p *wholePast) TokenOf(token string) string { return p.tokenOf[token] }

func (p *wholePast) archive(revision uint64, e *domain.MarketArchived) {
	p.archived[e.Market] = archivedAt{e, revision}
	for _, token := range e.Tokens {
		p.tokenOf[token] = e.Market
	}
}

func (p *wholePast) restore(_ uint64, market string) {
	if a, ok := p.archived[market]; ok {
		for _, token := range a.event.Tokens {
			delete(p.tokenOf, token)
		}
	}
	delete(p.archived, market)
}

func (p *wholePast) ruled([]uint64) {}

func (p *wholePast) indexed(uint64, uint64) {}

func (p *wholePast) clone() Past {
	return &wholePast{
		first: maps.Clone(p.first), more: maps.Clone(p.more), several: maps.Clone(p.several), names: maps.Clone(p.names),
		archived: maps.Clone(p.archived), tokenOf: maps.Clone(p.tokenOf),
	}
}

// reportedBy selects the ids of one bot.
func reportedBy(bot string) func(domain.FillID) bool {
	return func(id domain.FillID) bool { return id.Bot == bot }
}

// reportedByOthers selects the ids that differ from one of a named venue in the bot alone.
func reportedByOthers(id domain.FillID) func(domain.FillID) bool {
	return func(other domain.FillID) bool {
		return id.Venue != "" && other.Bot != id.Bot && other.Venue == id.Venue && other.Leg == id.Leg
	}
}

// newestFirst yields the selected ids of lists that are in the order of the log, from the end
// of the first one on, each id once.
func newestFirst(selected func(domain.FillID) bool, lists ...[]domain.FillID) iter.Seq[domain.FillID] {
	return func(yield func(domain.FillID) bool) {
		seen := map[domain.FillID]bool{}
		for _, list := range lists {
			for _, id := range slices.Backward(list) {
				if !selected(id) || seen[id] {
					continue
				}
				seen[id] = true
				if !yield(id) {
					return
				}
			}
		}
	}
}

func noFills(func(domain.FillID) bool) {}

// Fact is what is known of one id in one market.
type Fact struct {
	ID domain.FillID `json:"id"`
	FillRef
	// Provisional is the instrument of a fill that can still be voided.
	Provisional *domain.Instrument `json:"provisional,omitempty"`
}

// Facts returns all facts of a state that has the past in memory, and the provisional fills,
// in order of their ids.
func (s *State) Facts() []Fact {
	var all []Fact
	if p, ok := s.Past.(*wholePast); ok {
		for id, ref := range p.first {
			all = append(all, Fact{ID: id, FillRef: ref})
		}
		for key, ref := range p.more {
			all = append(all, Fact{ID: key.FillID, FillRef: ref})
		}
	}
	for id, fills := range s.Provisional {
		for _, p := range fills {
			all = append(all, Fact{ID: id, FillRef: p.FillRef, Provisional: &p.In})
		}
	}
	slices.SortFunc(all, func(a, b Fact) int {
		return cmp.Or(compareIDs(a.ID, b.ID), strings.Compare(a.Market, b.Market), cmp.Compare(a.Revision, b.Revision))
	})
	return all
}

func compareIDs(a, b domain.FillID) int {
	return cmp.Or(strings.Compare(a.Bot, b.Bot), strings.Compare(a.Venue, b.Venue), strings.Compare(a.TradeID, b.TradeID), cmp.Compare(a.Leg, b.Leg))
}

// of reports that a fact is one of a market, as far as both are known.
func (r *FillRef) of(market string) bool {
	return r.Market == "" || market == "" || r.Market == market
}

// unarrived reports the void of a fill that has not been reported.
func (r *FillRef) unarrived() bool { return r.Status == Voided && r.Content == Content{} }

// forgotten is the past of a state that nothing is decided on.
type forgotten struct{ asked bool }

var errForgotten = errors.New("portfolio: this state does not know the past, so nothing can be decided on it")

// Forget lets the state forget the past, for readers, which do not decide.
func (s *State) Forget() { s.Past = &forgotten{} }

// Find implements [Past].
func (p *forgotten) Find(domain.FillID, string) (FillRef, bool) {
	p.asked = true
	return FillRef{}, false
}

// Several implements [Past].
func (p *forgotten) Several(domain.FillID) bool {
	p.asked = true
	return false
}

// OfBot implements [Past].
func (p *forgotten) OfBot(string, string, string) iter.Seq[domain.FillID] {
	p.asked = true
	return noFills
}

// OfOthers implements [Past].
func (p *forgotten) OfOthers(domain.FillID, string) iter.Seq[domain.FillID] {
	p.asked = true
	return noFills
}

// Err implements [Past].
func (p *forgotten) Err() error {
	if !p.asked {
		return nil
	}
	p.asked = false
	return errForgotten
}

func (p *forgotten) keep(uint64, domain.FillID, FillRef) {}

func (p *forgotten) name(uint64, domain.FillID, string) {}

// Archived implements [Past]. Previews of a permit ask it, several at once: see [State.Knows].
func (p *forgotten) Archived(string) (*domain.MarketArchived, uint64, bool) { return nil, 0, false }

// TokenOf implements [Past].
func (p *forgotten) TokenOf(string) string {
	p.asked = true
	return ""
}

func (p *forgotten) archive(uint64, *domain.MarketArchived) {}

func (p *forgotten) restore(uint64, string) {}

func (p *forgotten) ruled([]uint64) {}

func (p *forgotten) indexed(uint64, uint64) {}

func (p *forgotten) clone() Past { return &forgotten{} }
