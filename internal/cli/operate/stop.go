package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
)

func (a *app) stopCommand() *cobra.Command {
	var f stopFlags
	c := &cobra.Command{
		Use: "stop BOT | --emergency", SuggestFor: []string{"kill", "halt", "panic", "emergency"}, Short: "Take a bot out of trading, or stop everything at once", Args: cobra.MaximumNArgs(1),
		Long: "Sends the stop to the server of --server or PETS_SERVER, with PETS_KEY. If none is named, it sends it to\n" +
			"the server that holds the folder: through its stop socket, which needs no key, or with PETS_KEY. If no\n" +
			"server holds the folder, it writes the stop into the folder. A mistake in .env never prevents a stop.",
		Example: "  pets stop alpha --reason \"odd fills\"\n  pets stop alpha --full --reason \"it sells what it should keep\"\n  pets stop --emergency --reason \"the feed is lying\"\n  pets stop --emergency --everywhere --kind security_breach --reason \"a key leaked\"",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case f.everywhere && !f.emergency:
				return cli.Usage(fmt.Errorf("--everywhere goes with --emergency: `%s`", a.Typed("stop", "--emergency", "--everywhere")))
			case f.emergency && len(args) == 1:
				return cli.Usage(a.bothNamed(args[0]))
			case !f.emergency && len(args) == 0:
				return cli.Usage(fmt.Errorf("name one bot, or stop the whole portfolio: `%s`", a.Typed("stop", "--emergency")))
			case len(args) == 1:
				f.bot = args[0]
			}
			if f.full && f.emergency {
				a.Caution("--full goes with one bot: an emergency stop says by its --kind what it leaves permitted")
			}
			a.Stopping = true
			f.reason = a.Printable(a.kindOf(&f))
			if f.emergency && f.reason == "" {
				f.reason = cli.Unreasoned
			}
			return a.meant(a.NotStopped(c.Context(), a.stop(c.Context(), f)))
		},
	}
	c.Flags().BoolVar(&f.emergency, "emergency", false, "stop everything in the portfolio; two people clear it")
	c.Flags().BoolVar(&f.everywhere, "everywhere", false, "with --emergency: in every portfolio")
	c.Flags().BoolVar(&f.full, "full", false, "with a bot: it may not even reduce what it holds")
	c.Flags().StringVar(&f.kind, "kind", domain.StopManual, "manual, system_error or security_breach")
	c.Flags().StringVar(&f.reason, "reason", "", "why; it is kept with the record (for --emergency: "+cli.Unreasoned+")")
	return cli.Stops(c)
}

// stopFlags say what to stop, and why.
type stopFlags struct {
	bot                   string
	emergency, everywhere bool
	full                  bool
	kind, reason          string
}

// stopBody is the body of a request that stops a bot.
func stopBody(f stopFlags) any {
	return struct {
		Reason string `json:"reason,omitempty"`
		Full   bool   `json:"full,omitempty"`
	}{f.reason, f.full}
}

// bothNamed refuses to guess what is meant by --emergency and a name: all that it may be is said.
func (a *app) bothNamed(name string) error {
	said := fmt.Sprintf("--emergency stops a whole portfolio, and takes no bot. Bot %s: `%s`. The whole of %s: `%s`", name, a.Typed("stop", name), a.Config.Portfolio, a.Typed("stop", "--emergency"))
	if name != a.Config.Portfolio && domain.CheckID("BOT", name) == nil {
		said += fmt.Sprintf(". A portfolio %s: `%s`", name, a.AdviseIn(name, "stop", "--emergency"))
	}
	return errors.New(said)
}

// kindOf makes the kind of a stop one that can be recorded, because no stop fails for its
// description. It returns the reason, which keeps what was typed.
func (a *app) kindOf(f *stopFlags) (reason string) {
	said := strings.TrimSpace(f.kind)
	kind := strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(said))
	switch {
	case kind == "" || kind == domain.StopManual || kind == domain.StopSystemError || kind == domain.StopSecurityBreach:
		f.kind = cmp.Or(kind, domain.StopManual)
		return f.reason
	case strings.Contains(kind, "breach") || strings.Contains(kind, "security"):
		f.kind = domain.StopSecurityBreach
	case strings.Contains(kind, "system") || strings.Contains(kind, "error"):
		f.kind = domain.StopSystemError
	default:
		f.kind = domain.StopManual
	}
	a.Caution(fmt.Sprintf("--kind %q is not manual, system_error or security_breach: it is stopped as %s", said, f.kind))
	return strings.TrimSpace(f.reason + " (--kind " + said + ")")
}

// meant adds an error if the settings may have named a different target: what was stopped may
// not be what the user meant, and that must not look like success.
func (a *app) meant(err error) error {
	switch {
	case a.Lost == nil:
		return err
	case err != nil:
		return errors.Join(err, a.Lost)
	}
	return fmt.Errorf("the above was done, but %w", a.Lost)
}

func (a *app) stop(ctx context.Context, f stopFlags) error {
	switch {
	case f.everywhere:
		return a.stopEverywhere(ctx, f)
	case f.bot != "":
		o := cli.Order{Path: "/bots/" + url.PathEscape(f.bot) + "/stop", Body: stopBody(f), Command: commands.StopBot{Bot: f.bot, Reason: f.reason, Full: f.full}}
		var answer stopAnswer
		err := haltWatched(ctx, a, o.Path, o.Body, &answer, func(e *commands.Engine) error {
			found, recorded, err := e.StopBot(ctx, a.Config.Portfolio, a.Own(o.Command))
			answer = stopAnswer{Answer: found, Recorded: &recorded}
			if err == nil && !recorded {
				answer.Events, answer.Directives = []commands.EventRef{}, []commands.Directive{}
				err = marked(a.Config.Portfolio, found.Kept)
			}
			return err
		})
		if err != nil {
			return err
		}
		return a.stopped(answer, f.bot+" is stopped", f.bot, "recorded before anything else, if there is such a bot: that may not have been checked yet. Look for it in the server's log, or in "+a.Typed("events", "--type", "bot.stopped"))
	}
	var answer stopAnswer
	err := haltWatched(ctx, a, "/emergency-stop", stopOf(f.kind, f.reason), &answer, func(e *commands.Engine) error {
		r := a.Own(commands.EngageStop{Kind: f.kind, Reason: f.reason})
		found, recorded, err := e.Stop(ctx, a.Config.Portfolio, r)
		answer = stopAnswer{Answer: found, Recorded: &recorded}
		if err == nil && !recorded {
			answer.Events, answer.Directives = []commands.EventRef{}, []commands.Directive{}
			err = marked(a.Config.Portfolio, found.Kept)
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.stopped(answer, "EMERGENCY STOP engaged in "+a.Config.Portfolio, "EMERGENCY STOP in "+a.Config.Portfolio, "recorded before anything else")
}

// settleFor is how long the command waits for a stop that holds to be recorded or refused. A
// server that is still folding its history does not know its bots yet.
const settleFor = 5 * time.Second

// allOfIt bounds a whole stop, over all ways.
const allOfIt = 15 * time.Second

// settling is the answer to a stop whose outcome may still change.
type settling[T any] interface {
	*T
	held() bool
}

// haltWatched is halt for a stop that a server may not record at once: it resends the stop under
// the same Idempotency-Key for some seconds, until the outcome is known.
func haltWatched[T any, P settling[T]](ctx context.Context, a *app, path string, body any, into P, direct func(*commands.Engine) error) error {
	a.Again = uuid.NewString()
	served, start := true, time.Now()
	here := func(e *commands.Engine) error {
		served = false
		return direct(e)
	}
	err := a.halt(ctx, path, body, into, here)
	if err != nil || !served || into.held() {
		return err
	}
	wait := min(cmp.Or(a.Settle, settleFor), allOfIt-time.Since(start))
	if wait <= 0 {
		return nil
	}
	a.Tell("it holds; waiting up to %s for it to be recorded", wait.Round(time.Second))
	for end := time.Now().Add(wait); ; {
		select {
		case <-ctx.Done(): // it holds all the same
			return nil
		case <-time.After(wait / 20):
		}
		var next T
		switch err := a.halt(ctx, path, body, &next, here); {
		case cli.Decided(err), !served: // decided, or the server has ended and the folder took the stop
			return err
		case err == nil:
			*into = next
		}
		if into.held() || time.Now().After(end) {
			return nil
		}
	}
}

// stopAnswer is the answer to a stop. Recorded is false if the stop holds but is not recorded
// yet, and nil in answers that are only given once it is.
type stopAnswer struct {
	commands.Answer
	Recorded *bool `json:"recorded,omitempty"`
	// Kept is false if a restart forgets the stop, and nil if the stop is recorded.
	Kept *bool `json:"kept,omitempty"`
}

// held reports whether waiting would bring nothing new: the stop is recorded, or a restart
// forgets it.
func (s *stopAnswer) held() bool { return s.Recorded == nil || *s.Recorded || unkept(s.Kept) }

// stopped prints the outcome of a stop. One that is not recorded yet holds all the same.
func (a *app) stopped(answer stopAnswer, what, subject, until string) error {
	recorded := answer.Recorded == nil || *answer.Recorded
	var err error
	switch {
	case unkept(answer.Kept):
		what, err = subject+": "+heldInMemory, errInMemory
	case !recorded:
		what = subject + ": HOLDS, but is not recorded yet; it is " + until
	}
	p := a.Messages()
	switch {
	case a.JSON:
		p.Err = a.PrintJSON(answer)
	case recorded:
		return a.Done(answer.Answer, what)
	default:
		p.Line("%s", what)
	}
	return errors.Join(cli.Told(what, p.Err), err)
}

// halt stops something at the named server, or at the server that holds the folder, through its
// stop socket if possible; without a server, in the folder.
func (a *app) halt(ctx context.Context, path string, body, into any, direct func(*commands.Engine) error) error {
	t, err := a.Target()
	if err != nil {
		return err
	}
	if t.URL != "" {
		return a.haltServer(ctx, t.URL, path, body, into)
	}
	a.AwaitHolder(ctx, t.Dir)
	way := a.SocketOf(t.Dir)
	if done, err := a.bySocket(ctx, way, path, body, into); done {
		return err
	}
	defer a.Bounded(way != nil)()
	changes := cli.APortfolio
	if path == everywherePath {
		changes = cli.TheStore
	}
	return a.Way(ctx, changes, true, direct, func() error { return a.ToServer(ctx, http.MethodPost, path, body, into) })
}

// haltServer stops something at the named server. If that fails, it tries the stop socket,
// provided that the socket is known to be the same server's.
func (a *app) haltServer(ctx context.Context, address, path string, body, into any) error {
	way := a.SocketBeside(address)
	unbound := a.Bounded(way != nil)
	err := a.ToServer(ctx, http.MethodPost, path, body, into)
	unbound()
	if err == nil || cli.Decided(err) || way == nil {
		return err
	}
	a.Tell("warning: %s: %v", address, err)
	done, socketErr := a.bySocket(ctx, way, path, body, into)
	if done {
		return socketErr
	}
	return err
}

// bySocket sends a stop through a socket. done reports that the server has decided.
func (a *app) bySocket(ctx context.Context, way *cli.Socket, path string, body, into any) (done bool, err error) {
	if way == nil {
		return false, nil
	}
	r := &cli.Remote{Way: way}
	a.Acting(r.String(), path != everywherePath)
	err = a.Exchange(ctx, r, http.MethodPost, path, body, into)
	if err != nil && !cli.Decided(err) {
		a.BySocketErr = err
		a.Tell("warning: %s: %v", r, err)
		return false, nil
	}
	return true, err
}

// marked returns an error unless a stop that could not be recorded stands in the marker file:
// this process is about to end.
func marked(portfolio string, kept bool) error {
	if kept {
		return nil
	}
	return domain.Errorf(domain.CodeUnavailable, "the stop of %s could be neither recorded nor marked: it does NOT hold", portfolio)
}

// heldInMemory tells the operator what to do about a stop that only the server's memory holds.
const heldInMemory = "HOLDS IN MEMORY ONLY: it could not be written anywhere and a restart forgets it; keep the server running, or stop the bots themselves, until pets_stops_unkept is 0 (make room on the disk, or mend the folders of PETS_DIR and PETS_WITNESS: it is tried again each second)"

// errInMemory makes a stop that a restart forgets exit with a failure.
var errInMemory error = &cli.ToldError{Err: errors.New("the stop holds, but the server could not write it anywhere: a restart forgets it")}

// unkept reports whether an answer says that a restart forgets the stop.
func unkept(kept *bool) bool { return kept != nil && !*kept }

func stopOf(kind, reason string) any {
	return struct {
		Kind   string `json:"kind"`
		Reason string `json:"reason"`
	}{kind, reason}
}

const everywherePath = "/v1/emergency-stop"

// stoppedAll is the answer to a stop of every portfolio.
type stoppedAll struct {
	Portfolios []commands.Stopped `json:"portfolios"`
}

// held is [stopAnswer.held] for every portfolio.
func (s *stoppedAll) held() bool {
	return !slices.ContainsFunc(s.Portfolios, func(one commands.Stopped) bool {
		return !one.Recorded && one.Refused == "" && !unkept(one.Kept)
	})
}

// stopEverywhere stops every portfolio of the server, or of the folder.
func (a *app) stopEverywhere(ctx context.Context, f stopFlags) error {
	var answer stoppedAll
	err := haltWatched(ctx, a, everywherePath, stopOf(f.kind, f.reason), &answer, func(e *commands.Engine) error {
		all, err := e.StopAll(ctx, a.Own(commands.EngageStop{Kind: f.kind, Reason: f.reason}))
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
	const done = "EMERGENCY STOP engaged everywhere"
	if a.JSON {
		return errors.Join(cli.Told(done, a.PrintJSON(answer)), err)
	}
	p := a.Messages()
	var left []string
	for _, s := range answer.Portfolios {
		state := "recorded"
		switch {
		case s.CannotTrade():
			left = append(left, s.Portfolio)
			continue
		case s.Refused != "":
			p.Line("NOT engaged in %s: %s", s.Portfolio, s.Refused)
			continue
		case unkept(s.Kept):
			state = heldInMemory
		case !s.Recorded:
			state = "HOLDS, but is not recorded yet"
		}
		p.Line("EMERGENCY STOP engaged in %s: %s", s.Portfolio, state)
	}
	if len(left) > 0 {
		p.Line("left out, as imported portfolios cannot trade: %s", strings.Join(left, ", "))
	}
	return errors.Join(cli.Told(done, p.Err), err)
}

// notEngaged makes it no success where a portfolio that can trade took no stop. The others are
// stopped all the same.
func notEngaged(all []commands.Stopped) error {
	var names []string
	all = slices.DeleteFunc(slices.Clone(all), commands.Stopped.CannotTrade)
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
