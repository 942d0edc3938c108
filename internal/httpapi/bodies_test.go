package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

const canary = "canary-7d1f"

// "Oversized, deep, wrong-type, wrong-charset, fuzzed bodies, none of their
// values echoed."
func TestBadBodies(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	events := len(r.records("portfolio-main"))
	for name, body := range map[string]string{
		"not JSON":       canary,
		"cut short":      `{"bot":"` + canary,
		"array":          `["` + canary + `"]`,
		"unknown":        `{"` + canary + `":1}`,
		"repeated":       `{"bot":"` + canary + `","bot":"` + canary + `"}`,
		"case-folded":    `{"Bot":"` + canary + `"}`,
		"number":         `{"bot":"alpha","market":"m","outcome":"YES","side":"buy","quantity":10,"limit_price":"0.5"}`,
		"wrong decimal":  permitBody("alpha", canary),
		"wrong side":     strings.Replace(permitBody("alpha", "1"), `"buy"`, `"`+canary+`"`, 1),
		"control":        strings.Replace(permitBody("alpha", "1"), `"m"`, `"`+canary+`\u0007"`, 1),
		"missing":        `{"bot":"alpha","market":"` + canary + `"}`,
		"deep":           `{"bot":` + strings.Repeat("[", 5000) + canary,
		"invalid UTF-8":  "{\"bot\":\"" + canary + "\xff\"}",
		"long":           permitBody("alpha", strings.Repeat("1", 40)+canary),
		"another bot":    permitBody(canary, "1"),
		"trailing":       permitBody("alpha", "1") + canary,
		"two portfolios": `{"id":"` + canary + `"}`,
	} {
		for i := range table {
			row := &table[i]
			if row.body == nil {
				continue
			}
			a := r.call("admin", row.method, concrete(row.path), uuid.NewString(), body)
			if row.name == "ask_permit" && name == "another bot" {
				require.Equal(t, http.StatusOK, a.status, "a permit for a bot that is not there is denied")
				require.Contains(t, a.body, "bot_unknown")
				continue
			}
			if row.name == "void_fill" && name == "missing" {
				require.Equal(t, http.StatusOK, a.status, "a fill that is not there is voided before it arrives")
				continue
			}
			require.Contains(t, []int{400, 403, 404, 409}, a.status, "%s to %s: %s", name, row.short(), a.body)
			require.NotContains(t, a.body, canary, "%s to %s", name, row.short())
			require.Less(t, len(a.body), 1500)
		}
	}
	require.Len(t, r.records("portfolio-main"), events+2, "only the denied permit and the early void")

	big := `{"bot":"` + strings.Repeat("x", maxBody) + `"}`
	require.Equal(t, domain.CodeTooLarge, r.post("alpha", main+"/permits", big).code(t))
	require.Equal(t, http.StatusRequestEntityTooLarge, r.post("alpha", main+"/permits", big).status)
	for _, header := range []struct{ name, value string }{
		{"Content-Type", "text/plain"},
		{"Content-Type", "application/json; charset=utf-16"},
		{"Content-Type", "application/x-www-form-urlencoded"},
		{"Content-Encoding", "gzip"},
	} {
		req, err := http.NewRequest(http.MethodPost, r.base+main+"/permits", strings.NewReader(permitBody("alpha", "1")))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+r.keys["alpha"])
		req.Header.Set("Idempotency-Key", uuid.NewString())
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(header.name, header.value)
		require.Equal(t, domain.CodeInvalid, r.send(req).code(t), header.value)
	}
	wrongMethod := r.call("admin", http.MethodDelete, main+"/state", "", "")
	require.Equal(t, http.StatusMethodNotAllowed, wrongMethod.status)
	require.Equal(t, "GET", wrongMethod.header.Get("Allow"))
}

// FuzzBodies: whatever is sent to whichever route, the answer is JSON, is no
// defect, and repeats nothing.
func FuzzBodies(f *testing.F) {
	for i := range table {
		f.Add(uint8(i), []byte(`{"bot":"alpha","market":"canary-7d1f"}`))
	}
	f.Add(uint8(10), []byte(permitBody("alpha", "1")))
	r := newRig(f, rigged{}).opened()
	f.Fuzz(func(t *testing.T, route uint8, body []byte) {
		row := &table[int(route)%len(table)]
		if row.name == "stream" {
			return
		}
		req := httptest.NewRequest(row.method, concrete(row.path), strings.NewReader(string(body)))
		req.Header.Set("Authorization", "Bearer "+r.keys["admin"])
		req.Header.Set("Idempotency-Key", uuid.NewString())
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		r.api.ServeHTTP(w, req)
		require.NotEqual(t, http.StatusInternalServerError, w.Code, w.Body.String())
		if w.Code >= http.StatusBadRequest {
			require.NotContains(t, w.Body.String(), canary)
		}
	})
}

// "A batch: each command is atomic, the batch is not; answers come by index."
func TestBatch(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	item := func(key, command, body string) string {
		return fmt.Sprintf(`{"idempotency_key":%q,"command":%q,"body":%s}`, key, command, body)
	}
	first, second := uuid.NewString(), uuid.NewString()
	body := `{"commands":[` + strings.Join([]string{
		item(first, "record_fill", fillBodyOf("alpha", "f1", "10", "0.5")),
		item(uuid.NewString(), "record_fill", fillBodyOf("alpha", "f1", "11", "0.5")),
		item(uuid.NewString(), "record_fill", `{"bot":"alpha"}`),
		item("no uuid", "record_fill", fillBodyOf("alpha", "f3", "1", "0.5")),
		item(uuid.NewString(), "issue_api_key", `{"user":"x","role":"admin"}`),
		item(uuid.NewString(), "change_limits", `{"limits":{},"reason":"x"}`),
		item(second, "ask_permit", permitBody("alpha", "1")),
		item(uuid.NewString(), "start_bot", `{"bot":"alpha"}`),
	}, ",") + `]}`
	var v batchAnswer
	a := r.post("alpha", main+"/batch", body)
	require.Equal(t, http.StatusOK, a.status, a.body)
	a.into(t, &v)
	var got []int
	for _, result := range v.Results {
		got = append(got, result.Status)
	}
	require.Equal(t, []int{200, 409, 400, 400, 400, 400, 200, 403}, got, a.body)
	require.Contains(t, a.body, `"allowed":true`)
	require.Contains(t, a.body, `trade_id_conflict`)

	a = r.post("alpha", main+"/batch", body)
	v = batchAnswer{}
	a.into(t, &v)
	require.True(t, v.Results[0].Replayed)
	require.True(t, v.Results[6].Replayed)
	for _, bad := range []string{`{"commands":[]}`, `{}`, `{"commands":null}`} {
		require.Equal(t, domain.CodeInvalid, r.post("alpha", main+"/batch", bad).code(t))
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = item(uuid.NewString(), "record_fill", fillBodyOf("beta", fmt.Sprint("b", i), "0.01", "0.5"))
	}
	a = r.post("beta", main+"/batch", `{"commands":[`+strings.Join(many, ",")+`]}`)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, 1000, strings.Count(a.body, `"status":200`))
	over := `{"commands":[` + strings.Join(append(many, many[0]), ",") + `]}`
	require.Equal(t, domain.CodeInvalid, r.post("beta", main+"/batch", over).code(t))
}

// Keys: shown once, refused from their revocation on, listed without secrets.
func TestAPIKeys(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	key := uuid.NewString()
	body := `{"user":"carl","role":"operator","note":"night shift"}`
	a := r.call("admin", http.MethodPost, "/v1/api-keys", key, body)
	require.Equal(t, http.StatusOK, a.status, a.body)
	var issued issueAnswer
	a.into(t, &issued)
	require.Regexp(t, `^pets_[A-Za-z0-9_-]{43}$`, issued.Secret)
	require.Regexp(t, `^k[0-9]+$`, issued.Key)
	r.keys["carl"] = issued.Secret
	r.must("carl", main+"/deposits", `{"wallet":"hot","amount":"1"}`)

	again := r.call("admin", http.MethodPost, "/v1/api-keys", key, body)
	var same issueAnswer
	again.into(t, &same)
	require.Equal(t, issued.Key, same.Key)
	require.Empty(t, same.Secret, "it is stored nowhere")
	for _, rec := range r.records("system") {
		require.NotContains(t, string(rec.Data)+string(rec.Metadata), issued.Secret)
	}
	list := r.get("auditor", "/v1/api-keys")
	require.NotContains(t, list.body, issued.Secret)
	require.NotContains(t, list.body, HashToken(issued.Secret))
	require.Contains(t, list.body, "night shift")

	for _, bad := range []string{
		`{"user":"x","role":"root"}`, `{"user":"x","role":"bot"}`, `{"user":"x","role":"bot","portfolio":"main"}`,
		`{"user":"x","role":"operator","bot":"alpha"}`, `{"user":"a b","role":"operator"}`, `{"user":"x","role":"admin","portfolio":"main"}`,
	} {
		require.Equal(t, domain.CodeInvalid, r.post("admin", "/v1/api-keys", bad).code(t), bad)
	}
	revoke := func(id string) answered {
		return r.call("admin", http.MethodDelete, "/v1/api-keys/"+id, uuid.NewString(), "")
	}
	require.Equal(t, http.StatusOK, revoke(issued.Key).status)
	require.Equal(t, domain.CodeUnauthenticated, r.post("carl", main+"/deposits", `{"wallet":"hot","amount":"1"}`).code(t))
	require.Equal(t, http.StatusOK, revoke(issued.Key).status, "again changes nothing")
	require.Equal(t, domain.CodeNotFound, revoke("k999").code(t))
	require.Equal(t, domain.CodeConflict, revoke("k0").code(t), "the last admin key")
}

// "Every refusal recorded, aggregated": one access.denied per source and minute.
func TestDenialsAreRecorded(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	for range 5 {
		r.post("auditor", main+"/deposits", `{"wallet":"hot","amount":"1"}`)
		r.call("", http.MethodGet, main+"/state", "", "")
	}
	r.api.denials.flush(context.Background(), time.Now(), false)
	r.api.denials.flush(context.Background(), time.Now(), false)
	var denied []*domain.AccessDenied
	for _, rec := range r.records(commands.SystemStream) {
		if rec.Type == domain.AccessDeniedType {
			e, err := domain.Decode(rec.Type, rec.Data)
			require.NoError(t, err)
			denied = append(denied, e.(*domain.AccessDenied))
		}
	}
	require.Len(t, denied, 2)
	counts := map[string]int{}
	for _, d := range denied {
		require.Equal(t, "127.0.0.1", d.Source)
		counts[d.Code] = d.Count
		require.Equal(t, d.Code == "denied", d.Key != "")
	}
	require.Equal(t, map[string]int{"denied": 5, "unauthenticated": 5}, counts)
}

// Limits per key, and for those without one.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{now: newHands().now, rate: 0.001})
	refused := 0
	for range 15 {
		if a := r.get("auditor", "/v1/portfolios"); a.status == http.StatusTooManyRequests {
			require.Equal(t, domain.CodeRateLimited, a.code(t))
			require.NotEmpty(t, a.header.Get("Retry-After"))
			refused++
		}
	}
	require.Equal(t, 5, refused, "10 at once, and the next in a quarter of an hour")
	for range 12 {
		r.get("admin", "/v1/portfolios")
	}
	require.Equal(t, http.StatusOK, r.post("admin", "/v1/emergency-stop", `{"kind":"manual","reason":"smoke"}`).status, "a stop is never held up")
	require.Equal(t, http.StatusOK, r.get("operator", "/v1/portfolios").status, "another key has its own")
	refused = 0
	for range strangerBurst + 5 {
		if r.call("", http.MethodGet, "/v1/portfolios", "", "").status == http.StatusTooManyRequests {
			refused++
		}
	}
	require.GreaterOrEqual(t, refused, 4)
}
