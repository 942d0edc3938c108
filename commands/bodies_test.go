package commands

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

// go test ./commands -run Bodies -rewrite-bodies writes testdata/bodies.txt anew.
// Only lines that are added may differ: see TestBodiesAreForEver.
var rewriteBodies = flag.Bool("rewrite-bodies", false, "write testdata/bodies.txt anew")

const bodiesFile = "testdata/bodies.txt"

var (
	someTime   = time.Date(2026, 3, 1, 10, 0, 0, 500, time.FixedZone("", 3600))
	someAmount = domain.MustDecimal("1.5")
	someNumber = domain.MustDecimal("2.000000000000000001")
	someFill   = domain.FillID{Bot: "alpha", Venue: "hub", TradeID: "t1", Leg: 2}
	someMarket = domain.Instrument{Market: "Rain & <wind>?", Outcome: "YES"}
	onlyFill   = domain.FillID{Bot: "alpha", TradeID: "t1"}

	somePayment = domain.Payment{Chain: "eip155:137", AssetID: "eip155:137/slip44:966", From: "0x1", To: "0x2", Amount: someAmount, HighestFee: someAmount}
)

const someAddress = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"

// somePolicy is not the default policy: the default may change, a body may not.
var somePolicy = domain.Policy{
	MaxConsecutiveLosses: 4, MaxDailyLossPct: someAmount, MaxBotDrawdownPct: someAmount, MaxPortfolioDrawdownPct: someAmount,
	BreakerWarnAt: someAmount, BreakerStops: domain.StopBot, ClosePositionsOnTrip: true, DailyLossTZ: "Europe/Berlin", LossDust: someAmount,
	ZoneBounds: []domain.Decimal{someAmount, someNumber}, BlockedZones: []int{1, 2},
	PermitTTL: domain.Duration(time.Minute), MarkMaxAge: domain.Duration(time.Hour), FeeBPS: someAmount,
}

// limitedPolicy also has the optional limits.
func limitedPolicy() domain.Policy {
	p := somePolicy
	p.MaxOrderUSD, p.MaxPositionUSD, p.MaxBotCapitalPct, p.MaxCategoryExposurePct = someAmount, someNumber, someAmount, someNumber
	p.MaxOpenPositions, p.MaxOrdersPerMinute = 7, 60
	return p
}

var someSignature = &domain.ApprovalSignature{Key: "pets-approver-1", Signature: "AA=="}

// bodies has every command with all its fields set, and with the required ones only. A
// new field gets a variant of its own, at the end, and is omitted from JSON if it is not
// set.
var bodies = []struct {
	variant string
	command Command
}{
	{"full", AllocateCapital{Bot: "alpha", Amount: someAmount}},
	{"full", AskPermit{
		Bot: "alpha", Instrument: someMarket, Kind: domain.KindPerp, Side: domain.Buy, Quantity: someNumber, LimitPrice: someAmount,
		Fee: &someAmount, ReduceOnly: true, TTL: domain.Duration(90 * time.Second),
	}},
	{"required", AskPermit{Bot: "alpha", Instrument: someMarket, Side: domain.Buy, Quantity: someNumber, LimitPrice: someAmount}},
	{"full", ChangeLimits{Limits: json.RawMessage(`{ "loss_dust": "0.5" }`), Reason: "calm & <quiet>"}},
	{"full", ConfirmClear{Request: "r1"}},
	{"full", ConfirmFill{FillID: someFill}},
	{"required", ConfirmFill{FillID: onlyFill}},
	{"full", EngageStop{Kind: "manual", Reason: "smoke"}},
	{"full", MarkPrices{Marks: []domain.Mark{
		{Market: "m", Outcome: "YES", Price: someAmount}, {Asset: "MATIC", Price: someNumber},
	}}},
	{"full", OpenPortfolio{
		ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: somePolicy, Clock: domain.ClockImported,
	}},
	{"required", OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: somePolicy}},
	{"full", PlacePermit{Permit: "p5", ExpiresAt: &someTime}},
	{"required", PlacePermit{Permit: "p5"}},
	{"full", PostAdjustment{Account: "hot:treasury", Asset: "MATIC", Amount: someAmount, Reason: "gas"}},
	{"required", PostAdjustment{Account: "hot:treasury", Amount: someAmount, Reason: "gas"}},
	{"of a flow", PostAdjustment{Account: "hot:treasury", Amount: someAmount, Reason: "mistyped", Flow: true, Of: new(uint64(7))}},
	{"full", RecordDeposit{Wallet: "hot", Asset: "USDC", Amount: someAmount, Tx: "0x1"}},
	{"required", RecordDeposit{Wallet: "hot", Amount: someAmount}},
	{"full", RecordFee{Bot: "alpha", Asset: "USDC", Amount: someAmount, Kind: "gas"}},
	{"required", RecordFee{Amount: someAmount, Kind: "gas"}},
	{"full", RecordFill{
		FillID: someFill, Instrument: someMarket, Side: domain.Sell, Quantity: someNumber, Price: someAmount, Notional: &someNumber,
		Fee: someAmount, PermitID: "p5", Status: "provisional", EffectiveAt: &someTime,
	}},
	{"required", RecordFill{FillID: onlyFill, Instrument: someMarket, Side: domain.Sell, Quantity: someNumber, Price: someAmount}},
	{"full", RecordTrade{Bot: "alpha", Market: "m", PnL: someAmount, Fee: someNumber, TradeID: "t1", EffectiveAt: &someTime}},
	{"required", RecordTrade{Bot: "alpha", Market: "m", PnL: someAmount, TradeID: "t1"}},
	{"full", RecordWithdrawal{Wallet: "cold", Asset: "USDC", Amount: someAmount, Tx: "0x1"}},
	{"required", RecordWithdrawal{Wallet: "cold", Amount: someAmount}},
	{"full", RedeemPosition{Bot: "alpha", Market: "m", Quantity: someNumber, Cash: someAmount}},
	{"required", RedeemPosition{Bot: "alpha", Market: "m"}},
	{"full", RegisterBot{ID: "alpha", Strategy: "sweep", Kind: "market_maker", Capital: someAmount, Start: true}},
	{"required", RegisterBot{ID: "alpha"}},
	{"full", RegisterMarket{Market: "m", Kind: domain.KindSpot, Outcomes: []string{"YES", "NO"}, Category: "weather"}},
	{"required", RegisterMarket{Market: "m", Kind: domain.KindSpot}},
	{"full", ReleasePermit{Permit: "p5", Reason: "cancelled"}},
	{"required", ReleasePermit{Permit: "p5"}},
	{"full", RequestClear{Reason: "all is well"}},
	{"full", ResetBreaker{Breaker: "bot_drawdown", Bot: "alpha", Reason: "reviewed", Rebase: true}},
	{"required", ResetBreaker{Breaker: "daily_loss", Reason: "reviewed"}},
	{"full", SetRowAside{Row: "fill:1"}},
	{"with a reason", SetRowAside{Row: "fill:1", Reason: "is no part of the body"}},
	{"full", SettleMarket{Instrument: someMarket, Payout: someAmount, Bot: "alpha"}},
	{"required", SettleMarket{Instrument: someMarket}},
	{"full", StartBot{Bot: "alpha"}},
	{"full", StopBot{Bot: "alpha", Reason: "holiday"}},
	{"required", StopBot{Bot: "alpha"}},
	{"full", VoidFill{FillID: someFill}},
	{"required", VoidFill{FillID: onlyFill}},
	{"limits and gate", OpenPortfolio{
		ID: "real", Mode: domain.ModeLive, BaseAsset: "USDC", BaseDecimals: 6, Limits: json.RawMessage(`{"loss_dust":"0.5"}`),
		Gate: &domain.Gate{Portfolio: "main", Revision: 7}, Defaults: somePolicy, Evidence: &portfolio.Evidence{Time: someTime},
	}},
	{"optional limits", OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: limitedPolicy()}},
	{"full", RequestOverride{Kind: "limits", Portfolio: "real", Limits: json.RawMessage(`{"loss_dust":"0.5"}`), Reason: "calm"}},
	{"required", RequestOverride{Kind: "go_live", Reason: "calm"}},
	{"full", ConfirmOverride{Override: "o8"}},
	{"full", IssueKey{User: "alice", Role: domain.RoleBot, Portfolio: "main", Bot: "alpha", Note: "laptop", Hash: "9f86d08"}},
	{"required", IssueKey{User: "alice", Role: domain.RoleOperator}},
	{"expiring", IssueKey{User: "alice", Role: domain.RoleOperator, ExpiresIn: domain.Duration(90 * 24 * time.Hour)}},
	{"full", RotateKey{Key: "k3", Overlap: new(domain.Duration(time.Hour)), ExpiresIn: domain.Duration(90 * 24 * time.Hour), Hash: "9f86d08"}},
	{"required", RotateKey{Key: "k3"}},
	{"full", RevokeKey{Key: "k3", Reason: "lost"}},
	{"required", RevokeKey{Key: "k3"}},
	{"full", BootstrapKey{User: "admin", Hash: "9f86d08"}},
	{"full", RecordDenials{Denials: []domain.AccessDenied{{
		Source: "192.0.2.7", Key: "k3", Code: "denied", Route: "state", Count: 2, From: someTime, To: someTime,
	}}}},
	{"intent", AskPermit{
		Bot: "alpha", Instrument: someMarket, Side: domain.Buy, Quantity: someNumber, LimitPrice: someAmount,
		Intent: domain.IntentMarketMaking, PaperFill: true,
	}},
	{"legs", AskPermit{
		Bot: "alpha", Intent: domain.IntentArbitrage, LegTimeout: domain.Duration(time.Minute), Legs: []Leg{
			{Instrument: someMarket, Kind: domain.KindOutcome, Side: domain.Buy, Quantity: someNumber, LimitPrice: someAmount, Fee: &someAmount},
			{Instrument: someMarket, Side: domain.Sell, Quantity: someNumber, LimitPrice: someAmount},
		},
	}},
	{"market maker", RegisterBot{ID: "alpha", Kind: "market_maker", Capital: someAmount, InventoryCap: someNumber}},
	{"full", TimeOutLegs{}},
	{"full", ClaimWallet{Address: someAddress, Wallet: "hot-1", Portfolio: "main"}},
	{"full", StartKeyRotation{To: "8b1a9953", Wallets: []string{"cold-1", "hot-1"}, Reason: "scheduled", After: "r2"}},
	{"required", StartKeyRotation{To: "8b1a9953"}},
	{"full", RecordReencrypted{Rotation: "r9", Wallet: "hot-1", Address: someAddress, From: "deadbeef", To: "8b1a9953"}},
	{"full", CompleteKeyRotation{Rotation: "r9"}},
	{"full", AddAddress{Chain: "eip155:137", Address: "0x1", Label: "bank"}},
	{"full", ApproveTransfer{Transfer: "x7", Hash: "ab"}},
	{"full", BroadcastTransfer{Transfer: "x7", TxHash: "0xab"}},
	{"full", ChangeTreasuryPolicy{Policy: json.RawMessage(`{ "min_rebalance_usd": "60" }`), Reason: "calm & <quiet>"}},
	{"full", ConfirmTransfer{Transfer: "x7", TxHash: "0xab", Block: 9, Fee: someAmount}},
	{"full", ExpireTransfers{}},
	{"full", FailTransfer{Transfer: "x7", Code: "reverted", Detail: "no", TxHash: "0xab", Fee: someAmount}},
	{"required", FailTransfer{Transfer: "x7", Code: "refused"}},
	{"in a block", FailTransfer{Transfer: "x7", Code: "reverted", TxHash: "0xab", Block: 9, Fee: someAmount}},
	{"full", CancelTransfer{Transfer: "x7", HighestFee: someAmount, Reason: "not wanted"}},
	{"required", CancelTransfer{Transfer: "x7", Reason: "not wanted"}},
	{"full", PrepareAgain{Transfer: "x7"}},
	{"full", RaiseFee{Transfer: "x7", HighestFee: someAmount, Reason: "stuck"}},
	{"full", ReopenTransfer{Transfer: "x7", Code: "nonce_unused", Detail: "no", Block: 9}},
	{"required", ReopenTransfer{Transfer: "x7", Code: "nonce_unused"}},
	{"unsigned", RejectTransfer{Transfer: "x7", Reason: "not now", Signed: new(bool)}},
	{"cancel", RepriceTransfer{Transfer: "x7", Prepared: Prepared{Transaction: json.RawMessage(`{"chain_id":137}`), Nonce: 4, Digest: "ab", Says: somePayment, Cancel: true}}},
	{"cancel", PrepareTransfer{Transfer: "x7", Prepared: Prepared{Transaction: json.RawMessage(`{"chain_id":137}`), Nonce: 4, Digest: "ab", Says: somePayment, Cancel: true}}},
	{"full", LoadWallet{Wallet: "hot-1"}},
	{"full", PrepareTransfer{Transfer: "x7", Prepared: Prepared{Transaction: json.RawMessage(`{"chain_id":137}`), Nonce: 4, Digest: "ab", Says: somePayment}}},
	{"full", ProposeRebalance{}},
	{"full", Reconcile{}},
	{"full", RecordKey{Wallet: "hot-1", Address: "0x1", Origin: "created", Path: "m/44'/60'/0'/0/0", KeyID: "8b1a9953"}},
	{"required", RecordKey{Wallet: "hot-1", Address: "0x1", Origin: "created", KeyID: "8b1a9953"}},
	{"full", RegisterWallet{Wallet: "hot-1", Place: "hot", Chain: "eip155:137", Address: "0x1", Named: map[string]string{"USDC": "eip155:137/erc20:0x2"}}},
	{"required", RegisterWallet{Wallet: "hot-1", Place: "hot", Chain: "eip155:137", Address: "0x1"}},
	{"full", RejectTransfer{Transfer: "x7", Reason: "not now"}},
	{"full", RemoveAddress{Chain: "eip155:137", Address: "0x1", Reason: "closed"}},
	{"full", RepriceTransfer{Transfer: "x7", Prepared: Prepared{Transaction: json.RawMessage(`{"chain_id":137}`), Nonce: 4, Digest: "ab", Says: somePayment}}},
	{"full", RequestTransfer{From: "hot", To: "cold", Asset: "USDC", Amount: someAmount, HighestFee: someAmount, Reason: "why", Sweep: true}},
	{"required", RequestTransfer{From: "hot", To: "cold", Reason: "why"}},
	{"evacuation", RequestTransfer{From: "cold", To: "0x1", Reason: "why", Evacuate: true}},
	{"full", RetireWallet{Wallet: "hot-1", Reason: "it leaked"}},
	{"full", MissKey{Wallet: "hot-1", Address: "0x1", Detail: "it is not in the keystore"}},
	{"required", MissKey{Wallet: "hot-1", Address: "0x1"}},
	{"full", SignOrder{Permit: "p5", Order: domain.TypedOrder{
		Shape: "polymarket-ctf-1", Digest: "ab", Chain: "eip155:137", Contract: "0x1", Signer: "0x2", Maker: "0x2", Token: "7", Collateral: "eip155:137/erc20:0x3",
		Side: domain.Buy, Quantity: someAmount, Notional: someAmount, FeeBPS: someAmount, ExpiresAt: &someTime,
	}}},
	{"full", SignTransfer{Transfer: "x7", Raw: "0x02"}},
	{"required", SignTransfer{Transfer: "x7"}},
	{"full", TestRecovery{Wallet: "hot-1", Address: "0x1"}},
	{"full", UseKey{Wallet: "hot-1", Purpose: "verify"}},
	{"tokens", RegisterMarket{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES"}, Tokens: map[string]string{"YES": "7"}}},
	{"full", AcceptRollback{Reason: "no newer copy", Witness: "damaged", Streams: []domain.RolledBack{{Stream: "system", Witnessed: 3, Found: 2}}, More: 4}},
	{"required", AcceptRollback{Reason: "no newer copy"}},
	{"signed", ConfirmClear{Request: "r1", Signature: someSignature}},
	{"signed", ConfirmOverride{Override: "o8", Signature: someSignature}},
	{"signed", ApproveTransfer{Transfer: "x7", Hash: "ab", Signature: someSignature}},
	{"full", RegisterApprover{User: "bea", PublicKey: "pets-approver-1", Note: "blue stick"}},
	{"required", RegisterApprover{User: "bea", PublicKey: "pets-approver-1"}},
	{"full", VouchApprover{Approver: "a4", Signature: someSignature}},
	{"full", RevokeApprover{Approver: "a4", Reason: "lost"}},
	{"required", RevokeApprover{Approver: "a4"}},
	{"condition", RegisterMarket{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES"}, Tokens: map[string]string{"YES": "7"}, Condition: "0xab"}},
	{"full", RecordFunding{Bot: "alpha", Instrument: someMarket, Amount: someAmount, FundingID: "f1"}},
	{"of a market", ConfirmFill{FillID: someFill, Market: "m"}},
	{"of a market", VoidFill{FillID: someFill, Market: "m"}},
	{"fee", RecordFill{
		FillID: onlyFill, Instrument: someMarket, Side: domain.Buy, Quantity: someNumber, Price: someAmount, Fee: someAmount, FeeAsset: "shares",
	}},
	{"leg", RecordDeposit{Wallet: "hot", Amount: someAmount, Tx: "0x1", Leg: 2}},
	{"leg", RecordWithdrawal{Wallet: "cold", Amount: someAmount, Tx: "0x1", Leg: 2}},
	{"group", AskPermit{
		Bot: "alpha", Instrument: someMarket, Side: domain.Sell, Quantity: someNumber, LimitPrice: someAmount, Group: "exit", TimeInForce: domain.ImmediateOrCancel,
	}},
	{"fully", StopBot{Bot: "alpha", Full: true}},
	{"exclusive", RegisterMarket{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Exclusive: new(bool)}},
	{"payouts", SettleMarket{Instrument: domain.Instrument{Market: "m"}, Payouts: map[string]domain.Decimal{"YES": someAmount, "NO": someNumber}}},
	{"void", SettleMarket{Instrument: domain.Instrument{Market: "m"}, Void: true}},
	{"full", CorrectSettlement{Market: "m", Payouts: map[string]domain.Decimal{"YES": someAmount, "NO": someNumber}, Reason: "wrong", Rebase: true}},
	{"void", CorrectSettlement{Market: "m", Void: true, Reason: "wrong"}},
	{"full", ChangeSets{Bot: "alpha", Market: "m", Action: domain.SplitSets, Quantity: someNumber, Fee: someAmount, SetID: "0x1"}},
	{"required", ChangeSets{Bot: "alpha", Market: "m", Action: domain.MergeSets, Quantity: someNumber, SetID: "0x1"}},
	{"adopt", ChangeLimits{Limits: json.RawMessage(`{}`), Reason: "calm", Adopt: true}},
}

// Bodies never change: the request hash of every recorded command was made of its name
// and body. If a line changed, the retry of a command, and every row of every imported
// file, would be answered with idempotency_mismatch instead of its first answer. So lines
// are added, never changed or removed.
func TestBodiesAreForEver(t *testing.T) {
	var b strings.Builder
	for _, tt := range bodies {
		body, err := json.Marshal(tt.command)
		require.NoError(t, err)
		b.WriteString(nameOf(tt.command) + " (" + tt.variant + ") " + string(body) + "\n")
	}
	if *rewriteBodies {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(bodiesFile, []byte(b.String()), 0o600))
		return
	}
	want, err := os.ReadFile(bodiesFile)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(want), "\n"), strings.Split(b.String(), "\n"))
}

// Every command type has a body, every field of it is set in one of them, and an optional
// field is not in the body if it is not set. mayDo has all the types.
func TestEveryFieldHasABody(t *testing.T) {
	covered := map[reflect.Type]map[string]bool{}
	for _, tt := range bodies {
		of := reflect.TypeOf(tt.command)
		if covered[of] == nil {
			covered[of] = map[string]bool{}
		}
		setFields(reflect.ValueOf(tt.command), "", covered[of])
	}
	for _, row := range mayDo {
		of := reflect.TypeOf(row.command("a"))
		require.NotNil(t, covered[of], "%s has no body", row.name)
		for _, field := range fieldsOf(of, "") {
			require.True(t, covered[of][field], "%s.%s is set in no body", row.name, field)
		}
	}
	require.Len(t, covered, len(mayDo))
}

// fieldsOf returns the names of a command's fields, with those of embedded structs.
func fieldsOf(t reflect.Type, prefix string) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("json") == "-" || !f.IsExported() && !f.Anonymous { // it is not part of the body
			continue
		}
		if f.Anonymous {
			names = append(names, fieldsOf(f.Type, prefix+f.Name+".")...)
			continue
		}
		names = append(names, prefix+f.Name)
	}
	return names
}

func setFields(v reflect.Value, prefix string, set map[string]bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case f.Anonymous:
			setFields(v.Field(i), prefix+f.Name+".", set)
		case !v.Field(i).IsZero():
			set[prefix+f.Name] = true
		}
	}
}

// "The canonical body must stay what it is for bodies that were fine before", and is what was sent
// where a mark cannot be read: a repeat is known, and another body is another request.
func TestTheBodyOfMarksIsWhatWasSent(t *testing.T) {
	for _, sent := range []string{
		`{"marks":[{"market":"a \u0026 b","outcome":"A","price":"0.5"},{"asset":"POL","price":"2"}]}`,
		`{"marks":[{"market":"m","outcome":"A","price":"0.5"},{"market":"m","outcome":"B","price":"1e-7"},7]}`,
	} {
		var c MarkPrices
		require.NoError(t, json.Unmarshal([]byte(sent), &c))
		body, err := canonical(&Request{Command: c})
		require.NoError(t, err)
		require.Equal(t, sent, string(body))
	}
	plain, err := json.Marshal(struct {
		Marks []domain.Mark `json:"marks"`
	}{[]domain.Mark{{Market: "m", Outcome: "A", Price: dec("0.5")}}})
	require.NoError(t, err)
	body, err := canonical(&Request{Command: MarkPrices{Marks: []domain.Mark{{Market: "m", Outcome: "A", Price: dec("0.5")}}}})
	require.NoError(t, err)
	require.Equal(t, string(plain), string(body))
}
