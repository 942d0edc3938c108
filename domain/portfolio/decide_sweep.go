package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/treasury"
)

// sweep empties the hot wallet. The capital of bots is taken back in the same
// append, because their money goes with it.
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
// before the stop". A cold wallet registered before it counts as one.
func (d *Decision) sweepAllowed(e *domain.TransferRequested) error {
	stop := d.s.Stop
	if !stop.Engaged {
		return domain.Errorf(domain.CodeConflict, "a sweep needs an engaged emergency stop; request a transfer instead")
	}
	known := d.s.knownSince(e)
	if known.IsZero() || !known.Before(stop.Since) {
		return &domain.Error{Code: domain.CodeDenied, Field: "to", Message: "was not known before the emergency stop: a sweep goes only to an address that could be sent to before it"}
	}
	return nil
}

// knownSince returns when the recipient of a transfer was added.
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
