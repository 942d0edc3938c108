package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/internal/strict"
	"pets/projections"
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

// readBody reads one JSON body, strictly, and asks for the key once more: the body took
// its time, and what it asks for is decided next.
func (q *request) readBody(into any) error {
	body, err := q.takeBody()
	if err == nil {
		err = q.entitled()
	}
	if err != nil {
		return err
	}
	return strict.Decode(body, into, q.row.apart...)
}

// takeBody reads a body to its end. None at all is an empty object: a command that needs
// nothing more than its path says so by sending nothing.
func (q *request) takeBody() ([]byte, error) {
	if q.r.ContentLength == 0 {
		q.unhurried()
		return []byte("{}"), nil
	}
	if err := checkContentType(q.r); err != nil {
		return nil, err
	}
	most := int64(maxBody)
	if q.row.maxBody > 0 {
		most = q.row.maxBody
	}
	if err := q.bodyRoom(most); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, most))
	if err != nil {
		return nil, bodyError(err, most)
	}
	q.unhurried()
	q.bodyBytes = len(body)
	return body, nil
}

// handle answers a request that was let in. What a GET brings along is read, and
// thrown away, under the deadline of a body: only then may the answer take its
// time.
func (q *request) handle() error {
	if q.row.body == nil {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(q.w, q.r.Body, maxBody)); err != nil {
			return bodyError(err, maxBody)
		}
		q.unhurried()
		if err := q.entitled(); err != nil {
			return err
		}
	}
	return q.row.handle(q)
}

// unhurried lifts the read deadline once there is nothing left to read, and never
// before: a body that does not end would hold its connection for ever. net/http
// watches the connection meanwhile, and would take the deadline for a client that
// has hung up, in the middle of a long answer.
func (q *request) unhurried() {
	_ = http.NewResponseController(q.w).SetReadDeadline(time.Time{}) // where there is none to lift, all is well
}

func bodyError(err error, most int64) error {
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return domain.Errorf(domain.CodeTooLarge, "the body is over %d bytes", most)
	}
	return domain.Invalid("body", "could not be read to its end")
}

// checkContentType takes JSON in UTF-8 and nothing else.
func checkContentType(r *http.Request) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch charset := params["charset"]; {
	case err != nil || media != "application/json":
		return domain.Invalid("Content-Type", "must be application/json")
	case charset != "" && !strings.EqualFold(charset, "utf-8"):
		return domain.Invalid("Content-Type", "may name no other charset than utf-8")
	case r.Header.Get("Content-Encoding") != "" && !strings.EqualFold(r.Header.Get("Content-Encoding"), "identity"):
		return domain.Invalid("Content-Encoding", "must be identity")
	}
	return nil
}

// idempotencyKey reads the key that every command carries.
func idempotencyKey(r *http.Request) (string, error) {
	all := r.Header.Values("Idempotency-Key")
	if len(all) > 1 {
		return "", domain.Invalid("Idempotency-Key", "is there twice")
	}
	if len(all) == 0 || all[0] == "" {
		return "", domain.Invalid("Idempotency-Key", "is missing: make a UUID for every command, keep it, and send it again when you retry")
	}
	return checkKey("Idempotency-Key", all[0])
}

func checkKey(field, text string) (string, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return "", domain.Invalid(field, "must be a UUID such as 6f1c1b1e-8a51-4a3b-9d3c-1f0f4f0d2a11")
	}
	return id.String(), nil
}

// asDomain is errors.As for the one type that answers are made of.
func asDomain(err error, e **domain.Error) bool { return errors.As(err, e) }

// query reads the parameters of a GET; one that the route does not know, or that
// is there twice, is refused.
func (q *request) query() (url.Values, error) {
	values, err := url.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		return nil, domain.Invalid("query", "cannot be read")
	}
	for name, all := range values {
		known := slices.ContainsFunc(q.row.params, func(p param) bool { return p.name == name })
		switch {
		case !known:
			return nil, domain.Invalid("query", "has a parameter this route does not know; see /openapi.json")
		case len(all) > 1:
			return nil, domain.Invalid(name, "is there twice")
		}
	}
	return values, nil
}

// moment reads ?at= and ?min_revision=.
func (q *request) moment(values url.Values) (moment, error) {
	m := moment{history: q.row.history, who: q.key, room: func() error { return q.makeRoom(answerRoom) }}
	at, err := projections.ParsePoint(values.Get("at"))
	if err != nil {
		return m, err
	}
	m.at = at
	if text := values.Get("min_revision"); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return m, domain.Invalid("min_revision", "must be a revision: a whole number")
		}
		m.min = &n
	}
	return m, nil
}

// number reads a whole number between bounds, fallback where it is not there.
func number(values url.Values, name string, fallback, least, most int) (int, error) {
	text := values.Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, domain.Invalid(name, "must be a whole number between %d and %d", least, most)
	}
	return n, nil
}

// instant reads an RFC 3339 time, zero where it is not there.
func instant(values url.Values, name string) (time.Time, error) {
	text := values.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, domain.Invalid(name, "must be an RFC 3339 time such as 2026-01-15T09:00:00Z")
	}
	return t, nil
}
