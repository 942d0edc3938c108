package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
)

// Known counterexamples of permit designs, each by name. None of them gets past a limit
// here.

func (r *rig) asks(c AskPermit) PermitAnswer {
	r.t.Helper()
	a := r.must(botCaller(c.Bot), c)
	require.NotNil(r.t, a.Permit)
	return *a.Permit
}

func codes(p PermitAnswer) []domain.ReasonCode {
	var all []domain.ReasonCode
	for _, reason := range p.Reasons {
		all = append(all, reason.Code)
	}
	return all
}

// flagsOf returns the flags of the fill that a command recorded.
func flagsOf(a Answer) []string {
	for _, e := range a.Decoded() {
		if f, ok := e.(*domain.FillRecorded); ok {
			return f.Flags
		}
	}
	return nil
}

func withPermit(f RecordFill, id string) RecordFill { f.PermitID = id; return f }

// The order rests, so its cash stays reserved after its permit's time is over: the cash
// is not reserved twice, and the fill is within the permit.
func TestCounterexamplePermitExpiresWhileTheOrderRests(t *testing.T) {
	r := newRig(t).opened("a")
	all := permit("a", "2000") // 1,000: everything
	id := r.asks(all).PermitID
	r.must(botCaller("a"), PlacePermit{Permit: id})
	r.clock.add(24 * time.Hour)
	require.Equal(t, []domain.ReasonCode{domain.ReasonInsufficientCash}, codes(r.asks(permit("a", "1"))))
	require.Empty(t, flagsOf(r.must(botCaller("a"), withPermit(fill("a", "f1", "buy", "2000", "0.5"), id))))
	require.Equal(t, "0", fold(t, r.store).Bots["a"].Cash.String())
	r.check()
}

// Unfilled buys cover nothing: selling against them opens a short.
func TestCounterexampleUnfilledBuyCoversAReducingSell(t *testing.T) {
	r := newRig(t).opened("a")
	id := r.asks(permit("a", "100")).PermitID
	r.must(botCaller("a"), PlacePermit{Permit: id})
	sale := permit("a", "100")
	sale.Side, sale.ReduceOnly = domain.Sell, true
	require.Equal(t, []domain.ReasonCode{domain.ReasonNotReducing}, codes(r.asks(sale)))
	sale.ReduceOnly = false
	require.Equal(t, "50", r.asks(sale).Reserved.String(), "as a short")
	require.Empty(t, flagsOf(r.must(botCaller("a"), withPermit(fill("a", "f1", "buy", "60", "0.5"), id))))
	sale.ReduceOnly, sale.Quantity = true, dec("61")
	require.Equal(t, []domain.ReasonCode{domain.ReasonNotReducing}, codes(r.asks(sale)), "only what is filled")
	r.check()
}

// The operator's registration determines a market's kind; a bot that states another is
// denied.
func TestCounterexampleBotDeclaresItsOwnMarketSpot(t *testing.T) {
	r := newRig(t).opened("a")
	dear := permit("a", "10")
	dear.Kind, dear.LimitPrice = domain.KindSpot, dec("0.9") // a blocked zone, if it were an outcome
	require.Equal(t, []domain.ReasonCode{domain.ReasonMarketMismatch, domain.ReasonZoneBlocked}, codes(r.asks(dear)))
	r.refused(domain.CodeDenied, botCaller("a"), RegisterMarket{Market: "m", Kind: domain.KindSpot})
	r.must(olga, RegisterMarket{Market: "m", Kind: domain.KindSpot})
	require.True(t, r.asks(dear).Allowed, "by the operator's word")
	r.check()
}

// In a live portfolio a bot cannot send marks, and a fill without a permit at an
// arbitrary price does not raise equity; neither does one within a permit if a feed's
// mark is fresh.
func TestCounterexampleBotMarksItsOwnPosition(t *testing.T) {
	r := newRig(t)
	live := openMain()
	live.Mode, live.Policy = domain.ModeLive, domain.DefaultPolicy(domain.ModeLive)
	r.openLive(live)
	id := r.asks(permit("a", "100")).PermitID
	r.must(botCaller("a"), withPermit(fill("a", "f1", "buy", "100", "0.5"), id))
	mark := func(price string) MarkPrices {
		return MarkPrices{Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: dec(price)}}}
	}
	r.refused(domain.CodeDenied, botCaller("a"), mark("0.99"))
	before := fold(t, r.store).Equity()
	a := r.must(botCaller("a"), fill("a", "f2", "buy", "1", "0.99"))
	require.Contains(t, flagsOf(a), domain.FlagNoPermit)
	require.False(t, before.Less(fold(t, r.store).Equity()), "100 shares are worth no more for one bought at 0.99")
	r.must(domain.Caller{User: "f", Role: domain.RoleFeed}, mark("0.4"))
	fed := fold(t, r.store).Equity()
	id = r.asks(permit("a", "1")).PermitID
	r.must(botCaller("a"), withPermit(fill("a", "f3", "buy", "1", "0.5"), id))
	require.True(t, fold(t, r.store).Equity().Less(fed), "a feed's mark stands")
	r.check()
}

// The same UUID from two bots is two commands; neither gets the other's answer.
func TestCounterexampleSameUUIDByTwoBots(t *testing.T) {
	r := newRig(t).opened("a", "b")
	const key = "6f1c1f9e-54fd-4c0c-8f6e-0b8b6a0e7f11"
	first, err := r.do(botCaller("a"), key, permit("a", "10"))
	require.NoError(t, err)
	second, err := r.do(botCaller("b"), key, permit("b", "20"))
	require.NoError(t, err)
	require.False(t, second.Replayed)
	require.NotEqual(t, first.Permit.PermitID, second.Permit.PermitID)
	again, err := r.do(botCaller("a"), key, permit("a", "10"))
	require.NoError(t, err)
	require.True(t, again.Replayed)
	same(t, first, again)
	r.check()
}

// A start that was sent before a trip and is repeated after the reset is the old start:
// it starts nothing.
func TestCounterexampleDelayedRetryOfStartAfterAReset(t *testing.T) {
	r := newRig(t).opened("a")
	r.must(olga, StopBot{Bot: "a"})
	start := StartBot{Bot: "a"}
	_, err := r.do(olga, "start", start)
	require.NoError(t, err)
	for _, id := range []string{"t1", "t2", "t3"} {
		r.must(botCaller("a"), RecordTrade{Bot: "a", Market: "m", PnL: dec("-1"), TradeID: id})
	}
	r.refused(domain.CodeHalted, olga, start)
	r.must(olga, ResetBreaker{Breaker: domain.ConsecutiveLosses, Bot: "a", Reason: "looked at"})
	answer, err := r.do(olga, "start", start)
	require.NoError(t, err)
	require.True(t, answer.Replayed)
	require.Equal(t, "stopped", string(fold(t, r.store).Bots["a"].Status))
	require.Equal(t, []domain.ReasonCode{domain.ReasonBotStopped}, codes(r.asks(permit("a", "1"))))
	r.check()
}

// Two servers whose clocks are 1 s apart: time never goes back in the stream, a permit
// that has expired at one is not alive again at the other, and a server whose clock is
// further behind decides nothing.
func TestCounterexampleTwoServersTwoClocks(t *testing.T) {
	r := newRig(t).opened("a")
	slow := newClock()
	behind := NewWriter(r.store, "main", Options{Now: slow.Now})
	t.Cleanup(behind.Close)
	r.clock.add(time.Second) // the first server is ahead of the second from here on
	id := r.asks(permit("a", "2000")).PermitID
	ask := func(key string, c Command) (Answer, error) {
		return behind.Do(r.ctx(), Request{Caller: botCaller("a"), Key: key, Command: c})
	}
	a, err := ask("k1", permit("a", "1"))
	require.NoError(t, err)
	require.Equal(t, []domain.ReasonCode{domain.ReasonInsufficientCash}, codes(*a.Permit), "reserved at the other server")
	r.clock.add(30 * time.Second)
	slow.add(30 * time.Second)
	other := r.asks(permit("a", "2000")) // by the first server's clock, the first permit is gone
	require.True(t, other.Allowed)
	_, err = ask("k2", PlacePermit{Permit: id})
	requireCode(t, domain.CodeNotFound, err) // by the second's it would have 1 s left
	r.clock.add(10 * time.Second)
	r.must(olga, deposit("1"))
	_, err = ask("k3", permit("a", "1"))
	requireCode(t, domain.CodeClock, err)
	r.check()
}

// A limit that is reduced below the current holding applies from then on: nothing more
// opens, closing goes on, and a resting order may still fill.
func TestCounterexampleLimitTightenedBelowTheCurrentValue(t *testing.T) {
	r := newRig(t).opened("a")
	rest := r.asks(permit("a", "100")).PermitID
	r.must(botCaller("a"), PlacePermit{Permit: rest})
	r.must(botCaller("a"), withPermit(fill("a", "f1", "buy", "400", "0.5"), ""))
	r.must(alice, ChangeLimits{Limits: []byte(`{"max_position_usd":"100"}`), Reason: "tight"})
	require.Equal(t, []domain.ReasonCode{domain.ReasonMaxPosition}, codes(r.asks(permit("a", "1"))))
	require.Empty(t, flagsOf(r.must(botCaller("a"), withPermit(fill("a", "f2", "buy", "100", "0.5"), rest))))
	sale := permit("a", "500")
	sale.Side = domain.Sell
	closing := r.asks(sale)
	require.True(t, closing.Allowed, "closing is never held up")
	r.must(botCaller("a"), withPermit(fill("a", "f3", "sell", "500", "0.5"), closing.PermitID))
	require.True(t, r.asks(permit("a", "200")).Allowed)
	// A breaker's limit trips at once, in the append that changed it.
	r.must(botCaller("a"), RecordTrade{Bot: "a", Market: "x", PnL: dec("-100"), TradeID: "t1"})
	a := r.must(alice, ChangeLimits{Limits: []byte(`{"max_bot_drawdown_pct":"0.05"}`), Reason: "tight"})
	require.Contains(t, types(a), domain.BreakerTrippedType)
	r.check()
}

// A void after the episode closed: the trade opens again, the cash of its sale is gone,
// and permits that depended on it reserve for what they now open.
func TestCounterexampleVoidAfterTheEpisodeClosed(t *testing.T) {
	r := newRig(t).opened("a")
	r.must(botCaller("a"), fill("a", "f1", "buy", "100", "0.5"))
	provisional := fill("a", "f2", "sell", "100", "0.9")
	provisional.Status = domain.FillProvisionalStatus
	r.must(botCaller("a"), provisional)
	require.Equal(t, "1040", fold(t, r.store).Bots["a"].Cash.String())
	all := r.asks(permit("a", "2080")) // depends on the sale
	require.True(t, all.Allowed)
	a := r.must(botCaller("a"), VoidFill{FillID: domain.FillID{Bot: "a", TradeID: "f2"}})
	require.Equal(t, []string{domain.FillVoidedType, domain.TradeRevisedType}, types(a))
	s := fold(t, r.store)
	require.Equal(t, "950", s.Bots["a"].Cash.String())
	require.Equal(t, 0, s.Bots["a"].Trades, "the trade is open again")
	require.Equal(t, []domain.ReasonCode{domain.ReasonInsufficientCash}, codes(r.asks(permit("a", "1"))), "nothing more is given out")
	sale := permit("a", "100")
	sale.Side, sale.ReduceOnly = domain.Sell, true
	require.True(t, r.asks(sale).Allowed, "what is held again can be sold")
	r.check()
}

// The other outcome settles: that neither settles nor values this one; its own settlement
// is another command, and a different payout for the same outcome is refused.
func TestCounterexampleSettlementOfTheOtherOutcome(t *testing.T) {
	r := newRig(t).opened("a")
	r.must(olga, RegisterMarket{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}})
	r.must(botCaller("a"), fill("a", "f1", "buy", "100", "0.5"))
	id := r.asks(permit("a", "10")).PermitID
	no := domain.Instrument{Market: "m", Outcome: "NO"}
	a := r.must(olga, SettleMarket{Instrument: no, Payout: dec("1")})
	require.Equal(t, []string{domain.MarketSettledType}, types(a), "nobody holds it: no trade is closed")
	s := fold(t, r.store)
	yes := domain.Instrument{Market: "m", Outcome: "YES"}
	require.Equal(t, "100", s.Instruments[yes].Holding("a").Quantity.String())
	require.Contains(t, s.Permits, id)
	ask := permit("a", "1")
	ask.Outcome = "NO"
	require.Equal(t, []domain.ReasonCode{domain.ReasonMarketSettled}, codes(r.asks(ask)))
	require.True(t, r.asks(permit("a", "1")).Allowed)
	r.refused(domain.CodeConflict, olga, SettleMarket{Instrument: no, Payout: dec("0")})
	r.must(olga, SettleMarket{Instrument: yes, Payout: dec("0")})
	s = fold(t, r.store)
	require.Empty(t, s.Permits, "permits on a settled outcome end with it")
	require.Equal(t, 1, s.Bots["a"].Losses)
	require.Equal(t, risk.OK, s.Breaker(risk.Key{Breaker: domain.ConsecutiveLosses, Bot: "a"}).Status)
	r.check()
}

// openLive opens main as a live portfolio, which two people have allowed in a paper one.
func (r *rig) openLive(open OpenPortfolio) {
	r.t.Helper()
	open.Gate = &domain.Gate{Portfolio: "paper", Revision: 7}
	open.Evidence = &portfolio.Evidence{
		Event: &domain.OverrideRecorded{Kind: domain.OverrideGoLive, Portfolio: open.ID, RequestedBy: "olga", ConfirmedBy: "paul"},
		Time:  r.clock.Now(), Mode: domain.ModePaper, Clock: domain.ClockWall,
	}
	for _, c := range []Command{open, deposit("10000"), RegisterBot{ID: "a", Capital: dec("1000"), Start: true}} {
		r.must(olga, c)
	}
}
