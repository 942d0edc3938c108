package risk

import (
	"slices"
	"strings"
	"time"

	"pets/domain"
)

// Arbitrage is a set of orders that were permitted together because, completely
// filled, they pay more than they cost in every outcome. Until the deadline a leg
// may be filled before the others. After it, what no other leg covers is
// directional.
type Arbitrage struct {
	ID       string    `json:"id"`
	Bot      string    `json:"bot"`
	Legs     []Leg     `json:"legs"`
	Deadline time.Time `json:"deadline"`
	TimedOut bool      `json:"timed_out,omitempty"`
}

// Leg is one order of an arbitrage with its fills.
type Leg struct {
	Permit string `json:"permit"`
	domain.Instrument
	Side     domain.Side    `json:"side"`
	Quantity domain.Decimal `json:"quantity"`
	Filled   domain.Decimal `json:"filled"`
	// Provisional fills are counted in Filled and can still be voided.
	Provisional []LegFill `json:"provisional,omitempty"`
}

// LegFill is a provisional fill of a leg.
type LegFill struct {
	Fill     domain.FillID  `json:"fill"`
	Quantity domain.Decimal `json:"quantity"`
}

// Leg returns the leg of a permit, or nil.
func (a *Arbitrage) Leg(permit string) *Leg {
	for i := range a.Legs {
		if a.Legs[i].Permit == permit {
			return &a.Legs[i]
		}
	}
	return nil
}

// Complete reports whether every leg is filled, provisional fills included.
func (a *Arbitrage) Complete() bool {
	return !slices.ContainsFunc(a.Legs, func(l Leg) bool { return l.Filled.Less(l.Quantity) })
}

// Final reports that no fill of a leg can still be voided.
func (a *Arbitrage) Final() bool {
	return !slices.ContainsFunc(a.Legs, func(l Leg) bool { return len(l.Provisional) > 0 })
}

// Shares are signed quantities by instrument, positive if bought.
type Shares map[domain.Instrument]domain.Decimal

// Add adds an order or a fill.
func (s Shares) Add(i domain.Instrument, side domain.Side, quantity domain.Decimal) {
	if side == domain.Sell {
		quantity = quantity.Neg()
	}
	s[i] = s[i].Add(quantity)
}

// Filled returns the shares from the fills of an arbitrage.
func (a *Arbitrage) Filled() Shares {
	s := Shares{}
	for _, l := range a.Legs {
		s.Add(l.Instrument, l.Side, l.Filled)
	}
	return s
}

// Outcomes returns all outcomes of a market: one share of each pays 1 together.
type Outcomes func(market string) []string

// SurePayout returns what shares pay in the worst outcome, in base asset: for
// each market the smallest quantity over all of its outcomes, where an outcome
// without shares counts as 0. It is negative if more has to be paid than comes
// in.
func (s Shares) SurePayout(all Outcomes) domain.Decimal {
	sum := domain.Zero
	for _, market := range s.markets() {
		worst, _ := s.spread(market, all(market))
		sum = sum.Add(worst)
	}
	return sum
}

// Open returns what is not part of complete sets, by market and outcome: bought
// shares above the smallest quantity of their market, and sold ones beyond the
// least sold.
func (s Shares) Open(all Outcomes) []domain.OpenLeg {
	var open []domain.OpenLeg
	for i, quantity := range s {
		worst, best := s.spread(i.Market, all(i.Market))
		covered := worst.Max(domain.Zero)
		if quantity.Sign() < 0 {
			covered = best.Min(domain.Zero)
		}
		if rest := quantity.Sub(covered); !rest.IsZero() {
			open = append(open, domain.OpenLeg{Instrument: i, Quantity: rest})
		}
	}
	slices.SortFunc(open, func(a, b domain.OpenLeg) int {
		if c := strings.Compare(a.Market, b.Market); c != 0 {
			return c
		}
		return strings.Compare(a.Outcome, b.Outcome)
	})
	return open
}

func (s Shares) markets() []string {
	var names []string
	for i := range s {
		if !slices.Contains(names, i.Market) {
			names = append(names, i.Market)
		}
	}
	return names
}

// spread returns the smallest and the largest quantity over the outcomes of a
// market.
func (s Shares) spread(market string, outcomes []string) (worst, best domain.Decimal) {
	for n, outcome := range outcomes {
		quantity := s[domain.Instrument{Market: market, Outcome: outcome}]
		if n == 0 {
			worst, best = quantity, quantity
		}
		worst, best = worst.Min(quantity), best.Max(quantity)
	}
	return worst, best
}

// LegCost is the worst-case cost of an order with its fee: the cost of a buy at
// its limit, or minus the proceeds of a sell at its limit.
func LegCost(o domain.Order) domain.Decimal {
	notional := o.Quantity.Mul(o.LimitPrice)
	if o.Side == domain.Sell {
		notional = notional.Neg()
	}
	return notional.Add(o.Fee)
}

// Reach is the range that the quantity of an outcome may take while orders rest:
// all sells filled, or all buys.
type Reach struct{ Low, High domain.Decimal }

// Inventory returns the largest exposure, in shares, that a market maker may get
// in one market, whichever of its orders are filled: the largest difference
// between two outcomes. complete says that these are all outcomes; otherwise one
// more outcome without shares is assumed.
func Inventory(outcomes []Reach, complete bool) domain.Decimal {
	if !complete {
		outcomes = append(slices.Clone(outcomes), Reach{})
	}
	most := domain.Zero
	for i, a := range outcomes {
		for j, b := range outcomes {
			if i != j {
				most = most.Max(a.High.Sub(b.Low))
			}
		}
	}
	return most
}
