package modeltest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// listing is a registered market.
type listing struct {
	kind, category string
	outcomes       []string
	exclusive      bool
}

// Market is the registration of a market. Exclusive is yes, no, or "" if it is not stated.
type Market struct {
	Name, Kind, Category string
	Outcomes             []string
	Exclusive            string
}

// Register registers a market: "A market registered with two or more outcomes is exclusive
// unless it says exclusive:false: one share of each pays 1 together." "Outcome names do not
// begin with !; names are compared as written".
func (m *Second) Register(r Market) Answer {
	return m.do(func() Answer {
		able := r.Kind == "outcome" && len(r.Outcomes) >= 2
		strange := func(o string) bool { return o == "" || strings.HasPrefix(o, "!") }
		if (r.Exclusive == "yes" && !able) || slices.ContainsFunc(r.Outcomes, strange) || len(unique(r.Outcomes)) != len(r.Outcomes) {
			return refuse("invalid")
		}
		is := listing{r.Kind, r.Category, r.Outcomes, able && r.Exclusive != "no"}
		was, known := m.markets[r.Name]
		if known && r.Exclusive == "" {
			is.exclusive = was.exclusive
		}
		if known {
			// "Adoption leaves earlier markets not exclusive until registered again": one
			// may become exclusive, and never the other way.
			switch same := was.kind == is.kind && was.category == is.category && slices.Equal(was.outcomes, is.outcomes); {
			case !same, was.exclusive && !is.exclusive:
				return refuse("conflict")
			case was.exclusive == is.exclusive:
				return again
			}
		}
		traded := slices.ContainsFunc(m.items, func(f item) bool { return f.thing.Market == r.Name || f.prices.Market == r.Name }) ||
			slices.ContainsFunc(m.livePermits(""), func(p SecondPermit) bool { return p.Thing.Market == r.Name })
		if r.Kind != "outcome" && traded || is.exclusive && m.anyPaid(r.Name) {
			return refuse("conflict")
		}
		// "A registration may come after marks and fills; its event says by how much each
		// scope's equity changes by it, and references are scaled by that as by a flow."
		before := m.equities()
		m.markets[r.Name] = is
		changes := m.flows(before)
		m.reclaim("", r.Name)
		return Answer{Changes: changes}
	})
}

// anyPaid reports whether any outcome of a market was settled: such a market can no longer
// become exclusive, since nobody said what its outcomes pay together.
func (m *Second) anyPaid(market string) bool {
	of := func(t Thing) bool { return t.Market == market }
	return slices.ContainsFunc(slices.Collect(maps.Keys(m.payouts)), of) || slices.ContainsFunc(slices.Collect(maps.Keys(m.void)), of)
}

func (m *Second) equities() map[string]Num {
	out := map[string]Num{}
	for _, id := range m.scopes() {
		out[id] = m.Equity(id)
	}
	return out
}

// flows takes what changed the equity of any scope as a flow, and returns the changes.
func (m *Second) flows(before map[string]Num) map[string]Num {
	changes := map[string]Num{}
	for _, id := range m.scopes() {
		if after := m.Equity(id); after.Cmp(before[id]) != 0 {
			changes[id] = sub(after, before[id])
			m.moment(moment{what: "flow", scope: id, before: before[id], after: after})
		}
	}
	return changes
}

func (m *Second) kind(market string) string {
	if is, known := m.markets[market]; known {
		return is.kind
	}
	return "outcome"
}

func not(outcome string) string { return "!" + outcome }

// read: "With two, !YES is read as NO."
func (m *Second) read(t Thing) Thing {
	is := m.markets[t.Market]
	if outcome, isNot := strings.CutPrefix(t.Outcome, "!"); isNot && is.exclusive && len(is.outcomes) == 2 {
		switch outcome {
		case is.outcomes[0]:
			t.Outcome = is.outcomes[1]
		case is.outcomes[1]:
			t.Outcome = is.outcomes[0]
		}
	}
	return t
}

// has reports whether a market has such an instrument: "In a market of more than two
// outcomes !A is an instrument of its own".
func (m *Second) has(t Thing) bool {
	is, registered := m.markets[t.Market]
	if !registered || len(is.outcomes) == 0 {
		return true
	}
	outcome := t.Outcome
	if is.exclusive {
		outcome = strings.TrimPrefix(outcome, "!")
	}
	return slices.Contains(is.outcomes, outcome)
}

// together reports whether what is held of a thing is valued with the rest of its market:
// "an outcome that a registered market does not have … what is held of it is valued,
// reduced and settled as elsewhere, by the form with one outcome."
func (m *Second) together(t Thing) bool { return m.markets[t.Market].exclusive && m.has(t) }

// open returns the outcomes of an exclusive market that may still win: "an outcome settled
// at 0 … from then its mark is 0, and min and max run over the rest".
func (m *Second) open(market string) []string {
	var out []string
	for _, o := range m.markets[market].outcomes {
		if m.payouts[Thing{market, o}] == nil {
			out = append(out, o)
		}
	}
	return out
}

// payoffs: "Payoff of what a bot holds if outcome j wins: P(j) = Σ q(i)·[i = j] + Σ
// q(!i)·[i ≠ j]; shorts are negative." It returns one for each outcome that is open.
func (m *Second) payoffs(id, market string) []Num {
	return m.payoffsOf(func(t Thing) Num { return m.quantity(id, t) }, market)
}

func (m *Second) payoffsOf(quantity func(Thing) Num, market string) []Num {
	var out []Num
	for _, j := range m.open(market) {
		p := zero
		for _, i := range m.markets[market].outcomes {
			if i == j {
				p = add(p, quantity(Thing{market, i}))
			} else {
				p = add(p, quantity(Thing{market, not(i)}))
			}
		}
		out = append(out, p)
	}
	return out
}

func least(p []Num) Num {
	out := p[0]
	for _, x := range p {
		out = smaller(out, x)
	}
	return out
}

func most(p []Num) Num {
	out := p[0]
	for _, x := range p {
		out = larger(out, x)
	}
	return out
}

// worth: "Value = L + Σ over j of (P(j) − L) × mark(j), held within [min P, max P], where L
// is the lower median of the P(j): what half of the outcomes pay counts as cash, only what
// differs is priced."
func worth(p, marks []Num) Num {
	sorted := slices.SortedFunc(slices.Values(p), Num.Cmp)
	median := sorted[(len(sorted)-1)/2]
	value := median
	for j := range p {
		value = add(value, mul(sub(p[j], median), marks[j]))
	}
	return larger(least(p), smaller(most(p), value))
}

// supposed are prices of outcomes that are tried.
type supposed map[Thing]Num

// marks returns the price of each open outcome for a bot: "An outcome without a mark has
// 1 − that of its complement, else what the other marks leave of 1, in equal parts, not
// below 0."
func (m *Second) marks(id, market string, s supposed) []Num {
	outcomes := m.open(market)
	out := make([]Num, len(outcomes))
	left, missing := one, 0
	for j, o := range outcomes {
		out[j] = m.priceWith(id, Thing{market, o}, s)
		if out[j] == nil {
			if c := m.complement(id, Thing{market, o}, s); c != nil {
				out[j] = larger(zero, sub(one, c))
			}
		}
		if out[j] == nil {
			missing++
		} else {
			left = sub(left, out[j])
		}
	}
	for j := range out {
		if out[j] == nil {
			out[j] = larger(zero, div(left, Whole(missing)))
		}
	}
	return out
}

// complement returns the mark of the complement of an outcome, or nil.
func (m *Second) complement(id string, t Thing, s supposed) Num {
	if is := m.markets[t.Market]; len(is.outcomes) == 2 {
		other := is.outcomes[0]
		if other == t.Outcome {
			other = is.outcomes[1]
		}
		if c := m.priceWith(id, Thing{t.Market, other}, s); c != nil {
			return c
		}
	}
	return m.priceWith(id, Thing{t.Market, not(t.Outcome)}, s)
}

func (m *Second) priceWith(id string, t Thing, s supposed) Num {
	if s[t] != nil {
		return s[t]
	}
	return m.price(id, t).price
}

// priced is a price that is in force.
type priced struct {
	price  Num // nil: there is none
	since  time.Time
	market bool
	by     int // the item that says it, plus 1
}

// price returns the price of a thing that is in force for a bot, or the market's mark if id
// is "": "The market's mark comes from feed and operator keys and prices every holding".
// "A bot's word, fill or mark, prices only its own holding". "The next market mark overrides
// all of these."
func (m *Second) price(id string, t Thing) priced {
	out := priced{}
	for n, f := range m.items {
		if f.mark != nil && f.prices == t && !f.voided && (f.market || (id != "" && f.bot == id)) {
			out = priced{f.mark, f.since, f.market, n + 1}
		}
	}
	if paid := m.payouts[t]; paid != nil {
		out = priced{paid, out.since, true, 0}
	}
	return out
}

// things returns all things of a market that were ever held, or of all markets if it is "".
func (m *Second) things(market string) []Thing {
	var out []Thing
	for _, f := range m.items {
		if (f.what == "fill" || f.what == "sets" || f.what == "funding") && (market == "" || f.thing.Market == market) && !slices.Contains(out, f.thing) {
			out = append(out, f.thing)
		}
	}
	return out
}

// traded returns all markets in which anything was ever held.
func (m *Second) traded() []string {
	var out []string
	for _, t := range m.things("") {
		out = append(out, t.Market)
	}
	return unique(out)
}

// value returns the value of what a bot holds in a market.
func (m *Second) value(id, market string, s supposed) Num {
	sum := m.apart(id, market, s)
	if m.allVoid(market) {
		return sum
	}
	if m.markets[market].exclusive && len(m.open(market)) > 0 {
		sum = add(sum, worth(m.payoffs(id, market), m.marks(id, market, s)))
	}
	return sum
}

// apart: "Elsewhere (unregistered, exclusive:false, spot, perp): Σ q × mark, as before",
// which is at cost if it was never marked. Once all outcomes have paid out, a payout is the
// mark of what is filled later.
func (m *Second) apart(id, market string, s supposed) Num {
	sum := zero
	for _, t := range m.things(market) {
		if !m.together(t) || len(m.open(market)) == 0 || m.allVoid(market) {
			sum = add(sum, m.valueOf(id, t, s))
		}
	}
	return sum
}

func (m *Second) valueOf(id string, t Thing, s supposed) Num {
	p := m.held(id, t)
	if m.voided(t) {
		return p.Cost // "gives every holder his cost back"
	}
	if mark := m.priceWith(id, t, s); mark != nil {
		return mul(p.Quantity, mark)
	}
	return p.Cost
}

// Figures are what a bot has in a market. PayoffMin and PayoffMax are nil if the market is
// not exclusive.
type Figures struct {
	Market                            string
	PayoffMin, PayoffMax, Value, Cost Num
	Exposed                           Num // by what it holds
	Exposure                          Num // and by its live permits that open
}

// Figures returns what a bot has in a market.
func (m *Second) Figures(id, market string) Figures {
	out := Figures{Market: market, Value: m.value(id, market, nil), Cost: zero, Exposed: m.exposed(id, market)}
	out.Exposure = m.Exposure(id, func(is string) bool { return is == market })
	for _, t := range m.things(market) {
		out.Cost = add(out.Cost, m.held(id, t).Cost)
	}
	if m.markets[market].exclusive && len(m.open(market)) > 0 && !m.allVoid(market) {
		p := m.payoffs(id, market)
		out.PayoffMin, out.PayoffMax = least(p), most(p)
	}
	return out
}

// exposed: "Exposure of a bot in an exclusive market = max(cost, value) − min P, at most
// max P − min P"; "elsewhere max(cost, value) of a long, a short as before."
func (m *Second) exposed(id, market string) Num {
	sum, cost := zero, zero
	for _, t := range m.things(market) {
		p := m.held(id, t)
		switch {
		case m.together(t) && len(m.open(market)) > 0 && !m.allVoid(market):
			cost = add(cost, p.Cost)
		case m.settled(t): // what it pays is sure: nothing of it can be lost
		case p.Quantity.Sign() >= 0:
			sum = add(sum, larger(p.Cost, m.valueOf(id, t, nil)))
		default:
			sum = add(sum, larger(zero, sub(m.cover(id, t), abs(p.Cost))))
		}
	}
	if m.markets[market].exclusive && len(m.open(market)) > 0 && !m.allVoid(market) {
		p := m.payoffs(id, market)
		value := worth(p, m.marks(id, market, nil))
		sum = add(sum, smaller(sub(larger(cost, value), least(p)), sub(most(p), least(p))))
	}
	return sum
}
