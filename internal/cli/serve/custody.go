package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/internal/notice"
	"pets/internal/open"
)

// keyAgeEvery is the interval between two checks of the age of the encryption key.
const keyAgeEvery = time.Hour

// openCustody opens keystore and chain, as far as they are configured, and connects them to the
// engine.
func (s *Server) openCustody() error {
	keys, err := s.app.MakeKeys()
	if err != nil {
		return err
	}
	at, err := s.app.OpenChain()
	if err != nil {
		return err
	}
	shapes, err := s.app.Shapes()
	if err != nil {
		return err
	}
	o := custody.Options{Orders: shapes.Read, Collaterals: shapes.Collaterals, Notify: s.notify, Board: s.board, CompareAgainAfter: s.app.CustodyPace}
	if keys != nil {
		o.Signer, o.Sealer = keys, keys
	}
	if at != nil {
		o.Chain = at
	}
	s.custody = custody.New(s.Engine, o)
	s.vault = keys
	if keys == nil {
		s.warnOfSealed()
	}
	return nil
}

// warnOfSealed warns if there are keys but no ENCRYPTION_KEY: their wallets cannot sign. Keys
// sealed under a different encryption key are found by checkKeys.
func (s *Server) warnOfSealed() {
	dir := s.app.Config.Keystore
	files, _ := os.ReadDir(dir) // usually there is no such folder
	if slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), ".key") }) {
		s.Log.Warn("ENCRYPTION_KEY is not set, and the keystore is not empty: this server signs nothing", "keystore", dir)
	}
}

// guardLive is what a server must be before it serves real money: its .env file is
// nobody else's to read.
func (s *Server) guardLive(ctx context.Context) error {
	live, err := s.anyLive(ctx)
	if err != nil {
		return err
	}
	if live != "" {
		s.warnOfMemory(live)
	}
	bad := s.app.CheckEnvFile()
	switch {
	case bad == nil:
		return nil
	case live != "":
		return fmt.Errorf("portfolio %s is live: %w", live, bad)
	}
	s.Log.Warn("the .env file would be refused for a live portfolio", "error", bad.Error())
	return nil
}

// warnOfMemory says that this build leaves copies of keys in memory.
func (s *Server) warnOfMemory(live string) {
	if !open.ErasesMemory {
		s.Log.Warn("this build does not erase the copies of secrets that libraries leave in memory; for real money build it with CGO_ENABLED=0 GOEXPERIMENT=runtimesecret (make build; see docs/custody.md)", "portfolio", live)
	}
}

// anyLive returns the id of a live portfolio; "" if there is none.
func (s *Server) anyLive(ctx context.Context) (string, error) {
	ids, err := s.Engine.Portfolios(ctx)
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		mode, err := commands.ModeOf(ctx, s.Store, id)
		if err != nil {
			return "", err
		}
		if mode == domain.ModeLive {
			return id, nil
		}
	}
	return "", nil
}

// runCustody advances transfers, reconciles, and watches the age of the encryption key.
func (s *Server) runCustody(ctx context.Context) {
	s.work.Go(func() {
		s.custody.Run(ctx, custody.RunOptions{Every: s.app.CustodyPace, ReconcileEvery: time.Duration(s.app.Config.ReconcileEvery)})
	})
	if s.vault == nil {
		return
	}
	s.checkKeys()
	s.work.Go(func() {
		tick := time.NewTicker(keyAgeEvery)
		defer tick.Stop()
		for {
			s.watchKeyAge(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// checkKeys opens every key once, so that a damaged key, or one sealed under a missing
// encryption key, is known at the start and not when a transfer gets stuck.
func (s *Server) checkKeys() {
	problems, err := s.vault.Check()
	if err != nil {
		s.notify(notice.Notice{Kind: notice.KeystoreUnread, Err: err})
		return
	}
	for wallet, err := range problems {
		s.notify(notice.Notice{Kind: notice.KeyUnusable, Subject: "wallet " + wallet, Err: err})
	}
}

// watchKeyAge sets the metric of the key's age and warns when a rotation is due or incomplete.
func (s *Server) watchKeyAge(ctx context.Context) {
	status, err := s.custody.KeyStatus(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("the age of the encryption key is not known", "error", err.Error())
		}
		return
	}
	s.meter.KeyAge(time.Duration(status.Age))
	switch {
	case status.Open != nil:
		s.Log.Warn("a rotation of the encryption key is not complete; pets keys rotate goes on with it", "rotation", status.Open.Rotation, "left", len(status.Open.Left))
	case status.Due:
		s.Log.Warn("the encryption key is due for rotation (every 90 days); see docs/custody.md", "age", status.Age.String())
	}
}

// closeCustody wipes the encryption keys.
func (s *Server) closeCustody() {
	if s.vault != nil {
		s.vault.Wipe()
	}
}

// liveReady is called before a live portfolio is opened, and refuses while others can read the .env file.
func (s *Server) liveReady() error {
	s.warnOfMemory("about to be opened")
	if err := s.app.CheckEnvFile(); err != nil {
		return &domain.Error{Code: domain.CodeDenied, Message: "a live portfolio is not opened by a server whose .env file others can read", Cause: errors.Unwrap(err)}
	}
	return nil
}
