package custody

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/keys"
	"pets/eventstore/embedded"
	"pets/internal/testenv"
)

var wallets = []string{"cold-1", "hot-1", "hot-2"}

// dying runs a rotation that dies at a step, and reports whether it died before its end.
func dying(t *testing.T, c *chest, to string, at int, panics bool) (died bool, names map[string]bool) {
	t.Helper()
	p := c.server(to)
	p.at, p.life.panics = at, panics
	report, err := p.rotate(serverCaller, "scheduled")
	if !p.died() {
		require.NoError(t, err)
		require.True(t, report.Completed)
	}
	return p.died(), p.names
}

// "Killed anywhere, it resumes": at every step, in both ways to die, with a history that
// knows the key before and with one that does not.
func TestARotationKilledAtEveryStep(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before []string // rotations that came before
		to     string
		from   []string // the keys that the records may name
	}{
		{"the first rotation", nil, keyB, []string{keyA, keys.Unknown}},
		{"the second", []string{keyB}, keyC, []string{keyB}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			steps, names := 0, map[string]bool{}
			for at := 1; ; at++ {
				done := false
				for _, panics := range []bool{false, true} {
					c := newChest(t, keyA, wallets...)
					for _, to := range tt.before {
						dying(t, c, to, 0, false)
					}
					died, passed := dying(t, c, tt.to, at, panics)
					maps.Copy(names, passed)
					done = !died
					dying(t, c, tt.to, 0, false)
					known(t, c.rotated(tt.to), tt.from...)
				}
				if done {
					break
				}
				steps = at
			}
			t.Logf("killed at each of %d steps, in two ways", steps)
			require.Greater(t, steps, 20)
			require.Equal(t, []string{
				"after a blob was replaced", "after reencrypted.v1", "after rotation_completed.v1", "after rotation_started.v1",
				"before a blob is replaced", "before reencrypted.v1", "before rotation_completed.v1", "before rotation_started.v1",
				"head", "list", "read",
			}, slices.Sorted(maps.Keys(names)))
		})
	}
}

// Killed again during the recovery: at every step of the first run and every step of the
// second; the third finishes.
func TestARotationKilledTwice(t *testing.T) {
	runs := 0
	for first := 1; ; first++ {
		died := false
		for second := 1; ; second++ {
			c := newChest(t, keyA, wallets...)
			died, _ = dying(t, c, keyB, first, false)
			again, _ := dying(t, c, keyB, second, runs%2 == 0)
			dying(t, c, keyB, 0, false)
			known(t, c.rotated(keyB), keyA, keys.Unknown)
			runs++
			if !again {
				break
			}
		}
		if !died {
			break
		}
	}
	t.Logf("%d runs, each killed twice", runs)
	require.Greater(t, runs, 300)
}

// On the real store, opened anew after each death.
func TestARotationKilledAtEveryStepOnDisk(t *testing.T) {
	steps := 0
	for at := 1; ; at++ {
		c, dir := newChest(t, keyA, wallets...), t.TempDir()
		open := func() {
			s, err := embedded.Open(dir, embedded.Options{})
			require.NoError(t, err)
			c.store = s
		}
		open()
		died, _ := dying(t, c, keyB, at, false)
		require.NoError(t, c.store.Close())
		open()
		dying(t, c, keyB, 0, false)
		known(t, c.rotated(keyB), keyA, keys.Unknown)
		require.NoError(t, c.store.Close())
		if !died {
			break
		}
		steps = at
	}
	t.Logf("killed at each of %d steps", steps)
	require.Greater(t, steps, 20)
}

// Two servers rotate at once, for the same person or for two, each killed repeatedly
// until both have finished.
func TestTwoServersRotateAtOnce(t *testing.T) {
	rounds, deaths := testenv.Rounds(30, 100, 300), 0
	for round := range rounds {
		rng := rand.New(rand.NewPCG(uint64(round), 7))
		c := newChest(t, keyA, wallets...)
		var servers sync.WaitGroup
		var mu sync.Mutex
		for server := range 2 {
			caller, reason := serverCaller, "scheduled"
			if round%2 == 1 && server == 1 {
				caller, reason = alice, "before the holidays"
			}
			kills := []int{rng.IntN(30), rng.IntN(30), 0}
			if round%3 == 0 {
				kills = []int{0}
			}
			servers.Go(func() {
				for _, at := range kills {
					p := c.server(keyB)
					p.at = at
					report, err := p.rotate(caller, reason)
					if p.died() {
						mu.Lock()
						deaths++
						mu.Unlock()
						continue
					}
					if err != nil || !report.Completed {
						t.Errorf("round %d, server %d: %+v, %v", round, server, report, err)
					}
				}
			})
		}
		servers.Wait()
		known(t, c.rotated(keyB), keyA, keys.Unknown)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d rounds of two servers, %d deaths", rounds, deaths)
}

// The store fails at every append, in every possible way, and the rotation is called
// again.
func TestARotationOnAStoreThatFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault fault
		// at once: the writer finds out by itself whether the append succeeded
		atOnce bool
	}{
		{"unavailable", fault{err: errDown}, false},
		{"ambiguous, not written", fault{err: errUnknown}, true},
		{"ambiguous, written", fault{err: errUnknown, write: true}, true},
	} {
		for n := range 5 { // the start, three wallets, the completion
			t.Run(fmt.Sprintf("%s at append %d", tt.name, n), func(t *testing.T) {
				c := newChest(t, keyA, wallets...)
				store := newFaulty()
				c.store = store
				store.plan(make([]fault, n)...)
				store.plan(tt.fault)
				p := c.server(keyB)
				report, err := p.rotate(serverCaller, "scheduled")
				if tt.atOnce {
					require.NoError(t, err)
					require.True(t, report.Completed)
				} else {
					requireCode(t, domain.CodeUnavailable, err)
					require.False(t, report.Completed)
				}
				_, err = p.rotate(serverCaller, "scheduled")
				require.NoError(t, err)
				known(t, c.rotated(keyB), keyA, keys.Unknown)
			})
		}
	}
}
