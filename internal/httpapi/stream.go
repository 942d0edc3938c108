package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

const (
	// heartbeat is how often an idle stream sends a sign of life.
	heartbeat = 15 * time.Second
	// sendWithin is how long a reader may take to accept one event, or a piece of
	// another answer.
	sendWithin = 10 * time.Second
	// streamAhead is how many events are read ahead of a slow reader,
	// streamAheadBytes how many bytes of them, because events may be large.
	streamAhead      = 256
	streamAheadBytes = 256 << 10
	// tellPendingAfter is how long a stop may take to be recorded before open
	// streams are told of it. Most stops are recorded before that, and are sent
	// as events.
	tellPendingAfter = 50 * time.Millisecond
)

func streamRoute() route {
	return route{
		method: http.MethodGet, path: inPortfolio + "/stream", name: "stream", roles: readers, handle: streamEvents, streams: true,
		summary: "The events as they become durable, and what bots have to do (text/event-stream); resumes by Last-Event-ID",
		answer:  reflect.TypeFor[eventAnswer](),
		params: []param{
			textParam("types", "only types that begin with one of these, separated by commas; directives always come"),
			revisionParam("after", "begin after this revision instead of now; Last-Event-ID wins"),
		},
	}
}

// hello is the first message of a stream.
type hello struct {
	Portfolio string `json:"portfolio"`
	// Revision is where the stream begins: all events have a higher one.
	Revision int64 `json:"revision"`
	// Directives are those that stand now.
	Directives []commands.Directive `json:"directives"`
}

// directiveMessage is what a bot has to do.
type directiveMessage struct {
	Revision uint64 `json:"revision"`
	commands.Directive
}

// streamEvents is GET …/stream. Messages have the revision as their id; a
// directive follows the event that caused it.
func streamEvents(q *request) error {
	values, err := q.query()
	if err != nil {
		return err
	}
	if err := q.waitFor(moment{}); err != nil {
		return err
	}
	from, err := q.resumeFrom(values.Get("after"))
	if err != nil {
		return err
	}
	past, err := q.replay(from)
	if err != nil {
		return err
	}
	defer past.end()
	if err := q.stream(); err != nil {
		return err
	}
	defer q.endStream()
	s := &sse{q: q, out: http.NewResponseController(q.w), filter: q.filter(values.Get("types")), ahead: newAhead(streamAheadBytes), past: past}
	return s.run(from)
}

// resumeFrom returns the first revision to send: after the last one the reader
// has, or from now on.
func (q *request) resumeFrom(after string) (uint64, error) {
	head, err := q.api.config.Store.Head(q.r.Context(), commands.Stream(q.portfolio()))
	if err != nil {
		return 0, unavailable(err)
	}
	field := "after"
	if last := q.r.Header.Get("Last-Event-ID"); last != "" {
		after, field = last, "Last-Event-ID"
	}
	if after == "" {
		return head + 1, nil
	}
	n, err := strconv.ParseUint(after, 10, 62)
	if err != nil {
		return 0, domain.Invalid(field, "must be a revision: a whole number")
	}
	if n > head {
		return 0, domain.Invalid(field, "lies beyond the end of the history: its last revision is %d", head)
	}
	return n + 1, nil
}

// sse is one open event stream.
type sse struct {
	q      *request
	out    *http.ResponseController
	filter *filter
	ahead  *ahead
	past   *replay // nil once it is over
	bytes  int64   // that were sent
	// at is the last processed record, shown the last one that the reader was
	// told of.
	at, shown uint64
	// told are the bots that were told of a stop that is not recorded yet.
	told map[string]bool
}

func (s *sse) run(from uint64) error {
	ctx, cancel := context.WithCancel(s.q.r.Context())
	defer cancel()
	stop := context.AfterFunc(s.q.api.closing, cancel)
	defer stop()
	h := s.q.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	changed := s.q.api.engine.PendingChanged()
	s.q.w.WriteHeader(http.StatusOK)
	if err := s.hello(from); err != nil {
		return nil //nolint:nilerr // the reader has gone
	}
	records := make(chan eventstore.Record, streamAhead)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.read(ctx, from, records)
	}()
	defer func() { cancel(); <-ended }()
	s.write(ctx, records, changed)
	return nil
}

// read passes on records of the store until the stream ends.
func (s *sse) read(ctx context.Context, from uint64, records chan<- eventstore.Record) {
	defer close(records)
	for rec, err := range s.q.api.config.Store.SubscribeStream(ctx, commands.Stream(s.q.portfolio()), from) {
		if err != nil {
			return // the reader resumes after the last event it has
		}
		if !s.ahead.add(ctx, len(rec.Data)+len(rec.Metadata)) {
			return
		}
		select {
		case records <- rec:
		case <-ctx.Done():
			return
		}
	}
}

// write sends what arrives, and a heartbeat if nothing does. The stream ends when
// the key is revoked, the reader disconnects, or the server stops.
func (s *sse) write(ctx context.Context, records <-chan eventstore.Record, changed <-chan struct{}) {
	beat, soon := time.NewTicker(heartbeat), time.NewTimer(heartbeat)
	defer beat.Stop()
	soon.Stop()
	defer soon.Stop()
	for {
		var err error
		select {
		case rec, ok := <-records:
			if !ok {
				return
			}
			if err = s.valid(); err == nil {
				err = s.deal(ctx, &rec)
			}
			s.ahead.sent(len(rec.Data) + len(rec.Metadata))
		case <-changed:
			changed = s.q.api.engine.PendingChanged()
			soon.Reset(tellPendingAfter)
		case <-soon.C:
			if err = s.valid(); err == nil {
				err = s.pending()
			}
		case <-beat.C:
			if err = s.valid(); err == nil {
				err = s.beat()
			}
		}
		if err != nil {
			return
		}
	}
}

// pending sends the stops that are in force and not recorded yet. Such a message
// has no id; the stop is sent again with its revision once it is recorded.
func (s *sse) pending() error {
	told, revision := s.q.pendingDirectives()
	now := map[string]bool{}
	for _, d := range told {
		for _, bot := range d.Bots {
			now[bot] = true
		}
		if slices.ContainsFunc(d.Bots, func(bot string) bool { return !s.told[bot] }) {
			if err := s.message("directive", "", directiveMessage{revision, d}); err != nil {
				return err
			}
		}
	}
	s.told = now
	return nil
}

// deal sends what a reader sees of a record, and advances the replay if the
// record belongs to it.
func (s *sse) deal(ctx context.Context, rec *eventstore.Record) error {
	before := s.bytes
	if err := s.record(ctx, *rec); err != nil {
		return err
	}
	s.at = rec.Revision
	if s.past == nil {
		return nil
	}
	over, err := s.past.passed(ctx, rec, s.bytes-before)
	if over || err != nil {
		s.past = nil
		err = errors.Join(err, s.beat())
	}
	return err
}

// beat sends a sign of life with the current revision, so that a reader whose
// filter passes little does not start again from an old one.
func (s *sse) beat() error {
	if s.at == s.shown {
		return s.send(": alive\n\n")
	}
	s.shown = s.at
	return s.send(fmt.Sprintf("id: %d\n: alive\n\n", s.at))
}

// valid checks that the key is still valid: a stream must not outlive it.
func (s *sse) valid() error { return s.q.entitled() }

// hello sends where the stream begins and the current directives, so that a bot
// that missed a stop learns of it.
func (s *sse) hello(from uint64) error {
	var standing []commands.Directive
	pending := s.q.api.engine.Pending(s.q.portfolio()) // read before the state, so that one recorded meanwhile is in the state
	err := s.q.api.showState(s.q.r.Context(), s.q.portfolio(), moment{}, func(st *portfolio.State, _ riders) error {
		standing = s.q.standing(st, pending)
		return nil
	})
	if err != nil {
		return err
	}
	s.told = map[string]bool{}
	for _, d := range standing {
		for _, bot := range d.Bots {
			s.told[bot] = d.Pending
		}
	}
	return s.message("hello", "", hello{s.q.portfolio(), int64(from) - 1, standing}) //nolint:gosec // revisions stay far below 2^63
}

// record sends what a reader sees of a record: the event, and the directives for
// bots. Only the last message has the id, so a reader that is cut off in between
// gets all of them again.
func (s *sse) record(ctx context.Context, rec eventstore.Record) error {
	shown, err := s.filter.show(ctx, rec)
	if err != nil {
		return err
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return err
	}
	told, err := s.filter.ownOrders(ctx, s.q.directed(commands.DirectivesOf(e)))
	if err != nil {
		return err // the reader resumes before this record, and is told then
	}
	id := strconv.FormatUint(rec.Revision, 10)
	for i, event := range shown {
		if err := s.message("event", idIf(len(told) == 0 && i == len(shown)-1, id), event); err != nil {
			return err
		}
	}
	for i, d := range told {
		if err := s.message("directive", idIf(i == len(told)-1, id), directiveMessage{rec.Revision, d}); err != nil {
			return err
		}
	}
	return nil
}

func idIf(last bool, id string) string {
	if !last {
		return ""
	}
	return id
}

func (s *sse) message(name, id string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if id != "" {
		s.shown, _ = strconv.ParseUint(id, 10, 64) // it is a revision
		id = "id: " + id + "\n"
	}
	return s.send(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, name, data))
}

// send writes one message and flushes it. A reader who does not accept it in time
// is disconnected, and resumes.
func (s *sse) send(text string) error {
	n, err := s.q.w.Write([]byte(text))
	s.bytes += int64(n)
	s.q.api.budgets.spend(s.q.key.id, int64(n), s.q.api.now())
	if err != nil {
		return err
	}
	return s.out.Flush()
}

// directed keeps the directives for the caller: a bot's own, or all for others.
func (q *request) directed(all []commands.Directive) []commands.Directive {
	if q.key.caller.Role != domain.RoleBot {
		return all
	}
	own := []commands.Directive{}
	for _, d := range all {
		for _, bot := range d.Bots {
			if bot == q.key.caller.Bot {
				d.Bots = []string{bot}
				own = append(own, d)
			}
		}
	}
	return own
}

// told keeps the directives of an answer for the caller, as the stream does: a bot is told
// nothing of other bots, nor of their orders. Where it cannot be read whose they are, it is told of
// none; the command is done all the same.
func (q *request) told(all []commands.Directive) []commands.Directive {
	own := q.directed(all)
	if !slices.ContainsFunc(own, func(d commands.Directive) bool { return len(d.Permits) > 0 }) {
		return own
	}
	orders, err := q.filter("").ownOrders(q.r.Context(), own)
	if err != nil {
		return keepOrders(own, func(string) bool { return false })
	}
	return orders
}

// keepOrders drops the orders that are not the reader's, and what says nothing but to cancel them.
func keepOrders(told []commands.Directive, own func(permit string) bool) []commands.Directive {
	kept := []commands.Directive{}
	for _, d := range told {
		if d.Permits != nil {
			d.Permits = slices.DeleteFunc(slices.Clone(d.Permits), func(permit string) bool { return !own(permit) })
		}
		if d.Action != commands.ActionCancelOrders || len(d.Permits) > 0 {
			kept = append(kept, d)
		}
	}
	return kept
}

// stream exchanges the place of a request for one of an event stream, so that it
// does not count as a request for hours.
func (q *request) stream() error {
	if err := q.api.streams.take(q.key, commands.ClassOther); err != nil {
		return err
	}
	q.conn().hold()
	q.leave()
	if rec, ok := q.w.(*recorder); ok {
		rec.most = 0
	}
	return nil
}

func (q *request) endStream() {
	q.conn().release()
	q.api.streams.release(q.key)
}
