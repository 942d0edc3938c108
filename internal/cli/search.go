package cli

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"pets/domain"
	"pets/eventstore"
	"pets/internal/live"
	"pets/projections"
)

// EachRecord passes the records of the folder's portfolio up to --at to take, whose types begin
// with one of these. It reads those around them only, as far as a checkpoint says where they are.
func (a *App) EachRecord(ctx context.Context, atFlag string, types []string, take func(eventstore.Record) error) error {
	to, err := projections.ParsePoint(atFlag)
	if err != nil {
		return OnFlag("--at", err)
	}
	store, err := a.OpenLooker(ctx)
	if err != nil {
		return err
	}
	folding := a.folding(ctx, store, to)
	err = search(ctx, folding, a.Stream(), live.TypesOf(a.Checkpoints(store), a.Stream()), to, types, take)
	folding.bar.Finish()
	return errors.Join(err, store.Close())
}

// search is EachRecord in a stream. known says where records are, nil if nothing does.
func search(ctx context.Context, store eventstore.Store, stream string, known *projections.Types, to projections.Point, types []string, take func(eventstore.Record) error) error {
	wants := func(stored string) bool {
		current := domain.CurrentType(stored)
		return slices.ContainsFunc(types, func(prefix string) bool { return strings.HasPrefix(current, prefix) })
	}
	spans := []projections.Span{{To: projections.EndOfStream}}
	if known != nil {
		spans = known.Spans(0, wants, math.MaxUint64)
	}
	for _, span := range spans {
		switch err := searchIn(ctx, store, stream, span, to, wants, take); {
		case errors.Is(err, errPast):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// errPast ends a reading at its moment.
var errPast = errors.New("the records from here on are later")

func searchIn(ctx context.Context, store eventstore.Store, stream string, span projections.Span, to projections.Point, wants func(string) bool, take func(eventstore.Record) error) error {
	for rec, err := range store.ReadStream(ctx, stream, span.From) {
		switch {
		case err != nil:
			return err
		case !to.Includes(rec):
			return errPast
		case rec.Revision >= span.To:
			return nil
		case !wants(rec.Type):
			continue
		}
		if err := take(rec); err != nil {
			return err
		}
	}
	return nil
}
