package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/open"
)

// Unreasoned is [domain.Unreasoned].
const Unreasoned = domain.Unreasoned

// NotStopped makes the error of a failed stop say that nothing was stopped, and what to do next.
func (a *App) NotStopped(ctx context.Context, err error) error {
	if told := (*ToldError)(nil); err == nil || errors.As(err, &told) {
		return err
	}
	if Decided(err) || refused(err) {
		return a.decided(ctx, err)
	}
	what := "NOT stopped"
	if lost(err) { // the request may have arrived
		what = "NOT stopped, as far as is known here; it may have been recorded"
	}
	next := a.afterNoStop(err)
	if errors.Is(err, context.Canceled) { // RunCommands prints only "interrupted"
		a.Tell("%s. Next: %s", what, next)
	}
	return fmt.Errorf("%s: %w. Next: %s", what, err, next)
}

// decided is the error of a stop that was refused. What is not there may have another name, or
// be in another portfolio: then it says how to stop that.
func (a *App) decided(ctx context.Context, err error) error {
	if client.CodeOf(err) != domain.CodeNotFound && domain.CodeOf(err) != domain.CodeNotFound {
		return fmt.Errorf("NOT stopped: %w", err)
	}
	whole, all := a.Typed("stop", "--emergency"), a.Typed("stop", "--emergency", "--everywhere")
	ids := a.portfoliosHere(ctx)
	which := "`" + a.Typed("portfolio", "list") + "` lists the portfolios"
	if len(ids) > 0 {
		which = "the portfolios are " + strings.Join(ids, ", ")
	}
	bot := a.botToStop()
	switch {
	case bot == "":
		return fmt.Errorf("NOT stopped: %w. Next: %s; name one of them with -p, or stop every one: `%s`", err, which, all)
	case bot == "all" || bot == "everything":
		return fmt.Errorf("NOT stopped: %w. Next: everything is stopped by `%s`", err, all)
	case len(ids) > 0 && !slices.Contains(ids, a.meant()):
		return fmt.Errorf("NOT stopped: %w. Next: there is no portfolio %s: %s; stop the bot where it is, such as with `%s`. Everything: `%s`", err, a.meant(), which, a.AdviseIn(ids[0], "stop", bot), all)
	case slices.Contains(ids, bot):
		return fmt.Errorf("NOT stopped: %w. Next: %s is a portfolio, which is stopped by `%s`", err, bot, a.AdviseIn(bot, "stop", "--emergency"))
	}
	return fmt.Errorf("NOT stopped: %w. Next: `%s` lists the bots of %s, and %s: a bot of another one is stopped with its name after -p. The whole of %s: `%s`. Everything: `%s`",
		err, a.Typed("bot", "list"), a.meant(), which, a.meant(), whole, all)
}

// botToStop is the bot that this run is to stop, "" for none.
func (a *App) botToStop() string {
	if a.typed == nil || a.typed.Flags().NArg() == 0 {
		return ""
	}
	return a.typed.Flags().Arg(0)
}

// portfoliosHere lists the portfolios of what this run goes to, as far as it can see them.
func (a *App) portfoliosHere(ctx context.Context) []string {
	t, err := a.Target()
	switch {
	case err != nil:
		return nil
	case t.URL == "":
		return portfoliosIn(ctx, t.Dir)
	case a.Config.Key.Reveal() == "":
		return nil
	}
	r, err := a.Remote()
	if err != nil {
		return nil
	}
	return a.portfoliosOf(ctx, r, a.Asking(r))
}

// refused reports whether the engine of a folder has decided: retrying here would not change it.
func refused(err error) bool {
	code := domain.CodeOf(err)
	return code != "" && code != domain.CodeUnavailable && code != domain.CodeInternal && !open.IsNowhere(err)
}

// afterNoStop is what to do when a stop did not get through; never what was just tried. The
// commands in it stop what was to be stopped, and nothing else.
func (a *App) afterNoStop(err error) string {
	next := a.wayToStop(err)
	switch {
	case a.unknownPortfolio:
		return "the settings name the portfolio, and cannot be read. Put its name in place of " + UnknownPortfolio + ", or stop every one with --everywhere in place of -p " + UnknownPortfolio + ": " + next
	case a.keyPortfolio != "":
		stop := a.AdviseIn(a.keyPortfolio, "stop", "--emergency")
		if bot := a.botToStop(); bot != "" {
			stop = a.AdviseIn(a.keyPortfolio, "stop", bot)
		}
		return fmt.Sprintf("if %s is meant, which the key is for, `%s`. If %s is meant: %s", a.keyPortfolio, stop, a.meant(), next)
	}
	return next
}

// wayToStop is another way to the server or the folder of this run.
func (a *App) wayToStop(err error) string {
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
