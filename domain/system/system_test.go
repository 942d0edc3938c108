package system

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func hash(n int) string { return fmt.Sprintf("%064x", n) }

// decide runs one decision and returns its events.
func decide(t *testing.T, s *State, f func(*Decision) error) ([]domain.Event, error) {
	t.Helper()
	d := s.Begin(noon, domain.Caller{User: "anna", Role: domain.RoleAdmin})
	err := f(d)
	if err != nil {
		require.False(t, d.Dirty(), "a refusal leaves no trace")
		return nil, err
	}
	require.NoError(t, d.Finish())
	require.NotEmpty(t, d.Events(), "every accepted command left a record")
	return d.Events(), nil
}

func issue(role domain.Role, portfolio, bot string, n int) func(*Decision) error {
	return func(d *Decision) error {
		return d.IssueKey(&domain.APIKeyIssued{User: "u", Role: role, Portfolio: portfolio, Bot: bot, Hash: hash(n)}, 0)
	}
}

func started(t *testing.T) *State {
	t.Helper()
	s := New()
	_, err := decide(t, s, func(d *Decision) error { return d.Bootstrap("anna", hash(0)) })
	require.NoError(t, err)
	return s
}

// "API keys … carry user, role, portfolio, bot": who may have what.
func TestIssueKey(t *testing.T) {
	s := started(t)
	for n, tt := range []struct {
		role           domain.Role
		portfolio, bot string
		ok             bool
	}{
		{domain.RoleBot, "main", "alpha", true},
		{domain.RoleBot, "main", "", false},
		{domain.RoleBot, "", "alpha", false},
		{domain.RoleFeed, "main", "", true},
		{domain.RoleFeed, "", "", true},
		{domain.RoleOperator, "main", "alpha", false},
		{domain.RoleOperator, "", "", true},
		{domain.RoleApprover, "", "", true},
		{domain.RoleAuditor, "main", "", true},
		{domain.RoleAdmin, "", "", true},
		{domain.RoleAdmin, "main", "", false},
		{"root", "", "", false},
		{"", "", "", false},
		{domain.RoleOperator, "no name", "", false},
	} {
		events, err := decide(t, s, issue(tt.role, tt.portfolio, tt.bot, n+1))
		require.Equal(t, tt.ok, err == nil, "%+v: %v", tt, err)
		if tt.ok {
			k, found := s.ByHash(hash(n + 1))
			require.True(t, found)
			require.Equal(t, domain.KeyName(s.Next-1), k.ID)
			require.Len(t, events, 1)
		} else {
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
		}
	}
	_, err := decide(t, s, issue(domain.RoleOperator, "", "", 1))
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err), "the same key twice")
	for _, bad := range []string{"", "x", hash(1)[1:], hash(1) + "0", "A" + hash(1)[1:], "g" + hash(1)[1:]} {
		_, err := decide(t, s, func(d *Decision) error {
			return d.IssueKey(&domain.APIKeyIssued{User: "u", Role: domain.RoleOperator, Hash: bad}, 0)
		})
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), bad)
	}
	_, err = decide(t, s, func(d *Decision) error {
		return d.IssueKey(&domain.APIKeyIssued{User: domain.ServerUser, Role: domain.RoleOperator, Hash: hash(99)}, 0)
	})
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), "nobody looks like the server")
}

// Whoever lost all keys cannot make another by starting anew; the last admin key
// cannot be revoked.
func TestThereIsAlwaysAnAdmin(t *testing.T) {
	s := started(t)
	_, err := decide(t, s, func(d *Decision) error { return d.Bootstrap("eve", hash(9)) })
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
	revoke := func(id string) error {
		_, err := decide(t, s, func(d *Decision) error { return d.RevokeKey(id, "lost") })
		return err
	}
	require.Equal(t, domain.CodeConflict, domain.CodeOf(revoke("k0")))
	_, err = decide(t, s, issue(domain.RoleAdmin, "", "", 1))
	require.NoError(t, err)
	require.NoError(t, revoke("k0"))
	_, found := s.ByHash(hash(0))
	require.False(t, found, "refused from now on")
	require.NoError(t, revoke("k0"), "again is noted")
	require.Equal(t, domain.CodeConflict, domain.CodeOf(revoke("k1")))
	require.Equal(t, domain.CodeNotFound, domain.CodeOf(revoke("k99")))
	_, err = decide(t, s, issue(domain.RoleOperator, "", "", 0))
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err), "a revoked key is not issued again")
	require.Len(t, s.Keys(), 2)
	require.Equal(t, "k0", s.Keys()[0].ID)
	require.NotNil(t, s.Keys()[0].RevokedAt)
}

// Apply is total: what does not fit changes nothing.
func TestApplyIsTotal(t *testing.T) {
	s := started(t)
	before := s.Keys()
	for _, e := range []domain.Event{
		&domain.APIKeyRevoked{Key: "k99"}, &domain.AccessDenied{}, &domain.CommandNoted{}, &domain.DepositRecorded{}, &domain.PortfolioOpened{},
	} {
		s.Apply(domain.Stamp{Revision: s.Next, Time: noon}, e)
	}
	require.Equal(t, before, s.Keys())
}

func TestRecordDenials(t *testing.T) {
	s := started(t)
	events, err := decide(t, s, func(d *Decision) error {
		return d.RecordDenials([]domain.AccessDenied{{Source: "192.0.2.1", Code: "denied", Count: 3}, {Source: "192.0.2.2", Code: "unauthenticated", Count: 1}})
	})
	require.NoError(t, err)
	require.Len(t, events, 2)
	_, err = decide(t, s, func(d *Decision) error { return d.RecordDenials(make([]domain.AccessDenied, maxDenials+1)) })
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
}

// "`system`, `import`, `os:*` cannot be issued", in any case, also not as the first key.
// A key of such a name that an earlier build issued goes on working.
func TestReservedUsersGetNoKey(t *testing.T) {
	for _, user := range []string{"system", "SYSTEM", "import", "Import", "os:alice", "OS:alice", "server", "Server"} {
		s := started(t)
		_, err := decide(t, s, func(d *Decision) error {
			return d.IssueKey(&domain.APIKeyIssued{User: user, Role: domain.RoleOperator, Hash: hash(1)}, 0)
		})
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), user)
		require.ErrorContains(t, err, "is reserved for the machine")
		_, err = decide(t, New(), func(d *Decision) error { return d.Bootstrap(user, hash(1)) })
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), user)
		s.Apply(domain.Stamp{Revision: s.Next, Time: noon}, &domain.APIKeyIssued{Key: "k1", User: user, Role: domain.RoleOperator, Hash: hash(1)})
		old, works := s.ByHash(hash(1))
		require.True(t, works)
		require.Equal(t, user, old.User)
	}
}
