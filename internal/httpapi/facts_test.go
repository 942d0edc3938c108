package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
)

// marksOf marks n outcomes, each once.
func marksOf(n int, padding string) string {
	return `{"marks":[` + strings.Join(repeated(n, func(i int) string {
		return fmt.Sprintf(`{"market":"m%s","outcome":"o%d","price":"0.5"}`, padding, i)
	}), ",") + `]}`
}

// "Marks are counted one by one": a command of n takes n of the facts a key may send, by
// itself and in a batch. Those refused take nothing of it.
func TestEachMarkIsAFact(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, rate: 1, burst: 100}).opened()
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/marks", marksOf(390, "")).status)
	a := r.post("alpha", main+"/marks", marksOf(50, ""))
	require.Equal(t, http.StatusTooManyRequests, a.status, "10 are left")
	clock.pass(retryAfter(t, a))
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/marks", marksOf(50, "")).status, "after the time it was told")

	clock.pass(time.Minute)
	a = r.post("alpha", main+"/batch", batchOf(item("mark_prices", marksOf(200, "")), item("mark_prices", marksOf(200, "")), item("stop_bot", `{"bot":"beta"}`)))
	var v batchAnswer
	a.into(t, &v)
	require.Equal(t, http.StatusOK, v.Results[0].Status)
	require.Equal(t, http.StatusTooManyRequests, v.Results[1].Status, a.body)
	require.NotEqual(t, http.StatusTooManyRequests, v.Results[2].Status)
}

// Every fact that holds a list is counted by it.
func TestFactsThatHoldLists(t *testing.T) {
	for _, name := range commands.Names(func(s commands.Spec) bool { return s.Batch && s.Class == commands.ClassFact }) {
		s, _ := commands.SpecNamed(name)
		v := reflect.New(s.Type()).Elem()
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Slice {
				f.Set(reflect.MakeSlice(f.Type(), 7, 7))
				c, ok := v.Interface().(commands.Command)
				require.True(t, ok, name)
				require.Equal(t, 7, parts(c), name)
			}
		}
	}
}

// "Facts have a byte bound of their own": a key that reports megabytes for long is told
// to wait, although it sends few; stops never.
func TestFactsHaveARateOfBytes(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, rate: 1_000_000, burst: 1_000_000}).opened()
	long := strings.Repeat("x", 190)
	r.api.limits.of(r.api.keyID(t, r.keys["alpha"])).bytes.ReserveN(clock.now(), factBytesBurst-100_000)
	sent := 0
	var a answered
	for ; ; sent++ {
		require.Less(t, sent, 100)
		if a = r.post("alpha", main+"/marks", marksOf(100, long)); a.status != http.StatusOK {
			break
		}
	}
	require.Positive(t, sent)
	require.Equal(t, domain.CodeRateLimited, a.code(t))
	require.Equal(t, time.Second, retryAfter(t, a))
	require.Equal(t, http.StatusOK, r.post("beta", main+"/marks", marksOf(1, "")).status, "others have their own")
	require.Equal(t, http.StatusOK, r.post("operator", main+"/bots/alpha/stop", `{}`).status)
	clock.pass(time.Second)
	require.Equal(t, http.StatusOK, r.post("alpha", main+"/marks", marksOf(100, long)).status)
}

// "Their bytes" are those that came, not those that a header says: who names no length
// (Transfer-Encoding: chunked) is counted like anybody else.
func TestFactsAreWeighedByWhatCame(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, rate: 1_000_000, burst: 1_000_000}).opened()
	bytes := r.api.limits.of(r.api.keyID(t, r.keys["alpha"])).bytes
	for name, body := range map[string]io.Reader{
		"with a length":    strings.NewReader(marksOf(100, "")),
		"without a length": io.MultiReader(strings.NewReader(marksOf(100, ""))),
	} {
		before := bytes.TokensAt(clock.now())
		req, err := http.NewRequest(http.MethodPost, r.base+main+"/marks", body)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+r.keys["alpha"])
		req.Header.Set("Idempotency-Key", uuid.NewString())
		req.Header.Set("Content-Type", "application/json")
		require.Equal(t, http.StatusOK, r.send(req).status, name)
		require.InDelta(t, len(marksOf(100, ""))+factOverhead, before-bytes.TokensAt(clock.now()), 1, name)
	}
}

// "The bytes that a void adds beyond 64 KiB count among its key's bytes of facts": it says
// little, and may correct thousands of trades.
func TestWhatAVoidAddsIsCounted(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, rate: 1_000_000, burst: 1_000_000}).opened()
	r.must("alpha", main+"/fills", strings.Replace(fillBodyOf("alpha", "first", "10", "0.5"), `"bot"`, `"status":"provisional","bot"`, 1))
	items := make([]string, 0, 401)
	for i := range 401 {
		body := fillBodyOf("alpha", fmt.Sprint("f", i), "10", "0.5")
		if i%2 == 0 {
			body = strings.Replace(body, `"buy"`, `"sell"`, 1)
		}
		items = append(items, fmt.Sprintf(`{"idempotency_key":%q,"command":"record_fill","body":%s}`, uuid.NewString(), body))
	}
	r.must("alpha", main+"/batch", `{"commands":[`+strings.Join(items, ",")+`]}`)
	bytes := r.api.limits.of(r.api.keyID(t, r.keys["alpha"])).bytes
	bytes.ReserveN(clock.now(), int(bytes.TokensAt(clock.now()))-10_000)
	r.must("alpha", main+"/fills/first/void", `{"bot":"alpha"}`)
	require.Less(t, bytes.TokensAt(clock.now()), -50_000.0)
	next := r.post("alpha", main+"/fills", fillBodyOf("alpha", "next", "10", "0.5"))
	require.Equal(t, domain.CodeRateLimited, next.code(t))
	r.must("beta", main+"/fills", fillBodyOf("beta", "b", "1", "0.5"))
}

// A fact that brings an archived market back counts with its content, twice, and one that only
// archives others does not: these were settled by others, and it was their turn.
func TestWhatAFactBringsBackIsCounted(t *testing.T) {
	clock := newHands()
	r := newRig(t, rigged{now: clock.now, rate: 1_000_000, burst: 1_000_000}).opened()
	fill := func(market, outcome, side, id string) string {
		return fmt.Sprintf(`{"bot":"alpha","market":%q,"outcome":%q,"side":%q,"quantity":"1","price":"0.5","trade_id":%q}`, market, outcome, side, id)
	}
	send := func(who, command string, bodies ...string) {
		for some := range slices.Chunk(bodies, 500) {
			items := make([]string, len(some))
			for i, body := range some {
				items[i] = fmt.Sprintf(`{"idempotency_key":%q,"command":%q,"body":%s}`, uuid.NewString(), command, body)
			}
			r.must(who, main+"/batch", `{"commands":[`+strings.Join(items, ",")+`]}`)
		}
	}
	const outcomes = 500 // whose content is above factLarge
	var fills []string
	for i := range outcomes {
		for _, side := range []string{"buy", "sell"} {
			fills = append(fills, fill("large", fmt.Sprint("o", i), side, fmt.Sprint(side, i)))
		}
	}
	send("alpha", "record_fill", fills...)
	settlements := []string{`{"market":"large","outcome":"o0","payout":"1"}`}
	for i := range portfolio.SettledKept - 1 {
		settlements = append(settlements, fmt.Sprintf(`{"market":"m%d","outcome":"YES","payout":"1"}`, i))
	}
	send("operator", "settle_market", settlements...)
	spent := func(who string, do func()) int {
		bytes := r.api.limits.of(r.api.keyID(t, r.keys[who])).bytes
		before := bytes.TokensAt(clock.now())
		do()
		return int(before - bytes.TokensAt(clock.now()))
	}
	last := `{"market":"last","outcome":"YES","payout":"1"}`
	require.Equal(t, len(last)+factOverhead, spent("operator", func() {
		require.Contains(t, r.post("operator", main+"/settlements", last).body, "market.archived")
	}))
	late := fill("large", "o1", "buy", "late")
	require.Greater(t, spent("alpha", func() {
		require.Contains(t, r.post("alpha", main+"/fills", late).body, "market.restored")
	}), 2*factLarge)
}

// keyID is the id of a key.
func (a *API) keyID(t *testing.T, token string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "/", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	k, err := a.authenticate(req, &route{})
	require.NoError(t, err)
	return k.id
}
