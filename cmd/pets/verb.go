package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands/client"
	"pets/domain"
)

// The verbs are what a person does with a running server: one command for each route that
// a person's role may use. They live in verb_*.go; a test loops over the routes.

// verbCommands are all of them, but for those that look back.
func (a *app) verbCommands() []*cobra.Command {
	return []*cobra.Command{
		local(a.initCommand()), views(a.statusCommand()), a.portfolioCommand(), views(a.limitsCommand()), a.overrideCommand(),
		a.sends(a.depositCommand()), a.sends(a.withdrawCommand()), a.sends(a.feeCommand()), a.sends(a.adjustCommand()),
		a.botCommand(), a.marketCommand(), a.sends(a.markCommand()), a.sends(a.settleCommand()),
		a.permitCommand(), a.fillCommand(), a.sends(a.tradeCommand()), a.sends(a.signCommand()), a.sends(a.batchCommand()),
	}
}

// sends makes a command one that sends a request which may be sent again: it gets --key,
// its errors name flags where the server names fields, and where nobody knows what became
// of the request it says under which key to send it again.
func (a *app) sends(c *cobra.Command) *cobra.Command {
	run, key := c.RunE, ""
	c.Flags().StringVar(&key, "key", "", "the Idempotency-Key, a UUID: sent again under the same key it happens once")
	c.RunE = func(c *cobra.Command, args []string) error {
		a.again = uuid.NewString()
		if c.Flags().Changed("key") {
			id, err := uuid.Parse(key)
			if err != nil || len(key) != len(uuid.Nil.String()) {
				return errUsage{domain.Invalid("--key", "must be a UUID, such as an earlier run printed")}
			}
			a.again = id.String()
		}
		return a.keyed(onFlags(c, run(c, args)))
	}
	return c
}

// keyed adds to an error that leaves open what was recorded how to send the command again:
// under the same key. What lets trading go on is not to be sent again like that, and what
// was refused, or never left this machine, needs no key.
func (a *app) keyed(err error) error {
	var problem *client.Problem
	var refused *domain.Error
	switch {
	case err == nil, a.once, errors.As(err, &refused), neverSent(err):
		return err
	case errors.As(err, &problem):
		if !slices.Contains([]domain.Code{domain.CodeUnavailable, domain.CodeRateLimited, domain.CodeClock}, problem.Code()) {
			return err
		}
	case errors.Is(err, context.Canceled): // the last word is only that it was interrupted
		_, _ = fmt.Fprintf(a.err, "pets: it may have been recorded all the same; sent again with --key %s it happens once\n", a.again)
		return err
	case lost(err):
		return fmt.Errorf("%w\nit may have been recorded all the same; sent again with --key %s it happens once", err, a.again)
	}
	return fmt.Errorf("%w\nto be sure that it happens once, send it again with --key %s", err, a.again)
}

// neverSent reports whether an error is about what was typed or printed here, or about who
// answers there: then no command was on its way.
func neverSent(err error) bool {
	var usage errUsage
	var said *toldError
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	return errors.As(err, &usage) || errors.As(err, &said) || errors.As(err, &certificate) || errors.As(err, &name) ||
		errors.Is(err, client.ErrStranger) || errors.Is(err, client.ErrWrongScheme) || errors.Is(err, errNotPermitted)
}

// onFlags names the flag, or the argument, where a server names the field of the request that is wrong.
func onFlags(c *cobra.Command, err error) error {
	var p *client.Problem
	if !errors.As(err, &p) || p.Field == "" {
		return err
	}
	name, argument := "--"+strings.ReplaceAll(p.Field, "_", "-"), strings.ToUpper(p.Field)
	about, is := strings.CutPrefix(p.Detail, p.Field+" ")
	switch {
	case !is:
		return err
	case slices.Contains(strings.Fields(c.Use), argument):
		name = argument
	case c.Flags().Lookup(name[2:]) == nil:
		return err
	}
	said := *p
	said.Detail = name + " " + about
	return &said
}

// needed refuses a command that lacks one of its flags.
func needed(c *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if !c.Flags().Changed(name) {
			return errUsage{domain.Invalid("--"+name, "is needed; see %s --help", c.CommandPath())}
		}
	}
	return nil
}

// amountArg reads an argument that is an amount.
func amountArg(name, text string) (domain.Decimal, error) {
	d, err := domain.ParseDecimal(text)
	if err != nil {
		return d, errUsage{domain.Invalid(name, "must be a plain decimal number, such as 250 or 0.5")}
	}
	return d, nil
}

// given is a flag's amount where it was set, nil where not.
func (d *decimalFlag) given(c *cobra.Command, name string) *domain.Decimal {
	if !c.Flags().Changed(name) {
		return nil
	}
	return &d.Decimal
}

// next prints the command that most likely comes next, after a word about it.
func (a *app) next(what string, words ...string) error { return a.nextIn(a.portfolio, what, words...) }

// nextIn is next for another portfolio, "" for that of the settings.
func (a *app) nextIn(portfolio, what string, words ...string) error {
	if a.json {
		return nil
	}
	defer func(before string) { a.portfolio = before }(a.portfolio)
	a.portfolio = portfolio
	p := a.printer()
	p.say(0, "next: %s:", what)
	a.command(p, words...)
	return p.err
}

// name is how this program is called in a command that is printed to be copied: as it was
// called now, unless that was by the search path or by go run.
func (a *app) name() string {
	if !strings.Contains(a.called, "/") || filepath.Base(a.called) != "pets" || strings.HasPrefix(a.called, os.TempDir()) {
		return "pets"
	}
	return quoted(a.called)
}
