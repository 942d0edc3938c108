package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

func change(patch string) func(*Decision) error {
	return func(d *Decision) error { return d.ChangeLimits([]byte(patch), "test") }
}

// loosening is every way to loosen a limit beyond its default, by one step.
var loosening = map[string]string{
	"max_consecutive_losses":     `4`,
	"max_daily_loss_pct":         `"0.050000000000000001"`,
	"max_bot_drawdown_pct":       `"0.250000000000000001"`,
	"max_portfolio_drawdown_pct": `"0.400000000000000001"`,
	"breaker_stops":              `"bot"`,
	"loss_dust":                  `"0.000000000000000001"`,
	"mark_max_age":               `"15m0.000000001s"`,
	"permit_ttl":                 `"30.000000001s"`,
	"blocked_zones":              `[5]`,
	"zone_bounds":                `["0.049999999999999999","0.2","0.4","0.6","0.8","0.98"]`,
}

// "In live mode no limit may be loosened beyond the default below without two
// people." To the default and tighter it may be moved.
func TestLiveLimitsAreNotLoosened(t *testing.T) {
	for key, value := range loosening {
		h := newHarness(t).open(domain.ModeLive)
		err := h.refused(domain.CodeDenied, change(`{"`+key+`":`+value+`}`))
		var e *domain.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, key, e.Field)
		h.limits(`{"max_daily_loss_pct":"0.01"}`)
		h.refused(domain.CodeDenied, change(`{"`+key+`":`+value+`}`))
		newHarness(t).open(domain.ModePaper).limits(`{"` + key + `":` + value + `}`)
	}
	h := newHarness(t).open(domain.ModeLive)
	h.refused(domain.CodeDenied, change(`{"mark_max_age":"0s"}`)) // 0 is never
	h.refused(domain.CodeDenied, change(`{"blocked_zones":null}`))
	h.limits(`{"max_consecutive_losses":1,"max_daily_loss_pct":"0.01","max_bot_drawdown_pct":"0.2","max_portfolio_drawdown_pct":"0.3",
		"mark_max_age":"1m","permit_ttl":"1s","blocked_zones":[1,4,5]}`)
	h.limits(`{"max_consecutive_losses":3,"max_daily_loss_pct":"0.05","max_bot_drawdown_pct":"0.25","max_portfolio_drawdown_pct":"0.4",
		"mark_max_age":"15m","permit_ttl":"30s","blocked_zones":[5,4]}`)
}

// "live needs gate": there is none yet that could be passed.
func TestLiveCannotBeOpened(t *testing.T) {
	open := func(mode domain.Mode, clock domain.Clock, gate *domain.Gate) func(*Decision) error {
		return func(d *Decision) error {
			return d.Open(&domain.PortfolioOpened{
				Portfolio: "main", Mode: mode, Clock: clock, BaseAsset: "USDC", BaseDecimals: 6,
				Policy: domain.DefaultPolicy(mode), Gate: gate,
			}, nil)
		}
	}
	h := newHarness(t)
	h.refused(domain.CodeDenied, open(domain.ModeLive, domain.ClockWall, nil))
	h.refused(domain.CodeDenied, open(domain.ModeLive, domain.ClockWall, &domain.Gate{Portfolio: "paper", Revision: 7}))
	h.refused(domain.CodeInvalid, open(domain.ModeLive, domain.ClockImported, nil))
	h.refused(domain.CodeInvalid, open("", domain.ClockWall, nil))
	h.must(open(domain.ModePaper, domain.ClockWall, nil))
	h.refused(domain.CodeConflict, open(domain.ModePaper, domain.ClockWall, nil))
}

// "The policy is in the stream": the record carries all of it, and what the patch
// does not name stays.
func TestLimitsChangeNamesWhatChanges(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.limits(`{"max_daily_loss_pct":"0.03"}`)
	want := domain.DefaultPolicy(domain.ModePaper)
	want.MaxDailyLossPct = dec("0.03")
	require.Equal(t, &domain.LimitsChanged{Policy: want, Reason: "test"}, lastOf[*domain.LimitsChanged](h))
	require.Equal(t, want, h.s.Policy)

	for _, wrong := range []string{
		`{"max_daily_loss_pct":"5"}`, `{"max_daily_loss_pct":"1"}`, `{"max_daily_loss_pct":"0"}`, `{"max_daily_loss_pct":0.03}`,
		`{"max_daily_loss_pct":null}`, `{"max_daily_loss":"0.03"}`, `{"max_consecutive_losses":0}`, `{"max_consecutive_losses":"3"}`,
		`{"breaker_stops":"none"}`, `{"zone_bounds":null}`, `{"blocked_zones":[6]}`, `{"daily_loss_tz":"Local"}`, `{"daily_loss_tz":"Mars/Base"}`,
		`{"permit_ttl":"0s"}`, `{"fee_bps":"10000"}`, `{"breaker_warn_at":"1"}`, `[]`, `{`, ``,
	} {
		h.refused(domain.CodeInvalid, change(wrong))
	}
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.ChangeLimits([]byte(`{}`), "") })
	newHarness(t).refused(domain.CodeNotFound, change(`{}`))
}

// "Evaluated … after every event that changes … a limit": every breaker of every
// bot, and a tighter limit trips at once.
func TestTighterLimitsTripAtOnce(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("1000")
	for _, b := range []string{"a", "b"} {
		h.bot(b, "500")
		h.trade(b, "-10")
	}
	id := h.permit("a", "m", "YES", buy, "1", "0.5")
	h.limits(`{"max_consecutive_losses":1,"max_daily_loss_pct":"0.02","max_bot_drawdown_pct":"0.02","max_portfolio_drawdown_pct":"0.020000000000000001"}`)
	require.Equal(t, []string{
		"consecutive_losses of a", "consecutive_losses of b", "daily_loss", "bot_drawdown of a", "bot_drawdown of b",
	}, h.tripped())
	trip := stepOf[*domain.BreakerTripped](h)[0]
	require.Equal(t, []any{h.s.Next - uint64(len(h.events())), []string{id}}, []any{trip.Cause, trip.PermitsRevoked})
	require.Equal(t, domain.LimitsChangedType, h.log[trip.Cause].typ)
	h.limits(`{"max_consecutive_losses":1000}`)
	require.Equal(t, risk.Tripped, h.status(domain.ConsecutiveLosses, "a"), "never reset by a configuration change")
	h.reset(domain.ConsecutiveLosses, "a", false)
}

// "a day is a calendar day in daily_loss_tz": moving it opens no day twice and
// none that was before, ends none early, and resets nothing.
func TestTimeZoneOfTheDay(t *testing.T) {
	h := paper(t, "100", only(domain.DailyLoss, "0.05"))
	h.at(time.Date(2026, 3, 10, 20, 0, 0, 0, time.UTC))
	h.lose("a", "5")
	h.limits(`{"daily_loss_tz":"Asia/Tokyo"}`) // there it is the 11th already
	require.Equal(t, []string{"limits.changed"}, h.types())
	h.lose("a", "1")
	require.Equal(t, []string{"adjustment.posted"}, h.types(), "the 10th goes on until its own midnight")
	h.at(time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC))
	h.lose("a", "1")
	require.Equal(t, []string{"day.opened", "adjustment.posted"}, h.types())
	require.Equal(t, "2026-03-11", h.s.Day)
	require.Equal(t, risk.Tripped, h.status(domain.DailyLoss, ""))
	h.limits(`{"daily_loss_tz":"America/New_York"}`) // and here still the 10th
	h.after(4 * time.Hour)                           // 04:00 UTC, midnight in New York
	h.lose("a", "1")
	require.Equal(t, []string{"adjustment.posted"}, h.types(), "the 11th is open already")
	h.after(24 * time.Hour)
	h.lose("a", "1")
	require.Equal(t, []string{"day.opened", "adjustment.posted"}, h.types())
}

// A patch is one JSON object of policy keys: anything else changes nothing.
func TestALimitsPatchIsOneObject(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModePaper)
	for _, patch := range []string{``, `null`, `[]`, `"x"`, `{"max_daily_loss_pct":"0.03"} {}`, `{"max_daily_loss_pct":"0.03"}x`, `{"unknown":1}`, `{`} {
		h.refused(domain.CodeInvalid, change(patch))
	}
	h.must(change(` {"max_daily_loss_pct":"0.03"} `))
	require.Equal(t, "0.03", h.s.Policy.MaxDailyLossPct.String())
}
