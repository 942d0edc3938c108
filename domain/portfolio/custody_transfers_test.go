package portfolio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/treasury"
)

// “requested → approved → prepared → signed → broadcast → confirmed”: money lies in its
// place until it may be on its way, then in transit, then where it went. “Moves between
// hot, cold and transit are not flows”: equity is the same all along.
func TestTransferInside(t *testing.T) {
	h := funded(t)
	equity := h.s.Equity()
	x := h.send("cold", "hot", "500")
	require.Equal(t, []string{"it touches the cold wallet"}, x.ApprovalFor)
	require.Equal(t, treasury.Requested, x.Status)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 1, "0.1")) })
	x = h.approve(x)
	require.Equal(t, [2]string{"approved", "paul"}, [2]string{string(x.Status), x.ApprovedBy})
	p := h.prepare(x, 1)
	hash := h.sign(x, p)
	require.Equal(t, []string{"signature.made", "transfer.signed"}, h.types(), "intent before signature, hash before broadcast")
	h.lies("2500", "7500", "0")
	h.broadcast(x, hash)
	h.lies("2500", "7000", "500")
	require.Equal(t, []ledger.Posting{
		{Account: ledger.Transit("USDC", x.Transfer), Amount: dec("500")}, {Account: ledger.Wallet("USDC", domain.WalletCold), Amount: dec("-500")},
	}, h.s.Effects().Postings)
	h.broadcast(x, hash)
	require.Equal(t, []string{"command.noted"}, h.types(), "sent again: the same bytes, and nothing moves twice")
	h.lies("2500", "7000", "500")
	require.Equal(t, equity, h.s.Equity())
	h.arrive(x, hash, "0.01")
	h.lies("3000", "7000", "0")
	require.Empty(t, h.s.Effects().Flows)
	require.Equal(t, equity, h.s.Equity())
	h.equal("0.01", h.balanceIn("POL", "expense:gas"), "“gas to expense:gas in the gas asset”")
	h.equal("-0.01", h.balanceIn("POL", "cold:treasury"))
	h.arrive(x, hash, "0.01")
	require.Equal(t, []string{"command.noted"}, h.types(), "no transfer is confirmed twice")
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: x.Transfer, TxHash: hashOf("another")})
	})
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.FailTransfer(&domain.TransferFailed{Transfer: x.Transfer, Code: domain.FailedReverted, TxHash: hash})
	})
	h.lies("3000", "7000", "0")
}

// “confirmed moves transit → place (or external)”: what leaves is a flow, and
// “|Δ ratio| ≤ 1e-12 across any flow”.
func TestTransferOutside(t *testing.T) {
	h := funded(t)
	h.lose("a", "300") // a drawdown of 3 %
	before, daily := h.drawdown(), h.dailyLoss()
	h.equal("0.03", before)
	x := h.send("hot", friend, "700")
	require.Equal(t, [3]string{domain.TransferWithdrawal, domain.PlaceExternal, "it leaves the portfolio"}, [3]string{x.Kind, x.ToPlace, x.ApprovalFor[0]})
	_, hash := h.upTo(treasury.Broadcast, x, 1)
	h.equal("9700", h.s.Equity(), "on its way it still counts")
	h.arrive(x, hash, "0")
	h.equal("9000", h.s.Equity())
	require.Equal(t, []Flow{{Amount: dec("-700")}}, h.s.Effects().Flows)
	require.False(t, dec("0.000000000001").Less(h.drawdown().Sub(before).Abs()))
	require.False(t, dec("0.000000000001").Less(h.dailyLoss().Sub(daily).Abs()))
	h.equal("9300", h.s.NetDeposits())
	h.lies("1500", "7500", "0")
}

// “Flows never evaluate breakers”, not even one whose value stands at its limit; gas
// is performance, and does.
func TestOnlyGasIsEvaluated(t *testing.T) {
	for fee, trips := range map[string]int{"0": 0, "1": 1} {
		h := funded(t)
		h.depositIn(domain.WalletHot, "POL", "10")
		h.markAsset("POL", "1")
		h.lose("a", "300")
		x := h.send("hot", friend, "10")
		_, hash := h.upTo(treasury.Broadcast, x, 1)
		h.s.Policy.MaxDailyLossPct, h.cold.Policy.MaxDailyLossPct = dec("0.01"), dec("0.01")
		h.arrive(x, hash, fee)
		require.Equal(t, trips, h.count(domain.BreakerTrippedType), fee)
	}
}

func TestRequestTransfer(t *testing.T) {
	h := funded(t)
	h.wallet(walletOf("cold-2", domain.WalletCold, domain.WalletAsset{Asset: "DAI", ID: polygon + "/erc20:0xda1", Decimals: 18}))
	h.depositIn(domain.WalletCold, "DAI", "100")
	other := walletOf("far", domain.WalletCold)
	other.Chain = "eip155:1"
	other.Assets = []domain.WalletAsset{{Asset: "USDC", ID: "eip155:1/erc20:0xa0", Decimals: 6}, {Asset: "ETH", ID: "eip155:1/slip44:60", Decimals: 18, Native: true}}
	h.wallet(other)
	for name, c := range map[string]struct {
		code domain.Code
		r    TransferRequest
	}{
		"no sender":                     {domain.CodeInvalid, TransferRequest{To: "cold-1", Amount: dec("1")}},
		"a sender outside":              {domain.CodeInvalid, TransferRequest{From: friend, To: "cold-1", Amount: dec("1")}},
		"no recipient":                  {domain.CodeInvalid, TransferRequest{From: "hot", Amount: dec("1")}},
		"no such name":                  {domain.CodeInvalid, TransferRequest{From: "hot", To: "warm", Amount: dec("1")}},
		"to itself":                     {domain.CodeInvalid, TransferRequest{From: "hot", To: "hot-1", Amount: dec("1")}},
		"to its own address":            {domain.CodeInvalid, TransferRequest{From: "hot", To: h.s.Custody.Wallets["hot-1"].Address, Amount: dec("1")}},
		"to another chain":              {domain.CodeInvalid, TransferRequest{From: "hot", To: "far", Amount: dec("1")}},
		"outside the book":              {domain.CodeDenied, TransferRequest{From: "hot", To: stranger, Amount: dec("1")}},
		"nothing":                       {domain.CodeInvalid, TransferRequest{From: "hot", To: "cold-1"}},
		"less than nothing":             {domain.CodeInvalid, TransferRequest{From: "hot", To: "cold-1", Amount: dec("-1")}},
		"7 decimals":                    {domain.CodeInvalid, TransferRequest{From: "hot", To: "cold-1", Amount: dec("1.0000001")}},
		"more than is free":             {domain.CodeInvalid, TransferRequest{From: "hot", To: "cold-1", Amount: dec("1500.000001")}},
		"an asset it is not known with": {domain.CodeInvalid, TransferRequest{From: "hot", To: "cold-1", Asset: "DAI", Amount: dec("1")}},
		"an asset the other is not":     {domain.CodeInvalid, TransferRequest{From: "cold-2", To: "cold-1", Asset: "DAI", Amount: dec("1")}},
		"a fee above the highest":       {domain.CodeInvalid, TransferRequest{From: "hot", To: "cold-1", Amount: dec("1"), HighestFee: dec("1.000000000000000001")}},
		"a fee below 0":                 {domain.CodeInvalid, TransferRequest{From: "hot", To: "cold-1", Amount: dec("1"), HighestFee: dec("-1")}},
	} {
		c.r.Reason = "x"
		err := h.refused(c.code, func(d *Decision) error { return d.RequestTransfer(c.r) })
		require.NotEmpty(t, err.Error(), name)
	}
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: "hot", To: "cold-1", Amount: dec("1")})
	})
	x := h.transfer(TransferRequest{From: "hot", To: "cold-1", Amount: dec("1500"), HighestFee: dec("1")})
	require.Equal(t, domain.Payment{Chain: polygon, AssetID: usdcID, From: h.s.Custody.Wallets["hot-1"].Address, To: h.s.Custody.Wallets["cold-1"].Address, Amount: dec("1500"), HighestFee: dec("1")}, x.Payment)
	require.Equal(t, "x"+fmt.Sprint(h.s.Next-1), x.Transfer, "x and the revision")
	require.Equal(t, h.now.Add(24*time.Hour), x.ExpiresAt)
	// The address of a wallet is the wallet, in any letters: no withdrawal.
	y := h.send("cold-1", "0x"+strings.ToUpper(h.s.Custody.Wallets["hot-1"].Address[2:]), "1")
	require.Equal(t, [2]string{domain.TransferInternal, domain.WalletHot}, [2]string{y.Kind, y.ToPlace})
}

// A place that has no wallet cannot send or receive.
func TestNoWalletYet(t *testing.T) {
	h := live(t)
	h.wallet(walletOf("hot-1", domain.WalletHot))
	for _, r := range []TransferRequest{{From: "cold", To: "hot"}, {From: "hot", To: "cold"}} {
		r.Amount, r.Reason = dec("1"), "x"
		h.refused(domain.CodeConflict, func(d *Decision) error { return d.RequestTransfer(r) })
	}
}

// What open transfers will take is not free: for other transfers, nor for bots.
func TestClaimedIsNotFree(t *testing.T) {
	h := funded(t)
	ask := func(amount string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "hot", To: "cold", Amount: dec(amount), Reason: "x"})
		}
	}
	x := h.send("hot", "hot-2", "900")
	h.refused(domain.CodeInvalid, ask("600.000001"))
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Allocate("a", dec("600.000001")) })
	h.upTo(treasury.Signed, x, 1)
	h.refused(domain.CodeInvalid, ask("600.000001"))
	h.broadcast(x, h.now1(x).Last().TxHash)
	h.refused(domain.CodeInvalid, ask("600.000001"))
	h.arrive(x, h.now1(x).Last().TxHash, "0")
	h.must(ask("1500"))
	// One whose time is over claims nothing, whether a record says so or not.
	h.refused(domain.CodeInvalid, ask("0.000001"))
	h.after(24*time.Hour-1).refused(domain.CodeInvalid, ask("0.000001"))
	h.after(1).must(ask("1500"))
	require.Equal(t, []string{"day.opened", "transfer.expired", "transfer.requested"}, h.types())
}

// Of the coin that fees are paid in, the fee has to be left as well.
func TestFeeOfTheSameAsset(t *testing.T) {
	h := funded(t)
	h.depositIn(domain.WalletHot, "POL", "10")
	ask := func(amount, fee string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "hot", To: "cold", Asset: "POL", Amount: dec(amount), HighestFee: dec(fee), Reason: "x"})
		}
	}
	h.refused(domain.CodeInvalid, ask("9.500000000000000001", "0.5"))
	h.must(ask("9.5", "0.5"))
	require.Contains(t, lastOf[*domain.TransferRequested](h).ApprovalFor, "the asset has no mark of a feed to compare it with the threshold")
	h.refused(domain.CodeInvalid, ask("0.000000000000000001", "0.000000000000000001"))
}

// “A request for an outflow that would leave equity < 0 is refused”: all that is
// leaving taken together.
func TestOutflowBelowEquity(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModeLive, quietPolicy)
	h.wallet(walletOf("hot-1", domain.WalletHot))
	h.contact(friend)
	h.deposit("1000")
	h.must(func(d *Decision) error { // equity 600, though hot:treasury holds 1,000
		return d.Withdraw(&domain.WithdrawalRecorded{Wallet: domain.WalletCold, Amount: dec("400")})
	})
	h.equal("600", h.s.Equity())
	ask := func(amount string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "hot", To: friend, Amount: dec(amount), Reason: "x"})
		}
	}
	h.refused(domain.CodeInvalid, ask("600.000001"))
	x := h.send("hot", friend, "400")
	h.refused(domain.CodeInvalid, ask("200.000001"))
	h.upTo(treasury.Broadcast, x, 1)
	h.refused(domain.CodeInvalid, ask("200.000001"))
	h.must(ask("200"))
}

// “also when the 24-hour sum per sending wallet, this one included, of unapproved ones
// passes it”: splitting does not help.
func TestSplitting(t *testing.T) {
	h := funded(t)
	needed := func(from, amount string) bool {
		h.t.Helper()
		to := map[string]string{"hot-1": "hot-2", "hot-2": "hot-1"}[from]
		return h.send(from, to, amount).NeedsApproval()
	}
	require.False(t, needed("hot-1", "600"))
	h.after(time.Hour)
	require.False(t, needed("hot-1", "400"), "1,000 is not above 1,000")
	require.True(t, needed("hot-1", "0.000001"))
	require.False(t, needed("hot-2", "300"), "another wallet")
	// 24 h after the first it no longer counts; a moment before it does.
	h.after(23*time.Hour - 1)
	require.True(t, needed("hot-1", "0.000001"))
	h.after(1)
	require.False(t, needed("hot-1", "0.000002"), "only 400 are left in the sum")

	// What was rejected, or has expired, has moved nothing and does not count; what failed
	// may have, and does.
	h = funded(t)
	x := h.send("hot-1", "hot-2", "1000")
	require.False(t, x.NeedsApproval())
	h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "no") })
	require.False(t, needed("hot-1", "1000"))
	h = funded(t)
	x = h.send("hot-1", "hot-2", "1000")
	h.must(func(d *Decision) error {
		return d.FailTransfer(&domain.TransferFailed{Transfer: x.Transfer, Code: domain.FailedRefused})
	})
	require.True(t, needed("hot-1", "0.000001"))
	h = funded(t)
	h.must(func(d *Decision) error { return d.ChangeTreasuryPolicy([]byte(`{"approval_ttl":"1h"}`), "test") })
	h.send("hot-1", "hot-2", "1000")
	h.after(time.Hour)
	require.False(t, needed("hot-1", "1000"))
}

// “Approver ≠ requester by user; bound to the hash; one use; expires.”
func TestApproveTransfer(t *testing.T) {
	h := funded(t)
	x := h.send("hot", "cold", "100")
	ok := func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) }
	h.as(domain.RoleApprover, "olga").refused(domain.CodeDenied, ok)
	h.as(domain.RoleApprover, "paul")
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, "") })
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.ApproveTransfer(x.Transfer, treasury.Hash("other", &x.TransferRequested))
	})
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.ApproveTransfer("x999", x.Hash) })
	h.after(24*time.Hour).refused(domain.CodeConflict, ok)
	h.after(-1).must(ok)
	require.Equal(t, []string{"day.opened", "transfer.approved"}, h.types())
	h.must(ok)
	require.Equal(t, []string{"command.noted"}, h.types(), "the same word again")
	h.as(domain.RoleApprover, "quinn").refused(domain.CodeConflict, ok)
	// What needs nobody's approval takes none.
	y := h.operator().send("hot-1", "hot-2", "1")
	h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, func(d *Decision) error { return d.ApproveTransfer(y.Transfer, y.Hash) })
}

// “one use”: of 100 attempts by 100 people one counts.
func TestOneApprovalCounts(t *testing.T) {
	h := funded(t)
	x := h.send("hot", "cold", "100")
	count := 0
	for i := range 100 {
		h.as(domain.RoleApprover, fmt.Sprint("user", i))
		if _, err := h.try(func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) }); err == nil {
			count++
		}
	}
	require.Equal(t, 1, count)
	require.Equal(t, "user0", h.now1(x).ApprovedBy)
}

// “security_breach (mutated approval …)”: what was changed since it was asked for
// cannot be approved, prepared, signed or sent.
func TestMutatedTransfer(t *testing.T) {
	change := func(h *harness, x *treasury.Transfer) { h.now1(x).To = stranger }
	for status, f := range map[treasury.Status]func(*harness, *treasury.Transfer) func(*Decision) error{
		treasury.Requested: func(h *harness, x *treasury.Transfer) func(*Decision) error {
			h.as(domain.RoleApprover, "paul")
			return func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) }
		},
		treasury.Approved: func(_ *harness, x *treasury.Transfer) func(*Decision) error {
			return func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 1, "0.1")) }
		},
		treasury.Prepared: func(h *harness, x *treasury.Transfer) func(*Decision) error {
			digest := h.now1(x).Last().Digest
			return func(d *Decision) error {
				return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: digest, TxHash: hashOf(digest)})
			}
		},
		treasury.Signed: func(h *harness, x *treasury.Transfer) func(*Decision) error {
			return func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, h.now1(x).Last().TxHash) }
		},
		treasury.Broadcast: func(_ *harness, x *treasury.Transfer) func(*Decision) error {
			return func(d *Decision) error { return d.RepriceTransfer(x.Transfer, transactionOf(x, 1, "0.2")) }
		},
	} {
		h := funded(t)
		x := h.send("hot", "cold", "100")
		h.upTo(status, x, 1)
		change(h, x)
		require.ErrorIs(t, f(h, x)(h.s.Begin(h.now, h.caller)), ErrTampered, status)
		if status != treasury.Requested {
			require.ErrorIs(t, h.s.Sendable(x.Transfer), ErrTampered, status)
		}
	}
	// The approval of another hash is none.
	h := funded(t)
	x := h.send("hot", "cold", "100")
	h.upTo(treasury.Approved, x, 1)
	h.now1(x).ApprovedHash = treasury.Hash("other", &x.TransferRequested)
	require.ErrorIs(t, h.s.Begin(h.now, h.caller).PrepareTransfer(x.Transfer, transactionOf(x, 1, "0.1")), ErrTampered)
}

func TestRejectTransfer(t *testing.T) {
	for _, status := range []treasury.Status{treasury.Requested, treasury.Approved, treasury.Prepared, treasury.Signed} {
		h := funded(t)
		x := h.send("hot", "cold", "100")
		h.upTo(status, x, 1)
		reject := func(d *Decision) error { return d.RejectTransfer(x.Transfer, "not now") }
		h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RejectTransfer(x.Transfer, "") })
		if status == treasury.Requested || status == treasury.Approved {
			h.after(24*time.Hour).refused(domain.CodeConflict, reject)
			h.after(-24 * time.Hour)
		}
		h.must(reject)
		require.Equal(t, treasury.Rejected, h.now1(x).Status)
		h.must(reject)
		require.Equal(t, []string{"command.noted"}, h.types())
		h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 1, "0.1")) })
		h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) })
		h.equal("1500", h.s.Holdings().FreeHot)
	}
	for _, status := range []treasury.Status{treasury.Broadcast, treasury.Confirmed} {
		h := funded(t)
		x := h.send("hot", "cold", "100")
		h.upTo(status, x, 1)
		h.refused(domain.CodeConflict, func(d *Decision) error { return d.RejectTransfer(x.Transfer, "too late") })
	}
	// What a cold wallet signed was brought by somebody, who can send it.
	h := funded(t)
	x := h.send("cold", "hot", "100")
	p, _ := h.upTo(treasury.Prepared, x, 1)
	h.must(func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest), Raw: "0x01"})
	})
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RejectTransfer(x.Transfer, "too late") })
}

// One that is signed, and whose recipient was taken out of the book since, can be given
// up: the wallet's others do not wait for it for ever.
func TestSignedIsGivenUp(t *testing.T) {
	h := funded(t)
	x := h.send("hot", friend, "100")
	_, hash := h.upTo(treasury.Signed, x, 1)
	h.must(func(d *Decision) error {
		return d.RemoveAddress(&domain.AddressRemoved{Chain: polygon, Address: friend, Reason: "test"})
	})
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, hash) })
	next := h.send("hot", "cold", "50")
	h.approve(next)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(next.Transfer, transactionOf(next, 1, "0.1")) })
	h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "its recipient is gone") })
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, hash) })
	h.prepare(next, 1) // with the nonce that is free again
}

// “expires (approval_ttl, 24 h)”: the next record says so, whatever it is.
func TestTransfersExpire(t *testing.T) {
	h := funded(t)
	x, y := h.send("hot", "cold", "100"), h.send("hot-1", "hot-2", "50")
	z := h.send("cold", "hot", "70")
	h.upTo(treasury.Prepared, z, 1)
	h.after(24*time.Hour - 1)
	require.False(t, h.s.TransfersOverdue(h.now))
	h.must(func(d *Decision) error { return d.Allocate("a", dec("1")) })
	require.Equal(t, treasury.Requested, h.now1(x).Status)
	h.after(1)
	require.True(t, h.s.TransfersOverdue(h.now))
	h.must(func(d *Decision) error { return d.Allocate("a", dec("1")) })
	require.Equal(t, []string{"transfer.expired", "transfer.expired", "bot.capital_allocated"}, h.types())
	require.Equal(t, [3]treasury.Status{treasury.Expired, treasury.Expired, treasury.Prepared}, [3]treasury.Status{h.now1(x).Status, h.now1(y).Status, h.now1(z).Status}, "an approval that was used in time stays used")
	require.False(t, h.s.TransfersOverdue(h.now))
	h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) })
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.FailTransfer(&domain.TransferFailed{Transfer: y.Transfer, Code: domain.FailedRefused})
	})
	// Used, not extended: after its time nothing else is prepared under it.
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(z.Transfer, transactionOf(z, 2, "0.2")) })
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RejectTransfer(z.Transfer, "out of date") })
	h.must(func(d *Decision) error { return d.RejectUnsigned(z.Transfer, "out of date") })
}

// One that has expired and is given up in the same append would be over twice.
func TestExpiredIsNotGivenUp(t *testing.T) {
	h := funded(t)
	x := h.approve(h.send("hot", "cold", "100"))
	h.after(24*time.Hour).refused(domain.CodeConflict, func(d *Decision) error {
		return d.FailTransfer(&domain.TransferFailed{Transfer: x.Transfer, Code: domain.FailedRefused})
	})
}

// “bound to the hash”: a transaction that says something else than what was approved
// is a breach, field by field.
func TestPrepareTransfer(t *testing.T) {
	h := funded(t)
	x := h.approve(h.send("hot", "cold", "100"))
	for field, change := range map[string]func(*domain.Payment){
		"chain":       func(p *domain.Payment) { p.Chain = "eip155:1" },
		"asset":       func(p *domain.Payment) { p.AssetID = polID },
		"from":        func(p *domain.Payment) { p.From = friend },
		"to":          func(p *domain.Payment) { p.To = friend },
		"amount":      func(p *domain.Payment) { p.Amount = dec("100.000001") },
		"highest_fee": func(p *domain.Payment) { p.HighestFee = dec("1.000000000000000001") },
	} {
		p := transactionOf(x, 1, "0.1")
		change(&p.Says)
		err := h.refused(domain.CodeDenied, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, p) })
		require.ErrorIs(t, err, ErrTampered, field)
		var e *domain.Error
		require.True(t, errors.As(err, &e))
		require.Equal(t, field, e.Field)
	}
	for name, change := range map[string]func(*PreparedTransaction){
		"no digest":       func(p *PreparedTransaction) { p.Digest = "" },
		"63 digits":       func(p *PreparedTransaction) { p.Digest = p.Digest[1:] },
		"capitals":        func(p *PreparedTransaction) { p.Digest = strings.Repeat("A", 64) },
		"no transaction":  func(p *PreparedTransaction) { p.Transaction = nil },
		"what is no JSON": func(p *PreparedTransaction) { p.Transaction = json.RawMessage(`{"nonce":`) },
		"4097 bytes":      func(p *PreparedTransaction) { p.Transaction = json.RawMessage(`"` + strings.Repeat("x", 4095) + `"`) },
	} {
		p := transactionOf(x, 1, "0.1")
		change(&p)
		h.refused(domain.CodeInvalid, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, p) })
		_ = name
	}
	h.after(24*time.Hour).refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 1, "0.1")) })
	h.after(-24 * time.Hour)
	h.prepare(x, 1)
	h.prepare(x, 1)
	require.Equal(t, []string{"command.noted"}, h.types())
	p := transactionOf(x, 2, "1")
	h.must(func(d *Decision) error { return d.PrepareTransfer(x.Transfer, p) })
	require.Len(t, h.now1(x).Attempts, 1, "one that was not signed is prepared anew, at the highest fee")
	h.sign(x, p)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 3, "0.1")) })
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.PrepareTransfer("x999", p) })
}

// “its nonce comes first”: one transfer of a wallet is under way at a time.
func TestOneUnderWay(t *testing.T) {
	h := funded(t)
	x, y, other := h.send("hot-1", "hot-2", "10"), h.send("hot-1", "hot-2", "20"), h.send("hot-2", "hot-1", "30")
	p, hash := h.upTo(treasury.Signed, x, 1)
	prepare := func(nonce uint64) func(*Decision) error {
		return func(d *Decision) error { return d.PrepareTransfer(y.Transfer, transactionOf(y, nonce, "0.1")) }
	}
	h.refused(domain.CodeConflict, prepare(2))
	h.prepare(other, 1)
	h.broadcast(x, hash)
	h.refused(domain.CodeConflict, prepare(2))
	h.arrive(x, hash, "0")
	// A nonce that was used is never used again: the same payment with the same nonce has
	// the same hash, and would be confirmed by a transaction that was counted already.
	h.refused(domain.CodeConflict, prepare(0))
	h.refused(domain.CodeConflict, prepare(1))
	twin := h.send("hot-1", "hot-2", "10")
	require.Equal(t, p.Digest, transactionOf(twin, 1, "0.1").Digest)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(twin.Transfer, transactionOf(twin, 1, "0.1")) })
	h.must(prepare(2))
}

// What was free when it was asked for may be gone: a request that was made first does
// not keep the next from going where there is enough for one.
func TestNoLongerThere(t *testing.T) {
	h := funded(t)
	x, y := h.approve(h.send("hot", "cold", "800")), h.approve(h.send("hot", "cold", "700"))
	h.withdraw("600") // a fact: 900 are left
	h.equal("-600", h.s.Holdings().FreeHot)
	h.prepare(y, 1)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 1, "0.1")) })
	h.must(func(d *Decision) error { return d.RejectTransfer(y.Transfer, "x") })
	h.prepare(x, 1)
	h = funded(t)
	z := h.approve(h.send("hot", "cold", "1500"))
	h.withdraw("0.000001")
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(z.Transfer, transactionOf(z, 1, "0.1")) })
}

// “hash before broadcast”
func TestSignTransfer(t *testing.T) {
	h := funded(t)
	x := h.send("hot", "cold", "100")
	sign := func(digest, hash, raw string) func(*Decision) error {
		return func(d *Decision) error {
			return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: digest, TxHash: hash, Raw: raw})
		}
	}
	some := strings.Repeat("0", 64)
	h.approve(x)
	h.refused(domain.CodeConflict, sign(some, "0x"+some, ""))
	p := h.prepare(x, 1)
	h.refused(domain.CodeConflict, sign(some, "0x"+some, "")) // another server may have prepared it anew
	h.refused(domain.CodeInvalid, sign(p.Digest, some, ""))
	h.refused(domain.CodeInvalid, sign(p.Digest, "0x"+some, strings.Repeat("0", 8193)))
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, "0x"+some) })
	h.sign(x, p)
	made := stepOf[*domain.SignatureMade](h)
	require.Equal(t, domain.SignatureMade{Purpose: domain.PurposeTransfer, Transfer: x.Transfer, Wallet: "hot-1", Address: x.From, Digest: p.Digest}, *made[0])
	h.sign(x, p)
	require.Equal(t, []string{"command.noted"}, h.types())
	h.refused(domain.CodeConflict, sign(p.Digest, "0x"+some, ""))
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, "0x"+some) })
	// Brought from elsewhere, the bytes are kept, and no signature was made here.
	y := h.approve(h.send("cold", "hot", "5"))
	q := h.prepare(y, 1)
	h.must(func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: y.Transfer, Digest: q.Digest, TxHash: hashOf(q.Digest), Raw: "0x02"})
	})
	require.Equal(t, []string{"transfer.signed"}, h.types())
	require.Equal(t, "0x02", h.now1(y).Last().Raw)
}

// Two servers take the same steps: what one has done the other finds, and steps back. It
// is no breach, and stops nothing. Neither is a look at what nobody has approved yet.
func TestTwoServers(t *testing.T) {
	h := funded(t)
	x := h.send("hot", "cold", "100")
	require.Equal(t, domain.CodeConflict, domain.CodeOf(h.s.Sendable(x.Transfer)))
	require.NotErrorIs(t, h.s.Sendable(x.Transfer), ErrTampered)
	sign := func(p PreparedTransaction) func(*Decision) error {
		return func(d *Decision) error {
			return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest)})
		}
	}
	notTampered := func(f func(*Decision) error) {
		t.Helper()
		require.NotErrorIs(t, h.refused(domain.CodeConflict, f), ErrTampered)
	}
	notTampered(sign(transactionOf(x, 1, "0.1")))
	h.approve(x)
	one, two := h.prepare(x, 1), transactionOf(x, 1, "0.15")
	h.must(func(d *Decision) error { return d.PrepareTransfer(x.Transfer, two) })
	notTampered(sign(one))
	first := h.sign(x, two)
	h.broadcast(x, first)
	three := transactionOf(x, 1, "0.2")
	h.must(func(d *Decision) error { return d.RepriceTransfer(x.Transfer, three) })
	notTampered(sign(two))
	h.sign(x, three)
	notTampered(func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, first) })
	h.arrive(x, first, "0")
	notTampered(func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, first) })
	require.Equal(t, domain.CodeConflict, domain.CodeOf(h.s.Sendable(x.Transfer)))
}

// “A stuck one may be repriced: same nonce, recipient, amount, within the approved fee.”
func TestRepriceTransfer(t *testing.T) {
	h := funded(t)
	x := h.send("hot", friend, "100")
	h.upTo(treasury.Prepared, x, 4)
	reprice := func(nonce uint64, fee string) func(*Decision) error {
		return func(d *Decision) error { return d.RepriceTransfer(x.Transfer, transactionOf(x, nonce, fee)) }
	}
	h.refused(domain.CodeConflict, reprice(4, "0.2"))
	first := h.sign(x, transactionOf(x, 4, "0.1"))
	h.broadcast(x, first)
	h.refused(domain.CodeConflict, reprice(5, "0.2"))
	require.ErrorIs(t, h.refused(domain.CodeDenied, reprice(4, "1.000000000000000001")), ErrTampered)
	h.must(reprice(4, "0.1"))
	require.Equal(t, []string{"command.noted"}, h.types(), "the same transaction is no other")
	h.must(reprice(4, "0.2"))
	h.must(reprice(4, "0.2"))
	require.Equal(t, []string{"command.noted"}, h.types(), "asked again after a crash")
	h.refused(domain.CodeConflict, reprice(4, "0.3"))
	second := h.sign(x, transactionOf(x, 4, "0.2"))
	h.broadcast(x, second)
	h.lies("2400", "7500", "100")
	h.arrive(x, first, "0.05") // the first came through after all
	h.lies("2400", "7500", "0")
	require.Equal(t, first, h.now1(x).TxHash)
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: x.Transfer, TxHash: second})
	})

	y := h.send("hot", friend, "100")
	_, hash := h.upTo(treasury.Broadcast, y, 5)
	for i := 1; i < treasury.MaxAttempts; i++ {
		p := transactionOf(y, 5, fmt.Sprintf("0.1%02d", i))
		h.must(func(d *Decision) error { return d.RepriceTransfer(y.Transfer, p) })
		h.sign(y, p)
	}
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RepriceTransfer(y.Transfer, transactionOf(y, 5, "0.9")) })
	h.arrive(y, hash, "0")
}

// “failed moves back; gas to expense:gas in the gas asset”
func TestFailTransfer(t *testing.T) {
	fail := func(x *treasury.Transfer, code, hash, fee string) func(*Decision) error {
		return func(d *Decision) error {
			return d.FailTransfer(&domain.TransferFailed{Transfer: x.Transfer, Code: code, TxHash: hash, Fee: dec(fee), Detail: "test"})
		}
	}
	for _, code := range []string{domain.FailedReverted, domain.FailedNotMoved, domain.FailedReplaced} {
		for _, status := range []treasury.Status{treasury.Signed, treasury.Broadcast} {
			h := funded(t)
			x := h.send("hot", friend, "100")
			h.refused(domain.CodeConflict, fail(x, code, "", "0"))
			_, hash := h.upTo(status, x, 1)
			wrong, fee := "0x"+strings.Repeat("0", 64), "0.01"
			if code == domain.FailedReplaced {
				hash, wrong, fee = wrong, hash, "0"
				h.refused(domain.CodeInvalid, fail(x, code, hash, "0.01"))
			}
			h.refused(domain.CodeInvalid, fail(x, code, wrong, fee))
			h.refused(domain.CodeInvalid, fail(x, code, hash, "-1"))
			h.refused(domain.CodeInvalid, fail(x, "lost", hash, fee))
			h.must(fail(x, code, hash, fee))
			h.lies("2500", "7500", "0")
			h.equal(fee, h.balanceIn("POL", "expense:gas"))
			require.Equal(t, [2]string{"failed", code}, [2]string{string(h.now1(x).Status), h.now1(x).Code})
			h.must(fail(x, code, hash, fee))
			require.Equal(t, []string{"command.noted"}, h.types())
			h.refused(domain.CodeConflict, func(d *Decision) error {
				return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: x.Transfer, TxHash: hash})
			})
			y := h.approve(h.send("hot", friend, "100"))
			h.refused(domain.CodeConflict, func(d *Decision) error { return d.PrepareTransfer(y.Transfer, transactionOf(y, 1, "0.2")) })
			h.prepare(y, 2)
		}
	}
	// “refused: it would fail, or cannot be paid: nothing was sent”
	for status, may := range map[treasury.Status]bool{treasury.Requested: false, treasury.Approved: true, treasury.Prepared: true, treasury.Signed: true, treasury.Broadcast: false} {
		h := funded(t)
		x := h.send("hot", friend, "100")
		h.upTo(status, x, 1)
		h.refused(domain.CodeInvalid, fail(x, domain.FailedRefused, "", "0.01"))
		if !may {
			h.refused(domain.CodeConflict, fail(x, domain.FailedRefused, "", "0"))
			continue
		}
		h.must(fail(x, domain.FailedRefused, "", "0"))
		h.lies("2500", "7500", "0")
		h.equal("1500", h.s.Holdings().FreeHot)
		h.prepare(h.approve(h.send("hot", friend, "100")), 1) // the nonce was not used
	}
}

// Bytes that were signed elsewhere may be sent by whoever has them: such a transfer is
// not given up, and its arrival is a fact though nothing was sent from here.
func TestSentBySomebodyElse(t *testing.T) {
	h := funded(t)
	x := h.approve(h.send("cold", "hot", "500"))
	p := h.prepare(x, 1)
	h.must(func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest), Raw: "0x02"})
	})
	h.trips(domain.DailyLoss, "")
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, hashOf(p.Digest)) })
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.FailTransfer(&domain.TransferFailed{Transfer: x.Transfer, Code: domain.FailedRefused})
	})
	h.arrive(x, hashOf(p.Digest), "0")
	require.Equal(t, []string{"transfer.broadcast", "transfer.confirmed"}, h.types())
	h.lies("3000", "7000", "0")
}

// What is over is forgotten one day, the oldest first, but not while it counts in the
// sum of a day.
func TestEndedAreForgotten(t *testing.T) {
	c := newCustody()
	over := func(i int, approved bool, status treasury.Status, at time.Time) {
		x := &treasury.Transfer{Status: status, RequestedAt: at}
		x.Transfer = fmt.Sprint("x", i)
		if approved {
			x.ApprovalFor = []string{"x"}
		}
		c.Transfers[x.Transfer] = x
		c.end(x, at)
		c.end(x, at) // and is over once
	}
	for i := range maxEnded + 50 {
		over(i, true, treasury.Confirmed, noon)
	}
	require.Len(t, c.Transfers, maxEnded)
	require.Len(t, c.Ended, maxEnded)
	for i := range maxEnded + 50 {
		over(2000+i, false, treasury.Rejected, noon)
	}
	require.Len(t, c.Transfers, maxEnded, "what was rejected counts in no sum")
	for i := range maxEnded + 50 {
		over(4000+i, false, treasury.Confirmed, noon)
	}
	require.Len(t, c.Transfers, maxEnded+50, "the sum of a day")
	over(9000, true, treasury.Confirmed, noon.Add(24*time.Hour))
	require.Len(t, c.Transfers, maxEnded)
}

// As many are open as every record can look at, and a sweep all the same.
func TestOpenTransfersAreBounded(t *testing.T) {
	h := funded(t)
	for range maxOpen {
		h.send("hot-1", "hot-2", "0.000001")
	}
	more := func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: "hot-1", To: "hot-2", Amount: dec("1"), Reason: "x"})
	}
	h.refused(domain.CodeConflict, more)
	h.stop()
	require.Empty(t, h.s.Custody.OpenTransfers(), "the stop ends all of them")
	for i := range maxOpen { // as an older build left them
		h.apply(&domain.TransferRequested{
			Transfer: fmt.Sprintf("old%03d", i), Kind: domain.TransferInternal, Wallet: "hot-1", FromPlace: "hot", ToPlace: "hot", Asset: "USDC", ExpiresAt: h.now.Add(time.Hour),
		})
	}
	sweep := func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: "hot", To: "cold", Amount: dec("1"), Reason: "x", Sweep: true})
	}
	for range maxSweeps {
		h.must(sweep)
	}
	h.refused(domain.CodeConflict, sweep)
	h.must(func(d *Decision) error { return d.RejectTransfer(h.s.Custody.OpenTransfers()[0].Transfer, "x") })
	h.must(sweep)
}

// A hot wallet whose key is not here is as good as a stranger: its transfers take two
// people, however small.
func TestHotWalletWithoutAKey(t *testing.T) {
	h := funded(t)
	h.wallet(walletOf("hot-9", domain.WalletHot))
	h.after(treasury.NewFor) // a new one takes two approvers
	require.True(t, h.send("hot-1", "hot-9", "1").NeedsApproval())
	h.must(func(d *Decision) error {
		return d.UseKey(&domain.KeyUsed{Wallet: "hot-9", Address: h.s.Custody.Wallets["hot-9"].Address, Purpose: "verify"})
	})
	require.False(t, h.send("hot-1", "hot-9", "1").NeedsApproval())
	require.False(t, h.send("hot-1", "hot-2", "1").NeedsApproval())
}

// "Every other two-person act": whoever has no key any more that works asked for nothing
// that can be approved, and another case of a name is the same person, also of the one
// who registered the wallet that the server proposes to pay.
func TestApprovingTakesALivingOther(t *testing.T) {
	h := funded(t)
	x := h.send("hot", "cold", "100")
	approve := func(living ...string) func(*Decision) error {
		return func(d *Decision) error { d.Living(living, nil, nil); return d.ApproveTransfer(x.Transfer, x.Hash) }
	}
	h.as(domain.RoleApprover, "OLGA").refused(domain.CodeDenied, approve("olga"))
	h.as(domain.RoleApprover, "paul").refused(domain.CodeDenied, approve("paul"))
	h.refused(domain.CodeDenied, func(d *Decision) error {
		d.Living([]string{"paul", "olga"}, []string{"Olga"}, map[uint64][]string{domain.RevisionOf(x.Transfer): {"Olga"}}) // with a key that was revoked since
		return d.ApproveTransfer(x.Transfer, x.Hash)
	})
	h.must(approve("paul", "Olga"))
	h.as(domain.RoleApprover, "Paul").must(approve("paul"))
	require.Equal(t, []string{"command.noted"}, h.types(), "it was approved before")
}
