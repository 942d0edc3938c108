package portfolio

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio/modeltest"
	"pets/domain/risk"
)

// nearLimit reports that a ratio is so near to a limit that the rounding of the engine's
// references decides: the storm ends there.
func (w *twins) nearLimit() bool {
	return slices.ContainsFunc(w.m.Breakers(), func(v modeltest.BreakerView) bool { return v.Near })
}

func textOf(n modeltest.Num) string {
	if n == nil {
		return "none"
	}
	return strings.TrimSuffix(strings.TrimRight(n.FloatString(18), "0"), ".")
}

// equal compares an amount, which both round alike.
func (w *twins) equal(want modeltest.Num, got domain.Decimal, format string, args ...any) {
	w.Helper()
	if want.Cmp(numOf(got)) != 0 {
		require.Fail(w, fmt.Sprintf(format, args...), "after %s: model %s, engine %s", w.said, textOf(want), got)
	}
}

// ratio compares a ratio, which the model does not round.
func (w *twins) ratio(want modeltest.Num, got domain.Decimal, format string, args ...any) {
	w.Helper()
	if !near(want, ratOf(got)) {
		require.Fail(w, fmt.Sprintf(format, args...), "after %s: model %s, engine %s", w.said, textOf(want), got)
	}
}

// price compares prices: an own mark that earns nothing is found by a search, and may differ
// by the last decimals.
func (w *twins) prices(want modeltest.Num, got *domain.Decimal, format string, args ...any) {
	w.Helper()
	name := fmt.Sprintf(format, args...)
	require.Equal(w, want == nil, got == nil, "%s after %s: model %s, engine %v", name, w.said, textOf(want), got)
	if got != nil {
		w.equal(want, *got, "%s", name)
	}
}

// compare compares everything that both sides say.
func (w *twins) compare() {
	w.Helper()
	now, _ := w.s.ClockAt(w.wall)
	checkDerived(w, w.s)
	looks := w.s.Begin(w.s.Time, domain.Caller{}) // the model archives nothing
	defer looks.End()
	for _, thing := range twinThings {
		looks.Look(instrumentOf(thing).Market)
	}
	checkDead(w, w.s, now, Standstill{})
	w.m.At(w.wall)
	if w.comparePortfolio(); w.over {
		return
	}
	for _, id := range w.s.BotIDs() {
		w.compareBot(id, w.s.Bots[id])
		if w.compareHoldings(id); w.over {
			return
		}
	}
	w.compareBreakers()
	w.comparePermits()
	w.compareWaiting()
}

func (w *twins) comparePortfolio() {
	w.Helper()
	p, s := w.m.Portfolio(), w.s
	w.equal(p.Equity, s.Equity(), "equity")
	w.equal(p.Hot, s.Treasury(domain.WalletHot), "hot:treasury")
	w.equal(p.Cold, s.Treasury(domain.WalletCold), "cold:treasury")
	w.equal(w.m.Pool(), w.pool(), "what permits may reserve at most")
	now, _ := s.ClockAt(w.wall)
	w.ratio(p.Drawdown, s.Refs.Drawdown(s.Equity()), "drawdown")
	life := s.Refs.Clone()
	life.Peak, life.Carried.Drawdown = life.LifetimePeak, life.Carried.Lifetime
	w.ratio(p.Lifetime, life.Drawdown(s.Equity()), "drawdown from the lifetime peak")
	w.ratio(p.Daily, s.Refs.DailyLoss(s.Equity()), "daily loss of the open day")
	if s.Policy.MaxRollingLossPct.Sign() > 0 {
		rolling := s.readBreakerAt(risk.Key{Breaker: risk.RollingLoss}, now).Value
		if w.corrected && exceeds(ratOf(rolling), p.Rolling) && !near(p.Rolling, ratOf(rolling)) {
			// Where the corrected flow divides an hour, the engine does not know on which side
			// its number was reached, and takes the higher loss.
			w.over = true
			return
		}
		w.ratio(p.Rolling, rolling, "rolling loss")
	}
	require.Equal(w, p.Sleeps, !s.Refs.Evaluated(s.Equity()), "the portfolio sleeps, after %s", w.said)
	require.Equal(w, p.Stopped, s.stopKind(), "emergency stop after %s", w.said)
	require.Equal(w, p.Asked, s.Stop.Requester, "who asked to clear it, after %s", w.said)
	require.Equal(w, p.Day, s.Day, "day after %s", w.said)
}

// pool is what checkTreasury compares with.
func (w *twins) pool() domain.Decimal {
	now, _ := w.s.ClockAt(w.wall)
	free := w.s.Treasury(domain.WalletHot)
	for _, b := range w.s.Bots {
		free = free.Add(b.Cash)
		for _, reserved := range w.s.Reserving(b.ID, now) {
			free = free.Sub(reserved)
		}
	}
	return free
}

func (w *twins) compareBot(id string, b *Bot) {
	w.Helper()
	v, s := w.m.Bot(id), w.s
	now, _ := s.ClockAt(w.wall)
	d := &Decision{s: s, now: now}
	require.Equal(w, v.Status, string(b.Status), "status of %s after %s", id, w.said)
	w.equal(v.Cash, b.Cash, "cash of %s", id)
	w.equal(v.Reserved, d.reserved(b), "reserved of %s", id)
	w.equal(v.Free, s.freeCash(b, now), "free cash of %s", id)
	w.equal(v.Equity, b.Equity(), "equity of %s", id)
	w.ratio(v.Drawdown, b.Refs.Drawdown(b.Equity()), "drawdown of %s", id)
	if s.Policy.MaxBotDailyLossPct.Sign() > 0 {
		w.ratio(v.Daily, b.Refs.DailyLoss(b.Equity()), "daily loss of %s", id)
	}
	require.Equal(w, v.Sleeps, !b.Refs.Evaluated(b.Equity()), "%s sleeps, after %s", id, w.said)
	require.Equal(w, v.Streak, b.Streak.Losses, "streak of %s after %s", id, w.said)
	require.Equal(w, []int{v.Trades, v.Wins, v.Losses, v.Neutral}, []int{b.Trades, b.Wins, b.Losses, b.Neutral}, "trades, wins, losses, neutral of %s after %s", id, w.said)
	sum := domain.Zero
	for _, p := range w.profits {
		if p.bot == id {
			sum = sum.Add(p.pnl)
		}
	}
	w.equal(v.Profit, sum, "profit of %s", id)
	require.Equal(w, []string{v.MayBot, v.MayOperator}, []string{string(s.Leaves(id, false)), string(s.Leaves(id, true))}, "what %s may, and an operator for it, after %s", id, w.said)
	if cancel, told := w.m.Directed(id); s.Leaves(id, false) != LeaveAll {
		var names []string
		for _, n := range cancel {
			names = append(names, w.permits[n])
		}
		require.Equal(w, names, s.toCancel(id, d), "orders that %s is told to cancel, after %s", id, w.said)
		for _, permit := range s.toCancel(id, d) {
			require.True(w, w.told[permit], "a record says that %s of %s is to be cancelled, at the latest %s", permit, id, w.said)
		}
		require.Equal(w, told, s.ToldToClose(id), "%s is told to close, after %s", id, w.said)
	}
}

func (w *twins) compareHoldings(id string) {
	w.Helper()
	s := w.s
	now, _ := s.ClockAt(w.wall)
	known := map[domain.Instrument]bool{}
	for _, h := range w.m.Holdings(id) {
		i := domain.Instrument{Market: h.Thing.Market, Outcome: h.Thing.Outcome}
		known[i] = true
		held := &Holding{}
		if in := s.Instruments[i]; in != nil && in.Holding(id) != nil {
			held = in.Holding(id)
		}
		w.equal(h.Quantity, held.Quantity, "%s of %s", i, id)
		w.equal(h.Cost, held.Cost, "cost of %s of %s", i, id)
		require.Equal(w, h.Together, s.together(i) != nil, "%s is valued with the rest of its market", i)
		_, stale := s.Stale(i, id, now)
		require.Equal(w, h.Stale, stale, "the mark of %s of %s is stale, after %s", i, id, w.said)
	}
	for i, in := range s.Instruments {
		if h := in.Holding(id); h != nil && !h.IsFlat() {
			require.True(w, known[i], "%s of %s after %s", i, id, w.said)
		}
	}
	for _, name := range twinThings {
		i := s.Named(instrumentOf(name))
		marked, _ := s.priced(i, domain.Zero)
		if in := s.Instruments[marked]; in == nil || in.Payout == nil {
			w.prices(w.m.Mark(id, thingOf(i)), w.priceOf(i, id), "mark of %s for %s", i, id)
		}
	}
	for _, market := range w.m.Markets() {
		w.compareFigures(id, market)
	}
}

func (w *twins) priceOf(i domain.Instrument, id string) *domain.Decimal {
	in := w.s.Instruments[i]
	if in == nil {
		return nil
	}
	m := in.priceInForce(id)
	if m == nil {
		return nil
	}
	return &m.Price
}

func (w *twins) compareFigures(id, market string) {
	w.Helper()
	v, s := w.m.Figures(id, market), w.s
	now, _ := s.ClockAt(w.wall)
	is := func(m string) bool { return m == market }
	held := s.exposureHeld(id, is)
	if s.exclusive(market) != nil && s.decided(market) && v.Exposed.Cmp(numOf(held)) != 0 {
		w.over = true // the rules do not say what a late fill of a settled market can lose
		return
	}
	w.equal(v.Exposed, held, "exposure of %s in %s by what it holds", id, market)
	for _, p := range s.Permits {
		if p.Bot == id && p.Market == market && p.Live(now) {
			held = held.Add(s.pending(p))
		}
	}
	w.equal(v.Exposure, held, "exposure of %s in %s", id, market)
	f, ok := s.Figures(id, market)
	if ok && v.PayoffMin != nil {
		w.equal(v.PayoffMin, f.PayoffMin, "payoff min of %s in %s", id, market)
		w.equal(v.PayoffMax, f.PayoffMax, "payoff max of %s in %s", id, market)
	}
}

func (w *twins) compareBreakers() {
	w.Helper()
	s := w.s
	now, _ := s.ClockAt(w.wall)
	for _, v := range w.m.Breakers() {
		key := risk.Key{Breaker: v.Name, Bot: v.Bot}
		require.Equal(w, v.Status, string(s.Breaker(key).Status), "%s after %s", key, w.said)
		if at := s.readBreakerAt(key, now); at.On && v.Limit != nil && s.Day == now.Format("2006-01-02") {
			w.ratio(v.Value, at.Value, "value of %s", key)
		}
	}
}

func (w *twins) comparePermits() {
	w.Helper()
	s := w.s
	now, behind := s.ClockAt(w.wall)
	var want, got []string
	for _, v := range w.m.Permits() {
		name := w.permits[v.ID]
		want = append(want, fmt.Sprint(name, " left ", textOf(v.Left), " closes ", textOf(v.Closing), " reserves ", textOf(v.Reserved), " reducing ", v.Reducing, " placed ", v.Placed, " may sign ", v.MaySign))
	}
	d := &Decision{s: s, now: now, caller: domain.Caller{Role: domain.RoleBot}, still: Standstill{Behind: behind}}
	reserves := map[string]domain.Decimal{}
	for bot := range s.Bots {
		for p, reserved := range s.Reserving(bot, now) {
			reserves[p.ID] = reserved
		}
	}
	for _, id := range s.permitIDs(func(p *risk.Permit) bool { return p.Live(now) }) {
		p := s.Permits[id]
		got = append(got, fmt.Sprint(id, " left ", p.Left, " closes ", p.ReducingLeft, " reserves ", reserves[id], " reducing ", p.OpeningLeft.IsZero(), " placed ", p.Placed, " may sign ", w.maySign(d, p)))
	}
	require.Equal(w, want, got, "permits after %s", w.said)
}

// maySign reports whether nothing but the order itself stands against a signature for all
// that is left.
func (w *twins) maySign(d *Decision, p *risk.Permit) bool {
	by := *d
	if w.operated[p.ID] {
		by.caller = olga
	}
	var found obstacles
	by.signHalted(&found, p)
	return len(found) == 0 && by.SignatureRefusedByClock(p.ID) == nil && p.OpeningLeft.Add(p.ReducingLeft) == p.Left
}

func (w *twins) compareWaiting() {
	w.Helper()
	var want, got []string
	for _, v := range w.m.Waiting() {
		want = append(want, fmt.Sprint(v.Thing.Market, "/", v.Thing.Outcome, " ", textOf(v.Price), " in force ", textOf(v.Force)))
	}
	for _, v := range w.s.WaitingMarks() {
		force := "none"
		if v.InForce != nil {
			force = v.InForce.String()
		}
		outcome := v.Outcome
		if v.Asset != "" {
			outcome = v.Asset
		}
		got = append(got, fmt.Sprint(v.Market, "/", outcome, " ", v.Price, " in force ", force))
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(w, want, got, "marks that wait, after %s", w.said)
}
