//go:build unix

package commands

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "New files get the folder's owner": a stop that root engages must not leave a file that
// the server may not read at its next start.
func TestTheMarkerFileGetsTheFoldersOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	const nobody = 65534
	require.NoError(t, os.Chown(dir, nobody, nobody))
	file := NewLatchFile(filepath.Join(dir, "latch.json"))
	require.NoError(t, file.Write([]PendingStop{{Portfolio: "main", Caller: olga, Key: "k", Kind: domain.StopManual, Reason: "smoke", At: noon}}))
	info, err := os.Stat(file.path)
	require.NoError(t, err)
	s, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	require.EqualValues(t, nobody, s.Uid)
	require.EqualValues(t, nobody, s.Gid)
}
