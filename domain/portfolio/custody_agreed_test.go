package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
	"pets/domain/treasury"
)

// signers are the keys of bob, carl and petra, which count long since.
func signers(h *harness) approval.Approvers {
	all := approval.Approvers{Ledger: "ledger-1"}
	for i, user := range []string{"bob", "carl", "petra"} {
		all.Keys = append(all.Keys, approval.Approver{
			ID: domain.ApproverName(uint64(i)), User: user, Key: approvaltest.Public(user), RegisteredAt: h.now.Add(-90 * 24 * time.Hour), CountsFrom: h.now.Add(-80 * 24 * time.Hour),
		})
	}
	return all
}

// applied folds an event that nobody decided, as a store has it that somebody else wrote to.
func (h *harness) applied(e domain.Event) {
	h.s.Apply(domain.Stamp{Revision: h.s.Next, Time: h.now}, e)
}

// signedBy is the approval of what waits, with a user's signature.
func (h *harness) signedBy(x *treasury.Transfer, user string) *domain.TransferApproved {
	h.t.Helper()
	a, waits := h.s.ApprovalOf("ledger-1", approval.KindTransfer, x.Transfer)
	require.True(h.t, waits)
	hash := x.Hash
	if now := h.now1(x); now.Raise != nil {
		hash = now.Raise.Hash
	}
	signature, err := approval.Sign(a.Subject, approvaltest.Key(user))
	require.NoError(h.t, err)
	return &domain.TransferApproved{Transfer: x.Transfer, Hash: hash, User: user, Signature: &signature}
}

// decided is an error of a decision that knows the approvers' keys.
func (h *harness) decided(keys approval.Approvers, user string, g *domain.ApprovalSignature, f func(*Decision) error) ([]domain.Event, error) {
	d := h.s.Clone().Begin(h.now, domain.Caller{User: user, Role: domain.RoleApprover})
	d.Approvers(keys)
	d.SignedWith(g)
	err := f(d)
	return d.events, err
}

// "Approvals … in live portfolios are signed": the server believes the signature, not the
// record of it. An approval that somebody wrote into the store is a breach at every step.
func TestAForgedApprovalIsABreach(t *testing.T) {
	for name, forge := range map[string]func(h *harness, x *treasury.Transfer) (*domain.TransferApproved, approval.Approvers){
		"no signature": func(h *harness, x *treasury.Transfer) (*domain.TransferApproved, approval.Approvers) {
			return &domain.TransferApproved{Transfer: x.Transfer, Hash: x.Hash, User: "bob"}, signers(h)
		},
		"junk": func(h *harness, x *treasury.Transfer) (*domain.TransferApproved, approval.Approvers) {
			return &domain.TransferApproved{Transfer: x.Transfer, Hash: x.Hash, User: "bob", Signature: &domain.ApprovalSignature{Key: approvaltest.Public("bob"), Signature: "AAAA"}}, signers(h)
		},
		"a key that is not registered": func(h *harness, x *treasury.Transfer) (*domain.TransferApproved, approval.Approvers) {
			return h.signedBy(x, "mallory"), signers(h)
		},
		"another user's": func(h *harness, x *treasury.Transfer) (*domain.TransferApproved, approval.Approvers) {
			e := h.signedBy(x, "carl")
			e.User = "bob"
			return e, signers(h)
		},
		"the requester's": func(h *harness, x *treasury.Transfer) (*domain.TransferApproved, approval.Approvers) {
			keys := signers(h)
			keys.Keys = append(keys.Keys, approval.Approver{ID: "a9", User: x.User, Key: approvaltest.Public(x.User)})
			return h.signedBy(x, x.User), keys
		},
		"a key that was revoked before": func(h *harness, x *treasury.Transfer) (*domain.TransferApproved, approval.Approvers) {
			keys, at := signers(h), h.now.Add(-time.Hour)
			keys.Keys[0].RevokedAt = &at
			return h.signedBy(x, "bob"), keys
		},
		"a key that still waits": func(h *harness, x *treasury.Transfer) (*domain.TransferApproved, approval.Approvers) {
			keys := signers(h)
			keys.Keys[0].CountsFrom = h.now.Add(time.Hour)
			return h.signedBy(x, "bob"), keys
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := funded(t)
			x := h.send("hot", friend, "5")
			h.s.SignedApprovals = true
			e, keys := forge(h, x)
			h.applied(e)
			p := transactionOf(x, 4, "0.1")
			breach := func(f func(*Decision) error) {
				t.Helper()
				_, err := h.decided(keys, "server", nil, f)
				require.ErrorIs(t, err, ErrTampered)
			}
			breach(func(d *Decision) error { return d.PrepareTransfer(x.Transfer, p) })
			breach(func(d *Decision) error { return d.RequestRaise(x.Transfer, dec("0.5"), "stuck") })
			h.applied(&domain.TransferPrepared{Transfer: x.Transfer, Transaction: p.Transaction, Nonce: p.Nonce, Digest: p.Digest})
			breach(func(d *Decision) error {
				return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest)})
			})
			h.applied(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest)})
			breach(func(d *Decision) error { return d.BroadcastTransfer(x.Transfer, hashOf(p.Digest)) })
			breach(func(d *Decision) error { return d.RepriceTransfer(x.Transfer, transactionOf(x, 4, "0.15")) })
		})
	}
}

// A sound approval goes on, although its key is revoked since; and so does one from before
// approvals were signed. A decision that knows no keys believes the record.
func TestASoundApprovalStands(t *testing.T) {
	h := funded(t)
	earlier, forged, x := h.send("hot", friend, "4"), h.send("hot", friend, "6"), h.send("hot", friend, "5")
	h.applied(&domain.TransferApproved{Transfer: earlier.Transfer, Hash: earlier.Hash, User: "bob"})
	h.applied(&domain.OverrideRecorded{Override: "o1", Kind: domain.OverrideSigned, RequestedBy: "olga", ConfirmedBy: "bob"})
	require.True(t, h.s.SignedApprovals)
	h.applied(&domain.TransferApproved{Transfer: forged.Transfer, Hash: forged.Hash, User: "bob"})
	h.applied(h.signedBy(x, "bob"))
	keys, since := signers(h), h.now.Add(time.Second)
	keys.Keys[0].RevokedAt = &since
	h.now = h.now.Add(time.Hour)
	prepare := func(x *treasury.Transfer) func(*Decision) error {
		return func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 4, "0.1")) }
	}
	for _, sound := range []*treasury.Transfer{x, earlier} {
		_, err := h.decided(keys, "server", nil, prepare(sound))
		require.NoError(t, err)
	}
	_, err := h.decided(keys, "server", nil, prepare(forged))
	require.ErrorIs(t, err, ErrTampered)
	require.NoError(t, prepare(forged)(h.s.Clone().Begin(h.now, h.caller)), "nobody knows the keys")
}

// "The signature … of the raise over the lines": that of a higher fee, and those of the
// transfer before it, all have to verify.
func TestAForgedRaiseIsABreach(t *testing.T) {
	for name, c := range map[string]struct {
		first, second, raise string
		sound                bool
	}{
		"all sound":       {"bob", "carl", "petra", true},
		"a forged first":  {"mallory", "carl", "petra", false},
		"a forged second": {"bob", "mallory", "petra", false},
		"a forged raise":  {"bob", "carl", "mallory", false},
		"by who asked":    {"bob", "carl", "olga", false},
	} {
		t.Run(name, func(t *testing.T) {
			h := funded(t)
			h.contact(stranger)
			x := h.send("hot", stranger, "5")
			h.s.SignedApprovals = true
			keys := signers(h)
			keys.Keys = append(keys.Keys, approval.Approver{ID: "a9", User: "olga", Key: approvaltest.Public("olga")})
			h.applied(h.signedBy(x, c.first))
			h.applied(h.signedBy(x, c.second))
			require.Equal(t, treasury.Approved, h.now1(x).Status)
			for _, fee := range []string{"0.5", "0.8"} { // a second raise, by petra, hides nothing
				now := h.now1(x)
				h.applied(&domain.TransferRaiseRequested{
					Transfer: x.Transfer, HighestFee: dec(fee), Hash: now.RaisedHash(h.s.Portfolio, dec(fee)), User: "olga", Reason: "stuck", ExpiresAt: h.now.Add(time.Hour),
				})
				h.applied(h.signedBy(x, c.raise))
			}
			_, err := h.decided(keys, "server", nil, func(d *Decision) error {
				return d.PrepareTransfer(x.Transfer, transactionOf(h.now1(x), 4, "0.7"))
			})
			if c.sound {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrTampered)
		})
	}
}

// "A person can always get out": what only uses the nonce is made whatever the approval is.
func TestACancellationNeedsNoSoundApproval(t *testing.T) {
	h := funded(t)
	x := h.send("hot", friend, "5")
	h.s.SignedApprovals = true
	h.applied(h.signedBy(x, "mallory"))
	p := transactionOf(x, 4, "0.1")
	h.applied(&domain.TransferPrepared{Transfer: x.Transfer, Transaction: p.Transaction, Nonce: p.Nonce, Digest: p.Digest})
	h.applied(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest)})
	h.applied(&domain.TransferBroadcast{Transfer: x.Transfer, TxHash: hashOf(p.Digest)})
	events, err := h.decided(signers(h), "olga", nil, func(d *Decision) error { return d.RequestCancel(x.Transfer, dec("0.4"), "nobody approved it") })
	require.NoError(t, err)
	require.Len(t, events, 1)
	h.applied(events[0])
	cancels := transactionOf(x, 4, "0.4")
	cancels.Cancel, cancels.Says = true, h.now1(x).Cancel.Payment
	_, err = h.decided(signers(h), "server", nil, func(d *Decision) error { return d.RepriceTransfer(x.Transfer, cancels) })
	require.NoError(t, err)
}

// "Two different approver users": the first of them counts with the key that counts when the
// second one approves. Otherwise the second is the first once more.
func TestAFirstApprovalEndsWithItsKey(t *testing.T) {
	h := funded(t)
	h.contact(stranger)
	x := h.send("hot", stranger, "5")
	h.s.SignedApprovals = true
	h.applied(h.signedBy(x, "bob"))
	approve := func(keys approval.Approvers, user string) *treasury.Transfer {
		t.Helper()
		e := h.signedBy(x, user)
		events, err := h.decided(keys, user, e.Signature, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) })
		require.NoError(t, err)
		require.Len(t, events, 1)
		h.applied(events[0])
		return h.now1(x)
	}
	keys, since := signers(h), h.now
	keys.Keys[0].RevokedAt = &since
	now := approve(keys, "carl")
	require.Equal(t, treasury.Requested, now.Status)
	require.Equal(t, "carl", now.FirstApprovedBy)
	now = approve(keys, "carl") // again: it is one person
	require.Equal(t, treasury.Requested, now.Status)
	now = approve(keys, "petra")
	require.Equal(t, treasury.Approved, now.Status)
	require.Equal(t, [2]string{"carl", "petra"}, [2]string{now.FirstApprovedBy, now.ApprovedBy})
	_, err := h.decided(keys, "server", nil, func(d *Decision) error { return d.PrepareTransfer(x.Transfer, transactionOf(x, 4, "0.1")) })
	require.NoError(t, err)
}

// One that was given by API key alone does not count once approvals are signed; its own user
// may give it again.
func TestAFirstApprovalWithoutASignatureEndsWithTheSwitch(t *testing.T) {
	for _, next := range []string{"bob", "carl"} {
		h := funded(t)
		h.contact(stranger)
		x := h.send("hot", stranger, "5")
		h.applied(&domain.TransferApproved{Transfer: x.Transfer, Hash: x.Hash, User: "bob"})
		h.applied(&domain.OverrideRecorded{Override: "o1", Kind: domain.OverrideSigned, RequestedBy: "olga", ConfirmedBy: "bob"})
		events, err := h.decided(signers(h), next, h.signedBy(x, next).Signature, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) })
		require.NoError(t, err)
		require.Len(t, events, 1)
		h.applied(events[0])
		now := h.now1(x)
		require.Equal(t, treasury.Requested, now.Status)
		require.Equal(t, next, now.FirstApprovedBy)
		require.False(t, now.Earlier)
	}
}

func (h *harness) switched() {
	h.applied(&domain.OverrideRecorded{Override: "o1", Kind: domain.OverrideSigned, RequestedBy: "olga", ConfirmedBy: "bob"})
}

// unsigned is an approval of what waits, without a signature.
func (h *harness) unsigned(x *treasury.Transfer, user string) {
	now := h.now1(x)
	hash := now.Hash
	if now.Raise != nil {
		hash = now.Raise.Hash
	}
	h.applied(&domain.TransferApproved{Transfer: x.Transfer, Hash: hash, User: user})
}

func (h *harness) raiseAsked(x *treasury.Transfer, fee string) {
	h.applied(&domain.TransferRaiseRequested{Transfer: x.Transfer, HighestFee: dec(fee), Hash: h.now1(x).RaisedHash(h.s.Portfolio, dec(fee)), User: "olga", Reason: "stuck", ExpiresAt: h.now.Add(time.Hour)})
}

// beforeAndAfter are approvals before and after the switch to signed ones.
var beforeAndAfter = map[string]struct {
	to     string
	events func(h *harness, x *treasury.Transfer)
	sound  bool
}{
	"both of two before": {stranger, func(h *harness, x *treasury.Transfer) {
		h.unsigned(x, "bob")
		h.unsigned(x, "carl")
		h.switched()
	}, true},
	"a signed second": {stranger, func(h *harness, x *treasury.Transfer) {
		h.unsigned(x, "bob")
		h.switched()
		h.applied(h.signedBy(x, "carl"))
	}, true},
	"a forged second": {stranger, func(h *harness, x *treasury.Transfer) {
		h.unsigned(x, "bob")
		h.switched()
		h.unsigned(x, "carl")
	}, false},
	"a forged first in its place": {stranger, func(h *harness, x *treasury.Transfer) {
		h.unsigned(x, "bob")
		h.switched()
		h.unsigned(x, "bob")
		h.applied(h.signedBy(x, "carl"))
	}, false},
	"a raise before": {friend, func(h *harness, x *treasury.Transfer) {
		h.unsigned(x, "bob")
		h.raiseAsked(x, "0.5")
		h.unsigned(x, "carl")
		h.switched()
	}, true},
	"a signed raise": {friend, func(h *harness, x *treasury.Transfer) {
		h.unsigned(x, "bob")
		h.switched()
		h.raiseAsked(x, "0.5")
		h.applied(h.signedBy(x, "carl"))
	}, true},
	"a signed raise of two": {stranger, func(h *harness, x *treasury.Transfer) {
		h.unsigned(x, "bob")
		h.unsigned(x, "carl")
		h.switched()
		h.raiseAsked(x, "0.5")
		h.applied(h.signedBy(x, "petra"))
	}, true},
	"a forged raise": {friend, func(h *harness, x *treasury.Transfer) {
		h.unsigned(x, "bob")
		h.switched()
		h.raiseAsked(x, "0.9")
		h.unsigned(x, "carl")
	}, false},
	"a forged raise after one before": {friend, func(h *harness, x *treasury.Transfer) {
		h.unsigned(x, "bob")
		h.raiseAsked(x, "0.5")
		h.unsigned(x, "carl")
		h.switched()
		h.raiseAsked(x, "0.9")
		h.unsigned(x, "carl")
	}, false},
	"the switch written once more": {friend, func(h *harness, x *treasury.Transfer) {
		h.switched()
		h.unsigned(x, "bob")
		h.switched()
	}, false},
}

// An approval from before the switch stands for itself: one without a signature that follows
// on it, the second of two or that of a higher fee, is nobody's.
func TestWhatFollowsOnAnEarlierApprovalHasToBeSigned(t *testing.T) {
	for name, c := range beforeAndAfter {
		t.Run(name, func(t *testing.T) {
			h := funded(t)
			if c.to == stranger {
				h.contact(stranger) // new: two approvers
			}
			x := h.transfer(TransferRequest{From: "hot", To: c.to, Amount: dec("5"), HighestFee: dec("0.2")})
			c.events(h, x)
			require.Equal(t, treasury.Approved, h.now1(x).Status)
			_, err := h.decided(signers(h), "server", nil, func(d *Decision) error {
				return d.PrepareTransfer(x.Transfer, transactionOf(h.now1(x), 4, "0.1"))
			})
			if c.sound {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrTampered)
		})
	}
}

// "A key that was revoked since may be the one that asked": what counts is the record of each
// person's own act. Who lost a key after the transfer was asked for may ask for its higher
// fee, and be the first who approves it.
func TestARevocationCountsFromThePersonsOwnAct(t *testing.T) {
	since := func(h *harness, user string, revoked uint64) map[uint64][]string {
		all := map[uint64][]string{}
		for act := range h.s.Next {
			if act < revoked {
				all[act] = []string{user}
			}
		}
		return all
	}
	living := []string{"olga", "otto", "bob", "carl", "petra"}
	approve := func(h *harness, x *treasury.Transfer, user string, lost map[uint64][]string) ([]domain.Event, error) {
		now := h.now1(x)
		hash := now.Hash
		if now.Raise != nil {
			hash = now.Raise.Hash
		}
		events, err := h.decided(approval.Approvers{}, user, nil, func(d *Decision) error {
			d.approversKnown = false
			d.Living(living, []string{"otto", "bob"}, lost)
			return d.ApproveTransfer(x.Transfer, hash)
		})
		if err == nil {
			h.applied(events[0])
		}
		return events, err
	}

	h := funded(t) // otto lost a key after the request, and asks for a raise
	x := h.transfer(TransferRequest{From: "hot", To: friend, Amount: dec("5"), HighestFee: dec("0.2")})
	h.approve(x)
	revoked := h.s.Next
	h.applied(&domain.CommandNoted{Code: domain.NotedNothing, Note: "meanwhile"})
	h.applied(&domain.TransferRaiseRequested{Transfer: x.Transfer, HighestFee: dec("0.5"), Hash: h.now1(x).RaisedHash(h.s.Portfolio, dec("0.5")), User: "otto", Reason: "stuck", ExpiresAt: h.now.Add(time.Hour)})
	require.Subset(t, h.s.Acts(x.Transfer), []uint64{h.now1(x).Raise.Revision})
	_, err := approve(h, x, "bob", since(h, "otto", h.s.Next))
	require.Equal(t, domain.CodeDenied, domain.CodeOf(err), "the key was revoked after the raise")
	_, err = approve(h, x, "bob", since(h, "otto", revoked))
	require.NoError(t, err)
	require.Equal(t, 1, h.now1(x).Raises)

	h = funded(t) // bob is the first of two
	h.contact(stranger)
	x = h.send("hot", stranger, "5")
	revoked = h.s.Next
	h.applied(&domain.CommandNoted{Code: domain.NotedNothing, Note: "meanwhile"})
	_, err = approve(h, x, "bob", since(h, "bob", revoked))
	require.NoError(t, err)
	require.Contains(t, h.s.Acts(x.Transfer), h.now1(x).FirstRevision)
	_, err = approve(h, x, "carl", since(h, "bob", h.s.Next)) // bob lost a key after approving
	require.NoError(t, err)
	require.Equal(t, [2]string{"carl", ""}, [2]string{h.now1(x).FirstApprovedBy, h.now1(x).ApprovedBy}, "carl is the first now")
	_, err = approve(h, x, "bob", since(h, "bob", h.now1(x).FirstRevision))
	require.NoError(t, err)
	require.Equal(t, treasury.Approved, h.now1(x).Status)
}
