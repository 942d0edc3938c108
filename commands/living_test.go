package commands

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
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

// "A clear needs a requester whose key still lives", and so does an override: the engine
// checks the system stream when the second person confirms.
func TestNobodyConfirmsForSomebodyWhoseKeysAreRevoked(t *testing.T) {
	acts := map[string]struct {
		request Command
		confirm func(id string) Command
	}{
		"clear": {RequestClear{Reason: "over"}, func(id string) Command { return ConfirmClear{Request: id} }},
		"override": {
			RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "live", Reason: "we traded before"},
			func(id string) Command { return ConfirmOverride{Override: id} },
		},
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			e := newEngined(t).opened("main")
			e.issueKey("alice", domain.RoleAdmin)
			first, second := e.issueKey("olga", domain.RoleOperator), e.issueKey("Olga", domain.RoleAuditor)
			e.issueKey("paul", domain.RoleApprover)
			e.stop("main")
			id := e.must("main", olga, act.request).ID
			e.revokeKey(first)
			e.revokeKey(second)
			_, err := e.do("main", paul, act.confirm(id))
			requireCode(t, domain.CodeDenied, err)
			require.ErrorContains(t, err, "an API key of olga was revoked after this was requested")
			e.issueKey("OLGA", domain.RoleFeed)
			_, err = e.do("main", paul, act.confirm(id))
			requireCode(t, domain.CodeDenied, err)
			require.ErrorContains(t, err, "an API key of olga was revoked after this was requested", "a new key does not stand for what a thief asked")
			// A request that is made after that is valid.
			e.revokeKey(e.issueKey("eve", domain.RoleOperator))
			id = e.must("main", olga, act.request).ID
			key := uuid.NewString()
			confirm := Request{Caller: paul, Key: key, Command: act.confirm(id)}
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
	id := e.must("main", olga, RequestClear{Reason: "over"}).ID
	e.engine.Close()
	late := newClock().Now().Add(366 * 24 * time.Hour)
	e.engine = NewEngine(e.store, EngineOptions{Options: Options{Now: func() time.Time { return late }}, Latch: NewLatchFile(e.latch)})
	t.Cleanup(e.engine.Close)
	require.NoError(t, e.engine.Load(t.Context(), nil))
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
// one must be added to the list.
func TestEveryConfirmationAsksForTheLiving(t *testing.T) {
	for _, row := range mayDo {
		s := row.command("a").spec()
		second := len(s.Roles) == 1 && s.Roles[0] == domain.RoleApprover
		require.Equal(t, second, s.confirms != nil, "%s: only an approver's word confirms another's", s.Name)
	}
}
