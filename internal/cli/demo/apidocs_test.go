package demo_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

const apiPage = "docs/api.md"

// apiShell is a bash with a server to talk to.
type apiShell struct {
	in  io.Writer
	out *bufio.Reader
}

// serveHere starts a server in this process, with a clock of the test's, and returns its address.
func serveHere(t *testing.T, dir string, wall func() time.Time) string {
	t.Helper()
	s := &petstest.Shell{T: t, Dir: dir, Env: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
	return s.ServedBy(wall)
}

// newAPIShell starts a server in this process, with a clock that stands still, and a shell.
func newAPIShell(t *testing.T) *apiShell {
	t.Helper()
	testenv.Need(t, "bash", "curl", "python3")
	dir := t.TempDir()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	address := serveHere(t, dir, func() time.Time { return noon })

	c := exec.Command("bash")
	c.Dir = dir
	examples, err := filepath.Abs(examplesFolder)
	require.NoError(t, err)
	c.Env = append(os.Environ(), "EXAMPLES="+examples, "PETS="+address, "ADMIN="+petstest.AdminKey)
	in, err := c.StdinPipe()
	require.NoError(t, err)
	pipe, err := c.StdoutPipe()
	require.NoError(t, err)
	c.Stderr = c.Stdout
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	return &apiShell{in: in, out: bufio.NewReader(pipe)} // what the page uses, it defines
}

func (s *apiShell) run(t *testing.T, command string) []string {
	t.Helper()
	const end = "--- that was it ---"
	_, err := fmt.Fprintf(s.in, "%s\necho; echo '%s'\n", command, end)
	require.NoError(t, err)
	var lines []string
	for {
		line, err := s.out.ReadString('\n')
		require.NoError(t, err, "%s: %v", command, lines)
		line = strings.TrimRight(line, "\n")
		if line == end {
			break
		}
		for _, m := range petstest.Masks {
			line = m.Pattern.ReplaceAllString(line, m.With)
		}
		lines = append(lines, line)
	}
	return slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
}

// Every console block of docs/api.md is run, in order, against one server, and
// answers what the page says; the table of routes is that of the OpenAPI document.
func TestAPIDocs(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(root, apiPage))
	require.NoError(t, err)
	shell := newAPIShell(t)
	var out []string
	inside, pending, blocks := false, "", 0
	for _, line := range strings.Split(string(page), "\n") {
		switch {
		case line == "```console":
			inside = true
			blocks++
		case line == "```" && inside:
			inside = false
		case inside && (strings.HasPrefix(line, "$ ") || pending != ""):
			out = append(out, line)
			pending += strings.TrimPrefix(line, "$ ") + "\n"
			if !strings.HasSuffix(line, `\`) {
				out = append(out, shell.run(t, pending)...)
				pending = ""
			}
			continue
		case inside: // the answer of an earlier run
			continue
		}
		out = append(out, line)
	}
	require.Greater(t, blocks, 10)
	got := routesIn(t, root, strings.Join(out, "\n"))
	if *petstest.Rewrite {
		require.NoError(t, os.WriteFile(filepath.Join(root, apiPage), []byte(got), 0o600))
		return
	}
	require.Equal(t, string(page), got, "go test ./internal/cli/demo -run APIDocs -rewrite writes what is now")
}

// routesIn puts the table of routes into the page.
func routesIn(t *testing.T, root, page string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "docs", "openapi.json"))
	require.NoError(t, err)
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Summary     string
			Roles       []string `json:"x-roles"`
		}
	}
	require.NoError(t, json.Unmarshal(raw, &doc))
	var rows []string
	for path, methods := range doc.Paths {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
			op, ok := methods[strings.ToLower(method)]
			if !ok {
				continue
			}
			short := strings.TrimPrefix(path, "/v1/portfolios/{portfolio}")
			if short == "" {
				short = path
			}
			rows = append(rows, fmt.Sprintf("| `%s %s` | `%s` | %s | %s |", method, short, op.OperationID, op.Summary, strings.Join(op.Roles, ", ")))
		}
	}
	slices.SortFunc(rows, func(a, b string) int {
		return strings.Compare(strings.SplitN(a, " ", 4)[2]+a, strings.SplitN(b, " ", 4)[2]+b)
	})
	table := "| route | name | what | roles |\n|---|---|---|---|\n" + strings.Join(rows, "\n")
	if strings.Contains(page, "\nROUTES\n") {
		return strings.Replace(page, "\nROUTES\n", "\n"+table+"\n", 1)
	}
	begin := strings.Index(page, "| route | name | what | roles |")
	require.Positive(t, begin)
	end := begin + strings.Index(page[begin:], "\n\n")
	return page[:begin] + table + page[end:]
}
