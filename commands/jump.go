package commands

import "time"

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
			j.by += by
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

// settled: the group is durable, or was given up and has to record it again.
func (j *jump) settled(durable bool) {
	if durable && j.inGroup {
		j.by = 0
	}
	j.inGroup = false
}
