package pets_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// widths are the terminal widths that are tried.
var widths = []int{80, 120}

// every calls f for every command, with the words that name it.
func every(c *cobra.Command, words []string, f func(words []string)) {
	f(words)
	for _, sub := range c.Commands() {
		every(sub, append(slices.Clone(words), sub.Name()), f)
	}
}

// "help grouped by what a person wants to do": every command stands under one of the topics,
// in this order, and nothing stands besides.
func TestHelpIsByTopic(t *testing.T) {
	help := petstest.New(t).Ok("--help")
	at := -1
	for _, title := range []string{"LOOK BACK", "OPERATE", "MONEY", "KEYS", "SET UP", "Flags:"} {
		next := strings.Index(help, "\n"+title+"\n")
		require.Greater(t, next, at, title)
		at = next
	}
	require.NotContains(t, help, "Additional Commands")
	for _, c := range pets.Root(&cli.App{}).Commands() {
		require.NotEmpty(t, c.GroupID, "%s stands under no topic: cli.Under", c.Name())
		require.Regexp(t, regexp.MustCompile(`(?m)^  `+c.Name()+` +[A-Z]`), help)
	}
}

// "80 columns everywhere": the help of every command, at 80 and at 120.
func TestHelpFits(t *testing.T) {
	for _, width := range widths {
		s := petstest.New(t)
		s.Env = append(s.Env, fmt.Sprint("COLUMNS=", width))
		every(pets.Root(&cli.App{}), nil, func(words []string) {
			clitest.Fits(t, width, s.Ok(append(words, "--help")...))
		})
	}
}

// "80 columns everywhere": what every command says of a mistake, of a store that is not there,
// of a server that does not answer, and, where it works, what it prints. A word that is longer,
// such as a path, stays whole in a line of its own.
func TestMessagesFit(t *testing.T) {
	for n, width := range widths {
		s := petstest.New(t)
		s.Env = append(s.Env, fmt.Sprint("COLUMNS=", width), "PETS_KEY="+petstest.SomeKey)
		small := petstest.Small(t)
		small.Env = append(small.Env, fmt.Sprint("COLUMNS=", width))
		conflict := petstest.NewListener(t)
		for i, r := range petstest.Reached {
			if (i+n)%testenv.Rounds(2, 2, 1) != 0 {
				continue // each command at each width in a long run
			}
			words := strings.Fields(r.Command)
			for _, more := range [][]string{{"--no-such-flag"}, {"a", "b", "c", "d"}, {"--server", "nowhere"}, {"--server", conflict.URL, "--store", "embedded:x"}, {"--portfolio", "../x"}} {
				if r.Command == "import" && more[0] == "a" {
					continue // takes any number of files
				}
				ran := s.Run(append(slices.Clone(words), more...)...)
				clitest.FitsByWords(t, width, ran.Err+ran.Out)
			}
			if r.Command == "serve" || strings.HasPrefix(r.Command, "bench") {
				continue // these keep running
			}
			line := s.Line(r.Command, r.More)
			for _, ran := range []petstest.Ran{s.Run(line...), s.Run(append(slices.Clone(line), "--server", conflict.URL)...), small.Run(line...)} {
				clitest.FitsByWords(t, width, ran.Err+ran.Out)
			}
		}
	}
}

// "One way to ask for a yes": who has --yes asks by it, but for pets init, whose questions are
// settings and whose --yes takes the defaults; and the question is put in one place, that Agree
// alone asks at. That each of them asks as it should is tested in internal/cli/money.
func TestOneWayToAskForAYes(t *testing.T) {
	var asking []string
	root := pets.Root(&cli.App{})
	every(root, nil, func(words []string) {
		c, _, err := root.Find(words)
		require.NoError(t, err)
		asks := c.Annotations["asks"] != ""
		require.Equal(t, c.Flags().Lookup("yes") != nil && c.Name() != "init", asks, "%s: --yes is cli.AskFirst, and the question cli.Agree", words)
		if asks {
			asking = append(asking, strings.Join(words, " "))
		}
	})
	slices.Sort(asking)
	require.Equal(t, []string{"approve", "cold evacuate", "limits adopt", "wallet retire", "wallet sweep"}, asking)
	kernel, err := filepath.Glob("../cli/*.go")
	require.NoError(t, err)
	rooms, err := filepath.Glob("../cli/*/*.go")
	require.NoError(t, err)
	require.Greater(t, len(rooms), 50)
	var questions, callers []string
	for _, f := range slices.Concat(kernel, rooms) {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "[y/N]") {
				questions = append(questions, f)
			}
			if strings.Contains(line, ".askYes(") {
				callers = append(callers, f)
			}
		}
	}
	require.Equal(t, []string{"../cli/ask.go"}, questions)
	require.Equal(t, []string{"../cli/ask.go"}, callers)
}
