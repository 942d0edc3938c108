package embedded_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
)

// sample returns n records of about 250 bytes.
func sample(n int) []eventstore.Proposed {
	records := make([]eventstore.Proposed, n)
	for i := range records {
		records[i] = eventstore.Proposed{
			ID:       uuid.New(),
			Type:     "fill.recorded.v1",
			Time:     time.Now(),
			Metadata: []byte(`{"actor":"bot-1","role":"bot","command_id":"6a5c5be2-14bb-4f0f-8c7b-0a3f2f6a9f11"}`),
			Data:     []byte(`{"bot":"bot-1","market":"0x1f2e","outcome":"yes","side":"buy","quantity":"125.5","price":"0.43","notional":"53.965","fee":"0.01","trade_id":"t-0001"}`),
		}
	}
	return records
}

func openBench(b *testing.B) *embedded.Store {
	b.Helper()
	s, err := embedded.Open(b.TempDir(), embedded.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

// BenchmarkAppend is one record per append, each writer on a stream of its own,
// as many in a flush as come together.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openBench(b)
			b.ReportAllocs()
			var group sync.WaitGroup
			for w := range writers {
				group.Go(func() {
					records, stream := sample(1), fmt.Sprintf("portfolio-%d", w)
					for n := range b.N / writers {
						if _, err := s.Append(b.Context(), stream, eventstore.Expected(n-1), records); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N/writers*writers)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkAppendBatch is 1,000 records per append, one writer.
func BenchmarkAppendBatch(b *testing.B) {
	s := openBench(b)
	records := sample(1000)
	for n := range b.N {
		_, err := s.Append(b.Context(), "portfolio", eventstore.Expected(n*1000-1), records)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkRead reads a log of 100,000 records, appended one by one to 16
// streams (in batches, to set it up quickly) as a whole and one stream of it.
func BenchmarkRead(b *testing.B) {
	const streams, batches, batch = 16, 50, 125
	s := openBench(b)
	records := sample(batch)
	for n := range batches {
		for i := range streams {
			_, err := s.Append(b.Context(), fmt.Sprintf("portfolio-%d", i), eventstore.Expected(n*batch-1), records)
			require.NoError(b, err)
		}
	}
	count := func(b *testing.B, seq func(func(eventstore.Record, error) bool), want int) {
		n := 0
		for _, err := range seq {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		require.Equal(b, want, n)
	}
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			count(b, s.ReadAll(b.Context(), eventstore.Position{}), streams*batches*batch)
		}
		b.ReportMetric(float64(b.N)*streams*batches*batch/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("stream", func(b *testing.B) {
		for range b.N {
			count(b, s.ReadStream(b.Context(), "portfolio-3", 0), batches*batch)
		}
		b.ReportMetric(float64(b.N)*batches*batch/b.Elapsed().Seconds(), "events/s")
	})
}

// BenchmarkReadSingles reads 60,000 records that were appended one by one.
func BenchmarkReadSingles(b *testing.B) {
	const writers, each = 60, 1000
	s := openBench(b)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := range each {
				if _, err := s.Append(b.Context(), fmt.Sprintf("portfolio-%d", w), eventstore.Expected(n-1), sample(1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ResetTimer()
	for range b.N {
		n := 0
		for _, err := range s.ReadAll(b.Context(), eventstore.Position{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		require.Equal(b, writers*each, n)
	}
	b.ReportMetric(float64(b.N)*writers*each/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkReadInterleaved reads one stream of 64 that took turns: its frames lie
// far apart.
func BenchmarkReadInterleaved(b *testing.B) {
	s, err := embedded.Open(b.TempDir(), embedded.Options{SegmentBytes: 4 << 20})
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	const streams, each = 64, 1000
	var writers sync.WaitGroup
	for w := range streams {
		writers.Go(func() {
			for i := range each {
				if _, err := s.Append(b.Context(), fmt.Sprint("s", w), eventstore.Expected(i-1), sample(1)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	writers.Wait()
	b.ResetTimer()
	for n := range b.N {
		records := 0
		for _, err := range s.ReadStream(b.Context(), fmt.Sprint("s", n%streams), 0) {
			require.NoError(b, err)
			records++
		}
		require.Equal(b, each, records)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*each), "ns/record")
}
