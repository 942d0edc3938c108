package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/portfolio"
)

// fakeCustodian does what custody does with keys and chains that do not exist: it adds
// what they would say, and lets the engine decide. What it is not told to do it fails.
type fakeCustodian struct {
	t      testing.TB
	engine *commands.Engine
	// chain is what wallets hold, by wallet and asset.
	chain  map[string]map[string]string
	signed int
	nudged int
	// settled are the kinds of overrides that came through custody.
	settled []string
}

const (
	hotAddress  = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
	coldAddress = "0x52908400098527886E0F7030069857D2E4169EE7"
	bankAddress = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
	usdcID      = "eip155:137/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
	real        = "/v1/portfolios/real"
)

func (f *fakeCustodian) RegisterWallet(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	c, ok := r.Command.(commands.RegisterWallet)
	require.True(f.t, ok)
	c.Assets = []domain.WalletAsset{{Asset: "POL", ID: "eip155:137/slip44:966", Decimals: 18, Native: true}, {Asset: "USDC", ID: usdcID, Decimals: 6}}
	r.Command = c
	return f.engine.Do(ctx, p, r)
}

func (f *fakeCustodian) RegisterMarket(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	return f.engine.Do(ctx, p, r)
}

func (f *fakeCustodian) AddAddress(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	return f.engine.Do(ctx, p, r)
}

func (f *fakeCustodian) VerifyWallet(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	c, ok := r.Command.(commands.UseKey)
	require.True(f.t, ok)
	c.Address = hotAddress
	r.Command = c
	return f.engine.Do(ctx, p, r)
}

func (f *fakeCustodian) LoadWallet(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	c, ok := r.Command.(commands.LoadWallet)
	require.True(f.t, ok)
	c.Address, c.Block, c.Balances = hotAddress, 7, []domain.WalletBalance{{Asset: "USDC", Amount: domain.MustDecimal("1000")}}
	r.Command = c
	return f.engine.Do(ctx, p, r)
}

func (f *fakeCustodian) ReadOrder(typed json.RawMessage) (domain.TypedOrder, error) {
	var o domain.TypedOrder
	if err := json.Unmarshal(typed, &o); err != nil {
		return o, domain.Invalid("typed_data", "is of no known shape")
	}
	return o, nil
}

func (f *fakeCustodian) SignOrder(ctx context.Context, p string, r commands.Request) (commands.Answer, string, error) {
	answer, err := f.engine.Do(ctx, p, r)
	if err != nil || !answer.Signature.Signed {
		return answer, "", err
	}
	f.signed++
	return answer, "0x" + strings.Repeat("ab", 65), nil
}

func (f *fakeCustodian) SignTransfer(ctx context.Context, p string, r commands.Request) (commands.Answer, custody.SignedTransaction, error) {
	c, ok := r.Command.(commands.SignTransfer)
	require.True(f.t, ok)
	c.Digest, c.TxHash = digest, "0x"+digest
	r.Command = c
	answer, err := f.engine.Do(ctx, p, r)
	return answer, custody.SignedTransaction{Raw: "0x02", Hash: c.TxHash}, err
}

func (f *fakeCustodian) ImportSigned(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	c, ok := r.Command.(commands.SignTransfer)
	require.True(f.t, ok)
	require.Equal(f.t, "0x02", c.Raw)
	c.Digest, c.TxHash = digest, "0x"+digest
	r.Command = c
	return f.engine.Do(ctx, p, r)
}

func (f *fakeCustodian) PrepareAgain(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	c, ok := r.Command.(commands.PrepareAgain)
	require.True(f.t, ok)
	return f.engine.Do(ctx, p, commands.Request{Caller: r.Caller, Key: r.Key, Command: c})
}

func (f *fakeCustodian) RequestOverride(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	c, ok := r.Command.(commands.RequestOverride)
	require.True(f.t, ok)
	f.settled = append(f.settled, c.Kind)
	return f.engine.Do(ctx, p, r)
}

func (f *fakeCustodian) ConfirmOverride(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	c, ok := r.Command.(commands.ConfirmOverride)
	require.True(f.t, ok)
	f.settled = append(f.settled, c.Override)
	return f.engine.Do(ctx, p, r)
}

func (f *fakeCustodian) Reconcile(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	c, ok := r.Command.(commands.Reconcile)
	require.True(f.t, ok)
	c.Block, c.BlockTime = 9, time.Now()
	for wallet, assets := range f.chain {
		for asset, amount := range assets {
			c.Readings = append(c.Readings, portfolio.Reading{Wallet: wallet, Asset: asset, Amount: domain.MustDecimal(amount)})
		}
	}
	r.Command = c
	return f.engine.Do(ctx, p, r)
}

func (f *fakeCustodian) RotateKeys(context.Context, domain.Caller, string) (custody.RotationReport, error) {
	return custody.RotationReport{Rotation: "r1", To: "8b1a9953", Resealed: []custody.Resealed{}, Completed: true}, nil
}

func (f *fakeCustodian) KeyStatus(context.Context) (custody.KeyStatus, error) {
	return custody.KeyStatus{Current: "8b1a9953", InUse: []custody.KeyUse{}}, nil
}

var digest = strings.Repeat("cd", 32)

// inCustody is a live portfolio "real" with 150 in a hot and 850 in a cold wallet, and
// bot alpha on 100 of it.
func inCustody(t *testing.T) (*rig, *fakeCustodian) {
	t.Helper()
	return inCustodyOf(t, newRig(t, rigged{}).opened())
}

func inCustodyOf(t *testing.T, r *rig) (*rig, *fakeCustodian) {
	t.Helper()
	f := &fakeCustodian{t: t, engine: r.engine, chain: map[string]map[string]string{
		"hot-1": {"USDC": "150", "POL": "0"}, "cold-1": {"USDC": "850", "POL": "0"},
	}}
	r.api.config.Custody, r.api.config.Nudge = f, func() { f.nudged++ }
	var asked struct{ ID string }
	r.post("operator", main+"/overrides", `{"kind":"go_live","portfolio":"real","reason":"a month on paper"}`).into(t, &asked)
	revision := r.must("approver", main+"/overrides/"+asked.ID+"/confirm", "")
	r.must("operator", "/v1/portfolios", fmt.Sprintf(`{"id":"real","mode":"live","gate":{"portfolio":"main","revision":%d}}`, revision))
	r.must("operator", real+"/deposits", `{"wallet":"hot","amount":"150"}`)
	r.must("operator", real+"/deposits", `{"wallet":"cold","amount":"850"}`)
	r.must("operator", real+"/bots", `{"id":"alpha","capital":"100"}`)
	r.must("operator", real+"/bots/alpha/start", "")
	r.must("admin", real+"/wallets", `{"wallet":"hot-1","place":"hot","chain":"eip155:137","address":"`+hotAddress+`"}`)
	r.must("admin", real+"/wallets", `{"wallet":"cold-1","place":"cold","chain":"eip155:137","address":"`+coldAddress+`"}`)
	return r, f
}

// A server without keys and chain says so, and records nothing.
func TestNoCustody(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	before := len(r.records("portfolio-main"))
	for path, body := range map[string]string{
		"/wallets":              `{"wallet":"hot-1","place":"hot","chain":"eip155:137","address":"` + hotAddress + `"}`,
		"/wallets/hot-1/verify": "", "/wallets/hot-1/load": "", "/reconcile": "",
		"/sign": `{"permit":"p1","typed_data":{}}`, "/transfers/x1/signed": `{"raw":"0x02"}`,
		"/address-book": `{"chain":"eip155:137","address":"` + bankAddress + `","label":"bank"}`,
	} {
		who := "operator"
		if path == "/wallets" || path == "/address-book" {
			who = "admin"
		}
		a := r.post(who, main+path, body)
		require.Equal(t, http.StatusConflict, a.status, "%s: %s", path, a.body)
	}
	require.Equal(t, http.StatusConflict, r.get("admin", "/v1/keys").status)
	require.Equal(t, http.StatusConflict, r.post("admin", "/v1/keys/rotate", "").status)
	require.Len(t, r.records("portfolio-main"), before)
}

// Wallets, address book and keys, as an operator types them.
func TestWalletRoutes(t *testing.T) {
	r, _ := inCustody(t)
	var wallets walletsAnswer
	r.get("auditor", real+"/wallets").into(t, &wallets)
	require.Len(t, wallets.Wallets, 2)
	require.Equal(t, []any{"cold-1", "hot-1", true}, []any{wallets.Wallets[0].Wallet, wallets.Wallets[1].Wallet, wallets.Wallets[1].Main})
	r.must("operator", real+"/wallets/hot-1/key", `{"address":"`+hotAddress+`","origin":"created","path":"m/44'/60'/0'/0/0","key_id":"8b1a9953"}`)
	r.must("operator", real+"/wallets/hot-1/load", "")
	r.must("operator", real+"/wallets/hot-1/verify", "")
	r.must("operator", real+"/wallets/hot-1/recovery-test", `{"address":"`+hotAddress+`"}`)
	r.get("auditor", real+"/wallets").into(t, &wallets)
	require.Equal(t, "8b1a9953", wallets.Wallets[1].KeyID)
	require.NotNil(t, wallets.Wallets[1].LoadedAt)
	require.NotNil(t, wallets.Wallets[1].RecoveryTestedAt)
	require.Equal(t, domain.CodeConflict, r.post("operator", real+"/wallets/hot-1/recovery-test", `{"address":"`+coldAddress+`"}`).code(t))
	require.Equal(t, domain.CodeConflict, r.post("admin", main+"/wallets", `{"wallet":"w","place":"hot","chain":"eip155:137","address":"`+bankAddress+`"}`).code(t), "a paper portfolio")

	r.must("admin", real+"/address-book", `{"chain":"eip155:137","address":"`+bankAddress+`","label":"bank"}`)
	var book bookAnswer
	r.get("operator", real+"/address-book").into(t, &book)
	require.Equal(t, "bank", book.Addresses[0].Label)
	require.Equal(t, "anna", book.Addresses[0].AddedBy)
	r.must("operator", real+"/address-book/remove", `{"chain":"eip155:137","address":"`+bankAddress+`","reason":"closed"}`)
	r.get("operator", real+"/address-book").into(t, &book)
	require.Empty(t, book.Addresses)

	var status custody.KeyStatus
	r.get("admin", "/v1/keys").into(t, &status)
	require.Equal(t, "8b1a9953", status.Current)
	var report custody.RotationReport
	r.post("admin", "/v1/keys/rotate", `{"reason":"90 days"}`).into(t, &report)
	require.True(t, report.Completed)
}

// "Approver ≠ requester by user; bound to the hash; one use."
func TestTransferRoutes(t *testing.T) {
	r, f := inCustody(t)
	a := r.post("operator", real+"/transfers", `{"from":"hot","to":"cold","amount":"20","reason":"too much in hot"}`)
	var asked struct{ ID string }
	a.into(t, &asked)
	require.Equal(t, 1, f.nudged)
	var waiting transfersAnswer
	r.get("approver", real+"/approvals").into(t, &waiting)
	require.Len(t, waiting.Transfers, 1)
	x := waiting.Transfers[0]
	require.Equal(t, asked.ID, x.Transfer)
	require.Equal(t, []string{"it touches the cold wallet"}, x.ApprovalFor)
	approve := real + "/transfers/" + x.Transfer + "/approve"
	require.Equal(t, domain.CodeDenied, r.post("olga", approve, `{"hash":"`+x.Hash+`"}`).code(t), "her own, under another hat")
	require.Equal(t, domain.CodeDenied, r.post("admin", approve, `{"hash":"`+x.Hash+`"}`).code(t), "admin cannot approve")
	require.Equal(t, domain.CodeConflict, r.post("approver", approve, `{"hash":"`+digest+`"}`).code(t))
	r.must("approver", approve, `{"hash":"`+x.Hash+`"}`)
	require.Equal(t, domain.CodeNotFound, r.post("approver", real+"/transfers/x9999/approve", `{"hash":"`+x.Hash+`"}`).code(t))
	require.Equal(t, 2, f.nudged)
	var all transfersAnswer
	r.get("auditor", real+"/transfers").into(t, &all)
	require.Equal(t, "approved", string(all.Transfers[0].Status))
	require.Equal(t, "bob", all.Transfers[0].ApprovedBy)
	r.must("operator", real+"/transfers/"+x.Transfer+"/reject", `{"reason":"changed my mind"}`)
	require.Equal(t, domain.CodeConflict, r.post("operator", real+"/sign", `{"transfer":"`+x.Transfer+`"}`).code(t), "it is over")
	require.Equal(t, domain.CodeDenied, r.get("alpha", real+"/transfers").code(t), "not a bot's to see")
}

// The treasury's figures, policy and proposals.
func TestTreasuryRoutes(t *testing.T) {
	r, _ := inCustody(t)
	var v treasuryAnswer
	r.get("auditor", real+"/treasury").into(t, &v)
	require.Equal(t, "0.15", v.Figures.Share.String())
	require.Nil(t, v.Proposal)
	r.must("admin", real+"/treasury-policy", `{"hot_wallet_percentage":"0.10","reason":"less in hot"}`)
	require.Equal(t, domain.CodeDenied, r.post("admin", real+"/treasury-policy", `{"approval_threshold_usd":"5000","reason":"too slow"}`).code(t))
	require.Equal(t, domain.CodeInvalid, r.post("admin", real+"/treasury-policy", `{"hot_wallet_percentage":"15","reason":"x"}`).code(t))
	r.get("auditor", real+"/treasury").into(t, &v)
	require.NotNil(t, v.Proposal)
	require.Equal(t, []string{"hot", "cold", "50"}, []string{v.Proposal.From, v.Proposal.To, v.Proposal.Amount.String()}, "all that is free: the bot has the rest")
	r.must("operator", real+"/rebalance", "")
	var waiting transfersAnswer
	r.get("approver", real+"/approvals").into(t, &waiting)
	require.Equal(t, "0.15", waiting.Transfers[0].Rebalance.Share.String())
	require.Equal(t, "rebalance", waiting.Transfers[0].Kind)

	var asked struct{ ID string }
	r.post("operator", real+"/overrides", `{"kind":"treasury_policy","limits":{"approval_threshold_usd":"5000"},"reason":"too slow"}`).into(t, &asked)
	r.must("approver", real+"/overrides/"+asked.ID+"/confirm", "")
	r.get("auditor", real+"/treasury").into(t, &v)
	require.Equal(t, "5000", v.Policy.ApprovalThresholdUSD.String(), "two people may")
}

// "A difference is an event … and stops outgoing transfers until explained."
func TestReconcileRoute(t *testing.T) {
	r, f := inCustody(t)
	r.must("operator", real+"/reconcile", "")
	var v treasuryAnswer
	r.get("auditor", real+"/treasury").into(t, &v)
	require.Empty(t, v.Differences)
	require.NotNil(t, v.ReconciledAt)
	f.chain["hot-1"]["USDC"] = "140"
	r.must("operator", real+"/reconcile", "")
	r.get("auditor", real+"/treasury").into(t, &v)
	require.Equal(t, "-10", v.Differences[0].Difference.String())
	alone := r.post("admin", real+"/adjustments", `{"account":"hot:treasury","amount":"-10","reason":"an old fee"}`)
	require.Equal(t, domain.CodeDenied, alone.code(t))
	require.Contains(t, alone.problem(t).Detail, "two people: POST …/overrides with kind adjustment")
	require.Equal(t, domain.CodeDenied, r.post("operator", real+"/overrides", `{"kind":"adjustment","limits":{"account":"hot:treasury","amount":"-10"},"reason":"an old fee"}`).code(t), "an admin asks")
	var asked commands.Answer
	r.post("admin", real+"/overrides", `{"kind":"adjustment","limits":{"amount":"-10","account":"hot:treasury"},"reason":"an old fee"}`).into(t, &asked)
	r.must("approver", real+"/overrides/"+asked.ID+"/confirm", "")
	r.get("auditor", real+"/treasury").into(t, &v)
	require.Empty(t, v.Differences)
}

// "sign gives a signature … only under a live permit or an approved transfer."
func TestSignRoute(t *testing.T) {
	r, f := inCustody(t)
	r.must("operator", real+"/markets", `{"market":"m","kind":"outcome","outcomes":["YES","NO"],"tokens":{"YES":"7","NO":"8"}}`)
	token, hash := NewToken()
	r.keys["alpha-real"] = token
	r.system(domain.Caller{User: "anna", Role: domain.RoleAdmin}, commands.IssueKey{User: "alpha", Role: domain.RoleBot, Portfolio: "real", Bot: "alpha", Hash: hash})
	if head, _, err := r.engine.SystemHead(context.Background()); err == nil {
		require.NoError(t, r.ring.Wait(context.Background(), head))
	}
	var p permitAnswered
	r.post("alpha-real", real+"/permits", permitBody("alpha", "10")).into(t, &p)
	require.True(t, p.Allowed, "%v", p.Reasons)
	order := func(quantity, notional string) string {
		return fmt.Sprintf(`{"permit":%q,"typed_data":{"shape":"test","digest":%q,"chain":"eip155:137","contract":"0x1","signer":%q,"maker":%q,"token":"7","collateral":%q,"side":"buy","quantity":%q,"notional":%q,"fee_bps":"0"}}`,
			p.PermitID, digest, hotAddress, hotAddress, usdcID, quantity, notional)
	}
	var v signAnswer
	a := r.post("alpha-real", real+"/sign", order("10", "5.01"))
	a.into(t, &v)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.False(t, v.Signed)
	require.Equal(t, domain.SignPrice, v.Reasons[0].Code)
	require.Empty(t, v.Signature)
	a = r.post("alpha-real", real+"/sign", order("10", "5"))
	v = signAnswer{}
	a.into(t, &v)
	require.True(t, v.Signed)
	require.Equal(t, "0x"+strings.Repeat("ab", 65), v.Signature)
	require.Equal(t, digest, v.Digest)
	require.Equal(t, 1, f.signed)
	require.NotContains(t, string(r.records("portfolio-real")[v.Revision].Data), "abab", "no record has the signature")

	for _, bad := range []string{
		`{}`, `{"permit":"p1"}`, `{"typed_data":{}}`, `{"permit":"p1","typed_data":{},"transfer":"x1"}`, `{"transfer":""}`,
	} {
		require.Equal(t, domain.CodeInvalid, r.post("alpha-real", real+"/sign", bad).code(t), bad)
	}
	require.Equal(t, domain.CodeDenied, r.post("alpha-real", real+"/sign", `{"transfer":"x1"}`).code(t), "a bot moves no money")
	r.must("operator", real+"/emergency-stop", `{"kind":"manual","reason":"drill"}`)
	v = signAnswer{}
	r.post("alpha-real", real+"/sign", order("10", "5")).into(t, &v)
	require.False(t, v.Signed)
	require.Equal(t, domain.SignEmergencyStop, v.Reasons[0].Code)
}

// What became of a transfer that the server cannot find out is told by two people: an
// override whose limits are read as strictly as any other body.
func TestSettlingATransferRoute(t *testing.T) {
	r, _ := inCustody(t)
	for limits, code := range map[string]domain.Code{
		`{"transfer":"x999","outcome":"confirmed","tx_hash":"0x` + digest + `","block":7,"fee":"0"}`:                 domain.CodeNotFound,
		`{"transfer":"x999","outcome":"confirmed","tx_hash":"0x` + digest + `","block":7}`:                           domain.CodeInvalid,
		`{"transfer":"x999","outcome":"confirmed","tx_hash":"0x` + digest + `","block":7,"fee":"0","more":"canary"}`: domain.CodeInvalid,
		`{"transfer":"x999","outcome":"confirmed","tx_hash":"0x` + digest + `","block":"7","fee":"0"}`:               domain.CodeInvalid,
		`"canary"`: domain.CodeInvalid,
	} {
		a := r.post("operator", real+"/overrides", `{"kind":"transfer","reason":"the nodes have forgotten it","limits":`+limits+`}`)
		require.Equal(t, code, a.code(t), limits)
		require.NotContains(t, a.body, "canary")
	}
}

// "Overrides are checked on chain whenever endpoints answer": both people's words go
// through the custodian, which asks the chain.
func TestSettlementsGoThroughTheCustodian(t *testing.T) {
	r, f := inCustody(t)
	f.settled = nil
	r.post("operator", real+"/overrides", `{"kind":"transfer","reason":"x","limits":{"transfer":"x999","outcome":"failed","tx_hash":"0x`+digest+`","block":7,"fee":"0"}}`)
	require.Equal(t, []string{"transfer"}, f.settled)
	require.Equal(t, domain.CodeNotFound, r.post("approver", real+"/overrides/o999/confirm", "").code(t))
	require.Equal(t, []string{"transfer", "o999"}, f.settled)
}

// "“Raise the fee” is a new approval": it waits among the approvals with its own hash, and
// the routes of the other ways out are there.
func TestWaysOutOfATransfer(t *testing.T) {
	r, f := inCustody(t)
	var asked struct{ ID string }
	r.post("operator", real+"/transfers", `{"from":"hot","to":"cold","amount":"20","highest_fee":"0.5","reason":"too much in hot"}`).into(t, &asked)
	at := real + "/transfers/" + asked.ID
	var list transfersAnswer
	r.get("approver", real+"/approvals").into(t, &list)
	r.must("approver", at+"/approve", `{"hash":"`+list.Transfers[0].Hash+`"}`)
	list = transfersAnswer{}
	r.get("approver", real+"/approvals").into(t, &list)
	require.Empty(t, list.Transfers)

	nudged := f.nudged
	r.must("operator", at+"/raise", `{"highest_fee":"0.8","reason":"the base fee has doubled"}`)
	require.Equal(t, nudged+1, f.nudged)
	r.get("approver", real+"/approvals").into(t, &list)
	require.Len(t, list.Transfers, 1)
	raise := list.Transfers[0].Raise
	require.Equal(t, "0.8", raise.HighestFee.String())
	var shown, was approvalAnswer
	r.get("auditor", real+"/approvals/transfer/"+asked.ID).into(t, &shown)
	require.Subset(t, shown.Subject.Lines, []string{"raises the highest fee from: 0.5 " + list.Transfers[0].GasAsset, "hash: " + raise.Hash})
	require.Empty(t, shown.ApprovedBy)
	require.Equal(t, domain.CodeDenied, r.post("olga", at+"/approve", `{"hash":"`+raise.Hash+`"}`).code(t), "her own")
	r.must("approver", at+"/approve", `{"hash":"`+raise.Hash+`"}`)
	list = transfersAnswer{}
	r.get("auditor", real+"/transfers").into(t, &list)
	require.Equal(t, [2]string{"0.8", raise.Hash}, [2]string{list.Transfers[0].Payment.HighestFee.String(), list.Transfers[0].Hash})
	require.Nil(t, list.Transfers[0].Raise)
	require.Equal(t, raise, list.Transfers[0].Raised)
	r.get("auditor", real+"/approvals/transfer/"+asked.ID).into(t, &was)
	require.Equal(t, shown.Subject, was.Subject, "what was approved")
	require.NotEmpty(t, was.ApprovedBy)

	require.Equal(t, domain.CodeConflict, r.post("operator", at+"/cancel", `{"reason":"it holds no nonce"}`).code(t))
	require.Equal(t, domain.CodeDenied, r.post("approver", at+"/cancel", `{"reason":"x"}`).code(t))
	require.Contains(t, []domain.Code{domain.CodeConflict, domain.CodeDenied}, r.post("operator", at+"/prepare", "").code(t), "it was not prepared")
	r.must("operator", at+"/reject", `{"reason":"changed my mind","signed":false}`)
}

// "Issuing an approver key is a critical alert."
func TestAnApproverKeyIsTold(t *testing.T) {
	r := newRig(t, rigged{})
	var log strings.Builder
	r.api.log = slog.New(slog.NewTextHandler(&log, nil))
	require.Equal(t, http.StatusOK, r.post("admin", "/v1/api-keys", `{"user":"otto","role":"operator"}`).status)
	require.NotContains(t, log.String(), "CRITICAL")
	require.Equal(t, http.StatusOK, r.post("admin", "/v1/api-keys", `{"user":"bea","role":"approver"}`).status)
	require.Contains(t, log.String(), "CRITICAL: an approver key was issued")
	require.Contains(t, log.String(), "user=bea by=anna")
	require.NotContains(t, log.String(), tokenPrefix)
}
