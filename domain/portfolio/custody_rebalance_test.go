package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

func propose(d *Decision) error { return d.ProposeRebalance() }

// “a proposal is a transfer.requested”, “every number explained in the proposal”.
func TestProposeRebalance(t *testing.T) {
	h := funded(t) // 2,500 of 10,000 in hot; target 1,500, high 1,800
	h.fill("a", "m", "YES", buy, "1000", "0.5")
	h.must(propose)
	x := lastOf[*domain.TransferRequested](h)
	require.Equal(t, [4]string{domain.TransferRebalance, "hot-1", "cold", "1000"}, [4]string{x.Kind, x.Wallet, x.ToPlace, x.Amount.String()})
	require.Equal(t, domain.Rebalance{
		Hot: dec("2500"), HotCash: dec("2000"), Deployed: dec("500"), Cold: dec("7500"), Total: dec("10000"), Share: dec("0.25"), Target: dec("1500"),
		Low: dec("1200"), High: dec("1800"), GoesTo: dec("1500"), Available: dec("1500"), Smallest: dec("50"),
	}, *x.Rebalance)
	require.Equal(t, "hot holds 0.25 of the total, and should hold 0.15", x.Reason)
	require.Equal(t, []string{"it touches the cold wallet"}, x.ApprovalFor)

	// “one open proposal at a time”, until it is over.
	h.must(propose)
	require.Equal(t, []string{"command.noted"}, h.types())
	require.Equal(t, "transfer "+x.Transfer+" between the wallets is open", h.s.PlanRebalance().Why)
	h.upTo(treasury.Broadcast, h.now1(&treasury.Transfer{TransferRequested: *x}), 1)
	h.must(propose)
	require.Equal(t, []string{"command.noted"}, h.types())
	h.arrive(h.s.Custody.Transfers[x.Transfer], h.s.Custody.Transfers[x.Transfer].Last().TxHash, "0")
	h.must(propose)
	require.Equal(t, []string{"command.noted"}, h.types())
	require.Equal(t, "the hot wallet is within its bounds, or what could be moved is below min_rebalance_usd", h.s.PlanRebalance().Why)
	h.lies("1000", "8500", "0")
}

// A proposal that nobody approved is over after 24 h, and makes room for the next.
func TestProposalExpires(t *testing.T) {
	h := funded(t)
	h.must(propose)
	h.after(24*time.Hour - 1).must(propose)
	require.Equal(t, 0, h.count(domain.TransferRequestedType))
	h.after(1).must(propose)
	require.Equal(t, []string{"transfer.expired", "transfer.requested"}, h.types())
}

// What a person is moving already is not to be moved again: the wallets would overshoot.
func TestNoProposalBesideAMove(t *testing.T) {
	h := funded(t)
	x := h.send("hot", "cold", "1000")
	h.must(propose)
	require.Equal(t, 0, h.count(domain.TransferRequestedType))
	h.must(func(d *Decision) error { return d.RejectTransfer(x.Transfer, "x") })
	h.send("hot-1", "hot-2", "1")
	h.send("hot", friend, "1")
	h.must(propose)
	require.Equal(t, 1, h.count(domain.TransferRequestedType))
}

// “propose cold → hot …, never while anything is tripped”; the other way round it is
// proposed all the same, but not during a stop: what waits for an approval then would
// go on by itself when the stop is cleared.
func TestNothingOutOfColdWhileTripped(t *testing.T) {
	for name, halt := range map[string]func(*harness){
		"a streak":           func(h *harness) { h.trips(domain.ConsecutiveLosses, "a") },
		"daily loss":         func(h *harness) { h.trips(domain.DailyLoss, "") },
		"bot drawdown":       func(h *harness) { h.trips(domain.BotDrawdown, "a") },
		"portfolio drawdown": func(h *harness) { h.trips(domain.PortfolioDrawdown, "") },
		"the stop":           func(h *harness) { h.stop() },
	} {
		h := funded(t)
		h.depositIn(domain.WalletCold, "", "100000")
		require.Equal(t, "cold", h.s.PlanRebalance().Move.From)
		halt(h)
		require.Contains(t, h.s.PlanRebalance().Why, "nothing comes out of cold while", name)
		h.must(propose)
		require.Equal(t, []string{"command.noted"}, h.types())
		h.withdrawFrom(domain.WalletCold, "", "100000")
		h.must(propose)
		if name == "the stop" {
			require.Equal(t, "the emergency stop is engaged", h.s.PlanRebalance().Why)
			require.Equal(t, []string{"command.noted"}, h.types())
			continue
		}
		require.Equal(t, "cold", lastOf[*domain.TransferRequested](h).ToPlace)
	}
}

// “Only in live portfolios with both wallets”
func TestRebalanceNeedsBothWallets(t *testing.T) {
	h := live(t)
	h.wallet(walletOf("hot-1", domain.WalletHot))
	p := h.s.PlanRebalance()
	require.Equal(t, [2]string{"a live portfolio with a hot and a cold wallet is needed", "2500"}, [2]string{p.Why, p.Hot.String()})
	far := walletOf("far", domain.WalletCold)
	far.Chain = "eip155:1"
	far.Assets = []domain.WalletAsset{{Asset: "USDC", ID: "eip155:1/erc20:0xa0", Decimals: 6}, {Asset: "ETH", ID: "eip155:1/slip44:60", Decimals: 18, Native: true}}
	h.wallet(far)
	require.Equal(t, "the wallets are on two chains", h.s.PlanRebalance().Why)
	h.must(propose)
	require.Equal(t, []string{"command.noted"}, h.types())
}

// “one open proposal”, as many open transfers as there may be, and sums that still can
// be written.
func TestProposalRefusals(t *testing.T) {
	h := funded(t)
	for range maxOpen {
		h.send("hot-1", "hot-2", "0.000001")
	}
	h.refused(domain.CodeConflict, propose)
	h = funded(t)
	h.s.Cash, h.s.Cost = dec("999999999999999"), dec("999999999999999")
	require.Equal(t, domain.CodeConflict, domain.CodeOf(h.s.Begin(h.now, h.caller).ProposeRebalance()))
}

// “hot above 20 % for 24 h denies increases”
func TestHotTooLong(t *testing.T) {
	h := funded(t) // 25 % from the registration of capital on
	since := h.s.Custody.HotAbove
	require.False(t, since.IsZero())
	asked := func(side domain.Side) []domain.ReasonCode {
		h.t.Helper()
		h.ask(order("a", "m", "YES", side, "10", "0.5"))
		return h.reasons()
	}
	h.fill("a", "m", "YES", buy, "20", "0.5")
	h.at(since.Add(24*time.Hour - 1))
	h.mark("m", "YES", "0.5")
	require.Empty(t, asked(buy))
	require.False(t, h.s.HotTooLong(h.now))
	h.after(1)
	require.True(t, h.s.HotTooLong(h.now))
	require.Equal(t, []domain.ReasonCode{domain.ReasonLimitReached}, asked(buy))
	denied := lastOf[*domain.PermitDenied](h).Reasons[0]
	require.Equal(t, [2]string{"0.25", "0.2"}, [2]string{denied.Value, denied.Limit})
	require.Empty(t, asked(sell), "what only closes is not blocked")
	// It falls to 20 % exactly, which is not above, and rises again: 24 h begin anew.
	h.withdraw("500")
	h.depositIn(domain.WalletCold, "", "500")
	h.lies("1990", "8000", "0") // and 10 in a position
	require.True(t, h.s.Custody.HotAbove.IsZero())
	require.Empty(t, asked(buy))
	h.after(time.Hour).deposit("0.01")
	require.Equal(t, h.now, h.s.Custody.HotAbove)
	require.False(t, h.s.HotTooLong(h.now.Add(24*time.Hour-1)))
	require.True(t, h.s.HotTooLong(h.now.Add(24*time.Hour)))
	h.deposit("0.01")
	require.False(t, h.s.Custody.HotAbove.Equal(h.now.Add(1)), "since when, not until when")
}

// What moves from one hot wallet to another is hot all the while: it does not begin the
// 24 h anew.
func TestHotMovesAreHot(t *testing.T) {
	h := funded(t)
	since := h.s.Custody.HotAbove
	h.after(time.Hour)
	x := h.send("hot-1", "hot-2", "1000")
	_, hash := h.upTo(treasury.Broadcast, x, 1)
	require.Equal(t, [2]string{"2500", "0"}, [2]string{h.s.Holdings().HotCash.String(), h.s.Holdings().Transit.String()})
	h.arrive(x, hash, "0")
	require.Equal(t, since, h.s.Custody.HotAbove)
	h.upTo(treasury.Broadcast, h.send("hot", "cold", "1000"), 2)
	require.True(t, h.s.Custody.HotAbove.IsZero(), "what goes to cold is not")
}

// Without a cold wallet there is no share to keep.
func TestHotShareNeedsBothWallets(t *testing.T) {
	h := live(t)
	h.wallet(walletOf("hot-1", domain.WalletHot))
	require.True(t, h.s.Custody.HotAbove.IsZero())
	h.after(time.Hour).wallet(walletOf("cold-1", domain.WalletCold))
	require.Equal(t, h.now, h.s.Custody.HotAbove)
	require.False(t, live(t).s.HotTooLong(h.now.Add(1000*time.Hour)))
}

// “In live mode no limit may be loosened beyond the default below without two people.”
func TestTreasuryPolicy(t *testing.T) {
	for key, c := range map[string]struct{ loose, tight string }{
		"hot_wallet_percentage":  {"0.151", "0.149"},
		"min_rebalance_usd":      {"50.000001", "49"},
		"approval_threshold_usd": {"1000.000001", "999"},
		"approval_ttl":           {"24h0m1s", "23h"},
		"max_transfer_fee":       {"1.000000000000000001", "0.9"},
	} {
		h := funded(t)
		change := func(value string) func(*Decision) error {
			return func(d *Decision) error {
				return d.ChangeTreasuryPolicy(fmt.Appendf(nil, `{%q:%q}`, key, value), "test")
			}
		}
		err := h.refused(domain.CodeDenied, change(c.loose))
		require.Contains(t, err.Error(), key)
		h.must(change(c.tight))
		require.Equal(t, []string{"treasury_policy.changed"}, h.types())
		// Two people may.
		patch := fmt.Appendf(nil, `{%q:%q}`, key, c.loose)
		h.must(func(d *Decision) error { return d.RequestOverride(domain.OverrideTreasury, "", patch, "test") })
		id := lastOf[*domain.OverrideRequested](h).Override
		confirm := func(d *Decision) error { return d.ConfirmOverride(id) }
		h.as(domain.RoleApprover, "olga").refused(domain.CodeDenied, confirm)
		h.as(domain.RoleApprover, "paul").must(confirm)
		require.Equal(t, []string{"override.recorded", "treasury_policy.changed"}, h.types())
		loose := h.s.Custody.Policy
		// What two people have loosened may stay, and may be tightened by one.
		h.operator().must(change(c.loose))
		require.Equal(t, loose, h.s.Custody.Policy)
		h.must(change(c.tight))
		h.refused(domain.CodeDenied, change(c.loose))
	}
}

func TestTreasuryPolicyRefusals(t *testing.T) {
	h := funded(t)
	for _, patch := range []string{
		``, `[]`, `null`, `{"x":1}`, `{} {}`, `{"hot_wallet_percentage":true}`, `{"hot_wallet_percentage":"15"}`, `{"hot_wallet_percentage":"0.099999"}`,
		`{"hot_wallet_percentage":"0.200001"}`, `{"min_rebalance_usd":"-1"}`, `{"approval_threshold_usd":"-1"}`, `{"approval_ttl":"59s"}`, `{"approval_ttl":"169h"}`, `{"max_transfer_fee":"0"}`,
	} {
		h.refused(domain.CodeInvalid, func(d *Decision) error { return d.ChangeTreasuryPolicy([]byte(patch), "test") })
		h.refused(domain.CodeInvalid, func(d *Decision) error {
			return d.RequestOverride(domain.OverrideTreasury, "", []byte(patch), "test")
		})
	}
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.ChangeTreasuryPolicy([]byte(`{}`), "") })
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.RequestOverride(domain.OverrideTreasury, "main", []byte(`{}`), "x") })
	paper := trading(t)
	paper.refused(domain.CodeConflict, func(d *Decision) error { return d.RequestOverride(domain.OverrideTreasury, "", []byte(`{}`), "x") })
	paper.must(func(d *Decision) error {
		return d.ChangeTreasuryPolicy([]byte(`{"hot_wallet_percentage":"0.2","approval_ttl":"168h"}`), "of a paper portfolio one person may")
	})
	h.must(func(d *Decision) error {
		return d.ChangeTreasuryPolicy([]byte(`{"hot_wallet_percentage":"0.10","approval_ttl":"1m"}`), "test")
	})
	require.Equal(t, domain.CodeNotFound, domain.CodeOf(New().Begin(noon, h.caller).ChangeTreasuryPolicy([]byte(`{}`), "x")))
}

// An override whose rules no longer go together with those of the day is refused when
// it is confirmed.
func TestTreasuryPolicyAtTheOpening(t *testing.T) {
	rules := domain.DefaultTreasuryPolicy()
	rules.ApprovalThresholdUSD = dec("5")
	h := newHarness(t)
	h.apply(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModeLive, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModeLive), Treasury: &rules})
	require.Equal(t, rules, h.s.Custody.Policy)
	rules.ApprovalTTL = 0
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(New().Begin(noon, h.caller).Open(&domain.PortfolioOpened{
		Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper), Treasury: &rules,
	}, nil)))
}

// “Approver ≠ requester by user”: what the server proposes was asked for by nobody, so it
// is he who said where the money goes that cannot approve it. An admin who registers a
// cold wallet of his own gets nothing there by himself.
func TestRegistrarDoesNotApproveProposals(t *testing.T) {
	h := funded(t)
	h.as(domain.RoleAdmin, "alice").wallet(walletOf("cold-9", domain.WalletCold))
	h.after(treasury.NewFor) // nothing is proposed to a new one
	h.as(domain.RoleAdmin, domain.ServerUser).must(propose)
	x := lastOf[*domain.TransferRequested](h)
	require.Equal(t, h.s.Custody.Wallets["cold-9"].Address, x.To)
	approve := func(d *Decision) error { return d.ApproveTransfer(x.Transfer, x.Hash) }
	h.as(domain.RoleApprover, "alice").refused(domain.CodeDenied, approve)
	h.as(domain.RoleApprover, "Alice").refused(domain.CodeDenied, approve)
	h.as(domain.RoleApprover, "paul").must(approve)

	// What a person asked for has its two people.
	y := h.operator().send("hot", "cold", "10")
	h.as(domain.RoleApprover, "alice").must(func(d *Decision) error { return d.ApproveTransfer(y.Transfer, y.Hash) })
}
