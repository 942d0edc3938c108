package commands

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const hashesFile = "testdata/hashes.txt"

// Request hashes are stored with every command, and decide whether a request with a known
// Idempotency-Key is a repeat. They are made of scope, portfolio, name and body, and for
// a row of a file also of its time. As with the bodies, lines are added, never changed or
// removed (go test ./commands -run HashesAreForEver -rewrite-bodies).
func TestHashesAreForEver(t *testing.T) {
	row := &Import{At: time.Date(2026, 3, 1, 9, 0, 0, 500, time.UTC), Source: "a.csv:2"}
	var b strings.Builder
	line := func(what string, r *Request) {
		body, err := canonical(r)
		require.NoError(t, err)
		hash := requestHash(r.scope(), "main", r, body)
		b.WriteString(what + " " + hex.EncodeToString(hash[:]) + "\n")
	}
	for _, tt := range bodies {
		name := nameOf(tt.command) + " (" + tt.variant + ")"
		line(name, &Request{Caller: olga, Key: "k", Command: tt.command})
		if p, ok := tt.command.(PortfolioCommand); ok {
			line(name+" of a row", &Request{Caller: olga, Key: "k", Command: p, Import: row})
			line(name+" of a row with a bot", &Request{Caller: olga, Key: "k", Import: row, Command: ImportRow{PortfolioCommand: p, Newcomers: Newcomers{Bot: "b", Market: "m"}}})
		}
	}
	if *rewriteBodies {
		require.NoError(t, os.WriteFile(hashesFile, []byte(b.String()), 0o600))
		return
	}
	want, err := os.ReadFile(hashesFile)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(want), "\n"), strings.Split(b.String(), "\n"))
}
