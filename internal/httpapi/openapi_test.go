package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/testenv"
)

// go test ./internal/httpapi -run OpenAPI -rewrite writes docs/openapi.json anew.
var rewrite = flag.Bool("rewrite", false, "write docs/openapi.json anew")

// "OpenAPI 3.1 served and checked in": the file is what the server serves.
func TestOpenAPI(t *testing.T) {
	r := newRig(t, rigged{})
	a := r.call("", http.MethodGet, "/openapi.json", "", "")
	require.Equal(t, http.StatusOK, a.status)
	file := filepath.Join("..", "..", "docs", "openapi.json")
	if *rewrite {
		require.NoError(t, os.WriteFile(file, []byte(a.body), 0o600))
	}
	stored, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(stored), a.body, "write it anew: go test ./internal/httpapi -run OpenAPI -rewrite")

	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Parameters  []struct {
				Name, Description string
				Schema            struct{ Type string }
			}
			RequestBody *struct{}
			Roles       []string `json:"x-roles"`
			Tags        []string
		}
		Components struct {
			Schemas map[string]struct{ Required []string }
		}
	}
	require.NoError(t, json.Unmarshal(stored, &doc))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	for i := range table {
		row := &table[i]
		op, ok := doc.Paths[row.path][strings.ToLower(row.method)]
		require.True(t, ok, row.short())
		require.Equal(t, row.name, op.OperationID)
		require.Len(t, op.Roles, len(row.roles))
		require.Equal(t, []string{row.tag}, op.Tags)
		for _, p := range op.Parameters {
			require.NotEmpty(t, p.Description, "%s of %s", p.Name, row.short())
			require.NotEmpty(t, p.Schema.Type, "%s of %s", p.Name, row.short())
		}
		require.Equal(t, row.body != nil, op.RequestBody != nil, row.short())
	}
	require.ElementsMatch(t, []string{"bot"}, without(doc.Components.Schemas["AskPermit"].Required, "$schema"))
	require.ElementsMatch(t, []string{"market"}, without(doc.Components.Schemas["SettleMarket"].Required, "$schema"))
}

// "`Idempotency-Key` required only where it is": each route is sent a command that is good
// but for its key. What the document requires is refused for it, and nothing else is.
func TestIdempotencyKeyIsRequiredWhereTheDocumentSaysSo(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	p, err := promised()
	require.NoError(t, err)
	for _, c := range []struct {
		who, path, body string
		missed          bool
	}{
		{"alpha", main + "/permits", permitBody("alpha", "1"), true},
		{"alpha", main + "/permits?preview=true", permitBody("alpha", "1"), false},
		{"alpha", main + "/fills", fillBodyOf("alpha", "k1", "1", "0.5"), true},
		{"admin", main + "/deposits", `{"wallet":"hot","amount":"1"}`, true},
		{"admin", main + "/bots/alpha/start", `{}`, true},
		{"admin", main + "/bots/alpha/stop", `{}`, true},
		{"admin", main + "/breakers/daily_loss/reset", `{"reason":"x"}`, true},
		{"admin", main + "/breakers/daily_loss/reset", `{"dry_run":true}`, false},
		{"olga", main + "/emergency-stop", `{"kind":"manual","reason":"x"}`, true},
		{"olga", "/v1/emergency-stop", `{"kind":"manual","reason":"x"}`, true},
		{"admin", "/v1/portfolios", `{"id":"other","mode":"paper"}`, true},
		{"admin", "/v1/api-keys", `{"user":"u","role":"auditor"}`, true},
		{"olga", main + "/batch", `{"commands":[]}`, false},
	} {
		req, err := http.NewRequest(http.MethodPost, r.base+c.path, strings.NewReader(c.body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+r.keys[c.who])
		req.Header.Set("Content-Type", "application/json")
		a := r.send(req)
		require.Equal(t, c.missed, strings.Contains(a.body, "Idempotency-Key is missing"), "%s: %s", c.path, a.body)
		_, pattern := p.mux.Handler(req)
		listed, required := p.keyOf(p.rows[pattern])
		require.True(t, listed || !c.missed, c.path)
		require.False(t, required && !c.missed, c.path)
	}
}

// keyOf is what the document says of the Idempotency-Key of a route.
func (p *promises) keyOf(row *route) (listed, required bool) {
	for _, param := range p.operation(row)["parameters"].([]any) {
		if m := param.(map[string]any); m["name"] == "Idempotency-Key" {
			required, _ := m["required"].(bool)
			return true, required
		}
	}
	return false, false
}

func (p *promises) operation(row *route) map[string]any {
	return p.doc.(map[string]any)["paths"].(map[string]any)[row.path].(map[string]any)[strings.ToLower(row.method)].(map[string]any)
}

// "Every new policy key stands in … the OpenAPI document", and every field says what it is: a
// description, or a schema of its own.
func TestEveryFieldOfTheDocumentHasWords(t *testing.T) {
	raw, err := OpenAPI("test")
	require.NoError(t, err)
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Description string
					Ref         string `json:"$ref"`
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(raw, &doc))
	require.Greater(t, len(doc.Components.Schemas), 100)
	for of, schema := range doc.Components.Schemas {
		for name, field := range schema.Properties {
			require.True(t, field.Ref != "" || field.Description != "" && field.Description != form(decimalDoc("")) && field.Description != form(durationDoc("")), "%s.%s has no words", of, name)
		}
	}
	for of := range fieldWordsOf { // none is left of a field that is gone
		schema, name, _ := strings.Cut(of, ".")
		require.Contains(t, doc.Components.Schemas[schema].Properties, name, of)
	}
	for f := range reflect.TypeFor[domain.Policy]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		require.Contains(t, policyWords, name)
	}
}

// "`redocly lint` with no warning but the missing licence": by the linter that the lock
// file of docs/examples/typescript names, where it is installed.
func TestRedoclyLint(t *testing.T) {
	testenv.Need(t, "node") // the linter is a script of it
	folder, err := filepath.Abs(filepath.Join("..", "..", "docs", "examples", "typescript"))
	require.NoError(t, err)
	linter := filepath.Join(folder, "node_modules", ".bin", "redocly")
	if _, err := os.Stat(linter); err != nil {
		testenv.Lacks(t, "redocly is not installed: npm ci in docs/examples/typescript")
	}
	found := lint(t, linter, filepath.Join("..", "..", "docs", "openapi.json"))
	require.Equal(t, []string{"info-license"}, found)

	// The negative control: a document that lacks what was asked for is noticed.
	raw, err := OpenAPI("test")
	require.NoError(t, err)
	bad := filepath.Join(t.TempDir(), "openapi.json")
	require.NoError(t, os.WriteFile(bad, []byte(strings.Replace(string(raw), `"tags"`, `"tagged"`, 1)), 0o600))
	require.Greater(t, len(lint(t, linter, bad)), 1)
}

// lint returns the rules that a document breaks.
func lint(t *testing.T, linter, document string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, linter, "lint", document, "--format=json") // #nosec G204 -- of this repository
	c.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // errors in the document end it with 1
		require.NoError(t, err, errs.String())
	}
	var report struct {
		Problems []struct{ RuleID string }
	}
	require.NoError(t, json.Unmarshal(out, &report), "%s%s", out, errs.String())
	var rules []string
	for _, p := range report.Problems {
		rules = append(rules, p.RuleID)
	}
	return rules
}

func without(all []string, drop string) []string {
	var out []string
	for _, s := range all {
		if s != drop {
			out = append(out, s)
		}
	}
	return out
}
