package tradefile

import (
	"strings"
	"time"
)

const (
	notATime = "is not an RFC 3339 time such as 2026-01-09T07:54:14Z"
	noZone   = "has no time zone; write Z for UTC, or an offset such as +01:00"
	tooFine  = "is finer than nanoseconds"
)

// parseTime parses an RFC 3339 time, or says what is wrong with it. A space may
// replace the T, and t and z are accepted, as RFC 3339 allows. The form is
// checked here because the time package accepts more than RFC 3339: a comma for
// the point, an hour of one digit, an offset of 24 hours, and decimals beyond the
// ninth, which it drops.
func parseTime(s string) (t time.Time, reason string) {
	day, ok := cutForm(s, "0000-00-00")
	if !ok || day == "" || !strings.Contains("Tt ", day[:1]) {
		return t, notATime
	}
	zone, ok := cutForm(day[1:], "00:00:00")
	if !ok {
		return t, notATime
	}
	if fraction, ok := strings.CutPrefix(zone, "."); ok {
		zone = strings.TrimLeft(fraction, "0123456789")
		switch n := len(fraction) - len(zone); {
		case n == 0:
			return t, notATime
		case n > 9:
			return t, tooFine
		}
	}
	if zone == "" {
		return t, noZone
	}
	if !isZone(zone) {
		return t, notATime
	}
	t, err := time.Parse(time.RFC3339Nano, s[:len(s)-len(day)]+"T"+strings.ToUpper(day[1:]))
	if err != nil {
		return t, notATime
	}
	return t, ""
}

// cutForm removes a form, in which 0 means any digit, from the beginning of s.
func cutForm(s, form string) (rest string, ok bool) {
	if len(s) < len(form) {
		return "", false
	}
	for i := range len(form) {
		isDigit := s[i] >= '0' && s[i] <= '9'
		if form[i] == '0' && !isDigit || form[i] != '0' && s[i] != form[i] {
			return "", false
		}
	}
	return s[len(form):], true
}

func isZone(s string) bool {
	if s == "Z" || s == "z" {
		return true
	}
	for _, form := range []string{"+00:00", "-00:00"} {
		if rest, ok := cutForm(s, form); ok {
			return rest == "" && s[1:3] <= "23" && s[4:6] <= "59"
		}
	}
	return false
}
