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

// aheadTolerance is how far the wall clock may be ahead of the last record at the start
// before a person is asked to check it.
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

// noteTime stores the wall clock time that is reached when the stream's time goes on, so
// that [Writer.behind] can be computed at any time.
func (w *Writer) noteTime() {
	if w.state == nil {
		return // the state is folded again before the next decision
	}
	var since1970 time.Duration
	if !w.state.imported() {
		_, since1970 = w.state.clock(time.Unix(0, 0))
	}
	w.reached.Store(int64(since1970))
}

// behind returns how far the wall clock is behind the stream's last record, or 0 within
// the tolerance.
func (w *Writer) behind(wall time.Time) time.Duration {
	behind := time.Unix(0, w.reached.Load()).Sub(wall)
	if behind <= portfolio.ClockTolerance {
		return 0
	}
	return behind
}

// standstill tracks the time while the wall clock is behind the last record, when the
// stream's time stands still. It also tracks, at any time, when permits end on the
// monotonic clock, because the wall clock may stand still.
type standstill struct {
	monotonic func() time.Duration // nil: use the wall clock, even if it is behind
	elapsed   time.Duration        // at the current request
	behind    time.Duration        // at the current request
	// entered: the permits granted before the standstill were ended. inGroup: the current
	// group ends them, and is not durable yet.
	entered, inGroup bool
	// ends says when each granted permit ends, and queue has the next one first. due are the
	// permits that have ended and that the next command is told of; some are placed or gone
	// by then. The current group was told of the first handed of them.
	ends   map[string]time.Duration
	queue  endHeap
	due    []string
	handed int
	// granted are the permits of the current group. Until they are durable, other permits
	// may get their names.
	granted []end
}

// end is when a permit ends. It is outdated if standstill.ends has another time.
type end struct {
	at     time.Duration
	permit string
}

// endHeap is a heap with the next to end first.
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

// readClocks reads the clocks before a request is decided, and collects the permits that have
// ended.
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

// reads returns the monotonic time, or that of the wall clock if there is none.
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

// standing returns what the decision has to know about the clocks. As with a jump, a few
// seconds make no difference to a permit. What an accepted command of the group was told, the
// state has by now.
func (k *standstill) standing() portfolio.Standstill {
	return portfolio.Standstill{Behind: k.behind, Entered: k.behind > portfolio.JumpTolerance && !k.entered && !k.inGroup, Overdue: k.due[k.handed:]}
}

// recorded notes that a command was accepted. What it was told about the clocks is
// recorded once the group is durable.
func (k *standstill) recorded(events []domain.Event, now time.Time) {
	k.inGroup = k.inGroup || k.standing().Entered
	k.handed = len(k.due)
	for _, event := range events {
		if e, ok := event.(*domain.PermitGranted); ok {
			k.granted = append(k.granted, end{k.elapsed + e.ExpiresAt.Sub(now), e.Permit})
		}
	}
}

// settled ends the current group. If it is not durable everything has to be done again.
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

// takeOver notes when permits end that this writer did not grant: those granted, from
// revision known on, by another server or by this one before a restart. A permit that was
// granted while the stream's time went on keeps what is left of its time on the wall
// clock. For one granted during a standstill the wall clock does not tell. If the stream
// is folded for the first time (known is 0), it is unknown how long the permit was held,
// and it ends with the next command; otherwise another server has just granted it, and its
// time begins now. read returns the record of a revision, from known on.
func (w *Writer) takeOver(known uint64, read func(revision uint64) (eventstore.Record, error)) error {
	wall := w.options.Now()
	for _, id := range w.state.unplaced() {
		at, ok := domain.PermitRevision(id)
		if _, ours := w.still.ends[id]; ours || !ok || at < known {
			continue
		}
		held, left, err := w.grantedStanding(at, wall, read)
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

// one reads one record.
func (w *Writer) one(revision uint64) (eventstore.Record, error) {
	return eventstore.One(w.ctx, w.store, w.stream, revision)
}

// grantedStanding returns the duration of the permit that a record granted, if it was
// granted during a standstill, otherwise 0. left is what is left of its time when the wall
// clock shows wall. As with a jump, a few seconds make no difference to a permit.
func (w *Writer) grantedStanding(revision uint64, wall time.Time, read func(uint64) (eventstore.Record, error)) (held, left time.Duration, err error) {
	rec, err := read(revision)
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

// clockRefuses refuses a command while the wall clock is behind the last record, unless
// it is a fact, a stop, a reduction, or independent of the time.
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
	if len(c.Legs) > 0 { // legs are placed together and open exposure
		return d.RefusedByClock()
	}
	return d.PermitRefusedByClock(c.order())
}

func (c SignOrder) refusedByClock(d *portfolio.Decision) error {
	return d.SignatureRefusedByClock(c.Permit)
}

func (c ChangeLimits) refusedByClock(d *portfolio.Decision) error {
	return d.LimitsRefusedByClock(c.Limits, c.Adopt)
}

func (c RequestOverride) refusedByClock(d *portfolio.Decision) error {
	return d.OverrideRefusedByClock(c.Kind)
}

func (c ConfirmOverride) refusedByClock(d *portfolio.Decision) error {
	return d.ConfirmationRefusedByClock(c.Override)
}

// slewed limits how fast a synchronised wall clock may drift from the monotonic one: one
// part in slewed, twice the fastest rate of ntp (500 ppm). The reference that the wall
// clock is compared with follows it no faster, so small steps add up to a jump.
const slewed = 1000

// jump notices that the wall clock was moved, at once or in steps. Sleep of the machine
// appears as a jump, too. A jump stays pending until a command of the stream has recorded
// it.
type jump struct {
	monotonic func() time.Duration // nil: nothing is compared
	// seen: wall and elapsed are set. wall is what the wall clock should have shown at
	// elapsed.
	seen    bool
	wall    time.Time
	elapsed time.Duration

	found    portfolio.Jump
	inGroup  bool      // the current group records it
	count    int       // of jumps noticed
	sent     int       // count when the current group recorded them
	carrier  uuid.UUID // the command that records it, or tried to
	onNotice func(by time.Duration)
}

// compare compares the time that has passed on the two clocks.
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
	if by.Abs() > j.found.By.Abs() { // a jump and its reverse do not cancel out
		j.found.By = by
	}
	j.found.Forward += max(by, 0)
	j.count++
	j.carrier = uuid.Nil // a command that tried to record an earlier one does not include this one
	j.onNotice(by)
}

// pending returns the jump that the next command of the group has to record.
func (j *jump) pending() portfolio.Jump {
	if j.inGroup {
		return portfolio.Jump{}
	}
	return j.found
}

// recorded notes that a command of the current group records the jump.
func (j *jump) recorded(found portfolio.Jump, command uuid.UUID) {
	if found.By != 0 {
		j.inGroup, j.carrier, j.sent = true, command, j.count
	}
}

// tried reports whether a command tried to record the jump in an append that failed, or
// seemed to fail.
func (j *jump) tried(command uuid.UUID) bool { return command == j.carrier && !j.inGroup }

// cameThrough notes that the jump is recorded.
func (j *jump) cameThrough() { j.found, j.carrier = portfolio.Jump{}, uuid.Nil }

// settled ends the current group. If it is not durable the jump has to be recorded again.
func (j *jump) settled(durable bool) {
	if durable && j.inGroup && j.sent == j.count { // otherwise another jump was noticed since
		j.cameThrough()
	}
	j.inGroup = false
}
