package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/portfolio/modeltest"
	"pets/eventstore/memory"
	"pets/internal/testenv"
)

// storm sends random commands of random bots to two servers on one store that fails now
// and then, and does the same in the plain model. After each command it compares the
// state of the stored records with the model: see storm_compare_test.go.
type storm struct {
	*rapid.T
	store   *faulty
	clock   *clock
	writers []*Writer
	caches  stormCache
	m       *modeltest.Model
	// s is folded from the records as they arrive, and is restored from a snapshot after
	// every step.
	s      *portfolio.State
	next   uint64
	events []domain.Event // of the last step
	policy domain.Policy

	sent    []sentRequest
	fills   []RecordFill
	permits map[string]*modeltest.Permit
	names   []string // of the permits, oldest first
	profits map[string]map[string]domain.Decimal
	request string // to clear the emergency stop
	steps   int
}

type sentRequest struct {
	Request
	answer Answer
}

// stormCache keeps the newest checkpoints of a writer.
type stormCache map[string]stormCached

type stormCached struct {
	revision uint64
	data     []byte
}

func (c stormCache) Load(kind, _ string, atMost uint64) (uint64, []byte) {
	if is := c[kind]; is.revision <= atMost {
		return is.revision, is.data
	}
	return 0, nil
}

func (c stormCache) Save(kind, _ string, revision uint64, data []byte) {
	c[kind] = stormCached{revision, data}
}

// stormSeen counts what the storms encountered: a storm that meets nothing proves
// nothing.
var stormSeen = map[string]int{}

// TestStorm: "random storms of all commands with an independent plain model beside
// the engine".
func TestStorm(t *testing.T) {
	clear(stormSeen)
	rapid.Check(t, func(r *rapid.T) {
		s := newStorm(t, r)
		defer s.close()
		steps := 20 + s.below(41, "steps")
		steps = max(1, steps*testenv.Rounds(1, 2, 5)/5)
		for range steps {
			s.step()
			s.compare()
			stormSeen["steps"]++
		}
	})
	for _, what := range slices.Sorted(maps.Keys(stormSeen)) {
		t.Logf("%6d %s", stormSeen[what], what)
	}
}

// evenly draws 0 to 1023, each as often as the other. The ranges of package rapid prefer
// the first few, which makes a weak storm.
var evenly = rapid.Custom(func(t *rapid.T) int {
	n := 0
	for range 10 {
		n <<= 1
		if rapid.Bool().Draw(t, "bit") {
			n++
		}
	}
	return n
})

// below draws 0 to n − 1.
func (s *storm) below(n int, name string) int { return evenly.Draw(s.T, name) % n }

func draw[T any](s *storm, name string, from ...T) T { return from[s.below(len(from), name)] }

// once is true once in n times.
func (s *storm) once(n int, name string) bool { return s.below(n, name) == n-1 }

func newStorm(t testing.TB, r *rapid.T) *storm {
	s := &storm{
		T: r, store: &faulty{Store: memory.New(), t: t, blocked: make(chan struct{}, 1)}, clock: newClock(), caches: stormCache{},
		s: portfolio.New(), permits: map[string]*modeltest.Permit{}, profits: map[string]map[string]domain.Decimal{},
	}
	s.writers = []*Writer{s.writer(), s.writer()}
	p := domain.DefaultPolicy(domain.ModePaper)
	p.BreakerStops = draw(s, "stops", domain.StopAll, domain.StopBot)
	p.ClosePositionsOnTrip = draw(s, "close", false, true)
	if draw(s, "loose", true, true, false) {
		p.MaxConsecutiveLosses, p.MaxDailyLossPct, p.MaxBotDrawdownPct, p.MaxPortfolioDrawdownPct = 1000, dec("0.99"), dec("0.99"), dec("0.99")
	}
	if draw(s, "narrow zones", false, true) {
		p.BlockedZones, p.ZoneBounds[0] = nil, dec("0.01")
	}
	p.FeeBPS = dec(draw(s, "fee", "0", "100"))
	p = s.tighten(p)
	s.policy = p
	s.m = modeltest.New(rulesOf(p), s.clock.Now())
	s.must(olga, OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: p})
	s.must(olga, deposit("300"))
	s.m.Deposit(modeltest.N("300"), false)
	for _, m := range []RegisterMarket{{Market: "spot", Kind: domain.KindSpot}, {Market: "perp", Kind: domain.KindPerp}, {Market: "m", Kind: domain.KindOutcome, Category: "c", Outcomes: []string{"YES", "NO"}}} {
		s.must(olga, m)
		require.True(r, s.m.Register(m.Market, string(m.Kind), m.Category, m.Outcomes...))
	}
	for _, bot := range stormBots {
		s.must(olga, RegisterBot{ID: bot, Capital: dec("60"), Start: true})
		require.True(r, s.m.AddBot(bot, modeltest.N("60")))
	}
	return s
}

var stormBots = []string{"a", "b", "c"}

// tighten sets some of the optional limits close to the current values.
func (s *storm) tighten(p domain.Policy) domain.Policy {
	if s.once(3, "order limit") {
		p.MaxOrderUSD = dec(draw(s, "max order", "0", "0", "5", "10"))
	}
	if s.once(3, "position limit") {
		p.MaxPositionUSD = dec(draw(s, "max position", "0", "0", "10", "20"))
	}
	if s.once(3, "open limit") {
		p.MaxOpenPositions = draw(s, "max open", 0, 0, 2, 3)
	}
	if s.once(3, "bot limit") {
		p.MaxBotCapitalPct = dec(draw(s, "max bot", "0", "0", "0.05", "0.1"))
	}
	if s.once(3, "category limit") {
		p.MaxCategoryExposurePct = dec(draw(s, "max category", "0", "0", "0.05", "0.1"))
	}
	if s.once(3, "rate limit") {
		p.MaxOrdersPerMinute = draw(s, "max rate", 0, 0, 2, 4)
	}
	if s.once(3, "age limit") {
		p.MarkMaxAge = domain.Duration(draw(s, "max age", 0, 0, 30*time.Second))
	}
	return p
}

func (s *storm) writer() *Writer {
	return NewWriter(s.store, "main", lookingUp(s.store.Store, Options{Now: s.clock.Now, Checkpoints: s.caches}))
}

func (s *storm) close() {
	for _, w := range s.writers {
		w.Close()
	}
}

// send sends a command to either server until it has an answer: the recorded events, or a
// code.
func (s *storm) send(by domain.Caller, command Command) (Answer, domain.Code) {
	if s.once(12, "trouble") {
		s.store.plan(draw(s, "fault", fault{err: errUnknown, write: true}, fault{err: errUnknown}, fault{err: errDown}))
	}
	r := Request{Caller: by, Key: fmt.Sprint("key", len(s.sent), "-", s.steps), Command: command}
	s.steps++
	body, err := json.Marshal(command)
	require.NoError(s, err)
	s.Logf("%s %s: %s %s %s", s.clock.Now().Format(time.DateTime), r.Key, by.User, nameOf(command), body)
	for range 100 {
		answer, err := s.writers[s.below(2, "server")].Do(context.Background(), r)
		switch code := domain.CodeOf(err); {
		case err == nil:
			s.sent = append(s.sent, sentRequest{r, answer})
			s.read()
			return answer, ""
		case code != domain.CodeUnavailable:
			require.NotEqual(s, domain.CodeInternal, code, "%v", err)
			s.read()
			require.Empty(s, s.events, "what is refused records nothing")
			return Answer{}, code
		}
	}
	require.Fail(s, "no answer")
	return Answer{}, ""
}

func (s *storm) must(by domain.Caller, command Command) Answer {
	a, code := s.send(by, command)
	require.Empty(s, code)
	return a
}

// both sends a command that the model answered with ok, or with a code.
func (s *storm) both(by domain.Caller, command Command, want string) {
	_, code := s.send(by, command)
	require.Equal(s, want, string(code), "%#v", command)
}

func codeIf(ok bool, code domain.Code) string {
	if ok {
		return ""
	}
	return string(code)
}

// read folds the new records of the store.
func (s *storm) read() {
	s.events = nil
	for rec, err := range s.store.Store.ReadStream(context.Background(), Stream("main"), s.next) {
		require.NoError(s, err)
		s.next = rec.Revision + 1
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(s, err)
		s.s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		s.events = append(s.events, e)
		s.follow(e)
	}
	b, err := s.s.Snapshot()
	require.NoError(s, err)
	s.s, err = portfolio.Restore(b)
	require.NoError(s, err)
}

// follow sums the P&L of the trades that count.
func (s *storm) follow(e domain.Event) {
	of := func(bot string) map[string]domain.Decimal {
		if s.profits[bot] == nil {
			s.profits[bot] = map[string]domain.Decimal{}
		}
		return s.profits[bot]
	}
	stormSeen[e.EventType()]++
	switch e := e.(type) {
	case *domain.FillRecorded:
		for _, flag := range e.Flags {
			stormSeen["fill "+flag]++
		}
	case *domain.PermitDenied:
		for _, r := range e.Reasons {
			stormSeen["denied "+string(r.Code)]++
		}
	case *domain.BreakerTripped:
		stormSeen["tripped "+e.Breaker]++
	case *domain.TradeClosed:
		of(e.Bot)[e.Trade] = e.PnL
	case *domain.TradeRevised:
		delete(of(e.Bot), e.Trade)
		if e.After != nil {
			of(e.Bot)[e.Trade] = e.After.PnL
		}
	}
}

// --- steps

func (s *storm) step() {
	pause := draw(s, "pause", 0, 0, 0, 0, 0, 0, 0, 0, time.Second, 9*time.Second, 29*time.Second, 30*time.Second, time.Minute, 9*time.Hour)
	s.clock.add(pause)
	s.m.At(s.clock.Now())
	steps := []func(){
		s.ask, s.ask, s.ask, s.ask, s.ask, s.ask, s.ask, s.fill, s.fill, s.fill, s.fill, s.fill, s.fill, s.order, s.order,
		s.takeBack, s.takeBack, s.money, s.mark, s.settle, s.report, s.person, s.limits, s.again, s.restart, s.market,
	}
	steps[s.below(len(steps), "step")]()
}

func (s *storm) bot() string { return draw(s, "bot", stormBots...) }

func (s *storm) thing() domain.Instrument {
	return draw(s, "thing",
		domain.Instrument{Market: "m", Outcome: "YES"}, domain.Instrument{Market: "m", Outcome: "YES"}, domain.Instrument{Market: "m", Outcome: "NO"},
		domain.Instrument{Market: "n", Outcome: "YES"}, domain.Instrument{Market: "perp", Outcome: "X"}, domain.Instrument{Market: "spot", Outcome: "X"})
}

func thingOf(i domain.Instrument) modeltest.Thing {
	return modeltest.Thing{Market: i.Market, Outcome: i.Outcome}
}

func num(d domain.Decimal) modeltest.Num { return modeltest.N(d.String()) }

func (s *storm) ask() {
	a := s.anyOrder()
	before := s.m.Free(a.Bot)
	permit, why := s.m.Ask(orderOf(a), false)
	answer := s.must(botCaller(a.Bot), a)
	require.Equal(s, reasonsOf(why), reasonsIn(answer.Permit.Reasons), "%+v", a)
	require.Equal(s, permit != nil, answer.Permit.Allowed)
	if permit != nil {
		require.Equal(s, s.m.Reserved(permit).RatString(), num(answer.Permit.Reserved).RatString(), "reserved")
		s.permits[answer.Permit.PermitID] = permit
		s.names = append(s.names, answer.Permit.PermitID)
		s.noOverrun(a, before)
	}
}

func (s *storm) anyOrder() AskPermit {
	a := AskPermit{
		Bot: s.bot(), Instrument: s.thing(), Side: draw(s, "side", domain.Buy, domain.Sell),
		Quantity:   dec(draw(s, "quantity", "1", "3", "10", "10", "20", "20", "50", "130", "0.000000000000000001")),
		LimitPrice: dec(draw(s, "limit", "0.5", "0.5", "0.5", "0.5", "0.4", "0.55", "0.05", "0.04", "0.6", "0.95", "2")),
		ReduceOnly: s.once(6, "reduce only"),
	}
	if held := s.held(a.Bot); held != nil && s.once(3, "closes") {
		a.Instrument, a.Side, a.Quantity = held.thing, held.against, draw(s, "how much", held.quantity, held.quantity, held.quantity.Add(dec("3")), dec("1"))
		a.LimitPrice = dec(draw(s, "limit", "0.5", "0.5", "0.4"))
	}
	if s.once(4, "names a fee") {
		fee := dec(draw(s, "its fee", "0", "0.3"))
		a.Fee = &fee
	}
	if s.once(8, "names a kind") {
		a.Kind = draw(s, "kind", domain.KindOutcome, domain.KindSpot, domain.KindPerp)
	}
	if s.once(8, "names a ttl") {
		a.TTL = domain.Duration(time.Second)
	}
	return a
}

// stormHolding is a position that could be closed.
type stormHolding struct {
	thing    domain.Instrument
	against  domain.Side
	quantity domain.Decimal
}

// held returns one of a bot's positions, or nil if it has none.
func (s *storm) held(bot string) *stormHolding {
	var all []*stormHolding
	for _, in := range s.s.SortedInstruments() {
		h := in.Holding(bot)
		if h == nil || h.IsFlat() {
			continue
		}
		is := &stormHolding{in.Instrument, domain.Sell, h.Quantity.Abs()}
		if h.Quantity.Sign() < 0 {
			is.against = domain.Buy
		}
		all = append(all, is)
	}
	if len(all) == 0 {
		return nil
	}
	return all[s.below(len(all), "held")]
}

func orderOf(a AskPermit) modeltest.Order {
	o := modeltest.Order{
		Bot: a.Bot, Thing: thingOf(a.Instrument), Kind: string(a.Kind), Buys: a.Side == domain.Buy, Quantity: num(a.Quantity), Limit: num(a.LimitPrice),
		ReduceOnly: a.ReduceOnly, TTL: time.Duration(a.TTL),
	}
	if a.Fee != nil {
		o.Fee = num(*a.Fee)
	}
	return o
}

// order places or releases a permit, or tries to.
func (s *storm) order() {
	if len(s.names) == 0 {
		return
	}
	id := s.anyPermit()
	p, by := s.permits[id], olga
	if s.once(3, "released") {
		s.both(by, ReleasePermit{Permit: id}, s.m.Release(p))
		return
	}
	var until *time.Time
	expires := time.Time{}
	if s.once(2, "expires") {
		expires = s.clock.Now().Add(draw(s, "in", 0, 20*time.Second, time.Hour))
		until = &expires
	}
	s.both(by, PlacePermit{Permit: id, ExpiresAt: until}, s.m.Place(p, expires))
}

// anyPermit returns a permit, mostly one of the last, live or not.
func (s *storm) anyPermit() string {
	var live []string
	for _, id := range s.names {
		if p := s.s.Permits[id]; p != nil && p.Live(s.clock.Now()) {
			live = append(live, id)
		}
	}
	if len(live) > 0 && !s.once(6, "gone") {
		return live[s.below(len(live), "permit")]
	}
	return s.names[s.below(len(s.names), "permit")]
}

func (s *storm) fill() {
	f := RecordFill{
		FillID: domain.FillID{Bot: s.bot(), TradeID: fmt.Sprint("f", len(s.fills))}, Instrument: s.thing(), Side: draw(s, "side", domain.Buy, domain.Sell),
		Quantity: dec(draw(s, "quantity", "1", "3", "10", "5.5")), Price: dec(draw(s, "price", "0.5", "0.4", "0.6", "0", "1")), Fee: dec(draw(s, "fee", "0", "0", "0.01", "1")),
	}
	if held := s.held(f.Bot); held != nil && s.once(3, "closes") {
		f.Instrument, f.Side = held.thing, held.against
	}
	if len(s.names) > 0 && !s.once(4, "unpermitted") {
		f.PermitID = s.anyPermit()
		p := s.permits[f.PermitID]
		if !s.once(6, "a new one") {
			f.Bot, f.Instrument = p.Bot, domain.Instrument{Market: p.Thing.Market, Outcome: p.Thing.Outcome}
			f.Side = map[bool]domain.Side{true: domain.Buy, false: domain.Sell}[p.Buys]
		}
		if !s.once(4, "at another price") {
			f.Price = dec(p.Limit.FloatString(2))
		}
		if s.once(2, "all of it") && p.Left.Sign() > 0 {
			f.Quantity = dec(p.Left.FloatString(18))
		}
	}
	if s.once(2, "provisional") {
		f.Status = domain.FillProvisionalStatus
	}
	if s.once(4, "by notional") && f.Quantity.AtLeast(domain.One) {
		notional := dec(draw(s, "notional", "0", "1", "2.345678", "5"))
		f.Notional = &notional
	}
	if len(s.fills) > 0 && s.once(10, "again") {
		f = s.fills[s.below(len(s.fills), "which")]
		if s.once(2, "changed") {
			f.Fee = f.Fee.Add(dec("0.5"))
		}
	}
	s.fills = append(s.fills, f)
	s.record(f)
}

func (s *storm) record(f RecordFill) {
	want := modeltest.Fill{
		FillID: modeltest.FillID{Bot: f.Bot, ID: f.TradeID}, Thing: thingOf(f.Instrument), Buys: f.Side == domain.Buy, Quantity: num(f.Quantity), Price: num(f.Price),
		Fee: num(f.Fee), Permit: s.permits[f.PermitID], Names: f.PermitID, Provisional: f.Status == domain.FillProvisionalStatus,
	}
	if f.Notional != nil {
		want.Notional = num(*f.Notional)
	}
	answer, flags := s.m.Record(want)
	s.both(botCaller(f.Bot), f, strings.TrimSuffix(answer, "again"))
	if answer != "" {
		return
	}
	got := s.events[slices.IndexFunc(s.events, func(e domain.Event) bool { return e.EventType() == domain.FillRecordedType })].(*domain.FillRecorded)
	require.Equal(s, strings.Join(flags, " "), strings.Join(got.Flags, " "), "flags of %+v", f)
}

// takeBack voids or confirms a fill, known or not.
func (s *storm) takeBack() {
	id := domain.FillID{Bot: s.bot(), TradeID: fmt.Sprint("f", len(s.fills)+s.below(3, "ahead"))}
	if len(s.fills) > 0 && !s.once(8, "unknown") {
		id = s.anyFill()
	}
	of := modeltest.FillID{Bot: id.Bot, ID: id.TradeID}
	if s.once(4, "confirmed") {
		s.both(olga, ConfirmFill{FillID: id}, s.m.Confirm(of))
		return
	}
	s.both(olga, VoidFill{FillID: id}, strings.TrimSuffix(s.m.Void(of), "again"))
}

// anyFill returns a fill, mostly one that can be voided.
func (s *storm) anyFill() domain.FillID {
	var known []domain.FillID
	for _, f := range s.fills {
		if len(s.s.Provisional[f.FillID]) > 0 {
			known = append(known, f.FillID)
		}
	}
	if len(known) > 0 && !s.once(6, "final") {
		return known[s.below(len(known), "fill")]
	}
	return s.fills[s.below(len(s.fills), "fill")].FillID
}

func (s *storm) money() {
	bot, amount := s.bot(), dec(draw(s, "amount", "0.000001", "1", "10", "33.3", "70"))
	other, asset := false, ""
	if s.once(4, "other asset") {
		other, asset = true, "ETH"
	}
	switch draw(s, "money", "in", "in", "out", "to", "back", "all back", "fee", "gas", "rebate", "correct") {
	case "in":
		s.m.Deposit(num(amount), other)
		s.must(olga, RecordDeposit{Wallet: domain.WalletHot, Asset: asset, Amount: amount})
	case "out":
		s.m.Deposit(num(amount.Neg()), other)
		s.must(olga, RecordWithdrawal{Wallet: domain.WalletHot, Asset: asset, Amount: amount})
	case "all back":
		amount = s.s.Bots[bot].Cash
		if amount.Sign() <= 0 {
			return
		}
		fallthrough
	case "back":
		amount = amount.Neg()
		fallthrough
	case "to":
		s.both(olga, AllocateCapital{Bot: bot, Amount: amount}, codeIf(s.m.Allocate(bot, num(amount)), domain.CodeInvalid))
	case "fee":
		s.m.Charge(bot, num(amount))
		s.must(olga, RecordFee{Bot: bot, Amount: amount, Kind: domain.FeeTrading})
	case "gas":
		s.m.Charge("", num(amount))
		s.must(olga, RecordFee{Amount: amount, Kind: domain.FeeGas})
	case "rebate":
		s.m.Charge(bot, num(amount.Neg()))
		s.must(olga, RecordFee{Bot: bot, Amount: amount, Kind: domain.FeeRebate})
	case "correct":
		s.m.Charge(bot, num(amount))
		s.must(alice, PostAdjustment{Account: "hot:bot/" + bot, Amount: amount.Neg(), Reason: "x"})
	}
}

func (s *storm) mark() {
	var marks []domain.Mark
	var prices []modeltest.Price
	for range 1 + s.below(2, "marks") {
		i, price := s.thing(), dec(draw(s, "price", "0", "0.3", "0.5", "0.55", "0.9", "1", "2"))
		if s.once(5, "other asset") {
			marks = append(marks, domain.Mark{Asset: "ETH", Price: price})
			prices = append(prices, modeltest.Price{Other: true, Price: num(price)})
			continue
		}
		marks = append(marks, domain.Mark{Market: i.Market, Outcome: i.Outcome, Price: price})
		prices = append(prices, modeltest.Price{Thing: thingOf(i), Price: num(price)})
	}
	s.both(domain.Caller{User: "feed", Role: domain.RoleFeed}, MarkPrices{Marks: marks}, s.m.Marks(prices))
}

func (s *storm) settle() {
	if !s.once(3, "really") {
		return
	}
	i, payout, only := s.thing(), dec(draw(s, "payout", "0", "1", "1", "0.25")), draw(s, "only", "", "", "a")
	s.both(olga, SettleMarket{Instrument: i, Payout: payout, Bot: only}, s.m.Settle(thingOf(i), num(payout), only))
}

func (s *storm) report() {
	bot, pnl := s.bot(), dec(draw(s, "pnl", "-7", "-1", "-1", "0", "0.5", "7"))
	s.m.Report(bot, num(pnl))
	s.must(olga, RecordTrade{Bot: bot, Market: "x", PnL: pnl, TradeID: fmt.Sprint("r", s.steps)})
}

func (s *storm) market() {
	m := RegisterMarket{Market: draw(s, "new", "n", "n", "o", "m"), Kind: draw(s, "kind", domain.KindOutcome, domain.KindSpot), Category: draw(s, "category", "", "c")}
	s.both(olga, m, codeIf(s.m.Register(m.Market, string(m.Kind), m.Category), domain.CodeConflict))
}

var paula = domain.Caller{User: "paula", Role: domain.RoleApprover}

// person stops, starts, resets and clears.
func (s *storm) person() {
	bot := s.bot()
	switch draw(s, "person", "start", "start", "start", "stop", "emergency", "ask", "clear", "clear", "reset", "reset", "reset") {
	case "start":
		s.both(olga, StartBot{Bot: bot}, codeIf(s.m.Start(bot), domain.CodeHalted))
	case "stop":
		s.m.StopBot(bot)
		s.must(olga, StopBot{Bot: bot})
	case "emergency":
		s.m.Emergency()
		s.must(olga, EngageStop{Kind: domain.StopManual, Reason: "x"})
	case "ask":
		answer, code := s.send(olga, RequestClear{Reason: "x"})
		require.Equal(s, s.m.AskClear(olga.User), string(code))
		if code == "" {
			s.request = answer.ID
		}
	case "clear":
		by := draw(s, "who", paula, paula, domain.Caller{User: olga.User, Role: domain.RoleApprover})
		s.both(by, ConfirmClear{Request: s.s.Stop.Request}, s.m.Clear(by.User))
	case "reset":
		a := modeltest.Alarm{Name: draw(s, "breaker", domain.ConsecutiveLosses, domain.DailyLoss, domain.BotDrawdown, domain.PortfolioDrawdown)}
		if a.Name == domain.ConsecutiveLosses || a.Name == domain.BotDrawdown {
			a.Bot = bot
		}
		rebase := draw(s, "rebase", true, false)
		s.both(olga, ResetBreaker{Breaker: a.Name, Bot: a.Bot, Reason: "x", Rebase: rebase}, s.m.Reset(a, rebase))
	}
}

func (s *storm) limits() {
	p := s.tighten(s.policy)
	patch := map[string]any{
		"max_order_usd": p.MaxOrderUSD, "max_position_usd": p.MaxPositionUSD, "max_open_positions": p.MaxOpenPositions, "max_bot_capital_pct": p.MaxBotCapitalPct,
		"max_category_exposure_pct": p.MaxCategoryExposurePct, "max_orders_per_minute": p.MaxOrdersPerMinute, "mark_max_age": p.MarkMaxAge,
	}
	if s.once(2, "breakers") {
		p.LossDust = dec(draw(s, "dust", "0", "1"))
		p.MaxDailyLossPct, p.MaxConsecutiveLosses = dec(draw(s, "daily", "0.03", "0.1", "0.99")), draw(s, "losses", 2, 3, 1000)
		p.MaxBotDrawdownPct = dec(draw(s, "drawdown", "0.05", "0.99"))
		patch["loss_dust"], patch["max_daily_loss_pct"], patch["max_consecutive_losses"], patch["max_bot_drawdown_pct"] = p.LossDust, p.MaxDailyLossPct, p.MaxConsecutiveLosses, p.MaxBotDrawdownPct
	}
	text, err := json.Marshal(patch)
	require.NoError(s, err)
	s.policy = p
	s.m.Change(rulesOf(p))
	s.must(alice, ChangeLimits{Limits: text, Reason: "x"})
}

// again repeats an accepted command: it gets the first answer and has no other effect.
func (s *storm) again() {
	was := s.sent[s.below(len(s.sent), "retry")]
	s.Logf("again: %s", was.Key)
	answer, err := s.writers[s.below(2, "server")].Do(context.Background(), was.Request)
	for n := 0; domain.CodeOf(err) == domain.CodeUnavailable && err != nil && n < 100; n++ {
		answer, err = s.writers[s.below(2, "server")].Do(context.Background(), was.Request)
	}
	require.NoError(s, err)
	was.answer.Replayed, answer.Replayed = false, false
	require.Equal(s, was.answer, answer)
	s.read()
	require.Empty(s, s.events)
}

// restart replaces a server; the new one may begin from a checkpoint, made now or earlier.
func (s *storm) restart() {
	n := s.below(len(s.writers), "restarted")
	s.writers[n].Close()
	if s.once(2, "cold") {
		clear(s.caches)
	} else if s.once(2, "kept") && s.s.IsOpen() {
		require.NoError(s, keepIn(context.Background(), s.caches, s.store.Store, Stream("main")))
	}
	s.writers[n] = s.writer()
	fresh := portfolio.New()
	for rec, err := range s.store.Store.ReadStream(context.Background(), Stream("main"), 0) {
		require.NoError(s, err)
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(s, err)
		fresh.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	}
	was, err := s.s.Hash()
	require.NoError(s, err)
	now, err := fresh.Hash()
	require.NoError(s, err)
	require.Equal(s, was, now, "folded from the beginning")
}
