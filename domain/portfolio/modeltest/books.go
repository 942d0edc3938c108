package modeltest

import (
	"slices"
	"time"
)

// Position is the signed holding of one thing, at average cost.
type Position struct {
	Quantity, Cost Num
	cash           Num // the cash flow of its fills, fees included
	open           *episode
	ended          []*episode
}

// episode is a position from flat to flat.
type episode struct {
	by          *fact // opened it
	short       bool
	entry, exit Num
	fees        Num
}

func (e *episode) profit() Num {
	gross := sub(e.exit, e.entry)
	if e.short {
		gross = neg(gross)
	}
	return sub(gross, e.fees)
}

// play adds up the fills and payouts of a bot's position that are not voided.
func (m *Model) play(id string, thing Thing) *Position {
	p := &Position{Quantity: zero, Cost: zero, cash: zero}
	for _, f := range m.facts {
		switch {
		case f.bot != id || f.thing != thing || f.voided:
		case f.what == "fill":
			p.trade(f, f.buys, f.quantity, f.notional, f.fee)
		case f.what == "payout" && p.Quantity.Sign() != 0:
			p.trade(f, p.Quantity.Sign() < 0, abs(p.Quantity), mul(abs(p.Quantity), f.price), zero)
		}
	}
	return p
}

func signed(buys bool, x Num) Num {
	if buys {
		return x
	}
	return neg(x)
}

func (p *Position) trade(f *fact, buys bool, quantity, notional, fee Num) {
	change := signed(buys, quantity)
	against := p.Quantity.Sign()*change.Sign() < 0
	if against && less(abs(p.Quantity), quantity) {
		// "A fill past zero closes one position and opens another with the rest."
		part := abs(p.Quantity)
		n, c := muldiv(notional, part, quantity), muldiv(fee, part, quantity)
		p.trade(f, buys, part, n, c)
		p.trade(f, buys, sub(quantity, part), sub(notional, n), sub(fee, c))
		return
	}
	p.cash = sub(p.cash, add(signed(buys, notional), fee))
	if !against {
		if p.open == nil {
			p.open = &episode{by: f, short: !buys, entry: zero, exit: zero, fees: zero}
		}
		p.Cost, p.Quantity = add(p.Cost, signed(buys, notional)), add(p.Quantity, change)
		p.open.entry, p.open.fees = add(p.open.entry, notional), add(p.open.fees, fee)
		return
	}
	// "Takes cost × closed ÷ quantity out; the one that closes it takes all."
	out := p.Cost
	if quantity.Cmp(abs(p.Quantity)) != 0 {
		out = muldiv(p.Cost, quantity, abs(p.Quantity))
	}
	p.Cost, p.Quantity = sub(p.Cost, out), add(p.Quantity, change)
	p.open.exit, p.open.fees = add(p.open.exit, notional), add(p.open.fees, fee)
	if p.Quantity.Sign() == 0 {
		p.ended, p.open = append(p.ended, p.open), nil
	}
}

// things returns all things that were ever filled.
func (m *Model) things() []Thing {
	var out []Thing
	for _, f := range m.facts {
		if f.what == "fill" && !slices.Contains(out, f.thing) {
			out = append(out, f.thing)
		}
	}
	return out
}

// Held returns a bot's holding of a thing.
func (m *Model) Held(id string, thing Thing) *Position { return m.play(id, thing) }

// Cash returns the cash of a bot.
func (m *Model) Cash(id string) Num {
	sum := m.sumCash(id, false)
	for _, t := range m.things() {
		sum = add(sum, m.play(id, t).cash)
	}
	return sum
}

func (m *Model) sumCash(id string, other bool) Num {
	sum := zero
	for _, f := range m.facts {
		if f.what == "cash" && f.bot == id && f.other == other {
			sum = add(sum, f.amount)
		}
	}
	return sum
}

func (m *Model) treasury() Num { return m.sumCash("", false) }

// Mark returns the latest price of a thing and its time, or nil if there is none.
func (m *Model) Mark(thing Thing) (price Num, at time.Time) {
	for _, f := range m.facts {
		if f.thing == thing && f.price != nil && !f.voided && !f.other {
			price, at = f.price, f.at
		}
	}
	return price, at
}

func (m *Model) otherMark() Num {
	var price Num
	for _, f := range m.facts {
		if f.what == "mark" && f.other {
			price = f.price
		}
	}
	return price
}

// value returns the value of a position: quantity × mark, or its cost if it was never
// marked.
func (m *Model) value(id string, thing Thing) Num {
	p := m.play(id, thing)
	if mark, _ := m.Mark(thing); mark != nil {
		return mul(p.Quantity, mark)
	}
	return p.Cost
}

// Equity returns the equity of a bot, or of the portfolio if id is "".
func (m *Model) Equity(id string) Num {
	if id != "" {
		sum := m.Cash(id)
		for _, t := range m.things() {
			sum = add(sum, m.value(id, t))
		}
		return sum
	}
	sum := m.treasury()
	if mark := m.otherMark(); mark != nil {
		sum = add(sum, mul(m.sumCash("", true), mark))
	}
	for _, b := range m.ids() {
		sum = add(sum, m.Equity(b))
	}
	return sum
}

func (m *Model) anythingOpen(id string) bool {
	for _, b := range m.ids() {
		for _, t := range m.things() {
			if (id == "" || id == b) && m.play(b, t).Quantity.Sign() != 0 {
				return true
			}
		}
	}
	return false
}

// --- trades

// closing is a closed trade.
type closing struct {
	bot    string
	thing  Thing
	by     *fact // names the episode; nil for a reported trade
	pnl    Num
	dust   Num
	result string // "" if it no longer counts
}

func (c *closing) judge(pnl Num) {
	c.pnl = pnl
	switch {
	case !less(c.dust, abs(pnl)):
		c.result = "neutral"
	case pnl.Sign() > 0:
		c.result = "win"
	default:
		c.result = "loss"
	}
}

// retrade updates the trades of a position from its facts.
func (m *Model) retrade(id string, thing Thing) {
	p := m.play(id, thing)
	known := map[*fact]bool{}
	for _, c := range m.closed {
		if c.bot != id || c.thing != thing || c.result == "" || c.by == nil {
			continue
		}
		n := slices.IndexFunc(p.ended, func(e *episode) bool { return name(e) == c.by })
		if n < 0 {
			c.result = "" // open again, or part of another episode
			continue
		}
		c.judge(p.ended[n].profit())
		known[c.by] = true
	}
	for _, e := range p.ended {
		if !known[name(e)] {
			c := &closing{bot: id, thing: thing, by: name(e), dust: m.Rules.Dust}
			c.judge(e.profit())
			m.closed = append(m.closed, c)
		}
	}
}

// name returns the name of an episode: the first one that its opening fact ever had.
func name(e *episode) *fact { return e.by.opened }

// label notes which episode was open before a new fact, and that it may begin one.
func (m *Model) label(f *fact) {
	f.voided = true // the position before it
	before := m.play(f.bot, f.thing)
	f.voided = false
	if before.open != nil {
		f.in = name(before.open)
	}
	f.opened = f
}

// relabel names the episodes again after a void: "merged ones have the first one's
// name", and a part that was split off has that of its opening fill.
func (m *Model) relabel(id string, thing Thing) {
	used := map[*fact]bool{}
	var open *fact
	all := m.facts
	defer func() { m.facts = all }()
	for n, f := range all {
		if f.bot != id || f.thing != thing || f.voided || (f.what != "fill" && f.what != "payout") {
			continue
		}
		m.facts = all[:n+1]
		in, was := f.in, f.opened
		f.in, f.opened = open, f
		after := m.play(id, thing)
		open = nil
		if after.open == nil {
			continue
		}
		if after.open.by == f {
			for _, candidate := range []*fact{in, was, f} {
				if candidate != nil && !used[candidate] {
					f.opened = candidate
					break
				}
			}
			used[f.opened] = true
		}
		open = after.open.by.opened
	}
}

// Trades counts the trades of a bot that count.
func (m *Model) Trades(id string) (trades, wins, losses, neutral int) {
	for _, c := range m.closed {
		if c.bot == id && c.result != "" {
			trades++
			switch c.result {
			case "win":
				wins++
			case "loss":
				losses++
			default:
				neutral++
			}
		}
	}
	return
}

// Profit returns the P&L of a bot's trades that count.
func (m *Model) Profit(id string) Num {
	sum := zero
	for _, c := range m.closed {
		if c.bot == id && c.result != "" {
			sum = add(sum, c.pnl)
		}
	}
	return sum
}

// Streak returns the losing streak of a bot since its last reset: win → 0, loss → +1,
// neutral → unchanged.
func (m *Model) Streak(id string) int {
	n := 0
	for _, c := range m.closed[m.bots[id].streak0:] {
		switch {
		case c.bot != id:
		case c.result == "win":
			n = 0
		case c.result == "loss":
			n++
		}
	}
	return n
}
