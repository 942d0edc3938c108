package commands

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"pets/domain"
)

// Limits of the queue.
const (
	maxQueued   = 1024 // waiting calls of one caller; further calls wait outside the queue
	fairShare   = 64   // commands of one caller in a group while others wait
	besideStops = 64   // other commands in a group that has a stop

	besideStopsFor = 10 * time.Millisecond // and the time to decide them in
	// heavy is how long a decision may take before its caller has to wait for the
	// same time, while others wait: a thousand times what most decisions take.
	heavy = 2 * time.Millisecond
)

// queue holds what waits for a writer. Stops are served first, then each caller
// in turn, one command at a time, so that a caller with a thousand commands
// delays only itself.
type queue struct {
	mu     sync.Mutex
	lanes  [2]lane
	looks  []*job // calls that only read the state, served between groups
	length int    // calls that wait, looks included
	wake   chan struct{}
}

// The lanes.
const (
	stopLane = iota
	otherLane
)

// lane is a ring of the callers that have calls in it.
type lane struct {
	turns map[turnKey]*turn
	ring  []*turn // those with calls, whose turn it is first
	// served are those that have commands in the group at hand, and group how many
	// commands that has from this lane.
	served []*turn
	group  int
}

// turnKey identifies a caller that takes turns. A bot is one caller, whatever
// keys and users act for it, and a person is one in all roles: issuing more keys
// does not give more turns. A caller that only trades cannot name another bot or
// user.
type turnKey struct {
	bot  bool
	name string
}

func turnOf(c domain.Caller) turnKey {
	if c.Role == domain.RoleBot {
		return turnKey{true, c.Bot}
	}
	return turnKey{false, strings.ToLower(c.User)}
}

// turn is one caller with calls that wait, in their order.
type turn struct {
	key    turnKey
	jobs   []*job
	taken  int             // commands in the group at hand
	places []chan struct{} // of the callers waiting for a place; closed when a place is reserved for them
	kept   int             // places that are kept
	until  time.Duration   // until when the caller has to wait
}

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1)}
	for i := range q.lanes {
		q.lanes[i].turns = map[turnKey]*turn{}
	}
	return q
}

// put queues a call. If too many calls of its caller are queued it waits for a
// place, until one of the contexts ends. Stops never wait.
func (q *queue) put(ctx, closed context.Context, j *job) error {
	if j.isLook() {
		q.mu.Lock()
		q.looks = append(q.looks, j)
		q.queued()
		return nil
	}
	j.lane, j.key = laneOf(j), turnOf(j.requests[0].Caller)
	if j.steps == nil { // here, and not on the loop that all callers wait for
		j.steps = make([]step, len(j.requests))
	}
	q.mu.Lock()
	t := q.lanes[j.lane].turn(j.key)
	if j.lane == otherLane && len(t.jobs)+t.kept >= maxQueued {
		place := make(chan struct{})
		t.places = append(t.places, place)
		q.mu.Unlock()
		if err := wait(ctx, closed, place); err != nil {
			q.giveUp(t, place)
			return err
		}
		q.mu.Lock()
		t.kept--
	}
	q.lanes[j.lane].push(t, j)
	q.queued()
	return nil
}

func wait(ctx, closed context.Context, place <-chan struct{}) error {
	select {
	case <-place:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-closed.Done():
		return errStopped
	}
}

// queued counts a call and wakes the writer. The lock is held; queued releases it.
func (q *queue) queued() {
	q.length++
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default: // it is awake
	}
}

// giveUp leaves the line of callers waiting for a place.
func (q *queue) giveUp(t *turn, place chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(t.places, place); i >= 0 {
		t.places = slices.Delete(t.places, i, i+1)
	} else { // a place was kept meanwhile
		t.kept--
		t.keepPlace()
	}
	q.lanes[otherLane].forget(t)
}

// remove removes a call whose caller has left. The part that was already taken
// continues.
func (q *queue) remove(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.isLook() {
		if i := slices.Index(q.looks, j); i >= 0 {
			q.looks = slices.Delete(q.looks, i, i+1)
			q.length--
		}
		return
	}
	l := &q.lanes[j.lane]
	t := l.turns[j.key]
	if t == nil {
		return
	}
	if i := slices.Index(t.jobs, j); i >= 0 {
		l.pop(t, i)
		q.length--
	}
}

// waiting returns how many calls wait.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length
}

// stopWaits reports whether a command waits that stops something.
func (q *queue) stopWaits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lanes[stopLane].ring) > 0
}

// begin starts a group: every caller has its whole share again.
func (q *queue) begin(now time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.lanes {
		q.lanes[i].begin(now)
	}
}

// putOff makes the caller of a call wait for its next turn. Stops are never
// delayed.
func (q *queue) putOff(j *job, until time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t := q.lanes[j.lane].turns[j.key]; t != nil && j.lane == otherLane {
		t.until = until
	}
}

// stop returns the next command that stops something, or nil if none waits.
func (q *queue) stop() *step { return q.next(stopLane, 0, false) }

// other returns a command of the caller whose turn it is, or nil if none may be
// added to the current group. Beside a stop, delayed callers may not add any.
func (q *queue) other(now time.Duration, besideStop bool) *step {
	return q.next(otherLane, now, besideStop)
}

func (q *queue) next(lane int, now time.Duration, besideStop bool) *step {
	q.mu.Lock()
	defer q.mu.Unlock()
	s, last := q.lanes[lane].next(now, besideStop)
	if last {
		q.length--
	}
	return s
}

// nextLook returns the next call that only reads the state, or nil if there is none
// or a stop waits.
func (q *queue) nextLook() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.looks) == 0 || len(q.lanes[stopLane].ring) > 0 {
		return nil
	}
	j := q.looks[0]
	q.looks = slices.Delete(q.looks, 0, 1)
	q.length--
	return j
}

// laneOf returns the lane in which a call waits.
func laneOf(j *job) int {
	for i := range j.requests {
		r := &j.requests[i]
		if r.Command == nil || ClassOf(r.Command) != ClassStop || authorise(r) != nil {
			return otherLane
		}
	}
	return stopLane
}

// turn returns the turn of a caller, which is forgotten when nothing is known of it.
func (l *lane) turn(key turnKey) *turn {
	t := l.turns[key]
	if t == nil {
		t = &turn{key: key}
		l.turns[key] = t
	}
	return t
}

func (l *lane) forget(t *turn) {
	if len(t.jobs) == 0 && len(t.places) == 0 && t.kept == 0 && t.taken == 0 && t.until == 0 && l.turns[t.key] == t {
		delete(l.turns, t.key)
	}
}

func (l *lane) push(t *turn, j *job) {
	if len(t.jobs) == 0 {
		l.ring = append(l.ring, t)
	}
	t.jobs = append(t.jobs, j)
}

// pop removes a call, and reserves its place for a waiting caller.
func (l *lane) pop(t *turn, i int) {
	t.jobs = slices.Delete(t.jobs, i, i+1)
	t.keepPlace()
	if len(t.jobs) == 0 {
		i := slices.Index(l.ring, t)
		l.ring = slices.Delete(l.ring, i, i+1)
		l.forget(t)
	}
}

func (t *turn) keepPlace() {
	if len(t.places) > 0 && len(t.jobs)+t.kept < maxQueued {
		close(t.places[0])
		t.places = slices.Delete(t.places, 0, 1)
		t.kept++
	}
}

func (l *lane) begin(now time.Duration) {
	late := l.served[:0]
	for _, t := range l.served {
		if t.taken = 0; t.until > now {
			late = append(late, t) // no caller is forgotten before its wait is over
			continue
		}
		t.until = 0
		l.forget(t)
	}
	clear(l.served[len(late):])
	l.served, l.group = late, 0
}

// inTime reports whether a caller waits that is not delayed.
func (l *lane) inTime(now time.Duration) bool {
	return slices.ContainsFunc(l.ring, func(t *turn) bool { return t.until <= now })
}

// next takes one command of the caller whose turn it is and that has not used up
// its share. A caller that is alone, in the group and in the queue, has no limit.
// last reports that it was the last of its call.
func (l *lane) next(now time.Duration, besideStop bool) (s *step, last bool) {
	for range len(l.ring) {
		t := l.ring[0]
		copy(l.ring, l.ring[1:])
		l.ring[len(l.ring)-1] = t
		alone := len(l.ring) == 1 && t.taken == l.group
		if t.taken >= fairShare && !alone {
			continue
		}
		if t.until > now && (besideStop || l.group > t.taken || l.inTime(now)) {
			continue
		}
		if t.taken == 0 && !slices.Contains(l.served, t) {
			l.served = append(l.served, t)
		}
		t.taken++
		l.group++
		j := t.jobs[0]
		s = &j.steps[j.next]
		s.job, s.i = j, j.next
		if j.next++; j.next == len(j.requests) {
			l.pop(t, 0)
			return s, true
		}
		return s, false
	}
	return nil, false
}
