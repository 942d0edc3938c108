package metrics

import (
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/testenv"
)

// one is a source with one portfolio.
type one struct{ s *portfolio.State }

func (o one) Each(look func(*portfolio.State)) { look(o.s) }

func staleAfter(age time.Duration) domain.Policy {
	p := domain.DefaultPolicy(domain.ModePaper)
	p.MarkMaxAge = domain.Duration(age)
	return p
}

func some(t *testing.T) *portfolio.State {
	t.Helper()
	s, now := portfolio.New(), time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	olga := domain.Caller{User: "olga", Role: domain.RoleOperator}
	for _, decide := range []func(d *portfolio.Decision) error{
		func(d *portfolio.Decision) error {
			return d.Open(&domain.PortfolioOpened{
				Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6,
				Policy: staleAfter(time.Minute),
			}, nil)
		},
		func(d *portfolio.Decision) error {
			return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: domain.MustDecimal("1000")})
		},
		func(d *portfolio.Decision) error {
			return d.RegisterBot(&domain.BotRegistered{Bot: "alpha"}, domain.MustDecimal("400"), true)
		},
		func(d *portfolio.Decision) error {
			return d.RegisterBot(&domain.BotRegistered{Bot: "idle"}, domain.Zero, false)
		},
		func(d *portfolio.Decision) error {
			return d.RecordTrade(&domain.TradeClosed{
				Bot: "alpha", Instrument: domain.Instrument{Market: "m"}, TradeFigures: domain.TradeFigures{PnL: domain.MustDecimal("-60")}, TradeID: "t",
			})
		},
		func(d *portfolio.Decision) error {
			return d.RecordFill(portfolio.FillReport{
				FillID: domain.FillID{Bot: "alpha", TradeID: "f"}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"},
				Side: domain.Buy, Quantity: domain.MustDecimal("1"), Price: domain.MustDecimal("0.5"),
			})
		},
	} {
		d := s.Begin(now, olga)
		require.NoError(t, decide(d))
		require.NoError(t, d.Finish())
	}
	return s
}

func scrape(t *testing.T) string {
	t.Helper()
	m := New()
	m.Watch(one{some(t)}, func() bool { return true }, func() Health {
		return Health{Damaged: true, DiskFree: 1 << 30, DiskReserve: 1 << 26, StopsPending: 2, StopsUnkept: 1, IndexReady: true, IndexUnwritten: 7, ClockBehind: 90 * time.Second}
	})
	m.WatchWitness(func() Witness { return Witness{Written: time.UnixMilli(1_500), Failures: 2, Streams: 3, OK: true} })
	m.WatchDatabase(func() Database {
		return Database{Connected: true, Reconnects: 3, Unanswered: map[string]uint64{"found": 1, "unknown": 0}, Appends: 4, AppendSeconds: 0.5, AppendBuckets: map[float64]uint64{0.1: 3}}
	})
	m.AuditMismatch()
	m.WatchKeys(func() (map[string]time.Time, int) {
		return map[string]time.Time{"admin": time.Unix(1_800_000_000, 0)}, 2
	})
	m.Request("ask_permit", 200, 300*time.Microsecond)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

// "Start every breaker series at 0", and each says what the state says.
func TestMetrics(t *testing.T) {
	text := scrape(t)
	for _, line := range []string{
		`pets_ready 1`,
		`pets_api_key_expiry_timestamp_seconds{role="admin"} 1.8e+09`,
		`pets_api_keys_expiring 2`,
		`pets_witness_ok 1`,
		`pets_database_connected 1`,
		`pets_database_reconnects_total 3`,
		`pets_database_unanswered_appends_total{outcome="found"} 1`,
		`pets_database_unanswered_appends_total{outcome="unknown"} 0`,
		`pets_database_append_seconds_bucket{le="0.1"} 3`,
		`pets_database_append_seconds_count 4`,
		`pets_witness_written_timestamp_seconds 1.5`,
		`pets_witness_failures_total 2`,
		`pets_witness_streams 3`,
		`pets_audit_mismatches_total 1`,
		`pets_equity_usd{bot="",portfolio="main"} 940`,
		`pets_equity_usd{bot="alpha",portfolio="main"} 340`,
		`pets_daily_loss_ratio{portfolio="main"} 0.06`,
		`pets_drawdown_ratio{bot="alpha",portfolio="main"} 0.15`,
		`pets_consecutive_losses{bot="alpha",portfolio="main"} 1`,
		`pets_stale_positions{portfolio="main"} 1`,
		`pets_waiting_marks{portfolio="main"} 0`,
		`pets_partly_marked_markets{portfolio="main"} 0`,
		`pets_rules_edition{portfolio="main"} 1`,
		`pets_asleep{bot="",portfolio="main"} 0`,
		`pets_asleep{bot="alpha",portfolio="main"} 0`,
		`pets_asleep{bot="idle",portfolio="main"} 1`,
		`pets_breaker_tripped{bot="",breaker="daily_loss",portfolio="main"} 1`,
		`pets_breaker_tripped{bot="",breaker="portfolio_drawdown",portfolio="main"} 0`,
		`pets_breaker_tripped{bot="alpha",breaker="consecutive_losses",portfolio="main"} 0`,
		`pets_breaker_limit{bot="",breaker="daily_loss",portfolio="main"} 0.05`,
		`pets_emergency_stop{portfolio="main"} 0`,
		`pets_bot_running{bot="alpha",portfolio="main"} 0`,
		`pets_store_poisoned 0`,
		`pets_store_damaged 1`,
		`pets_disk_free_bytes 1.073741824e+09`,
		`pets_disk_reserve_bytes 6.7108864e+07`,
		`pets_stops_pending 2`, `pets_stops_unkept 1`,
		`pets_clock_behind_seconds 90`,
		`pets_index_ready 1`, `pets_index_unwritten_entries 7`,
		`pets_http_requests_total{route="ask_permit",status="200"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
}

// Prometheus' own tool finds nothing to say against the names and the types.
func TestPromtoolAgrees(t *testing.T) {
	tool := testenv.Need(t, "promtool")
	c := exec.Command(tool, "check", "metrics")
	c.Stdin = bytes.NewReader([]byte(scrape(t)))
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, string(out))
}

// Every alert of the example is about a series that a server shows, and its conditions hold at
// the moments that the unit tests beside it name.
func TestAlerts(t *testing.T) {
	const rules = "../../docs/examples/prometheus/alerts.yml"
	text, err := os.ReadFile(rules)
	require.NoError(t, err)
	var shown strings.Builder
	shown.WriteString(scrape(t))
	for _, d := range slices.Concat(all, custodySeries) { // those of wallets, too, which the portfolio of the test has none of
		shown.WriteString(d.String())
	}
	exprs := regexp.MustCompile(`(?m)^ *expr: (.*)$`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, exprs)
	for _, expr := range exprs {
		for _, name := range regexp.MustCompile(`pets_[a-z_]+`).FindAllString(expr[1], -1) {
			require.Regexp(t, `\b`+name+`\b`, shown.String())
		}
	}
	tool := testenv.Need(t, "promtool")
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", "testdata/alerts_test.yml"}} {
		out, err := exec.Command(tool, args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}
