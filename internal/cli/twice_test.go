package cli_test

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
)

// "A flag that takes one value is not given two": of every command, and nothing is sent.
func TestAFlagIsNotGivenTwice(t *testing.T) {
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_SERVER=http://127.0.0.1:1", "PETS_KEY="+petstest.SomeKey)
	root := pets.Root(&cli.App{})
	flags := 0
	for _, row := range petstest.Reached {
		c, _, err := root.Find(strings.Fields(row.Command))
		require.NoError(t, err)
		each(c, func(f *pflag.Flag) {
			one, two := "1", "2"
			switch f.Value.Type() {
			case "string", "amount", "int", "uint64":
			default:
				return
			}
			if f.Name == "server" || f.Name == "store" {
				one, two = one+":a", two+":b"
			}
			if _, list := f.Value.(pflag.SliceValue); list || c.Annotations["stops"] != "" {
				return
			}
			flags++
			var line []string
			for i, word := range s.Line(row.Command, row.More) { // without what it has of the flag
				words := s.Line(row.Command, row.More)
				if word == "--"+f.Name || strings.HasPrefix(word, "--"+f.Name+"=") || i > 0 && words[i-1] == "--"+f.Name {
					continue
				}
				line = append(line, word)
			}
			r := s.Run(append(line, "--"+f.Name, one, "--"+f.Name, two)...)
			if strings.Contains(r.Err, "standard input is no terminal") { // it looks first whether somebody sits there
				return
			}
			require.Equal(t, 2, r.Code, "%v --%s: %s%s", line, f.Name, r.Out, r.Err)
			require.Contains(t, r.Err, "--"+f.Name+" is given twice, with "+one+" and "+two, "%v", line)
		})
	}
	require.Greater(t, flags, 100)
}

// What says only where it goes, or yes, may be said again; "a stop fails only where it is not
// known what to stop", and then it says what to type.
func TestAStopFailsOnlyForTwoTargets(t *testing.T) {
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	s.Env = append(s.Env, "PETS_SERVER="+p.URL, "PETS_KEY="+petstest.AdminKey)
	s.Ok("portfolio", "open", "main")
	s.Ok("portfolio", "open", "second")
	s.Ok("state", "-p", "main", "--portfolio", "main", "--json", "--json")
	r := s.Run("stop", "--emergency", "-p", "main", "-p", "second", "--reason", "x")
	require.Equal(t, 2, r.Code)
	require.Contains(t, r.Err, "NOT stopped: --portfolio is given twice, with main and second")
	for _, one := range []string{"main", "second"} {
		require.Contains(t, r.Err, "pets stop --emergency --reason x -p "+one)
	}
	require.Empty(t, s.EventsOf("emergency_stop.engaged"))
	r = s.Run("stop", "--emergency", "--emergency", "--reason", "first", "--reason", "second", "-p", "main", "-p", "main")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "--reason is given twice, with first and second. It goes on, with the last")
	require.Len(t, s.EventsOf("emergency_stop.engaged"), 1)
}

// Credentials of a database do not stand on a command line, and no message repeats them. A stop
// goes on with them.
func TestNoCredentialsOnACommandLine(t *testing.T) {
	const store = "esdb://adm:hunter2@127.0.0.1:1?tls=true"
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_DIR="+t.TempDir())
	for words, says := range map[string][]string{
		"--store holds credentials": {"state", "--store", store},
		"is given twice":            {"state", "--store", store, "--store", "embedded:x"},
		"HOLDS":                     {"stop", "--emergency", "--reason", "x", "--store", store},
	} {
		r := s.Run(says...)
		require.Contains(t, r.Out+r.Err, words)
		require.NotContains(t, r.Out+r.Err, "hunter2")
	}
}

// What is printed to be typed can be typed, also an empty word.
func TestAnEmptyWordIsQuoted(t *testing.T) {
	require.Equal(t, "''", cli.Quoted(""))
}
