package historytest

import (
	"encoding/json"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/domain/treasury"
	"pets/eventstore"
	"pets/projections"
)

// Fold is the current code's state of a stream, and its views.
type Fold interface {
	// Apply folds one stored record, as any reader does.
	Apply(rec eventstore.Record) error
	// State is the whole state that decisions are based on.
	State() (any, error)
	// Views are what readers are shown.
	Views() (any, error)
}

// NewFold returns the fold of a stream before its first record.
func NewFold(stream string) Fold {
	if stream == "system" {
		return &systemFold{s: system.New(), claimed: map[string]bool{}, sealed: map[string]bool{}, rotations: map[string]bool{}}
	}
	return &portfolioFold{s: portfolio.New(), stats: projections.NewStats(nil), equity: projections.NewEquity(nil)}
}

// portfolioFold is the fold of a portfolio stream.
type portfolioFold struct {
	s      *portfolio.State
	stats  *projections.StatsFold
	equity *projections.Equity
}

func (f *portfolioFold) Apply(rec eventstore.Record) error {
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return err
	}
	if _, err := domain.DecodeMetadata(rec.Metadata); err != nil {
		return err
	}
	f.s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	f.stats.Apply(rec, e, f.s)
	f.equity.Apply(rec, e, f.s)
	return nil
}

// State is everything in a snapshot except the version, and the past.
func (f *portfolioFold) State() (any, error) {
	b, err := f.s.Snapshot()
	if err != nil {
		return nil, err
	}
	tree := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &tree); err != nil {
		return nil, err
	}
	delete(tree, "version")
	// The past was a part of the state. It still has to be the same.
	delete(tree, "provisional")
	if tree["fills"], err = markedOthers(encoded(f.s.Facts())); err != nil {
		return nil, err
	}
	tree["state"], err = lastLosses(tree["state"])
	return tree, err
}

// markedOthers renders the shape of earlier builds, which marked fills of one id in several
// markets: the first one of them, and those that came after it.
func markedOthers(fills json.RawMessage) (json.RawMessage, error) {
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(fills, &list); err != nil {
		return nil, err
	}
	revision := func(n int) (at uint64) {
		_ = json.Unmarshal(list[n]["revision"], &at) // it was written from a number
		return at
	}
	for from, to := 0, 0; from < len(list); from = to {
		first := from
		for to = from; to < len(list) && string(list[to]["id"]) == string(list[from]["id"]); to++ {
			if revision(to) < revision(first) {
				first = to
			}
		}
		for n := from; n < to && to > from+1; n++ {
			if n == first {
				list[n]["others"] = json.RawMessage("true")
			} else {
				list[n]["elsewhere"] = json.RawMessage("true")
			}
		}
	}
	return json.Marshal(list)
}

// lastLosses renders the shape of earlier builds, which knew of a bot's losses in a market only
// when the last one was.
func lastLosses(state json.RawMessage) (json.RawMessage, error) {
	var tree, bots map[string]json.RawMessage
	if err := json.Unmarshal(state, &tree); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(tree["bots"], &bots); err != nil {
		return nil, err
	}
	for id, raw := range bots {
		var bot map[string]json.RawMessage
		var losses map[string][]portfolio.Loss
		if err := json.Unmarshal(raw, &bot); err != nil {
			return nil, err
		}
		if err := timesGranted(bot); err != nil {
			return nil, err
		}
		bots[id] = encoded(bot)
		if bot["lost"] == nil {
			continue
		}
		if err := json.Unmarshal(bot["lost"], &losses); err != nil {
			return nil, err
		}
		last := map[string]time.Time{}
		for market, all := range losses {
			last[market] = all[len(all)-1].At
		}
		bot["lost"] = encoded(last)
		bots[id] = encoded(bot)
	}
	tree["bots"] = encoded(bots)
	return json.Marshal(tree)
}

// timesGranted renders the shape of earlier builds, in which the times of permits were a list.
func timesGranted(bot map[string]json.RawMessage) error {
	var granted portfolio.Moments
	if bot["granted"] == nil {
		return nil
	}
	err := json.Unmarshal(bot["granted"], &granted)
	bot["granted"] = encoded(granted.Times())
	return err
}

// encoded is the JSON of what was read from JSON, which cannot fail.
func encoded(v any) json.RawMessage {
	b, _ := json.Marshal(v)
	return b
}

// Views are the answers to every question that needs only this stream.
func (f *portfolioFold) Views() (any, error) {
	stats, err := f.stats.View(f.s, nil)
	if err != nil {
		return nil, err
	}
	trades, err := f.stats.Trades().List("")
	if err != nil {
		return nil, err
	}
	points, err := f.equity.Points(zero, zero, 0)
	if err != nil {
		return nil, err
	}
	now := f.s.Time
	return map[string]any{
		"state": projections.StateOf(f.s), "breakers": projections.BreakersOf(f.s), "balances": projections.BalancesOf(f.s),
		"positions": projections.PositionsOf(f.s), "permits": projections.PermitsOf(f.s, "", now),
		"trades": trades, "stats": stats, "equity": points,
		"overrides": projections.OverridesOf(f.s), "wallets": projections.WalletsOf(f.s), "address_book": projections.BookOf(f.s),
		"transfers": projections.TransfersOf(f.s, func(*treasury.Transfer) bool { return true }), "treasury": projections.TreasuryOf(f.s, now),
	}, nil
}
