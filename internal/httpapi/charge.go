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

// laterError is a temporary refusal with the time to wait.
type laterError struct {
	refusal *domain.Error
	after   time.Duration
	bound   string
}

func (e *laterError) Error() string { return e.refusal.Error() }

// Unwrap returns the refusal without its time.
func (e *laterError) Unwrap() error { return e.refusal }

// The limits that a key can reach, as named in metrics.
const (
	boundCommands = "commands"
	boundFacts    = "facts"
	boundBytes    = "bytes"
)

// class returns the class of the route's command. Routes that stop something are
// always stops. Reads count like commands that record nothing.
func (row *route) class() commands.Class {
	if row.urgent {
		return commands.ClassStop
	}
	return commands.ClassNamed(row.command)
}

// reads reports that the route answers from recorded data, and that its answer
// may be long.
func (row *route) reads() bool { return row.method == http.MethodGet }

// admit counts a request against the limits of its key, before its body is read.
// A batch is counted by its commands, once they are known ([request.charge]).
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

// solvent refuses what a key may no longer do after it has used up its bytes:
// read, request permits, and, for keys of machines, send anything else that is
// neither a fact nor a stop.
func (q *request) solvent(class commands.Class) error {
	if class != commands.ClassOther || q.row.streams {
		return nil
	}
	if q.row.command == askPermitName {
		return nil // decided once the body is known: [request.affordable]
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

// limited returns the refusal, and counts it in the metrics.
func (q *request) limited(bound string, after time.Duration, format string, args ...any) error {
	q.api.denials.note(sourceOf(q.r), q.key.id, q.row.name, domain.CodeRateLimited, q.api.now())
	if q.api.config.Limited != nil {
		q.api.config.Limited(bound, string(q.key.caller.Role))
	}
	return &laterError{domain.Errorf(domain.CodeRateLimited, format, args...), after, bound}
}

// decided subtracts what a command added to the history from its key's bytes.
func (q *request) decided(class commands.Class, a *commands.Answer, err error) {
	if class == commands.ClassOther {
		q.api.budgets.spend(q.key.id, int64(a.Stored()), q.api.now())
	}
	if class == commands.ClassFact && a.Stored() > factLarge {
		q.api.limits.spendBytes(q.key.id, a.Stored(), q.api.now())
	}
	q.unknown(class, err)
}

// unknownBytes is counted for a command whose answer did not come in time: it may
// have been recorded. A retry that finds it costs nothing more.
const unknownBytes = 1 << 10

// unknown counts a command that did not finish before its deadline.
func (q *request) unknown(class commands.Class, err error) {
	if class == commands.ClassOther && errors.Is(err, context.DeadlineExceeded) {
		q.api.budgets.spend(q.key.id, unknownBytes, q.api.now())
	}
}

// sent subtracts the bytes of an answer to an admitted read, even of a problem,
// and however much of it was received. A stream is counted as it goes.
func (q *request) sent(bytes int64) {
	if q.let && (q.row.reads() && !q.row.streams || q.dry) {
		q.api.budgets.spend(q.key.id, bytes, q.api.now())
	}
}

// seconds rounds a waiting time up to whole seconds, because less would be too
// short.
func seconds(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(d.Seconds())) * time.Second
}
