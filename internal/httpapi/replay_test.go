package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// longRig is a portfolio of a few thousand records, none of which a type of z matches.
func longRig(t *testing.T, o rigged) (r *rig, head uint64, bytes int64) {
	t.Helper()
	r = newRig(t, o).opened()
	marks := make([]domain.Event, 3*shortReplay)
	for i := range marks {
		marks[i] = &domain.PriceMarked{Source: domain.RoleFeed, Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: domain.MustDecimal("0.5")}}}
	}
	r.append("portfolio-main", "", marks...)
	all := r.records("portfolio-main")
	for i := range all[1:] { // after=0
		bytes += int64(len(all[i+1].Data) + len(all[i+1].Metadata))
	}
	r.folded()
	return r, all[len(all)-1].Revision, bytes
}

// until reads a stream up to a line, and says which lines came.
func until(t *testing.T, resp *http.Response, line string) (came []string) {
	t.Helper()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if came = append(came, lines.Text()); lines.Text() == line {
			return came
		}
	}
	require.Fail(t, "the stream ended", "%v", lines.Err())
	return nil
}

func (r *rig) opens(ctx context.Context, who, query string) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+main+"/stream"+query, http.NoBody)
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys[who])
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// "Looks at the past: one of each key, a few of all keys": a stream that begins far back
// is one until it has caught up, however little its filter lets through. It says how far
// it has come, so that its reader does not begin there again.
func TestAReplayIsALookAtThePast(t *testing.T) {
	r, head, _ := longRig(t, rigged{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	id := r.api.keyID(t, r.keys["auditor"])
	other, err := r.api.pasts.take(ctx, key{id: id})
	require.NoError(t, err)
	for i := range 2 { // its key looks at the past already: it gets on, a little at a time
		resp := r.opens(ctx, "auditor", fmt.Sprintf("?after=%d&types=z", i*shortReplay))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		came, err := io.ReadAll(resp.Body)
		require.NoError(t, err, "it ends")
		require.Contains(t, string(came), "event: hello\n", "what stands now is told first")
		require.True(t, strings.HasSuffix(string(came), fmt.Sprintf("\n\nid: %d\n: alive\n\n", (i+1)*shortReplay)))
	}
	near := r.opens(ctx, "auditor", fmt.Sprintf("?types=z&after=%d", head-10))
	require.Equal(t, http.StatusOK, near.StatusCode, "who was away for a moment is not kept waiting")
	until(t, near, "id: "+strconv.FormatUint(head, 10))
	other()

	far := r.opens(ctx, "auditor", "?after=0&types=z")
	require.Equal(t, http.StatusOK, far.StatusCode)
	came := until(t, far, "id: "+strconv.FormatUint(head, 10))
	require.NotContains(t, strings.Join(came, "\n"), "event: event")
	free := func() bool {
		r.api.pasts.mu.Lock()
		defer r.api.pasts.mu.Unlock()
		return r.api.pasts.running == 0 && len(r.api.pasts.byKey) == 0
	}
	require.Eventually(t, free, 10*time.Second, time.Millisecond, "it has caught up, and is open")
	require.Equal(t, 1, r.api.pasts.most)
}

// "What is read (not only what is sent) is charged to the byte budget", of a stream and of
// a page of events. What is used up ends a replay, and no stream of what is to come.
func TestWhatIsPassedOverIsPaidFor(t *testing.T) {
	clock := newHands() // nothing is refilled
	r, head, bytes := longRig(t, rigged{perDay: 1 << 30, now: clock.now})
	id := r.api.keyID(t, r.keys["auditor"])
	left := func() int64 {
		r.api.budgets.mu.Lock()
		defer r.api.budgets.mu.Unlock()
		return int64(r.api.budgets.of(id, clock.now()).left)
	}
	last := "id: " + strconv.FormatUint(head, 10)
	for name, ask := range map[string]func(){
		"a stream": func() { until(t, r.opens(t.Context(), "auditor", "?after=0&types=z"), last) },
		"a page": func() {
			var v eventsAnswer
			r.get("auditor", main+"/events?after=0&types=z").into(t, &v)
			require.Empty(t, v.Events)
			require.Nil(t, v.Next)
		},
	} {
		before := left()
		ask()
		require.Eventually(t, func() bool { return before-left() >= bytes }, 10*time.Second, time.Millisecond, name)
		require.Less(t, before-left(), bytes+1_000, name)
	}
	r.api.budgets.spend(id, 2<<30, clock.now())
	require.Equal(t, http.StatusTooManyRequests, r.opens(t.Context(), "auditor", "?after=0&types=z").StatusCode)
	require.Equal(t, http.StatusOK, r.opens(t.Context(), "auditor", "?types=z").StatusCode)
}

// A page that passes over much is a look at the past, too: where there is no place, it
// ends early, and its next goes on.
func TestAPageThatFiltersIsALookAtThePast(t *testing.T) {
	r, head, _ := longRig(t, rigged{})
	id := r.api.keyID(t, r.keys["auditor"])
	leave, err := r.api.pasts.take(t.Context(), key{id: id})
	require.NoError(t, err)
	pages, after := 0, "0"
	for {
		var v eventsAnswer
		a := r.get("auditor", main+"/events?types=z&after="+after)
		require.Equal(t, http.StatusOK, a.status, a.body)
		a.into(t, &v)
		pages++
		if v.Next == nil {
			break
		}
		after = strconv.FormatUint(*v.Next, 10)
	}
	require.Equal(t, int(head)/shortReplay+1, pages)
	leave()
	var v eventsAnswer
	r.get("auditor", main+"/events?types=z&after=0").into(t, &v)
	require.Nil(t, v.Next, "with a place, one page is enough")
	require.Zero(t, r.api.pasts.running)
}

// A replay that lasts ends, and its reader goes on where it was.
func TestALongReplayGoesOn(t *testing.T) {
	r, _, _ := longRig(t, rigged{})
	rec := r.records("portfolio-main")[5]
	q := &request{api: r.api, key: key{id: "k9", caller: domain.Caller{Role: domain.RoleAuditor}}}
	leave, err := r.api.pasts.take(t.Context(), q.key)
	require.NoError(t, err)
	p := &replay{q: q, until: 100, leave: leave, ends: time.Now().Add(-time.Second)}
	over, err := p.passed(t.Context(), &rec, 0)
	require.False(t, over)
	require.ErrorIs(t, err, errGoOn)
	p.end()
	p.end()
	require.Zero(t, r.api.pasts.running)
	var h hello
	messages, _ := r.listen(t.Context(), "auditor", "?after=0", "")
	require.NoError(t, json.Unmarshal([]byte(next(t, messages).data), &h))
	require.Zero(t, h.Revision)
}
