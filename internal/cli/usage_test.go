package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// "Exit status: 0 fine, 1 failed, 2 usage", for every command: what was typed wrongly is
// never a failure of the work.
func TestWrongFlagsAndArgumentsAreUsageErrors(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	for _, r := range petstest.Reached {
		words := strings.Fields(r.Command)
		s.Fails(2, []string{"unknown flag", "--help"}, append(words, "--no-such-flag")...)
		if r.Command == "import" {
			continue // takes any number of files
		}
		ran := s.Run(append(words, "a", "b", "c", "d")...)
		require.Equal(t, 2, ran.Code, "pets %s: %s%s", r.Command, ran.Out, ran.Err)
	}
	for _, group := range []string{"keys", "wallet", "cold", "apikey", "address-book", "treasury"} {
		ran := s.Run(group, "no-such-command")
		require.Equal(t, 2, ran.Code, "pets %s: %s%s", group, ran.Out, ran.Err)
	}
}

// "--server, --store and -p leave no doubt": a flag or an argument that is given empty,
// such as a variable that is not set, names nothing and is no absent one, for every command
// and every flag that names something.
func TestAnEmptyFlagIsAUsageError(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	before := petstest.Files(t, s.Dir)
	root := pets.Root((&cli.App{}))
	for _, r := range petstest.Reached {
		c, _, err := root.Find(strings.Fields(r.Command))
		require.NoError(t, err)
		var names []string
		collect := func(f *pflag.Flag) {
			if strings.HasPrefix(f.Value.Type(), "string") && f.Value.Type() != "stringToString" && !slices.Contains(cli.FreeText, f.Name) {
				names = append(names, f.Name)
			}
		}
		c.LocalFlags().VisitAll(collect)
		c.InheritedFlags().VisitAll(collect)
		require.Subset(t, names, []string{"server", "store", "portfolio"}, r.Command)
		for _, name := range names {
			s.Fails(2, []string{"--" + name + " is empty"}, append(s.Line(r.Command, r.More), "--"+name+"=")...)
			s.Fails(2, []string{"--" + name + " is empty"}, append(s.Line(r.Command, r.More), "--"+name, " ")...)
		}
		s.Fails(2, []string{"--portfolio is empty"}, append(s.Line(r.Command, r.More), "-p", "")...)
		s.Fails(2, []string{"an argument of pets " + r.Command + " is empty"}, append(strings.Fields(r.Command), "")...)
	}
	require.Equal(t, before, petstest.Files(t, s.Dir))
}

// "A person can always stop": no stop is refused for the words of its reason, nor for an
// empty kind.
func TestNoStopIsRefusedForItsWords(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	petstest.LiveStore(t, s.Store())
	for _, words := range []string{"first\nsecond\tthird", "\x1b[31mred\xff\x00", strings.Repeat("ä", 5000), "\n", ""} {
		r := s.Run("-p", "real", "stop", "--emergency", "--reason", words, "--kind", "")
		require.Equal(t, 0, r.Code, "%q: %s", words, r.Err)
		require.Contains(t, r.Out, "engaged in real")
	}
	require.Contains(t, s.Run("-p", "real", "events").Out, "first second third")
}
