package historytest

import (
	"context"
	"fmt"

	"pets/eventstore"
)

// most limits the reported differences of one record.
const most = 20

// Record folds a stream of a store and keeps the result.
func Record(ctx context.Context, store eventstore.Store, stream, build, from string) (*History, error) {
	h := &History{Build: build, From: from, Stream: stream}
	f, before := NewFold(stream), Values{}
	err := eventstore.Walk(ctx, store, stream, 0, func(rec eventstore.Record) error {
		state, err := stateAfter(f, rec)
		if err != nil {
			return err
		}
		s := Step{Record: rec}
		s.Changed, s.Removed = state.since(before)
		h.Steps, before = append(h.Steps, s), state
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.End, err = end(f)
	return h, err
}

func stateAfter(f Fold, rec eventstore.Record) (Values, error) {
	if err := f.Apply(rec); err != nil {
		return nil, err
	}
	state, err := f.State()
	if err != nil {
		return nil, err
	}
	return flatten(state)
}

func end(f Fold) (any, error) {
	state, err := f.State()
	if err != nil {
		return nil, err
	}
	views, err := f.Views()
	if err != nil {
		return nil, err
	}
	return map[string]any{"state": state, "views": views}, nil
}

// Compare folds a history with the current code, and returns the differences: at
// the first record whose state differs, or in the views at the end.
func Compare(h *History) ([]string, error) { return CompareEvery(h, 1) }

// CompareEvery is Compare with the states after each so many records only, after the last one,
// and with the views at the end.
func CompareEvery(h *History, records int) ([]string, error) {
	f, want := NewFold(h.Stream), Values{}
	for i, s := range h.Steps {
		want.step(s)
		if (i+1)%records != 0 && i+1 < len(h.Steps) {
			if err := f.Apply(s.Record); err != nil {
				return nil, fmt.Errorf("revision %d: %w", s.Record.Revision, err)
			}
			continue
		}
		got, err := stateAfter(f, s.Record)
		if err != nil {
			return nil, fmt.Errorf("revision %d: %w", s.Record.Revision, err)
		}
		if found := want.differences(got, most); len(found) > 0 {
			for i := range found {
				found[i] = fmt.Sprintf("after revision %d (%s) %s", s.Record.Revision, s.Record.Type, found[i])
			}
			return found, nil
		}
	}
	now, err := end(f)
	if err != nil {
		return nil, err
	}
	got, err := flatten(now)
	if err != nil {
		return nil, err
	}
	recorded, err := flatten(h.End)
	if err != nil {
		return nil, err
	}
	return recorded.differences(got, most), nil
}

// CompareStored returns where a store holds other records than a history. Every
// stored byte counts.
func CompareStored(ctx context.Context, store eventstore.Store, h *History) ([]string, error) {
	var found []string
	next := 0
	err := eventstore.Walk(ctx, store, h.Stream, 0, func(rec eventstore.Record) error {
		switch {
		case next >= len(h.Steps):
			found = append(found, fmt.Sprintf("revision %d is not in the history", rec.Revision))
		case !same(rec, h.Steps[next].Record):
			found = append(found, fmt.Sprintf("revision %d is stored with other bytes", rec.Revision))
		}
		next++
		return nil
	})
	if next < len(h.Steps) {
		found = append(found, fmt.Sprintf("%d records are missing", len(h.Steps)-next))
	}
	return found, err
}

func same(a, b eventstore.Record) bool {
	return a.Revision == b.Revision && a.ID == b.ID && a.Type == b.Type && a.Time.Equal(b.Time) &&
		string(a.Metadata) == string(b.Metadata) && string(a.Data) == string(b.Data)
}
