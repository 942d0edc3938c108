package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/bench"
	"pets/internal/open"
)

// A replayed history is long enough to have a state, and short enough for several folds a turn.
const (
	replayedBots    = 16
	replayedMarkets = 100
	replayedTrades  = 4000
	eventsPerTrade  = 5
)

// decoder reads records: with the generated code, or with encoding/json as before it.
type decoder interface {
	Decode(eventType string, data []byte) (domain.Event, error)
	Metadata(b []byte) (domain.Metadata, error)
}

// goal7 measures the fold of a whole state from records in memory, beside the same fold with
// the general codec.
func (a *app) goal7(ctx context.Context, o bench.Options) (m bench.Measured, err error) {
	dir, err := os.MkdirTemp(o.Dir, "pets-bench-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	records, err := traded(ctx, filepath.Join(dir, "store"), min(replayedTrades, max(o.Events/eventsPerTrade, 1)))
	if err != nil {
		return m, err
	}
	fold := func(with func() decoder) func(int) error {
		return func(int) error { return refold(records, with()) }
	}
	figures, err := bench.Turns(ctx, o.Rounds, []bench.Contender{
		{Name: "fold", Writers: 1, Work: fold(func() decoder { return &domain.Decoder{} })},
		{Name: "fold with the general codec", Writers: 1, Work: fold(func() decoder { return domain.General{} })},
	}, o.Progress)
	if err != nil {
		return m, err
	}
	for _, series := range figures { // from microseconds a fold to events a second
		for i := range series {
			series[i] = float64(len(records)) * 1e6 / series[i]
		}
	}
	what := fmt.Sprintf("replay of %d events from memory, whole state and metadata, one core: ÷ the same with the general codec", len(records))
	return bench.AtLeast(7, what, "events/s", figures[0], figures[1], 4), nil
}

// refold makes a state of records.
func refold(records []eventstore.Record, with decoder) error {
	s := portfolio.New()
	for i := range records {
		rec := &records[i]
		e, err := with.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		if _, err := with.Metadata(rec.Metadata); err != nil {
			return err
		}
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	}
	return nil
}

// traded returns the records of a portfolio in which bots opened and closed positions.
func traded(ctx context.Context, folder string, trades int) (records []eventstore.Record, err error) {
	const id = "replayed"
	err = seed(ctx, folder, func(s *seeder) error {
		bots := make([]string, replayedBots)
		for i := range bots {
			bots[i] = fmt.Sprintf("bot-%d", i)
		}
		if err := s.open(ctx, id, bots...); err != nil {
			return err
		}
		return s.trade(ctx, id, bots, trades)
	})
	if err != nil {
		return nil, err
	}
	store, _, err := open.FreshEngine(folder)
	if err != nil {
		return nil, err
	}
	err = eventstore.Walk(ctx, store, commands.Stream(id), 0, func(rec eventstore.Record) error {
		records = append(records, rec)
		return nil
	})
	return records, errors.Join(err, store.Close())
}

// trade lets bots open and close positions, each with a permit.
func (s *seeder) trade(ctx context.Context, id string, bots []string, trades int) error {
	const atOnce = 200
	for from := 0; from < trades; from += atOnce {
		n := min(atOnce, trades-from)
		for _, side := range []domain.Side{domain.Buy, domain.Sell} {
			if err := s.permitted(ctx, id, bots, side, from, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// permitted asks for permits, and reports a fill for each.
func (s *seeder) permitted(ctx context.Context, id string, bots []string, side domain.Side, from, n int) error {
	asks, fills := make([]commands.Request, n), make([]commands.Request, n)
	for i := range asks {
		asks[i] = s.request(commands.AskPermit{
			Bot: bots[(from+i)%len(bots)], Instrument: domain.Instrument{Market: fmt.Sprintf("market-%d", (from+i)%replayedMarkets), Outcome: "YES"},
			Kind: domain.KindOutcome, Side: side, Quantity: domain.MustDecimal("12.5"), LimitPrice: domain.MustDecimal("0.525"),
		})
	}
	answers, err := s.engine.DoEach(ctx, id, asks)
	if err := firstError(answers, err); err != nil {
		return err
	}
	for i := range fills {
		permit := answers[i].Answer.Permit
		if permit == nil || !permit.Allowed {
			return fmt.Errorf("permit was denied: %v", permit)
		}
		fills[i] = s.request(commands.RecordFill{
			FillID: domain.FillID{Bot: bots[(from+i)%len(bots)], TradeID: uuid.NewString()}, Instrument: domain.Instrument{Market: fmt.Sprintf("market-%d", (from+i)%replayedMarkets), Outcome: "YES"},
			Side: side, Quantity: domain.MustDecimal("12.5"), Price: domain.MustDecimal("0.525"), PermitID: permit.PermitID,
		})
	}
	return firstError(s.engine.DoEach(ctx, id, fills))
}
