package ledger

import (
	"time"

	"pets/domain"
)

// Position is what one bot holds of one instrument, at average cost. Quantities
// are signed: a short carries negative quantity and negative cost. The zero
// Position is flat.
type Position struct {
	Quantity domain.Decimal `json:"quantity"`
	Cost     domain.Decimal `json:"cost"`
	Episode  Episode        `json:"episode,omitzero"`
	// OwnWord is the signed net quantity of the fills that only the holder reported
	// (Trade.OwnWord), since it was last flat for good: while a fill may be voided that made
	// it flat, it may have held something all the time.
	OwnWord domain.Decimal `json:"own_word,omitzero"`
}

// Episode collects the figures of a position since it was last flat. It becomes
// a closed trade when the position is flat again.
type Episode struct {
	// Trade names the episode: t<revision of the fill that opened it>.
	Trade    string    `json:"trade"`
	OpenedAt time.Time `json:"opened_at"`
	Short    bool      `json:"short,omitempty"`
	// Entered is the total quantity opened. EntryNotional and ExitNotional are
	// the cash that opening and closing moved. Fees is the sum of all fees. All
	// are absolute.
	Entered       domain.Decimal `json:"entered"`
	EntryNotional domain.Decimal `json:"entry_notional"`
	ExitNotional  domain.Decimal `json:"exit_notional"`
	Fees          domain.Decimal `json:"fees"`
	// Income is the realised income from closing parts of it so far, before fees.
	Income domain.Decimal `json:"income"`
	// Funding is what holding it brought (positive) or cost.
	Funding domain.Decimal `json:"funding,omitzero"`
	// Sized reports that all its changes so far were measured against a worth below
	// which a position is dust. Worth is the most that it was worth after one of them.
	Sized bool           `json:"sized,omitempty"`
	Worth domain.Decimal `json:"worth,omitzero"`
	// Dust reports that it ended without ever having been worth more than dust.
	Dust bool `json:"dust,omitempty"`
	// Refunded reports that the cost was given back, because the market was void: the
	// result is neutral, whatever the P&L. It is set only when the episode ends.
	Refunded bool `json:"refunded,omitempty"`
}

// IsFlat reports that the position is empty.
func (p Position) IsFlat() bool { return p.Quantity.IsZero() }

// Direction is domain.Long or domain.Short.
func (e Episode) Direction() string {
	if e.Short {
		return domain.Short
	}
	return domain.Long
}

// Figures returns the episode as a closed trade; P&L is net of every fee.
func (e Episode) Figures(dust domain.Decimal) domain.TradeFigures {
	pnl := e.ExitNotional.Sub(e.EntryNotional)
	if e.Short {
		pnl = pnl.Neg()
	}
	pnl = pnl.Sub(e.Fees).Add(e.Funding)
	result := ResultOf(pnl, dust)
	if e.Refunded || e.Dust {
		result = domain.Neutral
	}
	return domain.TradeFigures{
		Quantity: e.Entered, EntryNotional: e.EntryNotional, ExitNotional: e.ExitNotional,
		Fee: e.Fees, Funding: e.Funding, PnL: pnl, Result: result, Dust: e.Dust,
	}
}

// ResultOf returns win for P&L > 0, loss for P&L < 0, and neutral for |P&L| ≤
// dust.
func ResultOf(pnl, dust domain.Decimal) domain.Result {
	switch {
	case !dust.Less(pnl.Abs()):
		return domain.Neutral
	case pnl.Sign() > 0:
		return domain.Win
	default:
		return domain.Loss
	}
}

// Trade is a change of a position: a fill, or the sale of everything at a payout.
type Trade struct {
	Side     domain.Side
	Quantity domain.Decimal
	Notional domain.Decimal
	Fee      domain.Decimal
	// Valued is a fee in another asset at its value then. It counts in the episode, and
	// moves no cash of the base asset.
	Valued domain.Decimal
	// Funding of a position is no trade of it: everything else is zero.
	Funding domain.Decimal
	// Dust is the worth below which a position is dust, 0 for none. Price is the fill's,
	// by which that is judged. Only a fill leaves dust behind.
	Dust, Price domain.Decimal
	IsFill      bool
	// Opens is the name of the episode that the trade opens, if it opens one.
	Opens string
	At    time.Time
	// Refund reports that the trade gives back the cost.
	Refund bool
	// Settles reports the sale of everything at a payout.
	Settles bool
	// OwnWord reports a fill that is not within a permit, and that only its holder reported.
	OwnWord bool
}

// signed returns the change of quantity, positive for a buy.
func (t Trade) signed() domain.Decimal {
	if t.Side == domain.Sell {
		return t.Quantity.Neg()
	}
	return t.Quantity
}

// Effect is the result of a trade for a position and for money. Cash − Income +
// Cost + Fee is zero: the four postings balance.
type Effect struct {
	After Position
	Money Money
	// Closed is the episode that ended, nil for none.
	Closed *Episode
	// Opened reports that a new episode began.
	Opened bool
}

// Money holds the changes of the four kinds of accounts that a trade touches.
type Money struct {
	Cash   domain.Decimal // hot:bot/<id>, debit
	Cost   domain.Decimal // position, debit
	Income domain.Decimal // income:trading/<bot>, credit
	Fee    domain.Decimal // expense:fees/<bot>, debit
}

// Add returns the sum of two changes.
func (m Money) Add(n Money) Money {
	return Money{m.Cash.Add(n.Cash), m.Cost.Add(n.Cost), m.Income.Add(n.Income), m.Fee.Add(n.Fee)}
}

// Sub returns m − n.
func (m Money) Sub(n Money) Money {
	return Money{m.Cash.Sub(n.Cash), m.Cost.Sub(n.Cost), m.Income.Sub(n.Income), m.Fee.Sub(n.Fee)}
}

// Apply returns the effect of a trade on a position. A fill past zero closes one
// position and opens another with the remainder. Notional and fee are split by
// quantity; the opening part takes the rest.
func (p Position) Apply(t Trade) Effect {
	e, own := p.apply(t), p.OwnWord
	if t.OwnWord {
		own = own.Add(t.signed())
	}
	if e.After.OwnWord = own; e.After.IsFlat() && t.Settles {
		e.After.OwnWord = domain.Zero
	}
	return e
}

// mayOpen reports that a trade needs a name for the episode that it may open: it finds the position
// flat, or may turn it round, or leave no more than dust.
func (p Position) mayOpen(t Trade) bool {
	return p.IsFlat() || p.Quantity.Abs().Less(t.Quantity) || t.Dust.Sign() > 0
}

func (p Position) apply(t Trade) Effect {
	if !t.Funding.IsZero() {
		p.Episode.Funding = p.Episode.Funding.Add(t.Funding)
		return Effect{After: p}
	}
	change := t.signed()
	if p.Quantity.Sign()*change.Sign() >= 0 {
		return p.increase(t)
	}
	if !p.Quantity.Abs().Less(t.Quantity) {
		return p.reduce(t)
	}
	closing, opening := t, t
	closing.Quantity = p.Quantity.Abs()
	closing.Notional = domain.MulDiv(t.Notional, closing.Quantity, t.Quantity)
	closing.Fee = domain.MulDiv(t.Fee, closing.Quantity, t.Quantity)
	closing.Valued = domain.MulDiv(t.Valued, closing.Quantity, t.Quantity)
	opening.Quantity = t.Quantity.Sub(closing.Quantity)
	opening.Notional = t.Notional.Sub(closing.Notional)
	opening.Fee = t.Fee.Sub(closing.Fee)
	opening.Valued = t.Valued.Sub(closing.Valued)
	first := p.reduce(closing)
	second := first.After.increase(opening)
	return Effect{After: second.After, Money: first.Money.Add(second.Money), Closed: first.Closed, Opened: true}
}

// increase opens or enlarges: the notional is added to the cost.
func (p Position) increase(t Trade) Effect {
	opened := p.IsFlat()
	if opened {
		p = Position{Episode: Episode{Trade: t.Opens, OpenedAt: t.At, Short: t.Side == domain.Sell, Sized: t.Dust.Sign() > 0}}
	}
	cost := t.Notional
	if t.Side == domain.Sell {
		cost = cost.Neg()
	}
	p.Quantity = p.Quantity.Add(t.signed())
	p.Cost = p.Cost.Add(cost)
	p.Episode.Entered = p.Episode.Entered.Add(t.Quantity)
	p.Episode.EntryNotional = p.Episode.EntryNotional.Add(t.Notional)
	p.Episode.Fees = p.Episode.Fees.Add(t.Fee).Add(t.Valued)
	p.measure(t)
	return Effect{After: p, Opened: opened, Money: Money{Cash: cost.Neg().Sub(t.Fee), Cost: cost, Fee: t.Fee}}
}

// reduce takes out cost × closed ÷ quantity. The trade that closes the position
// takes everything left, so no residue stays.
func (p Position) reduce(t Trade) Effect {
	out := p.Cost
	if t.Quantity != p.Quantity.Abs() {
		out = domain.MulDiv(p.Cost, t.Quantity, p.Quantity.Abs())
	}
	cash := t.Notional
	if t.Side == domain.Buy {
		cash = cash.Neg()
	}
	income := cash.Sub(out)
	p.Quantity = p.Quantity.Add(t.signed())
	p.Cost = p.Cost.Sub(out)
	p.Episode.ExitNotional = p.Episode.ExitNotional.Add(t.Notional)
	p.Episode.Fees = p.Episode.Fees.Add(t.Fee).Add(t.Valued)
	p.Episode.Income = p.Episode.Income.Add(income)
	e := Effect{After: p, Money: Money{Cash: cash.Sub(t.Fee), Cost: out.Neg(), Income: income, Fee: t.Fee}}
	switch {
	case p.IsFlat():
		closed := p.Episode.ended(t)
		e.Closed, e.After = &closed, Position{}
	case t.IsFill && p.worth(t).Less(t.Dust):
		closed, rest := p.leave(t)
		e.Closed, e.After, e.Opened = &closed, rest, true
	default:
		p.measure(t)
		e.After = p
	}
	return e
}

// worth returns what the position is worth after a trade: its cost, or its value at
// the trade's price if that is higher.
func (p Position) worth(t Trade) domain.Decimal {
	return p.Cost.Abs().Max(p.Quantity.Abs().Mul(t.Price))
}

// measure remembers the most that the episode was worth. One that was changed while
// there was no dust is not sized: nothing says how much it was worth.
func (p *Position) measure(t Trade) {
	if p.Episode.Sized = p.Episode.Sized && t.Dust.Sign() > 0; p.Episode.Sized {
		p.Episode.Worth = p.Episode.Worth.Max(p.worth(t))
	} else {
		p.Episode.Worth = domain.Zero
	}
}

// ended returns the episode as the trade t ends it.
func (e Episode) ended(t Trade) Episode {
	e.Dust = e.Sized && t.Dust.Sign() > 0 && !t.Dust.Less(e.Worth)
	e.Sized, e.Worth, e.Refunded = false, domain.Zero, t.Refund
	return e
}

// leave ends the episode of a position of which only dust is left. The rest keeps its
// share of the cost and begins the next episode.
func (p Position) leave(t Trade) (closed Episode, rest Position) {
	cost, quantity := p.Cost.Abs(), p.Quantity.Abs()
	closed = p.Episode.ended(t)
	closed.Entered = closed.Entered.Sub(quantity)
	closed.EntryNotional = closed.EntryNotional.Sub(cost)
	rest = Position{Quantity: p.Quantity, Cost: p.Cost, Episode: Episode{
		Trade: t.Opens, OpenedAt: t.At, Short: p.Episode.Short, Entered: quantity, EntryNotional: cost, Sized: true, Worth: p.worth(t),
	}}
	return closed, rest
}

// Refund returns the trade that gives back what the position cost.
func (p Position) Refund(at time.Time) Trade {
	t := p.Settlement(domain.Zero, at)
	t.Notional, t.Refund = p.Cost.Abs(), true
	return t
}

// Settlement returns the trade that sells (or buys back) everything at a payout,
// without a fee.
func (p Position) Settlement(payout domain.Decimal, at time.Time) Trade {
	side := domain.Sell
	if p.Quantity.Sign() < 0 {
		side = domain.Buy
	}
	return Trade{Side: side, Quantity: p.Quantity.Abs(), Notional: p.Quantity.Abs().Mul(payout), At: at}
}

// Join returns two positions of one bot, both long or both short, as one: what both cost is
// kept, and so is what their episodes came to so far. It bears the name of the one that was
// opened first.
func (p Position) Join(q Position) Position {
	own := p.OwnWord.Add(q.OwnWord)
	switch {
	case p.IsFlat():
		q.OwnWord = own
		return q
	case q.IsFlat():
		p.OwnWord = own
		return p
	}
	if q.Episode.OpenedAt.Before(p.Episode.OpenedAt) {
		p, q = q, p
	}
	a, b := p.Episode, q.Episode
	a.Entered, a.EntryNotional, a.ExitNotional = a.Entered.Add(b.Entered), a.EntryNotional.Add(b.EntryNotional), a.ExitNotional.Add(b.ExitNotional)
	a.Fees, a.Income, a.Funding = a.Fees.Add(b.Fees), a.Income.Add(b.Income), a.Funding.Add(b.Funding)
	a.Sized, a.Worth = a.Sized && b.Sized, a.Worth.Add(b.Worth)
	if !a.Sized {
		a.Worth = domain.Zero
	}
	return Position{Quantity: p.Quantity.Add(q.Quantity), Cost: p.Cost.Add(q.Cost), Episode: a, OwnWord: own}
}
