package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

// hands is a clock that a test moves.
type hands struct{ at atomic.Int64 }

func newHands() *hands {
	h := &hands{}
	h.at.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return h
}

func (h *hands) now() time.Time       { return time.Unix(0, h.at.Load()).UTC() }
func (h *hands) pass(d time.Duration) { h.at.Add(int64(d)) }
func retryAfter(t *testing.T, a answered) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(a.header.Get("Retry-After"))
	require.NoError(t, err, a.body)
	return time.Duration(n) * time.Second
}

// item is one command of a batch.
func item(command, body string) string {
	return fmt.Sprintf(`{"idempotency_key":%q,"command":%q,"body":%s}`, uuid.NewString(), command, body)
}

func batchOf(items ...string) string { return `{"commands":[` + strings.Join(items, ",") + `]}` }

func repeated(n int, make func(i int) string) []string {
	var out []string
	for i := range n {
		out = append(out, make(i))
	}
	return out
}

func asks(n int) []string {
	return repeated(n, func(int) string { return item("ask_permit", permitBody("alpha", "1")) })
}

func fills(n int, prefix string) []string {
	return repeated(n, func(i int) string {
		return item("record_fill", fillBodyOf("alpha", prefix+strconv.Itoa(i), "1", "0.5"))
	})
}

// "Rate counts commands": a batch of n takes n, and one that is too many is refused whole
// before anything of it is decided. The time it is told is true.
func TestABatchCountsItsCommands(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, rate: 10, burst: 1000}).opened()
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/batch", batchOf(asks(600)...)).status)
	before := len(r.records("portfolio-main"))
	more := batchOf(asks(600)...)
	a := r.post("alpha", main+"/batch", more)
	require.Equal(t, http.StatusTooManyRequests, a.status, "400 are left, not 600: %.200s", a.body)
	require.Equal(t, domain.CodeRateLimited, a.code(t))
	require.Len(t, r.records("portfolio-main"), before, "nothing of it was decided")
	require.Equal(t, 20*time.Second, retryAfter(t, a))
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/batch", batchOf(asks(400)...)).status, "what is left is there")

	clock.pass(60 * time.Second)
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/batch", more).status)
	a = r.post("alpha", main+"/batch", more)
	clock.pass(retryAfter(t, a))
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/batch", more).status, "after the time it was told")

	a = r.post("alpha", main+"/permits", permitBody("alpha", "1"))
	require.Equal(t, time.Second, retryAfter(t, a), "a single one waits a tenth of a second")
}

// "A batch of 1,000 must be possible with the default burst", and one that never can be
// is told to be split.
func TestABatchOverTheBurst(t *testing.T) {
	r := newRig(t, rigged{rate: 2000, burst: 4000}).opened()
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/batch", batchOf(asks(1000)...)).status)
	small := newRig(t, rigged{rate: 2000, burst: 10}).opened()
	a := small.post("alpha", main+"/batch", batchOf(asks(11)...))
	require.Equal(t, domain.CodeTooLarge, a.code(t))
	require.Contains(t, a.body, "split")
}

// spendCommands uses up what a key may send of commands, and of facts.
func spendCommands(t *testing.T, r *rig, who string) {
	t.Helper()
	for range 1000 {
		if r.get(who, "/v1/portfolios").status == http.StatusTooManyRequests {
			return
		}
	}
	t.Fatal("the key was never limited")
}

// A flood of permits does not keep the same key from saying what has happened, and
// neither keeps anybody from stopping: "never fills, settlements, marks, flows, releases,
// stops". Over the whole route table.
func TestAFloodHoldsUpNoFactAndNoStop(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, rate: 0.001, burst: 12}).opened()
	for _, who := range []string{"alpha", "operator", "approver", "admin"} {
		spendCommands(t, r, who)
	}
	for i := range table {
		row := &table[i]
		who := callerOf(row)
		limited := r.probe(who, row).status == http.StatusTooManyRequests
		require.Equal(t, row.class() == commands.ClassOther && !row.batch, limited, row.short())
	}
	// A batch of both is answered by index.
	a := r.post("alpha", main+"/batch", batchOf(append(asks(2), fills(2, "x")...)...))
	require.Equal(t, http.StatusOK, a.status, a.body)
	var v batchAnswer
	a.into(t, &v)
	require.Equal(t, []int{429, 429, 200, 200}, []int{v.Results[0].Status, v.Results[1].Status, v.Results[2].Status, v.Results[3].Status})
	require.Contains(t, v.Results[0].Problem.Detail, "2 of them")

	// Facts have a bound, too, so that they cannot be the flood; stops have none.
	n := 0
	for ; r.post("alpha", main+"/marks", `{"marks":[{"market":"m","outcome":"YES","price":"0.5"}]}`).status == http.StatusOK; n++ {
		require.Less(t, n, 100)
	}
	require.Greater(t, n, 12)
	for range 100 {
		_ = r.post("operator", main+"/marks", `{"marks":[{"market":"m","outcome":"YES","price":"0.5"}]}`)
	}
	for range 3 {
		require.Equal(t, http.StatusOK, r.post("operator", main+"/emergency-stop", `{"kind":"manual","reason":"x"}`).status)
		require.Equal(t, http.StatusOK, r.post("operator", main+"/bots/alpha/stop", `{}`).status)
		stops := r.post("operator", main+"/batch", batchOf(item("stop_bot", `{"bot":"beta"}`)))
		require.Equal(t, http.StatusOK, stops.status, stops.body)
		require.Contains(t, stops.body, `"status":200`)
	}
}

// callerOf is somebody whose role may call a route.
func callerOf(row *route) string {
	for _, who := range []string{"operator", "approver", "admin"} {
		for _, role := range row.roles {
			if string(role) == who {
				return who
			}
		}
	}
	return "alpha"
}

// probe sends something to a route; what it answers is about the body, not about the
// bounds, unless they are met.
func (r *rig) probe(who string, row *route) answered {
	path := strings.NewReplacer("{portfolio}", "main", "{bot}", "nobody", "{permit}", "p999", "{trade_id}", "none", "{breaker}", "daily_loss",
		"{request}", "none", "{override}", "none", "{wallet}", "none", "{transfer}", "none", "{key}", "k999").Replace(row.path)
	if row.streams {
		return r.streamStatus(who, path)
	}
	body := ""
	if row.body != nil {
		body = `{}`
	}
	return r.call(who, row.method, path, uuid.NewString(), body)
}

// streamStatus opens a stream and lets go of it.
func (r *rig) streamStatus(who, path string) answered {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.base+path, http.NoBody)
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys[who])
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	return answered{status: resp.StatusCode, header: resp.Header}
}

// "The byte budget (PETS_BYTES_PER_DAY) counts permits, denials, notes and reads, never
// fills, settlements, marks, flows, releases, stops." Over the whole route table.
func TestBytesOfADay(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, perDay: 100_000}).opened()
	before := r.bytes()
	asked := 0
	for ; r.post("alpha", main+"/permits", permitBody("alpha", "1")).status == http.StatusOK; asked++ {
		require.Less(t, asked, 1000)
	}
	added := r.bytes() - before
	require.InDelta(t, 100_000, added, 2_000, "what was recorded is what was counted: %d permits", asked)

	a := r.post("alpha", main+"/permits", permitBody("alpha", "1"))
	require.Equal(t, domain.CodeRateLimited, a.code(t))
	require.Contains(t, a.body, "PETS_BYTES_PER_DAY")
	require.Equal(t, domain.CodeRateLimited, r.get("alpha", main+"/breakers").code(t), "reads are of the same bytes")
	require.Equal(t, http.StatusOK, r.post("beta", main+"/permits", permitBody("beta", "1")).status, "others have their own")
	for i := range table {
		row := &table[i]
		if row.class() != commands.ClassOther {
			require.NotEqual(t, http.StatusTooManyRequests, r.probe("alpha", row).status, row.short())
		}
	}
	r.must("alpha", main+"/fills", fillBodyOf("alpha", "f1", "1", "0.5"))
	mixed := r.post("alpha", main+"/batch", batchOf(append(asks(1), fills(1, "y")...)...))
	var v batchAnswer
	mixed.into(t, &v)
	require.Equal(t, http.StatusTooManyRequests, v.Results[0].Status)
	require.Equal(t, http.StatusOK, v.Results[1].Status)

	clock.pass(retryAfter(t, a))
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/permits", permitBody("alpha", "1")).status, "after the time it was told")
	require.Equal(t, http.StatusTooManyRequests, r.post("alpha", main+"/permits", permitBody("alpha", "1")).status)
	clock.pass(24 * time.Hour)
	for range asked / 2 {
		require.Equal(t, http.StatusOK, r.post("alpha", main+"/permits", permitBody("alpha", "1")).status, "a day later they are all back")
	}
}

// bytes is what the portfolio's history holds.
func (r *rig) bytes() int {
	n := 0
	for _, rec := range r.records("portfolio-main") {
		n += len(rec.Type) + len(rec.Metadata) + len(rec.Data)
	}
	return n
}

// Denials and the notes that repeated ones become are counted, and so are batches and
// what is asked without recording anything.
func TestBytesOfDenialsNotesBatchesAndPreviews(t *testing.T) {
	for name, send := range map[string]func(*rig) answered{
		"denials": func(r *rig) answered { return r.post("alpha", main+"/permits", permitBody("alpha", "100000")) },
		"batches": func(r *rig) answered { return r.post("alpha", main+"/batch", batchOf(asks(3)...)) },
		"previews": func(r *rig) answered {
			return r.call("alpha", http.MethodPost, main+"/permits?preview=true", "", permitBody("alpha", "100000"))
		},
		"events": func(r *rig) answered { return r.get("alpha", main+"/events") },
	} {
		t.Run(name, func(t *testing.T) {
			clock := newHands()
			r := newRig(t, rigged{now: clock.now, perDay: 20_000}).opened()
			n := 0
			for ; send(r).status != http.StatusTooManyRequests; n++ {
				require.Less(t, n, 1000)
			}
			require.Positive(t, n)
			r.must("alpha", main+"/fills", fillBodyOf("alpha", "f1", "1", "0.5"))
		})
	}
}

// What a person reads does not keep them from acting: only reads and permits are refused
// to a person whose bytes are used up.
func TestAPersonCanActWithoutBytes(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, perDay: 20_000}).opened()
	for _, who := range []string{"operator", "approver", "admin"} {
		for n := 0; r.get(who, main+"/events?limit=1000").status == http.StatusOK; n++ {
			require.Less(t, n, 1000)
		}
	}
	for i := range table {
		row := &table[i]
		who := callerOf(row)
		a := r.probe(who, row)
		if row.looks() {
			require.Equal(t, http.StatusOK, a.status, "what is held can be seen: %s", row.short())
			continue
		}
		if row.sends.Name == "ask_permit" {
			a = r.post(who, main+"/permits", permitBody("alpha", "1"))
		}
		require.Equal(t, row.reads() && !row.streams || row.sends.Name == "ask_permit", a.status == http.StatusTooManyRequests, row.short())
	}
}

// A bot without bytes still hears that it must stop; it only does not read the past.
func TestAStreamWithoutBytes(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, perDay: 20_000}).opened()
	for n := 0; r.get("alpha", main+"/events?limit=1000").status == http.StatusOK; n++ {
		require.Less(t, n, 1000)
	}
	require.Equal(t, http.StatusOK, r.streamStatus("alpha", main+"/stream").status)
	require.Equal(t, http.StatusTooManyRequests, r.streamStatus("alpha", main+"/stream?after=0").status)
}
