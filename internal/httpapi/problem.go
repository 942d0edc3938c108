package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"pets/domain"
	"pets/eventstore"
)

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
	domain.CodeDenied:              http.StatusForbidden,
	domain.CodeNotFound:            http.StatusNotFound,
	domain.CodeConflict:            http.StatusConflict,
	domain.CodeWouldRetrip:         http.StatusConflict,
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
	domain.CodeDenied:              "Not allowed",
	domain.CodeNotFound:            "Not found",
	domain.CodeConflict:            "Not as things stand",
	domain.CodeWouldRetrip:         "The breaker would trip again at once",
	domain.CodeTradeIDConflict:     "The same trade id with other content",
	domain.CodeIdempotencyMismatch: "The same Idempotency-Key with another request",
	domain.CodeHalted:              "Halted",
	domain.CodeTooLarge:            "Too large",
	domain.CodeRateLimited:         "Too many requests",
	domain.CodeClock:               "The clock is wrong",
	domain.CodeUnavailable:         "Not available now",
	domain.CodeInternal:            "A defect; nothing was recorded",
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
		p.Detail = "no answer in time; the same Idempotency-Key again tells whether it happened"
	case errors.As(err, &e):
		p.Detail, p.Field = e.Message, e.Field
		if e.Field != "" {
			p.Detail = e.Field + " " + e.Message
		}
	default:
		p.Detail = "a defect was found; it is in the server's log"
	}
	var later *laterError
	switch {
	case errors.As(err, &later):
		p.retryAfter = later.after
	case troubled(err): // waiting does not help
		p.retryAfter = troubledAfter
	}
	return p
}

// troubledAfter is when to retry a read of a history that cannot be read.
const troubledAfter = time.Minute

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
