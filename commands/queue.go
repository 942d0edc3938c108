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
	maxQueued   = 1024 // calls of one caller that wait; beyond it his callers wait to be queued
	fairShare   = 64   // commands of one caller in a group while others wait
	besideStops = 64   // other commands in a group that has a stop

	besideStopsFor = 10 * time.Millisecond // and the time to decide them in
	// heavy is how long a decision may take before its caller is put off for as long again,
	// while others wait: a thousand times what most take.
	heavy = 2 * time.Millisecond
)

// queue is what waits for a writer. Stops are served first, then everybody in turn, a
// command at a time: whoever sends a thousand commands delays himself.
//
// Who has kept the writer busy for long, whether with success or not, waits as long again
// while anybody else does, and is in nobody else's group until then.
//
// Calls of one caller stay in their order, but that a stop overtakes all that is no stop.
// A call belongs to the stops if all of its commands are stops that its caller may send.
type queue struct {
	mu     sync.Mutex
	lanes  [2]lane
	looks  []*job // they ask for no decision, and are served between groups
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

// turnKey is who takes turns. A bot is one caller, whatever keys and users act for it,
// and a person is one in all roles: an administrator who issues more keys to either does
// not give it more turns. Nobody who only trades can name another bot or user.
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
	places []chan struct{} // of those who wait to be queued; closed when a place is kept for them
	kept   int             // places that are kept
	until  time.Duration   // until when it is put off
}

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1)}
	for i := range q.lanes {
		q.lanes[i].turns = map[turnKey]*turn{}
	}
	return q
}

// put queues a call. Where too many calls of its caller wait it waits for a place, until
// one of the contexts ends; stops never wait.
func (q *queue) put(ctx, closed context.Context, j *job) error {
	if j.isLook() {
		q.mu.Lock()
		q.looks = append(q.looks, j)
		q.queued()
		return nil
	}
	j.lane, j.key = laneOf(j), turnOf(j.requests[0].Caller)
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

// queued is called with the lock, which it lets go of.
func (q *queue) queued() {
	q.length++
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default: // it is awake
	}
}

// giveUp leaves the line of those who wait to be queued.
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

// remove takes a call out whose caller has gone. What was taken of it goes on.
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

// waiting is how many calls wait.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length
}

// begin starts a group: everybody has his whole share again.
func (q *queue) begin(now time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.lanes {
		q.lanes[i].begin(now)
	}
}

// putOff has the caller of a call wait for his next turn. Stops are not put off.
func (q *queue) putOff(j *job, until time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t := q.lanes[j.lane].turns[j.key]; t != nil && j.lane == otherLane {
		t.until = until
	}
}

// stop returns the next command that stops something, nil where none waits.
func (q *queue) stop() *step { return q.next(stopLane, 0, false) }

// other returns the command of whoever's turn it is, nil when nobody may add one to the
// group at hand. Beside a stop nobody may who is put off.
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

// look returns the next call that only looks, nil where none waits or a stop does.
func (q *queue) look() *job {
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

// laneOf says where a call waits.
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

// pop takes a call out, and keeps its place for who waits for one.
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
			late = append(late, t) // nobody is forgotten before his time is over
			continue
		}
		t.until = 0
		l.forget(t)
	}
	clear(l.served[len(late):])
	l.served, l.group = late, 0
}

// inTime reports whether somebody waits who is not put off.
func (l *lane) inTime(now time.Duration) bool {
	return slices.ContainsFunc(l.ring, func(t *turn) bool { return t.until <= now })
}

// next takes one command of whoever's turn it is and has not had his share. Who is alone,
// in the group and among those who wait, has no share to keep to. last reports that it was
// the last of its call.
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
		s = &step{job: j, i: j.next}
		if j.next++; j.next == len(j.requests) {
			l.pop(t, 0)
			return s, true
		}
		return s, false
	}
	return nil, false
}
