package portfolio

import (
	"encoding/json"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// ClockTolerance is how far the wall clock may be behind the last record before
// the clock counts as behind.
const ClockTolerance = 2 * time.Second

// ClockAt returns the time by the portfolio's clock while the wall clock shows
// wall. It never goes back behind the last record. behind is how far the wall
// clock is behind that record, or 0 within the tolerance.
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

// JumpTolerance is how far the wall clock may move against the monotonic clock,
// beyond normal corrections, before it counts as a jump.
const JumpTolerance = 5 * time.Second

// Standstill describes a wall clock that is behind the last record, so that the
// stream's time stands still.
type Standstill struct {
	// Behind is how far the clock is behind, 0 if it is not.
	Behind time.Duration
	// Entered reports that no decision was made since the standstill began, so it
	// is unknown how long unplaced permits have been held.
	Entered bool
	// Overdue lists permits that were held for their whole time by the monotonic
	// clock. Time may also go on, but too slowly.
	Overdue []string
}

// Jump is a move of the wall clock against the monotonic clock.
type Jump struct {
	// By is the size of a single jump, or 0 for none.
	By time.Duration
	// Forward is the total forward move of all jumps that are recorded together.
	Forward time.Duration
}

// Behind tells the decision that time stands still. It is called before
// [Decision.TimeStands], so that a command refused because of the clock records
// nothing.
func (d *Decision) Behind(at Standstill) { d.still = at }

// Jumped tells the decision that the wall clock was moved. It is called before
// [Decision.ClockJumped].
func (d *Decision) Jumped(j Jump) { d.jumped = j }

// ClockJumped records that the wall clock was moved, before anything is decided
// by it. Unplaced permits expire, because it is unknown how long they have been
// held. Orders that rest with an expiry stay reserved for as long as the jump:
// the server's clock may be the wrong one, and reserving for too long costs less
// than releasing too early.
func (d *Decision) ClockJumped(j Jump) {
	d.jumped = Jump{}
	if j.By != 0 && d.s.IsOpen() && !d.imported() {
		d.addJump(d.jump(j))
	}
}

func (d *Decision) jump(j Jump) *domain.ClockJumped {
	// What lies before the last record, and jumped too little to be noticed, is
	// not part of the stream's jump.
	over := domain.Duration(min(j.Forward, d.now.Sub(d.s.Time)+JumpTolerance))
	return d.keepOrders(&domain.ClockJumped{By: domain.Duration(j.By)}, func(*risk.Permit) domain.Duration { return over })
}

// standsFrom returns the same for a stream that is ahead of the wall clock. If
// the wall clock is right, the stream is ahead of the venues too.
func (d *Decision) standsFrom() *domain.ClockJumped {
	return d.keepOrders(&domain.ClockJumped{By: domain.Duration(-d.still.Behind)}, func(p *risk.Permit) domain.Duration { return d.clockOffset() - p.Ahead })
}

// keepOrders returns which permits expire with a jump, which orders keep resting,
// and how far their expiry has to move: the largest distance that any of them
// needs.
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

// touches reports that a jump changes any permit.
func touches(e *domain.ClockJumped) bool { return len(e.PermitsExpired)+len(e.OrdersKept) > 0 }

// addJump runs before other due events, because those would forget the orders to
// keep.
func (d *Decision) addJump(e *domain.ClockJumped) {
	if len(d.events) > 0 {
		d.add(e)
		return
	}
	d.openDay()
	d.add(e)
	d.confirmMarks()
	d.timeOutLegs()
	d.expireTransfers()
}

// TimeStands ends permits whose time is over by the monotonic clock although the
// stream's time stands still. Otherwise they would never expire.
func (d *Decision) TimeStands() {
	if !d.s.IsOpen() || d.imported() {
		return
	}
	if d.still.Entered { // Rarely needed: listing the permits takes longer than the decision.
		if e := d.standsFrom(); touches(e) {
			d.addJump(e)
		}
	}
	// One event for all permits: a stop with one event for each would not fit an
	// append.
	var over []string
	for _, id := range d.still.Overdue {
		if d.overdue(id) {
			over = append(over, id)
		}
	}
	if slices.SortFunc(over, comparePermits); len(over) > 0 {
		d.emit(&domain.ClockJumped{By: domain.Duration(-d.still.Behind), PermitsExpired: over})
	}
	d.still.Entered, d.still.Overdue = false, nil
}

// overdue reports that a permit is live although its whole time has passed.
func (d *Decision) overdue(id string) bool {
	p := d.s.Permits[id]
	return p != nil && !p.Working && p.Live(d.now)
}

// ClocksEnd reports whether the clocks have ended, moved or confirmed anything that is
// not recorded yet. Any decision records it.
func (s *State) ClocksEnd(now time.Time, j Jump, still Standstill) bool {
	if !s.IsOpen() || s.Clock == domain.ClockImported {
		return false
	}
	d := &Decision{s: s, now: now, still: still}
	return still.Behind == 0 && len(s.waited(now)) > 0 || j.By != 0 && touches(d.jump(j)) || still.Entered && touches(d.standsFrom()) || slices.ContainsFunc(still.Overdue, d.overdue)
}

// Timed reports whether a live permit will end by time, or a mark that waits will be
// confirmed by it.
func (s *State) Timed(now time.Time) bool {
	if s.waiting > 0 {
		return true
	}
	for _, p := range s.Permits {
		if !p.ExpiresAt.IsZero() && p.Live(now) {
			return true
		}
	}
	return false
}

// RefusedByClock refuses commands that open exposure, or that depend on the time,
// while the clock is behind.
func (d *Decision) RefusedByClock() error {
	if d.still.Behind == 0 {
		return nil
	}
	e := domain.Errorf(domain.CodeClock, "the server's clock is %s behind the last record. Facts, stops and reductions are accepted; this command has to wait until the clock is right, or until two people confirm an override of kind clock", d.still.Behind.Round(time.Millisecond))
	e.After = min(d.still.Behind, domain.Lasting)
	return e
}

// PermitRefusedByClock refuses an order unless it only closes what is held.
func (d *Decision) PermitRefusedByClock(r PermitRequest) error {
	o, _, err := d.checkOrder(r)
	if err != nil || d.still.Behind == 0 {
		return nil //nolint:nilerr // the decision refuses it with the reason
	}
	if _, x := d.joined(o); x.Opening.IsZero() {
		return nil
	}
	return d.RefusedByClock()
}

// over reports whether a permit will have ended before the command is decided;
// see TimeStands.
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

// SignatureRefusedByClock refuses an order unless its permit only closes.
func (d *Decision) SignatureRefusedByClock(permit string) error {
	if p := d.s.Permits[permit]; p == nil || p.OpeningLeft.IsZero() {
		return nil // No permit, no signature: the decision itself refuses that.
	}
	return d.RefusedByClock()
}

// LimitsRefusedByClock refuses a change of the limits unless it only tightens them, which
// reduces what may be opened. Under the first edition it refuses every change, as before.
func (d *Decision) LimitsRefusedByClock(patch json.RawMessage, adopt bool) error {
	refused := d.RefusedByClock()
	if refused == nil || adopt || !d.s.Policy.Second() {
		return refused
	}
	p, err := patched(d.s.Policy, patch)
	if err != nil {
		return nil //nolint:nilerr // the decision refuses it with the reason
	}
	key := notTightened(&d.s.Policy, &p)
	if key == "" {
		return nil
	}
	e := domain.Errorf(domain.CodeClock, "%v. A change that only tightens limits is accepted meanwhile, and %s is not tightened by this one", refused, key)
	e.After = min(d.still.Behind, domain.Lasting)
	return e
}

// OverrideRefusedByClock refuses every override request except for the clock.
func (d *Decision) OverrideRefusedByClock(kind string) error {
	if k, known := OverrideKindOf(kind); known && k.anyClock {
		return nil
	}
	return d.RefusedByClock()
}

// ConfirmationRefusedByClock refuses every confirmation except for the clock.
func (d *Decision) ConfirmationRefusedByClock(id string) error {
	if o := d.s.Overrides[id]; o != nil && o.ConfirmedBy == "" {
		return d.OverrideRefusedByClock(o.Kind)
	}
	return nil
}

// clockOffset returns what has to be added to the wall clock so that time
// continues from the last record at the wall clock's pace.
func (d *Decision) clockOffset() domain.Duration {
	return d.s.ClockOffset + domain.Duration(d.still.Behind)
}

// checkClockOverride refuses a clock override that has nothing to accept.
func (d *Decision) checkClockOverride(portfolio string, limits json.RawMessage) error {
	switch {
	case portfolio != "":
		return domain.Invalid("portfolio", "is not allowed with clock, which concerns this portfolio")
	case len(limits) > 0:
		return domain.Invalid("limits", "are not allowed with clock")
	case d.imported():
		return domain.Errorf(domain.CodeConflict, "an imported portfolio takes its time from its rows")
	case d.still.Behind == 0:
		return domain.Errorf(domain.CodeConflict, "the clock is not behind the last record; there is nothing to accept")
	}
	return nil
}

// acceptClock applies the second person's confirmation. Both people must have
// seen about the same offset. A clock that was moved in between, or a request
// more than a day old by the wall clock, needs a new request.
func (d *Decision) acceptClock(o *Override, e *domain.OverrideRecorded) error {
	if err := d.checkClockOverride(o.Portfolio, o.Limits); err != nil {
		return err
	}
	e.Offset = d.clockOffset()
	if !ClockOverrideFits(o.Offset, e.Offset) {
		return domain.Errorf(domain.CodeConflict, "the clock was moved since this was requested, or more than 24 h have passed; request it again")
	}
	d.emit(e)
	return nil
}

// clockLines are the content of a request: it carries nothing, and says how far the
// clock may be moved.
func clockLines(_ *State, o *Override) []string {
	return append(patchLines(o.Limits), line("moves the clock by at most", time.Duration(o.Offset)+ClockTolerance),
		line("and by at least", time.Duration(o.Offset)-overrideTTL))
}

// ClockOverrideFits reports whether an offset that is confirmed is about the one that was
// requested, at most a day before. Both are 0 for other overrides.
func ClockOverrideFits(requested, confirmed domain.Duration) bool {
	passed := time.Duration(requested - confirmed)
	return passed >= -ClockTolerance && passed <= overrideTTL
}

// inStream converts an outside time, such as an order's expiry at its venue, to
// the stream's time. nil stays nil.
func (d *Decision) inStream(t *time.Time) *time.Time {
	if t == nil || d.clockOffset() == 0 {
		return t
	}
	moved := t.Add(time.Duration(d.clockOffset()))
	return &moved
}

// aheadOf returns how far [Decision.inStream] moves a time.
func (d *Decision) aheadOf(t *time.Time) domain.Duration {
	if t == nil {
		return 0
	}
	return d.clockOffset()
}
