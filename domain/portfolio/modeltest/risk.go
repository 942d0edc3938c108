package modeltest

import (
	"slices"
	"strings"
	"time"
)

// reference holds the references that the equity of the portfolio, or of a bot, is
// measured from.
type reference struct {
	capital, dormant        bool
	peak, lifetime, dayOpen Num
	carried                 [3]Num // of peak, lifetime, dayOpen, while dormant
}

func (r *reference) all() []*Num {
	for _, n := range []*Num{&r.peak, &r.lifetime, &r.dayOpen} {
		if *n == nil {
			*n = zero
		}
	}
	return []*Num{&r.peak, &r.lifetime, &r.dayOpen}
}

// ratio returns how far equity is below one reference, as a fraction.
func (r *reference) ratio(which int, equity Num) Num {
	from := *r.all()[which]
	switch {
	case !r.capital:
		return zero
	case r.dormant && equity.Sign() >= 0:
		return r.carried[which]
	case equity.Sign() <= 0:
		return one
	case atLeast(equity, from):
		return zero
	}
	return div(sub(from, equity), from)
}

// flow adjusts the references to a flow that changed equity from before to after
// (docs/semantics/money.md, Flows).
func (r *reference) flow(before, after Num, open bool) {
	f := sub(after, before)
	ratios := [3]Num{r.ratio(0, before), r.ratio(1, before), r.ratio(2, before)}
	switch {
	case f.Sign() == 0:
	case r.capital && !r.dormant && before.Sign() > 0 && after.Sign() > 0:
		for _, n := range r.all() {
			*n = muldiv(*n, after, before)
		}
	case after.Sign() > 0 && f.Sign() > 0:
		for i, n := range r.all() {
			if less(ratios[i], one) {
				*n = div(after, sub(one, ratios[i]))
			} else {
				*n = add(*n, f)
			}
		}
		r.capital, r.dormant = true, false
	case r.capital:
		if !r.dormant && after.Sign() == 0 && !open {
			r.carried, r.dormant = ratios, true
		}
		for _, n := range r.all() {
			*n = add(*n, larger(f, zero)) // it repaid part of a debt
		}
	}
}

func (r *reference) evaluated(equity Num) bool {
	return r.capital && (!r.dormant || equity.Sign() < 0)
}

func (r *reference) raise(equity Num) {
	if r.evaluated(equity) {
		r.all()
		r.peak, r.lifetime = larger(r.peak, equity), larger(r.lifetime, equity)
	}
}

// perform does act, raises the references, and sets moved: the bots that act was about, or
// whose equity changed.
func (m *Model) perform(about []string, act func()) {
	m.accepted()
	before := map[string]Num{}
	for _, id := range m.ids() {
		before[id] = m.Equity(id)
	}
	act()
	m.moved = nil
	for _, id := range m.ids() {
		if slices.Contains(about, id) || m.Equity(id).Cmp(before[id]) != 0 {
			m.moved = append(m.moved, id)
			m.bots[id].ref.raise(m.Equity(id))
		}
	}
	m.all.raise(m.Equity(""))
	m.rearm()
}

// --- breakers

// Alarm is a breaker: of a bot, or of the portfolio when Bot is empty.
type Alarm struct{ Name, Bot string }

type alarm struct {
	status string // warned, tripped; "" is ok
	all    bool   // it stopped all bots
}

// The breakers, in the order of their evaluation.
const (
	Losses    = "consecutive_losses"
	Daily     = "daily_loss"
	BotDD     = "bot_drawdown"
	Portfolio = "portfolio_drawdown"
)

// StatusOf returns the status of a breaker: ok, warned or tripped.
func (m *Model) StatusOf(a Alarm) string {
	if is := m.alarm[a]; is != nil && is.status != "" {
		return is.status
	}
	return "ok"
}

// Value returns the value that a breaker compares with its limit.
func (m *Model) Value(a Alarm) Num {
	switch a.Name {
	case Losses:
		return Whole(m.Streak(a.Bot))
	case BotDD:
		return m.bots[a.Bot].ref.ratio(0, m.Equity(a.Bot))
	case Daily:
		return m.all.ratio(2, m.Equity(""))
	}
	return m.all.ratio(0, m.Equity(""))
}

func (m *Model) limit(a Alarm) Num {
	switch a.Name {
	case Losses:
		return Whole(m.Rules.MaxStreak)
	case BotDD:
		return m.Rules.MaxBot
	case Daily:
		return m.Rules.MaxDaily
	}
	return m.Rules.MaxAll
}

// level returns the value at which a breaker warns; 0 means that it does not.
func (m *Model) level(a Alarm) Num {
	if a.Name == Losses {
		return Whole(m.Rules.MaxStreak - 1)
	}
	return mul(m.limit(a), m.Rules.WarnAt)
}

func (m *Model) evaluate(bots []string) {
	for _, id := range bots {
		m.judge(Alarm{Losses, id})
	}
	m.judge(Alarm{Name: Daily})
	for _, id := range bots {
		m.judge(Alarm{BotDD, id})
	}
	m.judge(Alarm{Name: Portfolio})
}

func (m *Model) judge(a Alarm) {
	ref := &m.all
	if a.Bot != "" {
		ref = &m.bots[a.Bot].ref
	}
	if a.Name != Losses && !ref.evaluated(m.Equity(a.Bot)) {
		return
	}
	value, level := m.Value(a), m.level(a)
	switch status := m.StatusOf(a); {
	case status == "tripped":
	case atLeast(value, m.limit(a)):
		m.trip(a)
	case status == "ok" && level.Sign() > 0 && atLeast(value, level):
		m.alarm[a] = &alarm{status: "warned"}
	}
}

func (m *Model) trip(a Alarm) {
	only := ""
	if m.Rules.StopsOnlyBot {
		only = a.Bot
	}
	m.alarm[a] = &alarm{status: "tripped", all: only == ""}
	m.halt(only)
	if a.Name == Portfolio {
		m.Stop.Asked = ""
		if !m.Stop.ByDrawdown { // even if a person has stopped everything: a drawdown is graver
			m.Stop.On, m.Stop.ByDrawdown = true, true
			m.halt("")
		}
	}
}

// halt stops one running bot, or all if only is "", and revokes permits that are not
// placed.
func (m *Model) halt(only string) {
	for _, id := range m.ids() {
		if b := m.bots[id]; b.status == "running" && (only == "" || only == id) {
			b.status, b.tripped = "stopped", true
		}
	}
	m.revoke(only)
}

// rearm resets warnings: "it warns again only after the value has been below 0.9 of the
// level".
func (m *Model) rearm() {
	for a, is := range m.alarm {
		if is.status == "warned" && less(m.Value(a), mul(m.level(a), N("0.9"))) {
			delete(m.alarm, a)
		}
	}
}

// haltedBy returns the tripped breakers that keep a bot from trading.
func (m *Model) haltedBy(id string) []Alarm {
	var out []Alarm
	for a, is := range m.alarm {
		if is.status == "tripped" && (is.all || a.Bot == id) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Alarm) int { return strings.Compare(a.Name+a.Bot, b.Name+b.Bot) })
	return out
}

// Reset resets a breaker. It returns "", conflict or would_retrip.
func (m *Model) Reset(a Alarm, rebase bool) string {
	ref, equity, which := &m.all, m.Equity(""), 0
	if a.Bot != "" {
		ref, equity = &m.bots[a.Bot].ref, m.Equity(a.Bot)
	}
	if a.Name == Daily {
		which = 2
	}
	after := m.Value(a)
	if a.Name == Daily && m.now.Format("2006-01-02") > m.day { // the day opens first
		fresh := m.all
		fresh.all()
		fresh.dayOpen, fresh.carried[2] = equity, zero
		after = fresh.ratio(2, equity)
	}
	if a.Name == Losses || (rebase && equity.Sign() > 0) {
		after = zero
	}
	switch {
	case m.StatusOf(a) != "tripped":
		return "conflict"
	case atLeast(after, m.limit(a)):
		return "would_retrip"
	}
	m.accepted()
	delete(m.alarm, a)
	if a.Name == Losses {
		m.bots[a.Bot].streak0 = len(m.closed)
	} else if rebase {
		*ref.all()[which] = equity
		if which == 2 {
			ref.carried[2] = zero
		}
	}
	return ""
}

// Change changes the rules, and evaluates all breakers at once.
func (m *Model) Change(rules Rules) {
	m.accepted()
	m.Rules = rules
	m.rearm()
	m.evaluate(m.ids())
}

// --- the emergency stop

// Emergency engages the emergency stop for a person.
func (m *Model) Emergency() {
	m.accepted()
	m.halt("")
	for _, b := range m.bots {
		b.tripped = false
	}
	m.Stop.On, m.Stop.Asked = true, "" // a stop by drawdown is graver and stays
}

// AskClear is sent by the first of two people, Clear by the second.
func (m *Model) AskClear(user string) string {
	if code := m.clearable(); code != "" {
		return code
	}
	m.accepted()
	m.Stop.Asked, m.Stop.AskedAt = user, m.now
	return ""
}

// Clear clears the stop. It returns "" or a code.
func (m *Model) Clear(user string) string {
	switch code := m.clearable(); {
	case code != "":
		return code
	case m.Stop.Asked == "" || m.now.Sub(m.Stop.AskedAt) >= 24*time.Hour:
		return "not_found"
	case m.Stop.Asked == user:
		return "denied"
	}
	m.accepted()
	m.Stop.On, m.Stop.ByDrawdown, m.Stop.Asked = false, false, ""
	return ""
}

func (m *Model) clearable() string {
	switch {
	case !m.Stop.On:
		return "conflict"
	case m.StatusOf(Alarm{Name: Portfolio}) == "tripped":
		return "halted"
	}
	return ""
}
