package portfolio

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// toSign is what of a transfer is to be signed now.
func (h *harness) toSign(x *treasury.Transfer) *ToSign { return h.s.ToSign(h.now1(x), h.now) }

// mustNotSign requires that a transaction is not handed out, and that its import, which is
// refused or not, agrees with the same rules.
func (h *harness) mustNotSign(x *treasury.Transfer, way Way, why string, imported bool) {
	h.t.Helper()
	of := h.toSign(x)
	require.NotNil(h.t, of)
	require.ErrorContains(h.t, of.Not, why)
	require.Equal(h.t, way, of.Way)
	d := h.s.Clone().Begin(h.now, domain.Caller{User: "olga", Role: domain.RoleOperator})
	last := h.now1(x).Last()
	err := d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: last.Digest, TxHash: hashOf(last.Digest), Raw: "0x02"})
	if imported {
		require.NoError(h.t, err, "what was signed before is better known than not")
		return
	}
	require.Equal(h.t, of.Not, err, "the import reads the same")
}

// cancelOf is a transaction that cancels a transfer.
func cancelOf(x *treasury.Transfer, nonce uint64, fee string) PreparedTransaction {
	p := transactionOf(x, nonce, fee)
	p.Cancel, p.Says, p.Digest = true, x.Cancel.Payment, strings.Repeat("c", 64)
	return p
}

// "Whoever hands a transaction out, or asks a person to sign it, reads it: a signed payment
// that is refused here can still be sent by whoever has it."
func TestWhatMustNotBeSigned(t *testing.T) {
	prepared := func(r TransferRequest) (*harness, *treasury.Transfer) {
		h := funded(t)
		r.Amount, r.HighestFee = dec("5"), dec("0.2")
		x := h.transfer(r)
		require.Nil(t, h.toSign(x), "nothing is prepared")
		h.upTo(treasury.Prepared, x, 4)
		if r.From == "cold" {
			require.Equal(t, &ToSign{}, h.toSign(x))
		}
		return h, x
	}
	toFriend := TransferRequest{From: "cold", To: friend}

	h, x := prepared(TransferRequest{From: "hot", To: friend})
	require.Nil(t, h.toSign(x), "the server signs it")

	h, x = prepared(toFriend)
	h.stop()
	h.mustNotSign(x, WayWait, "the emergency stop (security_breach) is engaged", false)

	h, x = prepared(toFriend)
	h.trips("drawdown", "")
	h.mustNotSign(x, WayWait, "breaker drawdown is tripped", false)

	h, x = prepared(toFriend)
	h.at(x.ExpiresAt.Add(-1))
	require.NoError(t, h.toSign(x).Not)
	h.at(x.ExpiresAt)
	h.mustNotSign(x, WayEnd, "the approval of the transfer has expired", false)

	h, x = prepared(toFriend)
	h.must(func(d *Decision) error {
		return d.RemoveAddress(&domain.AddressRemoved{Chain: polygon, Address: friend, Reason: "closed"})
	})
	h.mustNotSign(x, WayEnd, "no longer in the address book", false)

	h, x = prepared(TransferRequest{From: "cold", To: "hot"})
	h.must(func(d *Decision) error { return d.RetireWallet("hot-1", "its key leaked") })
	h.mustNotSign(x, WayEnd, "the receiving wallet hot-1 is retired", false)

	h, x = prepared(toFriend)
	h.must(func(d *Decision) error { return d.RetireWallet("cold-1", "its words leaked") })
	h.mustNotSign(x, WayEnd, "wallet cold-1 is retired", false)

	h, x = prepared(toFriend)
	h.must(func(d *Decision) error { return d.RequestCancel(x.Transfer, dec("0.4"), "not wanted") })
	h.mustNotSign(x, WayWait, "is being cancelled", false)
	h.must(func(d *Decision) error { return d.RepriceTransfer(x.Transfer, cancelOf(h.now1(x), 4, "0.4")) })
	require.Equal(t, &ToSign{Cancels: true}, h.toSign(x))

	h, x = prepared(toFriend)
	h.must(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "too low") })
	require.NoError(t, h.toSign(x).Not, "a raise that nobody has approved changes nothing")
	h.agreeToRaise(x)
	h.mustNotSign(x, WayWait, "before the highest fee of 0.5 POL was approved", true)
	h.must(func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(h.now1(x), 4, "0.5")) })
	require.NoError(t, h.toSign(x).Not)
	h.at(h.now1(x).Raised.ExpiresAt)
	require.NotNil(t, h.toSign(x).Not)
}

// An evacuation takes the number of a payment: the payment waits for it, and is never made
// once the evacuation has used the number up.
func TestAnEvacuationGoesFirst(t *testing.T) {
	h := funded(t)
	x := h.send("cold", friend, "5")
	h.upTo(treasury.Prepared, x, 4)
	h.stop()
	h.after(time.Minute)
	e := h.transfer(TransferRequest{From: "cold", To: friend, Evacuate: true, Amount: dec("7")})
	p, _ := h.upTo(treasury.Prepared, e, 4)
	h.clearStop()
	h.mustNotSign(x, WayWait, "evacuation "+e.Transfer+" of the same wallet has the same number, 4, and goes first", true)
	hash := h.sign(e, p)
	h.broadcast(e, hash)
	h.arrive(e, hash, "0.01")
	of := h.toSign(x)
	require.Equal(t, WayWait, of.Way)
	require.ErrorContains(t, of.Not, "number 4 of the wallet is used up by transfer "+e.Transfer+", so the chain takes this one no more: the server records that it is replaced")
}
