package bench

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/open"
)

// BenchmarkReplay is the fold of goal 7, for a profile: -cpuprofile shows what it spends its time on.
func BenchmarkReplay(b *testing.B) {
	records, err := traded(b.Context(), filepath.Join(b.TempDir(), "store"), 1000)
	require.NoError(b, err)
	b.ResetTimer()
	for b.Loop() {
		_, err := refold(records, &domain.Decoder{})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N*len(records))/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkStart is the start of goal 8.
func BenchmarkStart(b *testing.B) {
	folder := filepath.Join(b.TempDir(), "store")
	records, err := traded(b.Context(), folder, 10_000)
	require.NoError(b, err)
	b.ResetTimer()
	for b.Loop() {
		store, engine, err := open.FreshEngine(folder)
		require.NoError(b, err)
		require.NoError(b, engine.Load(b.Context(), nil))
		engine.Close()
		require.NoError(b, store.Close())
	}
	b.ReportMetric(float64(b.N*len(records))/b.Elapsed().Seconds(), "events/s")
}
