package serve

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
)

// "Also a line when a stop holds but is not recorded, and when it is recorded later."
func TestTheLogTellsWhatIsNotRecorded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opened, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, opened.Close()) }()
	store := &balky{Store: opened}
	log := &clitest.Buffer{}
	a := &app{&cli.App{}}
	a.Config.Store = "embedded:" + dir
	engine := commands.NewEngine(store, commands.EngineOptions{Options: commands.Options{Now: time.Now}, Latch: a.Latch(nil)})
	defer engine.Close()
	require.NoError(t, engine.Load(t.Context(), nil))
	_, err = engine.Do(t.Context(), "main", a.Own(commands.OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper)}))
	require.NoError(t, err)
	here := &Server{app: a, Log: slog.New(slog.NewJSONHandler(log, nil)), Store: opened, Engine: engine}
	ctx, end := context.WithCancel(t.Context())
	defer here.work.Wait()
	defer end()
	here.work.Go(func() { here.tellPending(ctx) })

	store.balks.Store(true)
	_, recorded, err := engine.Stop(ctx, "main", a.Own(commands.EngageStop{Kind: domain.StopManual, Reason: "the store balks"}))
	require.NoError(t, err)
	require.False(t, recorded)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "stops hold that are not recorded yet") }, 20*time.Second, 5*time.Millisecond)
	require.Contains(t, log.String(), "the store balks")
	store.balks.Store(false)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "every stop that held is recorded") }, 20*time.Second, 5*time.Millisecond)
}

// balky is a store that refuses appends while it balks.
type balky struct {
	*embedded.Store
	balks atomic.Bool
}

func (b *balky) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if b.balks.Load() {
		return eventstore.Appended{}, domain.Errorf(domain.CodeUnavailable, "not now")
	}
	return b.Store.Append(ctx, stream, expected, records)
}
