package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval/approvaltest"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/live"
	"pets/internal/work"
	"pets/projections"
)

// rig is one server on a store, with a key of every role.
type rig struct {
	t      testing.TB
	store  eventstore.Store
	engine *commands.Engine
	ring   *projections.Keyring
	live   *live.Followers
	api    *API
	http   *httptest.Server
	base   string            // where requests go
	keys   map[string]string // tokens by name: admin, operator, bot alpha, …
	stop   context.CancelFunc
	latch  string
	work   *work.Places
	// unsigned: what the approver sends gets no signature by itself.
	unsigned bool
}

// rigged is what a test may want otherwise.
type rigged struct {
	store  eventstore.Store
	keys   map[string]string // of a server before this one on the same store
	now    func() time.Time
	rate   float64
	burst  int   // 10 by default
	perDay int64 // bytes of a key
	latch  string
	noKeys bool
	places int // 1 by default: whatever asks for a second one hangs
}

func newRig(t testing.TB, o rigged) *rig {
	t.Helper()
	if o.store == nil {
		o.store = memory.New()
	}
	if o.latch == "" {
		o.latch = filepath.Join(t.TempDir(), "latch.json")
	}
	r := &rig{t: t, store: o.store, keys: o.keys, latch: o.latch, work: work.New(max(o.places, 1))}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.engine = commands.NewEngine(o.store, commands.EngineOptions{
		Options: commands.Options{Now: o.now, Work: r.work}, Latch: commands.NewLatchFile(o.latch),
	})
	r.ring = projections.NewKeyring(o.store)
	go func() { _ = r.ring.Run(ctx) }()
	r.live = live.New(o.store, live.Options{Prefix: commands.Stream("")})
	r.api = New(Config{
		Engine: &watched{Engine: r.engine, t: t}, Store: o.store, Live: r.live, Keys: r.ring, Rate: o.rate, Burst: max(o.burst, 10), BytesPerDay: o.perDay, Now: o.now,
		Defaults: newPolicy, Work: r.work,
	})
	require.NoError(t, r.engine.Load(ctx, nil))
	if r.keys == nil && !o.noKeys {
		r.issueKeys()
	}
	if head, any, err := r.engine.SystemHead(ctx); err == nil && any {
		require.NoError(t, r.ring.Wait(ctx, head))
	}
	require.NoError(t, r.api.Ready(ctx))
	r.http = httptest.NewServer(r.api)
	r.base = r.http.URL
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	if r.stop == nil {
		return
	}
	r.api.EndStreams()
	r.http.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r.api.Close(ctx)
	r.live.Close()
	r.stop()
	r.engine.Close()
	r.stop = nil
}

// issueKeys makes a key for everybody a test may be: two of each role that a
// two-person rule needs, and two bots.
func (r *rig) issueKeys() {
	r.t.Helper()
	r.keys = map[string]string{}
	token, hash := NewToken()
	r.keys["admin"] = token
	r.system(domain.Caller{User: "system", Role: domain.RoleAdmin}, commands.BootstrapKey{User: "anna", Hash: hash})
	for name, k := range map[string]commands.IssueKey{
		"operator":  {User: "olga", Role: domain.RoleOperator},
		"approver":  {User: "bob", Role: domain.RoleApprover},
		"olga":      {User: "olga", Role: domain.RoleApprover}, // the operator's other hat
		"auditor":   {User: "rita", Role: domain.RoleAuditor},
		"feed":      {User: "feed", Role: domain.RoleFeed, Portfolio: "main"},
		"elsewhere": {User: "eve", Role: domain.RoleOperator, Portfolio: "other"},
		"alpha":     {User: "alpha", Role: domain.RoleBot, Portfolio: "main", Bot: "alpha"},
		"beta":      {User: "beta", Role: domain.RoleBot, Portfolio: "main", Bot: "beta"},
	} {
		token, hash := NewToken()
		k.Hash = hash
		r.keys[name] = token
		r.system(domain.Caller{User: "anna", Role: domain.RoleAdmin}, k)
	}
	r.system(domain.Caller{User: "anna", Role: domain.RoleAdmin}, commands.RegisterApprover{User: "bob", PublicKey: approvaltest.Public("bob")})
}

func (r *rig) system(c domain.Caller, command commands.Command) {
	r.t.Helper()
	_, err := r.engine.System(context.Background(), commands.Request{Caller: c, Key: uuid.NewString(), Command: command})
	require.NoError(r.t, err)
}

// answered is one HTTP answer.
type answered struct {
	status int
	header http.Header
	body   string
}

func (a answered) into(t testing.TB, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.body), v), a.body)
}

func (a answered) problem(t testing.TB) Problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), a.body)
	var p Problem
	a.into(t, &p)
	require.Equal(t, a.status, p.Status)
	return p
}

func (a answered) code(t testing.TB) domain.Code {
	t.Helper()
	return domain.Code(strings.TrimPrefix(a.problem(t).Type, problemType))
}

// call sends one request as somebody ("" for nobody) under an Idempotency-Key.
func (r *rig) call(who, method, path, key, body string) answered {
	r.t.Helper()
	if who == "approver" && method == http.MethodPost && !r.unsigned {
		body = r.signed(path, body)
	}
	req, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
	require.NoError(r.t, err)
	if who != "" {
		require.Contains(r.t, r.keys, who)
		req.Header.Set("Authorization", "Bearer "+r.keys[who])
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return r.send(req)
}

// approving are the routes by which the second of two people agrees.
var approving = regexp.MustCompile(`^(/v1/portfolios/[^/]+)/(?:(transfer)s|(override)s|emergency-stop/(clear))/([^/]+)/(?:approve|confirm)$`)

// signed adds the signature of the approver, bob, where one is needed and the body has
// none.
func (r *rig) signed(path, body string) string {
	r.t.Helper()
	m := approving.FindStringSubmatch(path)
	if m == nil || strings.Contains(body, `"signature"`) {
		return body
	}
	shown := r.get("approver", m[1]+"/approvals/"+m[2]+m[3]+m[4]+"/"+m[5])
	var a projections.Approval
	if shown.status != http.StatusOK {
		return body
	}
	shown.into(r.t, &a)
	if !a.Signed || a.ApprovedBy != "" {
		return body
	}
	return withSignature(r.t, body, approvaltest.Sign(r.t, a.Subject, "bob"))
}

// withSignature adds a signature to a body.
func withSignature(t testing.TB, body string, g *domain.ApprovalSignature) string {
	t.Helper()
	fields := map[string]any{}
	if body != "" {
		require.NoError(t, json.Unmarshal([]byte(body), &fields))
	}
	fields["signature"] = g
	b, err := json.Marshal(fields)
	require.NoError(t, err)
	return string(b)
}

func (r *rig) send(req *http.Request) answered {
	r.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	a := answered{resp.StatusCode, resp.Header, string(b)}
	keepsPromise(r.t, req, a)
	return a
}

func (r *rig) post(who, path, body string) answered {
	r.t.Helper()
	return r.call(who, http.MethodPost, path, uuid.NewString(), body)
}

func (r *rig) get(who, path string) answered {
	r.t.Helper()
	return r.call(who, http.MethodGet, path, "", "")
}

// must sends a command that has to be accepted and returns its revision.
func (r *rig) must(who, path, body string) uint64 {
	r.t.Helper()
	a := r.post(who, path, body)
	require.Equal(r.t, http.StatusOK, a.status, "%s %s: %s", who, path, a.body)
	var v struct{ Revision uint64 }
	a.into(r.t, &v)
	return v.Revision
}

const main = "/v1/portfolios/main"

// opened has portfolio main with 1,000 and bots alpha and beta running on 400 each.
func (r *rig) opened() *rig {
	r.t.Helper()
	r.must("operator", "/v1/portfolios", `{"id":"main","mode":"paper"}`)
	r.must("operator", main+"/deposits", `{"wallet":"hot","amount":"1000"}`)
	for _, bot := range []string{"alpha", "beta"} {
		r.must("operator", main+"/bots", fmt.Sprintf(`{"id":%q,"capital":"400"}`, bot))
		r.must("operator", main+"/bots/"+bot+"/start", "")
	}
	return r
}

// records are all of a stream.
func (r *rig) records(stream string) []eventstore.Record {
	r.t.Helper()
	var all []eventstore.Record
	for rec, err := range r.store.ReadStream(context.Background(), stream, 0) {
		require.NoError(r.t, err)
		all = append(all, rec)
	}
	return all
}

// permitBody asks to buy at a price in an open zone.
func permitBody(bot, quantity string) string {
	return fmt.Sprintf(`{"bot":%q,"market":"m","outcome":"YES","side":"buy","quantity":%q,"limit_price":"0.5"}`, bot, quantity)
}

func fillBodyOf(bot, id, quantity, price string) string {
	return fmt.Sprintf(`{"bot":%q,"market":"m","outcome":"YES","side":"buy","quantity":%q,"price":%q,"trade_id":%q}`, bot, quantity, price, id)
}

// newPolicy is what a new portfolio is opened with where no setting says otherwise.
func newPolicy(m domain.Mode, clock domain.Clock, asset string) (domain.Policy, error) {
	return domain.NewPolicy(m, clock, asset), nil
}
