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
	// Blocked reports that a leg lies in a blocked zone.
	Blocked bool `json:"blocked,omitempty"`
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
// in. A share of "!A", which pays unless A wins, is cash of 1 less a share of A.
func (s Shares) SurePayout(all Outcomes) domain.Decimal {
	net, cash := s.net(all)
	for _, market := range net.markets() {
		worst, _ := net.spread(market, all(market))
		cash = cash.Add(worst)
	}
	return cash
}

// not begins the name of a complement: "!A" pays unless A wins.
const not = "!"

// complements returns the outcome whose complement an instrument is.
func complements(i domain.Instrument, outcomes []string) (of domain.Instrument, is bool) {
	name, is := strings.CutPrefix(i.Outcome, not)
	is = is && slices.Contains(outcomes, name) && !slices.Contains(outcomes, i.Outcome)
	return domain.Instrument{Market: i.Market, Outcome: name}, is
}

// net returns the shares with complements as their outcomes sold, and the cash that they
// are beside that.
func (s Shares) net(all Outcomes) (net Shares, cash domain.Decimal) {
	net = Shares{}
	for i, quantity := range s {
		if of, is := complements(i, all(i.Market)); is {
			net[of], cash = net[of].Sub(quantity), cash.Add(quantity)
			continue
		}
		net[i] = net[i].Add(quantity)
	}
	return net, cash
}

// Open returns what is not part of complete sets, by market and outcome: bought
// shares above the smallest quantity of their market, and sold ones beyond the
// least sold.
func (s Shares) Open(all Outcomes) []domain.OpenLeg {
	var open []domain.OpenLeg
	net, _ := s.net(all)
	for i, quantity := range s {
		of, against := complements(i, all(i.Market))
		if !against {
			of = i
		}
		rest := net.open(of, all(of.Market))
		if against {
			rest = rest.Neg()
		}
		// Where both an outcome and its complement are held, at most what there is of each.
		switch {
		case rest.Sign() != quantity.Sign():
			continue
		case rest.Sign() > 0:
			rest = rest.Min(quantity)
		default:
			rest = rest.Max(quantity)
		}
		if !rest.IsZero() {
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

// open returns what of an outcome's net shares is not part of complete sets.
func (s Shares) open(i domain.Instrument, outcomes []string) domain.Decimal {
	quantity := s[i]
	worst, best := s.spread(i.Market, outcomes)
	if quantity.Sign() < 0 {
		return quantity.Sub(best.Min(domain.Zero))
	}
	return quantity.Sub(worst.Max(domain.Zero))
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
// its limit, or minus the proceeds of a sell at its limit. A rebate proves nothing: a
// fee below 0 counts as none.
func LegCost(o domain.Order) domain.Decimal {
	notional := o.Quantity.Mul(o.LimitPrice)
	if o.Side == domain.Sell {
		notional = notional.Neg()
	}
	return notional.Add(o.Fee.Max(domain.Zero))
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
