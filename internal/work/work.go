// Package work limits how many goroutines compute at a time, so that what is short and urgent
// finds a free processor of the scheduler.
//
// Go gives a processor to goroutines in about the order in which they became ready, for up to
// 10 ms each. Beside dozens of batches and folds, something that has to wait a few times (for its
// request, its turn, its flush) waits behind all of them each time. What computes for long
// therefore takes a place here first; what is short takes none. The scheduler gets more
// processors than there are places ([SpareProcessors]), and the kernel shares out the cores.
//
// Nothing may be waited for with a place in hand, except the processor and a read of the local
// disk: no network, no flush, no other place.
package work

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// spare is how many processors the scheduler has more than there are places.
const spare = 2

// share is how long a place is kept while others wait.
const share = 2 * time.Millisecond

// Line is where a place is waited for. The lines take turns, and in each the first goes first.
type Line int

// The lines.
const (
	// Decisions are what the writers of portfolios do, which everybody waits for.
	Decisions Line = iota
	// Requests are what a large request takes beside: decoding, looking up, building an answer.
	Requests
	// Past is what folds or reads a history.
	Past
	lines
)

// Places is a number of places. A nil *Places has no limit.
type Places struct {
	mu      sync.Mutex
	free    int
	next    Line // whose turn it is
	waiting [lines][]*Place
}

// New returns so many places.
func New(places int) *Places { return &Places{free: max(places, 1)} }

// Cores returns how many cores this process may use. SpareProcessors does not change it.
var Cores = sync.OnceValue(func() int { return runtime.GOMAXPROCS(0) })

// SpareProcessors gives the scheduler some processors more than there are cores, unless GOMAXPROCS
// says how many there are to be. Only a server needs them.
func SpareProcessors() {
	if cores := Cores(); os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(cores + spare)
	}
}

// Place is a place, or the wait for one. A nil *Place is none, and needs none.
type Place struct {
	of    *Places
	line  Line
	given chan struct{} // closed when it is there
	until time.Time     // it is kept so long while others wait
	held  bool          // guarded by of.mu, like the next
	gone  bool
}

// Ask asks for a place, and does not wait.
func (p *Places) Ask(line Line) *Place {
	if p == nil {
		return nil
	}
	one := &Place{of: p, line: line, given: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[line] = append(p.waiting[line], one)
	p.give()
	return one
}

// Take waits for a place.
func (p *Places) Take(line Line) *Place {
	one := p.Ask(line)
	if one != nil {
		<-one.given
	}
	return one
}

// Do does something in a place.
func (p *Places) Do(line Line, what func()) {
	defer p.Take(line).Leave()
	what()
}

// give gives free places to those who wait. The lock is held.
func (p *Places) give() {
	for p.free > 0 {
		one := p.first()
		if one == nil {
			return
		}
		p.free--
		one.held, one.until = true, time.Now().Add(share)
		close(one.given)
	}
}

// first takes the one whose turn it is out of its line.
func (p *Places) first() *Place {
	for range lines {
		line := p.next
		p.next = (p.next + 1) % lines
		if all := p.waiting[line]; len(all) > 0 {
			one := all[0]
			p.waiting[line] = slices.Delete(all, 0, 1)
			return one
		}
	}
	return nil
}

// Given is closed when the place is there.
func (o *Place) Given() <-chan struct{} { return o.given }

// Leave gives the place back, or stops waiting for it.
func (o *Place) Leave() {
	if o == nil {
		return
	}
	p := o.of
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case o.gone:
		return
	case o.held:
		p.free++
		p.give()
	default:
		i := slices.Index(p.waiting[o.line], o)
		p.waiting[o.line] = slices.Delete(p.waiting[o.line], i, i+1)
	}
	o.gone = true
}

// Over reports whether the place has been kept for long while others wait.
func (o *Place) Over() bool {
	if o == nil || time.Now().Before(o.until) {
		return false
	}
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	return slices.ContainsFunc(o.of.waiting[:], func(all []*Place) bool { return len(all) > 0 })
}

// Share gives the place to others if it has been kept for long, and waits for it again. It
// returns the place to be left.
func (o *Place) Share() *Place {
	if !o.Over() {
		return o
	}
	o.Leave()
	return o.of.Take(o.line)
}
