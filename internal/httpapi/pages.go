package httpapi

import (
	"encoding/base64"
	"net/url"
	"strings"

	"pets/domain"
)

// mostElements limits the elements of the lists of one answer. An answer with
// very long names is cut further, to [maxAnswer] bytes.
const mostElements = 4_000

// maxCursor limits the length of a cursor: two names of markets, at most.
const maxCursor = 2_048

// paging are the parameters of every route whose lists may be long.
var paging = []param{
	textParam("after", "what next of the page before said: go on behind it"),
	countParam("limit", "at most this many elements of the lists", 1, mostElements, mostElements),
}

// Pages holds the cursor of the next page. It is exported for the document:
// because it is embedded, its field appears in each answer.
type Pages struct {
	// Next is what to ask after for the rest; it is not there where this is all. With
	// ?at= the pages are of one moment.
	Next string `json:"next,omitempty"`

	lists []list
}

// list is one list of an answer: they are read one after another.
type list struct {
	name string
	len  func() int
	// key names an element uniquely within the list.
	key func(i int) string
	cut func(from, to int)
}

func listOf[E any](name string, all *[]E, key func(*E) string) list {
	return list{
		name: name, len: func() int { return len(*all) },
		key: func(i int) string { return key(&(*all)[i]) },
		cut: func(from, to int) { *all = (*all)[from:to] },
	}
}

// joined joins the names that identify an element.
func joined(names ...string) string { return strings.Join(names, "\x1f") }

// page cuts lists as the parameters require.
func (p *Pages) page(values url.Values, lists ...list) error {
	limit, err := number(values, "limit", mostElements, 1, mostElements)
	if err != nil {
		return err
	}
	p.lists = lists
	if after := values.Get("after"); after != "" {
		if err := p.skip(after); err != nil {
			return err
		}
	}
	if p.count() > limit {
		p.keep(limit)
	}
	return nil
}

// count implements paged.
func (p *Pages) count() int {
	n := 0
	for _, l := range p.lists {
		n += l.len()
	}
	return n
}

// keep implements paged.
func (p *Pages) keep(n int) {
	for _, l := range p.lists {
		kept := min(n, l.len())
		if n > 0 && n <= l.len() {
			p.Next = cursor(l.name, l.key(kept-1))
		}
		l.cut(0, kept)
		n -= kept
	}
}

// skip removes everything up to a cursor.
func (p *Pages) skip(after string) error {
	name, key, err := readCursor(after)
	if err != nil {
		return err
	}
	for _, l := range p.lists {
		if l.name != name {
			l.cut(0, 0)
			continue
		}
		for i := range l.len() {
			if l.key(i) == key {
				l.cut(i+1, l.len())
				return nil
			}
		}
		return domain.Errorf(domain.CodeConflict, "the last element of the previous page is gone: start again, or read every page with the same ?at=")
	}
	return errCursor
}

var errCursor = domain.Invalid("after", "must be the value of next in the previous page")

func cursor(name, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(joined(name, key)))
}

func readCursor(text string) (name, key string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	name, key, found := strings.Cut(string(b), "\x1f")
	if err != nil || !found || len(text) > maxCursor {
		return "", "", errCursor
	}
	return name, key, nil
}
