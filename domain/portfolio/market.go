package portfolio

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/payoff"
)

// Market is a market as the operator registered it, with what it is worth to the
// bots if it is exclusive.
type Market struct {
	Kind     domain.MarketKind `json:"kind"`
	Outcomes []string          `json:"outcomes,omitempty"`
	Category string            `json:"category,omitempty"`
	// Tokens are the ids of the outcomes' tokens on the chain.
	Tokens map[string]string `json:"tokens,omitempty"`
	// Condition is what they derive from, and Checked how that was compared.
	Condition string              `json:"condition,omitempty"`
	Checked   *domain.TokensCheck `json:"checked,omitempty"`
	// Exclusive reports that one share of each outcome pays 1 together.
	Exclusive bool `json:"exclusive,omitempty"`
	// Held are the holders of an exclusive market, sorted by bot.
	Held []Held `json:"held,omitempty"`
}

// Held is what one bot's holdings in an exclusive market are worth together.
type Held struct {
	Bot   string         `json:"bot"`
	Value domain.Decimal `json:"value"`
}

// exclusive returns a market in which the outcomes exclude each other, or nil.
func (s *State) exclusive(market string) *Market {
	if m := s.Markets[market]; m != nil && m.Exclusive {
		return m
	}
	return nil
}

// Named returns the instrument that a request means: in an exclusive market of two
// outcomes, the complement of one is the other.
func (s *State) Named(i domain.Instrument) domain.Instrument {
	if m := s.exclusive(i.Market); m != nil {
		i.Outcome = payoff.Canonical(m.Outcomes, i.Outcome)
	}
	return i
}

// has reports whether an outcome, or the complement of one, is a market's. In a market of two
// a complement is the other outcome, and requests call it so; one that was traded by its own
// name before the market was registered is valued with the rest all the same.
func (m *Market) has(outcome string) bool {
	if slices.Contains(m.Outcomes, outcome) {
		return true
	}
	base, is := strings.CutPrefix(outcome, payoff.Not)
	return is && m.Exclusive && slices.Contains(m.Outcomes, base)
}

// together returns the exclusive market whose outcomes an instrument is valued with,
// or nil. An outcome that the registered market does not have is valued by itself.
func (s *State) together(i domain.Instrument) *Market {
	if m := s.exclusive(i.Market); m != nil && m.has(i.Outcome) {
		return m
	}
	return nil
}

// settledOutcome returns the settled outcome that an instrument is the complement of, or nil.
func (s *State) settledOutcome(i domain.Instrument) *Instrument {
	name, is := strings.CutPrefix(i.Outcome, payoff.Not)
	if !is || s.together(i) == nil {
		return nil
	}
	if in := s.Instruments[domain.Instrument{Market: i.Market, Outcome: name}]; in != nil && in.Payout != nil {
		return in
	}
	return nil
}

// payoutAt returns what an instrument was settled at, or nil: a complement that nobody ever
// held is settled with its outcome.
func (s *State) payoutAt(i domain.Instrument) *domain.Decimal {
	if in := s.Instruments[i]; in != nil {
		return in.Payout
	}
	if in := s.settledOutcome(i); in != nil {
		payout := domain.One.Sub(*in.Payout)
		return &payout
	}
	return nil
}

// inheritPayout settles an instrument that appears after its outcome was settled.
func (s *State) inheritPayout(in *Instrument) {
	outcome := s.settledOutcome(in.Instrument)
	if outcome == nil {
		return
	}
	payout, m := domain.One.Sub(*outcome.Payout), *outcome.Mark()
	m.Price = payout
	in.Payout, in.Refunded, in.Corrigible = &payout, outcome.Refunded, outcome.Corrigible
	in.Marks.push(m)
}

// instrumentsOf returns all instruments of a market that were ever traded or marked.
func (s *State) instrumentsOf(market string) []*Instrument { return s.byMarket[market] }

// held returns what a bot holds in an exclusive market, over the outcomes that may
// still win.
func (s *State) held(m *Market, market, bot string) payoff.Holding {
	return s.heldPart(m, market, bot, (*Holding).all)
}

// heldPart is held of a part of each holding.
func (s *State) heldPart(m *Market, market, bot string, part func(*Holding) domain.Decimal) payoff.Holding {
	h := payoff.New(m.Outcomes, s.alive(m, market))
	for _, in := range s.instrumentsOf(market) {
		own := in.Holding(bot)
		if own == nil || own.IsFlat() && in.Payout != nil {
			continue
		}
		quantity := part(own) // of one that a void may bring back, perhaps something
		if quantity.IsZero() {
			continue
		}
		if !h.Add(in.Outcome, quantity) && s.settledOutcome(in.Instrument) != nil {
			h.Sure = h.Sure.Add(quantity)
		}
	}
	return h
}

// alive returns the outcomes of an exclusive market that have not been settled at 0
// one by one. A market that is settled as a whole keeps all of them.
func (s *State) alive(m *Market, market string) []string {
	var dead []string
	for _, in := range s.instrumentsOf(market) {
		if in.Payout != nil && in.Payout.IsZero() && slices.Contains(m.Outcomes, in.Outcome) {
			dead = append(dead, in.Outcome)
		}
	}
	if len(dead) == 0 || s.decided(market) {
		return m.Outcomes
	}
	return slices.DeleteFunc(slices.Clone(m.Outcomes), func(o string) bool { return slices.Contains(dead, o) })
}

// decided reports whether every outcome of a market has been settled.
func (s *State) decided(market string) bool {
	m := s.Markets[market]
	if m == nil || len(m.Outcomes) == 0 {
		return false
	}
	for _, outcome := range m.Outcomes {
		if in := s.Instruments[domain.Instrument{Market: market, Outcome: outcome}]; in == nil || in.Payout == nil {
			return false
		}
	}
	return true
}

// prices returns the mark of each outcome for a bot: its own where that counts, or
// the market's.
func (s *State) prices(outcomes []string, market, bot string) []payoff.Mark {
	marks := make([]payoff.Mark, len(outcomes))
	for n, outcome := range outcomes {
		if in := s.Instruments[domain.Instrument{Market: market, Outcome: outcome}]; in != nil {
			marks[n].Price, marks[n].Known = in.priceFor(bot)
		}
		if marks[n].Known {
			continue
		}
		// "An outcome without a mark has 1 − that of its complement", which was marked by
		// itself before the market was registered.
		if in := s.Instruments[domain.Instrument{Market: market, Outcome: payoff.Complement(outcome)}]; in != nil {
			price, ok := in.priceFor(bot)
			marks[n] = payoff.Mark{Price: domain.One.Sub(price), Known: ok && price.Sign() >= 0 && !domain.One.Less(price)}
		}
	}
	return marks
}

// takeMarks makes the marks that complements had by themselves before their market was
// registered those of the outcomes, where these have none, and what waits beyond the collar
// with them: from then on they are marked together. So it is with the own words of bots: a
// word on the complement does not outdo a mark of the outcome.
func (s *State) takeMarks(market string, m *Market) {
	for _, outcome := range m.Outcomes {
		from := s.Instruments[domain.Instrument{Market: market, Outcome: payoff.Complement(outcome)}]
		if from == nil {
			continue
		}
		i := domain.Instrument{Market: market, Outcome: outcome}
		s.takeWaiting(i, from)
		if in := s.Instruments[i]; in == nil || len(in.Marks) == 0 {
			s.takeOwn(i, from)
			if marks := from.Marks.complement(); len(marks) > 0 {
				s.instrument(i).Marks, from.Marks = marks, nil
				s.markOther(i, m, marks)
			}
		}
		from.Own = nil
	}
}

// takeOwn makes the own words of bots on a complement those on its outcome, where they have
// none.
func (s *State) takeOwn(i domain.Instrument, from *Instrument) {
	for _, own := range from.Own {
		in := s.instrument(i)
		if n, has := in.ownOf(own.Bot); !has {
			if marks := own.Marks.complement(); len(marks) > 0 {
				in.Own = slices.Insert(in.Own, n, OwnMark{Bot: own.Bot, Marks: marks})
			}
		}
	}
}

// markOther gives the other one of two outcomes the marks that those of one leave it, if it
// has none.
func (s *State) markOther(i domain.Instrument, m *Market, marks markStack) {
	if len(m.Outcomes) != minOutcomes {
		return
	}
	i.Outcome = payoff.Canonical(m.Outcomes, payoff.Complement(i.Outcome))
	if other := s.instrument(i); len(other.Marks) == 0 {
		other.Marks = marks.complement()
	}
}

// takeWaiting makes a mark that waits for a complement one that waits for its outcome,
// unless one of its own does, or it is no price of a share.
func (s *State) takeWaiting(i domain.Instrument, from *Instrument) {
	if from.Waiting == nil {
		return
	}
	w := *from.Waiting
	s.setWaiting(from, nil)
	if in := s.Instruments[i]; in != nil && in.Waiting != nil {
		return
	}
	if w.Price = domain.One.Sub(w.Price); w.Price.Sign() >= 0 && !domain.One.Less(w.Price) {
		s.setWaiting(s.instrument(i), &w)
	}
}

// complement returns the marks of what pays where an outcome does not win. One that is no
// price of a share is left out.
func (s markStack) complement() markStack {
	var marks markStack
	for _, m := range s {
		if m.Price = domain.One.Sub(m.Price); m.Price.Sign() >= 0 && !domain.One.Less(m.Price) {
			marks = append(marks, m)
		}
	}
	return marks
}

// heldWorth returns whether a bot holds something of an exclusive market, and what it
// is worth.
func (s *State) heldWorth(m *Market, market, bot string) (holds bool, value domain.Decimal) {
	h := s.held(m, market, bot)
	if h.Empty() {
		return false, domain.Zero
	}
	if s.refunded(m, market) { // what is filled late in a void market gets its cost back, too
		return true, s.costIn(market, bot)
	}
	if paid, apart := s.paidApart(m, market, bot); apart {
		return true, paid
	}
	return true, worth(h, s.prices(h.Outcomes, market, bot))
}

// paidApart returns what a bot's holdings pay in a settled market whose payouts two people let
// sum to something else than 1: there a complete set is not worth 1, so each share is worth its
// own payout. It returns false for any other market.
func (s *State) paidApart(m *Market, market, bot string) (paid domain.Decimal, apart bool) {
	if !s.decided(market) {
		return domain.Zero, false
	}
	sum := domain.Zero
	for _, outcome := range m.Outcomes {
		sum = sum.Add(*s.Instruments[domain.Instrument{Market: market, Outcome: outcome}].Payout)
	}
	if sum == domain.One {
		return domain.Zero, false
	}
	for _, in := range s.instrumentsOf(market) {
		h := in.Holding(bot)
		if h == nil || !m.has(in.Outcome) {
			continue
		}
		of, _ := s.priced(in.Instrument, domain.Zero)
		pays := *s.Instruments[of].Payout
		if of != in.Instrument {
			pays = domain.One.Sub(pays)
		}
		paid = paid.Add(h.Quantity.Mul(pays))
	}
	return paid, true
}

// refunded reports whether a market was settled as void.
func (s *State) refunded(m *Market, market string) bool {
	for _, outcome := range m.Outcomes {
		if in := s.Instruments[domain.Instrument{Market: market, Outcome: outcome}]; in == nil || !in.Refunded {
			return false
		}
	}
	return true
}

// valueOf returns what a bot's holdings would be worth together.
func (s *State) valueOf(m *Market, market, bot string) domain.Decimal {
	_, value := s.heldWorth(m, market, bot)
	return value
}

// worth values a holding. Where no outcome has a mark, each has an equal part of 1.
func worth(h payoff.Holding, marks []payoff.Mark) domain.Decimal {
	if value, ok := h.Value(marks); ok {
		return value
	}
	equal := domain.One.Div(domain.FromInt(int64(len(marks))))
	for i := range marks {
		marks[i] = payoff.Mark{Price: equal, Known: true}
	}
	value, _ := h.Value(marks)
	return value
}

// revalued changes the value of what a bot holds.
func (s *State) revalued(b *Bot, delta domain.Decimal) {
	if delta.IsZero() {
		return
	}
	b.Value = b.Value.Add(delta)
	s.Value = s.Value.Add(delta)
	s.movedBot(b)
}

// MarketFigures are what one bot holds in one exclusive market. The positions alone
// do not add up to its equity.
type MarketFigures struct {
	Market    string         `json:"market"`
	PayoffMin domain.Decimal `json:"payoff_min"`
	PayoffMax domain.Decimal `json:"payoff_max"`
	Value     domain.Decimal `json:"value"`
	Cost      domain.Decimal `json:"cost"`
	Exposure  domain.Decimal `json:"exposure"`
}

// Figures returns what a bot holds in an exclusive market, or false if it holds
// nothing of it.
func (s *State) Figures(bot, market string) (f MarketFigures, ok bool) {
	m := s.exclusive(market)
	if m == nil {
		return f, false
	}
	h := s.held(m, market, bot)
	if h.Empty() {
		return f, false
	}
	p := h.Payoff()
	f = MarketFigures{Market: market, PayoffMin: p.Min, PayoffMax: p.Max, Cost: s.costIn(market, bot)}
	if n, ok := m.heldBy(bot); ok {
		f.Value = m.Held[n].Value
	}
	if s.decided(market) { // what came late is paid out: it is worth that, whatever is said
		f.PayoffMin, f.PayoffMax, p.Min, p.Max = f.Value, f.Value, f.Value, f.Value
	}
	f.Exposure = p.Exposure(f.Cost, f.Value)
	return f, true
}

// MarketHolding is what a bot holds in an exclusive market, and may still open there.
type MarketHolding struct {
	Bot string `json:"bot"`
	MarketFigures
	// Sets are the complete sets that the bot holds: they pay 1 each, whatever wins, and are
	// merged into cash.
	Sets domain.Decimal `json:"sets,omitzero"`
}

// completeSets returns how many sets a bot holds of a market of which no outcome is settled.
func (s *State) completeSets(market, bot string) domain.Decimal {
	m := s.exclusive(market)
	if m == nil || len(m.Outcomes) == 0 {
		return domain.Zero
	}
	sets := domain.Zero
	for n, outcome := range m.Outcomes {
		i := domain.Instrument{Market: market, Outcome: outcome}
		held := s.quantityOf(bot, i)
		if held.Sign() <= 0 || s.Instruments[i].Payout != nil {
			return domain.Zero
		}
		if n == 0 || held.Less(sets) {
			sets = held
		}
	}
	return sets
}

// MarketHoldings lists what bots hold together in exclusive markets, by market and bot.
// only limits it to one bot. As in the limits, the exposure includes the worst case of
// the permits that are live at the given time and open, so a bot that holds nothing may
// stand here.
func (s *State) MarketHoldings(only string, now time.Time) []MarketHolding {
	opening := map[place]domain.Decimal{}
	for _, p := range s.Permits {
		if (only == "" || only == p.Bot) && p.Live(now) && s.together(p.Instrument) != nil {
			if worst := s.pending(p); !worst.IsZero() {
				at := place{p.Market, p.Bot}
				opening[at] = opening[at].Add(worst)
			}
		}
	}
	held := map[place]bool{}
	for market, m := range s.Markets {
		for _, h := range m.Held {
			if only == "" || only == h.Bot {
				held[place{market, h.Bot}] = true
			}
		}
	}
	for at := range opening {
		held[at] = true
	}
	all := make([]MarketHolding, 0, len(held))
	for at := range held {
		f, _ := s.Figures(at.bot, at.market)
		f.Market, f.Exposure = at.market, f.Exposure.Add(opening[at])
		all = append(all, MarketHolding{Bot: at.bot, MarketFigures: f, Sets: s.completeSets(at.market, at.bot)})
	}
	slices.SortFunc(all, func(a, b MarketHolding) int {
		return cmp.Or(strings.Compare(a.Market, b.Market), strings.Compare(a.Bot, b.Bot))
	})
	return all
}

// costIn returns what a bot's holdings in a market cost.
func (s *State) costIn(market, bot string) domain.Decimal {
	cost := domain.Zero
	m := s.Markets[market]
	for _, in := range s.instrumentsOf(market) {
		if h := in.Holding(bot); h != nil && m.has(in.Outcome) {
			cost = cost.Add(h.Cost)
		}
	}
	return cost
}

// register records a market, again when its tokens become known. A market that is
// registered after it was traded is valued anew: that change is a flow.
func (s *State) register(at domain.Stamp, e *domain.MarketRegistered) {
	m := &Market{Kind: e.Kind, Outcomes: e.Outcomes, Category: e.Category, Tokens: e.Tokens, Condition: e.Condition, Checked: e.Checked, Exclusive: e.Exclusive}
	old := s.Markets[e.Market]
	before := s.categoryOf(e.Market)
	s.Markets[e.Market] = m
	s.recategorise(e.Market, before, e.Category)
	for _, in := range s.instrumentsOf(e.Market) { // the kind may be another
		for _, h := range in.Holdings {
			s.weigh(in, h)
		}
	}
	switch {
	case old != nil && old.Exclusive && m.Exclusive:
		m.Held = old.Held
	case m.Exclusive:
		s.beginTogether(at, e.Market, m)
	}
	s.registered(e.Market)
}

// registered brings what follows from the state up to date with a registration.
func (s *State) registered(market string) {
	s.changedMarket(market)
	for _, in := range s.instrumentsOf(market) {
		for _, h := range in.Holdings {
			s.expose(market, h.Bot)
			s.holdingChanged(h.Bot)
		}
	}
}

// beginTogether values the holdings of a market together that were valued one by
// one. What that changes scales the references as a flow does. Live permits were granted
// outcome by outcome, and claim anew what there is: no share is promised twice.
func (s *State) beginTogether(at domain.Stamp, market string, m *Market) {
	all := s.Equity()
	s.takeMarks(market, m)
	s.joinComplements(market, m)
	for _, bot := range s.holdersOf(m, market) {
		b := s.bot(bot)
		before, positions := b.Equity(), domain.Zero
		for _, in := range s.instrumentsOf(market) {
			if h := in.Holding(bot); h != nil && m.has(in.Outcome) {
				positions = positions.Add(h.Value)
			}
		}
		b.Value, s.Value = b.Value.Sub(positions), s.Value.Sub(positions)
		s.revalueHeld(m, market, bot)
		if flow := b.Equity().Sub(before); !flow.IsZero() {
			s.flowed(&b.Refs, before, flow, b.Positions > 0)
			s.effects.Flows = append(s.effects.Flows, Flow{Bot: bot, Amount: flow})
		}
	}
	for _, in := range s.instrumentsOf(market) {
		for _, h := range in.Holdings { // by itself, at the marks that were taken over
			h.Value = s.worthOf(in, h)
		}
	}
	s.reclaimMarket(at, market)
	s.effects.Moved, s.effects.Performed = s.effects.Moved[:0], false
	s.derived.applied++ // the list of moved bots is empty again
	s.flow(all)
}

// indexMarkets rebuilds the index of a restored or copied state.
func (s *State) indexMarkets() {
	s.byMarket, s.waiting = map[string][]*Instrument{}, 0
	for _, a := range s.Assets {
		if a.Waiting != nil && a.Marked {
			s.waiting++
		}
	}
	for _, in := range s.SortedInstruments() {
		if in.Waiting != nil {
			s.waiting++
		}
		s.byMarket[in.Market] = append(s.byMarket[in.Market], in)
	}
}
