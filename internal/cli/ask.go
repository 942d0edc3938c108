package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"pets/domain"
)

// ErrNotAgreed is returned when a person answers no.
var ErrNotAgreed = errors.New("not agreed to; nothing was sent")

// Question is what a person has to agree to before a command acts.
type Question struct {
	// Text is the question, such as "Approve x41?".
	Text string
	// Yes reports that --yes was given: the question is skipped.
	Yes bool
	// Seen reports that a flag names exactly what was looked at. Without a terminal it counts as a yes.
	Seen bool
	// Flag is what an error tells the user to add where there is no terminal.
	Flag string
	// At is the terminal of a command of questions and answers: it is asked there, whatever
	// standard error is, and --json does not change that.
	At *Prompter
}

// AskFirst adds --yes to a command that asks before it acts.
func AskFirst(c *cobra.Command, yes *bool, usage string) {
	c.Flags().BoolVar(yes, "yes", false, usage)
	noted(c, noteAsks)
}

// Agree is the one way to ask for a yes: y or yes, typed at a terminal. Any other answer is
// a no. Without a terminal, and with --json, it does not ask, and only the flags of the
// command line count.
func (a *App) Agree(ctx context.Context, q Question) error {
	if q.At == nil && q.Flag == "" {
		return domain.Errorf(domain.CodeInternal, "the question %q names no flag for where there is no terminal", q.Text)
	}
	if q.Yes {
		return nil
	}
	yes, terminal := false, false
	if !a.JSON || q.At != nil {
		var err error
		if yes, terminal, err = a.askYes(ctx, q); err != nil {
			return err
		}
	}
	switch {
	case yes, !terminal && q.Seen:
		return nil
	case !terminal:
		return Usage(fmt.Errorf("there is no terminal to ask at: add %s", q.Flag))
	}
	return ErrNotAgreed
}

// askYes asks where the command asks everything else, or on standard error, so that an answer
// on standard output can go elsewhere.
func (a *App) askYes(ctx context.Context, q Question) (yes, terminal bool, err error) {
	if a.Ask != nil {
		yes, terminal = a.Ask(q.Text)
		return yes, terminal, nil
	}
	p := q.At
	if p == nil {
		var is bool
		if p, is = a.errTerminal(); !is {
			return false, false, nil
		}
	}
	answer, err := p.Line(ctx, q.Text+" [y/N] ")
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), true, err
}
