package treasury

import (
	"strings"
	"time"
	"unicode"

	"pets/domain"
)

// NewFor is how long an address of the book, or a wallet, is new: within that, two approvers
// have to agree to each transfer there. Whoever put it there, or changed what people read, is
// found out in that time.
const NewFor = 24 * time.Hour

// approvalsToNew is how many people approve a transfer to a new address.
const approvalsToNew = 2

// NeedTwo has a transfer to a new address, or to a new wallet, approved by two people.
func NeedTwo(e *domain.TransferRequested) {
	e.Approvals = approvalsToNew
	why := "the address has been in the book for less than 24 h: it takes two approvers"
	if e.ToPlace != domain.PlaceExternal {
		why = "the receiving wallet was registered less than 24 h ago: it takes two approvers"
	}
	e.ApprovalFor = append(e.ApprovalFor, why)
}

// New reports whether a wallet, of all that were ever registered, was registered less than
// [NewFor] ago. Nobody can check whose key a new one has: the address of a thief is called a
// cold wallet as easily as it is put into the book. The first wallet of each place is not new
// within [NewFor] of the first wallet of all, because a portfolio is set up on that day, and
// nothing is there whose place it could take.
func (w *Wallet) New(all map[string]*Wallet, now time.Time) bool {
	if !now.Before(w.At.Add(NewFor)) {
		return false
	}
	for _, other := range all {
		if other.Wallet == w.Wallet {
			continue
		}
		if other.Place == w.Place && !other.At.After(w.At) || !w.At.Before(other.At.Add(NewFor)) {
			return true
		}
	}
	return false
}

// New reports whether an address has been in the book for less than [NewFor].
func (c *Contact) New(now time.Time) bool { return now.Before(c.At.Add(NewFor)) }

// sameEnds is how many digits at each end of an address people compare.
const sameEnds = 4

// LookAlike reports whether two addresses differ and look the same: people compare the first
// and last four digits, and anybody can make an address that has them.
func LookAlike(a, b string) bool {
	a, b = digitsOf(a), digitsOf(b)
	return len(a) == len(b) && len(a) > 2*sameEnds && a != b && a[:sameEnds] == b[:sameEnds] && a[len(a)-sameEnds:] == b[len(b)-sameEnds:]
}

func digitsOf(address string) string { return strings.TrimPrefix(strings.ToLower(address), "0x") }

// CheckLabel refuses a label in which a word has letters of two scripts, such as Latin and
// Cyrillic: it looks like another word.
func CheckLabel(field, label string) error {
	if err := domain.CheckText(field, label); err != nil {
		return err
	}
	if Readable(label) == "" {
		return domain.Invalid(field, "has no letter and no digit")
	}
	for word := range strings.FieldsFuncSeq(label, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
		if mixed(word) {
			return domain.Invalid(field, "mixes letters of several scripts in one word, and may look like another name; write it in one")
		}
	}
	return nil
}

// together maps scripts that are written in one word to one of them.
var together = map[string]string{"Hiragana": "Han", "Katakana": "Han", "Hangul": "Han", "Bopomofo": "Han"}

// mixed reports whether a word has letters of two scripts.
func mixed(word string) bool {
	of := ""
	for _, r := range word {
		script := scriptOf(r)
		switch {
		case script == "":
		case of == "":
			of = script
		case of != script:
			return true
		}
	}
	return false
}

// scriptOf returns the script of a letter, and "" for what goes with any.
func scriptOf(r rune) string {
	for name, table := range unicode.Scripts {
		if name == "Common" || name == "Inherited" || !unicode.Is(table, r) {
			continue
		}
		if with, is := together[name]; is {
			return with
		}
		return name
	}
	return ""
}

// alike maps letters to the Latin ones that they look like, in lower case; also digits.
var alike = map[rune]rune{
	'а': 'a', 'в': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'ё': 'e', 'һ': 'h', 'н': 'h', 'і': '1', 'ї': '1', 'ј': 'j', 'к': 'k', 'м': 'm', 'о': '0', 'р': 'p',
	'ԛ': 'q', 'г': 'r', 'ѕ': 's', 'т': 't', 'ѵ': 'v', 'ԝ': 'w', 'х': 'x', 'у': 'y', 'ӏ': '1', // Cyrillic
	'α': 'a', 'β': 'b', 'ε': 'e', 'η': 'n', 'ι': '1', 'κ': 'k', 'μ': 'm', 'ν': 'v', 'ο': '0', 'ρ': 'p', 'σ': '0', 'τ': 't', 'υ': 'u', 'χ': 'x', 'γ': 'y', 'ω': 'w', 'ζ': 'z', // Greek
	'ա': 'w', 'օ': '0', 'ո': 'n', 'ս': 'u', 'հ': 'h', 'ց': 'g', 'զ': 'q', // Armenian
	'l': '1', 'i': '1', 'ı': '1', '|': '1', 'o': '0',
}

// Readable is a label as a person reads it: two labels of which it is the same cannot be told
// apart at a glance. Case, spaces, punctuation and accents make no difference.
func Readable(label string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(label) {
		if r >= '！' && r <= '～' { // the wide forms of ASCII
			r = unicode.ToLower(r - '！' + '!')
		}
		if like, is := plain[r]; is {
			r = like
		}
		if like, is := alike[r]; is {
			r = like
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
