package system

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
)

// "The time that is compared is the wall clock's, even if the stream's time is ahead of it":
// one record under a clock two years ahead gives no former key two more years, and hides no
// last admin key.
func TestAClockThatWasAheadDecidesNothing(t *testing.T) {
	wall := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	s := New()
	at := func(now time.Time, f func(*Decision) error) error {
		d := s.Begin(now, domain.Caller{User: "adam", Role: domain.RoleAdmin})
		if now.Before(s.Time) {
			d = s.Begin(s.Time, domain.Caller{User: "adam", Role: domain.RoleAdmin})
			d.Behind(s.Time.Sub(now))
		}
		return f(d)
	}
	hash := func(c string) string { return strings.Repeat(c, 64) }
	require.NoError(t, at(wall, func(d *Decision) error { return d.Bootstrap("adam", hash("a")) }))
	require.NoError(t, at(wall, func(d *Decision) error {
		return d.IssueKey(&domain.APIKeyIssued{User: "olga", Role: domain.RoleOperator, Hash: hash("b")}, 0)
	}))
	require.NoError(t, at(wall.Add(2*KeyLife), func(d *Decision) error { return d.RecordDenials([]domain.AccessDenied{{}}) }))

	now := wall.Add(time.Hour)
	approver := func(user string) approval.Approver {
		require.NoError(t, at(now, func(d *Decision) error {
			return d.RegisterApprover(&domain.ApproverRegistered{User: user, PublicKey: approvaltest.Public(user)})
		}))
		all := s.Approvers().Keys
		return all[len(all)-1]
	}
	first, second := approver("bob"), approver("carl")
	require.True(t, first.Counts(now))
	require.Equal(t, wall.Add(2*KeyLife).Add(approval.Wait), second.CountsFrom, "after the time of the record: what a record says of the wall clock is what its writer says; a word is quicker")
	_, waits := s.Word(second.ID)
	require.True(t, waits)
	_, waits = s.Word(first.ID)
	require.False(t, waits)

	former := s.byHash[hash("b")]
	require.NoError(t, at(now, func(d *Decision) error { return d.RotateKey(former.ID, hash("c"), 0, 0) }))
	require.False(t, former.Live(now), "an overlap of 0s")
	require.Equal(t, now.Add(KeyLife), *s.byHash[hash("c")].ExpiresAt)
	admin := s.byHash[hash("a")]
	require.Equal(t, domain.CodeConflict, domain.CodeOf(at(now, func(d *Decision) error { return d.Bootstrap("eve", hash("d")) })), "adam's key lives")
	require.Equal(t, domain.CodeConflict, domain.CodeOf(at(now, func(d *Decision) error { return d.RevokeKey(admin.ID, "lost") })), "it is the last")
	require.Equal(t, domain.CodeConflict, domain.CodeOf(at(now, func(d *Decision) error { return d.RotateKey(admin.ID, hash("e"), 0, 0) })), "it is the last")
}

// "Later ones count after 24 h": long enough for people to see the notice and to revoke the
// key. Who stole an admin's key is the one that registers it, so an approver may.
func TestAnApproverRevokesAKeyThatWaits(t *testing.T) {
	s, now := New(), time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	as := func(user string, role domain.Role) *Decision {
		return s.Begin(now, domain.Caller{User: user, Role: role})
	}
	for _, user := range []string{"bob", "mallory", "carl"} {
		require.NoError(t, as("adam", domain.RoleAdmin).RegisterApprover(&domain.ApproverRegistered{User: user, PublicKey: approvaltest.Public(user)}))
	}
	id := func(i int) string { return s.Approvers().Keys[i].ID }
	require.Equal(t, domain.CodeDenied, domain.CodeOf(as("carl", domain.RoleApprover).RevokeApprover(id(1), "x")), "carl's own key waits")
	require.Equal(t, domain.CodeDenied, domain.CodeOf(as("nobody", domain.RoleApprover).RevokeApprover(id(1), "x")), "no key")
	require.Equal(t, domain.CodeDenied, domain.CodeOf(as("carl", domain.RoleApprover).RevokeApprover(id(0), "x")), "bob's counts")
	require.NoError(t, as("bob", domain.RoleApprover).RevokeApprover(id(1), "nobody asked for it"))
	require.False(t, s.Approvers().Keys[1].Counts(now.Add(approval.Wait)))
	now = now.Add(approval.Wait)
	require.Equal(t, domain.CodeDenied, domain.CodeOf(as("bob", domain.RoleApprover).RevokeApprover(id(2), "x")), "carl's counts by now")
}
