package domain

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDefaultPolicy(t *testing.T) {
	for _, mode := range []Mode{ModePaper, ModeLive} {
		p := DefaultPolicy(mode)
		require.NoError(t, p.Validate())
		require.Equal(t, 3, p.MaxConsecutiveLosses)
		require.Equal(t, "0.05", p.MaxDailyLossPct.String())
		require.Equal(t, "0.25", p.MaxBotDrawdownPct.String())
		require.Equal(t, "0.4", p.MaxPortfolioDrawdownPct.String())
		require.Equal(t, "0.8", p.BreakerWarnAt.String())
		require.Equal(t, StopAll, p.BreakerStops)
		require.Equal(t, "UTC", p.DailyLossTZ)
		require.True(t, p.LossDust.IsZero(), "loss_dust (default 0)")
		require.Equal(t, "30s", p.PermitTTL.String())
		require.Equal(t, []int{4, 5}, p.BlockedZones)
	}
	// “older than mark_max_age (live 15 m, paper off …)”
	require.Equal(t, Duration(15*time.Minute), DefaultPolicy(ModeLive).MarkMaxAge)
	require.Equal(t, Duration(0), DefaultPolicy(ModePaper).MarkMaxAge)
}

// “Ratios are fractions: 0.05 is 5 %. A configured ratio ≥ 1 is
// refused with ‘did you mean 0.05?’.” Limit − 1, limit, limit + 1.
func TestPolicyRatios(t *testing.T) {
	ratios := map[string]func(*Policy, Decimal){
		"max_daily_loss_pct":         func(p *Policy, d Decimal) { p.MaxDailyLossPct = d },
		"max_bot_drawdown_pct":       func(p *Policy, d Decimal) { p.MaxBotDrawdownPct = d },
		"max_portfolio_drawdown_pct": func(p *Policy, d Decimal) { p.MaxPortfolioDrawdownPct = d },
		"breaker_warn_at":            func(p *Policy, d Decimal) { p.BreakerWarnAt = d },
	}
	for field, set := range ratios {
		check := func(text string) error {
			p := DefaultPolicy(ModePaper)
			set(&p, MustDecimal(text))
			return p.Validate()
		}
		require.NoError(t, check("0.999999999999999999"))
		require.NoError(t, check("0.000000000000000001"))
		require.EqualError(t, check("1"), field+" is 1, but a ratio is a fraction below 1: did you mean 0.01?")
		require.EqualError(t, check("5"), field+" is 5, but a ratio is a fraction below 1: did you mean 0.05?")
		require.EqualError(t, check("1.000000000000000001"), field+" is 1.000000000000000001, but a ratio is a fraction below 1: did you mean 0.01?")
		require.EqualError(t, check("0"), field+" must be above 0 (a fraction: 0.05 is 5 %)")
		require.EqualError(t, check("-0.05"), field+" must be above 0 (a fraction: 0.05 is 5 %)")
		require.Equal(t, CodeInvalid, CodeOf(check("5")))
	}
}

func TestPolicyValidate(t *testing.T) {
	second := Duration(time.Second)
	for _, c := range []struct {
		change func(*Policy)
		want   string // "" is fine
	}{
		{func(p *Policy) { p.MaxConsecutiveLosses = 0 }, "max_consecutive_losses must be 1 to 1000"},
		{func(p *Policy) { p.MaxConsecutiveLosses = 1 }, ""},
		{func(p *Policy) { p.MaxConsecutiveLosses = 1000 }, ""},
		{func(p *Policy) { p.MaxConsecutiveLosses = 1001 }, "max_consecutive_losses must be 1 to 1000"},
		{func(p *Policy) { p.BreakerStops = "none" }, `breaker_stops must be "all" or "bot"`},
		{func(p *Policy) { p.BreakerStops = StopBot }, ""},
		{func(p *Policy) { p.LossDust = MustDecimal("-0.01") }, "loss_dust must not be negative"},
		{func(p *Policy) { p.PermitTTL = second - 1 }, "permit_ttl must be between 1s and 1h"},
		{func(p *Policy) { p.PermitTTL = second }, ""},
		{func(p *Policy) { p.PermitTTL = 3600 * second }, ""},
		{func(p *Policy) { p.PermitTTL = 3600*second + 1 }, "permit_ttl must be between 1s and 1h"},
		{func(p *Policy) { p.MarkMaxAge = -1 }, "mark_max_age must not be negative; 0 switches the check off"},
		{func(p *Policy) { p.FeeBPS = MustDecimal("-1") }, "fee_bps must be at least 0 and below 10000 (basis points of the notional)"},
		{func(p *Policy) { p.FeeBPS = MustDecimal("9999.999") }, ""},
		{func(p *Policy) { p.FeeBPS = FromInt(10_000) }, "fee_bps must be at least 0 and below 10000 (basis points of the notional)"},
		{func(p *Policy) { p.DailyLossTZ = "Europe/Berlin" }, ""},
		{func(p *Policy) { p.DailyLossTZ = "" }, "daily_loss_tz is not a known IANA time zone such as UTC or Europe/Berlin"},
		{func(p *Policy) { p.DailyLossTZ = "Local" }, "daily_loss_tz is not a known IANA time zone such as UTC or Europe/Berlin"},
		{func(p *Policy) { p.DailyLossTZ = "../etc/passwd" }, "daily_loss_tz is not a known IANA time zone such as UTC or Europe/Berlin"},
		{func(p *Policy) { p.ZoneBounds = p.ZoneBounds[:5] }, "zone_bounds must hold 6 prices, the borders of 5 zones"},
		{func(p *Policy) { p.ZoneBounds = nil }, "zone_bounds must hold 6 prices, the borders of 5 zones"},
		{func(p *Policy) { p.ZoneBounds[5] = MustDecimal("1.01") }, "zone_bounds must lie between 0 and 1"},
		{func(p *Policy) { p.ZoneBounds[5] = One }, ""},
		{func(p *Policy) { p.ZoneBounds[1] = p.ZoneBounds[0] }, "zone_bounds must rise from one to the next"},
		{func(p *Policy) { p.BlockedZones = nil }, ""},
		{func(p *Policy) { p.BlockedZones = []int{0} }, "blocked_zones may hold only 1 to 5"},
		{func(p *Policy) { p.BlockedZones = []int{6} }, "blocked_zones may hold only 1 to 5"},
	} {
		p := DefaultPolicy(ModePaper)
		c.change(&p)
		err := p.Validate()
		if c.want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, c.want)
	}
}

// “[lo,hi), last closed: Z1 .05–.20, … Z5 .80–.98”.
func TestZones(t *testing.T) {
	p := DefaultPolicy(ModePaper)
	for price, want := range map[string]int{
		"0": 0, "0.049999999999999999": 0, "0.05": 1, "0.199999999999999999": 1, "0.2": 2, "0.399999999999999999": 2,
		"0.4": 3, "0.599999999999999999": 3, "0.6": 4, "0.799999999999999999": 4, "0.8": 5, "0.979999999999999999": 5,
		"0.98": 5, "0.980000000000000001": 0, "1": 0,
	} {
		require.Equal(t, want, p.Zone(MustDecimal(price)), price)
	}
	require.Equal(t, 0, new(Policy).Zone(One))
}

func TestDurationText(t *testing.T) {
	var d Duration
	require.NoError(t, json.Unmarshal([]byte(`"15m"`), &d))
	b, err := json.Marshal(d)
	require.NoError(t, err)
	require.Equal(t, `"15m0s"`, string(b))
	require.EqualError(t, d.UnmarshalText([]byte("soon")), "is not a duration such as 30s or 15m")
	require.Error(t, json.Unmarshal([]byte("30"), &d), "a number of what?")
}

func TestCheckID(t *testing.T) {
	for _, id := range []string{"a", "bot-1", "A.b_C-9", strings.Repeat("x", 64)} {
		require.NoError(t, CheckID("bot", id))
	}
	for id, want := range map[string]string{
		"":                      "bot is missing",
		strings.Repeat("x", 65): "bot has 65 bytes; the most is 64",
		"a b":                   "bot may hold only letters, digits and . _ -",
		"a/b":                   "bot may hold only letters, digits and . _ -",
		"a|b":                   "bot may hold only letters, digits and . _ -",
		"ä":                     "bot may hold only letters, digits and . _ -",
		"a\x00":                 "bot may hold only letters, digits and . _ -",
		"\xff":                  "bot may hold only letters, digits and . _ -",
	} {
		require.EqualError(t, CheckID("bot", id), want)
	}
}

func TestCheckText(t *testing.T) {
	require.NoError(t, CheckText("market", "Will it rain? / Ü 日本"))
	require.NoError(t, CheckText("market", strings.Repeat("x", 256)))
	require.NoError(t, CheckOptionalText("venue", ""))
	require.NoError(t, CheckReason("reason", strings.Repeat("x", 1000)))
	require.EqualError(t, CheckText("market", ""), "market is missing")
	require.EqualError(t, CheckText("market", strings.Repeat("x", 257)), "market has 257 bytes; the most is 256")
	require.EqualError(t, CheckText("market", "a\nb"), "market holds a character that cannot be printed (U+000A)")
	require.EqualError(t, CheckText("market", "a\u202eb"), "market holds a character that cannot be printed (U+202E)")
	require.EqualError(t, CheckText("market", "a\x00b"), "market holds a character that cannot be printed (U+0000)")
	require.EqualError(t, CheckText("market", "a\xffb"), "market is not valid UTF-8")
	require.EqualError(t, CheckReason("reason", ""), "reason is missing; say why, it is kept with the record")
	require.EqualError(t, CheckReason("reason", strings.Repeat("x", 1001)), "reason has 1001 bytes; the most is 1000")
}

func TestNames(t *testing.T) {
	require.Equal(t, "alpha/1", FillID{Bot: "alpha", TradeID: "1"}.String())
	require.Equal(t, "alpha/poly/1#2", FillID{Bot: "alpha", Venue: "poly", TradeID: "1", Leg: 2}.String())
	require.Equal(t, "t7", TradeName(7))
	require.Equal(t, "p7", PermitName(7))
	require.Equal(t, "m / YES", Instrument{"m", "YES"}.String())
	require.NotEqual(t, Caller{User: "a", Role: RoleBot, Bot: "x"}.Scope(), Caller{User: "a", Role: RoleBot, Bot: "y"}.Scope())
	require.Equal(t, Caller{User: "Olga", Role: RoleAdmin}.Scope(), Caller{User: "olga", Role: RoleOperator}.Scope())
	require.Equal(t, "admin/Olga/", Caller{User: "Olga", Role: RoleAdmin}.FormerScope())
}

// Errors carry a code, a field and a cause, and keep them when wrapped.
func TestErrors(t *testing.T) {
	require.Equal(t, Code(""), CodeOf(nil))
	require.Equal(t, CodeInternal, CodeOf(errors.New("x")))
	err := Invalid("amount", "must be above %d", 0)
	require.EqualError(t, err, "amount must be above 0")
	require.Equal(t, CodeInvalid, CodeOf(fmt.Errorf("row 7: %w", err)))
	cause := errors.New("disk full")
	err = &Error{Code: CodeUnavailable, Message: "the store cannot take it", Cause: cause}
	require.EqualError(t, err, "the store cannot take it: disk full")
	require.ErrorIs(t, err, cause)
	require.EqualError(t, Errorf(CodeConflict, "portfolio %s is open", "main"), "portfolio main is open")
}

// A policy without blocked zones says so with a list, as the API promises.
func TestACloneHasNoNull(t *testing.T) {
	p := DefaultPolicy(ModePaper)
	p.BlockedZones = nil
	b, err := json.Marshal(p.Clone())
	require.NoError(t, err)
	require.Contains(t, string(b), `"blocked_zones":[]`)
}
