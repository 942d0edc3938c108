package httpapi

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"pets/commands"
	"pets/domain"
)

// laterError is a refusal that passes by itself: it says when.
type laterError struct {
	refusal *domain.Error
	after   time.Duration
	bound   string
}

func (e *laterError) Error() string { return e.refusal.Error() }

// Unwrap gives the refusal without its time.
func (e *laterError) Unwrap() error { return e.refusal }

// Bounds a key can run into, as metrics name them.
const (
	boundCommands = "commands"
	boundFacts    = "facts"
	boundBytes    = "bytes"
)

// class is what a route is for: its command's class. Routes that stop something are
// stops whatever they are called; reads are like commands that record nothing.
func (row *route) class() commands.Class {
	if row.urgent {
		return commands.ClassStop
	}
	return row.sends.Class
}

// reads: the route answers from what is recorded, and its answer may be long.
func (row *route) reads() bool { return row.method == http.MethodGet }

// admit counts a request against the bounds of its key, before its body is read. A batch
// is counted by its commands, once they are known ([request.charge]).
func (q *request) admit() error {
	if q.row.batch {
		return nil
	}
	class := q.row.class()
	if err := q.charge(class, 1); err != nil {
		return err
	}
	return q.solvent(class)
}

// charge counts n commands of a class. Stops are never counted.
func (q *request) charge(class commands.Class, n int) error {
	wait, ever := q.api.limits.take(q.key.id, class, n, q.api.now())
	switch {
	case !ever:
		return domain.Errorf(domain.CodeTooLarge, "%d commands at once are more than the key may ever send (%d): split them", n, q.api.limits.most(class))
	case wait <= 0:
		return nil
	}
	bound := boundCommands
	if class == commands.ClassFact {
		bound = boundFacts
	}
	return q.limited(bound, wait, "the key sends too many commands: %d of them were not looked at. Send them again with the same Idempotency-Keys in %s; a stop is never kept waiting", n, seconds(wait))
}

// solvent refuses what a key that has used up its bytes may not do any more: read, ask
// for permits, and, for those who are no person, send anything else that is neither a
// fact nor a stop.
func (q *request) solvent(class commands.Class) error {
	if class != commands.ClassOther || q.row.streams {
		return nil
	}
	if asksPermit(q.row.sends) {
		return nil // once it is known what is asked for: [request.affordable]
	}
	if q.key.person() && !q.row.reads() {
		return nil
	}
	if q.overspent() && q.mayLook(q.api.now()) {
		return nil
	}
	return q.withinBudget()
}

func (q *request) withinBudget() error {
	wait := q.api.budgets.wait(q.key.id, q.api.now())
	if wait <= 0 {
		return nil
	}
	return q.limited(boundBytes, wait, "the key has used up its bytes of a day (PETS_BYTES_PER_DAY) with permits, denials, notes and reads; some are free again in %s. Fills, settlements, marks, flows, releases and stops go on, and so do permits with reduce_only that would be granted", seconds(wait))
}

// limited makes the refusal, and counts it where people look.
func (q *request) limited(bound string, after time.Duration, format string, args ...any) error {
	q.api.denials.note(sourceOf(q.r), q.key.id, q.row.name, domain.CodeRateLimited, q.api.now())
	if q.api.config.Limited != nil {
		q.api.config.Limited(bound, string(q.key.caller.Role))
	}
	return &laterError{domain.Errorf(domain.CodeRateLimited, format, args...), after, bound}
}

// decided takes what a command added to the history from its key's bytes.
func (q *request) decided(class commands.Class, a *commands.Answer, err error) {
	if class == commands.ClassOther {
		q.api.budgets.spend(q.key.id, int64(a.Stored()), q.api.now())
	}
	if class == commands.ClassFact && a.Stored() > factLarge {
		q.api.limits.spendBytes(q.key.id, a.Stored(), q.api.now())
	}
	q.unknown(class, err)
}

// unknownBytes is counted for a command of which no answer came in time: it may have been
// recorded, and a retry that finds it costs nothing more.
const unknownBytes = 1 << 10

// unknown counts a command that was given up at its deadline.
func (q *request) unknown(class commands.Class, err error) {
	if class == commands.ClassOther && errors.Is(err, context.DeadlineExceeded) {
		q.api.budgets.spend(q.key.id, unknownBytes, q.api.now())
	}
}

// sent takes what a read that was let in was answered with from its key's bytes, a
// problem too, and however far its reader got. A stream counts as it goes.
func (q *request) sent(bytes int64) {
	if q.let && (q.row.reads() && !q.row.streams || q.dry) {
		q.api.budgets.spend(q.key.id, bytes, q.api.now())
	}
}

// seconds rounds a time to wait up to whole seconds: less than that would not be enough.
func seconds(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(d.Seconds())) * time.Second
}
