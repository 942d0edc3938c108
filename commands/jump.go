package commands

import (
	"time"

	"github.com/google/uuid"

	"pets/domain/portfolio"
)

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

// look compares what has passed by the two clocks.
func (j *jump) look(now time.Time) {
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
