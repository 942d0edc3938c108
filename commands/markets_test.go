package commands

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

var cup = domain.Instrument{Market: "cup", Outcome: "A"}

// rules adopts the second edition of the rules and registers an exclusive market.
func (r *rig) rules() *rig {
	r.t.Helper()
	r.must(alice, ChangeLimits{Limits: json.RawMessage(`{}`), Reason: "risk lives in markets", Adopt: true})
	r.must(olga, RegisterMarket{Market: "cup", Kind: domain.KindOutcome, Outcomes: []string{"A", "B", "C"}})
	return r
}

func payouts(a, b, c string) map[string]domain.Decimal {
	return map[string]domain.Decimal{"A": dec(a), "B": dec(b), "C": dec(c)}
}

// "`POST …/settlements {market, payouts:{…}}` names every outcome of a registered market;
// … The form with one outcome stays", and a body is of one form.
func TestASettlementHasOneForm(t *testing.T) {
	r := newRig(t).opened("a").rules()
	r.must(olga, RecordFill{FillID: domain.FillID{Bot: "a", TradeID: "1"}, Instrument: cup, Side: domain.Buy, Quantity: dec("10"), Price: dec("0.4")})
	for _, c := range []SettleMarket{
		{Instrument: cup, Payouts: payouts("1", "0", "0")},
		{Instrument: cup, Void: true},
		{Instrument: domain.Instrument{Market: "cup"}, Payouts: payouts("1", "0", "0"), Void: true},
		{Instrument: domain.Instrument{Market: "cup"}, Payouts: payouts("1", "0", "0"), Payout: dec("1")},
		{Instrument: domain.Instrument{Market: "cup"}, Void: true, Payout: dec("1")},
		{Instrument: cup, Payouts: map[string]domain.Decimal{}},
		{Instrument: domain.Instrument{Market: "cup"}, Payouts: map[string]domain.Decimal{"A": dec("1")}},
		{Instrument: domain.Instrument{Market: "cup"}, Payouts: payouts("1", "0", "0"), Bot: "a"},
		{Instrument: cup, Payout: dec("0.5")},
	} {
		r.refused(domain.CodeInvalid, olga, c)
	}
	r.refused(domain.CodePayoutsSum, olga, SettleMarket{Instrument: domain.Instrument{Market: "cup"}, Payouts: payouts("1", "0", "0.000001")})
	a := r.must(olga, SettleMarket{Instrument: domain.Instrument{Market: "cup"}, Payouts: payouts("1", "0", "0")})
	require.Equal(t, 1, a.Closed())
	r.must(olga, CorrectSettlement{Market: "cup", Payouts: payouts("0", "1", "0"), Reason: "read wrongly"})
	require.Equal(t, "-4", fold(t, r.store).Bots["a"].Equity().Sub(dec("1000")).String())
	r.check()
}

// "by the bot's own key, only of what it holds (else 409 `not_held` …)"
func TestSetsAreTheBotsOwn(t *testing.T) {
	r := newRig(t).opened("a", "b").rules()
	split := ChangeSets{Bot: "a", Market: "cup", Action: domain.SplitSets, Quantity: dec("10"), SetID: "0x1"}
	r.refused(domain.CodeDenied, botCaller("b"), split)
	r.must(botCaller("a"), split)
	r.refused(domain.CodeNotHeld, botCaller("a"), ChangeSets{Bot: "a", Market: "cup", Action: domain.MergeSets, Quantity: dec("10.000001"), SetID: "0x2"})
	r.must(botCaller("a"), ChangeSets{Bot: "a", Market: "cup", Action: domain.MergeSets, Quantity: dec("10"), SetID: "0x2"})
	r.check()
}

// "Never back to 1", and adoption gives the keys that are absent the defaults of a new
// portfolio.
func TestTheSecondEditionIsAdoptedForGood(t *testing.T) {
	r := newRig(t).opened("a")
	r.refused(domain.CodeInvalid, olga, RegisterMarket{Market: "cup", Kind: domain.KindOutcome, Outcomes: []string{"A", "B"}, Exclusive: new(true)})
	r.refused(domain.CodeInvalid, alice, ChangeLimits{Limits: json.RawMessage(`{"rules":1}`), Reason: "x", Adopt: true})
	r.must(alice, ChangeLimits{Limits: json.RawMessage(`{"min_capital":"5"}`), Reason: "risk lives in markets", Adopt: true})
	p := fold(t, r.store).Policy
	require.Equal(t, []any{2, domain.WhileReduce, "5", "0.1", "0", false},
		[]any{p.Rules, p.WhileTripped, p.MinCapital.String(), p.PositionDustUSD.String(), p.MarkCollar.String(), p.RegisteredOnly})
	for _, back := range []string{`{"rules":1}`, `{"rules":0}`} {
		r.refused(domain.CodeInvalid, alice, ChangeLimits{Limits: json.RawMessage(back), Reason: "back"})
	}
	r.check()
}

// "Keys that neither the policy nor the request sets get the defaults": one that the request
// sets to what switches it off stays off.
func TestAdoptionKeepsWhatItIsTold(t *testing.T) {
	r := newRig(t).opened("a")
	r.must(alice, ChangeLimits{Limits: json.RawMessage(`{"min_capital":"0","position_dust_usd":"0"}`), Reason: "risk lives in markets", Adopt: true})
	p := fold(t, r.store).Policy
	require.Equal(t, []any{2, "0", "0"}, []any{p.Rules, p.MinCapital.String(), p.PositionDustUSD.String()})
	r.check()
}

// "2 for new portfolios": a request names no earlier edition, and one that names keys of
// the newest keeps what it says.
func TestANewPortfolioLivesByTheNewestRules(t *testing.T) {
	r := newRig(t)
	open := OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.NewPolicy(domain.ModePaper, domain.ClockWall, "USDC")}
	for _, back := range []string{`{"rules":1}`, `{"rules":0}`} {
		open.Limits = json.RawMessage(back)
		require.ErrorContains(t, r.refused(domain.CodeInvalid, olga, open), "limits.rules must be 2")
	}
	open.Limits = json.RawMessage(`{"min_capital":"0","while_tripped":"nothing","rules":2}`)
	r.must(olga, open)
	p := fold(t, r.store).Policy
	require.Equal(t, []any{2, "0", domain.WhileNothing, "0.1"}, []any{p.Rules, p.MinCapital.String(), p.WhileTripped, p.PositionDustUSD.String()})
}

// "readers see single trades": a trip beyond the first 100 stops its bot by a directive
// of its own, and the answer counts every trade.
func TestAnswersSeeSingleRows(t *testing.T) {
	const bots = 105
	r := newRig(t).opened()
	r.must(alice, ChangeLimits{Limits: json.RawMessage(`{"max_consecutive_losses":1,"breaker_stops":"bot","rules":2,"max_daily_loss_pct":"0.9"}`), Reason: "x"})
	r.must(olga, RegisterMarket{Market: "cup", Kind: domain.KindOutcome, Outcomes: []string{"A", "B", "C"}})
	var requests []Request
	for i := range bots {
		bot := fmt.Sprint("bot", i)
		requests = append(requests, r.by(olga, RegisterBot{ID: bot, Capital: dec("10")}, StartBot{Bot: bot},
			RecordFill{FillID: domain.FillID{Bot: bot, TradeID: "1"}, Instrument: cup, Side: domain.Buy, Quantity: dec("1"), Price: dec("0.4")})...)
	}
	results, err := r.w.DoAll(r.ctx(), requests)
	require.NoError(t, err)
	for _, res := range results {
		require.NoError(t, res.Err)
	}
	a := r.must(olga, SettleMarket{Instrument: cup})
	require.Equal(t, bots, a.Closed())
	require.Len(t, a.Directives, bots)
	require.Equal(t, 1+100+1+100+1, len(a.Events))
	r.check()
}
