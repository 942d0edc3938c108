package views_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/internal/views"
	"pets/projections"
)

const store = "0190aaaa-0000-7000-8000-000000000001"

func folder(t *testing.T, dir string) *views.Folder {
	t.Helper()
	f := views.In(dir, store, nil)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// only returns the path of the only file of a folder.
func only(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	return filepath.Join(dir, entries[0].Name())
}

// model is a file of pieces beside pieces in memory.
type model struct {
	all    *views.Folder
	file   *views.File
	memory *projections.PiecesInMemory
	known  []projections.Piece
	// kept are the pieces that there were when the file had a length.
	kept map[uint64][]projections.Piece
	gone int // pieces that were cut off
}

func (m *model) append(t *rapid.T) {
	b := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "bytes")
	if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
		b = bytes.Repeat(append(b, 7), 70_000)
	}
	got, err := m.file.Append(b)
	require.NoError(t, err)
	want, err := m.memory.Append(b)
	require.NoError(t, err)
	require.Equal(t, want, got)
	m.known = append(m.known, got)
}

func (m *model) flush(t *rapid.T) {
	require.NoError(t, m.file.Flush())
	m.kept[m.file.Length()] = slices.Clone(m.known)
}

// open opens the file as it was at one of the times when it was flushed.
func (m *model) open(t *rapid.T) {
	lengths := slices.Sorted(maps.Keys(m.kept))
	lengths = slices.DeleteFunc(lengths, func(n uint64) bool { return n == 0 })
	if len(lengths) == 0 {
		return
	}
	length := rapid.SampledFrom(lengths).Draw(t, "length")
	require.NoError(t, m.file.Flush())
	again, err := m.all.Open("portfolio-a", "the stats", m.file.ID(), length)
	require.NoError(t, err)
	gone := m.known[len(m.kept[length]):]
	m.file, m.known, m.memory = again, m.kept[length], &projections.PiecesInMemory{}
	for _, r := range gone {
		if r.Length > 0 {
			_, err := m.file.Read(r)
			require.ErrorIs(t, err, projections.ErrPiece)
			m.gone++
		}
	}
	for _, r := range m.known {
		b, err := m.file.Read(r)
		require.NoError(t, err)
		_, _ = m.memory.Append(b)
	}
	maps.DeleteFunc(m.kept, func(n uint64, _ []projections.Piece) bool { return n > length })
}

// Whatever is appended, flushed and opened again, in whatever order, pieces in a file answer as
// pieces in memory do, and one that was cut off does not exist.
func TestPiecesInAFileAreThoseInMemory(t *testing.T) {
	base := t.TempDir()
	gone := 0
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		all := views.In(dir, store, nil)
		defer func() { _ = all.Close() }()
		m := &model{all: all, file: all.New("portfolio-a", "the stats"), memory: &projections.PiecesInMemory{}, kept: map[uint64][]projections.Piece{}}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			rapid.SampledFrom([]func(*rapid.T){m.append, m.append, m.append, m.flush, m.open}).Draw(t, "step")(t)
			for _, r := range m.known {
				got, err := m.file.Read(r)
				require.NoError(t, err)
				want, err := m.memory.Read(r)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got))
			}
		}
		gone += m.gone
	})
	require.NotZero(t, gone, "nothing was ever cut off")
}

// written makes a folder with one file, and returns its file and piece.
func written(t *testing.T, dir string) (*views.File, projections.Piece) {
	t.Helper()
	f := folder(t, dir)
	file := f.New("portfolio-a", "the stats")
	r, err := file.Append([]byte("a piece of some length"))
	require.NoError(t, err)
	require.NoError(t, file.Flush())
	return file, r
}

// A file that is not what was written is not opened.
func TestAFileThatDoesNotFitIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		break_ func(t *testing.T, path string)
		want   string
	}{
		"deleted":           {func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }, "no such file"},
		"shorter":           {func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 20)) }, "shorter than what was written"},
		"of another store":  {func(t *testing.T, path string) { change(t, path, 14) }, "it belongs to another store"},
		"of another format": {func(t *testing.T, path string) { change(t, path, 11) }, "or has another format"},
		"a link": {func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+".moved"))
			require.NoError(t, os.Symlink(path+".moved", path))
		}, "a link to another file"},
		"a folder": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		}, "a folder"},
		"others may write to": {func(t *testing.T, path string) { require.NoError(t, os.Chmod(path, 0o622)) }, "others than its owner may write to it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, r := written(t, dir)
			again, err := folder(t, dir).Open("portfolio-a", "the stats", file.ID(), file.Length())
			require.NoError(t, err)
			_, err = again.Read(r)
			require.NoError(t, err)

			c.break_(t, only(t, dir))
			_, err = folder(t, dir).Open("portfolio-a", "the stats", file.ID(), file.Length())
			require.ErrorContains(t, err, c.want)
		})
	}
	dir := t.TempDir()
	file, _ := written(t, dir)
	for _, id := range []string{"", "../../etc/passwd", "zz", file.ID() + "00"} {
		_, err := folder(t, dir).Open("portfolio-a", "the stats", id, file.Length())
		require.ErrorContains(t, err, "is damaged")
	}
	// Another reader's file under the name of this one.
	path := only(t, dir)
	other := folder(t, dir)
	moved := filepath.Join(dir, fmt.Sprintf("%x@%x@%s", "portfolio-b", "the stats", file.ID()))
	require.NoError(t, os.Rename(path, moved))
	_, err := other.Open("portfolio-b", "the stats", file.ID(), file.Length())
	require.ErrorContains(t, err, "another store, stream or reader")
}

// A look at the folder counts the files, and names those that no start would use.
func TestLooking(t *testing.T) {
	_, err := views.Look(filepath.Join(t.TempDir(), "none"), store)
	require.ErrorIs(t, err, os.ErrNotExist)
	dir := t.TempDir()
	written(t, dir)
	info, err := os.Stat(only(t, dir))
	require.NoError(t, err)
	written(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600))
	found, err := views.Look(dir, store)
	require.NoError(t, err)
	require.Equal(t, views.Found{Files: 2, Bytes: 2 * info.Size()}, found)
	found, err = views.Look(dir, "another store")
	require.NoError(t, err)
	require.Len(t, found.Problems, 2)
	require.Contains(t, found.Problems[0], "it belongs to another store, stream or reader")
}

// change flips a bit of a file.
func change(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[at] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// "Checked at each Read": every flipped bit of a piece is found, and a file that is cut, gone or
// replaced while it is used is an ErrPiece.
func TestAPieceThatIsNotWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	file, r := written(t, dir)
	path := only(t, dir)
	info, err := os.Stat(path)
	require.NoError(t, err)
	for at := info.Size() - int64(r.Length); at < info.Size(); at++ {
		change(t, path, int(at))
		_, err := file.Read(r)
		require.ErrorIs(t, err, projections.ErrPiece)
		change(t, path, int(at))
	}
	_, err = file.Read(r)
	require.NoError(t, err)
	for _, wrong := range []projections.Piece{{At: 1, Length: 5}, {At: r.At, Length: r.Length + 1, Sum: r.Sum}, {At: ^uint64(0), Length: 9}, {At: 1 << 60}} {
		_, err := file.Read(wrong)
		require.ErrorIs(t, err, projections.ErrPiece)
	}
	require.NoError(t, os.Truncate(path, info.Size()-1))
	_, err = file.Read(r)
	require.ErrorIs(t, err, projections.ErrPiece)
	_, err = file.Append([]byte("more"))
	require.NoError(t, err, "it stays in memory")
	require.ErrorContains(t, file.Flush(), "shorter than what was written")
	require.NoError(t, os.Remove(path))
	_, err = file.Read(r)
	require.ErrorIs(t, err, projections.ErrPiece)
}

// "A cache must never use up the disk reserve": what has no room stays in memory and can be
// read; it is logged once, and written when there is room again.
func TestWithoutRoomPiecesStayInMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "views")
	var said bytes.Buffer
	f := views.In(dir, store, slog.New(slog.NewTextHandler(&said, nil)))
	t.Cleanup(func() { _ = f.Close() })
	free := uint64(2000 + 200_000)
	f.Leave(1000, func(*os.File) (uint64, error) { return free, nil })
	file := f.New("portfolio-a", "the stats")
	var all []projections.Piece
	put := func(n int) {
		for range n {
			r, err := file.Append(bytes.Repeat([]byte{byte(len(all))}, 50_000))
			require.NoError(t, err)
			all = append(all, r)
		}
	}
	put(4)
	require.NoError(t, file.Flush())
	before, err := os.Stat(only(t, dir))
	require.NoError(t, err)
	free = 2000 + 99_999
	put(10)
	require.Error(t, file.Flush())
	after, err := os.Stat(only(t, dir))
	require.NoError(t, err)
	require.Equal(t, before.Size(), after.Size())
	read := func() {
		for n, r := range all {
			b, err := file.Read(r)
			require.NoError(t, err)
			require.Equal(t, bytes.Repeat([]byte{byte(n)}, 50_000), b)
		}
	}
	read()
	require.Equal(t, 1, bytes.Count(said.Bytes(), []byte("they stay in memory")))
	free = 1 << 40
	require.NoError(t, file.Flush())
	require.Contains(t, said.String(), "written to files again")
	read()
	again, err := f.Open("portfolio-a", "the stats", file.ID(), file.Length())
	require.NoError(t, err)
	_, err = again.Read(all[13])
	require.NoError(t, err)
}

// A folder that cannot be made or used costs the next start time, and nothing else.
func TestAFolderThatCannotBeUsed(t *testing.T) {
	base := t.TempDir()
	for name, make := range map[string]func(dir string) error{
		"a file":                 func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"a link to nothing":      func(dir string) error { return os.Symlink(filepath.Join(base, "nothing", "there"), dir) },
		"a file above it":        func(dir string) error { return os.WriteFile(filepath.Dir(dir), nil, 0o600) },
		"closed before it is us": func(string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(base, name, "views")
			if name != "a file above it" {
				require.NoError(t, os.Mkdir(filepath.Dir(dir), 0o700))
			}
			require.NoError(t, make(dir))
			f := folder(t, dir)
			if name == "closed before it is us" {
				require.NoError(t, f.Close())
			}
			file := f.New("portfolio-a", "the stats")
			r, err := file.Append([]byte("a piece"))
			require.NoError(t, err)
			require.Error(t, file.Flush())
			b, err := file.Read(r)
			require.NoError(t, err)
			require.Equal(t, "a piece", string(b))
			file.Remove()
			f.Tidy("portfolio-a")
		})
	}
}

// Files of a stream that no checkpoint means go; those of others, and what is not ours, stay.
func TestTidying(t *testing.T) {
	dir := t.TempDir()
	made := map[string]*views.File{}
	first := folder(t, dir)
	for _, stream := range []string{"a", "b"} {
		for _, reader := range []string{"x", "y"} {
			f := first.New(stream, reader)
			_, err := f.Append([]byte(stream + reader))
			require.NoError(t, err)
			require.NoError(t, f.Flush())
			made[stream+reader] = f
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "61@notes"), nil, 0o600))
	f := folder(t, dir)
	kept, err := f.Open("a", "x", made["ax"].ID(), 2)
	require.NoError(t, err)
	f.Tidy("a", kept)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 4, "one of four files is gone, and one is not ours")
	_, err = f.Open("a", "y", made["ay"].ID(), 2)
	require.ErrorIs(t, err, os.ErrNotExist)
	kept.Remove()
	f.Tidy("b")
	entries, err = os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// Any number of readers while one appends and another flushes.
func TestReadingWhileItIsWritten(t *testing.T) {
	file := folder(t, t.TempDir()).New("a", "x")
	var mu sync.Mutex
	var known []projections.Piece
	var wait sync.WaitGroup
	done := make(chan struct{})
	failed := make(chan error, 16)
	for range 4 {
		wait.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				mu.Lock()
				all := known
				mu.Unlock()
				if len(all) == 0 {
					continue
				}
				i := n % len(all)
				b, err := file.Read(all[i])
				if err == nil && !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, 1000)) {
					err = errors.New("another piece")
				}
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wait.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = file.Flush()
			}
		}
	})
	for n := range 500 {
		r, err := file.Append(bytes.Repeat([]byte{byte(n)}, 1000))
		require.NoError(t, err)
		mu.Lock()
		known = append(known, r)
		mu.Unlock()
	}
	close(done)
	wait.Wait()
	require.Empty(t, failed)
}
