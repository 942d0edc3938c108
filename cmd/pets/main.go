// Command pets is the one binary of the product: import, look back, verify.
//
// It owns the command line and the wiring, one file per subcommand; only it
// opens an engine. It refuses to hold any rule of its own: numbers come from
// domain and projections, words from replay.
//
// Exit status: 0 fine, 1 failed, 2 usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"pets/domain"
	"pets/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ(), dir: ".", called: os.Args[0]}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// app is one run of the command line.
type app struct {
	in       *os.File // who types; nil for nobody
	out, err io.Writer
	environ  []string
	dir      string // where .env is looked for
	called   string // how this program was called, "" for pets

	// For tests: another wall clock, and a word once the demo was played.
	wall   func() time.Time
	played func()
	// madeUp is a clock that plays a story, as the demo does.
	madeUp bool
	// ask puts a question to whoever sits at a terminal, if anybody does.
	ask func(question string) (yes, terminal bool)

	// childEnv is what a process needs that bench starts, for tests.
	childEnv []string

	// patience is how long a request to the server is tried for; 0 is the client's own.
	patience time.Duration
	// once: what is asked lets trading go on, and is not sent again by itself.
	once bool
	// within bounds such a request, also one that is under way; 0 is no bound.
	within time.Duration

	// acceptRollback is why a server goes on with a store that was rolled back; empty for
	// not.
	acceptRollback string

	config    config.Config
	server    string
	store     string
	portfolio string
	json      bool

	found *remote // the server of this run, once it was looked for
	waits string  // what was last said to be waited for
	named string  // what was last said to be acted on
	lost  error   // why a stop that went on may have been meant for something else
	doubt error   // the same of any other command that acts, which does not go on

	again  string        // the Idempotency-Key of a command that may be sent more than once
	settle time.Duration // how long a stop that holds is watched, for tests; 0 is settleFor

	bySocketErr error // why a stop socket that was tried is no way

	stopping  bool // what this run does is to stop something
	unlatched bool // the marker of stops that PETS_DIR has is another store's
}

func (a *app) clock() func() time.Time {
	if a.wall != nil {
		return a.wall
	}
	return time.Now
}

// terminal reports whether somebody reads what is printed.
func (a *app) terminal() bool {
	f, ok := a.out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// errUsage marks what the user typed as the reason.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		_, _ = fmt.Fprintln(a.err, "pets: interrupted")
		return 1
	}
	_, _ = fmt.Fprintln(a.err, "pets:", strings.ReplaceAll(err.Error(), "\n", "\npets: ")) // each of several errors
	var usage errUsage
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "pets",
		Short:         "An event-sourced ledger and risk engine for trading bots",
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return a.configure(c) },
		Args:              cobra.NoArgs,
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.server, "server", "", "the server to go to, such as http://127.0.0.1:7433 (PETS_SERVER; PETS_KEY is sent)")
	flags.StringVar(&a.store, "store", "", "the folder to go to, such as embedded:./pets-data (PETS_STORE)")
	flags.StringVarP(&a.portfolio, "portfolio", "p", "", "the portfolio (PETS_PORTFOLIO, main by default)")
	flags.BoolVar(&a.json, "json", false, "answer in JSON")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return errUsage{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	root.AddCommand(
		a.importCommand(), views(a.stateCommand()), views(a.statsCommand()), views(a.balancesCommand()), views(a.positionsCommand()),
		views(a.tradesCommand()), views(a.equityCommand()), views(a.eventsCommand()), views(a.permitsCommand()), views(a.breakersCommand()),
		local(a.verifyCommand()), local(a.benchCommand()), a.serveCommand(), local(a.versionCommand()),
		a.startCommand(), a.stopCommand(), a.resetCommand(), a.clearCommand(), a.apikeyCommand(),
		a.walletCommand(), a.keysCommand(), a.coldCommand(),
	)
	root.AddCommand(a.moneyCommands()...)
	root.AddCommand(a.verbCommands()...)
	root.CompletionOptions.HiddenDefaultCmd = true
	wrongIsUsage(root)
	root.Args, root.SuggestionsMinimumDistance = knownCommand, 2
	return root
}

// wrongIsUsage makes wrong arguments a usage error in every command below one.
func wrongIsUsage(above *cobra.Command) {
	for _, c := range above.Commands() {
		c.Args = usageArgs(c.Args)
		wrongIsUsage(c)
	}
}

// usageArgs makes a wrong number of arguments a usage error, and an empty one, which is
// most likely a variable that is not set.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := given(c, args); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		if err := check(c, args); err != nil {
			return errUsage{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
		}
		return nil
	}
}

// freeText are the flags that may be empty: they say why, and name nothing. A stop is not
// refused for want of a kind either.
var freeText = []string{"reason", "note", "label", "accept-rollback", "kind"}

// given refuses a flag or an argument that was given empty: --server "$PROD" without a PROD
// would go somewhere else than where it was sent.
func given(c *cobra.Command, args []string) error {
	empty := ""
	c.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, is := f.Value.(pflag.SliceValue); is {
			values = list.GetSlice()
		}
		if len(values) == 0 {
			values = []string{""}
		}
		if slices.ContainsFunc(values, blank) && !slices.Contains(freeText, f.Name) {
			empty = "--" + f.Name
		}
	})
	if empty == "" && slices.ContainsFunc(args, blank) {
		empty = "an argument of " + c.CommandPath()
	}
	if empty == "" {
		return nil
	}
	return errUsage{fmt.Errorf("%s is empty: give it a value, or leave it out; is a variable not set?", empty)}
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

// knownCommand refuses what is no subcommand, and guesses what was meant.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	guess := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		guess = fmt.Sprintf(": did you mean %s?", strings.Join(near, " or "))
	}
	return errUsage{fmt.Errorf("there is no command %q%s; see pets --help", args[0], guess)}
}

// onFlag names the flag in an error about its value.
func onFlag(flag string, err error) error {
	var e *domain.Error
	if errors.As(err, &e) {
		return errUsage{domain.Invalid(flag, "%s", e.Message)}
	}
	return errUsage{err}
}

// configure reads the environment; flags of the same names win. What stops something is
// not kept from it by anything that is wrong there.
func (a *app) configure(command *cobra.Command) error {
	c, err := a.settings(command)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		_, _ = fmt.Fprintln(a.err, "pets: warning:", w)
	}
	if err := a.settleTarget(&c, command); err != nil {
		return err
	}
	if err := c.ValidateFolders(); err != nil { // they may have been right for another folder
		if !is(command, noteStops) {
			return errUsage{err}
		}
		a.caution(err.Error() + ". What stops something goes on all the same, with the witness in its usual place")
		c.Witness = ""
	}
	if a.portfolio != "" {
		if err := domain.CheckID("--portfolio", a.portfolio); err != nil {
			return errUsage{err}
		}
		c.Portfolio = a.portfolio
	}
	a.config = c
	if a.lost != nil && command.Name() != "stop" { // a revocation elsewhere would be another key's
		return errUsage{a.lost}
	}
	return nil
}

func (a *app) settings(command *cobra.Command) (config.Config, error) {
	if is(command, noteStops) {
		c, ignored := config.LoadToStop(a.dir, a.environ)
		return a.without(c, ignored, command, "stopping"), nil
	}
	c, err := config.Load(a.dir, a.environ)
	if err != nil && is(command, noteViews) { // a server is asked with few of them
		c, ignored := config.LoadToStop(a.dir, a.environ)
		if a.server != "" || a.store == "" && c.Server != "" {
			return a.without(c, ignored, command, "asking the server"), nil
		}
	}
	if err == nil {
		a.doubt = a.notMeant(c, c.Unsure, command)
	}
	return c, err
}

// without says what is gone on without.
func (a *app) without(c config.Config, ignored config.Ignored, command *cobra.Command, doing string) config.Config {
	for _, err := range ignored.Errors {
		a.caution(doing + " all the same, without what cannot be read: " + err.Error())
	}
	a.lost = a.notMeant(c, ignored.Unsure, command)
	return c
}

// notMeant: settings that nobody understands may have been to name another target than the
// one that is acted on. Flags name it beyond doubt.
func (a *app) notMeant(c config.Config, unsure []string, command *cobra.Command) error {
	everywhere, _ := command.Flags().GetBool("everywhere") // false where there is no such flag
	if a.portfolio != "" || everywhere || command.Name() == "revoke" {
		unsure = slices.DeleteFunc(unsure, func(name string) bool { return name == "PETS_PORTFOLIO" })
	}
	switch in := func(name string) bool { return slices.Contains(unsure, name) }; {
	case a.server != "" || a.store != "":
		unsure = slices.DeleteFunc(unsure, func(name string) bool { return name != "PETS_PORTFOLIO" })
	case c.Server != "" && !in("PETS_SERVER"): // it goes before the folder
		unsure = slices.DeleteFunc(unsure, func(name string) bool { return name == "PETS_STORE" || name == "PETS_DIR" })
	}
	if len(unsure) == 0 {
		return nil
	}
	what, flags := []string{}, []string{}
	for _, name := range unsure {
		n := named[name]
		if !slices.Contains(what, n.what) {
			what, flags = append(what, n.what), append(flags, n.flag)
		}
	}
	missed := "was NOT stopped"
	if command.Name() != "stop" {
		missed = "is not known"
	}
	return domain.Errorf(domain.CodeInvalid, "the %s that was meant %s: what the settings say of %s cannot be understood; name it with %s",
		strings.Join(what, " or "), missed, strings.Join(unsure, ", "), strings.Join(flags, ", "))
}

// named says what a variable names, and which flag names the same.
var named = map[string]struct{ what, flag string }{
	"PETS_SERVER": {"server", "--server"}, "PETS_STORE": {"store", "--store"}, "PETS_DIR": {"store", "--store"}, "PETS_PORTFOLIO": {"portfolio", "-p"},
}
