package portfolio

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/risk"
	"pets/domain/treasury"
)

// ChangeTreasuryPolicy replaces parts of the treasury's rules: patch is a JSON object
// with their keys. Rules of a live portfolio that are looser than their defaults take
// two people.
func (d *Decision) ChangeTreasuryPolicy(patch json.RawMessage, reason string) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	p, err := patchedTreasury(d.s.Custody.Policy, patch)
	if err != nil {
		return err
	}
	if d.s.Mode == domain.ModeLive {
		if key := loosenedTreasury(&d.s.Custody.Policy, &p); key != "" {
			return &domain.Error{Code: domain.CodeDenied, Field: key, Message: "of a live portfolio cannot be loosened beyond its default without two people: POST …/overrides with kind treasury_policy, confirmed by another user"}
		}
	}
	d.changeTreasury(p, reason)
	return nil
}

func (d *Decision) changeTreasury(p domain.TreasuryPolicy, reason string) {
	d.emit(&domain.TreasuryPolicyChanged{Policy: p, Reason: reason})
}

// patchedTreasury returns the rules with the keys of one JSON object replaced.
func patchedTreasury(p domain.TreasuryPolicy, patch json.RawMessage) (domain.TreasuryPolicy, error) {
	refused := &domain.Error{Code: domain.CodeInvalid, Field: "treasury", Message: "must be one JSON object of treasury policy keys and values"}
	if patch = bytes.TrimSpace(patch); len(patch) == 0 || patch[0] != '{' {
		return p, refused
	}
	dec := json.NewDecoder(bytes.NewReader(patch))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		refused.Cause = quiet(err)
		return p, refused
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return p, refused
	}
	return p, p.Validate()
}

// loosenedTreasury names a rule that is looser than its default and looser than it was.
func loosenedTreasury(old, now *domain.TreasuryPolicy) string {
	def := domain.DefaultTreasuryPolicy()
	for _, r := range []struct {
		key    string
		looser func(a, b *domain.TreasuryPolicy) bool
	}{
		{"hot_wallet_percentage", func(a, b *domain.TreasuryPolicy) bool { return b.HotWalletPercentage.Less(a.HotWalletPercentage) }},
		{"approval_threshold_usd", func(a, b *domain.TreasuryPolicy) bool { return b.ApprovalThresholdUSD.Less(a.ApprovalThresholdUSD) }},
		{"approval_ttl", func(a, b *domain.TreasuryPolicy) bool { return a.ApprovalTTL > b.ApprovalTTL }},
		{"max_transfer_fee", func(a, b *domain.TreasuryPolicy) bool { return b.MaxTransferFee.Less(a.MaxTransferFee) }},
	} {
		if r.looser(now, &def) && r.looser(now, old) {
			return r.key
		}
	}
	return ""
}

// RebalancePlan is what the arithmetic says now.
type RebalancePlan struct {
	domain.Rebalance
	Move treasury.Move
	// Why says why nothing is proposed, "" where something is.
	Why string
}

// PlanRebalance works out what to move between the wallets. "Never while anything is
// tripped" is for what comes out of cold; "only in live portfolios with both wallets;
// one open proposal at a time".
func (s *State) PlanRebalance() RebalancePlan {
	p := RebalancePlan{}
	if !s.hasBothWallets() {
		p.Rebalance = treasury.Figures(s.Holdings(), &s.Custody.Policy)
		p.Why = "a live portfolio with a hot and a cold wallet is needed"
		return p
	}
	hot, cold := s.Custody.Main(domain.WalletHot), s.Custody.Main(domain.WalletCold)
	asset, _ := hot.Asset(s.BaseAsset)
	p.Rebalance, p.Move = treasury.Propose(s.Holdings(), &s.Custody.Policy, asset.Decimals)
	switch {
	case hot.Chain != cold.Chain:
		p.Move, p.Why = treasury.Move{}, "the wallets are on two chains"
	case s.openProposal() != "":
		p.Move, p.Why = treasury.Move{}, "proposal "+s.openProposal()+" is open"
	case p.Move.Amount.IsZero():
		p.Why = "the hot wallet is within its bounds, or what could be moved is below min_rebalance_usd"
	case p.Move.From == domain.WalletCold && s.haltReason() != "":
		p.Move, p.Why = treasury.Move{}, "nothing comes out of cold while "+s.haltReason()
	}
	return p
}

// haltReason says what is tripped or stopped, "" for nothing.
func (s *State) haltReason() string {
	if s.Stop.Engaged {
		return "the emergency stop is engaged"
	}
	for _, key := range s.BreakerKeys() {
		if s.breaker(key).Status == risk.Tripped {
			return "breaker " + key.String() + " is tripped"
		}
	}
	return ""
}

// openProposal names the transfer that the engine has proposed and that is not over.
func (s *State) openProposal() string {
	for _, t := range s.Custody.OpenTransfers() {
		if t.Kind == domain.TransferRebalance {
			return t.Transfer
		}
	}
	return ""
}

// ProposeRebalance records a proposal where one is due, with every number it rests on.
func (d *Decision) ProposeRebalance() error {
	if err := d.requireLive(); err != nil {
		return err
	}
	p := d.s.PlanRebalance()
	if p.Why != "" {
		d.Note(domain.NotedNothing, p.Why)
		return nil
	}
	if len(d.s.Custody.OpenTransfers()) >= maxOpen {
		return domain.Errorf(domain.CodeConflict, "%d transfers are open, and no more can be", maxOpen)
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

// Reading is what the chain says a wallet holds of an asset.
type Reading struct {
	Wallet string
	Asset  string // its name in the ledger
	Amount domain.Decimal
}

// Reconcile holds the ledger against the chain, per place and asset. A difference stops
// outgoing transfers until an adjustment explains it, or ledger and chain agree again.
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

// Differences says what a reconciliation of these readings would find; nothing is
// recorded.
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

// reconciliation makes the lines: every asset of every wallet has to be read.
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
		return nil, domain.Invalid("readings", "must be of each asset of each wallet, once")
	}
	out := make([]domain.ReconciliationLine, 0, len(lines))
	for _, l := range lines {
		s.judgeLine(l)
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b domain.ReconciliationLine) int {
		return strings.Compare(differenceKey(a.Place, a.Asset), differenceKey(b.Place, b.Asset))
	})
	return out, nil
}

// judgeLine compares. What is in transit from there may or may not have been taken off
// by the chain, and what is in transit to there may have arrived: any of these readings
// agrees. Fees of a transaction under way are not known before it is final.
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
		case from && to: // it lies there before and after
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
		l.Difference = l.Chain.Sub(l.Ledger)
	}
}

// withEither adds, to what is possible, the same with an amount more. It is bounded by the
// number of wallets: one transfer of each can be under way.
func withEither(possible []domain.Decimal, amount domain.Decimal) []domain.Decimal {
	for _, p := range slices.Clone(possible) {
		if sum := p.Add(amount); !slices.Contains(possible, sum) && len(possible) < 1024 {
			possible = append(possible, sum)
		}
	}
	return possible
}

// placeBalance is what the ledger has of an asset in hot or cold, bots included.
func (s *State) placeBalance(place, asset string) domain.Decimal {
	sum := domain.Zero
	for account, balance := range s.Book {
		if account.Asset == asset && account.Place == place {
			sum = sum.Add(balance)
		}
	}
	return sum
}
