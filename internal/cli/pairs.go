package cli

import (
	"slices"
	"strings"

	"pets/domain"
)

// TreasuryPatch reads rules of the treasury, KEY=VALUE each, every key at most once.
func TreasuryPatch(pairs []string) (map[string]any, error) {
	body := map[string]any{}
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		key = strings.ToLower(key)
		switch {
		case !found || !slices.Contains(TreasuryKeys, key):
			return nil, domain.Invalid(pair, "must be KEY=VALUE with one of %s", strings.Join(TreasuryKeys, ", "))
		case body[key] != nil:
			return nil, domain.Invalid(key, "is given twice")
		}
		body[key] = value
	}
	return body, nil
}

// TreasuryKeys lists the rules that can be set.
var TreasuryKeys = []string{"hot_wallet_percentage", "min_rebalance_usd", "approval_threshold_usd", "approval_ttl", "max_transfer_fee"}
