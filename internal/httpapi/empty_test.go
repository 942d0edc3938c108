package httpapi

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A parameter without a value is refused: ?at= is not now.
func TestAnEmptyParameterIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	for path, field := range map[string]string{
		"/state?at=": "at", "/state?at": "at", "/stats?at=": "at", "/positions?at=": "at", "/trades?at=": "at", "/equity?at=": "at", "/events?at=": "at",
		"/permits?at=": "at", "/breakers?at=": "at", "/balances?at=": "at", "/state?min_revision=": "min_revision", "/positions?after=": "after",
		"/trades?limit=": "limit", "/equity?from=": "from", "/equity?to=&points=5": "to", "/events?types=": "types", "/trades?bot=": "bot",
	} {
		a := r.get("operator", main+path)
		require.Equal(t, http.StatusBadRequest, a.status, "%s: %s", path, a.body)
		require.Contains(t, a.body, `"field":"`+field+`"`, path)
		require.Contains(t, a.body, "is empty: give it a value, or leave it out", path)
	}
	require.Equal(t, http.StatusOK, r.get("operator", main+"/state?at=0").status)
}
