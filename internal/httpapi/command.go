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

// deciding returns the context of a command, which differs from the request's: a
// command whose caller has disconnected is still decided and counted, and the
// same Idempotency-Key returns its answer. Meanwhile the connection is not closed
// to make room.
func (q *request) deciding(within time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), within)
	q.conn().hold()
	return ctx, func() { cancel(); q.conn().release() }
}

// exists refuses names of portfolios that do not exist before anything else uses
// them.
func (q *request) exists() error {
	return domain.CheckID("portfolio", q.portfolio())
}

// permitAnswered is the answer to a permit, with the decision first.
type permitAnswered struct {
	commands.PermitAnswer
	Revision   uint64               `json:"revision"`
	Events     []commands.EventRef  `json:"events"`
	Directives []commands.Directive `json:"directives"`
	// ClockBehind is how far the wall clock was behind the last record.
	ClockBehind domain.Duration `json:"clock_behind,omitzero"`
	// Preview reports that nothing was recorded, and that there is no permit.
	Preview bool `json:"preview,omitempty"`
}

func permitAnswerOf(a *commands.Answer) permitAnswered {
	return permitAnswered{PermitAnswer: *a.Permit, Revision: a.Revision, Events: a.Events, Directives: a.Directives, ClockBehind: a.ClockBehind}
}

// answer writes the answer of a command. A retry gets the first answer, and a
// header that says so.
func (q *request) answer(a *commands.Answer) {
	a.Directives = q.told(a.Directives)
	if a.Replayed {
		q.w.Header().Set("Idempotency-Replayed", "true")
	}
	writeAnswer(q.w, a)
}

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
	return strict.Decode(body, into, q.row.notInBody...)
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
	body, err := readAll(http.MaxBytesReader(q.w, q.r.Body, most), q.r.ContentLength, most)
	if err != nil {
		return nil, bodyError(err, most)
	}
	q.unhurried()
	q.bodyBytes = len(body)
	return body, nil
}

// readAll reads a body, in one piece of its length if that is stated and allowed.
func readAll(body io.Reader, length, most int64) ([]byte, error) {
	if length < 0 || length > most {
		return io.ReadAll(body)
	}
	b := make([]byte, length)
	_, err := io.ReadFull(body, b)
	return b, err
}

// takeParts lets a body be read while it arrives. read may fail at any place; the rest of the
// body is then read and dropped, so that a body that is too long, or does not come to its end,
// is refused for that, whatever else is wrong with it.
func (q *request) takeParts(read func(body io.Reader) error) error {
	body := &parted{in: strings.NewReader("{}"), work: q.api.config.Work}
	if q.r.ContentLength != 0 {
		if err := checkContentType(q.r); err != nil {
			return err
		}
		if err := q.bodyRoom(q.row.maxBody); err != nil {
			return err
		}
		body.in = http.MaxBytesReader(q.w, q.r.Body, q.row.maxBody)
		body.until = func(at time.Time) { _ = http.NewResponseController(q.w).SetReadDeadline(at) } // without support for deadlines there is none
	}
	wrong := body.read(read)
	if body.failed != nil {
		return bodyError(body.failed, q.row.maxBody)
	}
	q.unhurried()
	q.bodyBytes = body.bytes
	if err := q.entitled(); err != nil {
		return err
	}
	return wrong
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
	if r.Header.Get("Content-Type") == "application/json" && r.Header.Get("Content-Encoding") == "" { // as almost all send it
		return nil
	}
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
	if !strings.ContainsAny(text, "ABCDEF") {
		return text, nil // as it would be written
	}
	return id.String(), nil
}

// asDomain is errors.As for the type that answers are made of.
func asDomain(err error, e **domain.Error) bool { return errors.As(err, e) }

// query reads the parameters of a GET. It refuses unknown, repeated and empty ones: ?at=$AT with
// AT not set would otherwise be answered as of now.
func (q *request) query() (url.Values, error) {
	var none url.Values
	if q.r.URL.RawQuery == "" {
		return none, nil
	}
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
		case all[0] == "":
			return nil, domain.Invalid(name, "is empty: give it a value, or leave it out")
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

// number reads a whole number between limits, with a fallback if it is missing.
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

// instant reads an RFC 3339 time, zero if it is missing.
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
