// Package cli is the kernel of the command line: one run of it, and what its rooms share.
//
// It owns the flags and settings of a run, the one rule for what a command goes to, the way to
// a server or a folder, how an order is carried out, how text is printed and a person asked.
// It refuses to know any command: each room has its own, and no room knows another. It opens
// no engine: internal/open does.
//
// Exit status: 0 fine, 1 failed, 2 usage, 3 not everything could be seen.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"pets/domain"
	"pets/internal/config"
	"pets/internal/open"
)

// App is one run of the command line.
type App struct {
	open.Place
	In      *os.File // who types; nil for nobody
	Out     io.Writer
	Environ []string
	Dir     string // where .env is looked for
	Called  string // how this program was called, "" for pets
	Version string // of the build; "" for that of the module

	// Played is told once the demo was played, for tests.
	Played func()
	// Binary is what bench starts as pets, for tests; "" is this very binary.
	Binary string
	// MadeUp is a clock that plays a story, as the demo does.
	MadeUp bool
	// Ask puts a question to whoever sits at a terminal, if anybody does.
	Ask func(question string) (yes, terminal bool)

	// Patience is how long a request to the server is tried for; 0 is the client's own.
	Patience time.Duration
	// Once: what is asked lets trading go on, and is not sent again by itself.
	Once bool
	// Within bounds such a request, also one that is under way; 0 is no bound.
	Within time.Duration

	server        string
	PortfolioFlag string
	JSON          bool

	Found *Remote // the server of this run, once it was looked for
	asked asked   // the client that asks it
	waits string  // what was last said to be waited for
	named string  // what was last said to be acted on
	doubt error   // settings that may have been to name another target; see Sure

	withheld *domain.Error // why the key of .env is not sent

	Again    string // the Idempotency-Key of a command that may be sent more than once
	KeyGiven bool   // it was given: an earlier run may have sent the same
	sent     bool   // a command was on its way
	replayed bool   // what was answered last was recorded under the key before

	Settle time.Duration // how long a stop that holds is watched, for tests; 0 is settleFor

	BySocketErr error // why a stop socket that was tried is no way

	Stopping bool // what this run does is to stop something

	typed *cobra.Command // what this run was called for
}

// Terminal reports whether somebody reads what is printed.
func (a *App) Terminal() bool {
	f, ok := a.Out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// errUsage marks what the user typed as the reason.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

// Usage makes what was typed the reason of an error.
func Usage(err error) error { return errUsage{err} }

// ErrUnseen is of a look that found nothing, and did not see everything: exit status 3, as
// neither a success nor a failure would be true.
var ErrUnseen = errors.New("not everything was seen")

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
			return Usage(fmt.Errorf("%w; see %s --help", err, c.CommandPath()))
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
	return Usage(fmt.Errorf("%s is empty: give it a value, or leave it out; is a variable not set?", empty))
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
	return Usage(fmt.Errorf("there is no command %q%s; see pets --help", args[0], guess))
}

// OnFlag names the flag in an error about its value.
func OnFlag(flag string, err error) error {
	var e *domain.Error
	if errors.As(err, &e) {
		return Usage(domain.Invalid(flag, "%s", e.Message))
	}
	return Usage(err)
}

// configure reads the environment; flags of the same names win. What stops something is
// not kept from it by anything that is wrong there.
func (a *App) configure(command *cobra.Command) error {
	a.typed = command
	c, err := a.settings(command)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		a.Tell("warning: %v", w)
	}
	if err := a.settleTarget(&c, command); err != nil {
		return err
	}
	if err := c.ValidateFolders(); err != nil { // they may have been right for another folder
		if !is(command, noteStops) {
			return Usage(err)
		}
		a.Caution(err.Error() + ". What stops something goes on all the same, with the witness in its usual place")
		c.Witness = ""
	}
	if a.PortfolioFlag != "" {
		if err := domain.CheckID("--portfolio", a.PortfolioFlag); err != nil {
			return Usage(err)
		}
		c.Portfolio = a.PortfolioFlag
	}
	a.Config = c
	a.withhold(command)
	if a.Lost != nil && command.Name() != "stop" { // a revocation elsewhere would be another key's
		return Usage(a.Lost)
	}
	return nil
}

func (a *App) settings(command *cobra.Command) (config.Config, error) {
	if is(command, noteStops) {
		c, ignored := config.LoadToStop(a.Dir, a.Environ)
		return a.without(c, ignored, command, "stopping"), nil
	}
	c, err := config.Load(a.Dir, a.Environ)
	if err != nil && is(command, noteViews) { // a server is asked with few of them
		c, ignored := config.LoadToStop(a.Dir, a.Environ)
		if a.server != "" || a.StoreFlag == "" && c.Server != "" {
			return a.without(c, ignored, command, "asking the server"), nil
		}
	}
	if err == nil {
		a.doubt = a.notMeant(c, c.Unsure, command)
	}
	return c, err
}

// without says what is gone on without.
func (a *App) without(c config.Config, ignored config.Ignored, command *cobra.Command, doing string) config.Config {
	for _, err := range ignored.Errors {
		a.Caution(doing + " all the same, without what cannot be read: " + err.Error())
	}
	a.Lost = a.notMeant(c, ignored.Unsure, command)
	return c
}

// notMeant: settings that nobody understands may have been to name another target than the
// one that is acted on. Flags name it beyond doubt.
func (a *App) notMeant(c config.Config, unsure []string, command *cobra.Command) error {
	everywhere, _ := command.Flags().GetBool("everywhere") // false where there is no such flag
	if a.PortfolioFlag != "" || everywhere || command.Name() == "revoke" {
		unsure = slices.DeleteFunc(unsure, func(name string) bool { return name == "PETS_PORTFOLIO" })
	}
	switch in := func(name string) bool { return slices.Contains(unsure, name) }; {
	case a.server != "" || a.StoreFlag != "":
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

// OSUser is who runs this, as records name him: os:NAME.
func OSUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "os:" + u.Username
	}
	return "os:" + strconv.Itoa(os.Getuid())
}

// Group is a command that only has subcommands.
func Group(use, short string, subcommands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(subcommands...)
	return c
}

// VersionText is the version of this build.
func (a *App) VersionText() string {
	if a.Version != "" {
		return a.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// topic is what a person wants to do; the help shows commands by it.
type topic string

// What a person wants to do.
const (
	LookBack   topic = "look back"
	Operate    topic = "operate"
	MoneyTopic topic = "money"
	KeysTopic  topic = "keys"
	SetUp      topic = "set up"
)

// topics are all of them, as the help shows them.
var topics = []topic{LookBack, Operate, MoneyTopic, KeysTopic, SetUp}

// Under puts commands under a topic.
func Under(t topic, commands ...*cobra.Command) []*cobra.Command {
	for _, c := range commands {
		c.GroupID = string(t)
	}
	return commands
}

// RunCommands runs a command line that has these commands.
func (a *App) RunCommands(ctx context.Context, args []string, commands ...*cobra.Command) int {
	a.Columns = a.columnsOf(a.Err)
	root := a.Root(commands...)
	root.SetArgs(args)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	err := root.ExecuteContext(ctx)
	a.forgetClient()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		a.Tell("interrupted")
		return 1
	}
	for line := range strings.SplitSeq(err.Error(), "\n") { // each of several errors
		a.Tell("%s", line)
	}
	var usage errUsage
	switch {
	case errors.As(err, &usage):
		return 2
	case errors.Is(err, ErrUnseen):
		return 3
	}
	return 1
}

// Root is a command line that has these commands.
func (a *App) Root(commands ...*cobra.Command) *cobra.Command {
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
	flags.StringVar(&a.StoreFlag, "store", "", "the folder to go to, such as embedded:./pets-data (PETS_STORE)")
	flags.StringVarP(&a.PortfolioFlag, "portfolio", "p", "", "the portfolio (PETS_PORTFOLIO, main by default)")
	flags.BoolVar(&a.JSON, "json", false, "answer in JSON")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return Usage(fmt.Errorf("%w; see %s --help", err, c.CommandPath()))
	})
	for _, t := range topics {
		root.AddGroup(&cobra.Group{ID: string(t), Title: strings.ToUpper(string(t))})
	}
	root.AddCommand(commands...)
	root.SetHelpCommandGroupID(string(SetUp))
	root.SetHelpFunc(a.help)
	root.SetUsageTemplate(a.usageTemplate(root))
	root.CompletionOptions.HiddenDefaultCmd = true
	wrongIsUsage(root)
	root.Args, root.SuggestionsMinimumDistance = knownCommand, 2
	return root
}
