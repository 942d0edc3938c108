package portfolio

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/treasury"
)

func (h *harness) reopen(t *treasury.Transfer) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.ReopenTransfer(&domain.TransferReopened{Transfer: t.Transfer, Code: domain.ReopenedUnused, Block: 9})
	})
}

// "Ledger = chain must hold after reopening (postings reversed and posted again; fees
// too)": a reopened transfer leaves the book, equity and peaks as they were before it had
// ended, and its end does to them again what it did at first.
func TestReopeningReversesAnEnd(t *testing.T) {
	for name, c := range map[string]struct {
		to, asset string
		end       func(*harness, *treasury.Transfer, string)
	}{
		"arrived inside":      {"cold", "USDC", func(h *harness, x *treasury.Transfer, hash string) { h.arrive(x, hash, "0.01") }},
		"left":                {friend, "USDC", func(h *harness, x *treasury.Transfer, hash string) { h.arrive(x, hash, "0.01") }},
		"another hot wallet":  {"hot-2", "USDC", func(h *harness, x *treasury.Transfer, hash string) { h.arrive(x, hash, "0.01") }},
		"coins, without fee":  {"cold", "POL", func(h *harness, x *treasury.Transfer, hash string) { h.arrive(x, hash, "0") }},
		"reverted":            {friend, "USDC", func(h *harness, x *treasury.Transfer, hash string) { h.failed(x, domain.FailedReverted, hash, "0.01") }},
		"replaced":            {friend, "USDC", func(h *harness, x *treasury.Transfer, _ string) { h.failed(x, domain.FailedReplaced, "0xab", "0") }},
		"two people say so":   {friend, "USDC", func(h *harness, x *treasury.Transfer, _ string) { h.byTwo(settlement(x.Transfer, "confirmed", "0.5")) }},
		"two people say else": {"cold", "USDC", func(h *harness, x *treasury.Transfer, _ string) { h.byTwo(settlement(x.Transfer, "failed", "0.5")) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := funded(t)
			h.depositIn(domain.WalletHot, "POL", "10")
			h.report("a", "spot", "x", buy, "1", "1")
			x := h.transfer(TransferRequest{From: "hot-1", To: c.to, Asset: c.asset, Amount: dec("5")})
			_, hash := h.upTo(treasury.Broadcast, x, 4)
			before, equity, peak := maps.Clone(h.s.Book), h.s.Equity(), h.s.Refs.Peak
			c.end(h, x, hash)
			after, ended := maps.Clone(h.s.Book), h.now1(x)
			endStatus, endEquity := ended.Status, h.s.Equity()
			require.True(t, ended.UsedNonce(4))

			h.reopen(x)
			open := h.now1(x)
			require.Equal(t, treasury.Broadcast, open.Status)
			require.True(t, open.EndedAt.IsZero() && open.Fee.IsZero() && open.TxHash == "" && open.Code == "")
			require.False(t, open.UsedNonce(4))
			require.NotContains(t, h.s.Custody.Ended, x.Transfer)
			require.Equal(t, nonZero(before), nonZero(h.s.Book))
			require.Equal(t, equity, h.s.Equity())
			require.Equal(t, peak, h.s.Refs.Peak)
			require.Empty(t, h.s.Book.TrialBalance())

			c.end(h, x, hash)
			require.Equal(t, endStatus, h.now1(x).Status)
			require.Equal(t, nonZero(after), nonZero(h.s.Book))
			require.Equal(t, endEquity, h.s.Equity())
			require.Equal(t, 1, h.now1(x).Reopened)
		})
	}
}

// nonZero drops the accounts that hold nothing.
func nonZero[K comparable](book map[K]domain.Decimal) map[K]string {
	out := map[K]string{}
	for account, amount := range book {
		if !amount.IsZero() {
			out[account] = amount.String()
		}
	}
	return out
}

func (h *harness) failed(t *treasury.Transfer, code, hash, fee string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.FailTransfer(&domain.TransferFailed{Transfer: t.Transfer, Code: code, TxHash: hash, Fee: dec(fee)})
	})
}

// What never was on the chain is not reopened, and what is open stays as it is. An unknown
// transfer, and one that has not ended, change nothing when they are folded.
func TestReopeningRefusals(t *testing.T) {
	h := funded(t)
	x := h.send("hot", friend, "5")
	reopen := func(id, code string) func(*Decision) error {
		return func(d *Decision) error { return d.ReopenTransfer(&domain.TransferReopened{Transfer: id, Code: code}) }
	}
	h.refused(domain.CodeNotFound, reopen("x999", domain.ReopenedUnused))
	h.must(reopen(x.Transfer, domain.ReopenedUnused))
	require.Equal(t, treasury.Requested, h.now1(x).Status, "noted only")
	h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "no") })
	h.refused(domain.CodeConflict, reopen(x.Transfer, domain.ReopenedUnused))
	y := h.send("hot", friend, "5")
	h.upTo(treasury.Confirmed, y, 4)
	h.refused(domain.CodeInvalid, reopen(y.Transfer, "because"))
	before := h.hash()
	for _, e := range []domain.Event{
		&domain.TransferReopened{Transfer: "x999"}, &domain.TransferReopened{Transfer: x.Transfer},
		&domain.TransferRaiseRequested{Transfer: y.Transfer, HighestFee: dec("1"), Hash: "h"}, &domain.TransferCancelRequested{Transfer: "x999"},
	} {
		s := h.s.Clone()
		s.Apply(domain.Stamp{Revision: s.Next, Time: h.now}, e)
		require.Equal(t, h.s.Custody.Transfers, s.Custody.Transfers)
		require.Equal(t, nonZero(h.s.Book), nonZero(s.Book))
	}
	require.Equal(t, before, h.hash())
}

// "Sweeps are exempt": only they may take a nonce that is recorded as used.
func TestOnlyASweepTakesAUsedNonce(t *testing.T) {
	h := funded(t)
	x := h.send("hot", friend, "5")
	h.upTo(treasury.Confirmed, x, 4)
	y := h.send("hot", friend, "5")
	h.approve(y)
	_, err := h.try(func(d *Decision) error { return d.PrepareTransfer(y.Transfer, transactionOf(y, 4, "0.1")) })
	require.ErrorIs(t, err, ErrNonceUsed)
	h.after(time.Second)
	h.stop()
	sweep := h.transfer(TransferRequest{From: "hot", To: "cold", Sweep: true})
	h.upTo(treasury.Confirmed, sweep, 4)
}

// A raise is one use of one approval: of exactly the hash with that fee, by another user
// whose requester has a living key. It cannot be used for another fee, nor twice.
func TestRaiseIsANewApproval(t *testing.T) {
	h := funded(t)
	x := h.transfer(TransferRequest{From: "hot", To: friend, Amount: dec("5"), HighestFee: dec("0.2")})
	first := x.Hash
	raise := func(fee string) func(*Decision) error {
		return func(d *Decision) error { return d.RequestRaise(x.Transfer, dec(fee), "stuck") }
	}
	h.refused(domain.CodeConflict, raise("0.5")) // not approved yet
	h.upTo(treasury.Broadcast, x, 4)
	h.must(raise("0.5"))
	half := h.now1(x).Raise.Hash
	h.must(raise("0.6")) // replaces the former request
	hash := h.now1(x).Raise.Hash
	approve := func(hash string) func(*Decision) error {
		return func(d *Decision) error { return d.ApproveTransfer(x.Transfer, hash) }
	}
	h.as(domain.RoleApprover, "paul")
	h.refused(domain.CodeConflict, approve(half))
	h.must(approve(hash))
	got := h.now1(x)
	require.Equal(t, [2]string{hash, hash}, [2]string{got.TransferRequested.Hash, got.ApprovedHash})
	require.NotEqual(t, first, hash)
	require.True(t, got.Intact(h.s.Portfolio))
	require.Nil(t, got.Raise)
	h.must(approve(hash)) // noted: it is approved
	require.Equal(t, 1, h.now1(x).Raises)
	h.refused(domain.CodeConflict, approve(first))
	h.operator()
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.RepriceTransfer(x.Transfer, transactionOf(h.now1(x), 4, "0.61")) })
	h.must(func(d *Decision) error { return d.RepriceTransfer(x.Transfer, transactionOf(h.now1(x), 4, "0.6")) })
}

// "Reopened: each of the end's postings, the other way round": also where two people recorded
// an outcome by a hash that is none of the transfer's. The money has not left, the transfer
// stands where it stood, and what it pays is booked once.
func TestReopeningWhatOnlyPeopleSaidWasSent(t *testing.T) {
	for _, outcome := range []string{"confirmed", "failed"} {
		for _, to := range []string{friend, "hot-1"} {
			t.Run(outcome+" "+to, func(t *testing.T) {
				h := funded(t)
				h.depositIn(domain.WalletCold, "POL", "10")
				x := h.transfer(TransferRequest{From: "cold", To: to, Asset: "USDC", Amount: dec("5")})
				p, _ := h.upTo(treasury.Prepared, x, 4)
				before, equity, peak := maps.Clone(h.s.Book), h.s.Equity(), h.s.Refs.Peak
				h.byTwo(settlement(x.Transfer, outcome, "0.5"))
				h.reopen(x)

				open := h.now1(x)
				require.Equal(t, treasury.Prepared, open.Status, "nothing of it is known to be signed")
				require.True(t, open.SentAt.IsZero())
				require.Equal(t, nonZero(before), nonZero(h.s.Book))
				require.Equal(t, [2]domain.Decimal{equity, peak}, [2]domain.Decimal{h.s.Equity(), h.s.Refs.Peak})

				h.must(func(d *Decision) error {
					return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest), Raw: "0x00"})
				})
				h.broadcast(x, hashOf(p.Digest))
				require.Equal(t, dec("5"), h.s.Book[ledger.Transit("USDC", x.Transfer)])
				h.arrive(x, hashOf(p.Digest), "0")
				if to == friend {
					equity = equity.Sub(dec("5"))
				}
				require.Equal(t, equity, h.s.Equity(), "booked once")
				require.Empty(t, h.s.Book.TrialBalance())
				h.reopen(x) // once more, and now it was sent
				require.Equal(t, treasury.Broadcast, h.now1(x).Status)
				require.Equal(t, dec("5"), h.s.Book[ledger.Transit("USDC", x.Transfer)])
			})
		}
	}
}

// "What signs it counts until it expires", and "rejecting a prepared cold transfer asks
// whether it was signed": the end that was taken back changes neither.
func TestAReopenedColdTransferIsStillUnsigned(t *testing.T) {
	h := funded(t)
	x := h.send("cold", friend, "500")
	p, _ := h.upTo(treasury.Prepared, x, 4)
	h.byTwo(settlement(x.Transfer, "confirmed", "0"))
	h.reopen(x)
	h.at(x.ExpiresAt.Add(20 * 24 * time.Hour))
	require.ErrorContains(t, h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest), Raw: "0x00"})
	}), "has expired")
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RejectTransfer(x.Transfer, "not wanted") })
	h.must(func(d *Decision) error { return d.RejectUnsigned(x.Transfer, "not wanted") })
	require.True(t, lastOf[*domain.TransferRejected](h).NotSigned)
	h.lies("2500", "7500", "0")
}

// A hot wallet's replacement waits for its signature, the first transaction was never sent,
// and people name a third: reopened, it is signed and not sent, and can be rejected.
func TestReopeningASignedTransferThatWasNotSent(t *testing.T) {
	h := funded(t)
	x := h.send("hot", friend, "5")
	h.upTo(treasury.Signed, x, 4)
	h.must(h.repriceTo(x, "0.15"))
	equity := h.s.Equity()
	h.byTwo(settlement(x.Transfer, "confirmed", "0"))
	require.False(t, h.now1(x).Withdrawable())
	h.reopen(x)
	require.Equal(t, treasury.Signed, h.now1(x).Status)
	require.Equal(t, equity, h.s.Equity())
	h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "not wanted") })
	h.lies("2500", "7500", "0")
}
