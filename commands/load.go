package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// load folds the stream into state and index if they are not there: from the
// newest snapshot both have, then record by record. Start-up, restart after a
// failure and catching up after a conflict are this one function.
func (w *Writer) load(ctx context.Context) error {
	if w.state != nil {
		return nil
	}
	state, idx, next := w.restore()
	err := eventstore.Walk(ctx, w.store, w.stream, next, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		state.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		next = rec.Revision + 1
		return idx.apply(rec)
	})
	if err != nil {
		return &domain.Error{Code: domain.CodeUnavailable, Message: "the portfolio's history cannot be read; nothing is decided", Cause: err}
	}
	w.state, w.index, w.durable, w.snapshot = state, idx, next, next
	return nil
}

// restore returns the newest state and index snapshots of the same revision, or
// empty ones.
func (w *Writer) restore() (state *portfolio.State, idx index, next uint64) {
	if w.options.Snapshots != nil {
		at, stateBytes := w.options.Snapshots.Load(SnapshotState, w.stream, ^uint64(0))
		indexAt, indexBytes := w.options.Snapshots.Load(SnapshotIndex, w.stream, at)
		if stateBytes != nil && indexBytes != nil && at == indexAt {
			s, err1 := portfolio.Restore(stateBytes)
			x, err2 := unmarshalIndex(indexBytes)
			if err1 == nil && err2 == nil && s.Next == at+1 {
				return s, x, s.Next
			}
		}
	}
	return portfolio.New(), index{}, 0
}

func (w *Writer) saveSnapshot() {
	if w.options.Snapshots == nil || w.state == nil || w.durable == w.snapshot || w.durable == 0 {
		return
	}
	state, err := w.state.Snapshot()
	if err != nil {
		return // a cache that cannot be written is a cache we do without
	}
	idx, err := w.index.marshal()
	if err != nil {
		return
	}
	w.options.Snapshots.Save(SnapshotIndex, w.stream, w.durable-1, idx)
	w.options.Snapshots.Save(SnapshotState, w.stream, w.durable-1, state)
	w.snapshot = w.durable
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("commands: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
