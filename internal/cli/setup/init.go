package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/internal/cli"
	"pets/internal/config"
	"pets/internal/httpapi"
	"pets/internal/open"
	"pets/internal/owner"
)

// question is one question of pets init. Its answer is a variable of .env.
type question struct {
	variable string
	flag     string // the flag that answers it
	text     string
	answer   string // the default, or what was answered
	given    bool   // a flag has answered it
}

func (a *app) initCommand() *cobra.Command {
	var listen, loss string
	var yes, keyless bool
	c := &cobra.Command{
		Use: "init", Short: "Write a first .env here, and say which three commands come next", Args: cobra.NoArgs,
		Long: "Asks five questions, each with a default, and writes .env with mode 600. It never overwrites one, and\n" +
			"shows no secret. --yes asks nothing; each flag answers one question: --store the first, --portfolio\n" +
			"the second. .env.example lists every other setting.",
		Example: "  pets init\n  pets init --yes\n  pets init --yes --store embedded:/var/lib/pets --portfolio paper --listen 127.0.0.1:7500",
		RunE: func(c *cobra.Command, _ []string) error {
			questions := []question{
				{"PETS_STORE", "--store", "Which folder are the events kept in?", a.folderOrDefault(), a.StoreFlag != ""},
				{"PETS_PORTFOLIO", "--portfolio", "What is the portfolio called?", a.Config.Portfolio, a.PortfolioFlag != ""},
				{"PETS_LISTEN", "--listen", "Where is the server to answer?", listen, c.Flags().Changed("listen")},
				{"MAX_DAILY_LOSS_PCT", "--max-daily-loss", "At which loss of a day is everything stopped? 0.05 is 5 %.", loss, c.Flags().Changed("max-daily-loss")},
			}
			return a.init(c.Context(), questions, yes, keyless, c.Flags().Changed("no-key"))
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:7433", "where the server is to answer (PETS_LISTEN)")
	c.Flags().StringVar(&loss, "max-daily-loss", "0.05", "the limit of new portfolios (MAX_DAILY_LOSS_PCT)")
	c.Flags().BoolVar(&keyless, "no-key", false, "make no admin key: the first start of the server shows one")
	c.Flags().BoolVar(&yes, "yes", false, "ask nothing, and take the defaults")
	return c
}

func (a *app) init(ctx context.Context, questions []question, yes, keyless, keyGiven bool) error {
	path := filepath.Join(a.Dir, ".env")
	switch _, err := os.Lstat(path); {
	case err == nil:
		return domain.Errorf(domain.CodeConflict, "%s already exists, and is never overwritten: edit it, or move it away", path)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := owner.TrustOf(a.Dir).Place(a.Dir); err != nil {
		return err
	}
	if !yes {
		var err error
		if keyless, err = a.askAll(ctx, questions, keyless, keyGiven); err != nil {
			return err
		}
	}
	for _, q := range questions {
		if err := a.checkAnswer(q); err != nil {
			return cli.Usage(err)
		}
	}
	if err := a.alone(questions); err != nil {
		return cli.Usage(err)
	}
	had, err := a.hasKeys(ctx, questions[0].answer)
	switch {
	case err != nil:
		return fmt.Errorf("the store that is there already cannot be read: %w", err)
	case had && !keyless:
		return domain.Errorf(domain.CodeConflict, "the store %s has API keys already, so its server would never take one that is made here. Nothing is written. Add --no-key, and go on with a key that you have; with an admin's, pets apikey issue makes others", questions[0].answer)
	}
	if err := a.writeEnv(path, questions, keyless); err != nil {
		return err
	}
	return a.sayInitialised(path, questions, keyless, had)
}

// askAll asks the questions that no flag has answered.
func (a *app) askAll(ctx context.Context, questions []question, keyless, keyGiven bool) (bool, error) {
	p, err := a.Prompter("pets init")
	if err != nil || a.JSON {
		return false, cli.Usage(errors.New("there is no terminal to ask at: add --yes, which takes the defaults, and see pets init --help"))
	}
	p.Say("Enter takes the value in brackets; Ctrl-C quits, and nothing is written.")
	for i := range questions {
		q := &questions[i]
		for !q.given {
			answer, err := p.Line(ctx, fmt.Sprintf("%s [%s] ", q.text, strings.TrimPrefix(q.answer, "embedded:")))
			if err != nil {
				return false, err
			}
			tried := *q
			if answer != "" {
				tried.answer = answer
			}
			if q.variable == "PETS_STORE" && !strings.HasPrefix(tried.answer, "embedded:") {
				tried.answer = "embedded:" + tried.answer
			}
			if err := a.checkAnswer(tried); err != nil {
				p.Say("%v", err)
				continue
			}
			*q, q.given = tried, true
		}
	}
	if keyGiven {
		return keyless, nil
	}
	for {
		answer, err := p.Line(ctx, "Make an admin key and keep it in .env, for the commands typed here? yes or no [yes] ")
		switch strings.ToLower(answer) {
		case "", "y", "yes":
			return false, err
		case "n", "no":
			return true, err
		}
		if err != nil {
			return false, err
		}
		p.Say("Please answer yes or no. Ctrl-C quits, and nothing is written.")
	}
}

// elsewhere are the variables that say what a command goes to, and as whom.
var elsewhere = []string{"PETS_SERVER", "PETS_STORE", "PETS_DIR", "PETS_WITNESS", "PETS_PORTFOLIO", "PETS_KEY", "PETS_ADMIN_KEY", "PETS_ADMIN_KEY_FILE"}

// alone refuses an environment, which goes before .env, with which what is printed next would
// go to something else than what .env names, or as somebody else.
func (a *app) alone(questions []question) error {
	var set []string
	for _, name := range elsewhere {
		value, is := a.fromEnvironment(name)
		for _, q := range questions {
			if q.variable == name && (value == q.answer || value == "" && !q.given) {
				is = false
			}
		}
		if is && (value != "" || name != "PETS_SERVER" && name != "PETS_DIR" && name != "PETS_WITNESS") {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return nil
	}
	names, verb := strings.Join(set, ", "), "is"
	if len(set) > 1 {
		verb = "are"
	}
	return domain.Errorf(domain.CodeInvalid, "%s %s set in the environment, which goes before .env: the commands that come next would go elsewhere. Nothing is written. First: unset %s", names, verb, strings.Join(set, " "))
}

func (a *app) fromEnvironment(name string) (string, bool) {
	for _, entry := range a.Environ {
		if value, is := strings.CutPrefix(entry, name+"="); is {
			return value, true
		}
	}
	return "", false
}

// folderOrDefault is the store of the settings if that is a folder. A connection string may hold a
// password, and is not shown.
func (a *app) folderOrDefault() string {
	if a.Config.Database() != "" {
		return config.DefaultStore()
	}
	return a.Config.Store
}

// hasKeys reports whether the store that is named has API keys: then no first start takes or
// shows one any more.
func (a *app) hasKeys(ctx context.Context, named string) (has bool, err error) {
	dir, err := config.Config{Store: named}.StoreDir()
	if err != nil || !open.HasStore(dir) {
		return false, err
	}
	store, err := open.ReadFolder(dir)
	if err != nil {
		return false, err
	}
	err = eventstore.Walk(ctx, store, commands.SystemStream, 0, func(rec eventstore.Record) error {
		has = has || rec.Type == domain.APIKeyIssuedType
		return nil
	})
	return has, errors.Join(err, store.Close())
}

// checkAnswer holds an answer to the rule of its variable, as every start does.
func (a *app) checkAnswer(q question) error {
	_, err := config.Load(a.Dir, []string{q.variable + "=" + q.answer})
	if strings.ContainsAny(q.answer, `'\`) || strings.ContainsFunc(q.answer, func(r rune) bool { return unicode.Is(unicode.C, r) }) {
		err = domain.Invalid(q.variable, "may have no quote, no backslash and no control character in it")
	}
	if err == nil {
		return nil
	}
	return domain.Errorf(domain.CodeInvalid, "%s", strings.ReplaceAll(err.Error(), q.variable, q.flag))
}

// writeEnv creates the file, which must not exist, readable by its owner only.
func (a *app) writeEnv(path string, questions []question, keyless bool) (err error) {
	var b strings.Builder
	b.WriteString("# Written by pets init. .env.example lists every setting, and what it means.\n")
	set := func(name, value string) {
		if cli.Quoted(value) != value {
			value = "'" + value + "'"
		}
		fmt.Fprintf(&b, "%s=%s\n", name, value)
	}
	for _, q := range questions {
		set(q.variable, q.answer)
		if q.variable == "PETS_LISTEN" && !config.IsLoopback(q.answer) {
			set("PETS_TLS_SELF", "true")
		}
	}
	if !keyless {
		token, _ := httpapi.NewToken()
		b.WriteString("\n# The first admin key, which the first start of the server takes, and commands send.\n")
		set("PETS_ADMIN_KEY", token)
		set("PETS_KEY", token)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(path) // an incomplete file is useless
		}
	}()
	if err := owner.Keep(f); err != nil {
		return err
	}
	if _, err := f.WriteString(b.String()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	_, err = config.Load(a.Dir, nil)
	if untrusted := (*owner.UntrustedError)(nil); errors.As(err, &untrusted) { // root, in a folder of another user
		name, _ := owner.Other(a.Dir)
		return domain.Errorf(domain.CodeConflict, "the folder belongs to %s, and a .env there is read only by that user, or by root once a store of that user is there. Nothing is written; run pets init as %s", name, name)
	}
	return err
}

// written says who can read the file: root gives it to the owner of its folder.
func written(path string) string {
	if name, other := owner.Other(path); other {
		return fmt.Sprintf("%s is written, with mode 600. It belongs to %s, as the folder does: only %s and root can read it.", path, name, name)
	}
	return path + " is written, with mode 600: nobody else can read it."
}

// sayInitialised prints what comes next. A key is read without an echo: what is typed as part
// of a command stays in the history of the shell.
func (a *app) sayInitialised(path string, questions []question, keyless, had bool) error {
	portfolio := questions[1].answer
	next := []string{a.AdviseElsewhere("", "serve").String()}
	if keyless {
		next = append(next, "read -rs PETS_KEY; export PETS_KEY")
	}
	next = append(next, a.AdviseElsewhere("", "portfolio", "open", portfolio).String(), a.AdviseElsewhere(portfolio, "deposit", "10000").String())
	if a.JSON {
		return a.PrintJSON(map[string]any{"file": path, "next": next})
	}
	p := a.Printer()
	p.Line("%s", written(path))
	if !keyless {
		p.Say(0, "It holds an admin key. Before there is real money, issue every person a key of their own (pets apikey issue), and take that one out.")
	}
	for _, q := range questions {
		if value, is := a.fromEnvironment(q.variable); is && value != "" && value != q.answer {
			p.Say(0, "%s is set in the environment, too, and goes before .env.", q.variable)
		}
	}
	p.Line("")
	p.Line("next, in a terminal of its own:")
	p.Whole("    " + next[0])
	switch {
	case had:
		p.Say(0, "and in another one, in this folder, with a key that you have, which is not shown as it is typed:")
	case keyless:
		p.Say(0, "and in another one, in this folder, with the admin key that the first start shows, which is not shown again as it is typed:")
	default:
		p.Line("and in another one, in this folder:")
	}
	for _, command := range next[1:] {
		p.Whole("    " + command)
	}
	return cli.Told(path+" is written", p.Err)
}
