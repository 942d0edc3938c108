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
	stats  func() (*projections.StatsFold, error) // and the trades
	equity func() (*projections.Equity, error)
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

// of returns the riders of one portfolio, for use while its state is read. One that cannot
// answer refuses nothing that is asked of the other.
func (a *attached) of(p *live.Portfolio) riders {
	return riders{
		func() (*projections.StatsFold, error) { return a.stats.Of(p) },
		func() (*projections.Equity, error) { return a.equity.Of(p) },
	}
}

// unreadable is the answer where a read model could not read its past. Nothing is lost:
// everything in it follows from the log.
func unreadable(what string, err error) error {
	if !errors.Is(err, projections.ErrUnread) {
		return err
	}
	return &domain.Error{Code: domain.CodeUnavailable, Cause: err, Message: what + " cannot be read now. Nothing is lost: ask again in a moment, or with ?at= and the newest revision; if it lasts, see the server's log"}
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
	return p.Read(func(s *portfolio.State) error {
		var with riders
		if m.history {
			with = a.riders.of(p)
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
