package bench

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
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
