package httpapi

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	"pets/domain"
	"pets/projections"
)

// asDomain is errors.As for the type that answers are made of.
func asDomain(err error, e **domain.Error) bool { return errors.As(err, e) }

// query reads the parameters of a GET. It refuses unknown and repeated ones.
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
