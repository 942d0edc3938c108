package httpapi

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
			Parameters  []struct{ Name, In string }
			RequestBody *struct{}
			Roles       []string `json:"x-roles"`
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
		require.Equal(t, row.body != nil, op.RequestBody != nil, row.short())
	}
	require.ElementsMatch(t, []string{"bot"}, without(doc.Components.Schemas["AskPermit"].Required, "$schema"))
	require.Contains(t, doc.Components.Schemas["SettleMarket"].Required, "payout")
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
