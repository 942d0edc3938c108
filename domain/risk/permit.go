package risk

import (
	"time"

	"pets/domain"
)

// Permit is a granted order that is not used up, released, revoked or expired.
type Permit struct {
	ID string `json:"id"`
	domain.Order
	// Arbitrage is the arbitrage that the order is a leg of, or "".
	Arbitrage string `json:"arbitrage,omitempty"`
	// Left is the quantity not filled yet. ReducingLeft is the part of it that
	// closes what is held.
	Left         domain.Decimal `json:"left"`
	ReducingLeft domain.Decimal `json:"reducing_left"`
	// OpeningLeft is the part that may still open exposure. Only that part passed
	// the checks of zones, spot and marks. ReducingLeft can shrink, but
	// OpeningLeft does not grow in its place.
	OpeningLeft domain.Decimal `json:"opening_left"`
	// Covered is the part of a sell in an exclusive market that is of shares which the
	// bot holds and no other live sell was promised. It needs no cash, whether it
	// reduces or opens.
	Covered domain.Decimal `json:"covered,omitzero"`
	// Reserved is the cash still set aside for the quantity left.
	Reserved domain.Decimal `json:"reserved"`
	// Mark is the price at which an opening sell outside outcome markets is
	// reserved, if it is above the limit. A sell is filled at its limit or
	// better, so it can cost more than its limit.
	Mark domain.Decimal `json:"mark,omitzero"`
	// FeePaid is the part of the permitted fee that fills have paid.
	FeePaid domain.Decimal `json:"fee_paid"`
	// Working reports that the order was placed, because its bot said so or
	// because part of it was filled. A trip no longer revokes it. ExpiresAt is
	// then the order's own expiry, zero for none.
	Working bool `json:"working,omitempty"`
	// Placed reports that the bot reported the placing, and with it how long the
	// order rests.
	Placed bool `json:"placed,omitempty"`
	// Timed reports that the time of an order that does not rest, ioc or fok, is
	// running: it was placed, or filled in part.
	Timed     bool      `json:"timed,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Ahead is how far ExpiresAt, in the stream's time, is ahead of the same
	// moment by the wall clock.
	Ahead domain.Duration `json:"ahead,omitzero"`
	// Digest is the digest that was signed under the permit, or "". A permit
	// signs one digest. SignedAt is the revision of that record.
	Digest string `json:"digest,omitempty"`
	// WayOut reports that an operator was permitted it in a halt.
	WayOut   bool   `json:"way_out,omitempty"`
	SignedAt uint64 `json:"signed_at,omitempty"`
}

// Sign notes the signed digest. The order works from then on, because anyone who
// has the signature can place it.
func (p *Permit) Sign(digest string, revision uint64, expires *time.Time, ahead domain.Duration) {
	p.Digest, p.SignedAt = digest, revision
	p.Place(expires, ahead)
}

// Execution is a fill as seen by its permit.
type Execution struct {
	Quantity, Price, Fee domain.Decimal
	// Opens is how much of the fill increases what is held just before it. Covered is
	// how much of it sells shares that are held, in an exclusive market.
	Opens, Covered domain.Decimal
	// Anyhow reports that opening more than was permitted is within the permit: under
	// the second edition only market, side, quantity and price count.
	Anyhow bool
	// Together reports that the market is exclusive: permits are judged by what the
	// bot holds of all its outcomes.
	Together bool
}

// Live reports whether the permit is still valid at a time.
func (p *Permit) Live(now time.Time) bool { return p.ExpiresAt.IsZero() || now.Before(p.ExpiresAt) }

// Place makes the permit working until the order's own expiry, nil for none. The
// expiry less ahead is by the wall clock.
func (p *Permit) Place(expires *time.Time, ahead domain.Duration) {
	p.Working, p.Placed, p.ExpiresAt, p.Ahead = true, true, time.Time{}, 0
	if expires != nil {
		p.ExpiresAt, p.Ahead = *expires, ahead
	}
}

// Limit ends an ioc or fok order at a time, or earlier if it ends before that: what was
// not filled by then is gone. Every later call keeps the earlier end.
func (p *Permit) Limit(until time.Time, ahead domain.Duration) {
	if !p.TimeInForce.Brief() {
		return
	}
	p.Timed = true
	if p.ExpiresAt.IsZero() || until.Before(p.ExpiresAt) {
		p.ExpiresAt, p.Ahead = until, ahead
	}
}

// Joined returns the group that the order counts with, or "". Only an order that wholly
// reduces has one.
func (p *Permit) Joined() string {
	if p.OpeningLeft.IsZero() {
		return p.Group
	}
	return ""
}

// Shrink leaves at most so much of the order, because another one of its group was
// filled. What is reserved and claimed follows with the next claim.
func (p *Permit) Shrink(left domain.Decimal, kind domain.MarketKind) {
	p.Left = p.Left.Min(left)
	p.ReducingLeft, p.OpeningLeft, p.Covered = p.ReducingLeft.Min(p.Left), p.OpeningLeft.Min(p.Left), p.Covered.Min(p.Left)
	p.reserve(kind)
}

// Rests reports that the order works until an expiry of its own.
func (p *Permit) Rests() bool { return p.Working && !p.ExpiresAt.IsZero() }

// Keep moves the expiry of a resting order when the stream's time moved and the
// time outside did not.
func (p *Permit) Keep(by domain.Duration) {
	if p.Rests() {
		p.ExpiresAt, p.Ahead = p.ExpiresAt.Add(time.Duration(by)), p.Ahead+by
	}
}

// Expires reports whether the venue was told this expiry of the order, nil for
// none.
func (p *Permit) Expires(said *time.Time) bool {
	if said == nil {
		return p.Placed && p.ExpiresAt.IsZero()
	}
	return p.Rests() && p.WallExpiry().Equal(*said)
}

// WallExpiry returns when the permit ends by the wall clock, zero for never. For
// an order it is the expiry that the venue was told.
func (p *Permit) WallExpiry() time.Time {
	if p.ExpiresAt.IsZero() {
		return time.Time{}
	}
	return p.ExpiresAt.Add(-time.Duration(p.Ahead))
}

// Fill subtracts a filled quantity. What is left keeps its own worst case
// reserved. Fill reports whether the fill stayed within the permitted quantity,
// price and opening part. The caller checks fees and rounding, because it knows
// the base asset.
func (p *Permit) Fill(x Execution, kind domain.MarketKind) (within bool) {
	opens := x.Opens
	within = !p.Left.Less(x.Quantity) && !p.worse(x.Price) && (x.Anyhow || !p.OpeningLeft.Less(opens))
	if !p.Working { // A filled order must have been resting at a venue.
		p.Working, p.ExpiresAt, p.Ahead = true, time.Time{}, 0
	}
	p.FeePaid = p.FeePaid.Add(x.Fee.Max(domain.Zero)) // a rebate pays for no later fee
	p.Left = p.Left.Sub(x.Quantity).Max(domain.Zero)
	p.OpeningLeft = p.OpeningLeft.Sub(opens).Max(domain.Zero).Min(p.Left)
	// A fill closes first, so the part that opens exposure is the remainder.
	p.ReducingLeft = p.ReducingLeft.Sub(x.Quantity).Max(domain.Zero)
	if x.Together {
		p.Covered = p.Covered.Sub(x.Covered).Max(domain.Zero).Min(p.Left)
		p.reserveTogether()
		return within
	}
	p.reserve(kind)
	return within
}

// ClaimTogether sets what the permit will close of what is held in an exclusive
// market, and which of the shares it sells are held.
func (p *Permit) ClaimTogether(reducing, covered domain.Decimal) {
	p.ReducingLeft, p.Covered = reducing, covered
	p.reserveTogether()
}

func (p *Permit) reserveTogether() {
	o := p.Order
	o.Quantity, o.Fee = p.Left, domain.MulDiv(p.Fee, p.Left, p.Quantity)
	p.Reserved = ReservationTogether(o, p.Covered)
}

// ReservedWith returns what the permit reserves in an exclusive market while so much of what
// is left of it is covered.
func (p *Permit) ReservedWith(covered domain.Decimal) domain.Decimal {
	with := *p
	with.Covered = covered
	with.reserveTogether()
	return with.Reserved
}

// ReservationTogether returns the worst case of an order in an exclusive market, in
// cash: what a buy costs at its limit, and of a sell what shares that are not held may
// cost at settlement beyond what it brings.
func ReservationTogether(o domain.Order, covered domain.Decimal) domain.Decimal {
	uncovered := o.Quantity.Sub(covered)
	switch {
	case o.Side == domain.Buy:
		return o.Quantity.Mul(o.LimitPrice).Add(o.Fee)
	case uncovered.Sign() <= 0:
		return domain.Zero
	default:
		return uncovered.Mul(domain.One.Sub(o.LimitPrice)).Add(o.Fee)
	}
}

// Claim limits what the permit will close to free, the quantity that is there to
// be closed. If another order closed it, this order would open exposure: it has
// to reserve for that, and such a fill is not within the permit. If a void brings
// the quantity back, the permit may close it again. Claim returns how much of
// free it takes.
func (p *Permit) Claim(free domain.Decimal, kind domain.MarketKind) domain.Decimal {
	if claim := p.Left.Sub(p.OpeningLeft).Min(free); claim != p.ReducingLeft {
		p.ReducingLeft = claim
		p.reserve(kind)
	}
	return p.ReducingLeft
}

// Unused returns how much of its permitted opening quantity the permit no longer
// needs after a fill, because the venue filled it against a holding that another
// order was permitted to close.
func (p *Permit) Unused(before domain.Decimal, opens domain.Decimal) domain.Decimal {
	return before.Sub(opens).Sub(p.OpeningLeft).Max(domain.Zero)
}

// Inherit takes over the opening quantity of another permit of the same side and
// limit. With another limit, zones and reservation were checked for another
// price. It returns how much it took.
func (p *Permit) Inherit(from *Permit, unused domain.Decimal) domain.Decimal {
	if p.Side != from.Side || p.LimitPrice != from.LimitPrice || p.Joined() != "" { // a group stays one
		return domain.Zero
	}
	took := unused.Min(p.Left.Sub(p.OpeningLeft))
	p.OpeningLeft = p.OpeningLeft.Add(took)
	return took
}

func (p *Permit) reserve(kind domain.MarketKind) {
	o := p.Order
	o.Quantity, o.Fee = p.Left, domain.MulDiv(p.Fee, p.Left, p.Quantity)
	p.Reserved = Reservation(o, Exposure{Reducing: p.ReducingLeft, Opening: p.Left.Sub(p.ReducingLeft)}, kind, p.Mark)
}

// Relief is the part of a buy's reservation that is counted twice: the cover of
// the short that it closes is already set aside.
func (p *Permit) Relief(cover domain.Decimal) domain.Decimal {
	if p.Side != domain.Buy {
		return domain.Zero
	}
	return cover.Min(p.Left.Mul(p.LimitPrice))
}

// ShortCover is the cash of the bot that an open short keeps from being spent, 0
// for a long. An outcome share costs at most 1 at settlement. Other instruments
// have no such bound: the proceeds of the sale are kept to buy back, and the same
// amount again as margin, or the value at the mark if that is higher. Without
// keeping the proceeds, those of one short would be the margin of the next.
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

// Exposure compares an order with what is held and already pending.
type Exposure struct {
	// Reducing is the part that closes filled quantity not yet claimed by pending
	// reducing orders. Opening is the rest.
	Reducing, Opening domain.Decimal
}

// Split returns how much of an order reduces. held is the signed filled quantity.
// pending is what live permits will already close of it; unfilled increases do
// not count.
func Split(o domain.Order, held, pending domain.Decimal) Exposure {
	against := (o.Side == domain.Sell && held.Sign() > 0) || (o.Side == domain.Buy && held.Sign() < 0)
	free := held.Abs().Sub(pending)
	if !against || free.Sign() <= 0 {
		return Exposure{Opening: o.Quantity}
	}
	reducing := o.Quantity.Min(free)
	return Exposure{Reducing: reducing, Opening: o.Quantity.Sub(reducing)}
}

// Reservation returns the worst case of an order in cash. A buy needs quantity ×
// limit price + fee. A sell needs cash only for its opening part: quantity × (1 −
// limit) + fee in outcome markets, and quantity × the larger of limit and mark +
// fee in a perp, where the limit is the least that the sell brings, not the most
// it may cost.
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

// AcquiredPrice is the worst permitted price per share of the outcome that the
// order acquires: an opening sell of YES at 0.85 is a buy of NO at 0.15.
func AcquiredPrice(o domain.Order) domain.Decimal {
	if o.Side == domain.Sell {
		return domain.One.Sub(o.LimitPrice)
	}
	return o.LimitPrice
}
