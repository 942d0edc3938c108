package commands

import (
	"time"

	"github.com/google/uuid"
)

// jumpTolerance is how far the wall clock may move against the monotonic one between
// two commands (design, section 2). A machine that slept shows as a jump as well.
const jumpTolerance = 5 * time.Second

// jump notices that the wall clock was moved. What it finds stays pending until a
// command of its portfolio has recorded it.
type jump struct {
	monotonic func() time.Duration // nil: nothing is compared
	seen      bool
	wall      time.Time
	elapsed   time.Duration
	by        time.Duration // 0 for none
	inGroup   bool          // the group at hand records it
	count     int           // of jumps noticed
	sent      int           // count when the group at hand recorded them
	carrier   uuid.UUID     // the command that records it, or tried to
	noticed   func(by time.Duration)
}

// look compares the clocks with what they showed at the command before.
func (j *jump) look(now time.Time) {
	if j.monotonic == nil {
		return
	}
	elapsed := j.monotonic()
	wall := now.Round(0)
	if j.seen {
		if by := wall.Sub(j.wall) - (elapsed - j.elapsed); by.Abs() > jumpTolerance {
			if by.Abs() > j.by.Abs() { // there and back again is no jump of 0
				j.by = by
			}
			j.count++
			j.carrier = uuid.Nil // what tried to record one before knows nothing of this
			j.noticed(by)
		}
	}
	j.seen, j.wall, j.elapsed = true, wall, elapsed
}

// pending is the jump that the next command of the group has to record.
func (j *jump) pending() time.Duration {
	if j.inGroup {
		return 0
	}
	return j.by
}

// recorded: a command of the group at hand records it.
func (j *jump) recorded(by time.Duration, command uuid.UUID) {
	if by != 0 {
		j.inGroup, j.carrier, j.sent = true, command, j.count
	}
}

// tried reports that a command tried to record the jump, in an append that failed, or
// only looked so.
func (j *jump) tried(command uuid.UUID) bool { return command == j.carrier && !j.inGroup }

// cameThrough: it did not fail after all.
func (j *jump) cameThrough() { j.by, j.carrier = 0, uuid.Nil }

// settled: the group is durable, or was given up and has to record it again.
func (j *jump) settled(durable bool) {
	if durable && j.inGroup && j.sent == j.count { // else one more was noticed after it
		j.by, j.carrier = 0, uuid.Nil
	}
	j.inGroup = false
}
