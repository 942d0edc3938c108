package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
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
	"pets/eventstore/memory"
)

// watched is the engine as the API sees it in these tests: what a holder of a key asks
// for has to come with a way to ask for that key again.
type watched struct {
	*commands.Engine
	t testing.TB
	// before is called before a request is handed on; may be nil.
	before func()
}

func (w *watched) see(all ...commands.Request) {
	for i := range all {
		if all[i].Entitled == nil && !domain.ReservedUser(all[i].Caller.User) {
			w.t.Errorf("%s of %s is decided without its key", commands.SpecOf(all[i].Command).Name, all[i].Caller.User)
		}
	}
	if w.before != nil {
		w.before()
	}
}

func (w *watched) Do(ctx context.Context, p string, r commands.Request) (commands.Answer, error) {
	w.see(r)
	return w.Engine.Do(ctx, p, r)
}

func (w *watched) DoInParts(ctx context.Context, p string, all []commands.Request, told func(int, []commands.Result)) error {
	w.see(all...)
	return w.Engine.DoInParts(ctx, p, all, told)
}

func (w *watched) DoAll(ctx context.Context, p string, all []commands.Request) ([]commands.Result, error) {
	w.see(all...)
	return w.Engine.DoAll(ctx, p, all)
}

func (w *watched) System(ctx context.Context, r commands.Request) (commands.Answer, error) {
	w.see(r)
	return w.Engine.System(ctx, r)
}

func (w *watched) Stop(ctx context.Context, p string, r commands.Request) (commands.Answer, bool, error) {
	w.see(r)
	return w.Engine.Stop(ctx, p, r)
}

func (w *watched) StopAll(ctx context.Context, r commands.Request) ([]commands.Stopped, error) {
	w.see(r)
	return w.Engine.StopAll(ctx, r)
}

func (w *watched) StopBot(ctx context.Context, p string, r commands.Request) (commands.Answer, bool, error) {
	w.see(r)
	return w.Engine.StopBot(ctx, p, r)
}

// issued makes a new key for a test and returns its id and secret.
func (r *rig) issued(role domain.Role) (id, secret string) {
	r.t.Helper()
	body := fmt.Sprintf(`{"user":"mallory","role":%q}`, role)
	if role == domain.RoleBot {
		body = `{"user":"mallory","role":"bot","portfolio":"main","bot":"alpha"}`
	}
	var v issueAnswer
	a := r.post("admin", "/v1/api-keys", body)
	require.Equal(r.t, http.StatusOK, a.status, a.body)
	a.into(r.t, &v)
	return v.Key, v.Secret
}

func (r *rig) revokes(id string) {
	r.t.Helper()
	a := r.call("admin", http.MethodDelete, "/v1/api-keys/"+id, uuid.NewString(), `{"reason":"lost"}`)
	require.Equal(r.t, http.StatusOK, a.status, a.body)
}

// "Revoke an API key; it is refused from this answer on": also where the request was let
// in before, and its body ends after. Over the whole route table.
func TestARevokedKeyEndsNoRequest(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	for i := range table {
		row := &table[i]
		t.Run(row.short(), func(t *testing.T) {
			id, secret := r.issued(row.roles[0])
			c, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
			require.NoError(t, err)
			defer c.Close()
			require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
			body := `{"reason":"mine"}`
			fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n",
				row.method, concrete(row.path), secret, uuid.NewString(), len(body))
			answers := bufio.NewReader(c)
			line, err := answers.ReadString('\n')
			require.NoError(t, err)
			require.Contains(t, line, "100 Continue", "it was let in")
			_, err = answers.ReadString('\n')
			require.NoError(t, err)
			_, err = io.WriteString(c, body[:len(body)-1])
			require.NoError(t, err)

			r.revokes(id)
			before, system := len(r.records("portfolio-main")), len(r.records(commands.SystemStream))
			_, err = io.WriteString(c, body[len(body)-1:])
			require.NoError(t, err)
			resp, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
			require.Len(t, r.records("portfolio-main"), before)
			require.Len(t, r.records(commands.SystemStream), system)
		})
	}
}

// "Refused from this answer on": what waits to be decided when its key is revoked is
// refused when it is decided, whatever it is.
func TestARevokedKeyDecidesNothing(t *testing.T) {
	store := memory.New()
	r := newRig(t, rigged{store: store}).opened()
	permit := permitBody("alpha", "10")
	for name, c := range map[string]struct {
		role       domain.Role
		path, body string
	}{
		"permit":     {domain.RoleBot, main + "/permits", permit},
		"fill":       {domain.RoleBot, main + "/fills", fillBodyOf("alpha", "f1", "10", "0.5")},
		"batch":      {domain.RoleBot, main + "/batch", batchOf(item("ask_permit", permit), item("mark_prices", marksOf(1, "")))},
		"limits":     {domain.RoleAdmin, main + "/limits", `{"max_daily_loss_pct":"0.04","reason":"mine"}`},
		"key":        {domain.RoleAdmin, "/v1/api-keys", `{"user":"mallory","role":"admin"}`},
		"portfolio":  {domain.RoleAdmin, "/v1/portfolios", `{"id":"mine","mode":"paper"}`},
		"stop a bot": {domain.RoleOperator, main + "/bots/alpha/stop", `{}`},
		"stop":       {domain.RoleOperator, main + "/emergency-stop", `{"kind":"manual","reason":"mine"}`},
		"everywhere": {domain.RoleOperator, "/v1/emergency-stop", `{"kind":"manual","reason":"mine"}`},
	} {
		t.Run(name, func(t *testing.T) {
			id, secret := r.issued(c.role)
			before := -1
			r.api.engine = &watched{Engine: r.engine, t: t, before: func() {
				r.system(domain.Caller{User: "anna", Role: domain.RoleAdmin}, commands.RevokeKey{Key: id})
				head, _, err := r.engine.SystemHead(context.Background())
				require.NoError(t, err)
				require.NoError(t, r.ring.Wait(context.Background(), head))
				before = total(t, store)
			}}
			defer func() { r.api.engine = &watched{Engine: r.engine, t: r.t} }()
			r.keys["mallory"] = secret
			a := r.post("mallory", c.path, c.body)
			require.GreaterOrEqual(t, before, 0)
			if name == "batch" {
				var v batchAnswer
				a.into(t, &v)
				for _, result := range v.Results {
					require.Equal(t, http.StatusUnauthorized, result.Status)
				}
			} else {
				require.Equal(t, domain.CodeUnauthenticated, a.code(t), a.body)
			}
			require.Equal(t, before, total(t, store))
		})
	}
}

// total is how many records a store holds.
func total(t *testing.T, store *memory.Store) (n int) {
	t.Helper()
	names, err := store.Streams(context.Background())
	require.NoError(t, err)
	for _, name := range names {
		head, err := store.Head(context.Background(), name)
		require.NoError(t, err)
		n += int(head) + 1
	}
	return n
}

// "Refused from this answer on": a look that waits (?min_revision=) shows nothing after
// its key was revoked.
func TestARevokedKeyIsShownNothing(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	for i := range table {
		row := &table[i]
		if !slices.ContainsFunc(row.params, func(p param) bool { return p.name == "min_revision" }) {
			continue
		}
		t.Run(row.short(), func(t *testing.T) {
			id, secret := r.issued(row.roles[0])
			r.keys["mallory"] = secret
			next := strconv.Itoa(len(r.records("portfolio-main")))
			got := make(chan answered, 1)
			go func() { got <- r.get("mallory", concrete(row.path)+"?min_revision="+next) }()
			require.Eventually(t, func() bool {
				r.api.inFlight.mu.Lock()
				defer r.api.inFlight.mu.Unlock()
				return r.api.inFlight.byKey[id] == 1
			}, 10*time.Second, time.Millisecond)
			time.Sleep(20 * time.Millisecond) // it waits by now; if it does not, it is refused all the same
			r.revokes(id)
			r.must("operator", main+"/deposits", `{"wallet":"hot","amount":"1"}`)
			a := <-got
			require.Equal(t, domain.CodeUnauthenticated, a.code(t), a.body)
		})
	}
}
