package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/live"
	"pets/internal/notice"
	"pets/internal/proof"
	"pets/internal/work"
	"pets/projections"
)

// Limits of one request. Those of connections are in server.go.
const (
	maxBody      = 64 << 10 // of a command
	maxBatchBody = 2 << 20  // of a batch of 1,000
	sendPiece    = 64 << 10 // of one answer at a time
	answerWithin = 10 * time.Second
	// deliverWithin is how long a reader may take for a whole answer. A slower
	// reader has to request smaller pages.
	deliverWithin = 30 * time.Second
	// custodyWithin limits requests to a chain, rotateWithin those that open
	// every key.
	custodyWithin = 60 * time.Second
	rotateWithin  = 10 * time.Minute
)

// Engine executes commands: commands.Engine, or a fake in tests.
type Engine interface {
	// Do sends one command to a portfolio's writer and waits until it is durable.
	Do(ctx context.Context, portfolio string, r commands.Request) (commands.Answer, error)
	// DoInParts sends several, each decided on its own, and calls told with the results as
	// they come. An error is the answer to all that told was not called for.
	DoInParts(ctx context.Context, portfolio string, requests []commands.Request, told func(from int, results []commands.Result)) error
	// DoAll sends several, stopping at the first that fails.
	DoAll(ctx context.Context, portfolio string, requests []commands.Request) ([]commands.Result, error)
	// System sends one to the system stream.
	System(ctx context.Context, r commands.Request) (commands.Answer, error)
	// Stop latches an emergency stop and records it; recorded is false while the
	// store cannot take it.
	Stop(ctx context.Context, portfolio string, r commands.Request) (answer commands.Answer, recorded bool, err error)
	// StopAll does the same for every portfolio.
	StopAll(ctx context.Context, r commands.Request) ([]commands.Stopped, error)
	// StopBot stops one bot in the same way.
	StopBot(ctx context.Context, portfolio string, r commands.Request) (answer commands.Answer, recorded bool, err error)
	// Pending returns the stops of a portfolio that are in force and not recorded
	// yet. PendingChanged is closed when there is another one.
	Pending(portfolio string) []commands.PendingStop
	PendingChanged() <-chan struct{}
	// StopsSeen returns the number of stops so far. A request that arrives now
	// has seen them.
	StopsSeen() uint64
	// Takes returns why no command of a class is accepted now, whatever it is, or
	// nil.
	Takes(class commands.Class) error
	// Portfolios lists what exists, sorted.
	Portfolios(ctx context.Context) ([]string, error)
	// Preview checks a permit on the state that the next command will be decided on, which
	// also knows archived markets.
	Preview(ctx context.Context, portfolio string, r commands.Request, now time.Time) (p portfolio.PermitPreview, revision uint64, err error)
}

// Config of an API.
type Config struct {
	Engine Engine
	Store  eventstore.Store
	Keys   *projections.Keyring
	// Custody reaches keys and chains; nil where the server has none.
	Custody Custodian
	// Nudge triggers work on transfers now; it may be nil.
	Nudge func()
	// LiveReady is called before a live portfolio is opened; it may be nil.
	LiveReady func() error
	// Problems returns the notices of a portfolio that still need a person; it may be nil.
	Problems func(portfolio string) []notice.Standing
	// Payable refuses a base asset that no known order is paid in; it may be nil.
	Payable func(asset string) error
	// Treasury holds the rules of the treasury that a new portfolio is opened
	// with; nil means the defaults.
	Treasury *domain.TreasuryPolicy
	// Defaults returns the policy a new portfolio of a mode, a clock and a base asset
	// starts from.
	Defaults func(domain.Mode, domain.Clock, string) (domain.Policy, error)
	// Live follows the portfolios. It is required, with nothing opened yet. Its
	// creator closes it, after the API.
	Live *live.Followers
	// Proof is the secret of the lock, with which a client that found the server
	// there recognises it (GET /livez); "" for none.
	Proof string
	// Checkpoints shorten the way to a moment in the past; may be nil.
	Checkpoints projections.Checkpoints
	// Rate is how many commands a second one key may send, with Burst at once; 0
	// is no limit. Facts have a limit of their own; stops have none.
	Rate  float64
	Burst int
	// Health returns the state of engine and store; nil means always well.
	Health func() Health
	// BytesPerDay limits the bytes caused by a key's permits, denials, notes and
	// reads; 0 is no limit.
	BytesPerDay int64
	// Limited is called for every refusal by a limit, with the role of the
	// caller; may be nil.
	Limited func(bound, role string)
	// Work has the places in which batches and looks at the past are worked on; nil means no
	// limit.
	Work *work.Places
	// Files shares out the file descriptors of the listeners; nil means no limit.
	Files *Files
	// Now is the wall clock; time.Now by default.
	Now func() time.Time
	Log *slog.Logger
	// Observe is called for every answered request; may be nil.
	Observe func(route string, status int, took time.Duration)
	// Version of the server, and when it was started: headers of GET /v1/portfolios, which
	// wants a key. "" for none.
	Version string
	Started time.Time
}

// API answers HTTP requests.
type API struct {
	config  Config
	engine  Engine
	keys    *projections.Keyring
	live    *live.Followers
	riders  attached
	denials *denials
	limits  *limiters
	budgets *budgets
	bodies  *room // memory for bodies, and for answers under way
	answers *room
	pasts   *pastLooks
	// inFlight are the requests under way, streams the event streams.
	inFlight *places
	streams  *places
	log      *slog.Logger
	now      func() time.Time
	mux      *http.ServeMux
	local    *http.ServeMux // what the stop socket answers
	// guarded are the patterns of mux that require a key. documents are the
	// places of the readers of the OpenAPI document.
	guarded   map[string]bool
	documents chan struct{}
	// known reports that every key that existed at the start is folded, with all
	// revocations.
	known atomic.Bool
	ready atomic.Bool
	came  comers
	// sendWithin is how long a reader may take to accept a piece of an answer.
	sendWithin time.Duration
	// closing ends the event streams when the server stops.
	closing context.Context //nolint:containedctx // ends with Close
	close   context.CancelFunc
}

// New returns an API that answers 503 until [API.Ready].
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Files == nil {
		c.Files = &Files{api: ofListener}
	}
	a := &API{
		config: c, engine: c.Engine, keys: c.Keys, log: c.Log, now: c.Now, mux: http.NewServeMux(), local: http.NewServeMux(),
		limits:     newLimiters(c.Rate, c.Burst),
		sendWithin: sendWithin,
		budgets:    newBudgets(c.BytesPerDay), bodies: newRoom(), answers: newRoom(), pasts: newPastLooks(),
		guarded: map[string]bool{}, documents: make(chan struct{}, maxDocuments),
	}
	a.inFlight, a.streams = c.Files.places()
	a.closing, a.close = context.WithCancel(context.Background())
	a.live, a.riders = c.Live, attach(c.Live)
	a.denials = newDenials(a.recordDenials)
	for i := range table {
		row := &table[i]
		handle := func(w http.ResponseWriter, r *http.Request) { a.serve(row, w, r) }
		a.mux.HandleFunc(row.method+" "+row.path, handle)
		a.guarded[row.method+" "+row.path] = true
		if row.urgent {
			a.local.HandleFunc(row.method+" "+row.path, handle)
		}
	}
	for _, mux := range []*http.ServeMux{a.mux, a.local} {
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { unknown(mux, w, r) })
		mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) {
			proof.Give(w, r, c.Proof)
			writeText(w, http.StatusOK, "alive\n")
		})
		mux.HandleFunc("GET /readyz", a.readyz)
	}
	a.mux.HandleFunc("GET /openapi.json", a.openapi)
	return a
}

// KeysKnown folds the current API keys. From then on the routes that stop
// something are open: a stop must not wait for portfolios to be folded.
func (a *API) KeysKnown(ctx context.Context) error {
	switch head, err := a.config.Store.Head(ctx, commands.SystemStream); {
	case err == nil:
		if err := a.keys.Wait(ctx, head); err != nil {
			return err
		}
	case !errors.As(err, new(*eventstore.NotFound)):
		return err
	}
	a.known.Store(true)
	return nil
}

// Ready waits until every portfolio is followed to its end, and then opens the
// routes. Until it returns, everything under /v1 except stops is answered with
// 503, because an incomplete state must not be shown or decided on.
func (a *API) Ready(ctx context.Context) error {
	if err := a.KeysKnown(ctx); err != nil {
		return err
	}
	if err := a.live.Reached(ctx); err != nil {
		return err
	}
	a.ready.Store(true)
	return nil
}

// Close ends the event streams, and records the denials since the last minute.
func (a *API) Close(ctx context.Context) {
	a.ready.Store(false)
	a.close()
	a.denials.flush(ctx, a.now(), true)
}

// EndStreams ends only the event streams: a graceful stop waits for the requests
// under way, and a stream would never end by itself.
func (a *API) EndStreams() { a.close() }

// request is one request while it is handled.
type request struct {
	api *API
	w   http.ResponseWriter
	r   *http.Request
	row *route
	key key
	// placed reports that it has a place among those under way.
	placed bool
	let    bool // it was admitted: what is written to its reader counts
	// The memory held for bodies and answers.
	bodyLease, answerLease *lease
	dry                    bool   // nothing is to be recorded: the answer is a read
	seen                   uint64 // the number of stops when it first arrived
	bodyBytes              int    // that were read: the header only states the client's claim
}

func (q *request) portfolio() string { return q.r.PathValue("portfolio") }

// serve handles one request of a route. It checks that the server is ready, the
// key known, the rate within limits and the caller authorised before it executes
// the request.
func (a *API) serve(row *route, w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w, out: http.NewResponseController(w), within: a.sendWithin, most: deliverWithin}
	q := &request{api: a, w: rec, r: r, row: row}
	q.arrives()
	defer func() {
		q.leave()
		q.done()
		if p := recover(); p != nil {
			a.log.Error("a request panicked", "route", row.name, "panic", p, "stack", string(debug.Stack()))
			if !rec.wrote {
				writeProblem(rec, problemOf(domain.Errorf(domain.CodeInternal, "internal error; see the server's log")))
			}
		}
		q.sent(rec.bytes)
		if a.config.Observe != nil {
			a.config.Observe(row.name, rec.status, time.Since(start))
		}
	}()
	err := a.guard(q)
	if err == nil {
		q.let = true
		err = q.handle()
	}
	if err != nil {
		a.refuse(q, err)
	}
}

// guard is the only place that decides whether a request is admitted.
func (a *API) guard(q *request) error {
	if !a.ready.Load() && !q.row.urgent && !q.row.early {
		q.cameEarly()
		if why := a.health().NoHistory; why != "" {
			return domain.Errorf(domain.CodeUnavailable, "%s", why)
		}
		return domain.Errorf(domain.CodeUnavailable, "the history is still being folded; see /readyz")
	}
	if caller, ok := localIn(q.r.Context()); ok && q.row.urgent {
		q.key = key{id: caller.User, caller: caller}
		return nil
	}
	if !a.known.Load() {
		return domain.Errorf(domain.CodeUnavailable, "the API keys are not folded yet; on the server's own machine pets stop needs none")
	}
	source := sourceOf(q.r)
	k, err := a.authenticate(q.r, q.row)
	if err != nil {
		return a.refuseStranger(q, k.id, err)
	}
	q.key = k
	if !k.ends.IsZero() {
		q.w.Header().Set(KeyExpiresHeader, k.ends.UTC().Format(time.RFC3339))
	}
	q.conn().keyed(k.id)
	if err := q.cameIn(); err != nil {
		return err
	}
	if err := q.admit(); err != nil {
		return err
	}
	if err := authorise(k, q.row, q.r); err != nil {
		return err
	}
	err = q.enter()
	if err != nil {
		a.denials.note(source, k.id, q.row.name, domain.CodeRateLimited, a.now())
	}
	return err
}

// refuse answers with a problem, and records denials.
func (a *API) refuse(q *request, err error) {
	p := problemOf(err)
	switch {
	case p.Status == http.StatusUnauthorized && q.let: // its key was revoked meanwhile
		a.denials.note(sourceOf(q.r), q.key.id, q.row.name, domain.CodeUnauthenticated, a.now())
	case p.Status == http.StatusForbidden:
		a.denials.note(sourceOf(q.r), q.key.id, q.row.name, domain.CodeDenied, a.now())
	case p.Status == http.StatusInternalServerError:
		a.logDefect(q, err)
	case p.Status == http.StatusServiceUnavailable && a.ready.Load():
		a.log.Warn("unavailable", "route", q.row.name, "error", err.Error())
	}
	if rec, ok := q.w.(*recorder); ok && rec.wrote {
		return // an event stream that ended: its client sees that
	}
	if p.Status == http.StatusForbidden || p.Status == http.StatusTooManyRequests {
		a.slowDown(q)
	}
	writeProblem(q.w, p)
}

func (a *API) logDefect(q *request, err error) {
	var d *commands.Defect
	if errors.As(err, &d) {
		a.log.Error("a command panicked", "route", q.row.name, "panic", d.Value, "stack", string(d.Stack))
		return
	}
	a.log.Error("a request failed", "route", q.row.name, "error", err.Error())
}

// unknown answers a request that matches no route: the path exists with another
// method, or not at all.
func unknown(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		writeProblem(w, problemOf(domain.Errorf(domain.CodeNotFound, "there is no such route; see /openapi.json")))
		return
	}
	for _, m := range allowed {
		w.Header().Add("Allow", m)
	}
	p := problemOf(domain.Errorf(domain.CodeInvalid, "the route does not accept this method"))
	p.Status = http.StatusMethodNotAllowed
	writeProblem(w, p)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a caller who has disconnected needs no answer
}

// recorder records what was answered, and limits the time that the reader may
// take: a client that never reads would otherwise hold a place forever.
type recorder struct {
	http.ResponseWriter
	out    *http.ResponseController
	within time.Duration // for a piece of the answer
	// most limits the whole answer, 0 for an event stream. It starts with the
	// first byte, because the reader is not responsible for the time before.
	most    time.Duration
	until   time.Time
	hurried time.Time // when the deadline was last extended
	status  int
	wrote   bool
	bytes   int64 // of the body
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.begin(status)
		r.hurry()
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if !r.wrote {
		r.begin(http.StatusOK)
	}
	n := 0
	for {
		piece := b[n:min(len(b), n+sendPiece)]
		r.hurry()
		sent, err := r.ResponseWriter.Write(piece)
		r.bytes += int64(sent)
		if n += sent; err != nil || n == len(b) {
			return n, err
		}
	}
}

func (r *recorder) begin(status int) {
	r.status, r.wrote = status, true
	if r.most > 0 {
		r.until = time.Now().Add(r.most)
	}
}

// hurryEvery is for how long a deadline is left as it is: an answer is mostly written at once.
const hurryEvery = time.Millisecond

// hurry extends the deadline for the next piece.
func (r *recorder) hurry() {
	now := time.Now()
	if now.Sub(r.hurried) < hurryEvery && r.within > 100*hurryEvery {
		return
	}
	r.hurried = now
	at := now.Add(r.within)
	if !r.until.IsZero() && r.until.Before(at) {
		at = r.until
	}
	_ = r.out.SetWriteDeadline(at) // without support for deadlines there is nothing to extend
}

// Unwrap lets http.ResponseController reach deadlines and flushes.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// sourceOf returns the source of a request, as [sourceAt] counts it.
func sourceOf(r *http.Request) string { return sourceAt(r.RemoteAddr, "unknown") }
