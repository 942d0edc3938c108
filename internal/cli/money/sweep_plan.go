package money

import (
	"fmt"
	"slices"

	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/cli/show"
	"pets/projections"
)

// sweepPlan is what a sweep would move.
type sweepPlan struct {
	block uint64
	lines []sweepLine
}

// sweepLine is one asset of one hot wallet.
type sweepLine struct {
	wallet, asset string
	native        bool
	// chain is what the chain says the wallet holds, ledger what the ledger has of the
	// asset in all hot wallets.
	chain, ledger domain.Decimal
	// amount is what moves, kept what is left for the fees of all sweeps of the wallet.
	amount, kept domain.Decimal
	fee          domain.Decimal // the highest of this transfer
	notes        []string
}

// newSweepPlan works it out: tokens first, the coin that fees are paid in last, with the
// fees of all of the wallet's sweeps kept back.
func newSweepPlan(wallets []projections.Wallet, found *domain.BalanceReconciled, transfers []projections.Transfer, highest domain.Decimal) *sweepPlan {
	plan := &sweepPlan{block: found.Block}
	for i := range wallets {
		if w := &wallets[i]; w.Place == domain.WalletHot {
			plan.lines = append(plan.lines, sweepWallet(w, found, transfers, highest)...)
		}
	}
	return plan
}

// sweepWallet plans for one wallet.
func sweepWallet(w *projections.Wallet, found *domain.BalanceReconciled, transfers []projections.Transfer, highest domain.Decimal) []sweepLine {
	var lines []sweepLine
	for _, asset := range w.Assets {
		l := sweepLine{wallet: w.Wallet, asset: asset.Asset, native: asset.Native}
		l.read(found)
		l.amount = l.chain.Sub(l.claimed(transfers)).Max(domain.Zero).Trunc(asset.Decimals)
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b sweepLine) int { return rank(&a) - rank(&b) })
	payFees(lines, transfers, highest)
	return lines
}

// rank puts the coin that fees are paid in last.
func rank(l *sweepLine) int {
	if l.native {
		return 1
	}
	return 0
}

// read takes what chain and ledger say of the asset.
func (l *sweepLine) read(found *domain.BalanceReconciled) {
	for i := range found.Lines {
		line := &found.Lines[i]
		if line.Place != domain.WalletHot || line.Asset != l.asset {
			continue
		}
		l.ledger = line.Ledger
		for _, w := range line.Wallets {
			if w.Wallet == l.wallet {
				l.chain = w.Amount
			}
		}
		if !line.Difference.IsZero() {
			l.notes = append(l.notes, fmt.Sprintf("THE CHAIN HAS %s; what it has is moved", show.MoreOrLess(line.Difference, l.asset)))
		}
	}
}

// claimed is what transfers take of the wallet's asset already: sweeps that were asked
// for before, and what may be on its way. What else waits takes nothing: it does not go
// on while the portfolio is stopped.
func (l *sweepLine) claimed(transfers []projections.Transfer) domain.Decimal {
	sum := domain.Zero
	for i := range transfers {
		t := &transfers[i]
		sweep, sent := t.Kind == domain.TransferSweep, t.Status == treasury.Broadcast
		if t.Wallet != l.wallet || t.Asset != l.asset || show.IsOver(t) || !sweep && !sent {
			continue
		}
		sum = sum.Add(t.Payment.Amount)
		note := fmt.Sprintf("%s takes %s already (%s)", t.Transfer, t.Payment.Amount, t.Status)
		if sweep && t.Status != treasury.Broadcast && l.chain.Less(sum) {
			note += ", WHICH IS MORE THAN THERE IS: reject it, and sweep again"
		}
		l.notes = append(l.notes, note)
	}
	return sum
}

// payFees gives every transfer of a wallet its highest fee, and keeps all of them back
// from the coin. A wallet with few coins pays lower fees: a sweep that cannot pay does
// not go at all.
func payFees(lines []sweepLine, transfers []projections.Transfer, highest domain.Decimal) {
	coin := &lines[len(lines)-1]
	if !coin.native {
		return
	}
	free := coin.amount
	for i := range transfers {
		if t := &transfers[i]; t.Wallet == coin.wallet && !show.IsOver(t) && (t.Kind == domain.TransferSweep || t.Status == treasury.Broadcast) {
			free = free.Sub(t.Payment.HighestFee).Max(domain.Zero)
		}
	}
	tokens := int64(0)
	for i := range lines[:len(lines)-1] {
		if lines[i].amount.Sign() > 0 {
			tokens++
		}
	}
	fee, kept := highest, highest.Mul(domain.FromInt(tokens+1))
	switch {
	case tokens == 0: // half of few coins is more than their fee, and what is left goes next time
		fee = free.Div(domain.FromInt(2)).Trunc(feeDecimals).Min(highest)
		kept = fee
	case free.Less(kept): // all of them are for the fees of the tokens
		fee, kept = free.Div(domain.FromInt(max(tokens, 2))).Trunc(feeDecimals).Min(highest), free
	}
	all := coin.amount
	coin.amount = free.Sub(kept)
	switch {
	case tokens == 0 && free.IsZero(): // nothing wants to move
	case fee.IsZero():
		coin.notes = append(coin.notes, "NO COIN LEFT FOR FEES: send some to the wallet first")
	case fee.Less(highest):
		coin.notes = append(coin.notes, fmt.Sprintf("few coins: at most %s a transfer instead of %s", fee, highest))
	}
	for i := range lines {
		lines[i].fee = fee
		if fee.IsZero() {
			lines[i].amount = domain.Zero
		}
	}
	coin.kept = all.Sub(coin.amount)
}

// feeDecimals are enough for a fee: a millionth of a coin.
const feeDecimals = 6

// moves are the lines that move anything, in the order in which they are asked for: what
// is worth most first, the coins that pay for it last.
func (p *sweepPlan) moves() []sweepLine {
	var moves []sweepLine
	for _, l := range p.lines {
		if l.amount.Sign() > 0 {
			moves = append(moves, l)
		}
	}
	slices.SortStableFunc(moves, func(a, b sweepLine) int { return rank(&a) - rank(&b) })
	return moves
}
