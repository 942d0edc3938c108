package httpapi

import (
	"errors"

	"pets/domain"
	"pets/projections"
)

type tradesAnswer struct {
	Head
	Trades []projections.Trade `json:"trades"`
	// Next is what to ask after for more, null at the end. It is the place of the last
	// trade, which no later void moves.
	Next *string `json:"next"`

	page projections.TradePage
}

// count and keep implement paged.
func (v *tradesAnswer) count() int { return len(v.Trades) }

func (v *tradesAnswer) keep(n int) {
	v.Trades = v.Trades[:n]
	next := v.page.PlaceOf(n - 1).String()
	v.Next = &next
}

func tradesView(l *looker) (*tradesAnswer, error) {
	v := &tradesAnswer{Head: l.head()}
	limit, err := number(l.values, "limit", 100, 1, 1000)
	if err != nil {
		return v, err
	}
	read, err := l.tradesAfter(l.values.Get("after"))
	if err != nil {
		return v, err
	}
	fold, err := l.with.stats()
	if err != nil {
		return v, err
	}
	v.page, err = read(fold.Trades(), limit)
	switch {
	case errors.Is(err, projections.ErrNoPlace):
		return v, domain.Errorf(domain.CodeConflict, "there is no trade here that after names: start again, or read every page with the same ?at=")
	case err != nil:
		return v, unreadable("the list of trades", err)
	}
	if v.Trades = v.page.Trades; v.page.More {
		v.keep(limit)
	}
	return v, nil
}

// tradesAfter returns what reads a page: behind a place, as next says it, or behind a number.
func (l *looker) tradesAfter(after string) (func(*projections.Trades, int) (projections.TradePage, error), error) {
	if projections.IsPlace(after) {
		at, ok := projections.ParsePlace(after)
		if !ok {
			return nil, domain.Invalid("after", "must be the number of a trade, or the value of next in the previous page")
		}
		return func(t *projections.Trades, limit int) (projections.TradePage, error) {
			return t.PageBehind(l.bot, at, limit)
		}, nil
	}
	n, err := number(l.values, "after", 0, 0, 1<<31-1)
	return func(t *projections.Trades, limit int) (projections.TradePage, error) { return t.Page(l.bot, n, limit) }, err
}
