package embedded_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// folderChange is something that is done to the folder of a store that is open.
type folderChange struct {
	name   string
	change func(t *testing.T, folder, elsewhere string)
	// Where the records are afterwards that were acknowledged before.
	here, there bool
	locks       bool // only what locks it was changed
}

func must(t *testing.T, err error) {
	t.Helper()
	require.NoError(t, err)
}

// persist does what the store's work in the background may get in the way of: it
// makes and renames files while it is copied or removed.
func persist(t *testing.T, what func() error) {
	t.Helper()
	err := what()
	for n := 0; err != nil && n < 20; n++ {
		time.Sleep(10 * time.Millisecond)
		err = what()
	}
	require.NoError(t, err)
}

// copyFolder is cp -a.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	persist(t, func() error {
		return errors.Join(os.RemoveAll(to), exec.Command("cp", "-a", from, to).Run())
	})
}

func removeFolder(t *testing.T, folder string) {
	t.Helper()
	persist(t, func() error { return os.RemoveAll(folder) })
}

func remove(t *testing.T, folder string, names ...string) {
	t.Helper()
	for _, name := range names {
		must(t, os.Remove(filepath.Join(folder, name)))
	}
}

var folderChanges = []folderChange{
	{name: "rm LOCK", here: true, locks: true, change: func(t *testing.T, folder, _ string) {
		remove(t, folder, "LOCK")
	}},
	{name: "rm LOCK durable", locks: true, change: func(t *testing.T, folder, _ string) {
		remove(t, folder, "LOCK", "durable")
	}},
	{name: "another LOCK", here: true, locks: true, change: func(t *testing.T, folder, _ string) {
		remove(t, folder, "LOCK")
		must(t, os.WriteFile(filepath.Join(folder, "LOCK"), []byte("1\n"), 0o600))
	}},
	{name: "moved away", there: true, change: func(t *testing.T, folder, elsewhere string) {
		must(t, os.Rename(folder, elsewhere))
	}},
	{name: "moved away and copied back", here: true, there: true, change: func(t *testing.T, folder, elsewhere string) {
		must(t, os.Rename(folder, elsewhere))
		copyFolder(t, elsewhere, folder)
	}},
	{name: "a backup renamed over the folder", here: true, there: true, change: func(t *testing.T, folder, elsewhere string) {
		copyFolder(t, folder, folder+".backup")
		must(t, os.Rename(folder, elsewhere))
		must(t, os.Rename(folder+".backup", folder))
	}},
	{name: "a backup renamed over each file", here: true, change: func(t *testing.T, folder, elsewhere string) {
		copyFolder(t, folder, elsewhere)
		for _, name := range list(t, elsewhere) {
			must(t, os.Rename(filepath.Join(elsewhere, name), filepath.Join(folder, name)))
		}
	}},
	{name: "a backup renamed over the segment", here: true, change: func(t *testing.T, folder, elsewhere string) {
		copyFolder(t, folder, elsewhere)
		name := filepath.Base(newestSegment(t, folder))
		must(t, os.Rename(filepath.Join(elsewhere, name), filepath.Join(folder, name)))
	}},
	{name: "rm -rf", change: func(t *testing.T, folder, _ string) {
		removeFolder(t, folder)
	}},
	{name: "rm -rf and a new folder", change: func(t *testing.T, folder, _ string) {
		removeFolder(t, folder)
		must(t, os.Mkdir(folder, 0o700))
	}},
}

// contentsOf returns what a folder holds: the hash of each file.
func contentsOf(t *testing.T, folder string) map[string][32]byte {
	t.Helper()
	out := map[string][32]byte{}
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return out
	}
	for _, name := range list(t, folder) {
		if filepath.Ext(name) == ".tmp" {
			continue // a spare, which its writer may give back
		}
		b, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		out[name] = sha256.Sum256(b)
	}
	return out
}

// appended is a store with records in it, some of them in sealed segments.
func appended(t *testing.T, folder string) (*embedded.Store, map[string]int) {
	t.Helper()
	s, err := embedded.Open(folder, embedded.Options{SegmentBytes: 4000})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	acked := work(t, s, 20)
	waitFor(t, func() bool { // else an index may come while somebody looks
		segments, err := filepath.Glob(filepath.Join(folder, "*.seg"))
		require.NoError(t, err)
		return len(indexes(t, folder)) == len(segments)-1
	})
	return s, acked
}

// lookAge is longer ago than the last look at the folder may be when an append is
// acknowledged.
const lookAge = 60 * time.Millisecond

// TestFolderChanged: "before the first acknowledgement after a pause, compare what
// the path names with what is open; differs → poisoned"; "no acknowledgement that
// is not there after a restart". And no folder is damaged by it.
func TestFolderChanged(t *testing.T) {
	for _, c := range folderChanges {
		t.Run(c.name, func(t *testing.T) {
			parent := t.TempDir()
			folder, elsewhere := filepath.Join(parent, "store"), filepath.Join(parent, "elsewhere")
			s, acked := appended(t, folder)
			c.change(t, folder, elsewhere)
			at := contentsOf(t, folder)
			time.Sleep(lookAge)

			_, err := s.Append(t.Context(), "another", eventstore.NoStream, storetest.Propose("x", 0, 1))
			requirePoisoned(t, err)
			var moved *embedded.MovedError
			require.ErrorAs(t, err, &moved)
			require.ErrorAs(t, s.Health().Poisoned, &moved)
			require.NotRegexp(t, "(?i)delete|remove (the|this) (file|lock)", moved.Error())
			requireKept(t, s, acked) // what was durable is still read
			require.NoError(t, s.Close())

			if !c.locks {
				require.Equal(t, at, contentsOf(t, folder), "what came to the path was not touched")
			}
			if c.here {
				requireSoundFolder(t, folder, acked)
			}
			if c.there {
				requireSoundFolder(t, elsewhere, acked)
			}
		})
	}
}

func requireSoundFolder(t *testing.T, folder string, acked map[string]int) {
	t.Helper()
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	requireKept(t, s, acked)
	_, err = s.Verify(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// TestFolderChangedIdle: "each second": a store that nobody appends to notices too,
// also what was done to a segment that is sealed, and says so.
func TestFolderChangedIdle(t *testing.T) {
	for _, change := range []string{"folder", "sealed segment"} {
		folder := filepath.Join(t.TempDir(), "store")
		told := make(chan error, 2)
		s, err := embedded.Open(folder, embedded.Options{SegmentBytes: 4000, Trouble: func(err error) { told <- err }})
		require.NoError(t, err)
		work(t, s, 20)
		if change == "folder" {
			require.NoError(t, os.Rename(folder, folder+".old"))
		} else {
			segments, err := filepath.Glob(filepath.Join(folder, "*.seg"))
			require.NoError(t, err)
			sealed := segments[0]
			b, err := os.ReadFile(sealed)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(sealed+".restored", b, 0o600))
			require.NoError(t, os.Rename(sealed+".restored", sealed))
		}
		select {
		case err := <-told:
			requirePoisoned(t, err)
		case <-time.After(10 * time.Second):
			require.Fail(t, "nobody was told", change)
		}
		require.NoError(t, s.Close())
	}
}

// TestFolderChangedUnderLoad: what was acknowledged before the folder was moved is
// in the copy that took its place; all that was acknowledged is in the one moved.
func TestFolderChangedUnderLoad(t *testing.T) {
	parent := t.TempDir()
	folder, elsewhere := filepath.Join(parent, "store"), filepath.Join(parent, "elsewhere")
	s, before := appended(t, folder)
	all := make(chan map[string]int)
	go func() { all <- work(t, s, 1_000_000) }()
	time.Sleep(lookAge)
	require.NoError(t, os.Rename(folder, elsewhere))
	copyFolder(t, elsewhere, folder)
	acked := <-all // ends, because the store is poisoned
	require.Error(t, s.Health().Poisoned)
	require.NoError(t, s.Close())
	requireSoundFolder(t, folder, before)
	requireSoundFolder(t, elsewhere, acked)
}

// TestBackupCopiedOverOpenFiles: cp keeps the files and changes what is in them.
func TestBackupCopiedOverOpenFiles(t *testing.T) {
	for _, names := range []string{"durable", "*.seg"} {
		folder := t.TempDir()
		s, err := embedded.Open(folder, embedded.Options{})
		require.NoError(t, err)
		work(t, s, 3)
		files, err := filepath.Glob(filepath.Join(folder, names))
		require.NoError(t, err)
		backup := map[string][]byte{}
		for _, file := range files {
			backup[file], err = os.ReadFile(file)
			require.NoError(t, err)
		}
		work(t, s, 3)
		for file, b := range backup {
			require.NoError(t, os.WriteFile(file, b, 0o600))
		}
		time.Sleep(lookAge)
		_, err = s.Append(t.Context(), "another", eventstore.NoStream, storetest.Propose("x", 0, 1))
		requirePoisoned(t, err)
		require.NoError(t, s.Close())
	}
}

// TestSecondWriterWithoutLock: "LOCK deleted → a second server on the same folder
// … The durable file is locked too".
func TestSecondWriterWithoutLock(t *testing.T) {
	folder := t.TempDir()
	_, acked := appended(t, folder)
	remove(t, folder, "LOCK")
	_, err := embedded.Open(folder, embedded.Options{})
	var locked *embedded.LockedError
	require.ErrorAs(t, err, &locked)
	require.NoFileExists(t, filepath.Join(folder, "LOCK"), "who is refused leaves nothing behind")

	// A reader sees that there is a writer, and leaves what is behind the mark alone.
	r, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	requireKept(t, r, acked)
	require.NoError(t, r.Close())

	require.NoError(t, os.WriteFile(filepath.Join(folder, "LOCK"), nil, 0o600))
	_, err = embedded.Open(folder, embedded.Options{})
	require.ErrorAs(t, err, &locked)

	remove(t, folder, "LOCK", "durable")
	before := contentsOf(t, folder)
	_, err = embedded.Open(folder, embedded.Options{})
	requireDamage(t, err, "without the mark it is no store")
	after := contentsOf(t, folder)
	delete(after, "LOCK")
	require.Equal(t, before, after)
}

// TestReaderOfChangedFolder: readers notice too, and fail rather than mix.
func TestReaderOfChangedFolder(t *testing.T) {
	for _, c := range folderChanges {
		if c.locks && c.here {
			continue // a reader needs no LOCK
		}
		parent := t.TempDir()
		folder, elsewhere := filepath.Join(parent, "store"), filepath.Join(parent, "elsewhere")
		s, _ := appended(t, folder)
		require.NoError(t, s.Close())
		r, err := embedded.OpenReadOnly(folder, embedded.Options{})
		require.NoError(t, err)
		c.change(t, folder, elsewhere)
		time.Sleep(lookAge)
		_, err = r.Streams(t.Context())
		var moved *embedded.MovedError
		require.ErrorAs(t, err, &moved, c.name)
		require.NoError(t, r.Close())
	}
}

// "Each second and with each new segment, it looks at all segments": one that was sealed long
// ago and is cut under the server poisons the store, although nobody reads there.
func TestSealedSegmentCut(t *testing.T) {
	folder := t.TempDir()
	s, err := embedded.Open(folder, embedded.Options{SegmentBytes: 32 << 10, CheckAfter: time.Hour})
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	for i := range 300 {
		storetest.Must(t, s, "s", eventstore.Expected(i-1), storetest.Propose("s", i, 1))
	}
	oldest := filepath.Join(folder, "00000000000000000000.seg")
	require.NotEqual(t, oldest, newestSegment(t, folder))
	must(t, os.Truncate(oldest, 4096))
	require.Eventually(t, func() bool { return s.Health().Poisoned != nil }, 20*time.Second, 10*time.Millisecond)
	var moved *embedded.MovedError
	require.ErrorAs(t, s.Health().Poisoned, &moved)
	require.Contains(t, moved.What, "it was truncated or overwritten")
}
