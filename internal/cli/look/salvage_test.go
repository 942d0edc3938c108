package look_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/pets/petstest"
)

// damagedShell returns a store of a short demo with one flipped byte in the middle.
func damagedShell(t *testing.T) (*petstest.Shell, string) {
	t.Helper()
	s := petstest.New(t)
	s.PlayedDemo(s.Store())
	path := filepath.Join(s.Store(), "00000000000000000000.seg")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	r, err := embedded.OpenReadOnly(s.Store(), embedded.Options{})
	require.NoError(t, err)
	var positions []uint64
	for rec, err := range r.ReadAll(t.Context(), eventstore.Position{}) {
		require.NoError(t, err)
		positions = append(positions, rec.Position.Commit)
	}
	require.NoError(t, r.Close())
	b[positions[len(positions)/2]+40] ^= 4
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return s, path
}

// "pets verify on a damaged store prints the place and suggests --salvage; exit 1."
func TestVerifyNamesDamage(t *testing.T) {
	t.Parallel()
	s, path := damagedShell(t)
	s.Fails(1, []string{path, "damaged at byte", "revision", "pets verify --salvage DIR"}, "verify")
}

// "pets verify --salvage DIR copies out all that is sound and says what is not."
func TestVerifySalvage(t *testing.T) {
	t.Parallel()
	s, path := damagedShell(t)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	target := filepath.Join(s.Dir, "rescued")
	r := s.Run("verify", "--salvage", target)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Out, "copied ")
	require.Contains(t, r.Out, "unplaced ")
	require.Contains(t, strings.Join(strings.Fields(r.Out), " "), path+" at byte ")
	require.Contains(t, r.Out, "are missing")
	require.Contains(t, r.Err, "keep both folders")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.FileExists(t, filepath.Join(target, "unplaced.jsonl"))
	s.Ok("verify", "--store", "embedded:"+target, "-p", "demo")

	s.Fails(1, []string{"must be empty"}, "verify", "--salvage", target)
	s.Fails(2, []string{"--salvage"}, "verify", "--salvage", "")

	// A sound store is copied, and the report lists nothing else.
	var report embedded.SalvageReport
	s.JSON(&report, "verify", "--store", "embedded:"+target, "--salvage", filepath.Join(s.Dir, "again"))
	require.True(t, report.Whole())
	require.Positive(t, report.Records)
}

// "A salvage that was interrupted leaves a folder that nothing opens": not to verify it, not to
// look at it, not to serve it.
func TestAnUnfinishedSalvageIsRefused(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	s.PlayedDemo(s.Store())
	require.NoError(t, os.WriteFile(filepath.Join(s.Store(), "salvage.unfinished"), nil, 0o600))
	for _, args := range [][]string{{"verify"}, {"state"}, {"serve", "--listen", "127.0.0.1:0"}} {
		s.Fails(1, []string{"is an unfinished salvage", "into another folder"}, args...)
	}
}
