package httpapi

import (
	"net/http"
	"path"
	"time"

	"pets/domain"
)

// What strangers, callers without a valid key, may request. Every answer takes
// processor time, for which a stop may have to wait.
const (
	// answersForStranger is how many answers one connection gets before it has
	// shown a valid key. Then it is closed. Otherwise thousands of pipelined
	// requests on open connections would bypass the limits of connections.
	answersForStranger = 8
	// openRate and openBurst limit, per source, the routes that need no key: a
	// monitoring system sends a few requests a second.
	openRate  = 20
	openBurst = 40
	// refusalRate and refusalBurst limit, per key, the refusals (403 and 429)
	// that are answered at once.
	refusalRate  = 100
	refusalBurst = 200
	// lingerFor is how long an answer beyond these limits is delayed. A client
	// that repeats its request at once then sends two a second on each
	// connection.
	lingerFor = 500 * time.Millisecond
	// maxDocuments is how many clients may read the OpenAPI document at a time.
	maxDocuments = 16
)

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.needsKey(r) || a.letStranger(w, r) {
		a.mux.ServeHTTP(w, r)
	}
}

// needsKey reports that the request matches a row of the table, where [API.guard]
// requires a key. Everything else is answered to strangers: health, the document,
// redirects, and unknown routes.
func (a *API) needsKey(r *http.Request) bool {
	_, pattern := a.mux.Handler(r)
	return a.guarded[pattern] && path.Clean(r.URL.Path) == r.URL.Path
}

// letStranger counts a request that needs no key, and answers one that is too
// many. /livez is always answered, only later, because a flood from the address
// of a monitoring system must not make the server look dead.
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

// refuseStranger answers a request whose key is not valid, with a delay that
// grows with their number.
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

// slowDown delays a refusal of a key that causes too many of them.
func (a *API) slowDown(q *request) {
	if q.key.id == "" || a.limits.refusal(q.key.id, a.now()) {
		return
	}
	if _, local := localIn(q.r.Context()); local {
		return
	}
	q.leave() // it is already answered, and holds no place
	a.linger(q.w, q.r)
}

// lastAnswer closes the connection after this answer if it has had all the
// answers that a stranger gets.
func lastAnswer(w http.ResponseWriter, r *http.Request) {
	if n := connIn(r.Context()); n != nil && n.stranger() && n.answers.Add(1) >= answersForStranger {
		w.Header().Set("Connection", "close")
	}
}

// linger waits before a request is answered, and closes its connection after the
// answer.
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

// documentPlace takes a place among the readers of the document. It returns false
// if all are taken.
func (a *API) documentPlace() (release func(), ok bool) {
	select {
	case a.documents <- struct{}{}:
		return func() { <-a.documents }, true
	default:
		return nil, false
	}
}
