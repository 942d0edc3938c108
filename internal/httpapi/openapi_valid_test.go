package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// The document as a program reads it that has never seen our code: every answer that
// any test of this package gets is held against it.

const documentURL = "pets:openapi"

// promised compiles the schemas of the document, once.
var promised = sync.OnceValues(func() (*promises, error) {
	raw, err := OpenAPI("test")
	if err != nil {
		return nil, err
	}
	return newPromises(string(raw))
})

// promises are the schemas of all answers, and the router that finds them.
type promises struct {
	mux     *http.ServeMux
	rows    map[string]*route // by pattern
	doc     any
	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema
	c       *jsonschema.Compiler
}

func newPromises(document string) (*promises, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		return nil, err
	}
	p := &promises{mux: http.NewServeMux(), rows: map[string]*route{}, doc: doc, schemas: map[string]*jsonschema.Schema{}, c: jsonschema.NewCompiler()}
	p.c.DefaultDraft(jsonschema.Draft2020)
	if err := p.c.AddResource(documentURL, doc); err != nil {
		return nil, err
	}
	for i := range table {
		row := &table[i]
		p.mux.HandleFunc(row.method+" "+row.path, func(http.ResponseWriter, *http.Request) {})
		p.rows[row.method+" "+row.path] = row
	}
	return p, nil
}

func (p *promises) schema(pointer string) (*jsonschema.Schema, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.schemas[pointer] == nil {
		s, err := p.c.Compile(documentURL + "#" + pointer)
		if err != nil {
			return nil, err
		}
		p.schemas[pointer] = s
	}
	return p.schemas[pointer], nil
}

// check holds an answer against what the document says of its route.
func (p *promises) check(req *http.Request, a answered) error {
	_, pattern := p.mux.Handler(req)
	row := p.rows[pattern]
	if row == nil {
		return nil // no route: /livez, or nothing
	}
	media := "application~1json"
	switch {
	case strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json"):
		media = "application~1problem+json"
	case !strings.HasPrefix(a.header.Get("Content-Type"), "application/json"):
		return nil
	}
	place, err := p.response(row, a.status)
	if err != nil {
		return err
	}
	s, err := p.schema(place + "/content/" + media + "/schema")
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
	if err != nil {
		return err
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("%s answers what the document does not say: %w\n%s", pattern, err, a.body)
	}
	return nil
}

// response is the place of the answer of a status. "4xx answers": one that the document
// does not list is a promise broken, and only what is our own fault comes under default.
func (p *promises) response(row *route, status int) (string, error) {
	name := strconv.Itoa(status)
	listed := p.operation(row)["responses"].(map[string]any)
	if _, ok := listed[name]; !ok {
		if status < http.StatusInternalServerError {
			return "", fmt.Errorf("%s answers %d, which the document does not list", row.short(), status)
		}
		name = "default"
	}
	if ref, ok := listed[name].(map[string]any)["$ref"].(string); ok {
		return strings.TrimPrefix(ref, "#"), nil
	}
	path := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(row.path)
	return fmt.Sprintf("/paths/%s/%s/responses/%s", path, strings.ToLower(row.method), name), nil
}

// keepsPromise fails a test whose answer is not as documented.
func keepsPromise(t testing.TB, req *http.Request, a answered) {
	t.Helper()
	p, err := promised()
	require.NoError(t, err)
	require.NoError(t, p.check(req, a))
}

// The negative control: a document that says less, or other things, is noticed.
func TestAnswersAreHeldAgainstTheDocument(t *testing.T) {
	raw, err := OpenAPI("test")
	require.NoError(t, err)
	r := newRig(t, rigged{}).opened()
	req, err := http.NewRequest(http.MethodGet, r.base+main+"/breakers", nil)
	require.NoError(t, err)
	a := r.get("olga", main+"/breakers")
	require.Equal(t, http.StatusOK, a.status)
	for was, is := range map[string]string{
		`"emergency_stop"`: `"stop_of_emergency"`, `"portfolio": {`: `"purse": {`, `"ok",`: `"fine",`,
	} {
		p, err := newPromises(strings.ReplaceAll(string(raw), was, is))
		require.NoError(t, err)
		require.Error(t, p.check(req, a), was)
	}
	keepsPromise(t, req, a)
}

// keepsStreamPromise: what the event stream sends is in the document, too.
func keepsStreamPromise(t testing.TB, m heard) {
	t.Helper()
	p, err := promised()
	require.NoError(t, err)
	name := map[string]string{"hello": "Hello", "event": "EventAnswer", "directive": "DirectiveMessage"}[m.event]
	require.NotEmpty(t, name, "the document knows no message %q", m.event)
	s, err := p.schema("/components/schemas/" + name)
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(m.data))
	require.NoError(t, err)
	require.NoError(t, s.Validate(v), m.data)
}
