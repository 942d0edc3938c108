package setup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

const (
	importPage     = "docs/import.md"
	importExamples = "docs/examples/import"
)

// Every console block of docs/import.md is run in a folder of its own, beside the
// files of docs/examples/import, and answers what the page says.
func TestImportDocs(t *testing.T) {
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(root, importPage))
	require.NoError(t, err)
	var out []string
	var console *console
	blocks := 0
	for _, line := range strings.Split(string(page), "\n") {
		switch {
		case line == "```console":
			console = newConsole(t, filepath.Join(root, importExamples))
			blocks++
		case line == "```" && console != nil:
			console = nil
		case console != nil && strings.HasPrefix(line, "$ "):
			out = append(out, line)
			out = append(out, console.run(strings.Fields(line)[1:])...)
			continue
		case console != nil: // the answer of an earlier run
			continue
		}
		out = append(out, line)
	}
	require.Nil(t, console, "a block is not closed")
	require.Greater(t, blocks, 8)
	got := strings.Join(out, "\n")
	if *petstest.Rewrite {
		require.NoError(t, os.WriteFile(filepath.Join(root, importPage), []byte(got), 0o600))
		return
	}
	require.Equal(t, string(page), got, "go test ./internal/cli/setup -run ImportDocs -rewrite writes what is now")
}

// console is a folder with the example files and a store.
type console struct {
	*petstest.Shell
	folder string
}

func newConsole(t *testing.T, examples string) *console {
	t.Helper()
	c := &console{petstest.New(t), t.TempDir()}
	require.NoError(t, os.CopyFS(c.folder, os.DirFS(examples)))
	return c
}

// run runs a line of the page: pets with its arguments, or cat with a file.
func (c *console) run(words []string) []string {
	c.T.Helper()
	here, err := os.Getwd()
	require.NoError(c.T, err)
	require.NoError(c.T, os.Chdir(c.folder)) // errors name files as typed
	defer func() { require.NoError(c.T, os.Chdir(here)) }()
	text := ""
	switch words[0] {
	case "cat":
		b, err := os.ReadFile(words[1])
		require.NoError(c.T, err)
		text = string(b)
	case "pets":
		r := c.Shell.Run(words[1:]...)
		text = r.Out + petstest.Besides(r.Err)
	default:
		c.T.Fatalf("%s is no command of the page", words[0])
	}
	text = petstest.Speed.ReplaceAllString(strings.TrimSuffix(text, "\n"), "0.01 s (1000 events/s)")
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		out = append(out, strings.TrimRight(line, " "))
	}
	return out
}
