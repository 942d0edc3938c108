package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// "Exit status: 0 fine, 1 failed, 2 usage", for every command: what was typed wrongly is
// never a failure of the work.
func TestWrongFlagsAndArgumentsAreUsageErrors(t *testing.T) {
	s := newShell(t)
	for _, r := range reached {
		words := strings.Fields(r.command)
		s.fails(2, []string{"unknown flag", "--help"}, append(words, "--no-such-flag")...)
		if r.command == "import" {
			continue // it takes any number of files
		}
		ran := s.run(append(words, "a", "b", "c", "d")...)
		require.Equal(t, 2, ran.code, "pets %s: %s%s", r.command, ran.out, ran.err)
	}
	for _, group := range []string{"keys", "wallet", "cold", "apikey", "address-book", "treasury"} {
		ran := s.run(group, "no-such-command")
		require.Equal(t, 2, ran.code, "pets %s: %s%s", group, ran.out, ran.err)
	}
}

// "--server, --store and -p leave no doubt": a flag or an argument that is given empty,
// such as a variable that is not set, names nothing and is no absent one, for every command
// and every flag that names something.
func TestAnEmptyFlagIsAUsageError(t *testing.T) {
	s := small(t)
	before := files(t, s.dir)
	root := root((&app{}))
	for _, r := range reached {
		c, _, err := root.Find(strings.Fields(r.command))
		require.NoError(t, err)
		var names []string
		collect := func(f *pflag.Flag) {
			if strings.HasPrefix(f.Value.Type(), "string") && f.Value.Type() != "stringToString" && !slices.Contains(freeText, f.Name) {
				names = append(names, f.Name)
			}
		}
		c.LocalFlags().VisitAll(collect)
		c.InheritedFlags().VisitAll(collect)
		require.Subset(t, names, []string{"server", "store", "portfolio"}, r.command)
		for _, name := range names {
			s.fails(2, []string{"--" + name + " is empty"}, append(s.line(r.command, r.more), "--"+name+"=")...)
			s.fails(2, []string{"--" + name + " is empty"}, append(s.line(r.command, r.more), "--"+name, " ")...)
		}
		s.fails(2, []string{"--portfolio is empty"}, append(s.line(r.command, r.more), "-p", "")...)
		s.fails(2, []string{"an argument of pets " + r.command + " is empty"}, append(strings.Fields(r.command), "")...)
	}
	require.Equal(t, before, files(t, s.dir))
}

// "A person can always stop": no stop is refused for the words of its reason, nor for an
// empty kind.
func TestNoStopIsRefusedForItsWords(t *testing.T) {
	s := newShell(t)
	liveStore(t, s.store())
	for _, words := range []string{"first\nsecond\tthird", "\x1b[31mred\xff\x00", strings.Repeat("ä", 5000), "\n", ""} {
		r := s.run("-p", "real", "stop", "--emergency", "--reason", words, "--kind", "")
		require.Equal(t, 0, r.code, "%q: %s", words, r.err)
		require.Contains(t, r.out, "engaged in real")
	}
	require.Contains(t, s.run("-p", "real", "events").out, "first second third")
}
