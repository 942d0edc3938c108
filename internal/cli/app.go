// Package cli holds what every command of the command line shares: one run of it.
//
// It owns the flags and settings of a run, the one rule that decides which server or folder
// a command works on, how an order is carried out, how text is printed, and how a person is
// asked. It refuses to know any command: each belongs to a package below this one, and those
// packages do not import each other. It opens no engine: internal/open does.
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

	"pets/commands"
	"pets/domain"
	"pets/internal/columns"
	"pets/internal/config"
	"pets/internal/open"
)

// App is one run of the command line.
type App struct {
	open.Place
	In      *os.File // the terminal or pipe to read from; nil for none
	Out     io.Writer
	Environ []string
	Dir     string // the folder that may hold a .env file
	Called  string // the path this program was started by; "" means pets
	Version string // the version of the build; "" means the module's

	// Played, if set, is called once the demo has run. Tests use it.
	Played func()
	// Binary is the program that bench starts as pets. Tests set it; "" means this program.
	Binary string
	// MadeUp reports that the clock is invented, as in the demo.
	MadeUp bool
	// Ask, if set, replaces the question at the terminal. It reports whether there is one.
	Ask func(question string) (yes, terminal bool)
	// Secret, if set, replaces what is typed unseen at the terminal. Tests use it.
	Secret func(question string) []byte

	// Patience is how long a request to the server is retried; 0 means the client's default.
	Patience time.Duration
	// Once reports that the request lets trading go on; the client does not resend it.
	Once bool
	// Starts reports that something in the request lets trading go on: it is not sent again
	// as it is.
	Starts bool
	// Within bounds a request with all its retries, and ends one in flight; 0 means no bound.
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

	unknownPortfolio bool   // the settings may name another portfolio, which cannot be read
	keyPortfolio     string // the only one that the key is for, where that has refused another

	Again    string // the Idempotency-Key of a command that may be sent more than once
	KeyGiven bool   // it was given: an earlier run may have sent the same
	sent     bool   // a command was on its way
	replayed bool   // what was answered last was recorded under the key before

	tripped []commands.Answer // to what tripped something, and this is not said yet

	// CustodyPace is how often a server looks after transfers, and how soon it compares a
	// difference again, for tests; 0 means custody's defaults.
	CustodyPace time.Duration

	Silence time.Duration // how long a stream may be silent, for tests; 0 means the client's default

	FoldsSilently time.Duration // how long a fold may take before its progress is told, for tests; 0 means one second

	Settle time.Duration // how long a stop that holds is watched, for tests; 0 is settleFor

	BySocketErr error // why the stop socket failed, if it was tried

	Stopping bool // what this run does is to stop something

	typed *cobra.Command // what this run was called for
}

// Terminal reports whether standard output is a terminal.
func (a *App) Terminal() bool {
	f, ok := a.Out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// errUsage marks an error that what the user typed has caused.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

// Usage marks an error as one of usage: exit status 2.
func Usage(err error) error { return errUsage{err} }

// ErrUnseen is of a look that found nothing, and did not see everything: exit status 3, as
// neither a success nor a failure would be true.
var ErrUnseen = errors.New("not everything was seen")

// wrongIsUsage makes wrong arguments a usage error in every command below one.
func (a *App) wrongIsUsage(above *cobra.Command) {
	for _, c := range above.Commands() {
		c.Args = a.usageArgs(c.Args)
		a.wrongIsUsage(c)
	}
}

// usageArgs makes three things a usage error: a wrong number of arguments, an empty argument,
// which most likely is a variable that is not set, and a flag with two values.
func (a *App) usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := given(c, args); err != nil {
			return err
		}
		if err := a.once(c); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		err := check(c, args)
		switch {
		case err == nil:
			return nil
		case cobra.NoArgs(c, args) != nil && c.HasSubCommands():
			return knownCommand(c, args)
		case len(args) > 0 && strings.Contains(err.Error(), strconv.Quote(args[0])): // it may be a secret
			err = fmt.Errorf("%s takes no argument, and has %d", c.CommandPath(), len(args))
		}
		return Usage(fmt.Errorf("%w; see %s --help", err, c.CommandPath()))
	}
}

// freeText lists the flags that may be empty because they name nothing. An empty --kind is
// allowed too, so that a stop never fails for it.
var freeText = []string{"reason", "note", "label", "accept-rollback", "kind"}

// given refuses an empty flag or argument: --server "$PROD" with PROD unset would otherwise
// go to a different server than the user meant.
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

// knownCommand refuses an unknown subcommand and suggests similar ones. It does not repeat
// what was typed: that may be a key, or the first word of a wallet.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	guess := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		guess = fmt.Sprintf(": did you mean %s?", strings.Join(near, " or "))
	}
	return Usage(fmt.Errorf("%s has no such command%s; see %s --help", c.CommandPath(), guess, c.CommandPath()))
}

// longestFlag is longer than any flag: what is longer is something else that begins as one.
const longestFlag = 32

// flagError is what is wrong with a flag. It does not repeat the value: that may be a secret,
// as the first word of a wallet after --words.
func flagError(err error) error {
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		flag := value.GetFlag()
		cause := value.Unwrap()
		if cause == nil || strings.Contains(cause.Error(), strings.TrimSpace(value.GetValue())) {
			return fmt.Errorf("the value of --%s is no valid %s", flag.Name, flag.Value.Type())
		}
		return fmt.Errorf("the value of --%s %w", flag.Name, cause)
	case errors.As(err, &unknown) && len(unknown.GetSpecifiedName()+unknown.GetSpecifiedShortnames()) > longestFlag:
		return errors.New("there is no such flag")
	}
	return err
}

// OnFlag names the flag in an error about its value.
func OnFlag(flag string, err error) error {
	var e *domain.Error
	if errors.As(err, &e) {
		return Usage(domain.Invalid(flag, "%s", e.Message))
	}
	return Usage(err)
}

// configure reads the environment; flags of the same name win. Wrong settings never keep a
// stop from running.
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
	if err := c.ValidateFolders(); err != nil { // checked again: a flag may have changed the folder
		if !is(command, noteStops) {
			return Usage(err)
		}
		a.Caution(err.Error() + ". The stop goes on, with the witness in its usual place")
		c.Witness = ""
	}
	if a.PortfolioFlag != "" {
		if err := domain.CheckID("--portfolio", a.PortfolioFlag); err != nil {
			return Usage(err)
		}
		c.Portfolio = a.PortfolioFlag
	}
	a.Config = c
	a.portfolioOfTarget(command)
	a.withhold(command)
	if a.Lost != nil && command.Name() != "stop" { // a revocation elsewhere would be another key's
		return Usage(a.Lost)
	}
	return nil
}

func (a *App) settings(command *cobra.Command) (config.Config, error) {
	if is(command, noteStops) {
		c, ignored := config.LoadToStop(a.Dir, a.Environ, a.storeFlagged()...)
		return a.without(c, ignored, command, "stopping"), nil
	}
	c, err := config.Load(a.Dir, a.Environ, a.storeFlagged()...)
	if err != nil && is(command, noteViews) { // asking a server needs few settings
		c, ignored := config.LoadToStop(a.Dir, a.Environ, a.storeFlagged()...)
		if a.server != "" || a.StoreFlag == "" && c.Server != "" || command.Name() == "status" { // which is of every portfolio
			return a.without(c, ignored, command, "asking the server"), nil
		}
	}
	if err == nil {
		a.doubt = a.notMeant(c, c.Unsure, command)
	}
	return c, err
}

// storeFlagged returns the folder that --store names.
func (a *App) storeFlagged() []string {
	dir, err := config.Config{Store: a.StoreFlag}.StoreDir()
	if err != nil {
		return nil
	}
	return []string{dir}
}

// without warns about each setting that could not be read and is ignored.
func (a *App) without(c config.Config, ignored config.Ignored, command *cobra.Command, doing string) config.Config {
	for _, err := range ignored.Errors {
		for _, line := range distinct(columns.Lines(err)) {
			a.Tell("warning: %s, ignoring what cannot be read: %s", doing, line)
		}
	}
	a.Lost = a.notMeant(c, ignored.Unsure, command)
	return c
}

// distinct leaves out the lines that occurred before.
func distinct(lines []string) (all []string) {
	for _, line := range lines {
		if !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	return all
}

// notMeant returns an error if a setting that cannot be read may have named a different
// target than the one this run works on. A flag that names the target removes the doubt.
func (a *App) notMeant(c config.Config, unsure []string, command *cobra.Command) error {
	everywhere, _ := command.Flags().GetBool("everywhere") // false where there is no such flag
	if a.PortfolioFlag != "" || everywhere || slices.Contains([]string{"revoke", "status"}, command.Name()) {
		unsure = slices.DeleteFunc(unsure, func(name string) bool { return name == "PETS_PORTFOLIO" })
	}
	switch in := func(name string) bool { return slices.Contains(unsure, name) }; {
	case a.server != "" || a.StoreFlag != "":
		unsure = slices.DeleteFunc(unsure, func(name string) bool { return name != "PETS_PORTFOLIO" })
	case c.Server != "" && !in("PETS_SERVER"): // PETS_SERVER takes precedence over the folder
		unsure = slices.DeleteFunc(unsure, func(name string) bool { return name == "PETS_STORE" || name == "PETS_DIR" })
	}
	if len(unsure) == 0 {
		return nil
	}
	a.unknownPortfolio = is(command, noteStops) && slices.Contains(unsure, "PETS_PORTFOLIO")
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
	return domain.Errorf(domain.CodeInvalid, "the %s that was meant %s: the setting of %s cannot be understood; name it with %s",
		strings.Join(what, " or "), missed, strings.Join(unsure, ", "), strings.Join(flags, ", "))
}

// named maps a variable to what it names and to the flag that names the same.
var named = map[string]struct{ what, flag string }{
	"PETS_SERVER": {"server", "--server"}, "PETS_STORE": {"store", "--store"}, "PETS_DIR": {"store", "--store"}, "PETS_PORTFOLIO": {"portfolio", "-p"},
}

// OSUser returns the user of this process as records name them: os:NAME.
func OSUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "os:" + u.Username
	}
	return "os:" + strconv.Itoa(os.Getuid())
}

// Group returns a command that only has subcommands.
func Group(use, short string, subcommands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(subcommands...)
	return c
}

// VersionText returns the version of this build.
func (a *App) VersionText() string {
	if a.Version != "" {
		return a.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// topic groups commands by what a person wants to do; the help lists them by topic.
type topic string

// The topics of the help.
const (
	LookBack   topic = "look back"
	Operate    topic = "operate"
	MoneyTopic topic = "money"
	KeysTopic  topic = "keys"
	SetUp      topic = "set up"
)

// topics lists the topics in the order of the help.
var topics = []topic{LookBack, Operate, MoneyTopic, KeysTopic, SetUp}

// Under assigns commands to a topic.
func Under(t topic, all ...*cobra.Command) []*cobra.Command {
	for _, c := range all {
		c.GroupID = string(t)
	}
	return all
}

// RunCommands runs the command line with these commands and returns its exit status.
func (a *App) RunCommands(ctx context.Context, args []string, all ...*cobra.Command) int {
	a.Columns, a.Arguments = a.columnsOf(a.Err), args
	root := a.Root(all...)
	root.SetArgs(args)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	command, err := root.ExecuteContextC(ctx)
	a.tellTripped()
	a.forgetClient()
	err = stopSaid(command, err)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		a.Tell("interrupted")
		return 1
	}
	for _, line := range columns.Lines(err) { // each of several errors
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

// stopSaid makes a stop that was typed wrong say that nothing is stopped.
func stopSaid(command *cobra.Command, err error) error {
	var usage errUsage
	if command == nil || command.Name() != "stop" || !errors.As(err, &usage) || strings.Contains(err.Error(), "NOT stopped") {
		return err
	}
	return Usage(fmt.Errorf("NOT stopped: %w", err))
}

// Root returns the root command with these commands below it.
func (a *App) Root(all ...*cobra.Command) *cobra.Command {
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
		if args := c.Flags().Args(); c == root && len(args) > 0 { // what is unknown comes before its flags
			return knownCommand(c, args)
		}
		return Usage(fmt.Errorf("%w; see %s --help", flagError(err), c.CommandPath()))
	})
	for _, t := range topics {
		root.AddGroup(&cobra.Group{ID: string(t), Title: strings.ToUpper(string(t))})
	}
	root.AddCommand(all...)
	root.SetHelpCommandGroupID(string(SetUp))
	root.SetHelpFunc(a.help)
	root.SetUsageTemplate(a.usageTemplate(root))
	root.CompletionOptions.HiddenDefaultCmd = true
	a.wrongIsUsage(root)
	countGiven(root)
	root.Args, root.SuggestionsMinimumDistance = knownCommand, 2
	return root
}
