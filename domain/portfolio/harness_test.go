package portfolio

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
)

// noon is when every harness begins.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

const (
	buy  = domain.Buy
	sell = domain.Sell
)

// testingT is what *testing.T, *testing.B and *rapid.T have in common.
type testingT interface {
	require.TestingT
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// recorded is one event as the store would hold it.
type recorded struct {
	at   domain.Stamp
	typ  string
	data []byte
	// event is data, decoded.
	event domain.Event
}

// harness runs decisions against one state, with a clock and a caller that the
// test sets, and checks after every step that the books and the caches agree
// and that the recorded events alone give the same state.
type harness struct {
	kept   *int // settled markets, instead of the flag
	t      testingT
	s      *State
	now    time.Time
	caller domain.Caller

	log  []recorded
	step []domain.Event // of the last decision
	// cold is folded from the recorded bytes only, and goes through a snapshot
	// after every step: it stands for a restart at every moment.
	cold *State
	past *pastLog // log, as it is looked up
	// told is folded from the log with the whole past in memory.
	told *State
	// facts follow from the log without the state's help.
	facts  map[string]*botFacts
	nextID int
}

// botFacts are what the log alone says about a bot's trades.
type botFacts struct {
	order    []string            // results in the order in which they counted
	parts    map[string][]string // trades by result
	refunded map[string]bool     // results of a void market
	figures  map[string]*domain.TradeFigures
	reset    int            // closings before the last reset of the streak
	fees     domain.Decimal // fees booked without a fill or trade
	// valued are the values of fees in other assets, by fill: they are in no account of
	// the base asset.
	valued         map[string]domain.Decimal
	reports        map[string]bool
	short, revised map[string]bool
}

func newHarness(t testingT) *harness {
	h := &harness{
		t: t, s: New(), cold: New(), now: noon, facts: map[string]*botFacts{}, past: newPastLog(), told: New(),
		caller: domain.Caller{User: "olga", Role: domain.RoleOperator},
	}
	lookUpBoth(t, h.s, h.past)
	return h
}

// --- clock and caller

// after lets time pass.
func (h *harness) after(d time.Duration) *harness { h.now = h.now.Add(d); return h }

// at sets the clock.
func (h *harness) at(t time.Time) *harness { h.now = t; return h }

// as sets the caller of what follows. Of RoleBot, user is the bot.
func (h *harness) as(role domain.Role, user string) *harness {
	h.caller = domain.Caller{User: user, Role: role}
	if role == domain.RoleBot {
		h.caller.Bot = user
	}
	return h
}

// operator goes back to the caller a harness begins with.
func (h *harness) operator() *harness { return h.as(domain.RoleOperator, "olga") }

// --- running decisions

func (h *harness) begin() *Decision {
	d := h.s.Begin(h.now, h.caller)
	if h.kept != nil {
		d.ArchiveBeyond(*h.kept)
	}
	return d
}

// ofArchive reports that an event archives or restores a market.
func ofArchive(e domain.Event) (is bool) {
	EachMarket(e, func(string) { is = true }, func(string) {})
	return is
}

// must runs a decision that has to succeed and returns its events.
func (h *harness) must(f func(*Decision) error) []domain.Event {
	h.t.Helper()
	events, err := h.try(f)
	require.NoError(h.t, err)
	return events
}

// refused runs a decision that has to be refused with a code, without having
// changed anything, and returns its error.
func (h *harness) refused(code domain.Code, f func(*Decision) error) error {
	h.t.Helper()
	before := h.hash()
	d := h.begin()
	err := f(d)
	if err == nil {
		err = d.Finish()
		require.Error(h.t, err, "decided %v", typesOf(d.events))
		h.refold()
	} else {
		require.False(h.t, d.Dirty(), "refused after %v", typesOf(d.events))
	}
	d.End()
	require.Equal(h.t, code, domain.CodeOf(err), "%v", err)
	require.Equal(h.t, before, h.hash(), "a refusal changed the state")
	return err
}

// try runs a decision as the writer does: what is refused leaves no trace.
func (h *harness) try(f func(*Decision) error) ([]domain.Event, error) {
	h.t.Helper()
	first, twin := h.s.Next, h.s.Clone()
	defer h.checkClone(twin, h.hash())
	d := h.begin()
	err := f(d)
	if err == nil {
		err = d.Finish()
	}
	if d.End(); err != nil {
		if d.Dirty() {
			h.refold()
		}
		return nil, err
	}
	require.NotEmpty(h.t, d.Events(), "an accepted command appends at least one record")
	for i, e := range d.Events() {
		h.record(domain.Stamp{Revision: first + uint64(i), Time: h.now}, e)
	}
	h.past.indexed(h.s, h.s.Next-uint64(len(d.Events())/2))
	h.step = slices.Clone(d.Events())
	h.check()
	return h.step, nil
}

// apply records an event that no decision made, such as the opening of a live
// portfolio.
func (h *harness) apply(events ...domain.Event) {
	h.t.Helper()
	for _, e := range events {
		at := domain.Stamp{Revision: h.s.Next, Time: h.now}
		h.s.Apply(at, e)
		h.record(at, e)
	}
	h.step = events
	h.check()
}

func (h *harness) record(at domain.Stamp, e domain.Event) {
	h.t.Helper()
	data, err := domain.Encode(e)
	require.NoError(h.t, err)
	back, err := domain.Decode(e.EventType(), data)
	require.NoError(h.t, err)
	again, err := domain.Encode(back)
	require.NoError(h.t, err)
	require.Equal(h.t, string(data), string(again), "encode, decode, encode")
	r := recorded{at, e.EventType(), data, back}
	h.log = append(h.log, r)
	h.past.add(at, back)
	before, twice := h.told.Repeats(back)
	require.False(h.t, twice, "%s is already booked by revision %d", data, before)
	h.told.Apply(at, back)
	h.cold.Apply(at, back)
	h.follow(back)
}

// refold throws the state away and folds the recorded events again.
func (h *harness) refold() {
	h.s = New()
	lookUpBoth(h.t, h.s, h.past)
	for _, r := range h.log {
		h.s.Apply(r.at, r.event)
	}
}

func (h *harness) hash() string {
	h.t.Helper()
	hash, err := h.s.Hash()
	require.NoError(h.t, err)
	return hash
}

// --- what happened

// events returns the events of the last step.
func (h *harness) events() []domain.Event { return h.step }

// types returns their types, without the version.
func (h *harness) types() []string { return typesOf(h.step) }

func typesOf(events []domain.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = domain.EventName(e.EventType())
	}
	return out
}

// last returns the latest recorded event of a type, nil for none.
func (h *harness) last(eventType string) domain.Event {
	for i := len(h.log) - 1; i >= 0; i-- {
		if h.log[i].typ == eventType {
			return h.log[i].event
		}
	}
	return nil
}

// count returns how many events of a type the last step has.
func (h *harness) count(eventType string) int {
	n := 0
	for _, e := range h.step {
		if e.EventType() == eventType {
			n++
		}
	}
	return n
}

// lastOf returns the latest recorded event of a Go type; it has to exist.
func lastOf[E domain.Event](h *harness) E {
	h.t.Helper()
	for i := len(h.log) - 1; i >= 0; i-- {
		if e, ok := h.log[i].event.(E); ok {
			return e
		}
	}
	var none E
	h.t.Fatalf("no %T was recorded", none)
	return none
}

// stepOf returns the events of a Go type in the last step.
func stepOf[E domain.Event](h *harness) []E {
	var out []E
	for _, e := range h.step {
		if e, ok := e.(E); ok {
			out = append(out, e)
		}
	}
	return out
}

// equal compares a decimal with its text.
func (h *harness) equal(want string, got domain.Decimal, msg ...any) {
	h.t.Helper()
	require.Equal(h.t, dec(want).String(), got.String(), msg...)
}

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

// balance reads an account of the base asset as place:owner, such as
// "hot:bot/a", "income:trading/a" or "external".
func (h *harness) balance(name string) domain.Decimal { return h.balanceIn(h.s.BaseAsset, name) }

func (h *harness) balanceIn(asset, name string) domain.Decimal {
	place, owner, _ := strings.Cut(name, ":")
	return h.s.Book[ledger.Account{Asset: asset, Place: place, Owner: owner}]
}

// position returns what a bot holds, the zero position for nothing.
func (h *harness) position(bot, market, outcome string) ledger.Position {
	in := h.s.Instruments[domain.Instrument{Market: market, Outcome: outcome}]
	if in == nil || in.Holding(bot) == nil {
		return ledger.Position{}
	}
	return in.Holding(bot).Position
}

// mark returns the current mark of an instrument, nil for none.
func (h *harness) markOf(market, outcome string) *MarkEntry {
	in := h.s.Instruments[domain.Instrument{Market: market, Outcome: outcome}]
	if in == nil {
		return nil
	}
	return in.Mark()
}

func (h *harness) drawdown() domain.Decimal  { return h.s.Refs.Drawdown(h.s.Equity()) }
func (h *harness) dailyLoss() domain.Decimal { return h.s.Refs.DailyLoss(h.s.Equity()) }
func (h *harness) botOf(id string) *Bot      { return h.s.Bots[id] }
func (h *harness) botDD(id string) domain.Decimal {
	b := h.s.Bots[id]
	return b.Refs.Drawdown(b.Equity())
}

func (h *harness) status(breaker, bot string) risk.Status {
	return h.s.Breaker(risk.Key{Breaker: breaker, Bot: bot}).Status
}

// --- the builder: commands that have to succeed

// open opens portfolio "main" in USDC; change may alter the default policy. A
// live one is opened by its event, because no gate can be passed yet.
func (h *harness) open(mode domain.Mode, change ...func(*domain.Policy)) *harness {
	h.t.Helper()
	e := &domain.PortfolioOpened{
		Portfolio: "main", Mode: mode, Clock: domain.ClockWall,
		BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(mode),
	}
	for _, f := range change {
		f(&e.Policy)
	}
	if mode == domain.ModeLive {
		e.Gate = &domain.Gate{Portfolio: "paper", Revision: 7}
		h.apply(e)
		return h
	}
	h.must(func(d *Decision) error { return d.Open(e, nil) })
	return h
}

// openImported opens a paper portfolio whose times are the rows'.
func (h *harness) openImported() *harness {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.Open(&domain.PortfolioOpened{
			Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockImported,
			BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper),
		}, nil)
	})
	return h
}

// quietPolicy moves every limit so far away that nothing trips or warns.
func quietPolicy(p *domain.Policy) {
	p.MaxConsecutiveLosses = 1000
	p.MaxDailyLossPct, p.MaxBotDrawdownPct, p.MaxPortfolioDrawdownPct = dec("0.999999"), dec("0.999999"), dec("0.999999")
	p.BreakerWarnAt = dec("0.999999")
}

func (h *harness) deposit(amount string) {
	h.t.Helper()
	h.depositIn(domain.WalletHot, "", amount)
}

func (h *harness) depositIn(wallet, asset, amount string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.Deposit(&domain.DepositRecorded{Wallet: wallet, Asset: asset, Amount: dec(amount)})
	})
}

func (h *harness) withdraw(amount string) {
	h.t.Helper()
	h.withdrawFrom(domain.WalletHot, "", amount)
}

func (h *harness) withdrawFrom(wallet, asset, amount string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.Withdraw(&domain.WithdrawalRecorded{Wallet: wallet, Asset: asset, Amount: dec(amount)})
	})
}

// bot registers a bot with capital out of hot:treasury and starts it.
func (h *harness) bot(id, capital string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.RegisterBot(&domain.BotRegistered{Bot: id}, dec(capital), true) })
}

func (h *harness) allocate(bot, amount string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.Allocate(bot, dec(amount)) })
}

func (h *harness) market(name string, kind domain.MarketKind, outcomes ...string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: name, Kind: kind, Outcomes: outcomes})
	})
}

type fillOption func(*FillReport)

func provisional(r *FillReport) { r.Status = domain.FillProvisionalStatus }

func withNotional(n string) fillOption { v := dec(n); return func(r *FillReport) { r.Notional = &v } }
func withFee(fee string) fillOption    { return func(r *FillReport) { r.Fee = dec(fee) } }
func withPermit(id string) fillOption  { return func(r *FillReport) { r.PermitID = id } }
func withID(tradeID string) fillOption { return func(r *FillReport) { r.TradeID = tradeID } }

// report is a fill with a trade id of its own, f1, f2, …
func (h *harness) report(bot, market, outcome string, side domain.Side, quantity, price string, options ...fillOption) FillReport {
	h.nextID++
	r := FillReport{
		FillID:     domain.FillID{Bot: bot, TradeID: fmt.Sprintf("f%d", h.nextID)},
		Instrument: domain.Instrument{Market: market, Outcome: outcome},
		Side:       side, Quantity: dec(quantity), Price: dec(price),
	}
	for _, f := range options {
		f(&r)
	}
	return r
}

// fill records one, and returns its id.
func (h *harness) fill(bot, market, outcome string, side domain.Side, quantity, price string, options ...fillOption) domain.FillID {
	h.t.Helper()
	r := h.report(bot, market, outcome, side, quantity, price, options...)
	h.must(func(d *Decision) error { return d.RecordFill(r) })
	return r.FillID
}

// flags returns those of the last recorded fill.
func (h *harness) flags() []string { h.t.Helper(); return lastOf[*domain.FillRecorded](h).Flags }

func (h *harness) void(id domain.FillID) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.VoidFill(id, "") })
}

func (h *harness) confirm(id domain.FillID) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.ConfirmFill(id, "") })
}

// settle pays an outcome out, for one bot if it is named.
func (h *harness) settle(market, outcome, payout string, bot ...string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.Settle(&domain.MarketSettled{
			Instrument: domain.Instrument{Market: market, Outcome: outcome},
			Payout:     dec(payout), Bot: strings.Join(bot, ""),
		})
	})
}

func (h *harness) mark(market, outcome, price string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: market, Outcome: outcome, Price: dec(price)}})
	})
}

func (h *harness) markAsset(asset, price string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.MarkPrices([]domain.Mark{{Asset: asset, Price: dec(price)}}) })
}

// trade reports a closed trade of market "m" by its net P&L.
func (h *harness) trade(bot, pnl string, fee ...string) {
	h.t.Helper()
	h.nextID++
	e := &domain.TradeClosed{
		Bot: bot, Instrument: domain.Instrument{Market: "m"}, TradeID: fmt.Sprintf("r%d", h.nextID),
		TradeFigures: domain.TradeFigures{PnL: dec(pnl)},
	}
	if len(fee) > 0 {
		e.Fee = dec(fee[0])
	}
	h.must(func(d *Decision) error { return d.RecordTrade(e) })
}

// lose books a loss (a gain, when negative) of a bot that is no trade.
func (h *harness) lose(bot, amount string) {
	h.t.Helper()
	h.adjust("hot:bot/"+bot, dec(amount).Neg().String())
}

func (h *harness) reset(breaker, bot string, rebase bool) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.ResetBreaker(risk.Key{Breaker: breaker, Bot: bot}, "test", rebase)
	})
}

func (h *harness) start(bot string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.StartBot(bot) })
}

// limits changes the policy by a JSON object of policy keys.
func (h *harness) limits(patch string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.ChangeLimits([]byte(patch), "test") })
}

// order is what permits are asked for.
func order(bot, market, outcome string, side domain.Side, quantity, limit string) domain.Order {
	return domain.Order{
		Bot: bot, Instrument: domain.Instrument{Market: market, Outcome: outcome},
		Side: side, Quantity: dec(quantity), LimitPrice: dec(limit),
	}
}

// permit asks for one that has to be granted, without a fee, and returns its id.
func (h *harness) permit(bot, market, outcome string, side domain.Side, quantity, limit string) string {
	h.t.Helper()
	h.ask(order(bot, market, outcome, side, quantity, limit))
	granted := stepOf[*domain.PermitGranted](h)
	require.Len(h.t, granted, 1, "denied: %v", h.reasons())
	return granted[0].Permit
}

// ask asks for a permit, granted or not.
func (h *harness) ask(o domain.Order) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o, Fee: &o.Fee}) })
}

// reasons returns the codes of the denial in the last step, nil for none.
func (h *harness) reasons() []domain.ReasonCode {
	var out []domain.ReasonCode
	for _, e := range stepOf[*domain.PermitDenied](h) {
		for _, r := range e.Reasons {
			out = append(out, r.Code)
		}
	}
	return out
}

// --- invariants

// follow keeps the trades as the log alone tells them.
func (h *harness) follow(e domain.Event) {
	for _, row := range domain.Flatten(e) {
		h.followOne(row)
	}
}

func (h *harness) followOne(e domain.Event) {
	of := func(bot string) *botFacts {
		if h.facts[bot] == nil {
			h.facts[bot] = &botFacts{parts: map[string][]string{}, refunded: map[string]bool{}, figures: map[string]*domain.TradeFigures{}, reports: map[string]bool{}, valued: map[string]domain.Decimal{}, short: map[string]bool{}, revised: map[string]bool{}}
		}
		return h.facts[bot]
	}
	switch e := e.(type) {
	case *domain.FillRecorded:
		if !slices.Contains(e.Flags, domain.FlagVoided) {
			of(e.Bot).valued[e.Market+e.FillID.String()] = e.FeeValue
		}
	case *domain.FillReinstated:
		of(e.Bot).valued[e.Market+e.FillID.String()] = e.FeeValue
	case *domain.FillVoided:
		f := of(e.Bot)
		delete(f.valued, e.Market+e.FillID.String())
		for name, parts := range f.parts { // it may take away what a result still waited for
			if r := h.s.Bots[e.Bot].Results[name]; len(parts) > 0 && !slices.Contains(f.order, name) && r != nil && r.Counted {
				f.order = append(f.order, name)
			}
		}
	case *domain.FeeRecorded:
		if e.Kind == domain.FeeTrading && e.Bot != "" && e.Asset == h.s.BaseAsset {
			of(e.Bot).fees = of(e.Bot).fees.Add(e.Amount)
		}
	case *domain.TradeClosed:
		f := of(e.Bot)
		require.NotContains(h.t, f.figures, e.Trade, "trade closed twice")
		figures := e.TradeFigures
		f.figures[e.Trade] = &figures
		result := cmp.Or(e.ResultID, e.Trade)
		if e.ResultID == "" {
			f.parts[result] = nil // it opened again and closed once more
		}
		if !e.Deferred && (e.ResultID == "" || !slices.Contains(f.order, result)) {
			f.order = append(f.order, result)
		}
		f.parts[result] = append(f.parts[result], e.Trade)
		f.refunded[result] = f.refunded[result] || e.ResultID != "" && e.ClosedBy == domain.ClosedByRefund
		f.reports[e.Trade], f.short[e.Trade] = e.ClosedBy == domain.ClosedByReport, e.Direction == domain.Short
	case *domain.TradeRevised:
		f := of(e.Bot)
		require.Contains(h.t, f.figures, e.Trade, "a trade that never closed was revised")
		require.NotNil(h.t, f.figures[e.Trade], "a void trade was revised")
		require.Equal(h.t, *f.figures[e.Trade], e.Before, "before is what was recorded")
		// A trade that opened again and closed once more stands twice in the order.
		if result := cmp.Or(e.ResultID, e.Trade); slices.Contains(f.order, result) { // or it waits for the bot's next result
			require.Equal(h.t, result, f.order[e.Number], "a revised trade keeps its place")
		}
		if e.Joins != "" {
			f.join(h, e)
			return
		}
		if e.Repaid || e.Refunded {
			f.refunded[e.ResultID] = e.ResultID != "" && e.Refunded
		}
		f.figures[e.Trade], f.revised[e.Trade] = e.After, true
		if e.After == nil {
			delete(f.figures, e.Trade)
			if e.ResultID == "" {
				f.order[e.Number] = ""
			}
		}
	case *domain.BreakerReset:
		if e.Breaker == domain.ConsecutiveLosses {
			of(e.Bot).reset = len(of(e.Bot).order)
		}
	}
}

// check checks every invariant that can be seen from outside.
func (h *harness) check() {
	h.t.Helper()
	h.checkHashes()
	require.Empty(h.t, h.s.Book.TrialBalance(), "the sum over all accounts is zero after every event")
	h.checkCaches()
	h.checkClaims()
	checkDerived(h.t, h.s)
	for _, ahead := range []time.Duration{0, 20 * time.Second, time.Hour} {
		checkDead(h.t, h.s, h.now.Add(ahead), Standstill{})
	}
	for _, id := range h.s.BotIDs() {
		h.checkTrades(h.s.Bots[id])
	}
}

func (h *harness) checkHashes() {
	h.t.Helper()
	live, err := h.s.Snapshot()
	require.NoError(h.t, err)
	cold, err := h.cold.Snapshot()
	require.NoError(h.t, err)
	require.Equal(h.t, string(live), string(cold), "folding the recorded events gives another state")
	h.cold, err = Restore(cold)
	require.NoError(h.t, err)
	again, err := h.cold.Snapshot()
	require.NoError(h.t, err)
	require.Equal(h.t, string(cold), string(again), "a snapshot restores to another state")
}

// checkClone: nothing that a decision does to the state is seen by its copy, which the same
// events bring to the same state.
func (h *harness) checkClone(twin *State, before string) {
	h.t.Helper()
	hash, err := twin.Hash()
	require.NoError(h.t, err)
	require.Equal(h.t, before, hash, "a decision has changed the copy of the state")
	for _, r := range h.log {
		if r.at.Revision >= twin.Next {
			twin.Apply(r.at, r.event)
		}
	}
	hash, err = twin.Hash()
	require.NoError(h.t, err)
	require.Equal(h.t, h.hash(), hash, "the copy of the state folds to another one")
}

func (h *harness) checkCaches() {
	h.t.Helper()
	s := h.s
	var cash, cost, value domain.Decimal
	assets := map[string]domain.Decimal{}
	botCash, botCost, botValue := map[string]domain.Decimal{}, map[string]domain.Decimal{}, map[string]domain.Decimal{}
	botOther := map[string]domain.Decimal{}
	positions := map[string]int{}
	for account, balance := range s.Book {
		require.False(h.t, balance.IsZero(), "%s is kept at 0", account)
		switch {
		case !account.IsAsset():
		case account.Asset != s.BaseAsset:
			assets[account.Asset] = assets[account.Asset].Add(balance)
			if bot := account.Bot(); bot != "" {
				require.Equal(h.t, balance, s.Bots[bot].Other[account.Asset], "%s", account)
				botOther[bot] = botOther[bot].Add(s.bearable(balance.Mul(s.Assets[account.Asset].Mark)))
			}
		case account.Place == ledger.PlacePosition:
			cost = cost.Add(balance)
		default:
			cash = cash.Add(balance)
			if bot, ok := strings.CutPrefix(account.Owner, "bot/"); ok {
				botCash[bot] = balance
			}
		}
	}
	for _, in := range s.Instruments {
		for _, held := range in.Holdings {
			require.False(h.t, held.IsFlat() && len(held.Tail) == 0, "an empty holding is kept")
			account := ledger.PositionOf(s.BaseAsset, held.Bot, in.Instrument)
			require.Equal(h.t, s.Book[account], held.Cost, "%s is carried at cost", account)
			want := held.Cost
			if price, ok := in.priceFor(held.Bot); ok && !in.Refunded {
				want = s.bearable(held.Quantity.Mul(price))
			}
			require.Equal(h.t, want, held.Value, "%s is valued at its mark", account)
			botCost[held.Bot] = botCost[held.Bot].Add(held.Cost)
			if s.together(in.Instrument) == nil {
				value = value.Add(want)
				botValue[held.Bot] = botValue[held.Bot].Add(want)
			}
			if !held.IsFlat() {
				positions[held.Bot]++
			}
		}
	}
	for name, m := range s.Markets {
		if !m.Exclusive {
			require.Empty(h.t, m.Held)
		}
		for _, held := range m.Held {
			require.Equal(h.t, s.valueOf(m, name, held.Bot), held.Value, "what %s holds of %s is valued together", held.Bot, name)
			value = value.Add(held.Value)
			botValue[held.Bot] = botValue[held.Bot].Add(held.Value)
		}
	}
	require.Equal(h.t, cash, s.Cash, "Cash is the sum of the cash accounts")
	require.Equal(h.t, cost, s.Cost, "Cost is the sum of the position accounts")
	require.Equal(h.t, value, s.Value, "Value is the sum of the holdings")
	for _, id := range slices.Sorted(maps.Keys(s.Bots)) {
		b := s.Bots[id]
		require.Equal(h.t, botCash[id], b.Cash, "bot %s: cash", id)
		require.Equal(h.t, botCost[id], b.Cost, "bot %s: cost", id)
		require.Equal(h.t, botValue[id], b.Value, "bot %s: value", id)
		require.Equal(h.t, botOther[id], b.OtherValue, "bot %s: other assets", id)
		require.Equal(h.t, positions[id], b.Positions, "bot %s: positions", id)
	}
	for name, a := range s.Assets {
		require.Equal(h.t, assets[name], a.Balance, "asset %s", name)
	}
}

// checkClaims: what a bot has is the sum of what its holdings weigh.
func (h *harness) checkClaims() {
	h.t.Helper()
	claims := map[string]domain.Decimal{}
	for _, in := range h.s.Instruments {
		for _, held := range in.Holdings {
			claims[held.Bot] = claims[held.Bot].Add(held.weight)
			if h.s.KindOf(in.Market) == domain.KindOutcome {
				require.Equal(h.t, held.Quantity.Abs(), held.weight, "%s of %s weighs 1 a share", in.Instrument, held.Bot)
			}
		}
	}
	for id, b := range h.s.Bots {
		require.Equal(h.t, claims[id], b.claims, "bot %s: claims", id)
	}
}

// checkTrades: the P&L of the trades that stand, and what open episodes have
// realised, is what was posted to income and fees; counts and streak follow
// from the results in closing order.
func (h *harness) checkTrades(b *Bot) {
	h.t.Helper()
	f := h.facts[b.ID]
	if f == nil {
		f = &botFacts{}
	}
	var sum domain.Decimal
	trades, wins, losses, neutral, streak := 0, 0, 0, 0, 0
	for trade, figures := range f.figures {
		trades++
		sum = sum.Add(figures.PnL).Sub(figures.Funding)
		if !f.reports[trade] {
			gross, net := figures.ExitNotional.Sub(figures.EntryNotional), figures.PnL.Add(figures.Fee).Sub(figures.Funding)
			if f.short[trade] {
				gross = gross.Neg()
			}
			// A void may turn a trade round: what sold first now buys first.
			require.True(h.t, net == gross || (f.revised[trade] && net == gross.Neg()), "P&L is net of every fee in the episode")
		}
	}
	for n, name := range f.order {
		result := h.resultOf(b, f, name)
		count := n >= f.reset
		switch result {
		case domain.Win:
			wins++
			if count {
				streak = 0
			}
		case domain.Loss:
			losses++
			if count {
				streak++
			}
		case domain.Neutral:
			neutral++
		}
	}
	require.Equal(h.t, []int{trades, wins, losses, neutral}, []int{b.Trades, b.Wins, b.Losses, b.Neutral}, "bot %s: trades, wins, losses, neutral", b.ID)
	require.Equal(h.t, streak, b.Streak.Losses, "bot %s: streak", b.ID)
	for _, in := range h.s.Instruments {
		if held := in.Holding(b.ID); held != nil {
			e := held.Episode
			require.Equal(h.t, held.IsFlat(), e == ledger.Episode{}, "an open position has an episode, a flat one none")
			sum = sum.Add(e.Income).Sub(e.Fees)
		}
	}
	income := h.s.Book[ledger.TradingIncome(h.s.BaseAsset, b.ID)].Neg()
	fees := h.s.Book[ledger.Fees(h.s.BaseAsset, b.ID)].Sub(f.fees)
	for _, value := range f.valued {
		fees = fees.Add(value)
	}
	require.Equal(h.t, income.Sub(fees).String(), sum.String(), "bot %s: trades and open episodes add up to income less fees", b.ID)
}

// join moves a trade to the result that it is part of from now on.
func (f *botFacts) join(h *harness, e *domain.TradeRevised) {
	h.t.Helper()
	was := cmp.Or(e.ResultID, e.Trade)
	f.parts[was] = slices.DeleteFunc(slices.Clone(f.parts[was]), func(trade string) bool { return trade == e.Trade })
	if e.ResultID == "" {
		f.order[e.Number] = ""
	}
	switch {
	case e.Deferred || slices.Contains(f.order, e.Joins):
	case e.Place == len(f.order):
		f.order = append(f.order, e.Joins)
	default:
		require.Empty(h.t, f.order[e.Place], "a result stands where its trade stood")
		f.order[e.Place] = e.Joins
	}
	f.parts[e.Joins] = append(f.parts[e.Joins], e.Trade)
	f.refunded[e.Joins] = f.refunded[e.Joins] || e.Refunded
	f.figures[e.Trade], f.revised[e.Trade] = e.After, true
}

// resultOf returns what the trades of a result come to, or "" if none stands.
func (h *harness) resultOf(b *Bot, f *botFacts, name string) domain.Result {
	h.t.Helper()
	var sum domain.Decimal
	var single domain.Result
	n, small := 0, 0
	for _, trade := range f.parts[name] {
		if figures := f.figures[trade]; figures != nil {
			sum, single, n = sum.Add(figures.PnL), figures.Result, n+1
			if figures.Dust {
				small++
			}
		}
	}
	r := b.Results[name]
	switch {
	case n == 0:
		return ""
	case r == nil:
		return single
	case f.refunded[name], small == n:
		return domain.Neutral
	}
	require.Equal(h.t, sum, r.PnL, "the result %s of %s is the sum of its trades", name, b.ID)
	return ledger.ResultOf(sum, r.Dust)
}
