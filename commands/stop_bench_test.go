package commands

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
)

// stopPortfolios is the figure of the goal: "10,000 portfolios: start ≤ 3 s, stop
// everything ≤ 2 s, graceful stop ≤ 5 s".
const stopPortfolios = 10_000

// BenchmarkStopAll stops 10,000 portfolios with a running bot each, all recorded, on the
// embedded store; and starts and ends an engine with them.
func BenchmarkStopAll(b *testing.B) {
	dir := b.TempDir()
	store, err := embedded.Open(dir, embedded.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = store.Close() })
	engine := benchEngine(b, store, dir)
	inParallel(stopPortfolios, 256, func(i int) {
		id := fmt.Sprint("p", i)
		open := openMain()
		open.ID = id
		for _, c := range []Command{open, deposit("1000"), RegisterBot{ID: "a", Capital: dec("100"), Start: true}} {
			if _, err := engine.Do(context.Background(), id, Request{Caller: olga, Key: uuid.NewString(), Command: c}); err != nil {
				b.Error(err)
			}
		}
	})
	engine.Close()
	var load, stop, end time.Duration
	for b.Loop() {
		start := time.Now()
		engine = benchEngine(b, store, dir)
		load += time.Since(start)
		start = time.Now()
		all, err := engine.StopAll(b.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
		stop += time.Since(start)
		require.NoError(b, err)
		for _, s := range all {
			require.True(b, s.Recorded, s.Portfolio)
		}
		start = time.Now()
		engine.Close()
		end += time.Since(start)
	}
	for name, d := range map[string]time.Duration{"s/load": load, "s/stop": stop, "s/close": end} {
		b.ReportMetric(d.Seconds()/float64(b.N), name)
	}
}

func benchEngine(b *testing.B, store eventstore.Store, dir string) *Engine {
	b.Helper()
	engine := NewEngine(store, EngineOptions{Latch: NewLatchFile(filepath.Join(dir, "latch.json"))})
	require.NoError(b, engine.Load(b.Context(), nil))
	return engine
}

// BenchmarkStopBehindBatches: how long an emergency stop and a stop of a bot take while 32
// callers send batches of 1,000, and alone.
func BenchmarkStopBehindBatches(b *testing.B) {
	for _, batches := range []int{0, 32} {
		for name, stop := range map[string]Command{"emergency": manual(), "bot": StopBot{Bot: "b0"}} {
			b.Run(fmt.Sprintf("%s/%d batches", name, batches), func(b *testing.B) { benchStop(b, batches, stop) })
		}
	}
}

func benchStop(b *testing.B, batches int, stop Command) {
	dir := b.TempDir()
	store, err := embedded.Open(dir, embedded.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = store.Close() })
	engine := NewEngine(store, EngineOptions{Latch: NewLatchFile(filepath.Join(dir, "latch.json"))})
	require.NoError(b, engine.Load(b.Context(), nil))
	do := func(c Command) {
		_, err := engine.Do(b.Context(), "main", Request{Caller: olga, Key: uuid.NewString(), Command: c})
		require.NoError(b, err)
	}
	do(openMain())
	do(deposit("1000000"))
	for i := range max(batches, 1) {
		do(RegisterBot{ID: fmt.Sprint("b", i), Capital: dec("1000"), Start: true})
	}
	ctx, cancel := context.WithCancel(b.Context())
	var work sync.WaitGroup
	for i := range batches {
		work.Go(func() { sendBatches(ctx, engine, fmt.Sprint("b", i)) })
	}
	if batches > 0 {
		time.Sleep(300 * time.Millisecond)
	}
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		do(stop)
		took = append(took, time.Since(start))
		time.Sleep(10 * time.Millisecond) // wait a moment
	}
	cancel()
	work.Wait()
	engine.Close()
	slices.Sort(took)
	at := func(q int) float64 { return took[min(len(took)*q/1000, len(took)-1)].Seconds() * 1000 }
	b.ReportMetric(at(500), "ms/p50")
	b.ReportMetric(at(990), "ms/p99")
	b.ReportMetric(at(999), "ms/p99.9")
}

func sendBatches(ctx context.Context, engine *Engine, bot string) {
	for ctx.Err() == nil {
		requests := make([]Request, 1000)
		for i := range requests {
			requests[i] = Request{Caller: botCaller(bot), Key: uuid.NewString(), Command: permit(bot, "0.001")}
		}
		_, _ = engine.DoEach(ctx, "main", requests) // it ends with the context
	}
}
