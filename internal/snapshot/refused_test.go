package snapshot

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
)

// forgedBefore is the same last record after two histories.
func forgedBefore(t *testing.T) (good, forged eventstore.Store) {
	t.Helper()
	last := storetest.Propose("a", 9, 1)
	make := func(series string) eventstore.Store {
		s := memory.New()
		storetest.Must(t, s, stream, eventstore.NoStream, storetest.Propose(series, 0, 9))
		storetest.Must(t, s, stream, eventstore.At(8), last)
		return s
	}
	return make("true"), make("forged")
}

// A state of a forged history gets no checkpoint, neither with the head of that history nor with
// the one of the witness, so it is not believed when the true history is back.
func TestAForgedHistoryIsNotBelievedLater(t *testing.T) {
	good, forged := forgedBefore(t)
	own, err := newBook(forged).Want(stream, 10)(t.Context())
	require.NoError(t, err)
	witness := newBook(good) // has seen the true history
	for name, head := range map[string]func(context.Context) (eventstore.TreeHead, error){
		"its own head":            func(context.Context) (eventstore.TreeHead, error) { return own, nil },
		"the head of the witness": witness.Want(stream, 10),
	} {
		dir := filepath.Join(t.TempDir(), "snapshots")
		f := on(t, dir, forged, witness)
		var failed error
		f.Save(Checkpoint{
			Stream: stream, Size: 10, Root: own.Root, At: noon, Parts: []Part{{State, []byte("forged")}}, Head: head,
			Done: func(err error) { failed = err },
		})
		f.Flush()
		require.ErrorIs(t, failed, errRoot, name)
		_, data := In(dir, good, v1, witness).Load(State, stream, 9)
		require.Nil(t, data, name)
	}
}

// A file of another history is not read, even if it was listed: its root is not the one that the
// witness has.
func TestTheRootOfAFileIsCompared(t *testing.T) {
	good, forged := forgedBefore(t)
	dir := filepath.Join(t.TempDir(), "snapshots")
	witness := newBook(forged)
	f := on(t, dir, forged, witness)
	f.save(State, stream, 9, data(9))
	requireLoad(t, f, newest, 9)
	witness.store = good
	requireNone(t, In(dir, good, v1, witness), State, stream, newest)
}

// What becomes of each checkpoint is said to the one who saves it; each reason is logged once for a
// stream, although the files have other names.
func TestAFailedSaveIsSaid(t *testing.T) {
	f := folder(t)
	var log bytes.Buffer
	f.log = slog.New(slog.NewTextHandler(&log, nil))
	save := func(n uint64, bytes int) (err error) {
		err = errors.New("it was not called")
		f.Save(Checkpoint{
			Stream: stream, Size: n + 1, At: noon, Head: f.Want(stream, n+1), Parts: []Part{{State, make([]byte, bytes)}},
			Done: func(failed error) { err = failed },
		})
		f.Flush()
		return err
	}
	require.NoError(t, save(3, 9))
	size, n := f.Newest(stream)
	require.EqualValues(t, 4, size)
	c := Checkpoint{Stream: stream, Size: 4, Parts: []Part{{State, make([]byte, 9)}}}
	require.Equal(t, c.Bytes(), n)
	for _, n := range []uint64{5, 6} {
		require.NoError(t, os.MkdirAll(filepath.Join(f.path(State, stream, n+1), "kept"), 0o700)) // in the way
		require.Error(t, save(n, 9))
	}
	require.Equal(t, 1, strings.Count(log.String(), "a checkpoint was not written"), log.String())
	require.Contains(t, log.String(), f.name(State, stream, 5))
	f.limit = 1000
	require.ErrorContains(t, save(7, 1000), "more than 1000 bytes")
	require.ErrorContains(t, save(8, 1000), "more than 1000 bytes")
	require.Equal(t, 2, strings.Count(log.String(), "a checkpoint was not written"), log.String())
	f.Close(t.Context())
	require.ErrorIs(t, save(9, 1), errClosed)
	size, _ = f.Newest(stream)
	require.EqualValues(t, 4, size)
}

// An empty folder with the name of a file, or of one that is being written, is replaced; one with
// something in it stays, see TestAFailedSaveIsSaid.
func TestAnEmptyFolderIsReplaced(t *testing.T) {
	f := folder(t)
	f.save(State, stream, 3, data(3))
	for n, name := range []string{f.path(State, stream, 5), f.path(State, stream, 6) + tempSuffix} {
		require.NoError(t, os.Mkdir(name, 0o700))
		f.save(State, stream, uint64(n)+4, data(uint64(n)+4))
		requireLoad(t, f, newest, uint64(n)+4)
	}
	list := filepath.Join(f.dir, name(listKind, stream, 4))
	require.NoError(t, os.Mkdir(list, 0o700))
	f.save(State, stream, 6, data(6))
	requireLoad(t, f, newest, 6)
	require.FileExists(t, list)
}

// The bytes of a checkpoint are those of all its files, before they are written and after a restart.
func TestTheBytesOfACheckpointAreOneSum(t *testing.T) {
	f := folder(t)
	c := Checkpoint{Stream: stream, Size: 10, At: noon, Head: f.Want(stream, 10), Parts: []Part{{"commands", data(1)}, {State, data(9)}}}
	f.Save(c)
	f.Flush()
	size, n := f.Newest(stream)
	require.EqualValues(t, 10, size)
	require.Equal(t, c.Bytes(), n)
	var written int64
	for _, name := range files(t, f) {
		info, err := os.Stat(filepath.Join(f.dir, name))
		require.NoError(t, err)
		written += info.Size()
	}
	require.Equal(t, written, n)
}

// A file in the place of the folder is said as what it is, with what to do, and checkpoints are
// written again once it is moved away.
func TestAFileInThePlaceOfTheFolder(t *testing.T) {
	f := folder(t)
	require.NoError(t, os.WriteFile(f.dir, nil, 0o600))
	var log bytes.Buffer
	f.log = slog.New(slog.NewTextHandler(&log, nil))
	f.save(State, stream, 3, data(3))
	require.Contains(t, log.String(), f.dir+" is not a folder, but a file, so it is not used; find out who put it there, and move it away")
	requireNone(t, f, State, stream, newest)
	require.NoError(t, os.Remove(f.dir))
	f.save(State, stream, 4, data(4))
	requireLoad(t, f, newest, 4)
}
