package vault

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What FS promises, of the machine's file system: a new file is new, and what is
// not there is fs.ErrNotExist.
func TestOSFS(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	f, err := osFS{}.Create(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	again, err := osFS{}.Create(path)
	require.ErrorIs(t, err, os.ErrExist)
	require.Nil(t, again)

	gone := filepath.Join(dir, "gone")
	require.ErrorIs(t, osFS{}.SyncDir(gone), os.ErrNotExist)
	require.NoError(t, osFS{}.SyncDir(dir))
	require.ErrorIs(t, second(osFS{}.ReadDir(gone)), os.ErrNotExist)
	require.ErrorIs(t, second(osFS{}.Stat(gone)), os.ErrNotExist)
	_, _, err = osFS{}.Read(gone, 1)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, osFS{}.Mkdir(dir), os.ErrExist)

	writeFile(t, path, []byte("12345"))
	data, info, err := osFS{}.Read(path, 3)
	require.NoError(t, err)
	require.Equal(t, "123", string(data))
	require.Equal(t, Info{Regular, 0o600, os.Geteuid(), info.Modified}, info)
}

// A file is read up to 4,096 bytes; one more and it is none of ours.
func TestTheLongestFile(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	for length, words := range map[int]string{maxBlob - 1: "token", maxBlob: "token", maxBlob + 1: "longer", 10 * maxBlob: "longer"} {
		blob := "pets1:01234567:"
		writeFile(t, pathOf(t, k, 0), []byte(blob+strings.Repeat("A", length-len(blob))))
		err := k.withKey("w0", nothing)
		require.ErrorIs(t, err, ErrDamaged)
		require.ErrorContains(t, err, words, length)
	}
}
