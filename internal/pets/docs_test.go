package pets_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets"
)

var (
	fence    = regexp.MustCompile("(?ms)^ *```[a-z]*\n.*?^ *```")
	inText   = regexp.MustCompile("`pets ([^`]+)`")
	inBlock  = regexp.MustCompile(`(?m)^ *(?:\$ |# )?(?:[A-Z_]+=\S+ )*pets ([^\n]+)$`)
	shell    = regexp.MustCompile(`\s(?:[|>#]|2>|&&|;).*$|;$`)
	quoted   = regexp.MustCompile(`"[^"]*"|'[^']*'|\$\([^)]*\)`)
	diagram  = regexp.MustCompile(`^[a-z]+(?: …)?: `)
	standsIn = regexp.MustCompile(`^[A-Z][A-Z_0-9]*$|[…$]|^x$`)
)

// commandsOf are the command lines of a page, without the name of the program: those of its
// code blocks, and those in the text.
func commandsOf(page string) []string {
	var all []string
	for _, block := range fence.FindAllString(page, -1) {
		for _, m := range inBlock.FindAllStringSubmatch(strings.ReplaceAll(block, "\\\n", " "), -1) {
			if !diagram.MatchString(m[1]) {
				all = append(all, m[1])
			}
		}
	}
	for _, m := range inText.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		if !strings.HasPrefix(m[1], "COMMAND ") {
			all = append(all, m[1])
		}
	}
	return all
}

// needs are flags that a command with arguments cannot do without.
var needs = map[string]string{"fill confirm": "--bot", "fill void": "--bot", "bot add": "--capital", "limits set": "--reason", "override request": "--reason"}

// "All command lines of the documentation run": each names a command that there is, flags
// that it has, values that these take, and as many arguments as it wants.
func TestCommandLinesOfTheDocsParse(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	more, err := filepath.Glob("../../docs/[rs]*/*.md")
	require.NoError(t, err)
	seen := 0
	for _, page := range append(append(pages, more...), "../../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, line := range commandsOf(string(text)) {
			seen++
			assert.Empty(t, wrongIn(line), "%s: pets %s", page, line)
		}
	}
	require.Greater(t, seen, 150)
	for _, bad := range []string{"fill confirm ID", "fil", "state --nope", "deposit 1 2", "stop --emergency --reason"} {
		require.NotEmpty(t, wrongIn(bad), bad)
	}
}

// wrongIn says what is wrong in a command line, "" for nothing.
func wrongIn(line string) string {
	line = shell.ReplaceAllString(quoted.ReplaceAllString(line, "X"), "")
	words := strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(line))
	root := pets.Root(&cli.App{})
	c, rest, err := root.Find(words)
	if err != nil {
		return err.Error()
	}
	args, wrong := flagsOf(c, rest)
	switch name := strings.TrimPrefix(c.CommandPath(), "pets "); {
	case wrong != "":
		return wrong
	case len(rest) == 0: // a command that is only named
		return ""
	case len(args) > 0 && needs[name] != "" && !strings.Contains(line, needs[name]+" "):
		return "it lacks " + needs[name]
	}
	if err := c.Args(c, args); err != nil && len(args) > 0 {
		return err.Error()
	}
	return ""
}

// flagsOf takes the flags out of the words behind a command.
func flagsOf(c *cobra.Command, words []string) (args []string, wrong string) {
	for i := 0; i < len(words); i++ {
		name, value, has := strings.Cut(words[i], "=")
		var f *pflag.Flag
		switch {
		case name == "--help" || name == "-h":
			continue
		case strings.HasPrefix(name, "--"):
			f = c.Flag(name[2:])
		case strings.HasPrefix(name, "-") && len(name) == 2:
			f = c.Flags().ShorthandLookup(name[1:])
			if f == nil {
				f = c.InheritedFlags().ShorthandLookup(name[1:])
			}
		default:
			args = append(args, words[i])
			continue
		}
		switch {
		case f == nil:
			return nil, name + " is no flag of it"
		case has, f.NoOptDefVal != "":
		case i+1 == len(words):
			return nil, name + " has no value"
		default:
			i++
			value, has = words[i], true
		}
		if has && !standsIn.MatchString(value) && f.Value.Set(value) != nil {
			return nil, name + " does not take " + value
		}
	}
	return args, ""
}
