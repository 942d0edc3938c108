package scenario

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"pets/domain"
)

// token is one word of a line. A quoted one is never an option.
type token struct {
	text   string
	quoted bool
}

// split cuts a line into words. Quotes keep blanks together, also behind the = of
// an option. Inside quotes \" and \\ are escapes. # begins a comment.
func split(line string) ([]token, error) {
	var out []token
	var word strings.Builder
	inWord, inQuotes, quoted := false, false, false
	end := func() {
		if inWord {
			out = append(out, token{word.String(), quoted})
		}
		word.Reset()
		inWord, quoted = false, false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case inQuotes && c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted = quoted || !inWord
			inQuotes, inWord = !inQuotes, true
		case inQuotes:
			word.WriteByte(c)
		case c == ' ' || c == '\t':
			end()
		case c == '#' && !inWord:
			return out, nil
		default:
			inWord = true
			word.WriteByte(c)
		}
	}
	if inQuotes {
		return nil, errors.New("a closing quote is missing")
	}
	end()
	return out, nil
}

var optionForm = regexp.MustCompile(`^([a-z][a-z_]*)=`)

// args are the words and options of one line. Their values are valid only if
// finish returns no error.
type args struct {
	words   []string
	options map[string]string
	err     error
}

func newArgs(tokens []token) (*args, error) {
	a := &args{options: map[string]string{}}
	for _, t := range tokens {
		m := optionForm.FindStringSubmatch(t.text)
		if m == nil || t.quoted {
			a.words = append(a.words, t.text)
			continue
		}
		if _, twice := a.options[m[1]]; twice {
			return nil, fmt.Errorf("%s= stands twice", m[1])
		}
		a.options[m[1]] = t.text[len(m[0]):]
	}
	return a, nil
}

func (a *args) fail(format string, values ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, values...)
	}
}

// finish returns the first error, or an error about a word or an option that was
// not used.
func (a *args) finish() error {
	switch {
	case a.err != nil:
	case len(a.words) > 0:
		a.fail("unexpected word %q", a.words[0])
	case len(a.options) > 0:
		a.fail("unknown option %s=", slices.Sorted(maps.Keys(a.options))[0])
	}
	return a.err
}

// more reports whether a word is left.
func (a *args) more() bool { return len(a.words) > 0 }

// word takes the next word.
func (a *args) word(what string) string {
	if len(a.words) == 0 {
		a.fail("%s is missing", what)
		return ""
	}
	w := a.words[0]
	a.words = a.words[1:]
	return w
}

// wordOr takes the next word if there is one.
func (a *args) wordOr(fallback string) string {
	if !a.more() {
		return fallback
	}
	return a.word("")
}

func (a *args) number(what string) domain.Decimal {
	text := a.word(what)
	d, err := domain.ParseDecimal(text)
	if err != nil {
		a.fail("%s %w", what, err)
	}
	return d
}

// instrument takes MARKET/OUTCOME; a market may have slashes of its own.
func (a *args) instrument() domain.Instrument {
	text := a.word("MARKET/OUTCOME")
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		a.fail("%q is not MARKET/OUTCOME", text)
		return domain.Instrument{}
	}
	return domain.Instrument{Market: text[:i], Outcome: text[i+1:]}
}

// at takes the @ and the price behind it.
func (a *args) at() domain.Decimal {
	if sign := a.word("@"); sign != "@" {
		a.fail("%q instead of @", sign)
	}
	return a.number("the price")
}

// literal requires a given word.
func (a *args) literal(want string) {
	if w := a.word(want); w != want {
		a.fail("%q should be %q", w, want)
	}
}

// option takes an option, "" if it was not given.
func (a *args) option(name string) string {
	text := a.options[name]
	delete(a.options, name)
	return text
}

// amount takes an option that is a number, nil if it was not given.
func (a *args) amount(name string) *domain.Decimal {
	text := a.option(name)
	if text == "" {
		return nil
	}
	d, err := domain.ParseDecimal(text)
	if err != nil {
		a.fail("%s= %w", name, err)
	}
	return &d
}

// amountOr is amount with a default.
func (a *args) amountOr(name string, fallback domain.Decimal) domain.Decimal {
	if d := a.amount(name); d != nil {
		return *d
	}
	return fallback
}

// yes takes an option that is yes or no.
func (a *args) yes(name string, fallback bool) bool {
	switch text := a.option(name); text {
	case "":
		return fallback
	case "yes", "no":
		return text == "yes"
	default:
		a.fail("%s= is yes or no", name)
		return fallback
	}
}

// time takes an option that is a time, nil if it was not given.
func (a *args) time(name string) *time.Time {
	text := a.option(name)
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		a.fail("%s= is not a time such as 2026-01-01T00:00:00Z", name)
	}
	t = t.UTC()
	return &t
}

// duration parses a duration such as 31s, 15m or 24h.
func (a *args) duration(what, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		a.fail("%s is not a duration such as 31s, 15m or 24h", what)
	}
	return d
}
