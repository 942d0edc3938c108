package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
)

const (
	stream = "portfolio-main"
	newest = ^uint64(0)
	v1     = "1.0" // the version of what is kept
)

// filled is a store with 10 records in the stream.
func (f *Folder) path(kind, stream string, size uint64) string {
	return filepath.Join(f.dir, name(kind, stream, size))
}

func filled(t *testing.T, series string) eventstore.Store {
	t.Helper()
	store := memory.New()
	storetest.Must(t, store, stream, eventstore.NoStream, storetest.Propose(series, 0, 10))
	return store
}

// book is a witness in memory, of a store that it reads by itself.
type book struct {
	store eventstore.Store
	mu    sync.Mutex
	known map[string]map[uint64]eventstore.Hash
}

func newBook(store eventstore.Store) *book {
	return &book{store: store, known: map[string]map[uint64]eventstore.Hash{}}
}

func (b *book) Newest(kind, stream string, atMost uint64) (size uint64, hash eventstore.Hash, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for at, h := range b.known[kind+"@"+stream] {
		if at <= atMost && at > size {
			size, hash, ok = at, h, true
		}
	}
	return size, hash, ok
}

func (b *book) Keep(kind, stream string, size uint64, hash eventstore.Hash) (dropped []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.known[kind+"@"+stream]
	if of == nil {
		of = map[uint64]eventstore.Hash{}
		b.known[kind+"@"+stream] = of
	}
	of[size] = hash
	for len(of) > 2 {
		least := slices.Min(slices.Collect(maps.Keys(of)))
		delete(of, least)
		dropped = append(dropped, least)
	}
	return dropped
}

// Root remembers that of the whole stream.
func (b *book) Root(stream string, size uint64) (root eventstore.Hash, ok bool) {
	var f eventstore.Frontier
	for rec, err := range b.store.ReadStream(context.Background(), stream, 0) {
		if err != nil {
			return root, false
		}
		f.Append(eventstore.LeafHash(&rec))
	}
	return f.Root(), f.Size() == size
}

func (b *book) Want(stream string, size uint64) func(context.Context) (eventstore.TreeHead, error) {
	return func(ctx context.Context) (eventstore.TreeHead, error) {
		var f eventstore.Frontier
		for rec, err := range b.store.ReadStream(ctx, stream, 0) {
			if err != nil {
				return eventstore.TreeHead{}, err
			}
			leaf := eventstore.LeafHash(&rec)
			if f.Append(leaf); f.Size() == size {
				return eventstore.TreeHead{Size: size, Root: f.Root(), Leaf: leaf}, nil
			}
		}
		return eventstore.TreeHead{}, errors.New("there is no such record")
	}
}

// saver is a Saver whose save waits until the files are written.
type saver struct{ *Saver }

// noon is when the record of revision 0 was made; each later one is a minute younger.
var noon = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// save saves a checkpoint of one part.
func (s saver) save(kind, stream string, revision uint64, data []byte) {
	s.Save(Checkpoint{
		Stream: stream, Size: revision + 1, At: noon.Add(time.Duration(revision) * time.Minute), Head: s.Want(stream, revision+1),
		Parts: []Part{{kind, data}},
	})
	s.Flush()
}

// on opens a folder of checkpoints of a store.
func on(t *testing.T, dir string, store eventstore.Store, b *book) saver {
	t.Helper()
	s := NewSaver(dir, store, v1, b, nil)
	t.Cleanup(func() { s.Close(context.Background()) })
	s.Flush()
	return saver{s}
}

func folder(t *testing.T) saver {
	t.Helper()
	store := filled(t, "a")
	return on(t, filepath.Join(t.TempDir(), "snapshots"), store, newBook(store))
}

// name is that of the file of a revision.
func (f *Folder) name(kind, stream string, revision uint64) string {
	return filepath.Base(f.path(kind, stream, revision+1))
}

// loader is what snapshots are read from.
type loader interface {
	Load(kind, stream string, atMost uint64) (uint64, []byte)
}

func data(n uint64) []byte { return fmt.Appendf(nil, "state at %d\nand\x00more", n) }

// files are the names in the folder, without the lists.
func files(t *testing.T, f saver) []string {
	t.Helper()
	entries, err := os.ReadDir(f.dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), listKind+"@") {
			names = append(names, e.Name())
		}
	}
	return names
}

func requireLoad(t *testing.T, f loader, atMost, want uint64) {
	t.Helper()
	revision, got := f.Load("state", stream, atMost)
	require.Equal(t, want, revision)
	require.Equal(t, string(data(want)), string(got))
}

func requireNone(t *testing.T, f loader, kind, stream string, atMost uint64) {
	t.Helper()
	revision, got := f.Load(kind, stream, atMost)
	require.Zero(t, revision)
	require.Nil(t, got)
}

// "Load returns the newest snapshot of a kind with a revision ≤ atMost, or nil."
func TestLoadGivesTheNewestAtMost(t *testing.T) {
	f := folder(t)
	requireNone(t, f, "state", stream, newest) // no folder yet
	f.save("state", stream, 4, data(4))
	f.save("state", stream, 9, data(9))
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
	f.save("state", stream, 4, nil)
	revision, got := f.Load("state", stream, newest)
	require.EqualValues(t, 4, revision)
	require.NotNil(t, got)
	require.Empty(t, got)
}

// Streams may be called anything.
func TestAnyStreamName(t *testing.T) {
	store := memory.New()
	f := on(t, t.TempDir(), store, newBook(store))
	for i, name := range []string{"../../etc/passwd", "a@b@1", "a", "A", strings.Repeat("x", 74)} {
		storetest.Must(t, store, name, eventstore.NoStream, storetest.Propose(name, 0, 2))
		f.save("state", name, 1, data(uint64(i)))
		_, got := f.Load("state", name, newest)
		require.Equal(t, string(data(uint64(i))), string(got))
	}
	require.Len(t, files(t, f), 5)
}

// Of other kinds than the state the newest two stay; states are thinned (thin_test.go).
func TestOnlyTheNewestOfOthersStay(t *testing.T) {
	f := folder(t)
	for _, n := range []uint64{2, 3, 9, 5} {
		f.save("state", stream, n, data(n))
		f.save("commands", stream, n, data(n))
	}
	want := []string{f.name("commands", stream, 5), f.name("commands", stream, 9)}
	for _, n := range []uint64{2, 3, 5, 9} {
		want = append(want, f.name("state", stream, n))
	}
	require.ElementsMatch(t, want, files(t, f))
}

// "A snapshot that is … altered is ignored": every bit of the file counts, and
// the older one is used.
func TestEveryFlippedBitIsSeen(t *testing.T) {
	f := folder(t)
	f.save("state", stream, 4, data(4))
	f.save("state", stream, 9, data(9))
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
	f.save("state", stream, 4, data(4))
	f.save("state", stream, 9, data(9))
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

// "… and if the record that it was taken at is still there": another store, a shorter
// one (put back from a copy), or one whose history went on in another way, all with the
// witness of the first.
func TestASnapshotOfAnotherHistoryIsIgnored(t *testing.T) {
	f := folder(t)
	f.save("state", stream, 9, data(9))
	requireNone(t, In(f.dir, filled(t, "b"), v1, f.witness), "state", stream, newest)
	requireNone(t, In(f.dir, memory.New(), v1, f.witness), "state", stream, newest)

	short := memory.New()
	storetest.Must(t, short, stream, eventstore.NoStream, storetest.Propose("a", 0, 9))
	requireNone(t, In(f.dir, short, v1, f.witness), "state", stream, newest)
	storetest.Must(t, short, stream, eventstore.At(8), storetest.Propose("a", 9, 1))
	requireLoad(t, In(f.dir, short, v1, f.witness), newest, 9) // the same history
}

// "… only if the SHA-256 of its file, header and all, stands in the witness": one that
// was edited and given a checksum of its own, one of another portfolio or revision under
// this one's name, and one of a witness that was lost are as good as none.
func TestOnlyTheWitnessIsBelieved(t *testing.T) {
	f := folder(t)
	storetest.Must(t, f.store, "portfolio-b", eventstore.NoStream, storetest.Propose("b", 0, 10))
	f.save("state", stream, 8, data(8))
	f.save("state", stream, 9, data(9))
	f.save("state", "portfolio-b", 9, data(99))
	path := f.path("state", stream, 10)
	good, err := os.ReadFile(path)
	require.NoError(t, err)

	edited := bytes.Replace(good, []byte("state at 9"), []byte("state at 7"), 1)
	require.NotEqual(t, good, edited)
	others, err := os.ReadFile(f.path("state", "portfolio-b", 10))
	require.NoError(t, err)
	older, err := os.ReadFile(f.path("state", stream, 9))
	require.NoError(t, err)
	for name, b := range map[string][]byte{"edited": edited, "another portfolio's": others, "another revision's": older} {
		require.NoError(t, os.WriteFile(path, b, 0o600), name)
		requireLoad(t, f, newest, 8)
	}
	require.NoError(t, os.WriteFile(path, good, 0o600))
	requireLoad(t, f, newest, 9)
	requireNone(t, In(f.dir, f.store, v1, newBook(f.store)), "state", stream, newest)
}

// "A file carries the root of the stream's hash tree that it belongs to."
func TestAFileCarriesItsRoot(t *testing.T) {
	f := folder(t)
	f.save("state", stream, 9, data(9))
	head, err := f.witness.Want(stream, 10)(t.Context())
	require.NoError(t, err)
	b, err := os.ReadFile(f.path("state", stream, 10))
	require.NoError(t, err)
	require.Equal(t, header("state", stream, head)+string(data(9)), string(b))
	require.Contains(t, string(b), head.Root.String())
}

// A snapshot beyond the end of the stream is not saved: it cannot be tied to a record.
func TestNothingIsSavedBeyondTheEnd(t *testing.T) {
	f := folder(t)
	f.save("state", stream, 10, data(10))
	require.NoDirExists(t, f.dir)
}

// "removes from it what the witness does not know": what a crash left half written,
// and what a build without a witness wrote; what is not ours stays.
func TestLeftoversGo(t *testing.T) {
	f := folder(t)
	f.save("state", stream, 4, data(4))
	good, err := os.ReadFile(f.path("state", stream, 5))
	require.NoError(t, err)
	put := func(name string) { require.NoError(t, os.WriteFile(filepath.Join(f.dir, name), good, 0o600)) }
	put(f.name("state", stream, 9) + ".tmp")
	put(f.name("state", stream, 3))
	put(f.name("state", stream, 0) + "5")
	put(f.name("state", stream, 5) + "x")
	put("readme")
	require.NoError(t, os.Mkdir(filepath.Join(f.dir, f.name("state", stream, 7)), 0o700))
	requireLoad(t, f, newest, 4)
	again := on(t, f.dir, f.store, f.witness.(*book))
	requireLoad(t, again, newest, 4)
	require.ElementsMatch(t, []string{
		f.name("state", stream, 4), f.name("state", stream, 5) + "x", f.name("state", stream, 0) + "5", f.name("state", stream, 7), "readme",
	}, files(t, f))
}

// "maxBytes": at the limit it is kept; above it it is not written, and those
// before it stay.
func TestTheSizeIsBounded(t *testing.T) {
	f := folder(t)
	f.save("state", stream, 4, data(4))
	f.save("state", stream, 5, data(5))
	info, err := os.Stat(filepath.Join(f.dir, f.name("state", stream, 5)))
	require.NoError(t, err)
	f.limit = int(info.Size())
	f.save("state", stream, 6, data(6))
	requireLoad(t, f, newest, 6)
	f.save("state", stream, 7, append(data(7), 'x'))
	requireLoad(t, f, newest, 6)
	require.Len(t, files(t, f), 3)
	f.limit--
	requireNone(t, f, "state", stream, newest)
}

// "A failure leaves the older ones as they are."
func TestAFailedSaveChangesNothing(t *testing.T) {
	f := folder(t)
	f.save("state", stream, 4, data(4))
	require.NoError(t, os.MkdirAll(filepath.Join(f.dir, f.name("state", stream, 5), "kept"), 0o700)) // in the way
	f.save("state", stream, 5, data(5))
	requireLoad(t, f, newest, 4)

	require.NoError(t, os.RemoveAll(f.dir))
	require.NoError(t, os.WriteFile(f.dir, nil, 0o600)) // no folder at all
	f.save("state", stream, 4, data(4))
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
		f.save("state", stream, i%10, data(i%10))
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
	f := on(t, filepath.Join(dir, "snapshots"), store, newBook(store))
	f.save("state", stream, 9, data(9))
	reader, err := embedded.OpenReadOnly(dir, embedded.Options{})
	require.NoError(t, err)
	defer reader.Close()
	requireLoad(t, In(filepath.Join(dir, "snapshots"), reader, v1, f.witness), newest, 9)
}

// "Whoever saves one does not wait for the root that it belongs to": not even if it
// never comes, and Close ends with its context.
func TestSavingDoesNotWait(t *testing.T) {
	store := filled(t, "a")
	s := saver{NewSaver(filepath.Join(t.TempDir(), "snapshots"), store, v1, never{newBook(store)}, nil)}
	c := Checkpoint{Stream: stream, Size: 10, Head: s.Want(stream, 10), Parts: []Part{{"state", data(9)}}}
	s.Save(c)
	s.Save(c)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	s.Close(over)
	require.NoDirExists(t, s.dir)
	s.Save(c) // after the end: done without
}

// never is a witness whose roots do not come.
type never struct{ *book }

func (never) Want(string, uint64) func(context.Context) (eventstore.TreeHead, error) {
	return func(ctx context.Context) (eventstore.TreeHead, error) {
		<-ctx.Done()
		return eventstore.TreeHead{}, ctx.Err()
	}
}

// "Never to the one that took its place": once the path of PETS_DIR names another folder, or
// none, no snapshot is written, neither there nor anywhere else.
func TestNothingIsWrittenToWhatTookItsPlace(t *testing.T) {
	for name, does := range map[string]func(t *testing.T, home string){
		"moved":   func(t *testing.T, home string) { require.NoError(t, os.Rename(home, home+"-x")) },
		"removed": func(t *testing.T, home string) { require.NoError(t, os.RemoveAll(home)) },
		"replaced": func(t *testing.T, home string) {
			require.NoError(t, os.Rename(home, home+"-x"))
			require.NoError(t, os.Mkdir(home, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(home, "backup"), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "pets-data")
			require.NoError(t, os.Mkdir(home, 0o700))
			store := filled(t, "a")
			s := on(t, filepath.Join(home, "snapshots"), store, newBook(store))
			s.save("portfolio", stream, 3, []byte("a"))
			_, data := s.Load("portfolio", stream, newest)
			require.Equal(t, []byte("a"), data)
			does(t, home)
			before := listed(t, filepath.Dir(home))
			s.save("portfolio", stream, 5, []byte("b"))
			require.Equal(t, before, listed(t, filepath.Dir(home)))
		})
	}
}

// listed names everything below a folder.
func listed(t *testing.T, dir string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}
