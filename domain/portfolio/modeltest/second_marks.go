package modeltest

import (
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Speaker is who sends a mark. Bot is "" for a feed and an operator.
type Speaker struct{ User, Bot string }

// Said is a mark: of a thing, or of an asset.
type Said struct {
	Thing Thing
	Asset string
	Price Num
}

func (s Said) of() Thing {
	if s.Asset != "" {
		return assetThing(s.Asset)
	}
	return s.Thing
}

// waiting is a market mark that is not in force yet.
type waiting struct {
	price     Num
	at, first time.Time
	command   int
	user      string
	asset     bool // the first mark of an asset in live
}

// Marks records marks: "In POST …/marks each mark is judged alone: good ones are taken, bad
// ones answered by index; all bad: 422."
func (m *Second) Marks(by Speaker, said []Said) Answer {
	return m.do(func() Answer {
		if _, is := m.members[by.Bot]; by.Bot != "" && !is {
			return refuse("not_found")
		}
		// In live a bot's key sends no marks: its fills are its word.
		if m.live && by.Bot != "" {
			return refuse("denied")
		}
		var good []Said
		var bad []int
		for n, s := range said {
			s.Thing = m.read(s.Thing)
			if s.Price.Sign() < 0 || (s.Asset == "" && m.kind(s.Thing.Market) == "outcome" && less(one, s.Price)) || (s.Asset != "" && by.Bot != "") || m.unheard(s.Thing) {
				bad = append(bad, n)
				continue
			}
			good = append(good, s)
		}
		// Of marks of settled outcomes, and words that do not count, nothing is taken either.
		taken := func(s Said) bool {
			of := m.pricedBy(s.of())
			return !m.settled(of) && (by.Bot == "" || !m.heard(of))
		}
		if len(bad) > 0 && !slices.ContainsFunc(good, taken) {
			return refuse("invalid")
		}
		if by.Bot != "" {
			for _, s := range good { // a word on !A is one on A, unless the same command says A
				of := m.pricedBy(s.Thing)
				if of == s.Thing || !slices.ContainsFunc(good, func(o Said) bool { return o.Thing == of }) {
					m.speak(by.Bot, s.Thing, s.Price)
				}
			}
		} else {
			heard := m.derived(good)
			force := make([]Num, len(heard)) // before the command
			for n, s := range heard {
				force[n] = m.marketMark(s.of()).price
			}
			for n, s := range heard {
				m.hear(by.User, s, force[n])
			}
		}
		m.perform(m.moved...)
		return Answer{Bad: bad}
	})
}

// unheard reports that a registered market has no such outcome, and that nobody ever traded
// or marked it: a mark of it is a slip of the feed.
func (m *Second) unheard(t Thing) bool {
	return t.Market != "" && !m.has(t) && !slices.ContainsFunc(m.items, func(f item) bool { return (f.thing == t && f.what != "funding") || f.prices == t })
}

// derived: "in an exclusive market a market mark of !A (registered with two: of the other)
// is one of A, at 1 − it, unless the same command gives a good one of A". The last mark of
// a thing is the command's mark of it.
func (m *Second) derived(good []Said) []Said {
	var direct, out []Said
	for n, s := range good {
		if !slices.ContainsFunc(good[n+1:], func(o Said) bool { return o.of() == s.of() }) {
			direct = append(direct, s)
		}
	}
	said := func(t Thing) bool { return slices.ContainsFunc(direct, func(o Said) bool { return o.of() == t }) }
	for _, s := range direct {
		of := s.Thing
		is := m.markets[of.Market]
		if s.Asset != "" || !m.together(of) {
			out = append(out, s)
			continue
		}
		outcome, isNot := strings.CutPrefix(of.Outcome, "!")
		switch {
		case isNot:
			of.Outcome = outcome
		case len(is.outcomes) == 2 && of.Outcome == is.outcomes[0]:
			out, of.Outcome = append(out, s), is.outcomes[1]
		case len(is.outcomes) == 2:
			out, of.Outcome = append(out, s), is.outcomes[0]
		default:
			out = append(out, s)
			continue
		}
		if !said(of) {
			out = append(out, Said{Thing: of, Price: sub(one, s.Price)})
		}
	}
	return out
}

// near reports whether a price is within the collar of another: "absolute for outcomes,
// relative elsewhere".
func (m *Second) near(t Thing, price, of Num) bool {
	apart := abs(sub(price, of))
	if t.Market != "" && m.kind(t.Market) == "outcome" {
		return !less(m.Rules.Collar, apart)
	}
	return !less(new(big.Rat).Mul(m.Rules.Collar, of), apart)
}

// hear judges one market mark: "a mark further than that from the market mark in force
// waits: it prices nothing." "A mark of another command within the collar of the market
// mark in force takes force and drops the waiting one; else one within the collar of the
// waiting one takes force itself; any other takes its place, and its time runs on."
func (m *Second) hear(user string, s Said, force Num) {
	t := s.of()
	if m.settled(t) {
		return
	}
	was, waits := m.waits[t]
	next := waiting{price: s.Price, at: m.now, first: m.now, command: m.command, user: user}
	if waits {
		next.first = was.first
	}
	switch {
	case m.Rules.Collar.Sign() == 0:
	case force == nil && (s.Asset == "" || !m.live):
	case force == nil:
		// "The first mark of an asset in live waits for one by another user within the
		// collar, and for nothing else."
		if !waits || was.user == user || !m.near(t, s.Price, was.price) {
			next.asset = true
			m.waits[t] = next
			return
		}
	case m.near(t, s.Price, force):
	case waits && was.command != m.command && m.near(t, s.Price, was.price):
	default:
		m.waits[t] = next
		return
	}
	m.force(t, s.Price, m.now)
}

// force puts a market mark in force. "The first mark of a held asset, and its deposits, are
// flows at that mark."
func (m *Second) force(t Thing, price Num, since time.Time) {
	delete(m.waits, t)
	first := t.Market == "" && m.price("", t).price == nil
	before := map[string]Num{}
	if first {
		before = m.equities()
		for id, e := range before { // by other marks of the same command
			if id != "" && e.Cmp(m.lastEquity(id)) != 0 {
				m.moved = append(m.moved, id)
			}
		}
	}
	m.note(item{what: "mark", prices: t, mark: price, market: true, since: since})
	if first {
		m.flows(before)
	}
}

// confirm: "mark_confirm_after (10 s) from the first, mark.confirmed stands before the next
// record (after a day.opened), at most a second later, and everything is evaluated; while
// Time stands still nothing is confirmed by time."
func (m *Second) confirm() {
	after := m.Rules.ConfirmAfter
	if after == 0 {
		after = 10 * time.Second
	}
	var due []Thing
	for t, w := range m.waits {
		if !w.asset && m.now.Sub(w.first) >= after {
			due = append(due, t)
		}
	}
	if len(due) == 0 {
		return
	}
	slices.SortFunc(due, func(a, b Thing) int { return strings.Compare(a.Market+"/"+a.Outcome, b.Market+"/"+b.Outcome) })
	for _, t := range due {
		m.force(t, m.waits[t].price, m.waits[t].at)
	}
	m.perform(m.ids()...)
}

// unconfirmed reports whether a mark waits in a market.
func (m *Second) unconfirmed(market string) bool {
	for t := range m.waits {
		if t.Market == market {
			return true
		}
	}
	return false
}

// Wait is a mark that waits. Force is nil if there is none in force.
type Wait struct {
	Thing        Thing // of an asset, the market is ""
	Price, Force Num
}

// Waiting returns the marks that wait: "state shows both".
func (m *Second) Waiting() []Wait {
	var out []Wait
	for t, w := range m.waits {
		out = append(out, Wait{t, w.price, m.marketMark(t).price})
	}
	slices.SortFunc(out, func(a, b Wait) int {
		return strings.Compare(a.Thing.Market+"/"+a.Thing.Outcome, b.Thing.Market+"/"+b.Thing.Outcome)
	})
	return out
}

// Mark returns the price of a thing in force for a bot, or the market's mark if id is "",
// or nil.
func (m *Second) Mark(id string, t Thing) Num { return m.price(id, t).price }

// Stale reports whether a bot's price of a thing is older than mark_max_age.
func (m *Second) Stale(id string, t Thing) bool {
	p := m.price(id, m.pricedBy(t))
	return m.Rules.MarkAge > 0 && p.price != nil && !m.settled(t) && m.now.Sub(p.since) > m.Rules.MarkAge
}

// --- a bot's word

// pricedBy returns the outcome that a thing is priced by: "with more than two, a bot's word
// on !A is one on A likewise."
func (m *Second) pricedBy(t Thing) Thing {
	if outcome, isNot := strings.CutPrefix(t.Outcome, "!"); isNot && m.together(t) {
		return Thing{t.Market, outcome}
	}
	return t
}

// asPriced returns a price of a thing as one of the outcome that it is priced by, and back.
func (m *Second) asPriced(t Thing, price Num) Num {
	if m.pricedBy(t) != t {
		return sub(one, price)
	}
	return price
}

// mayMark: "A bot's word … prices only its own holding, and only when that outcome has no
// market mark younger than mark_max_age (0: none at all) at that moment."
func (m *Second) mayMark(t Thing) bool {
	of := m.pricedBy(t)
	return !m.settled(t) && !m.settled(of) && !m.heard(of)
}

// isOld reports that something happened before the price in force of a thing.
func (m *Second) isOld(id string, t Thing, since time.Time) bool {
	force := m.price(id, m.pricedBy(t))
	return force.price != nil && since.Before(force.since)
}

// marketMark returns the market's mark of a thing. With two outcomes "a market mark of … the
// other is one of A, at 1 − it", also one that came before the market was registered.
func (m *Second) marketMark(t Thing) priced {
	out, is := m.price("", t), m.markets[t.Market]
	if out.price != nil || !m.together(t) || len(is.outcomes) != 2 {
		return out
	}
	other := Thing{t.Market, is.outcomes[0]}
	if other == t {
		other.Outcome = is.outcomes[1]
	}
	if out = m.price("", other); out.price != nil {
		out.price = sub(one, out.price)
	}
	return out
}

// heard reports that an outcome has a market mark younger than mark_max_age.
func (m *Second) heard(t Thing) bool {
	market := m.marketMark(t)
	return market.price != nil && (m.Rules.MarkAge == 0 || m.now.Sub(market.since) < m.Rules.MarkAge)
}

// speak records a mark by a bot in paper, where it is believed.
func (m *Second) speak(id string, t Thing, price Num) {
	if m.mayMark(t) && !m.isOld(id, t, m.now) {
		m.markBy(m.note(item{what: "mark", bot: id, believed: true}), t, price)
	}
}

// markBy makes an item the bot's own mark of a thing.
func (m *Second) markBy(n int, t Thing, price Num) {
	m.items[n].prices, m.items[n].mark = m.pricedBy(t), m.asPriced(t, price)
}

// modest: "A fill outside or without a permit, and any word in live, earns nothing: own
// mark = the price, or the highest below it at which the bot's value in that market is not
// more than it was plus what was paid (a sale: than at the mark before); if there is none,
// the mark before stays." It returns nil if there is none.
//
// Between two bends the value moves in one direction only: it bends where nothing is left
// for the outcomes without a mark.
func (m *Second) modest(id string, t Thing, price, most Num) Num {
	fits := func(x Num) bool {
		return !less(most, m.value(id, t.Market, supposed{m.pricedBy(t): m.asPriced(t, x)}))
	}
	ends := []Num{zero}
	if bend := m.bend(id, t); bend != nil && bend.Sign() > 0 && less(bend, price) {
		ends = append(ends, bend)
	}
	high := price
	for _, low := range slices.Backward(ends) {
		if fits(high) {
			return high
		}
		if fits(low) {
			return highest(low, high, fits)
		}
		high = low
	}
	return nil
}

// bend returns the price of a thing at which the other marks leave nothing of 1, or nil.
func (m *Second) bend(id string, t Thing) Num {
	if !m.together(t) {
		return nil
	}
	of, left := m.pricedBy(t), one
	for _, o := range m.open(t.Market) {
		is := Thing{t.Market, o}
		mark := m.price(id, is).price
		if c := m.price(id, Thing{t.Market, not(o)}).price; mark == nil && c != nil {
			mark = sub(one, c)
		}
		if is != of && mark != nil {
			left = sub(left, mark)
		}
	}
	if of != t {
		return sub(one, left)
	}
	return left
}

// highest returns the highest number with 18 decimals between low, which fits, and high,
// which does not.
func highest(low, high Num, fits func(Num) bool) Num {
	tick := new(big.Rat).SetFrac(big.NewInt(1), scale)
	for less(tick, sub(high, low)) {
		middle := down(new(big.Rat).Quo(add(low, high), Whole(2)))
		if middle.Cmp(low) == 0 {
			break
		}
		if fits(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// down rounds down to 18 decimals.
func down(x Num) Num {
	scaled := new(big.Rat).Mul(x, new(big.Rat).SetInt(scale))
	return new(big.Rat).SetFrac(new(big.Int).Div(scaled.Num(), scaled.Denom()), scale)
}

// Priced returns the things that have a price in force for a bot, sorted.
func (m *Second) Priced(id string) []Thing {
	found := map[Thing]bool{}
	for _, f := range m.items {
		if f.mark != nil && !f.voided && (f.market || (id != "" && f.bot == id)) {
			found[f.prices] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Thing) int {
		return strings.Compare(a.Market+"/"+a.Outcome, b.Market+"/"+b.Outcome)
	})
}
