package modeltest

import (
	"maps"
	"slices"
	"strings"
)

// Settlement settles a market, or one of its outcomes. Exactly one of Outcome, Payouts and
// Void is given.
type Settlement struct {
	Market  string
	Outcome string
	Payout  Num
	Payouts map[string]Num
	Void    bool
	Bot     string // "" or the only bot that is paid
	Two     bool   // two people agreed (override payouts)
}

// settled reports whether a thing has paid out, or was settled as void.
func (m *Second) settled(t Thing) bool { return m.payouts[t] != nil || m.voided(t) }

// voided reports whether a thing was settled as void, by itself or with the outcome that it
// is the complement of.
func (m *Second) voided(t Thing) bool {
	outcome, isNot := strings.CutPrefix(t.Outcome, "!")
	return m.void[t] || isNot && m.together(t) && m.void[Thing{t.Market, outcome}]
}

// allVoid reports whether an exclusive market was settled as void.
func (m *Second) allVoid(market string) bool {
	is := m.markets[market]
	return is.exclusive && !slices.ContainsFunc(is.outcomes, func(o string) bool { return !m.void[Thing{market, o}] })
}

// heardOf returns what was ever traded or priced of a market, and its outcomes.
func (m *Second) heardOf(market string) []Thing {
	found := map[Thing]bool{}
	for _, o := range m.markets[market].outcomes {
		found[Thing{market, o}] = true
	}
	for _, f := range m.items {
		for _, t := range []Thing{f.thing, f.prices} {
			if t.Market == market && f.what != "funding" {
				found[t] = true
			}
		}
	}
	return sortedThings(maps.Keys(found))
}

// Settle settles a market: "Settlement is of a market … one command, one append; peaks and
// breakers evaluated once, after the last holder."
func (m *Second) Settle(s Settlement) Answer {
	return m.do(func() Answer {
		exclusive := m.markets[s.Market].exclusive
		_, is := m.members[s.Bot]
		switch {
		case s.Bot != "" && !is:
			return refuse("not_found")
		// "A bot narrows a settlement only in imports and in markets that are not
		// exclusive."
		case m.kind(s.Market) != "outcome" || (s.Bot != "" && exclusive && (s.Outcome == "" || m.together(m.read(Thing{s.Market, s.Outcome})))):
			return refuse("invalid")
		case s.Void:
			return m.refund(s)
		}
		pay, code := m.payoutsOf(s)
		if code != "" {
			return refuse(code)
		}
		return m.payOut(s, pay)
	})
}

// payoutsOf returns the payout of each outcome that a settlement is about.
func (m *Second) payoutsOf(s Settlement) (pay map[Thing]Num, code string) {
	named := s.Payouts
	if named == nil {
		if named, code = m.expand(s); code != "" {
			return nil, code
		}
	} else if code = m.checkNames(s); code != "" {
		return nil, code
	}
	pay = map[Thing]Num{}
	for o, p := range named {
		if p.Sign() < 0 || less(one, p) {
			return nil, "invalid"
		}
		t := Thing{s.Market, o}
		if was := m.payouts[t]; was != nil && was.Cmp(p) != 0 || m.voided(t) {
			// "A second, different payout: 409."
			return nil, "conflict"
		}
		pay[t] = p
		if m.together(t) {
			// "!A pays 1 − payout(A)."
			pay[Thing{s.Market, not(o)}] = sub(one, p)
		}
	}
	return pay, m.checkSum(s, pay)
}

// expand: "The form with one outcome stays: in an exclusive market registered with two it
// settles both; with more, it takes 0 or 1: 1 settles all others at 0".
func (m *Second) expand(s Settlement) (map[string]Num, string) {
	t := m.read(Thing{s.Market, s.Outcome})
	if outcome, isNot := strings.CutPrefix(t.Outcome, "!"); isNot && m.together(t) {
		t.Outcome, s.Payout = outcome, sub(one, s.Payout) // "!A pays 1 − payout(A)."
	}
	out := map[string]Num{t.Outcome: s.Payout}
	outcomes := m.markets[s.Market].outcomes
	switch {
	case !m.together(t):
		return out, ""
	case len(outcomes) > 2 && s.Payout.Sign() != 0 && s.Payout.Cmp(one) != 0:
		return nil, "invalid"
	}
	for _, o := range outcomes {
		if o != t.Outcome && (len(outcomes) == 2 || s.Payout.Sign() > 0) {
			out[o] = sub(one, s.Payout)
		}
	}
	return out, ""
}

// checkNames: "payouts … names every outcome of a registered market (others use the form
// with one outcome)". After outcomes were settled at 0, "later payouts name" the rest.
func (m *Second) checkNames(s Settlement) string {
	outcomes := m.markets[s.Market].outcomes
	rest := slices.DeleteFunc(slices.Clone(outcomes), func(o string) bool {
		paid := m.payouts[Thing{s.Market, o}]
		return paid != nil && paid.Sign() == 0
	})
	names := slices.Sorted(maps.Keys(s.Payouts))
	if slices.Equal(names, unique(outcomes)) || len(names) > 0 && len(m.open(s.Market)) > 0 && slices.Equal(names, unique(rest)) {
		return ""
	}
	return "invalid"
}

// checkSum: "In an exclusive market payouts sum to 1 (payouts_sum; another sum takes two
// people, override payouts)". It is checked once all outcomes have one.
func (m *Second) checkSum(s Settlement, pay map[Thing]Num) string {
	if !m.markets[s.Market].exclusive || s.Two {
		return ""
	}
	sum := zero
	about := false
	for _, o := range m.markets[s.Market].outcomes {
		t := Thing{s.Market, o}
		p := pay[t]
		about = about || p != nil
		if p == nil {
			p = m.payouts[t]
		}
		if p == nil {
			return ""
		}
		sum = add(sum, p)
	}
	// What two people agreed on before is said again, and pays out what came late.
	agreed := !slices.ContainsFunc(m.markets[s.Market].outcomes, func(o string) bool {
		t := Thing{s.Market, o}
		return m.payouts[t] == nil || pay[t] != nil && pay[t].Cmp(m.payouts[t]) != 0
	})
	if about && sum.Cmp(one) != 0 && !agreed {
		return "payouts_sum"
	}
	return ""
}

func (m *Second) payOut(s Settlement, pay map[Thing]Num) Answer {
	things := sortedThings(maps.Keys(pay))
	isNew := slices.ContainsFunc(things, func(t Thing) bool { return m.payouts[t] == nil })
	if !isNew && !m.anyHeld(s.Bot, things) {
		return known(s.Two)
	}
	maps.Copy(m.payouts, pay)
	m.close(s, things, func(t Thing) item { return item{what: "payout", price: pay[t]} })
	return Answer{}
}

// refund: "{market, void:true} gives every holder his cost back (P&L as it is; the result
// is neutral)."
func (m *Second) refund(s Settlement) Answer {
	for t := range m.payouts {
		if t.Market == s.Market {
			return refuse("conflict")
		}
	}
	things := m.heardOf(s.Market)
	if !slices.ContainsFunc(things, func(t Thing) bool { return !m.voided(t) }) && !m.anyHeld(s.Bot, things) {
		return known(s.Two)
	}
	for _, t := range things {
		m.void[t] = true
	}
	m.close(s, things, func(Thing) item { return item{what: "refund"} })
	return Answer{}
}

// known answers what was said already: two people need not agree on it.
func known(two bool) Answer {
	if two {
		return refuse("conflict")
	}
	return again
}

// anyHeld reports whether a settlement again would pay anything, or could have to.
func (m *Second) anyHeld(only string, things []Thing) bool {
	for _, t := range things {
		for _, id := range m.ids() {
			if (only == "" || only == id) && m.quantity(id, t).Sign() != 0 {
				return true
			}
		}
		for _, f := range m.items {
			if f.thing == t && f.provisional && !f.voided && (only == "" || only == f.bot) {
				return true
			}
		}
	}
	return false
}

// close closes what is held of some things, of all bots or of one.
func (m *Second) close(s Settlement, things []Thing, with func(Thing) item) {
	holders := m.pay(s, things, with)
	m.reclaim("", s.Market)
	m.perform(holders...)
}

// pay pays the holders of some things, and returns them.
func (m *Second) pay(s Settlement, things []Thing, with func(Thing) item) (holders []string) {
	for _, id := range m.ids() {
		if s.Bot != "" && s.Bot != id {
			continue
		}
		for _, t := range things {
			if m.quantity(id, t).Sign() != 0 {
				holders = append(holders, id)
			}
			is := with(t)
			is.bot, is.thing = id, t
			m.label(m.note(is))
		}
	}
	for n := range m.permits {
		p := &m.permits[n]
		p.gone = p.gone || slices.Contains(things, p.Thing) || s.Void && p.Thing.Market == s.Market
	}
	// "A payout ends every waiting mark of the market."
	maps.DeleteFunc(m.waits, func(t Thing, _ waiting) bool { return t.Market == s.Market })
	for _, id := range unique(holders) {
		var added []int
		for _, t := range things {
			added = append(added, m.retrade(id, t)...)
		}
		// "What that closes counts with the bot's next result in the market, at once if it
		// holds nothing more there."
		holds := slices.ContainsFunc(m.things(s.Market), func(t Thing) bool { return m.quantity(id, t).Sign() != 0 && m.together(t) })
		for _, n := range added {
			m.ends[n].deferred = holds && m.together(m.ends[n].thing)
		}
	}
	return unique(holders)
}

func sortedThings(things func(func(Thing) bool)) []Thing {
	return slices.SortedFunc(things, func(a, b Thing) int { return strings.Compare(a.Market+"/"+a.Outcome, b.Market+"/"+b.Outcome) })
}

// Correction corrects what a market was settled at.
type Correction struct {
	Market  string
	Payouts map[string]Num
	Void    bool
	Rebase  bool
	Two     bool // two people agreed
}

// Correct: "each trade that settlement closed changes by its quantity × the difference
// (against a void: to cost ÷ quantity; trade.revised), later refolds use the corrected
// payout; it may trip, it never untrips." "(operator; live: two people)".
func (m *Second) Correct(c Correction) Answer {
	return m.do(func() Answer {
		if m.live && !c.Two {
			return refuse("denied")
		}
		pay, code := m.corrected(c)
		if code != "" {
			return refuse(code)
		}
		exclusive := m.markets[c.Market].exclusive
		var settled, rest []Thing
		for _, t := range m.heardOf(c.Market) {
			switch {
			case !c.Void && pay[t] == nil:
			case m.settled(t):
				settled = append(settled, t)
			case exclusive: // it says what all outcomes pay
				rest = append(rest, t)
			}
		}
		changes := func(t Thing) bool {
			if c.Void {
				return !m.voided(t)
			}
			return m.voided(t) || m.payouts[t].Cmp(pay[t]) != 0
		}
		open := exclusive && slices.ContainsFunc(m.markets[c.Market].outcomes, func(o string) bool { return !m.settled(Thing{c.Market, o}) })
		switch {
		case len(settled) == 0:
			return refuse("conflict")
		case !slices.ContainsFunc(settled, changes) && !open:
			return known(c.Two)
		}
		m.replace(c, pay, settled, rest)
		return Answer{}
	})
}

// corrected returns the payouts of a correction: it names every outcome of an exclusive
// market, and elsewhere what was settled and changes.
func (m *Second) corrected(c Correction) (map[Thing]Num, string) {
	is := m.markets[c.Market]
	pay := map[Thing]Num{}
	if c.Void {
		return pay, ""
	}
	named := 0
	for o, p := range c.Payouts {
		t := Thing{c.Market, o}
		ofMarket := is.exclusive && slices.Contains(is.outcomes, o)
		if p.Sign() < 0 || less(one, p) || !ofMarket && (!m.settled(t) || m.together(t)) {
			return nil, "invalid"
		}
		pay[t] = p
		if ofMarket {
			named++
			pay[Thing{c.Market, not(o)}] = sub(one, p)
		}
	}
	if len(pay) == 0 || named > 0 && named < len(is.outcomes) {
		return nil, "invalid"
	}
	return pay, m.checkSum(Settlement{Market: c.Market, Two: c.Two}, pay)
}

// replace makes payouts, or a void, those of what was settled, and settles the rest.
func (m *Second) replace(c Correction, pay map[Thing]Num, settled, rest []Thing) {
	with := func(t Thing) item {
		if c.Void {
			return item{what: "refund"}
		}
		return item{what: "payout", price: pay[t]}
	}
	for _, t := range append(settled, rest...) {
		if c.Void {
			delete(m.payouts, t)
			delete(m.payouts, Thing{c.Market, not(t.Outcome)})
			m.void[t] = true
		} else {
			delete(m.void, t)
		}
	}
	maps.Copy(m.payouts, pay)
	for n := range m.items {
		if f := &m.items[n]; slices.Contains(settled, f.thing) && (f.what == "payout" || f.what == "refund") {
			is := with(f.thing)
			f.what, f.price = is.what, is.price
		}
	}
	m.stakes = nil
	for _, id := range m.ids() {
		for _, t := range settled {
			m.retrade(id, t)
		}
	}
	holders := m.pay(Settlement{Market: c.Market, Void: c.Void && len(rest) > 0}, rest, with)
	var moved []string
	for _, id := range m.ids() {
		if slices.Contains(holders, id) || m.Equity(id).Cmp(m.lastEquity(id)) != 0 {
			moved = append(moved, id)
		}
	}
	m.reclaim("", c.Market)
	if c.Rebase { // "of all that it moved"
		scopes := slices.DeleteFunc(append([]string{""}, moved...), func(id string) bool { return m.Equity(id).Cmp(m.lastEquity(id)) == 0 })
		for _, id := range scopes { // what wakes by the correction, wakes before it is rebased
			m.moment(moment{what: "move", scope: id, after: m.Equity(id)})
		}
		for _, id := range scopes {
			if !m.scope(id).awake { // "Asleep its ratios stay"
				continue
			}
			m.moment(moment{what: "rebase", scope: id, before: m.Equity(id), after: m.Equity(id), which: []string{"peak", "day", "hours"}})
		}
	}
	m.perform(moved...)
}

// --- complete sets

// Sets is a split of cash into complete sets, or a merge.
type Sets struct {
	Bot, Market, Action, ID string // the action is split or merge
	Quantity, Fee           Num
}

// ChangeSets: "by the bot's own key, only of what it holds (else 409 not_held: report the
// fills first). Split: cash −q, q of each outcome at the share of q that its mark has among
// all; merge: q of each leaves at average cost for q in cash, shared out in proportion to
// the cost taken out; in equal parts where a mark is missing, all are 0, or no cost is taken
// out; the rounding goes to the largest."
func (m *Second) ChangeSets(s Sets) Answer {
	return m.do(func() Answer {
		if s.Fee == nil {
			s.Fee = zero
		}
		open := m.open(s.Market)
		switch _, is := m.members[s.Bot]; {
		case !is:
			return refuse("not_found")
		case !m.markets[s.Market].exclusive || s.Quantity.Sign() <= 0 || s.Fee.Sign() < 0 || (s.Action != "split" && s.Action != "merge"):
			return refuse("invalid")
		}
		content := s.Market + " " + s.Action + " " + s.Quantity.RatString() + " " + s.Fee.RatString()
		if known, a := m.once("sets "+s.Bot+" "+s.ID, content); known {
			return a
		}
		if len(open) == 0 || m.allVoid(s.Market) {
			return refuse("conflict")
		}
		var weights []Num
		for _, o := range open {
			t := Thing{s.Market, o}
			p := m.held(s.Bot, t)
			if s.Action == "split" {
				weights = append(weights, m.price(s.Bot, t).price)
				continue
			}
			if less(p.Quantity, s.Quantity) {
				return refuse("not_held")
			}
			weights = append(weights, muldiv(p.Cost, s.Quantity, p.Quantity))
		}
		if s.Action == "split" && less(m.Cash(s.Bot), add(s.Quantity, s.Fee)) {
			return refuse("not_held")
		}
		m.change(s, open, weights)
		return Answer{}
	})
}

func (m *Second) change(s Sets, open []string, weights []Num) {
	amounts, fees := share(s.Quantity, weights), share(s.Fee, weights)
	for i, o := range open {
		m.label(m.note(item{
			what: "sets", bot: s.Bot, thing: Thing{s.Market, o}, buys: s.Action == "split", quantity: s.Quantity,
			notional: amounts[i], fee: fees[i], paid: fees[i],
		}))
	}
	for _, o := range open {
		m.retrade(s.Bot, Thing{s.Market, o})
	}
	m.reclaim(s.Bot, s.Market)
	m.perform(s.Bot)
}

// share divides an amount by weights, in equal parts where one is missing or all are 0.
func share(amount Num, weights []Num) []Num {
	sum, missing := zero, false
	for _, w := range weights {
		if w == nil {
			missing = true
			break
		}
		sum = add(sum, w)
	}
	out, rest, largest := make([]Num, len(weights)), amount, 0
	for i, w := range weights {
		if missing || sum.Sign() == 0 {
			out[i] = div(amount, Whole(len(weights)))
		} else {
			out[i] = muldiv(amount, w, sum)
		}
		rest = sub(rest, out[i])
		if less(out[largest], out[i]) {
			largest = i
		}
	}
	out[largest] = add(out[largest], rest)
	return out
}
