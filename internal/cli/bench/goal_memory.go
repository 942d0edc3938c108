package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"

	"pets/commands"
	"pets/domain"
	"pets/internal/bench"
)

// stateMemory measures what an open position and a closed trade cost in the state that decides.
func (b *suite) stateMemory(ctx context.Context, dir string) error {
	const id = "opened"
	folder := filepath.Join(dir, "opened")
	n := b.sizes.opened
	var sizes [3]float64 // of the state: empty, with positions, with the same closed
	for i, sides := range [][]domain.Side{{}, {domain.Buy}, {domain.Sell}} {
		err := seed(ctx, folder, func(s *seeder) error {
			if i == 0 {
				return s.open(ctx, id, "bot")
			}
			return s.everywhere(ctx, id, sides[0], n)
		})
		if err != nil {
			return err
		}
		if sizes[i], err = stateSize(ctx, folder, id); err != nil {
			return err
		}
	}
	each := func(name, what string, bytes float64) bench.Measured {
		return bench.Measured{Goal: 12, Name: name, What: fmt.Sprintf(what, n), Unit: "bytes", Value: max(bytes, 0) / float64(n)}
	}
	b.add(
		each("memory of an open position", "growth of the folded state by %d positions, each in a market of its own", sizes[1]-sizes[0]),
		each("memory of a closed trade", "growth of the folded state by %d positions that were opened and closed", sizes[2]-sizes[0]),
	)
	return nil
}

// everywhere trades once in each of n markets.
func (s *seeder) everywhere(ctx context.Context, id string, side domain.Side, n int) error {
	for from := 0; from < n; from += 500 {
		var requests []commands.Request
		for i := from; i < min(n, from+500); i++ {
			fill := fillCommand("bot")
			fill.Market, fill.Side = fmt.Sprintf("market-%d", i), side
			requests = append(requests, s.request(fill))
		}
		if err := firstError(s.engine.DoEach(ctx, id, requests)); err != nil {
			return err
		}
	}
	return nil
}

// stateSize folds a portfolio, and returns by how much the heap has grown.
func stateSize(ctx context.Context, folder, id string) (float64, error) {
	records, err := recordsOf(ctx, folder, id)
	if err != nil {
		return 0, err
	}
	before := heap()
	state, err := refold(records, &domain.Decoder{})
	after := heap()
	runtime.KeepAlive(state)
	runtime.KeepAlive(records)
	return after - before, err
}

// heap returns the bytes that are in use after a collection.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
