package portfolio

import (
	"errors"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/treasury"
)

// Way is what leads on where a transaction must not be signed now.
type Way string

// The ways.
const (
	// WayWait: it can be signed later, or the server makes another one first.
	WayWait Way = "wait"
	// WayEnd: it can never be taken any more. It is rejected if it was never signed, and
	// cancelled if it was.
	WayEnd Way = "end"
	// WayAgain: it has to be made again, under what is approved now.
	WayAgain Way = "again"
	// WayLook: people have to find out what happened.
	WayLook Way = "look"
)

// ToSign is the transaction of a cold wallet's transfer that has no signature yet.
type ToSign struct {
	// Cancels: it pays nothing, and cancels the transfer.
	Cancels bool
	// Not says why it must not be signed now, nil if it may. Way leads on then.
	Not error
	Way Way
}

// ToSign says what of a transfer is to be signed where the key of the cold wallet is, and
// whether it may be signed now. It is nil if nothing waits for such a signature. Whoever
// hands a transaction out, or asks a person to sign it, reads it: a signed payment that is
// refused here can still be sent by whoever has it.
func (s *State) ToSign(t *treasury.Transfer, now time.Time) *ToSign {
	if t.FromPlace != domain.WalletCold || !t.UnderWay() || !t.Unsigned() {
		return nil
	}
	d := &Decision{s: s, now: now} // it only reads: others may read the same state
	v := &ToSign{Cancels: t.Last().Cancel}
	for _, may := range []func(*treasury.Transfer) (Way, error){d.unspent, d.maySign, d.mayHandOut} {
		if v.Way, v.Not = may(t); v.Not != nil {
			break
		}
	}
	return v
}

// maySign reports whether the transaction prepared last may get a signature now, and what
// leads on if not. The import of a signed transaction reads it, too.
func (d *Decision) maySign(t *treasury.Transfer) (Way, error) {
	last := t.Last()
	switch {
	case last == nil || !t.UnderWay():
		return WayLook, domain.Errorf(domain.CodeConflict, "the transfer is %s: there is nothing to sign", d.statusOf(t))
	case t.Cancel != nil && !last.Cancel:
		return WayWait, d.ofCancel(t)
	case last.Cancel: // a way out has no end
	case !t.EverSigned() && !d.now.Before(t.ExpiresAt): // whatever its status says
		return WayEnd, d.expiredUnsigned(t)
	case last.TxHash == "" && t.RaiseLapsed(d.now):
		return WayAgain, domain.Errorf(domain.CodeConflict, "the approval of a highest fee of %s %s has expired before anything was signed under it, or a stop has ended it. Destroy what was signed; ask for the higher fee again, or cancel the transfer", t.HighestFee, t.GasAsset)
	}
	if err := d.agreedUnless(last.Cancel, t); err != nil {
		return WayLook, err
	}
	if err := d.sendable(t); err != nil {
		return wayOf(err), err
	}
	return "", nil
}

// wayOf tells what passes from what is final.
func wayOf(err error) Way {
	var e *domain.Error
	if errors.As(err, &e) && e.Code == domain.CodeHalted {
		return WayWait
	}
	return WayEnd
}

// unspent refuses a transaction whose number another transfer of the wallet has used up. What
// saves money may take a number that is recorded as used. The server ends what the other one
// has replaced; where it does not know that, people find out what happened.
func (d *Decision) unspent(t *treasury.Transfer) (Way, error) {
	if other := d.s.Custody.NonceTaken(t); other != nil {
		return WayWait, domain.Errorf(domain.CodeConflict, "number %d of the wallet is used up by transfer %s, so the chain takes this one no more: the server records that it is replaced", t.Last().Nonce, other.Transfer)
	}
	for _, other := range d.sameWallet(t) {
		if other.UsedNonce(t.Last().Nonce) && !t.Urgent() {
			return WayLook, domain.Errorf(domain.CodeConflict, "number %d of the wallet is used up by transfer %s, so the chain takes this one no more", t.Last().Nonce, other.Transfer)
		}
	}
	return "", nil
}

// mayHandOut refuses to hand out a transaction that is out of date, or not the next one,
// although its signature would still be taken: what was signed before exists, and is better
// known than not.
func (d *Decision) mayHandOut(t *treasury.Transfer) (Way, error) {
	last := t.Last()
	for _, other := range d.sameWallet(t) {
		if !t.Urgent() && other.Urgent() && other.UnderWay() && other.Last().Nonce == last.Nonce {
			return WayWait, domain.Errorf(domain.CodeConflict, "%s %s of the same wallet has the same number, %d, and goes first: the chain takes one of the two", other.Kind, other.Transfer, last.Nonce)
		}
	}
	if !last.Cancel && last.Raise < t.Raises && t.FeeAt(d.now) == t.HighestFee {
		return WayWait, domain.Errorf(domain.CodeConflict, "it was made before the highest fee of %s %s was approved: the server makes it again with that", t.HighestFee, t.GasAsset)
	}
	return "", nil
}

// sameWallet returns the other transfers of the sending wallet, oldest first.
func (d *Decision) sameWallet(t *treasury.Transfer) []*treasury.Transfer {
	return slices.DeleteFunc(d.s.Custody.ofSender(t), func(other *treasury.Transfer) bool { return other.Transfer == t.Transfer })
}
