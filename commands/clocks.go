package commands

import (
	"container/heap"
	"slices"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// aheadTolerance is how far the wall clock may be ahead of the last record at the
// start before a person is asked to check it.
const aheadTolerance = 24 * time.Hour

// askAhead reports, once, a wall clock that is far ahead of the last record.
func (w *Writer) askAhead() {
	next, last := w.state.head()
	if w.asked || w.options.Ahead == nil || next == 0 || w.state.imported() {
		return
	}
	w.asked = true
	if now, _ := w.state.clock(w.options.Now()); now.Sub(last) > aheadTolerance {
		w.options.Ahead(w.stream, now.Sub(last))
	}
}

// noteTime keeps the time that the wall clock has to show for the stream's to go on, for
// those who ask how far behind it is when nothing is decided.
func (w *Writer) noteTime() {
	if w.state == nil {
		return // it is folded again before anything is decided
	}
	var since1970 time.Duration
	if !w.state.imported() {
		_, since1970 = w.state.clock(time.Unix(0, 0))
	}
	w.reached.Store(int64(since1970))
}

// behind returns how far the wall clock is behind the stream's last record; 0
// within the tolerance.
func (w *Writer) behind(wall time.Time) time.Duration {
	behind := time.Unix(0, w.reached.Load()).Sub(wall)
	if behind <= portfolio.ClockTolerance {
		return 0
	}
	return behind
}

// standstill is what the writer knows while the wall clock is behind the last record, so
// that the stream's time stands still; and, at any time, when permits end by a clock that
// goes on, which the wall clock may not.
type standstill struct {
	monotonic func() time.Duration // nil: the wall clock goes on, even if it is behind
	elapsed   time.Duration        // at the request at hand
	behind    time.Duration        // at the request at hand
	// entered: permits from before it were ended; by the group at hand, not yet for good.
	entered, inGroup bool
	// ends are the permits that were granted, each with when it ends, and queue has the next
	// first. due are those of which the next command has to hear, the first handed of them
	// with the group at hand: some are placed, or gone, by then.
	ends   map[string]time.Duration
	queue  endHeap
	due    []string
	handed int
	// granted are those of the group at hand. Until they are stored, another may get their
	// names.
	granted []end
}

// end is when a permit ends; only what ends says of it counts.
type end struct {
	at     time.Duration
	permit string
}

// endHeap has the next to end first.
type endHeap []end

func (h endHeap) Len() int           { return len(h) }
func (h endHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h endHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *endHeap) Push(x any) {
	if e, ok := x.(end); ok {
		*h = append(*h, e)
	}
}

// Pop implements heap.Interface.
func (h *endHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// readClocks reads the clocks before a request is decided.
func (k *standstill) readClocks(wall time.Time, behind time.Duration) {
	k.elapsed = k.reads(wall)
	if k.behind = behind; behind == 0 {
		k.entered = false
	}
	for len(k.queue) > 0 && k.queue[0].at <= k.elapsed {
		e, _ := heap.Pop(&k.queue).(end)
		if at, known := k.ends[e.permit]; known && at == e.at {
			delete(k.ends, e.permit)
			k.due = append(k.due, e.permit)
		}
	}
}

// reads is what the clock shows that goes on.
func (k *standstill) reads(wall time.Time) time.Duration {
	if k.monotonic != nil {
		return k.monotonic()
	}
	return time.Duration(wall.UnixNano())
}

// endsAt notes when a permit ends.
func (k *standstill) endsAt(permit string, at time.Duration) {
	if k.ends == nil {
		k.ends = map[string]time.Duration{}
	}
	k.ends[permit] = at
	heap.Push(&k.queue, end{at, permit})
}

// standing returns what the decision has to know about the clocks. As with a
// jump, a few seconds make no difference to a permit.
func (k *standstill) standing() portfolio.Standstill {
	return portfolio.Standstill{Behind: k.behind, Entered: k.behind > portfolio.JumpTolerance && !k.entered && !k.inGroup, Overdue: k.due}
}

// recorded: a command was decided. What it was told is done once the group is durable.
func (k *standstill) recorded(events []domain.Event, now time.Time) {
	k.inGroup = k.inGroup || k.standing().Entered
	k.handed = len(k.due)
	for _, event := range events {
		if e, ok := event.(*domain.PermitGranted); ok {
			k.granted = append(k.granted, end{k.elapsed + e.ExpiresAt.Sub(now), e.Permit})
		}
	}
}

// settled: the group is durable, or was given up and everything is to be done again.
func (k *standstill) settled(durable bool) {
	if durable {
		k.entered = k.entered || k.inGroup
		k.due = slices.Delete(k.due, 0, k.handed)
		for _, e := range k.granted {
			k.endsAt(e.permit, e.at)
		}
	}
	k.inGroup, k.handed, k.granted = false, 0, k.granted[:0]
}

// takeOver takes note of when permits end that somebody else granted, from revision known
// on: another server, or this one before it was started anew. Of those that were granted
// while time stood still, what was folded for the first time has been held for nobody knows
// how long, and ends with the next command; what another server has just granted is held
// from now on. All others have what is left of their time by the wall clock.
func (w *Writer) takeOver(known uint64) error {
	wall := w.options.Now()
	for _, id := range w.state.unplaced() {
		at, ok := domain.PermitRevision(id)
		if _, ours := w.still.ends[id]; ours || !ok || at < known {
			continue
		}
		held, left, err := w.grantedStanding(at, wall)
		if err != nil {
			w.discard()
			w.durable = known // to be asked again
			return &domain.Error{Code: domain.CodeUnavailable, Message: "the history cannot be read; nothing is decided", Cause: err}
		}
		switch {
		case held <= 0:
			w.still.endsAt(id, w.still.reads(wall)+left)
		case known == 0:
			w.still.endsAt(id, 0)
		default:
			w.still.endsAt(id, w.still.reads(wall)+held)
		}
	}
	return nil
}

// grantedStanding is for how long the permit that a record granted was to be held, where
// time stood still, otherwise 0, and what is left of its time while the wall clock shows
// wall. As with a jump, a few seconds make no difference to a permit.
func (w *Writer) grantedStanding(revision uint64, wall time.Time) (held, left time.Duration, err error) {
	rec, err := eventstore.One(w.ctx, w.store, w.stream, revision)
	if err != nil {
		return 0, 0, err
	}
	m, err := domain.DecodeMetadata(rec.Metadata)
	if err != nil {
		return 0, 0, err
	}
	event, err := domain.Decode(rec.Type, rec.Data)
	e, ok := event.(*domain.PermitGranted)
	if !ok {
		return 0, 0, err
	}
	now, _ := w.state.clock(wall)
	if time.Duration(m.ClockBehind) > portfolio.JumpTolerance {
		held = e.ExpiresAt.Sub(rec.Time)
	}
	return held, min(e.ExpiresAt.Sub(now), e.ExpiresAt.Sub(rec.Time)), nil
}

// clockJudge is a command for which the domain decides whether it opens exposure.
type clockJudge interface {
	refusedByClock(d *portfolio.Decision) error
}

// clockRefuses refuses, while the wall clock is behind the last record, every
// command that is not known to be a fact, a stop, a reduction, or independent of
// the time.
func clockRefuses(d *portfolio.Decision, c Command) error {
	if s := c.spec(); s.Class != ClassOther || s.anyClock {
		return nil
	}
	if j, ok := c.(clockJudge); ok {
		return j.refusedByClock(d)
	}
	return d.RefusedByClock()
}

func (c AskPermit) refusedByClock(d *portfolio.Decision) error {
	if len(c.Legs) > 0 { // legs are placed together, and open
		return d.RefusedByClock()
	}
	return d.PermitRefusedByClock(c.order())
}

func (c SignOrder) refusedByClock(d *portfolio.Decision) error {
	return d.SignatureRefusedByClock(c.Permit)
}

func (c RequestOverride) refusedByClock(d *portfolio.Decision) error {
	return d.OverrideRefusedByClock(c.Kind)
}

func (c ConfirmOverride) refusedByClock(d *portfolio.Decision) error {
	return d.ConfirmationRefusedByClock(c.Override)
}

// slewed is the part of the time by which a clock that is kept right may run apart from
// the monotonic one: twice what ntp does at the most (500 ppm). What the clocks are
// compared with follows the wall clock that slowly, so small steps add up to a jump.
const slewed = 1000

// jump notices that the wall clock was moved, at once or in steps. A machine that slept
// shows as a jump as well. What it finds stays pending until a command of its portfolio
// has recorded it.
type jump struct {
	monotonic func() time.Duration // nil: nothing is compared
	// seen: wall is what the wall clock had to show at elapsed.
	seen    bool
	wall    time.Time
	elapsed time.Duration

	found    portfolio.Jump
	inGroup  bool      // the group at hand records it
	count    int       // of jumps noticed
	sent     int       // count when the group at hand recorded them
	carrier  uuid.UUID // the command that records it, or tried to
	onNotice func(by time.Duration)
}

// compare finds out whether as much has passed by one clock as by the other.
func (j *jump) compare(now time.Time) {
	if j.monotonic == nil {
		return
	}
	elapsed := j.monotonic()
	wall := now.Round(0)
	passed := elapsed - j.elapsed
	apart := wall.Sub(j.wall) - passed
	if !j.seen {
		apart = 0
	}
	follow := min(max(apart, -passed/slewed), passed/slewed)
	left := apart - follow
	if left.Abs() > portfolio.JumpTolerance {
		j.notice(apart)
		left = 0
	}
	j.seen, j.wall, j.elapsed = true, wall.Add(-left), elapsed
}

func (j *jump) notice(by time.Duration) {
	if by.Abs() > j.found.By.Abs() { // there and back again is no jump of 0
		j.found.By = by
	}
	j.found.Forward += max(by, 0)
	j.count++
	j.carrier = uuid.Nil // what tried to record one before knows nothing of this
	j.onNotice(by)
}

// pending is the jump that the next command of the group has to record.
func (j *jump) pending() portfolio.Jump {
	if j.inGroup {
		return portfolio.Jump{}
	}
	return j.found
}

// recorded: a command of the group at hand records it.
func (j *jump) recorded(found portfolio.Jump, command uuid.UUID) {
	if found.By != 0 {
		j.inGroup, j.carrier, j.sent = true, command, j.count
	}
}

// tried reports that a command tried to record the jump, in an append that failed, or
// only looked so.
func (j *jump) tried(command uuid.UUID) bool { return command == j.carrier && !j.inGroup }

// cameThrough: it did not fail after all.
func (j *jump) cameThrough() { j.found, j.carrier = portfolio.Jump{}, uuid.Nil }

// settled: the group is durable, or was given up and has to record it again.
func (j *jump) settled(durable bool) {
	if durable && j.inGroup && j.sent == j.count { // else one more was noticed after it
		j.cameThrough()
	}
	j.inGroup = false
}
