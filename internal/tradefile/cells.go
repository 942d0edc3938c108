package tradefile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"pets/domain"
)

// cells gives typed access to the cells of one row. The first refusal is kept and
// ends the row; later results are zero values.
type cells struct {
	*layout
	row    []cell
	number int // of the row in its file, from 1; bad rows count
	opt    Options
	known  map[string]string // texts that passed domain.CheckText

	refused bool
	tooFine bool // refused only because --round was not given
	column  column
	reason  string
	rounded int // numbers of the row
}

// read reads one row.
func (c *cells) read(row []cell) Row {
	c.row, c.refused, c.tooFine, c.rounded = row, false, false, 0
	return c.format.read(c)
}

// refuse ends the row. The reason is prefixed with "field: ". It shows cells only
// through [shown].
func (c *cells) refuse(col column, format string, args ...any) {
	if !c.refused {
		c.refused, c.column, c.reason = true, col, fmt.Sprintf(format, args...)
	}
}

// raw returns the text of a cell, or nil if the file has no such column.
func (c *cells) raw(col column) []byte {
	if i := c.index[col]; i >= 0 {
		return c.row[i].text
	}
	return nil
}

// shared returns a text that many rows have in common, such as a market. It is
// checked and stored once per run.
func (c *cells) shared(col column, check func(field, s string) error) string {
	raw := c.raw(col)
	if known, ok := c.known[string(raw)]; ok {
		return known
	}
	return c.remember(c.text(col, check))
}

// remember makes equal texts share their bytes. It stores no refused text, and
// does not look up the empty one.
func (c *cells) remember(s string) string {
	if known, ok := c.known[s]; ok {
		return known
	}
	if !c.refused && s != "" {
		c.known[s] = s
	}
	return s
}

// text returns a text of this row alone, such as a trade id.
func (c *cells) text(col column, check func(field, s string) error) string {
	s := string(c.raw(col))
	if err := check("", s); err != nil {
		c.refuse(col, "%s", reasonOf(err))
	}
	return s
}

// bot is checked in every row: a name already known as a market may be an invalid
// bot id.
func (c *cells) bot(col column) string { return c.remember(c.text(col, domain.CheckID)) }

func (c *cells) market() string            { return c.shared(colMarket, domain.CheckText) }
func (c *cells) outcome(col column) string { return c.shared(col, domain.CheckText) }
func (c *cells) venue() string             { return c.shared(colVenue, domain.CheckOptionalText) }

// ignored checks a column that has no meaning here, but must still be text.
func (c *cells) ignored(col column) { c.text(col, domain.CheckOptionalText) }

// mustBeEmpty refuses a value that has no meaning in a row of this kind, such as
// the outcome of a redeem, because its author expects it to be used.
func (c *cells) mustBeEmpty(kind string, cols ...column) {
	for _, col := range cols {
		if s := c.raw(col); len(s) > 0 {
			c.refuse(col, "%s must be empty in a row of kind %s", shown(string(s)), kind)
		}
	}
}

// oneOf returns a cell that holds one of a few words.
func (c *cells) oneOf(col column, words ...string) string {
	raw := c.raw(col)
	if i := slices.Index(words, string(raw)); i >= 0 {
		return words[i]
	}
	c.refuse(col, "%s is not %s", shown(string(raw)), strings.Join(words, " or "))
	return ""
}

func (c *cells) side() domain.Side {
	return domain.Side(c.oneOf(colSide, string(domain.Buy), string(domain.Sell)))
}

// kind returns the kind of the market, or "" if the row does not give one.
func (c *cells) kind() domain.MarketKind {
	if len(c.raw(colKind)) == 0 {
		return ""
	}
	return domain.MarketKind(c.oneOf(colKind, string(domain.KindOutcome), string(domain.KindSpot), string(domain.KindPerp)))
}

// decimal returns a number that a ledger can hold.
func (c *cells) decimal(col column) domain.Decimal {
	s := string(c.raw(col))
	d, rounded, err := parseNumber(s, c.opt.Round)
	switch {
	case err == nil:
	case s == "":
		c.refuse(col, "%v", err)
	default:
		c.tooFine = c.tooFine || !c.refused && errors.Is(err, errTooFine)
		c.refuse(col, "%s %v", shown(s), err)
	}
	if rounded {
		c.rounded++
	}
	return d
}

// atLeastZero adds a hint where another number is a plausible mistake.
func (c *cells) atLeastZero(col column, hint string) domain.Decimal {
	d := c.decimal(col)
	if d.Sign() < 0 {
		c.refuse(col, "%s is below 0%s", shown(string(c.raw(col))), hint)
	}
	return d
}

// quantity is never signed: the side gives the direction.
func (c *cells) quantity() domain.Decimal {
	d := c.decimal(colQuantity)
	if d.Sign() <= 0 {
		c.refuse(colQuantity, "%s is not above 0", shown(string(c.raw(colQuantity))))
	}
	return d
}

// price of an outcome is the price of something that pays 0 or 1. A market
// without a kind is an outcome market.
func (c *cells) price(kind domain.MarketKind) domain.Decimal {
	d := c.atLeastZero(colPrice, "")
	if kind != domain.KindSpot && kind != domain.KindPerp && domain.One.Less(d) {
		c.refuse(colPrice, "%s is above 1 in an outcome market (spot and perp markets need a column kind)", shown(string(c.raw(colPrice))))
	}
	return d
}

func (c *cells) payout() domain.Decimal {
	d := c.atLeastZero(colPayout, "")
	if domain.One.Less(d) {
		c.refuse(colPayout, "%s is above 1", shown(string(c.raw(colPayout))))
	}
	return d
}

// A fee below 0 would be income, which has an account of its own.
func (c *cells) fee() domain.Decimal {
	return c.atLeastZero(colFee, "; report rebates separately")
}

// signed returns a number that is not 0.
func (c *cells) signed(col column) domain.Decimal {
	d := c.decimal(col)
	if d.IsZero() {
		c.refuse(col, "%s is 0", shown(string(c.raw(col))))
	}
	return d
}

// positive returns a number above 0.
func (c *cells) positive(col column) domain.Decimal {
	d := c.decimal(col)
	if d.Sign() <= 0 {
		c.refuse(col, "%s is not above 0", shown(string(c.raw(col))))
	}
	return d
}

// leg returns a whole number, 0 where the file gives none.
func (c *cells) leg() int {
	s := string(c.raw(colLeg))
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		c.refuse(colLeg, "%s is not a whole number", shown(s))
	}
	return int(n) // #nosec G115 -- of 31 bits
}

// outcomeBar stands between the outcomes of a market.
const outcomeBar = "|"

// outcomes returns the names of a market's outcomes, or nil if the cell is empty.
func (c *cells) outcomes() []string {
	raw := string(c.raw(colOutcomes))
	if raw == "" {
		return nil
	}
	names := strings.Split(raw, outcomeBar)
	for n, name := range names {
		if err := domain.CheckText("", name); err != nil {
			c.refuse(colOutcomes, "%s: outcome %d %s; write the names with | between them, such as YES|NO", shown(raw), n+1, reasonOf(err))
		}
		if slices.Contains(names[:n], name) {
			c.refuse(colOutcomes, "%s names %s twice", shown(raw), shown(name))
		}
		names[n] = c.remember(name)
	}
	return names
}

// flag returns true or false, or nil if the cell is empty.
func (c *cells) flag(col column) *bool {
	if len(c.raw(col)) == 0 {
		return nil
	}
	is := c.oneOf(col, "true", "false") == "true"
	return &is
}

// notional returns nil if the file does not give it, which differs from 0.
func (c *cells) notional() *domain.Decimal {
	if len(c.raw(colNotional)) == 0 {
		return nil
	}
	d := c.atLeastZero(colNotional, "; the side gives the direction of the cash")
	return &d
}

// Times outside this range are mistakes, and would not fit int64 nanoseconds.
var (
	firstTime = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	endOfTime = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// time returns an instant in UTC.
func (c *cells) time() time.Time {
	s := string(c.raw(colTime))
	t, reason := parseTime(s)
	if reason != "" {
		c.refuse(colTime, "%s %s", shown(s), reason)
	}
	return c.inRange(colTime, t)
}

// timeMs clamps before it converts, because a value far outside would wrap into
// the accepted range.
func (c *cells) timeMs() time.Time {
	s := string(c.raw(colTimeMs))
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strings.HasPrefix(s, "+") {
		c.refuse(colTimeMs, "%s is not a whole number of milliseconds since 1970", shown(s))
	}
	return c.inRange(colTimeMs, time.UnixMilli(min(max(ms, -1), math.MaxInt64/1_000_000)))
}

func (c *cells) inRange(col column, t time.Time) time.Time {
	if t.Before(firstTime) || !t.Before(endOfTime) {
		c.refuse(col, "%s is not in the years 1970 to 2261", shown(string(c.raw(col))))
	}
	return t.UTC()
}
