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

// "CountsFrom is derived in the fold": of a record that somebody else wrote, with a time that
// gives the key an earlier start, or with a false word, the key does not count; a later start
// stands.
func TestAForgedKeyDoesNotCount(t *testing.T) {
	for name, forge := range map[string]struct {
		e      domain.ApproverRegistered
		counts bool // after the day
	}{
		"counts at once":       {domain.ApproverRegistered{CountsFrom: noon}, false},
		"a nanosecond early":   {domain.ApproverRegistered{CountsFrom: noon.Add(approval.Wait - 1)}, false},
		"no time at all":       {domain.ApproverRegistered{}, false},
		"another registration": {domain.ApproverRegistered{CountsFrom: noon.Add(approval.Wait), RegisteredAt: noon.Add(-1)}, false},
		"by the rule":          {domain.ApproverRegistered{CountsFrom: noon.Add(approval.Wait)}, true},
		"later":                {domain.ApproverRegistered{CountsFrom: noon.Add(approval.Wait + time.Hour)}, false},
	} {
		c := newCourt(t)
		c.must("bob")
		forge.e.Approver, forge.e.User, forge.e.By, forge.e.PublicKey = domain.ApproverName(c.s.Next), "mallory", "ada", approvaltest.Public("mallory")
		c.s.Apply(domain.Stamp{Revision: c.s.Next, Time: noon}, &forge.e)
		require.False(t, c.counts("mallory"), name)
		c.now = noon.Add(approval.Wait)
		require.Equal(t, forge.counts, c.counts("mallory"), name)
		c.now = noon.Add(approval.Wait + time.Hour)
		require.Equal(t, forge.counts || name == "later", c.counts("mallory"), name)
		require.True(t, c.counts("bob"), name)
		known, subject := c.s.Approvers(), approval.Subject{Ledger: "l", Portfolio: "p", Kind: approval.KindClear, Lines: []string{"x"}}
		err := known.Check(approvaltest.Sign(t, subject, "mallory"), subject, "mallory", c.now)
		if c.counts("mallory") {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, "does not count", name)
		since := func(string) bool { return true }
		require.Error(t, known.CheckRecorded(approvaltest.Sign(t, subject, "mallory"), subject, "mallory", c.now, since), name)
		require.Error(t, known.CheckSince(approvaltest.Sign(t, subject, "mallory"), subject, "mallory", c.now), name)
	}
}

// "By a vouch of a counting approver that is checked": a false word gives nothing, and the key it
// is for does not count any more, unless it does already.
func TestAForgedWordGivesNothing(t *testing.T) {
	for name, forge := range map[string]func(c *court, word approval.Subject) *domain.ApproverVouched{
		"no signature": func(*court, approval.Subject) *domain.ApproverVouched { return &domain.ApproverVouched{By: "bob"} },
		"by the key itself": func(c *court, word approval.Subject) *domain.ApproverVouched {
			return &domain.ApproverVouched{By: "mallory", Signature: *approvaltest.Sign(c.t, word, "mallory")}
		},
		"in another's name": func(c *court, word approval.Subject) *domain.ApproverVouched {
			return &domain.ApproverVouched{By: "bob", Signature: *approvaltest.Sign(c.t, word, "mallory")}
		},
		"by who waits": func(c *court, word approval.Subject) *domain.ApproverVouched {
			return &domain.ApproverVouched{By: "carl", Signature: *approvaltest.Sign(c.t, word, "carl")}
		},
		"of another copy": func(c *court, word approval.Subject) *domain.ApproverVouched {
			copied := newCourt(c.t)
			copied.must("bob")
			copied.must("carl")
			copied.now = noon.Add(-time.Minute) // the drill was earlier
			copied.must("mallory")
			other, waits := copied.s.Word("a" + word.Lines[0][len("approver: a"):])
			require.True(c.t, waits)
			require.Equal(c.t, word.Lines[:5], other.Lines[:5])
			return &domain.ApproverVouched{By: "bob", Signature: *approvaltest.Sign(c.t, other, "bob")}
		},
	} {
		c := newCourt(t)
		c.must("bob")
		carl := c.must("carl")
		mallory := c.must("mallory")
		word, waits := c.s.Word(mallory.Approver)
		require.True(t, waits)
		e := forge(c, word)
		e.Approver = mallory.Approver
		c.s.Apply(domain.Stamp{Revision: c.s.Next, Time: noon}, e)
		require.False(t, c.counts("mallory"), name)
		c.now = noon.Add(approval.Wait)
		require.False(t, c.counts("mallory"), name)
		require.True(t, c.counts("carl"), name)
		c.s.Apply(domain.Stamp{Revision: c.s.Next, Time: c.now}, &domain.ApproverVouched{Approver: carl.Approver, By: "bob"})
		require.True(t, c.counts("carl"), "it counted already")
	}
}

// What older builds recorded has the word that was signed, which holds no time.
func TestTheWordOfAnOlderBuild(t *testing.T) {
	c := newCourt(t)
	c.must("bob")
	dated := c.must("carl")
	word, _ := c.s.Word(dated.Approver)
	require.Equal(t, "registered at: "+noon.Format(time.RFC3339Nano), word.Lines[5])
	old := domain.ApproverRegistered{
		Approver: domain.ApproverName(c.s.Next), User: "dora", By: "ada", PublicKey: approvaltest.Public("dora"), CountsFrom: noon.Add(approval.Wait),
	}
	c.s.Apply(domain.Stamp{Revision: c.s.Next, Time: noon}, &old)
	word, waits := c.s.Word(old.Approver)
	require.True(t, waits)
	require.Len(t, word.Lines, 5)
	_, err := c.vouch("bob", old.Approver)
	require.NoError(t, err)
	require.True(t, c.counts("dora"))
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
