package payoff

import (
	"strings"

	"pets/domain"
)

// Order is an order, or what is left of one, in an exclusive market.
type Order struct {
	Outcome  string // or a complement
	Side     domain.Side
	Quantity domain.Decimal // not negative
	// Group joins orders that exclude each other, such as a take-profit and a stop:
	// together they take what the largest of them takes. An order competes with no
	// other of its own group.
	Group string
}

// Signed returns the change of quantity if the order is filled.
func (o Order) Signed() domain.Decimal {
	if o.Side == domain.Sell {
		return o.Quantity.Neg()
	}
	return o.Quantity
}

// Lowers reports whether a fill of the order lowers what is paid if an outcome wins, in a
// market of more than two outcomes. A purchase lowers nothing.
func (o Order) Lowers(outcome string) bool {
	name, complement := strings.CutPrefix(o.Outcome, Not)
	return o.Side == domain.Sell && (name == outcome) != complement
}

// SurePayout returns what legs pay in the worst outcome of a market: the smallest of
// their payoffs. It returns false if a leg is of an outcome that the market does not
// have, or that is settled.
func SurePayout(registered, live []string, legs []Order) (domain.Decimal, bool) {
	h := New(registered, live)
	for _, l := range legs {
		if !h.Add(l.Outcome, l.Signed()) {
			return domain.Zero, false
		}
	}
	return h.Min(), true
}

// Reducing returns how much of an order reduces the holding; the rest opens. live are
// the reducing parts, not filled yet, of the bot's other live orders in the market.
//
// Orders granted one after another, each as far as this allows, never lower the
// smallest payoff, in whichever order and however far they are filled, if of the
// orders of a group that take of the same shares, or lower the same payoff, no more is
// filled than the largest of them.
//
// In a market registered with two outcomes, with D = q(YES) − q(NO), selling the
// larger side (at most what is held of it) or buying the smaller reduces, up to |D|
// less what the live orders take.
//
// In a market of more outcomes, buying back what is short reduces. Selling what is
// held reduces as far as the smallest payoff, with all live sales filled, is not
// below what it is now. Any other purchase opens, and so does all that is of an
// outcome that the market does not have, or that is settled.
func (h Holding) Reducing(o Order, live []Order) domain.Decimal {
	at, against, ok := h.find(o.Outcome)
	switch {
	case !ok || o.Quantity.Sign() <= 0:
		return domain.Zero
	case h.Pair && len(h.Shares) == 2:
		return o.Quantity.Min(h.closesGap(at, o, live))
	case o.Side == domain.Sell:
		return o.Quantity.Min(h.keepsWorst(at, against, o.Group, live))
	}
	return o.Quantity.Min(h.own(at, against, o.Side, o.Group, live))
}

// ReducingForOperator returns how much of an operator's order reduces during a halt:
// in addition to [Holding.Reducing], the sale of what is held and the purchase of
// what is short, whatever it uncovers. What live orders already take of it is not
// taken twice: if they were both filled, the second would open.
func (h Holding) ReducingForOperator(o Order, live []Order) domain.Decimal {
	at, against, ok := h.find(o.Outcome)
	if !ok || o.Quantity.Sign() <= 0 {
		return domain.Zero
	}
	return h.Reducing(o, live).Max(o.Quantity.Min(h.own(at, against, o.Side, o.Group, live)))
}

// Taken sums what live orders take of the same thing, those of a group as the largest
// of them. Orders of the asking order's own group, if it has one, take nothing.
func Taken(live []Order, group string, counts func(*Order) bool) domain.Decimal {
	sum := domain.Zero
	var largest map[string]domain.Decimal
	for i := range live {
		l := &live[i]
		switch {
		case l.Group != "" && l.Group == group || !counts(l):
		case l.Group == "":
			sum = sum.Add(l.Quantity)
		default:
			if largest == nil {
				largest = map[string]domain.Decimal{}
			}
			most := largest[l.Group].Max(l.Quantity)
			sum = sum.Add(most).Sub(largest[l.Group])
			largest[l.Group] = most
		}
	}
	return sum
}

// own returns what an order may close of the instrument itself: what is held if it
// sells, what is short if it buys, less what live orders on the same side take of it.
func (h Holding) own(at int, against bool, side domain.Side, group string, live []Order) domain.Decimal {
	free := h.Shares[at].of(against)
	if side == domain.Buy {
		free = free.Neg()
	}
	return free.Sub(Taken(live, group, func(l *Order) bool {
		i, complement, ok := h.find(l.Outcome)
		return ok && i == at && complement == against && l.Side == side
	})).Max(domain.Zero)
}

// closesGap returns how much of one of two outcomes may be traded toward equal
// quantities of both.
func (h Holding) closesGap(at int, o Order, live []Order) domain.Decimal {
	gap := h.Shares[1-at].For.Sub(h.Shares[at].For)
	if o.Side == domain.Sell {
		gap = gap.Neg()
	}
	gap = gap.Sub(Taken(live, o.Group, func(*Order) bool { return true }))
	if o.Side == domain.Sell {
		gap = gap.Min(h.own(at, false, o.Side, o.Group, live))
	}
	return gap.Max(domain.Zero)
}

// keepsWorst returns how much of an instrument may be sold. A sale of A lowers P(A)
// alone, and a sale of !A every other payoff, each by the quantity sold. So what may
// be sold is the smallest distance of a payoff that it lowers, with all live sales
// filled, from the smallest payoff now, and at most what is held and not promised.
// Nothing may be sold while the live sales reach below the smallest payoff by
// themselves, as they do after a purchase raised it.
func (h Holding) keepsWorst(at int, against bool, group string, live []Order) domain.Decimal {
	free := h.own(at, against, domain.Sell, group, live)
	if free.IsZero() {
		return domain.Zero
	}
	var room [few]domain.Decimal
	payoffs := h.Payoffs(room[:0])
	worst := smallest(payoffs)
	for j, p := range payoffs {
		above := p.Sub(worst).Sub(Taken(live, group, func(l *Order) bool {
			i, complement, ok := h.find(l.Outcome)
			return ok && l.Side == domain.Sell && lowers(i, complement, j)
		}))
		if above.Sign() < 0 {
			return domain.Zero
		}
		if lowers(at, against, j) {
			free = free.Min(above)
		}
	}
	return free
}

// lowers reports whether a sale of an instrument lowers what is paid if outcome j
// wins.
func lowers(at int, against bool, j int) bool { return (j == at) != against }
