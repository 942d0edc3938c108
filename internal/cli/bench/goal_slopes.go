package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/internal/bench"
)

// ofProcessor is the unit of costs in this process.
const ofProcessor = "s of processor time"

// slopeGoals measures how costs grow with portfolios, with the bots of a market, and with the
// live permits of a bot.
func (b *suite) slopeGoals(ctx context.Context) error {
	for _, measure := range []func(context.Context) error{b.portfolioSlopes, b.botSlopes, b.permitSlope} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// portfolioSlopes starts a server with ever more portfolios.
func (b *suite) portfolioSlopes(ctx context.Context) error {
	var starts, memory []bench.Point
	for _, n := range b.sizes.portfolios {
		b.Tell("%d portfolios", n)
		err := b.inFolder(func(dir string) error {
			store := filepath.Join(dir, "store")
			err := seed(ctx, store, func(s *seeder) error {
				if _, err := s.admin(ctx); err != nil {
					return err
				}
				return each(ctx, n, 64, func(i int) error { return s.open(ctx, fmt.Sprintf("p-%05d", i), "bot") })
			})
			if err != nil {
				return err
			}
			server, err := b.startServer(ctx, dir, store)
			if err != nil {
				return err
			}
			starts = append(starts, bench.Point{X: float64(n), Y: server.took.Seconds()})
			memory = append(memory, bench.Point{X: float64(n), Y: settled(ctx, server.cmd.Process.Pid, 10*time.Second) / 1e6})
			return server.kill()
		})
		if err != nil {
			return err
		}
	}
	b.add(slopeOf("start over portfolios", "from the start of pets serve until it is ready", "s", starts))
	if memory[0].Y > 0 {
		b.add(slopeOf("memory over portfolios", "resident in pets serve once it is quiet", "MB", memory))
	}
	return nil
}

// fillsOfABot is how many fills each bot has in the shared market.
const fillsOfABot = 10

// botSlopes lets ever more bots trade in one outcome, which is marked after each round of theirs.
func (b *suite) botSlopes(ctx context.Context) error {
	var decided, replayed []bench.Point
	for _, n := range b.sizes.bots {
		b.Tell("%d bots in one market", n)
		err := b.inFolder(func(dir string) error {
			folder, took := filepath.Join(dir, "store"), 0.0
			err := seed(ctx, folder, func(s *seeder) (err error) {
				took, err = s.crowd(ctx, "crowd", n)
				return err
			})
			if err != nil {
				return err
			}
			records, err := recordsOf(ctx, folder, "crowd")
			if err != nil {
				return err
			}
			fold, err := refoldCost(records)
			if err != nil {
				return err
			}
			replayed = append(replayed, bench.Point{X: float64(n), Y: fold})
			decided = append(decided, bench.Point{X: float64(n), Y: took})
			return nil
		})
		if err != nil {
			return err
		}
	}
	b.add(slopeOf("fills over bots of a market", fmt.Sprintf("%d fills by each bot in the same outcome, and as many marks of it", fillsOfABot), ofProcessor, decided))
	b.add(slopeOf("replay over bots of a market", "a fold of the same", ofProcessor, replayed))
	return nil
}

// crowd lets bots trade in the same outcome, and returns the processor time of that.
func (s *seeder) crowd(ctx context.Context, id string, bots int) (float64, error) {
	names := make([]string, bots)
	for i := range names {
		names[i] = fmt.Sprintf("bot-%04d", i)
	}
	for from := 0; from < bots; from += 500 {
		if from == 0 {
			if err := s.open(ctx, id, names[:min(bots, 500)]...); err != nil {
				return 0, err
			}
			continue
		}
		var more []commands.Request
		for _, name := range names[from:min(bots, from+500)] {
			more = append(more, s.request(commands.RegisterBot{ID: name, Capital: domain.MustDecimal("100000"), Start: true}))
		}
		if err := firstError(s.engine.DoEach(ctx, id, more)); err != nil {
			return 0, err
		}
	}
	return cost(func() error {
		for range fillsOfABot {
			if err := s.crowdRound(ctx, id, names); err != nil {
				return err
			}
		}
		return nil
	})
}

// cost returns the processor time that this process uses for some work, in seconds.
func cost(work func() error) (float64, error) {
	before := bench.Worked()
	err := work()
	return (bench.Worked() - before).Seconds(), err
}

// refoldCost returns the cost of a fold. It repeats a short one.
func refoldCost(records []eventstore.Record) (float64, error) {
	const enough = 0.05
	times := 0
	total, err := cost(func() error {
		for until := bench.Worked() + time.Duration(enough*float64(time.Second)); times == 0 || bench.Worked() < until; times++ {
			if _, err := refold(records, &domain.Decoder{}); err != nil {
				return err
			}
		}
		return nil
	})
	return total / float64(max(times, 1)), err
}

func (s *seeder) crowdRound(ctx context.Context, id string, names []string) error {
	for from := 0; from < len(names); from += 500 {
		var requests []commands.Request
		for _, name := range names[from:min(len(names), from+500)] {
			fill := fillCommand(name)
			fill.Market = "crowded"
			requests = append(requests, s.request(fill))
		}
		if err := firstError(s.engine.DoEach(ctx, id, requests)); err != nil {
			return err
		}
	}
	mark := commands.MarkPrices{Marks: []domain.Mark{{Market: "crowded", Outcome: "YES", Price: domain.MustDecimal("0.5")}}}
	return firstError(s.engine.DoEach(ctx, id, []commands.Request{s.request(mark)}))
}

// permitSlope asks for ever more permits of one bot that all stay live.
func (b *suite) permitSlope(ctx context.Context) error {
	var took []bench.Point
	for _, n := range b.sizes.permits {
		b.Tell("%d live permits of a bot", n)
		err := b.inFolder(func(dir string) error {
			return seed(ctx, filepath.Join(dir, "store"), func(s *seeder) error {
				if err := s.open(ctx, "permits", "bot"); err != nil {
					return err
				}
				seconds, err := s.manyPermits(ctx, "permits", n)
				took = append(took, bench.Point{X: float64(n), Y: seconds})
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	b.add(slopeOf("permits over live permits", "permits of one bot, asked for while those before are live", ofProcessor, took))
	return nil
}

// manyPermits asks for permits that live long, and returns the processor time of that.
func (s *seeder) manyPermits(ctx context.Context, id string, n int) (float64, error) {
	requests := make([]commands.Request, n)
	for i := range requests {
		ask := permitCommand("bot")
		ask.Market, ask.TTL, ask.Quantity = fmt.Sprintf("m-%d", i), 0, domain.MustDecimal("1")
		requests[i] = s.request(ask)
	}
	return cost(func() error {
		for from := 0; from < n; from += 500 {
			results, err := s.engine.DoEach(ctx, id, requests[from:min(n, from+500)])
			if err := firstError(results, err); err != nil {
				return err
			}
			for _, r := range results {
				if r.Answer.Permit == nil || !r.Answer.Permit.Allowed {
					return errors.New("a permit was denied")
				}
			}
		}
		return nil
	})
}
