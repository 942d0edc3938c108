package domain

import "time"

// TreasuryPolicy are the rules for wallets and transfers (section 8). Like the
// policy it stands in the stream; JSON keys are the environment names in lower case.
type TreasuryPolicy struct {
	// HotWalletPercentage is the share of the total that the hot wallet should hold,
	// 0.10 to 0.20; hot counts deployed positions.
	HotWalletPercentage Decimal `json:"hot_wallet_percentage"`
	// MinRebalanceUSD is the smallest move between the wallets that is proposed.
	MinRebalanceUSD Decimal `json:"min_rebalance_usd"`
	// ApprovalThresholdUSD: above it, alone or with the unapproved ones of the last 24 h,
	// a transfer needs a second person.
	ApprovalThresholdUSD Decimal `json:"approval_threshold_usd"`
	// ApprovalTTL is how long a transfer waits to be approved and prepared.
	ApprovalTTL Duration `json:"approval_ttl"`
	// MaxTransferFee is the highest fee that a transfer may name, in the chain's coin,
	// and what one gets that names none.
	MaxTransferFee Decimal `json:"max_transfer_fee"`
}

// DefaultTreasuryPolicy returns the defaults of section 8.
func DefaultTreasuryPolicy() TreasuryPolicy {
	return TreasuryPolicy{
		HotWalletPercentage:  MustDecimal("0.15"),
		MinRebalanceUSD:      MustDecimal("50"),
		ApprovalThresholdUSD: MustDecimal("1000"),
		ApprovalTTL:          Duration(24 * time.Hour),
		MaxTransferFee:       MustDecimal("1"),
	}
}

// MaxHotShare is the share of the total above which the hot wallet may not stay.
var MaxHotShare = MustDecimal("0.20")

var minHotShare = MustDecimal("0.10")

// Validate says what is wrong with the rules, field by field, first first.
func (p *TreasuryPolicy) Validate() error {
	switch {
	case p.HotWalletPercentage.AtLeast(One):
		return checkRatio("hot_wallet_percentage", p.HotWalletPercentage)
	case p.HotWalletPercentage.Less(minHotShare) || MaxHotShare.Less(p.HotWalletPercentage):
		return Invalid("hot_wallet_percentage", "must be 0.10 to 0.20 (a fraction: 0.15 is 15 %%)")
	case p.MinRebalanceUSD.Sign() < 0:
		return Invalid("min_rebalance_usd", "must not be negative")
	case p.ApprovalThresholdUSD.Sign() < 0:
		return Invalid("approval_threshold_usd", "must not be negative; 0 has every transfer approved")
	case p.ApprovalTTL < Duration(time.Minute) || p.ApprovalTTL > Duration(7*24*time.Hour):
		return Invalid("approval_ttl", "must be between 1m and 168h")
	case p.MaxTransferFee.Sign() <= 0:
		return Invalid("max_transfer_fee", "must be above 0, in the chain's coin")
	}
	return nil
}
