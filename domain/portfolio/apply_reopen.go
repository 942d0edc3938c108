package portfolio

import (
	"slices"
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/treasury"
)

// applyWayOut folds the events that free a transfer that stands still, and the one that
// takes a recorded end back.
func (s *State) applyWayOut(at domain.Stamp, event domain.Event) {
	switch e := event.(type) {
	case *domain.TransferRaiseRequested:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) {
			t.Raise = &treasury.Raise{HighestFee: e.HighestFee, Hash: e.Hash, User: e.User, Reason: e.Reason, ExpiresAt: e.ExpiresAt, Former: t.FeeAt(at.Time), Revision: at.Revision}
		})
	case *domain.TransferCancelRequested:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) {
			times := 1
			if t.Cancel != nil {
				times += t.Cancel.Times
			}
			t.Raise = nil
			t.Cancel = &treasury.Cancel{Payment: t.CancelPayment(e.AssetID, e.HighestFee), Hash: e.Hash, User: e.User, Reason: e.Reason, At: at.Time, Times: times}
		})
	case *domain.TransferReopened:
		if t := s.Custody.Transfers[e.Transfer]; t != nil && t.EndedOnChain() {
			s.applyReopened(at, t)
		}
	}
}

// endRaises ends the higher fees of transfers that were asked for, or approved, and under
// which nothing was signed yet. A transfer that has ended may be reopened, so its own ends, too. A cancellation goes on: it moves nothing, and to end
// it would send what somebody wanted to stop. Without of it is all of them.
func (s *State) endRaises(of func(*treasury.Transfer) bool) {
	for _, t := range s.Custody.Transfers {
		if !t.Urgent() && (of == nil || of(t)) {
			t.EndRaise()
		}
	}
}

// applyReopened reverses the postings of a transfer's end: what arrived or came back is
// in transit again, what left is a flow again, and the fee was not paid. Where only people
// said that it was sent, and nothing that is known here was, it was not: the amount is back
// in its place, and the transfer stands where it stood before they said so.
func (s *State) applyReopened(at domain.Stamp, t *treasury.Transfer) {
	if t.Fee.Sign() > 0 {
		s.post(ledger.Move(ledger.Wallet(t.GasAsset, t.FromPlace), ledger.Gas(t.GasAsset), t.Fee)...)
		s.effects.Performed = true
	}
	if t.Moved() {
		s.returnToTransit(t)
	}
	switch {
	case t.Sent():
		t.Status, t.SentAt = treasury.Broadcast, at.Time
	case t.MovedElsewhere:
		s.post(ledger.Move(ledger.Wallet(t.Asset, t.FromPlace), ledger.Transit(t.Asset, t.Transfer), t.Amount)...)
		t.Status, t.SentAt = unsent(t), time.Time{}
	default:
		t.Status = unsent(t)
	}
	t.MovedElsewhere = false
	t.TxHash, t.Block, t.Fee, t.Code, t.Detail = "", 0, domain.Zero, "", ""
	t.Reopened++
	s.Custody.reopen(t)
}

// unsent is the status of a transfer with a transaction, none of which was sent.
func unsent(t *treasury.Transfer) treasury.Status {
	if t.EverSigned() {
		return treasury.Signed
	}
	return treasury.Prepared // perhaps signed where the key is
}

// returnToTransit moves the amount of a transfer from where its recorded end had put it.
func (s *State) returnToTransit(t *treasury.Transfer) {
	transit := ledger.Transit(t.Asset, t.Transfer)
	switch {
	case t.Status == treasury.Failed:
		s.post(ledger.Move(transit, ledger.Wallet(t.Asset, t.FromPlace), t.Amount)...)
	case t.ToPlace == domain.PlaceExternal:
		before := s.Equity()
		s.post(ledger.Move(transit, ledger.External(t.Asset), t.Amount)...)
		s.flow(before)
	default:
		s.post(ledger.Move(transit, ledger.Wallet(t.Asset, t.ToPlace), t.Amount)...)
	}
}

// reopen notes that a transfer has not ended after all.
func (c *Custody) reopen(t *treasury.Transfer) {
	t.EndedAt = time.Time{}
	c.Ended = slices.DeleteFunc(c.Ended, func(id string) bool { return id == t.Transfer })
}
