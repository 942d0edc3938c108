package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/treasury"
)

// TransferRequest is what somebody wants to move. Its JSON is in request hashes: a field is
// only ever added, and left out where it is not set.
type TransferRequest struct {
	// From is hot, cold or the name of a wallet. To is one of these, or an
	// address of the book.
	From  string `json:"from"`
	To    string `json:"to"`
	Asset string `json:"asset,omitempty"` // the base asset by default
	// Amount is needed but for a sweep: there 0 is all that the treasury holds by then.
	Amount domain.Decimal `json:"amount,omitzero"`
	// HighestFee is the most that may be paid for it, in the chain's coin; the policy's
	// max_transfer_fee by default.
	HighestFee domain.Decimal `json:"highest_fee,omitzero"`
	Reason     string         `json:"reason"`
	// Sweep empties a hot wallet in an emergency stop, or one that is retired.
	Sweep bool `json:"sweep,omitempty"`
	// Evacuate empties a cold wallet whose words may have leaked.
	Evacuate bool `json:"evacuate,omitempty"`
}

func (r *TransferRequest) urgent() bool { return r.Sweep || r.Evacuate }

// RequestTransfer records a requested transfer, bound to its hash. Nothing moves
// before the transfer is approved (if necessary), prepared, signed and sent.
func (d *Decision) RequestTransfer(r TransferRequest) error {
	if err := d.requireLive(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", r.Reason); err != nil {
		return err
	}
	if err := d.checkOpen(r.urgent()); err != nil {
		return err
	}
	e, err := d.route(r)
	switch {
	case err != nil:
		return err
	case r.Sweep && r.Evacuate:
		return domain.Invalid("evacuate", "does not go with sweep: one is for a hot wallet, the other for a cold one")
	case r.Sweep:
		return d.sweep(e)
	case r.Evacuate:
		return d.evacuate(e)
	case d.s.Stop.Engaged: // Otherwise it would go on by itself once the stop is cleared.
		return domain.Errorf(domain.CodeHalted, "the emergency stop (%s) is engaged; until two people have cleared it only a sweep or an evacuation can be asked for", d.s.Stop.Kind)
	}
	if err := d.checkAmount(e); err != nil {
		return err
	}
	d.request(e)
	return nil
}

// checkOpen limits how many transfers are open.
func (d *Decision) checkOpen(urgent bool) error {
	most := maxOpen
	if urgent {
		most += maxSweeps
	}
	if open := len(d.s.Custody.OpenTransfers()); open >= most {
		return domain.Errorf(domain.CodeConflict, "%d transfers are open, which is the limit; reject those that are not wanted", open)
	}
	return nil
}

// request records a transfer that passed its checks.
func (d *Decision) request(e *domain.TransferRequested) {
	d.due()
	e.Transfer = domain.TransferName(d.s.Next)
	e.User = d.caller.User
	e.ExpiresAt = d.now.Add(time.Duration(d.s.Custody.Policy.ApprovalTTL))
	e.ApprovalFor = d.approvalFor(e)
	if e.ToPlace == domain.WalletHot && !d.s.keyIsHere(e) {
		e.ApprovalFor = append(e.ApprovalFor, "the key of the receiving wallet was not found here")
	}
	if d.s.toNew(e, d.now) {
		treasury.NeedTwo(e)
	}
	e.ToName, e.ToSince = d.s.recipient(e)
	e.Hash = treasury.Hash(d.s.Portfolio, e)
	d.emit(e)
}

// toNew reports whether the recipient of a transfer is new, whatever it is called: an address
// of the book, or a wallet of any place.
func (s *State) toNew(e *domain.TransferRequested, now time.Time) bool {
	if e.ToPlace == domain.PlaceExternal {
		c := s.Custody.Book[treasury.ContactKey(e.Chain, e.To)]
		return c == nil || c.New(now)
	}
	w := s.ownAddress(e.Chain, e.To)
	return w == nil || w.New(s.Custody.Wallets, now)
}

// recipient returns what people call the recipient of a transfer, and when it was added: the
// label of the address book, or the name of the wallet.
func (s *State) recipient(e *domain.TransferRequested) (name string, since time.Time) {
	if e.ToPlace == domain.PlaceExternal {
		if c := s.Custody.Book[treasury.ContactKey(e.Chain, e.To)]; c != nil {
			return c.Label, c.At
		}
		return "", time.Time{}
	}
	if w := s.ownAddress(e.Chain, e.To); w != nil {
		return w.Wallet, w.At
	}
	return "", time.Time{}
}

// approvalFor says why a transfer needs a second person, by its places and its value.
func (d *Decision) approvalFor(e *domain.TransferRequested) []string {
	return treasury.ApprovalFor(e, d.markedValue(e.Asset, e.Amount), d.unapproved(e.Wallet), &d.s.Custody.Policy)
}

// Unfounded reports whether a request that says that it needs no approval needs one, or could
// not have been decided at that time: whoever can write to the store can leave the reasons
// out, and send any amount anywhere. What needs no approval goes from one hot wallet of the
// portfolio to another one whose key was found here, below the threshold. s is the state
// before the record.
func (s *State) Unfounded(e *domain.TransferRequested, now time.Time) bool {
	t := treasury.Transfer{TransferRequested: *e}
	if t.ApprovalsNeeded() > 0 {
		return false // people sign what it says
	}
	if own := s.ownAddress(e.Chain, e.To); own == nil || own.Place != domain.WalletHot {
		return true
	}
	if !s.SignedApprovals { // older builds had other thresholds, and anybody can write an approval
		return false
	}
	d := &Decision{s: s, now: now, caller: domain.Caller{User: e.User}} // without Begin: an Apply asks, too
	asked, err := d.route(TransferRequest{From: e.Wallet, To: e.To, Asset: e.Asset, Amount: e.Amount, HighestFee: e.HighestFee})
	return err != nil || asked.Payment != e.Payment || asked.Wallet != e.Wallet || asked.Kind != e.Kind || asked.FromPlace != e.FromPlace || asked.ToPlace != e.ToPlace ||
		asked.GasAsset != e.GasAsset || e.FromPlace != domain.WalletHot || !s.keyIsHere(e) || len(d.approvalFor(e)) > 0
}

// keyIsHere reports whether the keystore was shown to hold the recipient's key. A
// wallet that is only declared to be ours counts as a stranger's.
func (s *State) keyIsHere(e *domain.TransferRequested) bool {
	w := s.ownAddress(e.Chain, e.To)
	return w != nil && !w.LoadedAt.IsZero()
}

// worth returns an amount in base asset, or nil if the asset has no mark.
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

// markedValue returns an amount in base asset, or nil if no mark counts for the
// approval threshold: "only marks of role feed that the requester did not make".
// Whoever asks could otherwise lower the value first. A stale mark does not count
// either.
func (d *Decision) markedValue(asset string, amount domain.Decimal) *domain.Decimal {
	if asset == d.s.BaseAsset {
		return &amount
	}
	a := d.s.Assets[asset]
	if a == nil {
		return nil
	}
	age := time.Duration(d.s.Policy.MarkMaxAge)
	for _, m := range a.FeedMarks {
		if domain.SameUser(m.User, d.caller.User) || age > 0 && d.now.Sub(m.At) >= age {
			continue
		}
		v := amount.Mul(m.Price)
		return &v
	}
	return nil
}

// unapproved sums a wallet's transfers of the last 24 h that did not need
// approval: "the 24-hour sum per sending wallet … of unapproved ones". It is nil
// if one of them has no value that counts.
func (d *Decision) unapproved(wallet string) *domain.Decimal {
	sum := domain.Zero
	for _, t := range d.s.Custody.Transfers {
		if t.Wallet != wallet || !t.Counts(d.now) {
			continue
		}
		v := d.markedValue(t.Asset, t.Amount)
		if v == nil {
			return nil
		}
		sum = sum.Add(*v)
	}
	return &sum
}

// route resolves the sending wallet, the asset and the recipient.
func (d *Decision) route(r TransferRequest) (*domain.TransferRequested, error) {
	c := &d.s.Custody
	from, err := d.wallet("from", r.From)
	if err != nil {
		return nil, err
	}
	if r.Asset == "" {
		r.Asset = d.s.BaseAsset
	}
	if from.Retired() && !r.urgent() {
		return nil, domain.Errorf(domain.CodeDenied, "wallet %s is retired; money leaves it by a sweep or, if it is cold, an evacuation only", from.Wallet)
	}
	asset, known := from.Asset(r.Asset)
	if !known {
		return nil, domain.Invalid("asset", "is not an asset that wallet %s is registered with", from.Wallet)
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
	case r.Amount.Sign() < 0 || r.Amount.IsZero() && !r.urgent():
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

// routeTo resolves a recipient: a wallet of the portfolio, or an address of the
// book.
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
			return domain.Invalid("to", "is the sending wallet")
		case w.Retired():
			return &domain.Error{Code: domain.CodeDenied, Field: "to", Message: "is wallet " + w.Wallet + ", which is retired: nothing is sent to it any more"}
		case w.Chain != e.Chain:
			return domain.Invalid("to", "is on another chain")
		}
		if _, known := w.Asset(e.Asset); !known {
			return domain.Invalid("to", "is wallet %s, which is not registered with %s: the money would not be counted when it arrives", w.Wallet, e.Asset)
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
	if err := d.s.notToken("to", e.Chain, to); err != nil {
		return err
	}
	if w := d.s.retiredAt(to); w != nil { // in the book since before it was retired
		return &domain.Error{Code: domain.CodeDenied, Field: "to", Message: "is the address of wallet " + w.Wallet + ", which is retired: nothing is sent to it any more"}
	}
	e.Kind, e.ToPlace, e.To = domain.TransferWithdrawal, domain.PlaceExternal, contact.Address
	return nil
}

// wallet finds a wallet by its name, or the main wallet of a place.
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
	return nil, &domain.Error{Code: domain.CodeConflict, Field: field, Message: "names a place that has no wallet, or only retired ones"}
}

// checkAmount requires that the amount is available, including the fee if it is
// of the same asset. "A request for an outflow that would leave equity < 0 is
// refused", counting all open outflows together.
func (d *Decision) checkAmount(e *domain.TransferRequested) error {
	t := treasury.Transfer{TransferRequested: *e, Status: treasury.Requested}
	if free := d.s.freeIn(e.FromPlace, e.Asset, d.now); free.Less(t.Claims(e.Asset)) {
		return domain.Invalid("amount", "is more than the %s %s that %s:treasury can give; take back capital of bots first", free, e.Asset, e.FromPlace)
	}
	v := d.s.worth(e.Asset, e.Amount)
	if e.ToPlace != domain.PlaceExternal || v == nil {
		return nil
	}
	if left := d.s.Equity().Sub(d.s.leaving(d.now)); left.Less(*v) {
		return domain.Invalid("amount", "would leave the equity, which is %s after open transfers, below 0", left)
	}
	return nil
}

// leaving returns what open transfers take out of the portfolio, in base asset.
func (s *State) leaving(now time.Time) domain.Decimal {
	sum := domain.Zero
	for _, t := range s.Custody.Transfers {
		if t.ToPlace != domain.PlaceExternal || !t.Open() || t.Lapsed(now) {
			continue
		}
		if v := s.worth(t.Asset, t.Amount); v != nil {
			sum = sum.Add(*v)
		}
	}
	return sum
}

// ownAddress finds the wallet of an address, or returns nil.
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
		return nil, &domain.Error{Code: domain.CodeNotFound, Field: "transfer", Message: "is not a transfer of this portfolio"}
	}
	return t, nil
}
