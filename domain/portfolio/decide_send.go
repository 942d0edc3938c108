package portfolio

import (
	"encoding/json"
	"slices"

	"pets/domain"
	"pets/domain/risk"
	"pets/domain/treasury"
)

// PreparedTransaction is a transfer as a transaction, and what the bytes of it say.
type PreparedTransaction struct {
	Transaction json.RawMessage
	Nonce       uint64
	Digest      string
	// Says is read back from the transaction, not from the transfer.
	Says domain.Payment
}

// sendable says whether anything of a transfer may be signed or sent now: "the key
// sits behind the breaker". In an emergency stop only sweeps are; while a breaker is
// tripped, or ledger and chain differ, nothing else is either.
func (d *Decision) sendable(t *treasury.Transfer) error {
	if t.Kind == domain.TransferSweep {
		return d.sweepAllowed(&t.TransferRequested)
	}
	if d.s.Stop.Engaged {
		return domain.Errorf(domain.CodeHalted, "the emergency stop (%s) is engaged; only a sweep is signed", d.s.Stop.Kind)
	}
	for _, key := range d.s.BreakerKeys() {
		if d.s.breaker(key).Status == risk.Tripped {
			return domain.Errorf(domain.CodeHalted, "breaker %s is tripped; nothing is signed until a person resets it", key)
		}
	}
	if len(d.s.Custody.Differences) > 0 {
		return domain.Errorf(domain.CodeHalted, "ledger and chain differ (%s); explain it by an adjustment, or reconcile again", d.s.firstDifference())
	}
	if t.ToPlace == domain.PlaceExternal && d.s.Custody.Book[treasury.ContactKey(t.Chain, t.To)] == nil {
		return domain.Errorf(domain.CodeDenied, "the recipient is not in the address book any more")
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

// Sendable answers the same for a look: whether the next step of a transfer may be
// made at all.
func (s *State) Sendable(id string) error {
	d := s.Begin(s.Time, domain.Caller{})
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	if err := d.intact(t); err != nil {
		return err
	}
	return d.sendable(t)
}

// ErrTampered means that what is to be sent is not what was approved: somebody, or
// something, changed it. Callers engage an emergency stop of kind security_breach.
var ErrTampered error = domain.Errorf(domain.CodeDenied, "the transfer is not what was approved")

// tampered names what differs.
func tampered(what string) error {
	return &domain.Error{Code: domain.CodeDenied, Field: what, Message: "differs", Cause: ErrTampered}
}

func (d *Decision) intact(t *treasury.Transfer) error {
	if !t.Intact(d.s.Portfolio) {
		return tampered("hash")
	}
	return nil
}

// PrepareTransfer records the transaction, with its nonce and fees, before anything is
// signed. It uses the approval up. One that was prepared and not signed may be
// prepared anew: its nonce or its fees may be out of date.
func (d *Decision) PrepareTransfer(id string, p PreparedTransaction) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	switch {
	case t.Lapsed(d.now):
		return domain.Errorf(domain.CodeConflict, "the transfer has expired")
	case t.Status != treasury.Approved && t.Status != treasury.Prepared:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, not approved", t.Status)
	}
	if err := d.checkTransaction(t, p); err != nil {
		return err
	}
	if err := d.sendable(t); err != nil {
		return err
	}
	for _, other := range d.s.Custody.OpenTransfers() {
		if other.UnderWay() && other.From == t.From && other.Chain == t.Chain && other.Transfer != id {
			return domain.Errorf(domain.CodeConflict, "transfer %s of the same wallet is under way; its nonce comes first", other.Transfer)
		}
	}
	if t.Status == treasury.Prepared && t.Last().Digest == p.Digest {
		d.Note(domain.NotedUnchanged, "the transfer is prepared like this")
		return nil
	}
	if t.Status == treasury.Approved && t.Kind != domain.TransferSweep && d.s.freeIn(t.FromPlace, t.Asset).Sign() < 0 {
		return domain.Errorf(domain.CodeConflict, "%s:treasury no longer holds what is to be sent", t.FromPlace)
	}
	d.emit(&domain.TransferPrepared{Transfer: id, Transaction: p.Transaction, Nonce: p.Nonce, Digest: p.Digest})
	return nil
}

// checkTransaction holds a transaction against what was approved, field by field.
func (d *Decision) checkTransaction(t *treasury.Transfer, p PreparedTransaction) error {
	if err := d.intact(t); err != nil {
		return err
	}
	if field := t.Matches(p.Says); field != "" {
		return tampered(field)
	}
	if !isDigest(p.Digest) || len(p.Transaction) == 0 || len(p.Transaction) > 4096 {
		return domain.Invalid("transaction", "must be at most 4096 bytes, and have a digest of 64 hex digits")
	}
	return nil
}

func isDigest(s string) bool { return len(s) == 64 && isLowerHex(s) }

// isTxHash accepts the hash of a transaction: 0x and 64 hex digits.
func isTxHash(s string) bool { return len(s) == 66 && s[:2] == "0x" && isDigest(s[2:]) }

// RepriceTransfer replaces a transaction that is stuck: same nonce, recipient and
// amount, within the fee that was approved.
func (d *Decision) RepriceTransfer(id string, p PreparedTransaction) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	last := t.Last()
	switch {
	case t.Status != treasury.Broadcast && t.Status != treasury.Signed:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s: there is nothing to reprice", t.Status)
	case last.TxHash == "":
		return domain.Errorf(domain.CodeConflict, "the transaction that takes the place of a stuck one is not signed yet")
	case len(t.Attempts) >= treasury.MaxAttempts:
		return domain.Errorf(domain.CodeConflict, "the transfer was repriced %d times; a person has to look at it", treasury.MaxAttempts-1)
	case p.Nonce != last.Nonce:
		return domain.Errorf(domain.CodeConflict, "a repriced transaction keeps its nonce, %d", last.Nonce)
	}
	if err := d.checkTransaction(t, p); err != nil {
		return err
	}
	if err := d.sendable(t); err != nil {
		return err
	}
	d.emit(&domain.TransferRepriced{Transfer: id, Transaction: p.Transaction, Nonce: p.Nonce, Digest: p.Digest})
	return nil
}

// SignTransfer records a signature of the transaction that was prepared last, and
// which transaction it makes: "hash before broadcast". Only once this is appended may
// the signature leave.
func (d *Decision) SignTransfer(e *domain.TransferSigned) error {
	t, err := d.requireTransfer(e.Transfer)
	if err != nil {
		return err
	}
	if err := d.intact(t); err != nil {
		return err
	}
	last := t.Last()
	switch {
	case last == nil || !t.UnderWay():
		return domain.Errorf(domain.CodeConflict, "the transfer is %s: there is nothing to sign", d.statusOf(t))
	case e.Digest != last.Digest: // another server has prepared it anew meanwhile
		return domain.Errorf(domain.CodeConflict, "the digest is not that of the transaction prepared last")
	case !isTxHash(e.TxHash):
		return domain.Invalid("tx_hash", "must be 0x and 64 hex digits")
	case len(e.Raw) > 8192:
		return domain.Invalid("raw", "has more than 8192 bytes")
	}
	if err := d.sendable(t); err != nil {
		return err
	}
	if last.TxHash != "" {
		if last.TxHash != e.TxHash {
			return domain.Errorf(domain.CodeConflict, "the digest is signed already, and by another signature")
		}
		d.Note(domain.NotedUnchanged, "the transfer is signed already")
		return nil
	}
	if e.Raw == "" { // signed here
		d.emit(&domain.SignatureMade{
			Purpose: domain.PurposeTransfer, Transfer: t.Transfer, Wallet: t.Wallet, Address: t.From, Digest: e.Digest,
		})
	}
	d.emit(e)
	return nil
}

// BroadcastTransfer records that a signed transaction may be on its way from now on.
// The money is in transit.
func (d *Decision) BroadcastTransfer(id, hash string) error {
	t, err := d.requireTransfer(id)
	if err != nil {
		return err
	}
	last := t.Last()
	switch {
	case last == nil || last.TxHash == "" || (t.Status != treasury.Signed && t.Status != treasury.Broadcast):
		return domain.Errorf(domain.CodeConflict, "the transfer is %s: there is nothing to send", d.statusOf(t))
	case hash != last.TxHash:
		return domain.Errorf(domain.CodeConflict, "the transaction is not the one signed last")
	}
	if err := d.intact(t); err != nil {
		return err
	}
	if err := d.sendable(t); err != nil {
		return err
	}
	if last.Sent {
		d.Note(domain.NotedUnchanged, "the transaction was sent before")
		return nil
	}
	d.fact(&domain.TransferBroadcast{Transfer: id, TxHash: hash})
	return nil
}

// ConfirmTransfer records that the money has arrived for good. A fact: it is recorded
// whatever is tripped.
func (d *Decision) ConfirmTransfer(e *domain.TransferConfirmed) error {
	t, err := d.requireTransfer(e.Transfer)
	if err != nil {
		return err
	}
	switch {
	case t.Status == treasury.Confirmed && t.TxHash == e.TxHash:
		d.Note(domain.NotedUnchanged, "the transfer was confirmed before")
		return nil
	case t.Status != treasury.Broadcast:
		return domain.Errorf(domain.CodeConflict, "the transfer is %s, not on its way", d.statusOf(t))
	case !t.HasHash(e.TxHash):
		return domain.Invalid("tx_hash", "is not of this transfer")
	case e.Fee.Sign() < 0:
		return domain.Invalid("fee", "must not be negative")
	}
	d.fact(e)
	d.evaluate(nil)
	return nil
}

// FailTransfer records that the money will not move any more: before anything was
// sent, or because the chain has settled it.
func (d *Decision) FailTransfer(e *domain.TransferFailed) error {
	t, err := d.requireTransfer(e.Transfer)
	if err != nil {
		return err
	}
	if t.Status == treasury.Failed {
		d.Note(domain.NotedUnchanged, "the transfer failed before")
		return nil
	}
	if err := domain.CheckOptionalText("detail", e.Detail); err != nil {
		return err
	}
	switch e.Code {
	case domain.FailedRefused:
		if !t.Waiting() || t.Status == treasury.Requested {
			return domain.Errorf(domain.CodeConflict, "the transfer is %s: it may be on its way, and only the chain can say that it failed", d.statusOf(t))
		}
	case domain.FailedReverted, domain.FailedReplaced, domain.FailedNotMoved:
		if t.Status != treasury.Broadcast {
			return domain.Errorf(domain.CodeConflict, "the transfer is %s, not on its way", d.statusOf(t))
		}
		if e.Code != domain.FailedReplaced && !t.HasHash(e.TxHash) {
			return domain.Invalid("tx_hash", "is not of this transfer")
		}
	default:
		return domain.Invalid("code", "must be reverted, replaced, refused or not_moved")
	}
	if e.Fee.Sign() < 0 {
		return domain.Invalid("fee", "must not be negative")
	}
	d.fact(e)
	d.evaluate(nil)
	return nil
}
