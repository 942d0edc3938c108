package ledger

import (
	"slices"
	"time"

	"pets/domain"
)

// Holding is a position from which fills can be taken back. While none of its
// fills is provisional it is only the position. From the earliest provisional
// fill, or from a settlement that can be corrected, on it keeps the facts in order
// and the position before them, so that a void can refold it as if the fill had never
// happened, and a correction as if the market had paid otherwise. It remembers only
// what can still be voided or corrected.
type Holding struct {
	Position
	Base Position `json:"base,omitzero"`
	Tail []Fact   `json:"tail,omitempty"`
	// Closings are the closings of the trades that the remembered facts closed.
	Closings map[string]Closing `json:"closings,omitempty"`
}

// Closing says how a trade was recorded: its place in the bot's order of
// closings, and the loss dust it was judged by. A revision keeps both.
type Closing struct {
	Number int            `json:"number"`
	Dust   domain.Decimal `json:"dust,omitzero"`
	// Result names the result that the trade is part of, if that is more than it.
	Result string `json:"result,omitempty"`
}

// Fact is one remembered fill or settlement.
type Fact struct {
	// Fill identifies a fill. A settlement has a Payout instead.
	Fill        domain.FillID   `json:"fill,omitzero"`
	Provisional bool            `json:"provisional,omitempty"`
	Payout      *domain.Decimal `json:"payout,omitempty"`
	// Refund reports a settlement that gives back the cost instead of the payout.
	Refund bool `json:"refund,omitempty"`
	// Kept is a settlement that is remembered for good, because a person may correct it.
	Kept     bool           `json:"kept,omitempty"`
	Side     domain.Side    `json:"side,omitempty"`
	Quantity domain.Decimal `json:"quantity,omitzero"`
	Notional domain.Decimal `json:"notional,omitzero"`
	Fee      domain.Decimal `json:"fee,omitzero"`
	// FeeAsset is the other asset of a fee that is not in the base asset. FeeAmount is
	// the fee in it, and FeeValue what it was worth.
	FeeAsset  string         `json:"fee_asset,omitempty"`
	FeeAmount domain.Decimal `json:"fee_amount,omitzero"`
	FeeValue  domain.Decimal `json:"fee_value,omitzero"`
	// Funding is what a position brought (positive) or cost, in place of a trade.
	Funding domain.Decimal `json:"funding,omitzero"`
	// OwnWord is that of [Trade].
	OwnWord bool `json:"own_word,omitempty"`
	// Dust and Price are those of [Trade].
	Dust  domain.Decimal `json:"dust,omitzero"`
	Price domain.Decimal `json:"price,omitzero"`
	// Revision is the position of the record in the stream, At its time.
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at"`
	// Part tells apart the facts of one record, from 0.
	Part int `json:"part,omitempty"`
	// In is the episode that the fact found open, Opened the one it began.
	// Refolding keeps their names.
	In     string `json:"in,omitempty"`
	Opened string `json:"opened,omitempty"`
}

// trade returns the change that the fact makes to the position before it. A
// settlement of a flat position is no trade.
func (f *Fact) trade(p Position) (Trade, bool) {
	switch {
	case f.Refund:
		t := p.Refund(f.At)
		t.Dust, t.Settles = f.Dust, true
		return t, !p.IsFlat()
	case f.Payout != nil:
		t := p.Settlement(*f.Payout, f.At)
		t.Dust, t.Settles = f.Dust, true
		return t, !p.IsFlat()
	case !f.Funding.IsZero():
		return Trade{Funding: f.Funding, At: f.At}, !p.IsFlat()
	}
	return Trade{
		Side: f.Side, Quantity: f.Quantity, Notional: f.Notional, Fee: f.Fee, Valued: f.FeeValue,
		Dust: f.Dust, Price: f.Price, IsFill: f.Fill != (domain.FillID{}), Opens: f.Opened, At: f.At, OwnWord: f.OwnWord,
	}, true
}

// Preview returns what a fact would do, without applying it.
func (h *Holding) Preview(f Fact) Effect {
	t, ok := f.trade(h.Position)
	if !ok {
		return Effect{After: h.Position}
	}
	if h.Position.mayOpen(t) {
		t.Opens = domain.TradePartName(f.Revision, f.Part)
	}
	return h.Position.Apply(t)
}

// final reports that a fact can no longer change.
func (f *Fact) final() bool { return !f.Provisional && !f.Kept }

// Record applies a fact, and remembers it while it, or a fact before it, may
// still be voided or corrected.
func (h *Holding) Record(f Fact) Effect {
	e := h.Preview(f)
	f.In = h.Episode.Trade
	if e.Opened {
		f.Opened = e.After.Episode.Trade
	}
	if len(h.Tail) == 0 && !f.final() {
		h.Base = h.Position
	}
	if len(h.Tail) > 0 || !f.final() {
		h.Tail = append(h.Tail, f)
	}
	if h.Position = e.After; len(h.Tail) == 0 {
		h.Position.forget()
	}
	return e
}

// Confirm makes a fill final and forgets facts that can no longer change.
func (h *Holding) Confirm(id domain.FillID) {
	if i := h.find(id); i >= 0 {
		h.Tail[i].Provisional = false
		h.trim()
	}
}

func (h *Holding) find(id domain.FillID) int {
	return slices.IndexFunc(h.Tail, func(f Fact) bool { return f.Payout == nil && f.Fill == id })
}

// Remembered returns a fill that can still be voided, or nil.
func (h *Holding) Remembered(id domain.FillID) *Fact {
	if i := h.find(id); i >= 0 {
		return &h.Tail[i]
	}
	return nil
}

// Later counts the remembered facts after a fill. It returns 0 if the fill is not
// remembered.
func (h *Holding) Later(id domain.FillID) int {
	if i := h.find(id); i >= 0 {
		return len(h.Tail) - 1 - i
	}
	return 0
}

// trim folds the leading facts that can no longer change anything into the base. A
// settlement that found nothing to pay is one of them.
func (h *Holding) trim() {
	n := 0
	for n < len(h.Tail) && (h.Tail[n].final() || h.Tail[n].Kept && h.Base.IsFlat()) {
		f := &h.Tail[n]
		if t, ok := f.trade(h.Base); ok {
			h.Base = h.Base.Apply(t).After
			h.Base.forget()
		}
		n++
	}
	h.Tail = slices.Clone(h.Tail[n:])
	if n > 0 {
		h.OwnWord = fold(h.Base, h.Tail).position.OwnWord
	}
	if len(h.Tail) == 0 {
		h.Tail, h.Base, h.Closings = nil, Position{}, nil
	}
}

// forget drops what only the holder's word had made of a position that is flat for good.
func (p *Position) forget() {
	if p.IsFlat() {
		p.OwnWord = domain.Zero
	}
}

// Voidable reports that a fill of the holding may still be voided.
func (h *Holding) Voidable() bool {
	return slices.ContainsFunc(h.Tail, func(f Fact) bool { return f.Provisional })
}

// Refold is the outcome of removing a fill from a holding's history, or of correcting
// what a market paid.
type Refold struct {
	After Holding
	// Money is the difference to what had been posted.
	Money Money
	// Revised are the closed trades that changed, in their order. Closed are the
	// episodes that end only because of the void.
	Revised []Revision
	Closed  []Episode
	// Ended says which fact had closed each trade, Ends which one closes it now.
	Ended, Ends map[string]Fact
}

// End is a trade that the remembered facts closed, the fact that closed it, and the
// revision of the fact that opened it, or 0 if that is not remembered.
type End struct {
	Episode

	By     Fact
	Opened uint64
}

// Endings returns the trades that the remembered facts closed.
func (h *Holding) Endings() []End {
	f := fold(h.Base, h.Tail)
	ends := make([]End, len(f.closed))
	for n, e := range f.closed {
		ends[n] = End{Episode: e, By: *f.by[n], Opened: h.OpenedBy(e.Trade)}
	}
	return ends
}

// OpenedBy returns the revision of the fact that opened a trade, or 0 if that is not
// remembered.
func (h *Holding) OpenedBy(trade string) uint64 {
	if i := slices.IndexFunc(h.Tail, func(f Fact) bool { return f.Opened == trade }); i >= 0 {
		return h.Tail[i].Revision
	}
	return 0
}

// Revision says how one closed trade changed: to the figures in After, to open
// again, or, if neither is set, to void.
type Revision struct {
	Before Episode
	After  *Episode
	Open   bool
}

// Closed remembers how the trade that a remembered fact closed was recorded.
func (h *Holding) Closed(trade string, c Closing) {
	if len(h.Tail) == 0 {
		return
	}
	if h.Closings == nil {
		h.Closings = map[string]Closing{}
	}
	h.Closings[trade] = c
}

// Void returns the holding as if the fill had never happened. ok is false if the
// holding does not remember the fill.
func (h *Holding) Void(id domain.FillID) (r Refold, ok bool) {
	at := h.find(id)
	if at < 0 {
		return Refold{}, false
	}
	facts := slices.Clone(h.Tail)
	facts = slices.Delete(facts, at, at+1)
	rename(h.Base, facts)
	return h.refold(facts), true
}

// Correct returns the holding as if each settlement that it remembers had paid this,
// or had given back the cost.
func (h *Holding) Correct(payout domain.Decimal, refund bool) Refold {
	facts := slices.Clone(h.Tail)
	for i := range facts {
		if facts[i].Payout != nil {
			facts[i].Payout, facts[i].Refund = &payout, refund
		}
	}
	return h.refold(facts)
}

// refold compares the remembered facts with those that replace them.
func (h *Holding) refold(facts []Fact) (r Refold) {
	before, after := fold(h.Base, h.Tail), fold(h.Base, facts)
	r.After = Holding{Position: after.position, Base: h.Base, Tail: facts, Closings: h.Closings}
	r.After.trim()
	r.Money = after.money.Sub(before.money)
	r.Ended, r.Ends = before.endings(), after.endings()
	open, was, is := after.position.Episode.Trade, before.byName(), after.byName()
	for _, old := range before.closed {
		now := is[old.Trade]
		switch {
		case now != nil && *now == old:
		case now != nil:
			r.Revised = append(r.Revised, Revision{Before: old, After: now})
		default:
			r.Revised = append(r.Revised, Revision{Before: old, Open: old.Trade == open})
		}
	}
	for _, e := range after.closed {
		if was[e.Trade] == nil {
			r.Closed = append(r.Closed, e)
		}
	}
	return r
}

type folded struct {
	position Position
	money    Money
	closed   []Episode
	by       []*Fact // that closed them
}

// endings returns the facts that closed the episodes, by name as byName.
func (f *folded) endings() map[string]Fact {
	named := make(map[string]Fact, len(f.closed))
	for i, e := range f.closed {
		if _, has := named[e.Trade]; !has {
			named[e.Trade] = *f.by[i]
		}
	}
	return named
}

// byName indexes the closed episodes by name; if two share one, the first wins.
func (f *folded) byName() map[string]*Episode {
	named := make(map[string]*Episode, len(f.closed))
	for i := range f.closed {
		if e := &f.closed[i]; named[e.Trade] == nil {
			named[e.Trade] = e
		}
	}
	return named
}

func fold(base Position, facts []Fact) folded {
	out := folded{position: base}
	for i := range facts {
		t, ok := facts[i].trade(out.position)
		if !ok {
			continue
		}
		e := out.position.Apply(t)
		out.position, out.money = e.After, out.money.Add(e.Money)
		if e.Closed != nil {
			out.closed, out.by = append(out.closed, *e.Closed), append(out.by, &facts[i])
		}
	}
	return out
}

// rename decides which names the episodes of the remaining facts bear. An episode
// keeps the first name that any of its facts had. Merged episodes take the
// earliest name. A part that was split off gets the name of its opening fill.
func rename(base Position, facts []Fact) {
	used := map[string]bool{base.Episode.Trade: true}
	p := base
	for i := range facts {
		f := &facts[i]
		names := []string{f.In, f.Opened, domain.TradePartName(f.Revision, f.Part)}
		f.In, f.Opened = p.Episode.Trade, ""
		t, ok := f.trade(p)
		if !ok {
			continue
		}
		t.Opens = firstUnused(names, used)
		e := p.Apply(t)
		if e.Opened {
			f.Opened = t.Opens
			used[t.Opens] = true
		}
		p = e.After
	}
}

func firstUnused(names []string, used map[string]bool) string {
	for _, n := range names {
		if n != "" && !used[n] {
			return n
		}
	}
	return names[len(names)-1]
}
