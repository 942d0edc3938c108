package portfolio

import (
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/payoff"
)

// Marks: who is believed. A mark of a feed or an operator prices every holding; a
// bot's word prices only its own, only where the market has no fresh mark, and earns
// nothing. Under the first edition a fill marks for all.

// markStack is a price with the earlier ones that may return: those behind marks that
// can still be voided.
type markStack []MarkEntry

// push makes m the current mark. Marks before a final one are dropped, because they can
// never return.
func (s *markStack) push(m MarkEntry) {
	if !m.Provisional {
		*s = (*s)[:0]
	}
	*s = append(*s, m)
}

// settle makes the mark of a fill final.
func (s *markStack) settle(revision uint64) {
	for n := range *s {
		if (*s)[n].Revision == revision {
			(*s)[n].Provisional = false
			*s = slices.Clone((*s)[n:])
			return
		}
	}
}

// pull removes the mark of a voided fill; a later mark stays.
func (s *markStack) pull(revision uint64) {
	*s = slices.DeleteFunc(*s, func(m MarkEntry) bool { return m.Revision == revision })
}

func (s markStack) last() *MarkEntry {
	if len(s) == 0 {
		return nil
	}
	return &s[len(s)-1]
}

// OwnMark is the price of an instrument for one bot's holding: the bot's word, which
// prices nothing of another bot. A mark of the market overrides it.
type OwnMark struct {
	Bot   string    `json:"bot"`
	Marks markStack `json:"marks"`
}

func (i *Instrument) ownOf(bot string) (n int, ok bool) {
	return slices.BinarySearchFunc(i.Own, bot, func(m OwnMark, id string) int { return strings.Compare(m.Bot, id) })
}

// markFor makes m the price of a bot's own holding.
func (i *Instrument) markFor(bot string, m MarkEntry) {
	n, ok := i.ownOf(bot)
	if !ok {
		i.Own = slices.Insert(i.Own, n, OwnMark{Bot: bot})
	}
	i.Own[n].Marks.push(m)
}

// priceInForce returns the mark that values a bot's holding, or nil for none.
func (i *Instrument) priceInForce(bot string) *MarkEntry {
	if n, ok := i.ownOf(bot); ok {
		return i.Own[n].Marks.last()
	}
	return i.Mark()
}

// priceFor returns the price at which a bot's holding is valued. It returns false if
// the instrument has none.
func (i *Instrument) priceFor(bot string) (domain.Decimal, bool) {
	if m := i.priceInForce(bot); m != nil {
		return m.Price, true
	}
	return domain.Zero, false
}

// Stale returns how old the mark is that values a bot's holding of an instrument, and
// whether that is too old at a time. What was never marked, or is settled, is not stale.
func (s *State) Stale(i domain.Instrument, bot string, now time.Time) (old time.Duration, stale bool) {
	age := time.Duration(s.Policy.MarkMaxAge)
	i, _ = s.priced(i, domain.Zero)
	in := s.Instruments[i]
	if age == 0 || in == nil || in.Payout != nil {
		return 0, false
	}
	m := in.priceInForce(bot)
	if m == nil {
		return 0, false
	}
	old = now.Sub(m.Time)
	return old, old > age
}

// StalePositions counts the open positions whose mark is too old at a time.
func (s *State) StalePositions(now time.Time) int {
	n := 0
	for _, in := range s.Instruments {
		for _, h := range in.Holdings {
			if _, stale := s.Stale(in.Instrument, h.Bot, now); stale && !h.IsFlat() {
				n++
			}
		}
	}
	return n
}

// settleMark makes the mark of a fill of an instrument final.
func (s *State) settleMark(in *Instrument, bot string, revision uint64) {
	in.settleMark(bot, revision)
	if other := s.markedAt(in.Instrument); other != nil {
		other.settleMark(bot, revision)
	}
}

// pullMark removes the mark of a voided fill of an instrument.
func (s *State) pullMark(in *Instrument, bot string, revision uint64) {
	in.pullMark(bot, revision)
	if other := s.markedAt(in.Instrument); other != nil {
		was := other.priced()
		other.pullMark(bot, revision)
		s.revalueAfter(other, bot, was)
	}
}

// markedAt returns the other instrument that a fill of one may have marked, or nil: of a
// complement its outcome, and with two outcomes the other, which a fill marked by another
// name before the market was registered.
func (s *State) markedAt(i domain.Instrument) *Instrument {
	if to, _ := s.priced(i, domain.Zero); to != i {
		return s.instrument(to)
	}
	if m := s.together(i); m != nil && len(m.Outcomes) == minOutcomes {
		i.Outcome = m.Outcomes[1-slices.Index(m.Outcomes, i.Outcome)]
		return s.Instruments[i]
	}
	return nil
}

func (i *Instrument) settleMark(bot string, revision uint64) {
	i.Marks.settle(revision)
	if n, ok := i.ownOf(bot); ok {
		i.Own[n].Marks.settle(revision)
	}
}

func (i *Instrument) pullMark(bot string, revision uint64) {
	i.Marks.pull(revision)
	if n, ok := i.ownOf(bot); ok {
		if i.Own[n].Marks.pull(revision); len(i.Own[n].Marks) == 0 {
			i.Own = slices.Delete(i.Own, n, n+1)
		}
	}
}

// priced returns the instrument that a mark of another one prices, and the price: in
// an exclusive market, a mark of a complement is one of its outcome, at 1 − it.
func (s *State) priced(i domain.Instrument, price domain.Decimal) (domain.Instrument, domain.Decimal) {
	name, is := strings.CutPrefix(i.Outcome, payoff.Not)
	if is && s.together(i) != nil {
		i.Outcome = name
		return i, domain.One.Sub(price)
	}
	return i, price
}

// markOwn applies the mark of a fill to the holdings of its bot, and returns the instrument that it
// marked, and revalued.
func (s *State) markOwn(at domain.Stamp, e *domain.FillRecorded, m MarkEntry) *Instrument {
	m.Time = effective(e.EffectiveAt, at.Time)
	i, price := s.priced(e.Instrument, m.Price)
	m.Price = price
	in := s.instrument(i)
	if before := in.priceInForce(e.Bot); before != nil && m.Time.Before(before.Time) {
		m.Time = before.Time // an older fact lowers the price in force, and is no newer price
	}
	in.markFor(e.Bot, m)
	s.revalueFor(in, e.Bot)
	return in
}

// effective is the earlier of a fact's own time and the time of its record.
func effective(said *time.Time, recorded time.Time) time.Time {
	if said != nil && said.Before(recorded) {
		return said.UTC()
	}
	return recorded
}

// fresh reports whether a market mark is younger than mark_max_age, or stands at all
// where that is 0.
func (d *Decision) fresh(m *MarkEntry) bool {
	age := time.Duration(d.s.Policy.MarkMaxAge)
	return m != nil && (age == 0 || d.now.Sub(m.Time) < age)
}

// ownMark returns the price at which a fill marks its bot's holding, or nil if it does
// not: the market has a fresh mark, the fill is older than the price in force and earns
// nothing there, or every price would earn something that it must not.
func (d *Decision) ownMark(e *domain.FillRecorded, price domain.Decimal, fact ledger.Fact, permitted bool) *domain.Decimal {
	i, _ := d.s.priced(e.Instrument, price)
	if d.fresh(d.s.marketMark(i)) {
		return nil
	}
	var before *MarkEntry
	if in := d.s.Instruments[i]; in != nil {
		if in.Payout != nil {
			return nil
		}
		before = in.priceInForce(e.Bot)
	}
	old := before != nil && effective(e.EffectiveAt, d.now).Before(before.Time)
	if permitted && d.s.Mode != domain.ModeLive {
		if old {
			return nil
		}
		return &price
	}
	worth, kinks, unmarked := d.worthAfter(e, fact)
	bound := unmarked
	if e.Side == domain.Buy {
		bound = d.worthBefore(e).Add(e.Notional)
	}
	if old { // a purchase must not earn what it likes by naming an early time
		if !bound.Less(unmarked) {
			return nil
		}
		price, _ = d.s.PriceOf(e.Instrument, e.Bot)
	}
	if found := highest(price, kinks, func(m domain.Decimal) bool { return !bound.Less(worth(m)) }); found != nil {
		return found
	}
	if before == nil && worth(price).Less(unmarked) {
		return &price // what the others imply is more than the bot itself says
	}
	return leastEarned(price, slices.DeleteFunc(kinks, price.Less), worth, unmarked)
}

// leastEarned returns the price, of this one, those where the worth may bend, and 0, at which a
// bot's holdings are worth least, for a word that earns something at any price; or nil where that
// is what they are worth without it. Of equal ones it is the first.
func leastEarned(price domain.Decimal, kinks []domain.Decimal, worth func(domain.Decimal) domain.Decimal, unmarked domain.Decimal) (found *domain.Decimal) {
	least := unmarked
	for _, c := range append(append([]domain.Decimal{price}, kinks...), domain.Zero) {
		if c.Sign() < 0 {
			continue
		}
		if is := worth(c); is.Less(least) {
			least, found = is, &c
		}
	}
	return found
}

// PriceOf returns the price at which a bot's holding of an instrument is valued: of a
// complement, 1 − that of its outcome. It returns false if there is none.
func (s *State) PriceOf(i domain.Instrument, bot string) (domain.Decimal, bool) {
	marked, _ := s.priced(i, domain.Zero)
	in := s.Instruments[marked]
	if in == nil {
		return domain.Zero, false
	}
	price, ok := in.priceFor(bot)
	_, price = s.priced(i, price)
	return price, ok
}

// worthBefore returns what the bot's holdings in the market of a fill are worth before
// it: in an exclusive market all of them, else those of the one outcome.
func (d *Decision) worthBefore(e *domain.FillRecorded) domain.Decimal {
	if m := d.s.together(e.Instrument); m != nil {
		return d.s.valueOf(m, e.Market, e.Bot)
	}
	if in := d.s.Instruments[e.Instrument]; in != nil {
		if h := in.Holding(e.Bot); h != nil {
			return h.Value
		}
	}
	return domain.Zero
}

// worthAfter returns what they would be worth after it at a mark of the fill's
// instrument, the marks at which that worth may begin to rise or to fall, and what they are
// worth if the fill marks nothing: an outcome without a mark has what the others leave.
func (d *Decision) worthAfter(e *domain.FillRecorded, fact ledger.Fact) (worth func(domain.Decimal) domain.Decimal, kinks []domain.Decimal, unmarked domain.Decimal) {
	m := d.s.together(e.Instrument)
	if m == nil {
		after := d.s.Instruments[e.Instrument].preview(e.Bot, fact)
		unmarked = after.Cost
		if before, ok := d.s.PriceOf(e.Instrument, e.Bot); ok {
			unmarked = d.s.bearable(after.Quantity.Mul(before))
		}
		return func(mark domain.Decimal) domain.Decimal { return d.s.bearable(after.Quantity.Mul(mark)) }, nil, unmarked
	}
	h := d.s.held(m, e.Market, e.Bot)
	change := fact.Quantity
	if e.Side == domain.Sell {
		change = change.Neg()
	}
	h.Add(e.Outcome, change)
	marks := d.s.prices(h.Outcomes, e.Market, e.Bot)
	unmarked = worthAt(h, marks)
	i, _ := d.s.priced(e.Instrument, domain.Zero)
	at := slices.Index(h.Outcomes, i.Outcome)
	if at < 0 { // a fill of an outcome that was settled at 0
		return func(domain.Decimal) domain.Decimal { return h.Min() }, nil, unmarked
	}
	rest := domain.One // what the marks of the others leave: above it, outcomes without a mark are worth 0
	for n, mark := range marks {
		if mark.Known && n != at {
			rest = rest.Sub(mark.Price)
		}
	}
	_, kink := d.s.priced(e.Instrument, rest)
	return func(mark domain.Decimal) domain.Decimal {
		_, marks[at].Price = d.s.priced(e.Instrument, mark)
		marks[at].Known = true
		return worthAt(h, marks)
	}, []domain.Decimal{kink}, unmarked
}

// worthAt values a holding at marks that it does not change.
func worthAt(h payoff.Holding, marks []payoff.Mark) domain.Decimal {
	return worth(h, slices.Clone(marks))
}

// highest returns the highest price at or below one that is allowed, or nil for none.
// Between 0, the kinks and the price, allowed changes at most once.
func highest(price domain.Decimal, kinks []domain.Decimal, allowed func(domain.Decimal) bool) *domain.Decimal {
	ends := []domain.Decimal{domain.Zero, price}
	for _, k := range kinks {
		if k.Sign() > 0 && k.Less(price) {
			ends = append(ends, k)
		}
	}
	slices.SortFunc(ends, domain.Decimal.Cmp)
	for n := len(ends) - 1; n >= 0; n-- {
		if allowed(ends[n]) {
			if n == len(ends)-1 {
				return &ends[n]
			}
			found := bisect(ends[n], ends[n+1], allowed)
			return &found
		}
	}
	return nil
}

// lowest returns the lowest price above one that is allowed, up to the highest of the ends, or
// nil for none. The price itself is not allowed.
func lowest(price domain.Decimal, ends []domain.Decimal, allowed func(domain.Decimal) bool) *domain.Decimal {
	ends = slices.SortedFunc(slices.Values(ends), domain.Decimal.Cmp)
	for _, end := range ends {
		if !price.Less(end) {
			continue
		}
		if allowed(end) {
			above := bisect(end.Neg(), price.Neg(), func(m domain.Decimal) bool { return allowed(m.Neg()) }).Neg()
			return &above
		}
		price = end
	}
	return nil
}

// bisect returns the highest allowed price between one that is allowed and one that is
// not.
func bisect(low, high domain.Decimal, allowed func(domain.Decimal) bool) domain.Decimal {
	two := domain.FromInt(2)
	for {
		middle := low.Add(high.Sub(low).Div(two))
		if middle == low || middle == high {
			return low
		}
		if allowed(middle) {
			low = middle
		} else {
			high = middle
		}
	}
}
