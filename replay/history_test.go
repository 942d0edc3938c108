package replay_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/snapshot"
	"pets/internal/testenv"
	"pets/replay"
	"pets/replay/historytest"
)

// histories are the recorded files that match, at least a number of them.
func histories(t *testing.T, pattern string, atLeast int) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(historiesDir, "*", pattern))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), atLeast)
	return files
}

// "Old streams keep their past: a stream that an earlier build wrote folds to the same
// states." A long run compares them after every record, any other after every fifth and the last.
func TestOldStreamsKeepTheirPast(t *testing.T) {
	for i, file := range histories(t, "*.history.gz", 30) {
		if testenv.Race && i%8 != 0 { // it starts no goroutine, and takes minutes
			continue
		}
		h, err := historytest.Read(file)
		require.NoError(t, err)
		found, err := historytest.CompareEvery(h, testenv.Rounds(5, 5, 1))
		require.NoError(t, err, file)
		require.Empty(t, found, "%s folds to another state than the build that wrote it says", file)
	}
}

// The comparison notices what is changed: one record of any type that moves
// something, one recorded value, one value that is missing.
func TestAChangedPastIsNoticed(t *testing.T) {
	file := histories(t, "every-event.history.gz", 1)[0]
	read := func() *historytest.History {
		h, err := historytest.Read(file)
		require.NoError(t, err)
		return h
	}
	whole, missed := read(), map[string]bool{}
	for i, s := range whole.Steps {
		h := read()
		h.Steps[i].Record.Type, h.Steps[i].Record.Data = domain.CommandNotedType, []byte(`{"code":"nothing","note":"x"}`)
		found, err := historytest.Compare(h)
		require.NoError(t, err)
		if len(found) == 0 {
			missed[s.Record.Type] = true
		}
	}
	require.Equal(t, []string{domain.CommandNotedType}, slices.Sorted(maps.Keys(missed)), "records that make no difference")

	last := len(whole.Steps) - 1
	h := read()
	h.Steps[last].Changed["/state/cash"] = `"1"`
	requireDifference(t, h, `/state/cash was "1" and is `)
	h = read()
	h.Steps[last].Changed["/state/gone"] = "1"
	requireDifference(t, h, "/state/gone was 1 and is missing")
	h = read()
	for i := range h.Steps {
		delete(h.Steps[i].Changed, "/state/cash") // as though today's build had added it
	}
	requireDifference(t, h, "/state/cash was not there and is ")
	h = read()
	for i := range h.Steps {
		delete(h.Steps[i].Changed, "/state/custody/policy/x") // never there, never missed
	}
	found, err := historytest.Compare(h)
	require.NoError(t, err)
	require.Empty(t, found)
}

func requireDifference(t *testing.T, h *historytest.History, want string) {
	t.Helper()
	found, err := historytest.Compare(h)
	require.NoError(t, err)
	require.Contains(t, strings.Join(found, "\n"), want)
}

// "A snapshot of another build may stand for another state": these histories hold what the
// golden history of package portfolio does not, signatures and higher fees. When this fails,
// the fold or the shape of the state has changed: raise Version, and write the new hashes here.
func TestAFoldThatChangedHasAnotherVersion(t *testing.T) {
	const version = 17
	for file, want := range map[string]string{
		"signed-approvals/custody": "13b0ca3ffd2af4bcf28478824a7de640d7ae59af9399fbe9cab4e5a9adb63f25",
		"ways_out/ways_out":        "3f1ccc9693e07c6358e9e69181393bf326ddfae5152cda206218277ab414f921",
	} {
		h, err := historytest.Read(filepath.Join(historiesDir, file+".history.gz"))
		require.NoError(t, err)
		s := portfolio.New()
		for _, step := range h.Steps {
			e, err := domain.Decode(step.Record.Type, step.Record.Data)
			require.NoError(t, err)
			s.Apply(domain.Stamp{Revision: step.Record.Revision, Time: step.Record.Time}, e)
		}
		got, err := s.Hash()
		require.NoError(t, err)
		require.Equal(t, want, got, file)
	}
	require.Equal(t, version, portfolio.Version)
}

// A history is recorded once, and stays as it is.
func TestAHistoryIsNeverReplaced(t *testing.T) {
	file := histories(t, "every-event.history.gz", 1)[0]
	h, err := historytest.Read(file)
	require.NoError(t, err)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	require.ErrorContains(t, historytest.Write(file, h), "exists, and a recorded history is never replaced")
	require.ErrorContains(t, historytest.Pack(file, t.TempDir()), "exists")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// "A folder written by the earlier build must open": for reading, and for writing; every
// record is stored as it was, every stream adds up, and its snapshots, of which no witness
// knows, are ignored and never a reason to fail.
func TestOldFoldersOpen(t *testing.T) {
	for _, file := range histories(t, "*.folder.gz", 2) {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, historytest.Unpack(file, dir))
			reader, err := embedded.OpenReadOnly(dir, embedded.Options{})
			require.NoError(t, err)
			checkFolder(t, filepath.Dir(file), dir, reader)
			require.NoError(t, reader.Close())
			writer, err := embedded.Open(dir, embedded.Options{})
			require.NoError(t, err)
			checkFolder(t, filepath.Dir(file), dir, writer)
			require.NoError(t, writer.Close())
		})
	}
}

// noWitness knows no snapshot: earlier builds kept none.
type noWitness struct{}

func (noWitness) Root(string, uint64) (root eventstore.Hash, ok bool) { return root, false }

func (noWitness) Newest(string, string, uint64) (size uint64, hash eventstore.Hash, ok bool) {
	return 0, eventstore.Hash{}, false
}

// onlyReading makes no new ones.
type onlyReading struct{ *snapshot.Folder }

func (onlyReading) Save(string, string, uint64, []byte) {}

func checkFolder(t *testing.T, recorded, dir string, store *embedded.Store) {
	t.Helper()
	streams, err := store.Streams(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, streams)
	for _, stream := range streams {
		h, err := historytest.Read(filepath.Join(recorded, historyOf(stream, len(streams))))
		require.NoError(t, err)
		h.Stream = stream
		found, err := historytest.CompareStored(t.Context(), store, h)
		require.NoError(t, err)
		require.Empty(t, found, stream)
		if stream == commands.SystemStream {
			v, err := replay.VerifySystem(t.Context(), store)
			require.NoError(t, err)
			require.Empty(t, v.Problems)
			continue
		}
		w := commands.NewWriter(store, strings.TrimPrefix(stream, "portfolio-"), commands.Options{Checkpoints: onlyReading{snapshot.In(filepath.Join(dir, "snapshots"), store, commands.CheckpointVersion, noWitness{})}})
		require.NoError(t, w.Load(t.Context()))
		w.Close()
	}
}

// historyOf names the file that has what a folder's stream holds.
func historyOf(stream string, streams int) string {
	name := strings.TrimPrefix(stream, "portfolio-")
	switch {
	case stream != commands.SystemStream:
	case streams > 2:
		name = "keys"
	default:
		name = "demo-system"
	}
	return name + ".history.gz"
}

// Every event type that there was is in some history, so that none can change unseen.
func TestHistoriesHaveEveryEvent(t *testing.T) {
	have := map[string]bool{}
	for _, file := range histories(t, "*.history.gz", 30) {
		h, err := historytest.Read(file)
		require.NoError(t, err)
		for _, s := range h.Steps {
			have[s.Record.Type] = true
		}
	}
	var missing []string
	for _, known := range domain.EventTypes() {
		if !have[known] {
			missing = append(missing, known)
		}
	}
	require.Empty(t, missing)
}
