package index

import (
	"bytes"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/internal/testenv"
)

// filled is an index of some runs on disk.
func filled(t *testing.T, h *history) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "index")
	x, err := Open(dir, testStore, rootAt)
	require.NoError(t, err)
	for chunk := range slices.Chunk(h.log, 50) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
	}
	require.NoError(t, x.Close())
	return dir
}

// refused opens an index for writing and for reading, which both fail, and change
// nothing. After Clear there is a new one.
func refused(t *testing.T, dir string, store uuid.UUID, root RootFunc, kind error, says string) {
	t.Helper()
	before := listed(t, dir)
	_, err := OpenReader(dir, store, root)
	require.ErrorIs(t, err, kind)
	_, err = Open(dir, store, root)
	require.ErrorIs(t, err, ErrRebuild)
	require.ErrorIs(t, err, kind)
	require.ErrorContains(t, err, says)
	require.ErrorContains(t, err, "nothing is lost: the index is made from the log again")
	require.Equal(t, before, listed(t, dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600))
	require.NoError(t, Clear(dir))
	require.Equal(t, []string{"notes.txt"}, listed(t, dir), "what is not ours stays")
	x, err := Open(dir, store, root)
	require.NoError(t, err)
	require.Zero(t, x.Position())
	require.NoError(t, x.Close())
}

func listed(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestAnotherStore(t *testing.T) {
	other := uuid.MustParse("99999999-2222-4333-8444-555555555555")
	refused(t, filled(t, newHistory(30, 100)), other, rootAt, ErrStore, "it belongs to store "+testStore.String()+", not to "+other.String())
}

func TestAnotherVersion(t *testing.T) {
	dir := filled(t, newHistory(31, 100))
	names := listed(t, dir)
	path := filepath.Join(dir, names[len(names)-1])
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	foot := b[len(b)-footerLen:]
	le.PutUint32(foot[8:], formatVersion+1)
	le.PutUint32(foot[156:], crc32.Checksum(foot[:156], castagnoli))
	require.NoError(t, os.WriteFile(path, b, 0o600))
	refused(t, dir, testStore, rootAt, ErrVersion, "it has format version 4, this program knows 3")
}

// A log with another history at the place where the index ends.
func TestAnotherHistory(t *testing.T) {
	fork := func(p Position) (eventstore.Hash, error) {
		h, err := rootAt(p)
		h[0]++
		return h, err
	}
	refused(t, filled(t, newHistory(32, 100)), testStore, fork, ErrLog, "the log has another root")
}

// A log that is shorter than the index, as an older copy would be: what the log
// does not have does not count, and the rest does.
func TestALogThatIsBehindTheIndex(t *testing.T) {
	h := newHistory(33, 200)
	dir := filled(t, h)
	end := h.log[120].At
	behind := func(p Position) (eventstore.Hash, error) {
		if p > end {
			return eventstore.Hash{}, ErrUnknownRoot
		}
		return rootAt(p)
	}
	r, err := OpenReader(dir, testStore, behind)
	require.NoError(t, err)
	require.Equal(t, h.log[99].At+1, r.Position())
	require.Zero(t, check(t, r, h))
	require.NoError(t, r.Close())
	x, err := Open(dir, testStore, behind)
	require.NoError(t, err)
	require.Equal(t, h.log[99].At+1, x.Position())
	require.Len(t, x.Dropped(), 2*tables)
	require.ErrorIs(t, x.Dropped()[0], ErrUnknownRoot)
	require.Zero(t, check(t, x, h))
	require.NoError(t, x.Close())
	require.Len(t, listed(t, dir), 2*tables, "the others were removed")

	x, err = Open(dir, testStore, func(Position) (eventstore.Hash, error) { return eventstore.Hash{}, errInjected })
	require.ErrorIs(t, err, errInjected)
	require.NotErrorIs(t, err, ErrRebuild, "that the log cannot be read says nothing about the index")
	require.Nil(t, x)
}

// Runs of two histories do not add up to one.
func TestARunOfAnotherHistoryBetweenOthers(t *testing.T) {
	h := newHistory(34, 150)
	dir, fork := filled(t, h), filepath.Join(t.TempDir(), "fork")
	x, err := Open(fork, testStore, func(p Position) (eventstore.Hash, error) { return eventstore.Hash{byte(p)}, nil })
	require.NoError(t, err)
	for chunk := range slices.Chunk(h.log, 50) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
	}
	require.NoError(t, x.Close())
	name := runName{IDs, h.log[49].At + 1, h.log[99].At + 1}.String()
	b, err := os.ReadFile(filepath.Join(fork, name))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	x, err = Open(dir, testStore, rootAt)
	require.NoError(t, err)
	require.Equal(t, h.log[49].At+1, x.Position())
	require.Len(t, x.Dropped(), 1)
	require.ErrorContains(t, x.Dropped()[0], "it does not continue the run before it")
	require.NoError(t, x.Close())
}

// A name that says something else than the footer, and files that are none of ours.
func TestNames(t *testing.T) {
	dir := filled(t, newHistory(35, 100))
	names := listed(t, dir)
	b, err := os.ReadFile(filepath.Join(dir, names[0]))
	require.NoError(t, err)
	longer := runName{Closed, 0, 1 << 40}.String()
	require.NoError(t, os.WriteFile(filepath.Join(dir, longer), b, 0o600))
	other := runName{Live, 0, 1 << 40}.String()
	require.NoError(t, os.WriteFile(filepath.Join(dir, other), b, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, longer+".tmp"), b, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ids-1-2.run"), b, 0o600))
	x, err := Open(dir, testStore, rootAt)
	require.NoError(t, err)
	require.Len(t, x.Dropped(), 2)
	require.NoError(t, x.Close())
	require.ElementsMatch(t, append(slices.Clone(names), "ids-1-2.run"), listed(t, dir))

	for _, name := range []string{
		"ids-00000000000000000000-00000000000000000000.run", "ids-00000000000000000002-00000000000000000001.run",
		"ids-00000000000000000000-99999999999999999999.run", "ids-+0000000000000000000-00000000000000000001.run",
		"other-00000000000000000000-00000000000000000001.run", "ids-00000000000000000000-00000000000000000001", "",
	} {
		_, ok := parseName(name)
		require.False(t, ok, name)
	}
	n, ok := parseName("live-00000000000000000007-18446744073709551615.run")
	require.True(t, ok)
	require.Equal(t, runName{Live, 7, 1<<64 - 1}, n)
}

func TestAReaderMakesNoFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	_, err := OpenReader(dir, testStore, rootAt)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = os.Stat(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// vanishing is a folder in which runs are merged, and removed, whenever a reader
// has read their names.
type vanishing struct {
	folder
	merge func()
	lists int
}

func (d *vanishing) list() ([]string, error) {
	names, err := d.folder.list()
	if d.lists++; d.lists == 2 { // the second of two listings that are the same
		d.merge()
	}
	return names, err
}

// A reader that finds runs gone lists them again.
func TestAReaderToleratesThatRunsVanish(t *testing.T) {
	h := newHistory(36, 200)
	d := newMemFolder()
	x := openMem(t, d)
	for chunk := range slices.Chunk(h.log, 20) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
	}
	way := &vanishing{folder: d, merge: func() { require.NoError(t, x.mergeAll(ctx)) }}
	r, err := openReader(way, testStore, rootAt)
	require.NoError(t, err)
	require.Greater(t, way.lists, 3)
	require.Equal(t, h.end(), r.Position())
	require.Zero(t, check(t, r, h))
}

// TestReadingProcess is the other process of TestAReaderInAnotherProcess.
func TestReadingProcess(t *testing.T) {
	dir := os.Getenv("PETS_TEST_INDEX")
	if dir == "" {
		t.Skip("started by TestAReaderInAnotherProcess")
	}
	h := newHistory(37, 400)
	r, err := OpenReader(dir, testStore, rootAt)
	require.NoError(t, err)
	for range testenv.Rounds(5, 40, 400) {
		require.NoError(t, r.Refresh())
		require.Zero(t, check(t, r, h))
	}
	require.NoError(t, r.Close())
}

// A process that only reads, beside one that adds, flushes, merges and rebuilds.
func TestAReaderInAnotherProcess(t *testing.T) {
	h := newHistory(37, 400)
	dir := t.TempDir()
	x, err := Open(dir, testStore, rootAt)
	require.NoError(t, err)
	x.unpaced.Store(true)
	other := exec.Command(os.Args[0], "-test.run", "^TestReadingProcess$", "-test.v")
	other.Env = append(os.Environ(), "PETS_TEST_INDEX="+dir)
	var out bytes.Buffer
	other.Stdout, other.Stderr = &out, &out
	require.NoError(t, other.Start())
	ended := make(chan error, 1)
	go func() { ended <- other.Wait() }()
	for over := false; !over; {
		for chunk := range slices.Chunk(h.from(x.Position()), 7) {
			add(t, x, chunk)
			require.NoError(t, x.Flush(ctx))
		}
		require.NoError(t, x.empty())
		select {
		case err := <-ended:
			require.NoError(t, err, out.String())
			over = true
		default:
		}
	}
	require.Contains(t, out.String(), "--- PASS: TestReadingProcess")
	require.NoError(t, x.Close())
}
