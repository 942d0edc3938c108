package portfolio

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/risk"
)

// --- tempests: all commands in any order

// tempest sends random commands of several bots to a harness, which checks every
// invariant after each, and keeps the fills that can still be voided.
type tempest struct {
	*harness
	r     *rapid.T
	fills []FillReport
	book  *permitBook
	read  int // of the log, by the book
	// booked are the fills in it: none stands there twice.
	booked map[domain.FillID]bool
}

func pick[T any](s *tempest, name string, from ...T) T {
	return rapid.SampledFrom(from).Draw(s.r, name)
}

func newTempest(r *rapid.T) *tempest {
	s := &tempest{harness: newHarness(r), r: r, book: newPermitBook(), booked: map[domain.FillID]bool{}}
	s.open(domain.ModePaper, func(p *domain.Policy) {
		p.LossDust = dec(pick(s, "dust", "0", "0.5"))
		p.BreakerStops = pick(s, "stops", domain.StopAll, domain.StopBot)
		p.ClosePositionsOnTrip = pick(s, "close", false, true)
		p.DailyLossTZ = pick(s, "zone", "UTC", "Europe/Berlin")
		if pick(s, "loose", false, true) {
			quietPolicy(p)
		}
		s.anyOptional(p)
	})
	s.market("spot", domain.KindSpot)
	s.market("perp", domain.KindPerp)
	s.must(func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "n", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Category: "news"})
	})
	s.must(func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "cup", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO", "DRAW"}, Category: "news"})
	})
	s.deposit("1500")
	for _, bot := range []string{"a", "b", "c"} {
		s.bot(bot, "400")
	}
	s.must(func(d *Decision) error {
		return d.RegisterBot(&domain.BotRegistered{Bot: "mm", Kind: domain.BotMarketMaker, InventoryCap: dec("12")}, dec("200"), true)
	})
	return s
}

// anyOptional sets some of the optional limits, tight enough to matter.
func (s *tempest) anyOptional(p *domain.Policy) {
	p.MaxOrderUSD = dec(pick(s, "max order", "0", "0", "5"))
	p.MaxPositionUSD = dec(pick(s, "max position", "0", "0", "8"))
	p.MaxOpenPositions = pick(s, "max open", 0, 0, 2)
	p.MaxBotCapitalPct = dec(pick(s, "bot capital", "0", "0", "0.01"))
	p.MaxCategoryExposurePct = dec(pick(s, "category", "0", "0", "0.01"))
	p.MaxOrdersPerMinute = pick(s, "rate", 0, 0, 3)
	p.MarkMaxAge = domain.Duration(pick(s, "mark age", 0, time.Hour))
	p.FeeBPS, p.PaperSlippageBPS = dec(pick(s, "fee bps", "0", "100")), dec(pick(s, "slippage", "0", "50"))
}

func (s *tempest) anyBot() string    { return pick(s, "bot", "a", "b", "c", "mm") }
func (s *tempest) anyMarket() string { return pick(s, "market", "m", "m", "n", "cup", "spot", "perp") }
func (s *tempest) outcome() string   { return pick(s, "outcome", "YES", "YES", "NO") }
func (s *tempest) price() string {
	return pick(s, "price", "0", "0.1", "0.25", "0.5", "0.51", "0.9", "1")
}

func (s *tempest) amount() string { return pick(s, "amount", "0.000001", "1", "10", "33.3", "400") }

// run sends one command. Refusals are fine: they must leave no trace.
func (s *tempest) run(name string, f func(*Decision) error) {
	before := s.hash()
	s.step = nil
	if _, err := s.try(f); err != nil {
		require.NotEqual(s.t, domain.CodeInternal, domain.CodeOf(err), name)
		require.Equal(s.t, before, s.hash(), "%s was refused and left a trace", name)
	}
	s.follow()
}

// follow lets the book read what has been recorded.
func (s *tempest) follow() {
	for ; s.read < len(s.log); s.read++ {
		s.book.read(s.log[s.read])
		if e, ok := s.log[s.read].event.(*domain.FillRecorded); ok {
			require.False(s.t, s.booked[e.FillID], "%s is booked twice", e.FillID)
			s.booked[e.FillID] = true
		}
	}
}

func (s *tempest) anyStep() {
	s.after(pick(s, "pause", 0, time.Second, time.Minute, 7*time.Hour))
	steps := []func(){s.anyFill, s.anyFill, s.anyFill, s.anyVoid, s.anyVoid, s.anyFlow, s.anyFlow, s.anyMark, s.anySettlement, s.anyReport, s.anyReset, s.anyPermit, s.anyPermit, s.anyPermit, s.anyArbitrage, s.anyArbitrage, s.anyJump, s.anyStop}
	steps = append(steps, s.anyNewcomer)
	steps[rapid.IntRange(0, len(steps)-1).Draw(s.r, "step")]()
}

func (s *tempest) anyFill() {
	r := s.report(s.anyBot(), s.anyMarket(), s.outcome(), pick(s, "side", buy, sell), pick(s, "quantity", "1", "2", "5.5", "10"), s.price())
	r.Fee = dec(pick(s, "fee", "0", "0", "0.01", "1"))
	if pick(s, "provisional", false, true) {
		r.Status = domain.FillProvisionalStatus
	}
	if pick(s, "by notional", false, false, true) {
		notional := dec(pick(s, "notional", "0", "1", "2.345678"))
		r.Notional = &notional
	}
	if ids := slices.Sorted(maps.Keys(s.s.Permits)); len(ids) > 0 && pick(s, "permitted", false, true) {
		r.PermitID = rapid.SampledFrom(ids).Draw(s.r, "permit")
	}
	if len(s.fills) > 0 && rapid.IntRange(0, 9).Draw(s.r, "again") == 0 {
		r = rapid.SampledFrom(s.fills).Draw(s.r, "repeated")
	}
	s.run("fill", func(d *Decision) error { return d.RecordFill(r) })
	s.fills = append(s.fills, r)
}

func (s *tempest) anyVoid() {
	id := domain.FillID{Bot: s.anyBot(), TradeID: fmt.Sprintf("f%d", s.nextID+1+rapid.IntRange(0, 3).Draw(s.r, "ahead"))}
	if len(s.fills) > 0 && rapid.IntRange(0, 7).Draw(s.r, "unknown") > 0 {
		id = rapid.SampledFrom(s.fills).Draw(s.r, "voided").FillID
	}
	if rapid.IntRange(0, 3).Draw(s.r, "confirm") == 0 {
		s.run("confirm", func(d *Decision) error { return d.ConfirmFill(id, "") })
		return
	}
	s.run("void", func(d *Decision) error { return d.VoidFill(id, "") })
}

func (s *tempest) ratios(bot string) []domain.Decimal {
	refs, equity := &s.s.Refs, s.s.Equity()
	if bot != "" {
		refs, equity = &s.s.Bots[bot].Refs, s.s.Bots[bot].Equity()
	}
	life := *refs
	life.Peak = life.LifetimePeak
	return []domain.Decimal{equity, refs.Drawdown(equity), refs.DailyLoss(equity), life.Drawdown(equity)}
}

// anyFlow checks a flow: “Property: |Δ ratio| ≤ 1e-12 across
// any flow with E, E+F > 0” (from 0.000001), and “Flows never evaluate
// breakers”.
func (s *tempest) anyFlow() {
	bot, before := s.anyBot(), map[string][]domain.Decimal{}
	if day, err := s.s.dayOf(s.now); err == nil && day > s.s.Day { // the day opens first: that is no flow
		s.void(domain.FillID{Bot: bot, TradeID: "never " + day})
	}
	for _, scope := range []string{"", bot} {
		before[scope] = s.ratios(scope)
	}
	amount := dec(s.amount())
	asset := pick(s, "asset", "", "", "ETH")
	switch pick(s, "flow", "deposit", "withdrawal", "allocation", "deallocation", "everything") {
	case "deposit":
		s.run("deposit", func(d *Decision) error {
			return d.Deposit(&domain.DepositRecorded{Wallet: pick(s, "wallet", "hot", "cold"), Asset: asset, Amount: amount})
		})
	case "withdrawal":
		s.run("withdrawal", func(d *Decision) error {
			return d.Withdraw(&domain.WithdrawalRecorded{Wallet: pick(s, "wallet", "hot", "cold"), Asset: asset, Amount: amount})
		})
	case "allocation":
		s.run("allocation", func(d *Decision) error { return d.Allocate(bot, amount) })
	case "deallocation":
		s.run("deallocation", func(d *Decision) error { return d.Allocate(bot, amount.Neg()) })
	case "everything":
		s.run("deallocation", func(d *Decision) error { return d.Allocate(bot, s.s.Bots[bot].Cash.Neg()) })
	}
	if s.s.Equity().Sign() >= 0 {
		require.Zero(s.t, s.count(domain.BreakerTrippedType)+s.count(domain.BreakerWarnedType), "a flow tripped")
	}
	least, most := dec("0.000001"), dec("0.000000000001")
	for scope, was := range before {
		now := s.ratios(scope)
		if !was[0].AtLeast(least) || !now[0].AtLeast(least) {
			continue
		}
		for i := 1; i < len(was); i++ {
			require.False(s.t, most.Less(was[i].Sub(now[i]).Abs()), "scope %q, ratio %d: %s became %s", scope, i, was[i], now[i])
		}
	}
}

func (s *tempest) anyMark() {
	if pick(s, "of an asset", false, false, true) {
		s.run("mark", func(d *Decision) error {
			return d.MarkPrices([]domain.Mark{{Asset: "ETH", Price: dec(pick(s, "rate", "0", "2", "3.5"))}})
		})
		return
	}
	s.run("mark", func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{
			{Market: s.anyMarket(), Outcome: s.outcome(), Price: dec(s.price())}, {Market: s.anyMarket(), Outcome: s.outcome(), Price: dec(s.price())},
		})
	})
}

func (s *tempest) anySettlement() {
	s.run("settlement", func(d *Decision) error {
		return d.Settle(&domain.MarketSettled{
			Instrument: domain.Instrument{Market: pick(s, "settled", "m", "n"), Outcome: s.outcome()},
			Payout:     dec(pick(s, "payout", "0", "1", "1")), Bot: pick(s, "narrowed", "", "", "a"),
		})
	})
}

func (s *tempest) anyReport() {
	bot := s.anyBot()
	switch pick(s, "report", "trade", "fee", "adjustment", "limits") {
	case "trade":
		s.nextID++
		e := &domain.TradeClosed{Bot: bot, Instrument: domain.Instrument{Market: "m"}, TradeID: fmt.Sprintf("r%d", s.nextID)}
		e.PnL, e.Fee = dec(pick(s, "pnl", "-20", "-0.5", "0", "0.5", "20")), dec(pick(s, "fee", "0", "0.3"))
		s.run("trade", func(d *Decision) error { return d.RecordTrade(e) })
	case "fee":
		s.run("fee", func(d *Decision) error {
			return d.RecordFee(&domain.FeeRecorded{Bot: pick(s, "payer", "", bot), Amount: dec(s.amount()), Kind: pick(s, "kind", domain.FeeTrading, domain.FeeGas, domain.FeeRebate)})
		})
	case "adjustment":
		s.run("adjustment", func(d *Decision) error {
			return d.Adjust(&domain.AdjustmentPosted{Account: pick(s, "account", "hot:treasury", "hot:bot/"+bot), Amount: dec(s.amount()).Neg(), Reason: "x"})
		})
	case "limits":
		s.run("limits", func(d *Decision) error {
			return d.ChangeLimits([]byte(pick(s, "patch", append(breakerLimits(), `{"loss_dust":"0"}`, `{"loss_dust":"1"}`,
				`{"daily_loss_tz":"Asia/Tokyo"}`, `{"max_orders_per_minute":2}`, `{"max_orders_per_minute":0}`, `{"max_order_usd":"3","max_bot_capital_pct":"0.01"}`)...)), "x")
		})
	}
}

func breakerNames() []string {
	var names []string
	for r := range risk.Rules() {
		names = append(names, r.Name)
	}
	return names
}

// breakerLimits are changes of limits: each breaker near, and off where it can be.
func breakerLimits() []string {
	var patches []string
	for r := range risk.Rules() {
		near := "0.03"
		if r.Whole {
			near = "2"
		}
		patches = append(patches, limitOf(r, near))
		if r.Optional() {
			patches = append(patches, limitOf(r, "0"))
		}
	}
	return patches
}

func (s *tempest) anyReset() {
	bot, breaker := s.anyBot(), pick(s, "breaker", breakerNames()...)
	key := risk.Key{Breaker: breaker}
	if isOfBot(breaker) {
		key.Bot = bot
	}
	s.run("reset", func(d *Decision) error { return d.ResetBreaker(key, "x", pick(s, "rebase", false, true)) })
	s.run("start", func(d *Decision) error { return d.StartBot(bot) })
}

func (s *tempest) anyOrder(bot string) domain.Order {
	return order(bot, s.anyMarket(), s.outcome(), pick(s, "side", buy, sell), pick(s, "quantity", "1", "4", "10"), pick(s, "limit", "0.1", "0.3", "0.5", "0.55", "0.85"))
}

func (s *tempest) anyPermit() {
	o := s.anyOrder(s.anyBot())
	o.Intent = pick(s, "intent", "", "", domain.IntentMarketMaking)
	o.ReduceOnly, o.PaperFill = pick(s, "reduce only", false, false, true), pick(s, "on paper", false, false, true)
	s.asks(asked{legs: []domain.Order{o}}, func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o}) },
		func() (PermitPreview, error) { return s.s.PreviewPermit(s.now, s.caller, PermitRequest{Order: o}) })
	for _, id := range slices.Sorted(maps.Keys(s.s.Permits)) {
		switch rapid.IntRange(0, 5).Draw(s.r, "then") {
		case 0:
			s.run("placed", func(d *Decision) error { return d.PlacePermit(id, nil) })
		case 2:
			expiry := s.now.Add(pick(s, "rests for", time.Second, time.Minute, 24*time.Hour))
			s.run("placed until", func(d *Decision) error { return d.PlacePermit(id, &expiry) })
		case 1:
			s.run("released", func(d *Decision) error { return d.ReleasePermit(id, "") })
		}
	}
}

// anyArbitrage asks for legs that may pay, or not, and be of one market, or not.
func (s *tempest) anyArbitrage() {
	bot, r := s.anyBot(), ArbitrageRequest{PaperFill: pick(s, "on paper", false, true), LegTimeout: pick(s, "time-out", 0, 10*time.Second)}
	r.Bot = bot
	a := asked{arbitrage: true}
	market := pick(s, "legs of", "n", "n", "cup")
	side, limit := pick(s, "side", buy, buy, sell), pick(s, "limit", "0.2", "0.3", "0.52")
	for _, outcome := range []string{"YES", "NO", "DRAW"}[:pick(s, "legs", 1, 2, 2, 3, 3)] {
		o := order(bot, market, outcome, side, pick(s, "quantity", "4", "10", "10"), limit)
		if pick(s, "another order", false, false, false, false, true) {
			o = s.anyOrder(bot)
		}
		a.legs = append(a.legs, o)
		r.Legs = append(r.Legs, PermitRequest{Order: o})
	}
	s.asks(a, func(d *Decision) error { return d.AskArbitrage(r) },
		func() (PermitPreview, error) { return s.s.PreviewArbitrage(s.now, s.caller, r) })
}

// anyNewcomer registers what may be registered already, redeems, and allocates anew.
func (s *tempest) anyNewcomer() {
	switch pick(s, "newcomer", "market", "bot", "redeem") {
	case "market":
		s.run("market", func(d *Decision) error {
			return d.RegisterMarket(&domain.MarketRegistered{
				Market: pick(s, "named", "m", "n", "fresh"), Kind: pick(s, "kind", domain.KindOutcome, domain.KindPerp), Outcomes: []string{"YES", "NO"},
			})
		})
	case "bot":
		s.run("bot", func(d *Decision) error {
			return d.RegisterBot(&domain.BotRegistered{Bot: pick(s, "called", "a", "d")}, dec("10"), true)
		})
	case "redeem":
		s.run("redeem", func(d *Decision) error {
			_, err := d.Redeem(s.anyBot(), s.anyMarket(), dec(pick(s, "redeemed", "0", "1", "10")), dec(pick(s, "for", "0", "1")))
			return err
		})
	}
}

func (s *tempest) anyJump() {
	s.run("jump", func(d *Decision) error {
		by := pick(s, "by", -time.Minute, 10*time.Second)
		d.ClockJumped(Jump{By: by, Forward: max(by, 0)})
		return d.TimeOutLegs()
	})
}

// asks holds the answer to a request against the book's: granted or denied, every
// reason, and what is reserved. The preview says the same, and changes nothing.
func (s *tempest) asks(a asked, f func(*Decision) error, preview func() (PermitPreview, error)) {
	// The day opens, and legs time out, before anything is decided.
	s.run("due", func(d *Decision) error { return d.TimeOutLegs() })
	want, before := s.book.judge(s.s, a, s.now), s.hash()
	shown, refusal := preview()
	require.Equal(s.t, before, s.hash(), "a preview left a trace")
	s.run("permit", f)
	reserved, got, answered := rat(0), map[domain.ReasonCode]bool{}, false
	for _, e := range s.step {
		switch e := e.(type) {
		case *domain.PermitGranted:
			reserved, answered = plus(reserved, ratOf(e.Reserved)), true
		case *domain.PermitDenied:
			answered = true
			for _, r := range e.Reasons {
				got[r.Code] = true
			}
		case *domain.ArbitrageDenied:
			answered = true
			for _, r := range e.Reasons {
				got[r.Code] = true
			}
		}
	}
	if !answered { // refused, or denied a moment ago for the same reasons
		return
	}
	require.NoError(s.t, refusal)
	require.Equal(s.t, len(got) == 0, shown.Allowed, "the preview")
	for _, r := range shown.Reasons {
		require.True(s.t, got[r.Code], "the preview says %s", r.Code)
	}
	for code := range want.unsure {
		delete(got, code)
		delete(want.reasons, code)
	}
	require.Equal(s.t, want.reasons, got, "%+v", a)
	if len(got) == 0 && len(want.unsure) == 0 {
		require.True(s.t, near(want.reserved, reserved), "reserved %s, want %s", reserved.FloatString(18), want.reserved.FloatString(18))
	}
}

func (s *tempest) anyStop() {
	switch pick(s, "stop", "bot", "all", "clear", "clear") {
	case "bot":
		s.run("stop", func(d *Decision) error { return d.StopBot(s.anyBot(), "x") })
	case "all":
		s.run("emergency stop", func(d *Decision) error { return d.EngageStop(domain.StopManual, "x") })
	case "clear":
		s.run("request", func(d *Decision) error { return d.RequestClear("x") })
		s.as(domain.RoleApprover, "paul")
		s.run("confirm", func(d *Decision) error { return d.ConfirmClear(s.s.Stop.Request) })
		s.operator()
	}
}

// Any commands in any order: the harness checks after each of them that the
// postings sum to zero, that the caches agree with the books, and that a state
// folded from the recorded bytes, through a snapshot at every step, is the same.
// A plain model of positions, cash and trades says the same numbers.
func TestAnyCommands(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newTempest(r)
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			s.anyStep()
		}
		modelOf(s.log).compare(s.harness)
		s.compareReservations()
		s.compareSplits()
	})
}

// compareReservations: after everything, every live permit has left and reserves what
// the book says, and no other is live.
func (s *tempest) compareReservations() {
	s.follow()
	live := 0
	for _, p := range s.s.Permits {
		if !p.Live(s.now) {
			continue
		}
		live++
		b := s.book.find(p.ID, s.now)
		require.NotNil(s.t, b, "%s", p.ID)
		require.Equal(s.t, b.left.RatString(), ratOf(p.Left).RatString(), "%s: left", p.ID)
		require.Equal(s.t, b.willClose.RatString(), ratOf(p.ReducingLeft).RatString(), "%s: closes", p.ID)
		require.True(s.t, near(s.book.reserves(b), ratOf(p.Reserved)), "%s: reserved %s, want %s", p.ID, p.Reserved, s.book.reserves(b).FloatString(18))
	}
	for _, b := range s.book.permits {
		if b.live(s.now) {
			live--
		}
	}
	require.Zero(s.t, live)
}

// compareSplits: folding a snapshot and a tail, cut anywhere, even inside one
// append, is folding the whole.
func (s *tempest) compareSplits() {
	cut := rapid.IntRange(0, len(s.log)).Draw(s.r, "cut")
	state := New()
	for i, rec := range s.log {
		if i == cut {
			b, err := state.Snapshot()
			require.NoError(s.t, err)
			state, err = Restore(b)
			require.NoError(s.t, err)
		}
		state.Apply(rec.at, rec.event)
	}
	hash, err := state.Hash()
	require.NoError(s.t, err)
	require.Equal(s.t, s.hash(), hash)
}

// --- a plain model: what the events say, with math/big, from the beginning

// model holds the facts of each position in order, voided ones taken out: what
// it computes is as if they had never been.
type model struct {
	facts map[holder][]modelFact
	marks map[domain.Instrument][]modelFact
	cash  map[string]*big.Rat
}

type holder struct {
	bot string
	domain.Instrument
}

type modelFact struct {
	id                            domain.FillID
	payout, signed, notional, fee *big.Rat
	mark                          *big.Rat
}

func ratOf(d domain.Decimal) *big.Rat {
	r, _ := new(big.Rat).SetString(d.String())
	return r
}

func modelOf(log []recorded) *model {
	m := &model{facts: map[holder][]modelFact{}, marks: map[domain.Instrument][]modelFact{}, cash: map[string]*big.Rat{}}
	for _, rec := range log {
		m.read(rec.event)
	}
	return m
}

func (m *model) add(bot string, amount domain.Decimal) {
	if m.cash[bot] == nil {
		m.cash[bot] = new(big.Rat)
	}
	m.cash[bot].Add(m.cash[bot], ratOf(amount))
}

func (m *model) read(e domain.Event) {
	switch e := e.(type) {
	case *domain.BotCapitalAllocated:
		m.add(e.Bot, e.Amount)
	case *domain.FeeRecorded:
		if e.Kind == domain.FeeRebate {
			m.add(e.Bot, e.Amount)
			return
		}
		m.add(e.Bot, e.Amount.Neg())
	case *domain.AdjustmentPosted:
		if bot, ok := strings.CutPrefix(e.Account, "hot:bot/"); ok {
			m.add(bot, e.Amount)
		}
	case *domain.TradeClosed:
		if e.ClosedBy == domain.ClosedByReport {
			m.add(e.Bot, e.PnL)
		}
	case *domain.FillRecorded:
		m.readFill(e)
	case *domain.FillVoided:
		gone := func(f modelFact) bool { return f.id == e.FillID }
		for k := range m.facts {
			m.facts[k] = slices.DeleteFunc(m.facts[k], gone)
		}
		for k := range m.marks {
			m.marks[k] = slices.DeleteFunc(m.marks[k], gone)
		}
	case *domain.PriceMarked:
		for _, mark := range e.Marks {
			i := domain.Instrument{Market: mark.Market, Outcome: mark.Outcome}
			m.marks[i] = append(m.marks[i], modelFact{mark: ratOf(mark.Price)})
		}
	case *domain.MarketSettled:
		m.marks[e.Instrument] = append(m.marks[e.Instrument], modelFact{mark: ratOf(e.Payout)})
		for _, bot := range []string{"a", "b", "c", "mm"} {
			if e.Bot == "" || e.Bot == bot {
				k := holder{bot, e.Instrument}
				m.facts[k] = append(m.facts[k], modelFact{payout: ratOf(e.Payout)})
			}
		}
	}
}

func (m *model) readFill(e *domain.FillRecorded) {
	if slices.Contains(e.Flags, domain.FlagVoided) {
		return
	}
	f := modelFact{id: e.FillID, signed: ratOf(e.Quantity), notional: ratOf(e.Notional), fee: ratOf(e.Fee)}
	if e.Side == sell {
		f.signed.Neg(f.signed)
	}
	k := holder{e.Bot, e.Instrument}
	m.facts[k] = append(m.facts[k], f)
	if e.Mark != nil {
		m.marks[e.Instrument] = append(m.marks[e.Instrument], modelFact{id: e.FillID, mark: ratOf(*e.Mark)})
	}
}

// plain is a position at average cost in exact fractions.
type plain struct {
	quantity, cost, cash, pnl *big.Rat // pnl of the open episode, net
	closed                    []*big.Rat
}

func (p *plain) play(f modelFact) {
	signed, notional, fee := f.signed, f.notional, f.fee
	if f.payout != nil {
		signed = new(big.Rat).Neg(p.quantity)
		notional, fee = new(big.Rat).Mul(new(big.Rat).Abs(signed), f.payout), new(big.Rat)
	}
	if signed.Sign() == 0 {
		return
	}
	if p.quantity.Sign()*signed.Sign() < 0 && new(big.Rat).Abs(p.quantity).Cmp(new(big.Rat).Abs(signed)) < 0 {
		part := new(big.Rat).Quo(new(big.Rat).Abs(p.quantity), new(big.Rat).Abs(signed))
		closing := modelFact{signed: new(big.Rat).Neg(p.quantity), notional: new(big.Rat).Mul(notional, part), fee: new(big.Rat).Mul(fee, part)}
		p.play(closing)
		p.play(modelFact{
			signed: new(big.Rat).Sub(signed, closing.signed), notional: new(big.Rat).Sub(notional, closing.notional), fee: new(big.Rat).Sub(fee, closing.fee),
		})
		return
	}
	paid := new(big.Rat).Set(notional) // by a buy
	if signed.Sign() < 0 {
		paid.Neg(paid)
	}
	if p.quantity.Sign()*signed.Sign() < 0 {
		out := new(big.Rat).Mul(p.cost, new(big.Rat).Quo(signed, p.quantity)) // negative share of the cost
		p.pnl.Add(p.pnl, new(big.Rat).Neg(new(big.Rat).Sub(paid, out)))
		p.cost.Add(p.cost, out)
	} else {
		p.cost.Add(p.cost, paid)
	}
	p.quantity.Add(p.quantity, signed)
	p.cash.Sub(p.cash, paid).Sub(p.cash, fee)
	p.pnl.Sub(p.pnl, fee)
	if p.quantity.Sign() == 0 {
		p.closed, p.pnl = append(p.closed, p.pnl), new(big.Rat)
	}
}

var tolerance = big.NewRat(1, 1_000_000_000_000)

func near(a, b *big.Rat) bool { return new(big.Rat).Abs(new(big.Rat).Sub(a, b)).Cmp(tolerance) <= 0 }

func (m *model) compare(h *harness) {
	h.t.Helper()
	closed := map[string][]*big.Rat{}
	value := map[string]*big.Rat{"a": new(big.Rat), "b": new(big.Rat), "c": new(big.Rat), "mm": new(big.Rat)}
	for k, facts := range m.facts {
		p := &plain{new(big.Rat), new(big.Rat), new(big.Rat), new(big.Rat), nil}
		for _, f := range facts {
			p.play(f)
		}
		m.cash[k.bot].Add(m.cash[k.bot], p.cash)
		closed[k.bot] = append(closed[k.bot], p.closed...)
		held := h.position(k.bot, k.Market, k.Outcome)
		require.Equal(h.t, p.quantity.RatString(), ratOf(held.Quantity).RatString(), "%v: quantity", k)
		require.True(h.t, near(p.cost, ratOf(held.Cost)), "%v: cost %s, want %s", k, held.Cost, p.cost.FloatString(18))
		worth := p.cost
		if marks := m.marks[k.Instrument]; len(marks) > 0 {
			last := marks[len(marks)-1].mark
			require.Equal(h.t, last.RatString(), ratOf(h.markOf(k.Market, k.Outcome).Price).RatString(), "%v: mark", k)
			worth = new(big.Rat).Mul(p.quantity, last)
		}
		value[k.bot].Add(value[k.bot], worth)
	}
	for bot, worth := range value {
		b := h.s.Bots[bot]
		require.Equal(h.t, m.cash[bot].RatString(), ratOf(b.Cash).RatString(), "%s: cash", bot)
		require.True(h.t, near(new(big.Rat).Add(m.cash[bot], worth), ratOf(b.Equity())), "%s: equity", bot)
		var got []*big.Rat
		if f := h.facts[bot]; f != nil {
			for trade, figures := range f.figures {
				if figures != nil && !f.reports[trade] {
					got = append(got, ratOf(figures.PnL))
				}
			}
		}
		want := closed[bot]
		require.Len(h.t, got, len(want), "%s: closed trades", bot)
		slices.SortFunc(got, (*big.Rat).Cmp)
		slices.SortFunc(want, (*big.Rat).Cmp)
		for i := range want {
			require.True(h.t, near(want[i], got[i]), "%s: P&L %s, want %s", bot, got[i].FloatString(18), want[i].FloatString(18))
		}
	}
}

// --- any events at all

// arbitrary fills v with anything its type can hold.
func arbitrary(r *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case domain.Decimal:
		v.Set(reflect.ValueOf(dec(rapid.SampledFrom([]string{
			"0", "1", "-1", "0.5", "0.3", "7", "100", "-100", "0.000000000000000001", "-0.000000000000000001",
			"999999999999999.999999999999999999", "-999999999999999.999999999999999999",
		}).Draw(r, "decimal"))))
		return
	case time.Time:
		v.Set(reflect.ValueOf(noon.Add(time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(r, "time")))))
		return
	}
	if raw, ok := v.Addr().Interface().(*json.RawMessage); ok {
		*raw = json.RawMessage(rapid.SampledFrom([]string{"{}", `{"loss_dust":"1"}`, `{"a":[1,2]}`}).Draw(r, "json"))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.SampledFrom(append([]string{
			"a", "b", "zz", "", "m", "YES", "USDC", "ETH", "hot", "cold", "buy", "sell", "confirmed", "provisional", "voided", "oversold",
			"t1", "t2", "p1", "p2", "trading", "gas", "rebate", "hot:bot/a", "hot:treasury", "report", "fill", "win", "loss", "neutral",
			"bot", "portfolio", "all",
			"x1", "x2", "x3", "hot-1", "cold-1", "external", "withdrawal", "sweep", polygon, friend,
			"outcome", "spot", "perp", "UTC", "Nowhere/Land", "2026-03-11", "|", "x\x00y",
		}, breakerNames()...)).Draw(r, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(r, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.SampledFrom([]int64{0, 1, 2, 3, -1, 1000, -1 << 63, 1<<63 - 1}).Draw(r, "int"))
	case reflect.Uint64:
		v.SetUint(rapid.SampledFrom([]uint64{0, 1, 1<<64 - 1}).Draw(r, "uint"))
	case reflect.Pointer:
		if rapid.Bool().Draw(r, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			arbitrary(r, v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(r, "len"), 3))
		for i := range v.Len() {
			arbitrary(r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 2).Draw(r, "len") {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			arbitrary(r, key)
			arbitrary(r, value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			arbitrary(r, v.Field(i))
		}
	default:
		r.Fatalf("an event holds a %s: teach this test to draw one", v.Type())
	}
}

// anyEvent draws one of any type, as the stream would give it back.
func anyEvent(r *rapid.T) domain.Event {
	eventType := rapid.SampledFrom(domain.EventTypes()).Draw(r, "type")
	e, err := domain.Decode(eventType, []byte("{}"))
	require.NoError(r, err)
	arbitrary(r, reflect.ValueOf(e).Elem())
	data, err := domain.Encode(e)
	require.NoError(r, err)
	e, err = domain.Decode(e.EventType(), data)
	require.NoError(r, err, "%s", data)
	return e
}

// Apply “is total: it never fails” on any decodable event in any order; the
// postings sum to zero whatever they say, and the same events always give the
// same state. No decision panics on what they leave behind.
func TestApplyIsTotal(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		one, two := New(), New()
		start := rapid.Bool().Draw(r, "opened")
		mode := rapid.SampledFrom([]domain.Mode{domain.ModePaper, domain.ModeLive}).Draw(r, "mode")
		for n := range rapid.IntRange(1, 40).Draw(r, "events") {
			var e domain.Event = &domain.PortfolioOpened{
				Portfolio: "main", Mode: mode, Clock: domain.ClockWall, BaseAsset: "USDC", Policy: domain.DefaultPolicy(mode),
			}
			if n > 0 || !start {
				e = anyEvent(r)
			}
			at := domain.Stamp{Revision: uint64(n), Time: noon.Add(time.Duration(n) * time.Hour)}
			one.Apply(at, e)
			two.Apply(at, e)
			require.Empty(r, one.Book.TrialBalance(), "%T %+v", e, e)
			for _, a := range one.SortedInstruments() {
				require.True(r, slices.IsSortedFunc(a.Holdings, func(x, y *Holding) int { return strings.Compare(x.Bot, y.Bot) }))
			}
		}
		hash, err := one.Hash()
		require.NoError(r, err)
		again, err := two.Hash()
		require.NoError(r, err)
		require.Equal(r, hash, again)
		decideAnything(r, one)
	})
}

// decideAnything asks for everything; any answer will do.
func decideAnything(r *rapid.T, s *State) {
	for _, f := range []func(*Decision) error{
		func(d *Decision) error {
			return d.RecordFill(FillReport{FillID: domain.FillID{Bot: "a", TradeID: "new"}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: buy, Quantity: dec("1"), Price: dec("0.5")})
		},
		func(d *Decision) error {
			return d.AskPermit(PermitRequest{Order: order("a", "m", "YES", sell, "1", "0.5")})
		},
		func(d *Decision) error {
			return d.Settle(&domain.MarketSettled{Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Payout: dec("1")})
		},
		func(d *Decision) error {
			return d.MarkPrices([]domain.Mark{{Market: "m", Outcome: "YES", Price: dec("0.5")}})
		},
		func(d *Decision) error {
			return d.ResetBreaker(risk.Key{Breaker: domain.BotDrawdown, Bot: "a"}, "x", true)
		},
		func(d *Decision) error { return d.Allocate("a", dec("-1")) },
		func(d *Decision) error { return d.StartBot("a") },
		func(d *Decision) error { return d.EngageStop(domain.StopManual, "x") },
	} {
		d := s.Begin(noon.Add(1000*time.Hour), domain.Caller{User: "olga", Role: domain.RoleOperator})
		if f(d) == nil {
			_ = d.Finish()
		}
		require.Empty(r, s.Book.TrialBalance())
	}
	decideAnyCustody(r, s)
	for id := range s.Past.(*wholePast).first {
		_ = s.Begin(noon, domain.Caller{Role: domain.RoleOperator}).VoidFill(id, "")
	}
}

// The same of transfers alone: every event of two transfers in any order, also what no
// decision would ever have emitted.
func TestApplyTransfersIsTotal(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := New()
		s.Apply(domain.Stamp{Time: noon}, &domain.PortfolioOpened{
			Portfolio: "main", Mode: domain.ModeLive, Clock: domain.ClockWall, BaseAsset: "USDC", Policy: domain.DefaultPolicy(domain.ModeLive),
		})
		s.Apply(domain.Stamp{Revision: 1, Time: noon}, walletOf("hot-1", domain.WalletHot))
		types := slices.DeleteFunc(domain.EventTypes(), func(t string) bool {
			return !strings.HasPrefix(t, "transfer.") && !strings.HasPrefix(t, "emergency_stop.e")
		})
		for n := range rapid.IntRange(1, 20).Draw(r, "events") {
			e, err := domain.Decode(rapid.SampledFrom(types).Draw(r, "type"), []byte("{}"))
			require.NoError(r, err)
			v := reflect.ValueOf(e).Elem()
			arbitrary(r, v)
			if id := v.FieldByName("Transfer"); id.IsValid() {
				id.SetString(rapid.SampledFrom([]string{"x1", "x2"}).Draw(r, "of"))
			}
			data, err := domain.Encode(e)
			require.NoError(r, err)
			e, err = domain.Decode(e.EventType(), data)
			require.NoError(r, err)
			s.Apply(domain.Stamp{Revision: uint64(n) + 2, Time: noon.Add(time.Duration(n) * time.Hour)}, e)
			require.Empty(r, s.Book.TrialBalance(), "%T %+v", e, e)
		}
		decideAnyCustody(r, s)
	})
}

// decideAnyCustody asks for everything about wallets and transfers, of those that the
// events have named.
func decideAnyCustody(r *rapid.T, s *State) {
	asks := []func(*Decision) error{
		func(d *Decision) error { return d.RegisterWallet(walletOf("hot-1", domain.WalletHot)) },
		func(d *Decision) error { return d.RegisterWallet(walletOf("cold-1", domain.WalletCold)) },
		func(d *Decision) error {
			return d.RecordKey(domain.KeyRecovered, domain.KeyCreated{Wallet: "hot-1", Address: walletOf("hot-1", "").Address, KeyID: "00000000"})
		},
		func(d *Decision) error {
			return d.AddAddress(&domain.AddressAdded{Chain: polygon, Address: friend, Label: "x"})
		},
		func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "hot", To: "cold", Amount: dec("1"), Reason: "x"})
		},
		func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "hot", To: "cold", Reason: "x", Sweep: true})
		},
		func(d *Decision) error { return d.ProposeRebalance() },
		func(d *Decision) error {
			return d.Reconcile(1, noon, []Reading{{Wallet: "hot-1", Asset: "USDC", Amount: dec("1")}})
		},
		func(d *Decision) error { return d.ChangeTreasuryPolicy([]byte(`{"approval_ttl":"1h"}`), "x") },
		func(d *Decision) error {
			return d.RemoveAddress(&domain.AddressRemoved{Chain: polygon, Address: friend, Reason: "x"})
		},
	}
	for _, id := range slices.Sorted(maps.Keys(s.Custody.Transfers)) {
		t := *s.Custody.Transfers[id]
		p := transactionOf(&t, 1, "0.1")
		if last := t.Last(); last != nil {
			p.Nonce, p.Digest = last.Nonce, last.Digest
		}
		asks = append(asks,
			func(d *Decision) error { return d.ApproveTransfer(id, t.Hash) },
			func(d *Decision) error { return d.PrepareTransfer(id, p) },
			func(d *Decision) error { return d.RepriceTransfer(id, p) },
			func(d *Decision) error {
				return d.SignTransfer(&domain.TransferSigned{Transfer: id, Digest: p.Digest, TxHash: hashOf(p.Digest)})
			},
			func(d *Decision) error { return d.BroadcastTransfer(id, hashOf(p.Digest)) },
			func(d *Decision) error {
				return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: id, TxHash: hashOf(p.Digest), Fee: dec("1")})
			},
			func(d *Decision) error {
				return d.FailTransfer(&domain.TransferFailed{Transfer: id, Code: domain.FailedReplaced})
			},
			func(d *Decision) error { return d.RejectTransfer(id, "x") },
		)
	}
	for _, id := range slices.Sorted(maps.Keys(s.Permits)) {
		o := domain.TypedOrder{Digest: strings.Repeat("0", 64), Side: buy, Quantity: dec("1"), Notional: dec("0.5")}
		asks = append(asks, func(d *Decision) error { return d.SignOrder(SignRequest{Permit: id, Order: o}) })
	}
	for _, f := range asks {
		d := s.Begin(noon.Add(1000*time.Hour), domain.Caller{User: "olga", Role: domain.RoleOperator})
		if f(d) == nil {
			_ = d.Finish()
		}
		require.Empty(r, s.Book.TrialBalance())
	}
}
