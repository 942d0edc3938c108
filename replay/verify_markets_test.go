package replay_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/replay/scenario"
)

// secondHistory has what the second edition records, but for records of many rows.
const secondHistory = `at 2026-01-01T10:00:00Z
open capital=5000 rules=2 mark_collar=0.25 mark_confirm_after=10s min_capital=1 position_dust_usd=0.1
bot alpha capital=2000
bot beta capital=2000
buy alpha rain/YES 100 @ 0.30
buy alpha rain/NO 40 @ 0.40
market rain kind=outcome outcomes=YES,NO
mark rain/YES 0.50
mark rain/YES 0.90
wait 10s
deposit 1
market cup kind=outcome outcomes=A,B,C
mark cup/A 0.2 cup/B 0.3 cup/C 0.5
sets beta split cup 100 id=s1
sets beta merge cup 40 fee=0.5 id=s2
buy beta cup/!A 10 @ 0.7
market perp kind=perp
buy alpha perp/X 2 @ 100
funding alpha perp/X -4 id=f1
buy beta n/YES 10 @ 0.50 id=one status=provisional
void beta one
buy beta n/YES 12 @ 0.50 id=one
payouts cup A 0 B 0.25 C 0.75
correct cup A 1 B 0 C 0 reason="the venue said so"
settle rain/YES 1
correct rain void reason="called off"
market odd kind=outcome outcomes=YES,NO
buy alpha odd/YES 10 @ 0.50
`

// agreedHistory is secondHistory with a settlement that two people agreed to.
func agreedHistory(t *testing.T) eventstore.Store {
	t.Helper()
	store, err := scenario.Store(t.Context(), scenario.Options{Name: "play"}, strings.NewReader(secondHistory))
	require.NoError(t, err)
	e := commands.NewEngine(store, commands.EngineOptions{Options: commands.Options{Now: seconds(time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC))}})
	t.Cleanup(e.Close)
	require.NoError(t, e.Load(t.Context(), nil))
	do := func(user string, role domain.Role, c commands.Command) commands.Answer {
		a, err := e.Do(t.Context(), scenario.Portfolio, commands.Request{Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: c})
		require.NoError(t, err)
		return a
	}
	for _, c := range [][2]string{
		{domain.OverridePayouts, `{"market":"odd","payouts":{"YES":"0.5","NO":"0.4"}}`},
		{domain.OverrideSettlement, `{"market":"odd","payouts":{"YES":"1","NO":"0"}}`},
	} {
		asked := do("olga", domain.RoleOperator, commands.RequestOverride{Kind: c[0], Limits: []byte(c[1]), Reason: "as it was paid"})
		do("bob", domain.RoleApprover, commands.ConfirmOverride{Override: asked.ID})
	}
	return store
}

// forged copies a history with changed records, and says what a verification finds.
func forged(t *testing.T, store eventstore.Store, change func(domain.Event) (later time.Duration)) []string {
	t.Helper()
	copied := memory.New()
	require.NoError(t, eventstore.Walk(t.Context(), store, commands.Stream(scenario.Portfolio), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		at := rec.Time.Add(change(e))
		data, err := domain.Encode(e)
		require.NoError(t, err)
		_, err = copied.Append(t.Context(), rec.Stream, eventstore.Expected(int64(rec.Revision)-1), []eventstore.Proposed{{
			ID: rec.ID, Type: rec.Type, Time: at, Metadata: rec.Metadata, Data: data,
		}})
		return err
	}))
	return problemsOf(t, copied)
}

// on changes the events of one type.
func on[E domain.Event](change func(E)) func(domain.Event) time.Duration {
	return func(e domain.Event) time.Duration {
		if own, is := e.(E); is {
			change(own)
		}
		return 0
	}
}

// "Settlement is of a market", "Sets", "registration … its event says by how much each
// scope's equity changes by it", "mark.confirmed", "a voided fill … lives again": what a
// record says of itself is recomputed.
func TestVerifyRecomputesWhatMarketsRecord(t *testing.T) {
	store := agreedHistory(t)
	seen := map[string]bool{}
	require.Empty(t, forged(t, store, func(e domain.Event) time.Duration { seen[e.EventType()] = true; return 0 }))
	for _, eventType := range []string{
		domain.MarketPaidOutType, domain.MarketCorrectedType, domain.SetsChangedType, domain.FundingRecordedType,
		domain.MarkConfirmedType, domain.FillReinstatedType, domain.TradeRevisedType,
	} {
		require.True(t, seen[eventType], eventType)
	}
	cent := domain.MustDecimal("0.01")
	for name, c := range map[string]struct {
		change func(domain.Event) time.Duration
		says   string
	}{
		"a registration changes more": {on(func(e *domain.MarketRegistered) {
			for i := range e.Changes {
				e.Changes[i].Amount = e.Changes[i].Amount.Add(cent)
			}
		}), "registering rain changes the equity of alpha by"},
		"a holder with more": {on(func(e *domain.MarketPaidOut) {
			if e.Market == "rain" {
				e.Holders[0].Quantity = e.Holders[0].Quantity.Add(cent)
			}
		}), "rain is settled for alpha with"},
		"a payout above 1": {on(func(e *domain.MarketPaidOut) {
			if e.Market == "rain" {
				e.Payouts["YES"] = domain.MustDecimal("1.01")
			}
		}), "a share pays between 0 and 1"},
		"another sum": {on(func(e *domain.MarketPaidOut) {
			if e.Market == "cup" {
				e.Payouts["C"] = domain.MustDecimal("0.76")
			}
		}), "the payouts of cup sum to 1.01 without an override"},
		"a settlement by an override that is not confirmed": {on(func(e *domain.MarketPaidOut) {
			if e.Market == "odd" {
				e.Override = "o999"
			}
		}), "odd is settled by override o999, which was not confirmed"},
		"no override at all": {on(func(e *domain.MarketPaidOut) { e.Override = "" }), "the payouts of odd sum to 0.9 without an override"},
		"a correction by another's override": {on(func(e *domain.MarketCorrected) {
			if e.Override != "" {
				e.Override = "o999"
			}
		}), "odd is corrected by override o999"},
		"parts of sets": {on(func(e *domain.SetsChanged) { e.Parts[0].Cash = e.Parts[0].Cash.Add(cent) }), "sets of cup sum to 100.01"},
		"sets that were not held": {on(func(e *domain.SetsChanged) {
			if e.Action == domain.MergeSets {
				e.Quantity = domain.MustDecimal("100.01")
			}
		}), "does not hold as many of A"},
		"a mark that did not wait": {on(func(e *domain.MarkConfirmed) { e.With[0].Price = e.With[0].Price.Sub(cent) }), "rain/YES is confirmed at 0.89, but none waited"},
		"a mark too soon": {func(e domain.Event) time.Duration {
			if _, is := e.(*domain.MarkConfirmed); is {
				return -time.Millisecond
			}
			return 0
		}, "a mark at 0.9 is confirmed after 9.999s, which is sooner than 10s"},
		"a fill that lived": {on(func(e *domain.FillReinstated) { e.TradeID = "two" }), "fill two of beta is reinstated, but was not voided"},
	} {
		t.Run(name, func(t *testing.T) {
			said := forged(t, store, c.change)
			require.True(t, slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, c.says) }), "%q", said)
		})
	}
}

// "Stand in records of at most 250 rows."
func TestVerifyCountsTheRowsOfARecord(t *testing.T) {
	policy := domain.DefaultPolicy(domain.ModePaper)
	policy.Rules = domain.SecondRules
	open := &domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: policy}
	for rows, problems := range map[int]int{249: 0, 250: 0, 251: 1} {
		record := &domain.BreakersWarned{}
		for range rows {
			record.Rows = append(record.Rows, domain.BreakerWarned{Breaker: "daily_loss"})
		}
		said := problemsOf(t, forge(t, open, record))
		require.Len(t, said, problems, "%d: %q", rows, said)
	}
}
