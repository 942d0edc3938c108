package modeltest

import (
	"slices"
	"time"
)

// Rules are the policy of a portfolio. An optional limit that is nil or 0 is not set.
type Rules struct {
	MaxStreak                int
	MaxDaily, MaxBot, MaxAll Num
	WarnAt                   Num
	StopsOnlyBot             bool
	CloseOnTrip              bool
	Dust                     Num
	Zones                    []Num
	Blocked                  []int
	TTL, MarkAge             time.Duration
	FeeBPS                   Num

	MaxOrder, MaxPosition  Num
	MaxOpen, MaxRate       int
	MaxBotPct, MaxGroupPct Num
}

// Model is one portfolio.
type Model struct {
	Rules Rules
	now   time.Time
	day   string

	facts   []*fact // everything that affects money, in order
	markets map[string]*market
	payouts map[Thing]Num
	bots    map[string]*bot
	Permits []*Permit
	reports map[FillID]*fact // fills by identity, including voids that came before their fill
	closed  []*closing       // in the order they first closed

	all   reference
	alarm map[Alarm]*alarm
	moved []string
	times []grant // when permits were granted
	Stop  struct {
		On, ByDrawdown bool
		Asked          string // the user who requested its clearing
		AskedAt        time.Time
	}
}

// Thing is an outcome of a market.
type Thing struct{ Market, Outcome string }

// FillID is the identity of a fill.
type FillID struct{ Bot, ID string }

type market struct {
	kind     string
	outcomes []string
	group    string
}

type bot struct {
	status string // registered, running, stopped
	// tripped: a trip stopped it, and no person has started or stopped it since.
	tripped bool
	ref     reference
	streak0 int // closings of the model before the last reset of its streak
}

// fact is an entry of the list. Which fields are used depends on what.
type fact struct {
	what   string // cash, fill, payout, mark
	at     time.Time
	bot    string // the owner; of cash, "" is the treasury, hot or cold
	other  bool   // the amount is in the other asset
	amount Num
	thing  Thing
	// a fill
	id          FillID
	buys        bool
	quantity    Num
	notional    Num
	fee         Num
	provisional bool
	voided      bool
	content     any
	// in and opened name the episode that was open before it, and the one it began.
	in, opened *fact
	price      Num // of a mark
}

// New opens a portfolio.
func New(rules Rules, now time.Time) *Model {
	return &Model{
		Rules: rules, now: now, day: now.Format(time.DateOnly), markets: map[string]*market{}, payouts: map[Thing]Num{},
		bots: map[string]*bot{}, reports: map[FillID]*fact{}, alarm: map[Alarm]*alarm{},
	}
}

// At sets the time. That alone changes nothing else.
func (m *Model) At(now time.Time) { m.now = now }

// accepted notes an accepted command. The first one of a new day opens the day.
func (m *Model) accepted() {
	if day := m.now.Format(time.DateOnly); day > m.day {
		m.day = day
		m.all.dayOpen, m.all.carried[2] = m.Equity(""), zero
		m.rearm()
	}
}

func (m *Model) note(f fact) *fact {
	f.at = m.now
	m.facts = append(m.facts, &f)
	return &f
}

// --- money

// Deposit records a deposit to the treasury, or a withdrawal if the amount is negative.
func (m *Model) Deposit(amount Num, other bool) {
	m.accepted()
	before := m.Equity("")
	m.note(fact{what: "cash", amount: amount, other: other})
	m.all.flow(before, m.Equity(""), m.anythingOpen(""))
	if amount.Sign() < 0 && m.Equity("").Sign() < 0 {
		m.evaluate(nil)
	}
}

// Allocate moves money from the treasury to a bot, or back if the amount is negative.
func (m *Model) Allocate(id string, amount Num) bool {
	if amount.Sign() > 0 && less(m.treasury(), amount) {
		return false
	}
	if amount.Sign() < 0 && (less(m.Free(id), neg(amount)) || less(m.Equity(id), neg(amount))) {
		return false
	}
	m.accepted()
	before := m.Equity(id)
	m.note(fact{what: "cash", bot: id, amount: amount})
	m.note(fact{what: "cash", amount: neg(amount)})
	m.bots[id].ref.flow(before, m.Equity(id), m.anythingOpen(id))
	return true
}

// Charge records a fee, a rebate (negative) or an adjustment. It counts as performance.
func (m *Model) Charge(id string, amount Num) {
	m.perform([]string{id}, func() { m.note(fact{what: "cash", bot: id, amount: neg(amount)}) })
	m.evaluate(m.moved)
}

// --- markets and bots

// Register registers a market. It returns false if the market is registered differently,
// or is traded already and not of kind outcome.
func (m *Model) Register(name, kind, group string, outcomes ...string) bool {
	if is := m.markets[name]; is != nil {
		if is.kind != kind || is.group != group || !slices.Equal(is.outcomes, outcomes) {
			return false
		}
		m.accepted()
		return true
	}
	traded := slices.ContainsFunc(m.facts, func(f *fact) bool { return f.thing.Market == name }) ||
		slices.ContainsFunc(m.Permits, func(p *Permit) bool { return p.Thing.Market == name && m.live(p) })
	if kind != "outcome" && traded {
		return false
	}
	m.accepted()
	m.markets[name] = &market{kind, outcomes, group}
	return true
}

func (m *Model) kind(market string) string {
	if is := m.markets[market]; is != nil {
		return is.kind
	}
	return "outcome"
}

func (m *Model) group(market string) string {
	if is := m.markets[market]; is != nil {
		return is.group
	}
	return ""
}

// AddBot registers a bot, and starts it unless it is halted.
func (m *Model) AddBot(id string, capital Num) bool {
	if m.bots[id] != nil || less(m.treasury(), capital) {
		return false
	}
	m.accepted()
	m.bots[id] = &bot{status: "registered"}
	if capital.Sign() > 0 {
		m.Allocate(id, capital)
	}
	if !m.Stop.On && len(m.haltedBy(id)) == 0 {
		m.bots[id].status = "running"
	}
	return true
}

// Start starts a bot for a person, unless it is halted.
func (m *Model) Start(id string) bool {
	if m.Stop.On || len(m.haltedBy(id)) > 0 {
		return false
	}
	m.accepted()
	m.bots[id].status, m.bots[id].tripped = "running", false
	return true
}

// StopBot stops a bot for a person, and revokes its permits that are not placed yet.
func (m *Model) StopBot(id string) {
	m.accepted()
	m.bots[id].status, m.bots[id].tripped = "stopped", false
	m.revoke(id)
}

// Status returns the status of a bot.
func (m *Model) Status(id string) string { return m.bots[id].status }

func (m *Model) ids() []string {
	var out []string
	for id := range m.bots {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
