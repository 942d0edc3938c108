package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

// heard is one message of a stream.
type heard struct {
	id, event, data string
	at              time.Time
}

// listen opens a stream and returns its messages as they come.
func (r *rig) listen(ctx context.Context, who, query, last string) (<-chan heard, *http.Response) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+main+"/stream"+query, http.NoBody)
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Bearer "+r.keys[who])
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	out := make(chan heard, 1000)
	if resp.StatusCode != http.StatusOK {
		close(out)
		return out, resp
	}
	go func() {
		defer close(out)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		m := heard{}
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				m.id = value
			case "event":
				m.event = value
			case "data":
				m.data = value
			case "":
				if m.data != "" {
					m.at = time.Now()
					out <- m
				}
				m = heard{}
			}
		}
	}()
	return out, resp
}

func next(t *testing.T, messages <-chan heard) heard {
	t.Helper()
	select {
	case m, ok := <-messages:
		require.True(t, ok, "the stream ended")
		keepsStreamPromise(t, m)
		return m
	case <-time.After(5 * time.Second):
		require.FailNow(t, "no message came")
		return heard{}
	}
}

// "SSE: events, directives; resumes by Last-Event-ID; a bot's key sees its own",
// and "a bot learns of a stop within 50 ms".
func TestStream(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	messages, resp := r.listen(ctx, "beta", "", "")
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	m := next(t, messages)
	require.Equal(t, "hello", m.event)
	var h hello
	require.NoError(t, json.Unmarshal([]byte(m.data), &h))
	require.Equal(t, int64(len(r.records("portfolio-main"))-1), h.Revision)
	require.Empty(t, h.Directives)

	r.must("alpha", main+"/trades", `{"bot":"alpha","market":"x","pnl":"-1","trade_id":"t0"}`)
	r.must("beta", main+"/fills", fillBodyOf("beta", "f1", "1", "0.5"))
	m = next(t, messages)
	require.Equal(t, "event", m.event, "what alpha did is not shown")
	require.Contains(t, m.data, domain.FillRecordedType)
	require.NotContains(t, m.data, "metadata")
	last := m.id

	r.must("alpha", main+"/trades", `{"bot":"alpha","market":"x","pnl":"-1","trade_id":"t1"}`)
	began := time.Now()
	r.must("alpha", main+"/trades", `{"bot":"alpha","market":"x","pnl":"-1","trade_id":"t2"}`)
	m = next(t, messages)
	require.Equal(t, "event", m.event, "of another bot's trip what it did to this one")
	require.Contains(t, m.data, `"bots_stopped":["beta"]`)
	require.NotContains(t, m.data, "alpha")
	m = next(t, messages)
	require.Equal(t, "directive", m.event)
	var d directiveMessage
	require.NoError(t, json.Unmarshal([]byte(m.data), &d))
	require.Equal(t, commands.ActionStop, d.Action)
	require.Equal(t, []string{"beta"}, d.Bots)
	require.NotContains(t, m.data, "alpha")
	t.Logf("beta heard of the stop %s after alpha's fatal trade was sent", m.at.Sub(began).Round(100*time.Microsecond))

	// Who was away hears what it missed, and in a fresh stream what stands.
	again, _ := r.listen(ctx, "beta", "", last)
	require.Equal(t, "hello", next(t, again).event)
	require.Contains(t, next(t, again).data, domain.BreakerTrippedType)
	missed := next(t, again)
	require.Equal(t, "directive", missed.event)
	require.Equal(t, m.id, missed.id)
	fresh, _ := r.listen(ctx, "beta", "", "")
	require.NoError(t, json.Unmarshal([]byte(next(t, fresh).data), &h))
	require.Equal(t, []commands.Directive{{Action: "stop", Bots: []string{"beta"}, Reason: "the bot is stopped"}}, h.Directives)

	// An operator sees everything from the beginning, in order, none twice.
	all, _ := r.listen(ctx, "operator", "?after=0", "")
	next(t, all)
	for revision := 1; revision < len(r.records("portfolio-main")); {
		m := next(t, all)
		if m.event == "event" {
			var e eventAnswer
			require.NoError(t, json.Unmarshal([]byte(m.data), &e))
			require.Equal(t, uint64(revision), e.Revision)
			revision++
		}
	}
}

func TestStreamRefuses(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	for query, last := range map[string]string{"?after=9999": "", "?after=-1": "", "": "x", "?x=1": ""} {
		_, resp := r.listen(t.Context(), "operator", query, last)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, query+last)
		resp.Body.Close()
	}
	// No more than so many at once, and their places come back.
	ctx, cancel := context.WithCancel(t.Context())
	for range maxStreamsPerKey {
		messages, _ := r.listen(ctx, "auditor", "", "")
		next(t, messages)
	}
	_, resp := r.listen(ctx, "auditor", "", "")
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	resp.Body.Close()
	cancel()
	require.Eventually(t, func() bool {
		_, resp := r.listen(t.Context(), "auditor", "", "")
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 5*time.Second, 10*time.Millisecond)
}

// A stream does not outlive its key.
func TestStreamEndsWithItsKey(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	messages, _ := r.listen(t.Context(), "beta", "", "")
	next(t, messages)
	var list keyList
	r.get("admin", "/v1/api-keys").into(t, &list)
	for _, k := range list.Keys {
		if k.User == "beta" {
			a := r.call("admin", http.MethodDelete, "/v1/api-keys/"+k.Key, uuid.NewString(), `{"reason":"lost"}`)
			require.Equal(t, http.StatusOK, a.status, a.body)
		}
	}
	require.Equal(t, domain.CodeUnauthenticated, r.get("beta", main+"/state").code(t), "from the answer on")
	r.must("operator", main+"/bots/beta/stop", `{"reason":"its key is lost"}`)
	_, open := <-messages
	require.False(t, open, "nothing more is sent to a revoked key")
}

// Every GET takes ?at= and ?min_revision=.
func TestViewsOfThePast(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	before := r.must("alpha", main+"/fills", fillBodyOf("alpha", "f1", "10", "0.5"))
	after := r.must("alpha", main+"/fills", fillBodyOf("alpha", "f2", "10", "0.6"))
	paths := []string{"", "/state", "/stats", "/balances", "/positions", "/trades", "/permits", "/breakers", "/equity", "/events"}
	for _, path := range paths {
		at := strconv.FormatUint(before, 10)
		a := r.get("auditor", main+path+"?at="+at)
		require.Equal(t, http.StatusOK, a.status, "%s: %s", path, a.body)
		if path != "/events" {
			require.Equal(t, at, a.header.Get("Pets-Revision"), path)
		}
		now := r.get("auditor", main+path+"?min_revision="+strconv.FormatUint(after, 10))
		require.Equal(t, http.StatusOK, now.status, path)
		require.Equal(t, now.body, r.get("auditor", main+path+"?at="+strconv.FormatUint(after, 10)).body, "%s now is as of the last revision", path)
		require.Equal(t, http.StatusBadRequest, r.get("auditor", main+path+"?at=9999").status, path)
		require.Equal(t, http.StatusBadRequest, r.get("auditor", main+path+"?at=yesterday").status, path)
		require.Equal(t, http.StatusBadRequest, r.get("auditor", main+path+"?min_revision=x").status, path)
		require.Equal(t, http.StatusBadRequest, r.get("auditor", main+path+"?surprise=1").status, path)
		require.Equal(t, http.StatusNotFound, r.get("auditor", "/v1/portfolios/nobody"+path).status, path)
	}
	require.Contains(t, r.get("auditor", main+"/positions?at="+strconv.FormatUint(before, 10)).body, `"quantity":"10"`)
	require.Equal(t, domain.CodeNotFound, r.get("auditor", main+"/state?at=2020-01-01T00:00:00Z").code(t), "it did not exist yet")
}

// "A bot's key sees … nothing of others": what others did and a bot may see names none of
// them, in a list and on a stream. Prices are for all.
func TestABotIsNotToldWho(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	messages, _ := r.listen(t.Context(), "beta", "?after=0", "")
	r.must("alpha", main+"/marks", `{"marks":[{"market":"m","outcome":"YES","price":"0.5"}]}`)
	r.must("operator", main+"/marks", `{"marks":[{"market":"o","outcome":"YES","price":"0.5"}]}`)
	r.must("operator", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
	var asked struct{ ID string }
	r.post("operator", main+"/emergency-stop/clear", `{"reason":"no fire"}`).into(t, &asked)
	r.must("approver", main+"/emergency-stop/clear/"+asked.ID+"/confirm", "")
	last := r.must("beta", main+"/marks", `{"marks":[{"market":"n","outcome":"YES","price":"0.5"}]}`)

	var page eventsAnswer
	list := r.get("beta", main+"/events?limit=1000")
	list.into(t, &page)
	users := map[string]string{}
	for _, e := range page.Events {
		users[string(e.Data)] = e.User
	}
	var streamed []string
	for {
		m := next(t, messages)
		streamed = append(streamed, m.data)
		if m.id == strconv.FormatUint(last, 10) {
			break
		}
	}
	for _, text := range append(streamed, list.body) {
		for _, name := range []string{"alpha", "olga", "bob"} {
			require.NotContains(t, text, name)
		}
	}
	require.Contains(t, list.body, `"market":"o"`, "the price itself is shown")
	require.NotContains(t, list.body, `"market":"m"`, "the word of another bot prices only what that bot holds")
	require.Contains(t, slices.Collect(maps.Values(users)), "beta", "its own word is its own")
	require.Contains(t, list.body, "emergency_stop.cleared")
}

// "A bot's key sees its own", in the stream and in answers: of a trip that stops all, a bot is
// told to cancel its own orders, and hears nothing of those of others.
func TestABotIsToldOfItsOwnOrders(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	r.must("admin", main+"/limits", `{"adopt":true,"reason":"risk lives in markets","breaker_stops":"all","max_consecutive_losses":1}`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	messages, _ := r.listen(ctx, "beta", "", "")
	resting := map[string]string{}
	for _, bot := range []string{"alpha", "beta"} {
		a := r.post(bot, main+"/permits", permitBody(bot, "10"))
		var v permitAnswered
		a.into(t, &v)
		require.True(t, v.Allowed, a.body)
		r.must(bot, main+"/permits/"+v.PermitID+"/placed", `{}`)
		resting[bot] = v.PermitID
	}
	own := func(bot string, d commands.Directive) {
		require.Equal(t, []string{bot}, d.Bots)
		require.NotEmpty(t, resting[bot])
		if d.Action == commands.ActionCancelOrders {
			require.Equal(t, []string{resting[bot]}, d.Permits)
		}
	}
	loss := item("record_trade", `{"bot":"alpha","market":"x","pnl":"-1","trade_id":"t0"}`)
	for range 2 { // a repeat tells what holds now
		a := r.post("alpha", main+"/batch", batchOf(loss))
		var v struct {
			Results []struct{ Answer commands.Answer }
		}
		a.into(t, &v)
		require.Len(t, v.Results[0].Answer.Directives, 2, a.body)
		for _, d := range v.Results[0].Answer.Directives {
			own("alpha", d)
		}
	}
	for told := 0; told < 2; {
		if m := next(t, messages); m.event == "directive" {
			var d commands.Directive
			require.NoError(t, json.Unmarshal([]byte(m.data), &d))
			own("beta", d)
			told++
		}
	}
}
