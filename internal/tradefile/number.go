package tradefile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"pets/domain"
)

// Reasons for refusing a number. They follow the text of the cell.
var (
	errNoNumber = errors.New("is empty; write a number such as 12.5")
	errNumber   = errors.New("is not a number such as -12.5 or 1.5e-7 (a point for decimals, no spaces, no thousands separators)")
	errTooFine  = fmt.Errorf("has more than %d decimals", domain.Scale)
	errTooLarge = errors.New("is not below 10^15 in absolute value")
)

// mostExponent is beyond every exponent of an accepted number other than 0.
const mostExponent = 1_000_000

// parseNumber parses a number as programs export it: a plain decimal, or one with
// an exponent. Zeros without effect are dropped, however many there are. A number
// with more than [domain.Scale] decimals after that is refused or, with round,
// rounded half-even.
func parseNumber(s string, round bool) (d domain.Decimal, rounded bool, err error) {
	if s == "" {
		return d, false, errNoNumber
	}
	n, ok := cutNumber(s)
	switch {
	case !ok:
		return d, false, errNumber
	case n.digits == "":
		return domain.Zero, false, nil
	case n.point > 15:
		return d, false, errTooLarge
	}
	if len(n.digits)-n.point > domain.Scale {
		if !round {
			return d, false, errTooFine
		}
		n, rounded = n.roundAt(n.point+domain.Scale), true
	}
	if d, err = domain.ParseDecimal(n.plain()); err != nil {
		return d, false, errTooLarge // it is well formed and has the right scale
	}
	return d, rounded, nil
}

// number is 0.DIGITS × 10^point. Its digits neither begin nor end with a zero; 0 has none.
type number struct {
	negative bool
	digits   string
	point    int
}

// cutNumber splits [+-]digits[.digits][e[+-]digits], with no part empty.
func cutNumber(s string) (n number, ok bool) {
	if s[0] == '-' || s[0] == '+' {
		n.negative, s = s[0] == '-', s[1:]
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		if exponent, ok = parseExponent(s[i+1:]); !ok {
			return n, false
		}
	}
	whole, decimals, point := strings.Cut(mantissa, ".")
	if !isDigits(whole) || point && !isDigits(decimals) {
		return n, false
	}
	all := whole + decimals
	n.digits = strings.TrimLeft(all, "0")
	n.point = len(whole) - (len(all) - len(n.digits)) + exponent
	n.digits = strings.TrimRight(n.digits, "0")
	return n, true
}

// parseExponent parses an exponent and limits it to mostExponent.
func parseExponent(s string) (int, bool) {
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || !isDigits(digits) {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > mostExponent {
		n = mostExponent
	}
	if s[0] == '-' {
		n = -n
	}
	return n, true
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// roundAt keeps the first n digits and rounds half-even; n may be negative.
func (n number) roundAt(at int) number {
	if at < 0 {
		return number{}
	}
	head, rest := n.digits[:at], n.digits[at:]
	up := rest[0] > '5' || rest[0] == '5' && (len(rest) > 1 || at > 0 && (head[at-1]-'0')%2 == 1)
	if up {
		kept := strings.TrimRight(head, "9")
		if kept == "" {
			head, n.point = "1", n.point+1
		} else {
			last := len(kept) - 1
			head = kept[:last] + string(kept[last]+1)
		}
	}
	n.digits = strings.TrimRight(head, "0")
	return n
}

// plain writes the number without an exponent.
func (n number) plain() string {
	sign := ""
	if n.negative {
		sign = "-"
	}
	switch {
	case n.digits == "":
		return "0"
	case n.point <= 0:
		return sign + "0." + strings.Repeat("0", -n.point) + n.digits
	case n.point >= len(n.digits):
		return sign + n.digits + strings.Repeat("0", n.point-len(n.digits))
	default:
		return sign + n.digits[:n.point] + "." + n.digits[n.point:]
	}
}
