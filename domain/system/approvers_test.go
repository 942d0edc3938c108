package system

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/approval/approvaltest"
)

// court decides at a time of its own, as anybody.
type court struct {
	t      *testing.T
	s      *State
	now    time.Time
	behind time.Duration // the wall clock is behind now
}

func (c *court) do(user string, role domain.Role, f func(*Decision) error) (domain.Event, error) {
	c.t.Helper()
	d := c.s.Begin(c.now, domain.Caller{User: user, Role: role})
	d.Behind(c.behind)
	if err := f(d); err != nil {
		require.False(c.t, d.Dirty(), "a refusal leaves no trace")
		return nil, err
	}
	require.NoError(c.t, d.Finish())
	require.Len(c.t, d.Events(), 1)
	return d.Events()[0], nil
}

func (c *court) register(user string) (*domain.ApproverRegistered, error) {
	c.t.Helper()
	e, err := c.do("ada", domain.RoleAdmin, func(d *Decision) error {
		return d.RegisterApprover(&domain.ApproverRegistered{User: user, PublicKey: approvaltest.Public(user)})
	})
	if err != nil {
		return nil, err
	}
	return e.(*domain.ApproverRegistered), nil
}

func (c *court) must(user string) *domain.ApproverRegistered {
	c.t.Helper()
	e, err := c.register(user)
	require.NoError(c.t, err)
	return e
}

func (c *court) vouch(user, id string) (domain.Event, error) {
	c.t.Helper()
	word, _ := c.s.Word(id)
	if word.Lines == nil {
		word.Lines = []string{"nothing"}
	}
	word.Ledger, word.Portfolio, word.Kind = c.s.Approvers().Ledger, approval.SystemPortfolio, approval.KindApprover
	return c.do(user, domain.RoleApprover, func(d *Decision) error { return d.VouchApprover(id, approvaltest.Sign(c.t, word, user)) })
}

func (c *court) revoke(id string) {
	c.t.Helper()
	_, err := c.do("ada", domain.RoleAdmin, func(d *Decision) error { return d.RevokeApprover(id, "lost") })
	require.NoError(c.t, err)
}

// counts reports whether a user's key counts at the time.
func (c *court) counts(user string) bool {
	known := c.s.Approvers()
	a, is := known.WithKey(approvaltest.Public(user))
	return is && a.Counts(c.now)
}

func newCourt(t *testing.T) *court { return &court{t: t, s: started(t), now: noon} }

// "The first approver counts at once, later ones after 24 h or by an approver's word."
func TestWhenApproversCount(t *testing.T) {
	c := newCourt(t)
	first := c.must("bob")
	require.Equal(t, noon, first.CountsFrom)
	require.Equal(t, "ada", first.By)
	require.True(t, c.counts("bob"))
	second := c.must("carl")
	require.Equal(t, noon.Add(24*time.Hour), second.CountsFrom)
	require.False(t, c.counts("carl"))
	third := c.must("dora")
	_, err := c.vouch("carl", third.Approver)
	require.Equal(t, domain.CodeDenied, domain.CodeOf(err), "carl does not count")
	_, err = c.vouch("bob", third.Approver)
	require.NoError(t, err)
	require.True(t, c.counts("dora"))
	require.False(t, c.counts("carl"))
	c.now = noon.Add(24*time.Hour - time.Nanosecond)
	require.False(t, c.counts("carl"))
	c.now, c.behind = noon.Add(24*time.Hour), time.Hour
	fourth := c.must("eve")
	_, err = c.vouch("carl", fourth.Approver)
	require.ErrorContains(t, err, "counts from", "the stream is ahead of the wall clock")
	c.behind = 0
	require.True(t, c.counts("carl"))
	e, err := c.vouch("bob", second.Approver)
	require.NoError(t, err)
	require.IsType(t, &domain.CommandNoted{}, e, "it counts already")
}

// "Think about the thief who is admin": first is first ever, a word is a third person's,
// and a revoked key stays one.
func TestAThiefWhoIsAdmin(t *testing.T) {
	c := newCourt(t)
	bob := c.must("bob")
	c.revoke(bob.Approver)
	require.False(t, c.counts("bob"))
	eve := c.must("eve")
	require.Equal(t, noon.Add(24*time.Hour), eve.CountsFrom, "after all were revoked the next one is not the first")
	_, err := c.register("bob")
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err), "a revoked key is not registered again")
	_, err = c.vouch("bob", eve.Approver)
	require.ErrorContains(t, err, "revoked for good")
	c.now = noon.Add(48 * time.Hour)
	require.True(t, c.counts("eve"))

	ada := c.must("ada")
	c.now = c.now.Add(48 * time.Hour)
	require.True(t, c.counts("ada"))
	require.NotEmpty(t, ada.Approver)
	mallory := c.must("mallory") // registered by ada
	_, err = c.vouch("ada", mallory.Approver)
	require.ErrorContains(t, err, "registered a key cannot give the word for it")
	_, err = c.vouch("Mallory", mallory.Approver)
	require.ErrorContains(t, err, "another approver's")
	require.False(t, c.counts("mallory"))
	c.revoke(mallory.Approver)
	_, err = c.vouch("eve", mallory.Approver)
	require.ErrorContains(t, err, "revoked for good")
	_, err = c.do("mallory", domain.RoleApprover, func(d *Decision) error { return d.RevokeApprover(eve.Approver, "") })
	require.Equal(t, domain.CodeDenied, domain.CodeOf(err), "an approver revokes no key of another user")
	_, err = c.do("EVE", domain.RoleApprover, func(d *Decision) error { return d.RevokeApprover(eve.Approver, "") })
	require.NoError(t, err)
	_, err = c.vouch("ada", "a999")
	require.Equal(t, domain.CodeNotFound, domain.CodeOf(err))
}

// What cannot be an approver's key is refused, and nothing is recorded.
func TestRefusedApprovers(t *testing.T) {
	c := newCourt(t)
	for name, e := range map[string]domain.ApproverRegistered{
		"no user":     {PublicKey: approvaltest.Public("bob")},
		"the machine": {User: "server", PublicKey: approvaltest.Public("bob")},
		"a local one": {User: "os:bob", PublicKey: approvaltest.Public("bob")},
		"no key":      {User: "bob"},
		"half a key":  {User: "bob", PublicKey: approvaltest.Public("bob")[:40]},
		"anybody's":   {User: "bob", PublicKey: approval.PublicKey(make([]byte, 32)).String()},
		"a long note": {User: "bob", PublicKey: approvaltest.Public("bob"), Note: "a\nb"},
	} {
		_, err := c.do("ada", domain.RoleAdmin, func(d *Decision) error { return d.RegisterApprover(&e) })
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), name)
	}
	c.must("bob")
	_, err := c.do("ada", domain.RoleAdmin, func(d *Decision) error {
		return d.RegisterApprover(&domain.ApproverRegistered{User: "carl", PublicKey: approvaltest.Public("bob")})
	})
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err), "one key, one user, for ever")
}

// The ledger's id depends on the first record alone, with its time: it is that of the
// same bytes in any engine. It is part of what is signed, so it never changes.
func TestLedgerID(t *testing.T) {
	c := newCourt(t)
	id := c.s.Approvers().Ledger
	// printf "pets-ledger-v1\napi_key.issued.v1\n2026-03-01T12:00:00Z\n{…}\n" | sha256sum | cut -c1-32
	require.Equal(t, "ledger-42ba0d145044064e424b00660070ec89", id)
	c.must("bob")
	require.Equal(t, id, c.s.Approvers().Ledger)
	ends := noon.Add(365 * 24 * time.Hour)
	first := &domain.APIKeyIssued{Key: "k0", User: "anna", Role: domain.RoleAdmin, Hash: hash(0), Note: "first key", ExpiresAt: &ends}
	other := New()
	other.Apply(domain.Stamp{Time: noon.Add(time.Nanosecond)}, first)
	require.NotEqual(t, id, other.Approvers().Ledger)
	same := New()
	same.Apply(domain.Stamp{Time: noon.In(time.FixedZone("", 3600))}, first)
	require.Equal(t, id, same.Approvers().Ledger)
}

// "One stolen admin key could use up the list for ever": revoked keys leave room for others.
func TestRevokedApproversLeaveRoom(t *testing.T) {
	c := newCourt(t)
	for i := range maxApprovers {
		c.must(fmt.Sprint("mallory", i))
	}
	_, err := c.register("bob")
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
	c.revoke(c.s.Approvers().Keys[7].ID)
	c.must("bob")
}

// "Ex-employee and admin are two people without 24 h": the key of a user who had no API key left
// waits once one is issued again, and a word does not shorten that.
func TestTheKeyOfAUserWhoComesBackWaits(t *testing.T) {
	c := newCourt(t)
	issue := func(n int) string {
		e, err := c.do("ada", domain.RoleAdmin, func(d *Decision) error {
			return d.IssueKey(&domain.APIKeyIssued{User: "carl", Role: domain.RoleApprover, Hash: hash(n)}, 0)
		})
		require.NoError(t, err)
		return e.(*domain.APIKeyIssued).Key
	}
	revoke := func(id string) {
		_, err := c.do("ada", domain.RoleAdmin, func(d *Decision) error { return d.RevokeKey(id, "carl left") })
		require.NoError(t, err)
	}
	signs := func() error {
		known := c.s.Approvers()
		subject := approval.Subject{Ledger: known.Ledger, Portfolio: "main", Kind: approval.KindClear, Lines: []string{"clear: c5"}}
		return known.Check(approvaltest.Sign(t, subject, "carl"), subject, "carl", c.now)
	}
	carl := c.must("carl")
	first := issue(1)
	require.True(t, c.counts("carl"), "the first API key of a user makes nothing wait")
	second := issue(2) // one after the other, without a gap
	revoke(first)
	require.NoError(t, signs())
	revoke(second)
	c.now = c.now.Add(time.Hour)
	before := c.s.Approvers()
	issue(3)
	require.False(t, c.counts("carl"))
	require.ErrorContains(t, signs(), "had no API key left")
	was, _ := before.WithKey(carl.PublicKey)
	require.True(t, was.Counts(c.now), "a copy keeps what it had")
	c.now = c.now.Add(approval.Wait)
	require.True(t, c.counts("carl"))
	require.NoError(t, signs())
}
