package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/internal/strict"
)

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
