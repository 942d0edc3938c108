package vault

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "Start → each blob re-encrypted, decrypted again, address checked → none left
// on the old key → complete."
func TestRotation(t *testing.T) {
	k := newStore(t)
	fill(t, k, 3)
	old := k.ring.Current()
	require.NoError(t, k.Complete(), "nothing to do")

	k = openStore(t, k.dir, ringOf(t, keyB, keyA))
	current := k.ring.Current()
	pending, err := k.Pending()
	require.NoError(t, err)
	require.Equal(t, []string{"w0", "w1", "w2"}, pending)
	for i, wallet := range pending {
		err := k.Complete()
		require.ErrorIs(t, err, ErrIncomplete)
		require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
		require.ErrorContains(t, err, wallet)
		done, err := k.Reencrypt(wallet)
		require.NoError(t, err)
		require.Equal(t, Reencrypted{wallet, testKey(t, byte(i)).Address(), old, current}, done)
		under, err := k.SealedUnder()
		require.NoError(t, err)
		require.Equal(t, pending[:i+1], under[current])
		require.Len(t, under[old], 2-i)
		check(t, k, 3)
	}
	require.NoError(t, k.Complete())

	// The old key is needed no more.
	check(t, openStore(t, k.dir, ringOf(t, keyB, "")), 3)
}

// "Idempotent": again changes nothing, and says that it had nothing to do.
func TestReencryptAgain(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	before := readFile(t, pathOf(t, k, 0))
	done, err := k.Reencrypt("w0")
	require.NoError(t, err)
	require.Equal(t, done.From, done.To)
	require.Equal(t, before, readFile(t, pathOf(t, k, 0)))
	require.ErrorIs(t, second(k.Reencrypt("w1")), ErrNotFound)
}

// "MissingKeyError names the kid that is needed."
func TestMissingKey(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	old := k.ring.Current()
	k = openStore(t, k.dir, ringOf(t, keyB, ""))
	_, err := k.Reencrypt("w0")
	var missing *MissingKeyError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, MissingKeyError{"w0", old}, *missing)
	require.ErrorContains(t, err, old)
	require.ErrorIs(t, k.Complete(), ErrIncomplete)
	require.Len(t, fileNames(t, k), 1)
}

// A key from which nothing is pending is still looked at: complete means that
// every key opens.
func TestCompleteLooksInside(t *testing.T) {
	k := newStore(t)
	fill(t, k, 2)
	blob := readFile(t, pathOf(t, k, 1))
	if at := len(blob) - 10; blob[at] == 'A' {
		blob[at] = 'B'
	} else {
		blob[at] = 'A'
	}
	writeFile(t, pathOf(t, k, 1), blob)
	err := k.Complete()
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "wallet w1")
}

// "Decrypt again from disk bytes of the temp file, check the address, only then
// rename": what was not written as it should be never replaces a key.
func TestNothingUnprovenReplacesAKey(t *testing.T) {
	k := newStore(t)
	fill(t, k, 2)
	k = openStore(t, k.dir, ringOf(t, keyB, keyA))
	before := readFile(t, pathOf(t, k, 0))
	forged := map[string]content{
		"another path": {"w0", testKey(t, 0).Address(), Path(7), testKey(t, 0)},
		"other wallet": {"w1", testKey(t, 1).Address(), Path(1), testKey(t, 1)},
	}
	for name, c := range forged {
		blob, err := k.ring.seal(c)
		require.NoError(t, err)
		k.fs = &liar{FS: osFS{}, blob: blob}
		_, err = k.Reencrypt("w0")
		require.Error(t, err, name)
		require.Equal(t, before, readFile(t, pathOf(t, k, 0)))
	}
	k.fs = &liar{FS: osFS{}, blob: []byte("pets1:")}
	require.ErrorIs(t, second(k.Reencrypt("w0")), ErrDamaged)
	k.fs = &liar{FS: osFS{}, mode: 0o644}
	require.ErrorIs(t, second(k.Reencrypt("w0")), ErrExposed)
	k.fs = osFS{}
	require.Len(t, fileNames(t, k), 2)
	check(t, k, 2)
}

// liar writes something else than it is told to, or for others to read.
type liar struct {
	FS
	blob []byte
	mode os.FileMode
}

func (l *liar) Create(path string) (File, error) {
	f, err := l.FS.Create(path)
	if err != nil || l.blob == nil {
		if err == nil {
			err = os.Chmod(path, l.mode)
		}
		return f, err
	}
	return &lyingFile{f, l.blob}, nil
}

type lyingFile struct {
	File
	blob []byte
}

func (f *lyingFile) Write(b []byte) (int, error) {
	_, err := f.File.Write(f.blob)
	return len(b), err
}

// withKey, Reencrypt, List and Create at once: nobody sees anything but a whole
// key, and the race detector sees nothing at all.
func TestEverythingAtOnce(t *testing.T) {
	const wallets, rounds = 4, 15
	a := newStore(t)
	fill(t, a, wallets)
	b := openStore(t, a.dir, ringOf(t, keyB, keyA))
	a = openStore(t, a.dir, ringOf(t, keyA, keyB))
	var group sync.WaitGroup
	run := func(f func(round int) error) {
		group.Go(func() {
			for round := range rounds {
				if err := f(round); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for _, k := range []*Keystore{a, b} {
		run(func(round int) error { return second(k.Reencrypt([]string{"w0", "w1", "w2", "w3"}[round%wallets])) })
		run(func(int) error { return second(k.List()) })
		run(func(int) error { return second(k.SealedUnder()) })
		run(func(round int) error {
			return k.WithKeyOf("w1", testKey(t, 1).Address(), func(key *PrivateKey) error {
				return second(key.Sign([32]byte{byte(round)}))
			})
		})
	}
	run(func(round int) error {
		err := second(a.Create("more"+string(rune('a'+round)), Path(0), testKey(t, 100)))
		return err
	})
	group.Wait()
	for _, e := range must(a.List()) {
		_, err := a.Reencrypt(e.Wallet)
		require.NoError(t, err)
	}
	require.NoError(t, a.Complete())
	require.Len(t, must(a.List()), wallets+rounds)
	for _, name := range fileNames(t, a) {
		require.Equal(t, ".key", filepath.Ext(name))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
