package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
)

func (a *app) stopCommand() *cobra.Command {
	var f stopFlags
	c := &cobra.Command{
		Use: "stop BOT | --emergency", Short: "Take a bot out of trading, or stop everything at once", Args: cobra.MaximumNArgs(1),
		Long: "Goes to the server of --server or PETS_SERVER with PETS_KEY. Where none is named it goes to the one that\n" +
			"holds the folder: by its stop socket, which needs no key, or with PETS_KEY; and where no server holds the\n" +
			"folder, the stop is written into it. No mistake in .env keeps it from stopping.",
		Example: "  pets stop alpha --reason \"odd fills\"\n  pets stop --emergency --reason \"the feed is lying\"\n  pets stop --emergency --everywhere --kind security_breach --reason \"a key leaked\"",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case f.emergency == (len(args) == 1):
				return errUsage{errors.New("name one bot, or --emergency")}
			case f.everywhere && !f.emergency:
				return errUsage{errors.New("--everywhere goes with --emergency")}
			case len(args) == 1:
				f.bot = args[0]
			}
			a.stopping = true
			if f.emergency && strings.TrimSpace(f.reason) == "" {
				f.reason = unreasoned
			}
			return a.meant(a.notStopped(a.stop(c.Context(), f)))
		},
	}
	c.Flags().BoolVar(&f.emergency, "emergency", false, "stop everything in the portfolio; two people clear it")
	c.Flags().BoolVar(&f.everywhere, "everywhere", false, "with --emergency: in every portfolio")
	c.Flags().StringVar(&f.kind, "kind", domain.StopManual, "manual, system_error or security_breach")
	c.Flags().StringVar(&f.reason, "reason", "", "why; it is kept with the record (for --emergency: "+unreasoned+")")
	return stops(c)
}

// stopFlags are what is to be stopped, and why.
type stopFlags struct {
	bot                   string
	emergency, everywhere bool
	kind, reason          string
}

// meant: something was named in the settings in a way that nobody understands. What is
// stopped here may not be what was meant, and that must not look like success.
func (a *app) meant(err error) error {
	switch {
	case a.lost == nil:
		return err
	case err != nil:
		return errors.Join(err, a.lost)
	}
	return fmt.Errorf("what is said above was done; but %w", a.lost)
}

func (a *app) stop(ctx context.Context, f stopFlags) error {
	switch {
	case f.everywhere:
		return a.stopEverywhere(ctx, f)
	case f.bot != "":
		o := order{"/bots/" + url.PathEscape(f.bot) + "/stop", reasonOf(f.reason), commands.StopBot{Bot: f.bot, Reason: f.reason}}
		var answer stopAnswer
		err := a.halt(ctx, o.path, o.body, &answer, func(e *commands.Engine) error {
			found, recorded, err := e.StopBot(ctx, a.config.Portfolio, a.own(o.command))
			answer = stopAnswer{Answer: found, Recorded: &recorded}
			if err == nil && !recorded {
				answer.Events, answer.Directives = []commands.EventRef{}, []commands.Directive{}
				err = marked(a.config.Portfolio, found.Kept)
			}
			return err
		})
		if err != nil {
			return err
		}
		return a.stopped(answer, f.bot+" is stopped", f.bot)
	}
	var answer stopAnswer
	err := a.halt(ctx, "/emergency-stop", stopOf(f.kind, f.reason), &answer, func(e *commands.Engine) error {
		r := a.own(commands.EngageStop{Kind: f.kind, Reason: f.reason})
		found, recorded, err := e.Stop(ctx, a.config.Portfolio, r)
		answer = stopAnswer{Answer: found, Recorded: &recorded}
		if err == nil && !recorded {
			answer.Events, answer.Directives = []commands.EventRef{}, []commands.Directive{}
			err = marked(a.config.Portfolio, found.Kept)
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.stopped(answer, "EMERGENCY STOP engaged in "+a.config.Portfolio, "EMERGENCY STOP in "+a.config.Portfolio)
}

// stopAnswer is the answer to a stop. Recorded is false where it holds and waits to be
// recorded, and missing where that cannot be.
type stopAnswer struct {
	commands.Answer
	Recorded *bool `json:"recorded,omitempty"`
	// Kept is false where a restart forgets it, and missing where it is recorded.
	Kept *bool `json:"kept,omitempty"`
}

// stopped says what became of a stop. One that is not recorded yet holds all the same.
func (a *app) stopped(answer stopAnswer, what, subject string) error {
	var err error
	if unkept(answer.Kept) {
		err = errInMemory
	}
	switch {
	case a.json:
		return errors.Join(a.printJSON(answer), err)
	case answer.Recorded == nil || *answer.Recorded:
		return a.done(answer.Answer, what)
	}
	p := &printer{w: a.out}
	if err != nil {
		p.line("%s: %s", subject, heldInMemory)
	} else {
		p.line("%s: HOLDS, but is not recorded yet; it is recorded before anything else", subject)
	}
	return errors.Join(p.err, err)
}

// halt stops something where it runs: at the server that is named, else at the one that
// holds the folder, by its socket where it has one, else in the folder.
func (a *app) halt(ctx context.Context, path string, body, into any, direct func(*commands.Engine) error) error {
	t, err := a.target()
	if err != nil {
		return err
	}
	if t.url != "" {
		return a.haltServer(ctx, t.url, path, body, into)
	}
	way := a.socketOf(t.dir)
	if done, err := a.bySocket(ctx, way, path, body, into); done {
		return err
	}
	defer a.bounded(way != nil)()
	changes := aPortfolio
	if path == everywherePath {
		changes = theStore
	}
	return a.way(ctx, changes, true, direct, func() error { return a.toServer(ctx, http.MethodPost, path, body, into) })
}

// socketAfter is how long a named server that could be reached by its socket is tried for.
const socketAfter = 3 * time.Second

// socketPatience is how long a socket whose server is busy is tried for, before the next way,
// and a server for which there is no other way. All of them together stay below 15 s.
const socketPatience = 10 * time.Second

// haltServer goes to the server that is named. Its socket is the second way, where it is
// on this machine and known to be the same server's.
func (a *app) haltServer(ctx context.Context, address, path string, body, into any) error {
	way := a.socketBeside(address)
	unbound := a.bounded(way != nil)
	err := a.toServer(ctx, http.MethodPost, path, body, into)
	unbound()
	if err == nil || decided(err) || way == nil {
		return err
	}
	_, _ = fmt.Fprintf(a.err, "pets: warning: %s: %v\n", address, err)
	done, socketErr := a.bySocket(ctx, way, path, body, into)
	if done {
		return socketErr
	}
	return err
}

// bySocket sends a stop through a socket. It is done where the server has decided.
func (a *app) bySocket(ctx context.Context, way *socket, path string, body, into any) (done bool, err error) {
	if way == nil {
		return false, nil
	}
	r := &remote{way: way}
	a.acting(r.String(), path != everywherePath)
	err = a.exchange(ctx, r, http.MethodPost, path, body, into)
	if err != nil && !decided(err) {
		_, _ = fmt.Fprintf(a.err, "pets: warning: %s: %v\n", r, err)
		return false, nil
	}
	return true, err
}

// marked makes sure that a stop that could not be recorded will be: it has to stand in the
// marker file, for this process is about to end.
func marked(portfolio string, kept bool) error {
	if kept {
		return nil
	}
	return domain.Errorf(domain.CodeUnavailable, "the stop of %s could be neither recorded nor marked: it does NOT hold", portfolio)
}

// heldInMemory says of a stop that a server holds what its operator has to do.
const heldInMemory = "HOLDS IN MEMORY ONLY: it could not be written anywhere and a restart forgets it; keep the server running, or stop the bots themselves, until pets_stops_unkept is 0 (make room on the disk, or mend the folders of PETS_DIR and PETS_WITNESS: it is tried again each second)"

// errInMemory makes a stop that a restart forgets no success.
var errInMemory = errors.New("the server could write the stop nowhere: it is not safe from a restart")

// unkept reports whether an answer says that a restart forgets a stop.
func unkept(kept *bool) bool { return kept != nil && !*kept }

func reasonOf(reason string) any {
	return struct {
		Reason string `json:"reason,omitempty"`
	}{reason}
}

func stopOf(kind, reason string) any {
	return struct {
		Kind   string `json:"kind"`
		Reason string `json:"reason"`
	}{kind, reason}
}

const everywherePath = "/v1/emergency-stop"

// stopEverywhere stops every portfolio of the server, or of the folder.
func (a *app) stopEverywhere(ctx context.Context, f stopFlags) error {
	var answer struct {
		Portfolios []commands.Stopped `json:"portfolios"`
	}
	err := a.halt(ctx, everywherePath, stopOf(f.kind, f.reason), &answer, func(e *commands.Engine) error {
		all, err := e.StopAll(ctx, a.own(commands.EngageStop{Kind: f.kind, Reason: f.reason}))
		answer.Portfolios = all
		for _, s := range all {
			if !s.Recorded && s.Refused == "" {
				err = errors.Join(err, marked(s.Portfolio, s.Kept != nil && *s.Kept))
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(answer.Portfolios, func(s commands.Stopped) bool { return unkept(s.Kept) }) {
		err = errInMemory
	}
	err = errors.Join(err, notEngaged(answer.Portfolios))
	if a.json {
		return errors.Join(a.printJSON(answer), err)
	}
	p := &printer{w: a.out}
	for _, s := range answer.Portfolios {
		state := "recorded"
		switch {
		case s.Refused != "":
			p.line("NOT engaged in %s: %s", s.Portfolio, s.Refused)
			continue
		case unkept(s.Kept):
			state = heldInMemory
		case !s.Recorded:
			state = "HOLDS, but is not recorded yet"
		}
		p.line("EMERGENCY STOP engaged in %s: %s", s.Portfolio, state)
	}
	return errors.Join(p.err, err)
}

// notEngaged makes it no success where a portfolio took no stop, as it is none where that
// portfolio is named alone. The others are stopped all the same.
func notEngaged(all []commands.Stopped) error {
	var names []string
	for _, s := range all {
		if s.Refused != "" {
			names = append(names, s.Portfolio)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return domain.Errorf(domain.CodeConflict, "no emergency stop is engaged in %s; in the other portfolios it is (%d of %d)", strings.Join(names, ", "), len(all)-len(names), len(all))
}
