package commands

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/memory"
)

// BenchmarkCommands: permits and releases, decided, durable and answered.
func BenchmarkCommands(b *testing.B) {
	stores := map[string]func() eventstore.Store{
		"memory": func() eventstore.Store { return memory.New() },
		"embedded": func() eventstore.Store {
			store, err := embedded.Open(b.TempDir(), embedded.Options{})
			require.NoError(b, err)
			return store
		},
	}
	for name, open := range stores {
		b.Run(name+"/one caller", func(b *testing.B) { benchOne(b, open()) })
		b.Run(name+"/64 callers", func(b *testing.B) { benchMany(b, open()) })
		b.Run(name+"/DoAll 1000", func(b *testing.B) { benchAll(b, open()) })
	}
}

func benchWriter(b *testing.B, store eventstore.Store) *Writer {
	b.Helper()
	w := NewWriter(store, "main", Options{})
	b.Cleanup(func() { w.Close(); _ = store.Close() })
	for i, c := range []Command{openMain(), deposit("1000000"), RegisterBot{ID: "a", Capital: dec("1000000"), Start: true}} {
		_, err := w.Do(b.Context(), Request{Caller: olga, Key: fmt.Sprint("setup", i), Command: c})
		require.NoError(b, err)
	}
	b.ResetTimer()
	return w
}

func benchTrade(i int64) Request {
	return Request{Caller: botCaller("a"), Key: fmt.Sprint("k", i), Command: RecordTrade{
		Bot: "a", Market: "m", PnL: domain.FromInt(i % 2), TradeID: fmt.Sprint(i),
	}}
}

func benchOne(b *testing.B, store eventstore.Store) {
	w := benchWriter(b, store)
	for i := range b.N {
		if _, err := w.Do(b.Context(), benchTrade(int64(i))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}

func benchMany(b *testing.B, store eventstore.Store) {
	w := benchWriter(b, store)
	var n atomic.Int64
	b.SetParallelism(32) // × 2 cores
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.Do(b.Context(), benchTrade(n.Add(1))); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}

func benchAll(b *testing.B, store eventstore.Store) {
	w := benchWriter(b, store)
	for i := 0; i < b.N; {
		requests := make([]Request, min(1000, b.N-i))
		for j := range requests {
			requests[j] = benchTrade(int64(i + j))
		}
		if _, err := w.DoAll(b.Context(), requests); err != nil {
			b.Fatal(err)
		}
		i += len(requests)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}
