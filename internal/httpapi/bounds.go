package httpapi

import (
	"context"
	"errors"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
)

// laterError is a temporary refusal with the time to wait.
type laterError struct {
	refusal *domain.Error
	after   time.Duration
	bound   string
}

func (e *laterError) Error() string { return e.refusal.Error() }

// Unwrap returns the refusal without its time.
func (e *laterError) Unwrap() error { return e.refusal }

// The limits that a key can reach, as named in metrics.
const (
	boundCommands = "commands"
	boundFacts    = "facts"
	boundBytes    = "bytes"
)

// class returns the class of the route's command. Routes that stop something are
// always stops. Reads count like commands that record nothing.
func (row *route) class() commands.Class {
	if row.urgent {
		return commands.ClassStop
	}
	return row.sends.Class
}

// reads reports that the route answers from recorded data, and that its answer
// may be long.
func (row *route) reads() bool { return row.method == http.MethodGet }

// admit counts a request against the limits of its key, before its body is read.
// A batch is counted by its commands, once they are known ([request.charge]).
func (q *request) admit() error {
	if q.row.batch {
		return nil
	}
	class := q.row.class()
	if err := q.charge(class, 1); err != nil {
		return err
	}
	return q.solvent(class)
}

// charge counts n commands of a class. Stops are never counted.
func (q *request) charge(class commands.Class, n int) error {
	wait, ever := q.api.limits.take(q.key.id, class, n, q.api.now())
	switch {
	case !ever:
		return domain.Errorf(domain.CodeTooLarge, "%d commands at once are more than the key may send at once (%d): split them", n, q.api.limits.most(class))
	case wait <= 0:
		return nil
	}
	bound := boundCommands
	if class == commands.ClassFact {
		bound = boundFacts
	}
	return q.limited(bound, wait, "the key sends too many commands: %d of them were not tried. Send them again with the same Idempotency-Keys in %s; a stop never waits", n, seconds(wait))
}

// solvent refuses what a key may no longer do after it has used up its bytes:
// read, request permits, and, for keys of machines, send anything else that is
// neither a fact nor a stop.
func (q *request) solvent(class commands.Class) error {
	if class != commands.ClassOther || q.row.streams {
		return nil
	}
	if asksPermit(q.row.sends) {
		return nil // decided once the body is known: [request.affordable]
	}
	if q.key.person() && !q.row.reads() {
		return nil
	}
	if q.overspent() && q.mayLook(q.api.now()) {
		return nil
	}
	return q.withinBudget()
}

func (q *request) withinBudget() error {
	wait := q.api.budgets.wait(q.key.id, q.api.now())
	if wait <= 0 {
		return nil
	}
	return q.limited(boundBytes, wait, "the key has used up its bytes of a day (PETS_BYTES_PER_DAY) with permits, denials, notes and reads; some are free again in %s. Fills, settlements, marks, flows, releases and stops go on, and so do permits with reduce_only that would be granted", seconds(wait))
}

// limited returns the refusal, and counts it in the metrics.
func (q *request) limited(bound string, after time.Duration, format string, args ...any) error {
	q.api.denials.note(sourceOf(q.r), q.key.id, q.row.name, domain.CodeRateLimited, q.api.now())
	if q.api.config.Limited != nil {
		q.api.config.Limited(bound, string(q.key.caller.Role))
	}
	return &laterError{domain.Errorf(domain.CodeRateLimited, format, args...), after, bound}
}

// decided subtracts what a command added to the history from its key's bytes.
func (q *request) decided(class commands.Class, a *commands.Answer, err error) {
	switch charged := a.Charged(); {
	case class == commands.ClassOther:
		q.api.budgets.spend(q.key.id, int64(charged), q.api.now())
	case class == commands.ClassFact && (charged > factLarge || a.Restored()):
		q.api.limits.spendBytes(q.key.id, charged, q.api.now())
	}
	q.unknown(class, err)
}

// unknownBytes is counted for a command whose answer did not come in time: it may
// have been recorded. A retry that finds it costs nothing more.
const unknownBytes = 1 << 10

// unknown counts a command that did not finish before its deadline.
func (q *request) unknown(class commands.Class, err error) {
	if class == commands.ClassOther && errors.Is(err, context.DeadlineExceeded) {
		q.api.budgets.spend(q.key.id, unknownBytes, q.api.now())
	}
}

// sent subtracts the bytes of an answer to an admitted read, even of a problem,
// and however much of it was received. A stream is counted as it goes.
func (q *request) sent(bytes int64) {
	if q.let && (q.row.reads() && !q.row.streams || q.dry) {
		q.api.budgets.spend(q.key.id, bytes, q.api.now())
	}
}

// seconds rounds a waiting time up to whole seconds, because less would be too
// short.
func seconds(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(d.Seconds())) * time.Second
}

// Rates of requests without a valid key, per source: slow enough to make guessing
// pointless, fast enough to answer a misconfigured bot.
const (
	strangerRate  = 5
	strangerBurst = 20
	maxStrangers  = 10_000
)

// factsPerCommand is how many facts a key may report for each other command: a
// permitted order is placed, filled in parts, and released. Facts are counted
// separately, so that a flood of permits never keeps a bot from reporting facts.
const factsPerCommand = 4

// limiters limit how many commands a key may send, and the requests of a source
// without a key. Stops are not counted.
type limiters struct {
	rate  rate.Limit
	burst int

	mu        sync.Mutex
	keys      map[string]*quota        // by key id: limited by the number of keys
	refusals  map[string]*rate.Limiter // by key id
	ways      map[string]*wayOut       // by key id
	strangers map[string]*asking       // by source
}

// asking is what a source may still request without a valid key, of routes that
// require one and of those that do not.
type asking struct{ keyless, open *rate.Limiter }

// quota is what one key may still send now.
type quota struct{ others, facts, bytes *rate.Limiter }

func newLimiters(perSecond float64, burst int) *limiters {
	return &limiters{
		rate: rate.Limit(perSecond), burst: burst,
		keys: map[string]*quota{}, refusals: map[string]*rate.Limiter{}, ways: map[string]*wayOut{}, strangers: map[string]*asking{},
	}
}

// take counts n commands of a class, all or none. If there are too many now, it
// returns how long to wait; if there are too many for any time, ever is false.
func (l *limiters) take(key string, class commands.Class, n int, now time.Time) (wait time.Duration, ever bool) {
	if l.rate <= 0 || class == commands.ClassStop || n == 0 {
		return 0, true
	}
	limiter := l.of(key).others
	if class == commands.ClassFact {
		limiter = l.of(key).facts
	}
	taken := limiter.ReserveN(now, n)
	if !taken.OK() {
		return 0, false
	}
	if wait = taken.DelayFrom(now); wait > 0 {
		taken.CancelAt(now)
	}
	return wait, true
}

// takeBytes counts bytes of facts, and returns how long to wait if there are too
// many.
func (l *limiters) takeBytes(key string, bytes int, now time.Time) time.Duration {
	if l.rate <= 0 {
		return 0
	}
	taken := l.of(key).bytes.ReserveN(now, min(bytes, factBytesBurst))
	wait := taken.DelayFrom(now)
	if wait > 0 {
		taken.CancelAt(now)
	}
	return wait
}

// spendBytes counts bytes of facts that are already recorded; the next request
// has to wait for them.
func (l *limiters) spendBytes(key string, bytes int, now time.Time) {
	if l.rate > 0 {
		l.of(key).bytes.ReserveN(now, min(bytes, factBytesBurst))
	}
}

func (l *limiters) of(key string) *quota {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.keys[key]
	if q == nil {
		q = &quota{
			others: rate.NewLimiter(l.rate, l.burst),
			facts:  rate.NewLimiter(factsPerCommand*l.rate, factsPerCommand*l.burst),
			bytes:  rate.NewLimiter(factBytes, factBytesBurst),
		}
		l.keys[key] = q
	}
	return q
}

// oneFact is how long a key waits for one more fact.
func (l *limiters) oneFact() time.Duration {
	return time.Duration(float64(time.Second) / float64(factsPerCommand*l.rate))
}

// most returns how many commands of a class may be sent at once.
func (l *limiters) most(class commands.Class) int {
	if class == commands.ClassFact {
		return factsPerCommand * l.burst
	}
	return l.burst
}

// stranger takes one request without a valid key.
func (l *limiters) stranger(source string, now time.Time) bool {
	return l.asking(source).keyless.AllowN(now, 1)
}

// open takes one request to a route that needs none.
func (l *limiters) open(source string, now time.Time) bool {
	return l.asking(source).open.AllowN(now, 1)
}

func (l *limiters) asking(source string) *asking {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.strangers[source]
	if a == nil {
		if len(l.strangers) >= maxStrangers { // forgetting the counts is better than growing without limit
			clear(l.strangers)
		}
		a = &asking{rate.NewLimiter(strangerRate, strangerBurst), rate.NewLimiter(openRate, openBurst)}
		l.strangers[source] = a
	}
	return a
}

// refusal counts one refusal of a key. It returns false if there are too many.
func (l *limiters) refusal(key string, now time.Time) bool {
	l.mu.Lock()
	r := l.refusals[key]
	if r == nil {
		r = rate.NewLimiter(refusalRate, refusalBurst)
		l.refusals[key] = r
	}
	l.mu.Unlock()
	return r.AllowN(now, 1)
}

// budgets limit the bytes that a key may cause in a day: what its permits,
// denials, notes and other commands that are neither fact nor stop add to the
// history, and what it reads (docs/decisions/0023). A budget refills steadily, so
// there is no midnight at which every key may start again. It is kept in memory:
// a restart refills it.
type budgets struct {
	perDay float64 // 0: no limit

	mu   sync.Mutex
	keys map[string]*budget // by key id: limited by the number of keys
}

// budget is what one key has left. It may become negative through requests under
// way when it ran out; that is deducted from the refill.
type budget struct {
	left float64
	at   time.Time
}

func newBudgets(perDay int64) *budgets {
	return &budgets{perDay: float64(perDay), keys: map[string]*budget{}}
}

// spend counts bytes of a key.
func (b *budgets) spend(key string, bytes int64, now time.Time) {
	if b.perDay <= 0 || bytes <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(key, now).left -= float64(bytes)
}

// wait returns how long a key has to wait until some of its budget is free, or 0.
func (b *budgets) wait(key string, now time.Time) time.Duration {
	if b.perDay <= 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.of(key, now).left
	if left > 0 {
		return 0
	}
	seconds := math.Floor((1-left)/b.perSecond()) + 1
	return time.Duration(seconds) * time.Second
}

func (b *budgets) perSecond() float64 { return b.perDay / (24 * 60 * 60) }

// of updates a key's budget to the current time. A clock that was put back
// neither adds nor removes anything.
func (b *budgets) of(key string, now time.Time) *budget {
	k := b.keys[key]
	if k == nil {
		k = &budget{left: b.perDay, at: now}
		b.keys[key] = k
	}
	if passed := now.Sub(k.at).Seconds(); passed > 0 {
		k.left = min(b.perDay, k.left+passed*b.perSecond())
	}
	k.at = now
	return k
}

// What a key may do although its bytes of a day are used up: see what it holds,
// and close it.
const (
	// closingRate and closingBurst limit permits that only reduce and would be
	// granted. Their bytes are counted all the same.
	closingRate  = 10
	closingBurst = 100
	// lookRate and lookBurst limit views of what is held.
	lookRate  = 1
	lookBurst = 3
)

// wayOut is what a key has left of both.
type wayOut struct{ closings, looks *rate.Limiter }

func (l *limiters) wayOut(key string) *wayOut {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.ways[key]
	if w == nil {
		w = &wayOut{rate.NewLimiter(closingRate, closingBurst), rate.NewLimiter(lookRate, lookBurst)}
		l.ways[key] = w
	}
	return w
}

// looks reports that the route shows what is held.
func (row *route) looks() bool {
	return row.name == "state" || row.name == "positions" || row.name == "permits"
}

// affordable refuses a permit to a key that has used up its bytes, unless the
// permit only closes.
func (q *request) affordable(c commands.AskPermit) error {
	if q.overspent() && q.leadsOut(c) {
		return nil
	}
	return q.withinBudget()
}

func (q *request) overspent() bool { return q.api.budgets.wait(q.key.id, q.api.now()) > 0 }

// leadsOut reports that the permit only reduces what is held, and would be
// granted. Without the second condition denials, which are recorded too, would
// bypass the limit.
func (q *request) leadsOut(c commands.AskPermit) bool {
	if !c.ReduceOnly || commands.Allowed(q.key.caller, c) != nil || q.exists() != nil {
		return false
	}
	granted := false
	err := q.api.showState(q.r.Context(), q.portfolio(), moment{}, func(s *portfolio.State, _ riders) error {
		p, err := c.Preview(s, q.api.now().UTC(), q.key.caller)
		granted = err == nil && p.Allowed
		return err
	})
	return err == nil && granted && q.api.limits.wayOut(q.key.id).closings.AllowN(q.api.now(), 1)
}

// escapes reports that a command of a batch that is refused for bytes only
// closes. It then takes its place in the rate, which refused commands do not.
func (q *request) escapes(refusal error, c commands.Command) bool {
	var e *laterError
	ask, is := c.(commands.AskPermit)
	return is && errors.As(refusal, &e) && e.bound == boundBytes && q.leadsOut(ask) && q.charge(commands.ClassOther, 1) == nil
}

// mayLook reports that the request shows what is held, within its rate.
func (q *request) mayLook(now time.Time) bool {
	return q.row.looks() && !q.r.URL.Query().Has("at") && q.api.limits.wayOut(q.key.id).looks.AllowN(now, 1)
}

// Facts do not count toward the bytes of a day, because what has happened must
// always be accepted. To keep a key from filling memory and disk with invented
// facts, they have a byte rate: enough for a thousand fills a second,
// permanently.
const (
	factBytes      rate.Limit = 1 << 20 // a second
	factBytesBurst            = 16 << 20
	// factOverhead is the size of a fact beside its body: names, times, sender.
	factOverhead = 768
	// factLarge is more than any fact adds to the history, except a void that
	// corrects many trades. Those bytes are counted once they are known, and so are those of
	// an archived market that a fact brings back.
	factLarge = 64 << 10
)

const boundFactBytes = "fact_bytes"

// parts returns how many facts a command reports at once.
func parts(c commands.Command) int {
	if m, is := c.(commands.MarkPrices); is {
		return len(m.Marks)
	}
	return 1
}

// chargeFact counts the content of a fact once it is known: its parts by the rate of
// facts, of which the first is already counted, and its bytes. Stops and other
// commands are not counted here.
func (q *request) chargeFact(c commands.Command, body int) error {
	class := commands.ClassOf(c)
	if class != commands.ClassFact {
		return nil
	}
	if err := q.charge(class, max(0, parts(c)-1)); err != nil {
		var later *laterError
		if errors.As(err, &later) { // the one counted before is counted again in that case
			later.after += q.api.limits.oneFact()
		}
		return err
	}
	wait := q.api.limits.takeBytes(q.key.id, body+factOverhead, q.api.now())
	if wait <= 0 {
		return nil
	}
	return q.limited(boundFactBytes, wait, "the key reports more than %d bytes a second for long. Send this again with the same Idempotency-Key in %s; a stop never waits", int(factBytes), seconds(wait))
}
