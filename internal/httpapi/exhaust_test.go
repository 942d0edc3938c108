package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"runtime"
	"sync"
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

// heap watches how much memory is in use until it is told to stop.
type heap struct {
	start, most uint64
	stop        chan struct{}
	done        sync.WaitGroup
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func watchHeap() *heap {
	runtime.GC()
	h := &heap{start: inUse(), stop: make(chan struct{})}
	h.done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			h.most = max(h.most, inUse())
			select {
			case <-tick.C:
			case <-h.stop:
				return
			}
		}
	})
	return h
}

// grew returns by how many MiB the heap had grown at the most.
func (h *heap) grew() uint64 {
	close(h.stop)
	h.done.Wait()
	return (max(h.most, h.start) - h.start) >> 20
}

// deaf asks for something and never reads the answer.
func deaf(t *testing.T, address, token, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, token)
	require.NoError(t, err)
	return c
}

// "48 unread pages of /events took 4 GB": with answers capped, and their memory bounded
// for each key and for all, they take less than 300 MiB, garbage included, and a person
// is answered meanwhile.
func TestUnreadPagesTakeLittleMemory(t *testing.T) {
	r, address := served(t)
	r.append("portfolio-main", "alpha", largeDenials(200, 300_000)...)
	r.folded()
	h := watchHeap()
	for i := range 48 {
		deaf(t, address, r.keys[[]string{"alpha", "beta", "auditor", "operator"}[i%4]], main+"/events?limit=1000")
	}
	end := time.Now().Add(2 * time.Second)
	for time.Now().Before(end) {
		a := r.get("approver", main+"/events?limit=1000")
		require.Equal(t, http.StatusOK, a.status, "%.300s", a.body)
	}
	grew := h.grew()
	t.Logf("the heap grew by %d MiB", grew)
	require.Less(t, grew, uint64(300))
}

// A reader that takes nothing is cut off, and its memory is free again.
func TestDeafReadersAreCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a time-out")
	}
	t.Parallel()
	r, address := served(t)
	r.append("portfolio-main", "alpha", largeDenials(40, 300_000)...)
	r.folded()
	for range 8 {
		c := deaf(t, address, r.keys["operator"], main+"/events?limit=1000")
		require.NoError(t, c.(*net.TCPConn).SetReadBuffer(4096))
	}
	held := func() int64 {
		r.api.answers.mu.Lock()
		defer r.api.answers.mu.Unlock()
		return r.api.answers.used
	}
	require.Eventually(t, func() bool { return held() > 0 }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return held() == 0 }, 3*deliverWithin, 50*time.Millisecond)
	require.LessOrEqual(t, r.api.answers.most, int64(roomForKey))
}

// No key takes what others need, and nobody what is kept for people.
func TestRoom(t *testing.T) {
	r := newRoom()
	who := func(id string, role domain.Role) key { return key{id: id, caller: domain.Caller{Role: role}} }
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var taken []*lease
	for i := range 3 {
		l, err := r.take(t.Context(), who(fmt.Sprint("bot", i), domain.RoleBot), commands.ClassOther, roomForKey)
		require.NoError(t, err)
		taken = append(taken, l)
	}
	_, err := r.take(short, who("bot0", domain.RoleBot), commands.ClassOther, 1)
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err), "it has its own share already")
	_, err = r.take(short, who("bot9", domain.RoleBot), commands.ClassOther, 1)
	require.Error(t, err, "the rest is for people")
	fact, err := r.take(t.Context(), who("bot0", domain.RoleBot), commands.ClassFact, maxBody)
	require.NoError(t, err, "a fact is small, and finds room")
	fact.keep(0)
	person, err := r.take(short, who("olga", domain.RoleOperator), commands.ClassOther, roomForKey)
	require.NoError(t, err)
	person.keep(0)

	waited := make(chan error, 1)
	go func() {
		_, err := r.take(context.Background(), who("bot9", domain.RoleBot), commands.ClassOther, 100)
		waited <- err
	}()
	taken[0].keep(10)
	require.NoError(t, <-waited, "who waits gets what is given back")
	for _, l := range taken {
		l.keep(0)
		l.keep(0)
	}
	require.Equal(t, int64(100), r.used)
	(*lease)(nil).keep(0)
}

// held is a store whose readings from the beginning wait at a gate: looks at the past.
type held struct {
	eventstore.Store
	on           atomic.Bool
	gate         chan struct{}
	inside, most atomic.Int32
	gone         atomic.Int32 // whose reader went away at the gate
}

func (h *held) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	if !h.on.Load() || from > 0 || stream != "portfolio-main" {
		return h.Store.ReadStream(ctx, stream, from)
	}
	now := h.inside.Add(1)
	for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
	}
	select {
	case <-h.gate:
	case <-ctx.Done():
		h.gone.Add(1)
	}
	h.inside.Add(-1)
	return h.Store.ReadStream(ctx, stream, from)
}

func heldRig(t *testing.T) (*rig, *held) {
	t.Helper()
	store := &held{Store: memory.New(), gate: make(chan struct{})}
	r := newRig(t, rigged{store: store, places: maxPasts + pastsPeople + 1}).opened() // who is held keeps a place
	for _, name := range []string{"rita1", "rita2", "rita3"} {                        // beside the bots: nobody who may have to act
		var v issueAnswer
		r.post("admin", "/v1/api-keys", fmt.Sprintf(`{"user":%q,"role":"auditor"}`, name)).into(t, &v)
		r.keys[name] = v.Secret
	}
	store.on.Store(true)
	return r, store
}

// looks asks for the past as each of those named, at once, and returns the statuses as
// they come.
func looks(r *rig, who ...string) <-chan int {
	statuses := make(chan int, len(who))
	for _, name := range who {
		go func() { statuses <- r.get(name, main+"/state?at=3").status }()
	}
	return statuses
}

func arrived(t *testing.T, statuses <-chan int) int {
	t.Helper()
	select {
	case status := <-statuses:
		return status
	case <-time.After(30 * time.Second):
		require.FailNow(t, "no answer came")
		return 0
	}
}

func of(n int, who string) []string {
	var out []string
	for range n {
		out = append(out, who)
	}
	return out
}

// "16 looks at the past: one look at the past per key": the others are told at once.
func TestOneLookAtThePastPerKey(t *testing.T) {
	r, store := heldRig(t)
	statuses := looks(r, of(16, "operator")...)
	got := map[int]int{}
	for range 15 {
		got[arrived(t, statuses)]++
	}
	require.Equal(t, map[int]int{http.StatusTooManyRequests: 15}, got)
	close(store.gate)
	require.Equal(t, http.StatusOK, arrived(t, statuses))
	require.Equal(t, int32(1), store.most.Load())
	require.Equal(t, http.StatusOK, r.get("operator", main+"/state?at=3").status, "one after another is fine")
}

// "… and a bound for all", of which one is kept for people. Who goes away makes place.
func TestFewLooksAtThePast(t *testing.T) {
	r, store := heldRig(t)
	statuses := looks(r, "alpha", "beta", "auditor", "rita1", "rita2")
	require.Eventually(t, func() bool { return store.inside.Load() == maxPasts }, 10*time.Second, time.Millisecond)
	person := looks(r, "operator")
	require.Eventually(t, func() bool { return store.inside.Load() == maxPasts+pastsPeople }, 10*time.Second, time.Millisecond)

	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+main+"/state?at=3", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys["rita3"])
	left := make(chan struct{})
	go func() {
		defer close(left)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
	}()
	waiting := func() int {
		r.api.pasts.mu.Lock()
		defer r.api.pasts.mu.Unlock()
		return r.api.pasts.waiting
	}
	require.Eventually(t, func() bool { return waiting() == 4 }, 10*time.Second, time.Millisecond)
	cancel()
	<-left
	require.Eventually(t, func() bool { return waiting() == 3 }, 10*time.Second, time.Millisecond, "who went away does not wait any more")

	close(store.gate)
	require.Equal(t, http.StatusOK, arrived(t, person))
	for range 5 {
		require.Equal(t, http.StatusOK, arrived(t, statuses))
	}
	require.LessOrEqual(t, store.most.Load(), int32(maxPasts+pastsPeople))
}

// A look whose client went away ends, and makes place.
func TestALookEndsWithItsClient(t *testing.T) {
	r, store := heldRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+main+"/stats?at=3", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys["alpha"])
	go func() {
		require.Eventually(t, func() bool { return store.inside.Load() == 1 }, 10*time.Second, time.Millisecond)
		cancel()
	}()
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	require.Error(t, err)
	require.Eventually(t, func() bool { return store.gone.Load() == 1 && store.inside.Load() == 0 }, 10*time.Second, time.Millisecond)
}

// A reader of a stream that is slow has no more than some bytes read ahead of it, and at
// least one event.
func TestAheadIsBoundByBytes(t *testing.T) {
	a := newAhead(100)
	require.True(t, a.add(t.Context(), 1000), "one event is always read")
	added := make(chan bool)
	go func() { added <- a.add(context.Background(), 60) }()
	select {
	case <-added:
		t.Fatal("a second one was read ahead")
	case <-time.After(20 * time.Millisecond):
	}
	a.sent(1000)
	require.True(t, <-added)
	require.True(t, a.add(t.Context(), 40))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, a.add(ended, 1), "the stream ended")
}

// Large events reach a reader of the stream, one after another.
func TestAStreamOfLargeEvents(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	r.append("portfolio-main", "alpha", largeDenials(8, 300_000)...)
	r.folded()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	messages, resp := r.listen(ctx, "alpha", "?types=permit&after=0", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "hello", next(t, messages).event)
	for events := 0; events < 8; {
		if m := next(t, messages); m.event == "event" { // between them are directives
			require.Greater(t, len(m.data), 300_000)
			events++
		}
	}
}

// The bodies that are being read are bounded for all and for each key: halves of large
// bodies are no memory, and what is announced is not taken before there is room for it.
func TestBodiesHaveRoom(t *testing.T) {
	r, address := served(t)
	for range 24 {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = fmt.Fprintf(c, "POST %s/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{",
			main, r.keys["alpha"], maxBatchBody)
		require.NoError(t, err)
	}
	used := func() int64 {
		r.api.bodies.mu.Lock()
		defer r.api.bodies.mu.Unlock()
		return r.api.bodies.used
	}
	require.Eventually(t, func() bool { return used() == roomForKey }, 10*time.Second, time.Millisecond)
	r.must("beta", main+"/permits", permitBody("beta", "1"))
	require.Equal(t, http.StatusOK, r.post("operator", main+"/emergency-stop", `{"kind":"manual","reason":"x"}`).status)
}

// A command in a batch, and a row of an import, is no longer than one by itself.
func TestItemsHaveTheBoundOfCommands(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	large := fmt.Sprintf(`{"bot":"alpha","market":"m","outcome":"YES","side":"buy","quantity":"1","limit_price":"0.5"%*s}`, maxBody, "")
	var v batchAnswer
	r.post("alpha", main+"/batch", batchOf(item("ask_permit", large))).into(t, &v)
	require.Equal(t, http.StatusRequestEntityTooLarge, v.Results[0].Status)
	rows := fmt.Sprintf(`{"rows":[{"key":%q,"at":"2026-01-01T00:00:00Z","source":"f:1","command":"record_trade","body":%s}]}`, uuid.NewString(), large)
	require.Equal(t, domain.CodeTooLarge, r.post("operator", main+"/import", rows).code(t))
}

// The next request of a connection is answered after a large answer that was slow.
func TestAConnectionGoesOnAfterALargeAnswer(t *testing.T) {
	r, address := served(t)
	r.append("portfolio-main", "alpha", largeDenials(20, 300_000)...)
	r.folded()
	c := deaf(t, address, r.keys["operator"], main+"/events?limit=1000")
	in := bufio.NewReader(c)
	for range 2 {
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		n, err := io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.Equal(t, resp.ContentLength, n)
		_, err = fmt.Fprintf(c, "GET %s/state HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", main, r.keys["operator"])
		require.NoError(t, err)
	}
}

// "One more is kept for people": machines that wait, however many, keep no person from it.
func TestMachinesThatWaitKeepNoPersonFromThePast(t *testing.T) {
	p := newPastLooks()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	machine := func(i int) key { return key{id: fmt.Sprint("bot", i), caller: domain.Caller{Role: domain.RoleBot}} }
	for i := range maxPasts + maxPastsWaiting {
		go func() {
			if leave, err := p.take(ctx, machine(i)); err == nil {
				<-ctx.Done()
				leave()
			}
		}()
		require.Eventually(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.running+p.waiting == i+1 }, 10*time.Second, time.Millisecond)
	}
	_, err := p.take(ctx, machine(99))
	require.ErrorContains(t, err, "too many requests wait")
	leave, err := p.take(ctx, key{id: "olga", caller: domain.Caller{Role: domain.RoleOperator}})
	require.NoError(t, err, "the place that is kept for people is free")
	leave()
	require.Zero(t, p.people)
	require.Equal(t, maxPastsWaiting, p.waiting)
}
