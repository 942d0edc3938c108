package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/treasury"
)

// TransferRequest is what somebody wants to move.
type TransferRequest struct {
	// From is hot, cold or the name of a wallet; To one of these, or an address of the
	// book.
	From, To string
	Asset    string // the base asset by default
	Amount   domain.Decimal
	// HighestFee is in the chain's coin; 0 is the policy's max_transfer_fee.
	HighestFee domain.Decimal
	Reason     string
	// Sweep empties the hot wallet in an emergency stop; Amount 0 is all the treasury
	// holds there by then.
	Sweep bool
}

// RequestTransfer records the wish to move money, bound to its hash. Nothing moves
// before it was approved where it needs to be, prepared, signed and sent.
func (d *Decision) RequestTransfer(r TransferRequest) error {
	if err := d.requireLive(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", r.Reason); err != nil {
		return err
	}
	if len(d.s.Custody.OpenTransfers()) >= maxOpen {
		return domain.Errorf(domain.CodeConflict, "%d transfers are open, and no more can be; reject those that are not wanted", maxOpen)
	}
	e, err := d.route(r)
	if err != nil {
		return err
	}
	if r.Sweep {
		return d.sweep(e)
	}
	if err := d.checkAmount(e); err != nil {
		return err
	}
	d.request(e)
	return nil
}

// request records a transfer that passed its checks.
func (d *Decision) request(e *domain.TransferRequested) {
	d.due()
	e.Transfer = domain.TransferName(d.s.Next)
	e.User = d.caller.User
	e.ExpiresAt = d.now.Add(time.Duration(d.s.Custody.Policy.ApprovalTTL))
	e.ApprovalFor = treasury.ApprovalFor(e, d.s.worth(e.Asset, e.Amount), d.s.unapproved(e.Wallet, d.now), &d.s.Custody.Policy)
	e.Hash = treasury.Hash(d.s.Portfolio, e)
	d.emit(e)
}

// worth is an amount in base asset, nil where the asset has no mark.
func (s *State) worth(asset string, amount domain.Decimal) *domain.Decimal {
	if asset == s.BaseAsset {
		return &amount
	}
	a := s.Assets[asset]
	if a == nil || !a.Marked {
		return nil
	}
	v := amount.Mul(a.Mark)
	return &v
}

// unapproved is what a wallet's transfers of the last 24 h come to that needed nobody
// to approve them: "the 24-hour sum per sending wallet … of unapproved ones".
func (s *State) unapproved(wallet string, now time.Time) domain.Decimal {
	sum := domain.Zero
	for _, t := range s.Custody.Transfers {
		if t.Wallet != wallet || t.NeedsApproval() || !now.Before(t.CountsUntil()) || t.Status == treasury.Rejected || t.Status == treasury.Expired {
			continue
		}
		if v := s.worth(t.Asset, t.Amount); v != nil {
			sum = sum.Add(*v)
		}
	}
	return sum
}

// route finds out which wallet sends what to whom.
func (d *Decision) route(r TransferRequest) (*domain.TransferRequested, error) {
	c := &d.s.Custody
	from, err := d.wallet("from", r.From)
	if err != nil {
		return nil, err
	}
	if r.Asset == "" {
		r.Asset = d.s.BaseAsset
	}
	asset, known := from.Asset(r.Asset)
	if !known {
		return nil, domain.Invalid("asset", "is not one that wallet %s is registered with", from.Wallet)
	}
	gas, _ := from.Gas()
	if r.HighestFee.IsZero() {
		r.HighestFee = c.Policy.MaxTransferFee
	}
	e := &domain.TransferRequested{
		Kind: domain.TransferInternal, Wallet: from.Wallet, FromPlace: from.Place, Asset: asset.Asset, GasAsset: gas.Asset, Reason: r.Reason,
		Payment: domain.Payment{Chain: from.Chain, AssetID: asset.ID, From: from.Address, Amount: r.Amount, HighestFee: r.HighestFee},
	}
	if err := d.routeTo(e, r.To); err != nil {
		return nil, err
	}
	switch {
	case r.Amount.Sign() < 0 || r.Amount.IsZero() && !r.Sweep:
		return nil, domain.Invalid("amount", "must be above 0")
	case r.Amount != r.Amount.Trunc(asset.Decimals):
		return nil, domain.Invalid("amount", "has more than the %d decimals of %s on its chain", asset.Decimals, asset.Asset)
	case r.HighestFee.Sign() < 0 || c.Policy.MaxTransferFee.Less(r.HighestFee):
		return nil, domain.Invalid("highest_fee", "must be above 0 and at most max_transfer_fee, %s %s", c.Policy.MaxTransferFee, gas.Asset)
	case r.HighestFee != r.HighestFee.Trunc(gas.Decimals):
		return nil, domain.Invalid("highest_fee", "has more than the %d decimals of %s", gas.Decimals, gas.Asset)
	}
	return e, nil
}

// routeTo: to a wallet of the portfolio, or to an address of the book.
func (d *Decision) routeTo(e *domain.TransferRequested, to string) error {
	w, err := d.wallet("to", to)
	if own := d.s.ownAddress(e.Chain, to); own != nil {
		w, err = own, nil
	}
	switch {
	case err == nil:
		e.ToPlace, e.To = w.Place, w.Address
		switch {
		case w.Wallet == e.Wallet:
			return domain.Invalid("to", "is the wallet that sends")
		case w.Chain != e.Chain:
			return domain.Invalid("to", "is on another chain")
		}
		return nil
	case to == domain.WalletHot || to == domain.WalletCold:
		return err
	}
	if err := treasury.CheckAddress("to", to); err != nil {
		return domain.Invalid("to", "must be hot, cold, the name of a wallet, or an address: 0x and 40 hex digits")
	}
	contact := d.s.Custody.Book[treasury.ContactKey(e.Chain, to)]
	if contact == nil {
		return &domain.Error{Code: domain.CodeDenied, Field: "to", Message: "is not in the address book; an admin has to add it first"}
	}
	e.Kind, e.ToPlace, e.To = domain.TransferWithdrawal, domain.PlaceExternal, contact.Address
	return nil
}

// wallet finds a wallet by its name, or the main one of a place.
func (d *Decision) wallet(field, name string) (*treasury.Wallet, error) {
	c := &d.s.Custody
	if w := c.Wallets[name]; w != nil {
		return w, nil
	}
	if name != domain.WalletHot && name != domain.WalletCold {
		return nil, domain.Invalid(field, "must be hot, cold, or the name of a wallet")
	}
	if w := c.Main(name); w != nil {
		return w, nil
	}
	return nil, &domain.Error{Code: domain.CodeConflict, Field: field, Message: "names a place that has no wallet yet"}
}

// checkAmount: what is moved has to be there, and "a request for an outflow that would
// leave equity < 0 is refused".
func (d *Decision) checkAmount(e *domain.TransferRequested) error {
	if free := d.s.freeIn(e.FromPlace, e.Asset); free.Less(e.Amount) {
		return domain.Invalid("amount", "is more than the %s %s that %s:treasury can give; capital of bots has to be taken back first", free, e.Asset, e.FromPlace)
	}
	if v := d.s.worth(e.Asset, e.Amount); e.ToPlace == domain.PlaceExternal && v != nil && d.s.Equity().Less(*v) {
		return domain.Invalid("amount", "would leave the equity of %s below 0", d.s.Equity())
	}
	return nil
}

// sweep empties the hot wallet: the capital of bots is taken back in the same append,
// because their money goes with it.
func (d *Decision) sweep(e *domain.TransferRequested) error {
	switch {
	case e.FromPlace != domain.WalletHot:
		return domain.Invalid("from", "of a sweep is a hot wallet")
	case e.ToPlace == domain.WalletHot:
		return domain.Invalid("to", "of a sweep is the cold wallet, or an address of the book")
	}
	e.Kind = domain.TransferSweep
	if err := d.sweepAllowed(e); err != nil {
		return err
	}
	amount := e.Amount
	if amount.IsZero() {
		amount = d.sweepable(e)
	}
	if amount.Sign() <= 0 {
		return domain.Invalid("amount", "is missing, and by the ledger the hot wallet holds no %s", e.Asset)
	}
	e.Amount = amount
	if e.Asset == d.s.BaseAsset {
		for _, id := range d.s.BotIDs() {
			if cash := d.s.Bots[id].Cash; cash.Sign() > 0 {
				d.emit(&domain.BotCapitalAllocated{Bot: id, Amount: cash.Neg()})
			}
		}
	}
	d.request(e)
	return nil
}

// sweepable is what the ledger has in the hot wallet, to the decimals of the chain.
func (d *Decision) sweepable(e *domain.TransferRequested) domain.Decimal {
	all := d.s.freeIn(domain.WalletHot, e.Asset)
	if e.Asset == d.s.BaseAsset {
		for _, b := range d.s.Bots {
			all = all.Add(b.Cash.Max(domain.Zero))
		}
	}
	asset, _ := d.s.Custody.Wallets[e.Wallet].Asset(e.Asset)
	return all.Trunc(asset.Decimals)
}

// sweepAllowed: "nothing is signed but a sweep to an address that was in the book
// before the stop". A cold wallet registered before it counts as one.
func (d *Decision) sweepAllowed(e *domain.TransferRequested) error {
	stop := d.s.Stop
	if !stop.Engaged {
		return domain.Errorf(domain.CodeConflict, "a sweep needs an engaged emergency stop; ask for a transfer instead")
	}
	known := d.s.knownSince(e)
	if known.IsZero() || !known.Before(stop.Since) {
		return &domain.Error{Code: domain.CodeDenied, Field: "to", Message: "was not known before the emergency stop: a sweep goes only where somebody could send before it"}
	}
	return nil
}

// knownSince is when the recipient of a transfer became one.
func (s *State) knownSince(e *domain.TransferRequested) time.Time {
	if e.ToPlace == domain.PlaceExternal {
		if c := s.Custody.Book[treasury.ContactKey(e.Chain, e.To)]; c != nil {
			return c.At
		}
		return time.Time{}
	}
	if w := s.ownAddress(e.Chain, e.To); w != nil {
		return w.At
	}
	return time.Time{}
}

// ownAddress finds the wallet of an address, nil for none.
func (s *State) ownAddress(chain, address string) *treasury.Wallet {
	for _, w := range s.Custody.Wallets {
		if w.Chain == chain && treasury.SameAddress(w.Address, address) {
			return w
		}
	}
	return nil
}

// requireTransfer finds a transfer.
func (d *Decision) requireTransfer(id string) (*treasury.Transfer, error) {
	if err := d.requireLive(); err != nil {
		return nil, err
	}
	t := d.s.Custody.Transfers[id]
	if t == nil {
		return nil, &domain.Error{Code: domain.CodeNotFound, Field: "transfer", Message: "is not one of this portfolio"}
	}
	return t, nil
}

// ApproveTransfer is the second person's word on exactly this hash. "Approver ≠
// requester by user; one use; expires."
func (d *Decision) ApproveTransfer(id, hash string) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	switch {
	case t.User == d.caller.User:
		return domain.Errorf(domain.CodeDenied, "the user who asked for a transfer cannot approve it; it takes two people")
	case t.Lapsed(d.now):
		return domain.Errorf(domain.CodeConflict, "the transfer waited for too long, and has expired")
	case hash != t.Hash:
		return &domain.Error{Code: domain.CodeConflict, Field: "hash", Message: "is not that of the transfer: look at what is asked for, and approve its hash"}
	case t.Status != treasury.Requested && t.ApprovedBy == d.caller.User && t.ApprovedHash == hash:
		d.Note(domain.NotedUnchanged, "the transfer was approved before")
		return nil
	case t.Status != treasury.Requested:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s; an approval is used once", t.Status)
	}
	d.emit(&domain.TransferApproved{Transfer: id, Hash: hash, User: d.caller.User})
	return nil
}

// RejectTransfer ends a transfer of which nothing was signed. Whoever may ask for one
// or approve one may.
func (d *Decision) RejectTransfer(id, reason string) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	switch {
	case t.Status == treasury.Rejected:
		d.Note(domain.NotedUnchanged, "the transfer was rejected before")
		return nil
	case !t.Waiting() || t.Lapsed(d.now):
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, and cannot be rejected", d.statusOf(t))
	}
	d.emit(&domain.TransferRejected{Transfer: id, User: d.caller.User, Reason: reason})
	return nil
}

func (d *Decision) statusOf(t *treasury.Transfer) treasury.Status {
	if t.Lapsed(d.now) {
		return treasury.Expired
	}
	return t.Status
}

// expireTransfers ends those whose time is over.
func (d *Decision) expireTransfers() {
	if len(d.s.Custody.Transfers) == 0 {
		return
	}
	for _, t := range d.s.Custody.OpenTransfers() {
		if t.Lapsed(d.now) {
			d.add(&domain.TransferExpired{Transfer: t.Transfer})
		}
	}
}

// ExpireTransfers records those whose time is over where nothing else happens that
// would.
func (d *Decision) ExpireTransfers() error {
	if err := d.requireLive(); err != nil {
		return err
	}
	if d.due(); len(d.events) == 0 {
		d.Note(domain.NotedNothing, "no transfer is overdue")
	}
	return nil
}

// TransfersOverdue reports whether a transfer has expired that no record says so of.
func (s *State) TransfersOverdue(now time.Time) bool {
	for _, t := range s.Custody.Transfers {
		if t.Lapsed(now) {
			return true
		}
	}
	return false
}
