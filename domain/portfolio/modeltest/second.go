package modeltest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// SecondRules are the policy of a portfolio of the second edition. An optional limit that
// is nil or 0 is not set.
type SecondRules struct {
	Rules
	WhileTripped            string // reduce, nothing; "" stands for what CloseOnTrip says
	MaxMarket               Num
	MaxPerDay               int
	Cooldown                time.Duration
	PositionDust            Num
	Collar                  Num
	ConfirmAfter            time.Duration // 0 stands for 10 s
	MinCapital              Num
	RegisteredOnly          bool
	MaxRolling, MaxBotDaily Num
}

// Second is one portfolio of the second edition of the rules.
type Second struct {
	Rules SecondRules
	live  bool

	wall, now, last time.Time // the wall clock, the Time of the next record, and of the last one
	offset          time.Duration
	day             string
	command         int      // the number of the command
	moved           []string // the bots whose equity it has changed before a flow

	items   []item   // everything that affects money or prices, in order
	moments []moment // everything that affects references, in order
	ends    []end    // trades, in the order they first closed
	permits []SecondPermit
	grants  []grant
	legs    []arbitrage
	markets map[string]listing
	payouts map[Thing]Num
	void    map[Thing]bool // what was settled as void
	members map[string]member
	fills   map[SecondFillID]int // the item of a fill, or −1 if its void came first
	first   map[SecondFillID]string
	seen    map[string]string // contents of what is booked once
	waits   map[Thing]waiting
	alarms  map[Alarm]alarm
	stops   map[string]bool // the kinds of emergency stop that are engaged
	asked   string          // the user who requested its clearing
	askedAt time.Time
	lost    map[int]time.Time // since when results are losses, by their place
	short   int               // reconciliations in a row that found a shortage

	stakes map[stakeKey]*stake // what play returned since the items last changed
}

// Answer is the answer to a request. Code is "" if it was accepted.
type Answer struct {
	Code    string
	Again   bool           // it was known, and did nothing
	Flags   []string       // of a fill or a trade
	Shrunk  []int          // the permits of a group that a fill left less of (group_shrunk)
	Bad     []int          // the marks that were refused
	Changes map[string]Num // by how much a registration changed equity; "" is the portfolio
	Rebased Num            // what a reset rebased to
	ID      int            // of a deposit or withdrawal
}

func refuse(code string) Answer { return Answer{Code: code} }

var again = Answer{Again: true}

// member is a bot.
type member struct {
	status  string // registered, running, stopped
	tripped bool   // a trip stopped it, and no person has started or stopped it since
	full    bool   // a person stopped it with full
	maker   Num    // the inventory cap of a market maker
	streak0 int    // trades of the model before the last reset of its streak
}

// item is an entry of the list. Which fields are used depends on what.
type item struct {
	what      string    // cash, fill, payout, refund, sets, funding, mark
	at, since time.Time // when it was recorded, and when it happened
	command   int
	bot       string // the owner; "" is the treasury
	asset     string // of cash and of a fee; "" is the base asset
	cold      bool
	amount    Num // of cash, funding, and of a fee in another asset
	thing     Thing
	buys      bool
	quantity  Num
	notional  Num
	fee, paid Num // in the P&L, and of it in cash
	price     Num // of a payout, or by which the dust of a fill is judged
	dust      Num // position_dust_usd at that time
	id        SecondFillID
	content   string

	provisional, voided bool
	word                bool // a fill that only the bot itself reported, in live, without a permit
	in, opened          int  // the names of the run before it, and of the one it began, plus 1

	prices Thing // what its mark is of
	mark   Num   // nil: it marks nothing
	market bool  // it is the market's mark; else the bot's own

	permit int  // that a fill took from, or 0
	within bool // it was within its permit

	believed bool // it may earn something: a word in paper, of a fill within its permit
}

// NewSecond opens a portfolio, paper or live.
func NewSecond(rules SecondRules, live bool, now time.Time) *Second {
	for _, n := range []*Num{&rules.PositionDust, &rules.Collar, &rules.MinCapital} {
		if *n == nil {
			*n = zero
		}
	}
	return &Second{
		Rules: rules, live: live, wall: now, now: now, last: now, day: now.Format(time.DateOnly),
		markets: map[string]listing{}, payouts: map[Thing]Num{}, void: map[Thing]bool{}, members: map[string]member{}, fills: map[SecondFillID]int{},
		first: map[SecondFillID]string{}, seen: map[string]string{}, waits: map[Thing]waiting{}, alarms: map[Alarm]alarm{}, stops: map[string]bool{},
	}
}

func (m *Second) clone() *Second {
	c := *m
	c.stakes = nil
	c.items, c.moments, c.ends = slices.Clone(m.items), slices.Clone(m.moments), slices.Clone(m.ends)
	c.permits, c.grants, c.legs = slices.Clone(m.permits), slices.Clone(m.grants), slices.Clone(m.legs)
	c.markets, c.payouts, c.void, c.members = maps.Clone(m.markets), maps.Clone(m.payouts), maps.Clone(m.void), maps.Clone(m.members)
	c.fills, c.first, c.seen = maps.Clone(m.fills), maps.Clone(m.first), maps.Clone(m.seen)
	c.waits, c.alarms, c.stops = maps.Clone(m.waits), maps.Clone(m.alarms), maps.Clone(m.stops)
	c.lost = maps.Clone(m.lost)
	return &c
}

// do does a request. What is refused has changed nothing.
func (m *Second) do(act func() Answer) Answer {
	before := m.clone()
	m.begin()
	a := act()
	if a.Code != "" {
		*m = *before
		return a
	}
	m.last = m.now
	m.noteLosses()
	return a
}

// begin does what stands before the records of a command: "The first event of a new day
// is preceded, in the same append, by day.opened with the equity at that moment", and
// "mark.confirmed stands before the next record (after a day.opened)".
func (m *Second) begin() {
	m.command++
	m.moved = nil
	if day := m.now.Format(time.DateOnly); day > m.day {
		m.day = day
		for _, id := range m.scopes() {
			m.moment(moment{what: "day", scope: id, after: m.Equity(id)})
		}
		m.rearm()
	}
	m.confirm()
}

func (m *Second) note(f item) int {
	f.at, f.command, f.dust = m.now, m.command, m.Rules.PositionDust
	if f.since.IsZero() || m.now.Before(f.since) {
		f.since = m.now
	}
	m.items, m.stakes = append(m.items, f), nil
	return len(m.items) - 1
}

// once reports whether a thing of that name was booked already, and whether it had
// another content. If it is new, it is known from now on.
func (m *Second) once(key, content string) (known bool, a Answer) {
	was, known := m.seen[key]
	switch {
	case !known:
		m.seen[key] = content
		return false, Answer{}
	case was != content:
		return true, refuse("conflict")
	}
	return true, again
}

// --- the clock

// At sets the wall clock. That alone records nothing.
func (m *Second) At(wall time.Time) {
	m.wall = wall
	m.now = wall.Add(m.offset)
	if m.now.Before(m.last) {
		m.now = m.last
	}
}

// behind: "A wall clock behind the last record by more than 2 s still takes facts, marks
// and everything that stops or reduces, with the last record's time and a flag; it refuses
// what opens (permits that open, starts, resets, transfers, signatures of orders that
// open) with clock."
func (m *Second) behind() bool { return m.last.Sub(m.wall.Add(m.offset)) > 2*time.Second }

// AcceptClock: "Two people may accept the clock: time then runs on from the last record at
// the wall clock's pace".
func (m *Second) AcceptClock() Answer {
	return m.do(func() Answer {
		if !m.behind() { // within the tolerance there is nothing to accept
			return refuse("conflict")
		}
		m.offset = m.last.Sub(m.wall)
		return Answer{}
	})
}

// Tick is the server's own look at the clock: it confirms what is due, and opens the day
// that mark.confirmed would be the first record of.
func (m *Second) Tick() Answer {
	return m.do(func() Answer {
		if len(m.items) > 0 && m.items[len(m.items)-1].command == m.command {
			return Answer{}
		}
		return refuse("nothing")
	})
}

// --- money

// Flow is a deposit, or a withdrawal if the amount is negative.
type Flow struct {
	Asset  string // "" is the base asset
	Cold   bool
	Amount Num
	Tx     string
	Leg    int
}

// Deposit records a deposit to the treasury or a withdrawal from it: "Deposits and
// withdrawals with a tx are booked once per (asset, wallet, tx, leg): the same again is
// noted, another amount is a conflict." The answer's ID names the flow.
func (m *Second) Deposit(f Flow) Answer {
	return m.do(func() Answer {
		if f.Tx != "" {
			key := "tx " + f.Asset + " " + yes(f.Cold) + " " + f.Tx + " " + Whole(f.Leg).RatString()
			if known, a := m.once(key, f.Amount.RatString()); known {
				return a
			}
		}
		before := m.Equity("")
		m.note(item{what: "cash", amount: f.Amount, asset: f.Asset, cold: f.Cold})
		m.moment(moment{what: "flow", before: before, after: m.Equity(""), amount: f.Amount, asset: f.Asset, cold: f.Cold})
		// "A request for an outflow that would leave equity < 0 is refused; as a fact it
		// is recorded and evaluated."
		if f.Amount.Sign() < 0 && m.Equity("").Sign() < 0 {
			m.evaluate(nil)
		}
		return Answer{ID: len(m.moments)}
	})
}

// CorrectFlow: "An adjustment with flow:true names the record of the deposit or withdrawal
// it corrects, all such together at most its amount, and replaces its factor in the
// references".
func (m *Second) CorrectFlow(of int, amount Num) Answer {
	return m.do(func() Answer {
		if of < 1 || of > len(m.moments) {
			return refuse("not_found")
		}
		flow := m.moments[of-1]
		if flow.what != "flow" || flow.amount == nil || flow.asset != "" {
			return refuse("invalid")
		}
		sum, before := amount, m.Equity("")
		for _, c := range m.moments {
			if c.what == "correct" && c.of == of-1 {
				sum = add(sum, c.amount)
			}
		}
		if less(abs(flow.amount), abs(sum)) {
			return refuse("invalid")
		}
		m.note(item{what: "cash", amount: amount, cold: flow.cold})
		m.moment(moment{what: "correct", of: of - 1, before: before, after: m.Equity(""), amount: amount})
		m.rearm()
		m.evaluate(nil)
		return Answer{}
	})
}

// Allocate moves money from the treasury to a bot, or back if the amount is negative.
func (m *Second) Allocate(id string, amount Num) Answer {
	return m.do(func() Answer { return m.allocate(id, amount) })
}

func (m *Second) allocate(id string, amount Num) Answer {
	switch _, is := m.members[id]; {
	case !is:
		return refuse("not_found")
	case amount.Sign() > 0 && less(m.treasury("", false), amount),
		amount.Sign() < 0 && (less(m.Free(id), neg(amount)) || less(m.Equity(id), neg(amount))):
		return refuse("invalid")
	}
	before := m.Equity(id)
	m.note(item{what: "cash", bot: id, amount: amount})
	m.note(item{what: "cash", amount: neg(amount)})
	m.moment(moment{what: "flow", scope: id, before: before, after: m.Equity(id)})
	return Answer{}
}

// Charge records a fee, a rebate (negative) or an adjustment of a bot, or of the treasury.
// It counts as performance.
func (m *Second) Charge(id string, amount Num) Answer {
	return m.do(func() Answer {
		if _, is := m.members[id]; !is && id != "" {
			return refuse("not_found")
		}
		m.note(item{what: "cash", bot: id, amount: neg(amount)})
		m.perform(id)
		return Answer{}
	})
}

// Reconcile: "A shortage of the base asset on the chain beyond what live permits reserve,
// found by two reconciliations in a row, denies increases and signatures of orders that
// open (unreconciled) until one finds none; a surplus is a finding." The amount is what the
// chain has of the hot wallet.
func (m *Second) Reconcile(onChain Num) Answer {
	return m.do(func() Answer {
		recorded := m.treasury("", false)
		for _, id := range m.ids() {
			recorded = add(recorded, m.Cash(id))
		}
		if less(add(onChain, m.reservedAll()), recorded) {
			m.short++
		} else {
			m.short = 0
		}
		return Answer{}
	})
}

// --- bots

// AddBot registers a bot with its capital; a maker has an inventory cap. It is started if
// that is asked for, unless it is halted.
func (m *Second) AddBot(id string, capital, maker Num, start bool) Answer {
	return m.do(func() Answer {
		switch _, is := m.members[id]; {
		case is:
			return refuse("conflict")
		case capital.Sign() > 0 && less(m.treasury("", false), capital):
			return refuse("invalid")
		case start && m.behind():
			return refuse("clock")
		}
		m.members[id] = member{status: "registered", maker: maker}
		if capital.Sign() > 0 {
			m.allocate(id, capital)
		}
		if start && len(m.stops) == 0 && len(m.haltedBy(id)) == 0 {
			m.setMember(id, func(b *member) { b.status = "running" })
		}
		return Answer{}
	})
}

func (m *Second) setMember(id string, change func(*member)) {
	b := m.members[id]
	change(&b)
	m.members[id] = b
}

// Start starts a bot for a person, unless it is halted.
func (m *Second) Start(id string) Answer {
	return m.do(func() Answer {
		switch _, is := m.members[id]; {
		case !is:
			return refuse("not_found")
		case m.behind():
			return refuse("clock")
		case len(m.stops) > 0 || len(m.haltedBy(id)) > 0:
			return refuse("halted")
		}
		m.setMember(id, func(b *member) { b.status, b.tripped, b.full = "running", false, false })
		return Answer{}
	})
}

// Stop stops a bot for a person, and revokes its permits that are not placed yet.
func (m *Second) Stop(id string, full bool) Answer {
	return m.do(func() Answer {
		b, is := m.members[id]
		switch {
		case !is:
			return refuse("not_found")
		case b.status == "stopped" && !b.tripped && (b.full || !full): // what it reduces with, goes on
			return again
		}
		m.setMember(id, func(b *member) { b.status, b.tripped, b.full = "stopped", false, full })
		m.revoke(id)
		return Answer{}
	})
}

func (m *Second) ids() []string { return slices.Sorted(maps.Keys(m.members)) }

// scopes are the portfolio and all bots.
func (m *Second) scopes() []string { return append([]string{""}, m.ids()...) }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func unique(words []string) []string {
	out := slices.Clone(words)
	slices.SortFunc(out, strings.Compare)
	return slices.Compact(out)
}
