package portfolio

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// pastLog is a stream that can be searched: what an index of it would find.
type pastLog struct {
	all   []recorded
	about map[domain.FillID][]pastMention
	names map[tradeKey][]pastName
	// known is the revision before which it answers: an index is behind the log.
	known uint64
	err   error
	read  int // records
}

var errBehind = errors.New("the records before that revision are not all known")

type pastName struct {
	revision uint64
	id       domain.FillID
}

type pastMention struct {
	Mention
	market string
}

func newPastLog() *pastLog {
	return &pastLog{about: map[domain.FillID][]pastMention{}, names: map[tradeKey][]pastName{}}
}

// copy returns a log that goes its own way.
func (l *pastLog) copy() *pastLog {
	c := newPastLog()
	for _, r := range l.all {
		c.add(r.at, r.event)
	}
	c.known = l.known
	return c
}

// add adds a record. A test that went back to an earlier state replaces those from there on.
func (l *pastLog) add(at domain.Stamp, e domain.Event) {
	if n := len(l.all); n > 0 && l.all[n-1].at.Revision >= at.Revision {
		kept := slices.DeleteFunc(l.all, func(r recorded) bool { return r.at.Revision >= at.Revision })
		again := newPastLog()
		for _, r := range kept {
			again.add(r.at, r.event)
		}
		l.all, l.about, l.names = again.all, again.about, again.names
	}
	l.all = append(l.all, recorded{at: at, event: e})
	EachIdentity(e, func(id domain.FillID, market string) {
		l.about[id] = append(l.about[id], pastMention{Mention{Revision: at.Revision, Market: MarkOfMarket(market)}, market})
	}, func(id domain.FillID, market string) {
		key := tradeKey{market, id.TradeID}
		l.names[key] = append(l.names[key], pastName{at.Revision, id})
	})
}

// follow adds the latest events of a state, and tells it that some of them can be looked up.
func (l *pastLog) follow(s *State, events []domain.Event) {
	first := s.Next - uint64(len(events))
	for i, e := range events {
		l.add(domain.Stamp{Revision: first + uint64(i), Time: s.Time}, e)
	}
	l.indexed(s, s.Next-uint64(len(events)/2))
}

// indexed tells a state that what records before a revision say can be looked up.
func (l *pastLog) indexed(s *State, revision uint64) {
	l.known = max(l.known, revision)
	s.PastIndexed(revision)
}

func (l *pastLog) failed(before uint64) error {
	if before > l.known {
		return errors.Join(l.err, errBehind)
	}
	return l.err
}

// Mentions implements PastRecords.
func (l *pastLog) Mentions(id domain.FillID, before uint64) ([]Mention, error) {
	return l.mentions(id, before, func(string) bool { return true })
}

// MentionsIn implements PastRecords.
func (l *pastLog) MentionsIn(id domain.FillID, market string, before uint64) ([]Mention, error) {
	return l.mentions(id, before, func(named string) bool { return named == "" || named == market })
}

func (l *pastLog) mentions(id domain.FillID, before uint64, in func(market string) bool) (out []Mention, err error) {
	for _, m := range l.about[id] {
		if m.Revision < before && in(m.market) {
			out = append(out, m.Mention)
		}
	}
	return out, l.failed(before)
}

// Read implements PastRecords.
func (l *pastLog) Read(_ domain.FillID, mentions []Mention) (out []Recorded, err error) {
	for _, m := range mentions {
		n := slices.IndexFunc(l.all, func(r recorded) bool { return r.at.Revision == m.Revision })
		out = append(out, Recorded{l.all[n].at, l.all[n].event})
	}
	l.read += len(out)
	return out, l.err
}

func (l *pastLog) named(key tradeKey, selected func(domain.FillID) bool, before uint64) iter.Seq2[domain.FillID, error] {
	return func(yield func(domain.FillID, error) bool) {
		if err := l.failed(before); err != nil {
			yield(domain.FillID{}, err)
			return
		}
		var ids []domain.FillID
		for _, n := range l.names[key] {
			if n.revision < before {
				ids = append(ids, n.id)
			}
		}
		for id := range newestFirst(selected, ids) {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// OfBot implements PastRecords.
func (l *pastLog) OfBot(bot, market, trade string, before uint64) iter.Seq2[domain.FillID, error] {
	return l.named(tradeKey{market, trade}, reportedBy(bot), before)
}

// OfOthers implements PastRecords.
func (l *pastLog) OfOthers(id domain.FillID, market string, before uint64) iter.Seq2[domain.FillID, error] {
	return l.named(tradeKey{market, id.TradeID}, reportedByOthers(id), before)
}

// Archive implements PastRecords.
func (l *pastLog) Archive(market string, before uint64) (last Recorded, found bool, err error) {
	for _, r := range l.all {
		if r.at.Revision >= before {
			break
		}
		EachMarket(r.event, func(of string) {
			if of == market {
				last, found = Recorded{r.at, r.event}, true
			}
		}, func(string) {})
	}
	return last, found, l.failed(before)
}

// Tokens implements PastRecords.
func (l *pastLog) Tokens(token string, before uint64) (markets []string, err error) {
	for _, r := range l.all {
		EachMarket(r.event, func(string) {}, func(of string) {
			if of == token && r.at.Revision < before {
				markets = append(markets, r.event.(*domain.MarketArchived).Market)
			}
		})
	}
	return markets, l.failed(before)
}

// bothPasts asks a past in memory and one that is looked up, and compares their answers. The
// harness decides on it, so every test of a decision compares what the decision asked.
type bothPasts struct {
	t     require.TestingT
	whole Past
	looks Past
}

// lookUpBoth makes a state decide on both kinds of a past at once.
func lookUpBoth(t require.TestingT, s *State, log *pastLog) {
	whole := s.Past
	log.known = max(log.known, s.Next)
	s.LookUp(log, 1)
	s.Past = &bothPasts{t, whole, s.Past}
}

func (p *bothPasts) Find(id domain.FillID, market string) (FillRef, bool) {
	want, known := p.whole.Find(id, market)
	got, found := p.looks.Find(id, market)
	require.Equal(p.t, known, found, "%+v in %q", id, market)
	require.Equal(p.t, want, got, "%+v in %q", id, market)
	require.NoError(p.t, p.looks.Err())
	return got, found
}

func (p *bothPasts) Several(id domain.FillID) bool {
	got := p.looks.Several(id)
	require.Equal(p.t, p.whole.Several(id), got, "%+v", id)
	require.NoError(p.t, p.looks.Err())
	return got
}

func (p *bothPasts) OfBot(bot, market, trade string) iter.Seq[domain.FillID] {
	return p.same(p.whole.OfBot(bot, market, trade), p.looks.OfBot(bot, market, trade))
}

func (p *bothPasts) OfOthers(id domain.FillID, market string) iter.Seq[domain.FillID] {
	return p.same(p.whole.OfOthers(id, market), p.looks.OfOthers(id, market))
}

func (p *bothPasts) same(want, got iter.Seq[domain.FillID]) iter.Seq[domain.FillID] {
	ids := slices.Collect(got)
	require.Equal(p.t, slices.Collect(want), ids)
	require.NoError(p.t, p.looks.Err())
	return slices.Values(ids)
}

func (p *bothPasts) Archived(market string) (*domain.MarketArchived, uint64, bool) {
	want, at, archived := p.whole.Archived(market)
	got, revision, found := p.looks.Archived(market)
	require.Equal(p.t, archived, found, market)
	if found {
		require.Equal(p.t, at, revision, market)
		require.Equal(p.t, want, got, market)
	}
	require.NoError(p.t, p.looks.Err())
	return got, revision, found
}

func (p *bothPasts) TokenOf(token string) string {
	got := p.looks.TokenOf(token)
	require.Equal(p.t, p.whole.TokenOf(token), got, token)
	require.NoError(p.t, p.looks.Err())
	return got
}

func (p *bothPasts) Err() error { return errors.Join(p.whole.Err(), p.looks.Err()) }

func (p *bothPasts) each(f func(Past)) {
	f(p.whole)
	f(p.looks)
}

func (p *bothPasts) keep(revision uint64, id domain.FillID, ref FillRef) {
	p.each(func(one Past) { one.keep(revision, id, ref) })
}

func (p *bothPasts) name(revision uint64, id domain.FillID, market string) {
	p.each(func(one Past) { one.name(revision, id, market) })
}

func (p *bothPasts) archive(revision uint64, e *domain.MarketArchived) {
	p.each(func(one Past) { one.archive(revision, e) })
}

func (p *bothPasts) restore(revision uint64, market string) {
	p.each(func(one Past) { one.restore(revision, market) })
}

func (p *bothPasts) ruled(changes []uint64) { p.each(func(one Past) { one.ruled(changes) }) }

func (p *bothPasts) indexed(revision, next uint64) {
	p.each(func(one Past) { one.indexed(revision, next) })
}

func (p *bothPasts) clone() Past { return &bothPasts{p.t, p.whole.clone(), p.looks.clone()} }

// asks compares every answer of two pasts about what a log names.
func (l *pastLog) asks(t require.TestingT, want, got Past) {
	markets := map[string]bool{"": true, "never": true}
	ids := map[domain.FillID]bool{{Bot: "never", TradeID: "1"}: true}
	for _, r := range l.all {
		found := false
		EachIdentity(r.event, func(id domain.FillID, market string) { ids[id], markets[market], found = true, true, true }, func(id domain.FillID, market string) { ids[id], markets[market] = true, true })
		require.True(t, !found || Remembers(r.event.EventType()), r.event.EventType())
	}
	for id := range want.(*wholePast).first { // also what no identity of an event led to
		ids[id] = true
	}
	for id := range ids {
		require.Equal(t, want.Several(id), got.Several(id), "%+v", id)
		for market := range markets {
			a, known := want.Find(id, market)
			b, found := got.Find(id, market)
			require.Equal(t, known, found, "%+v in %q", id, market)
			require.Equal(t, a, b, "%+v in %q", id, market)
			require.Equal(t, slices.Collect(want.OfBot(id.Bot, market, id.TradeID)), slices.Collect(got.OfBot(id.Bot, market, id.TradeID)))
			require.Equal(t, slices.Collect(want.OfOthers(id, market)), slices.Collect(got.OfOthers(id, market)))
		}
	}
	require.NoError(t, want.Err())
	require.NoError(t, got.Err())
}

// A past that is looked up answers as one in memory does, wherever what is in memory ends, and
// so do copies and states that start from a snapshot.
func TestPastOfRecordsAgainstPastInMemory(t *testing.T) {
	check := func(t require.TestingT, history []recorded, draw func(n int) int) {
		log := newPastLog()
		whole, looks := New(), New()
		looks.LookUp(log, 1+draw(4))
		indexed := uint64(0)
		for _, r := range history {
			whole.Apply(r.at, r.event)
			looks.Apply(r.at, r.event)
			log.add(r.at, r.event)
			switch draw(8) {
			case 0, 1, 2:
				indexed += uint64(draw(int(r.at.Revision + 2 - indexed)))
				log.indexed(looks, indexed)
			case 3:
				looks = looks.Clone()
			case 4:
				before := looks.Clone()
				looks.Past.keep(r.at.Revision, domain.FillID{Bot: "copy"}, FillRef{Revision: 1})
				looks = before
			case 5:
				b, err := looks.Snapshot()
				require.NoError(t, err)
				restored, err := Restore(b)
				if err != nil { // an amount that no decision would record
					continue
				}
				looks = restored
				indexed = looks.Next
				log.known = indexed // a restored state waits for it
				looks.LookUp(log, 1)
			case 6:
				log.asks(t, whole.Past, looks.Past)
			}
		}
		log.asks(t, whole.Past, looks.Past)
	}
	property(t, 300, func(r *rapid.T) {
		check(r, anyHistory(r), func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "choice") })
	})
	property(t, 300, func(r *rapid.T) {
		check(r, fillsOnly(r), func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "choice") })
	})
}

// fillsOnly is a history of few ids in few markets, in which the edition of the rules changes.
func fillsOnly(r *rapid.T) []recorded {
	first := domain.NewPolicy(domain.ModeLive, domain.ClockWall, "USDC")
	second := first
	second.Rules, first.Rules = domain.SecondRules, 0
	all := []recorded{{at: domain.Stamp{Time: noon}, event: &domain.PortfolioOpened{
		Portfolio: "main", Mode: domain.ModeLive, Clock: domain.ClockWall, BaseAsset: "USDC", Policy: rapid.SampledFrom([]domain.Policy{first, second}).Draw(r, "policy"),
	}}}
	for n := range rapid.IntRange(1, 40).Draw(r, "facts") {
		id := domain.FillID{
			Bot: rapid.SampledFrom([]string{"a", "b"}).Draw(r, "bot"), Venue: rapid.SampledFrom([]string{"", "v"}).Draw(r, "venue"),
			TradeID: rapid.SampledFrom([]string{"1", "2"}).Draw(r, "trade"), Leg: rapid.IntRange(0, 1).Draw(r, "leg"),
		}
		market := rapid.SampledFrom([]string{"m", "n"}).Draw(r, "market")
		named := rapid.SampledFrom([]string{"", market}).Draw(r, "named")
		fill := domain.FillRecorded{
			FillID: id, Instrument: domain.Instrument{Market: market, Outcome: "YES"}, Side: domain.Buy, Quantity: dec("1"), Price: dec("0.5"), Notional: dec("0.5"),
			Status: rapid.SampledFrom([]string{domain.FillConfirmedStatus, domain.FillProvisionalStatus, domain.FillProvisionalStatus}).Draw(r, "status"),
		}
		if rapid.IntRange(0, 5).Draw(r, "voided") == 0 {
			fill.Flags = []string{domain.FlagVoided}
		}
		e := rapid.SampledFrom([]domain.Event{
			&fill, &fill, &domain.FillReinstated{FillRecorded: fill}, &domain.FillConfirmed{FillID: id, Market: named}, &domain.FillVoided{FillID: id, Market: named},
			&domain.TradeClosed{Bot: id.Bot, TradeID: id.TradeID, Instrument: fill.Instrument, ClosedBy: domain.ClosedByReport, Trade: "t"},
			&domain.FundingRecorded{Bot: id.Bot, Instrument: fill.Instrument, FundingID: id.TradeID, Amount: dec("1")},
			&domain.SetsChanged{Bot: id.Bot, Market: market, Action: domain.SplitSets, Quantity: dec("1"), SetID: id.TradeID},
			&domain.LimitsChanged{Policy: first}, &domain.LimitsChanged{Policy: second},
		}).Draw(r, "event")
		all = append(all, recorded{at: domain.Stamp{Revision: uint64(n) + 1, Time: noon}, event: e})
	}
	return all
}

// A record that cannot be looked up is an error, never "not known".
func TestPastThatCannotBeLookedUp(t *testing.T) {
	h := limited(t)
	h.fill("a", "m", "YES", buy, "1", "0.5")
	log := &pastLog{known: h.s.Next, err: errors.New("no index")}
	h.s.LookUp(log, 1)
	id := domain.FillID{Bot: "a", TradeID: "1"}
	for _, ask := range []func(){
		func() { h.s.Past.Find(id, "m") },
		func() { h.s.Past.Several(id) },
		func() { require.Empty(t, slices.Collect(h.s.Past.OfBot("a", "m", "1"))) },
		func() {
			require.Empty(t, slices.Collect(h.s.Past.OfOthers(domain.FillID{Bot: "a", Venue: "v", TradeID: "1"}, "m")))
		},
	} {
		require.NoError(t, h.s.Past.Err())
		ask()
		require.ErrorIs(t, h.s.Past.Err(), log.err)
	}
}
