package portfolio

import (
	"slices"

	"pets/domain"
	"pets/domain/treasury"
)

// One transaction ends one transfer. Two transfers of a wallet may have the same nonce, as
// a sweep and the transfer that it goes before. If they also pay the same amount to the
// same recipient at the same fees, their transactions are the same bytes, with one digest
// and one hash, and what the chain says of that hash would be recorded of both. So a digest
// and a hash belong to one transfer of a wallet, and the fee of a transaction is booked
// once. Whoever makes, signs, imports, confirms, fails or settles asks here.

// ErrSameTransaction means that a transaction, byte for byte, is that of another transfer
// of the wallet: it has to be made again, with other fees.
var ErrSameTransaction error = domain.Errorf(domain.CodeConflict, "the transaction is another transfer's")

// sameTransaction says whose it is.
func sameTransaction(owner *treasury.Transfer, advice string) error {
	return &domain.Error{Code: domain.CodeConflict, Message: "transfer " + owner.Transfer +
		" of the same wallet has this very transaction, and one transaction ends one transfer: " + advice, Cause: ErrSameTransaction}
}

// ofSender returns the transfers of a transfer's wallet, the transfer itself included,
// oldest first.
func (c *Custody) ofSender(t *treasury.Transfer) []*treasury.Transfer {
	return slices.DeleteFunc(c.SortedTransfers(), func(other *treasury.Transfer) bool {
		return other.Chain != t.Chain || !treasury.SameAddress(other.From, t.From)
	})
}

// others are the transfers of a transfer's wallet that may use, or have used, a nonce.
func (c *Custody) others(t *treasury.Transfer) []*treasury.Transfer {
	return slices.DeleteFunc(c.ofSender(t), func(other *treasury.Transfer) bool {
		return other.Transfer == t.Transfer || !other.UnderWay() && !other.EndedOnChain()
	})
}

// OtherDigests are the digests of the wallet's other transfers: no transaction of the
// transfer may have one of them.
func (c *Custody) OtherDigests(t *treasury.Transfer) []string {
	var all []string
	for _, other := range c.others(t) {
		for i := range other.Attempts {
			all = append(all, other.Attempts[i].Digest)
		}
	}
	return all
}

// checkMade refuses a transaction that another transfer of the wallet has.
func (d *Decision) checkMade(t *treasury.Transfer, digest string) error {
	for _, other := range d.s.Custody.others(t) {
		if other.HasDigest(digest) {
			return sameTransaction(other, "make this one again, with other fees")
		}
	}
	return nil
}

// checkSigned refuses a signature of a transaction that another transfer of the wallet
// has. Only older builds have recorded the same transaction for two transfers: then it is
// that of the one that has signed it, or else of the older one.
func (d *Decision) checkSigned(t *treasury.Transfer, digest, hash string) error {
	const advice = "prepare this one again (pets transfer prepare), and sign what that gives; or cancel it"
	if owner := d.s.Custody.Owner(t, hash); owner != nil && owner != t {
		return sameTransaction(owner, advice)
	}
	older := true
	for _, other := range d.s.Custody.ofSender(t) {
		if other == t {
			older = false
			continue
		}
		if other.HasDigest(digest) && (other.EndedOnChain() || other.UnderWay() && (older || other.EverSigned())) {
			return sameTransaction(other, advice)
		}
	}
	return nil
}

// Owner returns the transfer of the same wallet that a transaction ends, by its hash: the
// first that ended with it, or else the first that has it. It may be the transfer itself,
// and is nil for a transaction that is not known here.
func (c *Custody) Owner(t *treasury.Transfer, hash string) *treasury.Transfer {
	var first *treasury.Transfer
	for _, other := range c.ofSender(t) {
		switch {
		case other.EndedBy(hash):
			return other
		case first == nil && other.HasHash(hash) && (other.UnderWay() || other.EndedOnChain()):
			first = other
		}
	}
	return first
}

// ownedElsewhere returns the other transfer that a transaction ends, or nil.
func (c *Custody) ownedElsewhere(t *treasury.Transfer, hash string) *treasury.Transfer {
	if owner := c.Owner(t, hash); owner != nil && owner.Transfer != t.Transfer {
		return owner
	}
	return nil
}

// feeBooked returns the other transfer with which the fee of a transaction is in the
// ledger, or nil.
func (c *Custody) feeBooked(t *treasury.Transfer, hash string) *treasury.Transfer {
	for _, other := range c.others(t) {
		if other.EndedOnChain() && other.TxHash == hash && hash != "" && other.Fee.Sign() > 0 {
			return other
		}
	}
	return nil
}

// NonceTaken returns the transfer whose own transaction, according to its recorded end,
// has used the nonce of a prepared transfer of a cold wallet. Whatever was signed of that
// transfer elsewhere is never on the chain then. It is nil otherwise.
func (c *Custody) NonceTaken(t *treasury.Transfer) *treasury.Transfer {
	if t.Status != treasury.Prepared || t.FromPlace != domain.WalletCold {
		return nil
	}
	for _, other := range c.others(t) {
		if other.EndedBy(other.TxHash) && other.HasHash(other.TxHash) && other.Last().Nonce == t.Last().Nonce {
			return other
		}
	}
	return nil
}

// HashUse is what the ledger knows of a transaction that is said to have ended a transfer.
type HashUse struct {
	// Own: it is a transaction of the transfer. Other names another one that it ends.
	Own   bool
	Other string
	// Booked names the other transfer with which its fee is in the ledger.
	Booked string
	// Shared: another open transfer of the wallet has the nonce, and may have made the
	// transaction without its signature being known here. Twin: one of them pays the same.
	Shared, Twin bool
}

// HashUse looks up what the ledger knows of a transaction that is said to have ended a
// transfer.
func (c *Custody) HashUse(t *treasury.Transfer, hash string) HashUse {
	use := HashUse{Own: t.HasHash(hash)}
	if other := c.ownedElsewhere(t, hash); other != nil {
		use.Own, use.Other = false, other.Transfer
	}
	if other := c.feeBooked(t, hash); other != nil {
		use.Booked = other.Transfer
	}
	for _, other := range c.others(t) {
		if t.Last() != nil && other.UnderWay() && other.Last().Nonce == t.Last().Nonce {
			use.Shared = true
			use.Twin = use.Twin || treasury.SameAddress(other.To, t.To) && treasury.SameAddress(other.AssetID, t.AssetID) && other.Amount == t.Amount
		}
	}
	return use
}

// checkSettled refuses what two people say of a transaction that belongs to another
// transfer, or whose fee is in the ledger already.
func (d *Decision) checkSettled(s TransferSettlement, t *treasury.Transfer) error {
	use := d.s.Custody.HashUse(t, s.TxHash)
	for _, other := range d.s.Custody.SortedTransfers() {
		if other.HasHash(s.TxHash) && !treasury.SameAddress(other.From, t.From) { // whatever it looks like
			return domain.Errorf(domain.CodeConflict, "the transaction is that of transfer %s, from another wallet: it is no outcome of this one", other.Transfer)
		}
	}
	switch {
	case use.Other != "" && s.Outcome == string(treasury.Confirmed):
		return domain.Errorf(domain.CodeConflict, "the transaction is that of transfer %s, and one transaction ends one transfer: the outcome of this one is failed, with a fee of 0", use.Other)
	case use.Other != "" && s.Fee.Sign() > 0:
		return domain.Invalid("limits.fee", "must be 0: the transaction is that of transfer %s, with which its fee is booked", use.Other)
	case use.Booked != "" && s.Fee.Sign() > 0:
		return domain.Invalid("limits.fee", "must be 0: the fee of the transaction is booked with transfer %s already", use.Booked)
	}
	return nil
}

// DoubleEnd is a recorded end that is wrong whatever the chain says: its transaction, or the
// fee of it, is that of another transfer. Only older builds have recorded such ends.
type DoubleEnd struct {
	Transfer *treasury.Transfer
	Detail   string
}

// DoubleEnds returns the recorded ends that are wrong in that way: the later ones of each
// transaction.
func (c *Custody) DoubleEnds() []DoubleEnd {
	var all []DoubleEnd
	for _, t := range c.SortedTransfers() {
		if !t.EndedOnChain() || t.TxHash == "" {
			continue
		}
		owner := c.ownedElsewhere(t, t.TxHash)
		switch {
		case owner == nil:
		case t.EndedBy(t.TxHash):
			all = append(all, DoubleEnd{t, "transaction " + t.TxHash + " has ended transfer " + owner.Transfer + ", and one transaction ends one transfer"})
		case t.Fee.Sign() > 0 && owner.EndedBy(t.TxHash) && owner.Fee.Sign() > 0:
			all = append(all, DoubleEnd{t, "the fee of transaction " + t.TxHash + " is booked with transfer " + owner.Transfer + ", too"})
		}
	}
	return all
}
