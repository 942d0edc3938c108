package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Every command line that is printed to be copied is made here. It names the portfolio and the
// store that are meant: whoever types it may have other settings, or be another person.

// targetFlags say where a command goes; --key is of one run.
var targetFlags = []string{"portfolio", "server", "store", "key"}

// aimed are the words of a command with the flags that say which portfolio of which store is
// meant.
func (a *App) aimed(portfolio, server, store string, words ...string) []string {
	words = append([]string{a.Name()}, words...)
	for _, f := range []struct{ name, value string }{{"-p", portfolio}, {"--server", server}, {"--store", store}} {
		if f.value != "" {
			words = append(words, f.name, Quoted(f.value))
		}
	}
	return words
}

// Command prints a command as it has to be typed: with the flags of this run that say
// which portfolio of which store is meant. One that is too long goes on below.
func (a *App) Command(p *Printer, words ...string) {
	p.command("    ", a.aimed(a.PortfolioFlag, a.server, a.StoreFlag, words...))
}

// CommandForAnother is Command for another person, whose settings are not known here: it
// always names the portfolio.
func (a *App) CommandForAnother(p *Printer, words ...string) {
	p.command("    ", a.aimed(cmp.Or(a.PortfolioFlag, a.Config.Portfolio), a.server, a.StoreFlag, words...))
}

// Typed is a command within a sentence. It names the portfolio, also where this run had it
// from the settings.
func (a *App) Typed(words ...string) string {
	return strings.Join(a.aimed(a.Config.Portfolio, a.server, a.StoreFlag, quoted(words)...), " ")
}

// TypedHere is Typed for a command that no portfolio is named to, as it looks at a file.
func (a *App) TypedHere(words ...string) string {
	return strings.Join(append([]string{a.Name()}, quoted(words)...), " ")
}

// retyped is the command of this run, on the folder of a store where one is given.
func (a *App) retyped(store string, more ...string) string {
	words, portfolio := []string{}, a.Config.Portfolio
	if c := a.typed; c != nil {
		words = append(words, strings.Fields(c.CommandPath())[1:]...)
		args := c.Flags().Args()
		last := slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-") })
		if !last {
			words = append(words, quoted(args)...)
		}
		c.Flags().Visit(func(f *pflag.Flag) { words = append(words, flagWords(f)...) })
		if everywhere, _ := c.Flags().GetBool("everywhere"); everywhere { // false where there is no such flag
			portfolio = ""
		}
		if last {
			more = append(slices.Clone(more), append([]string{"--"}, quoted(args)...)...)
		}
	}
	server := a.server
	if store != "" {
		server = ""
	}
	return strings.Join(append(a.aimed(portfolio, server, cmp.Or(store, a.StoreFlag), words...), more...), " ")
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
			words = append(words, "--"+f.Name+"="+Quoted(v))
		default:
			words = append(words, "--"+f.Name, Quoted(v))
		}
	}
	return words
}

func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = Quoted(w)
	}
	return out
}
