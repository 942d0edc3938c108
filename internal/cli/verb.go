package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/open"
)

// The verbs are the commands that need a running server: one for each route that a person's
// role may use. They live in the packages below; this file holds what they share.

// Sends marks a command that sends a request which may be resent. The command gets --key; its
// errors name flags where the server names fields; and if the outcome is unknown, the error
// says which key to resend it with.
func (a *App) Sends(c *cobra.Command) *cobra.Command {
	run, key := c.RunE, ""
	c.Flags().StringVar(&key, "key", "", "the Idempotency-Key, a UUID: sent again by the same user under the same key it happens once")
	c.RunE = func(c *cobra.Command, args []string) error {
		a.Again = uuid.NewString()
		if a.KeyGiven = c.Flags().Changed("key"); a.KeyGiven {
			id, err := uuid.Parse(key)
			if err != nil || len(key) != len(uuid.Nil.String()) {
				return Usage(domain.Invalid("--key", "must be a UUID, such as an earlier run printed"))
			}
			a.Again = id.String()
		}
		return a.keyed(c, a.byCommand(onFlags(c, run(c, args))))
	}
	return c
}

// Looks makes a command that lets trading go on one that says how to look what became of it,
// where nobody knows: sent again under an old key it might undo a stop.
func (a *App) Looks(c *cobra.Command) *cobra.Command {
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error { return a.looked(c, a.byCommand(run(c, args))) }
	return c
}

// looks are the events by which one sees what became of a command, by its name.
var looks = map[string]string{"start": "bot", "reset": "breaker", "clear": "emergency_stop", "confirm": "override"}

func (a *App) looked(c *cobra.Command, err error) error {
	if !a.Once {
		return err
	}
	words := []string{"state"}
	if of := looks[c.Name()]; of != "" {
		words = []string{"events", "--type", of}
	}
	return a.Unsure(err, words...)
}

// Unsure adds to an error that leaves open whether a command was recorded how to look, and how to
// end a server on this machine that does not answer.
func (a *App) Unsure(err error, words ...string) error {
	if err == nil || neverSent(err) || !lost(err) {
		return err
	}
	what := "it may have been recorded all the same; look before it is sent anew: " + a.Typed(words...)
	if hung := a.Unanswered(err); hung != "" && !errors.Is(err, context.Canceled) {
		what += ". The server does not answer: " + open.EndIt(hung) + ", and start it again"
	}
	if errors.Is(err, context.Canceled) { // the last word is only that it was interrupted
		a.Tell("%s", what)
		return err
	}
	return errors.Join(err, errors.New(what))
}

// keyed adds to an error that leaves open what was recorded how to send the command again:
// under the same key. What lets trading go on is not to be sent again like that, and what
// was refused, or never left this machine, needs no key.
func (a *App) keyed(c *cobra.Command, err error) error {
	var problem *client.Problem
	var refused *domain.Error
	switch {
	case err == nil, !a.sent, errors.As(err, &refused), neverSent(err):
		return err
	case a.Once:
		return a.looked(c, err)
	case errors.As(err, &problem):
		if !slices.Contains([]domain.Code{domain.CodeUnavailable, domain.CodeRateLimited, domain.CodeClock}, problem.Code()) {
			return err
		}
	case errors.Is(err, context.Canceled): // RunCommands prints only "interrupted"
		a.Tell("it may have been recorded; %s", a.SendAgain())
		return err
	case lost(err):
		return errors.Join(err, fmt.Errorf("it may have been recorded; %s", a.SendAgain()))
	}
	return errors.Join(err, errors.New(a.SendAgain()))
}

// SendAgain says how to send again what may have been recorded. A key is of a user: under that
// of another it is another request. What lets trading go on is not sent again: somebody may
// have stopped it since, and a server that was started anew does not remember.
func (a *App) SendAgain() string {
	if a.Starts {
		return fmt.Sprintf("look whether somebody has stopped its bots: %s\nthen take out of the file what starts bots, send the rest, as the same user, with --key %s, and start each bot by itself", a.Typed("state"), a.Again)
	}
	return "to send it again safely, add --key " + a.Again + ", as the same user"
}

// neverSent reports whether an error shows that no command was sent: it is about the usage,
// the printing, or the identity of the server.
func neverSent(err error) bool {
	var usage errUsage
	var said *ToldError
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	return errors.As(err, &usage) || errors.As(err, &said) || errors.As(err, &certificate) || errors.As(err, &name) ||
		errors.Is(err, client.ErrStranger) || errors.Is(err, client.ErrWrongScheme) || errors.Is(err, ErrNotPermitted)
}

// onFlags renames the wrong field in a server's problem to the flag or argument it came from.
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

// byCommand names the commands by which two people set a rule aside, where a server names the
// requests.
func (a *App) byCommand(err error) error {
	var p *client.Problem
	if !errors.As(err, &p) || !strings.Contains(p.Detail, "POST …/") && !strings.Contains(p.Detail, "an override of kind ") {
		return err
	}
	correct := a.Typed("correct", "MARKET", "--payouts", "OUTCOME=N", "--reason", "TEXT")
	said := *p
	said.Detail = strings.NewReplacer(
		"POST …/overrides of kind settlement", correct,
		"POST …/settlements/correct", correct,
		"POST …/settlements", a.Typed("settle", "MARKET", "--payouts", "OUTCOME=N"),
		"an override of kind payouts", a.Typed("override", "request", "payouts", "market=MARKET", "OUTCOME=N", "--reason", "TEXT"),
		"an override of kind settlement", correct,
		"an override of kind market_tokens", a.Typed("override", "request", "market_tokens", "market=MARKET", "OUTCOME=TOKEN", "--reason", "TEXT"),
		"an override of kind clock", a.Typed("override", "request", "clock", "--reason", "TEXT"),
		"POST …/overrides in the paper portfolio", a.AdviseElsewhere("PAPER", "override", "request", "go_live", "--for", "NAME", "--reason", "TEXT").String(),
		"POST …/overrides with kind adjustment", a.Typed("adjust", "ACCOUNT", "--add", "N", "--reason", "TEXT"),
		"POST …/overrides with kind treasury_policy", a.Typed("override", "request", "treasury_policy", "KEY=VALUE", "--reason", "TEXT"),
		"POST …/overrides", a.Typed("override", "request", "limits", "KEY=VALUE", "--reason", "TEXT"),
	).Replace(p.Detail)
	return &said
}

// Needed returns an error if one of the flags is missing.
func Needed(c *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if !c.Flags().Changed(name) {
			return Usage(domain.Invalid("--"+name, "is needed; see %s --help", c.CommandPath()))
		}
	}
	return nil
}

// AmountArg parses an argument that is an amount.
func AmountArg(name, text string) (domain.Decimal, error) {
	d, err := domain.ParseDecimal(text)
	if err != nil {
		return d, Usage(domain.Invalid(name, "%s", wrongAmount(err)))
	}
	return d, nil
}

// wrongAmount says what is wrong with an amount: its form, its size, or that it has more
// decimals than are kept.
func wrongAmount(err error) string {
	if text := err.Error(); !strings.HasPrefix(text, "is not a plain") && !strings.HasPrefix(text, "is empty") {
		return text
	}
	return "must be a plain decimal number, such as 250 or 0.5"
}

// Given returns the amount of a flag, or nil if the flag was not set.
func (d *DecimalFlag) Given(c *cobra.Command, name string) *domain.Decimal {
	if !c.Flags().Changed(name) {
		return nil
	}
	return &d.Decimal
}

// Next prints the command that most likely comes next, after a phrase about it.
func (a *App) Next(what string, words ...string) error {
	return a.NextIn(a.meant(), what, words...)
}

// NextIn is Next for another portfolio.
func (a *App) NextIn(portfolio, what string, words ...string) error {
	if a.JSON {
		return nil
	}
	p := a.Printer()
	p.Say(0, "next: %s:", what)
	p.Advice(a.AdviseIn(portfolio, words...))
	return p.Err
}

// Name returns how to call this program in a command to be copied: as it was called now,
// unless that was through PATH or go run.
func (a *App) Name() string {
	if !strings.Contains(a.Called, "/") || filepath.Base(a.Called) != "pets" || strings.HasPrefix(a.Called, os.TempDir()) {
		return "pets"
	}
	return Quoted(a.Called)
}

// Post sends one command to the portfolio and prints what it has recorded.
func (a *App) Post(ctx context.Context, path string, body any, what string) error {
	_, err := a.Posted(ctx, path, body, func(commands.Answer) string { return what })
	return err
}

// Posted is Post that returns the answer, too, and words what was done after it. Where only
// a note was recorded it says what the note says: that it was so before, or that it has no
// effect.
func (a *App) Posted(ctx context.Context, path string, body any, say func(commands.Answer) string) (answer commands.Answer, err error) {
	if err := a.ToServer(ctx, http.MethodPost, path, body, &answer); err != nil {
		return answer, err
	}
	if !Noted(answer.Events) {
		return answer, a.Done(answer, say(answer))
	}
	e, _ := a.Recorded(ctx, answer, domain.CommandNotedType) // nil is not said
	note, _ := e.(*domain.CommandNoted)
	return answer, a.done(answer, note, "nothing has changed")
}

// Noted reports whether a command changed nothing: a note is all that was recorded of it. What
// was due by then, such as a new day, may stand before the note.
func Noted(events []commands.EventRef) bool {
	return slices.ContainsFunc(events, func(e commands.EventRef) bool {
		return domain.EventName(e.Type) == domain.EventName(domain.CommandNotedType)
	})
}

// Recorded reads the first event of a type that a command recorded, nil for none.
func (a *App) Recorded(ctx context.Context, answer commands.Answer, eventType string) (event domain.Event, err error) {
	at := slices.IndexFunc(answer.Events, func(e commands.EventRef) bool { return domain.EventName(e.Type) == domain.EventName(eventType) })
	if at < 0 {
		return nil, nil
	}
	revision := answer.Events[at].Revision
	err = a.EachEvent(ctx, EventQuery{After: int64(revision) - 1, Limit: 1}, func(line EventLine) error { //nolint:gosec // no stream is that long
		if line.Revision != revision {
			return domain.Errorf(domain.CodeDenied, "this key is not shown revision %d", revision)
		}
		event, err = domain.Decode(line.Type, line.Data)
		return cmp.Or(err, ErrEnough)
	})
	if errors.Is(err, ErrEnough) {
		err = nil
	}
	return event, err
}

// ErrEnough ends the reading of events, for one who has seen enough.
var ErrEnough = errors.New("that is enough")

// DecimalFlag is an amount on the command line.
type DecimalFlag struct{ domain.Decimal }

// Type implements pflag.Value.
func (d *DecimalFlag) Type() string { return "amount" }

// Set implements pflag.Value.
func (d *DecimalFlag) Set(s string) error {
	v, err := domain.ParseDecimal(s)
	if err != nil {
		return errors.New(wrongAmount(err))
	}
	d.Decimal = v
	return nil
}

// ErrNotPermitted makes a denial exit with a failure, so that a script does not place the order.
var ErrNotPermitted = errors.New("not permitted: place no order")

// ReasonNeeded refuses a missing reason before anything is sent.
func ReasonNeeded(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return Usage(domain.Invalid("--reason", "is needed; it is kept with the record"))
	}
	return nil
}
