package commands

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
)

var paul = domain.Caller{User: "paul", Role: domain.RoleApprover}

// issueKey issues a key and returns its name.
func (e *engined) issueKey(user string, role domain.Role) string {
	e.t.Helper()
	a, err := e.engine.System(e.t.Context(), Request{Caller: alice, Key: uuid.NewString(), Command: IssueKey{User: user, Role: role, Hash: fmt.Sprintf("%x", sha256.Sum256([]byte(uuid.NewString())))}})
	require.NoError(e.t, err)
	return a.ID
}

func (e *engined) revokeKey(key string) {
	e.t.Helper()
	_, err := e.engine.System(e.t.Context(), Request{Caller: alice, Key: uuid.NewString(), Command: RevokeKey{Key: key}})
	require.NoError(e.t, err)
}

func (e *engined) registerApprover(user string) {
	e.t.Helper()
	_, err := e.engine.System(e.t.Context(), Request{Caller: alice, Key: uuid.NewString(), Command: RegisterApprover{User: user, PublicKey: approvaltest.Public(user)}})
	require.NoError(e.t, err)
}

// signature is paul's over what waits in portfolio main.
func (e *engined) signature(kind, id string) *domain.ApprovalSignature {
	e.t.Helper()
	known, err := e.engine.Approvers()
	require.NoError(e.t, err)
	a, waits := fold(e.t, e.store.Store).ApprovalOf(known.Ledger, kind, id)
	require.True(e.t, waits)
	return approvaltest.Sign(e.t, a.Subject, paul.User)
}

// "A clear needs a requester whose key still lives", and so does an override: the engine
// checks the system stream when the second person confirms.
func TestNobodyConfirmsForSomebodyWhoseKeysAreRevoked(t *testing.T) {
	acts := map[string]struct {
		request Command
		confirm func(e *engined, id string) Command
	}{
		"clear": {RequestClear{Reason: "over"}, func(_ *engined, id string) Command { return ConfirmClear{Request: id} }},
		"override": {
			RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "live", Reason: "we traded before"},
			func(e *engined, id string) Command {
				return ConfirmOverride{Override: id, Signature: e.signature(approval.KindOverride, id)}
			},
		},
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			e := newEngined(t).opened("main")
			e.issueKey("alice", domain.RoleAdmin)
			first, second := e.issueKey("olga", domain.RoleOperator), e.issueKey("Olga", domain.RoleAuditor)
			e.issueKey("paul", domain.RoleApprover)
			e.registerApprover("paul")
			e.stop("main")
			id := e.must("main", olga, act.request).ID
			e.revokeKey(first)
			e.revokeKey(second)
			_, err := e.do("main", paul, act.confirm(e, id))
			requireCode(t, domain.CodeDenied, err)
			require.ErrorContains(t, err, "an API key of olga was revoked after this was requested")
			e.issueKey("OLGA", domain.RoleFeed)
			_, err = e.do("main", paul, act.confirm(e, id))
			requireCode(t, domain.CodeDenied, err)
			require.ErrorContains(t, err, "an API key of olga was revoked after this was requested", "a new key does not stand for what a thief asked")
			// A request that is made after that is valid.
			e.revokeKey(e.issueKey("eve", domain.RoleOperator))
			id = e.must("main", olga, act.request).ID
			key := uuid.NewString()
			confirm := Request{Caller: paul, Key: key, Command: act.confirm(e, id)}
			_, err = e.engine.Do(t.Context(), "main", confirm)
			require.NoError(t, err, "any key of hers will do")
			again, err := e.engine.Do(t.Context(), "main", confirm)
			require.NoError(t, err)
			require.True(t, again.Replayed)
		})
	}
}

// "A thief's request survives the exchange of keys": not if a key of the requester was
// revoked since, whatever other keys he has.
func TestARequestIsVoidOnceAKeyOfItsUserIsRevoked(t *testing.T) {
	e := newEngined(t).opened("main")
	e.issueKey("alice", domain.RoleAdmin)
	stolen := e.issueKey("olga", domain.RoleOperator)
	e.issueKey("olga", domain.RoleOperator) // it is not revoked
	e.issueKey("paul", domain.RoleApprover)
	e.stop("main")
	id := e.must("main", olga, RequestClear{Reason: "over"}).ID
	e.revokeKey(stolen)
	_, err := e.do("main", paul, ConfirmClear{Request: id})
	requireCode(t, domain.CodeDenied, err)
	require.ErrorContains(t, err, "an API key of olga was revoked after this was requested")
	e.must("main", paul, ConfirmClear{Request: e.must("main", olga, RequestClear{Reason: "it was me"}).ID})
}

// "The first must still have an API key that works": one that has expired does not.
func TestNobodyConfirmsForSomebodyWhoseKeysHaveExpired(t *testing.T) {
	e := newEngined(t).opened("main")
	e.issueKey("olga", domain.RoleOperator)
	e.stop("main")
	at := func(now time.Time) {
		e.engine.Close()
		e.engine = NewEngine(e.store, EngineOptions{Options: Options{Now: func() time.Time { return now }}, Latch: NewLatchFile(e.latch)})
		t.Cleanup(e.engine.Close)
		require.NoError(t, e.engine.Load(t.Context(), nil))
	}
	ends := newClock().Now().Add(365 * 24 * time.Hour)
	at(ends.Add(-time.Hour))
	id := e.must("main", olga, RequestClear{Reason: "over"}).ID
	at(ends.Add(time.Hour))
	_, err := e.do("main", paul, ConfirmClear{Request: id})
	requireCode(t, domain.CodeDenied, err)
	require.ErrorContains(t, err, "all API keys of that user are revoked or have expired")
	e.issueKey("olga", domain.RoleOperator)
	e.must("main", paul, ConfirmClear{Request: id})
}

// If the system stream cannot be read it is unknown whose keys work, and nothing is
// confirmed; commands that need no second person go on.
func TestConfirmingNeedsTheSystemStream(t *testing.T) {
	e := newEngined(t).opened("main")
	e.issueKey("olga", domain.RoleOperator)
	e.stop("main")
	id := e.must("main", olga, RequestClear{Reason: "over"}).ID
	e.store.mu.Lock()
	e.store.readErr = errDown
	e.store.mu.Unlock()
	_, err := e.do("main", paul, ConfirmClear{Request: id})
	requireCode(t, domain.CodeUnavailable, err)
	e.must("main", olga, StopBot{Bot: "a"})
}

// Every command by which a second person confirms is decided with the keyholders: a new
// one must be added to the list. The word for an approver's key is decided against the
// system stream itself.
func TestEveryConfirmationAsksForTheLiving(t *testing.T) {
	for _, row := range mayDo {
		s := row.command("a").spec()
		_, ofPortfolio := s.Blank.(PortfolioCommand)
		second := ofPortfolio && len(s.Roles) == 1 && s.Roles[0] == domain.RoleApprover
		require.Equal(t, second, s.confirms != nil, "%s: only an approver's word confirms another's", s.Name)
		require.True(t, s.approvers || !second, "%s is decided with the approvers' keys", s.Name)
	}
}
