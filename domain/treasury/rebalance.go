package treasury

import "pets/domain"

// Holdings are the inputs of the calculation, in base asset.
type Holdings struct {
	HotCash  domain.Decimal // in the hot wallet: the treasury's and the bots'
	Deployed domain.Decimal // positions at cost: they were paid for from the hot wallet
	Cold     domain.Decimal
	Transit  domain.Decimal
	// FreeHot and FreeCold are what could be sent from each place now: the
	// treasury's cash less what open transfers will take.
	FreeHot, FreeCold domain.Decimal
}

// Factors of the rebalancing rule.
var (
	lowFactor  = domain.MustDecimal("0.8")
	highFactor = domain.MustDecimal("1.2")
	tightUpper = domain.MustDecimal("1.05")
	tightGoal  = domain.MustDecimal("0.95")
)

// Move is a proposed move; the zero Move is none.
type Move struct {
	From, To string // hot or cold
	Amount   domain.Decimal
}

// Figures returns every figure of a proposal except the hot value after it:
// "Target hot = hot_wallet_percentage × total. Hot value counts deployed
// positions."
func Figures(h Holdings, p *domain.TreasuryPolicy) domain.Rebalance {
	r := domain.Rebalance{
		Hot: h.HotCash.Add(h.Deployed), HotCash: h.HotCash, Deployed: h.Deployed, Cold: h.Cold, Transit: h.Transit, Smallest: p.MinRebalanceUSD,
	}
	r.Total = r.Hot.Add(h.Cold).Add(h.Transit)
	r.Target = p.HotWalletPercentage.Mul(r.Total)
	r.Low = lowFactor.Mul(r.Target)
	r.High = highFactor.Mul(r.Target).Min(domain.MaxHotShare.Mul(r.Total))
	if r.Total.Sign() > 0 {
		r.Share = r.Hot.Div(r.Total)
	}
	return r
}

// Propose returns the move between the wallets, if one is needed. Below 0.8 ×
// target it moves from cold, up to the target. Above min(1.2 × target, 0.20 ×
// total) it moves to cold, down to the target, or to 0.95 of it if the upper
// limit is less than 1.05 × target, so that the next small gain does not require
// another move. Amounts are rounded down to the decimals of the chain. A move
// below the minimum is not proposed.
func Propose(h Holdings, p *domain.TreasuryPolicy, decimals int) (domain.Rebalance, Move) {
	r := Figures(h, p)
	if r.Total.Sign() <= 0 {
		return r, Move{}
	}
	var m Move
	switch {
	case r.Hot.Less(r.Low):
		r.GoesTo, r.Available = r.Target, h.FreeCold.Max(domain.Zero)
		m = Move{domain.WalletCold, domain.WalletHot, r.Target.Sub(r.Hot)}
	case r.High.Less(r.Hot):
		r.GoesTo, r.Available = r.Target, h.FreeHot.Max(domain.Zero)
		if r.High.Less(tightUpper.Mul(r.Target)) {
			r.GoesTo = tightGoal.Mul(r.Target)
		}
		m = Move{domain.WalletHot, domain.WalletCold, r.Hot.Sub(r.GoesTo)}
	default:
		return r, Move{}
	}
	m.Amount = m.Amount.Min(r.Available).Trunc(decimals)
	if m.Amount.Sign() <= 0 || m.Amount.Less(p.MinRebalanceUSD) {
		return r, Move{}
	}
	return r, m
}

// AboveShare reports whether the hot wallet holds more than its permanent limit:
// more than 0.20 of the total.
func AboveShare(h Holdings) bool {
	hot := h.HotCash.Add(h.Deployed)
	total := hot.Add(h.Cold).Add(h.Transit)
	return total.Sign() > 0 && domain.MaxHotShare.Mul(total).Less(hot)
}
