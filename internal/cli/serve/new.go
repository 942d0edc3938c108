package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"pets/commands"
	"pets/internal/cli"
	"pets/internal/config"
	"pets/internal/httpapi"
	"pets/internal/live"
	"pets/internal/metrics"
	"pets/internal/notice"
	"pets/internal/open"
	"pets/internal/work"
	"pets/projections"
)

// New opens the store and the listener; nothing is answered yet. Each step builds on the
// ones before it. What a step has opened is closed by undo.
func New(ctx context.Context, c *cli.App, now func() time.Time) (*Server, error) {
	a := &app{c}
	s := &Server{app: a, Log: slog.New(slog.NewJSONHandler(a.Err, a.logOptions())), now: now, started: time.Now(), meter: metrics.New()}
	s.board = notice.NewBoard(now)
	s.notify = s.notices()
	if err := s.openFolder(ctx); err != nil {
		return nil, err
	}
	for _, step := range []func() error{s.openWitness, s.listen, func() error { return s.openEngine(ctx) }, s.openCustody, s.openAPI} {
		if err := step(); err != nil {
			return nil, errors.Join(err, s.undo())
		}
	}
	s.openSocket()
	return s, nil
}

// openFolder opens the store, and takes the locks.
func (s *Server) openFolder(ctx context.Context) error {
	w, err := s.app.OpenPatiently(ctx)
	if err != nil {
		return err
	}
	s.Store, s.lock, s.trust = w.Store, w.Lock, s.app.Trust()
	store, err := s.app.Config.StoreDir()
	s.ownDir = err == nil && open.Apart(store, s.app.Config.ServerDir())
	s.markStore()
	return nil
}

// listen opens the listener of the API. It comes after the lock: a certificate of our own
// lies in PETS_DIR.
func (s *Server) listen() (err error) {
	if s.secure, err = s.app.serverTLS(); err != nil {
		return err
	}
	if s.secure == nil && !config.IsLoopback(s.app.Config.Listen) {
		s.Log.Warn("the API is answered in clear at an address that other machines reach (PETS_ALLOW_PLAINTEXT): only what adds TLS may reach it, and clients ask by its https:// address, because they send no key in clear")
	}
	if s.files, err = httpapi.NewFiles(); err != nil { // the store is open by now
		return err
	}
	if s.listener, err = net.Listen("tcp", s.app.Config.Listen); err != nil {
		return fmt.Errorf("listen at %s: %w; PETS_LISTEN or --listen names another address", s.app.Config.Listen, err)
	}
	return s.answersAt(s.URL())
}

// openEngine makes what writes, and what follows the streams.
func (s *Server) openEngine(ctx context.Context) error {
	end, err := s.Store.End(ctx)
	if err != nil {
		return err
	}
	monotonic := func() time.Duration { return time.Since(s.started) }
	ahead := s.ahead
	if s.app.Wall != nil || s.app.MadeUp { // such a clock jumps as it likes, and nobody is to look at it
		monotonic = nil
	}
	if s.app.MadeUp {
		ahead = nil
	}
	s.keys = projections.NewKeyring(s.Store)
	s.places = work.New(work.Cores())
	s.past = s.app.OpenHistory(s.Store, s.Log, true)
	s.live = live.New(s.Store, live.Options{Prefix: commands.Stream(""), Since: end, Log: s.Log, Checkpoints: s.witness, Views: s.witness.Views()})
	s.Engine = s.app.Engine(s.Store, s.witness, commands.EngineOptions{
		Options: commands.Options{Now: s.now, Monotonic: monotonic, History: s.past, Jumped: s.jumped, Folding: s.folding, Ahead: ahead, Scarce: s.scarce, Work: s.places}, LatchRoom: true,
		Failed: func(what string, err error) {
			s.Log.Error("the engine has a problem", "what", what, "error", err.Error())
		},
	})
	return nil
}

// openAPI makes what answers, and attaches it to what is followed.
func (s *Server) openAPI() error {
	c := s.app.Config
	treasury, err := c.Treasury()
	if err != nil {
		return err
	}
	s.api = httpapi.New(httpapi.Config{
		Engine: s.Engine, Store: s.Store, Live: s.live, Proof: s.lock.By.Proof, Keys: s.keys, Defaults: c.Policy, Treasury: &treasury, Checkpoints: s.witness.Checkpoints(),
		Files: s.files, Custody: s.custody, Nudge: s.custody.Nudge, LiveReady: s.liveReady, Problems: s.board.Of, Payable: s.app.Payable,
		Rate: float64(c.RateLimit), Burst: c.RateBurst, BytesPerDay: c.BytesPerDay, Limited: s.meter.Limited,
		Work: s.places, Now: s.now, Log: s.Log, Observe: s.meter.Request,
		Health: s.health, Version: s.app.VersionText(), Started: s.started,
	})
	s.meter.Watch(s.live, s.api.IsReady, s.healthForMetrics)
	s.meter.WatchKeys(s.keyEnds)
	if _, is := open.ConnectionOf(s.Store); is {
		s.meter.WatchDatabase(s.database)
	}
	return nil
}

// undo closes what New has opened so far.
func (s *Server) undo() error {
	var err error
	s.closeCustody()
	if s.live != nil {
		s.live.Close()
	}
	if s.Engine != nil {
		s.Engine.Close()
	}
	if s.listener != nil {
		err = s.listener.Close()
	}
	if s.witness != nil {
		s.witness.Close()
	}
	if s.past != nil {
		s.endHistory()
	}
	return errors.Join(err, s.letGo())
}

// logOptions: the demo tells its story itself, and its log holds errors only.
func (a *app) logOptions() *slog.HandlerOptions {
	if a.MadeUp {
		return &slog.HandlerOptions{Level: slog.LevelError}
	}
	return nil
}

// jumped says that somebody, or something, moved the wall clock.
func (s *Server) jumped(stream string, by time.Duration) {
	s.meter.ClockJump()
	s.Log.Warn("the wall clock was moved; permits that are not placed have expired. Look at what sets this machine's time",
		"stream", stream, "by", by.Round(time.Millisecond).String())
}

// ahead asks whether the wall clock is right: time that has been recorded never goes back.
func (s *Server) ahead(stream string, by time.Duration) {
	s.meter.ClockAhead()
	s.Log.Warn("the wall clock is far ahead of the last record. That is as it should be if nothing has happened for so long; otherwise stop the server and set the clock, for time that is recorded never goes back",
		"stream", stream, "by", by.Round(time.Second).String())
}

// letGo closes what is on disk.
func (s *Server) letGo() error {
	err := errors.Join(s.Store.Close(), s.lock.Close())
	if s.mark != nil {
		err = errors.Join(err, s.mark.Close())
	}
	return err
}
