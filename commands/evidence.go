package commands

import (
	"context"
	"errors"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// ReadEvidence reads the record that a gate points to, with what its portfolio
// was opened as. A record never changes, so it can be read before the decision
// that rests on it.
func ReadEvidence(ctx context.Context, store eventstore.Store, g domain.Gate) (*portfolio.Evidence, error) {
	if err := domain.CheckID("gate.portfolio", g.Portfolio); err != nil {
		return nil, err
	}
	opened, err := recordAt(ctx, store, g.Portfolio, 0)
	if err != nil {
		return nil, err
	}
	rec, err := recordAt(ctx, store, g.Portfolio, g.Revision)
	if err != nil {
		return nil, err
	}
	first, err := domain.Decode(opened.Type, opened.Data)
	if err != nil {
		return nil, err
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return nil, err
	}
	ev := &portfolio.Evidence{Event: e, Time: rec.Time}
	if o, ok := first.(*domain.PortfolioOpened); ok {
		ev.Mode, ev.Clock = o.Mode, o.Clock
	}
	return ev, nil
}

func recordAt(ctx context.Context, store eventstore.Store, id string, revision uint64) (eventstore.Record, error) {
	for rec, err := range store.ReadStream(ctx, Stream(id), revision) {
		var missing *eventstore.NotFound
		switch {
		case errors.As(err, &missing):
			return rec, &domain.Error{Code: domain.CodeNotFound, Field: "gate.portfolio", Message: "is no portfolio"}
		case err != nil:
			return rec, &domain.Error{Code: domain.CodeUnavailable, Message: "the gate's record cannot be read now", Cause: err}
		}
		return rec, nil
	}
	return eventstore.Record{}, &domain.Error{Code: domain.CodeNotFound, Field: "gate.revision", Message: "lies beyond the end of that portfolio's history"}
}

// ModeOf reads what a portfolio was opened as: its mode never changes.
func ModeOf(ctx context.Context, store eventstore.Store, id string) (domain.Mode, error) {
	rec, err := recordAt(ctx, store, id, 0)
	if err != nil {
		return "", err
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return "", err
	}
	opened, ok := e.(*domain.PortfolioOpened)
	if !ok {
		return "", domain.Errorf(domain.CodeInternal, "the stream of portfolio %s does not begin with its opening", id)
	}
	return opened.Mode, nil
}
