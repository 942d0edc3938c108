package serve_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// "Nothing is put into a backup, or into the place where a disk was mounted": a server whose
// folder was moved away ends without a trace at its path; and it says all the time what to do.
func TestAPoisonedServerLeavesNothingAtItsPath(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	moved := d.folder + "-x"
	require.NoError(t, os.Rename(d.folder, moved))
	require.Eventually(t, func() bool {
		return strings.Contains(d.server.Readyz(), "the store takes no more events: its folder, or a file in it, was moved")
	}, 20*time.Second, 20*time.Millisecond)
	require.Contains(t, d.server.Readyz(), "compare them with pets verify")
	require.NotContains(t, d.server.Readyz(), "flush")
	require.NoError(t, d.server.Cmd.Process.Signal(syscall.SIGTERM))
	_ = d.server.Cmd.Wait() // it ends with an error
	require.NoDirExists(t, d.folder)

	// The folder is put back into an empty folder of its name, instead of in its place.
	require.NoError(t, os.Mkdir(d.folder, 0o700))
	below := filepath.Join(d.folder, "old")
	require.NoError(t, os.Rename(moved, below))
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + d.folder}}
	for _, args := range [][]string{{"serve"}, {"verify"}, {"state"}, {"stop", "--emergency"}} {
		r := s.Run(args...)
		require.NotZero(t, r.Code, args)
		require.Contains(t, r.Err, "one lies in "+below, args)
		require.NotContains(t, r.Err, "--accept-rollback", args)
	}
	require.NoError(t, os.Rename(below, moved))
	require.NoError(t, os.Remove(d.folder), "nothing was made")
	require.NoError(t, os.Rename(moved, d.folder))
	d.start()
	require.Equal(t, "ready", strings.SplitN(d.server.Readyz(), "\n", 2)[0])
}

// "A witness that was removed under a server is written anew within a second": an emergency
// stop is not undone by an older copy of the folder afterwards, also where the server was killed.
func TestAWitnessThatWasRemovedStillRemembers(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	old := d.folder + "-old"
	d.copy(old)
	d.post("/emergency-stop", "stop", map[string]any{"kind": "security_breach", "reason": "a key leaked"})
	beside := d.folder + "-witness"
	require.NoError(t, os.RemoveAll(beside))
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(beside, "witness"))
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	d.server.Says("was changed under this process")
	require.NoError(t, d.server.Cmd.Process.Kill())
	_ = d.server.Cmd.Wait() // it was killed
	d.putBack(old)
	d.refuses("rolled back")
}
