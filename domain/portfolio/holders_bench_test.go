package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// holdersMarket is the market that all bots of these benchmarks and tests hold.
const holdersMarket = "will-it-rain-tomorrow"

// holders is a portfolio of which many bots hold the same market, with every limit
// switched on that looks at what others hold.
type holders struct {
	t   testing.TB
	s   *State
	now time.Time
	n   int
	// seen are the events of the commands.
	seen []domain.Event
}

// holdersPolicy switches on every limit that looks beyond the one order.
func holdersPolicy() domain.Policy {
	p := domain.DefaultPolicy(domain.ModePaper)
	quietPolicy(&p)
	far := dec("1000000000")
	p.Rules, p.MaxMarketUSD, p.MaxPositionUSD, p.MaxOrderUSD = domain.SecondRules, far, far, far
	p.MaxCategoryExposurePct, p.MaxBotCapitalPct, p.MaxOpenPositions = dec("1"), dec("1"), 1000
	p.MinCapital, p.MarkMaxAge, p.BlockedZones = dec("1"), domain.Duration(time.Hour), nil
	p.ZoneBounds = []domain.Decimal{dec("0.0001"), dec("0.2"), dec("0.4"), dec("0.6"), dec("0.8"), dec("0.9999")}
	return p
}

// newHolders gives each of n bots both outcomes of one exclusive market, and a live
// permit. The bots of a crowd trade at a named venue.
func newHolders(t testing.TB, n int) *holders {
	h := &holders{t: t, s: New(), now: noon}
	h.apply(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: holdersPolicy()})
	h.apply(&domain.DepositRecorded{Wallet: domain.WalletHot, Asset: "USDC", Amount: dec("100000000")})
	h.apply(&domain.MarketRegistered{Market: holdersMarket, Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Exclusive: true, Category: "weather"})
	for range n {
		h.add()
	}
	h.marks("0.50")
	return h
}

// add gives one more bot what the others have.
func (h *holders) add() {
	bot := holderName(h.n)
	h.n++
	h.apply(&domain.BotRegistered{Bot: bot})
	h.apply(&domain.BotCapitalAllocated{Bot: bot, Amount: dec("10000")})
	h.apply(&domain.BotStarted{Bot: bot})
	for _, outcome := range []string{"YES", "NO"} {
		quantity := "100"
		if outcome == "NO" {
			quantity = "40"
		}
		h.do(bot, func(d *Decision) error {
			return d.RecordFill(h.fill(bot, outcome, quantity, fmt.Sprint("first-", outcome)))
		})
	}
	h.do(bot, func(d *Decision) error {
		return d.AskPermit(PermitRequest{Order: order(bot, holdersMarket, "YES", buy, "10", "0.50")})
	})
}

func holderName(n int) string { return fmt.Sprintf("strategy-%04d", n) }

func (h *holders) fill(bot, outcome, quantity, trade string) FillReport {
	return FillReport{
		FillID: domain.FillID{Bot: bot, Venue: "polymarket", TradeID: bot + trade}, Instrument: domain.Instrument{Market: holdersMarket, Outcome: outcome},
		Side: buy, Quantity: dec(quantity), Price: dec("0.50"),
	}
}

func (h *holders) apply(e domain.Event) { h.s.Apply(domain.Stamp{Revision: h.s.Next, Time: h.now}, e) }

// do decides one command of a bot, or with "" of an operator.
func (h *holders) do(bot string, f func(*Decision) error) []domain.Event {
	h.t.Helper()
	caller := domain.Caller{User: "olga", Role: domain.RoleOperator}
	if bot != "" {
		caller = domain.Caller{User: bot, Role: domain.RoleBot, Bot: bot}
	}
	d := h.s.Begin(h.now, caller)
	if err := f(d); err != nil {
		h.t.Fatal(err)
	}
	if err := d.Finish(); err != nil {
		h.t.Fatal(err)
	}
	if _, measured := h.t.(*testing.B); !measured {
		h.seen = append(h.seen, d.Events()...)
	}
	return d.Events()
}

func (h *holders) marks(price string) {
	h.t.Helper()
	d := h.s.Begin(h.now, domain.Caller{User: "fred", Role: domain.RoleFeed})
	require.NoError(h.t, d.MarkPrices([]domain.Mark{{Market: holdersMarket, Outcome: "YES", Price: dec(price)}}))
}

// steps are the commands of the benchmark, each as a pair that leaves the portfolio as it
// was but for the fills that it remembers.
var holdersSteps = map[string]func(h *holders, bot string, i int){
	"permit": func(h *holders, bot string, _ int) {
		e := h.do(bot, func(d *Decision) error {
			return d.AskPermit(PermitRequest{Order: order(bot, holdersMarket, "YES", buy, "10", "0.50")})
		})
		granted, ok := e[len(e)-1].(*domain.PermitGranted)
		require.True(h.t, ok, "%T", e[len(e)-1])
		h.do(bot, func(d *Decision) error { return d.ReleasePermit(granted.Permit, "") })
	},
	"fill": func(h *holders, bot string, i int) {
		r := h.fill(bot, "YES", "10", fmt.Sprint("b", i))
		h.do(bot, func(d *Decision) error { return d.RecordFill(r) })
		r.TradeID, r.Side = fmt.Sprint("s", i), sell
		h.do(bot, func(d *Decision) error { return d.RecordFill(r) })
	},
	"void": func(h *holders, bot string, i int) {
		r := h.fill(bot, "YES", "10", fmt.Sprint("v", i))
		r.Status = domain.FillProvisionalStatus
		h.do(bot, func(d *Decision) error { return d.RecordFill(r) })
		h.do(bot, func(d *Decision) error { return d.VoidFill(r.FillID, holdersMarket) })
	},
	"confirm": func(h *holders, bot string, i int) {
		r := h.fill(bot, "YES", "10", fmt.Sprint("c", i))
		if i%2 == 1 {
			r.Side = sell
		}
		r.Status = domain.FillProvisionalStatus
		h.do(bot, func(d *Decision) error { return d.RecordFill(r) })
		h.do(bot, func(d *Decision) error { return d.ConfirmFill(r.FillID, holdersMarket) })
	},
	"deposit": func(h *holders, _ string, _ int) {
		h.do("", func(d *Decision) error {
			return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("10")})
		})
		h.do("", func(d *Decision) error {
			return d.Withdraw(&domain.WithdrawalRecorded{Wallet: domain.WalletHot, Amount: dec("10")})
		})
	},
	"allocate": func(h *holders, bot string, _ int) {
		h.do("", func(d *Decision) error { return d.Allocate(bot, dec("10")) })
		h.do("", func(d *Decision) error { return d.Allocate(bot, dec("-10")) })
	},
	"stop_bot": func(h *holders, bot string, _ int) {
		h.do("", func(d *Decision) error { return d.StopBot(bot, "benchmark") })
		h.do("", func(d *Decision) error { return d.StartBot(bot) })
	},
	"own_mark": func(h *holders, bot string, i int) {
		m := domain.Mark{Market: holdersMarket, Outcome: "YES", Price: dec(fmt.Sprint("0.5", i%2))}
		h.do(bot, func(d *Decision) error { return d.MarkPrices([]domain.Mark{m}) })
	},
	"market_mark": func(h *holders, _ string, i int) { h.marks(fmt.Sprint("0.5", i%2)) },
}

// crowds are how many bots hold the market.
var crowds = []int{1, 100, 1000, 4000}

// BenchmarkHolders measures what a command costs while many bots hold its market. Only a
// mark of the market and its settlement may cost the number of holders, and these
// linearly.
func BenchmarkHolders(b *testing.B) {
	for _, name := range []string{"permit", "fill", "void", "confirm", "deposit", "allocate", "stop_bot", "own_mark", "market_mark"} {
		b.Run(name, func(b *testing.B) {
			for _, n := range crowds {
				b.Run(fmt.Sprint(n), func(b *testing.B) {
					h, step := newHolders(b, n), holdersSteps[name]
					if name == "own_mark" { // a bot's word counts once the market's mark is stale
						h.now = h.now.Add(2 * time.Hour)
					}
					for i := 0; b.Loop(); i++ {
						step(h, holderName(i%n), i)
					}
				})
			}
		})
	}
	b.Run("settle", func(b *testing.B) { benchOnce(b, (*holders).settle) })
	b.Run("stop", func(b *testing.B) { benchOnce(b, (*holders).stop) })
	b.Run("replay", benchReplay)
	b.Run("permits", benchPermits)
	b.Run("expired", benchExpired)
}

func (h *holders) settle() {
	h.do("", func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: holdersMarket, Payouts: map[string]domain.Decimal{"YES": domain.One, "NO": domain.Zero}})
	})
}

func (h *holders) stop() {
	h.do("", func(d *Decision) error { return d.EngageStop(domain.StopManual, "benchmark") })
}

// benchOnce measures a command that can be given once only, on a copy each time.
func benchOnce(b *testing.B, command func(*holders)) {
	for _, n := range crowds {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newHolders(b, n)
			for b.Loop() {
				b.StopTimer()
				once := *h
				once.s = h.s.Clone()
				b.StartTimer()
				command(&once)
			}
		})
	}
}

// benchReplay folds the events of bots that come, buy the same outcome and mark it.
func benchReplay(b *testing.B) {
	for _, n := range crowds {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newHolders(b, 0)
			for b.Loop() {
				once := *h
				once.s = h.s.Clone()
				for range n {
					once.add()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/bot")
		})
	}
}

// benchPermits measures the next permit of a bot that has as many.
func benchPermits(b *testing.B) {
	for _, n := range []int{1, 100, 999} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newHolders(b, 10)
			for range n - 1 {
				h.do(holderName(0), func(d *Decision) error {
					return d.AskPermit(PermitRequest{Order: order(holderName(0), holdersMarket, "YES", buy, "0.01", "0.50")})
				})
			}
			for i := 0; b.Loop(); i++ {
				holdersSteps["permit"](h, holderName(0), i)
			}
		})
	}
}

// benchExpired is the first permit after many have expired.
func benchExpired(b *testing.B) {
	for _, n := range []int{1, 1000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newHolders(b, 10)
			for i := range n {
				bot := holderName(i % 10)
				h.do(bot, func(d *Decision) error {
					return d.AskPermit(PermitRequest{Order: order(bot, holdersMarket, "YES", buy, "0.01", "0.50")})
				})
			}
			later := h.s.Time.Add(time.Hour)
			for range b.N {
				b.StopTimer()
				d := h.s.Clone().Begin(later, callerOf(holderName(0)))
				b.StartTimer()
				_ = d.AskPermit(PermitRequest{Order: order(holderName(0), holdersMarket, "YES", buy, "0.01", "0.50")})
			}
		})
	}
}
