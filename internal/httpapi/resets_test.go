package httpapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// waiting is a store whose appends wait at a gate once it is shut.
type waiting struct {
	eventstore.Store
	shut   atomic.Bool
	gate   chan struct{}
	inside atomic.Int32
}

func (w *waiting) Append(ctx context.Context, stream string, at eventstore.Expected, events []eventstore.Proposed) (eventstore.Appended, error) {
	if w.shut.Load() {
		w.inside.Add(1)
		<-w.gate
	}
	return w.Store.Append(ctx, stream, at, events)
}

// charged is what a key has used of its bytes.
func (r *rig) charged(perDay int64) int {
	b := r.api.budgets
	b.mu.Lock()
	defer b.mu.Unlock()
	spent := 0.0
	for _, k := range b.keys {
		spent += float64(perDay) - k.left
	}
	return int(spent)
}

// quiet waits until no request is under way.
func (r *rig) quiet() {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		p := r.api.inFlight
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.taken == 0
	}, 30*time.Second, time.Millisecond)
}

// reset ends a connection as one that crashed does: whoever writes to it fails.
func reset(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.(*net.TCPConn).SetLinger(0))
	require.NoError(t, c.Close())
}

// "What is recorded is what is counted", whether or not the sender waits for the answer:
// one that hangs up while its commands are decided pays for them.
func TestASenderThatHangsUpPays(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]struct{ who, path, body string }{
		"batch":   {"alpha", "/batch", batchOf(asks(40)...)},
		"command": {"alpha", "/permits", permitBody("alpha", "100000")},
		"limits":  {"admin", "/limits", `{"max_daily_loss_pct":"0.02","reason":"less"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const perDay = 1 << 30
			clock := newHands()
			store := &waiting{Store: memory.New(), gate: make(chan struct{})}
			r := newRig(t, rigged{store: store, now: clock.now, perDay: perDay}).opened()
			r.quiet()
			recorded, charged := r.bytes(), r.charged(perDay)
			store.shut.Store(true)
			c, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
			require.NoError(t, err)
			_, err = fmt.Fprintf(c, "POST %s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				main, sent.path, r.keys[sent.who], uuid.NewString(), len(sent.body), sent.body)
			require.NoError(t, err)
			require.Eventually(t, func() bool { return store.inside.Load() == 1 }, 10*time.Second, time.Millisecond)
			reset(t, c)
			time.Sleep(200 * time.Millisecond) // the server has noticed
			close(store.gate)
			r.quiet()
			require.Eventually(t, func() bool { return r.bytes() > recorded }, 10*time.Second, time.Millisecond)
			require.Equal(t, r.bytes()-recorded, r.charged(perDay)-charged)
		})
	}
}

// A command that is given up at its deadline may have been recorded: it is counted as if
// it were.
func TestACommandWithoutAnAnswerIsCounted(t *testing.T) {
	r := newRig(t, rigged{now: newHands().now, perDay: 1 << 30}).opened()
	before := r.charged(1 << 30)
	q := &request{api: r.api, key: key{id: "k9"}}
	q.decided(commands.ClassOther, &commands.Answer{}, fmt.Errorf("late: %w", context.DeadlineExceeded))
	q.decided(commands.ClassFact, &commands.Answer{}, context.DeadlineExceeded)
	require.Equal(t, unknownBytes, r.charged(1<<30)-before)
}

// A reader that goes away before the end pays for what was sent to it: a page, the stream,
// and an answer that is a problem.
func TestAReaderThatGoesAwayPays(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"page":   main + "/events?limit=1000",
		"stream": main + "/stream?after=0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const perDay = 1 << 30
			r := newRig(t, rigged{now: newHands().now, perDay: perDay}).opened()
			r.append("portfolio-main", "alpha", largeDenials(20, 300_000)...)
			r.folded()
			before := r.charged(perDay)
			c := deaf(t, strings.TrimPrefix(r.base, "http://"), r.keys["auditor"], path)
			const read = 1 << 20
			_, err := io.CopyN(io.Discard, c, read)
			require.NoError(t, err)
			reset(t, c)
			require.Eventually(t, func() bool { return r.charged(perDay)-before >= read-4096 }, 10*time.Second, time.Millisecond)
			r.quiet()
		})
	}
	t.Run("problem", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, rigged{now: newHands().now, perDay: 1 << 30}).opened()
		before := r.charged(1 << 30)
		a := r.get("auditor", main+"/state?at=999999")
		require.NotEqual(t, http.StatusOK, a.status)
		require.Eventually(t, func() bool { return r.charged(1<<30)-before == len(a.body) }, 10*time.Second, time.Millisecond)
	})
}

// "What has happened is not held up by anything else": a key has as many reads under way
// as it may, such as waits for a revision that does not come, and its fact is taken. What
// stops something needs no place at all.
func TestReadsOfAKeyHoldUpNoFact(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	for _, k := range r.ring.List() {
		holder := key{id: k.ID, caller: domain.Caller{User: k.User, Role: k.Role}}
		for r.api.inFlight.take(holder, commands.ClassOther) == nil {
			require.LessOrEqual(t, r.api.inFlight.byKey[k.ID], maxInFlightPerKey)
		}
	}
	for i := range table {
		row := &table[i]
		who := callerOf(row)
		limited := r.probe(who, row).status == http.StatusTooManyRequests
		require.Equal(t, row.class() == commands.ClassOther, limited, row.short())
	}
	r.must("alpha", main+"/fills", fillBodyOf("alpha", "f1", "1", "0.5"))
}

// Of the places of all keys, too, some are for facts.
func TestPlacesOfFacts(t *testing.T) {
	p := newPlaces(6, 4, 1).keeping(2, 1)
	who := func(id string) key { return key{id: id} }
	for _, id := range []string{"a", "a", "a"} {
		require.NoError(t, p.take(who(id), commands.ClassOther))
	}
	require.Error(t, p.take(who("a"), commands.ClassOther), "one of its four is for facts")
	require.Error(t, p.take(who("b"), commands.ClassOther), "of six, one is for people and two for facts")
	require.NoError(t, p.take(who("a"), commands.ClassFact))
	require.Error(t, p.take(who("a"), commands.ClassFact))
	require.NoError(t, p.take(who("b"), commands.ClassFact))
	require.Error(t, p.take(who("b"), commands.ClassFact), "the last is for people")
}
