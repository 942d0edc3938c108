package cli

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Every command line that is printed to be copied is made here. It names the portfolio and the
// store that are meant: whoever types it may have other settings, or be another person. What a
// confirmation is called (c21) is unique within a portfolio only.

// targetFlags say where a command goes; --key is of one run.
var targetFlags = []string{"portfolio", "server", "store", "key"}

// unaimed lists the commands that no portfolio is named to: they are of a machine or of a whole
// server, or have the portfolio as an argument. Every other one names it.
var unaimed = []string{"apikey", "approver", "bench", "cold sign", "init", "keys", "migrate", "portfolio", "serve", "status", "verify", "version"}

// Advice is a command line to be copied. Only the functions below make one, so that there is
// none that leaves open which portfolio it is for.
type Advice struct{ words []string }

// Unsaid stands for what a person fills in.
const Unsaid = `"…"`

// UnknownPortfolio stands for a portfolio that the settings name and that cannot be read.
const UnknownPortfolio = "PORTFOLIO"

// Advise makes a command for the portfolio of this run, at the target of this run.
func (a *App) Advise(words ...string) Advice { return a.AdviseIn(a.meant(), words...) }

// AdviseIn is Advise for another portfolio.
func (a *App) AdviseIn(portfolio string, words ...string) Advice {
	return a.aimed(portfolio, a.server, a.StoreFlag, words...)
}

// AdviseElsewhere is AdviseIn for a command that is typed at another machine, or that looks at a
// file: it names neither server nor store.
func (a *App) AdviseElsewhere(portfolio string, words ...string) Advice {
	return a.aimed(portfolio, "", "", words...)
}

// meant is the portfolio of this run. One that the settings name and that cannot be read is not
// guessed.
func (a *App) meant() string {
	if a.unknownPortfolio {
		return UnknownPortfolio
	}
	return a.Config.Portfolio
}

// aimed adds to a command the flags that say which portfolio of which store is meant.
func (a *App) aimed(portfolio, server, store string, words ...string) Advice {
	words = slices.Clone(words)
	typed := strings.Join(words, " ") + " "
	if slices.Contains(words, "--everywhere") || slices.ContainsFunc(unaimed, func(of string) bool { return strings.HasPrefix(typed, of+" ") }) {
		portfolio = ""
	}
	if a.staysHere(words) {
		server = ""
	}
	var flags []string
	for _, f := range []struct{ name, value string }{{"-p", portfolio}, {"--server", server}, {"--store", store}} {
		if f.value != "" {
			flags = append(flags, f.name, f.value)
		}
	}
	end := slices.Index(words, "--") // what follows is no flag
	if end < 0 {
		end = len(words)
	}
	words = slices.Insert(words, end, flags...)
	return Advice{append([]string{a.Name()}, words...)}
}

// staysHere reports whether a command takes no --server.
func (a *App) staysHere(words []string) bool {
	if a.typed == nil {
		return false
	}
	c, _, err := a.typed.Root().Find(words)
	return err == nil && is(c, noteLocal)
}

// String is the command as a shell takes it.
func (c Advice) String() string {
	if c.IsZero() {
		return ""
	}
	return strings.Join(append([]string{c.words[0]}, quoted(c.words[1:])...), " ")
}

// IsZero reports whether there is no command.
func (c Advice) IsZero() bool { return len(c.words) == 0 }

// Equal reports whether two are the same command.
func (c Advice) Equal(other Advice) bool { return slices.Equal(c.words, other.words) }

// MarshalJSON gives the words of the command, without the name of the program.
func (c Advice) MarshalJSON() ([]byte, error) { return json.Marshal(c.words[min(1, len(c.words)):]) }

// UnmarshalJSON reads what MarshalJSON has written.
func (c *Advice) UnmarshalJSON(data []byte) error {
	var words []string
	err := json.Unmarshal(data, &words)
	if len(words) > 0 {
		c.words = append([]string{"pets"}, words...)
	}
	return err
}

// Advice prints a command in a line of its own. One that is too long goes on below.
func (p *Printer) Advice(c Advice) {
	if !c.IsZero() {
		p.command("    ", append([]string{c.words[0]}, quoted(c.words[1:])...))
	}
}

// Command prints a command for the portfolio of this run in a line of its own.
func (a *App) Command(p *Printer, words ...string) { p.Advice(a.Advise(words...)) }

// Typed is such a command within a sentence.
func (a *App) Typed(words ...string) string { return a.Advise(words...).String() }

// retyped is the command of this run, on the folder of a store where one is given.
func (a *App) retyped(store string) string {
	var words, more []string
	if c := a.typed; c != nil {
		words = append(words, strings.Fields(c.CommandPath())[1:]...)
		args := c.Flags().Args()
		last := slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-") })
		if !last {
			words = append(words, args...)
		}
		c.Flags().Visit(func(f *pflag.Flag) { words = append(words, flagWords(f)...) })
		if last {
			more = append([]string{"--"}, args...)
		}
	}
	server := a.server
	if store != "" {
		server = ""
	}
	again := a.aimed(a.meant(), server, cmp.Or(store, a.StoreFlag), words...)
	return Advice{append(again.words, more...)}.String()
}

// flagWords are the words of a flag as it was given.
func flagWords(f *pflag.Flag) []string {
	if slices.Contains(targetFlags, f.Name) {
		return nil
	}
	values := []string{f.Value.String()}
	if list, is := f.Value.(pflag.SliceValue); is {
		values = list.GetSlice()
	}
	var words []string
	for _, v := range values {
		switch {
		case f.Value.Type() == "bool" && v == "true":
			words = append(words, "--"+f.Name)
		case f.Value.Type() == "bool" || strings.HasPrefix(v, "-"):
			words = append(words, "--"+f.Name+"="+v)
		default:
			words = append(words, "--"+f.Name, v)
		}
	}
	return words
}

func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		if out[i] = w; w != Unsaid {
			out[i] = Quoted(w)
		}
	}
	return out
}
