package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/config"
)

// The one rule for what a command goes to: --server, then --store, then PETS_SERVER, then
// PETS_STORE. A folder that a server holds is read beside it, and acted on through it.
// See docs/decisions/0024.

// target is what a command goes to: a server, or a folder.
type target struct {
	url string // of the server, "" for a folder
	dir string
}

// settleTarget applies the rule to the settings: of the two that may be set, the one that
// is meant stays.
func (a *app) settleTarget(c *config.Config, command *cobra.Command) error {
	local := is(command, noteLocal)
	switch {
	case a.server != "" && a.store != "":
		return usage(errors.New("--server and --store exclude each other: a command goes to a server or to a folder"))
	case a.server != "" && local:
		return usage(fmt.Errorf("%s works on this machine: --server does not go with it", command.CommandPath()))
	case a.server != "":
		if err := config.CheckServer("--server", a.server); err != nil {
			return usage(err)
		}
		c.Server = a.server
	case a.store != "":
		c.Store, c.Server = a.store, ""
		if _, err := c.StoreDir(); err != nil {
			return usage(err)
		}
	case local && command.Name() == "verify" && c.Server != "":
		dir, _ := c.StoreDir()
		_, _ = fmt.Fprintf(a.err, "pets: note: verify looks at the folder %s, not at the server of PETS_SERVER\n", dir)
	}
	return nil
}

func (a *app) target() (target, error) {
	if a.config.Server != "" {
		return target{url: strings.TrimSuffix(a.config.Server, "/")}, nil
	}
	dir, err := a.config.StoreDir()
	return target{dir: dir}, err
}

// asksServer reports whether a reading command goes to a server.
func (a *app) asksServer() (bool, error) {
	t, err := a.target()
	return t.url != "", err
}

// Commands that go to neither server nor store, or to a store on this machine by their
// nature, say so; those that stop something are not kept from it by bad settings, and those
// that show a view are not kept from asking a server.
const (
	noteLocal = "local"
	noteStops = "stops"
	noteViews = "views"
)

func local(c *cobra.Command) *cobra.Command { return noted(c, noteLocal) }
func stops(c *cobra.Command) *cobra.Command { return noted(c, noteStops) }
func views(c *cobra.Command) *cobra.Command { return noted(c, noteViews) }

func noted(c *cobra.Command, note string) *cobra.Command {
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations[note] = "yes"
	return c
}

// is reports whether a command, or the group it belongs to, has a note.
func is(c *cobra.Command, note string) bool {
	for ; c != nil; c = c.Parent() {
		if c.Annotations[note] != "" {
			return true
		}
	}
	return false
}

// remote is a server, and the way to it.
type remote struct {
	url string
	ca  string // the certificate it is trusted by
	// proof is what it has to know, where it was found and not named.
	proof string
	way   *socket
}

func (r *remote) String() string {
	if r.way != nil {
		return "the server that holds " + r.way.store + ", by its stop socket"
	}
	return "server " + r.url
}

func needsKey() error {
	return nowhereTo(usage(domain.Invalid("PETS_KEY", "is needed: this goes to a running server, with an API key")))
}

// remote is the server that this run goes to: the one that is named, or the one that holds
// the folder. It is looked for once.
func (a *app) remote() (*remote, error) {
	if a.found != nil {
		return a.found, nil
	}
	t, err := a.target()
	switch {
	case err != nil:
		return nil, err
	case t.url != "":
		a.found = &remote{url: t.url, ca: a.trusted(t.url)}
		return a.found, nil
	case !hasStore(t.dir):
		return nil, noStore(t.dir)
	}
	return a.holder(t.dir)
}

// holder is the server that holds a folder. Where nobody says who that is, nothing is sent:
// whoever listens at the usual address may hold another store.
func (a *app) holder(dir string) (*remote, error) {
	if err := barred(dir); err != nil {
		return nil, err
	}
	k, err := a.keeperOf(dir)
	pid, writes := writerOf(dir)
	_, stranger := isLocked(dir)
	switch {
	case k != nil && k.URL != "" && k.Proof == "":
		return nil, domain.Errorf(domain.CodeUnavailable, "%s: its lock says that a server of an earlier build answers at %s, which cannot prove that it is that server: name it with --server", dir, k.URL)
	case k != nil && k.URL != "":
		a.found = &remote{url: k.URL, ca: a.localCA(k.dir, k.URL), proof: k.Proof}
	case k != nil:
		return nil, domain.Errorf(domain.CodeUnavailable, "%s: locked by pid %d, which is no server, or not one yet; try again, or name the server with --server", dir, k.PID)
	case err != nil:
		return nil, unsent(err)
	case stranger != nil:
		return nil, unsent(stranger)
	case writes:
		return nil, domain.Errorf(domain.CodeUnavailable, "%s: locked by pid %d, and neither its server.lock nor that of PETS_DIR (%s) says where a server of this store answers; name it with --server, or set PETS_DIR to the folder in which that server keeps its stop.sock", dir, pid, a.config.ServerDir())
	default:
		return nil, domain.Errorf(domain.CodeUnavailable, "no server holds %s, and this goes through one: start pets serve, or name the server with --server or PETS_SERVER", dir)
	}
	return a.found, nil
}

// exchange sends one request to a server.
func (a *app) exchange(ctx context.Context, r *remote, method, path string, body, into any) error {
	o := a.asking(r)
	if r.way != nil { // who may connect to the socket needs no key, and a wrong one would be refused
		o.URL, o.Key, o.Dial = "http://stop.sock", "", r.way.dial
		o.Patience, o.Within = cmp.Or(a.patience, socketPatience), socketPatience
	} else if o.Key == "" {
		return needsKey()
	}
	return a.explained(ctx, r, o, a.send(ctx, o, method, path, body, into))
}

// send sends one request.
func (a *app) send(ctx context.Context, o client.Options, method, path string, body, into any) error {
	c, err := client.New(o)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // nothing is kept
	if !strings.HasPrefix(path, "/v1/") {
		path = "/v1/portfolios/" + url.PathEscape(a.config.Portfolio) + path
	}
	switch {
	case method == http.MethodGet && strings.Contains(path, "/events"):
		return c.Get(ctx, path, into) // they are asked for part by part
	case method == http.MethodGet:
		raw, err := whole(path, func(path string, into *json.RawMessage) error { return c.Get(ctx, path, into) })
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, into)
	}
	return c.Send(ctx, method, path, cmp.Or(a.again, uuid.NewString()), body, into)
}

// toServer sends one request with PETS_KEY to the server of this run.
func (a *app) toServer(ctx context.Context, method, path string, body, into any) error {
	r, err := a.remote()
	if err != nil {
		return err
	}
	if a.config.Key.Reveal() == "" {
		return needsKey()
	}
	if method != http.MethodGet {
		if err := a.sure(); err != nil {
			return err
		}
		a.acting(r.String(), !strings.HasPrefix(path, "/v1/"))
	}
	return a.exchange(ctx, r, method, path, body, into)
}

// needsServer refuses a command that goes through a server only, before anything else is
// done or shown.
func (a *app) needsServer() error {
	if _, err := a.remote(); err != nil {
		return err
	}
	if a.config.Key.Reveal() == "" {
		return needsKey()
	}
	return nil
}

// actsOnServer is needsServer for a command that goes on to change something there.
func (a *app) actsOnServer() error {
	if err := a.needsServer(); err != nil {
		return err
	}
	if err := a.sure(); err != nil {
		return err
	}
	a.acting(a.found.String(), true)
	return nil
}

// sure refuses to act where the settings may have been to name something else than what
// would be acted on. What stops something goes on, and fails in the end.
func (a *app) sure() error {
	if a.doubt == nil {
		return nil
	}
	return usage(a.doubt)
}

// acting names, on standard error and before it is done, what is acted on.
func (a *app) acting(on string, inPortfolio bool) {
	if inPortfolio {
		on += ", portfolio " + a.config.Portfolio
	}
	if a.named == on {
		return
	}
	a.named = on
	_, _ = fmt.Fprintln(a.err, "pets: acting on", on)
}
