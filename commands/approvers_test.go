package commands

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
)

// A decision knows the approvers' keys up to the head of the system stream, whichever
// server wrote it: a key that another one has revoked approves nothing, and one that it
// has registered does.
func TestADecisionKnowsTheKeysOfNow(t *testing.T) {
	e := newEngined(t).opened("main")
	other := NewEngine(e.store, EngineOptions{Options: Options{Now: newClock().Now}, Latch: NewLatchFile(t.TempDir() + "/latch.json")})
	t.Cleanup(other.Close)
	require.NoError(t, other.Load(t.Context(), nil))
	ask := RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "live", Reason: "we traded before"}
	id := e.must("main", olga, ask).ID
	_, err := e.do("main", paul, ConfirmOverride{Override: id})
	requireCode(t, domain.CodeDenied, err)
	require.ErrorContains(t, err, "signature is missing")

	system := func(c Command) string {
		a, err := other.System(t.Context(), Request{Caller: alice, Key: uuid.NewString(), Command: c})
		require.NoError(t, err)
		return a.ID
	}
	key := system(RegisterApprover{User: paul.User, PublicKey: approvaltest.Public(paul.User)})
	e.must("main", paul, ConfirmOverride{Override: id, Signature: e.signature(approval.KindOverride, id)})

	id = e.must("main", olga, ask).ID
	g := e.signature(approval.KindOverride, id)
	system(RevokeApprover{Approver: key, Reason: "lost"})
	_, err = e.do("main", paul, ConfirmOverride{Override: id, Signature: g})
	requireCode(t, domain.CodeDenied, err)
	require.ErrorContains(t, err, "revoked for good")
}

// Without the system stream it is unknown which keys there are: nothing is approved, and no
// live portfolio opens.
func TestApprovingNeedsTheSystemStream(t *testing.T) {
	e := newEngined(t).opened("main")
	e.registerApprover(paul.User)
	id := e.must("main", olga, RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "live", Reason: "we traded before"}).ID
	g := e.signature(approval.KindOverride, id)
	e.store.mu.Lock()
	e.store.readErr = errDown
	e.store.mu.Unlock()
	_, err := e.do("main", paul, ConfirmOverride{Override: id, Signature: g})
	requireCode(t, domain.CodeUnavailable, err)
	_, err = e.do("live", olga, OpenPortfolio{ID: "live", Mode: domain.ModeLive, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModeLive)})
	requireCode(t, domain.CodeUnavailable, err)
}
