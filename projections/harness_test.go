package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
)

const stream = "portfolio-main"

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

type testingT interface {
	require.TestingT
	Helper()
}

// history decides commands against a state and appends their events to a store, as
// the writer does.
type history struct {
	t     testingT
	store *memory.Store
	s     *portfolio.State
	now   time.Time
	next  int
}

// newHistory opens a paper portfolio; change may alter the default policy.
func newHistory(t testingT, change ...func(*domain.Policy)) *history {
	t.Helper()
	h := &history{t: t, store: memory.New(), s: portfolio.New(), now: noon}
	policy := domain.DefaultPolicy(domain.ModePaper)
	for _, f := range change {
		f(&policy)
	}
	h.must(func(d *portfolio.Decision) error {
		return d.Open(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: policy}, nil)
	})
	return h
}

// try runs a decision; what is refused leaves no trace.
func (h *history) try(decide func(*portfolio.Decision) error) error {
	h.t.Helper()
	first := h.s.Next
	d := h.s.Begin(h.now, domain.Caller{User: "olga", Role: domain.RoleOperator})
	err := decide(d)
	if err == nil {
		err = d.Finish()
	}
	if err != nil {
		if d.Dirty() {
			h.s = h.fold(first)
		}
		return err
	}
	proposed := make([]eventstore.Proposed, len(d.Events()))
	for i, e := range d.Events() {
		data, err := domain.Encode(e)
		require.NoError(h.t, err)
		proposed[i] = eventstore.Proposed{ID: uuid.New(), Type: e.EventType(), Time: h.now, Metadata: []byte("{}"), Data: data}
	}
	_, err = h.store.Append(context.Background(), stream, eventstore.Expected(first)-1, proposed)
	require.NoError(h.t, err)
	return nil
}

func (h *history) must(decide func(*portfolio.Decision) error) {
	h.t.Helper()
	require.NoError(h.t, h.try(decide))
}

// fold is the state after the first n records, from nothing.
func (h *history) fold(n uint64) *portfolio.State {
	s := portfolio.New()
	for _, rec := range h.records(n) {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(h.t, err)
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	}
	return s
}

func (h *history) records(n uint64) []eventstore.Record {
	var out []eventstore.Record
	for rec, err := range h.store.ReadStream(context.Background(), stream, 0) {
		if n == 0 {
			break
		}
		require.NoError(h.t, err)
		out, n = append(out, rec), n-1
	}
	return out
}

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

func (h *history) after(d time.Duration) *history { h.now = h.now.Add(d); return h }

func (h *history) deposit(amount string) {
	h.t.Helper()
	h.must(func(d *portfolio.Decision) error {
		return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec(amount)})
	})
}

func (h *history) withdraw(amount string) {
	h.t.Helper()
	h.must(func(d *portfolio.Decision) error {
		return d.Withdraw(&domain.WithdrawalRecorded{Wallet: domain.WalletHot, Amount: dec(amount)})
	})
}

func (h *history) bot(id, capital string) {
	h.t.Helper()
	h.must(func(d *portfolio.Decision) error {
		return d.RegisterBot(&domain.BotRegistered{Bot: id}, dec(capital), true)
	})
}

func (h *history) allocate(bot, amount string) {
	h.t.Helper()
	h.must(func(d *portfolio.Decision) error { return d.Allocate(bot, dec(amount)) })
}

// trade reports a closed trade.
func (h *history) trade(bot, pnl string, fee ...string) {
	h.t.Helper()
	h.next++
	e := &domain.TradeClosed{Bot: bot, Instrument: domain.Instrument{Market: "m"}, TradeID: fmt.Sprintf("r%d", h.next), TradeFigures: domain.TradeFigures{PnL: dec(pnl)}}
	if len(fee) > 0 {
		e.Fee = dec(fee[0])
	}
	h.must(func(d *portfolio.Decision) error { return d.RecordTrade(e) })
}

// fill is "buy 10 YES at 0.4", provisional with a ? behind it. It returns the id.
func (h *history) fill(bot, market, text string) domain.FillID {
	h.t.Helper()
	h.next++
	words := strings.Fields(strings.TrimSuffix(text, "?"))
	r := portfolio.FillReport{
		FillID:     domain.FillID{Bot: bot, TradeID: fmt.Sprintf("f%d", h.next)},
		Instrument: domain.Instrument{Market: market, Outcome: words[2]},
		Side:       domain.Side(words[0]), Quantity: dec(words[1]), Price: dec(words[4]),
	}
	if strings.HasSuffix(text, "?") {
		r.Status = domain.FillProvisionalStatus
	}
	h.must(func(d *portfolio.Decision) error { return d.RecordFill(r) })
	return r.FillID
}

func (h *history) void(id domain.FillID) {
	h.t.Helper()
	h.must(func(d *portfolio.Decision) error { return d.VoidFill(id, "") })
}

func (h *history) settle(market, outcome, payout string) {
	h.t.Helper()
	h.must(func(d *portfolio.Decision) error {
		return d.Settle(&domain.MarketSettled{Instrument: domain.Instrument{Market: market, Outcome: outcome}, Payout: dec(payout)})
	})
}

// models are a runner with every projection riding on it.
type models struct {
	*Runner
	trades *Trades
	stats  *StatsFold
	equity *Equity
}

func follow(store eventstore.Store) *models {
	m := &models{trades: NewTrades(nil), stats: NewStats(nil), equity: NewEquity(nil)}
	m.Runner = NewRunner(store, stream, m.trades, m.stats, m.equity)
	return m
}

// at folds a store up to a point.
func at(t testingT, store eventstore.Store, to Point) *models {
	t.Helper()
	m := follow(store)
	require.NoError(t, m.CatchUp(context.Background(), to))
	return m
}

func (h *history) end() *models { h.t.Helper(); return at(h.t, h.store, Point{}) }

// answers is everything the projections answer, as text.
func (m *models) answers(t testingT) string {
	t.Helper()
	var out string
	m.Read(func(s *portfolio.State) {
		stats, err := m.stats.View(s, nil)
		require.NoError(t, err)
		trades, err := m.trades.List("")
		require.NoError(t, err)
		b, err := json.MarshalIndent([]any{
			StateOf(s), BalancesOf(s), PositionsOf(s), trades, stats,
			m.points(t, 0),
		}, "", " ")
		require.NoError(t, err)
		out = string(b)
	})
	return out
}

func (m *models) statsOf(t testingT) Stats {
	t.Helper()
	var v Stats
	m.Read(func(s *portfolio.State) {
		var err error
		v, err = m.stats.View(s, nil)
		require.NoError(t, err)
	})
	return v
}

// points is the whole series, thinned.
func (m *models) points(t testingT, most int) []EquityPoint {
	t.Helper()
	points, err := m.equity.Points(time.Time{}, time.Time{}, most)
	require.NoError(t, err)
	return points
}

// between is the series of a period.
func (m *models) between(t testingT, from, to time.Time) []EquityPoint {
	t.Helper()
	points, err := m.equity.Points(from, to, 0)
	require.NoError(t, err)
	return points
}

// list are the standing trades.
func (m *models) list(t testingT, bot string) []Trade {
	t.Helper()
	trades, err := m.trades.List(bot)
	require.NoError(t, err)
	return trades
}

// listed are the standing trades as bot, P&L and result.
func (m *models) listed(bot string) string {
	all, err := m.trades.List(bot)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, t := range all {
		revised := ""
		if t.Revised {
			revised = " revised"
		}
		out = append(out, fmt.Sprintf("%d %s %s %s%s", t.Number, t.Bot, t.PnL, t.Result, revised))
	}
	return strings.Join(out, "; ")
}
