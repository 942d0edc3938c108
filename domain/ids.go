package domain

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths of identifiers, in bytes.
const (
	maxIDBytes   = 64
	maxTextBytes = 256
	maxNoteBytes = 1000
)

// CheckID accepts the ids we hand out meaning to: portfolios and bots. They
// appear in stream names, account names and metric labels, so they are kept to
// 1–64 of A–Z a–z 0–9 . _ -.
func CheckID(field, id string) error {
	if id == "" {
		return Invalid(field, "is missing")
	}
	if len(id) > maxIDBytes {
		return Invalid(field, "has %d bytes; the most is %d", len(id), maxIDBytes)
	}
	for _, r := range id {
		if !idRune(r) {
			return Invalid(field, "may hold only letters, digits and . _ -")
		}
	}
	if id[0] == '.' { // ids stand in paths of files and of requests, where . and .. mean another
		return Invalid(field, "must not begin with a dot")
	}
	return nil
}

func idRune(r rune) bool {
	return r == '.' || r == '_' || r == '-' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
}

// CheckText accepts the names that come from outside: markets, outcomes,
// venues, trade ids. Any printable text of 1–256 bytes.
func CheckText(field, s string) error {
	if s == "" {
		return Invalid(field, "is missing")
	}
	return CheckOptionalText(field, s)
}

// CheckOptionalText is CheckText for a field that may be empty.
func CheckOptionalText(field, s string) error { return checkPrintable(field, s, maxTextBytes) }

// CheckReason accepts the sentence a person gives with a decision.
func CheckReason(field, s string) error {
	if s == "" {
		return Invalid(field, "is missing; say why, it is kept with the record")
	}
	return checkPrintable(field, s, maxNoteBytes)
}

func checkPrintable(field, s string, most int) error {
	if len(s) > most {
		return Invalid(field, "has %d bytes; the most is %d", len(s), most)
	}
	if !utf8.ValidString(s) {
		return Invalid(field, "is not valid UTF-8")
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return Invalid(field, "holds a character that cannot be printed (%U)", r)
		}
	}
	return nil
}

// FillID identifies a fill: (bot, venue, trade_id, leg), venue "" and leg 0 by
// default (section 4). Reported trades share the space under ReportedLeg.
type FillID struct {
	Bot     string `json:"bot"`
	Venue   string `json:"venue,omitempty"`
	TradeID string `json:"trade_id"`
	Leg     int    `json:"leg,omitempty"`
}

// ReportedLeg keeps the trade ids of reported closed trades apart from those of
// fills.
const ReportedLeg = -1

// String gives the id as a person would write it: bot/trade, with venue and leg
// where they are set.
func (id FillID) String() string {
	s := id.Bot + "/"
	if id.Venue != "" {
		s += id.Venue + "/"
	}
	s += id.TradeID
	if id.Leg > 0 {
		s += fmt.Sprintf("#%d", id.Leg)
	}
	return s
}

// Instrument is one outcome of one market (for spot and perp markets, the one
// thing that is traded there).
type Instrument struct {
	Market  string `json:"market"`
	Outcome string `json:"outcome,omitempty"` // empty only where a trade is reported by its result
}

func (i Instrument) String() string { return i.Market + " / " + i.Outcome }

// TradeName names the position episode that a record opened, and the trade it
// becomes: t and the revision.
func TradeName(revision uint64) string { return recordName("t", revision) }

// PermitName names the permit granted by a record: p and the revision.
func PermitName(revision uint64) string { return recordName("p", revision) }

// PermitRevision is the revision of the record that granted a permit; false for a name that
// is none of a permit.
func PermitRevision(permit string) (uint64, bool) {
	digits, ok := strings.CutPrefix(permit, "p")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil
}

// ArbitrageName names the arbitrage permitted by a record: a and the revision.
func ArbitrageName(revision uint64) string { return recordName("a", revision) }

// recordName is a letter for the kind of thing, and the revision that made it.
func recordName(kind string, revision uint64) string { return fmt.Sprintf("%s%d", kind, revision) }

// CheckUser accepts the names of people and machines behind API keys: 1–64 of
// A–Z a–z 0–9 . _ - @ :.
func CheckUser(field, user string) error {
	if user == "" {
		return Invalid(field, "is missing")
	}
	if len(user) > maxIDBytes {
		return Invalid(field, "has %d bytes; the most is %d", len(user), maxIDBytes)
	}
	for _, r := range user {
		if !idRune(r) && r != '@' && r != ':' {
			return Invalid(field, "may hold only letters, digits and . _ - @ :")
		}
	}
	return nil
}

// IsLowerHex reports whether a text has lower-case hex digits only.
func IsLowerHex(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}
