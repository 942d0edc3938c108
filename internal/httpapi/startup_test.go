package httpapi

import (
	"context"
	"crypto/sha256"
	"iter"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/live"
	"pets/projections"
)

// hanging is a store that does not finish reading a portfolio before it is told to,
// nor begin to follow the system stream before that.
type hanging struct {
	eventstore.Store
	keys, portfolios chan struct{}
}

func (h *hanging) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		if strings.HasPrefix(stream, "portfolio-") && !waited(ctx, h.portfolios) {
			yield(eventstore.Record{}, ctx.Err())
			return
		}
		h.Store.ReadStream(ctx, stream, from)(yield)
	}
}

func (h *hanging) SubscribeStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		if stream == commands.SystemStream && !waited(ctx, h.keys) {
			yield(eventstore.Record{}, ctx.Err())
			return
		}
		h.Store.SubscribeStream(ctx, stream, from)(yield)
	}
}

func waited(ctx context.Context, done chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// botsToStop is an engine that takes the stop of a bot at any time, as it takes
// that of a portfolio.
type botsToStop struct {
	*commands.Engine
	api     *API
	latched []commands.Request
}

func (e *botsToStop) StopBot(ctx context.Context, id string, r commands.Request) (commands.Answer, bool, error) {
	if e.api.ready.Load() {
		return e.Engine.StopBot(ctx, id, r)
	}
	e.latched = append(e.latched, r)
	return commands.Answer{}, false, nil
}

// "API keys are folded first; then stop routes answer 202 and latch": a server whose
// portfolios take their time takes stops, and records them when it can.
func TestStopsDuringStartUp(t *testing.T) {
	store := memory.New()
	r := newRig(t, rigged{store: store}).opened()
	r.close()

	slow := &hanging{Store: store, keys: make(chan struct{}), portfolios: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	engine := &botsToStop{Engine: commands.NewEngine(slow, commands.EngineOptions{Latch: commands.NewLatchFile(filepath.Join(t.TempDir(), "latch"))})}
	defer engine.Close()
	ring := projections.NewKeyring(slow)
	go func() { _ = ring.Run(ctx) }()
	follow := live.New(slow, live.Options{Prefix: commands.Stream("")})
	defer follow.Close()
	api := New(Config{Engine: engine, Store: slow, Live: follow, Keys: ring, Defaults: newPolicy})
	engine.api = api
	defer api.Close(ctx)
	server := httptest.NewServer(api)
	defer server.Close()
	r.base = server.URL
	call := atSocket(t, api, t.TempDir())
	stop := `{"kind":"manual","reason":"smoke"}`

	// From the first moment, at the socket; elsewhere as soon as the keys are known.
	require.Contains(t, call("GET", "/readyz", "").body, "not ready: the history is still being folded")
	early := call("POST", main+"/emergency-stop", stop)
	require.Equal(t, http.StatusAccepted, early.status, early.body)
	for i := range table {
		if row := &table[i]; row.urgent {
			a := r.call("operator", row.method, concrete(row.path), "6f1c1b1e-8a51-4a3b-9d3c-1f0f4f0d2a11", stop)
			require.Equal(t, domain.CodeUnavailable, a.code(t), row.short())
			require.NotEmpty(t, a.header.Get("Retry-After"))
			require.Contains(t, a.body, "the API keys are not folded yet")
		}
	}
	close(slow.keys)
	require.NoError(t, api.KeysKnown(ctx))
	loaded := make(chan error, 1)
	go func() { loaded <- engine.Load(ctx, nil) }()

	for _, row := range table {
		switch {
		case row.early:
			revokesEarly(t, r, ring, row)
		case !row.urgent:
			a := r.post("operator", concrete(row.path), "{}")
			require.NotContains(t, []int{http.StatusOK, http.StatusAccepted}, a.status, row.short())
		case row.name == "stop_bot":
			a := r.post("operator", concrete(row.path), `{"reason":"smoke"}`)
			require.Equal(t, http.StatusAccepted, a.status, a.body)
			require.Contains(t, a.body, `"recorded":false`)
			require.Equal(t, domain.CodeDenied, r.post("alpha", concrete(row.path), `{"reason":"smoke"}`).code(t), "roles hold")
		default:
			a := r.post("operator", concrete(row.path), stop)
			require.Equal(t, http.StatusAccepted, a.status, "%s: %s", row.short(), a.body)
			require.Contains(t, a.body, `"recorded":false`)
			require.Equal(t, domain.CodeUnauthenticated, r.call("", row.method, concrete(row.path), "", stop).code(t))
			require.Equal(t, http.StatusAccepted, call(row.method, concrete(row.path), stop).status)
		}
	}
	require.Equal(t, http.StatusAccepted, call("POST", main+"/bots/beta/stop", `{"reason":"smoke"}`).status)
	require.Len(t, engine.latched, 2)
	require.Equal(t, me(t), engine.latched[1].Caller.User)

	close(slow.portfolios)
	require.NoError(t, <-loaded)
	require.NoError(t, api.Ready(ctx))
	require.Eventually(t, func() bool {
		return strings.Contains(r.get("operator", main+"/state").body, `"engaged":true`)
	}, closedWithin, 10*time.Millisecond, "and is recorded")
	require.Equal(t, domain.CodeHalted, r.post("operator", main+"/bots/alpha/start", "").code(t))
}

// A start that came while the server folded, and is sent again until it is taken, does not
// undo a stop that was accepted in between: it is refused for good; a new one is not.
func TestAStartFromBeforeAStopDuringStartUp(t *testing.T) {
	store := memory.New()
	r := newRig(t, rigged{store: store}).opened()
	r.api.ready.Store(false) // as while it folds
	key, other := uuid.NewString(), uuid.NewString()
	start := func(bot, key string) answered {
		return r.call("operator", http.MethodPost, main+"/bots/"+bot+"/start", key, "")
	}
	require.Equal(t, domain.CodeUnavailable, start("alpha", key).code(t))
	require.Equal(t, domain.CodeUnavailable, start("beta", other).code(t))
	require.Equal(t, domain.CodeUnauthenticated, r.call("", http.MethodPost, main+"/bots/alpha/stop", uuid.NewString(), `{}`).code(t))
	a := r.post("operator", main+"/bots/alpha/stop", `{}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, domain.CodeUnavailable, start("alpha", key).code(t), "what is sent again came when it came first")
	r.api.ready.Store(true)
	require.Equal(t, domain.CodeHalted, start("alpha", key).code(t))
	require.Contains(t, r.get("operator", main+"/state").body, `"bot":"alpha","status":"stopped"`)
	require.Equal(t, domain.CodeHalted, start("alpha", key).code(t))
	require.Equal(t, http.StatusOK, start("beta", other).status, "nobody stopped it")
	require.Equal(t, http.StatusOK, start("alpha", uuid.NewString()).status)
}

// "Revoked keys" are among what is never held up: no portfolio is needed for it.
func revokesEarly(t *testing.T, r *rig, ring *projections.Keyring, row route) {
	t.Helper()
	issued := r.post("admin", "/v1/api-keys", `{"user":"x","role":"auditor"}`)
	require.Equal(t, domain.CodeUnavailable, issued.code(t), "others wait")
	for _, k := range ring.List() {
		if k.User != "feed" {
			continue
		}
		a := r.call("admin", row.method, "/v1/api-keys/"+k.ID, uuid.NewString(), `{"reason":"stolen"}`)
		require.Equal(t, http.StatusOK, a.status, a.body)
		again, ok := ring.Lookup(sha256.Sum256([]byte(r.keys["feed"])))
		require.False(t, ok, again.ID)
		return
	}
	require.Fail(t, "the feed has no key")
}
