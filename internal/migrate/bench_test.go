package migrate

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/esdb"
	"pets/eventstore/storetest"
	"pets/internal/esdbtest"
)

// benched are stores as they are used: the folder's flushes go to the disk, and the database is
// the wire-level server, which keeps its log in memory.
var benched = []struct {
	name string
	open func(b *testing.B) eventstore.Store
}{
	{"embedded", func(b *testing.B) eventstore.Store {
		s, err := embedded.Open(filepath.Join(b.TempDir(), "store"), embedded.Options{})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, s.Close()) })
		return s
	}},
	{"wire", func(b *testing.B) eventstore.Store {
		a, err := esdb.Parse(esdbtest.Start(b, esdbtest.Options{}).URL())
		require.NoError(b, err)
		s, err := esdb.Open(b.Context(), a, esdb.Options{})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, s.Close()) })
		return s
	}},
}

// BenchmarkMove moves 100,000 records of 600 bytes, in one stream and in many that take turns.
func BenchmarkMove(b *testing.B) {
	const records, chunk = 100_000, 20
	for _, streams := range []int{1, 1000} {
		for _, from := range benched {
			source := from.open(b)
			for n := 0; n < records; n += chunk {
				stream := fmt.Sprint("portfolio-", n/chunk%streams)
				first := n / chunk / streams * chunk
				proposed := storetest.Propose(stream, first, chunk)
				for i := range proposed {
					proposed[i].Metadata = fmt.Appendf(nil, `{"actor":"bot","pad":%q}`, strings.Repeat("m", 140))
					proposed[i].Data = fmt.Appendf(nil, `{"n":"%d","pad":%q}`, i, strings.Repeat("x", 380))
				}
				storetest.Must(b, source, stream, eventstore.Expected(first)-1, proposed)
			}
			for _, to := range benched {
				b.Run(fmt.Sprintf("%s to %s, streams %d", from.name, to.name, streams), func(b *testing.B) {
					for range b.N {
						b.StopTimer()
						target := to.open(b)
						m := New(source, target)
						_, err := m.Begin(b.Context())
						require.NoError(b, err)
						b.StartTimer()
						_, err = m.Copy(b.Context())
						require.NoError(b, err)
						copied := b.Elapsed()
						_, err = m.Verify(b.Context())
						require.NoError(b, err)
						b.ReportMetric(records/copied.Seconds()*float64(b.N), "copied/s")
						b.ReportMetric(records/(b.Elapsed()-copied).Seconds()*float64(b.N), "verified/s")
					}
				})
			}
		}
	}
}
