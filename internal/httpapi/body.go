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

// readBody reads one JSON body, strictly, and then checks the key once more,
// because reading the body took time.
func (q *request) readBody(into any) error {
	body, err := q.takeBody()
	if err == nil {
		err = q.entitled()
	}
	if err != nil {
		return err
	}
	return strict.Decode(body, into)
}

// takeBody reads a whole body. A missing body is an empty object, for commands
// whose path says everything.
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

// handle answers an admitted request. The body of a GET is read and discarded
// under the deadline of a body; only then may the answer take its time.
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

// unhurried lifts the read deadline once nothing is left to read, and never
// before: a body that does not end would hold its connection forever. net/http
// reads from the connection meanwhile, and would take the deadline for a
// disconnected client, in the middle of a long answer.
func (q *request) unhurried() {
	_ = http.NewResponseController(q.w).SetReadDeadline(time.Time{}) // without support for deadlines there is nothing to lift
}

func bodyError(err error, most int64) error {
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return domain.Errorf(domain.CodeTooLarge, "the body is over %d bytes", most)
	}
	return domain.Invalid("body", "could not be read to its end")
}

// checkContentType accepts only JSON in UTF-8.
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
