package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/keys"
)

// rotate rotates to a key, in a process that stays alive.
func (c *chest) rotate(to string) (RotationReport, error) {
	return c.server(to).rotate(serverCaller, "scheduled")
}

func (c *chest) mustRotate(to string) RotationReport {
	report, err := c.rotate(to)
	require.NoError(c.t, err)
	require.True(c.t, report.Completed)
	return report
}

// engine returns the engine of a server, for commands other than rotations.
func (c *chest) engine(t *testing.T) *commands.Engine {
	e := commands.NewEngine(c.store, commands.EngineOptions{Options: commands.Options{Now: c.clock.Now}})
	t.Cleanup(e.Close)
	return e
}

// "Start → each blob re-encrypted, decrypted again, address checked → none left on the
// old key → complete", with its progress; then a rotation to another key.
func TestRotateKeys(t *testing.T) {
	c := newChest(t, keyA, "b", "a")
	c.put("new", keyB)
	e := c.engine(t)
	var told []string
	report, err := New(e, Options{Sealer: c.server(keyB), Resealing: func(done, total int, wallet string) {
		told = append(told, fmt.Sprintf("%d/%d %s", done, total, wallet))
	}}).RotateKeys(t.Context(), alice, "the laptop was stolen")
	require.NoError(t, err)
	require.Equal(t, RotationReport{
		Rotation: "r0", To: keyB, Completed: true,
		Resealed: []Resealed{{"a", addressOf("a"), keyA, keyB}, {"b", addressOf("b"), keyA, keyB}},
	}, report)
	require.Equal(t, []string{"1/2 a", "2/2 b"}, told)
	require.Len(t, c.records(), 4)

	again, err := New(e, Options{Sealer: c.server(keyB)}).RotateKeys(t.Context(), alice, "again")
	require.NoError(t, err)
	require.Equal(t, RotationReport{Rotation: "r0", To: keyB, Resealed: []Resealed{}, Completed: true}, again)
	require.Len(t, c.records(), 4, "nothing is recorded where nothing is done")

	c.mustRotate(keyC)
	require.Equal(t, map[string]string{"a": keyB, "b": keyB, "new": keyB}, c.rotated(keyC))
}

// "With no wallets left it still starts and can be completed at once": an empty keystore.
// But if wallets are sealed under a key that no rotation led to, recording one would make
// an old key look new.
func TestNothingToRotate(t *testing.T) {
	c := newChest(t, keyA)
	require.Equal(t, "r0", c.mustRotate(keyA).Rotation)
	require.Len(t, c.records(), 2)

	c = newChest(t, keyA, "a")
	_, err := c.rotate(keyA)
	requireCode(t, domain.CodeConflict, err)
	require.ErrorContains(t, err, "under key aaaaaaaa already")
	require.Empty(t, c.records())
	c.mustRotate(keyB)
	c.rotated(keyB)
}

// Another server does everything after the stream and before the files were read here:
// that is no reason to refuse.
func TestAnotherServerWasFaster(t *testing.T) {
	c := newChest(t, keyA, "a")
	c.listed = func(n int) {
		if n == 1 {
			_, err := c.server(keyB).rotate(alice, "before the holidays")
			require.NoError(t, err)
		}
	}
	require.Empty(t, c.mustRotate(keyB).Resealed)
	known(t, c.rotated(keyB), keyA)
}

// Another server starts a rotation with newcomers while this one re-encrypts, or before
// it completes: this one continues with that rotation.
func TestAnotherServerMovedOn(t *testing.T) {
	c := newChest(t, keyA, "a", "b")
	e := c.engine(t)
	report, err := New(e, Options{Sealer: c.server(keyB), Resealing: func(_, _ int, wallet string) {
		if wallet == "a" {
			c.put("late", keyA)
			_, err := e.System(t.Context(), commands.Request{Caller: alice, Key: "k", Command: commands.StartKeyRotation{To: keyB, Wallets: []string{"late"}}})
			require.NoError(t, err)
		}
	}}).RotateKeys(t.Context(), serverCaller, "scheduled")
	require.NoError(t, err)
	require.Equal(t, "r2", report.Rotation)
	last, _ := c.system().Encryption().LastCompleted()
	require.Equal(t, []string{"b", "late"}, last.Wallets)
	require.Equal(t, []Resealed{
		{"a", addressOf("a"), keyA, keyB}, {"b", addressOf("b"), keyA, keyB}, {"late", addressOf("late"), keyA, keyB},
	}, report.Resealed)

	c = newChest(t, keyA, "a")
	c.listed = func(n int) {
		if n == 3 { // the stream was read for the third time
			c.put("late", keyA)
			_, err := c.server(keyB).rotate(alice, "a newcomer")
			require.NoError(t, err)
		}
	}
	require.Equal(t, "r2", c.mustRotate(keyB).Rotation)
}

// Another server replaces the file just before this one, which has seen the old key.
func TestAnotherServerReplacedTheFile(t *testing.T) {
	c := newChest(t, keyA, "a", "b")
	_, err := New(c.engine(t), Options{Sealer: c.server(keyB), Resealing: func(_, _ int, wallet string) {
		if wallet == "a" {
			_, err := c.server(keyB).replace("b")
			require.NoError(t, err)
		}
	}}).RotateKeys(t.Context(), serverCaller, "")
	require.NoError(t, err)
	known(t, c.rotated(keyB), keyA)
}

// "Every command takes a caller": before any file is touched.
func TestOnlyAdminsRotate(t *testing.T) {
	c := newChest(t, keyA, "a")
	_, err := c.server(keyB).rotate(olga, "")
	requireCode(t, domain.CodeDenied, err)
	p := c.server(keyB)
	p.fail = map[string]error{"a": errDown}
	_, err = p.rotate(serverCaller, "") // so that a rotation is open
	require.Error(t, err)
	_, err = c.server(keyB).rotate(olga, "")
	requireCode(t, domain.CodeDenied, err)
	require.Equal(t, keyA, c.blobs["a"].key)
}

// "A sealer error for one wallet stops the rotation with an error that names the
// wallet, leaving the rotation open."
func TestAWalletThatCannotBeReencrypted(t *testing.T) {
	c := newChest(t, keyA, wallets...)
	p := c.server(keyB)
	p.fail = map[string]error{"hot-1": domain.Errorf(domain.CodeUnavailable, "the key file is damaged")}
	report, err := p.rotate(serverCaller, "scheduled")
	requireCode(t, domain.CodeUnavailable, err)
	require.ErrorContains(t, err, "wallet hot-1")
	require.ErrorContains(t, err, "r0 stays open")
	require.ErrorContains(t, err, "damaged")
	require.Len(t, report.Resealed, 1)
	require.False(t, report.Completed)
	open, under := c.system().Encryption().Open()
	require.True(t, under)
	require.Equal(t, []string{"hot-1", "hot-2"}, open.Left)

	_, err = c.rotate(keyC)
	requireCode(t, domain.CodeConflict, err)
	require.ErrorContains(t, err, "rotation r0 to key bbbbbbbb is open")

	p = c.server(keyB)
	p.ring = nil // the retired key was removed too early
	_, err = p.rotate(serverCaller, "scheduled")
	requireCode(t, domain.CodeUnavailable, err)
	require.ErrorContains(t, err, "wallet hot-1")
	c.mustRotate(keyB)
	known(t, c.rotated(keyB), keyA)
}

// An answer of the keystore for another wallet, or another key, is not accepted.
func TestAKeystoreThatErrs(t *testing.T) {
	for _, lie := range []Resealed{{"b", addressOf("b"), keyA, keyB}, {"a", addressOf("a"), keyA, keyC}} {
		c := newChest(t, keyA, "a")
		p := c.server(keyB)
		p.lie = &lie
		_, err := p.rotate(serverCaller, "")
		requireCode(t, domain.CodeInternal, err)
		require.Len(t, c.records(), 1)
	}
	c := newChest(t, keyA, "a")
	p := c.server(keyB)
	p.lie = &Resealed{"a", "nowhere", keyA, keyB}
	_, err := p.rotate(serverCaller, "")
	requireCode(t, domain.CodeInvalid, err)
	require.ErrorContains(t, err, "is re-encrypted, but that is not recorded")
	c.mustRotate(keyB)
	c.rotated(keyB)
}

// Wallets that were sealed with the old key meanwhile are also announced before they are
// touched; one that was restored from a backup is sealed again, and recorded once.
func TestWalletsThatTurnUp(t *testing.T) {
	c := newChest(t, keyA, "a", "b")
	c.listed = func(n int) {
		if n == 3 { // 1 to start, 2 to re-encrypt, 3 to complete
			c.put("late", keyA)
			c.put("a", keyA)
		}
	}
	report := c.mustRotate(keyB)
	require.Equal(t, "r3", report.Rotation)
	require.Len(t, report.Resealed, 4)
	k := c.system().Encryption()
	last, _ := k.LastCompleted()
	require.Equal(t, []string{"a", "late"}, last.Wallets)
	first, _ := k.Rotation("r0")
	require.Empty(t, first.Left)
	require.Nil(t, first.CompletedAt)

	c = newChest(t, keyA, "a", "b")
	c.listed = func(n int) {
		if n == 3 {
			c.put("a", keyA)
		}
	}
	require.Len(t, c.mustRotate(keyB).Resealed, 2)
	known(t, c.rotated(keyB), keyA)

	for _, rotation := range []string{"r4", "r7"} { // after the rotation is over, twice
		c.put("a", keyA)
		require.Equal(t, rotation, c.mustRotate(keyB).Rotation)
		require.Equal(t, keyB, c.blobs["a"].key)
	}
}

// "Every loop has a limit": another process keeps sealing under the old key.
func TestARotationThatNeverEnds(t *testing.T) {
	c := newChest(t, keyA, "a")
	c.listed = func(int) { c.put("a", keyA) }
	_, err := c.rotate(keyB)
	requireCode(t, domain.CodeConflict, err)
	require.ErrorContains(t, err, "again and again")
	require.Equal(t, maxRotationRounds, c.lists)
	c.listed = nil
	c.mustRotate(keyB)
	c.rotated(keyB)
}

// A caller who leaves leaves an open rotation, and no wallet without a record.
func TestACallerWhoGoesAway(t *testing.T) {
	c := newChest(t, keyA, wallets...)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := New(c.engine(t), Options{Sealer: c.server(keyB), Resealing: func(done, _ int, _ string) {
		if done == 2 {
			cancel()
		}
	}}).RotateKeys(ctx, serverCaller, "")
	require.ErrorIs(t, err, context.Canceled)
	open, _ := c.system().Encryption().Open()
	require.Equal(t, []string{"hot-2"}, open.Left)
	require.Equal(t, keyA, c.blobs["hot-2"].key)
	c.mustRotate(keyB)
	known(t, c.rotated(keyB), keyA)
}

// The status before, during and after a rotation.
func TestKeyStatus(t *testing.T) {
	c := newChest(t, keyA, "hot-1", "cold-1")
	e := c.engine(t)
	status := func(current string, now time.Time) string {
		t.Helper()
		later := commands.NewEngine(c.store, commands.EngineOptions{Options: commands.Options{Now: func() time.Time { return now }}})
		defer later.Close()
		s, err := New(later, Options{Sealer: c.server(current)}).KeyStatus(t.Context())
		require.NoError(t, err)
		b, err := json.Marshal(s)
		require.NoError(t, err)
		return string(b)
	}
	require.JSONEq(t, `{"current":"aaaaaaaa","in_use":[{"key":"aaaaaaaa","wallets":["cold-1","hot-1"]}],
		"since":null,"age":"0s","due_at":null,"due":false}`, status(keyA, noon))

	_, err := e.System(t.Context(), commands.Request{Caller: alice, Key: uuid.NewString(), Command: commands.ClaimWallet{Address: addressOf("hot-1"), Wallet: "hot-1", Portfolio: "main"}})
	require.NoError(t, err)
	c.clock.add(time.Hour)
	p := c.server(keyB)
	p.fail = map[string]error{"hot-1": errors.New("no")}
	_, err = p.rotate(serverCaller, "scheduled")
	requireCode(t, domain.CodeInternal, err)
	require.JSONEq(t, `{"current":"bbbbbbbb",
		"in_use":[{"key":"aaaaaaaa","wallets":["hot-1"]},{"key":"bbbbbbbb","wallets":["cold-1"]}],
		"open_rotation":{"rotation":"r1","to":"bbbbbbbb","reason":"scheduled","started_at":"2026-03-10T13:00:00Z","total":2,"left":["hot-1"]},
		"since":"2026-03-10T12:00:00Z","age":"2160h0m0s","due_at":"2026-06-08T12:00:00Z","due":true}`,
		status(keyB, noon.Add(keys.RotateEvery)))

	c.clock.add(time.Hour)
	c.mustRotate(keyB)
	require.JSONEq(t, `{"current":"bbbbbbbb","in_use":[{"key":"bbbbbbbb","wallets":["cold-1","hot-1"]}],
		"last_completed":{"rotation":"r1","to":"bbbbbbbb","completed_at":"2026-03-10T14:00:00Z"},
		"since":"2026-03-10T14:00:00Z","age":"2159h59m59s","due_at":"2026-06-08T14:00:00Z","due":false}`,
		status(keyB, noon.Add(2*time.Hour+keys.RotateEvery-time.Second)))
}

// Unreadable data is an error, not a guess.
func TestKeysOfAStoreThatCannotBeRead(t *testing.T) {
	c := newChest(t, keyA, "a")
	p := c.server(keyB)
	p.at = 1
	_, err := New(c.engine(t), Options{Sealer: p}).KeyStatus(t.Context())
	require.ErrorIs(t, err, errKilled)
	_, err = New(c.engine(t), Options{Sealer: p}).RotateKeys(t.Context(), serverCaller, "")
	require.ErrorIs(t, err, errKilled)
	store := newFaulty()
	store.readErr = errDown
	c.store = store
	_, err = New(c.engine(t), Options{Sealer: c.server(keyB)}).KeyStatus(t.Context())
	requireCode(t, domain.CodeUnavailable, err)
	_, err = c.rotate(keyB)
	requireCode(t, domain.CodeUnavailable, err)
}
