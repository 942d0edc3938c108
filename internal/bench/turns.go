package bench

import (
	"context"
	"slices"
	"sync"
	"time"
)

// slice is how long a contender works before the next one has its turn.
const slice = 200 * time.Millisecond

// Contender takes turns with others. Only one of them works at a time.
type Contender struct {
	Name    string
	Writers int
	// Work does one operation for a writer.
	Work func(writer int) error
	// Settle ends a turn: it waits for remaining work, and its time counts. It may be nil.
	Settle func(ctx context.Context) error
}

// Progress receives the progress of a measurement; it may be nil.
type Progress func(what string, done, total int64)

// Turns returns the figures of each contender: operations per second, or for one writer
// the median time of an operation in microseconds.
func Turns(ctx context.Context, rounds int, all []Contender, tell Progress) ([][]float64, error) {
	figures := make([][]float64, len(all))
	for round := range rounds + 1 { // the first is to warm up
		for i := range all {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			rate, median, err := all[i].turn(ctx)
			if err != nil {
				return nil, err
			}
			if all[i].Writers == 1 {
				rate = median * 1e6
			}
			if round > 0 {
				figures[i] = append(figures[i], rate)
			}
		}
		if tell != nil {
			tell("measuring", int64(round), int64(rounds))
		}
	}
	return figures, nil
}

// turn lets a contender work for a while. It returns its operations per second and, if
// there is one writer, the median time of an operation.
func (c *Contender) turn(ctx context.Context) (rate, median float64, err error) {
	var group sync.WaitGroup
	counts, errs := make([]int, c.Writers), make([]error, c.Writers)
	var took []float64
	began := time.Now()
	for w := range c.Writers {
		group.Go(func() {
			for now := began; now.Sub(began) < slice && errs[w] == nil; {
				errs[w] = c.Work(w)
				counts[w]++
				before := now
				now = time.Now()
				if c.Writers == 1 {
					took = append(took, now.Sub(before).Seconds())
				}
			}
		})
	}
	group.Wait()
	total := 0
	for w := range c.Writers {
		if errs[w] != nil {
			return 0, 0, errs[w]
		}
		total += counts[w]
	}
	if c.Settle != nil {
		if err := c.Settle(ctx); err != nil {
			return 0, 0, err
		}
	}
	return float64(total) / time.Since(began).Seconds(), middle(took), nil
}

func middle(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(x))
	return sorted[len(sorted)/2]
}
