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

// CheckID checks the ids of portfolios and bots. They appear in stream names,
// account names and metric labels, so they are limited to 1–64 of A–Z a–z 0–9 . _
// -.
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
	if id[0] == '.' { // Ids appear in file paths and request paths, where . and .. have another meaning.
		return Invalid(field, "must not begin with a dot")
	}
	return nil
}

func idRune(r rune) bool {
	return r == '.' || r == '_' || r == '-' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
}

// CheckText checks names that come from outside: markets, outcomes, venues, trade
// ids. It accepts any printable text of 1–256 bytes.
func CheckText(field, s string) error {
	if s == "" {
		return Invalid(field, "is missing")
	}
	return CheckOptionalText(field, s)
}

// CheckOptionalText is CheckText for a field that may be empty.
func CheckOptionalText(field, s string) error { return checkPrintable(field, s, maxTextBytes) }

// CheckReason checks the reason that a person gives for a decision.
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

// FillID identifies a fill by bot, venue, trade id and leg; venue is "" and leg 0
// by default. Reported trades use the same identifiers under ReportedLeg.
type FillID struct {
	Bot     string `json:"bot"`
	Venue   string `json:"venue,omitempty"`
	TradeID string `json:"trade_id"`
	Leg     int    `json:"leg,omitempty"`
}

// ReportedLeg separates the trade ids of reported closed trades from those of
// fills.
const ReportedLeg = -1

// SetLeg and FundingLeg do the same for the ids of changes of complete sets, and of
// funding.
const (
	SetLeg     = -2
	FundingLeg = -3
)

// String returns the id in readable form: bot/trade, with venue and leg if they
// are set.
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

// Instrument is one outcome of one market, or the single instrument of a spot or
// perp market.
type Instrument struct {
	Market  string `json:"market"`
	Outcome string `json:"outcome,omitempty"` // empty only for a trade that is reported by its result
}

func (i Instrument) String() string { return i.Market + " / " + i.Outcome }

// TradeName returns the name of the position episode that a record opened, and of
// the trade it becomes: t and the revision.
func TradeName(revision uint64) string { return recordName("t", revision) }

// TradePartName returns the name of an episode that a record opened beside others, as
// a split of complete sets does: t, the revision and its place from the second on.
func TradePartName(revision uint64, part int) string {
	if part == 0 {
		return TradeName(revision)
	}
	return fmt.Sprintf("%s.%d", TradeName(revision), part+1)
}

// PermitName returns the name of the permit granted by a record: p and the
// revision.
func PermitName(revision uint64) string { return recordName("p", revision) }

// PermitRevision returns the revision of the record that granted a permit. It
// returns false if the name is not a permit's.
func PermitRevision(permit string) (uint64, bool) {
	digits, ok := strings.CutPrefix(permit, "p")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil
}

// ArbitrageName returns the name of the arbitrage permitted by a record: a and
// the revision.
func ArbitrageName(revision uint64) string { return recordName("a", revision) }

// recordName joins the letter of a kind with the revision of the record that
// created the thing.
func recordName(kind string, revision uint64) string { return kind + strconv.FormatUint(revision, 10) }

// CheckUser checks the user names of API keys: 1–64 of A–Z a–z 0–9 . _ - @ :.
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

// RevisionOf returns the revision of the record that named something: the name is a letter
// and that revision. It is 0 for any other name.
func RevisionOf(name string) uint64 {
	revision, _ := strconv.ParseUint(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz"), 10, 64)
	return revision
}
