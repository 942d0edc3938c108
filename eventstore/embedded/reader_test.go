package embedded_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// TestLocked: "a second writer gets an error such as /path: locked by pid 1234".
func TestLocked(t *testing.T) {
	folder := t.TempDir()
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	for range 3 {
		_, err = embedded.Open(folder, embedded.Options{})
		var locked *embedded.LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, embedded.LockedError{Dir: folder, PID: os.Getpid()}, *locked)
		require.Equal(t, label("%s: locked by pid %d", folder, os.Getpid()), locked.Error())
	}
	require.NoError(t, s.Close())
	s, err = embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// TestProbesDoNotLockOut: readers that come and go do not make a writer fail.
func TestProbesDoNotLockOut(t *testing.T) {
	folder := t.TempDir()
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	stop, stopped := make(chan struct{}), make(chan struct{}, 2)
	for range 2 {
		go func() {
			defer func() { stopped <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := embedded.OpenReadOnly(folder, embedded.Options{})
				if err != nil {
					t.Errorf("reader: %v", err)
					return
				}
				_ = r.Close()
			}
		}()
	}
	for range 20 {
		s, err := embedded.Open(folder, embedded.Options{})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	close(stop)
	<-stopped
	<-stopped
}

// TestReaderBesideWriter: in one process, over many segments; what is
// acknowledged is visible to the reader at once.
func TestReaderBesideWriter(t *testing.T) {
	folder := t.TempDir()
	s, err := embedded.Open(folder, embedded.Options{SegmentBytes: 2000})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	early, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, early.Close()) }()
	require.True(t, early.ReadOnly())
	require.False(t, s.ReadOnly())
	require.Equal(t, s.UUID(), early.UUID())
	live := make(chan []eventstore.Record)
	go func() {
		live <- storetest.Take(t, early.SubscribeAll(t.Context(), eventstore.Position{}), 200)
	}()
	for n := range 100 {
		storetest.Must(t, s, "s", eventstore.Expected(n*2-1), storetest.Propose("a", n*2, 2))
		head, err := early.Head(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, uint64(n*2+1), head)
	}
	want := storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{}))
	require.Equal(t, want, <-live)
	late, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	require.Equal(t, want, storetest.All(t, late.ReadAll(t.Context(), eventstore.Position{})))
	require.NoError(t, late.Close())

	_, err = early.Append(t.Context(), "s", eventstore.At(199), storetest.Propose("a", 200, 1))
	var invalid *eventstore.Invalid
	require.ErrorAs(t, err, &invalid)
}

// TestReaderOutlivesWriters: a reader that was opened without a writer follows
// the next ones, also over a tail that the next one sets aside.
func TestReaderOutlivesWriters(t *testing.T) {
	l := newTail(t)
	f := l.with(l.name, l.whole[:len(l.whole)-700])
	r, err := f.openReadOnly()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	require.Positive(t, r.Torn().Bytes)
	requireKept(t, r, l.before)
	for range 3 {
		s, err := f.open(1000)
		require.NoError(t, err)
		acked := work(t, s, 3)
		require.NoError(t, s.Close())
		requireKept(t, r, acked)
	}
}

// TestReadOnlyFolder: a copy without a lock file, and disks that cannot be flushed,
// can be read.
func TestReadOnlyFolder(t *testing.T) {
	folder := t.TempDir()
	s, err := embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	storetest.Must(t, s, "s", eventstore.NoStream, storetest.Propose("a", 0, 5))
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(filepath.Join(folder, "LOCK"))) // as in a copy
	names := list(t, folder)
	r, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	require.Len(t, storetest.All(t, r.ReadStream(t.Context(), "s", 0)), 5)
	require.NoError(t, r.Close())
	require.Equal(t, names, list(t, folder), "a reader makes no file")

	// A reader that may not flush shows what is there; one whose flush fails does not.
	r, err = embedded.OpenReadOnly(folder, embedded.Options{FS: withFlush(syscall.EROFS)})
	require.NoError(t, err)
	require.Len(t, storetest.All(t, r.ReadStream(t.Context(), "s", 0)), 5)
	require.NoError(t, r.Close())
	_, err = embedded.OpenReadOnly(folder, embedded.Options{FS: withFlush(syscall.EIO)})
	require.ErrorIs(t, err, syscall.EIO)
}

func list(t testing.TB, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func withFlush(err error) embedded.FS {
	return onDirs{embedded.OS, func(d embedded.Dir) embedded.Dir { return flushFails{d, err} }}
}

// flushFails is a folder of the real file system, but for flushes.
type flushFails struct {
	embedded.Dir
	err error
}

func (f flushFails) SyncDir() error { return f.err }

func (f flushFails) Open(name string, mode embedded.Mode) (embedded.File, error) {
	file, err := f.Dir.Open(name, mode)
	return flushFailsFile{file, f.err}, err
}

type flushFailsFile struct {
	embedded.File
	err error
}

func (f flushFailsFile) Sync() error     { return f.err }
func (f flushFailsFile) Datasync() error { return f.err }
