package httpapi

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/live"
	"pets/projections"
)

// slowReaders is a store whose streams of portfolios are not followed.
type slowReaders struct{ eventstore.Store }

func (s *slowReaders) SubscribeStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	if stream != commands.Stream("main") {
		return s.Store.SubscribeStream(ctx, stream, from)
	}
	return func(yield func(eventstore.Record, error) bool) {
		<-ctx.Done()
		yield(eventstore.Record{}, ctx.Err())
	}
}

// "/readyz … how far a long fold has come".
func TestReadyzSaysHowFarALongFoldHasCome(t *testing.T) {
	store := memory.New()
	newRig(t, rigged{store: store}).opened().close()
	slow := &slowReaders{store}
	follow := live.New(slow, live.Options{Prefix: commands.Stream("")})
	defer follow.Close()
	api := New(Config{Engine: &commands.Engine{}, Store: slow, Live: follow, Keys: projections.NewKeyring(slow), Defaults: newPolicy})
	defer api.Close(t.Context())
	readyz := func() string {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		return w.Body.String()
	}
	require.Equal(t, "not ready: the history is still being folded\n", readyz())
	_, err := follow.Open(t.Context(), "main")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, is := follow.Folding()
		return is
	}, closedWithin, time.Millisecond)
	require.Regexp(t, `^not ready: the history is still being folded: 0 of \d+ records of one portfolio\n$`, readyz())
}

// What waits for the index says so, and nothing else: the fold has not begun.
func TestWhatWaitsForTheIndexSaysSo(t *testing.T) {
	store := memory.New()
	newRig(t, rigged{store: store}).opened().close()
	follow := live.New(store, live.Options{Prefix: commands.Stream("")})
	defer follow.Close()
	const why = "the index of the history cannot be written"
	api := New(Config{
		Engine: &commands.Engine{}, Store: store, Live: follow, Keys: projections.NewKeyring(store), Defaults: newPolicy,
		Health: func() Health { return Health{NoHistory: why} },
	})
	defer api.Close(t.Context())
	get := func(path string) string {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		return w.Body.String()
	}
	require.Equal(t, "not ready: "+why+"\n", get("/readyz"))
	require.Contains(t, get("/v1/portfolios/main/state"), why)
}
