package portfolio

import (
	"cmp"
	"math"
	"slices"

	"pets/domain"
	"pets/domain/ledger"
)

// What a void moves between results. "Trades of one bot that one command closes in one
// exclusive market are one result", and a void is as if the fill had never been: a trade
// that a settlement closes now is part of what that settlement closed.

// companions are the trades of one bot that one settlement closed in a market.
type companions struct {
	result string // that they are part of, or "" for none yet
	place  int    // among the results of the bot
	waits  bool   // it is not counted yet
	lone   []lone // those that are not part of it yet
}

// lone is a closed trade that is a result by itself.
type lone struct {
	in *Instrument
	ledger.End
	ledger.Closing
}

// rejoined completes what a void revises and closes in an exclusive market, with the results
// that the trades are part of from then on.
func (d *Decision) rejoined(id domain.FillID, in *Instrument, refold ledger.Refold, trades []domain.Event) []domain.Event {
	var before []domain.Event
	moved, names := false, 0
	begun := map[uint64]*companions{} // by the revision of the settlement
	name := func() string {
		names++
		return resultName(d.s.Next, names-1) // after the record of the void
	}
	join := func(trade string) *companions {
		by := refold.Ends[trade]
		c := begun[by.Revision]
		if c == nil {
			c = d.companionsOf(id.Bot, in, trade, refold)
			begun[by.Revision] = c
		}
		if c != nil && c.result == "" {
			c.result = name()
			for _, l := range c.lone {
				before = append(before, l.revised(id, c))
			}
		}
		return c
	}
	newest := d.s.Bots[id.Bot].Closings
	for _, event := range trades {
		switch e := event.(type) {
		case *domain.TradeClosed:
			if refold.Ends[e.Trade].Payout != nil {
				if c := join(e.Trade); c != nil {
					e.ResultID, e.Deferred, moved = c.result, c.waits, true
				}
			}
		case *domain.TradeRevised:
			was, is := refold.Ended[e.Trade], refold.Ends[e.Trade]
			if e.After == nil || was.Revision == is.Revision {
				continue
			}
			if is.Payout != nil {
				if c := join(e.Trade); c != nil && c.result != e.ResultID {
					e.Joins, e.Place, e.Deferred, e.Refunded, moved = c.result, c.place, c.waits, is.Refund, true
				}
				continue
			}
			if r := d.s.Bots[id.Bot].Results[e.ResultID]; r != nil && was.Payout != nil && r.Trades > 1 {
				e.Joins, e.Place, moved = name(), newest, true
				newest++
			}
		}
	}
	if !moved {
		return trades
	}
	// A trade that is gone leaves its place before another one takes it.
	slices.SortStableFunc(trades, func(a, b domain.Event) int { return cmp.Compare(leaves(a), leaves(b)) })
	gone := slices.IndexFunc(trades, func(e domain.Event) bool { return leaves(e) > 0 })
	if gone < 0 {
		gone = len(trades)
	}
	return slices.Concat(trades[:gone], before, trades[gone:])
}

func leaves(event domain.Event) int {
	if e, is := event.(*domain.TradeRevised); is && e.After == nil {
		return 0
	}
	return 1
}

// revised records that a trade that was a result by itself is part of another one.
func (l lone) revised(id domain.FillID, c *companions) *domain.TradeRevised {
	figures := l.Figures(l.Dust)
	return &domain.TradeRevised{
		Trade: l.Trade, Bot: id.Bot, Instrument: l.in.Instrument, Fill: id, Direction: l.Direction(), Number: l.Number, ResultID: l.Result,
		Before: figures, After: &figures, Joins: c.result, Place: c.place, Deferred: c.waits, Refunded: l.Refunded,
	}
}

// companionsOf returns what a settlement closed for a bot, beside the trade that a void makes
// it close; or the nearest that counts with it, because the bot held the one while the other
// was settled at 0; or what waits for the bot's next result. It returns nil where the trade
// stands alone.
func (d *Decision) companionsOf(bot string, in *Instrument, trade string, refold ledger.Refold) *companions {
	by, opened := refold.Ends[trade].Revision, refold.After.OpenedBy(trade)
	best, found := uint64(math.MaxUint64), []lone(nil)
	for _, other := range d.s.instrumentsOf(in.Market) {
		if d.s.together(other.Instrument) == nil {
			continue
		}
		other.remembered(func(holder string, h *ledger.Holding) {
			if holder != bot {
				return
			}
			for _, end := range h.Endings() {
				closing, recorded := h.Closings[end.Trade]
				far, together := apart(by, opened, end)
				switch {
				case !recorded || !together || far > best:
				case far < best:
					best, found = far, []lone{{other, end, closing}}
				default:
					found = append(found, lone{other, end, closing})
				}
			}
		})
	}
	if len(found) == 0 {
		return d.waitingFor(bot, in, refold)
	}
	slices.SortStableFunc(found, func(a, b lone) int { return cmp.Compare(a.Number, b.Number) })
	b, c := d.s.Bots[bot], &companions{place: found[0].Number}
	for _, l := range found {
		if r := b.Results[l.Result]; r != nil {
			return &companions{result: l.Result, place: r.Number, waits: !r.Counted}
		}
		if l.in != in {
			c.lone = append(c.lone, l)
		}
	}
	return c
}

// apart returns how far from a settlement another trade was settled, later ones before earlier
// ones, and whether they count together: as in one command, so where a bot held the one when
// the other was settled.
func apart(by, opened uint64, end ledger.End) (far uint64, together bool) {
	at := end.By.Revision
	switch {
	case end.By.Payout == nil:
		return 0, false
	case at >= by:
		return at - by, at == by || end.Opened < by
	}
	return math.MaxUint64/2 + by - at, opened < at
}

// waitingFor returns the result that waits for the bot's next one in a market, if the bot
// still holds something there after a void.
func (d *Decision) waitingFor(bot string, in *Instrument, refold ledger.Refold) *companions {
	m := d.s.exclusive(in.Market)
	held := d.s.held(m, in.Market, bot)
	held.Add(in.Outcome, refold.After.Quantity.Sub(in.Holding(bot).Quantity))
	if held.Empty() || d.s.decided(in.Market) {
		return nil
	}
	return &companions{result: d.s.deferred(bot, in.Market), waits: true}
}

// rejoin moves a closed trade, with its new figures, to the result that it is part of now.
func (s *State) rejoin(b *Bot, e *domain.TradeRevised) {
	if old := b.Results[e.ResultID]; old == nil {
		b.count(e.Before.Result, -1)
		b.Streak.Revise(e.Number, "")
		if r := b.Results[e.Joins]; e.Deferred || e.Number != e.Place && (r == nil || r.Number != e.Number) {
			s.lost(b, e.Market, e.Number, "")
		}
	} else {
		before := old.Of()
		if old.add(e.Before, -1); old.Counted {
			s.recount(b, old, before)
		}
		s.noteResult(b, e.ResultID)
	}
	h, closing := s.closingOf(e)
	r := b.Results[e.Joins]
	if r == nil {
		if b.Results == nil {
			b.Results = map[string]*Result{}
		}
		r = &Result{Market: e.Market, Dust: closing.Dust, Counted: !e.Deferred, Number: e.Place}
		b.Results[e.Joins] = r
	}
	before := r.Of()
	r.add(*e.After, 1)
	r.Refunded = r.Refunded || e.Refunded
	s.noteResult(b, e.Joins)
	if closing.Number, closing.Result = r.Number, e.Joins; h != nil {
		h.Closings[e.Trade] = closing
	}
	switch {
	case !r.Counted:
		return
	case r.Number == b.Closings:
		s.countSum(b, r)
		return
	}
	s.recount(b, r, before)
}

// closingOf returns the holding that remembers how a revised trade closed, or nil, and how.
func (s *State) closingOf(e *domain.TradeRevised) (in *ledger.Holding, c ledger.Closing) {
	c = ledger.Closing{Dust: s.Policy.LossDust}
	if i := s.Instruments[e.Instrument]; i != nil {
		i.remembered(func(bot string, h *ledger.Holding) {
			if was, has := h.Closings[e.Trade]; has && bot == e.Bot {
				in, c = h, was
			}
		})
	}
	return in, c
}
