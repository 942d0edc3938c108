package strict

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"pets/domain"
	"pets/internal/spelling"
)

// maxNamed bounds the names that an error repeats.
const maxNamed = 32

// otherNames are what venues and other programs call our fields. The first one that
// the request has is the one that was meant.
var otherNames = map[string][]string{
	"amount": {"quantity"}, "qty": {"quantity"}, "size": {"quantity"}, "shares": {"quantity"}, "contracts": {"quantity"},
	"quantity": {"amount"}, "cost": {"notional", "amount"}, "value": {"amount"},
	"permit": {"permit_id"}, "order": {"permit_id"}, "limit": {"limit_price"}, "price": {"limit_price"},
	"limit_price": {"price"}, "symbol": {"market"}, "ticker": {"market"}, "pair": {"market"}, "instrument": {"market"},
	"token": {"outcome"}, "token_id": {"outcome"}, "action": {"side"}, "direction": {"side"}, "commission": {"fee"},
	"fees": {"fee"}, "fill_id": {"trade_id"}, "id": {"trade_id"}, "strategy": {"bot"}, "time": {"effective_at", "expires_at"},
	"timestamp": {"effective_at"}, "profit": {"pnl"}, "why": {"reason"}, "comment": {"reason"}, "expiry": {"expires_at", "ttl"},
}

// unknown refuses a field that the object at path does not have. Its name is repeated
// where it can be nothing else than a name: it came from outside, and may be a secret
// that was pasted where a name belongs.
func (s *shape) unknown(path, name string, offset int64) error {
	if !isName(name) {
		return domain.Invalid(orBody(path), "has a field near byte %d that this request does not know; %s", offset, s.known())
	}
	meant := s.nearest(name)
	if meant == "" {
		return domain.Invalid(join(path, name), "is no field of this request; %s", s.known())
	}
	return domain.Invalid(join(path, name), "is no field of this request; did you mean %s? Names are spelled exactly", meant)
}

// isName: letters and underscores only, and not many. No key, seed or token is that.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; s[i] != '_' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= maxNamed
}

// nearest is the field that was probably meant, empty where none is near.
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
	best, distance := "", 1+len(plain)/4 // one slip, and one more for every four letters
	for _, known := range names {
		if d := spelling.Distance(plain, plainName(known)); d < min(distance+1, len(plain)) {
			best, distance = known, d-1
		}
	}
	return best
}

// plainName makes limitPrice and Limit_Price the same name as limit_price.
func plainName(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

// known lists the fields there are, those that are required first.
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
