package commands

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

var roles = []domain.Role{
	domain.RoleBot, domain.RoleFeed, domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin, domain.RoleAuditor,
}

// mayDo is the rule of the roles as a table: "bot (own permits, fills, trades, sign),
// feed (marks), operator (everything operational), approver (approve, reject,
// confirm), admin (keys, policy, adjustments), auditor (reads everything,
// exports). Admin cannot approve; break-glass can only stop things."
var mayDo = []struct {
	name    string
	command func(bot string) Command
	roles   string // the roles that may
	own     bool   // a bot may, for itself only
}{
	{"AcceptRollback", func(string) Command { return AcceptRollback{} }, "operator", false},
	{"AddAddress", func(string) Command { return AddAddress{} }, "admin", false},
	{"AllocateCapital", func(b string) Command { return AllocateCapital{Bot: b} }, "operator admin", false},
	{"ApproveTransfer", func(string) Command { return ApproveTransfer{} }, "approver", false},
	{"AskPermit", func(b string) Command { return AskPermit{Bot: b} }, "bot operator admin", true},
	{"BootstrapKey", func(string) Command { return BootstrapKey{} }, "admin", false},
	{"BroadcastTransfer", func(string) Command { return BroadcastTransfer{} }, "admin", false},
	{"ChangeLimits", func(string) Command { return ChangeLimits{} }, "admin", false},
	{"ChangeTreasuryPolicy", func(string) Command { return ChangeTreasuryPolicy{} }, "admin", false},
	{"ClaimWallet", func(string) Command { return ClaimWallet{} }, "admin", false},
	{"CompleteKeyRotation", func(string) Command { return CompleteKeyRotation{} }, "admin", false},
	{"ConfirmClear", func(string) Command { return ConfirmClear{} }, "approver", false},
	{"ConfirmFill", func(b string) Command { return ConfirmFill{FillID: domain.FillID{Bot: b}} }, "bot operator admin", true},
	{"ConfirmOverride", func(string) Command { return ConfirmOverride{} }, "approver", false},
	{"ConfirmTransfer", func(string) Command { return ConfirmTransfer{} }, "admin", false},
	{"EngageStop", func(string) Command { return EngageStop{} }, "operator approver admin", false},
	{"ExpireTransfers", func(string) Command { return ExpireTransfers{} }, "admin", false},
	{"CancelTransfer", func(string) Command { return CancelTransfer{} }, "operator admin", false},
	{"PrepareAgain", func(string) Command { return PrepareAgain{} }, "operator admin", false},
	{"RaiseFee", func(string) Command { return RaiseFee{} }, "operator admin", false},
	{"ReopenTransfer", func(string) Command { return ReopenTransfer{} }, "admin", false},
	{"FailTransfer", func(string) Command { return FailTransfer{} }, "admin", false},
	{"RotateKey", func(string) Command { return RotateKey{} }, "admin", false},
	{"IssueKey", func(string) Command { return IssueKey{} }, "admin", false},
	{"LoadWallet", func(string) Command { return LoadWallet{} }, "operator admin", false},
	{"MarkPrices", func(string) Command { return MarkPrices{} }, "bot feed operator admin", false},
	{"MissKey", func(string) Command { return MissKey{} }, "admin", false},
	{"OpenPortfolio", func(string) Command { return OpenPortfolio{} }, "operator admin", false},
	{"PlacePermit", func(string) Command { return PlacePermit{} }, "bot operator admin", false},
	{"PostAdjustment", func(string) Command { return PostAdjustment{} }, "admin", false},
	{"PrepareTransfer", func(string) Command { return PrepareTransfer{} }, "admin", false},
	{"ProposeRebalance", func(string) Command { return ProposeRebalance{} }, "operator admin", false},
	{"Reconcile", func(string) Command { return Reconcile{} }, "operator admin", false},
	{"RecordDenials", func(string) Command { return RecordDenials{} }, "admin", false},
	{"RecordDeposit", func(string) Command { return RecordDeposit{} }, "operator admin", false},
	{"RecordFee", func(b string) Command { return RecordFee{Bot: b} }, "operator admin", false},
	{"RecordFill", func(b string) Command { return RecordFill{FillID: domain.FillID{Bot: b}} }, "bot operator admin", true},
	{"RecordFunding", func(b string) Command { return RecordFunding{Bot: b} }, "bot operator admin", true},
	{"RecordKey", func(string) Command { return RecordKey{} }, "operator admin", false},
	{"RecordReencrypted", func(string) Command { return RecordReencrypted{} }, "admin", false},
	{"RecordTrade", func(b string) Command { return RecordTrade{Bot: b} }, "bot operator admin", true},
	{"RecordWithdrawal", func(string) Command { return RecordWithdrawal{} }, "operator admin", false},
	{"RedeemPosition", func(b string) Command { return RedeemPosition{Bot: b} }, "operator admin", false},
	{"RegisterApprover", func(string) Command { return RegisterApprover{} }, "admin", false},
	{"RegisterBot", func(b string) Command { return RegisterBot{ID: b} }, "operator admin", false},
	{"RegisterMarket", func(string) Command { return RegisterMarket{} }, "operator admin", false},
	{"RegisterWallet", func(string) Command { return RegisterWallet{} }, "admin", false},
	{"RejectTransfer", func(string) Command { return RejectTransfer{} }, "operator approver admin", false},
	{"ReleasePermit", func(string) Command { return ReleasePermit{} }, "bot operator admin", false},
	{"RemoveAddress", func(string) Command { return RemoveAddress{} }, "operator admin", false},
	{"RepriceTransfer", func(string) Command { return RepriceTransfer{} }, "admin", false},
	{"RequestClear", func(string) Command { return RequestClear{} }, "operator approver", false},
	{"RequestOverride", func(string) Command { return RequestOverride{} }, "operator approver admin", false},
	{"RequestTransfer", func(string) Command { return RequestTransfer{} }, "operator admin", false},
	{"ResetBreaker", func(string) Command { return ResetBreaker{} }, "operator admin", false},
	{"RetireWallet", func(string) Command { return RetireWallet{} }, "operator approver admin", false},
	{"RevokeApprover", func(string) Command { return RevokeApprover{} }, "approver admin", false},
	{"RevokeKey", func(string) Command { return RevokeKey{} }, "admin", false},
	{"SetRowAside", func(string) Command { return SetRowAside{} }, "operator admin", false},
	{"CorrectSettlement", func(string) Command { return CorrectSettlement{} }, "operator admin", false},
	{"ChangeSets", func(b string) Command { return ChangeSets{Bot: b} }, "bot operator admin", true},
	{"SettleMarket", func(string) Command { return SettleMarket{} }, "feed operator admin", false},
	{"SignOrder", func(string) Command { return SignOrder{} }, "bot operator", false},
	{"SignTransfer", func(string) Command { return SignTransfer{} }, "operator admin", false},
	{"StartBot", func(b string) Command { return StartBot{Bot: b} }, "operator admin", false},
	{"StartKeyRotation", func(string) Command { return StartKeyRotation{} }, "admin", false},
	{"StopBot", func(b string) Command { return StopBot{Bot: b} }, "operator admin", false},
	{"TestRecovery", func(string) Command { return TestRecovery{} }, "operator admin", false},
	{"TimeOutLegs", func(string) Command { return TimeOutLegs{} }, "admin", false},
	{"UseKey", func(string) Command { return UseKey{} }, "operator admin", false},
	{"VoidFill", func(b string) Command { return VoidFill{FillID: domain.FillID{Bot: b}} }, "bot operator admin", true},
	{"VouchApprover", func(string) Command { return VouchApprover{} }, "approver", false},
}

// Every cell of role × command.
func TestRolesAndCommands(t *testing.T) {
	for _, tt := range mayDo {
		allowed := strings.Fields(tt.roles)
		for _, role := range roles {
			c := domain.Caller{User: "u", Role: role}
			if role == domain.RoleBot {
				c.Bot = "mine"
			}
			err := authorise(&Request{Caller: c, Key: "k", Command: tt.command("mine")})
			if contains(allowed, string(role)) {
				require.NoError(t, err, "%s by %s", tt.name, role)
			} else {
				requireCode(t, domain.CodeDenied, err)
			}
		}
		if tt.own { // "other bots' ids denied"
			c := domain.Caller{User: "u", Role: domain.RoleBot, Bot: "mine"}
			requireCode(t, domain.CodeDenied, authorise(&Request{Caller: c, Key: "k", Command: tt.command("other")}))
			require.NoError(t, authorise(&Request{Caller: olga, Key: "k", Command: tt.command("other")}))
		}
		for _, c := range []domain.Caller{{}, {User: "u"}, {Role: domain.RoleAdmin}} {
			requireCode(t, domain.CodeUnauthenticated, authorise(&Request{Caller: c, Key: "k", Command: tt.command("mine")}))
		}
		requireCode(t, domain.CodeDenied, authorise(&Request{Caller: domain.Caller{User: "u", Role: "root"}, Command: tt.command("mine")}))
		requireCode(t, domain.CodeDenied, authorise(&Request{Caller: domain.Caller{User: "u", Role: domain.RoleBot}, Command: tt.command("mine")}))
	}
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

// "bot (own permits …)": through the writer, a bot's key cannot touch another
// bot's permit, nor use its own for another bot; nothing is recorded.
func TestABotActsForItselfOnly(t *testing.T) {
	r := newRig(t).opened("a", "b")
	granted := r.must(botCaller("a"), permit("a", "1"))
	all := len(r.records())
	r.refused(domain.CodeDenied, botCaller("b"), PlacePermit{Permit: granted.Permit.PermitID})
	r.refused(domain.CodeDenied, botCaller("b"), ReleasePermit{Permit: granted.Permit.PermitID})
	r.refused(domain.CodeDenied, botCaller("b"), permit("a", "1"))
	r.refused(domain.CodeDenied, botCaller("b"), fill("a", "1", "buy", "1", "0.5"))
	r.refused(domain.CodeInvalid, botCaller("b"), permit("", "1"))
	r.refused(domain.CodeInvalid, botCaller("b"), fill("", "1", "buy", "1", "0.5"))
	require.Len(t, r.records(), all)
	r.must(botCaller("a"), PlacePermit{Permit: granted.Permit.PermitID})
	r.check()
}

// A request without a command is refused like any other invalid one.
func TestARequestWithoutACommand(t *testing.T) {
	r := newRig(t).opened()
	r.refused(domain.CodeInvalid, olga, nil)
	r.check()
}
