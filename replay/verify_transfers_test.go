package replay_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/replay"
)

// forge writes a stream of events, a minute apart, as somebody with access to the store can.
func forge(t *testing.T, events ...domain.Event) eventstore.Store {
	t.Helper()
	store, at := memory.New(), time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for i, e := range events {
		data, err := domain.Encode(e)
		require.NoError(t, err)
		_, err = store.Append(t.Context(), "portfolio-main", eventstore.Expected(i-1), []eventstore.Proposed{{
			ID: uuid.New(), Type: e.EventType(), Time: at.Add(time.Duration(i) * time.Minute), Metadata: []byte("{}"), Data: data,
		}})
		require.NoError(t, err)
	}
	return store
}

// "A transfer to a new address takes two approvers": verify names each step of a transfer
// that went on without the people it needs, in a portfolio without signatures, too.
func TestVerifyCountsTheApprovalsOfATransfer(t *testing.T) {
	open := &domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModeLive, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModeLive)}
	asked := func(approvals int, why ...string) *domain.TransferRequested {
		e := &domain.TransferRequested{
			Transfer: "t1", Kind: domain.TransferWithdrawal, Wallet: "hot-1", FromPlace: domain.WalletHot, ToPlace: domain.PlaceExternal, Asset: "USDC", GasAsset: "POL",
			Payment: domain.Payment{Chain: "eip155:137", AssetID: "eip155:137/slip44:966", From: "0x01", To: "0x02", Amount: domain.MustDecimal("5"), HighestFee: domain.MustDecimal("0.1")},
			User:    "olga", Reason: "rent", ExpiresAt: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), ApprovalFor: why, Approvals: approvals,
		}
		e.Hash = treasury.Hash("main", e)
		return e
	}
	const why = "it leaves the portfolio"
	by := func(user string) domain.Event {
		return &domain.TransferApproved{Transfer: "t1", Hash: asked(0).Hash, User: user}
	}
	digest := strings.Repeat("ab", 32)
	prepared := &domain.TransferPrepared{Transfer: "t1", Transaction: []byte(`{}`), Nonce: 1, Digest: digest}
	repriced := &domain.TransferRepriced{Transfer: "t1", Transaction: []byte(`{}`), Nonce: 1, Digest: digest}
	signed := &domain.TransferSigned{Transfer: "t1", Digest: digest, TxHash: "0x" + digest}
	sent := &domain.TransferBroadcast{Transfer: "t1", TxHash: "0x" + digest}
	other := asked(0, why)
	other.Hash = strings.Repeat("00", 32)
	for name, tt := range map[string]struct {
		events   []domain.Event
		revision uint64
		says     string
	}{
		"one of two":           {[]domain.Event{open, asked(2, why), by("bob"), prepared, signed}, 3, "approved by 1 of 2 people"},
		"the same one twice":   {[]domain.Event{open, asked(2, why), by("bob"), by("Bob"), prepared}, 3, "twice"},
		"nobody, prepared":     {[]domain.Event{open, asked(0, why), prepared}, 2, "prepared, but was approved by 0 of 1"},
		"nobody, signed":       {[]domain.Event{open, asked(0, why), signed}, 2, "signed, but was approved by 0 of 1"},
		"nobody, repriced":     {[]domain.Event{open, asked(0, why), repriced}, 2, "repriced, but was approved by 0 of 1"},
		"nobody, sent":         {[]domain.Event{open, asked(0, why), sent}, 2, "sent, but was approved by 0 of 1"},
		"no reason for one":    {[]domain.Event{open, asked(0), prepared}, 1, "without a reason"},
		"and nobody approved":  {[]domain.Event{open, asked(0), prepared}, 2, "approved by 0 of 1"},
		"another hash":         {[]domain.Event{open, other}, 1, "another hash"},
		"never asked for":      {[]domain.Event{open, prepared}, 1, "was not requested"},
		"another than it says": {[]domain.Event{open, asked(0, why), &domain.TransferApproved{Transfer: "t1", Hash: "00", User: "bob"}, prepared}, 3, "not what was approved"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := replay.Verify(t.Context(), forge(t, tt.events...), "portfolio-main", nil)
			require.NoError(t, err)
			requireProblemAt(t, found.Problems, "portfolio-main", tt.revision, tt.says)
		})
	}
	anew := &domain.TransferApproved{Transfer: "t1", Hash: asked(0).Hash, User: "bob", First: true} // his first one ended with its key
	for _, sound := range [][]domain.Event{{by("bob"), by("carl")}, {by("bob"), anew, by("carl")}} {
		found, err := replay.Verify(t.Context(), forge(t, slices.Concat([]domain.Event{open, asked(2, why)}, sound, []domain.Event{prepared, signed, sent})...), "portfolio-main", nil)
		require.NoError(t, err)
		require.Empty(t, found.Problems)
	}
}

// "Approvals of live portfolios are signed": one whose opening was changed to do without is
// named, even if all its signatures were cut out. Its gate is signed, and a key counted.
func TestVerifyNamesAnOpeningWithoutSignedApprovals(t *testing.T) {
	store := signedStore(t)
	const live = "portfolio-main"
	copied, revision := tampered(t, store, live, domain.PortfolioOpenedType, `,"signed_approvals":true`, "")
	for _, eventType := range []string{domain.TransferApprovedType, domain.TransferApprovedType, domain.EmergencyStopClearedType, domain.OverrideRecordedType} {
		copied, _ = tampered(t, copied, live, eventType, part(t, firstWith(t, copied, live, eventType, `,"signature":{`), `,"signature":{`, "}")+"}", "")
	}
	found, err := replay.Verify(t.Context(), copied, live, nil)
	require.NoError(t, err)
	requireProblemAt(t, found.Problems, live, revision, "while an approver's key counted")
	requireProblemAt(t, found.Problems, live, revision, "is signed")

	gate := dataOf(t, copied, "portfolio-paper", domain.OverrideRecordedType)
	copied, _ = tampered(t, copied, "portfolio-paper", domain.OverrideRecordedType, part(t, gate, `,"signature":{`, "}")+"}", "")
	found, err = replay.Verify(t.Context(), copied, live, nil)
	require.NoError(t, err)
	require.Len(t, found.Problems, 1)
	requireProblemAt(t, found.Problems, live, revision, "while an approver's key counted")

	// Keys that were registered later say nothing of the opening.
	late := memory.New()
	for _, system := range []bool{false, true} {
		for rec, err := range copied.ReadAll(t.Context(), eventstore.Position{}) {
			require.NoError(t, err)
			if (rec.Stream == commands.SystemStream) != system {
				continue
			}
			_, err = late.Append(t.Context(), rec.Stream, eventstore.Expected(int64(rec.Revision)-1), []eventstore.Proposed{{
				ID: rec.ID, Type: rec.Type, Time: rec.Time, Metadata: rec.Metadata, Data: rec.Data,
			}})
			require.NoError(t, err)
		}
	}
	found, err = replay.Verify(t.Context(), late, live, nil)
	require.NoError(t, err)
	require.Empty(t, found.Problems, "an older build's")
}

// firstWith returns the data of the first record of a type that contains a text.
func firstWith(t *testing.T, store eventstore.Store, stream, eventType, text string) string {
	t.Helper()
	for rec, err := range store.ReadStream(t.Context(), stream, 0) {
		require.NoError(t, err)
		if rec.Type == eventType && strings.Contains(string(rec.Data), text) {
			return string(rec.Data)
		}
	}
	t.Fatalf("%s has no %s with %s", stream, eventType, text)
	return ""
}

// "State from before that holds such a pair is reported by pets verify": two transfers that
// one transaction has ended, and a fee that is booked with two. One that was replaced by
// the other's transaction is right.
func TestVerifyFindsATransactionThatEndedTwoTransfers(t *testing.T) {
	hash := "0x" + strings.Repeat("ab", 32)
	var asked [2]*domain.TransferRequested
	for i := range asked {
		asked[i] = &domain.TransferRequested{
			Transfer: []string{"x1", "x2"}[i], Kind: domain.TransferWithdrawal, Wallet: "cold-1", FromPlace: domain.WalletCold, ToPlace: domain.PlaceExternal, Asset: "USDC", GasAsset: "POL",
			Payment: domain.Payment{Chain: "eip155:137", AssetID: "eip155:137/slip44:966", From: "0x01", To: "0x02", Amount: domain.MustDecimal("5"), HighestFee: domain.MustDecimal("0.1")},
			User:    "olga", Reason: "rent", ExpiresAt: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), ApprovalFor: []string{"it leaves the portfolio"},
		}
		asked[i].Hash = treasury.Hash("main", asked[i])
	}
	events := []domain.Event{&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModeLive, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModeLive)}}
	for i, own := range []string{hash, "0x" + strings.Repeat("cd", 32)} {
		id := asked[i].Transfer
		events = append(events, asked[i], &domain.TransferApproved{Transfer: id, Hash: asked[i].Hash, User: "paul"},
			&domain.TransferPrepared{Transfer: id, Transaction: []byte(`{}`), Nonce: 1, Digest: own[2:]},
			&domain.TransferSigned{Transfer: id, Digest: own[2:], TxHash: own, Raw: "0x01"})
	}
	fee := domain.MustDecimal("0.01")
	events = append(events, &domain.TransferConfirmed{Transfer: "x1", TxHash: hash, Block: 7, Fee: fee})
	for name, tt := range map[string]struct {
		end     domain.Event
		problem string
	}{
		"both confirmed": {&domain.TransferConfirmed{Transfer: "x2", TxHash: hash, Block: 7}, "one transaction ends one transfer"},
		"the fee twice":  {&domain.TransferFailed{Transfer: "x2", Code: domain.FailedByHand, TxHash: hash, Block: 7, Fee: fee}, "the fee of transaction " + hash},
		"replaced":       {&domain.TransferFailed{Transfer: "x2", Code: domain.FailedReplaced, TxHash: hash, Block: 7}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := replay.Verify(t.Context(), forge(t, append(slices.Clone(events), tt.end)...), "portfolio-main", nil)
			require.NoError(t, err)
			var found []string
			for _, p := range v.Problems {
				if strings.HasPrefix(p.What, "transfer x2") {
					found = append(found, p.What)
				}
			}
			if tt.problem == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Contains(t, found[0], tt.problem)
		})
	}
}

// "The approval of another person is needed", also where approvals are not signed: verify
// names a requester who approved, and a request that left out what it needs one for.
func TestVerifyComparesTheUsersOfATransfer(t *testing.T) {
	open := func(signed bool) *domain.PortfolioOpened {
		return &domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModeLive, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModeLive), SignedApprovals: signed}
	}
	ask := func(kind, toPlace string, why ...string) *domain.TransferRequested {
		e := &domain.TransferRequested{
			Transfer: "t1", Kind: kind, Wallet: "hot-1", FromPlace: domain.WalletHot, ToPlace: toPlace, Asset: "USDC", GasAsset: "POL",
			Payment: domain.Payment{Chain: "eip155:137", AssetID: "eip155:137/slip44:966", From: "0x01", To: "0x02", Amount: domain.MustDecimal("5"), HighestFee: domain.MustDecimal("0.1")},
			User:    "olga", Reason: "rent", ExpiresAt: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), ApprovalFor: why,
		}
		e.Hash = treasury.Hash("main", e)
		return e
	}
	out, internal := ask(domain.TransferWithdrawal, domain.PlaceExternal, "it leaves the portfolio"), ask(domain.TransferInternal, domain.WalletHot)
	raise := &domain.TransferRaiseRequested{Transfer: "t1", HighestFee: domain.MustDecimal("0.5"), User: "otto", Reason: "stuck", ExpiresAt: out.ExpiresAt}
	raised := *out
	raised.HighestFee = raise.HighestFee
	raise.Hash = treasury.Hash("main", &raised)
	by := func(user, hash string) *domain.TransferApproved {
		return &domain.TransferApproved{Transfer: "t1", Hash: hash, User: user}
	}
	for name, c := range map[string]struct {
		events []domain.Event
		want   string
	}{
		"another user":                        {[]domain.Event{open(false), out, by("bob", out.Hash)}, ""},
		"who asked":                           {[]domain.Event{open(false), out, by("Olga", out.Hash)}, "transfer t1 is approved by Olga, who requested it"},
		"another user, who asked before":      {[]domain.Event{open(false), out, by("bob", out.Hash), raise, by("olga", raise.Hash)}, ""},
		"who asked for the raise":             {[]domain.Event{open(false), out, by("bob", out.Hash), raise, by("otto", raise.Hash)}, "transfer t1 is approved by otto, who requested it"},
		"to a stranger, unapproved":           {[]domain.Event{open(false), internal}, "transfer t1 is requested as one that needs no other person's approval, but it needs one, or could not be requested at all"},
		"to a stranger, where people do sign": {[]domain.Event{open(true), internal}, "transfer t1 is requested as one that needs no other person's approval, but it needs one, or could not be requested at all"},
	} {
		found, err := replay.Verify(t.Context(), forge(t, c.events...), "portfolio-main", nil)
		require.NoError(t, err)
		var whats []string
		for _, p := range found.Problems {
			whats = append(whats, p.What)
		}
		if c.want == "" {
			require.Empty(t, whats, name)
			continue
		}
		require.Contains(t, whats, c.want, name)
	}
}
