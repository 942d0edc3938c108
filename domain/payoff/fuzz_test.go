package payoff

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// tape turns bytes into numbers, 0 when it has ended.
type tape []byte

func (b *tape) next() int64 {
	if len(*b) == 0 {
		return 0
	}
	n := (*b)[0]
	*b = (*b)[1:]
	return int64(n)
}

// number is a quantity from −384 to 383 and a fraction of up to 18 decimals.
func (b *tape) number() domain.Decimal {
	whole := domain.FromInt(b.next()*3 - 384)
	return whole.Add(domain.MulDiv(domain.FromInt(b.next()), domain.One, domain.FromInt(1+b.next())))
}

func (b *tape) mark() Mark {
	of := 1 + b.next()
	return Mark{domain.FromInt(min(b.next(), of)).Div(domain.FromInt(of)), of%4 > 0}
}

func (b *tape) order(h Holding) Order {
	o := Order{Outcome: h.Outcomes[b.next()%int64(len(h.Outcomes))], Side: domain.Sell, Quantity: b.number().Abs()}
	if b.next()%2 == 0 {
		o.Side = domain.Buy
	}
	if b.next()%2 == 0 {
		o.Outcome = Complement(o.Outcome)
	}
	return o
}

// Whatever is held, and however it is marked: its value is within its payoffs, sets
// move it by exactly what they pay, shares sum to what is shared out, and what
// reduces never lowers the smallest payoff.
func FuzzHolding(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 200, 0, 0, 180, 0, 0, 5, 2, 5, 3})
	f.Add([]byte("any text is a market, its marks and some orders"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := tape(data)
		outcomes := six[:2+b.next()%5]
		h := New(outcomes, outcomes)
		for i := range h.Shares {
			h.Shares[i].For = b.number()
			if !h.Pair {
				h.Shares[i].Against = b.number()
			}
		}
		marks := make([]Mark, len(outcomes))
		for i := range marks {
			marks[i] = b.mark()
		}
		checkValue(t, h, marks, b.number())
		quantity, sum := b.number(), domain.Zero
		for _, part := range SplitShares(quantity, marks) {
			require.False(t, part.Sign()*quantity.Sign() < 0)
			sum = sum.Add(part)
		}
		require.Equal(t, quantity, sum)

		worst := h.Min()
		var live []Order
		for range 6 {
			o := b.order(h)
			reducing := h.Reducing(o, live)
			require.False(t, reducing.Sign() < 0 || o.Quantity.Less(reducing))
			operator := h.ReducingForOperator(o, live)
			require.False(t, operator.Less(reducing) || o.Quantity.Less(operator))
			if o.Quantity = reducing; reducing.Sign() > 0 {
				live = append(live, o)
			}
		}
		for _, o := range live {
			if b.next()%2 == 0 {
				h.Add(o.Outcome, o.Signed())
				require.False(t, h.Min().Less(worst))
			}
		}
	})
}

func checkValue(t *testing.T, h Holding, marks []Mark, sets domain.Decimal) {
	t.Helper()
	p := h.Payoff()
	value, ok := h.Value(marks)
	if !ok {
		return
	}
	require.False(t, value.Less(p.Min) || p.Max.Less(value))
	require.False(t, p.Exposure(value, value).Sign() < 0)
	for _, outcome := range h.Outcomes {
		h.Add(outcome, sets)
	}
	after, _ := h.Value(marks)
	require.Equal(t, value.Add(sets), after)
}
