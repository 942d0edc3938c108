package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
)

// damagedShell has a store of a short demo, with one byte in the middle flipped.
func damagedShell(t *testing.T) (*shell, string) {
	t.Helper()
	s := newShell(t)
	s.playedDemo(s.store())
	path := filepath.Join(s.store(), "00000000000000000000.seg")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	r, err := embedded.OpenReadOnly(s.store(), embedded.Options{})
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
	s, path := damagedShell(t)
	s.fails(1, []string{path, "damaged at byte", "revision", "pets verify --salvage DIR"}, "verify")
}

// "pets verify --salvage DIR copies out all that is sound and says what is not."
func TestVerifySalvage(t *testing.T) {
	s, path := damagedShell(t)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	target := filepath.Join(s.dir, "rescued")
	r := s.run("verify", "--salvage", target)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.out, "copied ")
	require.Contains(t, r.out, "unplaced ")
	require.Contains(t, strings.Join(strings.Fields(r.out), " "), path+" at byte ")
	require.Contains(t, r.out, "are missing")
	require.Contains(t, r.err, "keep both folders")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.FileExists(t, filepath.Join(target, "unplaced.jsonl"))
	s.ok("verify", "--store", "embedded:"+target, "-p", "demo")

	s.fails(1, []string{"must be empty"}, "verify", "--salvage", target)
	s.fails(2, []string{"--salvage"}, "verify", "--salvage", "")

	// A sound store is copied, and that is all there is to say.
	var report embedded.SalvageReport
	s.json(&report, "verify", "--store", "embedded:"+target, "--salvage", filepath.Join(s.dir, "again"))
	require.True(t, report.Whole())
	require.Positive(t, report.Records)
}

// "A salvage that was interrupted leaves a folder that nothing opens": not to verify it, not to
// look at it, not to serve it.
func TestAnUnfinishedSalvageIsRefused(t *testing.T) {
	s := newShell(t)
	s.playedDemo(s.store())
	require.NoError(t, os.WriteFile(filepath.Join(s.store(), "salvage.unfinished"), nil, 0o600))
	for _, args := range [][]string{{"verify"}, {"state"}, {"serve", "--listen", "127.0.0.1:0"}} {
		s.fails(1, []string{"is an unfinished salvage", "into another folder"}, args...)
	}
}
