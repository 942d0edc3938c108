package portfolio

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

func (h *harness) retire(wallet string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.RetireWallet(wallet, "its key leaked") })
}

// firstSignature is the first signature of a transfer by this server.
func firstSignature(t *treasury.Transfer, p PreparedTransaction) func(*Decision) error {
	return func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: t.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest)})
	}
}

// “No first signature after expires_at”: not at it, and not later. A transfer that was
// prepared in time and never signed has expired then, and its wallet is free.
func TestNoFirstSignatureAfterExpiry(t *testing.T) {
	for _, at := range []time.Duration{-1, 0, 1, 20 * 24 * time.Hour} {
		for name, to := range map[string]string{"our other wallet": "hot-2", "cold": "cold", "a friend": friend} {
			h := funded(t)
			x := h.send("hot", to, "100")
			p, _ := h.upTo(treasury.Prepared, x, 1)
			h.now = x.ExpiresAt.Add(at)
			if at < 0 {
				h.must(firstSignature(x, p))
				continue
			}
			h.refused(domain.CodeConflict, firstSignature(x, p))
			h.must(func(d *Decision) error { return d.ExpireTransfers() })
			require.Equal(t, treasury.Expired, h.now1(x).Status, name)
			h.upTo(treasury.Signed, h.send("hot", to, "100"), 1)
		}
	}
}

// “No first signature”: what was signed in time goes on, repriced as well, because at
// most one transaction of its nonce can be included.
func TestSignedInTimeGoesOn(t *testing.T) {
	h := funded(t)
	x := h.send("hot", friend, "100")
	h.upTo(treasury.Broadcast, x, 1)
	h.now = x.ExpiresAt.Add(time.Hour)
	p := transactionOf(x, 1, "0.2")
	h.must(func(d *Decision) error { return d.RepriceTransfer(x.Transfer, p) })
	h.must(firstSignature(x, p))
	require.Equal(t, treasury.Broadcast, h.now1(x).Status)
}

// A prepared transfer of a cold wallet cannot be known to be unsigned: it does not
// expire by itself and a stop does not end it. What is brought after its time is
// refused, and two people record it if it was sent all the same.
func TestAColdTransferAfterItsTime(t *testing.T) {
	h := funded(t)
	x := h.send("cold", friend, "100")
	p, _ := h.upTo(treasury.Prepared, x, 1)
	imported := func(d *Decision) error {
		return d.SignTransfer(&domain.TransferSigned{Transfer: x.Transfer, Digest: p.Digest, TxHash: hashOf(p.Digest), Raw: "0x02"})
	}
	h.stop()
	require.Equal(t, treasury.Prepared, h.now1(x).Status)
	require.Equal(t, []*treasury.Transfer{h.now1(x)}, h.s.GoesOn())
	h.clearStop()
	h.now = x.ExpiresAt.Add(-1)
	clone := h.s.Clone()
	require.NoError(t, imported(clone.Begin(h.now, h.caller)), "a nanosecond before it may")
	h.now = x.ExpiresAt
	h.refused(domain.CodeConflict, imported)
	h.must(func(d *Decision) error { return d.ExpireTransfers() })
	require.Equal(t, treasury.Prepared, h.now1(x).Status)

	settle := []byte(`{"transfer":"` + x.Transfer + `","outcome":"confirmed","tx_hash":"` + hashOf("elsewhere") + `","block":7,"fee":"0.01"}`)
	h.must(func(d *Decision) error {
		return d.RequestOverride(domain.OverrideTransfer, "", settle, "found on the chain")
	})
	id := lastOf[*domain.OverrideRequested](h).Override
	h.as(domain.RoleApprover, "paul").must(func(d *Decision) error { return d.ConfirmOverride(id) })
	require.Equal(t, treasury.Confirmed, h.now1(x).Status)
	h.lies("2500", "7400", "0")
	hot := h.operator().send("hot", friend, "100")
	h.upTo(treasury.Prepared, hot, 1)
	settle = []byte(`{"transfer":"` + hot.Transfer + `","outcome":"confirmed","tx_hash":"` + hashOf("elsewhere") + `","block":7,"fee":"0.01"}`)
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RequestOverride(domain.OverrideTransfer, "", settle, "x") })
}

// “a stop ends everything unsigned”: of every kind, by a person or a trip, and in one
// record with the stop. What is signed stays, and says so before the stop is cleared.
func TestAStopEndsWhatIsNotSigned(t *testing.T) {
	for _, kind := range []string{domain.StopManual, domain.StopSystemError, domain.StopSecurityBreach, domain.StopPortfolioDrawdown} {
		h := funded(t)
		requested := h.send("hot", "cold", "1")
		approved := h.approve(h.send("hot", friend, "2"))
		free := h.send("hot-2", "hot-1", "3") // needs nobody
		cold := h.send("cold", friend, "4")
		h.upTo(treasury.Prepared, cold, 1)
		prepared := h.send("hot", friend, "5")
		h.upTo(treasury.Prepared, prepared, 1)
		signed := h.send("hot-2", "hot-1", "6")
		h.upTo(treasury.Signed, signed, 1)
		if kind == domain.StopPortfolioDrawdown {
			h.must(func(d *Decision) error { d.engage(kind, "a trip"); return nil })
		} else {
			h.must(func(d *Decision) error { return d.EngageStop(kind, "test") })
		}
		require.Equal(t, []string{requested.Transfer, approved.Transfer, free.Transfer, prepared.Transfer}, lastOf[*domain.EmergencyStopEngaged](h).TransfersEnded, kind)
		for _, x := range []*treasury.Transfer{requested, approved, free, prepared} {
			require.Equal(t, treasury.Rejected, h.now1(x).Status, kind)
			require.Contains(t, h.now1(x).Detail, "emergency stop")
		}
		require.Equal(t, []*treasury.Transfer{h.now1(cold), h.now1(signed)}, h.s.GoesOn())
		h.refused(domain.CodeHalted, func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "hot", To: "cold", Amount: dec("1"), Reason: "x"})
		})
		h.clearStop()
		require.Equal(t, []*treasury.Transfer{h.now1(cold), h.now1(signed)}, h.s.Custody.OpenTransfers(), "as it was said")
	}
}

// “sweeps that the breach rule allows stay possible”: a second stop does not end the
// sweep of the first. And what an older build's stop has left ends when it is cleared.
func TestASecondStopLeavesSweeps(t *testing.T) {
	h := funded(t)
	h.stop()
	sweep := h.approve(h.transfer(sweepTo("cold", "100")))
	evacuation := h.transfer(TransferRequest{From: "cold", To: friend, Amount: dec("5"), Evacuate: true})
	h.apply(&domain.TransferRequested{
		Transfer: "old", Kind: domain.TransferInternal, Wallet: "hot-1", FromPlace: "hot", ToPlace: "hot", Asset: "USDC", ExpiresAt: h.now.Add(time.Hour),
	})
	require.Equal(t, []*treasury.Transfer{h.now1(evacuation)}, h.s.GoesOn())
	h.clearStop()
	require.Equal(t, []string{"old", sweep.Transfer}, lastOf[*domain.EmergencyStopCleared](h).TransfersEnded)
	require.Equal(t, treasury.Requested, h.now1(evacuation).Status)

	h = funded(t)
	h.stop()
	sweep = h.transfer(sweepTo("cold", "100"))
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopManual, "again") })
	require.Equal(t, treasury.Requested, h.now1(sweep).Status)
}

// Streams of older builds name no ended transfers: they keep their past.
func TestOldStopsEndNothing(t *testing.T) {
	h := funded(t)
	x := h.approve(h.send("hot", friend, "2"))
	h.apply(&domain.EmergencyStopEngaged{Kind: domain.StopManual, Reason: "an older build"})
	h.apply(&domain.EmergencyStopCleared{Request: "c1", RequestedBy: "olga", ConfirmedBy: "paul"})
	require.Equal(t, treasury.Approved, h.now1(x).Status)
	h.apply(&domain.WalletRetired{Wallet: "nobody's", TransfersEnded: []string{"x0", x.Transfer}})
	h.apply(&domain.WalletKeyMissing{Wallet: "nobody's"})
	require.Equal(t, treasury.Rejected, h.now1(x).Status)
}

// “A leaked wallet stays a recipient that needs no approval”: a retired one is none at
// all, sends nothing but a sweep, signs no order, and stays retired.
func TestARetiredWallet(t *testing.T) {
	h := funded(t)
	in, out := h.send("hot-2", "hot-1", "1"), h.send("hot-1", "hot-2", "2")
	under := h.send("hot-2", "hot-1", "3")
	_, hash := h.upTo(treasury.Broadcast, under, 1)
	h.retire("hot-1")
	require.Equal(t, []string{in.Transfer, out.Transfer}, lastOf[*domain.WalletRetired](h).TransfersEnded)
	require.Equal(t, "olga", lastOf[*domain.WalletRetired](h).User)
	require.Equal(t, "hot-2", h.s.Custody.Main("hot").Wallet, "another one is the main one")
	for _, r := range []TransferRequest{
		{From: "hot-2", To: "hot-1"},
		{From: "hot-1", To: "hot-2"},
		{From: "hot-1", To: "cold"},
		{From: "hot-1", To: friend},
		{From: "cold", To: "hot-1"},
		{From: "hot-2", To: h.s.Custody.Wallets["hot-1"].Address},
	} {
		r.Amount, r.Reason = dec("1"), "x"
		h.refused(domain.CodeDenied, func(d *Decision) error { return d.RequestTransfer(r) })
	}
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.RepriceTransfer(under.Transfer, transactionOf(under, 1, "0.2")) })
	h.arrive(under, hash, "0") // what the chain did is recorded
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RegisterWallet(walletOf("hot-1", domain.WalletHot)) })
	h.must(func(d *Decision) error { return d.RetireWallet("hot-1", "again") })
	require.Equal(t, []string{"command.noted"}, h.types())
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.RetireWallet("hot-9", "x") })
	h.apply(walletOf("hot-1", domain.WalletHot)) // total: it stays retired
	require.True(t, h.s.Custody.Wallets["hot-1"].Retired())
	h.retire("hot-2")
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: "cold", To: "hot", Amount: dec("1"), Reason: "x"})
	})
}

// “sweep only”: with or without a stop. Without one it goes into a cold wallet, takes
// what is free and no bot's money, and still takes two people.
func TestSweepOfARetiredWallet(t *testing.T) {
	h := funded(t)
	sweep := func(to, amount string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "hot-1", To: to, Amount: dec(amount), Reason: "dust", Sweep: true})
		}
	}
	h.refused(domain.CodeConflict, sweep("cold", "100")) // neither retired nor stopped
	h.retire("hot-1")
	h.refused(domain.CodeConflict, sweep(friend, "100"))
	h.refused(domain.CodeInvalid, sweep("cold", "0"))
	h.refused(domain.CodeInvalid, sweep("cold", "1500.000001")) // 1,000 are the bots'
	h.must(sweep("cold", "1500"))
	x := h.s.Custody.Transfers[lastOf[*domain.TransferRequested](h).Transfer]
	require.Equal(t, "1000", h.botOf("a").Cash.String())
	require.True(t, x.NeedsApproval())
	h.trips(domain.DailyLoss, "")
	h.upTo(treasury.Confirmed, x, 1)
	h.lies("1000", "9000", "0")
	h.must(func(d *Decision) error { return d.Allocate("a", dec("-100")) })
	h.must(sweep("cold", "50"))
	kept := h.s.Custody.Transfers[lastOf[*domain.TransferRequested](h).Transfer]
	h.after(tick).stop()
	h.must(sweep(friend, "0"))
	require.Equal(t, "950", lastOf[*domain.TransferRequested](h).Amount.String(), "in a stop it takes all that another sweep does not")
	h.clearStop()
	require.Equal(t, treasury.Requested, h.now1(kept).Status, "it needs no stop")
}

// Retiring the cold wallet must not loosen the limit on what hot may hold.
func TestRetiringKeepsTheHotShare(t *testing.T) {
	h := funded(t)
	since := h.s.Custody.HotAbove
	require.False(t, since.IsZero())
	h.retire("cold-1")
	require.Equal(t, since, h.s.Custody.HotAbove)
	require.Equal(t, NoTwoWallets, h.s.PlanRebalance().Why)
}

// A wallet whose key is gone needs an approval again, until it is found.
func TestAMissingKey(t *testing.T) {
	h := funded(t)
	address := h.s.Custody.Wallets["hot-2"].Address
	miss := func(d *Decision) error { return d.MissKey(&domain.WalletKeyMissing{Wallet: "hot-2", Address: address}) }
	require.False(t, h.send("hot-1", "hot-2", "1").NeedsApproval())
	h.must(miss)
	require.Equal(t, []string{"wallet.key_missing"}, h.types())
	require.Equal(t, []string{"the key of the receiving wallet was not found here"}, h.send("hot-1", "hot-2", "1").ApprovalFor)
	h.must(miss)
	require.Equal(t, []string{"command.noted"}, h.types(), "once is enough")
	h.must(func(d *Decision) error {
		return d.UseKey(&domain.KeyUsed{Wallet: "hot-2", Address: address, Purpose: "start"})
	})
	require.False(t, h.send("hot-1", "hot-2", "1").NeedsApproval())
}

// “only marks of role feed that the requester did not make; no such mark → approval”:
// an operator's own mark of an asset does not lower its threshold, in whichever of its
// roles it was sent.
func TestWhoseMarkCounts(t *testing.T) {
	h := funded(t)
	dai := domain.WalletAsset{Asset: "DAI", ID: polygon + "/erc20:0xda1", Decimals: 18}
	for _, name := range []string{"hot-2", "hot-1"} {
		h.wallet(walletOf(name, domain.WalletHot, dai))
	}
	h.depositIn(domain.WalletHot, "DAI", "100000")
	mark := func(role domain.Role, user, price string) {
		h.as(role, user).markAsset("DAI", price)
		h.operator()
	}
	needs := func(amount string) bool {
		d := h.s.Clone().Begin(h.now, h.caller)
		require.NoError(t, d.RequestTransfer(TransferRequest{From: "hot-1", To: "hot-2", Asset: "DAI", Amount: dec(amount), Reason: "x"}))
		e, ok := d.Events()[len(d.Events())-1].(*domain.TransferRequested)
		require.True(t, ok)
		return len(e.ApprovalFor) > 0
	}
	require.True(t, needs("1"), "no mark")
	mark(domain.RoleOperator, "olga", "0.000001")
	require.True(t, needs("1"), "her own mark")
	mark(domain.RoleOperator, "otto", "0.000001")
	require.True(t, needs("1"), "no feed's")
	mark(domain.RoleFeed, "Olga", "0.000001")
	require.True(t, needs("1"), "her own feed")
	mark(domain.RoleFeed, "oracle", "1")
	require.False(t, needs("1000"), "at the threshold")
	require.True(t, needs("1000.000000000000000001"))
	mark(domain.RoleFeed, "olga", "0.000001")
	require.True(t, needs("1000.000000000000000001"), "her later mark does not hide the feed's")
	require.False(t, needs("1000"))
	h.as(domain.RoleOperator, "otto")
	require.False(t, needs("100000"), "to somebody else it is a feed like any other")
	mark(domain.RoleFeed, "oracle", "2")
	require.False(t, needs("500"))
	require.True(t, needs("500.000000000000000001"))
	age := time.Duration(h.s.Policy.MarkMaxAge)
	h.after(age - 1)
	require.False(t, needs("500"))
	h.after(1)
	require.True(t, needs("500"), "a stale mark says nothing")
	// The sum of the day is not known either, once one of its parts is not.
	h.must(func(d *Decision) error { return d.MarkPrices([]domain.Mark{{Asset: "MATIC", Price: dec("1")}}) })
	mark(domain.RoleFeed, "oracle", "0.001")
	h.transfer(TransferRequest{From: "hot-1", To: "hot-2", Asset: "DAI", Amount: dec("1000")})
	require.False(t, h.send("hot-1", "hot-2", "1").NeedsApproval())
	h.after(age)
	require.True(t, h.send("hot-1", "hot-2", "1").NeedsApproval())
}

// Marks of older streams name no feed: what is not known to be another's does not count.
func TestOldMarksDoNotCount(t *testing.T) {
	h := funded(t)
	h.apply(&domain.PriceMarked{Source: domain.RoleFeed, Marks: []domain.Mark{{Asset: "POL", Price: dec("1")}}})
	require.Empty(t, h.s.Assets["POL"].FeedMarks)
	h.apply(&domain.PriceMarked{Source: domain.RoleOperator, User: "otto", Marks: []domain.Mark{{Asset: "POL", Price: dec("1")}}})
	require.Empty(t, h.s.Assets["POL"].FeedMarks)
	h.apply(&domain.PriceMarked{Source: domain.RoleFeed, User: "f", Marks: []domain.Mark{{Asset: "POL", Price: dec("2")}}})
	require.Equal(t, "f", h.s.Assets["POL"].FeedMarks[0].User)
}

// “evacuate: two people, to an address of the book, … also in a breach”: while a breaker
// is tripped and ledger and chain differ, too. Somebody has stopped before, or retired the wallet.
func TestAnEvacuation(t *testing.T) {
	evacuate := func(to, amount string) TransferRequest {
		return TransferRequest{From: "cold-1", To: to, Amount: dec(amount), Reason: "the words leaked", Evacuate: true}
	}
	for name, with := range map[string]func(*harness){
		"a stop": func(h *harness) { h.stop() },
		"a trip": func(h *harness) {
			h.retire("cold-1")
			h.trips(domain.DailyLoss, "")
		},
		"a difference": func(h *harness) {
			h.reconcile(but(h.readings(), "cold-1", "-5"))
			h.retire("cold-1")
		},
		"a retired cold": func(h *harness) { h.retire("cold-1") },
		"another under way": func(h *harness) {
			h.upTo(treasury.Prepared, h.send("cold", friend, "7"), 1)
			h.after(tick).stop()
		},
	} {
		h := funded(t)
		with(h)
		x := h.transfer(evacuate(friend, "0"))
		require.Equal(t, [2]string{domain.TransferEvacuation, "7500"}, [2]string{x.Kind, x.Amount.String()}, name)
		require.Contains(t, x.ApprovalFor, "it is an evacuation")
		h.refused(domain.CodeConflict, h.stepsOf(x)["approved"])
		h.as(domain.RoleApprover, "olga").refused(domain.CodeDenied, func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) })
		h.operator()
		h.upTo(treasury.Confirmed, x, 1)
		h.lies("2500", "0", "0")
	}
}

func TestEvacuationRefusals(t *testing.T) {
	h := funded(t)
	h.stop()
	evacuate := func(r TransferRequest) func(*Decision) error {
		r.Reason, r.Evacuate = "x", true
		return func(d *Decision) error { return d.RequestTransfer(r) }
	}
	h.refused(domain.CodeInvalid, evacuate(TransferRequest{From: "hot", To: friend}))
	h.refused(domain.CodeInvalid, evacuate(TransferRequest{From: "cold", To: "hot"}))
	h.refused(domain.CodeInvalid, evacuate(TransferRequest{From: "cold", To: friend, Asset: "POL"}))
	h.refused(domain.CodeInvalid, evacuate(TransferRequest{From: "cold", To: friend, Sweep: true}))
	h.refused(domain.CodeDenied, evacuate(TransferRequest{From: "cold", To: stranger}))
	x := h.approve(h.transfer(TransferRequest{From: "cold", To: friend, Evacuate: true}))
	h.must(func(d *Decision) error {
		return d.RemoveAddress(&domain.AddressRemoved{Chain: polygon, Address: friend, Reason: "x"})
	})
	h.refused(domain.CodeDenied, h.stepsOf(x)["approved"])
	h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "x") })
	h.clearStop()
	// In a stop only to what was known before it, to the nanosecond.
	h.stop()
	h.contact(stranger)
	h.refused(domain.CodeDenied, evacuate(TransferRequest{From: "cold", To: stranger}))
	h.clearStop()
	h.stop()
	h.refused(domain.CodeDenied, evacuate(TransferRequest{From: "cold", To: "0x3333333333333333333333333333333333333333"}))
	h.wallet(walletOf("cold-2", domain.WalletCold))
	h.refused(domain.CodeDenied, evacuate(TransferRequest{From: "cold-1", To: "cold-2"}))
	h.clearStop()
	h.retire("cold-1")
	// To another cold wallet of ours the money stays in cold.
	moved := h.transfer(TransferRequest{From: "cold-1", To: "cold-2", Amount: dec("100"), Evacuate: true})
	h.upTo(treasury.Confirmed, moved, 1)
	h.lies("2500", "7500", "0")
}

// "It is no way around breakers, differences and checks": nobody evacuates a wallet that is
// in use while nothing is stopped, nor more than is held, by the ledger or the chain.
func TestAnEvacuationIsNoWayAround(t *testing.T) {
	evacuate := func(asset, amount string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RequestTransfer(TransferRequest{From: "cold-1", To: friend, Asset: asset, Amount: dec(amount), Reason: "x", Evacuate: true})
		}
	}
	h := funded(t)
	h.refused(domain.CodeConflict, evacuate("", "5"))
	h.refused(domain.CodeConflict, evacuate("", "0"))
	h.trips(domain.DailyLoss, "")
	h.refused(domain.CodeConflict, evacuate("", "5"))
	h.retire("cold-1")
	h.refused(domain.CodeInvalid, evacuate("", "9999"))
	h.refused(domain.CodeInvalid, evacuate("", "7500.000001"))
	h.must(evacuate("", "7000"))
	h.refused(domain.CodeInvalid, evacuate("", "500.000001"))
	h.must(evacuate("", "500"))

	h = funded(t)
	h.reconcile(but(h.readings(), "cold-1", "20")) // somebody has sent 20 more there
	h.stop()
	h.refused(domain.CodeInvalid, evacuate("", "7520.000001"))
	h.must(evacuate("", "7520"))

	// One that was asked for in a stop goes on when that is cleared; two people saw it.
	h = funded(t)
	h.stop()
	x := h.transfer(TransferRequest{From: "cold-1", To: friend, Amount: dec("5"), Reason: "x", Evacuate: true})
	h.clearStop()
	h.upTo(treasury.Confirmed, x, 1)
}

// "Nothing is sent to a retired wallet": its key is the same on every chain, so its address
// is no partner's on another one, whether it comes into the book before or after.
func TestARetiredAddressOnAnotherChain(t *testing.T) {
	h := funded(t)
	address := h.s.Custody.Wallets["hot-2"].Address
	other := walletOf("cold-eth", domain.WalletCold)
	other.Chain, other.Address = "eip155:1", "0x7777777777777777777777777777777777777777"
	for i := range other.Assets {
		other.Assets[i].ID = strings.Replace(other.Assets[i].ID, polygon, "eip155:1", 1)
	}
	h.wallet(other)
	enter := func(chain string) func(*Decision) error {
		return func(d *Decision) error {
			return d.AddAddress(&domain.AddressAdded{Chain: chain, Address: address, Label: "partner"})
		}
	}
	h.must(enter("eip155:1"))
	send := TransferRequest{From: "cold-eth", To: address, Amount: dec("1"), Reason: "x"}
	x := h.transfer(send)
	h.retire("hot-2")
	require.Equal(t, treasury.Rejected, h.now1(x).Status)
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.RequestTransfer(send) })
	h.refused(domain.CodeDenied, enter("eip155:10"))
}
