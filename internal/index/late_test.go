package index

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// An index for a folder that cannot be used is one in memory, until it can: then it is written,
// and what was in the folder does not count.
func TestInMemory(t *testing.T) {
	h := newHistory(60, 120)
	dir := filepath.Join(t.TempDir(), "index")
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	x, err := InMemory(dir, testStore, rootAt)
	require.NoError(t, err)
	add(t, x, h.log[:60])
	require.ErrorContains(t, x.Flush(ctx), "not a folder")
	require.Zero(t, check(t, x, h))
	add(t, x, h.log[60:100])
	require.NoError(t, os.Remove(dir))
	fork := newHistory(61, 300)
	other, err := Open(dir, testStore, rootAt)
	require.NoError(t, err)
	add(t, other, fork.log)
	require.NoError(t, other.Flush(ctx))
	require.NoError(t, other.Close())

	require.NoError(t, x.Flush(ctx))
	require.Zero(t, x.InMemory())
	add(t, x, h.log[100:])
	require.NoError(t, x.Flush(ctx))
	require.Zero(t, check(t, x, h))
	require.NoError(t, x.Close())
	x, err = Open(dir, testStore, rootAt)
	require.NoError(t, err)
	require.Empty(t, x.Dropped())
	require.Equal(t, h.end(), x.Position())
	require.Zero(t, check(t, x, h))
	require.NoError(t, x.Close())
}

// The values of one key are in order of their revisions, in whatever order they came, and of
// those with the same revision the last counts.
func TestSeveralValuesOfAKey(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		tails, want := newTail(&schemas[IDs]), map[byte]byte{}
		key := IDKey("fill", "main", "one")
		for n := range 1 + r.IntN(30) {
			value := make([]byte, IDs.ValueLen())
			value[7], value[8] = byte(r.IntN(20)), byte(n)
			tails.put(key, value)
			want[value[7]] = byte(n)
		}
		all := tails.all(&key, nil)
		require.Len(t, all, len(want)*IDs.ValueLen())
		before := -1
		for ; len(all) > 0; all = all[IDs.ValueLen():] {
			require.Greater(t, int(all[7]), before)
			require.Equal(t, want[all[7]], all[8])
			before = int(all[7])
		}
		require.Equal(t, len(want), tails.len())
	}
}

// A folder that is removed under an open index is made again with everything that was in it, and
// the next opening finds all of it. One that is there, or whose parent is gone, is left alone.
func TestAFolderThatWasRemovedIsMadeAgain(t *testing.T) {
	h := newHistory(62, 200)
	home := filepath.Join(t.TempDir(), "home")
	dir := filepath.Join(home, "index")
	x, err := Open(dir, testStore, rootAt)
	require.NoError(t, err)
	add(t, x, h.log[:100])
	require.NoError(t, x.Flush(ctx))
	add(t, x, h.log[100:150])
	done, err := x.Resettle(ctx)
	require.NoError(t, err)
	require.False(t, done, "the folder is there")

	require.NoError(t, os.RemoveAll(home))
	require.ErrorIs(t, x.Flush(ctx), os.ErrNotExist)
	_, err = x.Resettle(ctx)
	require.ErrorIs(t, err, os.ErrNotExist, "the parent is not made")
	require.NoDirExists(t, home)
	require.Zero(t, check(t, x, h))

	require.NoError(t, os.Mkdir(home, 0o700))
	for range 2 {
		x.Room(func(uint64) error { return errInjected })
		_, err = x.Resettle(ctx)
		require.ErrorIs(t, err, errInjected)
		require.Zero(t, check(t, x, h))
		x.Room(func(uint64) error { return nil })
		done, err = x.Resettle(ctx)
		require.NoError(t, err)
		require.True(t, done)
		require.NoError(t, x.Flush(ctx))
		require.Zero(t, check(t, x, h))
		require.NoError(t, os.RemoveAll(dir)) // and once more
	}
	add(t, x, h.log[150:])
	require.ErrorIs(t, x.Flush(ctx), os.ErrNotExist)
	_, err = x.Resettle(ctx)
	require.NoError(t, err)
	require.NoError(t, x.Flush(ctx))
	require.NoError(t, x.Close())
	x, err = Open(dir, testStore, rootAt)
	require.NoError(t, err)
	require.Empty(t, x.Dropped())
	require.Equal(t, h.end(), x.Position())
	require.Zero(t, check(t, x, h))
	require.NoError(t, x.Close())
}
