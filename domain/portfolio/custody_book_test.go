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
	require.Equal(t, 0, h.send("hot", "cold", "1").Approvals, "a wallet is none of the book")
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
