package portfolio

import (
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/treasury"
)

// Reading is a wallet's balance of an asset, as the chain reports it.
type Reading struct {
	Wallet string
	Asset  string // its name in the ledger
	Amount domain.Decimal
}

// Reconcile compares the ledger with the chain, per place and asset. A difference
// blocks outgoing transfers until an adjustment explains it, or ledger and chain
// agree again.
func (d *Decision) Reconcile(block uint64, blockTime time.Time, readings []Reading) error {
	if err := d.requireLive(); err != nil {
		return err
	}
	lines, err := d.s.reconciliation(readings)
	if err != nil {
		return err
	}
	d.emit(&domain.BalanceReconciled{Block: block, BlockTime: blockTime.UTC(), Lines: lines})
	return nil
}

// Differences returns what a reconciliation of these readings would find, without
// recording it.
func (s *State) Differences(readings []Reading) (map[string]domain.Decimal, error) {
	lines, err := s.reconciliation(readings)
	if err != nil {
		return nil, err
	}
	found := map[string]domain.Decimal{}
	for _, l := range lines {
		if !l.Difference.IsZero() {
			found[differenceKey(l.Place, l.Asset)] = l.Difference
		}
	}
	return found, nil
}

// reconciliation builds the lines. Every asset of every wallet has to be read.
func (s *State) reconciliation(readings []Reading) ([]domain.ReconciliationLine, error) {
	lines := map[string]*domain.ReconciliationLine{}
	want := 0
	for _, w := range s.Custody.SortedWallets() {
		for _, a := range w.Assets {
			want++
			i := slices.IndexFunc(readings, func(r Reading) bool { return r.Wallet == w.Wallet && r.Asset == a.Asset })
			if i < 0 {
				return nil, domain.Invalid("readings", "lack %s of wallet %s", a.Asset, w.Wallet)
			}
			if readings[i].Amount.Sign() < 0 || !readings[i].Amount.InRange() {
				return nil, domain.Invalid("readings", "of %s of wallet %s must be 0 or more, and below 10^15", a.Asset, w.Wallet)
			}
			key := differenceKey(w.Place, a.Asset)
			l := lines[key]
			if l == nil {
				l = &domain.ReconciliationLine{Place: w.Place, Asset: a.Asset}
				lines[key] = l
			}
			l.Wallets = append(l.Wallets, domain.WalletReading{Wallet: w.Wallet, Amount: readings[i].Amount})
			l.Chain = l.Chain.Add(readings[i].Amount)
		}
	}
	switch {
	case want == 0:
		return nil, domain.Errorf(domain.CodeConflict, "the portfolio has no wallet to reconcile")
	case want != len(readings):
		return nil, domain.Invalid("readings", "must hold each asset of each wallet exactly once")
	}
	out := make([]domain.ReconciliationLine, 0, len(lines))
	for _, l := range lines {
		if s.judgeLine(l); !l.Chain.InRange() || !l.Ledger.InRange() || !l.InTransit.InRange() || !l.Difference.InRange() {
			return nil, domain.Invalid("readings", "of %s in %s reach 10^15 together", l.Asset, l.Place)
		}
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b domain.ReconciliationLine) int {
		return strings.Compare(differenceKey(a.Place, a.Asset), differenceKey(b.Place, b.Asset))
	})
	return out, nil
}

// judgeLine compares one line. The chain may or may not have deducted what is in
// transit from the place, or received what is in transit to it; any of these
// readings agrees. Fees of a transaction under way are unknown until it is final.
func (s *State) judgeLine(l *domain.ReconciliationLine) {
	l.Ledger = s.placeBalance(l.Place, l.Asset)
	possible := []domain.Decimal{l.Ledger}
	for _, t := range s.Custody.OpenTransfers() {
		if t.Status != treasury.Broadcast {
			continue
		}
		if t.FromPlace == l.Place && t.GasAsset == l.Asset {
			l.Skipped = "transfer " + t.Transfer + " is under way, and its fee is not known yet"
		}
		if t.Asset != l.Asset {
			continue
		}
		switch from, to := t.FromPlace == l.Place, t.ToPlace == l.Place; {
		case from && to: // the money stays in the place
			for i := range possible {
				possible[i] = possible[i].Add(t.Amount)
			}
		case from || to:
			possible = withEither(possible, t.Amount)
		}
		if t.FromPlace == l.Place {
			l.InTransit = l.InTransit.Add(t.Amount)
		}
	}
	if l.Skipped == "" && !slices.Contains(possible, l.Chain) {
		l.Difference = l.Chain.Sub(possible[0]) // the ledger, and what moves within the place
	}
}

// withEither adds to each possible sum the same sum plus an amount. The number of
// wallets limits the result, because each can have one transfer under way.
func withEither(possible []domain.Decimal, amount domain.Decimal) []domain.Decimal {
	for _, p := range slices.Clone(possible) {
		if sum := p.Add(amount); !slices.Contains(possible, sum) && len(possible) < 1024 {
			possible = append(possible, sum)
		}
	}
	return possible
}

// placeBalance returns the ledger's balance of an asset in hot or cold, including
// bots.
func (s *State) placeBalance(place, asset string) domain.Decimal {
	sum := domain.Zero
	for account, balance := range s.Book {
		if account.Asset == asset && account.Place == place {
			sum = sum.Add(balance)
		}
	}
	return sum
}
