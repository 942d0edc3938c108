package risk

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

// step is the smallest difference two values can have.
var step = dec("0.000000000000000001")

func policy(change ...func(*domain.Policy)) *domain.Policy {
	p := domain.DefaultPolicy(domain.ModePaper)
	for _, f := range change {
		f(&p)
	}
	return &p
}

// "consecutive_losses | bot | 3", "daily_loss | portfolio | 0.05",
// "bot_drawdown | bot | 0.25", "portfolio_drawdown | portfolio | 0.40".
var defaults = []struct {
	breaker, scope, limit string
	// unit is the smallest step of the value, a trade for the streak.
	unit domain.Decimal
}{
	{domain.ConsecutiveLosses, "bot", "3", domain.One},
	{domain.DailyLoss, "portfolio", "0.05", step},
	{domain.BotDrawdown, "bot", "0.25", step},
	{domain.PortfolioDrawdown, "portfolio", "0.4", step},
}

func ruleOf(t *testing.T, breaker string) *Rule {
	t.Helper()
	r, ok := RuleOf(breaker)
	require.True(t, ok, breaker)
	return r
}

func TestDefaultsOfTheFourBreakers(t *testing.T) {
	for _, mode := range []domain.Mode{domain.ModePaper, domain.ModeLive} {
		p := domain.DefaultPolicy(mode)
		require.NoError(t, p.Validate())
		require.Equal(t, dec("0.8"), p.BreakerWarnAt)
		require.Equal(t, domain.StopAll, p.BreakerStops)
		for _, d := range defaults {
			r := ruleOf(t, d.breaker)
			require.Equal(t, dec(d.limit), r.Limit(&p), d.breaker)
			require.EqualValues(t, d.scope, r.Scope, d.breaker)
		}
	}
}

// "≥ trips"
func TestTripsAtTheLimitAndAboveItOnly(t *testing.T) {
	p := policy()
	for _, d := range defaults {
		limit := dec(d.limit)
		for _, status := range []Status{OK, Warned} {
			b := Breaker{Status: status}
			require.NotEqual(t, Trips, b.Judge(ruleOf(t, d.breaker), p, limit.Sub(d.unit)), "%s at limit − 1", d.breaker)
			require.Equal(t, Trips, b.Judge(ruleOf(t, d.breaker), p, limit), "%s at the limit", d.breaker)
			require.Equal(t, Trips, b.Judge(ruleOf(t, d.breaker), p, limit.Add(d.unit)), "%s at limit + 1", d.breaker)
		}
	}
}

// "It stays tripped, and trips no second time, until reset."
func TestTrippedIsQuiet(t *testing.T) {
	p, b := policy(), Breaker{Status: Tripped}
	for _, d := range defaults {
		for _, v := range []string{"0", "0.04", "0.32", "0.5", "1", "2", "3", "4"} {
			require.Equal(t, Quiet, b.Judge(ruleOf(t, d.breaker), p, dec(v)), "%s at %s", d.breaker, v)
		}
	}
}

// "breaker.warned at breaker_warn_at (0.8 of the limit; the streak at limit − 1),
// not together with a trip"
func TestWarnsAtItsLevelOnce(t *testing.T) {
	p := policy()
	for _, d := range defaults {
		level := dec(d.limit).Mul(dec("0.8"))
		if d.breaker == domain.ConsecutiveLosses {
			level = dec("2")
		}
		require.Equal(t, level, ruleOf(t, d.breaker).WarnLevel(p), d.breaker)
		ok, warned := Breaker{Status: OK}, Breaker{Status: Warned}
		require.Equal(t, Quiet, ok.Judge(ruleOf(t, d.breaker), p, level.Sub(d.unit)), "%s below the level", d.breaker)
		require.Equal(t, Warns, ok.Judge(ruleOf(t, d.breaker), p, level), "%s at the level", d.breaker)
		if d.breaker != domain.ConsecutiveLosses {
			require.Equal(t, Warns, ok.Judge(ruleOf(t, d.breaker), p, level.Add(d.unit)), "%s above the level", d.breaker)
			require.Equal(t, Warns, ok.Judge(ruleOf(t, d.breaker), p, dec(d.limit).Sub(d.unit)), "%s below the limit", d.breaker)
		}
		require.Equal(t, Quiet, warned.Judge(ruleOf(t, d.breaker), p, level), "%s has warned", d.breaker)
		require.Equal(t, Trips, ok.Judge(ruleOf(t, d.breaker), p, dec(d.limit)), "%s trips, and does not warn", d.breaker)
	}
}

// "re-armed below 0.9 of the warning level"
func TestRearmsBelowNineTenthsOfTheWarningLevel(t *testing.T) {
	p := policy()
	for breaker, level := range map[string]string{
		domain.DailyLoss: "0.036", domain.BotDrawdown: "0.18", domain.PortfolioDrawdown: "0.288",
	} {
		require.True(t, ruleOf(t, breaker).Rearms(p, dec(level).Sub(step)), "%s just below", breaker)
		require.False(t, ruleOf(t, breaker).Rearms(p, dec(level)), "%s at 0.9 of the level", breaker)
		require.False(t, ruleOf(t, breaker).Rearms(p, dec(level).Add(step)), "%s just above", breaker)
	}
	require.True(t, ruleOf(t, domain.ConsecutiveLosses).Rearms(p, dec("1")), "1 < 1.8")
	require.False(t, ruleOf(t, domain.ConsecutiveLosses).Rearms(p, dec("2")))
}

// "the streak at limit − 1": of a limit of 1 that is no loss at all, so there is
// nothing to warn of.
func TestLimitOfOneLossNeverWarns(t *testing.T) {
	p := policy(func(p *domain.Policy) { p.MaxConsecutiveLosses = 1 })
	require.NoError(t, p.Validate())
	require.Equal(t, domain.Zero, ruleOf(t, domain.ConsecutiveLosses).WarnLevel(p))
	require.Equal(t, Quiet, Breaker{Status: OK}.Judge(ruleOf(t, domain.ConsecutiveLosses), p, domain.Zero))
	require.Equal(t, Trips, Breaker{Status: OK}.Judge(ruleOf(t, domain.ConsecutiveLosses), p, domain.One))
	require.False(t, ruleOf(t, domain.ConsecutiveLosses).Rearms(p, domain.Zero), "nothing to re-arm")

	p.MaxConsecutiveLosses = 2
	require.Equal(t, Warns, Breaker{Status: OK}.Judge(ruleOf(t, domain.ConsecutiveLosses), p, domain.One))
	require.True(t, ruleOf(t, domain.ConsecutiveLosses).Rearms(p, domain.Zero))
}

// "A configured ratio ≥ 1 is refused": all that lies between 0 and 1 is a limit,
// down to the smallest and up to the largest.
func TestExtremeLimits(t *testing.T) {
	largest, smallest := domain.One.Sub(step), step
	p := policy(func(p *domain.Policy) {
		p.MaxDailyLossPct, p.MaxBotDrawdownPct, p.MaxPortfolioDrawdownPct = smallest, largest, largest
		p.MaxConsecutiveLosses = 1000
	})
	require.NoError(t, p.Validate())
	ok := Breaker{Status: OK}
	require.Equal(t, Trips, ok.Judge(ruleOf(t, domain.DailyLoss), p, smallest), "the smallest loss there is")
	require.Equal(t, Quiet, ok.Judge(ruleOf(t, domain.DailyLoss), p, domain.Zero))
	require.Equal(t, Warns, ok.Judge(ruleOf(t, domain.BotDrawdown), p, largest.Sub(step)))
	require.Equal(t, Trips, ok.Judge(ruleOf(t, domain.BotDrawdown), p, largest))
	require.Equal(t, Trips, ok.Judge(ruleOf(t, domain.PortfolioDrawdown), p, domain.One), "everything lost")
	require.Equal(t, Warns, ok.Judge(ruleOf(t, domain.ConsecutiveLosses), p, dec("999")))
	require.Equal(t, Trips, ok.Judge(ruleOf(t, domain.ConsecutiveLosses), p, dec("1000")))

	p.BreakerWarnAt = smallest // the level rounds to 0: it would warn of nothing
	require.Equal(t, Quiet, ok.Judge(ruleOf(t, domain.BotDrawdown), p, domain.Zero))

	for _, v := range []domain.Decimal{domain.Zero, domain.One, dec("5"), dec("-0.05")} {
		p := policy(func(p *domain.Policy) { p.MaxDailyLossPct = v })
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(p.Validate()), "%s", v)
	}
	p = policy(func(p *domain.Policy) { p.MaxDailyLossPct = dec("5") })
	require.ErrorContains(t, p.Validate(), "did you mean 0.05?")
	for _, n := range []int{0, -1, 1001} {
		p := policy(func(p *domain.Policy) { p.MaxConsecutiveLosses = n })
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(p.Validate()), "%d", n)
	}
}

func TestKeyNamesBreakerAndScope(t *testing.T) {
	require.Equal(t, "daily_loss", Key{Breaker: domain.DailyLoss}.String())
	require.Equal(t, "bot_drawdown of a", Key{Breaker: domain.BotDrawdown, Bot: "a"}.String())
}
