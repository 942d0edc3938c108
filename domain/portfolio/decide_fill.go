package portfolio

import (
	"cmp"
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
)

// FillReport is what a bot or an importer says about one fill: an order was filled,
// wholly or in part. Its JSON is in request hashes: a field is only ever added, and left
// out where it is not set.
type FillReport struct {
	domain.FillID
	domain.Instrument
	Side     domain.Side    `json:"side"`
	Quantity domain.Decimal `json:"quantity"`
	Price    domain.Decimal `json:"price"`
	// Notional is the cash that moved, if the venue reports it. It then takes
	// precedence over price × quantity, and the mark is notional ÷ quantity.
	Notional *domain.Decimal `json:"notional,omitempty"`
	Fee      domain.Decimal  `json:"fee,omitzero"` // negative is a rebate
	// FeeAsset is what the fee was paid in: the base asset by default, another asset, or
	// the word shares for a fee that the venue kept of what was bought.
	FeeAsset    string     `json:"fee_asset,omitempty"`
	PermitID    string     `json:"permit_id,omitempty"`
	Status      string     `json:"status,omitempty" enum:"confirmed,provisional"` // confirmed by default
	EffectiveAt *time.Time `json:"effective_at,omitempty"`
}

// RecordFill books a fill. A fact is refused only if it is malformed; violations
// are flagged. The trade it closes and the breakers it trips stand in the same
// append.
func (d *Decision) RecordFill(r FillReport) error {
	if _, err := d.requireBot(r.Bot); err != nil {
		return err
	}
	r.Instrument = d.named(r.Instrument)
	if err := d.checkFill(&r); err != nil {
		return err
	}
	e := &domain.FillRecorded{
		FillID: r.FillID, Instrument: r.Instrument, Side: r.Side, Quantity: r.Quantity, Price: r.Price,
		Notional: r.Quantity.Mul(r.Price), Fee: r.Fee, FeeAsset: r.FeeAsset, Permit: r.PermitID, Status: r.Status, EffectiveAt: r.EffectiveAt,
	}
	if r.Notional != nil {
		e.Notional = *r.Notional
	}
	if !e.Notional.InRange() {
		return domain.Invalid("quantity", "times price reaches 10^15")
	}
	answered, again, err := d.knownFill(e)
	if answered || err != nil {
		return err
	}
	if err := d.checkRebate(e); err != nil {
		return err
	}
	if err := d.checkSize(e); err != nil {
		return err
	}
	d.due() // Record due leg time-outs first, because an episode is named after the fill's revision.
	d.priceFee(e)
	e.AsPermitted = again && d.s.asPermitted(e)
	if d.s.Policy.Second() && d.judgesBot() {
		_, permitted := d.permitFlag(e)
		e.OwnWord = !permitted
	}
	fact := d.s.factOf(domain.Stamp{Revision: d.s.Next, Time: d.now}, e)
	d.flagFill(e, fact)
	d.markByFill(e, r.Notional != nil, fact)
	d.flagFacts(e)
	d.bookFill(e, again, fact)
	return nil
}

// book records a fill, as event, with the trades it closes and the breakers it trips,
// in one append. The last paid of the trades were closed by a settlement.
func (d *Decision) book(event domain.Event, e *domain.FillRecorded, paid int) {
	if p := d.s.Permits[e.Permit]; p != nil && p.Live(d.now) && permits(&p.Order, e) && !e.AsPermitted {
		e.Shrunk = d.s.shrinks(d.now, p, e.Quantity)
	}
	if again, is := event.(*domain.FillReinstated); is { // it has a copy of the fill
		again.Shrunk = e.Shrunk
	}
	effects := d.fact(event)
	moved := append([]string(nil), effects.Moved...)
	trades := make([]closing, 0, len(effects.Closed))
	for n, c := range effects.Closed {
		by := domain.ClosedByFill
		if n >= len(effects.Closed)-paid {
			by = d.s.settledBy(e.Instrument)
		}
		trades = append(trades, closing{c, by})
	}
	d.recordClosed(trades)
	d.evaluate(moved)
	if e.Mark != nil { // The mark may reach the limits of orders that rest on paper.
		only := ""
		if d.s.Policy.Second() {
			only = e.Bot
		}
		d.fillRestingOnPaper([]domain.Mark{{Market: e.Market, Outcome: e.Outcome, Price: *e.Mark}}, only)
	}
}

// repeated handles a report whose identity is known: a repeat is ignored, a
// conflicting repeat is refused.
func (d *Decision) repeated(ref FillRef, now Content, note string) error {
	if ref.Content != now {
		return &domain.Error{Code: domain.CodeTradeIDConflict, Field: "trade_id", Message: "is already recorded with different content"}
	}
	d.note(note, ref.Revision)
	return nil
}

func (d *Decision) checkFill(r *FillReport) error {
	if r.Status == "" {
		r.Status = domain.FillConfirmedStatus
	}
	texts := []struct{ field, text string }{{"market", r.Market}, {"outcome", r.Outcome}, {"trade_id", r.TradeID}}
	for _, t := range texts {
		if err := domain.CheckText(t.field, t.text); err != nil {
			return err
		}
	}
	if err := domain.CheckOptionalText("venue", r.Venue); err != nil {
		return err
	}
	if err := cmp.Or(d.checkIdentity("trade_id", r.TradeID), d.checkIdentity("venue", r.Venue)); err != nil {
		return err
	}
	switch {
	case r.Venue == domain.VenuePaper && !d.imported():
		return domain.Invalid("venue", "must not be %s, which is the venue of the engine's own fills; name the venue that the fill is from", domain.VenuePaper)
	case r.Leg < 0 || r.Leg > maxLeg:
		return domain.Invalid("leg", "must be 0 to %d", maxLeg)
	case r.Side != domain.Buy && r.Side != domain.Sell:
		return domain.Invalid("side", "must be buy or sell")
	case r.Quantity.Sign() <= 0:
		return domain.Invalid("quantity", "must be above 0")
	case r.Notional != nil && r.Notional.Sign() < 0:
		return domain.Invalid("notional", "must not be negative; the side gives the direction of the cash")
	case r.Status != domain.FillConfirmedStatus && r.Status != domain.FillProvisionalStatus:
		return domain.Invalid("status", "must be confirmed or provisional")
	}
	if err := domain.CheckOptionalText("permit_id", r.PermitID); err != nil {
		return err
	}
	if err := d.checkFillFee(r); err != nil {
		return err
	}
	return d.checkPrice("price", r.Market, r.Price)
}

// flagFill returns the flags of the fill. An imported history has no permits, so
// a missing permit is not flagged there.
func (d *Decision) flagFill(e *domain.FillRecorded, fact ledger.Fact) {
	s := d.s
	permitted := false
	if !d.imported() {
		var flag string
		flag, permitted = d.permitFlag(e)
		e.Flags = appendFlag(e.Flags, flag)
		if d.feeExceeded(e) {
			e.Flags = append(e.Flags, domain.FlagFeeExceeded)
		}
	}
	if d.haltedFill(e, permitted) {
		e.Flags = append(e.Flags, domain.FlagHalted)
	}
	if permitted && s.legLate(e.Permit, d.now) {
		e.Flags = append(e.Flags, domain.FlagLegLate)
	}
	in := s.Instruments[e.Instrument]
	after := in.preview(e.Bot, fact)
	if e.Side == domain.Sell && s.KindOf(e.Market) != domain.KindPerp && d.oversells(e, after.Quantity, permitted) {
		e.Flags = append(e.Flags, domain.FlagOversold)
	}
	if s.payoutAt(e.Instrument) != nil {
		e.Flags = append(e.Flags, domain.FlagMarketSettled)
	}
	if s.strange(e.Instrument) {
		e.Flags = append(e.Flags, domain.FlagOutcomeUnknown)
	}
}

// oversells reports that a sale leaves a bot short of an outcome without a permit for that.
// One that was granted to close is within its permit if it opens, because market, side,
// quantity and price fit; the short is one that no permit was granted for all the same.
func (d *Decision) oversells(e *domain.FillRecorded, after domain.Decimal, permitted bool) bool {
	if after.Sign() >= 0 {
		return false
	}
	p := d.s.Permits[e.Permit] // of a fill that lives again, the permit may be over
	return !permitted || p == nil || p.OpeningLeft.Less(e.Quantity.Min(after.Neg()))
}

// strange reports that a registered market does not have an outcome that a fact names. The
// first edition does not ask.
func (s *State) strange(i domain.Instrument) bool {
	m := s.Markets[i.Market]
	return m != nil && s.Policy.Second() && len(m.Outcomes) > 0 && !m.has(i.Outcome)
}

// haltedFill reports that a halt forbids a fill: one within a permit that only reduces is
// what a halt of the second edition leaves.
func (d *Decision) haltedFill(e *domain.FillRecorded, permitted bool) bool {
	if !d.s.halted(e.Bot) {
		return false
	}
	if !permitted || !d.s.Policy.Second() {
		return true
	}
	p := d.s.Permits[e.Permit]
	wayOut := p != nil && p.WayOut
	reduces := d.s.execution(e).Opens.IsZero() || wayOut && !p.ReducingLeft.Less(e.Quantity)
	return !reduces || d.s.Leaves(e.Bot, wayOut || d.byOperator()) != LeaveReduce
}

// halted reports that a bot is not allowed to trade now.
func (s *State) halted(bot string) bool {
	b := s.Bots[bot]
	return s.Stop.Engaged || b == nil || b.Status != Running || s.trippedFor(bot)
}

func appendFlag(flags []string, flag string) []string {
	if flag == "" {
		return flags
	}
	return append(flags, flag)
}

// permitFlag compares a fill with its permit. permitted reports that it is wholly
// within one.
func (d *Decision) permitFlag(e *domain.FillRecorded) (flag string, permitted bool) {
	switch {
	case e.AsPermitted:
		return "", true
	case e.Permit == "":
		return domain.FlagNoPermit, false
	}
	p := d.s.Permits[e.Permit]
	if p == nil || !p.Live(d.now) || !permits(&p.Order, e) {
		return domain.FlagPermitNotLive, false
	}
	used := *p
	if !used.Fill(d.s.execution(e), d.s.KindOf(e.Market)) || d.costsMore(&used, e) {
		return domain.FlagPermitExceeded, false
	}
	return "", true
}

// costsMore reports that the cash reported by the venue is worse than the limit
// price by more than the rounding of the base asset, or under the first edition that
// all fees so far are above the permitted fee.
func (d *Decision) costsMore(used *risk.Permit, e *domain.FillRecorded) bool {
	worst, unit := e.Quantity.Mul(used.LimitPrice), d.unit()
	if !d.s.Policy.Second() && d.paysMore(used) {
		return true
	}
	if used.Side == domain.Buy {
		return worst.Add(unit).Less(e.Notional)
	}
	return e.Notional.Add(unit).Less(worst)
}

// paysMore reports that all fees so far are above the permitted fee, by more than the
// rounding of the base asset.
func (d *Decision) paysMore(used *risk.Permit) bool { return used.Fee.Add(d.unit()).Less(used.FeePaid) }

// unit is the smallest amount of the base asset.
func (d *Decision) unit() domain.Decimal {
	unit := domain.One
	for range d.s.BaseDecimals {
		unit = unit.Div(domain.FromInt(10))
	}
	return unit
}

// preview returns the position that a fact would leave.
func (i *Instrument) preview(bot string, f ledger.Fact) ledger.Position {
	return i.held(bot).Preview(f).After
}

// nothing is what a bot holds that holds nothing. It is only read.
var nothing ledger.Holding

// held returns what a bot holds of an instrument, which may be nil. It is only to be read.
func (i *Instrument) held(bot string) *ledger.Holding {
	if i != nil {
		if h := i.Holding(bot); h != nil {
			return &h.Holding
		}
	}
	return &nothing
}

// markByFill decides whether and at what price the fill marks its instrument: under the
// second edition as [Decision.ownMark] says. Under the first, in a live portfolio it does so only if no mark of a feed or an operator is younger
// than mark_max_age, and without a permit it never improves equity.
func (d *Decision) markByFill(e *domain.FillRecorded, byNotional bool, fact ledger.Fact) {
	in := d.s.Instruments[e.Instrument]
	if d.s.payoutAt(e.Instrument) != nil {
		return
	}
	price := e.Price
	if byNotional {
		price = e.Notional.Div(e.Quantity)
	}
	if d.s.Policy.Second() {
		d.markSecond(e, price, fact)
		return
	}
	if d.s.Mode == domain.ModeLive && in != nil {
		if m := in.Mark(); m != nil && (d.fedRecently(m) || d.improvesUnpermitted(e, in, m, price, fact)) {
			return
		}
	}
	e.Mark = &price
}

// markSecond marks under the second edition: only the bot's own holding, and only at a
// price that an outcome share can have.
func (d *Decision) markSecond(e *domain.FillRecorded, price domain.Decimal, fact ledger.Fact) {
	if d.s.KindOf(e.Market) == domain.KindOutcome && domain.One.Less(price) {
		e.Flags = append(e.Flags, domain.FlagPriceOff)
		return
	}
	_, permitted := d.permitFlag(e)
	e.Mark = d.ownMark(e, price, fact, permitted || d.imported()) // an import has no permits
}

func (d *Decision) fedRecently(m *MarkEntry) bool {
	fed := m.Source == string(domain.RoleFeed) || m.Source == string(domain.RoleOperator)
	age := time.Duration(d.s.Policy.MarkMaxAge)
	return fed && (age == 0 || d.now.Sub(m.Time) < age)
}

func (d *Decision) improvesUnpermitted(e *domain.FillRecorded, in *Instrument, m *MarkEntry, price domain.Decimal, fact ledger.Fact) bool {
	if _, permitted := d.permitFlag(e); permitted {
		return false
	}
	held := in.preview(e.Bot, fact).Quantity
	for _, h := range in.Holdings {
		if h.Bot != e.Bot {
			held = held.Add(h.Quantity)
		}
	}
	return held.Sign()*price.Sub(m.Price).Sign() > 0
}

func (d *Decision) tradeClosed(c ClosedEpisode, by string) *domain.TradeClosed {
	opened := c.OpenedAt
	e := &domain.TradeClosed{
		Trade: c.Trade, Bot: c.Bot, Instrument: c.Instrument, Direction: c.Direction(), ClosedBy: by,
		OpenedAt: &opened, TradeFigures: c.Figures(d.s.Policy.LossDust),
	}
	return e
}

// ConfirmFill makes a provisional fill final. The market is needed where the bot has
// fills of the id in several.
func (d *Decision) ConfirmFill(id domain.FillID, market string) error {
	ref, _, known, err := d.findFill(id, market)
	switch {
	case err != nil:
		return err
	case !known:
		return &domain.Error{Code: domain.CodeNotFound, Field: "trade_id", Message: "is not known"}
	}
	switch ref.Status {
	case Voided:
		return domain.Errorf(domain.CodeConflict, "the fill has been voided")
	case Confirmed:
		d.note("the fill is already confirmed", ref.Revision)
	case Provisional:
		d.emit(&domain.FillConfirmed{FillID: id, Market: ref.Market})
	}
	return nil
}

// VoidFill reverses a provisional fill: its position is refolded as if the fill
// had never happened, and the trades that change are revised. A void of a fill
// that has not arrived is kept until it does. The market is needed where the
// id is unknown, or that of several fills.
func (d *Decision) VoidFill(id domain.FillID, market string) error {
	ref, pending, ok, err := d.findFill(id, market)
	switch {
	case err != nil:
		return err
	case !ok && id.Venue == domain.VenuePaper && !d.imported():
		return domain.Invalid("venue", "%s is the venue of the engine's own fills, which are always confirmed", domain.VenuePaper)
	case !ok:
		d.emit(&domain.FillVoided{FillID: id, Market: d.s.identifying(market), Unknown: true})
		return nil
	case ref.Status == Confirmed:
		return domain.Errorf(domain.CodeConflict, "the fill is confirmed and cannot be voided; post an adjustment instead")
	case ref.Status == Voided:
		d.note("the fill is already voided", ref.Revision)
		return nil
	}
	return d.void(id, pending)
}

// void reverses a fill. The number of records is known before anything is
// emitted, so a void with too many later trades is refused without further work.
func (d *Decision) void(id domain.FillID, p *ProvisionalFill) error {
	if err := d.roomToRefold(id, p); err != nil {
		return err
	}
	if err := d.checkVoid(id, p); err != nil {
		return err
	}
	trades := d.revised(id, p)
	if err := d.roomFor(trades); err != nil {
		return err
	}
	moved := append([]string(nil), d.fact(&domain.FillVoided{FillID: id, Market: p.Market, Mark: d.voidMark(id, p)}).Moved...)
	for _, e := range trades {
		d.row(e)
	}
	d.evaluate(moved)
	d.timeOutLegs() // An arbitrage that was complete may be incomplete now.
	return nil
}

// revised records the trades that change after a void: those that had been
// closed, and those that end only now.
func (d *Decision) revised(id domain.FillID, p *ProvisionalFill) []domain.Event {
	in := d.s.Instruments[p.In]
	h := in.Holding(id.Bot)
	if h == nil {
		return nil
	}
	refold, _ := h.Void(id)
	trades := make([]domain.Event, 0, len(refold.Revised)+len(refold.Closed))
	for _, r := range refold.Revised {
		e := d.revision(id.Bot, in, &h.Holding, r)
		e.Fill = id
		trades = append(trades, e)
	}
	for _, e := range refold.Closed {
		trades = append(trades, d.tradeClosed(ClosedEpisode{Bot: id.Bot, Instrument: in.Instrument, Episode: e}, domain.ClosedByVoid))
	}
	if d.s.together(in.Instrument) == nil {
		return trades
	}
	return d.rejoined(id, in, refold, trades)
}

// revision records how one closed trade changed.
func (d *Decision) revision(bot string, in *Instrument, h *ledger.Holding, r ledger.Revision) *domain.TradeRevised {
	was := h.Closings[r.Before.Trade]
	e := &domain.TradeRevised{
		Trade: r.Before.Trade, Bot: bot, Instrument: in.Instrument, Number: was.Number, ResultID: was.Result,
		Before: r.Before.Figures(was.Dust), Open: r.Open, Void: !r.Open && r.After == nil,
	}
	if result := d.s.Bots[bot].Results[was.Result]; result != nil {
		e.Number = result.Number
	}
	if r.After != nil {
		after := r.After.Figures(was.Dust)
		e.After, e.Direction = &after, r.After.Direction()
		e.Repaid, e.Refunded = r.Before.Refunded && !r.After.Refunded, r.After.Refunded && !r.Before.Refunded
	}
	return e
}

// reportedID is the id under which a reported trade is remembered.
func reportedID(e *domain.TradeClosed) domain.FillID {
	return domain.FillID{Bot: e.Bot, TradeID: e.TradeID, Leg: domain.ReportedLeg}
}

// RecordTrade books a closed trade of a bot that reports only results. P&L is
// net; fee says how much of it was fees.
func (d *Decision) RecordTrade(e *domain.TradeClosed) error {
	b, err := d.requireBot(e.Bot)
	if err != nil {
		return err
	}
	if d.s.Policy.Second() && d.s.Mode == domain.ModeLive && d.caller.Role == domain.RoleBot {
		return domain.Errorf(domain.CodeDenied, "a bot's key may not report closed trades of a live portfolio, which no fill proves; report the fills, or have an operator report the trade")
	}
	if err := domain.CheckText("market", e.Market); err != nil {
		return err
	}
	if err := cmp.Or(domain.CheckText("trade_id", e.TradeID), d.checkIdentity("trade_id", e.TradeID)); err != nil {
		return err
	}
	if e.Fee.Sign() < 0 {
		return domain.Invalid("fee", "must not be negative")
	}
	if !e.PnL.Add(e.Fee).InRange() {
		return domain.Invalid("pnl", "plus fee reaches 10^15")
	}
	if ref, ok := d.s.Past.Find(reportedID(e), e.Market); ok {
		return d.repeated(ref, contentOfTrade(e), "this trade is already recorded")
	}
	if err := d.checkReported(b, e); err != nil {
		return err
	}
	d.due() // before the trade is named after its revision
	e.Trade = domain.TradeName(d.s.Next)
	e.ClosedBy = domain.ClosedByReport
	e.Result = ledger.ResultOf(e.PnL, d.s.Policy.LossDust)
	if d.s.halted(e.Bot) {
		e.Flags = []string{domain.FlagHalted}
	}
	if d.s.Policy.Second() && d.s.filledAs(b.ID, e.Market, e.TradeID) {
		e.Flags = append(e.Flags, domain.FlagReportedTwice)
	}
	moved := d.fact(e).Moved
	d.evaluate(moved)
	return nil
}
