package portfolio

import (
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

	p.keep(id, ref("m", 1, Confirmed))
	p.keep(other, ref("", 2, Confirmed))
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
	p.keep(id, ref("n", 3, Voided))
	require.True(t, p.Several(id))
	require.False(t, before.Several(id))
	p.keep(id, ref("n", 4, Confirmed)) // it was reinstated
	found, _ := p.Find(id, "n")
	require.Equal(t, ref("n", 4, Confirmed), found)
	require.Equal(t, 3, p.Len())
	require.Equal(t, 2, before.Len())

	// A void of what had not arrived is overtaken by the report, and not the other way round.
	for n, market := range []string{"m", "n", "o"} {
		p.keep(id, early(market, uint64(10+n)))
	}
	found, _ = p.Find(id, "m")
	require.Equal(t, uint64(1), found.Revision)
	found, _ = p.Find(id, "n")
	require.Equal(t, uint64(4), found.Revision)
	found, _ = p.Find(id, "o")
	require.Equal(t, early("o", 12), found)
	p.keep(id, ref("o", 13, Voided))
	found, _ = p.Find(id, "o")
	require.Equal(t, uint64(13), found.Revision)
	n := 0
	for range p.All() {
		n++
	}
	require.Equal(t, p.Len(), n)
}

// forgetful folds events into a state that knows nothing of the past, and collects what each
// of them adds to it.
type forgetful struct {
	s    *State
	past *Past
}

func newForgetful() *forgetful { return &forgetful{New(), newPast()} }

func (f *forgetful) apply(at domain.Stamp, e domain.Event) {
	f.s.Past = newPast()
	f.s.Apply(at, e)
	for id, ref := range f.s.Past.All() {
		f.past.keep(id, ref)
	}
}

func (f *forgetful) hash(t require.TestingT) string {
	f.s.Past = f.past
	hash, err := f.s.Hash()
	require.NoError(t, err)
	return hash
}

// What an event does to a state does not depend on the past, so that the past need not be in
// memory where events are folded.
func TestApplyingNeverReadsThePast(t *testing.T) {
	s, f := New(), newForgetful()
	for _, r := range goldenHistory(t) {
		s.Apply(r.at, r.event)
		f.apply(r.at, r.event)
	}
	want, err := s.Hash()
	require.NoError(t, err)
	require.Equal(t, want, f.hash(t))

	property(t, 200, func(r *rapid.T) {
		s, f := New(), newForgetful()
		for n := range rapid.IntRange(1, 60).Draw(r, "events") {
			var e domain.Event = &domain.PortfolioOpened{
				Portfolio: "main", Mode: domain.ModeLive, Clock: domain.ClockWall, BaseAsset: "USDC", Policy: domain.NewPolicy(domain.ModeLive, domain.ClockWall, "USDC"),
			}
			if n > 0 {
				e = anyEvent(r)
			}
			at := domain.Stamp{Revision: uint64(n), Time: noon.Add(time.Duration(n) * time.Hour)}
			s.Apply(at, e)
			f.apply(at, e)
		}
		want, err := s.Hash()
		require.NoError(r, err)
		require.Equal(r, want, f.hash(r))
	})
}
