package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// aheadTolerance is how far the wall clock may be ahead of the last record at the start
// before a person is asked whether it is right.
const aheadTolerance = 24 * time.Hour

// askAhead asks, once, about a wall clock that is far ahead of the last record.
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

// behind is by how much the wall clock is behind the stream's last record; 0 for no more
// than the tolerance.
func (w *Writer) behind(wall time.Time) time.Duration {
	behind := time.Unix(0, w.reached.Load()).Sub(wall)
	if behind <= portfolio.ClockTolerance {
		return 0
	}
	return behind
}

// standstill is what the writer knows while the wall clock is behind the last record, so
// that the stream's time stands still. Permits that are granted meanwhile end by a clock
// that goes on.
type standstill struct {
	monotonic func() time.Duration // nil: the wall clock goes on, even if it is behind
	elapsed   time.Duration        // at the request at hand
	behind    time.Duration        // at the request at hand
	// entered: permits from before it were ended; by the group at hand, not yet for good.
	entered, inGroup bool
	// ends are the permits that were granted meanwhile, each with when it ends; handed are
	// those that the group at hand ends.
	ends   map[string]time.Duration
	handed []string
}

// look takes note of the clocks before a request is decided.
func (k *standstill) look(wall time.Time, behind time.Duration) {
	k.elapsed = k.reads(wall)
	if k.behind = behind; behind == 0 {
		k.entered = false
	}
}

// reads is what the clock shows that goes on.
func (k *standstill) reads(wall time.Time) time.Duration {
	if k.monotonic != nil {
		return k.monotonic()
	}
	return time.Duration(wall.UnixNano())
}

func (k *standstill) endsAt(permit string, end time.Duration) {
	if k.ends == nil {
		k.ends = map[string]time.Duration{}
	}
	k.ends[permit] = end
}

// standing is what the decision has to know. As with a jump, a few seconds make no
// difference to a permit.
func (k *standstill) standing() portfolio.Standstill {
	at := portfolio.Standstill{Behind: k.behind, Entered: k.behind > jumpTolerance && !k.entered && !k.inGroup}
	for id, end := range k.ends {
		if end <= k.elapsed {
			at.Overdue = append(at.Overdue, id)
		}
	}
	return at
}

// recorded: a command was decided. What it was told is done once the group is durable.
func (k *standstill) recorded(events []domain.Event, now time.Time) {
	at := k.standing()
	k.inGroup = k.inGroup || at.Entered
	k.handed = append(k.handed, at.Overdue...)
	for _, event := range events {
		e, ok := event.(*domain.PermitGranted)
		switch {
		case !ok:
		case k.behind == 0: // the name may be that of one that was never stored
			delete(k.ends, e.Permit)
		default:
			k.endsAt(e.Permit, k.elapsed+e.ExpiresAt.Sub(now))
		}
	}
}

// settled: the group is durable, or was given up and everything is to be done again.
func (k *standstill) settled(durable bool) {
	if durable {
		k.entered = k.entered || k.inGroup
		for _, id := range k.handed {
			delete(k.ends, id)
		}
	}
	k.inGroup, k.handed = false, nil
}

// takeOver takes note of when permits end that somebody else granted while time stood
// still, from revision known on: another server, or this one before it was started anew.
// What was folded for the first time has been held for nobody knows how long, and ends with
// the next command; what another server has just granted is held from now on.
func (w *Writer) takeOver(known uint64) error {
	for _, id := range w.state.unplaced() {
		at, ok := domain.PermitRevision(id)
		if _, ours := w.still.ends[id]; ours || !ok || at < known {
			continue
		}
		held, err := w.grantedStanding(at)
		if err != nil {
			w.discard()
			w.durable = known // to be asked again
			return &domain.Error{Code: domain.CodeUnavailable, Message: "the history cannot be read; nothing is decided", Cause: err}
		}
		if held <= 0 {
			continue
		}
		if known == 0 {
			held = 0
		} else {
			held += w.still.reads(w.options.Now())
		}
		w.still.endsAt(id, held)
	}
	return nil
}

// grantedStanding is for how long the permit that a record granted was to be held, 0 for
// one that was granted while time went on. As with a jump, a few seconds make no
// difference to a permit.
func (w *Writer) grantedStanding(revision uint64) (time.Duration, error) {
	rec, err := eventstore.One(w.ctx, w.store, w.stream, revision)
	if err != nil {
		return 0, err
	}
	m, err := domain.DecodeMetadata(rec.Metadata)
	if err != nil || time.Duration(m.ClockBehind) <= jumpTolerance {
		return 0, err
	}
	event, err := domain.Decode(rec.Type, rec.Data)
	if e, ok := event.(*domain.PermitGranted); ok {
		return e.ExpiresAt.Sub(rec.Time), nil
	}
	return 0, err
}

// clockJudge is a command of which the domain says whether it opens anything.
type clockJudge interface {
	refusedByClock(d *portfolio.Decision) error
}

// anyClock are the commands, besides facts and stops, that neither open anything nor are
// decided by the time.
var anyClock = map[string]bool{
	"register_market": true, "post_adjustment": true, "remove_address": true, "record_key": true, "load_wallet": true,
	"use_key": true, "test_recovery": true, "set_row_aside": true,
}

// clockRefuses refuses, while the wall clock is behind the last record, what opens:
// anything that is not known to be a fact, to stop, to reduce, or not to care.
func clockRefuses(d *portfolio.Decision, c Command) error {
	if ClassOf(c) != ClassOther || anyClock[c.Name()] {
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
	return d.SignatureRefusedByClock(c.request().Permit)
}

func (c RequestOverride) refusedByClock(d *portfolio.Decision) error {
	return d.OverrideRefusedByClock(c.Kind)
}

func (c ConfirmOverride) refusedByClock(d *portfolio.Decision) error {
	return d.ConfirmationRefusedByClock(c.Override)
}
