package portfolio

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
	"pets/domain/treasury"
)

// raised is a transfer that was sent with a highest fee of 0.2, and for which 0.5 is asked.
func (h *harness) raised(r TransferRequest) *treasury.Transfer {
	h.t.Helper()
	r.Amount, r.HighestFee = dec("5"), dec("0.2")
	x := h.transfer(r)
	h.upTo(treasury.Broadcast, x, 4)
	h.must(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "stuck") })
	return h.now1(x)
}

func (h *harness) agreeToRaise(x *treasury.Transfer) {
	h.t.Helper()
	hash := h.now1(x).Raise.Hash
	h.as(domain.RoleApprover, "paul").must(func(d *Decision) error { return d.ApproveTransfer(x.Transfer, hash) })
	h.operator()
}

func (h *harness) repriceTo(x *treasury.Transfer, fee string) func(*Decision) error {
	return func(d *Decision) error { return d.RepriceTransfer(x.Transfer, transactionOf(h.now1(x), 4, fee)) }
}

// "Approvals of transfers … in live portfolios are signed over … the lines that were shown":
// so is that of a higher fee, whose lines state the transfer, both fees and the new hash.
func TestARaiseIsSigned(t *testing.T) {
	h := funded(t)
	x := h.raised(TransferRequest{From: "hot", To: friend})
	a, waits := h.s.ApprovalOf("ledger-1", approval.KindTransfer, x.Transfer)
	require.True(t, waits)
	require.Equal(t, []Approval{a}, h.s.Approvals("ledger-1", h.now))
	require.Empty(t, h.s.Approvals("ledger-1", x.Raise.ExpiresAt))
	require.Contains(t, a.Subject.Lines, "raises the highest fee from: 0.2 POL")
	require.Contains(t, a.Subject.Lines, "highest fee: 0.5 POL")
	require.Contains(t, a.Subject.Lines, "hash: "+x.Raise.Hash)
	require.NotContains(t, a.Subject.Lines, "hash: "+x.TransferRequested.Hash)
	require.Contains(t, a.Subject.Lines, "to: "+x.To+", "+x.ToPlace)

	s := h.s.Clone()
	s.approvedEarlier()
	s.SignedApprovals = true
	approve := func(g *domain.ApprovalSignature) ([]domain.Event, error) {
		d := s.Begin(h.now, domain.Caller{User: "bob", Role: domain.RoleApprover})
		d.Approvers(approval.Approvers{Ledger: "ledger-1", Keys: []approval.Approver{{ID: "a1", User: "bob", Key: approvaltest.Public("bob")}}})
		d.SignedWith(g)
		return d.events, d.ApproveTransfer(x.Transfer, x.Raise.Hash)
	}
	_, err := approve(nil)
	require.ErrorContains(t, err, "signature")
	former := a.Subject
	former.Lines = TransferLines(&x.TransferRequested)
	_, err = approve(approvaltest.Sign(t, former, "bob"))
	require.Error(t, err, "the approval of the former fee")
	signature := approvaltest.Sign(t, a.Subject, "bob")
	_, err = approve(signature)
	require.NoError(t, err)

	s.Apply(domain.Stamp{Revision: s.Next, Time: h.now}, &domain.TransferApproved{Transfer: x.Transfer, Hash: x.Raise.Hash, User: "bob", Signature: signature})
	done, approved := s.ApprovedTransfer("ledger-1", x.Transfer)
	require.True(t, approved)
	require.Equal(t, a.Subject, done.Subject, "what was signed is shown afterwards")
	require.Equal(t, signature, s.Custody.Transfers[x.Transfer].Signature)
}

// "Its lines still say how many the transfer took", and what two people agreed to before it is
// kept, for whoever asks for all of them: the first fee, its hash and both signatures.
func TestARaiseKeepsTwoApprovals(t *testing.T) {
	h := funded(t)
	h.contact(stranger) // a new address
	x := h.transfer(TransferRequest{From: "cold", To: stranger, Amount: dec("5"), HighestFee: dec("0.2"), Reason: "x"})
	require.Equal(t, 2, x.Approvals)
	first, second := &domain.ApprovalSignature{Key: "k1"}, &domain.ApprovalSignature{Key: "k2"}
	h.apply(&domain.TransferApproved{Transfer: x.Transfer, Hash: x.Hash, User: "bob", Signature: first})
	h.apply(&domain.TransferApproved{Transfer: x.Transfer, Hash: x.Hash, User: "carl", Signature: second})
	hash, signed := h.now1(x).TransferRequested.Hash, h.now1(x).SignedAt
	require.NotZero(t, signed)
	for i, fee := range []string{"0.5", "0.9"} {
		h.must(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec(fee), "stuck") })
		a, _ := h.s.ApprovalOf("ledger-1", approval.KindTransfer, x.Transfer)
		require.Contains(t, a.Subject.Lines, "approvals: 2")
		h.apply(&domain.TransferApproved{Transfer: x.Transfer, Hash: h.now1(x).Raise.Hash, User: "bob", Signature: &domain.ApprovalSignature{Key: "k3"}})
		now := h.now1(x)
		require.Equal(t, i+1, now.Raises)
		require.Equal(t, &treasury.Approval{HighestFee: dec("0.2"), Hash: hash, User: "carl", Signature: second, SignedAt: signed}, now.BeforeRaises)
		require.Equal(t, first, now.FirstSignature)
	}
}

// "No first signature after expires_at": a raise under which nothing was signed in time
// does not count, to the nanosecond, and another one can be asked for.
func TestARaiseLapses(t *testing.T) {
	h := funded(t)
	x := h.raised(TransferRequest{From: "hot", To: friend})
	ends := x.Raise.ExpiresAt
	h.agreeToRaise(x)
	h.at(ends.Add(-2)).must(h.repriceTo(x, "0.5"))
	last := h.now1(x).Last()
	sign := func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: last.Digest, TxHash: hashOf(last.Digest)})
	}
	require.ErrorContains(t, h.at(ends).refused(domain.CodeConflict, sign), "has expired")
	require.Equal(t, "0.2", h.now1(x).FeeAt(ends).String())
	h.must(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "still stuck") })
	h.agreeToRaise(x)
	require.Equal(t, "0.5", h.now1(x).FeeAt(h.now).String())
	h.must(sign)
}

// "What was signed in time goes on, repriced as well."
func TestARaiseThatWasSignedInTimeLasts(t *testing.T) {
	h := funded(t)
	x := h.raised(TransferRequest{From: "hot", To: friend})
	ends := x.Raise.ExpiresAt
	h.agreeToRaise(x)
	h.must(h.repriceTo(x, "0.3"))
	h.at(ends.Add(-1)).must(func(d *Decision) error {
		last := h.now1(x).Last()
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: last.Digest, TxHash: hashOf(last.Digest)})
	})
	h.at(ends.Add(time.Hour)).must(h.repriceTo(x, "0.5"))
}

// "A stop ends everything unsigned": a raise that waits, and one that was approved and
// under which nothing was signed. During the stop none is asked for. A retirement does the
// same to the wallet's transfers. A cancellation goes on.
func TestAStopEndsRaises(t *testing.T) {
	for name, end := range map[string]func(*harness){
		"stop":   func(h *harness) { h.stop() },
		"retire": func(h *harness) { h.must(func(d *Decision) error { return d.RetireWallet("hot-1", "leaked") }) },
	} {
		t.Run(name+" while it waits", func(t *testing.T) {
			h := funded(t)
			x := h.raised(TransferRequest{From: "hot-1", To: friend})
			hash := x.Raise.Hash
			h.after(time.Second)
			end(h)
			require.Nil(t, h.now1(x).Raise)
			h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, hash) })
			h.operator().refusedAny(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "stuck") })
		})
		t.Run(name+" once approved", func(t *testing.T) {
			h := funded(t)
			x := h.raised(TransferRequest{From: "hot-1", To: friend})
			h.agreeToRaise(x)
			h.after(time.Second)
			end(h)
			require.Equal(t, "0.2", h.now1(x).FeeAt(h.now).String())
			h.must(func(d *Decision) error { return d.RequestCancel(x.Transfer, domain.Zero, "not wanted") })
			if h.s.Stop.Engaged {
				h.clearStop()
				require.NotNil(t, h.now1(x).Cancel, "the way out stays")
			}
			p := transactionOf(h.now1(x), 4, "0.9")
			p.Cancel, p.Says = true, h.now1(x).Cancel.Payment
			h.must(func(d *Decision) error { return d.RepriceTransfer(x.Transfer, p) })
		})
	}
}

// "A cancel is a way out": what a cold wallet may have signed can be cancelled after the
// approval has expired, and that of a sweep is signed during the stop.
func TestACancellationHasNoEnd(t *testing.T) {
	h := funded(t)
	x := h.transfer(TransferRequest{From: "cold", To: friend, Amount: dec("5")})
	h.upTo(treasury.Prepared, x, 4)
	h.at(x.ExpiresAt.Add(time.Hour)).must(func(d *Decision) error { return d.RequestCancel(x.Transfer, domain.Zero, "signed by mistake") })
	p := transactionOf(h.now1(x), 4, "0.9")
	p.Cancel, p.Says, p.Digest = true, h.now1(x).Cancel.Payment, strings.Repeat("c", 64)
	h.must(func(d *Decision) error { return d.RepriceTransfer(x.Transfer, p) })
	h.must(func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest), Raw: "0x00"})
	})
	require.Equal(t, treasury.Signed, h.now1(x).Status)
}

// signLast signs the latest transaction, as a machine elsewhere does or this server.
func (h *harness) signLast(x *treasury.Transfer, raw string) func(*Decision) error {
	return func(d *Decision) error {
		digest := h.now1(x).Last().Digest
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: digest, TxHash: hashOf(digest), Raw: raw})
	}
}

func (h *harness) raiseAgain(x *treasury.Transfer, fee string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec(fee), "still stuck") })
	h.agreeToRaise(x)
}

// "It lapses unless something was signed under it before", or a stop ends it: what was made
// under it does not count again because another, lower fee is approved. It is made again.
func TestALapsedRaiseIsNotRevived(t *testing.T) {
	for _, from := range []string{"hot-1", "cold"} {
		for name, end := range map[string]func(*harness, time.Time){
			"lapsed":  func(h *harness, ends time.Time) { h.at(ends) },
			"stopped": func(h *harness, _ time.Time) { h.after(time.Second).stop(); h.clearStop() },
		} {
			for _, made := range []string{"0.5", "0.25"} { // above the next fee, and not
				t.Run(from+" "+name+" "+made, func(t *testing.T) {
					h := funded(t)
					raw := ""
					if from == "cold" {
						raw = "0x00"
					}
					x := h.raised(TransferRequest{From: from, To: friend})
					ends := x.Raise.ExpiresAt
					h.agreeToRaise(x)
					h.must(h.repriceTo(x, made))
					end(h, ends)
					h.raiseAgain(x, "0.3")
					require.True(t, h.now1(x).RaiseReplaced(h.now))
					err := h.refused(domain.CodeConflict, h.signLast(x, raw))
					require.NotErrorIs(t, err, ErrTampered)
					h.refused(domain.CodeDenied, h.repriceTo(x, "0.31"))
					h.must(h.repriceTo(x, "0.25"))
					require.False(t, h.now1(x).RaiseLapsed(h.now))
					h.must(h.signLast(x, raw))
					require.Equal(t, "0.3", h.now1(x).FeeAt(h.now.Add(20*24*time.Hour)).String(), "signed under, so it lasts")
				})
			}
		}
	}
}

// "The former highest fee is in force again": the last one under which something was signed.
// A raise that was never used is not made permanent by the next one.
func TestAnUnusedRaiseEndsWithTheNext(t *testing.T) {
	for name, sign := range map[string]bool{"unused": false, "used late": true} {
		t.Run(name, func(t *testing.T) {
			h := funded(t)
			x := h.raised(TransferRequest{From: "hot", To: friend})
			h.agreeToRaise(x)
			want := "0.2"
			h.must(h.repriceTo(x, "0.4"))
			h.raiseAgain(x, "0.9")
			require.Equal(t, "0.9", h.now1(x).FeeAt(h.now).String())
			if sign {
				h.must(h.signLast(x, ""))
				want = "0.5"
			}
			h.after(time.Second)
			h.stop()
			require.Equal(t, want, h.now1(x).FeeAt(h.now).String())
			require.Equal(t, want, h.now1(x).FeeAt(h.now.Add(20*24*time.Hour)).String())
			h.clearStop()
			require.Equal(t, !sign, h.now1(x).RaiseLapsed(h.now))
			h.refusedAny(h.repriceTo(x, "0.6"))
		})
	}
}

// "An approval cannot be used after that": a higher fee of a transfer that has lapsed is not
// approved, although nobody has recorded the end yet, and does not stand to be approved.
func TestARaiseEndsWithTheTransfersOwnApproval(t *testing.T) {
	h := funded(t)
	x := h.transfer(TransferRequest{From: "hot", To: friend, Amount: dec("5"), HighestFee: dec("0.2")})
	h.upTo(treasury.Approved, x, 4)
	h.at(x.ExpiresAt.Add(-time.Hour))
	h.must(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "stuck") })
	require.Len(t, h.s.Approvals("ledger-1", h.now), 1)
	h.at(x.ExpiresAt)
	require.Empty(t, h.s.Approvals("ledger-1", h.now))
	require.Nil(t, h.now1(x).Pending(h.now))
	hash := h.now1(x).Raise.Hash
	h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, hash) })
}

// "A stop ends what was asked for": a transfer that had ended by then may be reopened, and
// then has no higher fee either. A sweep keeps its own.
func TestAStopEndsTheRaiseOfATransferThatHasEnded(t *testing.T) {
	h := funded(t)
	x := h.raised(TransferRequest{From: "hot", To: friend})
	h.agreeToRaise(x)
	h.arrive(x, h.now1(x).Last().TxHash, "0.01")
	h.after(time.Second)
	h.stop()
	h.clearStop()
	h.reopen(x)
	require.True(t, h.now1(x).Raised.Ended)
	require.Equal(t, dec("0.2"), h.now1(x).FeeAt(h.now))
	_, err := h.try(h.repriceTo(x, "0.5"))
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
}

// "Retired: nothing is sent to it any more": the retirement of the wallet that receives ends
// a higher fee under which nothing was signed, as that of the sender does.
func TestARetirementEndsTheRaisesToAnAddress(t *testing.T) {
	for _, retired := range []string{"hot-1", "hot-2"} {
		h := funded(t)
		x := h.raised(TransferRequest{From: "hot-1", To: "hot-2"})
		h.agreeToRaise(x)
		other := h.s.Clone()
		other.Apply(domain.Stamp{Revision: other.Next, Time: h.now}, &domain.WalletRetired{Wallet: "cold-1"})
		require.False(t, other.Custody.Transfers[x.Transfer].Raised.Ended)
		h.applied(&domain.WalletRetired{Wallet: retired})
		require.True(t, h.now1(x).Raised.Ended, retired)
	}
}

// A cancellation is never made cheaper: what was made for its former fee would look as if it
// had been tampered with.
func TestACancellationIsNotLowered(t *testing.T) {
	h := funded(t)
	x := h.transfer(TransferRequest{From: "hot", To: friend, Amount: dec("5"), HighestFee: dec("0.2")})
	h.upTo(treasury.Broadcast, x, 4)
	cancel := func(fee string) func(*Decision) error {
		return func(d *Decision) error { return d.RequestCancel(x.Transfer, dec(fee), "not wanted") }
	}
	h.must(cancel("0.5"))
	for i := 0; h.now1(x).AttemptsLeft(); i++ {
		h.applied(&domain.TransferRepriced{Transfer: x.Transfer, Transaction: []byte(`{}`), Nonce: 4, Digest: fmt.Sprintf("%064x", i), Cancel: true})
	}
	d := h.s.Clone().Begin(h.now, h.caller)
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(cancel("0.001")(d)))
	require.Empty(t, d.Events())
	require.NoError(t, cancel("0.5")(h.s.Clone().Begin(h.now, h.caller)))
	lower := h.s.Clone()
	lower.Custody.Policy.MaxTransferFee = dec("0.3")
	require.NoError(t, cancel("0")(lower.Begin(h.now, h.caller)))
	require.Equal(t, dec("0.5"), lower.Custody.Transfers[x.Transfer].Cancel.Payment.HighestFee)
}

// "A sweep keeps its higher fee": it saves money from a leaked key, and a stop is the time
// for it.
func TestAStopKeepsTheRaiseOfASweep(t *testing.T) {
	h := funded(t)
	h.stop()
	h.after(time.Second)
	x := h.transfer(TransferRequest{From: "hot-1", To: "cold-1", HighestFee: dec("0.2"), Sweep: true})
	h.upTo(treasury.Broadcast, x, 4)
	h.must(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "stuck") })
	h.agreeToRaise(h.now1(x))
	h.s.endRaises(nil)
	require.False(t, h.now1(x).Raised.Ended)
	require.Equal(t, dec("0.5"), h.now1(x).FeeAt(h.now))
}

// "Raise says how much at least, and at most": a transfer with the default fee is at the most that
// the rules allow, and the refusal says that two people allow more first.
func TestARaiseAboveTheRulesSaysWhoAllowsMore(t *testing.T) {
	h := funded(t)
	most := h.s.Custody.Policy.MaxTransferFee
	x := h.transfer(TransferRequest{From: "hot", To: friend, Amount: dec("5"), HighestFee: most})
	h.upTo(treasury.Broadcast, x, 4)
	for _, fee := range []domain.Decimal{most, LeastRaise(most)} {
		err := h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RequestRaise(x.Transfer, fee, "stuck") })
		require.ErrorContains(t, err, "pets override request treasury_policy max_transfer_fee=N")
		require.ErrorContains(t, err, "at least "+LeastRaise(most).String())
	}
}
