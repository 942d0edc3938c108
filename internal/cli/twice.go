package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pets/domain"
)

// A flag that takes one value is not given two: which of them was meant, nobody knows.

// valued is the value of such a flag, and all that was given for it.
type valued struct {
	pflag.Value
	given []string
}

// Set implements pflag.Value.
func (v *valued) Set(text string) error {
	if err := v.Value.Set(text); err != nil {
		return err
	}
	v.given = append(v.given, v.Value.String())
	return nil
}

// countGiven makes every flag below a command that takes one value remember what was given.
func countGiven(c *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{c.PersistentFlags(), c.Flags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			_, list := f.Value.(pflag.SliceValue)
			_, counted := f.Value.(*valued)
			if !list && !counted {
				f.Value = &valued{Value: f.Value}
			}
		})
	}
	for _, below := range c.Commands() {
		countGiven(below)
	}
}

// givenTwice are the flags of a command that were given with two values, in the order of
// their names. What says where a command goes, or only yes, may be said again.
func givenTwice(c *cobra.Command) []*pflag.Flag {
	var twice []*pflag.Flag
	c.Flags().Visit(func(f *pflag.Flag) {
		v, counted := f.Value.(*valued)
		if !counted || len(v.given) < 2 {
			return
		}
		same := !slices.ContainsFunc(v.given, func(text string) bool { return text != v.given[0] })
		if !same || v.Type() != "bool" && !slices.Contains(targetFlags, f.Name) {
			twice = append(twice, f)
		}
	})
	return twice
}

// once refuses a command with a flag that has two values. A stop fails only where it is not
// known what to stop: of anything else it takes the last.
func (a *App) once(c *cobra.Command) error {
	a.typed = c
	undone := "NOT stopped: --"
	if c.Name() != "stop" { // what is revoked or rejected
		undone = "NOT done: --"
	}
	for _, f := range givenTwice(c) {
		all := f.Value.(*valued).given //nolint:forcetypeassert,errcheck // givenTwice returns no other
		what := fmt.Sprintf("is given twice, with %s", strings.Join(quoted(all), " and "))
		switch {
		case !is(c, noteStops):
			return Usage(domain.Invalid("--"+f.Name, "%s: name the one that is meant", what))
		case f.Value.Type() != "bool" && !slices.Contains(targetFlags, f.Name):
			a.Caution(fmt.Sprintf("--%s %s. It goes on, with the last", f.Name, what))
		case f.Name == "portfolio":
			return Usage(domain.Invalid(undone+f.Name, "%s. Name the one that is meant, or each of them: %s", what, strings.Join(a.inEach(all), "; ")))
		default:
			return Usage(domain.Invalid(undone+f.Name, "%s: name the one that is meant", what))
		}
	}
	return nil
}

// inEach is the command of this run in each of these portfolios.
func (a *App) inEach(portfolios []string) []string {
	defer func(before string) { a.Config.Portfolio = before }(a.Config.Portfolio)
	var lines []string
	for _, one := range portfolios {
		a.Config.Portfolio = one
		if line := a.retyped(""); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}
