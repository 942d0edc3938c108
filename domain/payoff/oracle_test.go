package payoff

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/testenv"
)

// The oracle is written from the sentences, with fractions and names, and shares
// nothing with the package but its inputs.

var dec = domain.MustDecimal

func rat(d domain.Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		panic("no number: " + d.String())
	}
	return r
}

// rounded is r at 18 decimals, half to even.
func rounded(r *big.Rat) *big.Rat {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(domain.Scale), nil)
	n := new(big.Int).Mul(r.Num(), scale)
	q, m := new(big.Int).DivMod(n, r.Denom(), new(big.Int)) // Euclidean: 0 ≤ m
	switch m.Lsh(m, 1).Cmp(r.Denom()) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		q.Add(q, big.NewInt(int64(q.Bit(0))))
	}
	return new(big.Rat).SetFrac(q, scale)
}

func ratString(r *big.Rat) string { return domain.MustDecimal(r.FloatString(domain.Scale)).String() }

// book is a holding as the oracle keeps it.
type book struct {
	outcomes []string
	q        map[string]*big.Rat // by instrument
}

func (b book) of(instrument string) *big.Rat {
	if q := b.q[instrument]; q != nil {
		return q
	}
	return new(big.Rat)
}

func (b book) clone() book {
	c := book{b.outcomes, map[string]*big.Rat{}}
	for name, q := range b.q {
		c.q[name] = new(big.Rat).Set(q)
	}
	return c
}

func (b book) add(o Order, quantity *big.Rat) {
	if o.Side == domain.Sell {
		quantity = new(big.Rat).Neg(quantity)
	}
	b.q[o.Outcome] = new(big.Rat).Add(b.of(o.Outcome), quantity)
}

// payoffs: “P(j) = Σ q(i)·[i = j] + Σ q(!i)·[i ≠ j]”
func (b book) payoffs() []*big.Rat {
	var out []*big.Rat
	for _, j := range b.outcomes {
		p := new(big.Rat)
		for _, i := range b.outcomes {
			if i == j {
				p.Add(p, b.of(i))
			} else {
				p.Add(p, b.of("!"+i))
			}
		}
		out = append(out, p)
	}
	return out
}

func (b book) sorted() []*big.Rat {
	p := b.payoffs()
	slices.SortFunc(p, (*big.Rat).Cmp)
	return p
}

func (b book) min() *big.Rat { return b.sorted()[0] }

// value rounds where the package does: the price of what has no mark, and each
// product.
func (b book) value(marks []Mark) (*big.Rat, bool) {
	payoffs := b.payoffs()
	sorted := slices.Clone(payoffs)
	slices.SortFunc(sorted, (*big.Rat).Cmp)
	low, high := sorted[0], sorted[len(sorted)-1]
	if low.Cmp(high) == 0 {
		return low, true
	}
	left, missing := big.NewRat(1, 1), 0
	for _, m := range marks {
		if m.Known {
			left.Sub(left, rat(m.Price))
		} else {
			missing++
		}
	}
	if missing == len(marks) {
		return nil, false
	}
	if left.Sign() < 0 {
		left.SetInt64(0)
	}
	median := low
	for _, candidate := range sorted { // the highest that more than half reach
		reach := 0
		for _, p := range sorted {
			if p.Cmp(candidate) >= 0 {
				reach++
			}
		}
		if 2*reach > len(sorted) {
			median = candidate
		}
	}
	value := new(big.Rat).Set(median)
	for j, p := range payoffs {
		price := rat(marks[j].Price)
		if !marks[j].Known {
			price = rounded(new(big.Rat).Quo(left, big.NewRat(int64(missing), 1)))
		}
		value.Add(value, rounded(new(big.Rat).Mul(new(big.Rat).Sub(p, median), price)))
	}
	if value.Cmp(low) < 0 {
		return low, true
	}
	if value.Cmp(high) > 0 {
		return high, true
	}
	return value, true
}

// cases draws what the rules are tried on.
type cases struct{ *rand.Rand }

func newCases(seed uint64) cases { return cases{rand.New(rand.NewPCG(seed, 16))} }

var six = []string{"A", "B", "C", "D", "E", "F"}

// quantity is a signed quantity: mostly whole, sometimes 0, sometimes of 18 decimals.
func (c cases) quantity() domain.Decimal {
	switch c.IntN(5) {
	case 0:
		return domain.Zero
	case 1:
		return domain.MulDiv(domain.FromInt(c.Int64N(2_000_001)-1_000_000), domain.One, domain.FromInt(1+c.Int64N(1000)))
	}
	return domain.FromInt(c.Int64N(21) - 8)
}

func (c cases) price() domain.Decimal {
	switch c.IntN(6) {
	case 0:
		return domain.Zero
	case 1:
		return domain.One
	case 2:
		return domain.MulDiv(domain.FromInt(c.Int64N(1_000_000_007)), domain.One, domain.FromInt(1_000_000_007))
	}
	return domain.FromInt(c.Int64N(101)).Div(domain.FromInt(100))
}

func (c cases) marks(n int) []Mark {
	marks := make([]Mark, n)
	for i := range marks {
		if c.IntN(4) > 0 {
			marks[i] = Mark{c.price(), true}
		}
	}
	return marks
}

// holding is a random holding, in both forms. whole says that all quantities are.
func (c cases) holding(whole bool) (Holding, book) {
	outcomes := six[:2+c.IntN(5)]
	registered := outcomes
	if len(outcomes) == 2 && c.IntN(3) == 0 {
		registered = six[:3] // the third is settled
	}
	h, b := New(registered, outcomes), book{outcomes, map[string]*big.Rat{}}
	for _, instrument := range c.instruments(h) {
		quantity := c.quantity()
		if whole {
			quantity = domain.FromInt(c.Int64N(15) - 4)
		}
		h.Add(instrument, quantity)
		b.q[instrument] = rat(quantity)
	}
	return h, b
}

// instruments are those of a market.
func (c cases) instruments(h Holding) []string {
	names := slices.Clone(h.Outcomes)
	if !h.Pair {
		for _, outcome := range h.Outcomes {
			names = append(names, Complement(outcome))
		}
	}
	return names
}

func (c cases) order(h Holding, most int64) Order {
	names := c.instruments(h)
	side := domain.Sell
	if c.IntN(2) == 0 {
		side = domain.Buy
	}
	return Order{Outcome: names[c.IntN(len(names))], Side: side, Quantity: domain.FromInt(1 + c.Int64N(most))}
}

// times is how many random cases a rule is tried on.
func times() int { return testenv.Rounds(2_000, 8_000, 400_000) }

// “P(j) = Σ q(i)·[i = j] + Σ q(!i)·[i ≠ j]; shorts are negative”, “where L is the lower
// median of the P(j)”, “held within [min P, max P]”, “An outcome without a mark has
// […] what the other marks leave of 1, in equal parts, not below 0.”
func TestValueAgainstFractions(t *testing.T) {
	t.Parallel()
	c := newCases(1)
	unvalued := 0
	for range times() {
		h, b := c.holding(false)
		marks := c.marks(len(h.Outcomes))
		payoffs, sorted := b.payoffs(), b.sorted()
		for i, p := range h.Payoffs(nil) {
			require.Equal(t, ratString(payoffs[i]), p.String(), "%+v", h)
		}
		p := h.Payoff()
		require.Equal(t, ratString(sorted[0]), p.Min.String())
		require.Equal(t, p.Min, h.Min())
		require.Equal(t, ratString(sorted[len(sorted)-1]), p.Max.String())
		require.Equal(t, ratString(sorted[(len(sorted)-1)/2]), p.Median.String())
		want, ok := b.value(marks)
		got, valued := h.Value(marks)
		require.Equal(t, ok, valued)
		if !ok {
			unvalued++
			continue
		}
		require.Equal(t, ratString(want), got.String(), "%+v at %v", h, marks)
		require.False(t, got.Less(p.Min) || p.Max.Less(got))
	}
	require.NotZero(t, unvalued)
}

// “Value depends on P alone, so no split, merge or pair moves equity, and n complete
// sets are worth n whatever a mark says.”
func TestValueMovesWithPayoffs(t *testing.T) {
	t.Parallel()
	c := newCases(2)
	for range times() {
		h, _ := c.holding(false)
		marks := c.marks(len(h.Outcomes))
		before, ok := h.Value(marks)
		n := c.quantity()
		for _, outcome := range h.Outcomes {
			h.Add(outcome, n)
		}
		after, still := h.Value(marks)
		require.Equal(t, ok, still)
		if ok {
			require.Equal(t, before.Add(n), after, "sets: %+v at %v", h, marks)
		}
		if h.Pair {
			continue
		}
		pair := h.Outcomes[c.IntN(len(h.Outcomes))] // A and !A together pay 1
		h.Add(pair, n)
		h.Add(Complement(pair), n)
		with, _ := h.Value(marks)
		if ok {
			require.Equal(t, after.Add(n), with, "a pair: %+v at %v", h, marks)
		}
		other := New(six, h.Outcomes) // the same payoffs, held otherwise
		for i, p := range h.Payoffs(nil) {
			other.Add(h.Outcomes[i], p)
		}
		same, _ := other.Value(marks)
		require.Equal(t, with, same)
	}
}

// wholeInt is the largest whole number below which try holds, one by one.
func wholeInt(most int64, try func(n int64) bool) int64 {
	n := int64(0)
	for n < most && try(n+1) {
		n++
	}
	return n
}

// reducing is what the sentences say, tried share by share.
func (b book) reducing(pair bool, o Order, live []Order) int64 {
	most := rat(o.Quantity).Num().Int64()
	own := new(big.Rat).Set(b.of(o.Outcome))
	if o.Side == domain.Buy {
		own.Neg(own)
	}
	thing := func(o Order) string {
		if pair {
			return Canonical(b.outcomes, o.Outcome)
		}
		return o.Outcome
	}
	for _, l := range live { // what another order sells is not held twice
		if l.Side == o.Side && thing(l) == thing(o) {
			own.Sub(own, rat(l.Quantity))
		}
	}
	if pair {
		return b.closing(o, own, live, most)
	}
	filled := b.clone()
	for _, l := range live {
		if l.Side == domain.Sell {
			filled.add(l, rat(l.Quantity))
		}
	}
	return wholeInt(most, func(n int64) bool {
		share := big.NewRat(n, 1)
		if own.Cmp(share) < 0 {
			return false
		}
		if o.Side == domain.Buy {
			return true
		}
		after := filled.clone()
		after.add(o, share)
		return after.min().Cmp(b.min()) >= 0
	})
}

// closing fills the live orders, and then the order as long as each share of it moves
// D nearer to 0.
func (b book) closing(o Order, own *big.Rat, live []Order, most int64) int64 {
	gap := func(b book) *big.Rat { return new(big.Rat).Sub(b.of(b.outcomes[0]), b.of(b.outcomes[1])) }
	filled := b.clone()
	for _, l := range live {
		filled.add(l, rat(l.Quantity))
	}
	if gap(b).Sign() != gap(filled).Sign() {
		return 0
	}
	return wholeInt(most, func(n int64) bool {
		before, after := filled.clone(), filled.clone()
		before.add(o, big.NewRat(n-1, 1))
		after.add(o, big.NewRat(n, 1))
		nearer := new(big.Rat).Abs(gap(after)).Cmp(new(big.Rat).Abs(gap(before))) < 0
		return nearer && (o.Side == domain.Buy || own.Cmp(big.NewRat(n, 1)) >= 0)
	})
}

// grant asks for an order and adds what reduces of it to the live ones.
func (c cases) grant(h Holding, live []Order) []Order {
	o := c.order(h, 12)
	if o.Quantity = h.Reducing(o, live); o.Quantity.Sign() > 0 {
		live = append(live, o)
	}
	return live
}

// “An order reduces as far as it moves D toward 0: selling the larger side (at most
// what is held) or buying the smaller, up to |D| less what live reducing permits of
// that bot in that market take. More outcomes: buying back what is short reduces;
// selling what is held reduces as far as min P, with all live reducing sales of that
// bot in that market filled, is not below what it is now; other buying opens.”
func TestReducingAgainstBruteForce(t *testing.T) {
	t.Parallel()
	c := newCases(3)
	partly := map[bool]int{}
	for range times() {
		h, b := c.holding(true)
		var live []Order
		for range c.IntN(4) {
			live = c.grant(h, live)
		}
		o := c.order(h, 12)
		got := h.Reducing(o, live)
		require.Equal(t, domain.FromInt(b.reducing(h.Pair, o, live)), got, "%+v: %+v beside %+v", h, o, live)
		if got.Sign() > 0 && got.Less(o.Quantity) {
			partly[h.Pair]++
		}
		operator := h.ReducingForOperator(o, live)
		free := h.Of(o.Outcome)
		if o.Side == domain.Buy {
			free = free.Neg()
		}
		for _, l := range live {
			if l.Outcome == o.Outcome && l.Side == o.Side {
				free = free.Sub(l.Quantity)
			}
		}
		require.Equal(t, got.Max(free.Min(o.Quantity)).Max(domain.Zero), operator)
	}
	require.Greater(t, partly[true], 30)
	require.Greater(t, partly[false], 30)
}

// Reducing permits granted one after another, filled in any order and any subset,
// never lower the smallest payoff.
func TestReducingNeverLowersTheWorst(t *testing.T) {
	t.Parallel()
	c := newCases(4)
	several := 0
	for range times() {
		h, b := c.holding(true)
		var live []Order
		for range 2 + c.IntN(5) {
			live = c.grant(h, live)
		}
		if len(live) > 1 {
			several++
		}
		worst := b.min()
		for subset := range 1 << len(live) { // the orders filled so far, at some step of some order
			filled := b.clone()
			for i, l := range live {
				if subset>>i&1 == 1 {
					filled.add(l, rat(l.Quantity))
				} else if c.IntN(3) == 0 { // or in part
					filled.add(l, big.NewRat(c.Int64N(rat(l.Quantity).Num().Int64()+1), 1))
				}
			}
			require.True(t, filled.min().Cmp(worst) >= 0, "%+v: %+v of %+v", h, subset, live)
		}
	}
	require.Greater(t, several, times()/8)
}

// The same while fills come between the grants: the smallest payoff at the time when a
// sale was granted is never undercut after it. (A purchase may raise it above what
// earlier sales leave; no further sale is granted then.)
func TestReducingBetweenFills(t *testing.T) {
	t.Parallel()
	c := newCases(5)
	filled, raised := 0, 0
	for range times() {
		h, _ := c.holding(true)
		var live []Order
		first := h.Min()
		floor := first
		for range 12 {
			if c.IntN(2) == 0 || len(live) == 0 {
				before := len(live)
				live = c.grant(h, live)
				if sold := len(live) > before && live[before].Side == domain.Sell; sold {
					floor = h.Min()
				}
			} else {
				l := &live[c.IntN(len(live))]
				part := domain.FromInt(1 + c.Int64N(int64(l.Quantity.Int())))
				h.Add(l.Outcome, Order{Outcome: l.Outcome, Side: l.Side, Quantity: part}.Signed())
				l.Quantity = l.Quantity.Sub(part)
				live = slices.DeleteFunc(live, func(o Order) bool { return o.Quantity.IsZero() })
				filled++
			}
			require.False(t, h.Min().Less(floor), "%+v below %s", h, floor)
		}
		if first.Less(floor) {
			raised++
		}
	}
	require.NotZero(t, filled)
	require.NotZero(t, raised)
}

// “Exposure of a bot in an exclusive market = max(cost, value) − min P, at most max P −
// min P”
func TestExposureAgainstFractions(t *testing.T) {
	t.Parallel()
	c := newCases(6)
	for range times() {
		h, b := c.holding(false)
		value, ok := h.Value(c.marks(len(h.Outcomes)))
		cost := c.quantity()
		if !ok {
			value = cost
		}
		sorted := b.sorted()
		want := rat(cost)
		if want.Cmp(rat(value)) < 0 {
			want = rat(value)
		}
		want.Sub(want, sorted[0])
		if most := new(big.Rat).Sub(sorted[len(sorted)-1], sorted[0]); want.Cmp(most) > 0 {
			want = most
		}
		if want.Sign() < 0 { // a cost below the worst payoff, and no value: nothing can be lost
			want.SetInt64(0)
		}
		require.Equal(t, ratString(want), h.Payoff().Exposure(cost, value).String())
	}
}

// “q of each outcome at the share of q that its mark has among all; […] shared out in
// proportion to the cost taken out; in equal parts where a mark is missing, all are 0,
// or no cost is taken out; the rounding goes to the largest.”
func TestSharesAgainstFractions(t *testing.T) {
	t.Parallel()
	c := newCases(7)
	for range times() {
		marks := c.marks(2 + c.IntN(5))
		quantity := c.quantity().Abs()
		costs := make([]domain.Decimal, len(marks))
		known := !slices.ContainsFunc(marks, func(m Mark) bool { return !m.Known })
		prices := make([]domain.Decimal, len(marks))
		for i := range marks {
			costs[i] = c.quantity().Abs()
			if known {
				prices[i] = marks[i].Price
			}
		}
		checkShares(t, quantity, prices, SplitShares(quantity, marks))
		checkShares(t, quantity, costs, MergeShares(quantity, costs))
	}
}

func checkShares(t *testing.T, quantity domain.Decimal, weights, got []domain.Decimal) {
	t.Helper()
	sum := new(big.Rat)
	for _, w := range weights {
		sum.Add(sum, rat(w))
	}
	want := make([]*big.Rat, len(weights))
	rest, largest := rat(quantity), 0
	for i, w := range weights {
		share := big.NewRat(1, int64(len(weights)))
		if sum.Sign() > 0 {
			share = new(big.Rat).Quo(rat(w), sum)
		}
		want[i] = rounded(share.Mul(share, rat(quantity)))
		rest.Sub(rest, want[i])
		if want[i].Cmp(want[largest]) > 0 {
			largest = i
		}
	}
	want[largest].Add(want[largest], rest)
	total := domain.Zero
	for i := range want {
		require.Equal(t, ratString(want[i]), got[i].String(), "%s over %v", quantity, weights)
		total = total.Add(got[i])
	}
	require.Equal(t, quantity, total)
}

// “the sure payout of legs is min P of them, per exclusive market”, “`!A` pays 1 −
// payout(A)”: whatever wins, the legs pay what their instruments are settled at, and
// never less than the sure payout.
func TestSettledSharesPayTheirPayoff(t *testing.T) {
	t.Parallel()
	c := newCases(8)
	for range times() {
		h, _ := c.holding(false)
		registered := h.Outcomes
		if !h.Pair {
			registered = six
		}
		var legs []Order
		for _, name := range c.instruments(h) {
			legs = append(legs, Order{Outcome: name, Side: domain.Buy, Quantity: h.Of(name)})
		}
		sure, ok := SurePayout(registered, h.Outcomes, legs)
		require.True(t, ok)
		least := domain.Zero
		for j, winner := range h.Outcomes {
			settled, rest, err := SettleOne(registered, h.Outcomes, winner, domain.One)
			require.NoError(t, err)
			require.Empty(t, rest)
			paid := domain.Zero
			for _, l := range legs {
				price, ok := PayoutOf(settled, l.Outcome)
				require.True(t, ok)
				paid = paid.Add(l.Quantity.Mul(price))
			}
			require.Equal(t, h.Payoffs(nil)[j], paid)
			if j == 0 || paid.Less(least) {
				least = paid
			}
		}
		require.Equal(t, least, sure)
	}
}

// A payout of 0 takes an outcome out: what is held of the others pays as before if one
// of them wins, and what the settled instruments pay is cash.
func TestSettlingAnOutcomeKeepsThePayoffsOfTheRest(t *testing.T) {
	t.Parallel()
	c := newCases(9)
	for range times() {
		h, _ := c.holding(false)
		if len(h.Outcomes) == 2 {
			continue
		}
		at := c.IntN(len(h.Outcomes))
		out := h.Outcomes[at]
		settled, rest, err := SettleOne(six, h.Outcomes, out, domain.Zero)
		require.NoError(t, err)
		require.NotContains(t, rest, out)
		cash, after := domain.Zero, New(six, rest)
		for _, name := range c.instruments(h) {
			if price, ok := PayoutOf(settled, name); ok {
				cash = cash.Add(h.Of(name).Mul(price))
			} else {
				require.True(t, after.Add(name, h.Of(name)))
			}
		}
		require.Equal(t, strings.Join(slices.Delete(slices.Clone(h.Outcomes), at, at+1), ""), strings.Join(rest, ""))
		want := slices.Delete(h.Payoffs(nil), at, at+1)
		for j, p := range after.Payoffs(nil) {
			require.Equal(t, want[j], p.Add(cash))
		}
	}
}
