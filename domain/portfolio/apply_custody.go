package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
	"pets/domain/treasury"
)

// applyCustody folds the events of wallets, keys and signatures.
func (s *State) applyCustody(at domain.Stamp, event domain.Event) {
	c := &s.Custody
	switch e := event.(type) {
	case *domain.WalletRegistered:
		s.applyWallet(at, e)
	case *domain.KeyCreated:
		s.keyed(e.Wallet, e.KeyID)
	case *domain.KeyImported:
		s.keyed(e.Wallet, e.KeyID)
	case *domain.WalletLoaded:
		if w := c.Wallets[e.Wallet]; w != nil {
			w.LoadedAt = at.Time
		}
	case *domain.KeyUsed: // the key was opened, and gave the address
		if w := c.Wallets[e.Wallet]; w != nil {
			w.LoadedAt = at.Time
		}
	case *domain.WalletKeyMissing:
		if w := c.Wallets[e.Wallet]; w != nil {
			w.LoadedAt = time.Time{}
		}
	case *domain.WalletRetired:
		if w := c.Wallets[e.Wallet]; w != nil && !w.Retired() {
			w.RetiredAt = at.Time
			s.endRaises(func(t *treasury.Transfer) bool {
				return t.Wallet == w.Wallet || t.Chain == w.Chain && treasury.SameAddress(t.To, w.Address)
			})
		}
		s.endTransfers(at, e.TransfersEnded, "wallet "+e.Wallet+" was retired")
	case *domain.WalletRecoveryTested:
		if w := c.Wallets[e.Wallet]; w != nil {
			w.TestedAt = at.Time
		}
	case *domain.AddressAdded:
		c.Book[treasury.ContactKey(e.Chain, e.Address)] = &treasury.Contact{AddressAdded: *e, At: at.Time}
	case *domain.AddressRemoved:
		delete(c.Book, treasury.ContactKey(e.Chain, e.Address))
	case *domain.TreasuryPolicyChanged:
		c.Policy = e.Policy
	case *domain.BalanceReconciled:
		s.applyReconciled(at, e)
	case *domain.SignatureMade:
		if p := s.Permits[e.Permit]; p != nil {
			p.Sign(e.Digest, at.Revision, e.ExpiresAt, e.Ahead)
			s.expires(p)
			s.changedPermit(p)
		}
	case *domain.SignatureRefused:
		if b := s.Bots[e.Bot]; b != nil {
			b.remember(Denial{Revision: at.Revision, Time: at.Time, Digest: refusalDigest(e)})
		}
	default:
		s.applyTransfer(at, event)
	}
}

// applyWallet keeps the known facts about the key when a wallet is registered
// again.
func (s *State) applyWallet(at domain.Stamp, e *domain.WalletRegistered) {
	w := &treasury.Wallet{WalletRegistered: *e, At: at.Time, Revision: at.Revision}
	if old := s.Custody.Wallets[e.Wallet]; old != nil {
		w.At, w.KeyID, w.LoadedAt, w.TestedAt, w.RetiredAt = old.At, old.KeyID, old.LoadedAt, old.TestedAt, old.RetiredAt
	}
	s.Custody.Wallets[e.Wallet] = w
}

func (s *State) keyed(wallet, keyID string) {
	if w := s.Custody.Wallets[wallet]; w != nil {
		w.KeyID = keyID
	}
}

func (s *State) applyReconciled(at domain.Stamp, e *domain.BalanceReconciled) {
	c := &s.Custody
	for _, l := range e.Lines {
		key := differenceKey(l.Place, l.Asset)
		switch {
		case l.Skipped != "": // nothing was compared: open differences stay open
		default:
			c.measured(key, l.Difference)
		}
	}
	c.Reconciled, c.ReconciledAt = at.Time, at.Revision
	s.countShortage(at, e)
}

// countShortage compares the shortage of the base asset with what the live permits
// reserve: their orders may have been filled without a report so far. That is in the hot
// wallets; nothing excuses a shortage in the cold ones. A place that was not compared
// neither finds one nor ends one.
func (s *State) countShortage(at domain.Stamp, e *domain.BalanceReconciled) {
	if !s.Policy.Second() {
		return
	}
	short, compared, skipped := domain.Zero, false, false
	for _, l := range e.Lines {
		if l.Asset != s.BaseAsset {
			continue
		}
		if l.Skipped != "" {
			skipped = true
			continue
		}
		compared = true
		missing := l.Difference.Neg()
		if l.Place == domain.WalletHot {
			missing = missing.Sub(s.reservedByAll(s.expired(at.Time), func(p *risk.Permit) bool { return p.Live(at.Time) }))
		}
		if missing.Sign() > 0 {
			short = short.Add(missing)
		}
	}
	switch c := &s.Custody; {
	case short.Sign() > 0:
		c.Short, c.Shortage = min(c.Short+1, shortages), short
	case compared && !skipped:
		c.Short, c.Shortage = 0, domain.Zero
	}
}

// explain subtracts an adjustment from the difference that it explains.
func (s *State) explain(account ledger.Account, amount domain.Decimal) {
	key := differenceKey(account.Place, account.Asset)
	left, open := s.Custody.Differences[key]
	if !open {
		return
	}
	if left = left.Sub(amount); left.IsZero() {
		s.Custody.measured(key, left)
		return
	}
	s.Custody.Differences[key] = left
	s.bound(left)
}

// applyTransfer folds the events of transfers. Events of an unknown transfer, or
// of one that has ended, change nothing.
func (s *State) applyTransfer(at domain.Stamp, event domain.Event) {
	c := &s.Custody
	switch e := event.(type) {
	case *domain.TransferRequested:
		t := &treasury.Transfer{TransferRequested: *e, Status: treasury.Requested, RequestedAt: at.Time, Unfounded: s.SignedApprovals && s.Unfounded(e, at.Time)}
		if !t.NeedsApproval() {
			t.Status = treasury.Approved
		}
		c.Transfers[e.Transfer] = t
	case *domain.TransferApproved:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) {
			switch {
			case t.Status == treasury.Requested:
				t.Approve(e, s.SignedAt(at.Time, 0), at.Revision)
			case t.Raise != nil && e.Hash == t.Raise.Hash:
				t.ApproveRaise(e, s.SignedAt(at.Time, 0))
			}
		})
	case *domain.TransferRejected:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) {
			t.Status, t.Detail = treasury.Rejected, e.Reason
			c.end(t, at.Time)
		})
	case *domain.TransferExpired:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) {
			t.Status = treasury.Expired
			c.end(t, at.Time)
		})
	case *domain.TransferPrepared:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) {
			t.Status = treasury.Prepared
			t.Attempts = nil
			t.Made(treasury.Attempt{Transaction: e.Transaction, Nonce: e.Nonce, Digest: e.Digest}, at.Time)
		})
	case *domain.TransferRepriced:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) {
			t.Made(treasury.Attempt{Transaction: e.Transaction, Nonce: e.Nonce, Digest: e.Digest, Cancel: e.Cancel}, at.Time)
		})
	case *domain.TransferSigned:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) { applySigned(t, e) })
	case *domain.TransferBroadcast:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) { s.applyBroadcast(at, t, e) })
	case *domain.TransferConfirmed:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) { s.applyConfirmed(at, t, e) })
	case *domain.TransferFailed:
		s.onTransfer(e.Transfer, func(t *treasury.Transfer) { s.applyFailed(at, t, e) })
	default:
		s.applyWayOut(at, event)
	}
}

// endTransfers ends transfers that something else has made pointless.
func (s *State) endTransfers(at domain.Stamp, ids []string, why string) {
	for _, id := range ids {
		s.onTransfer(id, func(t *treasury.Transfer) {
			t.Status, t.Detail = treasury.Rejected, why
			s.Custody.end(t, at.Time)
		})
	}
}

func (s *State) onTransfer(id string, f func(*treasury.Transfer)) {
	if t := s.Custody.Transfers[id]; t != nil && t.Open() {
		f(t)
	}
}

func applySigned(t *treasury.Transfer, e *domain.TransferSigned) {
	if t.Status == treasury.Prepared {
		t.Status = treasury.Signed
	}
	if a := t.Last(); a != nil && a.Digest == e.Digest {
		a.TxHash, a.Raw = e.TxHash, e.Raw
		t.UseRaise(a)
	}
}

// applyBroadcast moves the money out of its place with the first transaction that
// may be on its way: "broadcast moves place → transit". The transaction of a settlement by
// people may be none of the attempts; the money has moved all the same.
func (s *State) applyBroadcast(at domain.Stamp, t *treasury.Transfer, e *domain.TransferBroadcast) {
	first, known := !t.Moved(), false
	for i := range t.Attempts {
		if t.Attempts[i].TxHash == e.TxHash {
			t.Attempts[i].Sent, known = true, true
		}
	}
	t.MovedElsewhere = t.MovedElsewhere || !known
	t.Status, t.SentAt = treasury.Broadcast, at.Time
	if first {
		s.post(ledger.Move(ledger.Transit(t.Asset, t.Transfer), ledger.Wallet(t.Asset, t.FromPlace), t.Amount)...)
	}
}

// applyConfirmed: "confirmed moves transit → place (or external)"; a move to
// external is a flow. It moves what is still in transit, so that nothing arrives
// that never left.
func (s *State) applyConfirmed(at domain.Stamp, t *treasury.Transfer, e *domain.TransferConfirmed) {
	transit := ledger.Transit(t.Asset, t.Transfer)
	amount := s.Book[transit]
	if t.ToPlace == domain.PlaceExternal {
		before := s.Equity()
		s.post(ledger.Move(ledger.External(t.Asset), transit, amount)...)
		s.flow(before)
	} else {
		s.post(ledger.Move(ledger.Wallet(t.Asset, t.ToPlace), transit, amount)...)
	}
	t.Status, t.TxHash, t.Block, t.Fee = treasury.Confirmed, e.TxHash, e.Block, e.Fee
	s.payGas(t, e.Fee)
	s.Custody.end(t, at.Time)
}

// applyFailed: "failed moves back; gas to expense:gas in the gas asset".
func (s *State) applyFailed(at domain.Stamp, t *treasury.Transfer, e *domain.TransferFailed) {
	transit := ledger.Transit(t.Asset, t.Transfer)
	s.post(ledger.Move(ledger.Wallet(t.Asset, t.FromPlace), transit, s.Book[transit])...)
	t.Status, t.TxHash, t.Block, t.Code, t.Detail, t.Fee = treasury.Failed, e.TxHash, e.Block, e.Code, e.Detail, e.Fee
	s.payGas(t, e.Fee)
	s.Custody.end(t, at.Time)
}

func (s *State) payGas(t *treasury.Transfer, fee domain.Decimal) {
	if fee.Sign() <= 0 {
		return
	}
	s.post(ledger.Move(ledger.Gas(t.GasAsset), ledger.Wallet(t.GasAsset, t.FromPlace), fee)...)
	s.effects.Performed = true
}
