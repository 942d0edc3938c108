package portfolio

import (
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

func TestPast(t *testing.T) {
	id, other := domain.FillID{Bot: "a", TradeID: "1"}, domain.FillID{Bot: "a", TradeID: "2"}
	ref := func(market string, revision uint64, status FillStatus) FillRef {
		return FillRef{Market: market, Revision: revision, Status: status, Content: Content{1}}
	}
	early := func(market string, revision uint64) FillRef {
		return FillRef{Market: market, Revision: revision, Status: Voided, Early: true}
	}
	p := newPast()
	_, known := p.Find(id, "m")
	require.False(t, known)

	p.keep(0, id, ref("m", 1, Confirmed))
	p.keep(0, other, ref("", 2, Confirmed))
	for _, market := range []string{"", "m"} {
		found, known := p.Find(id, market)
		require.True(t, known)
		require.Equal(t, ref("m", 1, Confirmed), found)
	}
	_, known = p.Find(id, "n")
	require.False(t, known, "a fill of another market is another fill")
	_, known = p.Find(other, "n")
	require.True(t, known, "the market of a fill of the first edition is not known")
	require.False(t, p.Several(id))

	before := p.clone()
	p.keep(0, id, ref("n", 3, Voided))
	require.True(t, p.Several(id))
	require.False(t, before.Several(id))
	p.keep(0, id, ref("n", 4, Confirmed)) // it was reinstated
	found, _ := p.Find(id, "n")
	require.Equal(t, ref("n", 4, Confirmed), found)

	// A void of what had not arrived is overtaken by the report, and not the other way round.
	for n, market := range []string{"m", "n", "o"} {
		p.keep(0, id, early(market, uint64(10+n)))
	}
	found, _ = p.Find(id, "m")
	require.Equal(t, uint64(1), found.Revision)
	found, _ = p.Find(id, "n")
	require.Equal(t, uint64(4), found.Revision)
	found, _ = p.Find(id, "o")
	require.Equal(t, early("o", 12), found)
	p.keep(0, id, ref("o", 13, Voided))
	found, _ = p.Find(id, "o")
	require.Equal(t, uint64(13), found.Revision)
}

// untouchable is a past that must not be asked.
type untouchable struct {
	*wholePast
	t require.TestingT
}

func (p *untouchable) Find(domain.FillID, string) (FillRef, bool) {
	require.Fail(p.t, "applying an event asked for a fact")
	return FillRef{}, false
}

func (p *untouchable) Several(domain.FillID) bool {
	require.Fail(p.t, "applying an event asked for facts")
	return false
}

func (p *untouchable) OfBot(string, string, string) iter.Seq[domain.FillID] {
	require.Fail(p.t, "applying an event asked for fills of a bot")
	return nil
}

func (p *untouchable) OfOthers(domain.FillID, string) iter.Seq[domain.FillID] {
	require.Fail(p.t, "applying an event asked for fills of others")
	return nil
}

// What an event does to a state does not depend on the past, so that the past need not be in
// memory where events are folded.
func TestApplyingNeverReadsThePast(t *testing.T) {
	apply := func(t require.TestingT, history []recorded) {
		s, f, u := New(), New(), New()
		f.Forget()
		u.Past = &untouchable{newPast(), t}
		for _, r := range history {
			for _, one := range []*State{s, f, u} {
				one.Apply(r.at, r.event)
			}
		}
		want, err := s.Hash()
		require.NoError(t, err)
		for _, one := range []*State{f, u} {
			hash, err := one.Hash()
			require.NoError(t, err)
			require.Equal(t, want, hash)
		}
		require.NoError(t, f.Past.Err())
	}
	apply(t, goldenHistory(t))
	property(t, 200, func(r *rapid.T) { apply(r, anyHistory(r)) })
}

// anyHistory is a portfolio that is opened, and then any events, also such that no decision
// would emit.
func anyHistory(r *rapid.T) []recorded {
	var all []recorded
	for n := range rapid.IntRange(1, 60).Draw(r, "events") {
		var e domain.Event = &domain.PortfolioOpened{
			Portfolio: "main", Mode: domain.ModeLive, Clock: domain.ClockWall, BaseAsset: "USDC", Policy: domain.NewPolicy(domain.ModeLive, domain.ClockWall, "USDC"),
		}
		if n > 0 {
			e = anyEvent(r)
		}
		all = append(all, recorded{at: domain.Stamp{Revision: uint64(n), Time: noon.Add(time.Duration(n) * time.Hour)}, event: e})
	}
	return all
}

func TestAStateThatForgotAnswersNothing(t *testing.T) {
	s := New()
	s.Forget()
	id := domain.FillID{Bot: "a", TradeID: "1"}
	for _, ask := range []func(){
		func() { s.Past.Find(id, "m") },
		func() { s.Past.Several(id) },
		func() { s.Past.OfBot("a", "m", "1") },
		func() { s.Past.OfOthers(id, "m") },
	} {
		require.NoError(t, s.Past.Err())
		ask()
		require.ErrorIs(t, s.Past.Err(), errForgotten)
		require.NoError(t, s.Past.Err(), "an error is told once")
	}
}
