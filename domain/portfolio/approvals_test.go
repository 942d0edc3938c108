package portfolio

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
)

// The lines hold everything that matters of a transfer: of the approved payment, portfolio,
// chain, asset, amount, from, to, kind, highest fee, hash and expiry.
func TestLinesOfATransfer(t *testing.T) {
	h := funded(t)
	h.must(func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: domain.WalletHot, To: friend, Amount: domain.MustDecimal("5"), Reason: `rent: "March"`})
	})
	all := h.s.Approvals("ledger-1", h.now)
	require.Len(t, all, 1)
	x := h.s.Custody.Transfers[all[0].ID]
	require.Equal(t, approval.Subject{Ledger: "ledger-1", Portfolio: h.s.Portfolio, Kind: approval.KindTransfer, Lines: TransferLines(&x.TransferRequested)}, all[0].Subject)
	text := strings.Join(all[0].Subject.Lines, "\n")
	for what, part := range map[string]string{
		"name": x.Transfer, "chain": x.Chain, "asset": x.AssetID, "amount": x.Amount.String() + " USDC", "from": x.From, "to": x.To, "kind": domain.TransferWithdrawal,
		"highest fee": x.HighestFee.String(), "hash": x.Hash, "expires": x.ExpiresAt.Format(time.RFC3339Nano), "who": x.User, "why": `"rent: \"March\""`, "rule": x.ApprovalFor[0],
	} {
		require.Contains(t, text, part, what)
	}
	_, err := all[0].Subject.Text()
	require.NoError(t, err)
	require.Empty(t, h.s.Approvals("ledger-1", x.ExpiresAt), "it has expired")
}

// What an override sets is shown key by key, one line each, whatever is in its texts; a
// key that stands there twice is shown twice.
func TestLinesOfAPatch(t *testing.T) {
	for patch, want := range map[string][]string{
		`{"loss_dust":"0.5","a":[1, {"b":2}]}`: {`sets "a": [1, {"b":2}]`, `sets "loss_dust": "0.5"`},
		`{"a":"x","a":"y"}`:                    {`sets "a": "x"`, `sets "a": "y"`},
		"{\"a\":\"line\u2028break\u202e\"}":    {`sets "a": "line\u2028break\u202e"`},
		"{\"a\":[1,\n\t2]}":                    {`sets "a": [1,  2]`},
		"{\"a\":\"\U000e0041\"}":               {`sets "a": "\udb40\udc41"`},
		"{\"a\\u000abc\":1}":                   {`sets "a\nbc": 1`},
		`{}`:                                   nil,
		``:                                     nil,
	} {
		got := patchLines(json.RawMessage(patch))
		require.Equal(t, want, got, patch)
		if len(got) > 0 {
			_, err := approval.Subject{Ledger: "l", Portfolio: "p", Kind: "k", Lines: got}.Text()
			require.NoError(t, err, patch)
		}
	}
}

// The outcome of a transfer is approved with the transfer in full, and the clock with the
// bounds of what may be recorded.
func TestLinesOfOverrides(t *testing.T) {
	h := funded(t)
	h.must(func(d *Decision) error {
		return d.RequestTransfer(TransferRequest{From: domain.WalletHot, To: friend, Amount: domain.MustDecimal("5"), Reason: "rent"})
	})
	x := h.s.Custody.SortedTransfers()[0]
	o := &Override{
		ID: "o9", Kind: domain.OverrideTransfer, Limits: json.RawMessage(`{"transfer":"` + x.Transfer + `","outcome":"failed","tx_hash":"0xab","block":7,"fee":"0"}`),
		User: "olga", Reason: "forgotten", ExpiresAt: h.now,
	}
	lines := h.s.overrideLines(o)
	require.Contains(t, lines, `sets "outcome": "failed"`)
	require.Subset(t, lines, TransferLines(&x.TransferRequested))
	clock := h.s.overrideLines(&Override{ID: "o9", Kind: domain.OverrideClock, Offset: domain.Duration(48 * time.Hour), User: "olga", Reason: "it was ahead", ExpiresAt: h.now})
	require.Contains(t, clock, "moves the clock by at most: 48h0m2s")
	require.Contains(t, clock, "and by at least: 24h0m0s")
}

// A waiting key does not count earlier where the stream's time is ahead of the wall clock:
// because it was accepted once, or because it stands still now.
func TestSignaturesCountByTheWallClock(t *testing.T) {
	h := newHarness(t)
	h.open(domain.ModeLive, quietPolicy)
	h.deposit("1000")
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopManual, "smoke") })
	h.must(func(d *Decision) error { return d.RequestClear("no fire") })
	a, waits := h.s.ApprovalOf("ledger-1", approval.KindClear, h.s.Stop.Request)
	require.True(t, waits)
	confirm := func(countsFrom time.Time, still Standstill) error {
		s := h.s.Clone()
		s.SignedApprovals = true
		d := s.Begin(h.now, domain.Caller{User: "bob", Role: domain.RoleApprover})
		d.Behind(still)
		d.Approvers(approval.Approvers{Ledger: "ledger-1", Keys: []approval.Approver{
			{ID: "a1", User: "bob", Key: approvaltest.Public("bob"), RegisteredAt: countsFrom.Add(-approval.Wait), CountsFrom: countsFrom},
		}})
		d.SignedWith(approvaltest.Sign(t, a.Subject, "bob"))
		return d.ConfirmClear(h.s.Stop.Request)
	}
	require.NoError(t, confirm(h.now, Standstill{}))
	require.ErrorContains(t, confirm(h.now.Add(1), Standstill{}), "counts from")
	require.ErrorContains(t, confirm(h.now, Standstill{Behind: time.Hour}), "counts from")
	require.NoError(t, confirm(h.now.Add(-time.Hour), Standstill{Behind: time.Hour}))
	s := h.s.Clone()
	s.ClockOffset = domain.Duration(time.Hour)
	require.Equal(t, h.now.Add(-time.Hour), s.SignedAt(h.now, 0), "two people accepted a clock that was behind")
}

// What is requested is in the lines, field by field: a new field of a request has to be
// shown to who approves it.
func TestEveryFieldOfARequestIsInItsLines(t *testing.T) {
	changed := func(name string, field reflect.Value) {
		t.Helper()
		switch field.Interface().(type) {
		case string:
			field.SetString(field.String() + "x")
		case domain.Decimal:
			field.Set(reflect.ValueOf(domain.MustDecimal("7.5")))
		case time.Time:
			field.Set(reflect.ValueOf(time.Unix(7, 7).UTC()))
		case []string:
			field.Set(reflect.ValueOf([]string{"another"}))
		case json.RawMessage:
			field.Set(reflect.ValueOf(json.RawMessage(`{"another":1}`)))
		case int:
			field.SetInt(7)
		case domain.Duration:
			field.Set(reflect.ValueOf(domain.Duration(7)))
		case *domain.Decimal:
			seven := domain.MustDecimal("7")
			field.Set(reflect.ValueOf(&seven))
		case *domain.TokensCheck:
			field.Set(reflect.ValueOf(&domain.TokensCheck{Unchecked: "no endpoint answered"}))
		default:
			require.Fail(t, "the test does not know the type of "+name)
		}
	}
	var each func(v reflect.Value, lines func() []string)
	each = func(v reflect.Value, lines func() []string) {
		for i := range v.NumField() {
			name, field := v.Type().Field(i).Name, v.Field(i)
			switch name {
			case "Rebalance": // the figures that a proposal was made of
				continue
			case "Payment":
				each(field, lines)
				continue
			case "ConfirmedBy", "At": // set when it is confirmed
				continue
			}
			before, was := lines(), reflect.ValueOf(field.Interface())
			changed(name, field)
			require.NotEqual(t, before, lines(), name)
			field.Set(was)
		}
	}
	x := &domain.TransferRequested{}
	each(reflect.ValueOf(x).Elem(), func() []string { return TransferLines(x) })
	o := &Override{Kind: domain.OverrideClock}
	each(reflect.ValueOf(o).Elem(), func() []string { return New().overrideLines(o) })
}
