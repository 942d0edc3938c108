package portfolio

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"pets/domain"
	"pets/domain/risk"
	"pets/domain/treasury"
)

// SignRequest is an order that a bot wants signed, with its permit.
type SignRequest struct {
	Permit string            `json:"permit"`
	Order  domain.TypedOrder `json:"order"`
}

// SignOrder decides, at the head of the stream, whether an order may be signed.
// The signature may leave the process only after the emitted events are appended.
// A refusal is a normal answer, with every reason, and is recorded too.
func (d *Decision) SignOrder(r SignRequest) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := checkSignRequest(r); err != nil {
		return err
	}
	d.due() // Checked as of now, like permits: overdue legs time out first.
	p := d.s.Permits[r.Permit]
	if obstacles := d.signObstacles(r, p); len(obstacles) > 0 {
		d.refuseSignature(r, obstacles)
		return nil
	}
	if p.Digest == r.Order.Digest {
		d.note("the digest was already signed: the same signature", p.SignedAt)
		return nil
	}
	w := d.s.Custody.Main(domain.WalletHot)
	d.emit(&domain.SignatureMade{
		Purpose: domain.PurposeOrder, Bot: p.Bot, Permit: p.ID, Wallet: w.Wallet, Address: w.Address, Digest: r.Order.Digest,
		Shape: r.Order.Shape, ExpiresAt: d.inStream(r.Order.ExpiresAt), Ahead: d.aheadOf(r.Order.ExpiresAt),
	})
	return nil
}

// SignObstacles returns why an order may not be signed while the wall clock shows
// wall, without recording anything. A clock behind the last record makes no
// expired permit live again.
func (s *State) SignObstacles(wall time.Time, caller domain.Caller, r SignRequest) []domain.SignatureObstacle {
	now, behind := s.ClockAt(wall)
	d := s.Begin(now, caller)
	d.Behind(Standstill{Behind: behind})
	return d.signObstacles(r, s.Permits[r.Permit])
}

func checkSignRequest(r SignRequest) error {
	o := &r.Order
	if err := domain.CheckText("permit", r.Permit); err != nil {
		return err
	}
	for _, text := range [][2]string{
		{"shape", o.Shape}, {"chain", o.Chain}, {"contract", o.Contract}, {"signer", o.Signer}, {"maker", o.Maker}, {"token", o.Token}, {"collateral", o.Collateral},
	} {
		if err := domain.CheckOptionalText(text[0], text[1]); err != nil {
			return err
		}
	}
	switch {
	case !isDigest(o.Digest):
		return domain.Invalid("digest", "must be 64 hex digits")
	case o.Side != domain.Buy && o.Side != domain.Sell:
		return domain.Invalid("side", "must be buy or sell")
	case o.Quantity.Sign() <= 0 || o.Notional.Sign() <= 0:
		return domain.Invalid("quantity", "and notional must be above 0")
	case !o.Quantity.InRange() || !o.Notional.InRange():
		return domain.Invalid("quantity", "and notional must be below 10^15")
	case o.FeeBPS.Sign() < 0 || !o.FeeBPS.InRange():
		return domain.Invalid("fee_bps", "must not be negative, nor reach 10^15")
	}
	return nil
}

// obstacles collects reasons not to sign.
type obstacles []domain.SignatureObstacle

func (o *obstacles) add(code domain.SignatureCode, value, limit, format string, args ...any) {
	*o = append(*o, domain.SignatureObstacle{Code: code, Value: value, Limit: limit, Message: fmt.Sprintf(format, args...)})
}

// signObstacles checks the stop, the breakers, the bot, the permit and all fields
// of the order.
func (d *Decision) signObstacles(r SignRequest, p *risk.Permit) []domain.SignatureObstacle {
	var found obstacles
	s := d.s
	if s.Mode != domain.ModeLive {
		found.add(domain.SignPaper, "", "", "orders of a paper portfolio are never signed")
	}
	if p == nil || !p.Live(d.now) || (d.caller.Role == domain.RoleBot && p.Bot != d.caller.Bot) {
		if s.Stop.Engaged {
			found.add(domain.SignEmergencyStop, s.Stop.Kind, "", "the emergency stop is engaged")
		}
		found.add(domain.SignPermitUnknown, "", "", "the permit is not a live permit of this bot: it was used up, released or revoked, or has expired")
		return found
	}
	d.signHalted(&found, p)
	again := p.Digest == r.Order.Digest
	switch {
	case again:
	case p.Digest != "":
		found.add(domain.SignPermitUsed, "", "", "the permit has signed another order; one permit signs one digest")
	case p.Working:
		found.add(domain.SignPermitUsed, "", "", "an order was already placed under the permit")
	}
	if in := s.Instruments[p.Instrument]; in != nil && in.Payout != nil {
		found.add(domain.SignMarketSettled, in.Payout.String(), "", "the outcome is settled")
	}
	d.signParties(&found, r, p)
	if !again { // A signed order was compared with the permit as it was then.
		signTerms(&found, r, p)
	}
	if e := d.inStream(r.Order.ExpiresAt); e != nil && !d.now.Before(*e) {
		found.add(domain.SignExpiry, r.Order.ExpiresAt.Format(time.RFC3339), "", "the order has already expired")
	}
	return found
}

// signHalted: "While a breaker is tripped only reducing permits sign", where the halt
// leaves that to the caller.
func (d *Decision) signHalted(found *obstacles, p *risk.Permit) {
	s := d.s
	for _, h := range s.Halts(p.Bot) {
		if p.OpeningLeft.IsZero() && h.For(d.byOperator()) == LeaveReduce {
			continue
		}
		switch h.Kind {
		case HaltEmergency:
			found.add(domain.SignEmergencyStop, h.Of, "", "the emergency stop is engaged")
		case HaltBreaker:
			value, limit := s.display(h.breaker)
			found.add(domain.SignBreakerTripped, value, limit, "breaker %s is tripped until a person resets it", h.breaker)
		case HaltBot:
			found.add(domain.SignBotStopped, "", "", "the bot is not running; an operator has to start it")
		}
	}
	if c := &s.Custody; c.Unreconciled() && !p.OpeningLeft.IsZero() {
		found.add(domain.SignUnreconciled, c.Shortage.String(), "0", "two reconciliations in a row found less %s on the chain than is recorded and reserved; no order that opens is signed until one finds no shortage", s.BaseAsset)
	}
	if s.Bots[p.Bot] == nil {
		found.add(domain.SignBotStopped, "", "", "the bot is not running; an operator has to start it")
	}
}

// signParties checks the signer, the payer, the paying asset and the token.
func (d *Decision) signParties(found *obstacles, r SignRequest, p *risk.Permit) {
	o := &r.Order
	w := d.s.Custody.Main(domain.WalletHot)
	if w == nil || w.Chain != o.Chain {
		found.add(domain.SignWalletUnknown, o.Chain, "", "the portfolio has no hot wallet on that chain")
	} else {
		if !treasury.SameAddress(o.Signer, w.Address) || !treasury.SameAddress(o.Maker, w.Address) {
			found.add(domain.SignWrongSigner, "", w.Address, "signer and maker must be the hot wallet")
		}
		if base, _ := w.Asset(d.s.BaseAsset); !treasury.SameAddress(o.Collateral, base.ID) {
			found.add(domain.SignWrongAsset, o.Collateral, base.ID, "the order is paid in another asset than %s", d.s.BaseAsset)
		}
	}
	token := ""
	if m := d.s.Markets[p.Market]; m != nil {
		token = m.Tokens[p.Outcome]
	}
	switch {
	case token == "":
		found.add(domain.SignWrongToken, "", "", "the market is not registered with the token of %s", p.Outcome)
	case o.Token != token:
		found.add(domain.SignWrongToken, "", token, "the order is for another token than that of %s", p.Outcome)
	}
}

// signTerms checks side, quantity, price and fee: "The typed data checked against
// the permit". What the permit was to close may be gone since: the order would
// open exposure then that no rule was asked about, even while a breaker is tripped.
func signTerms(found *obstacles, r SignRequest, p *risk.Permit) {
	o := &r.Order
	if o.Side != p.Side {
		found.add(domain.SignWrongSide, string(o.Side), string(p.Side), "the permit is for the other side")
	}
	if p.Left.Less(o.Quantity) {
		found.add(domain.SignQuantity, o.Quantity.String(), p.Left.String(), "the order is for more than the permit has left")
	}
	if covered := p.OpeningLeft.Add(p.ReducingLeft); covered.Less(o.Quantity) && !p.Left.Less(o.Quantity) {
		found.add(domain.SignPositionGone, o.Quantity.String(), covered.String(), "the position that the order would close is gone, or is smaller than the order now")
	}
	worst := o.Quantity.Mul(p.LimitPrice)
	switch {
	case o.Side == domain.Buy && worst.Less(o.Notional):
		found.add(domain.SignPrice, o.Notional.String(), worst.String(), "the order pays more than quantity × the permitted limit")
	case o.Side == domain.Sell && o.Notional.Less(worst):
		found.add(domain.SignPrice, o.Notional.String(), worst.String(), "the order brings less than quantity × the permitted limit")
	}
	fee := domain.MulDiv(o.Notional, o.FeeBPS, domain.FromInt(10_000))
	if most := domain.MulDiv(p.Fee, o.Quantity, p.Quantity); most.Less(fee) {
		found.add(domain.SignFee, fee.String(), most.String(), "the order accepts a higher fee than the permit reserved")
	}
}

// refuseSignature records a refusal. An identical one within a second is only
// noted.
func (d *Decision) refuseSignature(r SignRequest, found []domain.SignatureObstacle) {
	bot := d.caller.Bot
	if p := d.s.Permits[r.Permit]; p != nil && bot == "" {
		bot = p.Bot
	}
	e := &domain.SignatureRefused{
		Purpose: domain.PurposeOrder, Bot: bot, Permit: r.Permit, Digest: r.Order.Digest, Shape: r.Order.Shape, Reasons: found,
	}
	if !d.deniedBefore(bot, refusalDigest(e)) {
		d.emit(e)
	}
}

// refusalDigest identifies refusals that are coalesced.
func refusalDigest(e *domain.SignatureRefused) string {
	codes := make([]domain.SignatureCode, len(e.Reasons))
	for i, r := range e.Reasons {
		codes[i] = r.Code
	}
	b, err := json.Marshal(struct {
		Sign, Permit, Digest string
		Codes                []domain.SignatureCode
	}{"signature", e.Permit, e.Digest, codes})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
