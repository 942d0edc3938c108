package portfolio

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// twins are a withdrawal out of cold that was signed elsewhere and imported, and an
// evacuation that pays the same, approved during a stop. tx is the withdrawal's.
func (h *harness) twins() (x, e *treasury.Transfer, tx PreparedTransaction) {
	h.t.Helper()
	x = h.send("cold", friend, "5")
	tx, _ = h.upTo(treasury.Prepared, x, 4)
	h.must(func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: tx.Digest, TxHash: hashOf(tx.Digest), Raw: "0x01"})
	})
	h.after(1).stop()
	h.after(1)
	e = h.approve(h.transfer(TransferRequest{From: "cold", To: friend, Amount: dec("5"), Evacuate: true}))
	return h.now1(x), e, tx
}

// asOlder writes the same transaction for another transfer, as older builds did.
func (h *harness) asOlder(t *treasury.Transfer, tx PreparedTransaction, signed bool) {
	h.t.Helper()
	h.apply(&domain.TransferPrepared{Transfer: t.Transfer, Transaction: tx.Transaction, Nonce: tx.Nonce, Digest: tx.Digest})
	if signed {
		h.apply(&domain.TransferSigned{Transfer: t.Transfer, Digest: tx.Digest, TxHash: hashOf(tx.Digest), Raw: "0x01"})
	}
}

// "A digest or hash belongs to one transfer of a wallet": it is neither prepared nor
// repriced for another one, and one with other fees is. Another wallet may have the same
// digest, because no sender is part of what is signed.
func TestADigestBelongsToOneTransfer(t *testing.T) {
	h := funded(t)
	_, e, tx := h.twins()
	require.Equal(t, []string{tx.Digest}, h.s.Custody.OtherDigests(e))
	prepare := func(p PreparedTransaction) func(*Decision) error {
		return func(d *Decision) error { return d.PrepareTransfer(e.Transfer, p) }
	}
	require.ErrorIs(t, h.refused(domain.CodeConflict, prepare(tx)), ErrSameTransaction)
	other := transactionOf(e, 4, "0.11")
	h.must(prepare(other))
	h.must(func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: e.Transfer, Digest: other.Digest, TxHash: hashOf(other.Digest), Raw: "0x02"})
	})
	require.ErrorIs(t, h.refused(domain.CodeConflict, func(d *Decision) error { return d.RepriceTransfer(e.Transfer, tx) }), ErrSameTransaction)

	h.clearStop()
	hot := h.approve(h.send("hot", friend, "7"))
	same := transactionOf(hot, 4, "0.1")
	same.Digest = tx.Digest
	h.must(func(d *Decision) error { return d.PrepareTransfer(hot.Transfer, same) })
}

// "State from before that holds such a pair": of two open transfers with one transaction,
// it is that of the one that signed it, or else of the older one. The other one does not
// sign it, is not confirmed by it, and fails as replaced, with no fee.
func TestATransactionOfTwoEndsOne(t *testing.T) {
	t.Run("it signs nothing", func(t *testing.T) {
		h := funded(t)
		_, e, tx := h.twins()
		h.asOlder(e, tx, false)
		for _, hash := range []string{hashOf(tx.Digest), "0x" + strings.Repeat("7", 64)} { // with any signature
			require.ErrorIs(t, h.refused(domain.CodeConflict, func(d *Decision) error {
				return d.SignTransfer(&domain.TransferSigned{Transfer: e.Transfer, Digest: tx.Digest, TxHash: hash, Raw: "0x01"})
			}), ErrSameTransaction)
		}
	})
	t.Run("the one that signed it", func(t *testing.T) {
		h := funded(t)
		x := h.send("cold", friend, "5")
		tx, _ := h.upTo(treasury.Prepared, x, 4)
		h.after(1).stop()
		h.after(1)
		e := h.approve(h.transfer(TransferRequest{From: "cold", To: friend, Amount: dec("5"), Evacuate: true}))
		h.asOlder(e, tx, true)
		h.clearStop()
		require.ErrorIs(t, h.refused(domain.CodeConflict, func(d *Decision) error {
			return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: tx.Digest, TxHash: hashOf(tx.Digest), Raw: "0x01"})
		}), ErrSameTransaction)
		h.arrive(e, hashOf(tx.Digest), "0.01")
		require.Equal(t, e.Transfer, h.s.Custody.NonceTaken(h.now1(x)).Transfer)
		h.failed(x, domain.FailedReplaced, hashOf(tx.Digest), "0")
		require.Equal(t, [2]string{"failed", domain.FailedReplaced}, [2]string{string(h.now1(x).Status), h.now1(x).Code})
		h.lies("2500", "7495", "0")
	})
	t.Run("it ends by it only as replaced", func(t *testing.T) {
		h := funded(t)
		x, e, tx := h.twins()
		h.asOlder(e, tx, true)
		hash := hashOf(tx.Digest)
		for _, first := range []bool{true, false} { // before x has ended, and after
			require.ErrorIs(t, h.refused(domain.CodeConflict, func(d *Decision) error {
				return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: e.Transfer, TxHash: hash, Block: 7})
			}), ErrSameTransaction)
			require.ErrorIs(t, h.refused(domain.CodeConflict, func(d *Decision) error {
				return d.FailTransfer(&domain.TransferFailed{Transfer: e.Transfer, Code: domain.FailedReverted, TxHash: hash, Block: 7})
			}), ErrSameTransaction)
			for _, outcome := range []string{"confirmed", "failed"} { // failed: with a fee
				h.refused(codeOf(outcome), func(d *Decision) error {
					return d.RequestOverride(domain.OverrideTransfer, "", []byte(`{"transfer":"`+e.Transfer+`","outcome":"`+outcome+`","tx_hash":"`+hash+`","block":7,"fee":"0.01"}`), "they say so")
				})
			}
			if first {
				h.arrive(x, hash, "0.01")
			}
		}
		h.failed(e, domain.FailedReplaced, hash, "0")
		require.Empty(t, h.s.Custody.DoubleEnds())
		h.lies("2500", "7495", "0")
	})
}

func codeOf(outcome string) domain.Code {
	if outcome == "confirmed" {
		return domain.CodeConflict
	}
	return domain.CodeInvalid
}

// "A fee is booked once per hash", whoever is recorded first.
func TestAFeeIsBookedOnce(t *testing.T) {
	h := funded(t)
	h.depositIn(domain.WalletCold, "POL", "10")
	x, e, tx := h.twins()
	hash := hashOf(tx.Digest)
	other := transactionOf(e, 4, "0.11")
	h.must(func(d *Decision) error { return d.PrepareTransfer(e.Transfer, other) })
	h.apply(&domain.TransferSigned{Transfer: e.Transfer, Digest: other.Digest, TxHash: hashOf(other.Digest), Raw: "0x02"},
		&domain.TransferFailed{Transfer: e.Transfer, Code: domain.FailedByHand, TxHash: hash, Block: 7, Fee: dec("0.01")})
	h.arrive(x, hash, "0.01")
	require.True(t, h.now1(x).Fee.IsZero())
	require.Equal(t, treasury.Confirmed, h.now1(x).Status)
	require.Empty(t, h.s.Custody.DoubleEnds())
}

// "A raise outlives its transfer": a higher fee for what is not signed yet lapses with the
// transfer, and its lines say so. One that an older build asked for is asked for again.
func TestARaiseEndsWithItsTransfer(t *testing.T) {
	h := funded(t)
	x := h.transfer(TransferRequest{From: "cold", To: friend, Amount: dec("5"), HighestFee: dec("0.2")})
	h.upTo(treasury.Prepared, x, 4)
	h.now = x.ExpiresAt.Add(-time.Hour)
	h.must(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "stuck") })
	require.Equal(t, x.ExpiresAt, h.now1(x).Raise.ExpiresAt)
	require.Contains(t, raised(h.now1(x), h.now1(x).Raise), "expires: "+x.ExpiresAt.Format(time.RFC3339Nano))

	older := *lastOf[*domain.TransferRaiseRequested](h)
	older.ExpiresAt = x.ExpiresAt.Add(time.Hour)
	h.apply(&older)
	h.as(domain.RoleApprover, "paul")
	require.ErrorContains(t, h.refused(domain.CodeConflict, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, older.Hash) }), "ask for the higher fee again")
	h.operator()
	h.must(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "stuck") })
	h.agreeToRaise(x)

	// What was signed in time goes on after the transfer's own end, and so does its raise.
	y := h.raised(TransferRequest{From: "hot", To: friend})
	h.now = y.ExpiresAt.Add(-time.Minute)
	h.must(func(d *Decision) error { return d.RequestRaise(y.Transfer, dec("0.6"), "stuck") })
	require.True(t, h.now1(y).Raise.ExpiresAt.After(y.ExpiresAt))
}
