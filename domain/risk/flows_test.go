package risk

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// told is a scope under the second edition that is told what happens, an hour apart.
type told struct {
	References
	equity domain.Decimal
	now    time.Time
}

func newTold() *told {
	s := &told{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s.Flows = &Flows{}
	s.Hours = newHours(domain.Zero, s.now)
	return s
}

func (s *told) hour() {
	s.now = s.now.Add(time.Hour)
	s.Hours.advance(s.equity, s.now)
}

func (s *told) flows(amount domain.Decimal, of uint64) {
	s.FlowAbove(domain.One, s.equity, amount)
	s.equity = s.equity.Add(amount)
	s.Flows.Came(s.now)
	s.Flows.Name(Movement{Revision: of, Amount: amount, Price: domain.One})
}

func (s *told) performs(amount domain.Decimal) {
	s.equity = s.equity.Add(amount)
	s.PerformAbove(domain.One, s.equity)
}

// A correction "replaces its factor in the references": they are what the right amount would
// have made them, whatever came before and after it.
func TestCorrectFlowIsAsIfItHadBeenRight(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		right, wrong := newTold(), newTold()
		both := func(do func(*told)) {
			for _, s := range []*told{right, wrong} {
				s.hour()
				do(s)
			}
		}
		steps := func(label string) {
			for n := range rapid.IntRange(0, 12).Draw(r, label) {
				amount := domain.FromInt(int64(rapid.IntRange(-90, 90).Draw(r, "amount")))
				switch rapid.IntRange(0, 3).Draw(r, "what") {
				case 0:
					both(func(s *told) { s.flows(amount, uint64(1000+n)) })
				case 1:
					both(func(s *told) { s.OpenDay(s.equity) })
				default:
					both(func(s *told) { s.performs(amount) })
				}
			}
		}
		both(func(s *told) { s.flows(domain.FromInt(10_000), 1) })
		steps("before")
		typed := domain.FromInt(int64(rapid.SampledFrom([]int{-4000, -400, 400, 40_000}).Draw(r, "typed")))
		back := typed.Div(domain.FromInt(10)).Sub(typed)
		right.hour()
		right.flows(typed.Add(back), 2)
		wrong.hour()
		wrong.flows(typed, 2)
		steps("after")
		wrong.CorrectFlow(2, domain.One, wrong.equity, back, back)
		wrong.equity = wrong.equity.Add(back)
		require.Equal(r, right.equity, wrong.equity)
		near := func(name string, a, b domain.Decimal) {
			require.True(r, a.Sub(b).Abs().Less(dec("0.0000001")), "%s: %s, not %s", name, b, a)
		}
		near("peak", right.Peak, wrong.Peak)
		near("lifetime peak", right.LifetimePeak, wrong.LifetimePeak)
		near("day-open", right.DayOpen, wrong.DayOpen)
		for i := range right.Hours.Highs {
			near("hour", right.Hours.Highs[i], wrong.Hours.Highs[i])
		}
		require.Equal(r, back, wrong.Flows.Find(2).Corrected)
		both(func(s *told) { s.performs(domain.FromInt(-50)) })
		steps("later")
		near("peak", right.Peak, wrong.Peak)
		near("day-open", right.DayOpen, wrong.DayOpen)
	})
}

// The last 50 flows are remembered, and the references before them.
func TestFlowsAreForgotten(t *testing.T) {
	s := newTold()
	for of := range uint64(60) {
		s.hour()
		s.flows(domain.FromInt(100), of)
		s.performs(domain.FromInt(-1))
	}
	require.Len(t, s.Flows.List, 50)
	require.Nil(t, s.Flows.Find(9))
	require.NotNil(t, s.Flows.Find(10))
	peak := s.Peak
	s.CorrectFlow(59, domain.One, s.equity, domain.Zero, domain.Zero)
	require.Equal(t, peak, s.Peak, "the fold of what is remembered is what there was")
	for name, forget := range map[string]func(){
		"rebase": func() { s.Rebase(s.equity) },
		"sleep":  func() { s.flows(s.equity.Neg(), 60) },
	} {
		s.hour()
		s.flows(domain.FromInt(500), 70)
		require.NotNil(t, s.Flows.Find(70), name)
		forget()
		require.Nil(t, s.Flows.Find(70), name)
	}
}
