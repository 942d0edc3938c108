package scale

import "slices"

// How a node that takes a portfolio over gets at its state.
const (
	fromFirst      = iota // folds the stream from its first record
	fromCheckpoint        // has a checkpoint, and folds what came after it
	ways
)

// The checkpoints of a server with many portfolios: one after so many events, and
// when a stream is idle for 5 s only after so many.
const (
	checkpointEvery = 16_000
	checkpointIdle  = 500
	idleFor         = 5.0 // seconds
)

// behind is how many events of a portfolio there are to fold before it can be used.
func (p *portfolio) behind(way, days int) float64 {
	length := p.events * secondsADay * float64(days)
	if way == fromFirst {
		return length
	}
	most := float64(checkpointEvery)
	if p.events*idleFor < 1 { // its checkpoints are those of quiet moments
		most = checkpointIdle
	}
	return min(length, most*p.past)
}

// never is the time of what does not end.
const never = -1

// catchUp returns when each of the portfolios can be used again, in seconds after the node
// begins, in their order: the next one begins when a core is free. The node goes on to
// fold live events a second, its own and those of what it takes, which leaves the rest of each core.
func catchUp(taken []*portfolio, live float64, way int, o *Options) []float64 {
	rate := o.Rates.Fold - live/float64(o.Rates.Cores)
	ready := make([]float64, len(taken))
	cores := make([]float64, o.Rates.Cores) // when each is free
	for i, p := range taken {
		// Meanwhile the stream goes on to grow, so it is caught up with, not read to a fixed end.
		speed := rate - p.events
		if speed <= 0 {
			ready[i] = never
			continue
		}
		began := slices.Min(cores)
		ready[i] = began + o.Rates.Open + (p.behind(way, o.Days)+p.events*(began+o.Rates.Open))/speed
		cores[slices.Index(cores, began)] = ready[i]
	}
	return ready
}
