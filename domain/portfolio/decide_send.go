package portfolio

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
	"pets/domain/treasury"
)

// PreparedTransaction is a transfer as a transaction, and what its bytes say.
type PreparedTransaction struct {
	Transaction json.RawMessage
	Nonce       uint64
	Digest      string
	// Says is read back from the transaction, not from the transfer.
	Says domain.Payment
	// Cancel: it only uses the nonce of a transfer that is to be cancelled.
	Cancel bool
}

// sendable reports whether anything of a transfer may be signed or sent now: "the
// key sits behind the breaker". In an emergency stop only sweeps and evacuations
// may. While a breaker is tripped, or ledger and chain differ, nothing else may
// either.
func (d *Decision) sendable(t *treasury.Transfer) error {
	if t.Cancel != nil {
		return d.cancellable(t)
	}
	if err := d.barred(t); err != nil || t.Urgent() {
		return err
	}
	if err := d.unhalted(); err != nil {
		return err
	}
	return d.inBook(t)
}

// barred reports whether a transfer can not go on even if nothing is halted.
func (d *Decision) barred(t *treasury.Transfer) error {
	if err := d.notRetired(t); err != nil {
		return err
	}
	switch t.Kind {
	case domain.TransferSweep:
		return d.sweepAllowed(&t.TransferRequested)
	case domain.TransferEvacuation:
		return d.evacuationAllowed(&t.TransferRequested)
	}
	return nil
}

// inBook refuses a recipient that was taken out of the address book.
func (d *Decision) inBook(t *treasury.Transfer) error {
	if t.ToPlace == domain.PlaceExternal && d.s.Custody.Book[treasury.ContactKey(t.Chain, t.To)] == nil {
		return domain.Errorf(domain.CodeDenied, "the recipient is no longer in the address book")
	}
	return d.s.notToken("to", t.Chain, t.To)
}

// Barred says why nothing more of a transfer is signed or sent, but what cancels it, whatever
// is cleared or reset; nil if nothing bars it.
func (s *State) Barred(t *treasury.Transfer) error {
	d := &Decision{s: s, now: s.Time} // readers share the state, so nothing of it is touched
	if err := d.barred(t); err != nil || t.Urgent() {
		return err
	}
	return d.inBook(t)
}

// cancellable reports whether the transaction that cancels a transfer may be signed or
// sent now. It goes nowhere, so a retired wallet, an address that is no longer in the book
// and an expired approval are no reason to refuse it; nor is a difference, because it pays
// nobody, and what is on its way can keep a difference from being measured. While
// everything is halted it waits, as everything does that saves no money; but that of a
// sweep or an evacuation frees the wallet for the next one, and does not wait.
func (d *Decision) cancellable(t *treasury.Transfer) error {
	if t.Urgent() {
		return nil
	}
	return d.untripped()
}

// untripped reports whether no stop and no breaker halts what saves no money.
func (d *Decision) untripped() error {
	if d.s.Stop.Engaged {
		return domain.Errorf(domain.CodeHalted, "the emergency stop (%s) is engaged; only a sweep or an evacuation is signed", d.s.Stop.Kind)
	}
	for _, key := range d.s.BreakerKeys() {
		if d.s.Breaker(key).Status == risk.Tripped {
			return domain.Errorf(domain.CodeHalted, "breaker %s is tripped; nothing is signed until a person resets it", key)
		}
	}
	return nil
}

// unhalted reports whether anything but a sweep, an evacuation or a cancellation may be
// signed or sent now.
func (d *Decision) unhalted() error {
	if err := d.untripped(); err != nil {
		return err
	}
	if len(d.s.Custody.Differences) > 0 {
		return domain.Errorf(domain.CodeHalted, "ledger and chain differ (%s); explain it by an adjustment, or reconcile again", d.s.firstDifference())
	}
	return nil
}

func (s *State) firstDifference() string {
	keys := make([]string, 0, len(s.Custody.Differences))
	for key := range s.Custody.Differences {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys[0] + " by " + s.Custody.Differences[keys[0]].String()
}

// Sendable reports, without recording, whether the next step of a transfer is
// allowed.
func (s *State) Sendable(id string) error {
	d := s.Begin(s.Time, domain.Caller{})
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	if t.Status == treasury.Requested || !t.Open() {
		return domain.Errorf(domain.CodeConflict, "the transfer is %s", t.Status)
	}
	if err := d.intact(t); err != nil {
		return err
	}
	if t.Unfounded && t.Cancel == nil {
		return tampered("approval_for")
	}
	return d.sendable(t)
}

// ErrTampered means that the transfer to be sent is not the approved one: it was
// changed afterwards. Callers engage an emergency stop of kind security_breach.
var ErrTampered error = domain.Errorf(domain.CodeDenied, "the transfer is not what was approved")

// tampered names the field that differs.
func tampered(what string) error {
	return &domain.Error{Code: domain.CodeDenied, Field: what, Message: "differs", Cause: ErrTampered}
}

func (d *Decision) intact(t *treasury.Transfer) error {
	if !t.Intact(d.s.Portfolio) {
		return tampered("hash")
	}
	return nil
}

// PrepareTransfer records the transaction with its nonce and fees, before
// anything is signed. It uses up the approval. A transfer that was prepared and
// not signed may be prepared again, because its nonce or fees may be out of date.
func (d *Decision) PrepareTransfer(id string, p PreparedTransaction) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	switch {
	case t.Lapsed(d.now):
		return domain.Errorf(domain.CodeConflict, "the transfer has expired; request it again")
	case t.Status == treasury.Prepared && !d.now.Before(t.ExpiresAt):
		return domain.Errorf(domain.CodeConflict, "the transfer could be prepared until %s; reject it, and request it again", t.ExpiresAt.Format(time.RFC3339))
	case t.Status != treasury.Approved && t.Status != treasury.Prepared:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, not approved", t.Status)
	case t.Cancel != nil || p.Cancel:
		return domain.Errorf(domain.CodeConflict, "the transfer is being cancelled")
	case t.Status == treasury.Prepared && t.FromPlace == domain.WalletCold && p.Nonce != t.Last().Nonce:
		// Whoever has the key may have signed and sent what was prepared before.
		return domain.Errorf(domain.CodeConflict, "nonce %d of the wallet is used by now, perhaps by this very transfer, signed elsewhere: preparing it with another nonce could pay twice; look up what used it", t.Last().Nonce)
	}
	if err := d.checkTransaction(t, p); err != nil {
		return err
	}
	if err := d.sendable(t); err != nil {
		return err
	}
	if err := d.checkNonce(t, p.Nonce); err != nil {
		return err
	}
	if err := d.checkMade(t, p.Digest); err != nil {
		return err
	}
	// Only the approved fee of a transaction is not part of what is signed.
	if t.Status == treasury.Prepared && t.Last().Digest == p.Digest && string(t.Last().Transaction) == string(p.Transaction) {
		d.Note(domain.NotedUnchanged, "the transfer is already prepared like this")
		return nil
	}
	if t.Status == treasury.Approved && !t.Urgent() && !d.s.covers(t) {
		return domain.Errorf(domain.CodeConflict, "%s:treasury no longer holds the amount of the transfer", t.FromPlace)
	}
	d.emit(&domain.TransferPrepared{Transfer: id, Transaction: p.Transaction, Nonce: p.Nonce, Digest: p.Digest})
	return nil
}

// ErrNonceUsed means that the ledger has a nonce as used that the chain offers as the next
// one: what is recorded of the transfer that used it is not what the chain has (any more).
var ErrNonceUsed error = domain.Errorf(domain.CodeConflict, "the nonce is recorded as used")

// checkNonce requires that one transfer of a wallet is under way at a time, and
// that none reuses a nonce: such a transaction would count as the earlier one.
// Only a sweep or an evacuation may take the nonce of another transfer: that one
// waits until the stop is over, but the money cannot. They may also take a nonce that
// is recorded as used: what is recorded may be wrong, the chain takes one transaction
// of a nonce whatever is recorded, and they go to an address that was known before
// the stop.
func (d *Decision) checkNonce(t *treasury.Transfer, nonce uint64) error {
	for _, other := range d.s.Custody.SortedTransfers() {
		if other.Transfer == t.Transfer || other.Chain != t.Chain || !treasury.SameAddress(other.From, t.From) {
			continue
		}
		yields := t.Urgent() && !other.Urgent()
		switch {
		case other.UnderWay() && !yields:
			return domain.Errorf(domain.CodeConflict, "transfer %s of the same wallet is under way and has to end first", other.Transfer)
		case other.UsedNonce(nonce) && !t.Urgent():
			return &domain.Error{Code: domain.CodeConflict, Message: fmt.Sprintf(
				"transfer %s of the same wallet used nonce %d; the next one must be higher", other.Transfer, other.Last().Nonce), Cause: ErrNonceUsed}
		}
	}
	return nil
}

// covers reports whether the sending place holds the transfer's amount, beside
// what was prepared before it.
func (s *State) covers(t *treasury.Transfer) bool {
	held := s.Book[ledger.Wallet(t.Asset, t.FromPlace)]
	for _, other := range s.Custody.Transfers {
		if other.Transfer != t.Transfer && other.FromPlace == t.FromPlace && other.UnderWay() {
			held = held.Sub(other.Claims(t.Asset))
		}
	}
	return !held.Less(t.Claims(t.Asset))
}

// checkTransaction compares a transaction with the approved payment, field by
// field.
func (d *Decision) checkTransaction(t *treasury.Transfer, p PreparedTransaction) error {
	if err := d.agreedUnless(p.Cancel, t); err != nil {
		return err
	}
	if field := t.Differs(p.Cancel, p.Says); field != "" {
		return tampered(field)
	}
	if most := t.FeeAt(d.now); !p.Cancel && most.Less(p.Says.HighestFee) {
		return domain.Errorf(domain.CodeConflict, "the approval of a highest fee of %s %s has expired before anything was signed under it, or a stop has ended it: %s %s is approved. Ask for the higher fee again, or cancel the transfer", t.HighestFee, t.GasAsset, most, t.GasAsset)
	}
	if !isDigest(p.Digest) || !json.Valid(p.Transaction) || len(p.Transaction) > 4096 {
		return domain.Invalid("transaction", "must be JSON of at most 4096 bytes, and have a digest of 64 hex digits")
	}
	return nil
}

func isDigest(s string) bool { return len(s) == 64 && domain.IsLowerHex(s) }

// isTxHash reports whether s is the hash of a transaction: 0x and 64 hex digits.
func isTxHash(s string) bool { return len(s) == 66 && s[:2] == "0x" && isDigest(s[2:]) }

// RepriceTransfer replaces a stuck transaction: same nonce, recipient and amount,
// within the approved fee.
func (d *Decision) RepriceTransfer(id string, p PreparedTransaction) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	last := t.Last()
	cold := t.FromPlace == domain.WalletCold
	switch {
	case last == nil || t.Status != treasury.Broadcast && t.Status != treasury.Signed && (t.Status != treasury.Prepared || !p.Cancel):
		return domain.Errorf(domain.CodeConflict, "the transfer is %s: there is nothing to reprice", d.statusOf(t))
	case p.Cancel != (t.Cancel != nil):
		return domain.Errorf(domain.CodeConflict, "a transfer that is being cancelled gets transactions that cancel it, and no other does")
	case last.TxHash == "" && last.Digest != p.Digest && !cold && last.Cancel == p.Cancel && !t.RaiseLapsed(d.now):
		return domain.Errorf(domain.CodeConflict, "the replacement of the stuck transaction is not signed yet")
	case !t.AttemptsLeft():
		return domain.Errorf(domain.CodeConflict, "the transfer has had %d transactions, which is the limit: raise its fee or cancel it", len(t.Attempts))
	case p.Nonce != last.Nonce:
		return domain.Errorf(domain.CodeConflict, "a repriced transaction keeps its nonce, %d", last.Nonce)
	}
	if err := d.checkTransaction(t, p); err != nil {
		return err
	}
	if err := d.sendable(t); err != nil {
		return err
	}
	if t.HasDigest(p.Digest) && !t.RaiseLapsed(d.now) { // then it is made again, under what is approved now
		d.Note(domain.NotedUnchanged, "the transfer already has this transaction")
		return nil
	}
	if err := d.checkMade(t, p.Digest); err != nil {
		return err
	}
	d.emit(&domain.TransferRepriced{Transfer: id, Transaction: p.Transaction, Nonce: p.Nonce, Digest: p.Digest, Cancel: p.Cancel})
	return nil
}

// SignTransfer records a signature of the transaction prepared last, and the hash
// of the signed transaction: "hash before broadcast". The signature may leave
// only after this is appended.
func (d *Decision) SignTransfer(e *domain.TransferSigned) error {
	t, err := d.requireTransfer(e.Transfer)
	if err != nil {
		return err
	}
	if _, err := d.maySign(t); err != nil {
		return err
	}
	last := t.Last()
	switch {
	case e.Digest != last.Digest: // Another server may have prepared it again, and signed that.
		return domain.Errorf(domain.CodeConflict, "the digest is not that of the transaction prepared last")
	case !isTxHash(e.TxHash):
		return domain.Invalid("tx_hash", "must be 0x and 64 hex digits")
	case len(e.Raw) > 8192:
		return domain.Invalid("raw", "has more than 8192 bytes")
	}
	if last.TxHash != "" {
		if last.TxHash != e.TxHash {
			return domain.Errorf(domain.CodeConflict, "the digest already has another signature")
		}
		d.Note(domain.NotedUnchanged, "the transfer is already signed")
		return nil
	}
	if err := d.checkSigned(t, e.Digest, e.TxHash); err != nil {
		return err
	}
	if e.Raw == "" { // signed by this server
		d.emit(&domain.SignatureMade{
			Purpose: domain.PurposeTransfer, Transfer: t.Transfer, Wallet: t.Wallet, Address: t.From, Digest: e.Digest,
		})
	}
	d.emit(e)
	return nil
}

// expiredUnsigned refuses the first signature of a transfer after its approval has
// expired. What a cold wallet has signed all the same can be sent by whoever has
// the bytes: only the nonce can be used for something else before.
func (d *Decision) expiredUnsigned(t *treasury.Transfer) error {
	until := t.ExpiresAt.Format(time.RFC3339)
	if t.FromPlace == domain.WalletHot {
		return domain.Errorf(domain.CodeConflict, "the transfer has expired: it could be signed until %s; request it again", until)
	}
	return domain.Errorf(domain.CodeConflict, "the approval of the transfer has expired: what signs it counts until %s. If it was never signed, reject it and say so. If it was, destroy the signed file, and cancel the transfer, which uses its nonce. If it was sent all the same, two people settle it by an override of kind transfer", until)
}

// ofCancel requires that nothing of a transfer that is to be cancelled is signed or sent
// but what cancels it.
func (d *Decision) ofCancel(t *treasury.Transfer) error {
	if t.Cancel != nil && !t.Last().Cancel {
		return domain.Errorf(domain.CodeConflict, "the transfer is being cancelled: nothing else of it is signed or sent")
	}
	return nil
}

// BroadcastTransfer records that a signed transaction may be on its way from now
// on. The money is in transit.
func (d *Decision) BroadcastTransfer(id, hash string) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	last := t.Last()
	switch {
	case last == nil || last.TxHash == "" || (t.Status != treasury.Signed && t.Status != treasury.Broadcast):
		return domain.Errorf(domain.CodeConflict, "the transfer is %s: there is nothing to send", d.statusOf(t))
	case hash != last.TxHash: // Another server may have signed another one since.
		return domain.Errorf(domain.CodeConflict, "the transaction is not the one signed last")
	}
	if err := d.agreedUnless(last.Cancel, t); err != nil {
		return err
	}
	if err := d.ofCancel(t); err != nil {
		return err
	}
	if err := d.sendable(t); err != nil {
		return err
	}
	if last.Sent {
		d.Note(domain.NotedUnchanged, "the transaction was already sent")
		return nil
	}
	d.fact(&domain.TransferBroadcast{Transfer: id, TxHash: hash})
	return nil
}
