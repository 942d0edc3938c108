package portfolio

import (
	"slices"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/treasury"
)

// RetireWallet ends the use of a wallet whose key may have leaked: nothing is sent
// to it any more, it signs no orders, and money leaves it by a sweep or an
// evacuation only. One person may do so, because it opens nothing. It is final.
func (d *Decision) RetireWallet(wallet, reason string) error {
	if err := d.requireLive(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	w := d.s.Custody.Wallets[wallet]
	switch {
	case w == nil:
		return &domain.Error{Code: domain.CodeNotFound, Field: "wallet", Message: "is not registered in this portfolio"}
	case w.Retired():
		d.Note(domain.NotedUnchanged, "the wallet is already retired")
		return nil
	}
	d.emit(&domain.WalletRetired{Wallet: wallet, Reason: reason, User: d.caller.User, TransfersEnded: d.s.endedBy(func(t *treasury.Transfer) bool {
		return t.Wallet == wallet && !t.Urgent() || treasury.SameAddress(t.To, w.Address)
	})})
	return nil
}

// MissKey records that a wallet's key is not in the keystore, or cannot be opened:
// until it is found again, a transfer to the wallet needs an approval.
func (d *Decision) MissKey(e *domain.WalletKeyMissing) error {
	w, err := d.requireWallet(e.Wallet, e.Address)
	if err != nil {
		return err
	}
	if err := domain.CheckOptionalText("detail", e.Detail); err != nil {
		return err
	}
	if w.LoadedAt.IsZero() {
		d.Note(domain.NotedUnchanged, "the key of the wallet is not known to be here")
		return nil
	}
	d.emit(e)
	return nil
}

// notRetired refuses the next step of a transfer to a retired wallet, and of one
// from it that saves no money.
func (d *Decision) notRetired(t *treasury.Transfer) error {
	if from := d.s.Custody.Wallets[t.Wallet]; from != nil && from.Retired() && !t.Urgent() {
		return domain.Errorf(domain.CodeDenied, "wallet %s is retired; money leaves it by a sweep or an evacuation only", from.Wallet)
	}
	if to := d.s.retiredAt(t.To); to != nil {
		return domain.Errorf(domain.CodeDenied, "the receiving wallet %s is retired", to.Wallet)
	}
	return nil
}

// retiredAt finds a retired wallet of an address, on any chain: its key is the same on all.
func (s *State) retiredAt(address string) *treasury.Wallet {
	for _, w := range s.Custody.SortedWallets() {
		if w.Retired() && treasury.SameAddress(w.Address, address) {
			return w
		}
	}
	return nil
}

// evacuate takes money out of a cold wallet whose words may have leaked. Like every
// transfer from cold it takes two people, and is signed by hand. Unlike others it
// does not wait for a breaker or a difference, because a thief does not. So that it is
// no way around them, somebody has to have stopped, or retired the wallet.
func (d *Decision) evacuate(e *domain.TransferRequested) error {
	switch {
	case e.FromPlace != domain.WalletCold:
		return domain.Invalid("from", "of an evacuation must be a cold wallet; a hot one is swept")
	case e.ToPlace == domain.WalletHot:
		return domain.Invalid("to", "of an evacuation must be an address of the book, or another cold wallet")
	case !d.s.Stop.Engaged && !d.s.Custody.Wallets[e.Wallet].Retired():
		return domain.Errorf(domain.CodeConflict, "an evacuation needs an engaged emergency stop, or a retired wallet: retire %s first if its words may have leaked, and otherwise request a transfer", e.Wallet)
	}
	e.Kind = domain.TransferEvacuation
	if err := d.evacuationAllowed(e); err != nil {
		return err
	}
	all := d.evacuable(e)
	if e.Amount.IsZero() {
		e.Amount = all
	}
	if e.Amount.Sign() <= 0 || !e.Amount.InRange() {
		return domain.Invalid("amount", "is missing, and the ledger has no %s in the cold wallet", e.Asset)
	}
	// What the chain was found to have above the ledger can be saved, too.
	if most := all.Add(d.s.Custody.Differences[differenceKey(domain.WalletCold, e.Asset)].Max(domain.Zero)); most.Less(e.Amount) {
		return domain.Invalid("amount", "is more than the %s %s that is in cold, less other evacuations and the fee", most, e.Asset)
	}
	d.request(e)
	return nil
}

// evacuable returns what the ledger has in cold, rounded down to the decimals of
// the chain, less what other evacuations take, and less the fee if it is of the
// same asset.
func (d *Decision) evacuable(e *domain.TransferRequested) domain.Decimal {
	all := d.s.Book[ledger.Wallet(e.Asset, domain.WalletCold)]
	for _, t := range d.s.Custody.Transfers {
		if t.Kind == domain.TransferEvacuation && !t.Lapsed(d.now) {
			all = all.Sub(t.Claims(e.Asset))
		}
	}
	if e.GasAsset == e.Asset {
		all = all.Sub(e.HighestFee)
	}
	asset, _ := d.s.Custody.Wallets[e.Wallet].Asset(e.Asset)
	return all.Trunc(asset.Decimals)
}

// evacuationAllowed requires a recipient that is still known and, in an emergency
// stop, was known before it: a thief with an admin's key cannot add one.
func (d *Decision) evacuationAllowed(e *domain.TransferRequested) error {
	if d.s.Stop.Engaged {
		return d.knownBeforeStop(e)
	}
	if d.s.knownSince(e).IsZero() {
		return domain.Errorf(domain.CodeDenied, "the recipient is no longer in the address book")
	}
	return nil
}

// endedBy names the transfers that were never signed and of which ends holds,
// oldest first.
func (s *State) endedBy(ends func(*treasury.Transfer) bool) []string {
	var ids []string
	for _, t := range s.Custody.OpenTransfers() {
		if t.NeverSigned() && ends(t) {
			ids = append(ids, t.Transfer)
		}
	}
	return ids
}

// endsWithStop reports whether a transfer that was never signed is of no use once
// the emergency stop is cleared.
func (s *State) endsWithStop(t *treasury.Transfer) bool {
	switch t.Kind {
	case domain.TransferEvacuation:
		return false
	case domain.TransferSweep:
		return s.sweepWithoutStop(&t.TransferRequested) != nil
	default: // recorded by an older build, whose stops ended nothing
		return true
	}
}

// GoesOn lists the open transfers that clearing the emergency stop does not end,
// oldest first. Two people read it before they clear.
func (s *State) GoesOn() []*treasury.Transfer {
	return slices.DeleteFunc(s.Custody.OpenTransfers(), func(t *treasury.Transfer) bool { return t.NeverSigned() && s.endsWithStop(t) })
}
