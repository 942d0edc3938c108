package look

import (
	"context"
	"errors"

	"pets/commands/client"
	"pets/internal/cli"
)

// askEvents prints the part of the history that the server shows to the key.
func (a *app) askEvents(ctx context.Context, f eventFilter) error {
	shown, last := 0, uint64(max(f.After, 0))
	show := func(e cli.EventLine) error {
		last = max(last, e.Revision)
		if !f.wants(e.Type) {
			return nil
		}
		if err := a.showEvent(e); err != nil {
			return err
		}
		if shown++; shown == f.Limit {
			return cli.ErrEnough
		}
		return nil
	}
	err := a.EachEvent(ctx, f.EventQuery, show)
	if err == nil && f.follow {
		err = a.followEvents(ctx, last, show)
	}
	switch {
	case errors.Is(err, cli.ErrEnough), f.follow && err != nil && ctx.Err() != nil:
		return nil // following ends by an interruption
	}
	if err == nil {
		a.noSuchEvents(f, shown)
	}
	return err
}

// followEvents prints events as they come.
func (a *app) followEvents(ctx context.Context, after uint64, take func(cli.EventLine) error) error {
	r, err := a.Remote()
	if err != nil {
		return err
	}
	o := a.Asking(r)
	o.Lost = func(why error) {
		if why == nil {
			a.Tell("connected to %s again", r)
			return
		}
		a.Tell("the connection to %s is lost: %v; connecting again; events missed meanwhile are shown then; Ctrl-C ends it", r, why)
	}
	c, err := client.New(o)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // a close error changes nothing
	return c.Portfolio(a.Config.Portfolio).Follow(ctx, &after, func(e client.Event) error {
		return take(cli.EventLine(e))
	})
}
