package risk

import (
	"time"

	"pets/domain"
)

// Permit is a granted order that is neither used up, released, revoked nor
// expired.
type Permit struct {
	ID string `json:"id"`
	domain.Order
	// Left is the quantity not filled yet, ReducingLeft its part that closes
	// what is held.
	Left         domain.Decimal `json:"left"`
	ReducingLeft domain.Decimal `json:"reducing_left"`
	// Reserved is the cash still set aside for what is left.
	Reserved domain.Decimal `json:"reserved"`
	// Working: the order was placed; a trip no longer revokes it. ExpiresAt is
	// then the order's own expiry, zero for none.
	Working   bool      `json:"working,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Live reports whether the permit still holds at a time.
func (p *Permit) Live(now time.Time) bool { return p.ExpiresAt.IsZero() || now.Before(p.ExpiresAt) }

// Fill takes a filled quantity off; what is left keeps its own worst case
// reserved. It reports whether the fill stayed within the permit.
func (p *Permit) Fill(quantity, price domain.Decimal, kind domain.MarketKind) (within bool) {
	within = !p.Left.Less(quantity) && !p.worse(price)
	p.Left = p.Left.Sub(quantity).Max(domain.Zero)
	// The part that opens exposure is what is left over at the end: a fill
	// closes first.
	p.ReducingLeft = p.ReducingLeft.Sub(quantity).Max(domain.Zero)
	p.reserve(kind)
	return within
}

// Claim narrows what the permit will close to what is there to be closed: where
// another order has closed it, the permit opens exposure and has to reserve for
// it. It returns what it keeps of free.
func (p *Permit) Claim(free domain.Decimal, kind domain.MarketKind) domain.Decimal {
	if free.Less(p.ReducingLeft) {
		p.ReducingLeft = free
		p.reserve(kind)
	}
	return p.ReducingLeft
}

func (p *Permit) reserve(kind domain.MarketKind) {
	o := p.Order
	o.Quantity, o.Fee = p.Left, domain.MulDiv(p.Fee, p.Left, p.Quantity)
	p.Reserved = Reservation(o, Exposure{Reducing: p.ReducingLeft, Opening: p.Left.Sub(p.ReducingLeft)}, kind)
}

// Relief is what the reservation of a buy counts twice in an outcome market: the
// short it closes has 1 a share set aside for the settlement already.
func (p *Permit) Relief(kind domain.MarketKind) domain.Decimal {
	if p.Side != domain.Buy || kind != domain.KindOutcome {
		return domain.Zero
	}
	return p.ReducingLeft.Min(p.Left.Mul(p.LimitPrice))
}

func (p *Permit) worse(price domain.Decimal) bool {
	if p.Side == domain.Buy {
		return p.LimitPrice.Less(price)
	}
	return price.Less(p.LimitPrice)
}

// Exposure splits an order against what is held and already pending.
type Exposure struct {
	// Reducing is the part that closes filled quantity not already spoken for by
	// pending reducing orders; Opening is the rest.
	Reducing, Opening domain.Decimal
}

// Split returns how much of an order reduces. held is the signed filled
// quantity, pending what live permits will already close of it; unfilled
// increases never count.
func Split(o domain.Order, held, pending domain.Decimal) Exposure {
	against := (o.Side == domain.Sell && held.Sign() > 0) || (o.Side == domain.Buy && held.Sign() < 0)
	free := held.Abs().Sub(pending)
	if !against || free.Sign() <= 0 {
		return Exposure{Opening: o.Quantity}
	}
	reducing := o.Quantity.Min(free)
	return Exposure{Reducing: reducing, Opening: o.Quantity.Sub(reducing)}
}

// Reservation returns the worst case of an order in cash: a buy, quantity ×
// limit price + fee; a sell only for its opening part, quantity × (1 − limit) +
// fee in outcome markets, quantity × limit + fee in a perp.
func Reservation(o domain.Order, e Exposure, kind domain.MarketKind) domain.Decimal {
	switch {
	case o.Side == domain.Buy:
		return o.Quantity.Mul(o.LimitPrice).Add(o.Fee)
	case e.Opening.IsZero():
		return domain.Zero
	case kind == domain.KindOutcome:
		return e.Opening.Mul(domain.One.Sub(o.LimitPrice)).Add(o.Fee)
	default:
		return e.Opening.Mul(o.LimitPrice).Add(o.Fee)
	}
}

// AcquiredPrice is the worst price per share the order allows, of the outcome it
// acquires: an opening sell of YES at 0.85 is a buy of NO at 0.15.
func AcquiredPrice(o domain.Order) domain.Decimal {
	if o.Side == domain.Sell {
		return domain.One.Sub(o.LimitPrice)
	}
	return o.LimitPrice
}
