package embedded_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// big appends n megabytes to a stream, one append each.
func big(t *testing.T, s *embedded.Store, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		p := storetest.Propose("big", i, 1)
		p[0].Data = make([]byte, 1000<<10)
		p[0].Data[i%1000] = byte(i) + 1
		storetest.Must(t, s, "big", eventstore.Expected(i-1), p)
	}
}

func hashes(t *testing.T, s *embedded.Store) []string {
	t.Helper()
	var out []string
	for rec, err := range s.ReadAll(t.Context(), eventstore.Position{}) {
		require.NoError(t, err)
		out = append(out, fmt.Sprintf("%s %d %s %x", rec.Stream, rec.Revision, rec.ID, sha256.Sum256(rec.Data)))
	}
	return out
}

// linked is the folder as a crash would leave it now.
func linked(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, n := range names {
		if n.Name() == "LOCK" || filepath.Ext(n.Name()) == ".tmp" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, n.Name()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, n.Name()), b, 0o600))
	}
	return to
}

// fillLast appends until the last segment has so much, and returns how many.
func fillLast(t *testing.T, dir string, s *embedded.Store, least uint64) int {
	t.Helper()
	for n := 1; n < 300; n++ {
		big(t, s, n-1, 1)
		var base uint64
		_, err := fmt.Sscanf(filepath.Base(newestSegment(t, dir)), "%d.seg", &base)
		require.NoError(t, err)
		if uint64(n)*(1000<<10) >= base+least {
			return n
		}
	}
	require.Fail(t, "no segment ever has so much")
	return 0
}

func newestSegment(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	require.NoError(t, err)
	return names[len(names)-1]
}

func indexes(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.idx"))
	require.NoError(t, err)
	return names
}

// The finished part of the segment that is written to is indexed, too: a start
// after a crash, and after a close, reads the rest only, and finds the same.
func TestIndexOfLiveSegment(t *testing.T) {
	dir := t.TempDir()
	s, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	n := fillLast(t, dir, s, 17<<20)
	segment := newestSegment(t, dir)
	index := strings.TrimSuffix(segment, ".seg") + ".idx"
	require.Eventually(t, func() bool { _, err := os.Stat(index); return err == nil }, 10*time.Second, 5*time.Millisecond,
		"the last segment has an index")
	want := hashes(t, s)
	crashed := linked(t, dir)
	require.NoError(t, s.Close())

	for _, folder := range []string{crashed, dir} {
		r, err := embedded.OpenReadOnly(folder, embedded.Options{})
		require.NoError(t, err)
		require.Equal(t, want, hashes(t, r))
		require.NoError(t, r.Close())
		w, err := embedded.Open(folder, embedded.Options{})
		require.NoError(t, err)
		require.Equal(t, want, hashes(t, w))
		big(t, w, n, 3)
		found, err := w.Verify(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, uint64(n)+3, found.Records)
		require.NoError(t, w.Close())
	}
}

// An index is believed only as far as its segment bears it out.
func TestIndexOfLiveSegmentIsDisposable(t *testing.T) {
	dir := t.TempDir()
	s, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	big(t, s, 0, 3)
	want := hashes(t, s)
	require.NoError(t, s.Close())
	all := indexes(t, dir)
	require.NotEmpty(t, all, "written when the store was closed")
	index := all[len(all)-1]
	good, err := os.ReadFile(index)
	require.NoError(t, err)
	for name, content := range map[string][]byte{
		"empty": {}, "cut": good[:len(good)/2], "flipped": []byte(flip(string(good), 70)), "longer": append(good[:len(good):len(good)], 0),
	} {
		require.NoError(t, os.WriteFile(index, content, 0o600))
		r, err := embedded.OpenReadOnly(dir, embedded.Options{})
		require.NoError(t, err, name)
		require.Equal(t, want, hashes(t, r), name)
		require.NoError(t, r.Close())
	}
	// A segment that lost its end is damage, index or not.
	require.NoError(t, os.WriteFile(index, good, 0o600))
	segment := index[:len(index)-len(".idx")] + ".seg"
	info, err := os.Stat(segment)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(segment, info.Size()/8))
	_, err = embedded.Open(dir, embedded.Options{})
	var damage *embedded.DamageError
	require.ErrorAs(t, err, &damage)
}

// A bit that is flipped where the index spares a start the reading is noticed by
// whoever reads it, and by verify.
func TestFlipInIndexedPart(t *testing.T) {
	dir := t.TempDir()
	s, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	big(t, s, 0, 3)
	require.NoError(t, s.Close())
	all := indexes(t, dir)
	segment := all[len(all)-1][:len(all[len(all)-1])-len(".idx")] + ".seg"
	b, err := os.ReadFile(segment)
	require.NoError(t, err)
	b[500] ^= 1
	require.NoError(t, os.WriteFile(segment, b, 0o600))
	r, err := embedded.OpenReadOnly(dir, embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	var damage *embedded.DamageError
	_, err = r.Verify(t.Context(), nil)
	require.ErrorAs(t, err, &damage)
	require.Equal(t, segment, damage.File)
	var read error
	for _, err := range r.ReadAll(t.Context(), eventstore.Position{}) {
		read = errors.Join(read, err)
	}
	require.ErrorAs(t, read, &damage)
}
