package strict

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"pets/domain"
	"pets/internal/spelling"
)

// maxNamed limits the names that an error repeats.
const maxNamed = 32

// otherNames are the names that venues and other programs use for our fields. The
// first one that the request has is suggested.
var otherNames = map[string][]string{
	"amount": {"quantity"}, "qty": {"quantity"}, "size": {"quantity"}, "shares": {"quantity"}, "contracts": {"quantity"},
	"quantity": {"amount"}, "cost": {"notional", "amount"}, "value": {"amount"},
	"permit": {"permit_id"}, "order": {"permit_id"}, "limit": {"limit_price"}, "price": {"limit_price"},
	"limit_price": {"price"}, "symbol": {"market"}, "ticker": {"market"}, "pair": {"market"}, "instrument": {"market"},
	"token": {"outcome"}, "token_id": {"outcome"}, "action": {"side"}, "direction": {"side"}, "commission": {"fee"},
	"fees": {"fee"}, "fill_id": {"trade_id"}, "id": {"trade_id"}, "strategy": {"bot"}, "time": {"effective_at", "expires_at"},
	"key": {"idempotency_key"}, "timestamp": {"effective_at"}, "profit": {"pnl"}, "why": {"reason"}, "comment": {"reason"}, "expiry": {"expires_at", "ttl"},
}

// unknown refuses a field that the object at path does not have. Its name is
// repeated only if it looks like a field name, because it may be a secret that
// was pasted in place of a name.
func (s *shape) unknown(path, name string, offset int64) error {
	if !isName(name) {
		return domain.Invalid(orBody(path), "has an unknown field near byte %d; %s", offset, s.known())
	}
	meant := s.nearest(name)
	if meant == "" {
		return domain.Invalid(join(path, name), "is not a field of this request; %s", s.known())
	}
	return domain.Invalid(join(path, name), "is not a field of this request; did you mean %s? Names are spelled exactly", meant)
}

// isName reports whether s is short and has only letters and underscores. No key,
// seed or token looks like that.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; s[i] != '_' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= maxNamed
}

// nearest returns the most similar field, or "" if none is similar.
func (s *shape) nearest(name string) string {
	names := slices.Sorted(maps.Keys(s.fields))
	plain := plainName(name)
	for _, known := range names {
		if plainName(known) == plain {
			return known
		}
	}
	for _, known := range otherNames[strings.ToLower(name)] {
		if _, ok := s.fields[known]; ok {
			return known
		}
	}
	best, distance := "", 1+len(plain)/4 // one typo, and one more for every four letters
	for _, known := range names {
		if d := spelling.Distance(plain, plainName(known)); d < min(distance+1, len(plain)) {
			best, distance = known, d-1
		}
	}
	return best
}

// plainName maps limitPrice and Limit_Price to the same name as limit_price.
func plainName(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

// known lists the fields, the required ones first.
func (s *shape) known() string {
	names := slices.SortedFunc(maps.Keys(s.fields), func(a, b string) int {
		if s.fields[a].required != s.fields[b].required {
			if s.fields[a].required {
				return -1
			}
			return 1
		}
		return cmp.Compare(a, b)
	})
	const most = 12
	switch {
	case len(names) == 0:
		return "it has none"
	case len(names) > most:
		return "it has " + strings.Join(names[:most], ", ") + " and more: see /openapi.json"
	default:
		return "it has " + strings.Join(names, ", ")
	}
}
