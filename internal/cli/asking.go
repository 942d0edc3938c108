package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/open"
	"pets/replay"
)

// refusedFor is how long a refused connection to a server on this machine is retried: long
// enough for a server that is restarting.
const refusedFor = time.Second

// Asking returns the options of a client that asks a server on behalf of a person, and so
// says what it is waiting for.
func (a *App) Asking(r *Remote) client.Options {
	o := client.Options{URL: r.URL, Key: a.Config.Key.Reveal(), CAFile: r.ca, Proof: r.proof, Patience: a.Patience, Within: a.Within, Once: a.Once, OwnKeys: true}
	if u, err := url.Parse(r.URL); r.Way != nil || err == nil && onLoopback(u) {
		o.Refused = refusedFor
	}
	o.Replayed = func() { a.replayed = a.KeyGiven } // under a key of this run it is this run's own, sent twice
	o.Waiting = func(why error, left time.Duration) {
		reason := "no answer yet"
		if why != nil {
			reason = why.Error()
		}
		under := ""
		if a.sent && a.Again != "" && !a.Stopping && (!a.Once || a.Starts) { // said now: this process may end without a word
			under = "; it was sent under --key " + a.Again
		}
		if a.waits == r.String()+under {
			return
		}
		a.waits = r.String() + under
		a.Tell("waiting for %s: %s; giving up in %d s; Ctrl-C stops waiting%s", r, reason, int(left.Seconds()+0.5), under)
	}
	return o
}

// Bounded limits how long a stop waits for one server, until the function it returns is
// called. The limit is shorter if there is another way to stop.
func (a *App) Bounded(another bool) func() {
	patience, within := a.Patience, a.Within
	a.Within = socketPatience
	if another {
		a.Within = socketAfter
	}
	if a.Patience == 0 {
		a.Patience = a.Within
	}
	return func() { a.Patience, a.Within = patience, within }
}

// Explained adds to an error where the request failed and what a person can do about it.
func (a *App) Explained(ctx context.Context, r *Remote, o client.Options, err error) error {
	var problem *client.Problem
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &problem) && problem.Code() == client.CodeForeign:
		return fmt.Errorf("%s: %w (status %d): something else answers there, such as another program or the metrics of pets serve; its API is at PETS_LISTEN of its machine", r, err, problem.Status)
	case errors.As(err, &problem):
		return a.portfolioNamed(ctx, r, o, problem, err)
	case errors.As(err, &certificate):
		return fmt.Errorf("%s: %w; if the server made its own certificate, set PETS_CA to a copy of its tls/cert.pem (PETS_DIR of its machine)", r, err)
	case errors.Is(err, client.ErrWrongScheme):
		return fmt.Errorf("%s: %w", r, err)
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Errorf("%s: there is no such host: %w", r, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: no server listens there: %w", r, err)
	}
	return err
}

// portfolioNamed rewrites the server's answer about an unknown portfolio, so that it reads
// the same as for a folder. It leaves every other problem as it is.
func (a *App) portfolioNamed(ctx context.Context, r *Remote, o client.Options, p *client.Problem, err error) error {
	said := *p
	switch {
	case p.Code() != domain.CodeNotFound:
		return err
	case p.Detail == "the portfolio did not exist yet at that time":
		said.Detail = notYet(a.Config.Portfolio).Message
	case p.Detail == "there is no such portfolio":
		var there struct {
			Portfolios []struct {
				Portfolio string `json:"portfolio"`
			} `json:"portfolios"`
		}
		var ids []string
		if r.Way != nil { // a stop socket takes stops, and lists nothing
			ids = a.inFolder(ctx)
		}
		o.Patience, o.Within = refusedFor, refusedFor
		if len(ids) == 0 && (r.Way != nil || a.send(ctx, o, http.MethodGet, "/v1/portfolios", nil, &there) != nil) {
			return err
		}
		for _, one := range there.Portfolios {
			ids = append(ids, one.Portfolio)
		}
		if len(ids) == 0 || slices.Contains(ids, a.Config.Portfolio) { // made since it was asked
			return err
		}
		said.Detail = notThere(a.Config.Portfolio, ids).Message
	default:
		return err
	}
	return &said
}

// inFolder lists the portfolios in the folder of this run, nil where it cannot be read.
func (a *App) inFolder(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, refusedFor)
	defer cancel()
	store, err := a.OpenReader()
	if err != nil {
		return nil
	}
	defer func() { _ = store.Close() }() // it was only read
	ids, err := replay.Portfolios(ctx, store)
	if err != nil {
		return nil
	}
	return ids
}

func notYet(portfolio string) *domain.Error {
	return domain.Errorf(domain.CodeNotFound, "portfolio %s did not exist yet at that time", portfolio)
}

func notThere(portfolio string, ids []string) *domain.Error {
	return domain.Errorf(domain.CodeNotFound, "there is no portfolio %s in this store; it has %s (--portfolio NAME)", portfolio, strings.Join(ids, ", "))
}

// Unreasoned is the reason recorded for a stop without one: a stop never fails for lack of a reason.
const Unreasoned = "stopped by a person, who gave no reason"

// NotStopped makes the error of a failed stop say that nothing was stopped and, unless the
// server has decided, what to do next.
func (a *App) NotStopped(err error) error {
	if told := (*ToldError)(nil); errors.As(err, &told) {
		return err
	}
	if err == nil || Decided(err) || refused(err) {
		return wrapped("NOT stopped: %w", err)
	}
	what := "NOT stopped"
	if lost(err) { // the request may have arrived
		what = "NOT stopped, as far as is known here; it may have been recorded"
	}
	if errors.Is(err, context.Canceled) { // RunCommands prints only "interrupted"
		a.Tell("%s", what)
	}
	return fmt.Errorf("%s: %w. Next: %s", what, err, a.afterNoStop(err))
}

// refused reports whether the engine of a folder has decided: retrying here would not change it.
func refused(err error) bool {
	code := domain.CodeOf(err)
	return code != "" && code != domain.CodeUnavailable && code != domain.CodeInternal && !open.IsNowhere(err)
}

// afterNoStop is what to do when a stop did not get through; never what was just tried. The
// commands in it stop what was to be stopped, and nothing else.
func (a *App) afterNoStop(err error) string {
	t, _ := a.Target()
	dir, k := t.Dir, (*open.Keeper)(nil)
	if t.URL != "" {
		if dir, k = "DIR", a.keeperAt(t.URL); k != nil {
			dir = k.Store
		}
	}
	again := "and stop again, which is written into the folder of the store: `" + a.stopAt(dir) + "`"
	if t.URL != "" {
		if k != nil && (lost(err) || lost(a.BySocketErr)) {
			return fmt.Sprintf("the server on this machine answers neither way: %s, %s", open.EndIt(k.Store), again)
		}
		return fmt.Sprintf("on the machine of the server, `sudo %s`, which goes by its stop socket and needs no key; or name another server with --server", a.stopAt(dir))
	}
	k, _ = a.KeeperOf(t.Dir)
	_, writes := open.WriterOf(t.Dir)
	switch {
	case open.Barred(t.Dir) != nil:
		return fmt.Sprintf("run this as the owner of the folder or as root: `sudo %s`", a.stopAt(t.Dir))
	case k != nil && (lost(err) || lost(a.BySocketErr)):
		return fmt.Sprintf("that server does not answer: %s, %s", open.EndIt(t.Dir), again)
	case k != nil && a.BySocketErr != nil:
		return "stop as the owner of the folder or as root (sudo), because the stop socket lets them in without a key; or set PETS_KEY to a key of role operator"
	case k != nil:
		return fmt.Sprintf("its stop socket is not there, so set PETS_KEY to a key of role operator; or %s, %s", open.EndIt(t.Dir), again)
	case writes:
		return fmt.Sprintf("set PETS_DIR as the service of that server has it: its stop.sock lies there, and needs no key; or name the server with --server, and set PETS_KEY; or %s, %s", open.EndIt(t.Dir), again)
	case open.HasStore(t.Dir):
		return "no server uses that folder, and the stop cannot be written there: see the error above, and check the disk; meanwhile end the bots themselves"
	}
	return "on the machine of the server, name the folder of its store with --store embedded:DIR (PETS_STORE of its service); from elsewhere, name the server with --server, and set PETS_KEY"
}

// stopAt is the stop of this run at the folder of a store.
func (a *App) stopAt(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil && dir != "DIR" { // it may be typed elsewhere
		dir = abs
	}
	return a.retyped("embedded:" + dir)
}

func wrapped(format string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format, err)
}

// lost reports whether a request was probably sent and got no answer.
func lost(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() ||
		errors.Is(err, client.ErrNoAnswer) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// socketAfter is how long a named server is tried if its stop socket can be tried next.
const socketAfter = 3 * time.Second

// socketPatience is how long a stop socket with a busy server is tried before the next way,
// and a server that has no other way. All tries together stay below 15 s.
const socketPatience = 10 * time.Second
