// Package payoff owns the arithmetic of an exclusive market: what one bot holds in
// it, what that pays, is worth and risks, which orders reduce it, how complete sets
// are split and merged, and what a settlement pays on each instrument. In an
// exclusive market one share of each outcome pays 1 together.
//
// The package has no state. It refuses to know events, bots, permits, prices that
// are not handed in, and the difference between a mark that is missing and one that
// is not to be believed: the caller decides which marks there are.
package payoff

import (
	"slices"
	"strings"

	"pets/domain"
)

// Not begins the name of a complement: "!A" pays 1 unless A wins. No outcome's name
// begins with it.
const Not = "!"

// Complement returns the name of the instrument that pays when outcome does not win.
func Complement(outcome string) string { return Not + outcome }

// Canonical returns the name under which an instrument of an exclusive market is
// kept. In a market registered with two outcomes, "!YES" is "NO". Any other name is
// returned as it is.
func Canonical(registered []string, outcome string) string {
	name, complement := strings.CutPrefix(outcome, Not)
	if !complement || len(registered) != 2 {
		return outcome
	}
	switch name {
	case registered[0]:
		return registered[1]
	case registered[1]:
		return registered[0]
	}
	return outcome
}

// Shares are the quantities held of an outcome and of its complement. A short is
// negative. In a market registered with two outcomes Against is 0.
type Shares struct{ For, Against domain.Decimal }

// Holding is what one bot holds in one exclusive market.
type Holding struct {
	// Outcomes are those that are not settled, in the order they were registered in.
	Outcomes []string
	// Shares are the quantities of each outcome, in the order of Outcomes.
	Shares []Shares
	// Sure is what it pays whatever wins: complements of outcomes that were settled at 0,
	// which were filled after that and not paid yet.
	Sure domain.Decimal
	// Pair reports that the market was registered with two outcomes. A market of
	// more, of which two are left, is none.
	Pair bool
}

// New returns an empty holding of a market. live are the outcomes that are not
// settled.
func New(registered, live []string) Holding {
	return Holding{Outcomes: live, Shares: make([]Shares, len(live)), Pair: len(registered) == 2}
}

// Add adds a signed quantity of an outcome or of a complement. It returns false, and
// adds nothing, if the market has no such live outcome.
func (h Holding) Add(outcome string, quantity domain.Decimal) bool {
	at, against, ok := h.find(outcome)
	if !ok {
		return false
	}
	if against {
		h.Shares[at].Against = h.Shares[at].Against.Add(quantity)
	} else {
		h.Shares[at].For = h.Shares[at].For.Add(quantity)
	}
	return true
}

// Of returns the quantity of an outcome or of a complement, 0 if the market has no
// such live outcome.
func (h Holding) Of(outcome string) domain.Decimal {
	at, against, ok := h.find(outcome)
	if !ok {
		return domain.Zero
	}
	return h.Shares[at].of(against)
}

func (s Shares) of(against bool) domain.Decimal {
	if against {
		return s.Against
	}
	return s.For
}

// find returns where an instrument is, and whether it is the complement.
func (h Holding) find(outcome string) (at int, against, ok bool) {
	name, against := strings.CutPrefix(outcome, Not)
	at = slices.Index(h.Outcomes, name)
	if at < 0 || at >= len(h.Shares) {
		return 0, false, false
	}
	if against && h.Pair && len(h.Shares) == 2 {
		return 1 - at, false, true
	}
	return at, against, true
}

// Empty reports that nothing is held.
func (h Holding) Empty() bool {
	return h.Sure.IsZero() && !slices.ContainsFunc(h.Shares, func(s Shares) bool { return !s.For.IsZero() || !s.Against.IsZero() })
}

// Uneven reports that it matters which outcome wins.
func (h Holding) Uneven() bool {
	p := h.Payoff()
	return p.Min != p.Max
}

// few is the number of outcomes up to which nothing is allocated.
const few = 8

// Payoffs appends to dst what the holding pays if each of the outcomes wins:
// P(j) = Σ q(i)·[i = j] + Σ q(!i)·[i ≠ j].
func (h Holding) Payoffs(dst []domain.Decimal) []domain.Decimal {
	against := h.Sure
	for i := range h.Shares {
		against = against.Add(h.Shares[i].Against)
	}
	for i := range h.Shares {
		dst = append(dst, h.Shares[i].For.Add(against).Sub(h.Shares[i].Against))
	}
	return dst
}

// Payoff sums up what a holding pays. All are 0 for a market without live outcomes.
type Payoff struct {
	Min, Max domain.Decimal
	// Median is the lower median of the payoffs: what half of the outcomes pay at
	// least counts as cash.
	Median domain.Decimal
}

// Payoff returns the smallest and the largest payoff and the lower median.
func (h Holding) Payoff() Payoff {
	var room [few]domain.Decimal
	return summary(h.Payoffs(room[:0]))
}

// Min returns what the holding pays in the worst outcome. For the legs of an
// arbitrage, added to an empty holding, it is their sure payout.
func (h Holding) Min() domain.Decimal {
	var room [few]domain.Decimal
	return smallest(h.Payoffs(room[:0]))
}

func smallest(payoffs []domain.Decimal) domain.Decimal {
	if len(payoffs) == 0 {
		return domain.Zero
	}
	least := payoffs[0]
	for _, p := range payoffs[1:] {
		least = least.Min(p)
	}
	return least
}

// summary leaves the payoffs in their order, because they belong to outcomes.
func summary(payoffs []domain.Decimal) Payoff {
	switch n := len(payoffs); n {
	case 0:
		return Payoff{}
	case 2:
		least := payoffs[0].Min(payoffs[1])
		return Payoff{Min: least, Max: payoffs[0].Max(payoffs[1]), Median: least}
	default:
		var room [few]domain.Decimal
		sorted := append(room[:0], payoffs...)
		slices.SortFunc(sorted, domain.Decimal.Cmp)
		return Payoff{Min: sorted[0], Max: sorted[n-1], Median: sorted[(n-1)/2]}
	}
}

// Mark is the price of an outcome. If it is not Known, there is none, neither of the
// outcome nor of its complement.
type Mark struct {
	Price domain.Decimal
	Known bool
}

// Value returns what the holding is worth at the marks of its outcomes, which are in
// the order of Outcomes: L + Σ over j of (P(j) − L) × mark(j), held within the smallest
// and the largest payoff, where L is the lower median. It depends on the payoffs
// alone, so no split, merge or pair of shares changes it.
//
// It returns false if there is no mark at all and the payoffs differ; what the
// holding cost is then its value. If all outcomes pay the same, that is the value
// whatever the marks say.
func (h Holding) Value(marks []Mark) (domain.Decimal, bool) {
	var room [few]domain.Decimal
	payoffs := h.Payoffs(room[:0])
	p := summary(payoffs)
	if p.Min == p.Max {
		return p.Min, true
	}
	rest, known := unmarked(marks, len(payoffs))
	if !known {
		return domain.Zero, false
	}
	value := p.Median
	for i, payoff := range payoffs {
		price := rest
		if i < len(marks) && marks[i].Known {
			price = marks[i].Price
		}
		if difference := payoff.Sub(p.Median); !difference.IsZero() {
			value = value.Add(difference.Mul(price))
		}
	}
	return value.Max(p.Min).Min(p.Max), true
}

// unmarked returns the price of an outcome without a mark, which is what the marks
// leave of 1, in equal parts, not below 0. It returns false if there is no mark.
func unmarked(marks []Mark, outcomes int) (rest domain.Decimal, known bool) {
	rest = domain.One
	missing := outcomes
	for _, m := range marks[:min(len(marks), outcomes)] {
		if m.Known {
			rest = rest.Sub(m.Price)
			missing--
		}
	}
	switch {
	case missing == outcomes:
		return domain.Zero, false
	case missing == 0 || rest.Sign() < 0:
		return domain.Zero, true
	}
	return rest.Div(domain.FromInt(int64(missing))), true
}

// Exposure returns what can be lost of a holding with this cost and value: the
// higher of the two less the smallest payoff, at most the largest less the smallest
// payoff.
func (p Payoff) Exposure(cost, value domain.Decimal) domain.Decimal {
	return cost.Max(value).Sub(p.Min).Min(p.Max.Sub(p.Min)).Max(domain.Zero)
}

// AcquiredPrice returns the price of what an order that opens acquires. A purchase
// acquires it at its limit. A sale of one half of a set opens the other half at 1 −
// the limit.
func AcquiredPrice(side domain.Side, limit domain.Decimal) domain.Decimal {
	if side == domain.Sell {
		return domain.One.Sub(limit)
	}
	return limit
}
