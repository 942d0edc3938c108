package portfolio

import (
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/risk"
	"pets/domain/treasury"
)

const (
	// denialWindow is the time within which identical denials share one record.
	denialWindow = time.Second
	// maxDenials limits how many recent denials of a bot are remembered.
	maxDenials = 16
	// maxBotPermits and maxPermits limit the live permits of a bot and of the
	// portfolio. A trip or a settlement lists all the permits it ends in one
	// event, which has to fit an append, and every request examines each of them.
	maxBotPermits = 1_000
	maxPermits    = 10_000
	// maxWaysOut is how many more an operator may have in a halt: permits that the bot
	// kept must not block the way out.
	maxWaysOut = 100
)

// PermitRequest asks whether an order may be placed.
type PermitRequest struct {
	domain.Order
	// Fee is the worst fee of the whole order; nil means the policy's fee_bps.
	Fee *domain.Decimal
	// Kind, if given, must agree with the registry.
	Kind domain.MarketKind
	// TTL shortens the policy's permit_ttl; 0 keeps it.
	TTL time.Duration
}

// AskPermit checks and reserves in one step. A denial is a normal answer, with
// every reason found, and is recorded too.
func (d *Decision) AskPermit(r PermitRequest) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	o, ttl, err := d.checkOrder(r)
	if err != nil {
		return err
	}
	if err := d.checkPermitCount(o.Bot, 1); err != nil {
		return err
	}
	d.catchUp() // Daily loss is measured on the day of the request.
	c := d.examine(o, r.Kind)
	if len(c.reasons) > 0 {
		d.deny(o, c.reasons)
		return nil
	}
	if !c.reducing() {
		if err := d.RefusedByClock(); err != nil {
			return err
		}
	}
	permit := d.grant(c, d.now.Add(ttl), "")
	if o.PaperFill {
		d.fillOnPaper(permit)
	}
	return nil
}

// grant records that an order may be placed, and returns the name of its permit.
func (d *Decision) grant(c *orderCheck, expires time.Time, arbitrage string) string {
	d.restoreLooked()
	e := c.permit(domain.PermitName(d.s.Next), expires)
	e.Arbitrage, e.Ahead = arbitrage, d.clockOffset()
	e.WayOut = c.reducing() && d.leadsOut(e.Bot)
	d.emit(e)
	return e.Permit
}

// permit returns the permit of an order that passed every check.
func (c *orderCheck) permit(name string, expires time.Time) *domain.PermitGranted {
	return &domain.PermitGranted{
		Permit: name, Order: c.order, Reducing: c.exposure.Reducing, Covered: c.covered, Reserved: c.reserve, Mark: c.mark, ExpiresAt: expires,
	}
}

// checkPermitCount refuses more permits than the portfolio can carry. Expired
// permits do not count, even if they are not purged yet.
func (d *Decision) checkPermitCount(bot string, more int) error {
	own, all := len(d.s.permitsOf(bot))+more, len(d.s.Permits)+more
	if own <= maxBotPermits && all <= maxPermits {
		return nil
	}
	if d.leadsOut(bot) {
		more -= maxWaysOut
	}
	own, all = liveIn(d.s.permitsOf(bot), d.now), liveIn(d.s.Permits, d.now)
	switch {
	case own+more > maxBotPermits:
		return domain.Errorf(domain.CodeRateLimited, "the bot has %d live permits, which is the limit for one bot; release permits of orders that no longer rest", own)
	case all+more > maxPermits:
		return domain.Errorf(domain.CodeRateLimited, "the portfolio has %d live permits, which is the limit; release permits of orders that no longer rest", all)
	}
	return nil
}

func liveIn(permits map[string]*risk.Permit, now time.Time) int {
	n := 0
	for _, p := range permits {
		if p.Live(now) {
			n++
		}
	}
	return n
}

// checkOrder validates the order and fills in the defaults.
func (d *Decision) checkOrder(r PermitRequest) (o domain.Order, ttl time.Duration, err error) {
	o, ttl = r.Order, time.Duration(d.s.Policy.PermitTTL)
	o.Instrument = d.named(o.Instrument)
	if err := domain.CheckID("bot", o.Bot); err != nil {
		return o, 0, err
	}
	if err := domain.CheckText("market", o.Market); err != nil {
		return o, 0, err
	}
	if err := domain.CheckText("outcome", o.Outcome); err != nil {
		return o, 0, err
	}
	if err := domain.CheckOptionalText("group", o.Group); err != nil {
		return o, 0, err
	}
	switch {
	case !o.TimeInForce.Known():
		return o, 0, domain.Invalid("time_in_force", "must be gtc, gtd, ioc or fok")
	case o.Side != domain.Buy && o.Side != domain.Sell:
		return o, 0, domain.Invalid("side", "must be buy or sell")
	case o.Quantity.Sign() <= 0:
		return o, 0, domain.Invalid("quantity", "must be above 0")
	case o.LimitPrice.Sign() <= 0:
		return o, 0, domain.Invalid("limit_price", "must be above 0")
	case r.TTL < 0 || r.TTL > ttl:
		return o, 0, domain.Invalid("ttl", "must be above 0 and at most the policy's permit_ttl of %s", ttl)
	case r.Fee != nil && r.Fee.Sign() < 0:
		return o, 0, domain.Invalid("fee", "must not be negative")
	case o.Intent != "" && o.Intent != domain.IntentDirectional && o.Intent != domain.IntentArbitrage && o.Intent != domain.IntentMarketMaking:
		return o, 0, domain.Invalid("intent", "must be directional, arbitrage or market_making")
	case o.PaperFill && (d.s.Mode != domain.ModePaper || d.imported()):
		return o, 0, domain.Invalid("paper_fill", "is only for paper portfolios: orders of this portfolio are filled at a venue")
	case r.Kind != "" && r.Kind != domain.KindOutcome && r.Kind != domain.KindSpot && r.Kind != domain.KindPerp:
		return o, 0, domain.Invalid("kind", "must be outcome, spot or perp")
	}
	if r.TTL > 0 {
		ttl = r.TTL
	}
	if o.Intent == domain.IntentDirectional {
		o.Intent = ""
	}
	if o.TimeInForce == domain.GoodTillCancelled {
		o.TimeInForce = ""
	}
	notional := o.Quantity.Mul(o.LimitPrice)
	o.Fee = d.orderFee(o)
	if r.Fee != nil {
		o.Fee = *r.Fee
	}
	if !notional.Add(o.Fee).InRange() {
		return o, 0, domain.Invalid("quantity", "times limit_price reaches 10^15")
	}
	if err := d.checkLargest("quantity", o.Quantity, notional.Add(o.Fee)); err != nil {
		return o, 0, err
	}
	return o, ttl, nil
}

// defaultFee returns the fee of an order that names none.
func (d *Decision) defaultFee(notional domain.Decimal) domain.Decimal {
	return domain.MulDiv(notional, d.s.Policy.FeeBPS, domain.FromInt(10_000))
}

// orderCheck is one order while it is checked.
type orderCheck struct {
	order    domain.Order
	kind     domain.MarketKind
	exposure risk.Exposure
	reserve  domain.Decimal
	mark     domain.Decimal
	// covered is the part of a sell that is of shares held, in an exclusive market.
	covered domain.Decimal
	// proven reports that what the order opens is not directional, so that zones
	// do not apply.
	proven  bool
	reasons []domain.Reason
}

func (c *orderCheck) fail(code domain.ReasonCode, value, limit, format string, args ...any) {
	c.reasons = append(c.reasons, domain.Reason{Code: code, Value: value, Limit: limit, Message: fmt.Sprintf(format, args...)})
}

// reducing reports that the order only closes holdings that no other order is
// closing.
func (c *orderCheck) reducing() bool { return c.exposure.Opening.IsZero() }

// examine runs all checks on one order and collects every reason.
func (d *Decision) examine(o domain.Order, kind domain.MarketKind) *orderCheck {
	c := &orderCheck{order: o, kind: d.s.KindOf(o.Market)}
	if o.Intent == domain.IntentMarketMaking {
		c.proven = d.s.makesMarkets(o.Bot)
	}
	if o.Intent == domain.IntentArbitrage {
		c.fail(domain.ReasonLegsInvalid, "1", "2", "an arbitrage needs at least two legs, which are requested together in legs")
	}
	d.run(c, kind)
	return c
}

// run checks the order of c against everything that may forbid it.
func (d *Decision) run(c *orderCheck, kind domain.MarketKind) {
	s := d.s
	c.order, c.exposure = d.joined(c.order)
	o := c.order
	in := s.Instruments[o.Instrument]
	c.mark = d.shortMark(c, in)
	if s.together(o.Instrument) != nil {
		c.covered = d.covered(o)
		c.reserve = risk.ReservationTogether(o, c.covered)
	} else {
		c.reserve = risk.Reservation(o, c.exposure, c.kind, c.mark)
	}
	d.checkHalted(c)
	d.checkMarketOf(c, kind)
	if o.ReduceOnly && !c.reducing() {
		c.fail(domain.ReasonNotReducing, o.Quantity.String(), c.exposure.Reducing.String(), "reduce_only, but only part of the quantity closes a filled position that no other order is closing")
	}
	b := s.Bots[o.Bot]
	if b == nil {
		c.fail(domain.ReasonBotUnknown, "", "", "no such bot in this portfolio")
		return
	}
	if !c.reducing() {
		d.checkHotWallet(c)
		d.checkReconciled(c)
		d.checkMarks(c)
		d.checkOptional(c, b)
		d.checkInventory(c, b)
	}
	d.checkCash(c, b)
	d.checkTreasury(c)
}

// live yields the live permits and those of the earlier legs, which all belong to
// one bot.
func (d *Decision) live(permits map[string]*risk.Permit) iter.Seq[*risk.Permit] {
	return func(yield func(*risk.Permit) bool) {
		for _, p := range d.legs {
			if !yield(p) {
				return
			}
		}
		for _, p := range permits {
			if d.counts(p) && !yield(p) {
				return
			}
		}
	}
}

// counts reports that a permit is live, and will be when the command is decided.
func (d *Decision) counts(p *risk.Permit) bool { return p.Live(d.now) && !d.over(p) }

// checkHalted checks the emergency stop, the breakers, the limits, and that the bot is
// started. An order that only reduces passes where a halt leaves that.
func (d *Decision) checkHalted(c *orderCheck) {
	halts := d.s.Halts(c.order.Bot)
	for _, h := range halts {
		if h.Kind != HaltBot && !d.passes(c, h) {
			d.failHalted(c, h)
		}
	}
	if !c.reducing() || !d.mayClose() {
		d.checkLimits(c, d.s.Bots[c.order.Bot])
	}
	for _, h := range halts {
		if h.Kind == HaltBot && !d.passes(c, h) {
			d.failHalted(c, h)
		}
	}
}

// passes reports whether a halt leaves the order permitted to the caller.
func (d *Decision) passes(c *orderCheck, h Halt) bool {
	return c.reducing() && h.For(d.byOperator()) == LeaveReduce
}

func (d *Decision) failHalted(c *orderCheck, h Halt) {
	switch h.Kind {
	case HaltEmergency:
		c.fail(domain.ReasonEmergencyStop, h.Of, "", "the emergency stop is engaged")
	case HaltBreaker:
		value, limit := d.s.display(h.breaker)
		c.fail(domain.ReasonBreakerTripped, value, limit, "breaker %s is tripped until a person resets it", h.breaker)
	case HaltBot:
		c.fail(domain.ReasonBotStopped, h.Of, "", "the bot is %s; an operator has to start it", h.Of)
	}
}

// checkLimits denies while a value is at its limit, tripped or not.
func (d *Decision) checkLimits(c *orderCheck, b *Bot) {
	if b == nil {
		return
	}
	// Measured on the day of the request, because a preview opens no day.
	_, newDay := d.s.newDay(d.now)
	for r := range risk.Rules() {
		key := risk.Key{Breaker: r.Name}
		if r.Scope == risk.OfBot {
			key.Bot = b.ID
		}
		at := d.s.readBreaker(key, d.now, newDay)
		if at.Rule.Reached(&d.s.Policy, at.Value) && at.Status != risk.Tripped {
			c.fail(domain.ReasonLimitReached, at.Value.Ratio().String(), at.Limit.String(), "%s is at its limit", key)
		}
	}
}

// display returns value and limit of a breaker as responses show them, or empty
// strings if it has none.
func (s *State) display(key risk.Key) (value, limit string) {
	b := s.ReadBreaker(key)
	if !b.On {
		return "", ""
	}
	return b.Value.Ratio().String(), b.Limit.String()
}

// checkMarketOf checks registry, settlement, price and zone.
func (d *Decision) checkMarketOf(c *orderCheck, kind domain.MarketKind) {
	s, o := d.s, c.order
	m := s.Markets[o.Market]
	switch {
	case kind != "" && kind != c.kind:
		c.fail(domain.ReasonMarketMismatch, string(kind), string(c.kind), "the market is of kind %s", c.kind)
	case m != nil && len(m.Outcomes) > 0 && !m.has(o.Outcome) && (!c.reducing() || !s.Policy.Second()):
		c.fail(domain.ReasonMarketMismatch, o.Outcome, "", "the market has no such outcome")
	case c.kind == domain.KindOutcome && domain.One.Less(o.LimitPrice):
		c.fail(domain.ReasonMarketMismatch, o.LimitPrice.String(), "1", "the price of an outcome share is at most 1")
	}
	if payout := s.payoutAt(o.Instrument); payout != nil {
		c.fail(domain.ReasonMarketSettled, payout.String(), "", "the outcome is settled")
	}
	if c.reducing() {
		return
	}
	if o.Side == domain.Sell && c.kind == domain.KindSpot {
		c.fail(domain.ReasonNotReducing, o.Quantity.String(), c.exposure.Reducing.String(), "a spot market cannot be sold short")
	}
	if c.kind == domain.KindOutcome && !c.proven {
		d.checkZone(c)
	}
}

// shortMark returns the price at which an opening sell of a perp is reserved if
// it is above the limit. A perp without a mark has no such price; its worst case
// is unknown, so it cannot be sold short.
func (d *Decision) shortMark(c *orderCheck, in *Instrument) domain.Decimal {
	if c.order.Side != domain.Sell || c.reducing() || c.kind != domain.KindPerp {
		return domain.Zero
	}
	if in == nil || in.Mark() == nil {
		c.fail(domain.ReasonStaleMark, "", "", "a perp that was never marked cannot be sold short: the worst case is unknown")
		return domain.Zero
	}
	return in.Mark().Price
}

// checkZone checks the worst permitted price of the acquired outcome.
func (d *Decision) checkZone(c *orderCheck) {
	p := &d.s.Policy
	price := risk.AcquiredPrice(c.order)
	zone := p.Zone(price)
	switch {
	case zone == 0:
		c.fail(domain.ReasonZoneBlocked, price.String(), "", "the price of the outcome acquired lies outside all zones")
	case slices.Contains(p.BlockedZones, zone):
		c.fail(domain.ReasonZoneBlocked, price.String(), fmt.Sprintf("Z%d", zone), "the price of the outcome acquired lies in blocked zone Z%d", zone)
	}
}

// checkHotWallet: "Above 0.20 for 24 h: … increases denied." It keeps the amount
// that a thief of the hot wallet could take from growing.
func (d *Decision) checkHotWallet(c *orderCheck) {
	if d.s.HotTooLong(d.now) {
		share := treasury.Figures(d.s.holdingsForShare(), &d.s.Custody.Policy).Share
		c.fail(domain.ReasonLimitReached, share.Ratio().String(), domain.MaxHotShare.String(), "the hot wallet has held more than %s of the total for 24 h; move money to the cold wallet", domain.MaxHotShare)
	}
}

// checkMarks denies increases while a mark of an open position of the bot is
// stale. A market that was never marked is not stale.
func (d *Decision) checkMarks(c *orderCheck) {
	age := time.Duration(d.s.Policy.MarkMaxAge)
	if age == 0 {
		return
	}
	var open []*Instrument
	for in, h := range d.s.holdingsOf(c.order.Bot) {
		if !h.IsFlat() && in.Payout == nil {
			open = append(open, in)
		}
	}
	slices.SortFunc(open, compareInstruments)
	for _, in := range open {
		if old, stale := d.s.Stale(in.Instrument, c.order.Bot, d.now); stale {
			c.fail(domain.ReasonStaleMark, old.Round(time.Second).String(), age.String(), "the mark of %s is stale", in.Instrument)
		}
	}
}

// checkCash requires that the reservation fits in the bot's free cash. Buying
// back a short releases its cover. A sell that only closes needs no cash; an
// order whose worst case rounds to 0 does not count as such a sell.
func (d *Decision) checkCash(c *orderCheck, b *Bot) {
	if c.order.Side == domain.Sell && c.reducing() {
		return
	}
	released := d.s.reliefs(b.ID, d.now, d.legs)
	free := b.Cash.Sub(d.reserved(b)).Add(released.sum()).Sub(d.s.shortCover(b.ID))
	if c.order.Side == domain.Buy {
		relief := d.s.relief(b.ID, c.order.Instrument, c.exposure.Reducing).Min(released.left(d.s, b.ID, c.order.Instrument))
		free = free.Add(relief)
		if c.reducing() {
			// This also applies if the bot's shorts have outgrown its cash:
			// buying back for no more than the cover leaves the rest covered no
			// worse.
			free = free.Max(relief.Min(b.Cash.Sub(d.reserved(b))))
		}
	}
	if free.Less(c.reserve) {
		c.fail(domain.ReasonInsufficientCash, c.reserve.String(), free.String(), "the worst case of the order is more than the bot's free cash")
	}
}

// deny records a denial. An identical one within a second is only noted.
func (d *Decision) deny(o domain.Order, reasons []domain.Reason) {
	e := &domain.PermitDenied{Order: o, Reasons: reasons}
	if !d.deniedBefore(o.Bot, denialDigest([]domain.Order{o}, reasons)) {
		d.emit(e)
	}
}

// deniedBefore remembers the denial that a bot has just received.
func (d *Decision) deniedBefore(bot, digest string) bool {
	b := d.s.Bots[bot]
	if b == nil {
		return false
	}
	for _, before := range b.Denied {
		if before.Digest == digest && d.now.Sub(before.Time) < denialWindow {
			d.note("denied for the same reasons", before.Revision)
			return true
		}
	}
	return false
}

// remember keeps a bot's denials while the next one may be identical.
func (b *Bot) remember(denied Denial) {
	b.Denied = slices.DeleteFunc(b.Denied, func(old Denial) bool { return denied.Time.Sub(old.Time) >= denialWindow })
	if len(b.Denied) == maxDenials {
		b.Denied = slices.Delete(b.Denied, 0, 1)
	}
	b.Denied = append(b.Denied, denied)
}

// denialDigest covers the whole request and every reason.
func denialDigest(orders []domain.Order, reasons []domain.Reason) string {
	var parts []string
	for _, o := range orders {
		parts = append(parts, o.Market, o.Outcome, string(o.Side), o.Quantity.String(), o.LimitPrice.String(), o.Fee.String(),
			fmt.Sprint(o.ReduceOnly, o.PaperFill), string(o.Intent))
	}
	for _, r := range reasons {
		parts = append(parts, string(r.Code), r.Value, r.Limit, strconv.Itoa(r.Leg))
	}
	c := digest(strings.Join(parts, "\x00"))
	return hex.EncodeToString(c[:])
}

// PlacePermit records that the order rests at the venue, until its own expiry if
// it has one. It is reported once; an order with another expiry is another order.
func (d *Decision) PlacePermit(id string, expires *time.Time) error {
	p, err := d.livePermit(id)
	if err != nil {
		return err
	}
	if d.positionGone(p) {
		return domain.Errorf(domain.CodeHalted, "the bot is halted, and the position that the order would close is gone, or is smaller than the order now; do not place it, or cancel it, and release its permit")
	}
	said, ahead := expires, d.aheadOf(expires)
	if expires = d.inStream(expires); expires != nil && !d.now.Before(*expires) && !p.Expires(said) {
		return domain.Invalid("expires_at", "is in the past")
	}
	if p.Placed && !p.Timed && p.Digest != "" && p.TimeInForce.Brief() {
		// The signature came first. The order's time runs from when it is placed.
		d.emit(&domain.PermitPlaced{Permit: id, ExpiresAt: expires, Ahead: ahead})
		return nil
	}
	if p.Placed {
		// Earlier builds recorded only the stream's time.
		same := p.Timed || p.Expires(said) || p.Ahead == 0 && (d.still.Behind > 0 || expires != nil && expires.Equal(p.ExpiresAt))
		if !same {
			return &domain.Error{Code: domain.CodeConflict, Field: "expires_at", Message: "differs from the recorded expiry of the placed order; cancel the order, release its permit and request a new one"}
		}
		d.Note(domain.NotedUnchanged, "the order is already working")
		return nil
	}
	d.emit(&domain.PermitPlaced{Permit: id, ExpiresAt: expires, Ahead: ahead})
	return nil
}

// positionGone reports that an order which does not rest yet would open, in a halt, because
// what it was to close is gone: a void may have shown that it was never there.
func (d *Decision) positionGone(p *risk.Permit) bool {
	return d.s.Policy.Second() && !p.Working && p.ReducingLeft.Less(p.Left) && d.s.Leaves(p.Bot, false) != LeaveAll
}

// ReleasePermit returns a reservation: the order was cancelled or never placed.
func (d *Decision) ReleasePermit(id, reason string) error {
	p, err := d.livePermit(id)
	if err != nil {
		return err
	}
	if reason != "" {
		if err := domain.CheckReason("reason", reason); err != nil {
			return err
		}
	}
	d.emit(&domain.PermitReleased{Permit: id, Reason: reason})
	d.releaseOtherLegs(p)
	return nil
}

func (d *Decision) livePermit(id string) (*risk.Permit, error) {
	if err := d.requireOpen(); err != nil {
		return nil, err
	}
	p := d.s.Permits[id]
	if p == nil || !p.Live(d.now) {
		return nil, &domain.Error{Code: domain.CodeNotFound, Field: "permit", Message: "is not live: it is used up, released, revoked or expired, or was never granted"}
	}
	if d.caller.Role == domain.RoleBot && d.caller.Bot != p.Bot {
		return nil, domain.Errorf(domain.CodeDenied, "the permit belongs to another bot")
	}
	return p, nil
}
