package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// mayCall is section 9 for routes, written down a second time: who may call what.
var mayCall = map[string]string{
	"POST /v1/portfolios":                          "operator admin",
	"GET /v1/portfolios":                           "bot operator approver admin auditor",
	"GET /v1/portfolios/{portfolio}":               "bot operator approver admin auditor",
	"POST /limits":                                 "admin",
	"POST /deposits":                               "operator admin",
	"POST /withdrawals":                            "operator admin",
	"POST /fees":                                   "operator admin",
	"POST /adjustments":                            "admin",
	"POST /markets":                                "operator admin",
	"POST /bots":                                   "operator admin",
	"POST /bots/{bot}/start":                       "operator admin",
	"POST /bots/{bot}/stop":                        "operator admin",
	"POST /bots/{bot}/allocate":                    "operator admin",
	"POST /permits":                                "bot operator admin",
	"POST /permits/{permit}/placed":                "bot operator admin",
	"POST /permits/{permit}/release":               "bot operator admin",
	"POST /fills":                                  "bot operator admin",
	"POST /fills/{trade_id}/confirm":               "bot operator admin",
	"POST /fills/{trade_id}/void":                  "bot operator admin",
	"POST /funding":                                "bot operator admin",
	"POST /settlements":                            "feed operator admin",
	"POST /settlements/correct":                    "operator admin",
	"POST /sets":                                   "bot operator admin",
	"POST /marks":                                  "bot feed operator admin",
	"POST /trades":                                 "bot operator admin",
	"POST /batch":                                  "bot feed operator approver admin",
	"POST /import":                                 "operator admin",
	"POST /breakers/{breaker}/reset":               "operator admin",
	"POST /emergency-stop":                         "operator approver admin",
	"POST /v1/emergency-stop":                      "operator approver admin",
	"POST /emergency-stop/clear":                   "operator approver",
	"POST /emergency-stop/clear/{request}/confirm": "approver",
	"POST /overrides":                              "operator approver admin",
	"POST /overrides/{override}/confirm":           "approver",
	"GET /state":                                   "bot operator approver admin auditor",
	"GET /stats":                                   "bot operator approver admin auditor",
	"GET /balances":                                "bot operator approver admin auditor",
	"GET /positions":                               "bot operator approver admin auditor",
	"GET /trades":                                  "bot operator approver admin auditor",
	"GET /permits":                                 "bot operator approver admin auditor",
	"GET /breakers":                                "bot operator approver admin auditor",
	"GET /equity":                                  "operator approver admin auditor",
	"GET /events":                                  "bot operator approver admin auditor",
	"GET /stream":                                  "bot operator approver admin auditor",
	"POST /wallets":                                "admin",
	"POST /wallets/{wallet}/key":                   "operator admin",
	"POST /wallets/{wallet}/verify":                "operator admin",
	"POST /wallets/{wallet}/load":                  "operator admin",
	"POST /wallets/{wallet}/recovery-test":         "operator admin",
	"POST /wallets/{wallet}/retire":                "operator approver admin",
	"POST /address-book":                           "admin",
	"POST /address-book/remove":                    "operator admin",
	"POST /treasury-policy":                        "admin",
	"POST /transfers":                              "operator admin",
	"POST /transfers/{transfer}/approve":           "approver",
	"POST /transfers/{transfer}/reject":            "operator approver admin",
	"POST /transfers/{transfer}/raise":             "operator admin",
	"POST /transfers/{transfer}/cancel":            "operator admin",
	"POST /transfers/{transfer}/prepare":           "operator admin",
	"POST /transfers/{transfer}/signed":            "operator admin",
	"POST /sign":                                   "bot operator",
	"POST /rebalance":                              "operator admin",
	"POST /reconcile":                              "operator admin",
	"GET /wallets":                                 "operator approver admin auditor",
	"GET /address-book":                            "operator approver admin auditor",
	"GET /treasury":                                "operator approver admin auditor",
	"GET /transfers":                               "operator approver admin auditor",
	"GET /approvals":                               "operator approver admin auditor",
	"GET /approvals/{kind}/{id}":                   "operator approver admin auditor",
	"POST /v1/approvers":                           "admin",
	"GET /v1/approvers":                            "operator approver admin auditor",
	"POST /v1/approvers/{approver}/vouch":          "approver",
	"DELETE /v1/approvers/{approver}":              "approver admin",
	"GET /emergency-stop/goes-on":                  "operator approver admin auditor",
	"GET /v1/keys":                                 "admin auditor",
	"POST /v1/keys/rotate":                         "admin",
	"POST /v1/api-keys":                            "admin",
	"GET /v1/api-keys":                             "admin auditor",
	"POST /v1/api-keys/{key}/rotate":               "admin",
	"DELETE /v1/api-keys/{key}":                    "admin",
}

func (row *route) short() string {
	path := strings.TrimPrefix(row.path, inPortfolio)
	if path == "" {
		path = row.path
	}
	return row.method + " " + path
}

// "One table lists every route with its roles; a test enumerates the router
// against it."
func TestEveryRouteIsInTheTable(t *testing.T) {
	require.Len(t, table, len(mayCall))
	names := map[string]bool{}
	for i := range table {
		row := &table[i]
		roles, known := mayCall[row.short()]
		require.True(t, known, row.short())
		want := strings.Fields(roles)
		got := make([]string, len(row.roles))
		for n, r := range row.roles {
			got[n] = string(r)
		}
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(t, want, got, row.short())
		require.False(t, names[row.name], "%s has two routes", row.name)
		names[row.name] = true
	}
	// The router has the table's routes and the three that need no key, no others.
	r := newRig(t, rigged{})
	for _, path := range []string{"/v1", "/v1/", "/v1/portfolios/main/secrets", "/debug/pprof/", "/metrics", "/v1/portfolios/main/state/x"} {
		require.Equal(t, http.StatusNotFound, r.get("admin", path).status, path)
	}
}

// keyOf names the key of the rig for a role.
var keyFor = map[domain.Role]string{
	domain.RoleBot: "alpha", domain.RoleFeed: "feed", domain.RoleOperator: "operator", domain.RoleApprover: "approver",
	domain.RoleAdmin: "admin", domain.RoleAuditor: "auditor",
}

func concrete(path string) string {
	for name, value := range map[string]string{
		"{portfolio}": "main", "{bot}": "alpha", "{permit}": "p999", "{trade_id}": "f999", "{breaker}": "daily_loss",
		"{request}": "c999", "{override}": "o999", "{key}": "k999", "{wallet}": "w999", "{transfer}": "x999",
		"{kind}": "transfer", "{id}": "x999", "{approver}": "a999",
	} {
		path = strings.ReplaceAll(path, name, value)
	}
	return path
}

// "Role × route: every cell tested." Who may not is told so before the body is
// looked at; who may gets to the body.
func TestEveryCellOfRolesAndRoutes(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	events := len(r.records("portfolio-main"))
	cells := 0
	for i := range table {
		row := &table[i]
		if row.name == "stream" {
			continue // never ends: TestStream
		}
		path := concrete(row.path)
		for role, who := range keyFor {
			a := r.call(who, row.method, path, uuid.NewString(), bodyFor(row))
			allowed := slices.Contains(row.roles, role)
			if bound := role == domain.RoleBot || role == domain.RoleFeed; bound && row.global {
				allowed = false // their keys are for one portfolio
			}
			if allowed {
				require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, a.status, "%s by %s: %s", row.short(), role, a.body)
			} else {
				require.Equal(t, domain.CodeDenied, a.code(t), "%s by %s: %s", row.short(), role, a.body)
			}
			cells++
		}
		stranger := r.call("", row.method, path, uuid.NewString(), "{}").code(t) // and too many of them
		require.Contains(t, []domain.Code{domain.CodeUnauthenticated, domain.CodeRateLimited}, stranger, row.short())
		if strings.Contains(row.path, "{portfolio}") {
			require.Equal(t, domain.CodeDenied, r.call("elsewhere", row.method, path, uuid.NewString(), "{}").code(t), "%s of another portfolio", row.short())
		}
	}
	require.Greater(t, cells, 240)
	require.Len(t, r.records("portfolio-main"), events, "nothing of all that was recorded")
}

// bodyFor is a body that cannot succeed, so that no cell changes what the next
// one meets.
func bodyFor(row *route) string {
	switch row.method {
	case http.MethodGet:
		return ""
	default:
		return `{"no_such_field":1}`
	}
}

// "bot (own …, and its own view of state and events)"; "other bots' ids denied".
func TestABotTouchesOnlyItsOwn(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	var granted permitAnswered
	r.post("beta", main+"/permits", permitBody("beta", "10")).into(t, &granted)
	r.must("beta", main+"/fills", fillBodyOf("beta", "f1", "10", "0.5"))
	r.must("beta", main+"/fills", strings.Replace(fillBodyOf("beta", "f2", "1", "0.5"), `"bot"`, `"status":"provisional","bot"`, 1))
	for path, body := range map[string]string{
		"/permits": permitBody("beta", "1"),
		"/permits/" + granted.PermitID + "/placed":  `{}`,
		"/permits/" + granted.PermitID + "/release": `{}`,
		"/fills":            fillBodyOf("beta", "f9", "1", "0.5"),
		"/fills/f2/confirm": `{"bot":"beta"}`,
		"/fills/f2/void":    `{"bot":"beta"}`,
		"/trades":           `{"bot":"beta","market":"x","pnl":"1","trade_id":"t9"}`,
	} {
		require.Equal(t, domain.CodeDenied, r.post("alpha", main+path, body).code(t), path)
	}
	item := `{"commands":[{"idempotency_key":"` + uuid.NewString() + `","command":"record_fill","body":` + fillBodyOf("beta", "f9", "1", "0.5") + `}]}`
	var batch batchAnswer
	r.post("alpha", main+"/batch", item).into(t, &batch)
	require.Equal(t, http.StatusForbidden, batch.Results[0].Status)

	for _, path := range []string{"/positions", "/trades", "/permits"} {
		require.Equal(t, domain.CodeDenied, r.get("alpha", main+path+"?bot=beta").code(t), path)
	}
	require.Equal(t, domain.CodeDenied, r.get("alpha", main+"/equity").code(t))
	for _, path := range []string{"", "/state", "/stats", "/balances", "/positions", "/trades", "/permits", "/breakers", "/events?limit=1000"} {
		a := r.get("alpha", main+path)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.NotContains(t, a.body, "beta", "%s shows another bot", path)
		require.NotContains(t, a.body, "\"1000\"", "%s shows the portfolio's money", path)
		require.NotContains(t, a.body, "treasury", path)
		require.Equal(t, http.StatusOK, r.get("beta", main+path).status, path)
	}
	require.Contains(t, r.get("beta", main+"/positions").body, `"quantity":"11"`)
}
