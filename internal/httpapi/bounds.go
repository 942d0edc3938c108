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

// laterError is a refusal that passes by itself: it says when.
type laterError struct {
	refusal *domain.Error
	after   time.Duration
	bound   string
}

func (e *laterError) Error() string { return e.refusal.Error() }

// Unwrap gives the refusal without its time.
func (e *laterError) Unwrap() error { return e.refusal }

// Bounds a key can run into, as metrics name them.
const (
	boundCommands = "commands"
	boundFacts    = "facts"
	boundBytes    = "bytes"
)

// class is what a route is for: its command's class. Routes that stop something are
// stops whatever they are called; reads are like commands that record nothing.
func (row *route) class() commands.Class {
	if row.urgent {
		return commands.ClassStop
	}
	return row.sends.Class
}

// reads: the route answers from what is recorded, and its answer may be long.
func (row *route) reads() bool { return row.method == http.MethodGet }

// admit counts a request against the bounds of its key, before its body is read. A batch
// is counted by its commands, once they are known ([request.charge]).
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
		return domain.Errorf(domain.CodeTooLarge, "%d commands at once are more than the key may ever send (%d): split them", n, q.api.limits.most(class))
	case wait <= 0:
		return nil
	}
	bound := boundCommands
	if class == commands.ClassFact {
		bound = boundFacts
	}
	return q.limited(bound, wait, "the key sends too many commands: %d of them were not looked at. Send them again with the same Idempotency-Keys in %s; a stop is never kept waiting", n, seconds(wait))
}

// solvent refuses what a key that has used up its bytes may not do any more: read, ask
// for permits, and, for those who are no person, send anything else that is neither a
// fact nor a stop.
func (q *request) solvent(class commands.Class) error {
	if class != commands.ClassOther || q.row.streams {
		return nil
	}
	if asksPermit(q.row.sends) {
		return nil // once it is known what is asked for: [request.affordable]
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

// limited makes the refusal, and counts it where people look.
func (q *request) limited(bound string, after time.Duration, format string, args ...any) error {
	q.api.denials.note(sourceOf(q.r), q.key.id, q.row.name, domain.CodeRateLimited, q.api.now())
	if q.api.config.Limited != nil {
		q.api.config.Limited(bound, string(q.key.caller.Role))
	}
	return &laterError{domain.Errorf(domain.CodeRateLimited, format, args...), after, bound}
}

// decided takes what a command added to the history from its key's bytes.
func (q *request) decided(class commands.Class, a *commands.Answer, err error) {
	if class == commands.ClassOther {
		q.api.budgets.spend(q.key.id, int64(a.Stored()), q.api.now())
	}
	if class == commands.ClassFact && a.Stored() > factLarge {
		q.api.limits.spendBytes(q.key.id, a.Stored(), q.api.now())
	}
	q.unknown(class, err)
}

// unknownBytes is counted for a command of which no answer came in time: it may have been
// recorded, and a retry that finds it costs nothing more.
const unknownBytes = 1 << 10

// unknown counts a command that was given up at its deadline.
func (q *request) unknown(class commands.Class, err error) {
	if class == commands.ClassOther && errors.Is(err, context.DeadlineExceeded) {
		q.api.budgets.spend(q.key.id, unknownBytes, q.api.now())
	}
}

// sent takes what a read that was let in was answered with from its key's bytes, a
// problem too, and however far its reader got. A stream counts as it goes.
func (q *request) sent(bytes int64) {
	if q.let && (q.row.reads() && !q.row.streams || q.dry) {
		q.api.budgets.spend(q.key.id, bytes, q.api.now())
	}
}

// seconds rounds a time to wait up to whole seconds: less than that would not be enough.
func seconds(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(d.Seconds())) * time.Second
}

// Requests without a valid key, per source: slow enough that guessing is
// pointless, fast enough that a misconfigured bot is told why.
const (
	strangerRate  = 5
	strangerBurst = 20
	maxStrangers  = 10_000
)

// factsPerCommand is how many facts a key may report for each permit, read or other
// command it may send: an order that was permitted is placed, filled in parts, and
// released. They are counted apart, so that a flood of permits never keeps a bot from
// saying what has happened.
const factsPerCommand = 4

// limiters bound how many commands a key may send, and how often a source without one
// may ask. Stops are counted nowhere.
type limiters struct {
	rate  rate.Limit
	burst int

	mu        sync.Mutex
	keys      map[string]*quota        // by key id: bounded by the keys there are
	refusals  map[string]*rate.Limiter // by key id
	ways      map[string]*wayOut       // by key id
	strangers map[string]*asking       // by source
}

// asking is what a source may still ask without a valid key: of routes that want one,
// and of those that do not.
type asking struct{ keyless, open *rate.Limiter }

// quota is what one key may still send now.
type quota struct{ others, facts, bytes *rate.Limiter }

func newLimiters(perSecond float64, burst int) *limiters {
	return &limiters{
		rate: rate.Limit(perSecond), burst: burst,
		keys: map[string]*quota{}, refusals: map[string]*rate.Limiter{}, ways: map[string]*wayOut{}, strangers: map[string]*asking{},
	}
}

// take counts n commands of a class, all or none. Where they are too many now, it says
// how long to wait; where they are too many at once, ever is false.
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

// takeBytes counts bytes of facts, and says how long to wait where they are too many.
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

// spendBytes counts bytes of facts that are recorded already: what comes next waits for it.
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

// most is how many commands of a class may come at once.
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
		if len(l.strangers) >= maxStrangers { // forgetting them is milder than growing
			clear(l.strangers)
		}
		a = &asking{rate.NewLimiter(strangerRate, strangerBurst), rate.NewLimiter(openRate, openBurst)}
		l.strangers[source] = a
	}
	return a
}

// refusal takes one refusal of a key; false where they are too many.
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

// budgets bound how many bytes a key may cause in a day: what its permits, denials,
// notes and other commands that are neither fact nor stop add to the history, and what
// it reads (docs/decisions/0023). A budget refills steadily, so there is no midnight at
// which everybody may begin again. It is kept in memory: a restart fills it up.
type budgets struct {
	perDay float64 // 0: no bound

	mu   sync.Mutex
	keys map[string]*budget // by key id: bounded by the keys there are
}

// budget is what one key has left. It may fall below zero by what was under way when it
// ran out, which is then made up for.
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

// wait says how long a key has to wait until something is left of its budget, 0 for not
// at all.
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

// of brings a key's budget up to now. A clock that was put back fills up nothing, and
// takes nothing away.
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

// What a key may do although its bytes of a day are used up, whoever used them up: see
// what it holds, and get out of it.
const (
	// closingRate and closingBurst bound permits that only reduce, and would be granted:
	// an order of each is on its way out. They are counted as bytes all the same.
	closingRate  = 10
	closingBurst = 100
	// lookRate and lookBurst bound looks at what is held.
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

// looks: the route shows what is held.
func (row *route) looks() bool {
	return row.name == "state" || row.name == "positions" || row.name == "permits"
}

// affordable refuses a permit to a key that has used up its bytes, unless it leads out.
func (q *request) affordable(c commands.AskPermit) error {
	if q.overspent() && q.leadsOut(c) {
		return nil
	}
	return q.withinBudget()
}

func (q *request) overspent() bool { return q.api.budgets.wait(q.key.id, q.api.now()) > 0 }

// leadsOut: the permit only reduces what is held, and would be granted. Others would be
// a way around the bound: a denial is recorded, too.
func (q *request) leadsOut(c commands.AskPermit) bool {
	if !c.ReduceOnly || commands.Allowed(q.key.caller, c) != nil || q.exists() != nil {
		return false
	}
	granted := false
	err := q.api.look(q.r.Context(), q.portfolio(), moment{}, func(s *portfolio.State, _ riders) error {
		p, err := c.Preview(s, q.api.now().UTC(), q.key.caller)
		granted = err == nil && p.Allowed
		return err
	})
	return err == nil && granted && q.api.limits.wayOut(q.key.id).closings.AllowN(q.api.now(), 1)
}

// escapes: what a batch is refused for is bytes, and this command of it leads out. It
// takes its place in the rate, which the commands that were refused did not.
func (q *request) escapes(refusal error, c commands.Command) bool {
	var e *laterError
	ask, is := c.(commands.AskPermit)
	return is && errors.As(refusal, &e) && e.bound == boundBytes && q.leadsOut(ask) && q.charge(commands.ClassOther, 1) == nil
}

// mayLook: the request shows what is held, and not too often.
func (q *request) mayLook(now time.Time) bool {
	return q.row.looks() && !q.r.URL.Query().Has("at") && q.api.limits.wayOut(q.key.id).looks.AllowN(now, 1)
}

// Facts are outside the bytes of a day, for what has happened has to be told. A key that
// makes facts up would fill memory and disk with them, so they have a rate of bytes: of a
// fill, a thousand a second for ever.
const (
	factBytes      rate.Limit = 1 << 20 // a second
	factBytesBurst            = 16 << 20
	// factOverhead is what a fact costs beside its body: names, times, who sent it.
	factOverhead = 768
	// factLarge is what no fact adds to the history but a void that corrects many trades:
	// those bytes are counted once they are known.
	factLarge = 64 << 10
)

const boundFactBytes = "fact_bytes"

// parts is how many facts a command tells at once.
func parts(c commands.Command) int {
	if m, is := c.(commands.MarkPrices); is {
		return len(m.Marks)
	}
	return 1
}

// weigh counts what a fact holds, once it is known: each of its parts by the rate of
// facts, where the first is counted already, and its bytes. Neither stops nor other
// commands are weighed.
func (q *request) weigh(c commands.Command, body int) error {
	class := commands.ClassOf(c)
	if class != commands.ClassFact {
		return nil
	}
	if err := q.charge(class, max(0, parts(c)-1)); err != nil {
		var later *laterError
		if errors.As(err, &later) { // the one that was counted before is counted again then
			later.after += q.api.limits.oneFact()
		}
		return err
	}
	wait := q.api.limits.takeBytes(q.key.id, body+factOverhead, q.api.now())
	if wait <= 0 {
		return nil
	}
	return q.limited(boundFactBytes, wait, "the key reports more than %d bytes a second for long. Send this again with the same Idempotency-Key in %s; a stop is never kept waiting", int(factBytes), seconds(wait))
}
