package portfolio

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// "The address book takes a duplicate label, a look-alike address (same first and last
// four), mixed-script names. → Refused", also where it is a wallet that is taken for another.
func TestTheBookTakesNothingThatLooksLikeAnother(t *testing.T) {
	h := funded(t)
	add := func(chain, address, label string) func(*Decision) error {
		return func(d *Decision) error {
			return d.AddAddress(&domain.AddressAdded{Chain: chain, Address: address, Label: label})
		}
	}
	const (
		exchange = "0xabcd1234abcd1234abcd1234abcd1234abcd89ef"
		poisoned = "0xABCD9999abcd9999abcd9999abcd9999abcd89EF"
	)
	h.must(add(polygon, exchange, "exchange"))
	for _, label := range []string{"exchange", "Exchange", " ex-change", "EXCHANGE."} {
		h.refused(domain.CodeConflict, add(polygon, stranger, label))
	}
	h.refused(domain.CodeInvalid, add(polygon, stranger, "exch\u0430nge")) // a Cyrillic a
	h.refused(domain.CodeConflict, add(polygon, poisoned, "another"))
	h.refused(domain.CodeConflict, add("eip155:1", poisoned, "another"))
	h.must(add("eip155:1", exchange, "exchange")) // the same one, on another chain

	hot := h.s.Custody.Wallets["hot-1"].Address
	like := hot[:6] + "00000000000000000000000000000000" + hot[38:]
	h.refused(domain.CodeConflict, add(polygon, like, "another"))
	h.refused(domain.CodeConflict, add(polygon, stranger, "hot-1"))
	h.refused(domain.CodeInvalid, add(polygon, stranger, "COLD"))
	fake := walletOf("cold-2", domain.WalletCold)
	fake.Address = like
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RegisterWallet(fake) })
	fake.Address = poisoned
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.RegisterWallet(fake) })
	h.must(add(polygon, stranger, "another"))
}

// "To a new address money goes within its first 24 h only with two approvers: two different
// approver users, neither the requester."
func TestANewAddressTakesTwoApprovers(t *testing.T) {
	h := funded(t)
	h.contact(stranger)
	x := h.send("hot", stranger, "10")
	require.Equal(t, 2, x.Approvals)
	require.Contains(t, x.ApprovalFor, "the address has been in the book for less than 24 h: it takes two approvers")
	approve := func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) }
	prepare := func(d *Decision) error {
		return d.PrepareTransfer(x.Transfer, transactionOf(x, 1, "0.1"))
	}

	h.as(domain.RoleApprover, "olga").refused(domain.CodeDenied, approve) // who asked
	h.as(domain.RoleApprover, "paul").must(approve)
	require.Equal(t, treasury.Requested, h.now1(x).Status)
	require.Equal(t, [2]int{1, 2}, [2]int{h.now1(x).ApprovedTimes(), h.now1(x).Approvals})
	h.as(domain.RoleApprover, "PAUL").must(approve) // one person twice is one
	require.Equal(t, []string{"command.noted"}, h.types())
	require.Equal(t, treasury.Requested, h.now1(x).Status)
	h.operator().refused(domain.CodeConflict, prepare)

	h.as(domain.RoleApprover, "petra").must(approve)
	now := h.now1(x)
	require.Equal(t, treasury.Approved, now.Status)
	require.Equal(t, [2]string{"paul", "petra"}, [2]string{now.FirstApprovedBy, now.ApprovedBy})
	require.True(t, now.Intact(h.s.Portfolio))
	h.as(domain.RoleApprover, "paul").must(approve)
	require.Equal(t, []string{"command.noted"}, h.types(), "a repeat of the first changes nothing")
	h.operator().must(prepare)
}

// "… within its first 24 h": a nanosecond before it takes two, from then on one; an address
// that was removed and added again is new.
func TestAnAddressIsNewFor24Hours(t *testing.T) {
	h := funded(t)
	h.contact(stranger)
	h.after(treasury.NewFor - 1)
	require.Equal(t, 2, h.send("hot", stranger, "1").Approvals)
	h.after(1)
	require.Equal(t, 0, h.send("hot", stranger, "1").Approvals)
	h.must(func(d *Decision) error {
		return d.RemoveAddress(&domain.AddressRemoved{Chain: polygon, Address: stranger, Reason: "x"})
	})
	h.contact(stranger)
	require.Equal(t, 2, h.send("hot", stranger, "1").Approvals)
	require.Equal(t, 0, h.send("hot", "cold", "1").Approvals, "a wallet that has long been there")
}

// "A wallet added while another one exists is new for 24 h", of any place and on every way that
// money goes there; only the first of each place on the day of the first wallet is not.
func TestAWalletIsNewFor24Hours(t *testing.T) {
	for _, place := range []string{domain.WalletHot, domain.WalletCold} {
		h := funded(t)
		h.as(domain.RoleAdmin, "mallory").wallet(walletOf("vault-2", place))
		h.operator().load("vault-2") // its key, too, may be his
		since := h.now
		h.after(treasury.NewFor - 1)
		x := h.send("hot-1", "vault-2", "1")
		require.Equal(t, 2, x.Approvals, place)
		require.Contains(t, x.ApprovalFor, "the receiving wallet was registered less than 24 h ago: it takes two approvers")
		require.Equal(t, 2, h.send("cold-1", h.s.Custody.Wallets["vault-2"].Address, "1").Approvals, "by its address")
		require.Equal(t, 2, h.send("hot-2", place, "1").Approvals, "it is the main one of its place")
		require.Equal(t, 0, h.send("hot-2", "cold-1", "1").Approvals, "the wallet from before")
		h.as(domain.RoleApprover, "paul").must(func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) })
		require.Equal(t, treasury.Requested, h.now1(x).Status, "one is not enough")

		lines := TransferLines(&x.TransferRequested)
		require.Contains(t, lines, `recipient: "vault-2"`)
		require.Contains(t, lines, "recipient known since: "+since.Format(time.RFC3339Nano))
		require.Contains(t, TransferLines(&h.operator().send("hot-1", friend, "1").TransferRequested), `recipient: "address 1111"`)
		h.after(1)
		require.Equal(t, 0, h.operator().send("hot-1", "vault-2", "1").Approvals)
	}
}

// The same for sweeps and evacuations: a stop or a retired wallet makes no address older.
func TestASweepToANewWalletTakesTwoApprovers(t *testing.T) {
	h := funded(t)
	h.wallet(walletOf("vault-2", domain.WalletCold))
	h.after(1)
	h.must(func(d *Decision) error { return d.RetireWallet("hot-2", "its words may have leaked") })
	require.Equal(t, 2, h.transfer(TransferRequest{From: "hot-2", To: "vault-2", Amount: dec("1"), Sweep: true}).Approvals)
	h.stop()
	require.Equal(t, 2, h.transfer(sweepTo("vault-2", "1")).Approvals)
	require.Equal(t, 2, h.transfer(TransferRequest{From: "cold-1", To: "vault-2", Amount: dec("1"), Evacuate: true}).Approvals)
	require.Equal(t, 0, h.transfer(sweepTo("cold-1", "1")).Approvals)
}

// "The server proposed 8,585 to it by itself": it proposes nothing to a new wallet, also when a
// person asks it to.
func TestNothingIsProposedToANewWallet(t *testing.T) {
	h := funded(t)
	h.as(domain.RoleAdmin, "mallory").wallet(walletOf("vault-2", domain.WalletCold))
	h.operator().must(propose)
	require.Equal(t, []string{"command.noted"}, h.types())
	require.Contains(t, h.s.PlanRebalance().Why, "the receiving wallet vault-2 was registered less than 24 h ago")
	h.after(treasury.NewFor).must(propose)
	require.Equal(t, h.s.Custody.Wallets["vault-2"].Address, lastOf[*domain.TransferRequested](h).To)
}

// "The first day of a portfolio would need three people": the first wallet of each place is not
// new on that day, and a first one of later is.
func TestTheFirstWalletsAreNotNew(t *testing.T) {
	for later, approvals := range map[time.Duration]int{treasury.NewFor - 1: 0, treasury.NewFor: 2} {
		h := newHarness(t)
		h.open(domain.ModeLive, quietPolicy)
		h.wallet(walletOf("hot-1", domain.WalletHot))
		h.deposit("2500")
		h.now = h.s.Custody.Wallets["hot-1"].At.Add(later)
		h.wallet(walletOf("cold-1", domain.WalletCold))
		require.Equal(t, approvals, h.send("hot", "cold", "1").Approvals, later)
	}
}

// "The first approver's keys are all revoked before the second one approves": the first word
// counts no more, and the second is the first.
func TestTheFirstOfTwoApproversHasToBeThere(t *testing.T) {
	h := funded(t)
	h.contact(stranger)
	x := h.send("hot", stranger, "10")
	approve := func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) }
	h.as(domain.RoleApprover, "paul").must(approve)
	alone := func(d *Decision) error {
		d.livingKnown, d.living = true, []string{"olga", "petra"}
		return approve(d)
	}
	h.as(domain.RoleApprover, "petra").must(alone)
	require.Equal(t, [2]string{"petra", ""}, [2]string{h.now1(x).FirstApprovedBy, h.now1(x).ApprovedBy})
	h.must(alone)
	require.Equal(t, treasury.Requested, h.now1(x).Status, "it is one person")
	h.as(domain.RoleApprover, "paul").must(approve)
	require.Equal(t, treasury.Approved, h.now1(x).Status)
}

// "Tokens of one market on a second one are refused; a mapping is mended by two people."
func TestATokenBelongsToOneMarket(t *testing.T) {
	h := funded(t)
	market := func(id string, tokens map[string]string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RegisterMarket(&domain.MarketRegistered{Market: id, Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Tokens: tokens})
		}
	}
	h.must(market("m1", map[string]string{"YES": "1", "NO": "2"}))
	h.must(market("m2", nil))
	for _, id := range []string{"m2", "m3"} {
		h.refused(domain.CodeConflict, market(id, map[string]string{"YES": "3", "NO": "1"}))
	}
	h.must(market("m2", map[string]string{"YES": "3", "NO": "4"}))
	h.refused(domain.CodeConflict, market("m2", map[string]string{"YES": "4", "NO": "3"}))

	ask := func(content string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RequestOverride(domain.OverrideTokens, "", json.RawMessage(content), "the wrong way round")
		}
	}
	h.refused(domain.CodeNotFound, ask(`{"market":"m9","tokens":{}}`))
	h.refused(domain.CodeConflict, ask(`{"market":"m2","tokens":{"YES":"3","NO":"4"}}`))
	h.refused(domain.CodeConflict, ask(`{"market":"m2","tokens":{"YES":"1","NO":"4"}}`))
	h.refused(domain.CodeInvalid, ask(`{"market":"m2","tokens":{"MAYBE":"9"}}`))
	h.refused(domain.CodeInvalid, ask(`{"market":"m2","tokens":{"YES":"4","NO":"4"}}`))
	h.refused(domain.CodeInvalid, ask(`{"market":"m2","tokens":{},"more":1}`))

	mend := func(content string) {
		t.Helper()
		h.operator().must(ask(content))
		id := lastOf[*domain.OverrideRequested](h).Override
		confirm := func(d *Decision) error { return d.ConfirmOverride(id) }
		h.refused(domain.CodeDenied, confirm)
		h.as(domain.RoleApprover, "paul").must(confirm)
		require.Equal(t, []string{"override.recorded", "market.registered"}, h.types())
	}
	mend(`{"market":"m2","tokens":{"YES":"4","NO":"3"}}`)
	require.Equal(t, map[string]string{"YES": "4", "NO": "3"}, h.s.Markets["m2"].Tokens)
	// Two markets whose tokens were exchanged: one gives its own away first.
	mend(`{"market":"m1","tokens":{}}`)
	mend(`{"market":"m2","tokens":{"YES":"1","NO":"2"}}`)
	h.operator().must(market("m1", map[string]string{"YES": "4", "NO": "3"}))
	require.Equal(t, domain.KindOutcome, h.s.Markets["m1"].Kind)
}

// What was requested before a token was taken is decided on what is now.
func TestAMendedMappingIsDecidedWhenItIsConfirmed(t *testing.T) {
	h := funded(t)
	tokens := func(id, yes string) func(*Decision) error {
		return func(d *Decision) error {
			return d.RegisterMarket(&domain.MarketRegistered{Market: id, Kind: domain.KindOutcome, Outcomes: []string{"YES"}, Tokens: map[string]string{"YES": yes}})
		}
	}
	h.must(tokens("m1", "1"))
	h.must(func(d *Decision) error {
		return d.RequestOverride(domain.OverrideTokens, "", json.RawMessage(`{"market":"m1","tokens":{"YES":"2"}}`), "x")
	})
	id := lastOf[*domain.OverrideRequested](h).Override
	h.after(time.Second).must(tokens("m2", "2"))
	h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, func(d *Decision) error { return d.ConfirmOverride(id) })
}
