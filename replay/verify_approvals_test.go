package replay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval/approvaltest"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/testenv/signing"
	"pets/replay"
)

// signedStore is a ledger with one signed approval of each kind: bob's key is the first,
// carl's counts by bob's word, and dora's waits.
func signedStore(t *testing.T) eventstore.Store {
	t.Helper()
	store, begins := memory.New(), time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	e := commands.NewEngine(store, commands.EngineOptions{Options: commands.Options{Now: seconds(begins)}})
	t.Cleanup(e.Close)
	require.NoError(t, e.Load(t.Context(), nil))
	do := func(id, user string, role domain.Role, c commands.Command) commands.Answer {
		t.Helper()
		a, err := e.Do(t.Context(), id, commands.Request{
			Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: signing.Signed(t, store, id, user, c),
		})
		require.NoError(t, err)
		return a
	}
	const operator, approver, admin = domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin
	_, err := e.System(t.Context(), commands.Request{ // the ledger's id is of this record
		Caller: domain.Caller{User: "server", Role: admin}, Key: "first", Command: commands.RecordDenials{Denials: []domain.AccessDenied{{Source: "192.0.2.1", Code: "unauthenticated", Count: 1, From: begins, To: begins}}},
	})
	require.NoError(t, err)
	signing.Register(t, e, store, "bob", "carl")
	_, err = e.System(t.Context(), commands.Request{
		Caller: domain.Caller{User: "ada", Role: admin}, Key: uuid.NewString(), Command: commands.RegisterApprover{User: "dora", PublicKey: approvaltest.Public("dora")},
	})
	require.NoError(t, err)
	opening := commands.OpenPortfolio{ID: "paper", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper)}
	do("paper", "olga", operator, opening)
	asked := do("paper", "olga", operator, commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "main", Reason: "a month on paper"})
	gate := domain.Gate{Portfolio: "paper", Revision: do("paper", "bob", approver, commands.ConfirmOverride{Override: asked.ID}).Revision}
	evidence, err := commands.ReadEvidence(t.Context(), store, gate)
	require.NoError(t, err)
	opening.ID, opening.Mode, opening.Gate, opening.Evidence, opening.Defaults = "main", domain.ModeLive, &gate, evidence, domain.DefaultPolicy(domain.ModeLive)
	do("main", "olga", operator, opening)
	for place, address := range map[string]string{domain.WalletHot: "0x9858EfFD232B4033E47d90003D41EC34EcaEda94", domain.WalletCold: "0x8617E340B3D01FA5F11F306F4090FD50E238070D"} {
		do("main", "ada", admin, commands.RegisterWallet{Wallet: place + "-1", Place: place, Chain: "eip155:137", Address: address, Assets: []domain.WalletAsset{
			{Asset: "USDC", ID: "eip155:137/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", Decimals: 6}, {Asset: "POL", ID: "eip155:137/slip44:966", Decimals: 18, Native: true},
		}})
	}
	do("main", "olga", operator, commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("1000")})
	transfer := do("main", "olga", operator, commands.RequestTransfer{From: "hot", To: "cold", Amount: domain.MustDecimal("10"), HighestFee: domain.MustDecimal("0.2"), Reason: "too much in hot"}).ID
	for rec, err := range store.ReadStream(t.Context(), "portfolio-main", 0) {
		require.NoError(t, err)
		if e, _ := domain.Decode(rec.Type, rec.Data); e != nil {
			if x, is := e.(*domain.TransferRequested); is {
				do("main", "bob", approver, commands.ApproveTransfer{Transfer: transfer, Hash: x.Hash})
				break
			}
		}
	}
	raise := do("main", "olga", operator, commands.RaiseFee{Transfer: transfer, HighestFee: domain.MustDecimal("0.5"), Reason: "the base fee has doubled"})
	asks, is := raise.Decoded()[0].(*domain.TransferRaiseRequested)
	require.True(t, is)
	do("main", "carl", approver, commands.ApproveTransfer{Transfer: transfer, Hash: asks.Hash})
	do("main", "olga", operator, commands.EngageStop{Kind: domain.StopManual, Reason: "smoke"})
	do("main", "carl", approver, commands.ConfirmClear{Request: do("main", "olga", operator, commands.RequestClear{Reason: "no fire"}).ID})
	limits := commands.RequestOverride{Kind: domain.OverrideLimits, Limits: []byte(`{"max_daily_loss_pct":"0.08"}`), Reason: "election night"}
	do("main", "bob", approver, commands.ConfirmOverride{Override: do("main", "olga", operator, limits).ID})
	return store
}

// tampered copies a store, with every record of a type in a stream changed by one
// replacement of text. None was there to be changed is an error of the test.
func tampered(t *testing.T, store eventstore.Store, stream, eventType, old, with string) (copied eventstore.Store, revision uint64) {
	t.Helper()
	copied = memory.New()
	changed := 0
	for rec, err := range store.ReadAll(t.Context(), eventstore.Position{}) {
		require.NoError(t, err)
		data := string(rec.Data)
		if rec.Stream == stream && rec.Type == eventType && strings.Contains(data, old) && changed == 0 {
			data, revision = strings.Replace(data, old, with, 1), rec.Revision
			changed++
		}
		_, err := copied.Append(t.Context(), rec.Stream, eventstore.Expected(int64(rec.Revision)-1), []eventstore.Proposed{{
			ID: rec.ID, Type: rec.Type, Time: rec.Time, Metadata: rec.Metadata, Data: []byte(data),
		}})
		require.NoError(t, err)
	}
	require.Equal(t, 1, changed, "%s of %s has no %s", eventType, stream, old)
	return copied, revision
}

// dataOf returns the data of the first record of a type.
func dataOf(t *testing.T, store eventstore.Store, stream, eventType string) string {
	t.Helper()
	for rec, err := range store.ReadStream(t.Context(), stream, 0) {
		require.NoError(t, err)
		if rec.Type == eventType {
			return string(rec.Data)
		}
	}
	t.Fatalf("%s has no %s", stream, eventType)
	return ""
}

// part cuts out what begins with a text and ends before another.
func part(t *testing.T, of, from, to string) string {
	t.Helper()
	at := strings.Index(of, from)
	require.GreaterOrEqual(t, at, 0, of)
	end := strings.Index(of[at+len(from):], to)
	require.GreaterOrEqual(t, end, 0, of)
	return of[at : at+len(from)+end]
}

// "pets verify checks them all": what was signed verifies; each approval, tampered with in
// each of its parts, is a problem that names stream, revision and what is wrong; so is one
// that has lost its signature.
func TestVerifyChecksEverySignedApproval(t *testing.T) {
	store := signedStore(t)
	for _, id := range []string{"main", "paper"} {
		found, err := replay.Verify(t.Context(), store, commands.Stream(id), nil)
		require.NoError(t, err)
		require.Empty(t, found.Problems)
	}
	system, err := replay.VerifySystem(t.Context(), store)
	require.NoError(t, err)
	require.Empty(t, system.Problems)

	const live, paper = "portfolio-main", "portfolio-paper"
	bob, carl, dora := approvaltest.Public("bob"), approvaltest.Public("carl"), approvaltest.Public("dora")
	approvals := []struct{ stream, eventType, user string }{
		{live, domain.TransferApprovedType, `"user":"bob"`},
		{live, domain.EmergencyStopClearedType, `"confirmed_by":"carl"`},
		{live, domain.OverrideRecordedType, `"confirmed_by":"bob"`},
		{paper, domain.OverrideRecordedType, `"confirmed_by":"bob"`},
	}
	requireProblem := func(stream, eventType, old, with, says string) {
		t.Helper()
		copied, revision := tampered(t, store, stream, eventType, old, with)
		found, err := replay.Verify(t.Context(), copied, stream, nil)
		require.NoError(t, err)
		requireProblemAt(t, found.Problems, stream, revision, says)
	}
	for _, a := range approvals {
		data := dataOf(t, store, a.stream, a.eventType)
		signature := part(t, data, `,"signature":{`, "}") + "}"
		if a.stream == live { // in paper an older build may have recorded one without
			requireProblem(a.stream, a.eventType, signature, "", "signature is missing")
		}
		key, other := bob, carl
		if strings.Contains(data, carl) {
			key, other = carl, bob
		}
		requireProblem(a.stream, a.eventType, key, other, "does not fit")
		requireProblem(a.stream, a.eventType, key, dora, "does not fit")
		requireProblem(a.stream, a.eventType, key, approvaltest.Public("mallory"), "is not registered")
		requireProblem(a.stream, a.eventType, `"signature":"`, `"signature":"AAAA`, "does not fit")
		requireProblem(a.stream, a.eventType, a.user, strings.NewReplacer("bob", "dora", "carl", "dora").Replace(a.user), "belongs to another user")
		requireProblem(a.stream, a.eventType, a.user, strings.NewReplacer("bob", "olga", "carl", "olga").Replace(a.user), "who requested it")
	}
	// The event says what was requested, and the request is what was signed.
	requireProblem(live, domain.TransferApprovedType, `"hash":"`, `"hash":"00`, "another hash")
	requireProblem(live, domain.OverrideRecordedType, "0.08", "0.80", "another limits")
	requireProblem(live, domain.OverrideRecordedType, "election", "selection", "another reason")
	requireProblem(live, domain.OverrideRecordedType, `"kind":"limits"`, `"kind":"treasury_policy"`, "another kind")
	requireProblem(paper, domain.OverrideRecordedType, `"portfolio":"main"`, `"portfolio":"next"`, "another portfolio")
	requireProblem(live, domain.EmergencyStopClearedType, `"requested_by":"olga"`, `"requested_by":"otto"`, "another requested_by")
	for eventType, change := range map[string][2]string{
		domain.TransferRequestedType: {`"amount":"10"`, `"amount":"99"`}, domain.OverrideRequestedType: {"0.08", "0.80"}, domain.EmergencyStopEngagedType: {"smoke", "a drill"},
	} {
		copied, _ := tampered(t, store, live, eventType, change[0], change[1])
		found, err := replay.Verify(t.Context(), copied, live, nil)
		require.NoError(t, err)
		require.NotEmpty(t, found.Problems, eventType)
	}
	requireProblem(live, domain.PortfolioOpenedType, `"revision":2`, `"revision":1`, "is no override that allows it to open")
}

func requireProblemAt(t *testing.T, problems []replay.Problem, stream string, revision uint64, says string) {
	t.Helper()
	var all []string
	for _, p := range problems {
		require.Equal(t, stream, p.Stream)
		if p.Revision == revision {
			all = append(all, p.What)
		}
	}
	require.Contains(t, strings.Join(all, "\n"), says)
}

// The keys of the system stream are checked with the approvals: one that did not count at
// that time, or belongs to another user, approves nothing.
func TestVerifyChecksTheApproversKeys(t *testing.T) {
	store := signedStore(t)
	bob, carl := approvaltest.Public("bob"), approvaltest.Public("carl")
	for name, tt := range map[string]struct {
		eventType, old, with string
		says                 string // of the system stream, at the record
		approvals            string // of portfolio main
	}{
		"another user":   {domain.ApproverRegisteredType, `"user":"bob"`, `"user":"eve"`, "", "belongs to another user"},
		"another key":    {domain.ApproverRegisteredType, bob, approvaltest.Public("eve"), "", "which is not registered"},
		"counts earlier": {domain.ApproverRegisteredType, `"counts_from":"2026-03-02`, `"counts_from":"2026-03-01`, "but should from", ""},
		"counts later":   {domain.ApproverRegisteredType, `"counts_from":"2026-03-01`, `"counts_from":"2026-03-09`, "but should from", "counts from 2026-03-09"},
		"another name":   {domain.ApproverRegisteredType, `"approver":"a1"`, `"approver":"a7"`, "instead of a1", ""},
		"another time":   {domain.ApproverRegisteredType, `"registered_at":"2026`, `"registered_at":"2025`, "by its record", "which does not count"},
		"no key":         {domain.ApproverRegisteredType, bob, bob[1:], "must be a public key", ""},
		"registered twice": {
			domain.ApproverRegisteredType, carl, bob, "was registered before", "which is not registered",
		},
		"a word for another":  {domain.ApproverVouchedType, `"approver":"a2"`, `"approver":"a4"`, "did not wait for one", "counts from 2026-03-02"},
		"a word of the admin": {domain.ApproverVouchedType, `"by":"bob"`, `"by":"ada"`, "is its user or registered it", ""},
		"a word of another":   {domain.ApproverVouchedType, `"by":"bob"`, `"by":"dora"`, "belongs to another user", ""},
		"a damaged word":      {domain.ApproverVouchedType, `"signature":"`, `"signature":"AAAA`, "does not fit", ""},
	} {
		t.Run(name, func(t *testing.T) {
			copied, revision := tampered(t, store, commands.SystemStream, tt.eventType, tt.old, tt.with)
			found, err := replay.VerifySystem(t.Context(), copied)
			require.NoError(t, err)
			if tt.says != "" {
				requireProblemAt(t, found.Problems, commands.SystemStream, revision, tt.says)
			}
			main, err := replay.Verify(t.Context(), copied, "portfolio-main", nil)
			require.NoError(t, err)
			var all []string
			for _, p := range main.Problems {
				all = append(all, p.What)
			}
			require.Contains(t, strings.Join(all, "\n"), tt.approvals)
		})
	}
}

// A revoked key approves nothing that was recorded well after its revocation; what was
// under way then stands.
func TestVerifyKnowsRevocations(t *testing.T) {
	store := signedStore(t)
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	revoke := func(when time.Time) []replay.Problem {
		copied := memory.New()
		for rec, err := range store.ReadAll(t.Context(), eventstore.Position{}) {
			require.NoError(t, err)
			_, err := copied.Append(t.Context(), rec.Stream, eventstore.Expected(int64(rec.Revision)-1), []eventstore.Proposed{{
				ID: rec.ID, Type: rec.Type, Time: rec.Time, Metadata: rec.Metadata, Data: rec.Data,
			}})
			require.NoError(t, err)
		}
		head, err := copied.Head(t.Context(), commands.SystemStream)
		require.NoError(t, err)
		data, err := domain.Encode(&domain.ApproverRevoked{Approver: "a1", By: "ada"})
		require.NoError(t, err)
		_, err = copied.Append(t.Context(), commands.SystemStream, eventstore.Expected(int64(head)), []eventstore.Proposed{{
			ID: uuid.New(), Type: domain.ApproverRevokedType, Time: when, Metadata: []byte("{}"), Data: data,
		}})
		require.NoError(t, err)
		found, err := replay.Verify(t.Context(), copied, "portfolio-main", nil)
		require.NoError(t, err)
		return found.Problems
	}
	require.Empty(t, revoke(at.Add(time.Hour)), "after all of it")
	require.Empty(t, revoke(at.Add(10*time.Second)), "while they were under way")
	problems := revoke(at.Add(-time.Hour))
	require.Len(t, problems, 2, "both of bob's")
	require.Contains(t, problems[0].What, "revoked for good")
}

// "Verify checks them all": the approval of a higher fee, too. It is over the fee, the former
// one and the hash that were asked for, by another person than the one who asked.
func TestVerifyChecksASignedRaise(t *testing.T) {
	store := signedStore(t)
	const live = "portfolio-main"
	for name, c := range map[string]struct{ eventType, old, with, says string }{
		"another fee":     {domain.TransferRaiseRequestedType, `"highest_fee":"0.5"`, `"highest_fee":"0.6"`, "another hash"},
		"another reason":  {domain.TransferRaiseRequestedType, "doubled", "tripled", "the approval of transfer"},
		"by who asked":    {domain.TransferRaiseRequestedType, `"user":"olga"`, `"user":"carl"`, "who requested it"},
		"a former fee":    {domain.TransferRequestedType, `"highest_fee":"0.2"`, `"highest_fee":"0.1"`, "hash"},
		"by another user": {domain.TransferApprovedType, `"user":"carl"`, `"user":"bob"`, "was sent by carl"},
	} {
		t.Run(name, func(t *testing.T) {
			copied, _ := tampered(t, store, live, c.eventType, c.old, c.with)
			found, err := replay.Verify(t.Context(), copied, live, nil)
			require.NoError(t, err)
			require.NotEmpty(t, found.Problems)
			said := ""
			for _, p := range found.Problems {
				said += fmt.Sprintln(p)
			}
			require.Contains(t, said, c.says)
		})
	}
}

// "A record backdated, counts_from +24 h": the system stream was quiet for days, and whoever could
// write to the store dates a registration back, so that the key has waited already. What stands
// before it in the log has a later time.
func TestVerifyFindsABackdatedKey(t *testing.T) {
	store := signedStore(t)
	registered := func(at time.Time) []replay.Problem {
		copied := memory.New()
		for rec, err := range store.ReadAll(t.Context(), eventstore.Position{}) {
			require.NoError(t, err)
			later := rec.Time
			if rec.Stream != commands.SystemStream {
				later = later.Add(72 * time.Hour)
			}
			_, err := copied.Append(t.Context(), rec.Stream, eventstore.Expected(int64(rec.Revision)-1), []eventstore.Proposed{{
				ID: rec.ID, Type: rec.Type, Time: later, Metadata: rec.Metadata, Data: rec.Data,
			}})
			require.NoError(t, err)
		}
		head, err := copied.Head(t.Context(), commands.SystemStream)
		require.NoError(t, err)
		forgeApprover(t, copied, at, &domain.ApproverRegistered{
			Approver: domain.ApproverName(head + 1), User: "mal", PublicKey: approvaltest.Public("mal"), By: "ada", CountsFrom: at.Add(24 * time.Hour), RegisteredAt: at,
		})
		system, err := replay.VerifySystem(t.Context(), copied)
		require.NoError(t, err)
		require.Empty(t, system.Problems, "the stream alone is in order")
		found, err := replay.Verify(t.Context(), copied, "portfolio-paper", nil)
		require.NoError(t, err)
		var about []replay.Problem
		for _, p := range found.Problems {
			if p.Stream == commands.SystemStream {
				about = append(about, p)
			}
		}
		return about
	}
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	problems := registered(day)
	require.Len(t, problems, 1)
	require.Contains(t, problems[0].What, "it was dated back")
	require.Empty(t, registered(day.Add(72*time.Hour)), "at its time")
}

// forgeApprover appends an event to the system stream, as somebody would who can write to the store.
func forgeApprover(t *testing.T, store eventstore.Store, at time.Time, e domain.Event) {
	t.Helper()
	head, err := store.Head(t.Context(), commands.SystemStream)
	require.NoError(t, err)
	data, err := domain.Encode(e)
	require.NoError(t, err)
	_, err = store.Append(t.Context(), commands.SystemStream, eventstore.Expected(int64(head)), []eventstore.Proposed{{
		ID: uuid.New(), Type: e.EventType(), Time: at, Metadata: []byte("{}"), Data: data,
	}})
	require.NoError(t, err)
}

// "Registrations beyond the last witnessed head": those that the witness has seen, and that keep
// to the rules, are not listed.
func TestFindApprovers(t *testing.T) {
	store := signedStore(t)
	head, err := store.Head(t.Context(), commands.SystemStream)
	require.NoError(t, err)
	found, err := replay.FindApprovers(t.Context(), store, head+1)
	require.NoError(t, err)
	require.Empty(t, found)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := &domain.ApproverRegistered{Approver: domain.ApproverName(head + 1), User: "mal", PublicKey: approvaltest.Public("mal"), By: "ada", CountsFrom: at.Add(24 * time.Hour), RegisteredAt: at}
	forgeApprover(t, store, at, e)
	found, err = replay.FindApprovers(t.Context(), store, head+1)
	require.NoError(t, err)
	requireProblemAt(t, found, commands.SystemStream, head+1, "the witness has not seen this")
	require.Len(t, found, 1)
	forgeApprover(t, store, at, &domain.ApproverVouched{Approver: e.Approver, By: "bob"})
	found, err = replay.FindApprovers(t.Context(), store, head+3)
	require.NoError(t, err)
	requireProblemAt(t, found, commands.SystemStream, head+2, "which is not registered")
	require.Len(t, found, 1)
	found, err = replay.FindApprovers(t.Context(), store, 0)
	require.NoError(t, err)
	require.Len(t, found, 6, "no witness: bob, carl and his word, dora, mal and his")
	found, err = replay.FindApprovers(t.Context(), memory.New(), 0)
	require.NoError(t, err)
	require.Empty(t, found)
}
