package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// steps are what is signed or sent of a transfer, each at the status before it.
func (h *harness) stepsOf(x *treasury.Transfer) map[string]func(*Decision) error {
	p := transactionOf(x, 1, "0.1")
	return map[string]func(*Decision) error{
		"approved": func(d *Decision) error { return d.PrepareTransfer(x.Transfer, p) },
		"prepared": func(d *Decision) error {
			return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest)})
		},
		"signed":    func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, hashOf(p.Digest)) },
		"broadcast": func(d *Decision) error { return d.RepriceTransfer(x.Transfer, transactionOf(x, 1, "0.2")) },
	}
}

// “The key sits behind the breaker”: while any breaker is tripped, the stop is engaged,
// or ledger and chain differ, nothing of a transfer is prepared, signed, sent or
// repriced. What the chain did is recorded all the same.
func TestNothingIsSentWhileHalted(t *testing.T) {
	halts := map[string]func(*harness){
		domain.ConsecutiveLosses: func(h *harness) { h.trips(domain.ConsecutiveLosses, "a") },
		domain.DailyLoss:         func(h *harness) { h.trips(domain.DailyLoss, "") },
		domain.BotDrawdown:       func(h *harness) { h.trips(domain.BotDrawdown, "a") },
		domain.PortfolioDrawdown: func(h *harness) { h.trips(domain.PortfolioDrawdown, "") },
		"emergency stop":         func(h *harness) { h.stop() },
		"a difference":           func(h *harness) { h.reconcile(but(h.readings(), "hot-1", "-5")) },
	}
	for _, status := range []treasury.Status{treasury.Approved, treasury.Prepared, treasury.Signed, treasury.Broadcast} {
		for name, halt := range halts {
			h := funded(t)
			x := h.send("hot", friend, "100")
			_, hash := h.upTo(status, x, 1)
			require.NoError(t, h.s.Sendable(x.Transfer))
			halt(h)
			if name == "emergency stop" && (status == treasury.Approved || status == treasury.Prepared) { // the stop has ended it
				require.Equal(t, treasury.Rejected, h.now1(x).Status, status)
				continue
			}
			h.refused(domain.CodeHalted, h.stepsOf(x)[string(status)])
			require.Equal(t, domain.CodeHalted, domain.CodeOf(h.s.Sendable(x.Transfer)), name)
			if status == treasury.Broadcast {
				h.refused(domain.CodeHalted, func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, hash) })
				h.arrive(x, hash, "0.01")
				h.lies("2400", "7500", "0")
			}
		}
	}
	// While a breaker is tripped a person may still look, ask, approve and reject.
	h := funded(t)
	h.trips(domain.DailyLoss, "")
	x := h.send("hot", friend, "100")
	h.approve(x)
	h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "x") })
}

// A fact is recorded while halted: that it failed, too.
func TestFailureWhileHalted(t *testing.T) {
	h := funded(t)
	x := h.send("hot", friend, "100")
	_, hash := h.upTo(treasury.Broadcast, x, 1)
	h.stop()
	h.must(func(d *Decision) error {
		return d.FailTransfer(&domain.TransferFailed{Transfer: x.Transfer, Code: domain.FailedReverted, TxHash: hash, Fee: dec("0.01")})
	})
	h.lies("2500", "7500", "0")
}

func sweepTo(to, amount string) TransferRequest {
	return TransferRequest{From: "hot", To: to, Amount: dec(amount), Reason: "the key is out", Sweep: true}
}

// “in an emergency stop nothing is signed but a sweep to an address that was in the book
// before the stop, approved by a second person”
func TestSweep(t *testing.T) {
	for _, to := range []string{"cold", "cold-1", friend} {
		h := funded(t)
		h.fill("a", "m", "YES", buy, "100", "0.5") // 50 are in a position
		r := sweepTo(to, "0")
		h.refused(domain.CodeConflict, func(d *Decision) error { return d.RequestTransfer(r) }) // no stop
		h.after(tick).stop()
		x := h.transfer(r)
		require.Equal(t, []string{"bot.capital_allocated", "transfer.requested"}, h.types(), "the bots' capital goes with it")
		require.Equal(t, [2]string{domain.TransferSweep, "2450"}, [2]string{x.Kind, x.Amount.String()})
		h.equal("0", h.botOf("a").Cash)
		require.Contains(t, x.ApprovalFor, "it is a sweep")
		h.refused(domain.CodeConflict, h.stepsOf(x)["approved"])
		h.as(domain.RoleApprover, "olga").refused(domain.CodeDenied, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) })
		h.operator()
		_, hash := h.upTo(treasury.Broadcast, x, 1)
		h.must(func(d *Decision) error { return d.RepriceTransfer(x.Transfer, transactionOf(x, 1, "0.3")) })
		h.arrive(x, hash, "0.01")
		hot, _, transit := h.places()
		require.Equal(t, [2]string{"0", "0"}, [2]string{hot, transit})
	}
}

// “before the stop”: strictly. What was added after it, or taken out and put back, is
// not where a thief sends the money.
func TestSweepGoesWhereOneCouldSendBefore(t *testing.T) {
	h := funded(t)
	h.now = h.s.Custody.Book[treasury.ContactKey(polygon, friend)].At
	h.stop()
	for _, to := range []string{friend, "cold"} {
		h.refused(domain.CodeDenied, func(d *Decision) error { return d.RequestTransfer(sweepTo(to, "1")) })
	}
	h = funded(t)
	h.stop()
	h.after(time.Second)
	h.contact(stranger)
	h.wallet(walletOf("cold-2", domain.WalletCold))
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.RequestTransfer(sweepTo(stranger, "1")) })
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.RequestTransfer(sweepTo("cold-2", "1")) })
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.RequestTransfer(sweepTo("cold", "1")) }) // now cold-2
	h.must(func(d *Decision) error { return d.RequestTransfer(sweepTo("cold-1", "1")) })
	x := h.approve(h.transfer(sweepTo(friend, "1")))
	h.must(func(d *Decision) error {
		return d.RemoveAddress(&domain.AddressRemoved{Chain: polygon, Address: friend, Reason: "x"})
	})
	h.contact(friend)
	h.refused(domain.CodeDenied, h.stepsOf(x)["approved"])
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.RequestTransfer(sweepTo(friend, "1")) })
	// Registered anew, a wallet is as old as before.
	h.wallet(walletOf("cold-1", domain.WalletCold))
	h.must(func(d *Decision) error { return d.RequestTransfer(sweepTo("cold", "1")) })
}

func TestSweepRefusals(t *testing.T) {
	h := funded(t)
	h.stop()
	for _, r := range []TransferRequest{
		{From: "cold", To: friend}, {From: "hot", To: "hot-2"}, {From: "hot", To: "cold", Asset: "POL"}, {From: "hot", To: "cold", Amount: dec("-1")},
	} {
		r.Reason, r.Sweep = "x", true
		h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RequestTransfer(r) })
	}
	h.equal("1000", h.botOf("a").Cash, "a sweep that is refused takes nothing back")
}

// What waited before the stop does not go on, so it takes nothing away from the sweep;
// other sweeps do.
func TestSweepTakesAll(t *testing.T) {
	h := funded(t)
	waiting := h.approve(h.send("hot", "cold", "900"))
	h.stop()
	x := h.transfer(sweepTo("cold", "400"))
	require.Equal(t, "2100", h.transfer(sweepTo("cold", "0")).Amount.String())
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RequestTransfer(sweepTo("cold", "0")) })
	h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "x") })
	require.Equal(t, "400", h.transfer(sweepTo("cold", "0")).Amount.String())
	require.Equal(t, treasury.Rejected, h.now1(waiting).Status)
	h.after(24 * time.Hour) // a sweep that nobody approved in time takes nothing either
	require.Equal(t, "2500", h.transfer(sweepTo("cold", "0")).Amount.String())
	// Of the coin that pays for it, the fee stays.
	h.depositIn(domain.WalletHot, "POL", "10")
	r := sweepTo("cold", "0")
	r.Asset, r.HighestFee = "POL", dec("0.25")
	require.Equal(t, "8.75", h.withFees(r), "less the fees of two sweeps of USDC, of 1 at most, and its own: 10 − 2 × 0.5 − 0.25")
}

// withFees asks for a sweep where the other sweeps name a highest fee of 0.5.
func (h *harness) withFees(r TransferRequest) string {
	h.t.Helper()
	for _, x := range h.s.Custody.OpenTransfers() {
		if x.Kind == domain.TransferSweep {
			h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "x") })
		}
	}
	for range 2 {
		small := sweepTo("cold", "1")
		small.HighestFee = dec("0.5")
		h.transfer(small)
	}
	return h.transfer(r).Amount.String()
}

// A transfer that was under way when the stop came cannot go on, and must not keep the
// sweep from going: it goes before it, with the same nonce if it has to. What it took
// the place of has failed then.
func TestSweepGoesFirst(t *testing.T) {
	for _, status := range []treasury.Status{treasury.Prepared, treasury.Signed, treasury.Broadcast} {
		h := funded(t)
		x := h.send("hot", friend, "100")
		h.upTo(status, x, 1)
		h.after(tick).stop()
		sweep := h.transfer(sweepTo("cold", "0"))
		_, hash := h.upTo(treasury.Broadcast, sweep, 1)
		second := h.approve(h.transfer(sweepTo("cold", "1")))
		h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(second.Transfer, transactionOf(second, 2, "0.1")) })
		h.arrive(sweep, hash, "0")
		h.clearStop()
		if status == treasury.Prepared {
			require.Equal(t, treasury.Rejected, h.now1(x).Status, "the stop has ended it")
		} else {
			h.must(func(d *Decision) error {
				return d.FailTransfer(&domain.TransferFailed{Transfer: x.Transfer, Code: domain.FailedReplaced, TxHash: hash})
			})
		}
		require.False(t, h.now1(x).Open())
		_, _, transit := h.places()
		require.Equal(t, "0", transit)
	}
}

// A sweep is for a stop: once it is cleared, it goes no further.
func TestSweepEndsWithTheStop(t *testing.T) {
	for _, status := range []treasury.Status{treasury.Approved, treasury.Prepared, treasury.Signed, treasury.Broadcast} {
		h := funded(t)
		h.stop()
		x := h.transfer(sweepTo("cold", "0"))
		_, hash := h.upTo(status, x, 1)
		h.clearStop()
		if status == treasury.Approved || status == treasury.Prepared {
			require.Equal(t, treasury.Rejected, h.now1(x).Status, "nothing of it was signed: it ended with the stop")
			continue
		}
		h.refused(domain.CodeConflict, h.stepsOf(x)[string(status)])
		if status == treasury.Broadcast {
			h.arrive(x, hash, "0")
		} else {
			h.must(func(d *Decision) error {
				return d.FailTransfer(&domain.TransferFailed{Transfer: x.Transfer, Code: domain.FailedRefused})
			})
		}
		require.Len(t, h.s.Custody.OpenTransfers(), 0)
	}
}

// A sweep goes on whatever else is tripped, or differs: it is what those are for.
func TestSweepWhileAllIsTripped(t *testing.T) {
	h := funded(t)
	h.trips(domain.PortfolioDrawdown, "")
	h.trips(domain.DailyLoss, "")
	h.reconcile(but(h.readings(), "hot-1", "-5"))
	h.stop()
	h.upTo(treasury.Confirmed, h.transfer(sweepTo("cold", "0")), 1)
	h.lies("0", "10000", "0")
}

// "A second stop without a reason leaves the reason": it is what two people read and sign when they
// clear the stop.
func TestAStopWithoutAReasonLeavesTheReason(t *testing.T) {
	h := funded(t)
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopManual, domain.Unreasoned) })
	require.Equal(t, domain.Unreasoned, h.s.Stop.Reason, "the first one has no other")
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopSecurityBreach, "a key leaked") })
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopSecurityBreach, domain.Unreasoned) })
	require.Equal(t, "a key leaked", h.s.Stop.Reason)
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopSecurityBreach, "two keys leaked") })
	require.Equal(t, "two keys leaked", h.s.Stop.Reason)
}
