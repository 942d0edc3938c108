package modeltest

// BotView is what the model says of a bot.
type BotView struct {
	Bot, Status                            string
	Cash, Reserved, Free, Equity           Num
	Drawdown, Daily                        Num
	Sleeps                                 bool
	Streak                                 int
	Trades, Results, Wins, Losses, Neutral int
	Profit                                 Num // of the trades that count
	MayBot, MayOperator                    string
}

// Bot returns what the model says of a bot.
func (m *Second) Bot(id string) BotView {
	s := m.scope(id)
	out := BotView{
		Bot: id, Status: m.members[id].status, Cash: m.Cash(id), Reserved: sub(m.Cash(id), m.unreserved(id)), Free: m.Free(id), Equity: m.Equity(id),
		Drawdown: s.ratio(s.peak), Daily: s.ratio(s.open), Sleeps: !s.awake, Streak: m.Streak(id), Profit: zero,
	}
	out.MayBot, out.MayOperator = m.Allowed(id)
	for _, c := range m.ends {
		if c.bot == id && !c.gone {
			out.Trades, out.Profit = out.Trades+1, add(out.Profit, c.pnl)
		}
	}
	for _, r := range m.Results(id) {
		out.Results++
		switch r.Verdict {
		case "win":
			out.Wins++
		case "loss":
			out.Losses++
		default:
			out.Neutral++
		}
	}
	return out
}

// PortfolioView is what the model says of the portfolio.
type PortfolioView struct {
	Equity                             Num
	Hot, Cold                          Num // the base asset of the treasury
	Drawdown, Lifetime, Daily, Rolling Num
	Sleeps                             bool
	Stopped, Asked                     string
	Day                                string
	Behind                             bool // the clock
}

// Portfolio returns what the model says of the portfolio.
func (m *Second) Portfolio() PortfolioView {
	s := m.scope("")
	return PortfolioView{
		Equity: m.Equity(""), Hot: m.treasury("", false), Cold: m.treasury("", true), Drawdown: s.ratio(s.peak), Lifetime: s.ratio(s.lifetime),
		Daily: s.ratio(s.open), Rolling: s.rolling(), Sleeps: !s.awake, Stopped: m.Stopped(), Asked: m.asked, Day: m.day, Behind: m.behind(),
	}
}

// Holding is a position. Price is nil if it has none of its own.
type Holding struct {
	Thing                 Thing
	Quantity, Cost, Price Num
	Stale, Together       bool // Together: it is valued with the rest of its market
}

// Holdings returns everything that a bot ever held.
func (m *Second) Holdings(id string) []Holding {
	var out []Holding
	for _, t := range m.things("") {
		p := m.held(id, t)
		out = append(out, Holding{t, p.Quantity, p.Cost, m.price(id, t).price, m.Stale(id, t), m.together(t)})
	}
	return out
}

// Markets returns the markets in which anything was ever held.
func (m *Second) Markets() []string { return m.traded() }

// BreakerView is a breaker. Near reports that its value is so near to its limit or to the
// level at which it warns that the rounding of an engine may decide; the model does not
// round ratios.
type BreakerView struct {
	Alarm
	Status       string
	Value, Limit Num // Limit is nil if it is off
	Near         bool
}

// Breakers returns all breakers.
func (m *Second) Breakers() []BreakerView {
	var out []BreakerView
	for n, id := range m.scopes() {
		for _, a := range m.breakersOf(id) {
			if portfolio := a.Bot == "" && a.Name != Losses && a.Name != BotDD && a.Name != BotDaily; portfolio != (n == 0) {
				continue
			}
			v := BreakerView{Alarm: a, Status: m.Status(a), Value: m.ValueOf(a), Limit: m.limitOf(a)}
			if v.Limit != nil && a.Name != Losses {
				level := m.warnLevel(a)
				for _, at := range []Num{v.Limit, level, mul(level, N("0.9"))} {
					v.Near = v.Near || less(abs(sub(v.Value, at)), N("0.000000000001"))
				}
			}
			out = append(out, v)
		}
	}
	return out
}

// PermitView is a live permit.
type PermitView struct {
	ID             int
	Bot            string
	Thing          Thing
	Buys           bool
	Left, Reserved Num
	Closing        Num // the part of Left that still reduces
	Reducing       bool
	Placed         bool
	MaySign        bool
}

// Permits returns the live permits, the oldest first.
func (m *Second) Permits() []PermitView {
	var out []PermitView
	for _, p := range m.livePermits("") {
		out = append(out, PermitView{p.ID, p.Bot, p.Thing, p.Buys, p.Left, m.reserved(&p), p.closing, p.reducing(), p.placed, m.MaySign(p.ID)})
	}
	return out
}

// Pool returns the base-asset cash that no permit may reserve more than.
func (m *Second) Pool() Num { return m.pool() }
