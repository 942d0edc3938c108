package cli_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// "Values that look like a key are never echoed in an error": a key that is typed as an
// argument or as the value of any flag, of every command, also where the server repeats it.
func TestNoErrorRepeatsAKey(t *testing.T) {
	t.Parallel()
	const secret = "pets_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"
	l := petstest.NewListener(t)
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/batch") {
			_, _ = w.Write([]byte(`{"results":[{"status":404,"problem":{"type":"urn:pets:problem:not_found","detail":"there is no command ` + secret + `"}}]}`))
			return
		}
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:pets:problem:conflict", "detail": secret + " is nothing known"})
	})
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_SERVER="+l.URL, "PETS_KEY="+petstest.SomeKey)
	typed := func(args ...string) {
		t.Helper()
		r := s.Run(args...)
		require.NotContains(t, r.Out+r.Err, secret, "pets %v", args)
	}
	root := pets.Root(&cli.App{})
	for _, row := range petstest.Reached {
		if row.How == petstest.AtHome || row.How == petstest.Seated {
			continue
		}
		typed(append(strings.Fields(row.Command), secret)...)
		c, _, err := root.Find(strings.Fields(row.Command))
		require.NoError(t, err)
		each(c, func(f *pflag.Flag) {
			if f.Value.Type() != "bool" {
				typed(append(s.Line(row.Command, row.More), "--"+f.Name, secret)...)
			}
		})
	}
	typed(secret)
	typed("batch", petstest.BatchFile(t, `{"commands":[{"command":"`+secret+`","body":{}}]}`))
}

func each(c *cobra.Command, visit func(*pflag.Flag)) {
	c.InheritedFlags().VisitAll(visit)
	c.NonInheritedFlags().VisitAll(visit)
}
