package projections

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Place is where a trade was closed: its row, and the revision of the record. It stays what it is
// when other trades are revised, unlike a number, which counts the trades that stand.
type Place struct {
	row      int
	revision uint64
}

// String returns the text that [ParsePlace] reads.
func (p Place) String() string { return fmt.Sprintf("%d.%d", p.revision, p.row) }

// IsPlace reports whether a text is meant as a place, and not as a number.
func IsPlace(text string) bool { return strings.Contains(text, ".") }

// ParsePlace reads a place, and nothing that String would write differently.
func ParsePlace(text string) (p Place, ok bool) {
	revision, row, _ := strings.Cut(text, ".")
	var err, err2 error
	p.revision, err = strconv.ParseUint(revision, 10, 64)
	p.row, err2 = strconv.Atoi(row)
	return p, err == nil && err2 == nil && p.row >= 0 && p.String() == text
}

// ErrNoPlace says that nothing was closed at a place: it is of another portfolio, bot or moment.
var ErrNoPlace = errors.New("no trade was closed at this place")

// TradePage is a part of the list of trades.
type TradePage struct {
	Trades []Trade
	More   bool // there are further ones
	rows   []int
}

// PlaceOf returns the place of a trade of the page, from 0. The next page starts behind it.
func (p *TradePage) PlaceOf(n int) Place { return Place{p.rows[n], p.Trades[n].Revision} }

// Page returns at most limit of the current trades, of one bot or ("") of all, with numbers above
// after. It reads only what has the trades that it returns, however long the history is.
func (t *Trades) Page(bot string, after, limit int) (TradePage, error) {
	return t.page(bot, start{number: after, row: -1}, limit)
}

// PageBehind is Page of the trades that were closed behind a place. So pages that are read one
// after another neither repeat a trade nor skip one, whatever is revised in between.
func (t *Trades) PageBehind(bot string, at Place, limit int) (TradePage, error) {
	closed, err := t.rows.hasTrade(bot, at)
	if err != nil {
		return TradePage{}, err
	}
	if !closed {
		return TradePage{}, ErrNoPlace
	}
	return t.page(bot, start{row: at.row}, limit)
}

func (t *Trades) page(bot string, behind start, limit int) (TradePage, error) {
	p := TradePage{Trades: []Trade{}}
	err := t.each(bot, behind, func(row int, one *Trade) bool {
		if p.More = len(p.Trades) == limit; !p.More {
			p.Trades, p.rows = append(p.Trades, *one), append(p.rows, row)
		}
		return !p.More
	})
	return p, err
}

// hasTrade reports whether a trade of one bot or ("") of any was closed at a place, even if it does
// not stand any more.
func (l *rowLog) hasTrade(bot string, at Place) (closed bool, err error) {
	if at.row >= l.size() {
		return false, l.Err()
	}
	err = l.walk(at.row, func(_ int, r *row) bool {
		closed = !r.flow && r.Revision == at.revision && (bot == "" || bot == r.Bot)
		return false
	})
	return closed, err
}
