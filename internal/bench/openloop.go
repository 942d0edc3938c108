package bench

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Paced is the latency of requests that were sent at a fixed rate, whether or not the
// answers kept up. Each counts from the moment at which it was due, also if it could only
// be sent later, so that a pause counts for all who would have come in it.
type Paced struct {
	// Load is the rate as a part of the highest one, Rate and Reached are requests a second:
	// those that were due, and those that were answered.
	Load    float64 `json:"load"`
	Rate    float64 `json:"rate"`
	Reached float64 `json:"reached"`
	Count   int     `json:"count"`
	Failed  int     `json:"failed"`
	// First is the first failure.
	First string `json:"first_failure,omitempty"`
	// Curve holds percentiles, rising.
	Curve []Percentile `json:"curve"`
}

// Percentile is what Of 1 requests took at most, in milliseconds.
type Percentile struct {
	Of float64 `json:"of"`
	MS float64 `json:"ms"`
}

// At returns a percentile of the curve: the next one that was measured.
func (p *Paced) At(of float64) float64 {
	for _, c := range p.Curve {
		if c.Of >= of {
			return c.MS
		}
	}
	return 0
}

// Pace sends requests at a rate for a while. At most callers are under way at once; those
// that are due beyond that wait, and their wait counts.
func Pace(ctx context.Context, rate float64, within time.Duration, callers int, send func(ctx context.Context, caller int) error) Paced {
	n := int(rate * within.Seconds())
	took := make([][]time.Duration, callers)
	errs := make([]error, callers)
	failed := make([]int, callers)
	var next atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for c := range callers {
		group.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				due := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
				if !sleepUntil(ctx, due) {
					return
				}
				if err := send(ctx, c); err != nil {
					if failed[c]++; errs[c] == nil {
						errs[c] = err
					}
				}
				took[c] = append(took[c], time.Since(due))
			}
		})
	}
	group.Wait()
	lasted := time.Since(began).Seconds()
	all := slices.Concat(took...)
	p := Paced{Rate: rate, Count: len(all), Curve: curveOf(all)}
	if lasted > 0 {
		p.Reached = float64(len(all)) / lasted
	}
	for c := range callers {
		p.Failed += failed[c]
		if errs[c] != nil && p.First == "" {
			p.First = errs[c].Error()
		}
	}
	return p
}

func sleepUntil(ctx context.Context, due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// curveOf returns the percentiles that so many durations can show: 0, then ever nearer to 1
// in steps of a tenth of a decade.
func curveOf(took []time.Duration) (curve []Percentile) {
	if len(took) == 0 {
		return nil
	}
	slices.Sort(took)
	for step := 0; ; step++ {
		rest := math.Pow(10, -float64(step)/10) // of the slower ones
		at := len(took) - int(math.Floor(rest*float64(len(took)))) - 1
		if at = max(at, 0); rest*float64(len(took)) < 1 {
			return append(curve, Percentile{1, took[len(took)-1].Seconds() * 1000})
		}
		curve = append(curve, Percentile{1 - rest, took[at].Seconds() * 1000})
	}
}
