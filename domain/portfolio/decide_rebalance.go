package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/risk"
	"pets/domain/treasury"
)

// RebalancePlan is the current result of the calculation.
type RebalancePlan struct {
	domain.Rebalance
	Move treasury.Move
	// Why says why nothing is proposed, or is "".
	Why string
}

// NoTwoWallets is the reason why nothing is moved, and the hot share is not
// watched, in a portfolio without both wallets.
const NoTwoWallets = "a live portfolio with a hot and a cold wallet is needed"

// PlanRebalance computes what to move between the wallets. "Never while anything
// is tripped" applies to moves out of cold; "only in live portfolios with both
// wallets; one open proposal at a time".
func (s *State) PlanRebalance() RebalancePlan { return s.PlanRebalanceAt(s.Time) }

// PlanRebalanceAt is PlanRebalance at a time after the last record.
func (s *State) PlanRebalanceAt(now time.Time) RebalancePlan {
	p := RebalancePlan{}
	if !s.hasBothWallets() {
		p.Rebalance = treasury.Figures(s.holdingsAt(now), &s.Custody.Policy)
		p.Why = NoTwoWallets
		return p
	}
	hot, cold := s.Custody.Main(domain.WalletHot), s.Custody.Main(domain.WalletCold)
	asset, _ := hot.Asset(s.BaseAsset)
	p.Rebalance, p.Move = treasury.Propose(s.holdingsAt(now), &s.Custody.Policy, asset.Decimals)
	switch open := s.betweenWallets(now); {
	case hot.Chain != cold.Chain:
		p.Move, p.Why = treasury.Move{}, "the wallets are on two chains"
	case open != "":
		p.Move, p.Why = treasury.Move{}, "transfer "+open+" between the wallets is open"
	case p.Move.Amount.IsZero():
		p.Why = "the hot wallet is within its bounds, or what could be moved is below min_rebalance_usd"
	case s.Custody.Main(p.Move.To).New(s.Custody.Wallets, now):
		// Nobody chose this destination but who registered it. A person may ask for the same
		// move, and two approvers agree to it.
		to := s.Custody.Main(p.Move.To)
		p.Move, p.Why = treasury.Move{}, "the receiving wallet "+to.Wallet+" was registered less than 24 h ago, at "+moment(to.At)+": a person may request a transfer there, which takes two approvers"
	case p.Move.From == domain.WalletCold && s.haltReason() != "":
		p.Move, p.Why = treasury.Move{}, "nothing comes out of cold while "+s.haltReason()
	case s.Stop.Engaged: // what was proposed would be sent by itself after the stop
		p.Move, p.Why = treasury.Move{}, "the emergency stop is engaged"
	}
	return p
}

// haltReason says what is tripped or stopped, or returns "".
func (s *State) haltReason() string {
	if s.Stop.Engaged {
		return "the emergency stop is engaged"
	}
	for _, key := range s.BreakerKeys() {
		if s.Breaker(key).Status == risk.Tripped {
			return "breaker " + key.String() + " is tripped"
		}
	}
	return ""
}

// betweenWallets names an open transfer between hot and cold, or returns "": "one
// open proposal at a time". What a person is already moving is not moved again.
func (s *State) betweenWallets(now time.Time) string {
	for _, t := range s.Custody.OpenTransfers() {
		if t.FromPlace != t.ToPlace && t.ToPlace != domain.PlaceExternal && !t.Lapsed(now) {
			return t.Transfer
		}
	}
	return ""
}

// ProposeRebalance records a proposal if one is due, with all its figures.
func (d *Decision) ProposeRebalance() error {
	if err := d.requireLive(); err != nil {
		return err
	}
	p := d.s.PlanRebalanceAt(d.now)
	if p.Why != "" {
		d.Note(domain.NotedNothing, p.Why)
		return nil
	}
	if err := d.checkOpen(false); err != nil {
		return err
	}
	if !p.Hot.InRange() || !p.Total.InRange() {
		return domain.Errorf(domain.CodeConflict, "the amounts of the proposal reach 10^15")
	}
	e, err := d.route(TransferRequest{From: p.Move.From, To: p.Move.To, Amount: p.Move.Amount})
	if err != nil {
		return err
	}
	e.Kind = domain.TransferRebalance
	e.Reason = "hot holds " + p.Share.Ratio().String() + " of the total, and should hold " + d.s.Custody.Policy.HotWalletPercentage.String()
	figures := p.Rebalance
	e.Rebalance = &figures
	d.request(e)
	return nil
}
