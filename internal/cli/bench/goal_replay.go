package bench

import (
	"context"
	"errors"
	"fmt"
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
)

// decoder reads records: with the generated code, or with encoding/json as before it.
type decoder interface {
	Decode(eventType string, data []byte) (domain.Event, error)
	Metadata(b []byte) (domain.Metadata, error)
}

// replayGoals measures the fold of a whole state from records in memory beside the same fold with
// the general codec (goal 7), and what a start does with a store beside reading its bytes (goal 8).
func (b *suite) replayGoals(ctx context.Context) error {
	return b.inFolder(func(dir string) error {
		folder := filepath.Join(dir, "store")
		records, err := traded(ctx, folder, b.sizes.replayed)
		if err != nil {
			return err
		}
		if b.o.wants(7) {
			if err := b.foldGoal(ctx, records); err != nil {
				return err
			}
		}
		if b.o.wants(8) {
			return b.readGoal(ctx, folder, records)
		}
		return nil
	})
}

func (b *suite) foldGoal(ctx context.Context, records []eventstore.Record) error {
	fold := func(with func() decoder) func(int) error {
		return func(int) error { return discard(refold(records, with())) }
	}
	series, err := b.turns(ctx, []bench.Contender{
		{Name: "generated", Writers: 1, Work: fold(func() decoder { return &domain.Decoder{} })},
		{Name: "general", Writers: 1, Work: fold(func() decoder { return domain.General{} })},
	})
	if err != nil {
		return err
	}
	per(series, float64(len(records))*1e6) // from microseconds a fold to events a second
	m := bench.Ratio(7, "replay ÷ plain codec and fold", "fold of records in memory, whole state and metadata, one core; beside encoding/json and the same fold", "events/s", series["generated"], series["general"]).Least(4)
	m.Note = fmt.Sprintf("%d events", len(records))
	b.add(m)
	return nil
}

func (b *suite) readGoal(ctx context.Context, folder string, records []eventstore.Record) error {
	opened := func(work func(open.Store, *commands.Engine) error) func(int) error {
		return func(int) error {
			store, engine, err := open.FreshEngine(folder)
			if err != nil {
				return err
			}
			err = work(store, engine)
			engine.Close()
			return errors.Join(err, store.Close())
		}
	}
	series, err := b.turns(ctx, []bench.Contender{
		{Name: "start", Writers: 1, Work: opened(func(_ open.Store, e *commands.Engine) error { return e.Load(ctx, nil) })},
		{Name: "read", Writers: 1, Work: opened(func(s open.Store, _ *commands.Engine) error {
			for _, err := range s.ReadAll(ctx, eventstore.Position{}) {
				if err != nil {
					return err
				}
			}
			return nil
		})},
	})
	if err != nil {
		return err
	}
	size := 0
	for i := range records {
		size += len(records[i].Data) + len(records[i].Metadata)
	}
	per(series, float64(size)) // from microseconds to megabytes a second
	m := bench.Ratio(8, "replay ÷ read with CRC", "open the store and fold every stream, as a start without checkpoints does; beside opening it and reading every record", "MB/s", series["start"], series["read"]).Least(0.2)
	m.Note = fmt.Sprintf("%d events, %d bytes each", len(records), size/max(len(records), 1))
	b.add(m)
	return nil
}

// per turns durations into rates: amount ÷ duration.
func per(series map[string][]float64, amount float64) {
	for _, s := range series {
		for i := range s {
			s[i] = amount / s[i]
		}
	}
}

func discard(_ *portfolio.State, err error) error { return err }

// folder folds records into a state, one by one.
type folder struct {
	with  decoder
	state *portfolio.State
}

func newFolder(with decoder) *folder { return &folder{with, portfolio.New()} }

func (f *folder) fold(rec *eventstore.Record) error {
	e, err := f.with.Decode(rec.Type, rec.Data)
	if err != nil {
		return err
	}
	if _, err := f.with.Metadata(rec.Metadata); err != nil {
		return err
	}
	f.state.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	return nil
}

// refold makes a state of records.
func refold(records []eventstore.Record, with decoder) (*portfolio.State, error) {
	f := newFolder(with)
	for i := range records {
		if err := f.fold(&records[i]); err != nil {
			return nil, err
		}
	}
	return f.state, nil
}

// traded returns the records of a portfolio in which bots opened and closed positions.
func traded(ctx context.Context, folder string, trades int) ([]eventstore.Record, error) {
	const id = "replayed"
	err := seed(ctx, folder, func(s *seeder) error {
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
	return recordsOf(ctx, folder, id)
}

// recordsOf reads the records of a portfolio.
func recordsOf(ctx context.Context, folder, id string) (records []eventstore.Record, err error) {
	store, err := open.ReadFolder(folder)
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
