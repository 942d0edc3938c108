package commands

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
)

// BenchmarkBots: 64 bots of one portfolio that all wait for their next command. The allocations
// of a command tell more than its duration on a machine that is busy with other things.
func BenchmarkBots(b *testing.B) {
	b.Run("fills", func(b *testing.B) {
		benchBots(b, func(bot string, n int64) Command {
			return RecordFill{
				FillID: domain.FillID{Bot: bot, TradeID: fmt.Sprint("trade", n)}, Instrument: domain.Instrument{Market: "m" + bot, Outcome: "YES"},
				Side: domain.Buy, Quantity: dec("0.01"), Price: dec("0.5"),
			}
		})
	})
	b.Run("permits", func(b *testing.B) {
		benchBots(b, func(bot string, _ int64) Command {
			return AskPermit{
				Bot: bot, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy,
				Quantity: dec("10"), LimitPrice: dec("0.5"), TTL: domain.Duration(1e6),
			}
		})
	})
}

// noHistory is a History in which nothing is found. It has indexed nothing, so all is in memory.
type noHistory struct{}

func (noHistory) Find(_ string, keys []HistoryKey) ([][]HistoryHit, uint64, error) {
	return make([][]HistoryHit, len(keys)), 0, nil
}
func (noHistory) Indexed(string) uint64                       { return 0 }
func (noHistory) Epoch() uint64                               { return 0 }
func (noHistory) Await(context.Context, string, uint64) error { return nil }
func (noHistory) Doubt(error)                                 {}

// countedStore counts appends.
type countedStore struct {
	eventstore.Store

	appends atomic.Int64
}

func (s *countedStore) Append(ctx context.Context, stream string, expect eventstore.Expected, all []eventstore.Proposed) (eventstore.Appended, error) {
	s.appends.Add(1)
	return s.Store.Append(ctx, stream, expect, all)
}

func benchBots(b *testing.B, command func(bot string, n int64) Command) {
	b.Helper()
	opened, err := embedded.Open(b.TempDir(), embedded.Options{})
	require.NoError(b, err)
	store := &countedStore{Store: opened}
	w := NewWriter(store, "main", Options{History: noHistory{}})
	b.Cleanup(func() { w.Close(); _ = opened.Close() })
	const bots = 64
	setup := []Command{openMain(), deposit("1000000000")}
	for i := range bots {
		setup = append(setup, RegisterBot{ID: fmt.Sprint("bot", i), Capital: dec("1000000"), Start: true})
	}
	for i, c := range setup {
		_, err := w.Do(b.Context(), Request{Caller: olga, Key: fmt.Sprint("setup", i), Command: c})
		require.NoError(b, err)
	}
	var n, caller atomic.Int64
	b.SetParallelism(32) // × 2 cores
	b.ReportAllocs()
	b.ResetTimer()
	before := store.appends.Load()
	b.RunParallel(func(pb *testing.PB) {
		bot := fmt.Sprint("bot", caller.Add(1)%bots)
		for pb.Next() {
			i := n.Add(1)
			if _, err := w.Do(b.Context(), Request{Caller: botCaller(bot), Key: fmt.Sprint("k", i), Command: command(bot, i)}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
	b.ReportMetric(float64(b.N)/float64(store.appends.Load()-before), "commands/append")
}
