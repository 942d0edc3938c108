package portfolio

import (
	"encoding/json"

	"pets/domain"
)

// ChangeTreasuryPolicy replaces parts of the treasury's rules: patch is a JSON
// object with their keys. In a live portfolio, rules looser than their defaults
// take two people.
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
	if err := domain.DecodeObject(patch, &p); err != nil {
		refused.Cause = quiet(err)
		return p, refused
	}
	return p, p.Validate()
}

// loosenedTreasury names a rule that is looser than its default and looser than
// before.
func loosenedTreasury(old, now *domain.TreasuryPolicy) string {
	def := domain.DefaultTreasuryPolicy()
	for _, r := range []struct {
		key    string
		looser func(a, b *domain.TreasuryPolicy) bool
	}{
		{"hot_wallet_percentage", func(a, b *domain.TreasuryPolicy) bool { return b.HotWalletPercentage.Less(a.HotWalletPercentage) }},
		// A higher minimum leaves more in the hot wallet.
		{"min_rebalance_usd", func(a, b *domain.TreasuryPolicy) bool { return b.MinRebalanceUSD.Less(a.MinRebalanceUSD) }},
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
