package portfolio

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

func (h *harness) line(e *domain.BalanceReconciled, place, asset string) domain.ReconciliationLine {
	h.t.Helper()
	for _, l := range e.Lines {
		if l.Place == place && l.Asset == asset {
			return l
		}
	}
	h.t.Fatalf("no line for %s of %s", asset, place)
	return domain.ReconciliationLine{}
}

// “a difference is an event and stops outgoing transfers until explained by a recorded
// adjustment”
func TestReconcile(t *testing.T) {
	h := funded(t)
	e := h.reconcile(h.readings())
	require.Len(t, e.Lines, 4)
	l := h.line(e, "hot", "USDC")
	require.Equal(t, [4]string{"2500", "2500", "0", ""}, [4]string{l.Ledger.String(), l.Chain.String(), l.Difference.String(), l.Skipped}, "the bots' money is in the wallet")
	require.Equal(t, []domain.WalletReading{{Wallet: "hot-1", Amount: dec("2500")}, {Wallet: "hot-2"}}, l.Wallets)
	require.Empty(t, h.s.Custody.Differences)
	require.Equal(t, h.s.Next-1, h.s.Custody.ReconciledAt)

	// Between the wallets of a place it does not matter where it lies.
	h.reconcile(but(but(h.readings(), "hot-1", "-100"), "hot-2", "100"))
	require.Empty(t, h.s.Custody.Differences)

	x := h.approve(h.send("hot", "cold", "100"))
	found, err := h.s.Differences(but(h.readings(), "hot-1", "-7"))
	require.NoError(t, err)
	require.Equal(t, map[string]domain.Decimal{"hot|USDC": dec("-7")}, found)
	require.NoError(t, h.s.Sendable(x.Transfer), "looking at it records nothing")
	e = h.reconcile(but(but(h.readings(), "hot-1", "-7"), "cold-1", "3"))
	require.Equal(t, "-7", h.line(e, "hot", "USDC").Difference.String())
	require.Equal(t, "3", h.line(e, "cold", "USDC").Difference.String())
	halted := func() {
		t.Helper()
		h.refused(domain.CodeHalted, h.stepsOf(x)["approved"])
	}
	halted()
	h.adjust("hot:treasury", "-5")
	halted()
	h.equal("-2", h.s.Custody.Differences["hot|USDC"])
	h.adjust("hot:bot/a", "-2")
	require.NotContains(t, h.s.Custody.Differences, "hot|USDC", "explained in two parts, one of them a bot's")
	halted()
	h.adjust("cold:treasury", "4")
	h.equal("-1", h.s.Custody.Differences["cold|USDC"], "too much is a difference as well")
	halted()
	h.reconcile(h.readings())
	require.Empty(t, h.s.Custody.Differences, "“or ledger and chain agree again”")
	h.must(h.stepsOf(x)["approved"])
	h.adjust("hot:treasury", "-1")
	require.Empty(t, h.s.Custody.Differences, "without a difference an adjustment explains none")
	// An adjustment of another asset explains nothing.
	h.reconcile(but(h.readings(), "hot-2", "7"))
	h.adjust("hot:treasury", "7", "POL")
	h.equal("7", h.s.Custody.Differences["hot|USDC"])
	// A deposit that nobody had recorded explains it at the next comparison.
	h.deposit("7")
	h.equal("7", h.s.Custody.Differences["hot|USDC"])
	h.reconcile(h.readings())
	require.Empty(t, h.s.Custody.Differences)
}

// “the chain may, or may not yet, have taken it off”: either reading agrees, on both
// sides, and nothing between.
func TestReconcileInTransit(t *testing.T) {
	for change, agrees := range map[[2]string]bool{
		{"0", "0"}: true, {"100", "0"}: true, {"0", "100"}: true, {"100", "100"}: true, // each side may see it, or not yet
		{"99.999999", "0"}: false, {"0", "99.999999"}: false, {"-100", "0"}: false, {"0", "-100"}: false, {"200", "0"}: false,
	} {
		h := funded(t)
		h.upTo(treasury.Broadcast, h.send("hot", "cold", "100"), 1)
		e := h.reconcile(but(but(h.readings(), "hot-1", change[0]), "cold-1", change[1]))
		require.Equal(t, agrees, len(h.s.Custody.Differences) == 0, "%v", change)
		l := h.line(e, "hot", "USDC")
		require.Equal(t, [2]string{"2400", "100"}, [2]string{l.Ledger.String(), l.InTransit.String()})
	}
	// Between two hot wallets it lies in hot before and after.
	for change, agrees := range map[string]bool{"0": false, "100": true, "200": false} {
		h := funded(t)
		h.upTo(treasury.Broadcast, h.send("hot-1", "hot-2", "100"), 1)
		h.reconcile(but(h.readings(), "hot-1", change))
		require.Equal(t, agrees, len(h.s.Custody.Differences) == 0, change)
		if change == "0" {
			h.equal("-100", h.s.Custody.Differences["hot|USDC"], "what has left one of them and never comes to the other")
		}
	}
	// Two at a time: any of four readings.
	for change, agrees := range map[string]bool{"0": true, "30": true, "100": true, "130": true, "70": false} {
		h := funded(t)
		h.upTo(treasury.Broadcast, h.send("hot-1", "cold", "100"), 1)
		h.upTo(treasury.Broadcast, h.send("hot-2", friend, "30"), 1)
		h.reconcile(but(h.readings(), "hot-1", change))
		require.Equal(t, agrees, len(h.s.Custody.Differences) == 0, change)
	}
	// Signed, it has not left.
	h := funded(t)
	h.upTo(treasury.Signed, h.send("hot", "cold", "100"), 1)
	h.reconcile(but(h.readings(), "hot-1", "-100"))
	require.Len(t, h.s.Custody.Differences, 1)
}

// “Fees of a transaction under way are not known before it is final”: the coin is not
// judged meanwhile, and what was found before stays open.
func TestReconcileGas(t *testing.T) {
	h := funded(t)
	h.depositIn(domain.WalletHot, "POL", "10")
	less := func(amount string) []Reading {
		r := h.readings()
		for i := range r {
			if r[i].Wallet == "hot-1" && r[i].Asset == "POL" {
				r[i].Amount = r[i].Amount.Sub(dec(amount))
			}
		}
		return r
	}
	_, hash := h.upTo(treasury.Broadcast, h.send("hot", "cold", "100"), 1)
	e := h.reconcile(less("0.02"))
	require.Contains(t, h.line(e, "hot", "POL").Skipped, "its fee is not known yet")
	require.Empty(t, h.line(e, "cold", "POL").Skipped)
	require.Empty(t, h.s.Custody.Differences)
	h.arrive(h.s.Custody.OpenTransfers()[0], hash, "0.02")
	h.reconcile(h.readings())
	require.Empty(t, h.s.Custody.Differences)
	h.reconcile(less("0.03"))
	h.equal("-0.03", h.s.Custody.Differences["hot|POL"])
	h.adjust("hot:treasury", "0.03") // of USDC
	h.equal("-0.03", h.s.Custody.Differences["hot|POL"])
}

// A line that is not judged leaves what was open open.
func TestSkippedStaysOpen(t *testing.T) {
	h := funded(t)
	h.depositIn(domain.WalletHot, "POL", "10")
	x := h.send("hot", "cold", "100")
	h.upTo(treasury.Broadcast, x, 1)
	h.apply(&domain.BalanceReconciled{Lines: []domain.ReconciliationLine{{Place: "hot", Asset: "POL", Difference: dec("1")}}})
	h.reconcile(h.readings())
	h.equal("1", h.s.Custody.Differences["hot|POL"])
}

// "A suggestion to book a deposit or a withdrawal is printed only for a difference that a
// reconciliation has measured after the last booking, and with nothing of that wallet and asset
// on its way."
func TestADifferenceIsUnsureUntilItIsMeasured(t *testing.T) {
	h := funded(t)
	h.depositIn(domain.WalletHot, "POL", "10")
	unsure := func() string {
		all := h.s.Custody.OpenDifferences()
		require.Len(t, all, 1)
		require.Equal(t, "POL", all[0].Asset)
		return all[0].Unsure
	}
	readings := func(pol string) []Reading {
		r := h.readings()
		for i := range r {
			if r[i].Wallet == "hot-1" && r[i].Asset == "POL" {
				r[i].Amount = dec(pol)
			}
		}
		return r
	}
	x := h.send("hot", "cold", "100")
	h.upTo(treasury.Signed, x, 1)
	h.reconcile(readings("9"))
	require.Empty(t, unsure(), "it is measured, and nothing was sent")

	h.must(func(d *Decision) error {
		return d.Withdraw(&domain.WithdrawalRecorded{Wallet: domain.WalletHot, Amount: dec("1"), Asset: "POL"})
	})
	require.Contains(t, unsure(), "booked there since it was measured")
	require.Equal(t, map[string]bool{"hot|POL": true}, h.s.Clone().Custody.Booked)
	hash := h.now1(x).Last().TxHash
	h.apply(&domain.TransferBroadcast{Transfer: x.Transfer, TxHash: hash})
	require.Contains(t, unsure(), "transfer "+x.Transfer+" is on its way")
	h.reconcile(readings("9"))
	require.Contains(t, unsure(), "transfer "+x.Transfer+" is on its way", "the line was skipped")
	h.arrive(x, hash, "0.25")
	require.Contains(t, unsure(), "booked there since it was measured", "the line was skipped")
	h.reconcile(readings("8.75"))
	require.Empty(t, h.s.Custody.Differences, "the withdrawal had explained it: another one would be untrue")
	require.Empty(t, h.s.Custody.Booked)
	h.reconcile(readings("8"))
	require.Empty(t, unsure())
}

// "A difference must not block a cancellation that is on its way (cancelling pays nobody)";
// the payment itself waits.
func TestADifferenceBlocksNoCancellation(t *testing.T) {
	h := funded(t)
	x := h.send("cold", friend, "5")
	h.upTo(treasury.Prepared, x, 4)
	h.reconcile(but(h.readings(), "hot-1", "-100"))
	h.mustNotSign(x, WayWait, "ledger and chain differ", false)
	h.must(func(d *Decision) error { return d.RequestCancel(x.Transfer, dec("0.4"), "not wanted") })
	p := cancelOf(h.now1(x), 4, "0.4")
	h.must(func(d *Decision) error { return d.RepriceTransfer(x.Transfer, p) })
	require.Equal(t, &ToSign{Cancels: true}, h.toSign(x))
	h.broadcast(x, h.sign(x, p))
	h.stop()
	require.Equal(t, domain.CodeHalted, domain.CodeOf(h.s.Sendable(x.Transfer)), "a stop holds it")
}

func TestReconcileRefusals(t *testing.T) {
	h := live(t)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.Reconcile(1, noon, nil) })
	h = funded(t)
	good := h.readings()
	huge := dec("999999999999999.999999")
	for name, readings := range map[string][]Reading{
		"none":                 nil,
		"one is missing":       good[1:],
		"one is there twice":   append(h.readings(), good[0]),
		"one instead":          append(h.readings()[1:], good[1]),
		"of an unknown wallet": append(h.readings()[1:], Reading{Wallet: "warm", Asset: good[0].Asset}),
		"of an unknown asset":  append(h.readings(), Reading{Wallet: "hot-1", Asset: "DOGE"}),
		"below 0":              but(h.readings(), "hot-2", "-0.000001"),
		"of 10^15":             but(but(h.readings(), "hot-2", huge.String()), "hot-2", "1"),
		"10^15 together":       but(but(h.readings(), "hot-2", huge.String()), "hot-1", "1"),
	} {
		h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Reconcile(1, noon, readings) })
		_, err := h.s.Differences(readings)
		require.Error(t, err, name)
	}
}
