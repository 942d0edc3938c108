package system

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// decideAt runs one decision at another time than noon.
func decideAt(s *State, now time.Time, f func(*Decision) error) ([]domain.Event, error) {
	d := s.Begin(now, domain.Caller{User: "anna", Role: domain.RoleAdmin})
	err := f(d)
	return d.Events(), err
}

func keyOf(t *testing.T, s *State, id string) Key {
	t.Helper()
	k, known := s.ByID(id)
	require.True(t, known, id)
	return k
}

func rotateKey(id string, n int, overlap time.Duration) func(*Decision) error {
	return func(d *Decision) error { return d.RotateKey(id, hash(n), overlap, 0) }
}

// "expires_at (default 365 days, warning at 30)", counted from the time of the record.
func TestAKeyExpires(t *testing.T) {
	s := started(t)
	k := keyOf(t, s, "k0")
	require.Equal(t, noon.Add(365*24*time.Hour), *k.ExpiresAt, "the first key, too")
	end := *k.ExpiresAt
	for _, tt := range []struct {
		at    time.Time
		state string
	}{
		{noon, KeyLive},
		{end.Add(-30*24*time.Hour - 1), KeyLive},
		{end.Add(-30 * 24 * time.Hour), KeyExpiring},
		{end.Add(-1), KeyExpiring},
		{end, KeyExpired},
		{end.Add(time.Hour), KeyExpired},
	} {
		require.Equal(t, tt.state, k.StateAt(tt.at), tt.at)
		require.Equal(t, tt.state == KeyExpired, k.Expired(tt.at))
		require.Equal(t, tt.state != KeyExpired, k.Live(tt.at))
	}
	for life, ok := range map[time.Duration]bool{
		time.Minute: true, time.Hour: true, MaxKeyLife: true, time.Second: false, -time.Hour: false, MaxKeyLife + 1: false,
	} {
		_, err := decide(t, started(t), func(d *Decision) error {
			return d.IssueKey(&domain.APIKeyIssued{User: "u", Role: domain.RoleFeed, Hash: hash(1)}, life)
		})
		require.Equal(t, ok, err == nil, life)
	}
}

// "Keys issued by older builds do not expire, but are shown as such."
func TestAKeyOfAnEarlierBuildDoesNotExpire(t *testing.T) {
	s := New()
	s.Apply(domain.Stamp{Time: noon}, &domain.APIKeyIssued{Key: "k0", User: "anna", Role: domain.RoleAdmin, Hash: hash(0)})
	k := keyOf(t, s, "k0")
	require.Nil(t, k.ExpiresAt)
	require.Equal(t, KeyLive, k.StateAt(noon.Add(100*MaxKeyLife)))
	_, err := decideAt(s, noon.Add(time.Hour), rotateKey("k0", 1, time.Hour))
	require.NoError(t, err)
	require.Equal(t, noon.Add(2*time.Hour), *keyOf(t, s, "k0").ExpiresAt, "replaced, it does")
}

// "apikey rotate KEY --overlap 24h: new secret for the same user, role, portfolio, bot; the
// old one ends after the overlap."
func TestRotateKey(t *testing.T) {
	s := started(t)
	_, err := decide(t, s, func(d *Decision) error {
		return d.IssueKey(&domain.APIKeyIssued{User: "alpha-host", Role: domain.RoleBot, Portfolio: "main", Bot: "alpha", Note: "rack 3", Hash: hash(1)}, 48*time.Hour)
	})
	require.NoError(t, err)
	events, err := decideAt(s, noon.Add(time.Hour), rotateKey("k1", 2, 24*time.Hour))
	require.NoError(t, err)
	require.Len(t, events, 1)
	former, k := keyOf(t, s, "k1"), keyOf(t, s, "k2")
	require.Equal(t, Key{
		ID: "k2", User: "alpha-host", Role: domain.RoleBot, Portfolio: "main", Bot: "alpha", Note: "rack 3", Hash: hash(2),
		IssuedAt: noon.Add(time.Hour), ExpiresAt: k.ExpiresAt,
	}, k)
	require.Equal(t, noon.Add(time.Hour+KeyLife), *k.ExpiresAt)
	require.Equal(t, noon.Add(25*time.Hour), *former.ExpiresAt)
	require.Equal(t, "k2", former.ReplacedBy)
	require.True(t, former.Live(noon.Add(25*time.Hour-1)))
	require.False(t, former.Live(noon.Add(25*time.Hour)))

	// No key lives longer for being replaced, and none is replaced twice.
	_, err = decideAt(s, noon.Add(time.Hour), rotateKey("k1", 3, 0))
	require.ErrorContains(t, err, "rotated already, to k2")
	_, err = decide(t, s, func(d *Decision) error {
		return d.IssueKey(&domain.APIKeyIssued{User: "feed", Role: domain.RoleFeed, Hash: hash(4)}, time.Hour)
	})
	require.NoError(t, err)
	_, err = decideAt(s, noon.Add(30*time.Minute), rotateKey("k3", 5, 24*time.Hour))
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Hour), *keyOf(t, s, "k3").ExpiresAt)

	// Without an overlap the former one ends with the record.
	_, err = decideAt(s, noon.Add(2*time.Hour), rotateKey("k4", 6, 0))
	require.NoError(t, err)
	replaced := keyOf(t, s, "k4")
	require.False(t, replaced.Live(noon.Add(2*time.Hour)))
}

func TestWhatIsNotRotated(t *testing.T) {
	s := started(t)
	_, err := decide(t, s, issue(domain.RoleFeed, "", "", 1))
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		f    func(*Decision) error
		code domain.Code
	}{
		"unknown":             {rotateKey("k9", 5, 0), domain.CodeNotFound},
		"a negative overlap":  {rotateKey("k1", 5, -time.Second), domain.CodeInvalid},
		"an endless overlap":  {rotateKey("k1", 5, maxKeyOverlap+1), domain.CodeInvalid},
		"a hash that is none": {func(d *Decision) error { return d.RotateKey("k1", "x", 0, 0) }, domain.CodeInvalid},
		"its own hash":        {rotateKey("k1", 1, 0), domain.CodeConflict},
		"an endless life":     {func(d *Decision) error { return d.RotateKey("k1", hash(5), 0, MaxKeyLife+1) }, domain.CodeInvalid},
	} {
		_, err := decide(t, s, tt.f)
		require.Equal(t, tt.code, domain.CodeOf(err), name)
	}
	_, err = decide(t, s, func(d *Decision) error { return d.RevokeKey("k1", "") })
	require.NoError(t, err)
	_, err = decide(t, s, rotateKey("k1", 5, 0))
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err), "revoked")
}

// "Same care for lost answers": a new secret that nobody saw, and a former key that has ended,
// would lock everybody out for a year.
func TestTheLastAdminKeyIsRotatedWithAnOverlap(t *testing.T) {
	s := started(t)
	_, err := decide(t, s, rotateKey("k0", 1, time.Hour-1))
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
	_, err = decide(t, s, rotateKey("k0", 1, time.Hour))
	require.NoError(t, err)
	_, err = decide(t, s, rotateKey("k1", 2, 0))
	require.NoError(t, err, "the former one is accepted for another hour")
	_, err = decide(t, started(t), rotateKey("k0", 1, 24*time.Hour))
	require.NoError(t, err)
}

// "The last admin key's expiry must not lock everybody out": where no admin key is accepted
// any more, the server's start issues one, and never one that has ended.
func TestTheWayBackIn(t *testing.T) {
	s := started(t)
	end := *keyOf(t, s, "k0").ExpiresAt
	bootstrap := func(n int) func(*Decision) error {
		return func(d *Decision) error { return d.Bootstrap("admin", hash(n)) }
	}
	_, err := decideAt(s, end.Add(-1), bootstrap(1))
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err), "while it lives")
	_, err = decideAt(s, end, bootstrap(0))
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err), "a key that has ended does not come back")
	events, err := decideAt(s, end, bootstrap(1))
	require.NoError(t, err)
	require.Equal(t, "no admin key was accepted any more", events[0].(*domain.APIKeyIssued).Note)
	k := keyOf(t, s, "k1")
	require.True(t, k.Live(end))

	// An admin key that has expired does not count as the last one, and may be revoked.
	_, err = decideAt(s, end, func(d *Decision) error { return d.RevokeKey("k1", "") })
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
	_, err = decideAt(s, end, func(d *Decision) error { return d.RevokeKey("k0", "") })
	require.NoError(t, err)
}

// Apply is total: a replacement that no decision would have allowed.
func TestApplyOfReplacementsIsTotal(t *testing.T) {
	s := started(t)
	before := keyOf(t, s, "k0")
	late := noon.Add(2 * KeyLife)
	s.Apply(domain.Stamp{Revision: 1, Time: noon}, &domain.APIKeyIssued{Key: "k1", Hash: hash(1), Replaces: "k99", FormerUntil: &late})
	s.Apply(domain.Stamp{Revision: 2, Time: noon}, &domain.APIKeyIssued{Key: "k2", Hash: hash(2), Replaces: "k2", FormerUntil: &noon})
	require.Nil(t, keyOf(t, s, "k2").ExpiresAt, "no key replaces itself")
	s.Apply(domain.Stamp{Revision: 3, Time: noon}, &domain.APIKeyIssued{Key: "k3", Hash: hash(3), Replaces: "k0", FormerUntil: &late})
	require.Equal(t, before.ExpiresAt, keyOf(t, s, "k0").ExpiresAt)
	s.Apply(domain.Stamp{Revision: 4, Time: noon}, &domain.APIKeyIssued{Key: "k4", Hash: hash(4), Replaces: "k1"})
	require.Nil(t, keyOf(t, s, "k1").ExpiresAt)
}
