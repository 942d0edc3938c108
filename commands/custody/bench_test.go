package custody_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore/embedded"
)

// BenchmarkSignOrder is the whole of one signature: typed data read, state checked, key
// opened, signed, decided, appended durably, released. The permit before it and the
// release after it are not counted.
//
//	go test ./commands/custody -run '^$' -bench SignOrder -benchtime 500x
func BenchmarkSignOrder(b *testing.B) {
	store, err := embedded.Open(b.TempDir(), embedded.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	s := newWorld(b).opened(store)
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for n := range b.N {
		b.StopTimer()
		permit, o := s.permit(domain.Buy, "1"), order{salt: n, side: domain.Buy, shares: "1", paid: "0.5"}
		b.StartTimer()
		start := time.Now()
		s.signs(someKey(), permit, o)
		took = append(took, time.Since(start))
		b.StopTimer()
		s.must(botA, commands.ReleasePermit{Permit: permit})
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
