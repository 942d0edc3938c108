package embedded_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore/embedded"
)

// nobody is the service that owns a folder.
const nobody = 65534

// openToAll returns a folder that every user may enter, unlike that of t.TempDir.
func openToAll(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pets-owner-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

func requireOwner(t *testing.T, folder string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		sys := info.Sys().(*syscall.Stat_t)
		require.Equal(t, [2]uint32{nobody, nobody}, [2]uint32{sys.Uid, sys.Gid}, path)
		return nil
	}))
}

// TestFilesOfRoot: "sudo pets stop --emergency leaves root's files in the folder,
// and the service does not start. → New files get the folder's owner."
func TestFilesOfRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files that a service cannot use")
	}
	service := openToAll(t)
	require.NoError(t, os.Chown(service, nobody, nobody))
	folder := filepath.Join(service, "new", "store") // what root makes on the way there is the service's too
	s, err := embedded.Open(folder, embedded.Options{SegmentBytes: 4000})
	require.NoError(t, err)
	acked := work(t, s, 20)
	waitFor(t, func() bool { return len(indexes(t, folder)) > 1 })
	require.NoError(t, s.Close())
	require.FileExists(t, filepath.Join(folder, "LOCK"))
	require.FileExists(t, filepath.Join(folder, spareName))
	requireOwner(t, service)

	binary := filepath.Join(openToAll(t), "writer")
	program, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, program, 0o755))
	w := startWriterAs(t, binary, folder, map[string]int{}, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}})
	w.read(50)
	w.kill(t)
	require.NotEmpty(t, w.acked, "the service can append")

	s, err = embedded.Open(folder, embedded.Options{})
	require.NoError(t, err)
	requireKept(t, s, acked)
	requireKept(t, s, w.acked)
	require.NoError(t, s.Close())
	requireOwner(t, service)
}
