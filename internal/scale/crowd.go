package scale

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Classes are the portfolios by how many bots they have: most are small, few are hot. They get
// rarer, and the first one is the rest.
var Classes = []Class{
	{Bots: 1, OneIn: 1},
	{Bots: 16, OneIn: 100},
	{Bots: 256, OneIn: 1000},
}

// Class is a part of all portfolios: one in so many has so many bots.
type Class struct {
	Bots  int `json:"bots"`
	OneIn int `json:"one_in"`
}

// portfolio is one of the crowd.
type portfolio struct {
	name   string
	bots   int
	events float64 // a second, on average over a day
	past   float64 // 0 to 1: how far its stream is past its last checkpoint
	turn   float64 // those of a lost node are asked for in this order
}

// crowd draws portfolios. Each is as busy as its class, give or take a half.
func crowd(n int, seed uint64, day Day) []portfolio {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a simulation that can be repeated
	all := make([]portfolio, n)
	for i := range all {
		bots, drawn := Classes[0].Bots, random.Float64()
		for _, c := range Classes[1:] {
			if share := 1 / float64(c.OneIn); drawn < share {
				bots = c.Bots
			}
		}
		busy := 0.5 + random.Float64()
		all[i] = portfolio{
			name: fmt.Sprintf("portfolio-%06d", i), bots: bots, events: busy * day.Of(float64(bots)).Events / secondsADay,
			past: random.Float64(), turn: random.Float64(),
		}
	}
	return all
}

// MeanBots is how many bots a portfolio has on average. A draw below the shares of two classes is of
// the later one.
func MeanBots() float64 {
	mean, rarer := 0.0, 0.0
	for _, c := range slices.Backward(Classes) {
		share := 1 / float64(c.OneIn)
		mean += (share - rarer) * float64(c.Bots)
		rarer = share
	}
	return mean
}
