package cli

import (
	"slices"
	"strings"

	"pets/domain"
)

// Pair is one KEY=VALUE of the command line.
type Pair struct{ Key, Value string }

// Pairs reads KEY=VALUE, in order. A key that is given twice is refused: which of them was meant
// nobody knows. Capitals make no other key. flag is the one that they come from, "" for
// arguments; like is what to write.
func Pairs(flag, like string, texts []string) ([]Pair, error) {
	return pairsBy(strings.ToLower, flag, like, texts)
}

func pairsBy(same func(key string) string, flag, like string, texts []string) ([]Pair, error) {
	pairs := make([]Pair, 0, len(texts))
	seen := map[string]bool{}
	for _, text := range texts {
		key, value, found := strings.Cut(text, "=")
		key = strings.TrimSpace(key)
		switch {
		case !found || key == "":
			return nil, Usage(domain.Invalid(strings.TrimSpace(flag+" "+Quoted(text)), "must be %s", like))
		case seen[same(key)]:
			return nil, Usage(domain.Invalid(strings.TrimSpace(flag+" "+key), "is given twice"))
		}
		seen[same(key)] = true
		pairs = append(pairs, Pair{key, strings.TrimSpace(value)})
	}
	return pairs, nil
}

// PairsOf reads pairs of which the keys are known, in lower case.
func PairsOf(keys, texts []string) (map[string]any, error) {
	like := "KEY=VALUE with one of " + strings.Join(keys, ", ")
	pairs, err := Pairs("", like, texts)
	body := map[string]any{}
	for i, p := range pairs {
		key := strings.ToLower(p.Key)
		if !slices.Contains(keys, key) {
			return nil, Usage(domain.Invalid(texts[i], "must be %s", like))
		}
		body[key] = p.Value
	}
	return body, err
}

// NamedPairs reads pairs of which the keys are names, as they are written.
func NamedPairs(flag, like string, texts []string) (map[string]string, error) {
	pairs, err := pairsBy(func(key string) string { return key }, flag, like, texts)
	if err != nil || len(pairs) == 0 {
		return nil, err
	}
	named := map[string]string{}
	for _, p := range pairs {
		named[p.Key] = p.Value
	}
	return named, nil
}

// TreasuryPatch reads rules of the treasury.
func TreasuryPatch(pairs []string) (map[string]any, error) { return PairsOf(TreasuryKeys, pairs) }

// TreasuryKeys are the rules that can be set.
var TreasuryKeys = []string{"hot_wallet_percentage", "min_rebalance_usd", "approval_threshold_usd", "approval_ttl", "max_transfer_fee"}
