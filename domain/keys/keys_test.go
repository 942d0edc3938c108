package keys

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

const (
	address = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
	oldKey  = "deadbeef"
	newKey  = "8b1a9953"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// history folds events, the first at noon and each a day after the one before.
func history(events ...domain.Event) *State {
	s := New()
	for i, e := range events {
		s.Apply(domain.Stamp{Revision: uint64(i), Time: day(i)}, e)
	}
	return s
}

func day(n int) time.Time { return noon.Add(time.Duration(n) * 24 * time.Hour) }

func claim(portfolio string) *domain.WalletClaimed {
	return &domain.WalletClaimed{Address: address, Wallet: "hot-1", Portfolio: portfolio}
}

func start(rotation, to string, wallets ...string) *domain.KeyRotationStarted {
	return &domain.KeyRotationStarted{Rotation: rotation, To: to, Wallets: wallets, Reason: "scheduled"}
}

func reencrypted(rotation, wallet, to string) *domain.KeyReencrypted {
	return &domain.KeyReencrypted{Rotation: rotation, Wallet: wallet, Address: address, From: oldKey, To: to}
}

func completed(rotation, to string) *domain.KeyRotationCompleted {
	return &domain.KeyRotationCompleted{Rotation: rotation, To: to}
}

// "Rotation (every 90 days: metric, warning, doctor)": a limit trips at ≥.
func TestRotationIsDueAfter90Days(t *testing.T) {
	s := history(claim("main"))
	for _, tt := range []struct {
		age time.Duration
		due bool
	}{
		{0, false},
		{90*24*time.Hour - 1, false},
		{90 * 24 * time.Hour, true},
		{90*24*time.Hour + 1, true},
	} {
		require.Equal(t, tt.age, s.Age(noon.Add(tt.age)))
		require.Equal(t, tt.due, s.Due(noon.Add(tt.age)), "%s", tt.age)
	}
	require.Zero(t, s.Age(noon.Add(-time.Second)), "a clock behind the stream makes no negative age")
}

// "Counted from the last completion or, before any, from the first event that it
// knows of the key": what begins an age, and what does not.
func TestSince(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []domain.Event
		since  int // day, -1 for unknown
	}{
		{"nothing is known", nil, -1},
		{"other events say nothing of the key", []domain.Event{&domain.APIKeyIssued{}, &domain.AccessDenied{}}, -1},
		{"the first claim", []domain.Event{&domain.AccessDenied{}, claim("main"), claim("main")}, 1},
		{"the first start", []domain.Event{start("r0", newKey, "hot-1"), claim("main")}, 0},
		{"a start makes no key younger", []domain.Event{claim("main"), start("r1", newKey, "hot-1"), reencrypted("r1", "hot-1", newKey)}, 0},
		{"a completion does", []domain.Event{claim("main"), start("r1", newKey), completed("r1", newKey)}, 2},
		{"the last completion", []domain.Event{start("r0", oldKey), completed("r0", oldKey), start("r2", newKey), completed("r2", newKey)}, 3},
		{"to the same key again is none", []domain.Event{start("r0", newKey), completed("r0", newKey), start("r2", newKey), completed("r2", newKey)}, 1},
		{"to the first again is none", []domain.Event{
			start("r0", oldKey), completed("r0", oldKey), start("r2", newKey), completed("r2", newKey), start("r4", oldKey), completed("r4", oldKey),
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := history(tt.events...)
			since, known := s.Since()
			require.Equal(t, tt.since >= 0, known)
			if known {
				require.Equal(t, day(tt.since), since)
			}
			require.Equal(t, known, s.Due(day(1000)))
		})
	}
}

// A rotation from its start to its end.
func TestRotation(t *testing.T) {
	s := history(start("r0", newKey, "a", "b"))
	require.Equal(t, "r0", s.Latest())
	open, under := s.Open()
	require.True(t, under)
	require.Equal(t, Rotation{
		Name: "r0", To: newKey, Reason: "scheduled", StartedAt: noon, Wallets: []string{"a", "b"}, Left: []string{"a", "b"},
	}, open)
	open.Left[0], open.Wallets[0] = "x", "x" // what was returned is the reader's

	s.Apply(domain.Stamp{Revision: 1, Time: day(1)}, reencrypted("r0", "a", newKey))
	open, _ = s.Open()
	require.Equal(t, []string{"b"}, open.Left)
	require.Equal(t, []string{"a", "b"}, open.Wallets)
	id, known := s.SealedUnder("a")
	require.True(t, known)
	require.Equal(t, newKey, id)
	_, known = s.SealedUnder("b")
	require.False(t, known)

	s.Apply(domain.Stamp{Revision: 2, Time: day(2)}, reencrypted("r0", "b", newKey))
	s.Apply(domain.Stamp{Revision: 3, Time: day(3)}, completed("r0", newKey))
	_, under = s.Open()
	require.False(t, under)
	last, any := s.LastCompleted()
	require.True(t, any)
	require.Equal(t, day(3), *last.CompletedAt)
	require.Empty(t, last.Left)
	byName, known := s.Rotation("r0")
	require.True(t, known)
	require.Equal(t, last, byName)
}

// "A wallet belongs to one portfolio": the first claim stands, in whatever case
// the address is written.
func TestClaims(t *testing.T) {
	s := history(claim("main"), claim("other"))
	for _, text := range []string{address, "0x9858effd232b4033e47d90003d41ec34ecaeda94", "0x9858EFFD232B4033E47D90003D41EC34ECAEDA94"} {
		c, claimed := s.ClaimOf(text)
		require.True(t, claimed)
		require.Equal(t, Claim{Address: address, Wallet: "hot-1", Portfolio: "main"}, c)
	}
	_, claimed := s.ClaimOf("0x0000000000000000000000000000000000000000")
	require.False(t, claimed)
}

// Apply is total: what no decision would have let happen is folded all the same.
func TestApplyIsTotal(t *testing.T) {
	s := history(
		reencrypted("r99", "a", newKey), completed("r99", newKey), completed("r99", newKey),
		start("", ""), reencrypted("", "", ""), completed("", ""), &domain.WalletClaimed{}, &domain.PortfolioOpened{}, &domain.CommandNoted{},
		start("r9", oldKey, "a", "a"), start("r10", newKey, "b"), reencrypted("r9", "a", oldKey), completed("r9", oldKey),
	)
	open, under := s.Open()
	require.True(t, under, "another rotation's end does not end this one")
	require.Equal(t, "r10", open.Name)
	r9, _ := s.Rotation("r9")
	require.Empty(t, r9.Left, "named twice is sealed once")
	_, known := s.Rotation("r98")
	require.False(t, known)
}

// "8 lower-case hex digits", and "0x + 40 hex".
func TestShapes(t *testing.T) {
	for id, ok := range map[string]bool{
		"deadbeef": true, "01234567": true, "": false, "deadbee": false, "deadbeef0": false, "DEADBEEF": false, "deadbeeg": false,
		"dead beef"[:8]: false, "unknown": false, "ééé11": false,
	} {
		require.Equal(t, ok, CheckID("to", id) == nil, id)
	}
	for text, ok := range map[string]bool{
		address: true, "0x" + address[3:]: false, address + "0": false, address[2:]: false, "0X" + address[2:]: false, "": false, "0x": false,
		"0xg" + address[3:]: false, address[:41] + " ": false,
	} {
		require.Equal(t, ok, CheckAddress("address", text) == nil, text)
	}
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(CheckID("to", "x")))
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(CheckAddress("address", "x")))
}

// "Swapping two encryption keys does not reset their age": a key that comes back is as old as
// it was, the first one too.
func TestAKeyThatComesBackIsNotNew(t *testing.T) {
	s := history(
		claim("main"),
		start("r1", newKey, "hot-1"), reencrypted("r1", "hot-1", newKey), completed("r1", newKey), // on day 3
		start("r4", oldKey, "hot-1"),
		&domain.KeyReencrypted{Rotation: "r4", Wallet: "hot-1", Address: address, From: newKey, To: oldKey},
		completed("r4", oldKey),
	)
	since, known := s.Since()
	require.True(t, known)
	require.Equal(t, day(0), since, "the old key was in use from the first event on")
	require.True(t, s.Due(day(90)))
	s.Apply(domain.Stamp{Revision: 7, Time: day(7)}, start("r7", newKey, "hot-1"))
	s.Apply(domain.Stamp{Revision: 8, Time: day(8)}, reencrypted("r7", "hot-1", newKey))
	s.Apply(domain.Stamp{Revision: 9, Time: day(9)}, completed("r7", newKey))
	since, _ = s.Since()
	require.Equal(t, day(3), since, "since it was first the current key")
	s.Apply(domain.Stamp{Revision: 10, Time: day(10)}, completed("r10", "00c0ffee"))
	since, _ = s.Since()
	require.Equal(t, day(10), since, "one that was never used is new")
}
