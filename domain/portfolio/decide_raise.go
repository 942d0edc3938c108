package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/treasury"
)

// raiseBy is the smallest raise of a fee that nodes accept.
var raiseBy = domain.MustDecimal("0.1")

// LeastRaise is the lowest fee above an approved one that can be asked for.
func LeastRaise(approved domain.Decimal) domain.Decimal {
	return approved.Add(approved.Mul(raiseBy))
}

// RequestRaise asks for a higher fee for an approved transfer whose fee is too low. It is
// a new approval: nothing changes before another user has approved the new hash.
func (d *Decision) RequestRaise(id string, fee domain.Decimal, reason string) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	if err := d.agreed(t); err != nil {
		return err
	}
	former := t.FeeAt(d.now)
	switch {
	case t.Status == treasury.Requested && !t.Lapsed(d.now):
		return domain.Errorf(domain.CodeConflict, "the transfer is not approved yet: reject it, and request it again with another fee")
	case !t.Open() || t.Lapsed(d.now):
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, and its fee cannot be raised", d.statusOf(t))
	case t.Cancel != nil:
		return domain.Errorf(domain.CodeConflict, "the transfer is being cancelled; cancel it again with a higher fee")
	case t.Status == treasury.Prepared && !d.now.Before(t.ExpiresAt):
		return domain.Errorf(domain.CodeConflict, "the transfer could be signed until %s; reject it, and request it again", t.ExpiresAt.Format(time.RFC3339))
	case d.s.Stop.Engaged && !t.Urgent():
		return domain.Errorf(domain.CodeHalted, "the emergency stop (%s) is engaged; until it is cleared, only a sweep or an evacuation gets a higher fee", d.s.Stop.Kind)
	case d.s.Custody.Policy.MaxTransferFee.Less(LeastRaise(former)):
		return domain.Invalid("highest_fee", "must be at least %s %s, a tenth above the approved %s, and max_transfer_fee is %s: two people allow more first (pets override request treasury_policy max_transfer_fee=N), then ask again", LeastRaise(former), t.GasAsset, former, d.s.Custody.Policy.MaxTransferFee)
	case fee.Less(LeastRaise(former)):
		return domain.Invalid("highest_fee", "must be at least a tenth above the approved %s %s, because nodes take no smaller raise", former, t.GasAsset)
	}
	if err := d.notRetired(t); err != nil {
		return err
	}
	if err := d.checkFee(t, fee); err != nil {
		return err
	}
	if more := fee.Sub(t.HighestFee); more.Sign() > 0 && t.GasAsset == t.Asset && d.s.freeIn(t.FromPlace, t.GasAsset, d.now).Less(more) {
		return domain.Invalid("highest_fee", "is more than %s:treasury can give", t.FromPlace)
	}
	d.emit(&domain.TransferRaiseRequested{
		Transfer: id, HighestFee: fee, Hash: t.RaisedHash(d.s.Portfolio, fee), User: d.caller.User, Reason: reason,
		ExpiresAt: d.raiseUntil(t),
	})
	return nil
}

// raiseUntil is when a higher fee that is asked for now lapses. It does not outlive a
// transfer of which nothing is signed yet: the approver's lines say when they expire, and
// the machine of a cold wallet has nothing else to go by.
func (d *Decision) raiseUntil(t *treasury.Transfer) time.Time {
	until := d.now.Add(time.Duration(d.s.Custody.Policy.ApprovalTTL))
	if !t.EverSigned() && t.ExpiresAt.Before(until) {
		return t.ExpiresAt
	}
	return until
}

// checkFee limits a fee to what the policy and the decimals of the coin allow.
func (d *Decision) checkFee(t *treasury.Transfer, fee domain.Decimal) error {
	decimals := domain.Scale
	if w := d.s.Custody.Wallets[t.Wallet]; w != nil {
		if gas, known := w.Gas(); known {
			decimals = gas.Decimals
		}
	}
	switch most := d.s.Custody.Policy.MaxTransferFee; {
	case fee.Sign() <= 0 || most.Less(fee):
		return domain.Invalid("highest_fee", "must be above 0 and at most max_transfer_fee, %s %s", most, t.GasAsset)
	case fee != fee.Trunc(decimals):
		return domain.Invalid("highest_fee", "has more than the %d decimals of %s", decimals, t.GasAsset)
	}
	return nil
}

// approveRaise records the second person's approval of a higher fee.
func (d *Decision) approveRaise(t *treasury.Transfer) error {
	raise := t.WaitingRaise(d.now)
	switch {
	case raise == nil:
		return domain.Errorf(domain.CodeConflict, "the request for a higher fee has expired, or the transfer is over")
	case domain.SameUser(raise.User, d.caller.User):
		return domain.Errorf(domain.CodeDenied, "the user who asked for a higher fee cannot approve it; it takes two people")
	case t.RaisedHash(d.s.Portfolio, raise.HighestFee) != raise.Hash:
		return tampered("hash")
	case !t.EverSigned() && t.ExpiresAt.Before(raise.ExpiresAt): // asked for with an older build
		return domain.Errorf(domain.CodeConflict, "the request for a higher fee would outlive the transfer, which ends at %s: ask for the higher fee again", t.ExpiresAt.Format(time.RFC3339))
	}
	if err := d.agreed(t); err != nil {
		return err
	}
	if err := d.requireLiving(raise.User, raise.Revision); err != nil {
		return err
	}
	if err := d.checkApproval(approval.KindTransfer, t.Transfer); err != nil {
		return err
	}
	d.emit(&domain.TransferApproved{Transfer: t.Transfer, Hash: raise.Hash, User: d.caller.User, Signature: d.signature})
	return nil
}

// RequestCancel asks for a transfer to be cancelled by a transaction with its nonce that
// pays nothing. It takes one person, as a rejection does: no money moves but the fee, which
// the policy limits. fee is 0 for the policy's highest one.
func (d *Decision) RequestCancel(id string, fee domain.Decimal, reason string) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	if fee.IsZero() {
		fee = d.s.Custody.Policy.MaxTransferFee.Max(t.HighestFee)
		if t.Cancel != nil {
			fee = fee.Max(t.Cancel.Payment.HighestFee)
		}
	} else if err := d.checkFee(t, fee); err != nil {
		return err
	}
	switch {
	case !t.UnderWay():
		return domain.Errorf(domain.CodeConflict, "the transfer is %s: no nonce of the wallet is held for it", d.statusOf(t))
	case t.Withdrawable() && t.FromPlace != domain.WalletCold:
		return domain.Errorf(domain.CodeConflict, "nothing of the transfer was sent: reject it")
	case t.Cancel != nil && !t.Cancel.Payment.HighestFee.Less(fee) && t.AttemptsLeft():
		d.Note(domain.NotedUnchanged, "the transfer is being cancelled already, for at most that fee")
		return nil
	case t.Cancel != nil && fee.Less(t.Cancel.Payment.HighestFee): // what was made for the former fee would look tampered with
		return domain.Invalid("highest_fee", "must not be below %s %s, at which the transfer is being cancelled already", t.Cancel.Payment.HighestFee, t.GasAsset)
	}
	w := d.s.Custody.Wallets[t.Wallet]
	if w == nil {
		return domain.Errorf(domain.CodeInternal, "the wallet of the transfer is not known")
	}
	gas, _ := w.Gas()
	pays := domain.TransferRequested{Transfer: id, Kind: domain.TransferCancel, Payment: t.CancelPayment(gas.ID, fee)}
	d.emit(&domain.TransferCancelRequested{
		Transfer: id, AssetID: gas.ID, HighestFee: fee, Hash: treasury.Hash(d.s.Portfolio, &pays), User: d.caller.User, Reason: reason,
	})
	return nil
}
