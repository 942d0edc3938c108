package portfolio

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// Time never goes back behind the last record; more than 2 s is a clock that is behind.
func TestClockAt(t *testing.T) {
	s := New()
	s.Time = noon
	for _, tt := range []struct {
		wall, offset  time.Duration // of the wall clock after noon, and agreed upon
		after, behind time.Duration
	}{
		{0, 0, 0, 0},
		{time.Second, 0, time.Second, 0},
		{-2 * time.Second, 0, 0, 0},
		{-2*time.Second - 1, 0, 0, 2*time.Second + 1},
		{-time.Hour, time.Hour, 0, 0},
		{-time.Hour + time.Second, time.Hour, time.Second, 0},
		{-2 * time.Hour, time.Hour, 0, time.Hour},
	} {
		s.ClockOffset = domain.Duration(tt.offset)
		now, behind := s.ClockAt(noon.Add(tt.wall).In(time.FixedZone("x", 3600)))
		require.Equal(t, noon.Add(tt.after), now, "%+v", tt)
		require.Equal(t, tt.behind, behind, "%+v", tt)
	}
}

// "It refuses … signatures of orders that open": one under a permit that only closes is
// made, and the expiry of its order is kept by the clock of the stream.
func TestSignaturesUnderAWrongClock(t *testing.T) {
	h := signing(t)
	opens, closes := h.allowed(buy, "100", "0.5", "1"), h.allowed(sell, "50", "0.5", "0")
	still := Standstill{Behind: time.Hour}
	begin := func() *Decision {
		d := h.s.Begin(h.now, domain.Caller{User: "a", Role: domain.RoleBot, Bot: "a"})
		d.Behind(still)
		return d
	}
	require.Equal(t, domain.CodeClock, domain.CodeOf(begin().SignatureRefusedByClock(opens)))
	require.NoError(t, begin().SignatureRefusedByClock(closes))
	require.NoError(t, begin().SignatureRefusedByClock("p999"), "the decision says that there is none")
	expiry := h.now.Add(-50 * time.Minute) // ten minutes from now by the venue's clock
	o := h.typed(sell, "50", "25")
	o.ExpiresAt = &expiry
	h.as(domain.RoleBot, "a").must(func(d *Decision) error {
		d.Behind(still)
		return d.SignOrder(SignRequest{Permit: closes, Order: o})
	})
	require.Equal(t, h.now.Add(10*time.Minute), h.s.Permits[closes].ExpiresAt)
}

// A gate is at most 7 days old, by two portfolios' clocks: one that runs ahead of the
// world makes no gate young for a year.
func TestAGateOfAnotherClock(t *testing.T) {
	for age, ok := range map[time.Duration]bool{0: true, 7 * 24 * time.Hour: true, 8 * 24 * time.Hour: false, -8 * 24 * time.Hour: false} {
		e := &domain.PortfolioOpened{Portfolio: "real", Mode: domain.ModeLive, Policy: domain.DefaultPolicy(domain.ModeLive), Gate: &domain.Gate{Portfolio: "paper"}}
		err := New().Begin(noon, domain.Caller{User: "olga", Role: domain.RoleOperator}).checkGate(e, &Evidence{
			Event: &domain.OverrideRecorded{Kind: domain.OverrideGoLive, Portfolio: "real"}, Time: noon.Add(-age), Mode: domain.ModePaper, Clock: domain.ClockWall,
		})
		if ok {
			require.NoError(t, err, age)
		} else {
			require.Equal(t, domain.CodeDenied, domain.CodeOf(err), age)
		}
	}
}

// "Still takes … everything that stops or reduces": a limit that is tighter. What loosens one
// opens, and so is refused, also beside others that are tighter, and with it what is no limit.
// Each key of the policy is tried, in either direction.
func TestALimitUnderAWrongClock(t *testing.T) {
	from := domain.NewPolicy(domain.ModePaper, domain.ClockWall, "USDC")
	from.MaxBotDailyLossPct, from.MaxRollingLossPct, from.MaxBotCapitalPct, from.MaxCategoryExposurePct = dec("0.5"), dec("0.5"), dec("0.5"), dec("0.5")
	from.MaxOrderUSD, from.MaxPositionUSD, from.MaxMarketUSD, from.LossDust = dec("5"), dec("5"), dec("5"), dec("5")
	from.MaxOpenPositions, from.MaxOrdersPerMinute, from.MaxOrdersPerDay = 5, 5, 5
	from.MarketCooldown, from.MarkMaxAge, from.MarkCollar, from.FeeBPS, from.PaperSlippageBPS = domain.Duration(time.Hour), domain.Duration(time.Hour), dec("0.5"), dec("5"), dec("5")
	// tighter, looser or neither
	higher := func(low, high string) [2][]string { return [2][]string{{low}, {high, "0"}} }
	keys := map[string][2][]string{
		"max_consecutive_losses": {{"1"}, {"4"}}, "max_daily_loss_pct": {{"0.01"}, {"0.06"}}, "max_bot_drawdown_pct": {{"0.01"}, {"0.9"}},
		"max_portfolio_drawdown_pct": {{"0.01"}, {"0.9"}}, "max_bot_daily_loss_pct": higher("0.1", "0.6"), "max_rolling_loss_pct": higher("0.1", "0.6"),
		"max_bot_capital_pct": higher("0.1", "0.6"), "max_category_exposure_pct": higher("0.1", "0.6"), "max_order_usd": higher("4", "6"),
		"max_position_usd": higher("4", "6"), "max_market_usd": higher("4", "6"), "max_open_positions": higher("4", "6"),
		"max_orders_per_minute": higher("4", "6"), "max_orders_per_day": higher("4", "6"), "loss_dust": {{"4", "0"}, {"6"}},
		"position_dust_usd": {{"0.01", "0"}, {"1"}}, "mark_collar": higher("0.1", "0.6"), "min_capital": {nil, {"0.5", "2", "0"}},
		"breaker_warn_at": {nil, {"0.7", "0.9"}}, "fee_bps": {nil, {"4", "6"}}, "paper_slippage_bps": {nil, {"4", "6"}}, "daily_loss_tz": {nil, {`"Europe/Berlin"`}},
		"breaker_stops": {nil, {`"bot"`}}, "close_positions_on_trip": {nil, {"true"}}, "while_tripped": {{`"nothing"`}, nil}, "registered_only": {{"true"}, nil},
		"market_cooldown": {{`"2h"`}, {`"59m"`, `"0s"`}}, "mark_max_age": {{`"59m"`}, {`"2h"`, `"0s"`}}, "permit_ttl": {{`"29s"`}, {`"31s"`}},
		"mark_confirm_after": {{`"11s"`}, {`"9s"`}}, "blocked_zones": {{"[3,4,5]"}, {"[5]", "[]"}},
		"zone_bounds": {nil, {`["0.06","0.20","0.40","0.60","0.80","0.98"]`}}, "rules": {nil, {"1"}},
	}
	require.Len(t, keys, reflect.TypeFor[domain.Policy]().NumField(), "a key of the policy is not tried")
	try := func(rules int, adopt bool, patch string) domain.Code {
		s := New()
		p := from
		p.Rules = rules
		s.Apply(domain.Stamp{Time: noon}, &domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: p})
		d := s.Begin(noon, olga)
		d.Behind(Standstill{Behind: time.Hour})
		return domain.CodeOf(d.LimitsRefusedByClock([]byte(patch), adopt))
	}
	text := func(value string) string {
		if strings.ContainsAny(value[:1], `["tf`) {
			return value
		}
		return `"` + value + `"`
	}
	for key, values := range keys {
		for n, of := range values {
			for _, value := range of {
				if strings.HasPrefix(key, "max_") && !strings.HasSuffix(key, "_pct") && !strings.HasSuffix(key, "_usd") || key == "rules" {
					value = `{"` + key + `":` + value
				} else {
					value = `{"` + key + `":` + text(value)
				}
				want := []domain.Code{"", domain.CodeClock}[n]
				require.Equal(t, want, try(2, false, value+"}"), value)
				require.Equal(t, domain.CodeClock, try(2, true, value+"}"), "adopted: %s", value)
				require.Equal(t, domain.CodeClock, try(0, false, value+"}"), "the first edition: %s", value)
				if key != "max_daily_loss_pct" {
					require.Equal(t, want, try(2, false, value+`,"max_daily_loss_pct":"0.01"}`), "mixed: %s", value)
					require.Equal(t, domain.CodeClock, try(2, false, value+`,"max_daily_loss_pct":"0.06"}`), "mixed: %s", value)
				}
			}
		}
	}
	require.Empty(t, try(2, false, `{"max_daily_loss_pct":"0.05"}`), "repeating a limit opens nothing")
	require.Empty(t, try(2, false, `{"x`), "the decision says what is wrong")
}
