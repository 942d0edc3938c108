package cli_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/columns"
	"pets/internal/pets/petstest"
)

// "Terminal escapes reach the terminal": not from a server, which puts them into every text
// that it answers with, nor from a file or an argument, into whatever command.
func TestNoEscapeReachesTheTerminal(t *testing.T) {
	t.Parallel()
	const evil = "x\x1b[2J\u009b2J\u202ey\x7f\nINJECT pets clear --yes"
	l := petstest.NewListener(t)
	refuse := false
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := strings.NewReplacer("X", evil)
		switch problem, _ := json.Marshal(map[string]any{"type": "urn:pets:problem:conflict", "detail": evil}); {
		case r.URL.Path == "/readyz":
			_, _ = text.WriteString(w, "ready\nwarning: X\n")
		case refuse:
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write(problem)
		case strings.HasSuffix(r.URL.Path, "/batch"):
			_, _ = w.Write([]byte(`{"results":[{"status":409,"problem":` + string(problem) + `}]}`))
		default: // whatever is asked: a name in every place that is one
			quoted, _ := json.Marshal(evil)
			_, _ = text.WriteString(w, strings.ReplaceAll(`{"portfolio":"X","key":"X","id":"X","portfolios":[{"portfolio":"X","mode":"X"}],"keys":[{"key":"X","user":"X","note":"X"}],`+
				`"bots":[{"bot":"X","status":"X"}],"markets":[{"market":"X","category":"X","outcomes":["X"]}],"transfers":[{"transfer":"X","status":"X"}]}`, `"X"`, string(quoted)))
		}
	})
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_SERVER="+l.URL, "PETS_KEY="+petstest.SomeKey)
	seen := 0
	look := func(r petstest.Ran) {
		t.Helper()
		require.Equal(t, columns.Shown(r.Out), r.Out)
		require.Equal(t, columns.Shown(r.Err), r.Err)
		require.NotRegexp(t, `(?m)^(pets: )?INJECT`, r.Out+r.Err, "a line of its own")
		if strings.Contains(r.Out+r.Err, `\x1b[2J`) || strings.Contains(r.Out+r.Err, `\u001b[2J`) {
			seen++
		}
	}
	for _, refuse = range []bool{false, true} {
		for _, row := range petstest.Reached {
			if row.How == petstest.AtHome || row.How == petstest.Seated {
				continue
			}
			look(s.Run(s.Line(row.Command, row.More)...))
			look(s.Run(append(s.Line(row.Command, row.More), "--json")...))
		}
	}
	require.Greater(t, seen, 50, "it was answered")
	refuse = false
	command, _ := json.Marshal(evil)
	look(s.Run("batch", petstest.BatchFile(t, `{"commands":[{"command":`+string(command)+`,"body":{}}]}`)))
	look(s.Run("deposit", evil))
	look(s.Run("stop", evil))
	look(s.Run(evil))
}
