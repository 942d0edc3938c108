package portfolio

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/portfolio/modeltest"
	"pets/domain/risk"
)

// Storms: random commands go to the engine and to the plain model of the second edition of
// the rules, which was written from the rules alone. After each of them both have to say the
// same of everything (secondmodel_check_test.go).

// twins are the engine and the model, with the clock and the callers that a storm sets.
type twins struct {
	*rapid.T
	s    *State
	past *pastLog // of s, which decides on both kinds of a past
	m    *modeltest.Second
	live bool
	wall time.Time

	permits   map[int]string    // the names of the model's permits
	operated  map[string]bool   // those that an operator asked for
	flows     map[int]uint64    // the records of deposits and withdrawals
	profits   map[string]profit // of the trades that stand, by bot and name
	fills     []FillReport
	n         int    // the number of the step
	said      string // what it does
	events    []domain.Event
	told      map[string]bool // the orders that records said are to be cancelled
	corrected bool            // a deposit or withdrawal
	kept      int             // settled markets stay in the state
	over      bool            // a ratio is so near to a limit that rounding decides
}

type profit struct {
	bot string
	pnl domain.Decimal
}

var (
	twinBots   = []string{"a", "b", "mm"}
	twinThings = []string{
		"m/YES", "m/NO", "m/YES", "m/NO", "m/!YES", "abc/A", "abc/B", "abc/C", "abc/!A", "abc/!C", "n/YES", "n/NO", "perp/X", "spot/S",
		"m/MAYBE", "four/A", "four/B", "four/!A", "apart/A", "apart/B",
	}
	olga = domain.Caller{User: "olga", Role: domain.RoleOperator}
)

func one[T any](w *twins, from ...T) T { return from[rapid.IntRange(0, len(from)-1).Draw(w.T, "n")] }

func numOf(d domain.Decimal) modeltest.Num { return modeltest.N(d.String()) }

func optionalNum(d domain.Decimal) modeltest.Num {
	if d.IsZero() {
		return nil
	}
	return numOf(d)
}

// rulesOfModel returns a policy as rules of the model.
func rulesOfModel(p *domain.Policy) modeltest.SecondRules {
	r := modeltest.SecondRules{
		Rules: modeltest.Rules{
			MaxStreak: p.MaxConsecutiveLosses, MaxDaily: numOf(p.MaxDailyLossPct), MaxBot: numOf(p.MaxBotDrawdownPct), MaxAll: numOf(p.MaxPortfolioDrawdownPct),
			WarnAt: numOf(p.BreakerWarnAt), StopsOnlyBot: p.BreakerStops == domain.StopBot, CloseOnTrip: p.ClosePositionsOnTrip, Dust: numOf(p.LossDust),
			Blocked: p.BlockedZones, TTL: time.Duration(p.PermitTTL), MarkAge: time.Duration(p.MarkMaxAge), FeeBPS: numOf(p.FeeBPS),
			MaxOrder: optionalNum(p.MaxOrderUSD), MaxPosition: optionalNum(p.MaxPositionUSD), MaxOpen: p.MaxOpenPositions, MaxRate: p.MaxOrdersPerMinute,
			MaxBotPct: optionalNum(p.MaxBotCapitalPct), MaxGroupPct: optionalNum(p.MaxCategoryExposurePct),
		},
		WhileTripped: p.WhileTripped, MaxMarket: optionalNum(p.MaxMarketUSD), MaxPerDay: p.MaxOrdersPerDay, Cooldown: time.Duration(p.MarketCooldown),
		PositionDust: numOf(p.PositionDustUSD), Collar: numOf(p.MarkCollar), ConfirmAfter: time.Duration(p.MarkConfirmAfter), MinCapital: numOf(p.MinCapital),
		RegisteredOnly: p.RegisteredOnly, MaxRolling: optionalNum(p.MaxRollingLossPct), MaxBotDaily: optionalNum(p.MaxBotDailyLossPct),
	}
	for _, z := range p.ZoneBounds {
		r.Zones = append(r.Zones, numOf(z))
	}
	return r
}

// anyPolicy draws the limits of a storm: many are off, so that some storms get far.
func (w *twins) anyPolicy(mode domain.Mode) domain.Policy {
	p := domain.DefaultPolicy(mode)
	if one(w, true, true, false) {
		quietPolicy(&p)
	}
	p.Rules, p.MarkMaxAge = domain.SecondRules, domain.Duration(one(w, 0, time.Minute))
	p.WhileTripped = one(w, "", domain.WhileReduce, domain.WhileNothing)
	p.ClosePositionsOnTrip, p.BreakerStops = one(w, false, true), one(w, domain.StopAll, domain.StopBot)
	p.LossDust, p.PositionDustUSD = dec(one(w, "0", "0", "0.5")), dec(one(w, "0", "0.1", "1"))
	p.MarkCollar, p.MinCapital = dec(one(w, "0", "0.25")), dec(one(w, "0", "1", "1", "30"))
	p.MarkConfirmAfter = domain.Duration(one(w, 0, 10*time.Second, time.Minute))
	p.FeeBPS, p.RegisteredOnly = dec(one(w, "0", "100")), one(w, false, false, true)
	p.MaxRollingLossPct, p.MaxBotDailyLossPct = dec(one(w, "0", "0.3")), dec(one(w, "0", "0.4"))
	p.MaxOrderUSD, p.MaxPositionUSD, p.MaxMarketUSD = dec(one(w, "0", "0", "20")), dec(one(w, "0", "0", "50")), dec(one(w, "0", "0", "60"))
	p.MaxOpenPositions, p.MaxOrdersPerMinute, p.MaxOrdersPerDay = one(w, 0, 0, 2), one(w, 0, 0, 3), one(w, 0, 0, 4)
	p.MaxBotCapitalPct, p.MaxCategoryExposurePct = dec(one(w, "0", "0", "0.05")), dec(one(w, "0", "0", "0.1"))
	p.MarketCooldown = domain.Duration(one(w, 0, 0, time.Hour))
	if one(w, false, true) {
		p.ZoneBounds = []domain.Decimal{dec("0"), dec("0.2"), dec("0.4"), dec("0.6"), dec("0.9"), dec("1")}
	}
	return p
}

func newTwins(t *rapid.T) *twins {
	w := &twins{
		T: t, s: New(), past: newPastLog(), wall: noon, permits: map[int]string{}, operated: map[string]bool{}, flows: map[int]uint64{}, profits: map[string]profit{}, told: map[string]bool{},
	}
	mode := one(w, domain.ModePaper, domain.ModePaper, domain.ModeLive)
	w.live, w.kept = mode == domain.ModeLive, one(w, 0, 0, 1, SettledKept)
	p := w.anyPolicy(mode)
	w.s.Apply(domain.Stamp{Time: noon}, &domain.PortfolioOpened{
		Portfolio: "main", Mode: mode, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: p,
	})
	lookUpBoth(t, w.s, w.past)
	w.m = modeltest.NewSecond(rulesOfModel(&p), w.live, noon)
	if w.live {
		w.apply(&domain.WalletRegistered{Wallet: "hot-1", Place: domain.WalletHot, Chain: polygon, Address: friend, Assets: []domain.WalletAsset{{Asset: "USDC", Decimals: 6}}})
	}
	w.deposit("1000", "", domain.WalletHot, "", 0)
	w.register("m", "outcome", "c", "", "YES", "NO")
	w.register("abc", "outcome", "", "", "A", "B", "C")
	w.register("four", "outcome", "c", "yes", "A", "B", "C", "D")
	w.register("apart", "outcome", "", "no", "A", "B")
	w.register("perp", "perp", "c", "")
	w.register("spot", "spot", "", "")
	for _, id := range twinBots {
		w.addBot(id, "100", true)
	}
	return w
}

func (w *twins) apply(e domain.Event) {
	w.s.Apply(domain.Stamp{Revision: w.s.Next, Time: w.s.Time}, e)
	w.past.follow(w.s, []domain.Event{e})
}

// --- doing the same to both

// engine runs a decision as the writer does: what is refused leaves no trace. gated is a
// command that a clock behind the last record refuses.
func (w *twins) engine(by domain.Caller, gated bool, f func(*Decision) error) (code string) {
	w.events = nil
	now, behind := w.s.ClockAt(w.wall)
	before := w.s.Clone()
	d := w.s.Begin(now, by)
	defer d.End()
	d.ArchiveBeyond(w.kept)
	d.Behind(Standstill{Behind: behind})
	err := error(nil)
	if gated {
		err = d.RefusedByClock()
	}
	if err == nil {
		err = f(d)
	}
	if err == nil {
		err = d.Finish()
	}
	if err != nil {
		if d.Dirty() {
			w.s = before
		}
		require.NotEqual(w, domain.CodeInternal, domain.CodeOf(err), "%s: %v", w.said, err)
		return string(domain.CodeOf(err))
	}
	w.events = slices.Clone(d.Events())
	w.past.follow(w.s, w.events)
	w.follow()
	return ""
}

// follow keeps the profits of the trades that stand, as the records say them.
func (w *twins) follow() {
	for _, e := range w.events {
		for _, row := range domain.Flatten(e) {
			for _, permit := range toldToCancel(row) {
				w.told[permit] = true
			}
			switch e := row.(type) {
			case *domain.TradeClosed:
				w.profits[e.Bot+"/"+e.Trade] = profit{e.Bot, e.PnL}
			case *domain.TradeRevised:
				delete(w.profits, e.Bot+"/"+e.Trade)
				if e.After != nil {
					w.profits[e.Bot+"/"+e.Trade] = profit{e.Bot, e.After.PnL}
				}
			}
		}
	}
}

// same requires the same answer of both.
func (w *twins) same(a modeltest.Answer, code string) {
	w.Helper()
	if code == string(domain.CodeMarksRefused) {
		code = string(domain.CodeInvalid)
	}
	require.Equal(w, a.Code, code, "%s: the model refuses with %q, the engine with %q", w.said, a.Code, code)
}

// alike requires that both refuse, or neither: where a request is wrong in two ways, either
// may be named.
func (w *twins) alike(a modeltest.Answer, code string) {
	w.Helper()
	if a.Code != "" && code != "" {
		return
	}
	w.again(a, code)
}

// again requires that both knew it, or both did not.
func (w *twins) again(a modeltest.Answer, code string) {
	w.Helper()
	w.same(a, code)
	if code == "" {
		_, noted := w.events[len(w.events)-1].(*domain.CommandNoted)
		require.Equal(w, a.Again, noted, "%s: known already", w.said)
	}
}

// tick confirms the marks that have waited long enough, as the server does within a second.
func (w *twins) tick() {
	now, behind := w.s.ClockAt(w.wall)
	w.m.At(w.wall)
	if len(w.s.waited(now)) == 0 || behind > 0 {
		require.Equal(w, "nothing", w.m.Tick().Code, "%s: no mark is due", w.said)
		return
	}
	w.same(w.m.Tick(), w.engine(olga, false, func(d *Decision) error { return d.TimeOutLegs() }))
}

func (w *twins) deposit(amount, asset, wallet, tx string, leg int) {
	value := dec(amount)
	a := w.m.Deposit(modeltest.Flow{Asset: asset, Cold: wallet == domain.WalletCold, Amount: numOf(value), Tx: tx, Leg: leg})
	code := w.engine(olga, false, func(d *Decision) error {
		if value.Sign() < 0 {
			return d.Withdraw(&domain.WithdrawalRecorded{Wallet: wallet, Asset: asset, Amount: value.Neg(), Tx: tx, Leg: leg})
		}
		return d.Deposit(&domain.DepositRecorded{Wallet: wallet, Asset: asset, Amount: value, Tx: tx, Leg: leg})
	})
	w.again(a, code)
	if code == "" && a.ID > 0 {
		w.flows[a.ID] = w.revisionOf(w.events, func(e domain.Event) bool {
			switch e.(type) {
			case *domain.DepositRecorded, *domain.WithdrawalRecorded:
				return true
			}
			return false
		})
	}
}

// revisionOf returns the revision of an event of the last command.
func (w *twins) revisionOf(events []domain.Event, is func(domain.Event) bool) uint64 {
	at := slices.IndexFunc(events, is)
	require.GreaterOrEqual(w, at, 0)
	return w.s.Next - uint64(len(events)-at)
}

func (w *twins) register(name, kind, category, exclusive string, outcomes ...string) {
	a := w.m.Register(modeltest.Market{Name: name, Kind: kind, Category: category, Outcomes: outcomes, Exclusive: exclusive})
	code := w.engine(olga, false, func(d *Decision) error {
		e := &domain.MarketRegistered{Market: name, Kind: domain.MarketKind(kind), Outcomes: outcomes, Category: category}
		var asked *bool
		if exclusive != "" {
			yes := exclusive == "yes"
			asked = &yes
		}
		e.Exclusive = d.Exclusive(asked, e.Market, e.Kind, e.Outcomes)
		return d.RegisterMarket(e)
	})
	w.again(a, code)
	changes := map[string]string{}
	for _, e := range w.events {
		if e, ok := e.(*domain.MarketRegistered); ok {
			for _, c := range e.Changes {
				changes[c.Bot] = numOf(c.Amount).RatString()
			}
		}
	}
	want := map[string]string{}
	for id, n := range a.Changes {
		want[id] = n.RatString()
	}
	require.Equal(w, want, changes, "%s: by how much equity changes", w.said)
}

func (w *twins) addBot(id, capital string, start bool) {
	var limit modeltest.Num
	e := &domain.BotRegistered{Bot: id}
	if id == "mm" {
		e.Kind, e.InventoryCap = domain.BotMarketMaker, dec("40")
		limit = modeltest.N("40")
	}
	a := w.m.AddBot(id, modeltest.N(capital), limit, start)
	code := w.engine(olga, start, func(d *Decision) error { return d.RegisterBot(e, dec(capital), start) })
	w.alike(a, code)
}

// --- the storm

func instrumentOf(name string) domain.Instrument {
	market, outcome, _ := cutMarket(name)
	return domain.Instrument{Market: market, Outcome: outcome}
}

func cutMarket(name string) (market, outcome string, ok bool) {
	for i := range name {
		if name[i] == '/' {
			return name[:i], name[i+1:], true
		}
	}
	return name, "", false
}

func thingOf(i domain.Instrument) modeltest.Thing {
	return modeltest.Thing{Market: i.Market, Outcome: i.Outcome}
}

// speaker returns the bot itself, or an operator for it.
func (w *twins) speaker(bot string) (by domain.Caller, operator bool) {
	if one(w, true, true, false) {
		return domain.Caller{User: bot, Role: domain.RoleBot, Bot: bot}, false
	}
	return olga, true
}

func (w *twins) amount() string { return one(w, "1", "3", "10", "10", "33.3", "0.1", "70") }
func (w *twins) price() string {
	return one(w, "0", "0.1", "0.3", "0.5", "0.5", "0.55", "0.8", "1")
}

func (w *twins) step() {
	w.n++
	w.said = "tick"
	w.wall = w.wall.Add(one(w, 0, 0, time.Second, 9*time.Second, 10*time.Second, time.Minute, 9*time.Hour, -time.Second, -time.Minute))
	w.tick()
	if w.over = w.nearLimit(); w.over {
		return
	}
	bot, i := one(w, "a", "a", "b", "mm"), instrumentOf(one(w, twinThings...))
	steps := []func(string, domain.Instrument){
		w.ask, w.ask, w.ask, w.fill, w.fill, w.fill, w.fill, w.takeBack, w.takeBack, w.marks, w.marks, w.sets, w.money, w.money, w.settle, w.settle,
		w.person, w.person, w.person, w.registers, w.fund, w.report, w.limits, w.legs, w.place,
	}
	steps[rapid.IntRange(0, len(steps)-1).Draw(w.T, "step")](bot, i)
	w.Logf("%d %s: %s", w.n, w.wall.Format("2 15:04:05"), w.said)
	w.over = w.nearLimit()
}

func (w *twins) says(format string, args ...any) { w.said = fmt.Sprintf(format, args...) }

func (w *twins) ask(bot string, i domain.Instrument) {
	by, operator := w.speaker(bot)
	o := domain.Order{
		Bot: bot, Instrument: i, Side: one(w, buy, buy, sell), Quantity: dec(w.amount()), LimitPrice: dec(one(w, "0.1", "0.3", "0.5", "0.55", "0.8", "1")),
		Group: one(w, "", "", "g"), TimeInForce: one(w, "", "", domain.GoodTillCancelled, domain.ImmediateOrCancel), ReduceOnly: one(w, false, false, true),
	}
	if held := w.s.quantityOf(bot, w.s.Named(i)); !held.IsZero() && one(w, false, true) {
		if o.Quantity = held.Abs(); held.Sign() > 0 {
			o.Side = sell
		} else {
			o.Side = buy
		}
	}
	maker := bot == "mm" && one(w, true, false)
	if maker {
		o.Intent = domain.IntentMarketMaking
	}
	var fee *domain.Decimal
	if one(w, false, true) {
		f := dec(one(w, "0", "0.01", "1"))
		fee = &f
	}
	w.says("%s asks %s %s %s at %s of %s, group %q, %s, operator %v, maker %v, reduce only %v, fee %v", bot, o.Side, o.Quantity, i, o.LimitPrice, bot, o.Group, o.TimeInForce, operator, maker, o.ReduceOnly, fee)
	asked := modelOrder(o, operator, maker)
	if fee != nil {
		asked.Fee = numOf(*fee)
	}
	r := PermitRequest{Order: o, Fee: fee}
	_, shown := w.m.Ask(asked, true)
	preview, refused := w.s.PreviewPermit(w.wall, by, r)
	id, why := w.m.Ask(asked, false)
	require.Equal(w, modeltest.Codes(shown), modeltest.Codes(why), "%s: the model's preview", w.said)
	if domain.CodeOf(refused) == domain.CodeClock { // the server refuses it before it is judged
		if !slices.Contains(modeltest.Codes(why), string(domain.ReasonMarketSettled)) {
			require.Contains(w, modeltest.Codes(why), "clock", "%s", w.said)
		}
		return
	}
	require.NoError(w, refused)
	w.sameReasons(why, preview.Reasons)
	require.Empty(w, w.engine(by, false, func(d *Decision) error { return d.AskPermit(r) }), w.said)
	if id > 0 {
		w.permits[id] = domain.PermitName(w.revisionOf(w.events, isGranted))
		w.operated[w.permits[id]] = operator
	}
}

func isGranted(e domain.Event) bool {
	_, is := e.(*domain.PermitGranted)
	return is
}

func modelOrder(o domain.Order, operator, maker bool) modeltest.SecondOrder {
	return modeltest.SecondOrder{
		Bot: o.Bot, Thing: thingOf(o.Instrument), Buys: o.Side == buy, Quantity: numOf(o.Quantity), Limit: numOf(o.LimitPrice), ReduceOnly: o.ReduceOnly,
		Group: o.Group, Force: string(o.TimeInForce), Maker: maker, ByOperator: operator,
	}
}

func (w *twins) sameReasons(why []modeltest.Reason, reasons []domain.Reason) {
	w.Helper()
	var codes []string
	for _, r := range reasons {
		codes = append(codes, string(r.Code))
	}
	slices.Sort(codes)
	if settled := string(domain.ReasonMarketSettled); slices.Contains(codes, settled) && slices.Contains(modeltest.Codes(why), settled) {
		return // what else stands against an order in a settled market is open
	}
	if slices.Contains(codes, string(domain.ReasonNotReducing)) && slices.Contains(modeltest.Codes(why), string(domain.ReasonNotReducing)) {
		return // and against one that would have to reduce, and does not
	}
	require.Equal(w, modeltest.Codes(why), slices.Compact(codes), "%s: %v, %v", w.said, why, reasons)
}

// place places, or releases, one of the permits.
func (w *twins) place(string, domain.Instrument) {
	ids := slices.Sorted(maps.Keys(w.permits))
	if len(ids) == 0 {
		return
	}
	id := one(w, ids...)
	if one(w, false, false, true) {
		w.says("release %s", w.permits[id])
		w.same(w.m.Release(id), w.engine(olga, false, func(d *Decision) error { return d.ReleasePermit(w.permits[id], "") }))
		return
	}
	_, behind := w.s.ClockAt(w.wall)
	if behind > 0 {
		return // nothing says what an expiry by a clock that is behind is compared with
	}
	var expires *time.Time
	until := time.Time{}
	if one(w, false, true) {
		at := w.wall.Add(one(w, time.Second, 30*time.Second, 24*time.Hour))
		expires, until = &at, at.Add(time.Duration(w.s.ClockOffset))
	}
	w.says("place %s until %v", w.permits[id], until)
	w.same(w.m.Place(id, until), w.engine(olga, false, func(d *Decision) error { return d.PlacePermit(w.permits[id], expires) }))
}

// legs asks for an arbitrage, and places its orders.
func (w *twins) legs(bot string, _ domain.Instrument) {
	if _, behind := w.s.ClockAt(w.wall); behind > 0 {
		return
	}
	market, outcomes := "m", []string{"YES", "NO"}
	if one(w, true, false) {
		market, outcomes = "abc", []string{"A", "B", "C"}
	}
	quantity, limit := dec(w.amount()), dec(one(w, "0.1", "0.3", "0.45", "0.85"))
	r := ArbitrageRequest{Bot: bot}
	by, operator := w.speaker(bot)
	var legs []modeltest.SecondOrder
	for n, outcome := range outcomes {
		o := domain.Order{Bot: bot, Instrument: domain.Instrument{Market: market, Outcome: outcome}, Side: buy, Quantity: quantity, LimitPrice: limit}
		if n > 0 {
			o.LimitPrice = dec("0.1")
		}
		r.Legs = append(r.Legs, PermitRequest{Order: o})
		legs = append(legs, modelOrder(o, operator, false))
	}
	w.says("%s asks legs %v", bot, r.Legs)
	preview, refused := w.s.PreviewArbitrage(w.wall, by, r)
	require.NoError(w, refused, w.said)
	ids, why := w.m.AskLegs(legs)
	// The engine goes on where the model stops: a settled market, a leg that is denied.
	require.Equal(w, len(why) == 0, preview.Allowed, "%s: %v, %v", w.said, why, preview.Reasons)
	require.Empty(w, w.engine(by, false, func(d *Decision) error { return d.AskArbitrage(r) }), w.said)
	first := 0
	if len(ids) > 0 {
		first = int(w.revisionOf(w.events, isGranted))
	}
	for n, id := range ids {
		w.permits[id] = domain.PermitName(uint64(first + n))
		w.operated[w.permits[id]] = operator
		w.same(w.m.Place(id, time.Time{}), w.engine(by, false, func(d *Decision) error { return d.PlacePermit(w.permits[id], nil) }))
	}
}

func (w *twins) fill(bot string, i domain.Instrument) {
	r := FillReport{
		FillID: domain.FillID{Bot: bot, TradeID: "f" + strconv.Itoa(one(w, w.n, w.n, w.n, w.n, 1)), Venue: one(w, "", "", "v")}, Instrument: i, Side: one(w, buy, buy, sell),
		Quantity: dec(w.amount()), Price: dec(w.price()), Fee: dec(one(w, "0", "0", "0.01", "-0.01", "0.3")), FeeAsset: one(w, "", "", "", "ETH", domain.FeeShares),
		Status: one(w, "", domain.FillProvisionalStatus),
	}
	permit := 0
	if ids := slices.Sorted(maps.Keys(w.permits)); len(ids) > 0 && one(w, true, true, false) {
		permit = one(w, ids...)
		r.PermitID = w.permits[permit]
		if p := w.s.Permits[r.PermitID]; p != nil && one(w, true, true, true, false) {
			r.Bot, r.Instrument, r.Side, r.Price = p.Bot, p.Instrument, p.Side, p.LimitPrice
			r.Quantity = one(w, p.Left, p.Left.Min(r.Quantity), p.Left.Add(domain.One))
		}
	}
	if one(w, false, false, false, false, true) {
		n := r.Quantity.Mul(dec(w.price()))
		r.Notional = &n
	}
	if one(w, false, false, false, true) {
		at := w.s.Time.Add(-one(w, time.Second, time.Minute, time.Hour))
		r.EffectiveAt = &at
	}
	if len(w.fills) > 0 && one(w, false, false, false, false, true) { // again, perhaps otherwise
		old := one(w, w.fills...)
		r.FillID, r.Instrument = old.FillID, old.Instrument
		if one(w, true, false) {
			r = old
			permit = w.numberOf(r.PermitID)
		}
		r.Status = one(w, old.Status, "", domain.FillProvisionalStatus)
	}
	by, operator := w.speaker(r.Bot)
	w.says("fill %s/%s/%s %s %s %s at %s (notional %v) fee %s %q, permit %q, status %q, operator %v, at %v", r.Bot, r.Venue, r.TradeID, r.Side, r.Quantity, r.Instrument, r.Price, r.Notional, r.Fee, r.FeeAsset, r.PermitID, r.Status, operator, r.EffectiveAt)
	f := modeltest.SecondFill{
		Bot: r.Bot, Venue: r.Venue, ID: r.TradeID, Leg: r.Leg, Thing: thingOf(r.Instrument), Buys: r.Side == buy, Quantity: numOf(r.Quantity), Price: numOf(r.Price),
		Fee: numOf(r.Fee), FeeAsset: r.FeeAsset, Permit: permit, Provisional: r.Status == domain.FillProvisionalStatus, ByOperator: operator,
	}
	if r.Notional != nil {
		f.Notional = numOf(*r.Notional)
	}
	if r.EffectiveAt != nil {
		f.Effective = *r.EffectiveAt
	}
	a := w.m.Record(f)
	code := w.engine(by, false, func(d *Decision) error { return d.RecordFill(r) })
	w.again(a, code)
	if code == "" {
		w.sameFlags(a)
		w.fills = append(w.fills, r)
	}
}

func (w *twins) numberOf(permit string) int {
	for id, name := range w.permits {
		if name == permit {
			return id
		}
	}
	return 0
}

func (w *twins) sameFlags(a modeltest.Answer) {
	for _, e := range w.events {
		var r *domain.FillRecorded
		switch e := e.(type) {
		case *domain.FillRecorded:
			r = e
		case *domain.FillReinstated:
			r = &e.FillRecorded
		default:
			continue
		}
		flags := slices.DeleteFunc(slices.Clone(r.Flags), func(f string) bool { return f == domain.FlagLegLate })
		want := slices.DeleteFunc(slices.Clone(a.Flags), func(f string) bool { return f == "clock" }) // the engine says that in the record's metadata
		require.ElementsMatch(w, want, flags, "%s: flags", w.said)
		var shrunk []string
		for _, id := range a.Shrunk {
			shrunk = append(shrunk, w.permits[id])
		}
		var got []string
		for _, o := range r.Shrunk {
			got = append(got, o.Permit)
		}
		require.ElementsMatch(w, shrunk, got, "%s: group_shrunk", w.said)
	}
}

func (w *twins) takeBack(string, domain.Instrument) {
	if len(w.fills) == 0 {
		return
	}
	r := one(w, w.fills...)
	if one(w, false, false, false, false, false, true) {
		r.FillID.TradeID = "f" + strconv.Itoa(w.n+1) // it comes later, or never
	}
	market := one(w, r.Market, r.Market, "")
	id := modeltest.SecondFillID{Bot: r.Bot, Venue: r.Venue, Market: market, ID: r.TradeID, Leg: r.Leg}
	if one(w, true, true, false) {
		w.says("void %v", id)
		w.again(w.m.Void(id), w.engine(olga, false, func(d *Decision) error { return d.VoidFill(r.FillID, market) }))
		return
	}
	w.says("confirm %v", id)
	w.same(w.m.Confirm(id), w.engine(olga, false, func(d *Decision) error { return d.ConfirmFill(r.FillID, market) }))
}

func (w *twins) marks(bot string, i domain.Instrument) {
	by, speaker := domain.Caller{User: one(w, "f1", "f2"), Role: domain.RoleFeed}, modeltest.Speaker{}
	switch one(w, "feed", "feed", "feed", "bot", "operator") {
	case "bot":
		by, speaker.Bot = domain.Caller{User: bot, Role: domain.RoleBot, Bot: bot}, bot
	case "operator":
		by = olga
	}
	speaker.User = by.User
	marks, said := []domain.Mark{}, []modeltest.Said{}
	add := func(m domain.Mark) {
		if (m.Outcome == "MAYBE" || m.Market == "n") && w.s.archived(m.Market) {
			m.Market, m.Outcome = "m", "NO" // a mark of an archived market is ignored, also of an outcome that is not settled
		}
		marks = append(marks, m)
		said = append(said, modeltest.Said{Thing: modeltest.Thing{Market: m.Market, Outcome: m.Outcome}, Asset: m.Asset, Price: numOf(m.Price)})
	}
	add(domain.Mark{Market: i.Market, Outcome: i.Outcome, Price: dec(w.price())})
	for range one(w, 0, 0, 1, 2) {
		i := instrumentOf(one(w, twinThings...))
		add(domain.Mark{Market: i.Market, Outcome: i.Outcome, Price: dec(one(w, w.price(), "1.1"))})
	}
	if one(w, false, false, false, true) {
		add(domain.Mark{Asset: "ETH", Price: dec(one(w, "2", "2.2", "3", "5"))})
	}
	w.says("%s %s marks %v", by.Role, by.User, marks)
	a := w.m.Marks(speaker, said)
	code := w.engine(by, false, func(d *Decision) error { return d.MarkPrices(marks) })
	w.same(a, code)
	var bad []int
	for _, e := range w.events {
		if e, ok := e.(*domain.PriceMarked); ok {
			for _, r := range e.Refused {
				bad = append(bad, r.Index)
			}
		}
	}
	if len(w.events) > 0 && bad != nil {
		require.Equal(w, a.Bad, bad, "%s: bad marks", w.said)
	}
}

func (w *twins) sets(bot string, _ domain.Instrument) {
	e := &domain.SetsChanged{
		Bot: bot, Market: one(w, "m", "m", "abc", "four", "apart"), Action: one(w, domain.SplitSets, domain.MergeSets), Quantity: dec(w.amount()),
		Fee: dec(one(w, "0", "0", "0.02")), SetID: "s" + strconv.Itoa(one(w, w.n, w.n, w.n, 1)),
	}
	w.says("%s %ss %s sets of %s, fee %s, id %s", bot, e.Action, e.Quantity, e.Market, e.Fee, e.SetID)
	a := w.m.ChangeSets(modeltest.Sets{Bot: bot, Market: e.Market, Action: e.Action, ID: e.SetID, Quantity: numOf(e.Quantity), Fee: numOf(e.Fee)})
	w.again(a, w.engine(domain.Caller{User: bot, Role: domain.RoleBot, Bot: bot}, false, func(d *Decision) error { return d.ChangeSets(e) }))
}

func (w *twins) money(bot string, _ domain.Instrument) {
	amount := w.amount()
	allocate := func(amount domain.Decimal) {
		w.says("allocate %s to %s", amount, bot)
		if amount.IsZero() {
			return
		}
		w.same(w.m.Allocate(bot, numOf(amount)), w.engine(olga, false, func(d *Decision) error { return d.Allocate(bot, amount) }))
	}
	switch one(w, "flow", "flow", "flow", "to", "back", "all back", "fee", "fee", "correct") {
	case "flow":
		amount, asset := one(w, amount, "-"+amount, "-600"), one(w, "", "", "", "ETH")
		wallet, tx, leg := one(w, domain.WalletHot, domain.WalletCold), one(w, "", "0xab", "0xcd"), 0
		if tx != "" {
			leg = one(w, 0, 0, 1)
		}
		w.says("flow of %s %q in %s, tx %s %d", amount, asset, wallet, tx, leg)
		w.deposit(amount, asset, wallet, tx, leg)
	case "to":
		allocate(dec(amount))
	case "back":
		allocate(dec(amount).Neg())
	case "all back":
		allocate(w.s.Bots[bot].Cash.Neg())
	case "correct":
		w.correctFlow()
	default:
		w.charge(bot, dec(one(w, amount, "-"+amount)))
	}
}

func (w *twins) charge(bot string, amount domain.Decimal) {
	who := one(w, bot, bot, "")
	w.says("charge %q %s", who, amount)
	e := &domain.FeeRecorded{Bot: who, Amount: amount.Abs(), Kind: domain.FeeTrading}
	if amount.Sign() < 0 {
		e.Kind = domain.FeeRebate
	}
	w.same(w.m.Charge(who, numOf(amount)), w.engine(olga, false, func(d *Decision) error { return d.RecordFee(e) }))
}

// correctFlow corrects a deposit or withdrawal of the base asset. Of one that the engine no
// longer follows, the model knows everything still, so it is not asked.
func (w *twins) correctFlow() {
	ids := slices.Sorted(maps.Keys(w.flows))
	if w.live || len(ids) == 0 {
		return
	}
	id := one(w, ids...)
	of := w.flows[id]
	known := w.s.Refs.Flows.Find(of)
	if known == nil || known.Asset != "USDC" {
		return
	}
	amount := dec(w.amount())
	if known.Amount.Sign() > 0 {
		amount = amount.Neg()
	}
	w.says("correct flow %d by %s", of, amount)
	e := &domain.AdjustmentPosted{Account: known.Wallet + ":treasury", Amount: amount, Reason: "typed wrong", Flow: true, Of: &of}
	w.corrected = true
	w.same(w.m.CorrectFlow(id, numOf(amount)), w.engine(olga, false, func(d *Decision) error { return d.Adjust(e) }))
}

func (w *twins) fund(bot string, i domain.Instrument) {
	by, operator := w.speaker(bot)
	if one(w, true, false) {
		i = domain.Instrument{Market: "perp", Outcome: "X"}
	}
	e := &domain.FundingRecorded{Bot: bot, Instrument: i, Amount: dec(one(w, "0.1", "-0.1", "3", "-3")), FundingID: "u" + strconv.Itoa(one(w, w.n, w.n, 1))}
	w.says("funding %s of %s %s, id %s, operator %v", e.Amount, bot, i, e.FundingID, operator)
	a := w.m.Fund(modeltest.Funding{Bot: bot, ID: e.FundingID, Thing: thingOf(i), Amount: numOf(e.Amount), ByOperator: operator})
	w.again(a, w.engine(by, false, func(d *Decision) error { return d.RecordFunding(e) }))
}

func (w *twins) report(bot string, i domain.Instrument) {
	by, operator := w.speaker(bot)
	e := &domain.TradeClosed{Bot: bot, Instrument: domain.Instrument{Market: i.Market}, TradeID: "f" + strconv.Itoa(one(w, w.n, w.n, 1))}
	e.PnL = dec(one(w, "-5", "-0.5", "0", "0.5", "5"))
	w.says("trade %s of %s in %s, P&L %s, operator %v", e.TradeID, bot, i.Market, e.PnL, operator)
	a := w.m.Report(modeltest.Trade{Bot: bot, Market: i.Market, ID: e.TradeID, Profit: numOf(e.PnL), ByOperator: operator})
	code := w.engine(by, false, func(d *Decision) error { return d.RecordTrade(e) })
	if a.Code == "conflict" {
		a.Code = string(domain.CodeTradeIDConflict)
	}
	w.same(a, code)
	if len(w.events) > 0 && !a.Again {
		require.Equal(w, slices.Contains(a.Flags, domain.FlagReportedTwice), slices.Contains(e.Flags, domain.FlagReportedTwice), "%s: flags", w.said)
	}
}

func (w *twins) registers(string, domain.Instrument) {
	name, exclusive := one(w, "n", "n", "m", "abc", "apart", "o"), one(w, "", "", "", "yes", "no")
	outcomes := []string{"YES", "NO"}
	switch name {
	case "abc":
		outcomes = []string{"A", "B", "C"}
	case "apart":
		outcomes = []string{"A", "B"}
	case "o":
		outcomes = one(w, []string{"A"}, nil, []string{"A", "!B"}, []string{"A", "A"})
	}
	w.says("register %s %v, exclusive %q", name, outcomes, exclusive)
	category := ""
	if name == "m" {
		category = "c"
	}
	w.register(name, "outcome", category, exclusive, outcomes...)
}

// limits changes one limit. In live two people loosen it, by an override.
func (w *twins) limits(string, domain.Instrument) {
	patch := one(w,
		`{"max_bot_drawdown_pct":"0.2"}`, `{"max_bot_drawdown_pct":"0.999"}`, `{"max_daily_loss_pct":"0.04"}`, `{"max_consecutive_losses":2}`, `{"max_consecutive_losses":100}`,
		`{"position_dust_usd":"0.5"}`, `{"position_dust_usd":"0"}`, `{"min_capital":"0"}`, `{"min_capital":"5"}`, `{"min_capital":"50"}`, `{"mark_collar":"0.1"}`, `{"mark_collar":"0"}`,
		`{"while_tripped":"reduce"}`, `{"while_tripped":"nothing"}`, `{"close_positions_on_trip":true}`, `{"max_market_usd":"10"}`, `{"max_orders_per_day":2}`, `{"market_cooldown":"2h"}`,
		`{"max_daily_loss_pct":"0.01","max_bot_drawdown_pct":"0.999"}`, `{"max_bot_drawdown_pct":"0.01","max_market_usd":"1"}`,
		`{"registered_only":true}`, `{"registered_only":false}`, `{"mark_max_age":"10s"}`, `{"loss_dust":"0.2"}`, `{"blocked_zones":[]}`, `{"breaker_stops":"bot"}`, `{"mark_confirm_after":"20s"}`,
	)
	p, err := Patched(w.s.Policy, []byte(patch))
	require.NoError(w, err)
	_, behind := w.s.ClockAt(w.wall)
	two := w.live && one(w, true, false) && behind == 0
	w.says("limits %s, two %v", patch, two)
	a := w.m.Change(rulesOfModel(&p), two)
	if !two {
		w.same(a, w.engine(olga, false, func(d *Decision) error {
			if err := d.LimitsRefusedByClock([]byte(patch), false); err != nil {
				return err
			}
			return d.ChangeLimits([]byte(patch), "x")
		}))
		return
	}
	w.same(a, w.byTwo(domain.OverrideLimits, patch))
}

// byTwo has one person request an override, and another one confirm it.
func (w *twins) byTwo(kind, content string) string {
	before := w.s.Clone()
	code := w.engine(olga, false, func(d *Decision) error { return d.RequestOverride(kind, "", []byte(content), "x") })
	if code != "" {
		return code
	}
	var id string
	for name, o := range w.s.Overrides {
		if o.ConfirmedBy == "" {
			id = name
		}
	}
	code = w.engine(domain.Caller{User: "paul", Role: domain.RoleApprover}, false, func(d *Decision) error { return d.ConfirmOverride(id) })
	if code != "" {
		w.s = before
	}
	return code
}

func (w *twins) settle(_ string, i domain.Instrument) {
	if one(w, true, true, false) { // seldom, or nothing is left open
		w.correct(i)
		return
	}
	r := Settlement{Market: i.Market}
	switch one(w, "one", "one", "one", "all", "all", "void") {
	case "one":
		r.Outcome, r.Payout = i.Outcome, dec(one(w, "0", "0", "1", "0.5"))
	case "void":
		r.Void = true
	default:
		r.Payouts = w.anyPayouts(i.Market)
	}
	if one(w, false, false, false, true) {
		r.Bot = "a"
	}
	w.settleBoth(r)
}

func (w *twins) settleBoth(r Settlement) {
	want := modeltest.Settlement{Market: r.Market, Outcome: r.Outcome, Payouts: numsOf(r.Payouts), Void: r.Void, Bot: r.Bot}
	if r.Outcome != "" {
		want.Payout = numOf(r.Payout)
	}
	if m := w.s.exclusive(r.Market); len(r.Payouts) > 0 && r.Bot == "" && m != nil && one(w, false, false, true) {
		want.Two = true
	}
	w.says("settle %+v, two %v", r, want.Two)
	if (r.Void || len(r.Payouts) > 0) && len(w.s.outcomesOf(r.Market)) == 0 {
		return // a market without outcomes is settled outcome by outcome: the form is refused
	}
	if !want.Two {
		w.alike(w.m.Settle(want), w.engine(olga, false, func(d *Decision) error { return d.SettleMarket(r) }))
		return
	}
	content := fmt.Sprintf(`{"market":%q,"payouts":%s}`, r.Market, payoutsJSON(r.Payouts))
	w.agreed(w.m.Settle(want), w.byTwo(domain.OverridePayouts, content))
}

// agreed compares what two people agreed on: they need not agree on what is known.
func (w *twins) agreed(a modeltest.Answer, code string) {
	w.Helper()
	require.Equal(w, a.Code != "" || a.Again, code != "", "%s: the model refuses with %q, the engine with %q", w.said, a.Code, code)
}

func payoutsJSON(payouts map[string]domain.Decimal) string {
	text := "{"
	for n, outcome := range slices.Sorted(maps.Keys(payouts)) {
		if n > 0 {
			text += ","
		}
		text += fmt.Sprintf("%q:%q", outcome, payouts[outcome])
	}
	return text + "}"
}

// anyPayouts draws payouts that mostly sum to 1 and name what they should.
func (w *twins) anyPayouts(market string) map[string]domain.Decimal {
	outcomes := slices.Clone(w.s.outcomesOf(market))
	if len(outcomes) == 0 {
		outcomes = []string{"YES"}
	}
	all := map[string]domain.Decimal{}
	for _, o := range outcomes {
		if in := w.s.Instruments[domain.Instrument{Market: market, Outcome: o}]; in != nil && in.Payout != nil && one(w, true, false) {
			continue // settled one by one
		}
		all[o] = domain.Zero
	}
	open := slices.Sorted(maps.Keys(all))
	if len(open) == 0 {
		return map[string]domain.Decimal{outcomes[0]: domain.One}
	}
	winner := one(w, open...)
	all[winner] = domain.One
	switch one(w, "win", "win", "win", "share", "sum", "short") {
	case "share":
		all[open[0]], all[winner] = dec("0.25"), dec("0.75")
	case "sum":
		all[winner] = dec("0.9")
	case "short":
		delete(all, open[0])
		if len(all) == 0 {
			all[winner] = domain.One
		}
	}
	return all
}

func numsOf(payouts map[string]domain.Decimal) map[string]modeltest.Num {
	if len(payouts) == 0 {
		return nil
	}
	out := map[string]modeltest.Num{}
	for o, p := range payouts {
		out[o] = numOf(p)
	}
	return out
}

func (w *twins) correct(i domain.Instrument) {
	c := Correction{Market: i.Market, Rebase: one(w, false, true)}
	if c.Void = one(w, false, false, true); !c.Void {
		c.Payouts = w.anyPayouts(i.Market)
	}
	want := modeltest.Correction{Market: c.Market, Payouts: numsOf(c.Payouts), Void: c.Void, Rebase: c.Rebase}
	want.Two = w.live && one(w, true, true, false)
	w.says("correct %+v, two %v", c, want.Two)
	if !want.Two {
		if w.live { // the engine denies it at once, the model looks at the market first
			require.Equal(w, "denied", w.engine(olga, false, func(d *Decision) error { return d.CorrectSettlement(c, "x") }))
			return
		}
		w.alike(w.m.Correct(want), w.engine(olga, false, func(d *Decision) error { return d.CorrectSettlement(c, "x") }))
		return
	}
	payouts := ""
	if !c.Void {
		payouts = `,"payouts":` + payoutsJSON(c.Payouts)
	}
	w.agreed(w.m.Correct(want), w.byTwo(domain.OverrideSettlement, fmt.Sprintf(`{"market":%q,"void":%v,"rebase":%v%s}`, c.Market, c.Void, c.Rebase, payouts)))
}

func (w *twins) person(bot string, _ domain.Instrument) {
	what := one(w, "start", "start", "start", "stop", "reset", "reset", "emergency", "ask", "clear", "clear", "clock", "reconcile", "add")
	w.says("%s, %s", what, bot)
	switch what {
	case "start":
		w.same(w.m.Start(bot), w.engine(olga, true, func(d *Decision) error { return d.StartBot(bot) }))
	case "stop":
		full := one(w, false, true)
		w.same(w.m.Stop(bot, full), w.engine(olga, false, func(d *Decision) error { return d.stopBot(bot, "x", full) }))
	case "reset":
		w.reset(bot)
	case "emergency":
		kind := one(w, domain.StopManual, domain.StopManual, domain.StopSecurityBreach, domain.StopSystemError)
		w.says("emergency stop %s", kind)
		w.same(w.m.Emergency(kind), w.engine(olga, false, func(d *Decision) error { return d.EngageStop(kind, "x") }))
	case "ask":
		w.same(w.m.AskClear("olga"), w.engine(olga, false, func(d *Decision) error { return d.RequestClear("x") }))
	case "clear":
		by := one(w, "paul", "paul", "olga")
		w.same(w.m.Clear(by), w.engine(domain.Caller{User: by, Role: domain.RoleApprover}, false, func(d *Decision) error { return d.ConfirmClear(w.s.Stop.Request) }))
	case "clock":
		w.same(w.m.AcceptClock(), w.byTwo(domain.OverrideClock, ""))
	case "reconcile":
		w.reconcile()
	case "add":
		if w.s.Bots["d"] == nil {
			w.addBot("d", one(w, "0", "20", "2000"), one(w, true, false))
		}
	}
}

func (w *twins) reset(bot string) {
	var tripped []risk.Key
	for key, b := range w.s.Breakers {
		if b.Status == risk.Tripped {
			tripped = append(tripped, key)
		}
	}
	slices.SortFunc(tripped, func(a, b risk.Key) int { return cmp.Or(cmp.Compare(a.Breaker, b.Breaker), cmp.Compare(a.Bot, b.Bot)) })
	key := risk.Key{Breaker: domain.BotDrawdown, Bot: bot}
	if len(tripped) > 0 {
		key = one(w, tripped...)
	}
	rebase := one(w, true, true, false)
	w.says("reset %s, rebase %v", key, rebase)
	a := w.m.Reset(modeltest.Alarm{Name: key.Breaker, Bot: key.Bot}, rebase)
	code := w.engine(olga, true, func(d *Decision) error { return d.ResetBreaker(key, "x", rebase) })
	w.same(a, code)
	for _, e := range w.events {
		if e, ok := e.(*domain.BreakerReset); ok {
			require.Equal(w, a.Rebased == nil, e.RebasedTo == nil, "%s: what it rebases to", w.said)
			if a.Rebased != nil {
				w.equal(a.Rebased, *e.RebasedTo, "what it rebases to")
			}
		}
	}
}

func (w *twins) reconcile() {
	if !w.live {
		return
	}
	on := w.s.placeBalance(domain.WalletHot, "USDC").Add(dec(one(w, "0", "5", "-5", "-40", "-40")))
	if on.Sign() < 0 {
		return
	}
	w.says("reconcile %s", on)
	w.same(w.m.Reconcile(numOf(on)), w.engine(olga, false, func(d *Decision) error {
		return d.Reconcile(uint64(w.n), w.wall, []Reading{{Wallet: "hot-1", Asset: "USDC", Amount: on}})
	}))
}

// TestSecondModel runs a few storms, the same ones every time. PETS_MODEL_STORMS=N runs N
// others; each says with which seed it can be run again.
func TestSecondModel(t *testing.T) {
	checks, seed := "12", "7"
	if many := os.Getenv("PETS_MODEL_STORMS"); many != "" {
		checks, seed = many, flag.Lookup("rapid.seed").Value.String()
	}
	for name, value := range map[string]string{"rapid.checks": checks, "rapid.seed": seed} {
		was := flag.Lookup(name).Value.String()
		require.NoError(t, flag.Set(name, value))
		defer func() { require.NoError(t, flag.Set(name, was)) }()
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newTwins(t)
		w.compare()
		for range rapid.IntRange(5, 40).Draw(t, "steps") {
			w.step()
			if w.over {
				return
			}
			if w.compare(); w.over {
				return
			}
		}
	})
}
