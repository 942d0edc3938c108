package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
)

// makeRoom reserves memory for an answer of unknown length. What it does not need
// is released once it is made.
func (q *request) makeRoom(bytes int64) error {
	if q.answerLease != nil {
		return nil
	}
	l, err := q.api.answers.take(q.r.Context(), q.key, q.row.class(), bytes)
	q.answerLease = l
	return err
}

// bodyRoom reserves memory for a body until it is decided on. Stops never wait
// for memory; their bodies are small.
func (q *request) bodyRoom(most int64) error {
	if q.row.class() == commands.ClassStop {
		return nil
	}
	if n := q.r.ContentLength; n >= 0 && n < most {
		most = n
	}
	l, err := q.api.bodies.take(q.r.Context(), q.key, q.row.class(), most)
	q.bodyLease = l
	return err
}

// done releases what a request holds.
func (q *request) done() {
	q.answerLease.keep(0)
	q.bodyLease.keep(0)
}

// paged is an answer whose lists can be cut; the rest follows on the next page.
type paged interface {
	// count returns the number of elements of all its lists.
	count() int
	// keep keeps the first n, at least one, and sets the cursor for the rest.
	keep(n int)
}

// deliver answers a read. The whole answer is made before anything is sent, so
// that an error becomes a problem and not half an answer. It is at most
// [maxAnswer] long.
func (q *request) deliver(v any) error {
	if err := q.makeRoom(answerRoom); err != nil {
		return err
	}
	b, err := encodeAnswer(v)
	if err != nil {
		return err
	}
	return q.write(b)
}

// encodeAnswer writes JSON, and cuts lists until it fits.
func encodeAnswer(v any) ([]byte, error) {
	for {
		var out bytes.Buffer
		if err := encode(&out, v); err != nil {
			return nil, err
		}
		if out.Len() <= maxAnswer {
			return out.Bytes(), nil
		}
		p, ok := v.(paged)
		if !ok || p.count() < 2 {
			return nil, domain.Errorf(domain.CodeTooLarge, "the answer would be longer than %d bytes", maxAnswer)
		}
		n := p.count()
		p.keep(max(1, min(n-1, n*maxAnswer/out.Len()*9/10)))
	}
}

// write sends a whole answer. A reader has to read it piece by piece
// ([recorder]). One that stops reading is disconnected, so it does not hold
// memory for long.
func (q *request) write(b []byte) error {
	if q.row.reads() {
		if err := q.entitled(); err != nil {
			return err
		}
	}
	q.answerLease.keep(int64(len(b)))
	h := q.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	q.w.WriteHeader(http.StatusOK)
	if len(b) <= smallAnswer {
		_, _ = q.w.Write(b) // a caller who has disconnected needs no answer
		return nil
	}
	if _, err := q.w.Write(b); err != nil {
		return err // the reader has disconnected, or was
	}
	return http.NewResponseController(q.w).Flush() // while the answer is still held
}

// appendJSON encodes a value as part of an answer.
func appendJSON(out *bytes.Buffer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // without the line's end
	return nil
}

// Problem is the body of every error answer: RFC 9457.
type Problem struct {
	// Type is urn:pets:problem:<code>, a closed list.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is for a person. It never repeats a value that was sent.
	Detail string `json:"detail"`
	// Field is the field of the request that is wrong, where one is. One that the request
	// does not know is named only where its name cannot be a secret.
	Field string `json:"field,omitempty"`

	// retryAfter is when a retry may get another answer, zero for soon.
	retryAfter time.Duration
}

// problemType is the prefix of every problem's type.
const problemType = "urn:pets:problem:"

// statuses maps every code to its HTTP status. It is the only such table.
var statuses = map[domain.Code]int{
	domain.CodeInvalid:             http.StatusBadRequest,
	domain.CodeUnauthenticated:     http.StatusUnauthorized,
	domain.CodeKeyExpired:          http.StatusUnauthorized,
	domain.CodeDenied:              http.StatusForbidden,
	domain.CodeNotFound:            http.StatusNotFound,
	domain.CodeConflict:            http.StatusConflict,
	domain.CodeWouldRetrip:         http.StatusConflict,
	domain.CodePayoutsSum:          http.StatusUnprocessableEntity,
	domain.CodeMarksRefused:        http.StatusUnprocessableEntity,
	domain.CodeNotHeld:             http.StatusConflict,
	domain.CodeVoided:              http.StatusConflict,
	domain.CodeTradeIDConflict:     http.StatusConflict,
	domain.CodeIdempotencyMismatch: http.StatusUnprocessableEntity,
	domain.CodeHalted:              http.StatusConflict,
	domain.CodeTooLarge:            http.StatusRequestEntityTooLarge,
	domain.CodeRateLimited:         http.StatusTooManyRequests,
	domain.CodeClock:               http.StatusServiceUnavailable,
	domain.CodeUnavailable:         http.StatusServiceUnavailable,
	domain.CodeInternal:            http.StatusInternalServerError,
}

var titles = map[domain.Code]string{
	domain.CodeInvalid:             "Invalid request",
	domain.CodeUnauthenticated:     "No valid API key",
	domain.CodeKeyExpired:          "The API key has expired",
	domain.CodeDenied:              "Not allowed",
	domain.CodeNotFound:            "Not found",
	domain.CodeConflict:            "Conflict with the current state",
	domain.CodeWouldRetrip:         "The breaker would trip again at once",
	domain.CodePayoutsSum:          "The payouts do not sum to 1",
	domain.CodeMarksRefused:        "No mark was taken",
	domain.CodeNotHeld:             "The bot does not hold that much",
	domain.CodeVoided:              "The fill was voided",
	domain.CodeTradeIDConflict:     "The same trade id with other content",
	domain.CodeIdempotencyMismatch: "The same Idempotency-Key with another request",
	domain.CodeHalted:              "Halted",
	domain.CodeTooLarge:            "Too large",
	domain.CodeRateLimited:         "Too many requests",
	domain.CodeClock:               "The clock is wrong",
	domain.CodeUnavailable:         "Not available now",
	domain.CodeInternal:            "Internal error; nothing was recorded",
}

// problemOf turns an error into the answer for the caller. Causes are only
// logged, because they name files, addresses and libraries.
func problemOf(err error) Problem {
	if e := (*domain.Error)(nil); !errors.As(err, &e) && errors.As(err, new(*eventstore.Unavailable)) {
		err = unavailable(err)
	}
	code := domain.CodeOf(err)
	p := Problem{Type: problemType + string(code), Title: titles[code], Status: statuses[code]}
	var e *domain.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = Problem{Type: problemType + string(domain.CodeUnavailable), Title: titles[domain.CodeUnavailable], Status: http.StatusServiceUnavailable}
		p.Detail = "no answer in time; send it again with the same Idempotency-Key to learn the outcome"
	case errors.As(err, &e):
		p.Detail, p.Field, p.retryAfter = e.Message, e.Field, e.After
		if e.Field != "" {
			p.Detail = e.Field + " " + e.Message
		}
	default:
		p.Detail = "internal error; see the server's log"
	}
	var later *laterError
	switch {
	case errors.As(err, &later):
		p.retryAfter = later.after
	case troubled(err): // waiting does not help
		p.retryAfter = domain.Lasting
	}
	return p
}

// troubled reports that reading failed, for example because of damage.
func troubled(err error) bool {
	var u *eventstore.Unavailable
	return errors.As(err, &u) && !u.Poisoned && errors.As(err, new(interface{ Trouble() eventstore.Trouble }))
}

// writeProblem answers with an error.
func writeProblem(w http.ResponseWriter, p Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="pets"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.FormatInt(int64(max(1, seconds(p.retryAfter)/time.Second)), 10))
	}
	w.WriteHeader(p.Status)
	_ = encode(w, p) // a caller who has disconnected needs no answer
}

// writeJSON answers with a value.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = encode(w, v)
}

func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
