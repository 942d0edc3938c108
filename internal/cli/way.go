package cli

import (
	"context"
	"errors"
	"fmt"

	"pets/commands"
	"pets/domain"
	"pets/internal/evm"
	"pets/internal/open"
)

// FromServer reads something from the server of this run.
func (a *App) FromServer(ctx context.Context, path string, into any) error {
	return a.ToServer(ctx, "GET", path, nil, into)
}

// Keystore opens the keystore for commands that need it. It refuses a .env file that others
// can read, because the keystore may hold keys of live portfolios.
func (a *App) Keystore() (*evm.Keys, error) { return a.privately(a.OpenKeys) }

// NewKeystore is Keystore for commands that add a key, which may be the first one.
func (a *App) NewKeystore() (*evm.Keys, error) { return a.privately(a.MakeKeys) }

func (a *App) privately(open func() (*evm.Keys, error)) (*evm.Keys, error) {
	if err := a.CheckEnvFile(); err != nil {
		return nil, fmt.Errorf("a .env that others can read is refused where keys are used: %w", err)
	}
	keys, err := open()
	if err == nil && keys == nil {
		err = Usage(domain.Invalid("ENCRYPTION_KEY", "is not set: keys are only kept encrypted. Make one with: pets keys generate"))
	}
	return keys, err
}

// scope is what a command changes.
type scope int

// The scopes of a change.
const (
	Nothing scope = iota
	APortfolio
	TheStore
)

// EitherWay calls served if a server is named or holds the folder; otherwise it calls direct
// with an engine on the folder.
func (a *App) EitherWay(ctx context.Context, changes scope, direct func(*commands.Engine) error, served func() error) error {
	return a.Way(ctx, changes, false, direct, served)
}

// Way is EitherWay, but a stop may also open a folder that was rolled back.
func (a *App) Way(ctx context.Context, changes scope, stopping bool, direct func(*commands.Engine) error, served func() error) error {
	t, err := a.Target()
	switch {
	case err != nil:
		return err
	case t.URL != "":
		return served()
	case changes != Nothing:
		if err := a.Sure(); err != nil {
			return err
		}
	}
	store, err := a.OpenWriter(open.Opening{Stopping: stopping})
	var locked *open.LockedError
	if errors.As(err, &locked) {
		if err := a.ThroughServer(t.Dir, locked); err != nil {
			return err
		}
		return served()
	}
	if closed := (*open.Unopened)(nil); stopping && errors.As(err, &closed) && closed.MayMark() {
		return a.MarkStop(t.Dir, closed, func(marker string) { a.Acting(marker, changes == APortfolio) }, direct)
	}
	if err != nil {
		return err
	}
	if changes != Nothing {
		a.Acting(a.Unheld(t.Dir), changes == APortfolio)
	}
	return a.Work(ctx, store, stopping, direct)
}

// ThroughServer checks that the server that holds a folder can be found and that there is a key.
func (a *App) ThroughServer(dir string, locked *open.LockedError) error {
	if _, err := a.holder(dir); err != nil {
		return err
	}
	if a.Config.Key.Reveal() == "" {
		return fmt.Errorf("%w; where that is pets serve, set PETS_KEY, and this goes through it", locked)
	}
	return nil
}
