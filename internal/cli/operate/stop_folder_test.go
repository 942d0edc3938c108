package operate_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/open"
	"pets/internal/pets/petstest"
)

// servedOnce returns a folder with a portfolio that trades and no running server.
func servedOnce(t *testing.T) *petstest.Shell {
	t.Helper()
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	return s
}

// "A person can always stop": one stream that cannot be read keeps nobody from stopping
// the others, and is stopped itself.
func TestAStreamThatCannotBeReadKeepsNobodyFromStopping(t *testing.T) {
	t.Parallel()
	s := servedOnce(t)
	s.Foreign("portfolio-x")
	r := s.Run("-p", "main", "stop", "--emergency", "--reason", "smoke")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, "EMERGENCY STOP engaged in main")
	require.NotContains(t, r.Out, "HOLDS")
	r = s.Run("stop", "--emergency", "--everywhere", "--kind", "security_breach", "--reason", "a key leaked")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, "EMERGENCY STOP engaged in main: recorded")
	require.Contains(t, r.Out, "EMERGENCY STOP engaged in x: HOLDS")
	waiting, err := commands.NewLatchFile(filepath.Join(s.Store(), open.LatchName)).Read()
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	require.Equal(t, []string{"x", domain.StopSecurityBreach}, []string{waiting[0].Portfolio, waiting[0].Kind})
}

// "Compare kind, bot and key": an older stop of the same portfolio in the marker is not the
// one that somebody wants now; where that one can be written nowhere, it is no success.
func TestAnOlderMarkerIsNotTheStopThatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := servedOnce(t)
	s.Foreign("portfolio-x")
	marker := filepath.Join(s.Store(), open.LatchName)
	old := `[{"portfolio":"x","caller":{"User":"olga","Role":"operator"},"key":"k","kind":"manual","reason":"before","at":"2026-03-10T12:00:00Z"}]`
	require.NoError(t, os.WriteFile(marker, []byte(old), 0o600))
	require.NoError(t, os.Remove(filepath.Join(s.Store()+"-witness", open.LatchName)))
	for _, dir := range []string{s.Store(), s.Store() + "-witness"} { // nothing can be created there
		require.NoError(t, os.MkdirAll(filepath.Join(dir, open.LatchName+".tmp"), 0o700))
	}
	for _, args := range [][]string{{"--emergency", "--kind", "security_breach"}, {"alpha"}, {"--emergency", "--everywhere", "--kind", "security_breach"}} {
		r := s.Run(append([]string{"-p", "x", "stop", "--reason", "now"}, args...)...)
		require.Equal(t, 1, r.Code, r.Out)
		require.Contains(t, r.Err, "does NOT hold")
	}
}

// "A damaged one blocks stop and serve": a marker in the store's folder of before there was a
// PETS_DIR is judged as the one in PETS_DIR is.
func TestADamagedFormerMarkerBlocksNothing(t *testing.T) {
	t.Parallel()
	s := servedOnce(t)
	marker := filepath.Join(s.Store(), open.LatchName)
	require.NoError(t, os.WriteFile(marker, []byte(`[{"portf`), 0o600))
	s.Env = append(s.Env, "PETS_DIR="+filepath.Join(t.TempDir(), "dir"))
	r := s.Run("-p", "main", "stop", "--emergency", "--reason", "smoke")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "cannot be understood, so every portfolio is stopped")
	aside, err := filepath.Glob(marker + ".unreadable-*")
	require.NoError(t, err)
	require.Len(t, aside, 1)
	require.NoFileExists(t, marker)
}

// "A person can always stop": whatever is wrong with PETS_DIR, a store that can be written
// and that nobody serves is stopped, and what is wrong is said. Another command is refused.
func TestAPetsDirThatCannotBeMadeKeepsNobodyFromStopping(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	petstest.LiveStore(t, s.Store())
	plain := s.File("plain")
	link, loop := filepath.Join(s.Dir, "link"), filepath.Join(s.Dir, "loop")
	require.NoError(t, os.Symlink(filepath.Join(s.Dir, "nothing", "there"), link))
	require.NoError(t, os.Symlink(loop, loop))
	for _, dir := range []string{plain, filepath.Join(plain, "below"), link, loop, "/proc/x", "/dev/null", filepath.Join(s.Dir, strings.Repeat("x", 300))} {
		for _, named := range []string{"", "embedded:" + s.Store()} {
			here := &petstest.Shell{T: t, Dir: s.Dir, Ctx: t.Context(), Env: append([]string{"PETS_DIR=" + dir}, s.Env...)}
			args := []string{"stop", "--emergency", "--reason", "drill"}
			if named != "" {
				args = append(args, "--store", named)
			}
			r := here.Run(args...)
			require.Equal(t, 0, r.Code, "%s: %s", dir, r.Err)
			require.Contains(t, r.Out, "engaged in main (revision", dir)
			require.Contains(t, r.Err, "PETS_DIR", dir)
			r = here.Run("stop", "--emergency", "--everywhere", "--reason", "drill")
			require.Equal(t, 0, r.Code, "%s: %s", dir, r.Err)
		}
		here := &petstest.Shell{T: t, Dir: s.Dir, Ctx: t.Context(), Env: append([]string{"PETS_DIR=" + dir}, s.Env...)}
		require.Equal(t, 1, here.Run("start", "alpha").Code, dir)
	}
}

// "A stop is kept in the marker where the store cannot be opened for writing, holds at the next
// start, and is recorded then": one flipped byte, a backup that is restored as the docs say,
// with the marker of the damaged folder, or with that of the witness only.
func TestAStopOnADamagedStoreIsKept(t *testing.T) {
	t.Parallel()
	for name, marked := range map[string]bool{"with the marker": true, "the marker was forgotten": false} {
		t.Run(name, func(t *testing.T) {
			s := servedOnce(t)
			backup := s.Store() + "-backup"
			require.NoError(t, os.CopyFS(backup, os.DirFS(s.Store())))
			segment := filepath.Join(s.Store(), "00000000000000000000.seg")
			b, err := os.ReadFile(segment)
			require.NoError(t, err)
			b[130] ^= 4
			require.NoError(t, os.WriteFile(segment, b, 0o600))
			require.NoError(t, os.RemoveAll(filepath.Join(s.Store(), "00000000000000000000.idx"))) // without the index, every record is read

			r := s.Run("-p", "main", "stop", "--emergency", "--reason", "smoke")
			require.Equal(t, 0, r.Code, r.Err)
			require.Contains(t, r.Out, "EMERGENCY STOP in main: HOLDS, but is not recorded yet")
			require.Contains(t, r.Err, "is damaged at byte")
			require.Contains(t, r.Err, "it holds from the next start on, and is recorded then")
			r = s.Run("-p", "main", "stop", "alpha", "--reason", "smoke")
			require.Equal(t, 0, r.Code, r.Err)
			r = s.Run("stop", "--emergency", "--everywhere", "--kind", "security_breach", "--reason", "smoke")
			require.Equal(t, 0, r.Code, r.Err)
			after, err := os.ReadFile(segment)
			require.NoError(t, err)
			require.Equal(t, b, after, "nothing of the store was changed")

			require.NoError(t, os.Rename(s.Store(), s.Store()+".old"))
			require.NoError(t, os.Rename(backup, s.Store()))
			require.NoError(t, os.RemoveAll(filepath.Join(s.Store(), open.LatchName)))
			if marked {
				b, err := os.ReadFile(filepath.Join(s.Store()+".old", open.LatchName))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(s.Store(), open.LatchName), b, 0o600))
			}
			p := petstest.ServeFolder(t, s.Store())
			var state struct {
				EmergencyStop struct{ Kind string } `json:"emergency_stop"`
			}
			require.Eventually(t, func() bool {
				return p.Client(petstest.AdminKey).Get(t.Context(), "/v1/portfolios/main/state", &state) == nil && state.EmergencyStop.Kind == "security_breach"
			}, 20*time.Second, 20*time.Millisecond, "%+v", state)
		})
	}
}
