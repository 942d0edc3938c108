package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore/memory"
)

// started sends a start of alpha, by itself or in a batch, and returns how it was answered.
func (r *rig) started(batch bool, key string) int {
	r.t.Helper()
	if !batch {
		return r.call("operator", http.MethodPost, main+"/bots/alpha/start", key, "").status
	}
	a := r.call("operator", http.MethodPost, main+"/batch", uuid.NewString(), startBatch(key))
	if a.status != http.StatusOK {
		return a.status
	}
	var v batchAnswer
	a.into(r.t, &v)
	return v.Results[0].Status
}

func startBatch(key string) string {
	return fmt.Sprintf(`{"commands":[{"idempotency_key":%q,"command":"start_bot","body":{"bot":"alpha"}}]}`, key)
}

func (r *rig) stopAlpha() {
	r.t.Helper()
	require.Equal(r.t, http.StatusOK, r.post("operator", main+"/bots/alpha/stop", "{}").status)
}

// "One that it heard of before a stop of that bot … and decides after it is refused
// (`halted`, 409), also under the same key again", in whatever case the key is written:
// here the start waits behind a writer that is busy.
func TestAStartThatWasOvertakenStaysRefused(t *testing.T) {
	for _, batch := range []bool{false, true} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			store := &waiting{Store: memory.New(), gate: make(chan struct{})}
			r := newRig(t, rigged{store: store}).opened()
			r.stopAlpha()
			store.shut.Store(true)
			key := uuid.NewString()
			busy, start, stop := make(chan int, 1), make(chan int, 1), make(chan int, 1)
			go func() { busy <- r.post("operator", main+"/deposits", `{"wallet":"hot","amount":"1"}`).status }()
			require.Eventually(t, func() bool { return store.inside.Load() == 1 }, 10*time.Second, time.Millisecond)
			go func() { start <- r.started(batch, key) }()
			require.Eventually(t, func() bool { return r.api.came.open("user/olga/") == 1 }, 10*time.Second, time.Millisecond)
			came := r.engine.StopsSeen()
			go func() { stop <- r.post("operator", main+"/bots/alpha/stop", "{}").status }()
			require.Eventually(t, func() bool { return r.engine.StopsSeen() > came }, 10*time.Second, time.Millisecond)
			close(store.gate)
			require.Equal(t, http.StatusOK, <-busy)
			require.Less(t, <-stop, 300)
			require.Equal(t, http.StatusConflict, <-start)
			for _, again := range []string{key, strings.ToUpper(key)} {
				require.Equal(t, http.StatusConflict, r.started(batch, again))
				require.Equal(t, http.StatusConflict, r.started(!batch, again))
			}
			require.Contains(t, r.get("operator", main+"/state").body, `"bot":"alpha","status":"stopped"`)
			require.Equal(t, http.StatusOK, r.started(batch, uuid.NewString()), "a new key is a new decision")
		})
	}
}

// "Whatever it was answered": a start that was told to come again in a second does not
// undo the stop of that second.
func TestAStartThatCameTooOften(t *testing.T) {
	for _, batch := range []bool{false, true} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			clock := newHands()
			r := newRig(t, rigged{now: clock.now, rate: 1, burst: 10})
			r.opened()
			for r.started(false, uuid.NewString()) != http.StatusTooManyRequests {
			}
			key := uuid.NewString()
			require.Equal(t, http.StatusTooManyRequests, r.started(batch, key))
			r.stopAlpha()
			clock.pass(time.Minute)
			require.Equal(t, http.StatusConflict, r.started(batch, key))
			require.Equal(t, http.StatusOK, r.started(batch, uuid.NewString()))
		})
	}
}

// "It came when its header was there": one whose body is on its way when the stop is
// acknowledged has not seen it, even if the bot was stopped before.
func TestAStartWhoseBodyIsOnItsWay(t *testing.T) {
	reset := `{"bot":"alpha","reason":"looked at","rebase":true}`
	for name, c := range map[string]struct {
		path, body string
		chunked    bool
	}{
		"plain":   {"/bots/alpha/start", "{}", false},
		"chunked": {"/bots/alpha/start", "{}", true},
		"batch":   {"/batch", startBatch(uuid.NewString()), false},
		"reset":   {"/breakers/consecutive_losses/reset", reset, false},
	} {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprint(name, before), func(t *testing.T) {
				r := newRig(t, rigged{}).opened()
				for i := range 3 {
					r.must("alpha", main+"/trades", fmt.Sprintf(`{"bot":"alpha","market":"z","pnl":"-1","trade_id":"l%d"}`, i))
				}
				if before {
					r.stopAlpha()
				}
				conn, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
				require.NoError(t, err)
				defer conn.Close()
				require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
				length := fmt.Sprintf("Content-Length: %d", len(c.body))
				first, rest := c.body[:1], c.body[1:]
				if c.chunked {
					length, first, rest = "Transfer-Encoding: chunked", "1\r\n{\r\n", "1\r\n}\r\n0\r\n\r\n"
				}
				r.quiet()
				_, err = fmt.Fprintf(conn, "POST %s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\n%s\r\n\r\n%s",
					main, c.path, r.keys["operator"], uuid.NewString(), length, first)
				require.NoError(t, err)
				require.Eventually(t, func() bool { return r.underWay() == 1 }, 10*time.Second, time.Millisecond)
				r.stopAlpha()
				_, err = conn.Write([]byte(rest))
				require.NoError(t, err)
				answer := make([]byte, 4096)
				n, err := conn.Read(answer)
				require.NoError(t, err)
				require.Contains(t, string(answer[:n]), "a stop was sent after this command")
			})
		}
	}
}

func (r *rig) underWay() int {
	p := r.api.inFlight
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

func (c *comers) open(scope string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.of[scope]; h != nil {
		return len(h.by)
	}
	return 0
}

// "Within that time nothing is forgotten for others": who has too many open waits until
// the oldest is old enough, whoever has not is not concerned, and what was taken is let go.
func TestComersAreBounded(t *testing.T) {
	clock := newHands()
	c := comers{now: clock.now}
	note := func(scope, name string, seen uint64) uint64 {
		first, wait := c.note(scope, name, seen, 2)
		require.Zero(t, wait)
		return first
	}
	require.EqualValues(t, 1, note("a", "x", 1))
	clock.pass(time.Minute)
	require.EqualValues(t, 5, note("a", "y", 5))
	require.EqualValues(t, 1, note("a", "x", 9), "it came when it came first")
	_, wait := c.note("a", "z", 9, 2)
	require.Equal(t, cameFor-time.Minute, wait)
	require.EqualValues(t, 9, note("b", "z", 9))
	require.EqualValues(t, 9, c.first("a", "z", 9))
	require.EqualValues(t, 5, c.first("a", "y", 9))
	c.forget("a", "y")
	require.EqualValues(t, 9, note("a", "z", 9))
	clock.pass(cameFor - time.Minute)
	require.EqualValues(t, 12, note("a", "x", 12), "it is forgotten")
	c.forget("a", "x")
	c.forget("a", "z")
	require.NotContains(t, c.of, "a")
}

// Of strangers nothing is noted, and of who is taken nothing stays.
func TestWhoIsTakenIsForgotten(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	r.call("", http.MethodPost, main+"/bots/alpha/start", uuid.NewString(), "")
	require.Equal(t, domain.CodeNotFound, r.post("operator", main+"/bots/nobody/start", "").code(t))
	require.Equal(t, 1, r.api.came.open("user/olga/"))
	require.Len(t, r.api.came.of, 1)
	require.Equal(t, http.StatusOK, r.started(true, uuid.NewString()))
	require.Equal(t, 1, r.api.came.open("user/olga/"))
}

// Before anybody's key is known, a start counts from then, too.
func TestAStartFromBeforeTheKeysAreKnown(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	key := uuid.NewString()
	r.api.ready.Store(false)
	r.api.known.Store(false)
	require.Equal(t, http.StatusServiceUnavailable, r.started(false, strings.ToUpper(key)))
	r.api.known.Store(true)
	r.stopAlpha()
	r.api.ready.Store(true)
	require.Equal(t, http.StatusConflict, r.started(false, key))
	require.Equal(t, http.StatusConflict, r.started(true, key))
}

// "In a batch, its own order counts": its own stops are no later ones.
func TestABatchThatStopsAndStartsAgain(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	a := r.post("operator", main+"/batch", fmt.Sprintf(`{"commands":[{"idempotency_key":%q,"command":"stop_bot","body":{"bot":"alpha"}},{"idempotency_key":%q,"command":"start_bot","body":{"bot":"alpha"}}]}`, uuid.NewString(), uuid.NewString()))
	require.NotContains(t, a.body, "problem")
	require.Contains(t, r.get("operator", main+"/state").body, `"bot":"alpha","status":"running"`)
}

// "10,000 of a user at a time: while so many are open, further ones are refused
// (`rate_limited`, 429)"; what is open already is decided, and stops are not concerned.
func TestTooManyOpenStarts(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	key := uuid.NewString()
	for i := range maxCame - 1 {
		_, wait := r.api.came.note("user/olga/", fmt.Sprint(i), 1, maxCame)
		require.Zero(t, wait)
	}
	require.Equal(t, domain.CodeNotFound, r.call("operator", http.MethodPost, main+"/bots/nobody/start", key, "").code(t))
	require.Equal(t, domain.CodeNotFound, r.call("operator", http.MethodPost, main+"/bots/nobody/start", key, "").code(t))
	a := r.post("operator", main+"/bots/alpha/start", "")
	require.Equal(t, domain.CodeRateLimited, a.code(t))
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Equal(t, http.StatusTooManyRequests, r.started(true, uuid.NewString()))
	r.stopAlpha()
	require.Equal(t, http.StatusOK, r.post("admin", main+"/bots/alpha/start", "").status, "of another user")
}

// A start that was recorded is answered as it was, whatever stopped the bot since.
func TestAStartThatWasTakenIsReplayed(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	r.stopAlpha()
	key := uuid.NewString()
	require.Equal(t, http.StatusOK, r.started(false, key))
	r.stopAlpha()
	a := r.call("operator", http.MethodPost, main+"/bots/alpha/start", key, "")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "true", a.header.Get("Idempotency-Replayed"))
	require.Contains(t, r.get("operator", main+"/state").body, `"bot":"alpha","status":"stopped"`)
}
