package domain

import "time"

// TreasuryPolicy holds the rules for wallets and transfers. Like Policy it is
// stored in the stream; the JSON keys are the environment variables in lower
// case.
type TreasuryPolicy struct {
	// HotWalletPercentage is the share of the total that the hot wallet should
	// hold, 0.10 to 0.20. Deployed positions count as hot.
	HotWalletPercentage Decimal `json:"hot_wallet_percentage"`
	// MinRebalanceUSD is the smallest move between the wallets that the engine
	// proposes.
	MinRebalanceUSD Decimal `json:"min_rebalance_usd"`
	// ApprovalThresholdUSD is the amount above which a transfer needs a second
	// person, counted alone or with the unapproved transfers of the last 24 h.
	ApprovalThresholdUSD Decimal `json:"approval_threshold_usd"`
	// ApprovalTTL is how long a transfer may wait for approval and preparation.
	ApprovalTTL Duration `json:"approval_ttl"`
	// MaxTransferFee is the highest fee that a transfer may name, in the chain's
	// coin. A transfer that names none gets this fee.
	MaxTransferFee Decimal `json:"max_transfer_fee"`
}

// DefaultTreasuryPolicy returns the default rules.
func DefaultTreasuryPolicy() TreasuryPolicy {
	return TreasuryPolicy{
		HotWalletPercentage:  MustDecimal("0.15"),
		MinRebalanceUSD:      MustDecimal("50"),
		ApprovalThresholdUSD: MustDecimal("1000"),
		ApprovalTTL:          Duration(24 * time.Hour),
		MaxTransferFee:       MustDecimal("1"),
	}
}

// MaxHotShare is the largest share of the total that may stay in the hot wallet.
var MaxHotShare = MustDecimal("0.20")

var minHotShare = MustDecimal("0.10")

// Validate returns the first violation, in the order of the fields.
func (p *TreasuryPolicy) Validate() error {
	switch {
	case p.HotWalletPercentage.AtLeast(One):
		return checkRatio("hot_wallet_percentage", p.HotWalletPercentage)
	case p.HotWalletPercentage.Less(minHotShare) || MaxHotShare.Less(p.HotWalletPercentage):
		return Invalid("hot_wallet_percentage", "must be 0.10 to 0.20 (a fraction: 0.15 is 15 %%)")
	case p.MinRebalanceUSD.Sign() < 0:
		return Invalid("min_rebalance_usd", "must not be negative")
	case p.ApprovalThresholdUSD.Sign() < 0:
		return Invalid("approval_threshold_usd", "must not be negative; 0 requires approval of every transfer")
	case p.ApprovalTTL < Duration(time.Minute) || p.ApprovalTTL > Duration(7*24*time.Hour):
		return Invalid("approval_ttl", "must be between 1m and 168h")
	case p.MaxTransferFee.Sign() <= 0:
		return Invalid("max_transfer_fee", "must be above 0, in the chain's coin")
	}
	return nil
}
