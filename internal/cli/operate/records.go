package operate

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
)

// mostRead bounds how many records are read to say what a batch has led to, and farBack how far
// before a short answer without a neighbour the reading begins.
const mostRead, farBack = 10_000, 1_000

// records are those of the commands of a batch of which there may be something to say.
type records struct {
	of     map[int][]domain.Event
	trips  map[int]*cli.Trips // what they tripped
	missed int                // commands whose records were not read
	why    error
	before int // commands that were recorded before
}

// sought is a record that is looked for: the last of its type, or a note, after one revision and
// up to another. What a command records stands together, so the last is its own. Without a type
// all are looked for that say what the command tripped.
type sought struct {
	place       int
	after, upto uint64
	eventType   string
}

// seek says what is looked for. A short answer has no events: only the revision of the last one
// is known of it. It returns how many commands are left out, as they were recorded before.
func seek(all map[int]done) (wanted []sought, before int) {
	var ends []uint64
	for _, one := range all {
		if !one.replayed {
			ends = append(ends, one.answer.Revision)
		}
	}
	slices.Sort(ends)
	for _, i := range slices.Sorted(maps.Keys(all)) {
		one := all[i]
		eventType, may := warnedTypes[one.command.Command]
		upto := one.answer.Revision
		switch {
		case one.replayed && (may || one.short || cli.HasTripped(one.answer.Events)):
			before++
		case one.replayed:
		case one.short:
			after := upto - min(upto, farBack)
			if at, _ := slices.BinarySearch(ends, upto); at > 0 {
				after = ends[at-1]
			}
			wanted = append(wanted, sought{i, after, upto, ""})
			if may {
				wanted = append(wanted, sought{i, after, upto, eventType})
			}
		default:
			if cli.HasTripped(one.answer.Events) {
				wanted = append(wanted, sought{i, one.answer.Events[0].Revision - 1, upto, ""})
			}
			if !may {
				continue
			}
			for _, e := range one.answer.Events {
				if domain.EventName(e.Type) == domain.EventName(recordedAs(one.answer.Events, eventType)) {
					wanted = append(wanted, sought{i, e.Revision - 1, e.Revision, eventType})
				}
			}
		}
	}
	return wanted, before
}

// recordsOf reads the records of which there may be something to say.
func (a *app) recordsOf(ctx context.Context, all map[int]done) (known records) {
	wanted, before := seek(all)
	known.of, known.trips, known.before = map[int][]domain.Event{}, map[int]*cli.Trips{}, before
	if len(wanted) == 0 {
		return known
	}
	lines, upto, failed := a.readFor(ctx, wanted)
	missed := map[int]bool{}
	for _, w := range wanted {
		if w.eventType == "" {
			known.trips[w.place] = w.trips(lines, all[w.place])
			if w.upto > upto && all[w.place].short { // nothing else says that it tripped
				missed[w.place], known.why = true, failed
			}
			continue
		}
		e, err := w.in(lines)
		switch {
		case w.upto > upto:
			missed[w.place], known.why = true, failed
		case err != nil:
			missed[w.place], known.why = true, cmp.Or(known.why, err)
		default:
			known.of[w.place] = append(known.of[w.place], e)
		}
	}
	known.missed = len(missed)
	return known
}

// in finds the record in lines, which are in order.
func (w sought) in(lines []cli.EventLine) (domain.Event, error) {
	at, _ := slices.BinarySearchFunc(lines, w.upto+1, func(line cli.EventLine, revision uint64) int { return cmp.Compare(line.Revision, revision) })
	for _, line := range slices.Backward(lines[:at]) {
		if line.Revision <= w.after {
			break
		}
		if name := domain.EventName(line.Type); name == domain.EventName(w.eventType) || name == domain.EventName(domain.CommandNotedType) || name == domain.EventName(insteadOf[w.eventType]) {
			return domain.Decode(line.Type, line.Data)
		}
	}
	return nil, domain.Errorf(domain.CodeDenied, "this key is not shown all of them")
}

// trips are those of the command. Where they cannot be read, its answer says that there are some.
// What another command recorded between it and the one before is not its own.
func (w sought) trips(lines []cli.EventLine, one done) *cli.Trips {
	trips := &cli.Trips{}
	at, _ := slices.BinarySearchFunc(lines, w.after+1, func(line cli.EventLine, revision uint64) int { return cmp.Compare(line.Revision, revision) })
	for _, line := range lines[at:] {
		if line.Revision > w.upto {
			break
		}
		if by, err := domain.DecodeMetadata(line.Metadata); err == nil && by.Command != one.command.Command {
			continue
		}
		if e, err := domain.Decode(line.Type, line.Data); err == nil {
			trips.Add(e)
		}
	}
	trips.Unread(one.answer.Events)
	return trips
}

// readFor reads the events from the first of those that are wanted to the last, in one go, as far
// as that is soon done: what they say is done already. It returns up to where it came.
func (a *app) readFor(ctx context.Context, wanted []sought) (lines []cli.EventLine, upto uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, show.LookFor)
	defer cancel()
	first, last := wanted[0].after, uint64(0)
	for _, w := range wanted {
		first, last = min(first, w.after), max(last, w.upto)
	}
	names := []string{
		domain.EventName(domain.CommandNotedType), domain.EventName(domain.BreakerTrippedType),
		domain.EventName(domain.BreakersTrippedType), domain.EventName(domain.EmergencyStopEngagedType),
	}
	for _, t := range warnedTypes {
		names = append(names, domain.EventName(t))
		if instead := insteadOf[t]; instead != "" {
			names = append(names, domain.EventName(instead))
		}
	}
	slices.Sort(names)
	err = a.EachEvent(ctx, cli.EventQuery{After: int64(first), Types: names}, func(line cli.EventLine) error { //nolint:gosec // no stream is that long
		switch {
		case line.Revision > last:
			return cli.ErrEnough
		case len(lines) == mostRead:
			return domain.Errorf(domain.CodeTooLarge, "too much was recorded meanwhile")
		}
		lines, upto = append(lines, line), line.Revision
		if upto == last {
			return cli.ErrEnough
		}
		return nil
	})
	switch {
	case err == nil, errors.Is(err, cli.ErrEnough):
		return lines, last, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = domain.Errorf(domain.CodeUnavailable, "reading it takes too long")
	}
	return lines, upto, err
}
