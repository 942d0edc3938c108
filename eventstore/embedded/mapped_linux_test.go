package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// interleaved makes a store on the real disk whose streams take turns, so that
// reading one of them jumps about in sealed segments.
func interleaved(t *testing.T) (dir string, s *embedded.Store) {
	t.Helper()
	dir = t.TempDir()
	s, err := embedded.Open(dir, embedded.Options{SegmentBytes: 32 << 10, CheckAfter: time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	for i := range 100 {
		for stream := range 8 {
			name := fmt.Sprint("s", stream)
			storetest.Must(t, s, name, eventstore.Expected(i-1), storetest.Propose(name, i, 1))
		}
	}
	return dir, s
}

func oldestSegment(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	require.NoError(t, err)
	require.Greater(t, len(names), 3, "there are sealed segments")
	return names[0]
}

// Reading by memory and by calls gives the same records.
func TestMappedReadsTheSame(t *testing.T) {
	_, s := interleaved(t)
	all := storetest.All(t, s.ReadAll(t.Context(), eventstore.Position{}))
	require.Len(t, all, 800)
	for stream := range 8 {
		name := fmt.Sprint("s", stream)
		var want []eventstore.Record
		for _, r := range all {
			if r.Stream == name {
				want = append(want, r)
			}
		}
		require.Equal(t, want, storetest.All(t, s.ReadStream(t.Context(), name, 0)))
	}
}

// A file that somebody makes shorter under the mapping is an error that names it,
// not the end of the process. "Damage that a read meets is known at once, and ends all
// writing": the check that would find it begins an hour later here.
func TestMappedSegmentShortened(t *testing.T) {
	dir, s := interleaved(t)
	require.Len(t, storetest.All(t, s.ReadStream(t.Context(), "s1", 0)), 100, "mapped by this")
	file := oldestSegment(t, dir)
	require.NoError(t, os.Truncate(file, 4096))
	_, err := storetest.Collect(t, s.ReadStream(t.Context(), "s1", 0))
	var damage *embedded.DamageError
	require.ErrorAs(t, err, &damage)
	require.Equal(t, file, damage.File)
	health := s.Health()
	require.ErrorAs(t, health.Damaged, &damage)
	require.ErrorAs(t, health.Poisoned, &damage)
	_, err = s.Append(t.Context(), "s9", eventstore.NoStream, storetest.Propose("s9", 0, 1))
	requirePoisoned(t, err)
}

// A bit that is flipped in a mapped segment is noticed by whoever reads it.
func TestMappedBitFlip(t *testing.T) {
	dir, s := interleaved(t)
	require.Len(t, storetest.All(t, s.ReadStream(t.Context(), "s2", 0)), 100)
	file := oldestSegment(t, dir)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	b[700] ^= 0x10
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(b[700:701], 700)
	require.NoError(t, errors.Join(err, f.Close()))
	noticed := 0
	for stream := range 8 {
		_, err := storetest.Collect(t, s.ReadStream(t.Context(), fmt.Sprint("s", stream), 0))
		var damage *embedded.DamageError
		if errors.As(err, &damage) {
			require.Equal(t, file, damage.File)
			noticed++
		}
	}
	require.Equal(t, 1, noticed, "by the one stream whose frame it is")
}

// Closing takes the memory away only when nobody touches it.
func TestMappedClosedWhileRead(t *testing.T) {
	_, s := interleaved(t)
	var readers sync.WaitGroup
	started := make(chan struct{}, 8)
	for stream := range 8 {
		readers.Go(func() {
			for n := 0; ; n++ {
				var last error
				for _, err := range s.ReadStream(context.Background(), fmt.Sprint("s", stream), 0) {
					last = err
				}
				if n == 0 {
					started <- struct{}{}
				}
				if last != nil {
					if !errors.Is(last, eventstore.ErrClosed) {
						t.Errorf("a reader of a store that is closed got %v", last)
					}
					return
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	require.NoError(t, s.Close())
	readers.Wait()
}
