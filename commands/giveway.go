package commands

import (
	"errors"
	"time"

	"pets/eventstore"
)

// Limits of giving way.
const (
	maxCrowd   = 16                     // so many other servers are given way to, at most
	maxRetry   = 20 * time.Millisecond  // how long one of them may take, as far as it is waited for
	maxGiveWay = 200 * time.Millisecond // the longest pause
)

// way is how a writer gives way to the writers of other servers that want to append to its
// stream. One that was overtaken tries again at once, but has to read first what the others have
// appended; a writer that has just appended need not, and would be quicker again and again. So a
// writer that succeeds after it was overtaken pauses before its next group, for as long as the
// others need to try: the longer, the more often it was overtaken itself. What is sent to it
// meanwhile becomes one group. A stop ends the pause. Without other servers there is none.
type way struct {
	crowd int           // how many others there seem to be
	retry time.Duration // how long one attempt takes after another was overtaken
	lost  time.Time     // when the group at hand was overtaken last
	until time.Time     // when the pause ends
}

// overtaken notes an attempt that others were quicker than.
func (y *way) overtaken(now time.Time) {
	y.measure(now)
	y.lost = now
}

// succeeded notes an append after so many attempts that were overtaken.
func (y *way) succeeded(now time.Time, attempts int) {
	y.measure(now)
	y.lost = time.Time{}
	y.crowd = max(y.crowd/2, min(attempts, maxCrowd))
	y.until = now.Add(min(time.Duration(y.crowd)*y.retry, maxGiveWay))
}

func (y *way) measure(now time.Time) {
	if !y.lost.IsZero() {
		y.retry = min((3*y.retry+now.Sub(y.lost))/4, maxRetry)
	}
}

// giveWay waits until the pause is over. Calls that only read are served meanwhile.
func (w *Writer) giveWay() {
	left := time.Until(w.way.until)
	if left <= 0 || len(w.carried) > 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	for !w.queue.stopWaits() {
		select {
		case <-timer.C:
			return
		case <-w.ctx.Done():
			return
		case <-w.queue.wake:
			w.serveLooks()
		}
	}
}

// attempts returns how often a group was overtaken.
func (g *group) attempts() (most int) {
	for _, s := range g.steps {
		most = max(most, s.attempts)
	}
	return most
}

// overtakenAt is errOvertaken by what another server has appended before a revision.
type overtakenAt struct{ next uint64 }

func (*overtakenAt) Error() string        { return errOvertaken.Error() }
func (*overtakenAt) Is(target error) bool { return target == errOvertaken }

// nextAfter returns the revision after the last record that is there, if an error by which a
// group was overtaken tells; otherwise 0.
func nextAfter(err error) uint64 {
	var conflict *eventstore.Conflict
	var at *overtakenAt
	switch {
	case errors.As(err, &at):
		return at.next
	case errors.As(err, &conflict) && conflict.Actual >= 0:
		return conflict.Actual.Next()
	}
	return 0
}

// overtaken: a conflict wrote nothing; an ambiguous append may have, and reading
// the stream again finds our command ids if it did.
func overtaken(err error) bool {
	var conflict *eventstore.Conflict
	var ambiguous *eventstore.Ambiguous
	return errors.Is(err, errOvertaken) || errors.As(err, &conflict) || errors.As(err, &ambiguous)
}
