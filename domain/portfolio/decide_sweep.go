package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/ledger"
)

// sweep empties a hot wallet. In an emergency stop the capital of bots is taken
// back in the same append, because their money goes with it. Without a stop a
// sweep empties a retired wallet, and takes only what is free.
func (d *Decision) sweep(e *domain.TransferRequested) error {
	switch {
	case e.FromPlace != domain.WalletHot:
		return domain.Invalid("from", "of a sweep must be a hot wallet")
	case e.ToPlace == domain.WalletHot:
		return domain.Invalid("to", "of a sweep must be the cold wallet or an address of the book")
	}
	e.Kind = domain.TransferSweep
	if err := d.sweepAllowed(e); err != nil {
		return err
	}
	if !d.s.Stop.Engaged {
		if e.Amount.IsZero() {
			return domain.Invalid("amount", "is missing: without an emergency stop a sweep moves what the retired wallet holds on the chain, and the ledger does not know how much of the hot money that is")
		}
		if err := d.checkAmount(e); err != nil {
			return err
		}
		d.request(e)
		return nil
	}
	if e.Amount.IsZero() {
		e.Amount = d.sweepable(e)
	}
	if e.Amount.Sign() <= 0 || !e.Amount.InRange() {
		return domain.Invalid("amount", "is missing, and the ledger has no %s in the hot wallet", e.Asset)
	}
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

// sweepable returns what the ledger has in the hot wallet, rounded down to the
// decimals of the chain, less what other sweeps take, and less the fee if it is
// of the same asset. Other transfers are not subtracted, because they do not
// continue while the portfolio is stopped.
func (d *Decision) sweepable(e *domain.TransferRequested) domain.Decimal {
	all := d.s.Book[ledger.Wallet(e.Asset, domain.WalletHot)]
	for _, t := range d.s.Custody.Transfers {
		if t.Kind == domain.TransferSweep && !t.Lapsed(d.now) {
			all = all.Sub(t.Claims(e.Asset))
		}
	}
	if e.Asset == d.s.BaseAsset {
		for _, b := range d.s.Bots {
			all = all.Add(b.Cash.Max(domain.Zero))
		}
	}
	if e.GasAsset == e.Asset {
		all = all.Sub(e.HighestFee)
	}
	asset, _ := d.s.Custody.Wallets[e.Wallet].Asset(e.Asset)
	return all.Trunc(asset.Decimals)
}

// sweepAllowed: "nothing is signed but a sweep to an address that was in the book
// before the stop". A cold wallet registered before it counts as one. Without a
// stop a sweep only empties a retired wallet into a cold one.
func (d *Decision) sweepAllowed(e *domain.TransferRequested) error {
	if d.s.Stop.Engaged {
		return d.knownBeforeStop(e)
	}
	return d.s.sweepWithoutStop(e)
}

func (s *State) sweepWithoutStop(e *domain.TransferRequested) error {
	switch w := s.Custody.Wallets[e.Wallet]; {
	case w == nil || !w.Retired():
		return domain.Errorf(domain.CodeConflict, "a sweep needs an engaged emergency stop, or a retired wallet; request a transfer instead")
	case e.ToPlace != domain.WalletCold:
		return &domain.Error{Code: domain.CodeConflict, Field: "to", Message: "of a sweep must be a cold wallet, unless the emergency stop is engaged"}
	}
	return nil
}

// knownBeforeStop refuses a recipient that was added after the stop, perhaps by the
// thief whom the stop is for.
func (d *Decision) knownBeforeStop(e *domain.TransferRequested) error {
	known := d.s.knownSince(e)
	if known.IsZero() || !known.Before(d.s.Stop.Since) {
		return &domain.Error{Code: domain.CodeDenied, Field: "to", Message: "was not known before the emergency stop: only what could be sent to before it can be sent to during it"}
	}
	return nil
}

// knownSince returns when the recipient of a transfer was added.
func (s *State) knownSince(e *domain.TransferRequested) time.Time {
	_, since := s.recipient(e)
	return since
}
