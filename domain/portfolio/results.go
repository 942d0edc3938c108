package portfolio

import (
	"maps"
	"slices"
	"strconv"

	"pets/domain"
	"pets/domain/ledger"
)

// Result is what wins, losses and streaks count: a trade, or several trades of one
// bot in one exclusive market that one command closed, as their sum. Only results of
// several trades are kept.
type Result struct {
	Market string         `json:"market"`
	PnL    domain.Decimal `json:"pnl"`
	Dust   domain.Decimal `json:"dust,omitzero"`
	// Trades counts those that stand.
	Trades int `json:"trades"`
	// Counted reports that the bot's counters and streak have it, at this number. A
	// result that waits for the bot's next one in the market is not counted yet.
	Counted bool `json:"counted,omitempty"`
	Number  int  `json:"number,omitempty"`
	// Small counts those whose position was never worth more than dust. Of such trades
	// alone the result is neutral.
	Small int `json:"small,omitempty"`
	// Refunded reports that the market was void: the result is neutral.
	Refunded bool `json:"refunded,omitempty"`
}

// Of returns what the sum comes to, or "" if no trade of it stands.
func (r *Result) Of() domain.Result {
	switch {
	case r.Trades == 0:
		return ""
	case r.Refunded, r.Small == r.Trades:
		return domain.Neutral
	}
	return ledger.ResultOf(r.PnL, r.Dust)
}

// ResultOf returns what a result of several trades of a bot comes to, or "" while it waits
// for the bot's next result in its market.
func (s *State) ResultOf(bot, id string) domain.Result {
	b := s.Bots[bot]
	if b == nil || b.Results[id] == nil || !b.Results[id].Counted {
		return ""
	}
	return b.Results[id].Of()
}

// resultName returns the name of a result: r and the revision of its first
// trade.closed, with a point and the row if that is a later row of its record.
func resultName(revision uint64, row int) string {
	name := "r" + strconv.FormatUint(revision, 10)
	if row > 0 {
		name += "." + strconv.Itoa(row)
	}
	return name
}

// deferred returns the result of a bot in a market that waits for its next trade, or "".
func (s *State) deferred(bot, market string) string {
	all := s.derived.deferred[place{market, bot}]
	if len(all) == 0 {
		return ""
	}
	return slices.Min(slices.Collect(maps.Keys(all))) // no build leaves more than one
}

// noteResult keeps the results that wait in step with one of them. A bot has as many results as
// it ever had, so they are not searched.
func (s *State) noteResult(b *Bot, id string) {
	r := b.Results[id]
	if r == nil {
		return
	}
	at := place{r.Market, b.ID}
	all := s.derived.deferred[at]
	if !r.Counted && r.Trades > 0 {
		if all == nil {
			all = map[string]struct{}{}
			s.derived.deferred[at] = all
		}
		all[id] = struct{}{}
		return
	}
	if delete(all, id); len(all) == 0 {
		delete(s.derived.deferred, at)
	}
}

// countTrade counts a closed trade as a result, or as a part of one. It returns the
// number of the result among the bot's.
func (s *State) countTrade(b *Bot, e *domain.TradeClosed) int {
	b.Trades++
	if e.ResultID == "" {
		number := b.Closings
		s.countResult(b, e.Market, e.TradeFigures.Result)
		return number
	}
	r := b.Results[e.ResultID]
	if r == nil {
		if b.Results == nil {
			b.Results = map[string]*Result{}
		}
		r = &Result{Market: e.Market, Dust: s.Policy.LossDust}
		b.Results[e.ResultID] = r
	}
	before := r.Of()
	r.add(e.TradeFigures, 1)
	r.Refunded = r.Refunded || e.ClosedBy == domain.ClosedByRefund
	switch {
	case r.Counted:
		s.recount(b, r, before)
	case !e.Deferred:
		s.countSum(b, r)
	}
	s.noteResult(b, e.ResultID)
	return r.Number
}

// add adds a trade to the result, or takes one out.
func (r *Result) add(f domain.TradeFigures, n int) {
	r.Trades += n
	if f.Dust {
		r.Small += n
	}
	if n < 0 {
		r.PnL = r.PnL.Sub(f.PnL)
		return
	}
	r.PnL = r.PnL.Add(f.PnL)
}

// countWaitingResult counts the result of a bot that waits for its next one in a market, where
// a void has taken away what it still held there.
func (s *State) countWaitingResult(b *Bot, market string) {
	m := s.exclusive(market)
	if m == nil || len(b.Results) == 0 {
		return
	}
	id := s.deferred(b.ID, market)
	r := b.Results[id]
	if held := s.held(m, market, b.ID); r == nil || !held.Empty() {
		return
	}
	s.countSum(b, r)
	s.noteResult(b, id)
}

// countSum counts a result of several trades as the next one of a bot.
func (s *State) countSum(b *Bot, r *Result) {
	r.Counted, r.Number = true, b.Closings
	s.countResult(b, r.Market, r.Of())
}

// countResult counts the next result of a bot.
func (s *State) countResult(b *Bot, market string, r domain.Result) {
	s.lost(b, market, b.Closings, r)
	b.Closings++
	b.count(r, 1)
	b.Streak.Close(r)
}

// recount replaces a counted result by what it comes to now.
func (s *State) recount(b *Bot, r *Result, before domain.Result) {
	now := r.Of()
	b.count(before, -1)
	b.count(now, 1)
	b.Streak.Revise(r.Number, now)
	s.lost(b, r.Market, r.Number, now)
}

// reviseTrade counts the revision of a closed trade.
func (s *State) reviseTrade(b *Bot, e *domain.TradeRevised) {
	if e.Joins != "" && e.After != nil {
		s.rejoin(b, e)
		return
	}
	now := domain.Result("")
	if e.After == nil {
		b.Trades--
	} else {
		now = e.After.Result
	}
	r := b.Results[e.ResultID]
	if r == nil {
		b.count(e.Before.Result, -1)
		b.count(now, 1)
		b.Streak.Revise(e.Number, now)
		s.lost(b, e.Market, e.Number, now)
		return
	}
	before := r.Of()
	r.add(e.Before, -1)
	if e.After != nil {
		r.add(*e.After, 1)
	}
	if r.Refunded = e.Refunded || r.Refunded && !e.Repaid; r.Counted {
		s.recount(b, r, before)
	}
	s.noteResult(b, e.ResultID)
}

// closing is one trade that a command closed, as it is to be recorded.
type closing struct {
	ClosedEpisode
	by string
}

// closeTrades records the trades that a command closed: one trade.closed for each,
// and one result for all of one bot in one exclusive market.
func (d *Decision) closeTrades(episodes []ClosedEpisode, by string) {
	trades := make([]closing, len(episodes))
	for i, c := range episodes {
		trades[i] = closing{c, by}
	}
	d.recordClosed(trades)
}

func (d *Decision) recordClosed(trades []closing) {
	type key struct{ bot, market string }
	together := map[key]int{}
	for _, c := range trades {
		if d.s.together(c.Instrument) != nil {
			together[key{c.Bot, c.Market}]++
		}
	}
	named := map[key]string{}
	for _, c := range trades {
		e, k := d.tradeClosed(c.ClosedEpisode, c.by), key{c.Bot, c.Market}
		if n := together[k]; n > 0 && d.s.together(c.Instrument) != nil {
			id, known := named[k]
			if !known {
				if id = d.s.deferred(c.Bot, c.Market); id == "" && (n > 1 || d.defers(c)) {
					id = resultName(d.nextRow(domain.TradeClosedType))
				}
				named[k] = id
			}
			e.ResultID, e.Deferred = id, id != "" && d.defers(c)
		}
		d.row(e)
	}
}

// defers reports that a trade was closed because one of several outcomes was settled,
// while the bot still holds something of the market: it counts with the bot's next
// result there.
func (d *Decision) defers(c closing) bool {
	m := d.s.exclusive(c.Market)
	if m == nil || c.by != domain.ClosedBySettlement || d.s.decided(c.Market) {
		return false
	}
	h := d.s.held(m, c.Market, c.Bot)
	return !h.Empty()
}
