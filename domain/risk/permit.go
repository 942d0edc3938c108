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
	// Arbitrage names what the order is a leg of, "" for nothing.
	Arbitrage string `json:"arbitrage,omitempty"`
	// Left is the quantity not filled yet, ReducingLeft its part that closes
	// what is held.
	Left         domain.Decimal `json:"left"`
	ReducingLeft domain.Decimal `json:"reducing_left"`
	// OpeningLeft is what may still open exposure: only that part went through
	// the zones, the spot rule and the marks. ReducingLeft can shrink, this never
	// grows in its place.
	OpeningLeft domain.Decimal `json:"opening_left"`
	// Reserved is the cash still set aside for what is left.
	Reserved domain.Decimal `json:"reserved"`
	// Mark is the price an opening sell outside outcome markets is reserved at,
	// where it lies above the limit: a sell is filled at its limit or better.
	Mark domain.Decimal `json:"mark,omitzero"`
	// FeePaid is what the fills so far paid of the permitted fee.
	FeePaid domain.Decimal `json:"fee_paid"`
	// Working: the order was placed, by somebody's word or because a part of it
	// was filled; a trip no longer revokes it. ExpiresAt is then the order's own
	// expiry, zero for none.
	Working bool `json:"working,omitempty"`
	// Placed: somebody said so, and with it how long the order rests.
	Placed    bool      `json:"placed,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Ahead is by how much ExpiresAt, which is by the time of the stream, lies after the
	// same moment by the wall clock.
	Ahead domain.Duration `json:"ahead,omitzero"`
	// Digest is what was signed under it, "" for nothing: one permit signs one digest.
	// SignedAt is the revision of that record.
	Digest   string `json:"digest,omitempty"`
	SignedAt uint64 `json:"signed_at,omitempty"`
}

// Sign notes what was signed. The order works from then on: whoever has the
// signature can place it.
func (p *Permit) Sign(digest string, revision uint64, expires *time.Time, ahead domain.Duration) {
	p.Digest, p.SignedAt = digest, revision
	p.Place(expires, ahead)
}

// Execution is a fill as its permit sees it.
type Execution struct {
	Quantity, Price, Fee domain.Decimal
	// Held is the signed position just before the fill.
	Held domain.Decimal
}

// Live reports whether the permit still holds at a time.
func (p *Permit) Live(now time.Time) bool { return p.ExpiresAt.IsZero() || now.Before(p.ExpiresAt) }

// Place makes the permit working until the order's own expiry, nil for none, which less
// ahead is by the wall clock.
func (p *Permit) Place(expires *time.Time, ahead domain.Duration) {
	p.Working, p.Placed, p.ExpiresAt, p.Ahead = true, true, time.Time{}, 0
	if expires != nil {
		p.ExpiresAt, p.Ahead = *expires, ahead
	}
}

// Rests reports that the order works until an expiry of its own.
func (p *Permit) Rests() bool { return p.Working && !p.ExpiresAt.IsZero() }

// Keep moves the expiry of an order that rests: the time of the stream went on without
// that of the world outside.
func (p *Permit) Keep(by domain.Duration) {
	if p.Rests() {
		p.ExpiresAt, p.Ahead = p.ExpiresAt.Add(time.Duration(by)), p.Ahead+by
	}
}

// Expires reports that the venue was told this expiry of the order, nil for none.
func (p *Permit) Expires(said *time.Time) bool {
	if said == nil {
		return p.Placed && p.ExpiresAt.IsZero()
	}
	return p.Rests() && p.WallExpiry().Equal(*said)
}

// WallExpiry is when the permit ends by the wall clock, zero for never. Of an order it is
// what the venue was told.
func (p *Permit) WallExpiry() time.Time {
	if p.ExpiresAt.IsZero() {
		return time.Time{}
	}
	return p.ExpiresAt.Add(-time.Duration(p.Ahead))
}

// Fill takes a filled quantity off; what is left keeps its own worst case
// reserved. It reports whether the fill stayed within the quantity, the price and
// the opening part permitted. Fees and rounding are for the caller to judge, who
// knows the base asset.
func (p *Permit) Fill(x Execution, kind domain.MarketKind) (within bool) {
	opens := p.Opens(x)
	within = !p.Left.Less(x.Quantity) && !p.worse(x.Price) && !p.OpeningLeft.Less(opens)
	if !p.Working { // nothing is filled that does not rest somewhere
		p.Working, p.ExpiresAt, p.Ahead = true, time.Time{}, 0
	}
	p.FeePaid = p.FeePaid.Add(x.Fee)
	p.Left = p.Left.Sub(x.Quantity).Max(domain.Zero)
	p.OpeningLeft = p.OpeningLeft.Sub(opens).Max(domain.Zero).Min(p.Left)
	// The part that opens exposure is what is left over at the end: a fill
	// closes first.
	p.ReducingLeft = p.ReducingLeft.Sub(x.Quantity).Max(domain.Zero)
	p.reserve(kind)
	return within
}

// Claim holds what the permit will close against what is there to be closed:
// where another order has closed it, the order would open exposure and has to
// reserve for it, though a fill that does is not within the permit; where a void
// brings it back, it is this permit's to close again. It returns what it keeps of
// free.
func (p *Permit) Claim(free domain.Decimal, kind domain.MarketKind) domain.Decimal {
	if claim := p.Left.Sub(p.OpeningLeft).Min(free); claim != p.ReducingLeft {
		p.ReducingLeft = claim
		p.reserve(kind)
	}
	return p.ReducingLeft
}

// Unused is how much of what it was granted to open the permit no longer needs
// after a fill: the venue filled it against a holding that another order was
// granted to close.
func (p *Permit) Unused(before domain.Decimal, opens domain.Decimal) domain.Decimal {
	return before.Sub(opens).Sub(p.OpeningLeft).Max(domain.Zero)
}

// Inherit takes over what another permit of the same side and limit was granted to
// open: at another limit the zones and the reservation were judged for another
// price. It returns how much it took.
func (p *Permit) Inherit(from *Permit, unused domain.Decimal) domain.Decimal {
	if p.Side != from.Side || p.LimitPrice != from.LimitPrice {
		return domain.Zero
	}
	took := unused.Min(p.Left.Sub(p.OpeningLeft))
	p.OpeningLeft = p.OpeningLeft.Add(took)
	return took
}

// Opens is how much of a fill increases the position it finds.
func (p *Permit) Opens(x Execution) domain.Decimal {
	o := p.Order
	o.Quantity = x.Quantity
	return Split(o, x.Held, domain.Zero).Opening
}

func (p *Permit) reserve(kind domain.MarketKind) {
	o := p.Order
	o.Quantity, o.Fee = p.Left, domain.MulDiv(p.Fee, p.Left, p.Quantity)
	p.Reserved = Reservation(o, Exposure{Reducing: p.ReducingLeft, Opening: p.Left.Sub(p.ReducingLeft)}, kind, p.Mark)
}

// Relief is what the reservation of a buy counts twice: the short it closes has
// its cover set aside already.
func (p *Permit) Relief(cover domain.Decimal) domain.Decimal {
	if p.Side != domain.Buy {
		return domain.Zero
	}
	return cover.Min(p.Left.Mul(p.LimitPrice))
}

// ShortCover is what an open short keeps of its bot's cash from being spent, 0
// for a long. An outcome share can cost 1 at settlement, no more. Anything else
// has no such bound: what its sale brought in stays, because it pays for buying
// back, and as much again as margin, or its value where the mark rose above it.
// Without the first, the proceeds of a short would be the margin of the next.
func ShortCover(quantity, cost, value domain.Decimal, kind domain.MarketKind) domain.Decimal {
	switch {
	case quantity.Sign() >= 0:
		return domain.Zero
	case kind == domain.KindOutcome:
		return quantity.Abs()
	default:
		return cost.Abs().Add(cost.Abs().Max(value.Abs()))
	}
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
// fee in outcome markets, quantity × the larger of limit and mark + fee in a
// perp: there the limit is the least the sell brings, not the most it may cost.
func Reservation(o domain.Order, e Exposure, kind domain.MarketKind, mark domain.Decimal) domain.Decimal {
	switch {
	case o.Side == domain.Buy:
		return o.Quantity.Mul(o.LimitPrice).Add(o.Fee)
	case e.Opening.IsZero():
		return domain.Zero
	case kind == domain.KindOutcome:
		return e.Opening.Mul(domain.One.Sub(o.LimitPrice)).Add(o.Fee)
	default:
		return e.Opening.Mul(o.LimitPrice.Max(mark)).Add(o.Fee)
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
