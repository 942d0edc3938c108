// Package scale computes what many portfolios on several servers would cost, from figures that
// are measured elsewhere.
//
// It owns the placement of portfolios on nodes, a crowd of portfolios with very different
// loads, the loss of a node and the catch-up of the others, and the arithmetic of days and
// years. Everything follows from its parameters and a seed. It refuses to measure, to read a
// clock, and to touch a store: no server places its portfolios by this package.
package scale

import (
	"errors"
	"fmt"
	"math"
)

// Limits of what is simulated: a run takes seconds, not hours.
const (
	MostPortfolios = 1_000_000
	MostNodes      = 256
)

// Options are what a simulation follows from.
type Options struct {
	Portfolios int    `json:"portfolios"`
	Nodes      []int  `json:"nodes"`
	Seed       uint64 `json:"seed"`
	Days       int    `json:"days"` // how old every portfolio is
	Rates      Rates  `json:"rates"`
	Day        Day    `json:"day"`
}

// Rates are what a node does, as it was measured on one.
type Rates struct {
	// Fold is how many events a core reads, decodes and applies in a second.
	Fold float64 `json:"fold"`
	// Cores of a node fold streams; one stream takes one core.
	Cores int `json:"cores"`
	// Open is how many seconds a core takes for a stream before its first event.
	Open float64 `json:"open"`
}

// Day is what a portfolio writes in a day: so many events for itself, and so many for each of
// its bots.
type Day struct {
	Portfolio Volume `json:"portfolio"`
	Bot       Volume `json:"bot"`
}

// Volume is a number of events and of bytes.
type Volume struct {
	Events float64 `json:"events"`
	Bytes  float64 `json:"bytes"`
}

// Of returns what a portfolio with so many bots writes in a day.
func (d Day) Of(bots float64) Volume {
	return Volume{Events: d.Portfolio.Events + bots*d.Bot.Events, Bytes: d.Portfolio.Bytes + bots*d.Bot.Bytes}
}

// Times returns a multiple of a volume.
func (v Volume) Times(n float64) Volume { return Volume{Events: v.Events * n, Bytes: v.Bytes * n} }

// Check says what is wrong with the options, but for the day, and what to do.
func (o *Options) Check() error {
	if o.Portfolios < 1 || o.Portfolios > MostPortfolios {
		return fmt.Errorf("there must be 1 to %d portfolios, not %d", MostPortfolios, o.Portfolios)
	}
	if len(o.Nodes) == 0 {
		return errors.New("there are no numbers of nodes: give at least one, such as 8")
	}
	for _, n := range o.Nodes {
		if n < 2 || n > MostNodes {
			return fmt.Errorf("there must be 2 to %d nodes, not %d: one is lost, and others take over from it", MostNodes, n)
		}
	}
	if o.Days < 1 || o.Days > 3650 {
		return fmt.Errorf("the portfolios must be 1 to 3650 days old, not %d", o.Days)
	}
	if o.Rates.Cores < 1 || o.Rates.Cores > 1024 {
		return fmt.Errorf("a node must have 1 to 1024 cores, not %d", o.Rates.Cores)
	}
	if !positive(o.Rates.Fold) || o.Rates.Open < 0 || math.IsNaN(o.Rates.Open) || math.IsInf(o.Rates.Open, 0) {
		return fmt.Errorf("a core must fold more than 0 events a second (not %g), and open a stream in 0 s or more (not %g)", o.Rates.Fold, o.Rates.Open)
	}
	return nil
}

func (d Day) check() error {
	for _, v := range []Volume{d.Portfolio, d.Bot} {
		if !positive(v.Events) || !positive(v.Bytes) {
			return fmt.Errorf("a day must have events and bytes of the portfolio and of a bot, not %g events in %g bytes", v.Events, v.Bytes)
		}
	}
	return nil
}

func positive(x float64) bool { return x > 0 && !math.IsInf(x, 1) }

// secondsADay turns events of a day into events a second.
const secondsADay = 86_400
