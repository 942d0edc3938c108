package portfolio

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "A *default* below is what a new portfolio or `limits adopt` is given", and a live one is
// opened with limits no looser than the defaults, those of the second edition included: at
// each of them, tighter, and looser.
func TestALivePortfolioIsOpenedWithinTheDefaults(t *testing.T) {
	open := func(change func(*domain.Policy)) (string, error) {
		e := &domain.PortfolioOpened{
			Portfolio: "real", Mode: domain.ModeLive, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6,
			Policy: domain.NewPolicy(domain.ModeLive, domain.ClockWall, "USDC"), Gate: &domain.Gate{Portfolio: "paper", Revision: 7},
		}
		change(&e.Policy)
		d := New().Begin(noon, domain.Caller{User: "olga", Role: domain.RoleOperator})
		err := d.Open(e, &Evidence{Event: &domain.OverrideRecorded{Kind: domain.OverrideGoLive, Portfolio: "real"}, Time: noon, Mode: domain.ModePaper, Clock: domain.ClockWall})
		var refused *domain.Error
		if errors.As(err, &refused) {
			return refused.Field, err
		}
		return "", err
	}
	for key, c := range map[string]struct{ tighter, looser func(*domain.Policy) }{
		"mark_collar":        {func(p *domain.Policy) { p.MarkCollar = dec("0.249999") }, func(p *domain.Policy) { p.MarkCollar = dec("0.250001") }},
		"mark_confirm_after": {func(p *domain.Policy) { p.MarkConfirmAfter++ }, func(p *domain.Policy) { p.MarkConfirmAfter-- }},
		"position_dust_usd":  {func(p *domain.Policy) { p.PositionDustUSD = dec("0.099999") }, func(p *domain.Policy) { p.PositionDustUSD = dec("0.100001") }},
		"registered_only":    {func(*domain.Policy) {}, func(p *domain.Policy) { p.RegisteredOnly = false }},
		"min_capital":        {func(*domain.Policy) {}, func(p *domain.Policy) { p.MinCapital = dec("1.000001") }},
		"max_daily_loss_pct": {func(p *domain.Policy) { p.MaxDailyLossPct = dec("0.049999") }, func(p *domain.Policy) { p.MaxDailyLossPct = dec("0.050001") }},
	} {
		_, err := open(c.tighter)
		require.NoError(t, err, key)
		field, err := open(c.looser)
		require.Equal(t, domain.CodeDenied, domain.CodeOf(err), key)
		require.Equal(t, key, field)
	}
	_, err := open(func(p *domain.Policy) { p.WhileTripped = domain.WhileNothing })
	require.NoError(t, err, "nothing is stricter than reduce")
	field, err := open(func(p *domain.Policy) { p.MarkCollar = domain.Zero })
	require.ErrorContains(t, err, "is looser than its default")
	require.Equal(t, "mark_collar", field, "0 is off")
}

// "default 1 where that is a dollar, else 0", "live .25, paper and imported 0 = off", "`.10`,
// imported 0", "default true in live".
func TestTheDefaultsOfANewPortfolio(t *testing.T) {
	for _, c := range []struct {
		mode                domain.Mode
		clock               domain.Clock
		asset               string
		least, collar, dust string
		registered          bool
	}{
		{domain.ModeLive, domain.ClockWall, "USDC", "1", "0.25", "0.1", true},
		{domain.ModePaper, domain.ClockWall, "USDT", "1", "0", "0.1", false},
		{domain.ModePaper, domain.ClockImported, "USDC", "1", "0", "0", false},
		{domain.ModePaper, domain.ClockWall, "ETH", "0", "0", "0.1", false},
	} {
		p := domain.NewPolicy(c.mode, c.clock, c.asset)
		require.NoError(t, p.Validate())
		require.Equal(t, []any{2, domain.WhileReduce, "10s", c.least, c.collar, c.dust, c.registered},
			[]any{p.Rules, p.WhileTripped, p.MarkConfirmAfter.String(), p.MinCapital.String(), p.MarkCollar.String(), p.PositionDustUSD.String(), p.RegisteredOnly})
	}
}
