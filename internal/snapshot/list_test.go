package snapshot

import (
	"bytes"
	"crypto/sha256"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
)

// listFiles are the lists of the stream in the folder, oldest first.
func (f *Folder) listFiles(t *testing.T) (paths []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(f.dir, listKind+"@*"))
	require.NoError(t, err)
	return paths
}

// A list survives being written and read; anything else is none.
func TestAListIsReadAsItWasWritten(t *testing.T) {
	items := []item{
		{"commands", 7, 123, noon, eventstore.Hash{1}},
		{State, 7, 1, noon.Add(time.Nanosecond), eventstore.Hash{2}},
		{State, math.MaxUint64, math.MaxInt64, time.Time{}, eventstore.Hash{3}},
	}
	b := marshalList(v1, stream, items)
	got, err := parseList(v1, stream, b)
	require.NoError(t, err)
	require.Equal(t, items, got)
	got, err = parseList(v1, stream, marshalList(v1, stream, nil))
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = parseList(v1, "another", b)
	require.ErrorIs(t, err, errList)
	for n := range len(b) - 1 {
		if got, err := parseList(v1, stream, b[:n]); err == nil && b[n-1] != '\n' {
			t.Fatalf("%q is read as %v", b[:n], got)
		}
	}
	_, err = parseList(v1, stream, append(b, "state 0 1 2026-01-15T12:00:00Z "+eventstore.Hash{}.String()+"\n"...))
	require.ErrorIs(t, err, errList)
}

// A power cut after a list was written and before the witness was: the list before is used, and
// its files are there.
func TestACrashBeforeTheWitness(t *testing.T) {
	f := folder(t)
	b := f.witness.(*book)
	f.save("state", stream, 3, data(3))
	f.save("state", stream, 5, data(5))
	known := map[uint64]eventstore.Hash{}
	for number, hash := range b.known[listKind+"@"+stream] {
		known[number] = hash
	}
	f.save("state", stream, 7, data(7))
	b.known[listKind+"@"+stream] = known // as before
	require.Len(t, f.listFiles(t), 2)
	requireLoad(t, f, newest, 5)
	again := on(t, f.dir, f.store, b)
	requireLoad(t, again, newest, 5)
	again.save("state", stream, 8, data(8))
	requireLoad(t, again, newest, 8)
	requireLoad(t, again, 7, 5)
}

// A list that was edited is not used, whatever it names; a file of a checkpoint that is not
// the one that was listed is not used either, and both are said.
func TestAnEditedListIsNotBelieved(t *testing.T) {
	f := folder(t)
	var said bytes.Buffer
	f.log = slog.New(slog.NewTextHandler(&said, nil))
	f.save("state", stream, 3, data(3))
	f.save("state", stream, 5, data(5))
	head, err := f.witness.Want(stream, 6)(t.Context())
	require.NoError(t, err)
	forged := []byte(header("state", stream, head) + "forged")
	require.NoError(t, os.WriteFile(f.path("state", stream, 6), forged, 0o600))
	requireLoad(t, f, newest, 3)
	require.Contains(t, said.String(), f.name("state", stream, 5))
	require.Contains(t, said.String(), "is skipped")

	all := f.listFiles(t)
	require.Len(t, all, 2)
	list := marshalList(v1, stream, []item{{State, 6, int64(len(forged)), noon, sha256.Sum256(forged)}})
	require.NoError(t, os.WriteFile(all[1], list, 0o600))
	said.Reset()
	requireLoad(t, f, newest, 3)
	require.Contains(t, said.String(), filepath.Base(all[1]))
	require.NoError(t, os.WriteFile(all[0], list, 0o600))
	requireNone(t, f, "state", stream, newest)
}

// A view of the past by time begins before it.
func TestLoadAsOfATime(t *testing.T) {
	f := folder(t)
	f.save("state", stream, 4, data(4))
	f.save("state", stream, 9, data(9))
	for minute, want := range map[int]uint64{100: 9, 9: 9, 8: 4, 4: 4} {
		revision, got := f.LoadAsOf("state", stream, noon.Add(time.Duration(minute)*time.Minute))
		require.Equal(t, want, revision)
		require.Equal(t, string(data(want)), string(got))
	}
	_, got := f.LoadAsOf("state", stream, noon.Add(4*time.Minute-1))
	require.Nil(t, got)
	size, n := f.Newest(stream)
	require.EqualValues(t, 10, size)
	require.Greater(t, n, int64(len(data(9))))
	size, n = f.Newest("none")
	require.Zero(t, size)
	require.Zero(t, n)
}

// versionOf opens the folder as a build of another version does.
func (s saver) versionOf(t *testing.T, version string) saver {
	t.Helper()
	other := NewSaver(s.dir, s.store, version, s.witness, nil)
	t.Cleanup(func() { other.Close(t.Context()) })
	other.Flush()
	return saver{other}
}

// Checkpoints of another version are none: they are not counted, not read and removed. An idle
// portfolio gets a new one after an upgrade, and after the way back.
func TestCheckpointsOfAnotherVersionAreNone(t *testing.T) {
	f := folder(t)
	for _, n := range []uint64{4, 9} {
		f.save("state", stream, n, data(n))
		f.save("commands", stream, n, data(n))
	}
	require.Len(t, files(t, f), 4)
	requireNone(t, In(f.dir, f.store, "2.0", f.witness), "state", stream, newest)

	later := f.versionOf(t, "2.0")
	size, n := later.Newest(stream)
	require.Zero(t, size)
	require.Zero(t, n)
	require.Empty(t, files(t, later))
	require.Empty(t, f.listFiles(t), "a list names no files that are gone")
	later.save("state", stream, 9, []byte("of 2.0"))
	_, got := later.Load("state", stream, newest)
	require.Equal(t, "of 2.0", string(got))
	requireNone(t, later, "state", stream, 8)

	back := f.versionOf(t, v1)
	size, _ = back.Newest(stream)
	require.Zero(t, size, "nor those of a later version")
	back.save("state", stream, 9, data(9))
	requireLoad(t, back, newest, 9)
}

// Files and lists of builds before there was a version are removed, too.
func TestFilesOfABuildWithoutVersions(t *testing.T) {
	f := folder(t)
	require.NoError(t, os.MkdirAll(f.dir, 0o700))
	put := func(kind string, size uint64, b []byte) {
		require.NoError(t, os.WriteFile(f.path(kind, stream, size), b, 0o600))
		f.witness.Keep(kind, stream, size, sha256.Sum256(b))
	}
	put("state", 4, []byte("without a list"))
	put(listKind, 1, []byte("pets checkpoints 1 "+strings.Fields(string(beginning(v1, stream)))[4]+"\n"))
	require.NotEmpty(t, files(t, f))
	requireNone(t, f, "state", stream, newest)
	again := f.versionOf(t, v1)
	require.Empty(t, files(t, again))
	require.Empty(t, again.listFiles(t))
	again.save("state", stream, 5, data(5))
	requireLoad(t, again, newest, 5)
}

// Checkpoints that are thinned out leave the folder, and the lists before the newest two.
func TestThinnedFilesGo(t *testing.T) {
	store := memory.New()
	storetest.Must(t, store, stream, eventstore.NoStream, storetest.Propose("a", 0, 500))
	f := on(t, filepath.Join(t.TempDir(), "snapshots"), store, newBook(store))
	for n := uint64(10); n < 500; n += 10 {
		f.save("state", stream, n, data(n))
	}
	require.Len(t, f.listFiles(t), 2)
	require.Len(t, files(t, f), 7, "one a minute, each tenth of them: those of the last hour")
	requireLoad(t, f, newest, 490)
	requireLoad(t, f, 489, 480)
	requireNone(t, f, "state", stream, 429)
	for _, file := range files(t, f) {
		require.True(t, strings.HasPrefix(file, "state@"))
	}
}

// A file that is longer than its list says is not read: a start would hold all of it in memory.
func TestALongerFileIsNotRead(t *testing.T) {
	f := folder(t)
	var said bytes.Buffer
	f.log = slog.New(slog.NewTextHandler(&said, nil))
	f.save("state", stream, 3, data(3))
	f.save("state", stream, 5, data(5))
	require.NoError(t, os.Truncate(f.path("state", stream, 6), maxBytes-1)) // it takes no space
	requireLoad(t, f, newest, 3)
	require.Contains(t, said.String(), "it is longer than what was written")
}

// A listed file that is lost, cut or damaged does not count: it is made again, and is said once.
func TestWhatIsDamagedIsMadeAgain(t *testing.T) {
	for how, damage := range map[string]func(string) error{
		"lost": os.Remove,
		"cut":  func(path string) error { return os.Truncate(path, 10) },
		"flipped": func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				b[len(b)-1] ^= 1
				err = os.WriteFile(path, b, 0o600)
			}
			return err
		},
	} {
		t.Run(how, func(t *testing.T) {
			f := folder(t)
			var said bytes.Buffer
			f.log = slog.New(slog.NewTextHandler(&said, nil))
			f.save("state", stream, 3, data(3))
			f.save("state", stream, 5, data(5))
			require.NoError(t, damage(f.path("state", stream, 6)))
			for range 3 {
				requireLoad(t, f, newest, 3)
			}
			require.Equal(t, 1, strings.Count(said.String(), "is skipped"), said.String())
			size, _ := f.Newest(stream)
			require.EqualValues(t, 4, size, "the keeper sees what is there")
			f.save("state", stream, 5, data(5))
			requireLoad(t, f, newest, 5)
			size, _ = f.Newest(stream)
			require.EqualValues(t, 6, size)
		})
	}
}
