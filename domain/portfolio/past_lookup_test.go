package portfolio

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// pastLog is a stream that can be searched: what an index of it would find.
type pastLog struct {
	all   []recorded
	about map[domain.FillID][]recorded
	names map[tradeKey][]pastName
	// known is the revision before which it answers: an index is behind the log.
	known uint64
	err   error
}

var errBehind = errors.New("the records before that revision are not all known")

type pastName struct {
	revision uint64
	id       domain.FillID
}

func newPastLog() *pastLog {
	return &pastLog{about: map[domain.FillID][]recorded{}, names: map[tradeKey][]pastName{}}
}

func (l *pastLog) add(at domain.Stamp, e domain.Event) {
	r := recorded{at: at, event: e}
	l.all = append(l.all, r)
	Identities(e, func(id domain.FillID) {
		l.about[id] = append(l.about[id], r)
	}, func(id domain.FillID, market string) {
		key := tradeKey{market, id.TradeID}
		l.names[key] = append(l.names[key], pastName{at.Revision, id})
	})
}

// follow adds the latest events of a state, and tells it that some of them can be looked up.
func (l *pastLog) follow(s *State, events []domain.Event) {
	first := s.Next - uint64(len(events))
	l.cut(first)
	for i, e := range events {
		l.add(domain.Stamp{Revision: first + uint64(i), Time: s.Time}, e)
	}
	l.indexed(s, s.Next-uint64(len(events)/2))
}

// cut forgets the records from a revision on, which were taken back.
func (l *pastLog) cut(from uint64) {
	later := func(r recorded) bool { return r.at.Revision >= from }
	if n := len(l.all); n == 0 || !later(l.all[n-1]) {
		return
	}
	l.all = slices.DeleteFunc(l.all, later)
	for id := range l.about {
		l.about[id] = slices.DeleteFunc(l.about[id], later)
	}
	for key := range l.names {
		l.names[key] = slices.DeleteFunc(l.names[key], func(n pastName) bool { return n.revision >= from })
	}
}

// copyFor returns the same log for a copy of the state that decides on it.
func (l *pastLog) copyFor(t require.TestingT, s *State) *pastLog {
	c := newPastLog()
	for _, r := range l.all {
		c.add(r.at, r.event)
	}
	if both, is := s.Past.(*bothPasts); is {
		s.Past = both.whole
	}
	lookUpBoth(t, s, c)
	return c
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

// Records implements PastRecords.
func (l *pastLog) Records(id domain.FillID, before uint64) (out []Recorded, err error) {
	for _, r := range l.about[id] {
		if r.at.Revision < before {
			out = append(out, Recorded{r.at, r.event})
		}
	}
	return out, l.failed(before)
}

func (l *pastLog) named(market, trade string, before uint64) (out []domain.FillID) {
	for _, n := range l.names[tradeKey{market, trade}] {
		if n.revision < before {
			out = append(out, n.id)
		}
	}
	return out
}

// OfBot implements PastRecords.
func (l *pastLog) OfBot(bot, market, trade string, before uint64) ([]domain.FillID, error) {
	return thoseOfBot(nil, l.named(market, trade, before), bot), l.failed(before)
}

// OfOthers implements PastRecords.
func (l *pastLog) OfOthers(id domain.FillID, market string, before uint64) ([]domain.FillID, error) {
	return thoseOfOthers(nil, l.named(market, id.TradeID, before), id), l.failed(before)
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

func (p *bothPasts) OfBot(bot, market, trade string) []domain.FillID {
	got := p.looks.OfBot(bot, market, trade)
	require.ElementsMatch(p.t, p.whole.OfBot(bot, market, trade), got)
	require.NoError(p.t, p.looks.Err())
	return got
}

func (p *bothPasts) OfOthers(id domain.FillID, market string) []domain.FillID {
	got := p.looks.OfOthers(id, market)
	require.ElementsMatch(p.t, p.whole.OfOthers(id, market), got)
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
		Identities(r.event, func(id domain.FillID) { ids[id], found = true, true }, func(id domain.FillID, market string) { ids[id], markets[market] = true, true })
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
			require.ElementsMatch(t, want.OfBot(id.Bot, market, id.TradeID), got.OfBot(id.Bot, market, id.TradeID))
			require.ElementsMatch(t, want.OfOthers(id, market), got.OfOthers(id, market))
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
		func() { h.s.Past.OfBot("a", "m", "1") },
		func() { h.s.Past.OfOthers(id, "m") },
	} {
		require.NoError(t, h.s.Past.Err())
		ask()
		require.ErrorIs(t, h.s.Past.Err(), log.err)
	}
}
