package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
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
	k.elapsed = time.Duration(wall.UnixNano())
	if k.monotonic != nil {
		k.elapsed = k.monotonic()
	}
	if k.behind = behind; behind == 0 {
		k.entered = false
	}
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
		case k.ends == nil:
			k.ends = map[string]time.Duration{e.Permit: k.elapsed + e.ExpiresAt.Sub(now)}
		default:
			k.ends[e.Permit] = k.elapsed + e.ExpiresAt.Sub(now)
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
