package portfolio

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
)

func confirming(id string) func(*Decision) error {
	return func(d *Decision) error { return d.ConfirmOverride(id) }
}

// "In a live portfolio post_adjustment by one admin alone is refused; instead an override of
// kind adjustment … requested by an admin, confirmed by a second user", and both are recorded
// in one append.
func TestTwoPeopleCorrectALivePortfolio(t *testing.T) {
	h := funded(t)
	require.False(t, h.s.CorrectedByTwo, "the harness opens it as older builds did")
	alone := func(d *Decision) error {
		return d.Adjust(&domain.AdjustmentPosted{Account: "hot:treasury", Amount: dec("-0.37"), Reason: "x"})
	}
	h.as(domain.RoleAdmin, "ada")
	require.ErrorContains(t, h.refused(domain.CodeDenied, alone), "two people: POST …/overrides with kind adjustment")

	ask := askToAdjust(Adjustment{Account: "hot:treasury", Amount: dec("-0.37")})
	for _, role := range []domain.Role{domain.RoleOperator, domain.RoleApprover} {
		h.as(role, "olga").refused(domain.CodeDenied, ask)
	}
	h.as(domain.RoleAdmin, "ada").must(ask)
	o := lastOf[*domain.OverrideRequested](h)
	require.JSONEq(t, `{"account":"hot:treasury","asset":"USDC","amount":"-0.37"}`, string(o.Limits), "the asset stands there by its name")
	require.Nil(t, o.Difference)
	require.True(t, h.s.CorrectedByTwo)
	h.equal("1500", h.s.Treasury(domain.WalletHot), "nothing is corrected yet")
	h.refused(domain.CodeDenied, confirming(o.Override))
	h.as(domain.RoleApprover, "ADA").refused(domain.CodeDenied, confirming(o.Override))
	h.as(domain.RoleApprover, "paul").must(confirming(o.Override))
	require.Equal(t, []string{"override.recorded", "adjustment.posted"}, h.types())
	require.Equal(t, &domain.AdjustmentPosted{Account: "hot:treasury", Asset: "USDC", Amount: dec("-0.37"), Reason: "test", Override: o.Override}, lastOf[*domain.AdjustmentPosted](h))
	require.True(t, h.s.Overrides[o.Override].Adjusts(lastOf[*domain.AdjustmentPosted](h)))
	h.equal("1499.63", h.s.Treasury(domain.WalletHot))
	h.must(confirming(o.Override))
	require.Equal(t, []string{"command.noted"}, h.types(), "again it corrects nothing")
	h.equal("1499.63", h.s.Treasury(domain.WalletHot))
}

// "An adjustment with flow:true names the record of the deposit or withdrawal it corrects, all
// such together at most its amount": in a live portfolio by two people, with the worked number
// 100 ÷ 9,100.
func TestTwoPeopleCorrectAFlow(t *testing.T) {
	h := newHarness(t).open(domain.ModeLive, quietPolicy, func(p *domain.Policy) { p.Rules = domain.SecondRules })
	h.deposit("10000")
	h.withdraw("9000")
	of, next := h.s.Next-1, h.s.Next
	h.fee("", "100")
	ask := func(a Adjustment) string {
		t.Helper()
		h.as(domain.RoleAdmin, "ada").must(askToAdjust(a))
		return lastOf[*domain.OverrideRequested](h).Override
	}
	refused := func(code domain.Code, a Adjustment, says string) {
		t.Helper()
		require.ErrorContains(t, h.as(domain.RoleAdmin, "ada").refused(code, askToAdjust(a)), says)
	}
	back := Adjustment{Account: "hot:treasury", Amount: dec("8100"), Flow: true, Of: &of}
	refused(domain.CodeInvalid, Adjustment{Account: back.Account, Amount: back.Amount, Flow: true}, "limits.of names the record")
	refused(domain.CodeInvalid, Adjustment{Account: back.Account, Amount: back.Amount, Of: &of}, "limits.of names the record")
	refused(domain.CodeNotFound, Adjustment{Account: back.Account, Amount: back.Amount, Flow: true, Of: &next}, "limits.of is no deposit or withdrawal")
	refused(domain.CodeInvalid, Adjustment{Account: back.Account, Amount: dec("9000.000001"), Flow: true, Of: &of}, "limits.amount must take back a part of the recorded -9000")
	ask(Adjustment{Account: back.Account, Amount: dec("9000"), Flow: true, Of: &of})

	id := ask(back) // takes the place of the open one
	require.Contains(t, h.s.overrideLines(h.s.Overrides[id]), fmt.Sprintf(`in words: "adds 8100 USDC to hot:treasury, as a correction of the deposit or withdrawal of revision %d, which is no profit or loss"`, of))
	h.as(domain.RoleApprover, "paul").must(confirming(id))
	require.Equal(t, []string{"override.recorded", "adjustment.posted"}, h.types())
	e := lastOf[*domain.AdjustmentPosted](h)
	require.Equal(t, &domain.AdjustmentPosted{Account: "hot:treasury", Asset: "USDC", Amount: dec("8100"), Flow: true, Of: &of, Reason: "test", Override: id}, e)
	require.True(t, h.s.Overrides[id].Adjusts(e))
	require.False(t, h.s.Overrides[id].Adjusts(&domain.AdjustmentPosted{Account: "hot:treasury", Asset: "USDC", Amount: dec("8100"), Reason: "test", Override: id}), "not as a profit")
	require.Equal(t, dec("100").Div(dec("9100")).Ratio(), h.drawdown().Ratio())
	h.equal("9100", h.s.Refs.Peak)

	late := ask(Adjustment{Account: back.Account, Amount: dec("900"), Flow: true, Of: &of})
	h.operator().withdraw("9000")
	h.as(domain.RoleApprover, "paul").refused(domain.CodeNotFound, confirming(late)) // decided twice: it slept, and its references begin anew
}

// "Paper portfolios keep one admin."
func TestOnePersonCorrectsPaper(t *testing.T) {
	h := paper(t, "100")
	require.False(t, h.s.CorrectedByTwo)
	h.adjust("hot:bot/a", "-1")
	require.Empty(t, lastOf[*domain.AdjustmentPosted](h).Override)
	h.as(domain.RoleAdmin, "ada").refused(domain.CodeConflict, askToAdjust(Adjustment{Account: "hot:bot/a", Amount: dec("1")}))
}

// "Signed where the portfolio has signed approvals."
func TestACorrectionIsSigned(t *testing.T) {
	h := funded(t)
	h.as(domain.RoleAdmin, "ada").must(askToAdjust(Adjustment{Account: "cold:treasury", Amount: dec("2")}))
	o := lastOf[*domain.OverrideRequested](h)
	h.s.SignedApprovals = true
	a, waits := h.s.ApprovalOf("ledger-1", approval.KindOverride, o.Override)
	require.True(t, waits && a.Signed)
	confirm := func(subject approval.Subject, by string) error {
		d := h.s.Clone().Begin(h.now, domain.Caller{User: "bob", Role: domain.RoleApprover})
		d.Approvers(approval.Approvers{Ledger: "ledger-1", Keys: []approval.Approver{{ID: "a1", User: "bob", Key: approvaltest.Public("bob"), RegisteredAt: noon, CountsFrom: noon}}})
		if by != "" {
			d.SignedWith(approvaltest.Sign(t, subject, by))
		}
		return d.ConfirmOverride(o.Override)
	}
	require.Equal(t, domain.CodeDenied, domain.CodeOf(confirm(a.Subject, "")))
	require.Equal(t, domain.CodeDenied, domain.CodeOf(confirm(a.Subject, "eve")))
	require.NoError(t, confirm(a.Subject, "bob"))
	for i := range a.Subject.Lines {
		changed := a.Subject
		changed.Lines = append([]string(nil), a.Subject.Lines...)
		changed.Lines[i] += "0"
		require.Equal(t, domain.CodeDenied, domain.CodeOf(confirm(changed, "bob")), changed.Lines[i])
	}
}

// "Its lines say the account, asset, amount with sign and in words (adds/takes), reason, the
// difference between ledger and chain that it would explain if there is one, the requester."
func TestLinesOfACorrection(t *testing.T) {
	h := funded(t)
	h.reconcile(but(h.readings(), "hot-1", "-7"))
	lines := func(a Adjustment) []string {
		t.Helper()
		h.as(domain.RoleAdmin, "ada").must(askToAdjust(a))
		return h.s.overrideLines(h.s.Overrides[lastOf[*domain.OverrideRequested](h).Override])
	}
	takes := lines(Adjustment{Account: "hot:treasury", Amount: dec("-5")})
	require.Equal(t, []string{
		"kind: adjustment", `account: "hot:treasury"`, `asset: "USDC"`, "amount: -5", `in words: "takes 5 USDC from hot:treasury"`,
		"chain − ledger: -7 when this was requested, -2 after it",
	}, takes[1:7])
	require.Contains(t, takes, `requested by: "ada"`)
	require.Contains(t, takes, `reason: "test"`)
	adds := lines(Adjustment{Account: "cold:treasury", Amount: dec("5"), Asset: "POL"})
	require.Contains(t, adds, `in words: "adds 5 POL to cold:treasury"`)
	for _, line := range adds {
		require.NotContains(t, line, "chain −", "there is no difference there")
	}
}

// "Checks again at that moment (account, asset, sign, that it is possible)."
func TestACorrectionIsDecidedWhenItIsConfirmed(t *testing.T) {
	h := funded(t)
	ask := func(a Adjustment) string {
		t.Helper()
		h.as(domain.RoleAdmin, "ada").must(askToAdjust(a))
		return lastOf[*domain.OverrideRequested](h).Override
	}
	h.as(domain.RoleAdmin, "ada")
	for _, x := range []struct {
		code    domain.Code
		content string
		says    string
	}{
		{domain.CodeInvalid, `{"account":"income:trading","amount":"1"}`, "limits.account must be hot:treasury"},
		{domain.CodeInvalid, `{"account":"hot:treasury","amount":"0"}`, "limits.amount must not be 0"},
		{domain.CodeInvalid, `{"account":"hot:bot/a","asset":"POL","amount":"1"}`, "limits.asset of a bot can only be USDC"},
		{domain.CodeInvalid, `{"account":"hot:treasury","asset":"a|b","amount":"1"}`, "limits.asset must be at most"},
		{domain.CodeNotFound, `{"account":"hot:bot/zz","amount":"1"}`, "is not registered"},
		{domain.CodeConflict, `{"account":"hot:treasury","amount":"-1500.000001"}`, "holds 1500 USDC in the books, so 1500.000001 cannot be taken from it"},
		{domain.CodeInvalid, `{"account":"hot:treasury","amount":"999999999999999"}`, "must not reach 10^15"},
		{domain.CodeInvalid, `{"account":"hot:treasury","amount":"1","more":1}`, "must be {account, asset, amount}"},
		{domain.CodeInvalid, `[]`, "must be {account, asset, amount}"},
	} {
		err := h.refused(x.code, func(d *Decision) error {
			return d.RequestOverride(domain.OverrideAdjustment, "", json.RawMessage(x.content), "x")
		})
		require.ErrorContains(t, err, x.says)
	}
	h.refused(domain.CodeInvalid, func(d *Decision) error {
		return d.RequestOverride(domain.OverrideAdjustment, "main", json.RawMessage(`{"account":"hot:treasury","amount":"1"}`), "x")
	})

	all := ask(Adjustment{Account: "hot:treasury", Amount: dec("-1500")})
	h.operator().must(func(d *Decision) error { return d.Allocate("a", dec("0.01")) })
	h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, confirming(all))

	// A difference that was explained in between is not explained twice.
	h.reconcile(but(h.readings(), "hot-1", "-7"))
	seven := ask(Adjustment{Account: "hot:treasury", Amount: dec("-7")})
	require.Equal(t, "-7", h.s.Overrides[seven].Difference.String())
	h.reconcile(h.readings())
	require.ErrorContains(t, h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, confirming(seven)), "is 0 USDC now, and was -7")
	h.reconcile(but(h.readings(), "hot-1", "-7"))
	h.must(confirming(seven))
	require.Empty(t, h.s.Custody.Differences, "it explains the difference")

	late := ask(Adjustment{Account: "hot:treasury", Amount: dec("1")})
	h.after(overrideTTL).as(domain.RoleApprover, "paul").refused(domain.CodeNotFound, confirming(late))
}

// A request replaces an open one for the same account and asset only.
func TestCorrectionsOfTwoAccountsWait(t *testing.T) {
	h := funded(t)
	h.as(domain.RoleAdmin, "ada")
	for _, a := range []Adjustment{
		{Account: "hot:treasury", Amount: dec("1")}, {Account: "cold:treasury", Amount: dec("1")}, {Account: "hot:treasury", Asset: "POL", Amount: dec("1")},
	} {
		h.must(askToAdjust(a))
	}
	require.Len(t, h.s.Approvals("ledger-1", h.now), 3)
	h.after(time.Second).must(askToAdjust(Adjustment{Account: "cold:treasury", Amount: dec("2")}))
	waiting := h.s.Approvals("ledger-1", h.now)
	require.Len(t, waiting, 3)
	require.Contains(t, waiting[2].Subject.Lines, `in words: "adds 2 USDC to cold:treasury"`)
}
