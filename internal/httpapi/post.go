package httpapi

import (
	"context"
	"net/http"
	"time"

	"pets/commands"
	"pets/domain"
)

// do sends one command and answers with what it recorded.
func (q *request) do(c commands.Command) error {
	answer, err := q.send(c)
	if err != nil {
		return err
	}
	q.answer(&answer)
	return nil
}

func (q *request) send(c commands.Command) (commands.Answer, error) {
	if err := q.exists(); err != nil {
		return commands.Answer{}, err
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return commands.Answer{}, err
	}
	ctx, cancel := q.deciding(answerWithin)
	defer cancel()
	r := q.asks(k, c)
	r.Seen = q.seen
	answer, err := q.api.engine.Do(ctx, q.portfolio(), r)
	q.taken(&r, err)
	q.decided(commands.ClassOf(c), &answer, err)
	return answer, err
}

// deciding is the context of a command. Not the request's: a command whose caller has
// hung up is decided, and what it recorded is counted, as if the caller had waited for
// the answer; the same Idempotency-Key gets it. Meanwhile the connection is not closed to
// make room.
func (q *request) deciding(within time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), within)
	q.conn().hold()
	return ctx, func() { cancel(); q.conn().release() }
}

// exists keeps names that are no portfolio's out of everything behind.
func (q *request) exists() error {
	return domain.CheckID("portfolio", q.portfolio())
}

// permitAnswered is the answer to a permit: what was decided stands on top.
type permitAnswered struct {
	commands.PermitAnswer
	Revision   uint64               `json:"revision"`
	Events     []commands.EventRef  `json:"events"`
	Directives []commands.Directive `json:"directives"`
	// ClockBehind is by how much the wall clock was behind the last record.
	ClockBehind domain.Duration `json:"clock_behind,omitzero"`
	// Preview: nothing was recorded, and there is no permit.
	Preview bool `json:"preview,omitempty"`
}

func permitAnswerOf(a *commands.Answer) permitAnswered {
	return permitAnswered{PermitAnswer: *a.Permit, Revision: a.Revision, Events: a.Events, Directives: a.Directives, ClockBehind: a.ClockBehind}
}

// answer writes what a command is answered with. A retry gets the first answer;
// a header says that it is one.
func (q *request) answer(a *commands.Answer) {
	if a.Replayed {
		q.w.Header().Set("Idempotency-Replayed", "true")
	}
	if a.Permit != nil {
		writeJSON(q.w, http.StatusOK, permitAnswerOf(a))
		return
	}
	writeJSON(q.w, http.StatusOK, a)
}
