package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
)

// order is what an operator wants done: as a request to the server that holds the
// store, or as a command where none does.
type order struct {
	path    string // below the portfolio, or a whole one that begins with /v1
	body    any
	command commands.Command
}

// carryOut sends an order to the server that is named or holds the folder, and else opens
// the folder as os:<user>, role operator.
func (a *app) carryOut(ctx context.Context, o order) (commands.Answer, error) {
	var answer commands.Answer
	a.once = commands.GoesOn(o.command.Name())
	err := a.way(ctx, aPortfolio, commands.ClassOf(o.command) == commands.ClassStop, func(e *commands.Engine) error {
		var err error
		answer, err = e.Do(ctx, a.config.Portfolio, a.own(o.command))
		return err
	}, func() error { return a.toServer(ctx, http.MethodPost, o.path, o.body, &answer) })
	return answer, err
}

// own is a command of the person at this machine.
func (a *app) own(c commands.Command) commands.Request {
	return commands.Request{Caller: domain.Caller{User: osUser(), Role: domain.RoleOperator}, Key: uuid.NewString(), Command: c}
}

// done says what an order recorded.
func (a *app) done(answer commands.Answer, what string) error {
	if a.json {
		return told(what, a.printJSON(answer))
	}
	p := a.printer()
	p.line("%s (revision %d)", what, answer.Revision)
	if answer.ClockBehind > 0 {
		p.line("  the clock is %s behind the last record, whose time this has", answer.ClockBehind)
	}
	for _, d := range answer.Directives {
		p.line("  %s: %v (%s)", d.Action, d.Bots, d.Reason)
	}
	return told(what, p.err)
}

// toldError is what went wrong after something was done, as to stop it: that it was not must
// not be said.
type toldError struct{ error }

// told makes of an error of printing what was done and could not be printed.
func told(what string, err error) error {
	if err == nil {
		return nil
	}
	return &toldError{fmt.Errorf("%s; only this could not be written where it was to be read: %w", what, err)}
}

func reasonOf(reason string) any {
	return struct {
		Reason string `json:"reason,omitempty"`
	}{reason}
}

// printable is a reason as it can be recorded, so that no stop is refused for its words:
// on one line, and no longer than a reason may be.
func (a *app) printable(reason string) string {
	line := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(reason, " "))
	line = strings.Join(strings.Fields(line), " ")
	cut := line
	for cut != "" && domain.CheckReason("--reason", cut) != nil {
		_, last := utf8.DecodeLastRuneInString(cut)
		cut = cut[:len(cut)-last]
	}
	if cut != line {
		a.caution(fmt.Sprintf("--reason is too long: its first %d bytes are kept with the record", len(cut)))
	}
	return cut
}

func (e *toldError) Unwrap() error { return e.error }
