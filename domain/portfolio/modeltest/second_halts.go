package modeltest

import (
	"slices"
	"time"
)

// allowance is what a halt permits.
type allowance int

const (
	nothing allowance = iota
	reduce
	all
)

func (a allowance) String() string { return []string{"nothing", "reduce", "all"}[a] }

// haltRow is a row of the table of halts that applies to a bot.
type haltRow struct {
	code          string // of the denial
	bot, operator allowance
}

// whileTripped: "breaker tripped: reduce (while_tripped: reduce, the default of new
// portfolios; nothing)"; what is not set means what it meant before.
func (m *Second) whileTripped() allowance {
	switch {
	case m.Rules.WhileTripped == "reduce", m.Rules.WhileTripped == "" && m.Rules.CloseOnTrip:
		return reduce
	}
	return nothing
}

// halts returns the rows that apply to a bot:
//
// “breaker tripped | reduce (while_tripped: reduce …; nothing) | reduce”,
// “bot stopped by a person | reduce; nothing with stop {full:true} | reduce”,
// “emergency stop manual, portfolio_drawdown | nothing; reduce with close_positions_on_trip | reduce”,
// “emergency stop security_breach, system_error | nothing | nothing (sweep apart)”.
func (m *Second) halts(id string) []haltRow {
	var out []haltRow
	if len(m.haltedBy(id)) > 0 {
		out = append(out, haltRow{"breaker_tripped", m.whileTripped(), reduce})
	}
	if b, is := m.members[id]; is && b.status != "running" {
		row := haltRow{"bot_stopped", reduce, reduce}
		if b.full {
			row.bot = nothing
		}
		out = append(out, row)
	}
	for kind := range m.stops {
		row := haltRow{"emergency_stop", nothing, nothing}
		if kind == "manual" || kind == "portfolio_drawdown" {
			row.operator = reduce
			if m.Rules.CloseOnTrip {
				row.bot = reduce
			}
		}
		out = append(out, row)
	}
	return out
}

// Allowed returns what a bot and an operator may do for a bot: nothing, reduce or all. "Of
// several rows the strictest holds."
func (m *Second) Allowed(id string) (bot, operator string) {
	b, o := m.allowed(id)
	return b.String(), o.String()
}

func (m *Second) allowed(id string) (bot, operator allowance) {
	bot, operator = all, all
	for _, row := range m.halts(id) {
		bot, operator = min(bot, row.bot), min(operator, row.operator)
	}
	return bot, operator
}

// isHalted reports whether a row of the table applies to a bot.
func (m *Second) isHalted(id string) bool {
	bot, _ := m.allowed(id)
	return bot != all
}

// halted reports whether a fill of a bot is flagged as one in a halt.
func (m *Second) halted(id string) bool {
	return len(m.stops) > 0 || m.members[id].status != "running" || len(m.haltedBy(id)) > 0
}

// Directed returns what a bot is directed to do: "Every halt directs bots to cancel_orders
// (the opening ones that rest, by permit); close_positions is said only where closing is
// permitted." "close_positions_on_trip [decides] whether bots are told to close".
func (m *Second) Directed(id string) (cancel []int, closePositions bool) {
	bot, _ := m.allowed(id)
	if bot == all {
		return nil, false
	}
	for _, p := range m.livePermits(id) {
		if less(p.closing, p.Left) && p.working {
			cancel = append(cancel, p.ID)
		}
	}
	told := m.Rules.CloseOnTrip && (len(m.haltedBy(id)) > 0 || len(m.stops) > 0 || m.members[id].tripped)
	return cancel, told && bot == reduce && m.closable(id)
}

// closable reports that an order of a bot could reduce something that is no dust: complete
// sets are the same whoever wins.
func (m *Second) closable(id string) bool {
	return slices.ContainsFunc(m.things(""), func(t Thing) bool {
		if m.quantity(id, t).Sign() == 0 || m.settled(t) {
			return false
		}
		proven := m.counted(&SecondOrder{Bot: id, proven: m.live}) // its own word leaves it nothing to close
		if !m.together(t) && proven(t).Sign() != m.quantity(id, t).Sign() {
			return false
		}
		if m.together(t) && (even(m.payoffs(id, t.Market)) || even(m.payoffsOf(proven, t.Market))) {
			return false
		}
		return !less(m.size(id, t.Market), m.Rules.PositionDust)
	})
}

// even reports that every outcome pays the same, or that there is none.
func even(p []Num) bool { return len(p) == 0 || least(p).Cmp(most(p)) == 0 }

// MaySign reports whether an order may be signed under a permit: "A reducing permit whose
// position is gone signs nothing."
func (m *Second) MaySign(permit int) bool {
	p := m.permit(permit)
	if p == nil {
		return false
	}
	may, operator := m.allowed(p.Bot)
	if p.ByOperator {
		may = operator
	}
	reduces := p.closing.Cmp(p.Left) == 0
	switch {
	case less(add(p.opening, p.closing), p.Left): // what it was to close is gone
		return false
	case !reduces && (m.behind() || m.short >= 2):
		return false
	case reduces:
		return may >= reduce
	}
	return may == all
}

// --- the emergency stop

// Emergency engages the emergency stop for a person, or for the server itself. The kind is
// manual, security_breach or system_error.
func (m *Second) Emergency(kind string) Answer {
	return m.do(func() Answer {
		m.halt("")
		for _, id := range m.ids() {
			m.setMember(id, func(b *member) { b.tripped = false })
		}
		m.stops[kind] = true
		m.asked = ""
		return Answer{}
	})
}

// Stopped returns the gravest kind of the emergency stop that is engaged, or "".
func (m *Second) Stopped() string {
	for _, kind := range []string{"security_breach", "system_error", "portfolio_drawdown", "manual"} {
		if m.stops[kind] {
			return kind
		}
	}
	return ""
}

// Asked returns the user who requested that the stop be cleared, or "".
func (m *Second) Asked() string { return m.asked }

// AskClear is sent by the first of two people, Clear by the second.
func (m *Second) AskClear(user string) Answer {
	return m.do(func() Answer {
		if code := m.clearable(); code != "" {
			return refuse(code)
		}
		m.asked, m.askedAt = user, m.now
		return Answer{}
	})
}

// Clear clears the stop: "Clearing needs two people …, is refused while portfolio_drawdown
// is tripped, and leaves bots stopped."
func (m *Second) Clear(user string) Answer {
	return m.do(func() Answer {
		switch code := m.clearable(); {
		case code != "":
			return refuse(code)
		case m.asked == "", !m.now.Before(m.askedAt.Add(24 * time.Hour)): // a request waits for a day
			return refuse("not_found")
		case m.asked == user:
			return refuse("denied")
		}
		clear(m.stops)
		m.asked = ""
		return Answer{}
	})
}

func (m *Second) clearable() string {
	switch {
	case len(m.stops) == 0:
		return "conflict"
	case m.Status(Alarm{Name: Portfolio}) == "tripped":
		return "halted"
	}
	return ""
}
