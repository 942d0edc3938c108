package main

import (
	"context"
	"errors"
	"fmt"

	"pets/commands"
	"pets/domain"
	"pets/internal/custody"
)

func (a *app) fromServer(ctx context.Context, path string, into any) error {
	return a.toServer(ctx, "GET", path, nil, into)
}

// keystore opens the keys, for commands that cannot do without. Keys are of wallets, and
// those of live portfolios, so a .env that others can read is refused.
func (a *app) keystore() (*custody.Keys, error) { return a.privately(a.openKeys) }

// newKeystore is keystore for commands that put a key in, which may be the first one.
func (a *app) newKeystore() (*custody.Keys, error) { return a.privately(a.makeKeys) }

func (a *app) privately(open func() (*custody.Keys, error)) (*custody.Keys, error) {
	if err := a.checkEnvFile(); err != nil {
		return nil, fmt.Errorf("a .env that others can read is refused where keys are used: %w", err)
	}
	keys, err := open()
	if err == nil && keys == nil {
		err = usage(domain.Invalid("ENCRYPTION_KEY", "is not set: keys are only kept encrypted. Make one with: pets keys generate"))
	}
	return keys, err
}

// scope is what a command changes.
type scope int

const (
	nothing scope = iota
	aPortfolio
	theStore
)

// eitherWay calls direct with an engine on the folder where no server is named and none
// holds it, and served where one is or does.
func (a *app) eitherWay(ctx context.Context, changes scope, direct func(*commands.Engine) error, served func() error) error {
	return a.way(ctx, changes, false, direct, served)
}

// way is eitherWay, but what stops something is not kept from a folder that was rolled back.
func (a *app) way(ctx context.Context, changes scope, stopping bool, direct func(*commands.Engine) error, served func() error) error {
	t, err := a.target()
	switch {
	case err != nil:
		return err
	case t.url != "":
		return served()
	case changes != nothing:
		if err := a.sure(); err != nil {
			return err
		}
	}
	store, err := a.openWriter(opening{stopping: stopping})
	var locked *lockedError
	if errors.As(err, &locked) {
		if err := a.throughServer(t.dir, locked); err != nil {
			return err
		}
		return served()
	}
	if closed := (*unopened)(nil); stopping && errors.As(err, &closed) && closed.mayMark() {
		return a.markStop(t.dir, closed, func(marker string) { a.acting(marker, changes == aPortfolio) }, direct)
	}
	if err != nil {
		return err
	}
	if changes != nothing {
		a.acting("the folder "+t.dir+", which no server holds", changes == aPortfolio)
	}
	return a.work(ctx, store, stopping, direct)
}

// throughServer finds the server that holds a folder; there has to be a key for it.
func (a *app) throughServer(dir string, locked *lockedError) error {
	if _, err := a.holder(dir); err != nil {
		return err
	}
	if a.config.Key.Reveal() == "" {
		return fmt.Errorf("%w; where that is pets serve, set PETS_KEY, and this goes through it", locked)
	}
	return nil
}
