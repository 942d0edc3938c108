//go:build unix

package commands

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "New files get the folder's owner": a stop that root engages must not leave a file that
// the server cannot read at its next start.
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

// "Stops from the marker are recorded as what the file says only if the file is owned by the
// right user and not writable by others; else they are still engaged, in the name of server,
// with the claimed name in the reason."
func TestAForgedMarkerNamesNobody(t *testing.T) {
	const nobody = 65534
	for name, c := range map[string]struct {
		forge func(path string) error
		by    string
	}{
		"ours":               {func(string) error { return nil }, "olga"},
		"of somebody else":   {func(path string) error { return os.Chown(path, nobody, nobody) }, domain.ServerUser},
		"open to everybody":  {func(path string) error { return os.Chmod(path, 0o666) }, domain.ServerUser},
		"open to its group":  {func(path string) error { return os.Chmod(path, 0o660) }, domain.ServerUser},
		"of an older format": {func(path string) error { return errors.Join(flat(path), os.Chown(path, nobody, nobody)) }, domain.ServerUser},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			e := newEngined(t).opened("main")
			e.must("main", olga, RegisterBot{ID: "b", Capital: dec("1"), Start: true})
			e.engine.Close()
			file := NewLatchFile(e.latch)
			require.NoError(t, file.Write([]PendingStop{
				{Portfolio: "main", Caller: olga, Key: "k1", Kind: domain.StopSecurityBreach, Reason: "she never\nsaid so", At: noon},
				{Portfolio: "main", Caller: olga, Key: "k2", Kind: kindBot, Bot: "b", At: noon},
			}))
			if name == "ours" {
				require.NoError(t, file.Write([]PendingStop{{Portfolio: "main", Caller: olga, Key: "k1", Kind: domain.StopSecurityBreach, Reason: "she said so", At: noon}}))
			}
			require.NoError(t, c.forge(e.latch))
			e.start()
			e.unlatched()
			require.Equal(t, []string{domain.StopSecurityBreach}, e.engaged("main"), "it stops all the same")
			for rec, err := range e.store.ReadStream(t.Context(), Stream("main"), 0) {
				require.NoError(t, err)
				if rec.Type != domain.EmergencyStopEngagedType {
					continue
				}
				m, err := domain.DecodeMetadata(rec.Metadata)
				require.NoError(t, err)
				require.Equal(t, c.by, m.Actor)
				if c.by != "olga" {
					require.Contains(t, string(rec.Data), "others could write says that")
					require.Contains(t, string(rec.Data), "olga")
				}
			}
		})
	}
}

// flat rewrites a marker in the format of builds before slots.
func flat(path string) error {
	all, err := NewLatchFile(path).Read()
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(writePending(f, all), f.Close())
}

// "Nothing is written there, neither the witness nor the copy of the marker of stops":
// the folder of a copy was removed, and created by another user.
func TestNoCopyOfTheMarkerInAStrangersFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes the folders of others")
	}
	const stranger = 4999
	dir := t.TempDir()
	copied := filepath.Join(dir, "witness")
	file := NewLatchFile(filepath.Join(dir, "latch.json"))
	file.CopyTo(filepath.Join(copied, "latch.json"))
	stop := []PendingStop{{Portfolio: "main", Caller: olga, Key: "k", Kind: domain.StopManual, Reason: "smoke", At: noon}}
	require.NoError(t, file.Write(stop))
	require.NoError(t, os.RemoveAll(copied))
	require.NoError(t, os.Mkdir(copied, 0o700))
	require.NoError(t, os.Chown(copied, stranger, stranger))
	for range 2 {
		kept, err := file.keep(stop, 0)
		require.True(t, kept, "the other one has it")
		require.ErrorContains(t, err, copied)
		files, err := os.ReadDir(copied)
		require.NoError(t, err)
		require.Empty(t, files)
	}
	require.NoError(t, os.RemoveAll(copied))
	require.NoError(t, file.Write(stop))
	require.FileExists(t, filepath.Join(copied, "latch.json"))
}
