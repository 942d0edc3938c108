package portfolio

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"pets/domain"
)

// A market that is over leaves the state, so that a portfolio grows with what is open and not
// with what it has traded: market.archived takes it out, with all that the state had of it.
// Whatever still names it (a late fill, a correction) looks it up in the past, and
// market.restored brings it back before what needs it is recorded.

const (
	// SettledKept is how many settled markets stay in the state. What is late mostly comes soon.
	SettledKept = 64
	// archivedAtOnce is how many markets one decision archives at most, in about so many bytes.
	archivedAtOnce = 2
	maxArchive     = 512 << 10
)

// archivedMarket is the content of market.archived: what a state has of a market, but the
// results of several trades. These stay, because statistics ask for them.
type archivedMarket struct {
	Market      *Market       `json:"registered,omitempty"`
	Instruments []*Instrument `json:"instruments,omitempty"`
}

// knows reports that the state has something of a market.
func (s *State) knows(market string) bool {
	return s.Markets[market] != nil || len(s.byMarket[market]) > 0
}

// over reports that a market is settled, and nothing in it can change but by what is reported
// late, or corrected.
func (s *State) over(market string) bool {
	m := s.Markets[market]
	if m != nil && (m.Kind != domain.KindOutcome || len(m.Held) > 0 || len(m.Outcomes) > 0 && !s.decided(market)) {
		return false
	}
	paid := false
	for _, in := range s.instrumentsOf(market) {
		if len(in.Holdings) > 0 || in.Waiting != nil {
			return false
		}
		paid = paid || in.Payout != nil
	}
	return paid && !s.refersTo(market)
}

// refersTo reports that something beside the instruments of a market is still open in it.
func (s *State) refersTo(market string) bool {
	for _, p := range s.Permits {
		if p.Market == market {
			return true
		}
	}
	for _, a := range s.Arbitrages {
		for i := range a.Legs {
			if a.Legs[i].Market == market {
				return true
			}
		}
	}
	for bot := range s.Bots {
		if len(s.derived.deferred[place{market, bot}]) > 0 {
			return true
		}
	}
	return false
}

// archiveOf returns what the state has of a market, as canonical JSON.
func (s *State) archiveOf(market string) (json.RawMessage, error) {
	return json.Marshal(archivedMarket{Market: s.Markets[market], Instruments: s.instrumentsOf(market)})
}

// tokensOf returns the tokens of a market, sorted.
func (s *State) tokensOf(market string) []string {
	if m := s.Markets[market]; m != nil {
		return slices.Sorted(maps.Values(m.Tokens))
	}
	return nil
}

// Archived returns what the state has of a market that can be archived now, as a
// market.archived has it, or nil. A verification compares it with the record.
func (s *State) Archived(market string) (json.RawMessage, error) {
	if !s.over(market) {
		return nil, nil
	}
	return s.archiveOf(market)
}

// applyArchived takes a market out of the state. One that is not over stays, because no record
// may lose what a bot holds. Of one that the state does not know there is nothing to lose: it
// counts as archived, as an index of the log says, too. Only another program writes either.
func (s *State) applyArchived(at domain.Stamp, e *domain.MarketArchived) {
	if s.knows(e.Market) && !s.over(e.Market) {
		return
	}
	s.remove(e.Market)
	s.derived.settled.drop(e.Market)
	s.Past.archive(at.Revision, e)
}

// remove forgets a market in which nothing is open.
func (s *State) remove(market string) {
	for _, in := range s.instrumentsOf(market) {
		delete(s.Instruments, in.Instrument)
	}
	delete(s.byMarket, market)
	delete(s.Markets, market)
}

// applyRestored brings a market back. One that the state has is left as it is: the decision
// that restores it has looked at it.
func (s *State) applyRestored(e *domain.MarketRestored) {
	if !s.knows(e.Market) {
		_ = s.insert(e.Market, e.Content) // as far as it can be read
	}
	s.Past.restore(s.Next-1, e.Market)
	s.settled(e.Market)
}

// insert puts what was archived into the state.
func (s *State) insert(market string, content json.RawMessage) error {
	var a archivedMarket
	if err := domain.DecodeObject(content, &a); err != nil {
		return fmt.Errorf("portfolio: what was archived of a market does not decode: %w", err)
	}
	if !a.sound(market) {
		return errors.New("portfolio: what was archived of a market is not that of a market which is over")
	}
	if a.Market != nil {
		s.Markets[market] = a.Market
	}
	for _, in := range a.Instruments {
		for _, p := range in.Paid {
			in.indexPaid(p)
		}
		s.Instruments[in.Instrument] = in
	}
	if slices.SortFunc(a.Instruments, compareInstruments); len(a.Instruments) > 0 {
		s.byMarket[market] = a.Instruments
	}
	return nil
}

// sound reports that the content is that of a market in which nothing is open, with all that the
// state relies on.
func (a *archivedMarket) sound(market string) bool {
	if a.Market != nil && len(a.Market.Held) > 0 {
		return false
	}
	outcomes := map[string]bool{}
	for _, in := range a.Instruments {
		switch {
		case in == nil || in.Market != market || outcomes[in.Outcome],
			len(in.Holdings) > 0 || in.Waiting != nil || slices.Contains(in.Paid, nil),
			in.Payout != nil && in.Mark() == nil: // the payout is a mark
			return false
		}
		outcomes[in.Outcome] = true
	}
	return true
}

// settledMarkets are the settled markets in the state: those that were settled first before the
// others in queue, and all in set.
type settledMarkets struct {
	queue []string
	set   map[string]struct{}
	// due is how many of them are still to be looked at: whether they can be archived changes
	// with what is recorded, so each settlement brings the turn of two.
	due int
}

// settled notes that a market was settled, or changed after that.
func (s *State) settled(market string) {
	q := &s.derived.settled
	if q.set == nil {
		q.set = map[string]struct{}{}
	}
	if _, known := q.set[market]; !known {
		q.set[market] = struct{}{}
		q.queue = append(q.queue, market)
	}
	q.due = min(q.due+archivedAtOnce, len(q.set))
}

// drop takes a market out.
func (q *settledMarkets) drop(market string) {
	if _, in := q.set[market]; in {
		delete(q.set, market)
		n := slices.Index(q.queue, market) // mostly the first
		q.queue = slices.Delete(q.queue, n, n+1)
	}
}

// next takes the market out of the queue that is due, if there are more than some to keep.
func (q *settledMarkets) next(keep int) (market string, ok bool) {
	if len(q.set) <= keep || q.due <= 0 {
		return "", false
	}
	market, q.queue = q.queue[0], q.queue[1:]
	delete(q.set, market)
	q.due--
	return market, true
}

// deriveSettled lists the settled markets of a state that was restored or copied.
func (s *State) deriveSettled() {
	type settledAt struct {
		market   string
		revision uint64
	}
	var all []settledAt
	for market, of := range s.byMarket {
		at, paid := uint64(0), false
		for _, in := range of {
			if in.Payout != nil {
				paid = true
				at = max(at, in.Mark().Revision)
			}
		}
		if paid {
			all = append(all, settledAt{market, at})
		}
	}
	slices.SortFunc(all, func(a, b settledAt) int {
		return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.market, b.market))
	})
	s.derived.settled = settledMarkets{}
	for _, one := range all {
		s.settled(one.market)
	}
	s.derived.settled.due = len(all)
}

// --- decisions

// lookedAt is an archived market that a decision looks at.
type lookedAt struct {
	event    *domain.MarketArchived
	revision uint64
}

// Look has the decision see a market that may be archived. Before anything is recorded that
// the market matters for, it is restored; otherwise [Decision.End] takes it out again.
func (d *Decision) Look(market string) {
	if market == "" || d.s.knows(market) {
		return
	}
	e, revision, archived := d.s.Past.Archived(market)
	if !archived {
		return
	}
	if err := d.s.insert(market, e.Content); err != nil {
		d.unreadable = &domain.Error{Code: domain.CodeInternal, Message: fmt.Sprintf("what was archived of the market at revision %d cannot be read; nothing was recorded", revision), Cause: err}
		return
	}
	d.looked = append(d.looked, lookedAt{e, revision})
}

// named is [State.Named] of a market that may be archived.
func (d *Decision) named(i domain.Instrument) domain.Instrument {
	d.Look(i.Market)
	return d.s.Named(i)
}

// Knows reports whether the state has something of a market. Of one that it does not know only
// a state that decides can say whether it is archived.
func (s *State) Knows(market string) bool { return s.knows(market) }

// archived reports that a market is archived. A mark of it is ignored, so its content is not
// asked for: a feed may go on with a thousand of them in each command.
func (s *State) archived(market string) bool {
	if market == "" || s.knows(market) {
		return false
	}
	_, _, archived := s.Past.Archived(market)
	return archived
}

// Registered returns a market as it is registered, also an archived one, or nil. It asks the
// past, so the state has to be one that decides.
func (s *State) Registered(market string) *Market {
	if m := s.Markets[market]; m != nil || s.knows(market) {
		return m
	}
	e, _, archived := s.Past.Archived(market)
	var a archivedMarket
	if s.Past.Err() != nil || !archived || domain.DecodeObject(e.Content, &a) != nil {
		return nil
	}
	return a.Market
}

// restoreLooked records that the markets are in the state again that the decision looks at.
func (d *Decision) restoreLooked() {
	looked := d.looked
	d.looked = nil
	for _, l := range looked {
		d.add(&domain.MarketRestored{Market: l.event.Market, Archived: l.revision, Content: l.event.Content})
	}
}

// End ends a decision, recorded or refused: what it only looked at is out of the state again.
func (d *Decision) End() {
	for _, l := range d.looked {
		d.s.remove(l.event.Market)
	}
	d.looked = nil
}

// ArchiveBeyond sets how many settled markets stay in the state, instead of [SettledKept].
func (d *Decision) ArchiveBeyond(kept int) { d.kept = kept }

// archive takes settled markets out of the state that have been there longest. It follows what
// trades, settles or marks, and nothing that has to be quick or small: a stop, a denial.
func (d *Decision) archive() {
	if len(d.s.derived.settled.set) <= d.kept || !slices.ContainsFunc(d.events, leadsToArchive) {
		return
	}
	for range archivedAtOnce {
		market, ok := d.s.derived.settled.next(d.kept)
		if !ok {
			return
		}
		content, err := d.s.Archived(market)
		if err != nil || content == nil || len(content) > maxArchive {
			d.s.requeue(market)
			continue
		}
		d.add(&domain.MarketArchived{Market: market, Tokens: d.s.tokensOf(market), Content: content})
	}
}

// requeue puts a market at the end of the queue, to be looked at again later.
func (s *State) requeue(market string) {
	due := s.derived.settled.due
	s.settled(market)
	s.derived.settled.due = due
}

// many is how many holders a settlement has whose record is large enough by itself.
const many = 1000

func leadsToArchive(e domain.Event) bool {
	switch e := e.(type) {
	case *domain.MarketPaidOut:
		return len(e.Holders) <= many
	case *domain.MarketSettled:
		return len(e.Holders) <= many
	case *domain.FillRecorded, *domain.PermitGranted, *domain.PriceMarked:
		return true
	}
	return false
}
