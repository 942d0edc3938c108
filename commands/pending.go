package commands

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"pets/domain"
)

// maxPendingBots limits the bots of one portfolio whose stops wait to be
// recorded, because their names are not checked before that.
const maxPendingBots = 1024

// pending holds the stops that are in force but not recorded yet, one for each
// portfolio and kind, or bot and whether it is a full stop: a second one of a kind adds nothing. It is safe for
// concurrent use.
type pending struct {
	count atomic.Int64 // lets commands skip the lock while nothing is pending

	mu    sync.Mutex
	by    map[string][]*latched // by portfolio
	last  uint64
	moves uint64 // counts changes of what is pending
	added chan struct{}
	came  arrivals
}

// latched is one stop in force.
type latched struct {
	PendingStop
	order uint64 // in which they were engaged
	// shared: another caller's stop of the same kind depends on it.
	shared bool
	// early: engaged while the engine folded. It is recorded as soon as its
	// stream is folded; stops from a marker file wait until all streams are.
	early bool
	// tried: recording it was tried. under is closed when the latest attempt has ended, and
	// nil if none is under way.
	tried bool
	under chan struct{}
	// found: a marker file had it, so that it was answered as holding by an earlier run.
	found bool
	// nowhere: its portfolio is not in the store, which had it when the stop was answered, or
	// another name was meant.
	nowhere atomic.Bool
}

func newPending() *pending {
	return &pending{by: map[string][]*latched{}, added: make(chan struct{}), came: arrivals{last: 1, latest: map[stopped]uint64{}}}
}

func (l *latched) is(p *PendingStop) bool {
	return l.Kind == p.Kind && l.Bot == p.Bot && l.Full == p.Full
}

// add puts a stop in force. It returns the stop in force, and whether it is new.
func (s *pending) add(p PendingStop, early bool) (l *latched, isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came.stop(stopped{p.Portfolio, p.Bot})
	return s.put(p, early)
}

func (s *pending) put(p PendingStop, early bool) (l *latched, isNew bool, err error) {
	bots := 0
	for _, l := range s.by[p.Portfolio] {
		if l.is(&p) {
			l.shared = true
			return l, false, nil
		}
		if l.Bot != "" {
			bots++
		}
	}
	if p.Bot != "" && bots >= maxPendingBots {
		return nil, false, domain.Errorf(domain.CodeUnavailable, "the stops of %d bots of this portfolio wait to be recorded; engage its emergency stop", bots)
	}
	s.last++
	s.moves++
	l = &latched{PendingStop: p, order: s.last, early: early}
	s.by[p.Portfolio] = append(s.by[p.Portfolio], l)
	s.count.Add(1)
	close(s.added)
	s.added = make(chan struct{})
	return l, true, nil
}

// nowhere are the portfolios of the stops that hold though the store does not have them.
func (s *pending) nowhere() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for id, of := range s.by {
		if slices.ContainsFunc(of, func(l *latched) bool { return l.nowhere.Load() }) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// drop removes a stop that is recorded, or was refused.
func (s *pending) drop(l *latched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(l)
}

// dropUnshared removes a stop that was refused, unless another caller depends on
// it.
func (s *pending) dropUnshared(l *latched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.shared {
		s.remove(l)
	}
}

func (s *pending) remove(l *latched) {
	of := s.by[l.Portfolio]
	i := slices.Index(of, l)
	if i < 0 {
		return
	}
	s.moves++
	s.count.Add(-1)
	if s.by[l.Portfolio] = slices.Delete(of, i, i+1); len(of) == 1 {
		delete(s.by, l.Portfolio)
	}
}

// rekey records a stop under another Idempotency-Key, because its own was used
// for another command.
func (s *pending) rekey(l *latched, key string) PendingStop {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.Key = key
	s.moves++
	return l.PendingStop
}

// owned reports whether the stop in force is the very one that a caller engages.
func (s *pending) owned(l *latched, p *PendingStop) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.Key == p.Key && l.Caller == p.Caller
}

// stop returns the stop to record.
func (s *pending) stop(l *latched) PendingStop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.PendingStop
}

// first reports whether recording a stop was never tried, and notes that it is tried now.
func (s *pending) first(l *latched) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !l.tried
	l.tried = true
	return first
}

// trying notes that a stop is being recorded, until the function it returns is called.
func (s *pending) trying(l *latched) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries(l)
}

// firstTry is trying for a stop that was never tried. Other callers get a channel
// that is closed when the attempt under way has ended, or nil.
func (s *pending) firstTry(l *latched) (done func(), under <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.tried {
		return nil, l.under
	}
	return s.tries(l), nil
}

// tries is trying; the lock is held.
func (s *pending) tries(l *latched) (done func()) {
	under := make(chan struct{})
	l.tried, l.under = true, under
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if l.under == under {
			l.under = nil
		}
		close(under)
	}
}

// bots counts the stops of single bots.
func (s *pending) bots() (n int) {
	if s.count.Load() == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.by {
		for _, l := range of {
			if !l.Emergency() {
				n++
			}
		}
	}
	return n
}

// spread replaces a stop of everything by one for each portfolio.
func (s *pending) spread(ids []string) {
	s.mu.Lock()
	all := slices.Clone(s.by[everywhere])
	s.mu.Unlock()
	for _, l := range all {
		for _, id := range ids {
			p := l.PendingStop
			p.Portfolio = id
			s.mu.Lock()
			_, _, _ = s.put(p, false) // emergency stops are not bounded
			s.mu.Unlock()
		}
		s.drop(l) // after the others, so that a stop is in force throughout
	}
}

// hold refuses what could let a bot trade while a stop waits to be recorded. bot
// is the bot that would trade, or "".
func (s *pending) hold(portfolio, bot string) error {
	if s.count.Load() == 0 {
		return nil
	}
	all := s.holding(portfolio)
	switch p := Gravest(all, bot); {
	case p == nil:
		return nil
	case p.Emergency():
		return domain.Errorf(domain.CodeHalted, "an emergency stop (%s) is in force, but not recorded yet", p.Kind)
	}
	return domain.Errorf(domain.CodeHalted, "a stop of bot %s is in force, but not recorded yet", bot)
}

// next returns a channel that is closed when the next stop is added.
func (s *pending) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.added
}

// holding returns the stops that are in force in one portfolio, in the order in which
// they were engaged.
func (s *pending) holding(portfolio string) []PendingStop {
	if s.count.Load() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Concat(s.by[portfolio], s.by[everywhere])
	slices.SortFunc(all, func(a, b *latched) int { return cmp.Compare(a.order, b.order) })
	out := make([]PendingStop, len(all))
	for i, l := range all {
		out[i] = l.PendingStop
	}
	return out
}

// of returns what is pending for one portfolio, in the order in which it was engaged.
func (s *pending) of(portfolio string) []*latched {
	if s.count.Load() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.by[portfolio])
}

// portfolios returns the portfolios for which a stop is pending, in the order in which
// those were engaged.
func (s *pending) portfolios() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Collect(maps.Keys(s.by))
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(s.by[a][0].order, s.by[b][0].order) })
	return ids
}

// list returns all pending stops for a marker file, in the order in which they were
// engaged, and how often they have changed.
func (s *pending) list() ([]PendingStop, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*latched
	for _, of := range s.by {
		all = append(all, of...)
	}
	slices.SortFunc(all, func(a, b *latched) int { return cmp.Compare(a.order, b.order) })
	out := make([]PendingStop, len(all))
	for i, l := range all {
		out[i] = l.PendingStop
	}
	return out, s.moves
}

// maxLatest limits the names whose last stop is remembered.
const maxLatest = 65_536

// stopped is what a stop concerns: a bot of a portfolio, or ("") all of them.
type stopped struct{ portfolio, bot string }

// arrivals counts the stops as they arrive, so that a command sent before a stop
// is recognised even if it is decided after it. It is kept in memory; stops sent
// to another process are not counted here.
type arrivals struct {
	last   uint64
	latest map[stopped]uint64
	// floor: every forgotten stop arrived before it.
	floor uint64
}

// stop notes that a stop has arrived.
func (a *arrivals) stop(s stopped) {
	a.last++
	if len(a.latest) >= maxLatest {
		a.latest, a.floor = map[stopped]uint64{}, a.last
	}
	a.latest[s] = a.last
}

// since reports whether a stop of a bot, or of all, arrived after so many stops.
func (a *arrivals) since(portfolio, bot string, seen uint64) bool {
	if a.floor > seen {
		return true
	}
	for _, s := range []stopped{{portfolio, bot}, {portfolio, ""}, {everywhere, ""}} {
		if a.latest[s] > seen {
			return true
		}
	}
	return false
}

// stopsSeen returns the number of stops that have arrived plus one, because 0 means that
// it was not noted when a request arrived.
func (s *pending) stopsSeen() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came.last
}

// StopsSeen returns the value of [Request.Seen] for a request that arrives now.
func (e *Engine) StopsSeen() uint64 { return e.stops.pending.stopsSeen() }

// overtaken refuses a command that would undo a stop that was sent after it.
func (s *pending) overtaken(portfolio, bot string, seen uint64) error {
	if seen == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.came.since(portfolio, bot, seen) {
		return nil
	}
	return domain.Errorf(domain.CodeHalted, "a stop was sent after this command, which cannot undo it; find out why, then send the command with a new Idempotency-Key")
}

// arrive sets Seen of requests that let trading go on, and notes the arrival of the stops
// among the requests. Stops of the same call do not count as later: a request that has
// seen all earlier stops has seen these, too.
func (e *Engine) arrive(portfolio string, requests []Request) []Request {
	var stops []stopped
	lets := false
	for i := range requests {
		if _, is := as[StopBot](requests[i].Command); is {
			if p, err := e.stopOfBot(&requests[i]); err == nil {
				stops = append(stops, stopped{portfolio, p.Bot})
			}
		}
		lets = lets || requests[i].letsGoOn()
	}
	if !lets && len(stops) == 0 {
		return requests
	}
	if lets {
		requests = slices.Clone(requests) // they are the caller's
	}
	e.stops.pending.arrive(portfolio, stops, requests)
	return requests
}

func (r *Request) letsGoOn() bool { return r.Command != nil && r.Command.spec().GoesOn }

func (s *pending) arrive(portfolio string, stops []stopped, requests []Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.came.last + uint64(len(stops))
	for i := range requests {
		r := &requests[i]
		if r.letsGoOn() && (r.Seen == 0 || !s.came.since(portfolio, about(r.Command), r.Seen)) {
			r.Seen = seen
		}
	}
	for _, what := range stops {
		s.came.stop(what)
	}
}
