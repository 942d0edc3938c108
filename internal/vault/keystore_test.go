package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/domain"
)

// "One file per key, 0600, in a folder 0700; blob pets1:<kid>:<fernet token>."
func TestWhatLiesOnDisk(t *testing.T) {
	k := newStore(t)
	fill(t, k, 3)
	folder, err := os.Stat(k.dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), folder.Mode().Perm())
	require.Len(t, fileNames(t, k), 3)
	for i := range 3 {
		info, err := os.Lstat(pathOf(t, k, i))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		require.Regexp(t, "^pets1:"+k.ring.Current()+":gAAAAA[A-Za-z0-9_-]+=*$", string(readFile(t, pathOf(t, k, i))))
	}
	lock, err := os.Stat(filepath.Join(k.dir, lockName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), lock.Mode())
	check(t, k, 3)
}

// "Listing must not need decryption": names, addresses, key ids and times are
// readable without any key.
func TestListNeedsNoKey(t *testing.T) {
	k := newStore(t)
	fill(t, k, 3)
	stranger := openStore(t, k.dir, ringOf(t, GenerateKey(), ""))
	entries, err := stranger.List()
	require.NoError(t, err)
	require.Len(t, entries, 3)
	for i, e := range entries {
		require.Equal(t, fmt.Sprintf("w%d", i), e.Wallet)
		require.Equal(t, testKey(t, byte(i)).Address(), e.Address)
		require.Equal(t, k.ring.Current(), e.KeyID)
		require.WithinDuration(t, time.Now(), e.Modified, time.Minute)
	}
	require.ErrorIs(t, stranger.withKey("w0", nothing), ErrMissingKey)
	require.ErrorIs(t, second(stranger.DerivationPath("w0")), ErrMissingKey)
	require.ErrorIs(t, second(stranger.Reencrypt("w0")), ErrMissingKey)
}

// "Create never overwrites an existing wallet."
func TestCreateNeverOverwrites(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	before := readFile(t, pathOf(t, k, 0))
	for _, n := range []byte{0, 1} {
		_, err := k.Create("w0", Path(0), testKey(t, n))
		require.ErrorIs(t, err, ErrExists)
		require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
	}
	require.Equal(t, before, readFile(t, pathOf(t, k, 0)))
	check(t, k, 1)
}

// Not even where the file appears between the look and the rename.
func TestCreateNeverOverwritesInARace(t *testing.T) {
	k := newStore(t)
	for name, rename := range map[string]func(from, to string) error{"the system's": renameNew, "ours": renameUnderLock} {
		from, to := filepath.Join(k.dir, "from"), filepath.Join(k.dir, "to")
		writeFile(t, from, []byte("new"))
		writeFile(t, to, []byte("old"))
		require.ErrorIs(t, rename(from, to), os.ErrExist, name)
		require.Equal(t, "old", string(readFile(t, to)))
		require.NoError(t, os.Remove(to))
		require.NoError(t, rename(from, to))
		require.Equal(t, "new", string(readFile(t, to)))
		require.ErrorIs(t, rename(from, to+"2"), os.ErrNotExist)
		require.Error(t, rename(from, filepath.Join(to, "x")))
		require.NoError(t, os.Remove(to))
	}
	fault := &meddler{FS: k.fs}
	k.fs = fault
	fault.beforeRename = func(to string) { writeFile(t, to, []byte("somebody else's")) }
	_, err := k.Create("w0", Path(0), testKey(t, 0))
	require.ErrorIs(t, err, ErrExists)
	require.Equal(t, "somebody else's", string(readFile(t, pathOf(t, k, 0))))
	require.Len(t, fileNames(t, k), 1, "and the temporary file is gone")
}

// meddler does something just before a rename.
type meddler struct {
	FS
	beforeRename func(to string)
}

func (m *meddler) RenameNew(from, to string) error {
	m.beforeRename(to)
	return m.FS.RenameNew(from, to)
}

func (m *meddler) Rename(from, to string) error {
	m.beforeRename(to)
	return m.FS.Rename(from, to)
}

// A key that is wiped while it is being written was not seen to be right.
func TestAKeyWipedMeanwhileIsNotCreated(t *testing.T) {
	k, key := newStore(t), testKey(t, 0)
	k.fs = &wiper{FS: k.fs, key: key}
	require.ErrorIs(t, second(k.Create("w0", Path(0), key)), ErrWiped)
	require.Empty(t, fileNames(t, k))
}

// wiper wipes a key when a file is made for it.
type wiper struct {
	FS
	key *PrivateKey
}

func (w *wiper) Create(path string) (File, error) {
	w.key.Wipe()
	return w.FS.Create(path)
}

// Wallet ids follow the rule of domain; paths are written in one way.
func TestCreateRefuses(t *testing.T) {
	k := newStore(t)
	for _, wallet := range []string{"", "a b", "a/b", "..\x00", "ü", ".", "..", "...", ".lock", strings.Repeat("a", 65)} {
		_, err := k.Create(wallet, Path(0), testKey(t, 0))
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), wallet)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(k.withKey(wallet, nothing)))
	}
	for _, path := range badPaths {
		_, err := k.Create("w", path, testKey(t, 0))
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), path)
	}
	gone := testKey(t, 0)
	gone.Wipe()
	_, err := k.Create("w", Path(0), gone)
	require.ErrorIs(t, err, ErrWiped)
	require.Empty(t, fileNames(t, k))
	for _, wallet := range []string{"a.b", "-", "w.key", "w..", strings.Repeat("a", 64)} {
		_, err := k.Create(wallet, Path(0), testKey(t, 0))
		require.NoError(t, err, wallet)
		require.NoError(t, k.withKey(wallet, nothing))
	}
	require.NoError(t, k.Complete())
}

// "Files or folders readable by others are refused with a clear error (what,
// where, chmod to run)."
func TestExposedFilesAreRefused(t *testing.T) {
	k := newStore(t)
	fill(t, k, 2)
	file := pathOf(t, k, 0)
	for _, mode := range []os.FileMode{0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666} {
		require.NoError(t, os.Chmod(file, mode))
		err := k.withKey("w0", nothing)
		require.ErrorIs(t, err, ErrExposed)
		require.ErrorContains(t, err, fmt.Sprintf("%s has mode %03o: run chmod 600 %s", file, mode, file))
		require.ErrorIs(t, second(k.List()), ErrExposed)
		require.NoError(t, k.withKey("w1", nothing))
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o700} {
		require.NoError(t, os.Chmod(file, mode))
		require.NoError(t, k.withKey("w0", nothing))
	}
	require.NoError(t, os.Chmod(file, 0o600))
	for _, mode := range []os.FileMode{0o750, 0o720, 0o710, 0o704, 0o702, 0o701} {
		require.NoError(t, os.Chmod(k.dir, mode))
		_, err := Open(k.dir, k.ring)
		require.ErrorIs(t, err, ErrExposed)
		require.ErrorContains(t, err, fmt.Sprintf("mode %03o: run chmod 700 %s", mode, k.dir))
		require.ErrorIs(t, second(k.Check()), ErrExposed)
		require.ErrorIs(t, k.Complete(), ErrExposed)
	}
}

// "Symlinked blob refused", and whatever else is not a file.
func TestOnlyRegularFiles(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	file, elsewhere := pathOf(t, k, 0), filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Rename(file, elsewhere))
	make := map[string]func() error{
		"link":          func() error { return os.Symlink(elsewhere, file) },
		"dangling link": func() error { return os.Symlink(elsewhere+"2", file) },
		"folder":        func() error { return os.Mkdir(file, 0o700) },
		"pipe":          func() error { return unix.Mkfifo(file, 0o600) },
	}
	for name, build := range make {
		require.NoError(t, build(), name)
		require.ErrorIs(t, k.withKey("w0", nothing), ErrExposed, name)
		require.ErrorIs(t, second(k.List()), ErrExposed, name)
		require.NoError(t, os.Remove(file))
	}
	linked := filepath.Join(t.TempDir(), "linked")
	require.NoError(t, os.Symlink(k.dir, linked))
	_, err := Open(linked, k.ring)
	require.ErrorIs(t, err, ErrExposed)
	_, err = Open(elsewhere, k.ring)
	require.ErrorContains(t, err, "is not a folder")
}

// A file of another user can be changed by that user.
func TestFilesOfOthersAreRefused(t *testing.T) {
	require.NoError(t, judge("f", Info{Kind: Regular, Mode: 0o600, Owner: 7}, Regular, 7))
	require.NoError(t, judge("f", Info{Kind: Regular, Mode: 0o600, Owner: 0}, Regular, 7))
	err := judge("f", Info{Kind: Regular, Mode: 0o600, Owner: 8}, Regular, 7)
	require.ErrorIs(t, err, ErrExposed)
	require.ErrorContains(t, err, "f belongs to user 8: run chown 7 f")
	require.ErrorContains(t, judge("a b", Info{Kind: Regular, Mode: 0o644, Owner: 7}, Regular, 7), `chmod 600 "a b"`)
	k := newStore(t)
	_, err = OpenFS(k.dir, k.ring, osFS{}, os.Geteuid()+1)
	if os.Geteuid() != 0 {
		require.ErrorIs(t, err, ErrExposed)
	}
}

// "Temp files left by a crash are cleaned at Open (only ours by name pattern)."
func TestOpenCleansUp(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	ours := filepath.Base(pathOf(t, k, 0)) + ".0123456789abcdef.tmp"
	others := []string{"note.tmp", "w0.key.tmp", ours + "x", "x" + strings.TrimPrefix(ours, "w0."), ours[:len(ours)-5] + "F.tmp", strings.Replace(ours, ".tmp", ".temp", 1)}
	for _, name := range append(others, ours) {
		writeFile(t, filepath.Join(k.dir, name), []byte("pets1"))
	}
	again := openStore(t, k.dir, k.ring)
	names := fileNames(t, again)
	require.NotContains(t, names, ours)
	for _, name := range others {
		require.Contains(t, names, name)
	}
	check(t, again, 1)
}

// The folder is made, its parents are not.
func TestOpenMakesOneFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	openStore(t, dir, ringOf(t, keyA, ""))
	openStore(t, dir, ringOf(t, keyA, ""))
	_, err := Open(filepath.Join(dir, "a", "b"), ringOf(t, keyA, ""))
	require.ErrorIs(t, err, ErrStorage)
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
}

// "Two processes: an flock on a lock file for writes." Readers do not wait.
func TestOneWriter(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	lock, err := k.fs.Lock(filepath.Join(k.dir, lockName))
	require.NoError(t, err)
	require.NoError(t, k.withKey("w0", nothing))
	done := make(chan error)
	go func() { done <- second(k.Create("w1", Path(1), testKey(t, 1))) }()
	select {
	case err := <-done:
		t.Fatal("did not wait", err)
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, lock.Close())
	require.NoError(t, <-done)
	check(t, k, 2)
}

// A writer that never ends is told of after a while.
func TestABusyKeystoreIsRefused(t *testing.T) {
	t.Parallel()
	k := newStore(t)
	lock, err := k.fs.Lock(filepath.Join(k.dir, lockName))
	require.NoError(t, err)
	defer lock.Close()
	_, err = k.Create("w0", Path(0), testKey(t, 0))
	require.ErrorIs(t, err, ErrBusy)
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
	require.ErrorIs(t, second(osFS{}.Lock(k.dir)), unix.EISDIR)
}

// "The key exists in memory only during the closure, wiped afterwards also on
// panic": ErrWiped, and the bytes are zeros.
func TestTheKeyDiesWithTheCall(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	var kept *PrivateKey
	var bytes *[keyBytes]byte
	keep := func(key *PrivateKey) {
		kept, bytes = key, key.held().secret
		require.Equal(t, testSecret(0), bytes[:])
	}
	gone := func(how string) {
		require.Equal(t, [keyBytes]byte{}, *bytes, how)
		_, err := kept.Sign([32]byte{1})
		require.ErrorIs(t, err, ErrWiped, how)
		require.Equal(t, testKey(t, 0).Address(), kept.Address(), "which is no secret")
	}
	require.NoError(t, k.withKey("w0", func(key *PrivateKey) error { keep(key); return nil }))
	gone("returned")
	failed := errors.New("failed")
	require.ErrorIs(t, k.withKey("w0", func(key *PrivateKey) error { keep(key); return failed }), failed)
	gone("failed")
	require.PanicsWithValue(t, "why", func() {
		_ = k.withKey("w0", func(key *PrivateKey) error { keep(key); panic("why") })
	})
	gone("panicked")
	done := make(chan bool)
	go func() {
		defer close(done)
		_ = k.WithKeyOf("w0", testKey(t, 0).Address(), func(key *PrivateKey) error { keep(key); runtime.Goexit(); return nil })
	}()
	<-done
	gone("ended the goroutine")
}

// "WithKeyOf refuses a blob of another address: typed error ForeignKeyError."
func TestWithKeyOf(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	called := false
	use := func(key *PrivateKey) error { called = true; return nil }
	require.NoError(t, k.WithKeyOf("w0", testKey(t, 0).Address(), use))
	require.True(t, called)
	called = false
	err := k.WithKeyOf("w0", testKey(t, 1).Address(), use)
	require.False(t, called)
	var foreign *ForeignKeyError
	require.ErrorAs(t, err, &foreign)
	require.ErrorIs(t, err, ErrForeignKey)
	require.Equal(t, ForeignKeyError{"w0", testKey(t, 1).Address(), testKey(t, 0).Address()}, *foreign)
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
	require.ErrorContains(t, err, testKey(t, 1).Address().Hex())
	require.ErrorIs(t, k.WithKeyOf("w1", testKey(t, 1).Address(), use), ErrNotFound)
	require.Equal(t, domain.CodeNotFound, domain.CodeOf(second(k.Address("w1"))))
}
