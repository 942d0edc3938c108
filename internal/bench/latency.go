package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Latency is how long requests of one kind took. A failed request counts with the time
// after which it failed, because its caller had to wait for that.
type Latency struct {
	What   string `json:"what"`
	Count  int    `json:"count"`
	Failed int    `json:"failed"`
	// Later counts requests that were accepted (202) and are recorded later.
	Later int     `json:"accepted_later"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
	// Ratio is this p99.9 ÷ the p99.9 of the same request on an idle server, or 0 if that is
	// not known.
	Ratio float64 `json:"p999_by_idle,omitempty"`
	// Want is the goal in milliseconds, or 0 for none.
	Want float64 `json:"want_p999_ms,omitempty"`
	// Short says why fewer requests were sent than requested, or is "".
	Short string `json:"short,omitempty"`
	// First is the first failure.
	First string `json:"first_failure,omitempty"`
	// Floors are requests that do nothing, sent beside these.
	Floors []Latency `json:"floors,omitempty"`
	// Load describes the load during the measurement, in lines.
	Load []string `json:"load,omitempty"`
}

// Outcome is the outcome of one request.
type Outcome struct {
	Took  time.Duration
	Later bool
	Err   error
}

// Sample sends up to n requests from a number of callers until the time is over. Each
// caller sends its next request when the last one is answered. Sample waits for the
// requests that are under way at the end.
func Sample(ctx context.Context, what string, n, callers int, within time.Duration, send func(ctx context.Context, i int) (later bool, err error)) (Latency, error) {
	all := make([][]Outcome, callers)
	var next atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for c := range callers {
		group.Go(func() {
			for ctx.Err() == nil && time.Since(began) < within {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				start := time.Now()
				later, err := send(ctx, i)
				all[c] = append(all[c], Outcome{time.Since(start), later, err})
			}
		})
	}
	group.Wait()
	l := Latencies(what, slices.Concat(all...))
	if l.Count < n {
		l.Short = fmt.Sprintf("%d of %d: the time of %s was over", l.Count, n, within)
	}
	return l, ctx.Err()
}

// Latencies summarises outcomes.
func Latencies(what string, all []Outcome) Latency {
	l := Latency{What: what, Count: len(all)}
	for _, o := range all {
		if o.Later {
			l.Later++
		}
		if o.Err != nil {
			l.Failed++
			l.First = cmp.Or(l.First, o.Err.Error())
		}
	}
	if len(all) == 0 {
		return l
	}
	took := make([]float64, len(all))
	for i, o := range all {
		took[i] = float64(o.Took.Microseconds()) / 1000
	}
	slices.Sort(took)
	l.P50, l.P99, l.P999, l.Max = at(took, 500), at(took, 990), at(took, 999), took[len(took)-1]
	return l
}

// at returns a permille: of 2,000 values, p99.9 is the second highest, and of up to 1,000
// it is the highest.
func at(sorted []float64, permille int) float64 {
	return sorted[min(len(sorted)*permille/1000, len(sorted)-1)]
}

// Against sets the ratio to the same requests on an idle server.
func (l Latency) Against(idle Latency) Latency {
	if idle.P999 > 0 {
		l.Ratio = l.P999 / idle.P999
	}
	return l
}

// Goal sets the limit for p99.9.
func (l Latency) Goal(milliseconds float64) Latency {
	l.Want = milliseconds
	return l
}

// Reached reports whether a goal was set and met, without failed requests.
func (l Latency) Reached() bool {
	return l.Want > 0 && l.Count > 0 && l.Failed == 0 && l.P999 <= l.Want
}

// Lines returns the latency as text.
func (l Latency) Lines() []string {
	first := fmt.Sprintf("p99.9 %9.1f ms   p50 %.1f   p99 %.1f   max %.1f", l.P999, l.P50, l.P99, l.Max)
	if l.Ratio > 0 {
		first += fmt.Sprintf("   %.1f × idle", l.Ratio)
	}
	switch {
	case l.Reached():
		first += "   ≤ " + figure(l.Want) + " ms reached"
	case l.Want > 0:
		first += "   ≤ " + figure(l.Want) + " ms MISSED"
	}
	lines := []string{first, fmt.Sprintf("         %s: %d sent, %d failed, %d accepted and recorded later", l.What, l.Count, l.Failed, l.Later)}
	if l.Short != "" {
		lines = append(lines, "         "+l.Short)
	}
	if l.First != "" {
		lines = append(lines, "         first failure: "+l.First)
	}
	for _, f := range l.Floors {
		lines = append(lines, "         beside it: "+f.floor())
	}
	for _, line := range l.Load {
		lines = append(lines, "         beside it: "+line)
	}
	return lines
}

// floor is a latency in one line.
func (l Latency) floor() string {
	text := fmt.Sprintf("%s: p99.9 %.1f ms, p50 %.1f, %d sent", l.What, l.P999, l.P50, l.Count)
	if l.Failed > 0 {
		text += fmt.Sprintf(", %d failed: %s", l.Failed, l.First)
	}
	return text
}
