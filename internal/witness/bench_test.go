package witness

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

// BenchmarkAppend: durable records of 64 callers, without and with a witness that
// follows. Appends do not wait for it; it takes a share of the machine.
func BenchmarkAppend(b *testing.B) {
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprint("witness=", kept), func(b *testing.B) {
			store, err := embedded.Open(b.TempDir(), embedded.Options{})
			require.NoError(b, err)
			defer store.Close()
			var k *Keeper
			if kept {
				k, _, err = Open(b.Context(), Options{Dir: b.TempDir(), Store: store, ID: store.UUID()}, false)
				require.NoError(b, err)
				k.Start()
			}
			appendAll(b, store)
			b.StopTimer()
			if kept {
				behind := uint64(b.N) - min(uint64(b.N), k.Status().Records)
				start := time.Now()
				require.NoError(b, k.Close(context.Background()))
				b.ReportMetric(float64(behind), "records-behind")
				b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms-to-close")
			}
		})
	}
}

func appendAll(b *testing.B, store eventstore.Store) {
	b.Helper()
	const callers, each = 64, 4
	var n atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for c := range callers {
		wg.Go(func() {
			stream := fmt.Sprint("portfolio-", c)
			for at := 0; n.Add(each) <= int64(b.N); at += each {
				p := storetest.Propose(stream, at, each)
				for i := range p {
					p[i].Data = append(p[i].Data, make([]byte, 300)...)
				}
				if _, err := store.Append(context.Background(), stream, eventstore.Expected(at-1), p); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkStart: the comparison of 10,000 streams of 20 records with their witness, and
// what one stream takes in its file.
func BenchmarkStart(b *testing.B) {
	const streams = 10_000
	store, err := embedded.Open(b.TempDir(), embedded.Options{})
	require.NoError(b, err)
	defer store.Close()
	for i := range streams {
		name := fmt.Sprint("portfolio-", i)
		storetest.Must(b, store, name, eventstore.NoStream, storetest.Propose(name, 0, 20))
	}
	o := Options{Dir: b.TempDir(), Store: store, ID: store.UUID()}
	k, _, err := Open(b.Context(), o, false)
	require.NoError(b, err)
	for i := range streams {
		for _, kind := range []string{"state", "commands"} {
			k.Keep(kind, fmt.Sprint("portfolio-", i), 20, eventstore.Hash{1})
		}
	}
	k.Start()
	start := time.Now()
	require.NoError(b, k.Close(context.Background()))
	b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms-to-hash-and-write")
	info, err := os.Stat(o.Dir + "/" + fileName)
	require.NoError(b, err)
	for b.Loop() {
		k, _, err := Open(b.Context(), o, false)
		require.NoError(b, err)
		k.Abandon()
	}
	b.ReportMetric(float64(info.Size())/streams, "bytes/stream")
}
