package snapshot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
)

const (
	stream = "portfolio-main"
	newest = ^uint64(0)
)

// filled is a store with 10 records in the stream.
func filled(t *testing.T, series string) eventstore.Store {
	t.Helper()
	store := memory.New()
	storetest.Must(t, store, stream, eventstore.NoStream, storetest.Propose(series, 0, 10))
	return store
}

func folder(t *testing.T) *Folder {
	t.Helper()
	return In(filepath.Join(t.TempDir(), "snapshots"), filled(t, "a"))
}

func data(n uint64) []byte { return fmt.Appendf(nil, "state at %d\nand\x00more", n) }

// files are the names in the folder.
func files(t *testing.T, f *Folder) []string {
	t.Helper()
	entries, err := os.ReadDir(f.dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func requireLoad(t *testing.T, f *Folder, atMost, want uint64) {
	t.Helper()
	revision, got := f.Load("state", stream, atMost)
	require.Equal(t, want, revision)
	require.Equal(t, string(data(want)), string(got))
}

func requireNone(t *testing.T, f *Folder, kind, stream string, atMost uint64) {
	t.Helper()
	revision, got := f.Load(kind, stream, atMost)
	require.Zero(t, revision)
	require.Nil(t, got)
}

// "Load returns the newest snapshot of a kind with a revision ≤ atMost, or nil."
func TestLoadGivesTheNewestAtMost(t *testing.T) {
	f := folder(t)
	requireNone(t, f, "state", stream, newest) // no folder yet
	f.Save("state", stream, 4, data(4))
	f.Save("state", stream, 9, data(9))
	requireLoad(t, f, newest, 9)
	requireLoad(t, f, 9, 9)
	requireLoad(t, f, 8, 4)
	requireLoad(t, f, 4, 4)
	requireNone(t, f, "state", stream, 3)
	requireNone(t, f, "commands", stream, newest)
	requireNone(t, f, "state", "portfolio-mai", newest)
	requireNone(t, f, "stat", stream, newest)
}

// An empty snapshot is one, and not nil.
func TestAnEmptySnapshot(t *testing.T) {
	f := folder(t)
	f.Save("state", stream, 4, nil)
	revision, got := f.Load("state", stream, newest)
	require.EqualValues(t, 4, revision)
	require.NotNil(t, got)
	require.Empty(t, got)
}

// Streams may be called anything.
func TestAnyStreamName(t *testing.T) {
	store := memory.New()
	f := In(t.TempDir(), store)
	for i, name := range []string{"../../etc/passwd", "a@b@1", "a", "A", strings.Repeat("x", 74)} {
		storetest.Must(t, store, name, eventstore.NoStream, storetest.Propose(name, 0, 2))
		f.Save("state", name, 1, data(uint64(i)))
		_, got := f.Load("state", name, newest)
		require.Equal(t, string(data(uint64(i))), string(got))
	}
	require.Len(t, files(t, f), 5)
}

// "Keep only 2" of one kind and stream; those of others stay.
func TestOnlyTheNewestStay(t *testing.T) {
	f := folder(t)
	f.Save("commands", stream, 1, data(1))
	for _, n := range []uint64{2, 3, 9, 5} {
		f.Save("state", stream, n, data(n))
	}
	require.ElementsMatch(t, []string{f.name("commands", stream, 1), f.name("state", stream, 5), f.name("state", stream, 9)}, files(t, f))
}

// "A snapshot that is … altered is ignored": every bit of the file counts, and
// the older one is used.
func TestEveryFlippedBitIsSeen(t *testing.T) {
	f := folder(t)
	f.Save("state", stream, 4, data(4))
	f.Save("state", stream, 9, data(9))
	path := filepath.Join(f.dir, f.name("state", stream, 9))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for bit := range len(good) * 8 {
		bad := append([]byte(nil), good...)
		bad[bit/8] ^= 1 << (bit % 8)
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		requireLoad(t, f, newest, 4)
	}
}

// "… cut short": at every length, and with anything behind it.
func TestEveryOtherLengthIsSeen(t *testing.T) {
	f := folder(t)
	f.Save("state", stream, 4, data(4))
	f.Save("state", stream, 9, data(9))
	path := filepath.Join(f.dir, f.name("state", stream, 9))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := range len(good) {
		require.NoError(t, os.WriteFile(path, good[:n], 0o600))
		requireLoad(t, f, newest, 4)
	}
	require.NoError(t, os.WriteFile(path, append(good, 'x'), 0o600))
	requireLoad(t, f, newest, 4)
	require.NoError(t, os.WriteFile(path, good, 0o600))
	requireLoad(t, f, newest, 9)
}

// "… or of a record that is no longer where it was": another store, a shorter one
// (restored from a backup), or a file under another revision's name.
func TestASnapshotOfAnotherHistoryIsIgnored(t *testing.T) {
	f := folder(t)
	f.Save("state", stream, 9, data(9))
	requireNone(t, In(f.dir, filled(t, "b")), "state", stream, newest)
	requireNone(t, In(f.dir, memory.New()), "state", stream, newest)

	short := memory.New()
	storetest.Must(t, short, stream, eventstore.NoStream, storetest.Propose("a", 0, 9))
	requireNone(t, In(f.dir, short), "state", stream, newest)
	storetest.Must(t, short, stream, eventstore.At(8), storetest.Propose("a", 9, 1))
	requireLoad(t, In(f.dir, short), newest, 9) // the same history

	require.NoError(t, os.Rename(filepath.Join(f.dir, f.name("state", stream, 9)), filepath.Join(f.dir, f.name("state", stream, 8))))
	requireNone(t, f, "state", stream, newest)
}

// A snapshot beyond the end of the stream is not saved: it cannot be tied to a record.
func TestNothingIsSavedBeyondTheEnd(t *testing.T) {
	f := folder(t)
	f.Save("state", stream, 10, data(10))
	require.NoDirExists(t, f.dir)
}

// What a crash left half written is ignored, and goes with the next save; what is
// not ours stays.
func TestLeftoversAreIgnored(t *testing.T) {
	f := folder(t)
	f.Save("state", stream, 4, data(4))
	good, err := os.ReadFile(filepath.Join(f.dir, f.name("state", stream, 4)))
	require.NoError(t, err)
	put := func(name string) { require.NoError(t, os.WriteFile(filepath.Join(f.dir, name), good, 0o600)) }
	put(f.name("state", stream, 9) + ".tmp")
	put(f.name("state", stream, 0) + "5")
	put(f.name("state", stream, 5) + "x")
	put("readme")
	require.NoError(t, os.Mkdir(filepath.Join(f.dir, f.name("state", stream, 7)), 0o700))
	requireLoad(t, f, newest, 4)
	f.Save("state", stream, 8, data(8))
	requireLoad(t, f, newest, 8)
	require.NotContains(t, files(t, f), f.name("state", stream, 9)+".tmp")
	require.Contains(t, files(t, f), "readme")
	require.Contains(t, files(t, f), f.name("state", stream, 0)+"5")
}

// "maxBytes": at the limit it is kept; above it it is not written, and those
// before it stay.
func TestTheSizeIsBounded(t *testing.T) {
	f := folder(t)
	f.Save("state", stream, 4, data(4))
	f.Save("state", stream, 5, data(5))
	info, err := os.Stat(filepath.Join(f.dir, f.name("state", stream, 5)))
	require.NoError(t, err)
	f.limit = int(info.Size())
	f.Save("state", stream, 6, data(6))
	requireLoad(t, f, newest, 6)
	f.Save("state", stream, 7, append(data(7), 'x'))
	requireLoad(t, f, newest, 6)
	require.Len(t, files(t, f), 2)
	f.limit--
	requireNone(t, f, "state", stream, newest)
}

// "A failure leaves the older ones as they are."
func TestAFailedSaveChangesNothing(t *testing.T) {
	f := folder(t)
	f.Save("state", stream, 4, data(4))
	require.NoError(t, os.Mkdir(filepath.Join(f.dir, f.name("state", stream, 5)), 0o700)) // in the way
	f.Save("state", stream, 5, data(5))
	requireLoad(t, f, newest, 4)

	require.NoError(t, os.RemoveAll(f.dir))
	require.NoError(t, os.WriteFile(f.dir, nil, 0o600)) // no folder at all
	f.Save("state", stream, 4, data(4))
	requireNone(t, f, "state", stream, newest)
}

// Readers load while the writer saves: what they get is whole.
func TestLoadWhileSaving(t *testing.T) {
	f := folder(t)
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if n, got := f.Load("state", stream, newest); got != nil && string(got) != string(data(n)) {
					t.Errorf("got %q at %d", got, n)
				}
			}
		})
	}
	for i := range uint64(200) {
		f.Save("state", stream, i%10, data(i%10))
	}
	stop()
	wg.Wait()
}

// On the real engine, also when it is opened for reading beside the writer.
func TestOnTheRealEngine(t *testing.T) {
	dir := t.TempDir()
	store, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	defer store.Close()
	storetest.Must(t, store, stream, eventstore.NoStream, storetest.Propose("a", 0, 10))
	In(filepath.Join(dir, "snapshots"), store).Save("state", stream, 9, data(9))
	reader, err := embedded.OpenReadOnly(dir, embedded.Options{})
	require.NoError(t, err)
	defer reader.Close()
	requireLoad(t, In(filepath.Join(dir, "snapshots"), reader), newest, 9)
}
