package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/config"
	"pets/internal/loopback"
	"pets/internal/open"
)

// One rule decides what a command works on: --server, then --store, then PETS_SERVER, then
// PETS_STORE. A folder that a server holds is read directly, and changed through the server.
// See docs/decisions/0024.

// Target is what a command works on: a server or a folder.
type Target struct {
	URL string // the server's address; "" for a folder
	Dir string
}

// settleTarget applies the rule to the settings: of a server and a folder, only the chosen
// one remains.
func (a *App) settleTarget(c *config.Config, command *cobra.Command) error {
	local := is(command, noteLocal)
	switch {
	case a.server != "" && a.StoreFlag != "":
		return Usage(errors.New("--server and --store exclude each other: a command goes to a server or to a folder"))
	case a.server != "" && local:
		return Usage(fmt.Errorf("%s works on this machine: --server does not go with it", command.CommandPath()))
	case a.server != "":
		if err := config.CheckServer("--server", a.server); err != nil {
			return Usage(err)
		}
		c.Server = a.server
	case a.StoreFlag != "":
		c.Store, c.Server = a.StoreFlag, ""
		if strings.Contains(c.Database(), "@") && !is(command, noteStops) {
			return Usage(domain.Invalid("--store", "holds credentials, and every user of this machine can read a command line: put the connection string into PETS_STORE, in the environment"))
		}
		if _, err := c.StoreDir(); err != nil {
			return Usage(err)
		}
	case local && command.Name() == "verify" && c.Server != "":
		dir, _ := c.StoreDir()
		a.Tell("note: verify looks at the folder %s, not at the server of PETS_SERVER", dir)
	}
	return nil
}

// Target returns what this run works on.
func (a *App) Target() (Target, error) {
	if a.Config.Server != "" {
		return Target{URL: strings.TrimSuffix(a.Config.Server, "/")}, nil
	}
	dir, err := a.Config.StoreDir()
	return Target{Dir: dir}, err
}

// AsksServer reports whether a reading command goes to a server.
func (a *App) AsksServer() (bool, error) {
	t, err := a.Target()
	return t.URL != "", err
}

// Annotations of commands. noteLocal: it works on this machine by nature. noteStops: it stops
// something, and bad settings must not prevent it. noteViews: it shows a view, and bad settings
// must not keep it from asking a server. noteAsks: it asks for a yes.
const (
	noteLocal = "local"
	noteStops = "stops"
	noteViews = "views"
	noteAsks  = "asks"
)

// Local marks a command that works on this machine by its nature.
func Local(c *cobra.Command) *cobra.Command { return noted(c, noteLocal) }

// Stops marks a command that stops something, which bad settings must not prevent.
func Stops(c *cobra.Command) *cobra.Command { return noted(c, noteStops) }

// Views marks a command that shows a view, which may ask a server despite bad settings.
func Views(c *cobra.Command) *cobra.Command { return noted(c, noteViews) }

func noted(c *cobra.Command, note string) *cobra.Command {
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations[note] = "yes"
	return c
}

// is reports whether a command, or a group it belongs to, carries an annotation.
func is(c *cobra.Command, note string) bool {
	for ; c != nil; c = c.Parent() {
		if c.Annotations[note] != "" {
			return true
		}
	}
	return false
}

// Remote is a server and how to reach it.
type Remote struct {
	URL string
	ca  string // the certificate it is checked against
	// proof is the secret that a server found by its lock has to know; "" for a named server.
	proof string
	Way   *Socket
}

func (r *Remote) String() string {
	if r.Way != nil {
		return "the server that holds " + r.Way.store + ", by its stop socket"
	}
	return "server " + r.URL
}

// withhold keeps the key from a target that it is not for. A key and its target come from one
// source: a .env that was unpacked with somebody's files leads no key of the environment
// anywhere, and a key of .env goes nowhere else than that .env leads. A target that is typed
// with the command is a person's own word. Nothing goes to another machine in clear.
func (a *App) withhold(command *cobra.Command) {
	c := &a.Config
	if c.Key.Reveal() == "" || is(command, noteLocal) {
		return
	}
	why := a.inClear()
	if why == nil {
		why = a.misled()
	}
	if why == nil && a.astray() {
		if c.Server == "" && is(command, noteStops) {
			return // whoever holds that store has to prove it, and usually needs no key for a stop
		}
		if a.server != "" || is(command, noteStops) {
			a.Caution("PETS_KEY of .env is sent to " + a.meantServer() + ", which that .env does not name")
			return
		}
		why = domain.Invalid("PETS_KEY", "stands in .env and %s does not: it is not sent to %s, which the environment names. unset %[1]s where the server of this folder is meant; else put %[1]s into that .env, or PETS_KEY into the environment", a.chosenBy(), a.meantServer())
	}
	if why != nil {
		c.Key, a.withheld = config.Secret{}, why
	}
}

// inClear refuses to send the key to another machine in clear.
func (a *App) inClear() *domain.Error {
	u, err := url.Parse(a.Config.Server)
	if err != nil || !loopback.Clear(u) {
		return nil
	}
	name := "PETS_SERVER"
	if a.server != "" {
		name = "--server"
	}
	return domain.Invalid(name, "is an http:// address of another machine, and PETS_KEY would go there in clear: it is not sent. Use the https:// address of that server (PETS_TLS_CERT, PETS_TLS_SELF there, and PETS_CA here), or a tunnel from this machine: ssh -N -L 7433:127.0.0.1:7433 HOST, and http://127.0.0.1:7433")
}

// misled refuses to send a key of elsewhere to where a .env leads: to its server, or to
// whoever has the certificate that it trusts.
func (a *App) misled() *domain.Error {
	c := &a.Config
	if c.KeyInFile || c.Server == "" {
		return nil
	}
	led := func(name string) bool { return slices.Contains(c.Led, name) }
	switch {
	case a.server == "" && led("PETS_SERVER"):
		return domain.Invalid("PETS_SERVER", "stands in .env and PETS_KEY does not: that key is not sent to %s, which a file of this folder names. Where it is the server that is meant, name it with --server or in the environment, or put PETS_KEY into that .env as well", c.Server)
	case strings.HasPrefix(strings.ToLower(c.Server), "https:") && led("PETS_CA"):
		return domain.Invalid("PETS_CA", "stands in .env and PETS_KEY does not: that key is not sent to a server that only a file of this folder vouches for. Put PETS_CA into the environment, or PETS_KEY into that .env as well")
	}
	return nil
}

// strangeTo returns why a key of elsewhere does not go to the server that the lock of a folder
// names. A folder that is named with the command, or in the environment, is a person's own word.
// One that .env names, or that happens to be in the working folder, has to belong to this user or
// to root: whoever owns it decides who has it open, where that server answers, and which
// certificate it shows.
func (a *App) strangeTo(k *open.Keeper) *domain.Error {
	c := &a.Config
	named := a.StoreFlag != "" || c.StoreNamed
	if store, err := c.StoreDir(); err != nil || !open.SameFolder(k.In, store) {
		named = c.DirNamed
	}
	if c.KeyInFile || named || k.Strange() == nil {
		return nil
	}
	return domain.Invalid("PETS_KEY", "is not sent to the server that holds %s: neither this command nor the environment names that folder, and it may be another user's (%v). Where that server is meant, name it with --server, or its folder with --store", k.In, k.Strange())
}

// portfolioOfTarget makes a stop take its portfolio from where its server comes from.
// A .env that leads elsewhere names a portfolio of elsewhere: stopping that one would leave the
// one that is meant trading. What was not stopped is said, as an error.
func (a *App) portfolioOfTarget(command *cobra.Command) {
	c := &a.Config
	everywhere, _ := command.Flags().GetBool("everywhere") // false where there is no such flag
	if command.Name() != "stop" || c.Server == "" || everywhere || a.PortfolioFlag != "" || !slices.Contains(c.Led, "PETS_PORTFOLIO") || !a.elsewhere() {
		return
	}
	passed := c.Portfolio
	c.Portfolio = config.DefaultPortfolio()
	if passed != c.Portfolio {
		a.Lost = errors.Join(a.Lost, domain.Errorf(domain.CodeInvalid, "the portfolio that was meant may be %s, which was NOT stopped: PETS_PORTFOLIO stands in a .env that does not lead to %s; name the portfolio with -p, or stop all with --everywhere", passed, a.meantServer()))
	}
}

// astray reports whether the key of .env would go to another target than that .env leads to.
// A folder that is named with the command is a person's own word.
func (a *App) astray() bool {
	return a.Config.KeyInFile && (a.Config.Server != "" || a.StoreFlag == "") && a.elsewhere()
}

// elsewhere reports whether this run works on another target than .env leads to.
func (a *App) elsewhere() bool {
	c := &a.Config
	switch {
	case c.Server != "":
		return !sameAddress(c.Server, c.ServerInFile) && a.keeperAt(c.Server) == nil
	case a.StoreFlag == "" && slices.Contains(c.Led, "PETS_STORE"):
		return false
	}
	usual, err := config.Config{Store: cmp.Or(c.StoreInFile, config.DefaultStore())}.StoreDir()
	dir, err2 := c.StoreDir()
	return err == nil && err2 == nil && filepath.Clean(usual) != filepath.Clean(dir) && !open.SameFolder(usual, dir)
}

// meantServer names the server of this run.
func (a *App) meantServer() string {
	if a.Config.Server != "" {
		return a.Config.Server
	}
	return "the server that holds the store of PETS_STORE"
}

// chosenBy is the variable that names the target of this run.
func (a *App) chosenBy() string {
	if a.Config.Server != "" {
		return "PETS_SERVER"
	}
	return "PETS_STORE"
}

// sameAddress reports whether two addresses name the same server.
func sameAddress(a, b string) bool {
	return b != "" && (strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") || sameServer(a, b))
}

// NoKey says why this run has no key.
func (a *App) NoKey() string {
	if a.withheld != nil {
		return a.withheld.Error()
	}
	return "PETS_KEY is not set"
}

func (a *App) needsKey() error {
	if a.withheld != nil {
		return open.Nowhere(Usage(a.withheld))
	}
	return open.Nowhere(Usage(domain.Invalid("PETS_KEY", "is needed: this goes to a running server, with an API key")))
}

// Remote returns the server that this run goes to: the named one, or the one that holds the
// folder. It searches once.
func (a *App) Remote() (*Remote, error) {
	if a.Found != nil {
		return a.Found, nil
	}
	t, err := a.Target()
	switch {
	case err != nil:
		return nil, err
	case t.URL != "":
		a.Found = &Remote{URL: t.URL, ca: a.trusted(t.URL)}
		return a.Found, nil
	case !a.HasStoreAt(t.Dir):
		return nil, open.NoStore(t.Dir)
	}
	return a.holder(t.Dir)
}

// holder returns the server that holds a folder. If no lock names it, nothing is sent,
// because a server at the usual address may hold a different store.
func (a *App) holder(dir string) (*Remote, error) {
	if err := open.Barred(dir); err != nil {
		return nil, err
	}
	k, err := a.KeeperOf(dir)
	pid, writes := open.WriterOf(dir)
	_, stranger := open.IsLocked(dir)
	switch {
	case k != nil && k.URL != "" && k.Proof == "":
		return nil, domain.Errorf(domain.CodeUnavailable, "%s: its lock says that a server of an earlier build answers at %s, which cannot prove that it is that server: name it with --server", dir, k.URL)
	case k != nil && k.URL != "":
		if why := a.strangeTo(k); why != nil {
			a.Config.Key, a.withheld = config.Secret{}, why
		}
		a.Found = &Remote{URL: k.URL, ca: a.localCA(k.Dir, k.URL), proof: k.Proof}
	case k != nil:
		return nil, domain.Errorf(domain.CodeUnavailable, "%s: locked by pid %d, which is not a server, or not ready yet; try again, or name the server with --server", dir, k.PID)
	case err != nil:
		return nil, open.Unsent(err)
	case stranger != nil:
		return nil, open.Unsent(stranger)
	case writes:
		return nil, domain.Errorf(domain.CodeUnavailable, "%s: locked by pid %d, and neither its server.lock nor that of PETS_DIR (%s) says where a server of this store answers; name it with --server, or set PETS_DIR to the folder in which that server keeps its stop.sock", dir, pid, a.Config.ServerDir())
	default:
		return nil, domain.Errorf(domain.CodeUnavailable, "no server holds %s, and this command needs one: start pets serve, or name the server with --server or PETS_SERVER", dir)
	}
	return a.Found, nil
}

// Exchange sends one request to a server.
func (a *App) Exchange(ctx context.Context, r *Remote, method, path string, body, into any) error {
	o := a.Asking(r)
	if r.Way != nil { // the socket needs no key, and a wrong one would be refused
		o.URL, o.Key, o.Dial = "http://stop.sock", "", r.Way.dial
		o.Patience, o.Within = cmp.Or(a.Patience, socketPatience), socketPatience
	} else if o.Key == "" {
		return a.needsKey()
	}
	return a.Explained(ctx, r, o, a.answered(a.send(ctx, o, method, path, body, into)))
}

// send sends one request.
func (a *App) send(ctx context.Context, o client.Options, method, path string, body, into any) error {
	c, err := a.Client(o)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(path, "/v1/") {
		path = "/v1/portfolios/" + url.PathEscape(a.Config.Portfolio) + path
	}
	switch {
	case method == http.MethodGet && strings.Contains(path, "/events"):
		return c.Get(ctx, path, into) // EachEvent reads page by page
	case method == http.MethodGet:
		raw, err := whole(path, func(path string, into *json.RawMessage) error { return c.Get(ctx, path, into) })
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, into)
	}
	a.sent, a.replayed = true, false
	if into == nil {
		return c.Send(ctx, method, path, cmp.Or(a.Again, uuid.NewString()), body, nil)
	}
	seen := seen{into: into}
	err = c.Send(ctx, method, path, cmp.Or(a.Again, uuid.NewString()), body, &seen)
	if err == nil {
		a.noteTripped(seen.raw)
	}
	return err
}

// seen is an answer that is read into something, and kept.
type seen struct {
	into any
	raw  []byte
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *seen) UnmarshalJSON(raw []byte) error {
	s.raw = slices.Clone(raw)
	return json.Unmarshal(raw, s.into)
}

// ToServer sends one request to the server of this run, with PETS_KEY.
func (a *App) ToServer(ctx context.Context, method, path string, body, into any) error {
	r, err := a.Remote()
	if err != nil {
		return err
	}
	if a.Config.Key.Reveal() == "" {
		return a.needsKey()
	}
	if method != http.MethodGet {
		if err := a.Sure(); err != nil {
			return err
		}
		a.Acting(r.String(), !strings.HasPrefix(path, "/v1/"))
	}
	return a.Exchange(ctx, r, method, path, body, into)
}

// NeedsServer returns an error if there is no server or no key, before the command does or
// shows anything.
func (a *App) NeedsServer() error {
	if _, err := a.Remote(); err != nil {
		return err
	}
	if a.Config.Key.Reveal() == "" {
		return a.needsKey()
	}
	return nil
}

// ActsOnServer is NeedsServer for a command that then changes something there.
func (a *App) ActsOnServer() error {
	if err := a.NeedsServer(); err != nil {
		return err
	}
	if err := a.Sure(); err != nil {
		return err
	}
	a.Acting(a.Found.String(), true)
	return nil
}

// Sure refuses to act if the settings may have named a different target than this run's. A
// stop goes on and reports the doubt at the end.
func (a *App) Sure() error {
	if a.doubt == nil {
		return nil
	}
	return Usage(a.doubt)
}

// Acting names the target on standard error, before anything is done to it.
func (a *App) Acting(on string, inPortfolio bool) {
	if inPortfolio {
		on += ", portfolio " + a.Config.Portfolio
	}
	if a.named == on {
		return
	}
	a.named = on
	a.Tell("acting on %s", on)
}
