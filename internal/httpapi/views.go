package httpapi

import (
	"context"
	"errors"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/live"
	"pets/projections"
)

// maxWait limits the wait for ?min_revision=.
const maxWait = 5 * time.Second

// riders are the read models that need every event, and are shown beside the
// state.
type riders struct {
	stats  *projections.StatsFold // and the trades
	equity *projections.Equity
}

// attached are the riders of every followed portfolio.
type attached struct {
	stats  *live.Attachment[*projections.StatsFold]
	equity *live.Attachment[*projections.Equity]
}

// One rider that a start cannot go on from would make every start fold the whole history.
var _ = []projections.Kept{(*projections.StatsFold)(nil), (*projections.Equity)(nil)}

func attach(f *live.Followers) attached {
	return attached{
		stats:  live.Attach(f, "the trade statistics", func(_ string, p projections.Pieces) *projections.StatsFold { return projections.NewStats(p) }),
		equity: live.Attach(f, "the equity curve", func(_ string, p projections.Pieces) *projections.Equity { return projections.NewEquity(p) }),
	}
}

// of returns the riders of one portfolio, for use while its state is read.
func (a *attached) of(p *live.Portfolio) (r riders, err error) {
	if r.stats, err = a.stats.Of(p); err != nil {
		return riders{}, err
	}
	r.equity, err = a.equity.Of(p)
	return r, err
}

// unreadable reports that a read model cannot answer, because a piece of its past is missing or
// damaged. Nothing is lost: everything in it follows from the log.
func unreadable(what string) error {
	return domain.Errorf(domain.CodeUnavailable, "%s cannot be read now; it is made again from the log, so ask again in a moment", what)
}

// moment says what of a portfolio a GET reads, and as of when.
type moment struct {
	at      projections.Point
	min     *uint64
	history bool // riders are needed
	who     key
	// room reserves memory for the answer before anything is shown; nil for an
	// answer that needs none of its own.
	room func() error
}

func (m moment) makeRoom() error {
	if m.room == nil {
		return nil
	}
	return m.room()
}

// showState shows the current or a past state of a portfolio. The state must not be
// kept.
func (a *API) showState(ctx context.Context, id string, m moment, show func(*portfolio.State, riders) error) error {
	p, err := a.followed(ctx, id)
	if err != nil {
		return err
	}
	if err := reached(ctx, p, m); err != nil {
		return err
	}
	if m.at.Revision != nil || m.at.Time != nil {
		return a.lookBack(ctx, id, m, show)
	}
	if err := m.makeRoom(); err != nil {
		return err
	}
	return p.Read(func(s *portfolio.State) (err error) {
		var with riders
		if m.history {
			if with, err = a.riders.of(p); err != nil {
				return err
			}
		}
		return show(s, with)
	})
}

// followed returns an existing portfolio.
func (a *API) followed(ctx context.Context, id string) (*live.Portfolio, error) {
	p, err := a.live.Open(ctx, id)
	if err == nil && p == nil {
		err = domain.Errorf(domain.CodeNotFound, "there is no such portfolio")
	}
	return p, err
}

// reached waits until everything is folded that was acknowledged before the
// request, by this server or another, so that a caller that was told of a trade
// finds it. With ?min_revision= it also waits for a later revision.
func reached(ctx context.Context, p *live.Portfolio, m moment) error {
	least := uint64(0)
	if m.min != nil {
		least = *m.min
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	err := p.Reach(ctx, least)
	var behind *live.BehindError
	switch {
	case !errors.As(err, &behind):
		return err
	case behind.Recorded:
		return domain.Errorf(domain.CodeUnavailable, "revision %d is recorded, but was not folded within %s; ask again", behind.Revision, maxWait)
	}
	return domain.Errorf(domain.CodeUnavailable, "revision %d was not recorded within %s", behind.Revision, maxWait)
}
