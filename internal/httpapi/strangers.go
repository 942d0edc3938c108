package httpapi

import (
	"net/http"
	"path"
	"time"

	"pets/domain"
)

// What strangers may ask: those who have shown no valid key. Every answer costs the
// processor something, and what they make it do is time that a stop waits for.
const (
	// answersForStranger is how many answers one connection gets before it has shown a
	// valid key. Then it is closed: thousands of requests sent ahead over connections
	// that are open already would not meet any bound of connections.
	answersForStranger = 8
	// openRate and openBurst bound, per source, the routes that need no key: a monitoring
	// system asks a few times a second.
	openRate  = 20
	openBurst = 40
	// refusalRate and refusalBurst bound, per key, the refusals (403 and 429) that are
	// answered at once.
	refusalRate  = 100
	refusalBurst = 200
	// lingerFor is how long an answer beyond these bounds is kept back. Who asks again as
	// soon as he is answered asks twice a second then, on each connection he has.
	lingerFor = 500 * time.Millisecond
	// maxDocuments is how many readers may be taking the OpenAPI document at a time.
	maxDocuments = 16
)

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.needsKey(r) || a.letStranger(w, r) {
		a.mux.ServeHTTP(w, r)
	}
}

// needsKey: the request is for a row of the table, where [API.guard] asks for a key.
// Everything else is answered to strangers: health, the document, redirects, and that
// there is no such route.
func (a *API) needsKey(r *http.Request) bool {
	_, pattern := a.mux.Handler(r)
	return a.guarded[pattern] && path.Clean(r.URL.Path) == r.URL.Path
}

// letStranger counts a request that needs no key, and answers one that is too many. That
// the server is alive it says to everybody, only later: a flood from the address of a
// monitoring system must not look like a server to be restarted.
func (a *API) letStranger(w http.ResponseWriter, r *http.Request) bool {
	if a.limits.open(sourceOf(r), a.now()) {
		lastAnswer(w, r)
		return true
	}
	a.linger(w, r)
	if r.URL.Path == "/livez" {
		return true
	}
	writeProblem(w, problemOf(errStrangers))
	return false
}

var errStrangers = domain.Errorf(domain.CodeRateLimited, "too many requests without a valid key")

// refuseStranger answers a request whose key is not valid, the later the more there are.
func (a *API) refuseStranger(q *request, err error) error {
	source := sourceOf(q.r)
	a.denials.note(source, "", q.row.name, domain.CodeUnauthenticated, a.now())
	if a.limits.stranger(source, a.now()) {
		lastAnswer(q.w, q.r)
		return err
	}
	a.linger(q.w, q.r)
	return errStrangers
}

// slowDown keeps back a refusal of a key that earns too many of them.
func (a *API) slowDown(q *request) {
	if q.key.id == "" || a.limits.refusal(q.key.id, a.now()) {
		return
	}
	if _, local := localIn(q.r.Context()); local {
		return
	}
	q.leave() // it is answered already, and holds nobody's place
	a.linger(q.w, q.r)
}

// lastAnswer closes the connection behind this answer where it has had what a stranger
// gets.
func lastAnswer(w http.ResponseWriter, r *http.Request) {
	if n := connIn(r.Context()); n != nil && n.stranger() && n.answers.Add(1) >= answersForStranger {
		w.Header().Set("Connection", "close")
	}
}

// linger waits before a request is answered, and closes its connection behind the answer.
func (a *API) linger(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	wait := time.NewTimer(lingerFor)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
	case <-a.closing.Done():
	}
}

// documentPlace takes a place among the readers of the document; false where all are
// taken.
func (a *API) documentPlace() (release func(), ok bool) {
	select {
	case a.documents <- struct{}{}:
		return func() { <-a.documents }, true
	default:
		return nil, false
	}
}
