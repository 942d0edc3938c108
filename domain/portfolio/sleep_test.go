package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// fee charges one to a bot, or ("") to the treasury.
func (h *harness) fee(bot, amount string) { h.t.Helper(); h.feeOf(domain.FeeTrading, bot, amount) }

// rebate is money that came back, as performance.
func (h *harness) rebate(bot, amount string) { h.t.Helper(); h.feeOf(domain.FeeRebate, bot, amount) }

func (h *harness) feeOf(kind, bot, amount string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.RecordFee(&domain.FeeRecorded{Bot: bot, Amount: dec(amount), Kind: kind})
	})
}

// leastCapital sets min_capital.
func leastCapital(amount string) func(*domain.Policy) {
	return func(p *domain.Policy) { p.MinCapital = dec(amount) }
}

// "Asleep its ratios stay … and trip nothing. … Its losses count in the portfolio's
// throughout.": a bot that stopped all others with one cent.
func TestACentOfARetiredBotStopsNobody(t *testing.T) {
	h := second(t, "1000", leastCapital("1"))
	h.deposit("1000")
	h.bot("b", "1000")
	h.allocate("a", "-999.5")
	h.fee("a", "0.01")
	require.Equal(t, []string{"fee.recorded"}, h.types(), "2 % of the 50 cents that are left")
	h.fee("a", "0.99")
	require.Equal(t, []string{"fee.recorded"}, h.types(), "a debt of 50 cents")
	h.equal("1999", h.s.Equity())
	h.fee("a", "0.499999")
	require.Empty(t, h.tripped(), "−0.999999: limit − 1")
	h.fee("a", "0.000001")
	require.Equal(t, []string{"bot_drawdown of a"}, h.tripped(), "−1: it wakes, and below 0 the ratio is 1")
	h.equal("1998.5", h.s.Equity())
	h.equal("0.00075", h.drawdown(), "its losses count in the portfolio's")
}

// "a new day makes the day's ratio 0, hours leave the window"
func TestADayAndHoursOfWhatSleeps(t *testing.T) {
	h := second(t, "1000", leastCapital("10"), quietPolicy, func(p *domain.Policy) {
		p.MaxBotDailyLossPct, p.MaxRollingLossPct = dec("0.5"), dec("0.5")
	})
	h.fee("a", "200")
	h.allocate("a", "-791")
	h.withdraw("791")
	a := func() *Bot { return h.botOf("a") }
	day := func() string { return a().Refs.DailyLoss(a().Equity()).String() }
	rolling := func() string { return h.s.ReadBreaker(risk.Key{Breaker: risk.RollingLoss}).Value.String() }
	require.Equal(t, []string{"0.2", "0.2"}, []string{day(), rolling()})
	h.after(11*time.Hour).fee("a", "1")
	require.Equal(t, []string{"0.2", "0.2"}, []string{day(), rolling()}, "asleep: the ratios stay")
	h.after(time.Hour).fee("a", "1")
	require.Equal(t, []string{"0", "0.2"}, []string{day(), rolling()}, "a new day")
	h.after(12*time.Hour).fee("a", "1")
	require.Equal(t, "0.2", rolling(), "the hour of the loss and 24 more")
	h.after(time.Hour).fee("a", "1")
	require.Equal(t, "0", rolling(), "the hour has left the window")
	require.Equal(t, "0.2", h.botDD("a").String())
	h.deposit("100")
	h.allocate("a", "100")
	require.Equal(t, "0.2", h.botDD("a").Ratio().String(), "awake, with its ratios")
}

// "It wakes with any event that leaves |equity| ≥ min_capital": that which lowers
// min_capital, too.
func TestALowerMinimumWakes(t *testing.T) {
	h := second(t, "9", leastCapital("10"))
	h.fee("a", "4")
	require.Empty(t, h.tripped())
	h.must(func(d *Decision) error { return d.ChangeLimits([]byte(`{"min_capital":"5.000001"}`), "test") })
	require.False(t, h.botOf("a").Refs.Capital)
	h.must(func(d *Decision) error { return d.ChangeLimits([]byte(`{"min_capital":"5"}`), "test") })
	require.True(t, h.botOf("a").Refs.Capital)
	h.equal("5", h.botOf("a").Refs.Peak, "0 before any capital")
	h.fee("a", "2")
	require.Contains(t, h.tripped(), "bot_drawdown of a")
}

// A debt that is paid off in parts hides no part of the loss, wherever a part leaves too
// little.
func TestADebtPaidInParts(t *testing.T) {
	for _, parts := range [][]string{{"200"}, {"99.5", "100.5"}, {"100", "100"}, {"50", "49.1", "0.9", "100"}} {
		h := second(t, "100", leastCapital("1"), quietPolicy)
		h.deposit("1000")
		h.fee("a", "200")
		for _, p := range parts {
			h.allocate("a", p)
		}
		h.equal("300", h.botOf("a").Refs.Peak, "%v", parts)
		h.equal("100", h.botOf("a").Equity())
	}
}

// "reset with rebase is possible whenever the scope has equity ≠ 0, and says what it
// rebases to."
func TestResetWithRebaseWheneverThereIsEquity(t *testing.T) {
	drawdown := risk.Key{Breaker: domain.BotDrawdown, Bot: "a"}
	for loss, equity := range map[string]string{"99.75": "0.25", "100.25": "-0.25", "150": "-50"} {
		h := second(t, "100", leastCapital("0.1"))
		h.deposit("100000")
		h.fee("a", loss)
		require.Contains(t, h.tripped(), "bot_drawdown of a")
		p, err := h.s.PreviewReset(drawdown, true, h.now)
		require.NoError(t, err)
		h.equal(equity, *p.RebasesTo)
		require.False(t, p.WouldRetrip)
		h.reset(domain.BotDrawdown, "a", true)
		h.equal(equity, *lastOf[*domain.BreakerReset](h).RebasedTo)
		h.equal("0", h.botDD("a"))
		h.after(time.Second).rebate("a", "0.01")
		require.Empty(t, h.tripped(), "nothing was lost since")
		h.fee("a", "0.09")
		require.Equal(t, []string{"bot_drawdown of a"}, h.tripped(), "8 cents below it, of 24: more than a quarter; of a debt, all of it")
	}
	h := second(t, "100")
	h.deposit("100000")
	h.fee("a", "100")
	err := h.refused(domain.CodeWouldRetrip, func(d *Decision) error { return d.ResetBreaker(drawdown, "test", true) })
	require.ErrorContains(t, err, "allocate")
}

// The ratio that a scope went to sleep with is what a rebase forgets.
func TestARebaseOfWhatSleeps(t *testing.T) {
	h := second(t, "1000", leastCapital("10"))
	h.deposit("1000")
	h.fee("a", "300")
	h.allocate("a", "-695")
	require.Equal(t, risk.Tripped, h.status(domain.BotDrawdown, "a"))
	h.reset(domain.BotDrawdown, "a", true)
	h.equal("5", *lastOf[*domain.BreakerReset](h).RebasedTo)
	h.allocate("a", "500")
	h.equal("0", h.botDD("a"))
	require.Equal(t, risk.OK, h.status(domain.BotDrawdown, "a"))
}

// correct posts an adjustment of hot:treasury that corrects a record.
func (h *harness) correct(of uint64, amount string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.Adjust(correction(of, amount)) })
}

func correction(of uint64, amount string) *domain.AdjustmentPosted {
	return &domain.AdjustmentPosted{Account: "hot:treasury", Amount: dec(amount), Reason: "mistyped", Flow: true, Of: &of}
}

// "replaces its factor in the references (9,000 typed for 900 on 10,000, a loss of 100, then
// 8,100 given back: drawdown 100 ÷ 9,100)"
func TestACorrectedWithdrawal(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper, quietPolicy, func(p *domain.Policy) { p.Rules, p.MaxRollingLossPct = domain.SecondRules, dec("0.999999") })
	h.deposit("10000")
	h.after(2 * time.Hour).withdraw("9000")
	of := h.s.Next - 1
	h.after(2*time.Hour).fee("", "100")
	h.equal("0.1", h.drawdown())
	h.after(2*time.Hour).correct(of, "8100")
	h.equal("9000", h.s.Equity())
	h.equal("9100", h.s.Refs.Peak)
	want := dec("100").Div(dec("9100"))
	for name, ratio := range map[string]domain.Decimal{
		"drawdown": h.drawdown(), "day": h.dailyLoss(), "rolling": h.s.ReadBreaker(risk.Key{Breaker: risk.RollingLoss}).Value,
	} {
		require.Equal(t, want.Ratio(), ratio.Ratio(), name)
	}
	h.fee("", "100")
	h.equal("9100", h.s.Refs.Peak)
	// "all such together at most its amount": limit + 1, limit.
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Adjust(correction(of, "900.000001")) })
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Adjust(correction(of, "-8100.000001")) })
	h.correct(of, "900")
	h.equal("10000", h.s.Refs.Peak)
	h.equal("9800", h.s.Equity())
}

// What was recorded too much hid a loss, and the correction may trip.
func TestACorrectedDepositMayTrip(t *testing.T) {
	h := second(t, "1000")
	h.deposit("9000")
	of := h.s.Next - 1
	h.fee("", "95")
	require.Empty(t, h.tripped(), "95 of 10,000")
	h.correct(of, "-8100")
	require.Equal(t, []string{"daily_loss"}, h.tripped())
	h.equal("0.05", h.drawdown(), "95 of 1,900")
}

// A correction gives the references that the right amount would have given, whatever came
// between: peaks, losses, flows, days.
func TestACorrectionIsAsIfItHadBeenRecordedRight(t *testing.T) {
	run := func(typed string, corrected string) *harness {
		h := newHarness(t).open(domain.ModePaper, quietPolicy, func(p *domain.Policy) { p.Rules = domain.SecondRules })
		h.deposit("10000")
		h.fee("", "500")
		h.deposit(typed)
		of := h.s.Next - 1
		h.fee("", "300")
		h.rebate("", "700")
		h.withdraw("1000")
		h.fee("", "100")
		h.after(24 * time.Hour).deposit("250")
		h.fee("", "50")
		h.rebate("", "20")
		if corrected != "" {
			h.correct(of, corrected)
		}
		return h
	}
	right, mended := run("900", ""), run("9000", "-8100")
	require.Equal(t, right.s.Equity(), mended.s.Equity())
	near := func(a, b domain.Decimal) {
		t.Helper()
		require.True(t, a.Sub(b).Abs().Less(dec("0.000000001")), "%s, not %s", b, a)
	}
	near(right.s.Refs.Peak, mended.s.Refs.Peak)
	near(right.s.Refs.LifetimePeak, mended.s.Refs.LifetimePeak)
	near(right.s.Refs.DayOpen, mended.s.Refs.DayOpen)
	require.NotEqual(t, right.s.Refs.Peak, run("9000", "").s.Refs.Peak)
}

// "names the record of the deposit or withdrawal it corrects"
func TestACorrectionNamesItsRecord(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.depositIn(domain.WalletCold, "", "100")
	of := h.s.Next - 1
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Adjust(correction(of, "-10")) }) // of the hot wallet
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.Adjust(correction(of+1, "-10")) })
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		e := correction(of, "-10")
		e.Of = nil
		return d.Adjust(e)
	})
	h.must(func(d *Decision) error {
		e := correction(of, "-10")
		e.Account = "cold:treasury"
		return d.Adjust(e)
	})
	require.Equal(t, []Flow{{Amount: dec("-10"), Of: &of}}, h.s.Effects().Flows)
	first := paper(t, "1000", quietPolicy)
	first.refused(domain.CodeInvalid, func(d *Decision) error { return d.Adjust(correction(1, "-10")) }) // the first edition
}

// "A shortage of the base asset on the chain beyond what live permits reserve, found by two
// reconciliations in a row, denies increases and signatures of orders that open
// (`unreconciled`) until one finds none; a surplus is a finding."
func TestUnreconciled(t *testing.T) {
	h := signing(t, func(p *domain.Policy) { p.Rules = domain.SecondRules })
	opens := h.allowed(buy, "100", "0.5", "1") // reserves 51
	closes := h.allowed(sell, "10", "0.5", "0")
	asks := func(side domain.Side) []domain.ReasonCode {
		h.t.Helper()
		h.after(2 * time.Second).ask(order("a", "rain", "YES", side, "10", "0.5"))
		if r := h.reasons(); r != nil {
			return r
		}
		h.must(func(d *Decision) error { return d.ReleasePermit(lastOf[*domain.PermitGranted](h).Permit, "") })
		return nil
	}
	h.reconcile(but(h.readings(), "hot-1", "-51"))
	h.reconcile(but(h.readings(), "hot-1", "-51"))
	require.Nil(t, asks(buy), "what live permits reserve may be spent")
	h.reconcile(but(h.readings(), "hot-1", "-51.000001"))
	require.Nil(t, asks(buy), "found once")
	h.reconcile(but(h.readings(), "hot-1", "7"))
	h.reconcile(but(h.readings(), "hot-1", "-51.000001"))
	require.Nil(t, asks(buy), "not in a row; a surplus is a finding")
	h.reconcile(but(h.readings(), "hot-1", "-60"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonUnreconciled}, asks(buy))
	require.Nil(t, asks(sell), "what reduces is permitted")
	require.Equal(t, []domain.SignatureCode{domain.SignUnreconciled}, h.signs(opens, h.typed(buy, "100", "50")))
	require.Nil(t, h.signs(closes, h.typed(sell, "10", "5")))
	h.adjust("hot:treasury", "-60")
	require.Equal(t, []domain.ReasonCode{domain.ReasonUnreconciled}, asks(buy), "until a reconciliation finds none")
	h.reconcile(h.readings())
	require.Nil(t, asks(buy))
	require.Nil(t, h.signs(opens, h.typed(buy, "100", "50")))
}

// A place that was not compared neither finds a shortage nor ends one, and hides none of the other
// place: one base asset that pays fees, too, is skipped while a transfer is under way.
func TestAShortageBesideASkippedPlace(t *testing.T) {
	h := signing(t, func(p *domain.Policy) { p.Rules = domain.SecondRules })
	found := func(hot, cold string) bool {
		line := func(place, difference string) domain.ReconciliationLine {
			if difference == "" {
				return domain.ReconciliationLine{Place: place, Asset: "USDC", Skipped: "a transfer is under way"}
			}
			return domain.ReconciliationLine{Place: place, Asset: "USDC", Difference: dec(difference)}
		}
		h.s.countShortage(domain.Stamp{Revision: h.s.Next, Time: h.now}, &domain.BalanceReconciled{Lines: []domain.ReconciliationLine{line("hot", hot), line("cold", cold)}})
		return h.s.Custody.Unreconciled()
	}
	require.False(t, found("", "-0.000001"))
	require.True(t, found("", "-0.000001"), "two in a row")
	require.True(t, found("", "0"), "not ended: hot was not compared")
	require.True(t, found("", ""))
	require.False(t, found("0", "0"))
}

// A fictitious deposit of one operator does not switch the loss breakers off for long.
func TestAFictitiousDepositOpensNothing(t *testing.T) {
	h := signing(t, func(p *domain.Policy) { p.Rules = domain.SecondRules })
	chain := h.readings()
	h.deposit("1000000")
	for range 2 {
		h.reconcile(chain)
	}
	h.ask(order("a", "rain", "YES", buy, "10", "0.5"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonUnreconciled}, h.reasons())
}
