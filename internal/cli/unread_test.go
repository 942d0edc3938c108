package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// A warning about settings that cannot be read has one line for each reason, and none twice.
func TestEachReasonHasItsLine(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	env := filepath.Join(s.Dir, ".env")
	check := func(reasons ...string) {
		r := s.Run("status")
		require.NotContains(t, r.Err, `\n`)
		lines := strings.Split(r.Err, "\n")
		for _, reason := range reasons {
			found := 0
			for _, line := range lines {
				if strings.HasPrefix(line, "pets: warning: asking the server, ignoring what cannot be read: ") && strings.Contains(line, reason) {
					found++
				}
			}
			require.Equal(t, 1, found, "%s in %s", reason, r.Err)
		}
	}
	require.NoError(t, os.WriteFile(env, []byte("PETS_RATE_LIMIT=many\nPETS_DISK_RESERVE=-3x\n"), 0o600))
	check("PETS_RATE_LIMIT must be", "PETS_DISK_RESERVE must be")
	require.NoError(t, os.Chmod(env, 0o666))
	require.NoError(t, os.Chmod(s.Dir, 0o777))
	check("its mode is 0666", "its mode is 0777")
}
