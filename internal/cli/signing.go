package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pets/commands/client"
	"pets/domain"
	"pets/domain/approval"
	"pets/internal/approverkey"
	"pets/internal/vault"
	"pets/projections"
)

// A signed approval is made here, for every command of a second person: what the server
// says stands to be approved is compared with what was typed, shown line by line, and
// signed as it was shown. What is signed is never read a second time.

// WithKey adds --with, the file of the approver's key.
func WithKey(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "with", "", "the `file` of your approver's key (PETS_APPROVER_KEY)")
}

// ApproverKeyFile returns where the approver's key of this user is: with, the setting,
// or the user's folder of settings.
func (a *App) ApproverKeyFile(with string) (string, error) {
	switch {
	case with != "":
		return with, nil
	case a.Config.ApproverKey != "":
		return a.Config.ApproverKey, nil
	}
	home := a.variable("XDG_CONFIG_HOME")
	if home == "" && a.variable("HOME") != "" {
		home = filepath.Join(a.variable("HOME"), ".config")
	}
	if !filepath.IsAbs(home) {
		return "", Usage(domain.Invalid("--with", "is needed: neither HOME nor PETS_APPROVER_KEY says where the approver's key is"))
	}
	return filepath.Join(home, "pets", "approver.key"), nil
}

// variable returns a variable of the environment, "" if it is not set.
func (a *App) variable(name string) string {
	value := ""
	for _, v := range a.Environ {
		if after, is := strings.CutPrefix(v, name+"="); is {
			value = after
		}
	}
	return value
}

// Signed is the body of an approval, or a part of it; without a signature it is empty.
type Signed struct {
	Signature *domain.ApprovalSignature `json:"signature,omitempty"`
}

// ToSign is an approval that has to be signed.
type ToSign struct {
	a       *App
	subject approval.Subject
	key     *approverkey.Key
}

// ToSign reads from the server what stands to be approved. It returns nil if that is not
// signed, or if nothing of that name waits: the server then decides about the command.
// known are the lines that this command knows itself, nil for none.
func (a *App) ToSign(ctx context.Context, kind, id, with string, known []string) (*ToSign, error) {
	var v projections.Approval
	err := a.FromServer(ctx, "/approvals/"+kind+"/"+url.PathEscape(id), &v)
	var problem *client.Problem
	switch {
	case errors.As(err, &problem) && problem.Code() == domain.CodeNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case !v.Signed || v.ApprovedBy != "":
		return nil, nil
	}
	return a.toSign(v.Subject, approval.Subject{Portfolio: a.Config.Portfolio, Kind: kind, Lines: known}, kind+": "+id, with)
}

// ToVouch is ToSign for the word for another approver's key, whose subject and lines the
// caller has.
func (a *App) ToVouch(id, with string, shown approval.Subject, known []string) (*ToSign, error) {
	return a.toSign(shown, approval.Subject{Portfolio: approval.SystemPortfolio, Kind: approval.KindApprover, Lines: known}, "approver: "+id, with)
}

func (a *App) toSign(shown, meant approval.Subject, first, with string) (*ToSign, error) {
	if err := a.sameSubject(shown, meant, first); err != nil {
		return nil, err
	}
	if !a.hasTerminal() {
		return nil, Usage(fmt.Errorf("this approval is signed: a person reads it and types the passphrase of the key, at a terminal. It is read from no pipe, file or variable, and no flag stands for it. What waits: %s", a.Typed("approvals")))
	}
	path, err := a.ApproverKeyFile(with)
	if err != nil {
		return nil, err
	}
	key, err := approverkey.Open(path)
	if err != nil {
		return nil, err
	}
	return &ToSign{a: a, subject: shown, key: key}, nil
}

// sameSubject refuses a subject that is not of what was typed. A server that is in other
// hands must not have one thing signed where another one was meant.
func (a *App) sameSubject(shown, meant approval.Subject, first string) error {
	what := ""
	switch {
	case shown.Portfolio != meant.Portfolio:
		what = fmt.Sprintf("of portfolio %q, not of %s", shown.Portfolio, meant.Portfolio)
	case shown.Kind != meant.Kind:
		what = fmt.Sprintf("of kind %q, not %s", shown.Kind, meant.Kind)
	case len(shown.Lines) == 0 || shown.Lines[0] != first:
		what = fmt.Sprintf("not of %q", first)
	case meant.Lines != nil && !slices.Equal(shown.Lines, meant.Lines):
		what = "not what the server shows elsewhere"
		for i, line := range shown.Lines {
			if i >= len(meant.Lines) || line != meant.Lines[i] {
				what += fmt.Sprintf(" (%q)", line)
				break
			}
		}
	default:
		_, err := shown.Text() // says what cannot be read
		return err
	}
	return domain.Errorf(domain.CodeDenied, "nothing was signed: what the server gives to sign is %s. It does not tell the truth: %s", what, a.Typed("stop", "--emergency", "--kind", "security_breach"))
}

// Sign shows the lines, asks for the passphrase and signs what was shown. Of nil, which
// needs no signature, it returns none.
func (s *ToSign) Sign(ctx context.Context) (*domain.ApprovalSignature, error) {
	if s == nil {
		return nil, nil
	}
	p := s.a.Notes()
	p.Line("You sign, for portfolio %s of %s (%s):", s.subject.Portfolio, s.subject.Ledger, s.subject.Kind)
	p.Line("")
	for _, line := range s.subject.Lines {
		p.Whole("  " + line) // as it is signed, never broken
	}
	p.Line("")
	if p.Err != nil {
		return nil, p.Err
	}
	if err := vault.Harden(); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		phrase, err := s.a.passphrase(ctx, fmt.Sprintf("Passphrase of key %s (it is not shown; Ctrl-C signs nothing): ", s.key.Public().Fingerprint()))
		if err != nil {
			return nil, err
		}
		g, err := s.key.Sign(s.subject, phrase)
		clear(phrase)
		if errors.Is(err, approverkey.ErrPassphrase) && try < tries && s.a.Secret == nil {
			s.a.Tell("%v. Try again.", err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("nothing was signed: %w", err)
		}
		return &g, nil
	}
}

// NewPassphrase asks for a new passphrase, twice. The caller wipes it.
func (a *App) NewPassphrase(ctx context.Context) ([]byte, error) {
	if !a.hasTerminal() {
		return nil, Usage(errors.New("the passphrase of a key is typed by a person at a terminal; it is read from no pipe, file or variable, and no flag stands for it"))
	}
	first, err := a.passphrase(ctx, fmt.Sprintf("A passphrase for the key, %d characters or more (it is not shown): ", approverkey.Shortest))
	if err != nil {
		return nil, err
	}
	if err := approverkey.CheckPassphrase(first); err != nil {
		clear(first)
		return nil, err
	}
	again, err := a.passphrase(ctx, "The same passphrase again: ")
	defer clear(again)
	if err == nil && !bytes.Equal(first, again) {
		err = errors.New("these are two different passphrases; no key was made")
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

// errTerminal returns the terminal of standard input and standard error, at which a
// person is asked whatever standard output is.
func (a *App) errTerminal() (*Prompter, bool) {
	out, is := a.Err.(*os.File)
	if a.In == nil || !is || !term.IsTerminal(int(a.In.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return nil, false
	}
	return &Prompter{in: a.In, out: out, width: a.Columns}, true
}

func (a *App) hasTerminal() bool {
	_, is := a.errTerminal()
	return is || a.Secret != nil
}

func (a *App) passphrase(ctx context.Context, question string) ([]byte, error) {
	if a.Secret != nil {
		return a.Secret(question), nil
	}
	p, _ := a.errTerminal()
	return p.secret(ctx, question)
}
