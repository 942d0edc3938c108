package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"pets/commands"
	"pets/domain"
)

// makeRoom reserves memory for an answer of unknown length. What it does not need
// is released once it is made.
func (q *request) makeRoom(bytes int64) error {
	if q.held != nil {
		return nil
	}
	l, err := q.api.answers.take(q.r.Context(), q.key, q.row.class(), bytes)
	q.held = l
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
	q.body = l
	return err
}

// done releases what a request holds.
func (q *request) done() {
	q.held.keep(0)
	q.body.keep(0)
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
	q.held.keep(int64(len(b)))
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
