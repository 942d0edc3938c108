package portfolio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"pets/domain"
	"pets/domain/ledger"
)

// Adjustment is a correction of the books: the content of an override of kind
// adjustment. Amount is what the account is to have more; a negative one takes.
type Adjustment struct {
	Account string         `json:"account"` // hot:treasury, cold:treasury or hot:bot/<id>
	Asset   string         `json:"asset,omitempty"`
	Amount  domain.Decimal `json:"amount"`
	// Flow: it corrects the deposit or withdrawal that revision Of recorded, as in
	// commands.PostAdjustment.
	Flow bool    `json:"flow,omitempty"`
	Of   *uint64 `json:"of,omitempty"`
}

// event returns the adjustment as it is posted.
func (a *Adjustment) event(reason string) *domain.AdjustmentPosted {
	return &domain.AdjustmentPosted{Account: a.Account, Asset: a.Asset, Amount: a.Amount, Flow: a.Flow, Of: a.Of, Reason: reason}
}

// Adjust corrects an asset account by hand. It may trip a breaker but never
// resets one. In a live portfolio one person alone cannot.
func (d *Decision) Adjust(e *domain.AdjustmentPosted) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if d.s.Mode == domain.ModeLive {
		return domain.Errorf(domain.CodeDenied, "the books of a live portfolio are corrected by two people: POST …/overrides with kind adjustment by an admin, confirmed by another user")
	}
	if err := d.adjustable(e); err != nil {
		return err
	}
	d.adjust(e)
	return nil
}

// adjustable refuses an adjustment that is not one. The default of the asset is the
// base asset.
func (d *Decision) adjustable(e *domain.AdjustmentPosted) error {
	if err := d.requireAsset(&e.Asset); err != nil {
		return err
	}
	account, bot := parseAccount(e.Asset, e.Account)
	if account == (ledger.Account{}) {
		return domain.Invalid("account", "must be hot:treasury, cold:treasury or hot:bot/<id>")
	}
	// Only fees in another asset leave a bot with a balance of it, which can be settled.
	if b := d.s.Bots[bot]; b == nil || b.Other[e.Asset].IsZero() {
		if err := d.requireOwner(bot, e.Asset); err != nil {
			return err
		}
	}
	if e.Amount.IsZero() {
		return domain.Invalid("amount", "must not be 0")
	}
	if err := domain.CheckReason("reason", e.Reason); err != nil {
		return err
	}
	return d.checkFlow(e)
}

// adjust records an adjustment that was checked.
func (d *Decision) adjust(e *domain.AdjustmentPosted) {
	moved := d.fact(e).Moved
	d.evaluate(moved)
}

// parseAccount reads the name of an adjustable account. It returns the zero
// Account for any other name.
func parseAccount(asset, name string) (account ledger.Account, bot string) {
	switch {
	case name == "hot:treasury":
		return ledger.Wallet(asset, domain.WalletHot), ""
	case name == "cold:treasury":
		return ledger.Wallet(asset, domain.WalletCold), ""
	case strings.HasPrefix(name, "hot:bot/"):
		if bot = strings.TrimPrefix(name, "hot:bot/"); bot != "" {
			return ledger.BotCash(asset, bot), bot
		}
	}
	return ledger.Account{}, ""
}

// adjustmentOf reads the content of an override of kind adjustment, and checks it against
// the current state. A correction that takes more than the books say is there corrects
// nothing: no wallet holds less than nothing.
func (d *Decision) adjustmentOf(portfolio string, raw json.RawMessage, reason string) (*domain.AdjustmentPosted, error) {
	var a Adjustment
	if err := domain.DecodeObject(raw, &a); err != nil {
		return nil, &domain.Error{Code: domain.CodeInvalid, Field: "limits", Message: "must be {account, asset, amount} for an override of kind adjustment"}
	}
	switch {
	case portfolio != "":
		return nil, domain.Invalid("portfolio", "is not allowed with adjustment, which concerns this portfolio")
	case d.s.Mode != domain.ModeLive:
		return nil, domain.Errorf(domain.CodeConflict, "the books of a paper portfolio can be corrected by one admin: POST …/adjustments")
	}
	e := a.event(reason)
	if err := d.adjustable(e); err != nil {
		return nil, within("limits", err)
	}
	account, _ := parseAccount(e.Asset, e.Account)
	held := d.s.Book[account]
	switch after := held.Add(e.Amount); {
	case !e.Amount.InRange() || !after.InRange():
		return nil, domain.Invalid("limits.amount", "must not reach 10^15, nor may the account")
	case e.Amount.Sign() < 0 && after.Sign() < 0:
		return nil, domain.Errorf(domain.CodeConflict, "%s holds %s %s in the books, so %s cannot be taken from it", e.Account, held, e.Asset, e.Amount.Neg())
	}
	return e, nil
}

// within puts the name of the outer field before that of an inner one.
func within(outer string, err error) error {
	if e := new(domain.Error); errors.As(err, &e) && e.Field != "" {
		return &domain.Error{Code: e.Code, Field: outer + "." + e.Field, Message: e.Message}
	}
	return err
}

// checkAdjustment completes the request: the asset by its name, and the difference
// between ledger and chain that there is now.
func (d *Decision) checkAdjustment(e *domain.OverrideRequested) error {
	if d.caller.Role != domain.RoleAdmin {
		return domain.Errorf(domain.CodeDenied, "a correction of the books is requested by an admin, and confirmed by an approver")
	}
	a, err := d.adjustmentOf(e.Portfolio, e.Limits, e.Reason)
	if err != nil {
		return err
	}
	if e.Limits, err = json.Marshal(Adjustment{Account: a.Account, Asset: a.Asset, Amount: a.Amount, Flow: a.Flow, Of: a.Of}); err != nil {
		return domain.Errorf(domain.CodeInternal, "the adjustment cannot be written: %v", err)
	}
	e.Difference = d.s.differenceAt(a)
	return nil
}

// confirmAdjustment decides again and posts the adjustment. A difference that is another
// than the approver was shown may be explained already: correcting it twice would make a
// new one.
func (d *Decision) confirmAdjustment(o *Override, e *domain.OverrideRecorded) error {
	a, err := d.adjustmentOf(o.Portfolio, o.Limits, o.Reason)
	if err != nil {
		return err
	}
	switch now := d.s.differenceAt(a); {
	case (now == nil) != (o.Difference == nil), now != nil && *now != *o.Difference:
		return domain.Errorf(domain.CodeConflict, "the difference between ledger and chain at %s is %s %s now, and was %s when this was requested; request it again",
			a.Account, known(now), a.Asset, known(o.Difference))
	}
	d.emit(e)
	a.Override = o.ID
	d.adjust(a)
	return nil
}

func known(difference *domain.Decimal) string {
	if difference == nil {
		return "0"
	}
	return difference.String()
}

// differenceAt returns the unexplained chain − ledger at an adjustment's account, nil if
// there is none.
func (s *State) differenceAt(e *domain.AdjustmentPosted) *domain.Decimal {
	account, _ := parseAccount(e.Asset, e.Account)
	if left, open := s.Custody.Differences[differenceKey(account.Place, account.Asset)]; open {
		return &left
	}
	return nil
}

// adjustmentLines say what an adjustment does, with its sign and in words.
func adjustmentLines(_ *State, o *Override) []string {
	var a Adjustment
	if domain.DecodeObject(o.Limits, &a) != nil {
		return patchLines(o.Limits) // a decision refuses it
	}
	does := fmt.Sprintf("adds %s %s to %s", a.Amount, a.Asset, a.Account)
	if a.Amount.Sign() < 0 {
		does = fmt.Sprintf("takes %s %s from %s", a.Amount.Neg(), a.Asset, a.Account)
	}
	if a.Flow && a.Of != nil {
		does += fmt.Sprintf(", as a correction of the deposit or withdrawal of revision %d, which is no profit or loss", *a.Of)
	}
	return []string{
		quoted("account", a.Account), quoted("asset", a.Asset), line("amount", a.Amount), quoted("in words", does),
	}
}

// differenceLine says how much of the difference that there was when an adjustment was
// requested it explains.
func differenceLine(o *Override) string {
	var a Adjustment
	_ = domain.DecodeObject(o.Limits, &a) // a decision refuses what it cannot read
	return line("chain − ledger", fmt.Sprintf("%s when this was requested, %s after it", o.Difference, o.Difference.Sub(a.Amount)))
}

// Adjusts reports whether an adjustment is exactly what an override says.
func (o *Override) Adjusts(e *domain.AdjustmentPosted) bool {
	var a Adjustment
	if o == nil || domain.DecodeObject(o.Limits, &a) != nil {
		return false
	}
	return o.Kind == domain.OverrideAdjustment && o.ConfirmedBy != "" && o.Reason == e.Reason &&
		a.Account == e.Account && a.Asset == e.Asset && a.Amount == e.Amount &&
		a.Flow == e.Flow && (a.Of == nil) == (e.Of == nil) && (a.Of == nil || *a.Of == *e.Of)
}

// otherAccounts reports whether two adjustments are of different accounts or assets.
func otherAccounts(a, b json.RawMessage) bool {
	var one, other Adjustment
	if domain.DecodeObject(a, &one) != nil || domain.DecodeObject(b, &other) != nil {
		return false
	}
	return one.Account != other.Account || one.Asset != other.Asset
}

// checkFlow checks an adjustment that corrects a deposit or a withdrawal: it takes back
// what was recorded too much, all such together at most its amount.
func (d *Decision) checkFlow(e *domain.AdjustmentPosted) error {
	switch {
	case !e.Flow && e.Of == nil:
		return nil
	case !e.Flow || e.Of == nil:
		return domain.Invalid("of", "names the record of the deposit or withdrawal that is corrected, and belongs to flow")
	case !d.s.Policy.Second():
		return domain.Invalid("flow", "takes the second edition of the rules")
	}
	m := d.s.Refs.Flows.Find(*e.Of)
	if m == nil {
		return &domain.Error{Code: domain.CodeNotFound, Field: "of", Message: "is no deposit or withdrawal whose effect on the references is still known: one of the last 50 flows, without a rebase, a sleep or a debt since. Post the adjustment without flow, and reset with rebase what it trips"}
	}
	if e.Asset != m.Asset || e.Account != m.Wallet+":"+ledger.Treasury {
		return domain.Invalid("account", "must be %s:%s with asset %s, as in the record that is corrected", m.Wallet, ledger.Treasury, m.Asset)
	}
	if all := m.Corrected.Add(e.Amount); all.Sign()*m.Amount.Sign() > 0 || m.Amount.Abs().Less(all.Abs()) {
		return domain.Invalid("amount", "must take back a part of the recorded %s; with earlier corrections it comes to %s", m.Amount, all)
	}
	return nil
}
