package scale

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// someDay is a day like the one that pets bench scale measures.
var someDay = Day{Portfolio: Volume{Events: 1452, Bytes: 3_657_488}, Bot: Volume{Events: 600, Bytes: 351_848}}

func someOptions() Options {
	return Options{Portfolios: 2000, Nodes: []int{2, 5}, Seed: 7, Days: 30, Rates: Rates{Fold: 60_000, Cores: 2, Open: 0.0001}, Day: someDay}
}

func names(what string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%d", what, i)
	}
	return all
}

// "Losing one of N nodes moves only its portfolios", each to the node that was named before.
func TestALostNodeMovesOnlyItsPortfolios(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := names(rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "nodes"), rapid.IntRange(2, 40).Draw(t, "number"))
		lost := rapid.IntRange(0, len(nodes)-1).Draw(t, "lost")
		left := slices.Delete(slices.Clone(nodes), lost, lost+1)
		before, after := Named(nodes...), Named(left...)
		for _, portfolio := range names("p", 300) {
			owner, next := before.Place(portfolio)
			now, _ := after.Place(portfolio)
			if owner == lost {
				owner = next
			}
			require.Equal(t, nodes[owner], left[now], portfolio)
		}
	})
}

// "Adding one moves about 1/N", and only to the new one. Six standard deviations are allowed.
func TestANewNodeTakesItsShareOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const portfolios = 2000
		nodes := names(rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "nodes"), rapid.IntRange(2, 33).Draw(t, "number"))
		before, after := Named(nodes[:len(nodes)-1]...), Named(nodes...)
		moved := 0
		for _, portfolio := range names(rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "portfolios"), portfolios) {
			was, _ := before.Place(portfolio)
			if is, _ := after.Place(portfolio); is != was {
				require.Equal(t, len(nodes)-1, is)
				moved++
			}
		}
		share := 1 / float64(len(nodes))
		require.InDelta(t, portfolios*share, moved, 6*math.Sqrt(portfolios*share*(1-share)))
	})
}

// Where a portfolio goes does not depend on the order of the nodes.
func TestTheOrderOfNodesDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := names("node", rapid.IntRange(2, 20).Draw(t, "number"))
		other := rapid.Permutation(nodes).Draw(t, "order")
		for _, portfolio := range names("p", 100) {
			a, b := Named(nodes...), Named(other...)
			owner, next := a.Place(portfolio)
			same, then := b.Place(portfolio)
			require.Equal(t, []string{nodes[owner], nodes[next]}, []string{other[same], other[then]})
			require.NotEqual(t, owner, next)
		}
	})
}

func TestOneNodeHasAll(t *testing.T) {
	t.Parallel()
	owner, next := Named("a").Place("p")
	require.Zero(t, owner)
	require.Zero(t, next)
}

// Every portfolio is on one node, also after a loss, and the loads of the nodes add up to the
// load of all.
func TestLoadAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(t, "nodes")
		all := crowd(rapid.IntRange(1, 400).Draw(t, "portfolios"), rapid.Uint64().Draw(t, "seed"), someDay)
		p := place(all, n)
		require.InEpsilon(t, p.total, sum(p.load), 1e-9)
		had := map[*portfolio]int{}
		for _, some := range p.had {
			for _, one := range some {
				had[one]++
			}
		}
		require.Len(t, had, len(all))

		lost := rapid.IntRange(0, n-1).Draw(t, "lost")
		takers, load := p.lose(lost)
		load[lost] = 0
		require.InEpsilon(t, p.total, sum(load), 1e-9)
		require.Empty(t, takers[lost])
		taken := map[*portfolio]bool{}
		for _, some := range takers {
			for _, one := range some {
				taken[one] = true
			}
		}
		require.Len(t, taken, len(p.had[lost]))
		for _, one := range p.had[lost] {
			require.True(t, taken[one])
		}
	})
}

func sum(all []float64) (total float64) {
	for _, x := range all {
		total += x
	}
	return total
}

// The crowd has the classes that it should have, and the mean that forecasts are made with.
func TestTheCrowdIsSkewed(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 0.99*1+0.009*16+0.001*256, MeanBots(), 1e-12)
	all := crowd(200_000, 3, someDay)
	count, bots := map[int]int{}, 0
	for i := range all {
		count[all[i].bots]++
		bots += all[i].bots
	}
	require.Len(t, count, len(Classes))
	require.InDelta(t, 200, count[256], 85)
	require.InDelta(t, 1800, count[16], 260)
	require.InEpsilon(t, MeanBots(), float64(bots)/200_000, 0.1)
}

// Two cores take the streams in turn: the third begins when the first core is free, and what a
// stream grows by until then has to be folded, too.
func TestCatchUpByHand(t *testing.T) {
	t.Parallel()
	o := &Options{Days: 1, Rates: Rates{Fold: 1010, Cores: 2, Open: 1}}
	slow := &portfolio{events: 0} // nothing to fold: it is only opened
	busy := &portfolio{events: 10}
	// 20 events/s of the node leave 1000 of each core, and the stream's own growth 990.
	busyTakes := 1 + (10*86_400+10*1)/990.0
	require.Equal(t, []float64{busyTakes, 1, 2}, catchUp([]*portfolio{busy, slow, slow}, 20, fromFirst, o))

	late := 1 + 1 + (10*86_400+10*2)/990.0 // begins after a second, in which the stream has grown
	o.Rates.Cores = 1
	require.InDeltaSlice(t, []float64{1, late}, catchUp([]*portfolio{slow, busy}, 10, fromFirst, o), 1e-9)
}

// A node that is busy with what it has never catches up.
func TestSomeNodesNeverCatchUp(t *testing.T) {
	t.Parallel()
	o := someOptions()
	o.Rates.Fold = 10
	run, err := Simulate(o)
	require.NoError(t, err)
	require.Equal(t, CatchUp{Median: never, Worst: never}, run.Results[0].First)
	require.Equal(t, CatchUp{Median: never, Worst: never}, run.Results[0].Checkpoint)
}

// With a checkpoint there is never more to fold than without one, and never more than lies
// between two.
func TestCheckpointsShortenIt(t *testing.T) {
	t.Parallel()
	all := crowd(5000, 11, someDay)
	quiet, busy := 0.0, 0.0
	for i := range all {
		behind := all[i].behind(fromCheckpoint, 30)
		require.LessOrEqual(t, behind, all[i].behind(fromFirst, 30))
		if all[i].events*idleFor < 1 {
			quiet = max(quiet, behind)
		} else {
			busy = max(busy, behind)
		}
	}
	require.InDelta(t, checkpointIdle, quiet, 10)
	require.Greater(t, busy, 10.0*checkpointIdle)
	require.LessOrEqual(t, busy, float64(checkpointEvery))

	for _, c := range simulated(t, someOptions()).Results {
		require.Less(t, c.Checkpoint.Worst, c.First.Worst)
		require.LessOrEqual(t, c.First.Median, c.First.Worst)
	}
}

// More nodes have less each, and take less over: the worst time from first records falls.
func TestMoreNodesCatchUpSooner(t *testing.T) {
	t.Parallel()
	o := someOptions()
	o.Nodes = []int{2, 4, 8, 16}
	run := simulated(t, o)
	for i := range run.Results {
		c := run.Results[i]
		require.GreaterOrEqual(t, c.Load, 1-1e-9)
		require.LessOrEqual(t, c.Least, 1+1e-9)
		require.GreaterOrEqual(t, c.Portfolios, 1.0)
		require.GreaterOrEqual(t, c.LoadAfter, 1-1e-9)
		require.InEpsilon(t, c.Moved*float64(c.Nodes), c.Portfolios, 1e-9)
		if i > 0 {
			require.Less(t, c.First.Worst, run.Results[i-1].First.Worst)
		}
	}
}

func simulated(t *testing.T, o Options) *Run {
	t.Helper()
	run, err := Simulate(o)
	require.NoError(t, err)
	return run
}

// "The same seed gives the same bytes", and another one others.
func TestTheSameSeedGivesTheSame(t *testing.T) {
	t.Parallel()
	o := someOptions()
	text := func() string {
		b, err := json.Marshal(simulated(t, o).Results)
		require.NoError(t, err)
		return string(b)
	}
	first := text()
	require.Equal(t, first, text())
	o.Seed++
	require.NotEqual(t, first, text())
}

func TestForecasts(t *testing.T) {
	t.Parallel()
	r := Rates{Fold: 100, Cores: 1}
	day := Day{Portfolio: Volume{Events: 86_400, Bytes: 864_000}, Bot: Volume{Events: 10, Bytes: 100}}
	f := Foresee(10, day, r)
	require.InEpsilon(t, 10*MeanBots(), f.Bots, 1e-12)
	require.InEpsilon(t, 864_000+100*MeanBots(), f.Day.Events, 1e-12)
	require.InEpsilon(t, 365*f.Day.Bytes, f.Year.Bytes, 1e-12)
	require.InEpsilon(t, f.Day.Events/86_400, f.Second, 1e-12)
	require.InEpsilon(t, f.Second/100, f.Folded, 1e-12)

	streams := Streams(day, r)
	require.Len(t, streams, len(Classes))
	require.InEpsilon(t, 365*(86_400+2560), streams[2].Year.Events, 1e-12)
	require.InEpsilon(t, streams[2].Year.Events/100, streams[2].FromFirst, 1e-12)
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for words, spoil := range map[string]func(*Options){
		"1 to 1000000 portfolios, not 0":       func(o *Options) { o.Portfolios = 0 },
		"1 to 1000000 portfolios, not 1000001": func(o *Options) { o.Portfolios = MostPortfolios + 1 },
		"no numbers of nodes":                  func(o *Options) { o.Nodes = nil },
		"2 to 256 nodes, not 1:":               func(o *Options) { o.Nodes = []int{8, 1} },
		"2 to 256 nodes, not 257:":             func(o *Options) { o.Nodes = []int{MostNodes + 1} },
		"1 to 3650 days old, not 0":            func(o *Options) { o.Days = 0 },
		"1 to 3650 days old, not 3651":         func(o *Options) { o.Days = 3651 },
		"1 to 1024 cores, not 0":               func(o *Options) { o.Rates.Cores = 0 },
		"fold more than 0 events a second":     func(o *Options) { o.Rates.Fold = math.NaN() },
		"(not +Inf)":                           func(o *Options) { o.Rates.Fold = math.Inf(1) },
		"in 0 s or more (not -1)":              func(o *Options) { o.Rates.Open = -1 },
		"not 0 events":                         func(o *Options) { o.Day.Bot.Events = 0 },
	} {
		o := someOptions()
		require.NoError(t, o.Check())
		spoil(&o)
		_, err := Simulate(o)
		require.ErrorContains(t, err, words)
	}
}
