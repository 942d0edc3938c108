package scale

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Run is a simulation, and what came of it for each number of nodes.
type Run struct {
	Options Options `json:"options"`
	// Bots are those of all portfolios, and Events what they write in a second, on average over
	// a day; Hottest is the part of the busiest portfolio.
	Bots    int       `json:"bots"`
	Events  float64   `json:"events"`
	Hottest float64   `json:"hottest"`
	Results []Cluster `json:"results"`
}

// Cluster is what some nodes have, and what happens when one of them is lost. Each is lost in
// turn, and the worst is told.
type Cluster struct {
	Nodes int `json:"nodes"`
	// Portfolios and Load of the fullest node ÷ the mean, and Least of the emptiest.
	Portfolios float64 `json:"portfolios_max_over_mean"`
	Load       float64 `json:"load_max_over_mean"`
	Least      float64 `json:"load_min_over_mean"`
	// Moved is the largest part of all portfolios that moves, and LoadAfter the load of the
	// fullest of the nodes that are left ÷ their mean.
	Moved     float64 `json:"moved"`
	LoadAfter float64 `json:"load_after_max_over_mean"`
	// First is the catch-up from first records, and Checkpoint the one from checkpoints.
	First      CatchUp `json:"from_first_record"`
	Checkpoint CatchUp `json:"from_checkpoints"`
}

// CatchUp is how long portfolios of a lost node wait until others have them, in seconds, and
// never (-1) if some of them wait for ever.
type CatchUp struct {
	Median float64 `json:"median"`
	Worst  float64 `json:"worst"`
}

// Simulate places a crowd of portfolios on nodes, and takes away each node in turn.
func Simulate(o Options) (*Run, error) {
	if err := errors.Join(o.Check(), o.Day.check()); err != nil {
		return nil, err
	}
	all := crowd(o.Portfolios, o.Seed, o.Day)
	run := &Run{Options: o}
	for i := range all {
		run.Bots += all[i].bots
		run.Events += all[i].events
		run.Hottest = max(run.Hottest, all[i].events)
	}
	for _, n := range o.Nodes {
		run.Results = append(run.Results, place(all, n).cluster(&o))
	}
	return run, nil
}

// placed are portfolios on nodes.
type placed struct {
	nodes int
	had   [][]*portfolio // of each node
	next  map[*portfolio]int
	load  []float64 // events a second of each node
	total float64
}

func place(all []portfolio, n int) *placed {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("node-%03d", i)
	}
	nodes := Named(names...)
	p := &placed{nodes: n, had: make([][]*portfolio, n), next: make(map[*portfolio]int, len(all)), load: make([]float64, n)}
	for i := range all {
		one := &all[i]
		owner, next := nodes.Place(one.name)
		p.had[owner] = append(p.had[owner], one)
		p.next[one] = next
		p.load[owner] += one.events
		p.total += one.events
	}
	for _, had := range p.had { // in the order in which their clients come back
		slices.SortFunc(had, func(a, b *portfolio) int { return cmp.Or(cmp.Compare(a.turn, b.turn), cmp.Compare(a.name, b.name)) })
	}
	return p
}

// cluster tells what the placement is like.
func (p *placed) cluster(o *Options) Cluster {
	mean, most := p.total/float64(p.nodes), 0
	c := Cluster{Nodes: p.nodes, Load: slices.Max(p.load) / mean, Least: slices.Min(p.load) / mean}
	for lost := range p.nodes {
		most = max(most, len(p.had[lost]))
		takers, load := p.lose(lost)
		load[lost] = 0
		c.LoadAfter = max(c.LoadAfter, slices.Max(load)/(p.total/float64(p.nodes-1)))
		c.First = worse(c.First, caughtUp(takers, load, fromFirst, o))
		c.Checkpoint = worse(c.Checkpoint, caughtUp(takers, load, fromCheckpoint, o))
	}
	c.Portfolios = float64(most) * float64(p.nodes) / float64(o.Portfolios)
	c.Moved = float64(most) / float64(o.Portfolios)
	return c
}

// lose returns which portfolios of a lost node each of the others takes, and what each has then.
func (p *placed) lose(lost int) (takers [][]*portfolio, load []float64) {
	takers, load = make([][]*portfolio, p.nodes), slices.Clone(p.load)
	for _, one := range p.had[lost] {
		to := p.next[one]
		takers[to] = append(takers[to], one)
		load[to] += one.events
	}
	return takers, load
}

// caughtUp returns how long the portfolios of a lost node wait.
func caughtUp(takers [][]*portfolio, load []float64, way int, o *Options) CatchUp {
	var waits []float64
	for node, taken := range takers {
		waits = append(waits, catchUp(taken, load[node], way, o)...)
	}
	if len(waits) == 0 {
		return CatchUp{}
	}
	slices.Sort(waits)
	if waits[0] == never {
		return CatchUp{Median: never, Worst: never}
	}
	return CatchUp{Median: waits[len(waits)/2], Worst: waits[len(waits)-1]}
}

// worse returns the longer times of two.
func worse(a, b CatchUp) CatchUp {
	if a.Worst == never || b.Worst == never {
		return CatchUp{Median: never, Worst: never}
	}
	return CatchUp{Median: max(a.Median, b.Median), Worst: max(a.Worst, b.Worst)}
}
