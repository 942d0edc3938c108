package bench

import (
	"context"
	"fmt"
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

// Measured is the result for one goal.
type Measured struct {
	Goal  int     `json:"goal"`
	What  string  `json:"what"`
	Ratio float64 `json:"ratio"`
	Want  string  `json:"want"`
	OK    bool    `json:"ok"`
	// Ours and Theirs are the medians of both sides, in Unit.
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs"`
	Unit   string  `json:"unit"`
}

// Lines returns the result as text.
func (m Measured) Lines() []string {
	verdict := "reached"
	if !m.OK {
		verdict = "MISSED"
	}
	first := fmt.Sprintf("goal %-3d %.2f   %s   %s", m.Goal, m.Ratio, m.Want, verdict)
	if m.Goal == 0 { // a figure without a goal
		first = fmt.Sprintf("         %.2f", m.Ratio)
	}
	return []string{
		first,
		"         " + m.What,
		fmt.Sprintf("         %.0f ÷ %.0f %s", m.Ours, m.Theirs, m.Unit),
	}
}

// AtLeast compares two series of neighbouring turns: the median of their ratios must
// reach want.
func AtLeast(goal int, what, unit string, ours, theirs []float64, want float64) Measured {
	m := compare(goal, what, unit, ours, theirs)
	m.Want, m.OK = "≥ "+figure(want), m.Ratio >= want
	return m
}

// AtMost is AtLeast for a ratio that must not exceed want.
func AtMost(goal int, what, unit string, ours, theirs []float64, want float64) Measured {
	m := compare(goal, what, unit, ours, theirs)
	m.Want, m.OK = "≤ "+figure(want), m.Ratio <= want
	return m
}

func compare(goal int, what, unit string, ours, theirs []float64) Measured {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / theirs[i]
	}
	return Measured{Goal: goal, What: what, Unit: unit, Ratio: middle(ratios), Ours: middle(ours), Theirs: middle(theirs)}
}

func middle(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(x))
	return sorted[len(sorted)/2]
}
