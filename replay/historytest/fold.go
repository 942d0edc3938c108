package historytest

import (
	"encoding/json"

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
	return &portfolioFold{s: portfolio.New(), stats: projections.NewStats(), equity: projections.NewEquity()}
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
	if tree["fills"], err = json.Marshal(f.s.Facts()); err != nil {
		return nil, err
	}
	return tree, nil
}

// Views are the answers to every question that needs only this stream.
func (f *portfolioFold) Views() (any, error) {
	stats, err := f.stats.View(f.s, nil)
	if err != nil {
		return nil, err
	}
	now := f.s.Time
	return map[string]any{
		"state": projections.StateOf(f.s), "breakers": projections.BreakersOf(f.s), "balances": projections.BalancesOf(f.s),
		"positions": projections.PositionsOf(f.s), "permits": projections.PermitsOf(f.s, "", now),
		"trades": f.stats.Trades().List(""), "stats": stats, "equity": f.equity.Points(zero, zero, 0),
		"overrides": projections.OverridesOf(f.s), "wallets": projections.WalletsOf(f.s), "address_book": projections.BookOf(f.s),
		"transfers": projections.TransfersOf(f.s, func(*treasury.Transfer) bool { return true }), "treasury": projections.TreasuryOf(f.s, now),
	}, nil
}
