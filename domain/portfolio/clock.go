package portfolio

import (
	"encoding/json"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// ClockTolerance is how far the wall clock may be behind the last record and be taken as
// standing still.
const ClockTolerance = 2 * time.Second

// ClockAt returns the time by the portfolio's clock while the wall clock shows wall: it
// never goes back behind the last record. behind is by how much it would have to, 0 for
// no more than the tolerance.
func (s *State) ClockAt(wall time.Time) (now time.Time, behind time.Duration) {
	now = wall.Round(0).UTC().Add(time.Duration(s.ClockOffset))
	if behind = s.Time.Sub(now); behind <= 0 {
		return now, 0
	}
	if behind <= ClockTolerance {
		behind = 0
	}
	return s.Time, behind
}

// JumpTolerance is how far the wall clock may run apart from one that nobody sets, beyond
// what keeping a clock right may do: more is a jump.
const JumpTolerance = 5 * time.Second

// Standstill is what a decision has to know where the wall clock is behind the last
// record, so that time stands still in the stream.
type Standstill struct {
	// Behind is by how much; 0: time does not stand still.
	Behind time.Duration
	// Entered: nothing was decided since it began, so nobody knows how long permits
	// that are not placed have been held.
	Entered bool
	// Overdue are permits that were held for their whole time by a clock that nobody sets,
	// also while time goes on: too slowly, perhaps.
	Overdue []string
}

// Jump is a wall clock that was moved against one that nobody sets.
type Jump struct {
	// By is how far, at once; 0: it was not.
	By time.Duration
	// Forward is how far forward, with all jumps that are to be recorded together.
	Forward time.Duration
}

// Behind says that time stands still, before [Decision.TimeStands] records what comes of
// it: what is refused for the clock is refused first, and leaves no trace.
func (d *Decision) Behind(at Standstill) { d.still = at }

// Jumped says that the wall clock was moved, before [Decision.ClockJumped] records it.
func (d *Decision) Jumped(j Jump) { d.jumped = j }

// ClockJumped records that the wall clock was moved, before anything is decided by it.
// Permits that are not placed have expired, because nobody knows how long they have been
// held. Orders that rest with an expiry are kept for as long as time jumped over: it may
// be our clock that is wrong, and what is reserved too long costs less than what is free
// too early.
func (d *Decision) ClockJumped(j Jump) {
	d.jumped = Jump{}
	if j.By != 0 && d.s.IsOpen() && !d.imported() {
		d.addJump(d.jump(j))
	}
}

func (d *Decision) jump(j Jump) *domain.ClockJumped {
	// What lies further back than the last record, and its jump was too small to be noticed,
	// the stream does not jump over.
	over := domain.Duration(min(j.Forward, d.now.Sub(d.s.Time)+JumpTolerance))
	return d.keepOrders(&domain.ClockJumped{By: domain.Duration(j.By)}, func(*risk.Permit) domain.Duration { return over })
}

// standsFrom is the same for a stream that is ahead of the wall clock. Where the wall clock
// is right, the stream is ahead of the venues, too.
func (d *Decision) standsFrom() *domain.ClockJumped {
	return d.keepOrders(&domain.ClockJumped{By: domain.Duration(-d.still.Behind)}, func(p *risk.Permit) domain.Duration { return d.clockOffset() - p.Ahead })
}

// keepOrders says which permits expire with a jump, which orders rest all the same, and by
// how much the expiry of those has to be moved: the most that any of them needs.
func (d *Decision) keepOrders(e *domain.ClockJumped, need func(*risk.Permit) domain.Duration) *domain.ClockJumped {
	e.PermitsExpired = d.s.unplacedPermits("", d)
	e.OrdersKept = d.s.permitIDs(func(p *risk.Permit) bool {
		by := need(p)
		if !p.Rests() || by <= 0 || !d.now.Before(p.ExpiresAt.Add(time.Duration(by))) {
			return false
		}
		e.Moved = max(e.Moved, by)
		return true
	})
	return e
}

// touches reports that a jump changes what is permitted.
func touches(e *domain.ClockJumped) bool { return len(e.PermitsExpired)+len(e.OrdersKept) > 0 }

// addJump comes before what else is due by the time: that would forget the orders that are
// kept.
func (d *Decision) addJump(e *domain.ClockJumped) {
	if len(d.events) > 0 {
		d.add(e)
		return
	}
	d.openDay()
	d.add(e)
	d.timeOutLegs()
	d.expireTransfers()
}

// TimeStands ends the permits that are over though the stream's time does not show it:
// none may live for ever because time stands still.
func (d *Decision) TimeStands() {
	if !d.s.IsOpen() || d.imported() {
		return
	}
	if d.still.Entered { // nearly never: to list the permits takes longer than to decide
		if e := d.standsFrom(); touches(e) {
			d.addJump(e)
		}
	}
	// One event for all: a stop that had to carry one for each would not fit an append.
	over := slices.DeleteFunc(slices.Clone(d.still.Overdue), func(id string) bool { return !d.overdue(id) })
	if slices.SortFunc(over, comparePermits); len(over) > 0 {
		d.emit(&domain.ClockJumped{By: domain.Duration(-d.still.Behind), PermitsExpired: over})
	}
	d.still.Entered, d.still.Overdue = false, nil
}

// overdue reports that a permit still holds, though it was held for its whole time.
func (d *Decision) overdue(id string) bool {
	p := d.s.Permits[id]
	return p != nil && !p.Working && p.Live(d.now)
}

// ClocksEnd reports whether the clocks have ended, or moved, anything that no record says:
// any decision does.
func (s *State) ClocksEnd(now time.Time, j Jump, still Standstill) bool {
	if !s.IsOpen() || s.Clock == domain.ClockImported {
		return false
	}
	d := &Decision{s: s, now: now, still: still}
	return j.By != 0 && touches(d.jump(j)) || still.Entered && touches(d.standsFrom()) || slices.ContainsFunc(still.Overdue, d.overdue)
}

// Timed reports whether a permit holds that is going to end by the time.
func (s *State) Timed(now time.Time) bool {
	for _, p := range s.Permits {
		if !p.ExpiresAt.IsZero() && p.Live(now) {
			return true
		}
	}
	return false
}

// RefusedByClock refuses what opens, or depends on the time, while the clock is behind.
func (d *Decision) RefusedByClock() error {
	if d.still.Behind == 0 {
		return nil
	}
	return domain.Errorf(domain.CodeClock, "our clock is %s behind the last record: facts, and what stops or reduces, are taken; this waits until the clock is right, or until two people accept it by an override of kind clock", d.still.Behind.Round(time.Millisecond))
}

// PermitRefusedByClock lets only an order pass that closes what is held.
func (d *Decision) PermitRefusedByClock(r PermitRequest) error {
	o, _, err := d.checkOrder(r)
	if err != nil || d.still.Behind == 0 {
		return nil //nolint:nilerr // the decision refuses it, and says why
	}
	held := domain.Zero
	if in := d.s.Instruments[o.Instrument]; in != nil {
		if h := in.Holding(o.Bot); h != nil {
			held = h.Quantity
		}
	}
	if risk.Split(o, held, d.pendingReduction(o)).Opening.IsZero() {
		return nil
	}
	return d.RefusedByClock()
}

// over reports whether a permit will have ended before the command is decided: see
// TimeStands.
func (d *Decision) over(p *risk.Permit) bool {
	if p.Working || d.still.Behind == 0 {
		return false
	}
	if d.still.Entered || d.jumped.By != 0 {
		return true
	}
	for _, id := range d.still.Overdue {
		if id == p.ID {
			return true
		}
	}
	return false
}

// SignatureRefusedByClock lets only an order pass whose permit opens nothing.
func (d *Decision) SignatureRefusedByClock(permit string) error {
	if p := d.s.Permits[permit]; p == nil || p.OpeningLeft.IsZero() {
		return nil // no permit, no signature: the decision says so
	}
	return d.RefusedByClock()
}

// OverrideRefusedByClock lets two people accept the clock, and nothing else.
func (d *Decision) OverrideRefusedByClock(kind string) error {
	if kind == domain.OverrideClock {
		return nil
	}
	return d.RefusedByClock()
}

// ConfirmationRefusedByClock is the same for the second of the two.
func (d *Decision) ConfirmationRefusedByClock(id string) error {
	if o := d.s.Overrides[id]; o != nil && o.ConfirmedBy == "" {
		return d.OverrideRefusedByClock(o.Kind)
	}
	return nil
}

// clockOffset is what has to be added to the wall clock so that time runs on from the
// last record at the wall clock's pace.
func (d *Decision) clockOffset() domain.Duration {
	return d.s.ClockOffset + domain.Duration(d.still.Behind)
}

// checkClockOverride: there has to be something to accept.
func (d *Decision) checkClockOverride(portfolio string, limits json.RawMessage) error {
	switch {
	case portfolio != "":
		return domain.Invalid("portfolio", "does not go with clock: it is this portfolio's")
	case len(limits) > 0:
		return domain.Invalid("limits", "do not go with clock")
	case d.imported():
		return domain.Errorf(domain.CodeConflict, "an imported portfolio has the time of its rows")
	case d.still.Behind == 0:
		return domain.Errorf(domain.CodeConflict, "the clock is not behind the last record; there is nothing to accept")
	}
	return nil
}

// acceptClock is the second person's word. Both have seen about the same offset: a clock
// that somebody moved in between, or a request of more than a day ago by the wall clock,
// is another question.
func (d *Decision) acceptClock(o *Override, e *domain.OverrideRecorded) error {
	if err := d.checkClockOverride(o.Portfolio, o.Limits); err != nil {
		return err
	}
	e.Offset = d.clockOffset()
	if passed := time.Duration(o.Offset - e.Offset); passed < -ClockTolerance || passed > overrideTTL {
		return domain.Errorf(domain.CodeConflict, "the clock was moved since this was asked for, or more than 24 h have passed; ask anew")
	}
	d.emit(e)
	return nil
}

// inStream is a time of the world outside, such as the expiry of an order at its venue, by
// the clock of the stream. nil stays nil.
func (d *Decision) inStream(t *time.Time) *time.Time {
	if t == nil || d.clockOffset() == 0 {
		return t
	}
	moved := t.Add(time.Duration(d.clockOffset()))
	return &moved
}

// aheadOf is by how much [Decision.inStream] moves a time.
func (d *Decision) aheadOf(t *time.Time) domain.Duration {
	if t == nil {
		return 0
	}
	return d.clockOffset()
}
