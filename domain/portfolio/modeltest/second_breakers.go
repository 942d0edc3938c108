package modeltest

import (
	"slices"
	"strings"
	"time"
)

// The breakers that the second edition adds.
const (
	Rolling  = "rolling_loss"
	BotDaily = "bot_daily_loss"
)

// perform ends what moved equity other than by a flow: it raises the references of every
// scope that moved, and evaluates the breakers of the portfolio and of the bots that it was
// about or that moved.
func (m *Second) perform(about ...string) {
	var moved []string
	for _, id := range m.ids() {
		e := m.Equity(id)
		if e.Cmp(m.lastEquity(id)) != 0 {
			m.moment(moment{what: "move", scope: id, after: e})
		} else if !slices.Contains(about, id) {
			continue
		}
		moved = append(moved, id)
	}
	m.moment(moment{what: "move", after: m.Equity("")})
	m.rearm()
	m.evaluate(moved)
}

// breakersOf returns the breakers of a bot and of the portfolio.
func (m *Second) breakersOf(id string) []Alarm {
	return []Alarm{{Losses, id}, {Name: Daily}, {BotDaily, id}, {BotDD, id}, {Name: Rolling}, {Name: Portfolio}}
}

// ValueOf returns the value that a breaker compares with its limit.
func (m *Second) ValueOf(a Alarm) Num {
	if _, is := m.members[a.Bot]; !is && a.Bot != "" {
		return zero
	}
	s := m.scope(a.Bot)
	switch a.Name {
	case Losses:
		return Whole(m.Streak(a.Bot))
	case Daily, BotDaily:
		return s.ratio(s.open)
	case Rolling:
		return s.rolling()
	}
	return s.ratio(s.peak)
}

// limitOf returns the limit of a breaker, or nil if it is off.
func (m *Second) limitOf(a Alarm) Num {
	switch a.Name {
	case Losses:
		if m.Rules.MaxStreak == 0 {
			return nil
		}
		return Whole(m.Rules.MaxStreak)
	case BotDD:
		return m.Rules.MaxBot
	case Daily:
		return m.Rules.MaxDaily
	case Rolling:
		return m.Rules.MaxRolling
	case BotDaily:
		return m.Rules.MaxBotDaily
	}
	return m.Rules.MaxAll
}

func (m *Second) warnLevel(a Alarm) Num {
	if a.Name == Losses {
		return Whole(m.Rules.MaxStreak - 1)
	}
	return mul(m.limitOf(a), m.Rules.WarnAt)
}

// Status returns the status of a breaker: ok, warned or tripped.
func (m *Second) Status(a Alarm) string {
	if is, any := m.alarms[a]; any {
		return is.status
	}
	return "ok"
}

func (m *Second) evaluate(bots []string) {
	for n, a := range m.breakersOf("") {
		if a.Name == Daily || a.Name == Rolling || a.Name == Portfolio {
			m.judge(a)
			continue
		}
		for _, id := range bots {
			m.judge(m.breakersOf(id)[n])
		}
	}
}

func (m *Second) judge(a Alarm) {
	limit := m.limitOf(a)
	// "Asleep its ratios stay … and trip nothing."
	if limit == nil || (a.Name != Losses && !m.scope(a.Bot).awake) {
		return
	}
	value, level := m.ValueOf(a), m.warnLevel(a)
	switch status := m.Status(a); {
	case status == "tripped":
	case atLeast(value, limit):
		m.trip(a)
	case status == "ok" && level.Sign() > 0 && atLeast(value, level):
		m.alarms[a] = alarm{status: "warned"}
	}
}

func (m *Second) trip(a Alarm) {
	only := ""
	if m.Rules.StopsOnlyBot {
		only = a.Bot
	}
	m.alarms[a] = alarm{status: "tripped", all: only == ""}
	m.halt(only)
	if a.Name == Portfolio {
		m.asked = ""
		m.stops["portfolio_drawdown"] = true
		m.halt("")
	}
}

// halt stops one running bot, or all if only is "", and revokes permits that are not placed:
// "The guideline's “stop all bots immediately” holds for everything that opens."
// "Reservations of resting orders stay."
func (m *Second) halt(only string) {
	for _, id := range m.ids() {
		if b := m.members[id]; b.status == "running" && (only == "" || only == id) {
			m.setMember(id, func(b *member) { b.status, b.tripped = "stopped", true })
		}
	}
	m.revoke(only)
}

// rearm resets warnings: "re-armed below 0.9 of the warning level".
func (m *Second) rearm() {
	for _, a := range m.sortedAlarms() {
		if m.alarms[a].status == "warned" && (m.limitOf(a) == nil || less(m.ValueOf(a), mul(m.warnLevel(a), N("0.9")))) {
			delete(m.alarms, a)
		}
	}
}

func (m *Second) sortedAlarms() []Alarm {
	var out []Alarm
	for a := range m.alarms {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Alarm) int { return strings.Compare(a.Name+"/"+a.Bot, b.Name+"/"+b.Bot) })
	return out
}

// haltedBy returns the tripped breakers that keep a bot from trading.
func (m *Second) haltedBy(id string) []Alarm {
	var out []Alarm
	for _, a := range m.sortedAlarms() {
		if is := m.alarms[a]; is.status == "tripped" && (is.all || a.Bot == id) {
			out = append(out, a)
		}
	}
	return out
}

// Reset resets a breaker: "reset with rebase is possible whenever the scope has equity ≠ 0".
// "a reset that leaves value ≥ limit is refused (409 would_retrip)".
func (m *Second) Reset(a Alarm, rebase bool) Answer {
	return m.do(func() (out Answer) {
		which := map[string]string{Daily: "day", BotDaily: "day", Rolling: "hours", BotDD: "peak", Portfolio: "peak"}[a.Name]
		switch equity := m.Equity(a.Bot); {
		case m.behind():
			return refuse("clock")
		case m.Status(a) != "tripped", rebase && which != "" && equity.Sign() == 0:
			return refuse("conflict")
		case which == "":
			m.setMember(a.Bot, func(b *member) { b.streak0 = len(m.ends) })
		case rebase:
			// "and says what it rebases to."
			m.moment(moment{what: "rebase", scope: a.Bot, after: equity, which: []string{which}})
			out.Rebased = equity
		}
		if limit := m.limitOf(a); limit != nil && atLeast(m.ValueOf(a), limit) {
			return refuse("would_retrip")
		}
		delete(m.alarms, a)
		return out
	})
}

// Change changes the rules, and evaluates all breakers at once. "loosening any limit that
// is set takes two people".
func (m *Second) Change(rules SecondRules, two bool) Answer {
	return m.do(func() Answer {
		for _, n := range []*Num{&rules.PositionDust, &rules.Collar, &rules.MinCapital} {
			if *n == nil {
				*n = zero
			}
		}
		switch looser := m.Rules.loosened(rules); {
		// "still takes … everything that stops or reduces": a limit that is tighter, and
		// nothing beside it. "Limits that loosen are what opens."
		case m.behind() && (two || looser || m.Rules.WarnAt.Cmp(rules.WarnAt) != 0 || m.Rules.FeeBPS.Cmp(rules.FeeBPS) != 0):
			return refuse("clock")
		case m.live && !two && looser:
			return refuse("denied")
		}
		m.Rules = rules
		m.rearm()
		m.evaluate(m.ids())
		return Answer{}
	})
}

// loosened reports whether other rules are looser in anything that is set.
func (r SecondRules) loosened(next SecondRules) bool {
	limit := func(was, is Num) bool { return was != nil && (is == nil || less(was, is)) }
	count := func(was, is int) bool { return was > 0 && (is == 0 || is > was) }
	positive := func(n Num) Num {
		if n == nil || n.Sign() == 0 {
			return nil
		}
		return n
	}
	confirms := func(d time.Duration) time.Duration {
		if d == 0 {
			return 10 * time.Second
		}
		return d
	}
	before, after := confirms(r.ConfirmAfter), confirms(next.ConfirmAfter)
	reduces := func(r SecondRules) bool { return (&Second{Rules: r}).whileTripped() == reduce }
	return limit(r.MaxDaily, next.MaxDaily) || limit(r.MaxBot, next.MaxBot) || limit(r.MaxAll, next.MaxAll) ||
		limit(r.MaxOrder, next.MaxOrder) || limit(r.MaxPosition, next.MaxPosition) || limit(r.MaxBotPct, next.MaxBotPct) ||
		limit(r.MaxGroupPct, next.MaxGroupPct) || limit(r.MaxMarket, next.MaxMarket) || limit(r.MaxRolling, next.MaxRolling) ||
		limit(r.MaxBotDaily, next.MaxBotDaily) || limit(positive(r.Collar), positive(next.Collar)) || less(r.PositionDust, next.PositionDust) ||
		count(r.MaxStreak, next.MaxStreak) || count(r.MaxOpen, next.MaxOpen) || count(r.MaxRate, next.MaxRate) || count(r.MaxPerDay, next.MaxPerDay) ||
		(r.MarkAge > 0 && (next.MarkAge == 0 || next.MarkAge > r.MarkAge)) || next.Cooldown < r.Cooldown || after < before ||
		r.MinCapital.Cmp(next.MinCapital) != 0 || (r.RegisteredOnly && !next.RegisteredOnly) || (reduces(next) && !reduces(r)) ||
		(next.CloseOnTrip && !r.CloseOnTrip) ||
		(next.StopsOnlyBot && !r.StopsOnlyBot) || less(r.Dust, next.Dust) || next.TTL > r.TTL ||
		slices.ContainsFunc(r.Blocked, func(z int) bool { return !slices.Contains(next.Blocked, z) })
}
