package payoff

import (
	"slices"
	"strings"

	"pets/domain"
)

// Payout is what one share of an outcome pays.
type Payout struct {
	Outcome string
	Price   domain.Decimal
}

// Payouts reads the payouts of a settlement that names every live outcome, and
// returns them in the order of live. It refuses a payout outside 0..1, an outcome
// that the market does not have or that is settled, and one that is missing. Whether
// they sum to 1 is not its business: see [SumToOne].
func Payouts(live []string, named map[string]domain.Decimal) ([]Payout, error) {
	payouts := make([]Payout, 0, len(live))
	for _, outcome := range live {
		price, ok := named[outcome]
		if !ok {
			return nil, domain.Invalid("payouts", "do not name the outcome %q; name %s", outcome, list(live))
		}
		if err := checkPrice("payouts", outcome, price); err != nil {
			return nil, err
		}
		payouts = append(payouts, Payout{outcome, price})
	}
	var unknown []string
	for outcome := range named {
		if !slices.Contains(live, outcome) {
			unknown = append(unknown, outcome)
		}
	}
	if len(unknown) == 0 {
		return payouts, nil
	}
	// The same one every time, so that a repeat is refused in the same words.
	return nil, domain.Invalid("payouts", "name %q, which is no outcome of the market, or is settled; name %s", slices.Min(unknown), list(live))
}

func checkPrice(field, outcome string, price domain.Decimal) error {
	if price.Sign() < 0 || domain.One.Less(price) {
		return domain.Invalid(field, "of %q is %s; a share of an exclusive market pays between 0 and 1", outcome, price)
	}
	return nil
}

func list(outcomes []string) string {
	const most = 10
	if len(outcomes) > most {
		return "every live outcome and no other"
	}
	return strings.Join(outcomes, ", ")
}

// SumToOne reports whether the payouts of all live outcomes sum to 1, and what they
// sum to. One share of each pays 1 together, so another sum is a mistake, or
// something that people have to answer for.
func SumToOne(payouts []Payout) (sum domain.Decimal, ok bool) {
	for _, p := range payouts {
		sum = sum.Add(p.Price)
	}
	return sum, sum == domain.One
}

// PayoutOf returns what one share of an outcome or of a complement pays: "!A" pays
// 1 − the payout of A. It returns false if the payouts do not settle it. Names of a
// market with two outcomes are canonical (see [Canonical]).
func PayoutOf(payouts []Payout, outcome string) (domain.Decimal, bool) {
	name, complement := strings.CutPrefix(outcome, Not)
	for _, p := range payouts {
		switch {
		case p.Outcome != name:
		case complement:
			return domain.One.Sub(p.Price), true
		default:
			return p.Price, true
		}
	}
	return domain.Zero, false
}

// SettleOne returns what the payout of one outcome, or of a complement, settles, and
// the outcomes that are live after it.
//
// In a market registered with two outcomes it settles both. In one of more it is 0 or
// 1: 1 settles all others at 0; an outcome settled at 0 is not live any more, and its
// complement pays 1. The last live outcome can only pay 1.
func SettleOne(registered, live []string, outcome string, price domain.Decimal) (settled []Payout, rest []string, err error) {
	name, complement := strings.CutPrefix(Canonical(registered, outcome), Not)
	at := slices.Index(live, name)
	if at < 0 {
		return nil, nil, domain.Invalid("outcome", "%q is no outcome of the market, or is settled; name one of %s", outcome, list(live))
	}
	if err := checkPrice("payout", outcome, price); err != nil {
		return nil, nil, err
	}
	if complement {
		price = domain.One.Sub(price)
	}
	whole := price.IsZero() || price == domain.One
	switch {
	case len(registered) != 2 && !whole:
		return nil, nil, domain.Invalid("payout", "of one outcome is 0 or 1 in a market of more than two; settle it with payouts, which name every outcome")
	case price.IsZero() && len(live) == 1:
		return nil, nil, domain.Invalid("payout", "of %q cannot be 0: it is the last outcome of the market, and one share of each pays 1 together", name)
	case len(registered) != 2 && price.IsZero():
		return []Payout{{name, price}}, slices.Delete(slices.Clone(live), at, at+1), nil
	}
	for i, other := range live {
		p := Payout{Outcome: other, Price: domain.One.Sub(price)}
		if i == at {
			p.Price = price
		}
		settled = append(settled, p)
	}
	return settled, nil, nil
}
