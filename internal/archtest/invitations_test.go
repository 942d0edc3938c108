package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	// invitation is a sentence that tells its reader to remove a file of the store, or of
	// the server beside it.
	invitation = regexp.MustCompile(`(?i)\b(remove|delete|erase|unlink|rm)\b[^.;:]{0,50}(\bit\b|\bthem\b|\bfiles?\b|\bfolders?\b|\bsegments?\b|\bstore\b|\bsnapshots?\b|\bwitness\b|\blatch\b|\bsocket\b|\block\b|\bdurable\b|\bindex(es)?\b|\.lock\b|\.sock\b|\.seg\b|\.idx\b|pets-data)`)
	warning    = regexp.MustCompile(`(?i)\b(never|not|nobody|cannot|nothing)\b[^.;:,]{0,40}\b(remove|delete|erase|unlink|rm)\b`)
)

// harmless tells why nobody should have to.
const harmless = "makes people delete the witness"

func invites(text string) string {
	for _, line := range strings.Split(text, "\n") {
		if invitation.MatchString(line) && !warning.MatchString(line) && !strings.Contains(line, harmless) {
			return line
		}
	}
	return ""
}

// "No message invites deleting a file": with LOCK deleted a second server came up on the
// same folder, and deposits were lost. Neither messages nor pages say so of any file.
func TestNothingInvitesToDeleteAFile(t *testing.T) {
	require.NotEmpty(t, invites("stop.sock is no socket; remove it, or name another folder"))
	require.NotEmpty(t, invites("if no other process runs, delete LOCK and start again"))
	require.Empty(t, invites("move its witness away (do not delete it) and start"))
	root := "../.."
	checked := 0
	for _, dir := range []string{"cmd", "commands", "eventstore", "internal", "projections", "docs", "README.md"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			switch {
			case strings.HasSuffix(path, ".md"):
				page, err := os.ReadFile(path)
				require.NoError(t, err)
				checked++
				if line := invites(string(page)); line != "" {
					t.Errorf("%s: %s", path, line)
				}
			case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
				file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
				require.NoError(t, err)
				checked++
				ast.Inspect(file, func(n ast.Node) bool {
					lit, ok := n.(*ast.BasicLit)
					if !ok || lit.Kind != token.STRING {
						return true
					}
					text, err := strconv.Unquote(lit.Value)
					require.NoError(t, err)
					if line := invites(text); line != "" {
						t.Errorf("%s: %s", path, line)
					}
					return true
				})
			}
			return nil
		})
		require.NoError(t, err)
	}
	require.Greater(t, checked, 100)
}
