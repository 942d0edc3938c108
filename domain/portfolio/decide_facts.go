package portfolio

import (
	"strings"

	"pets/domain"
	"pets/domain/ledger"
)

// Facts under the second edition: fees that are signed and in another asset, funding,
// and what a bot's key may say of itself in a live portfolio.

// maxLeg is the highest leg of a fill.
const maxLeg = 1000

// liveShare is the part of the notional that a bot's key may report as a rebate, and of
// a position's value as funding, in one report. It stops a slip, such as a misplaced point. It
// does not stop a liar, who reports as often as it likes.
var liveShare = domain.MustDecimal("0.05")

// checkFillFee checks the fee of a fill. A rebate is negative.
func (d *Decision) checkFillFee(r *FillReport) error {
	if !d.s.Policy.Second() {
		switch {
		case r.FeeAsset != "":
			return domain.Invalid("fee_asset", "needs the second edition of the rules, which the portfolio has not adopted")
		case r.Fee.Sign() < 0:
			return domain.Invalid("fee", "must not be negative; record a rebate as a fee of kind rebate")
		}
		return nil
	}
	switch r.FeeAsset {
	case "", d.s.BaseAsset:
		r.FeeAsset = ""
	case domain.FeeShares:
		switch {
		case r.Side != domain.Buy:
			return domain.Invalid("fee_asset", "is shares only where shares are bought")
		case r.Fee.Sign() < 0 || !r.Fee.Less(r.Quantity):
			return domain.Invalid("fee", "in shares must be at least 0 and below the quantity")
		}
	default:
		if err := checkAsset("fee_asset", r.FeeAsset); err != nil || d.imported() {
			return err
		}
		if strings.EqualFold(r.FeeAsset, domain.FeeShares) {
			return domain.Invalid("fee_asset", "is written %s if it means what was bought", domain.FeeShares)
		}
		return d.s.checkNewName("fee_asset", r.FeeAsset) // in a look-alike the fee would be owed and never paid
	}
	return nil
}

// feeValue returns what the fee of a fill is worth in the base asset: 0 in an asset
// without a mark, and in shares, which cost what all of them cost.
func (s *State) feeValue(e *domain.FillRecorded) (value domain.Decimal, priced bool) {
	switch e.FeeAsset {
	case "":
		return e.Fee, true
	case domain.FeeShares:
		return domain.Zero, true
	}
	a := s.Assets[e.FeeAsset]
	if a == nil || !a.Marked {
		return domain.Zero, false
	}
	return e.Fee.Mul(a.Mark), true
}

// checkRebate refuses a rebate that a bot's key may not report, and a fee whose value
// is out of range.
func (d *Decision) checkRebate(e *domain.FillRecorded) error {
	value, priced := d.s.feeValue(e)
	switch {
	case !value.InRange():
		return domain.Invalid("fee", "is worth 10^15 or more at the mark of %s", e.FeeAsset)
	case e.Fee.Sign() >= 0 || !d.judgesBot():
		return nil
	case !priced:
		return &domain.Error{Code: domain.CodeDenied, Field: "fee", Message: "is a rebate in " + e.FeeAsset + ", which has no mark; in a live portfolio an operator reports it"}
	case e.Notional.Mul(liveShare).Less(value.Neg()):
		return &domain.Error{Code: domain.CodeDenied, Field: "fee", Message: "is a rebate above 5 % of the notional; in a live portfolio an operator reports it"}
	}
	return nil
}

// priceFee records what a fee in another asset is worth now.
func (d *Decision) priceFee(e *domain.FillRecorded) {
	if e.FeeAsset != "" {
		e.FeeValue, _ = d.s.feeValue(e)
	}
}

// judgesBot reports that the caller is a bot in a live portfolio.
func (d *Decision) judgesBot() bool {
	return d.s.Mode == domain.ModeLive && d.caller.Role == domain.RoleBot
}

// knownFill answers a report of a fill that is known. It returns false for a fill that
// is to be booked: one that is new, or one that lives again.
func (d *Decision) knownFill(e *domain.FillRecorded) (answered, again bool, err error) {
	ref, _, ok := d.s.fill(e.FillID, e.Market)
	content := contentOfFill(e)
	if older := d.s.formerly(e); ok && older != nil && contentOfFill(older) == ref.Content {
		content = ref.Content
	}
	switch {
	case !ok:
		return false, false, nil
	case ref.Content == (Content{}):
		// It was voided before it arrived: it posts nothing. It is recorded once, and is a
		// repeat from then on, so that the records of an id stay few.
		e.Flags = []string{domain.FlagVoided}
		d.fact(e)
		return true, false, nil
	case ref.Status != Voided || ref.Early || ref.Market == "":
		return true, false, d.repeated(ref, content, "this fill is already recorded")
	case e.Status == domain.FillProvisionalStatus:
		return true, false, &domain.Error{Code: domain.CodeVoided, Field: "trade_id", Message: "was voided; if the fill stands after all, report it as confirmed"}
	}
	return false, true, nil
}

// asPermitted reports that a voided fill was within its permit, and lives again just as it was:
// only that it is confirmed now may differ.
func (s *State) asPermitted(e *domain.FillRecorded) bool {
	ref, _, ok := s.fill(e.FillID, e.Market)
	was := *e
	was.Status = domain.FillProvisionalStatus
	if !ok || !ref.Within {
		return false
	}
	older := s.formerly(&was)
	return ref.Content == contentOfFill(&was) || older != nil && ref.Content == contentOfFill(older)
}

// flagFacts flags what is remarkable about a fill under the second edition, apart from
// halts and marks.
func (d *Decision) flagFacts(e *domain.FillRecorded) {
	if _, priced := d.s.feeValue(e); !priced {
		e.Flags = append(e.Flags, domain.FlagFeeUnpriced)
	}
	if d.s.Policy.Second() && d.s.reportedTwice(e) {
		e.Flags = append(e.Flags, domain.FlagReportedTwice)
	}
}

// feeExceeded reports that a fill of a permit brought its fees above what was reserved.
// Under the second edition that is flagged, and the fill is within the permit.
func (d *Decision) feeExceeded(e *domain.FillRecorded) bool {
	p := d.s.Permits[e.Permit]
	if !d.s.Policy.Second() || p == nil || !p.Live(d.now) || !permits(&p.Order, e) || e.FeeAsset != "" || e.AsPermitted {
		return false
	}
	used := *p
	used.Fill(d.s.execution(e), d.s.KindOf(e.Market))
	return d.paysMore(&used)
}

// orderFee returns the fee of an order that names none. Under the second edition that
// of a sell is reserved at the price it may be filled at: 1 in outcome markets, else
// the higher of limit and mark.
func (d *Decision) orderFee(o domain.Order) domain.Decimal {
	price := o.LimitPrice
	if d.s.Policy.Second() && o.Side == domain.Sell {
		price = price.Max(d.highestPrice(o))
	}
	return d.defaultFee(o.Quantity.Mul(price))
}

func (d *Decision) highestPrice(o domain.Order) domain.Decimal {
	if d.s.KindOf(o.Market) == domain.KindOutcome {
		return domain.One
	}
	if in := d.s.Instruments[o.Instrument]; in != nil {
		if mark, ok := in.priceFor(o.Bot); ok {
			return mark
		}
	}
	return domain.Zero
}

// RecordFunding books what holding a position brought (positive) or cost. It is a fact.
func (d *Decision) RecordFunding(e *domain.FundingRecorded) error {
	if _, err := d.requireBot(e.Bot); err != nil {
		return err
	}
	for _, t := range []struct{ field, text string }{{"market", e.Market}, {"outcome", e.Outcome}, {"funding_id", e.FundingID}} {
		if err := domain.CheckText(t.field, t.text); err != nil {
			return err
		}
	}
	if err := d.checkIdentity("funding_id", e.FundingID); err != nil {
		return err
	}
	if e.Amount.IsZero() {
		return domain.Invalid("amount", "must not be 0")
	}
	e.Instrument = d.named(e.Instrument)
	if ref, ok := d.s.Past.Find(fundingID(e), e.Market); ok {
		if ref.Content != contentOfFunding(e) {
			return &domain.Error{Code: domain.CodeConflict, Field: "funding_id", Message: "is already recorded with different content"}
		}
		d.note("this funding is already recorded", ref.Revision)
		return nil
	}
	if err := d.checkBotFunding(e); err != nil {
		return err
	}
	if err := d.checkFunding(e); err != nil {
		return err
	}
	moved := d.fact(e).Moved
	d.evaluate(moved)
	return nil
}

// checkBotFunding refuses what a bot's key may not report in a live portfolio.
func (d *Decision) checkBotFunding(e *domain.FundingRecorded) error {
	if !d.judgesBot() {
		return nil
	}
	var h *Holding
	if in := d.s.Instruments[e.Instrument]; in != nil {
		h = in.Holding(e.Bot)
	}
	switch {
	case d.s.KindOf(e.Market) != domain.KindPerp || h == nil || h.IsFlat():
		return &domain.Error{Code: domain.CodeDenied, Field: "market", Message: "has no open perp position of the bot; in a live portfolio an operator reports such funding"}
	case h.Value.Abs().Mul(liveShare).Less(e.Amount.Abs()):
		return &domain.Error{Code: domain.CodeDenied, Field: "amount", Message: "is above 5 % of the position's value of " + h.Value.Abs().String() + "; in a live portfolio an operator reports it"}
	}
	return nil
}

func fundingID(e *domain.FundingRecorded) domain.FillID {
	return domain.FillID{Bot: e.Bot, TradeID: e.FundingID, Leg: domain.FundingLeg}
}

func contentOfFunding(e *domain.FundingRecorded) Content {
	return digest(e.Market, e.Outcome, e.Amount.String())
}

// bookFill records a fill with the trades it closes and the breakers it trips, in one
// append. again reports that it is a voided one that lives again.
func (d *Decision) bookFill(e *domain.FillRecorded, again bool, fact ledger.Fact) {
	if !again {
		d.book(e, e, 0)
		return
	}
	paid := 0
	if in := d.s.Instruments[e.Instrument]; in != nil && in.Payout != nil && !in.preview(e.Bot, fact).IsFlat() {
		paid = 1 // what is left after it is settled at once
	}
	d.book(&domain.FillReinstated{FillRecorded: *e}, e, paid)
}
