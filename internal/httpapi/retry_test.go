package httpapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/memory"
)

// "One command retried 1,000 times concurrently and across restarts and from two
// servers on one memory store, one effect, 422 for another body."
func TestOneCommandThousandTimes(t *testing.T) {
	store := memory.New()
	first := newRig(t, rigged{store: store}).opened()
	second := newRig(t, rigged{store: store, keys: first.keys})
	before := len(first.records("portfolio-main"))
	key, body := uuid.NewString(), permitBody("alpha", "10")
	var mu sync.Mutex
	answers := map[string]int{}
	ask := func(r *rig, times int) {
		var callers sync.WaitGroup
		for range 16 {
			callers.Go(func() {
				for range times / 16 {
					a := r.call("alpha", http.MethodPost, main+"/permits", key, body)
					mu.Lock()
					answers[a.body]++
					mu.Unlock()
				}
			})
		}
		callers.Wait()
	}
	var both sync.WaitGroup
	both.Go(func() { ask(first, 320) })
	both.Go(func() { ask(second, 320) })
	both.Wait()
	first.close()
	second.close()
	third := newRig(t, rigged{store: store, keys: first.keys}) // a restart
	ask(third, 368)
	require.Len(t, answers, 1, "every answer is the first")
	for _, n := range answers {
		require.Equal(t, 1008, n)
	}
	require.Len(t, third.records("portfolio-main"), before+1)
	a := third.call("alpha", http.MethodPost, main+"/permits", key, permitBody("alpha", "11"))
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
}

// dying is a store whose server dies right after an append: the answer never
// leaves.
type dying struct {
	eventstore.Store
	die atomic.Pointer[func()]
}

func (d *dying) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	done, err := d.Store.Append(ctx, stream, expected, records)
	if die := d.die.Load(); err == nil && die != nil && stream == "portfolio-main" {
		(*die)()
		return eventstore.Appended{}, &eventstore.Unavailable{Cause: io.ErrUnexpectedEOF}
	}
	return done, err
}

// "Server killed between append and answer, the retry gets the first answer."
func TestKilledBetweenAppendAndAnswer(t *testing.T) {
	dir := t.TempDir()
	real, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	store := &dying{Store: real}
	r := newRig(t, rigged{store: store}).opened()
	key, body := uuid.NewString(), permitBody("alpha", "10")
	die := func() { r.http.CloseClientConnections() }
	store.die.Store(&die)
	req, err := http.NewRequest(http.MethodPost, r.base+main+"/permits", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys["alpha"])
	req.Header.Set("Idempotency-Key", key)
	req.Header.Set("Content-Type", "application/json")
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // else it would retry by itself
	_, err = once.Do(req)
	require.Error(t, err, "nobody is answered")
	store.die.Store(nil)
	r.close()
	require.NoError(t, real.Close())

	again, err := embedded.Open(dir, embedded.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, again.Close()) }()
	after := newRig(t, rigged{store: again, keys: r.keys})
	defer after.close()
	before := len(after.records("portfolio-main"))
	a := after.call("alpha", http.MethodPost, main+"/permits", key, body)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, "true", a.header.Get("Idempotency-Replayed"))
	require.Contains(t, a.body, `"allowed":true`)
	require.Len(t, after.records("portfolio-main"), before, "it had happened, once")
}

// "Restart while tripped stays tripped, from the first millisecond on": nothing
// under /v1 is answered before everything is folded, but for what stops.
func TestRestartWhileTripped(t *testing.T) {
	store := memory.New()
	r := newRig(t, rigged{store: store}).opened()
	for _, id := range []string{"1", "2", "3"} {
		r.must("alpha", main+"/trades", `{"bot":"alpha","market":"x","pnl":"-1","trade_id":"`+id+`"}`)
	}
	r.close()

	// A server that has not folded yet, and is asked without end while it does.
	fresh := newRig(t, rigged{store: store, keys: r.keys})
	fresh.api.ready.Store(false)
	require.Equal(t, http.StatusServiceUnavailable, fresh.call("", http.MethodGet, "/readyz", "", "").status)
	require.Equal(t, http.StatusOK, fresh.call("", http.MethodGet, "/livez", "", "").status)
	for i := range table {
		if table[i].urgent || table[i].early {
			continue // TestStopsDuringStartUp
		}
		a := fresh.call("admin", table[i].method, concrete(table[i].path), uuid.NewString(), "{}")
		require.Equal(t, domain.CodeUnavailable, a.code(t), table[i].short())
	}
	var askers sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		askers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := fresh.post("beta", main+"/permits", permitBody("beta", "1"))
				if a.status == http.StatusOK && strings.Contains(a.body, `"allowed":true`) {
					t.Error("a permit was granted while tripped")
				}
			}
		})
	}
	require.NoError(t, fresh.api.Ready(t.Context()))
	for range 50 {
		a := fresh.post("alpha", main+"/permits", permitBody("alpha", "1"))
		require.Contains(t, a.body, "breaker_tripped")
	}
	close(stop)
	askers.Wait()
	require.Equal(t, http.StatusOK, fresh.call("", http.MethodGet, "/readyz", "", "").status)
}

// A store that takes nothing: a stop is answered 202 and holds; a GET goes on.
func TestStopWithoutAStore(t *testing.T) {
	down := &failing{Store: memory.New()}
	r := newRig(t, rigged{store: down}).opened()
	down.down.Store(true)
	a := r.post("operator", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
	require.Equal(t, http.StatusAccepted, a.status, a.body)
	require.Contains(t, a.body, `"recorded":false`)
	require.Equal(t, domain.CodeHalted, r.post("alpha", main+"/permits", permitBody("alpha", "1")).code(t))
	require.Equal(t, http.StatusOK, r.get("operator", main+"/state").status, "reads go on")
	all := r.post("operator", "/v1/emergency-stop", `{"kind":"security_breach","reason":"smoke"}`)
	require.Equal(t, http.StatusAccepted, all.status, all.body)
	down.down.Store(false)
	require.Eventually(t, func() bool {
		return strings.Contains(r.get("operator", main+"/state").body, `"engaged":true`)
	}, 5*time.Second, 10*time.Millisecond, "recorded as soon as it can")
}

// failing is a store that is down when told to be.
type failing struct {
	eventstore.Store
	down, poisoned atomic.Bool
}

func (f *failing) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if f.down.Load() {
		return eventstore.Appended{}, &eventstore.Unavailable{Cause: io.ErrClosedPipe, Poisoned: f.poisoned.Load()}
	}
	return f.Store.Append(ctx, stream, expected, records)
}
