package money

import (
	"fmt"
	"slices"

	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/cli/show"
	"pets/projections"
)

// sweepPlan is what a sweep of hot wallets, or an evacuation of cold ones, would move, by
// the balances of a block.
type sweepPlan struct {
	place, kind string
	block       uint64
	lines       []sweepLine
}

// sweepLine is one asset of one wallet.
type sweepLine struct {
	place, kind   string
	wallet, asset string
	native        bool
	// chain is the wallet's balance on the chain, ledger the ledger's balance of the asset in
	// all wallets of the place.
	chain, ledger domain.Decimal
	// amount is what moves; kept is what stays for the fees of all sweeps of the wallet.
	amount, kept domain.Decimal
	fee          domain.Decimal // the highest fee of this transfer
	notes        []string
}

// newSweepPlan plans a sweep: tokens first, then the coin that pays the fees, less the fees of
// all of the wallet's sweeps.
func newSweepPlan(place, kind string, wallets []projections.Wallet, found *domain.BalanceReconciled, transfers []projections.Transfer, highest domain.Decimal) *sweepPlan {
	plan := &sweepPlan{place: place, kind: kind, block: found.Block}
	for i := range wallets {
		if w := &wallets[i]; w.Place == place {
			plan.lines = append(plan.lines, sweepWallet(w, kind, found, transfers, highest)...)
		}
	}
	return plan
}

// sweepWallet plans the sweeps of one wallet.
func sweepWallet(w *projections.Wallet, kind string, found *domain.BalanceReconciled, transfers []projections.Transfer, highest domain.Decimal) []sweepLine {
	var lines []sweepLine
	for _, asset := range w.Assets {
		l := sweepLine{place: w.Place, kind: kind, wallet: w.Wallet, asset: asset.Asset, native: asset.Native}
		l.read(found)
		l.amount = l.chain.Sub(l.claimed(transfers)).Max(domain.Zero).Trunc(asset.Decimals)
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b sweepLine) int { return rank(&a) - rank(&b) })
	payFees(lines, transfers, highest)
	return lines
}

// rank sorts the coin that pays the fees last.
func rank(l *sweepLine) int {
	if l.native {
		return 1
	}
	return 0
}

// read takes the balances of chain and ledger from a reconciliation.
func (l *sweepLine) read(found *domain.BalanceReconciled) {
	for i := range found.Lines {
		line := &found.Lines[i]
		if line.Place != l.place || line.Asset != l.asset {
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

// claimed sums what other transfers already take from the wallet's asset: earlier sweeps, and
// transfers that are broadcast. Transfers at an earlier stage do not count, because they wait
// while the portfolio is stopped.
func (l *sweepLine) claimed(transfers []projections.Transfer) domain.Decimal {
	sum := domain.Zero
	for i := range transfers {
		t := &transfers[i]
		sweep, sent := t.Kind == l.kind, t.Status == treasury.Broadcast
		if t.Wallet != l.wallet || t.Asset != l.asset || show.IsOver(t) || !sweep && !sent {
			continue
		}
		sum = sum.Add(t.Payment.Amount)
		note := fmt.Sprintf("%s takes %s already (%s)", t.Transfer, t.Payment.Amount, t.Status)
		if sweep && t.Status != treasury.Broadcast && l.chain.Less(sum) {
			note += ", WHICH IS MORE THAN THERE IS: reject it, and ask again"
		}
		l.notes = append(l.notes, note)
	}
	return sum
}

// payFees sets the highest fee of every transfer of a wallet, and keeps the sum of these fees
// back from the coin. A wallet with few coins pays lower fees, because a sweep that cannot pay
// its fee does not go at all.
func payFees(lines []sweepLine, transfers []projections.Transfer, highest domain.Decimal) {
	coin := &lines[len(lines)-1]
	if !coin.native {
		return
	}
	free := coin.amount
	for i := range transfers {
		if t := &transfers[i]; t.Wallet == coin.wallet && !show.IsOver(t) && (t.Kind == coin.kind || t.Status == treasury.Broadcast) {
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
	case tokens == 0: // half of a few coins covers the fee; the rest moves with the next sweep
		fee = free.Div(domain.FromInt(2)).Trunc(feeDecimals).Min(highest)
		kept = fee
	case free.Less(kept): // all coins are kept for the fees of the tokens
		fee, kept = free.Div(domain.FromInt(max(tokens, 2))).Trunc(feeDecimals).Min(highest), free
	}
	all := coin.amount
	coin.amount = free.Sub(kept)
	switch {
	case tokens == 0 && free.IsZero(): // there is nothing to move
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

// feeDecimals is the precision of a fee: a millionth of a coin.
const feeDecimals = 6

// moves returns the lines that move something, in the order of the requests: tokens first, the
// coins that pay for them last.
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
