package witness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/internal/owner"
)

// watched is a keeper whose witness has been written twice: old is the file of before the
// last urgent event.
func watched(t *testing.T) (r *rig, k *Keeper, old []byte) {
	t.Helper()
	r = newRig(t)
	r.grow("a", 3)
	o := r.options()
	o.Look = 5 * time.Millisecond
	k, _, err := Open(t.Context(), o, false)
	require.NoError(t, err)
	k.Start()
	r.urgent("a")
	r.reaches(4)
	old = r.read(fileName)
	r.urgent("a")
	r.reaches(5)
	return r, k, old
}

// reaches waits until the witness that a start would find has seen so many records.
func (r *rig) reaches(n uint64) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		b, err := readBook(r.dir)
		return err == nil && b != nil && b.entries["a"] != nil && b.entries["a"].frontier.Size() == n
	}, patience, time.Millisecond)
}

func (r *rig) says(what string) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return strings.Contains(strings.Join(r.told, "\n"), what)
	}, patience, time.Millisecond, "it says: %s", what)
}

// "Each second the server compares the folder, the lock and the file of the witness with what
// their names name now. What was removed or replaced by a copy of the same store's is told,
// and the whole witness is written anew at its place": also while nothing happens.
func TestAWitnessThatIsGoneIsWrittenAnew(t *testing.T) {
	for name, c := range map[string]struct {
		does func(t *testing.T, r *rig, old []byte)
		says string
		kept bool
	}{
		"the folder is removed": {
			does: func(t *testing.T, r *rig, _ []byte) { require.NoError(t, os.RemoveAll(r.dir)) },
			says: "it is not there any more",
		},
		"the folder is moved": {
			does: func(t *testing.T, r *rig, _ []byte) { require.NoError(t, os.Rename(r.dir, r.dir+"-x")) },
			says: "it is not there any more",
		},
		"the folder is moved, and an empty one made": {
			does: func(t *testing.T, r *rig, _ []byte) {
				made := r.dir + "-new"
				require.NoError(t, os.Mkdir(made, 0o700))
				require.NoError(t, os.Rename(r.dir, r.dir+"-x"))
				require.NoError(t, os.Rename(made, r.dir))
			},
			says: "was changed under this process",
		},
		"the file is removed": {
			does: func(t *testing.T, r *rig, _ []byte) { require.NoError(t, os.Remove(r.file())) },
			says: "its file witness was removed",
		},
		"an older copy is renamed over it": {
			does: func(t *testing.T, r *rig, old []byte) {
				tmp := filepath.Join(filepath.Dir(r.dir), "x")
				require.NoError(t, os.WriteFile(tmp, old, 0o600))
				require.NoError(t, os.Rename(tmp, r.file()))
			},
			says: "another file, of the same store", kept: true,
		},
		"an older copy is written over it": {
			does: func(t *testing.T, r *rig, old []byte) { require.NoError(t, os.WriteFile(r.file(), old, 0o600)) },
			says: "is not what was written last", kept: true,
		},
		"its lock is removed": {
			does: func(t *testing.T, r *rig, _ []byte) { require.NoError(t, os.Remove(filepath.Join(r.dir, lockName))) },
			says: "its file LOCK was removed or replaced",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, k, old := watched(t)
			c.does(t, r, old)
			r.says(c.says)
			r.reaches(5)
			require.Eventually(t, func() bool { return k.Status().Err == nil }, patience, time.Millisecond)
			require.NotZero(t, k.Status().Failures)
			_, _, err := Open(t.Context(), r.options(), false)
			require.ErrorAs(t, err, new(*InUseError), "its lock is where another writer looks for it")
			r.urgent("a")
			r.reaches(6)
			if c.kept {
				require.Equal(t, old, r.read(r.kept()), "what was found is kept")
			}
			r.close(k)
		})
	}
}

// "A file of another store, or one that cannot be read, is left alone": the witness is not
// kept until somebody moves it away, and says so all the time.
func TestWhatIsForeignIsLeftAlone(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"of another store":   appendHeader(nil, uuid.MustParse("ffffffff-4455-6677-8899-aabbccddeeff")),
		"nobody knows whose": []byte("what is this"),
	} {
		t.Run(name, func(t *testing.T) {
			r, k, _ := watched(t)
			tmp := filepath.Join(filepath.Dir(r.dir), "x")
			require.NoError(t, os.WriteFile(tmp, bytes, 0o600))
			require.NoError(t, os.Rename(tmp, r.file()))
			r.says("it was left alone")
			r.urgent("a")
			failures := k.Status().Failures
			require.Eventually(t, func() bool { return k.Status().Failures > failures+2 }, patience, time.Millisecond)
			require.ErrorAs(t, k.Status().Err, new(*ForeignError))
			require.Equal(t, bytes, r.read(fileName))
			require.NoError(t, os.Rename(r.file(), tmp))
			r.reaches(6)
			require.Eventually(t, func() bool { return k.Status().Err == nil }, patience, time.Millisecond)
			r.close(k)
		})
	}
}

// A folder in which another process holds the lock is another writer's.
func TestAFolderOfAnotherWriterIsLeftAlone(t *testing.T) {
	r, k, old := watched(t)
	other := r.dir + "-other"
	require.NoError(t, os.Mkdir(other, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(other, fileName), old, 0o600))
	root, err := os.OpenRoot(other)
	require.NoError(t, err)
	held, err := lock(root)
	require.NoError(t, err)
	require.NoError(t, os.Rename(r.dir, r.dir+"-x"))
	require.NoError(t, os.Rename(other, r.dir))
	r.says("in use by another process")
	r.urgent("a")
	require.ErrorAs(t, k.Close(t.Context()), new(*InUseError))
	require.Equal(t, old, r.read(fileName))
	require.NoError(t, errors.Join(held.Close(), root.Close()))
}

// "/readyz says why and what to do": for each thing that can be wrong, in words of its own.
func TestAdvice(t *testing.T) {
	for words, err := range map[string]error{
		"chown it or move it away":      &owner.UntrustedError{Path: "p", Why: "w"},
		"to where it belongs":           &ForeignError{"p", errors.New("x")},
		"Stop one of the two":           &InUseError{"p"},
		"Find out who did that":         &ChangedError{"p", "x"},
		"Create it for that user":       &os.PathError{Op: "mkdirat", Path: "p", Err: syscall.EACCES},
		"its disk is full":              &os.PathError{Op: "write", Path: "p", Err: syscall.ENOSPC},
		"may not create or write":       &os.PathError{Op: "write", Path: "p", Err: syscall.EROFS},
		"see the server's log; another": errors.New("p"),
	} {
		require.Contains(t, Advice(err), words)
		require.NotContains(t, Advice(err), " p ")
	}
}
