package serve

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/config"
	"pets/internal/evm"
	"pets/internal/history"
	"pets/internal/httpapi"
	"pets/internal/legs"
	"pets/internal/live"
	"pets/internal/metrics"
	"pets/internal/notice"
	"pets/internal/open"
	"pets/internal/owner"
	"pets/internal/work"
	"pets/projections"
)

// serveFlags take precedence over the settings of the same names.
type serveFlags struct {
	listen, metrics string
	tlsCert, tlsKey string
	tlsSelf, demo   bool
	allowPlaintext  bool
	acceptRollback  string
}

// serveCommand returns pets serve; play runs its demo.
func (a *app) serveCommand(play func(context.Context, *cli.App) error) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", Short: "Answer bots, operators and dashboards over HTTP", Args: cobra.NoArgs,
		Long: "Opens the store for writing, folds every portfolio, and answers the HTTP API until it is\n" +
			"interrupted. The first start makes one admin key and shows it once, or takes PETS_ADMIN_KEY_FILE.\n" +
			"--demo plays a bundled week of three bots through the API of a server on a fresh folder.",
		Example: "  pets serve\n  pets serve --demo\n  pets serve --listen 0.0.0.0:7433 --tls-self",
		RunE: func(c *cobra.Command, _ []string) error {
			if accept := c.Flags().Lookup("accept-rollback"); accept.Changed {
				f.acceptRollback = strings.TrimSpace(f.acceptRollback)
				if err := domain.CheckReason("--accept-rollback", f.acceptRollback); err != nil {
					return cli.Usage(err)
				}
			}
			return a.serve(c.Context(), f, play)
		},
	}
	c.Flags().StringVar(&f.listen, "listen", "", "host:port to answer at (PETS_LISTEN)")
	c.Flags().StringVar(&f.metrics, "metrics-listen", "", "host:port for Prometheus, or off (PETS_METRICS_LISTEN)")
	c.Flags().StringVar(&f.tlsCert, "tls-cert", "", "PEM `file` of the certificate (PETS_TLS_CERT)")
	c.Flags().StringVar(&f.tlsKey, "tls-key", "", "PEM `file` of its private key (PETS_TLS_KEY)")
	c.Flags().BoolVar(&f.tlsSelf, "tls-self", false, "make a certificate of our own (PETS_TLS_SELF)")
	c.Flags().BoolVar(&f.allowPlaintext, "allow-plaintext", false, "answer other machines without TLS (PETS_ALLOW_PLAINTEXT)")
	c.Flags().StringVar(&f.acceptRollback, "accept-rollback", "", "go on with a store that was rolled back or salvaged, for this `reason`, which is recorded; what it touches is stopped")
	c.Flags().BoolVar(&f.demo, "demo", false, "play the demo week through the API, then stay up")
	return cli.Local(c)
}

// settle applies the flags to the settings.
func (f serveFlags) settle(c *config.Config) error {
	for _, s := range []struct {
		flag string
		into *string
	}{{f.listen, &c.Listen}, {f.metrics, &c.MetricsListen}, {f.tlsCert, &c.TLSCert}, {f.tlsKey, &c.TLSKey}} {
		if s.flag != "" {
			*s.into = s.flag
		}
	}
	c.TLSSelf = c.TLSSelf || f.tlsSelf
	c.AllowPlaintext = c.AllowPlaintext || f.allowPlaintext
	if err := c.ValidateServer(); err != nil {
		return cli.Usage(err)
	}
	if !config.IsLoopback(c.Listen) && c.TLSCert == "" && !c.TLSSelf && !c.AllowPlaintext {
		return cli.Usage(domain.Invalid("--listen", "is an address that other machines reach, and API keys would go there in clear: add --tls-cert and --tls-key, or --tls-self, or --allow-plaintext where something else adds TLS"))
	}
	if c.MetricsListen != "off" && !config.IsLoopback(c.MetricsListen) && c.TLSCert == "" && !c.TLSSelf {
		return cli.Usage(domain.Invalid("PETS_METRICS_LISTEN", "is an address that other machines reach: there the metrics are shown to a key of role auditor, over TLS. Set PETS_TLS_CERT and PETS_TLS_KEY, or PETS_TLS_SELF; or leave it at 127.0.0.1:7434, or off"))
	}
	return nil
}

func (a *app) serve(ctx context.Context, f serveFlags, play func(context.Context, *cli.App) error) error {
	if err := f.settle(&a.Config); err != nil {
		return err
	}
	if err := open.Harden(); err != nil { // it holds keys, with a keystore or without
		return err
	}
	if f.demo {
		return play(ctx, a.App)
	}
	work.SpareProcessors()
	a.AcceptRollback = f.acceptRollback
	s, err := New(ctx, a.App, a.Clock())
	if err != nil {
		return startError(err)
	}
	return startError(s.Run(ctx, nil))
}

// Server is one pets serve: the store, its writers and its listeners.
type Server struct {
	app    *app
	Log    *slog.Logger
	Store  open.Store
	lock   *open.Lock // of PETS_DIR
	mark   *open.Lock // in the folder of the store, if that is not PETS_DIR
	Engine *commands.Engine
	past   *history.Keeper // finds what is already recorded
	keys   *projections.Keyring
	live   *live.Followers // of every portfolio
	places *work.Places    // in which what takes long is computed
	api    *httpapi.API
	meter  *metrics.Metrics
	// custody has keys and chain, as far as they are configured; vault is the keystore.
	custody *custody.Custodian
	vault   *evm.Keys
	notify  notice.Notify
	board   *notice.Board
	now     func() time.Time
	started time.Time
	// witness is that of the store.
	witness *open.Watch
	// approversFound counts what checkApprovers found.
	approversFound int

	listener       net.Listener
	files          *httpapi.Files  // shared out among the listeners
	socket         *httpapi.Socket // nil if none can be opened
	endSocket      context.CancelFunc
	noLocalStop    atomic.Pointer[error] // why there is no stop socket or lock
	trust          owner.Trust           // determined when the store was opened
	ownDir         bool                  // PETS_DIR is not the folder of the store
	MetricsAddress string
	secure         *tls.Config
	work           sync.WaitGroup
	stop           context.CancelFunc
}

// Discard closes a server that was made and is not run.
func (s *Server) Discard() error {
	err := s.listener.Close()
	if s.socket != nil {
		err = errors.Join(err, s.socket.Close())
	}
	s.stop = func() {}
	return errors.Join(err, s.shut())
}

// Run folds every stream, opens the routes, and answers until ctx ends. It calls ready once the
// routes are open; an error of ready ends the server.
func (s *Server) Run(ctx context.Context, ready func(context.Context) error) (err error) {
	ctx, stop := context.WithCancel(ctx)
	s.stop = stop
	defer func() { err = errors.Join(err, s.shut()) }()
	served := make(chan error, 1)
	s.work.Go(func() {
		served <- s.files.Serve(ctx, httpapi.NewServer(s.hosts(s.app.Config.Listen).Guard(s.api), s.Log, s.secure), s.listener, s.api.EndStreams)
	})
	if s.socket != nil {
		s.answerSocket(ctx)
	}
	s.work.Go(func() { s.follow(ctx) })
	s.work.Go(func() { s.tell(ctx) })
	s.work.Go(func() { s.tellPending(ctx) })
	s.work.Go(func() { s.watchHealth(ctx) })
	s.work.Go(func() { s.api.Flush(ctx) })
	s.work.Go(func() { s.live.Find(ctx) })
	s.work.Go(func() { s.Engine.WatchClocks(ctx) })
	s.work.Go(func() { (&legs.Watcher{Engine: s.Engine, Live: s.live, Now: s.now, Log: s.Log}).Run(ctx) })
	if err := s.serveMetrics(ctx); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // told to end before it was ready, which is no failure
			return <-served
		}
		return err
	}
	if ready != nil {
		if err := ready(ctx); err != nil {
			return err
		}
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return <-served
	}
}

// open folds every stream, creates the first key if there is none, and opens the routes. Until
// then everything under /v1 answers 503, except stops: they only need the API keys, and not
// even those at the stop socket.
func (s *Server) open(ctx context.Context) error {
	start := time.Now()
	if err := s.api.KeysKnown(ctx); err != nil {
		return err
	}
	if err := s.fold(ctx); err != nil {
		return err
	}
	if err := s.witnessed(ctx); err != nil {
		return err
	}
	if err := s.firstKey(ctx); err != nil {
		return err
	}
	if err := s.guardLive(ctx); err != nil {
		return err
	}
	if err := s.api.Ready(ctx); err != nil {
		return err
	}
	s.runCustody(ctx)
	s.work.Go(func() { s.audits(ctx) })
	s.work.Go(func() { s.watchKeys(ctx) })
	s.Log.Info("ready", "address", s.URL(), "folded_in", time.Since(start).Round(time.Millisecond).String(), "version", s.app.Version)
	return nil
}

// fold folds every stream, once everything that is recorded can be looked up. The index of the
// history is a cache: where it cannot be used, or stops being usable meanwhile, the server waits,
// and takes stops, until it can.
func (s *Server) fold(ctx context.Context) error {
	for {
		if err := s.past.Ready(ctx); err != nil {
			return fmt.Errorf("the index of the history: %w", err)
		}
		err := s.Engine.Load(ctx, s.progress)
		if err == nil || s.past.Err() == nil || ctx.Err() != nil {
			return err
		}
	}
}

// tellsEach is how many streams are logged one by one; of more, one in so many.
const tellsEach = 100

func (s *Server) progress(stream string, done, total int) {
	if total > tellsEach && done%tellsEach != 0 && done != total {
		return
	}
	s.Log.Info("folded", "stream", stream, "streams", done, "of", total)
}

// folding logs the progress of a stream whose history takes long to fold.
func (s *Server) folding(stream string, at, total uint64) {
	s.Log.Info("folding", "stream", stream, "records", at, "of", total)
}

func (s *Server) follow(ctx context.Context) {
	if err := s.keys.Run(ctx); err != nil && ctx.Err() == nil {
		s.Log.Error("the system stream cannot be followed any more; every key is refused", "error", err.Error())
	}
}

// firstKey creates the first admin key of a store that has none: PETS_ADMIN_KEY, or a key that
// is shown once.
func (s *Server) firstKey(ctx context.Context) error {
	head, any, err := s.Engine.SystemHead(ctx)
	if err != nil {
		return err
	}
	if any {
		if err := s.keys.Wait(ctx, head); err != nil {
			return err
		}
	}
	if s.keys.Any() {
		return s.wayIn(ctx)
	}
	if err := s.roomForKey(); err != nil {
		return err
	}
	token, from, err := s.app.Config.FirstAdminKey()
	if err != nil {
		return cli.Usage(err)
	}
	if token == "" {
		token, _ = httpapi.NewToken()
		// Show it before recording it: a recorded key that no one has seen locks everyone out,
		// while a key that was seen but not recorded only costs another start.
		if err := s.app.showFirstKey(token); err != nil {
			return fmt.Errorf("the first admin key could not be shown, so it is not recorded: %w", err)
		}
	}
	if err := s.bootstrap(ctx, token); err != nil {
		return err
	}
	if from != "" {
		s.Log.Info("the first admin key was set; it is not read again", "from", from)
	}
	return nil
}

func (s *Server) bootstrap(ctx context.Context, token string) error {
	answer, err := s.Engine.System(ctx, commands.Request{
		Caller: domain.Caller{User: "system", Role: domain.RoleAdmin}, Key: uuid.NewString(),
		Command: commands.BootstrapKey{User: "admin", Hash: httpapi.HashToken(token)},
	})
	if err != nil {
		return err
	}
	return s.keys.Wait(ctx, answer.Revision)
}

// wayIn lets an admin back in where every admin key has expired: whoever sets the environment
// of this server may set another one. A key that was issued before never comes back. Trading
// goes on in any case, with the keys that still live.
func (s *Server) wayIn(ctx context.Context) error {
	if s.keys.Administered(s.now()) {
		s.ignoredKey()
		return nil
	}
	token, from, err := s.app.Config.FirstAdminKey()
	if err == nil && token != "" {
		err = s.bootstrap(ctx, token)
	}
	switch {
	case err != nil:
		s.Log.Error("CRITICAL: no admin key is accepted any more, and the one that is set cannot be used; set another one, and start again", "from", from, "error", err.Error())
	case token == "":
		s.Log.Error("CRITICAL: no admin key is accepted any more: the last one has expired. Put a new one into PETS_ADMIN_KEY_FILE, and start this server again")
	default:
		s.Log.Error("CRITICAL: no admin key was accepted any more, and a new one was set", "from", from)
	}
	return nil
}

// ignoredKey says that the admin key of the settings is not taken, because another one is accepted:
// who set it to get back in is told the way, and who forgot it is told to take it away.
func (s *Server) ignoredKey() {
	token, from, err := s.app.Config.FirstAdminKey()
	if err == nil && from == "" {
		return
	}
	if err == nil {
		if k, known := s.keys.Lookup(sha256.Sum256([]byte(token))); known && k.Role == domain.RoleAdmin && k.Live(s.now()) {
			return // it is the one that is accepted
		}
	}
	s.Log.Warn("the admin key that is set is IGNORED, because another admin key is accepted already; take it out of the settings. If no admin key is yours any more, stop this server and use pets apikey list, issue and revoke with --store (docs/runbooks/stolen-admin-key.md)", "from", from)
}

// showFirstKey prints the first admin key, the only secret that the server prints.
func (a *app) showFirstKey(token string) error {
	p := a.Messages()
	p.Line("This store has no API key yet. Its first admin key, shown once and stored nowhere; it counts once the")
	p.Line("server says that it is ready (if it is ended before, the next start may show another):")
	p.Line("")
	p.Line("    %s", token)
	p.Line("")
	p.Line("Keep it in a safe place, and issue keys for bots and people with it:")
	p.Line("    read -rs PETS_KEY; export PETS_KEY     # typed so, it stays in no history of a shell")
	p.Advice(a.AdviseElsewhere("", "apikey", "issue", "--user", "alice", "--role", "operator"))
	if !a.Terminal() {
		p.Line("This output is no terminal. Where it is kept, the key is kept too: issue another admin key and revoke this one.")
	}
	p.Line("")
	return p.Err
}

// URL returns the address of the API.
func (s *Server) URL() string {
	scheme := "http"
	if s.secure != nil {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}

// hosts are the names under which a listener answers.
func (s *Server) hosts(listen string) *httpapi.Hosts {
	return httpapi.NewHosts(listen, s.app.Config.HostNames(), s.secure)
}

// serveMetrics serves Prometheus on a separate listener. Where other machines reach it, it
// speaks TLS and wants a key; settle has made sure that there is a certificate.
func (s *Server) serveMetrics(ctx context.Context) error {
	if s.app.Config.MetricsListen == "off" {
		return nil
	}
	l, err := net.Listen("tcp", s.app.Config.MetricsListen)
	if err != nil {
		return fmt.Errorf("listen at %s for metrics: %w; PETS_METRICS_LISTEN or --metrics-listen names another address, or off", s.app.Config.MetricsListen, err)
	}
	s.MetricsAddress = l.Addr().String()
	mux := http.NewServeMux()
	shown, secure := s.meter.Handler(), (*tls.Config)(nil)
	if !config.IsLoopback(s.app.Config.MetricsListen) {
		shown, secure = s.api.Guarded(shown), s.secure
	}
	mux.Handle("GET /metrics", shown)
	handler := s.hosts(s.app.Config.MetricsListen).Guard(mux)
	s.work.Go(func() {
		if err := s.files.ServeMetrics(ctx, httpapi.NewServer(handler, s.Log, secure), l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.Log.Error("metrics are not served any more", "error", err.Error())
		}
	})
	return nil
}

// endHistory closes the index of the history. That it cannot be written is no failure: everything
// recorded is in the log, and the next start makes what is missing.
func (s *Server) endHistory() {
	if err := s.past.Close(); err != nil {
		what, remedy := history.Cause(err)
		s.Log.Warn("the index of the history could not be written at the end; nothing is lost, and the next start makes what is missing from the log", "why", what, "what_to_do", remedy, "error", err.Error())
	}
}

// shut ends everything in order: first the requests, then the writers, then the store.
func (s *Server) shut() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.api.Close(ctx)
	s.live.Close()
	s.work.Wait()
	s.closeCustody()
	s.Engine.Close()
	s.witness.Close()
	s.endHistory()
	err := s.letGo()
	s.Log.Info("stopped")
	return err
}
