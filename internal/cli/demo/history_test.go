package demo_test

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore/embedded"
	"pets/internal/pets/petstest"
	"pets/replay/historytest"
)

// The demo's part of: go test ./replay ./internal/cli/demo -run TestRecordHistory -record-history NAME.
var recordHistory = flag.String("record-history", "", "record the golden history of the demo week under a new name")

// TestRecordHistory records the demo week, its folder and what it folds to; without
// -record-history it only makes sure that it could be, and compares it with itself.
func TestRecordHistory(t *testing.T) {
	t.Parallel()
	dir, build := t.TempDir(), "now"
	if *recordHistory != "" {
		build, dir = *recordHistory, filepath.Join("..", "..", "..", "replay", "testdata", "histories", *recordHistory)
	}
	s := petstest.New(t)
	week := filepath.Join(s.Dir, "week")
	s.PlayedDemo(week)
	require.NoError(t, historytest.Pack(filepath.Join(dir, "demo.folder.gz"), week))
	store, err := embedded.OpenReadOnly(week, embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for stream, name := range map[string]string{"portfolio-demo": "demo", "system": "demo-system"} {
		h, err := historytest.Record(t.Context(), store, stream, build, "the demo week")
		require.NoError(t, err)
		require.NotEmpty(t, h.Steps)
		file := filepath.Join(dir, name+".history.gz")
		require.NoError(t, historytest.Write(file, h))
		again, err := historytest.Read(file)
		require.NoError(t, err)
		found, err := historytest.Compare(again)
		require.NoError(t, err)
		require.Empty(t, found)
	}
}

// "A folder written by the earlier build must open": every command that reads works on
// it, and what it says adds up.
func TestOldDemoFoldersAreRead(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "replay", "testdata", "histories", "*", "demo.folder.gz"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		s := petstest.New(t)
		dir := filepath.Join(s.Dir, "old")
		require.NoError(t, historytest.Unpack(file, dir))
		for _, command := range []string{"state", "events", "balances", "positions", "trades", "stats", "equity", "verify"} {
			require.NotEmpty(t, s.Ok(command, "-p", "demo", "--store", "embedded:"+dir), command)
		}
	}
}
