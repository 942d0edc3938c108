package projections

import (
	"encoding/json"
	"time"

	"pets/domain"
	"pets/domain/tradestats"
)

// statsVersion changes with the bytes of Keep, and of pieces.
const statsVersion = 2

// Keep implements [Kept]: the summaries of the pieces, the young rows, and two of the walks.
func (f *StatsFold) Keep() ([]byte, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	e := newEncoder(nil)
	e.uint(statsVersion)
	f.trades.rows.keep(e)
	walks, err := f.kept.marshalled()
	if err != nil {
		return nil, err
	}
	e.text(string(walks))
	return e.b, nil
}

// Restore implements [Kept].
func (f *StatsFold) Restore(data []byte) error {
	d := newDecoder(data)
	if d.uint() != statsVersion {
		return errKept
	}
	f.trades.rows.restore(d)
	walks := d.text()
	if err := d.end(); err != nil {
		return err
	}
	if err := f.kept.restore([]byte(walks), f.trades.rows.size()); err != nil {
		return errKept
	}
	return restored(d, data, f)
}

// walksKept are kept walks as JSON, with what they were walked with: the one over the fewest rows,
// and the one over the most. From the last one statistics go on, and from the first one if one of
// the rows between them changes.
type walksKept struct {
	Zone string `json:"zone"`
	// Merged and Own are the limits that the walks began with.
	Merged tradestats.Limits `json:"merged"`
	Own    tradestats.Limits `json:"own"`
	Walks  []walkKept        `json:"walks"`
}

// walkKept has the walks of each scope, as [tradestats.Walk] marshals them.
type walkKept struct {
	Rows   int                        `json:"rows"`
	Scopes map[string]json.RawMessage `json:"scopes"`
}

// marshalled returns the walks that a later start goes on from. There are none before statistics
// were asked for, or if they have a number that is too large to be read again.
func (k *keptWalks) marshalled() ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.at) == 0 {
		return nil, nil
	}
	out := walksKept{Zone: k.zone, Merged: k.merged, Own: k.own}
	for i := range k.at {
		if i > 0 && i < len(k.at)-1 {
			continue
		}
		w := walkKept{k.at[i].rows, map[string]json.RawMessage{}}
		for scope, one := range k.at[i].walks.of {
			data, err := json.Marshal(one)
			if err != nil {
				return nil, err
			}
			limits := k.own
			if scope == "" {
				limits = k.merged
			}
			if _, err := tradestats.Resume(data, limits, time.UTC); err != nil {
				return nil, nil //nolint:nilerr // they are walked again
			}
			w.Scopes[scope] = data
		}
		out.Walks = append(out.Walks, w)
	}
	return json.Marshal(out)
}

// restore reads what marshalled returned, for so many rows.
func (k *keptWalks) restore(data []byte, rows int) error {
	if len(data) == 0 {
		return nil
	}
	var in walksKept
	if err := domain.DecodeObject(data, &in); err != nil {
		return err
	}
	zone, err := (&domain.Policy{DailyLossTZ: in.Zone}).Location()
	if err != nil {
		return err
	}
	k.zone, k.merged, k.own = in.Zone, in.Merged, in.Own
	before := 0
	for _, one := range in.Walks {
		w := keptWalk{one.Rows, walks{map[string]*tradestats.Walk{}, map[string]bool{}}}
		if _, whole := one.Scopes[""]; !whole || w.rows <= before || w.rows > rows || len(k.at) == 2 {
			return errKept
		}
		for scope, data := range one.Scopes {
			limits := k.own
			if scope == "" {
				limits = k.merged
			}
			if w.walks.of[scope], err = tradestats.Resume(data, limits, zone); err != nil {
				return err
			}
		}
		before, k.at = w.rows, append(k.at, w)
	}
	return nil
}
