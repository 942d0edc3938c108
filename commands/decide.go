package commands

import (
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// An append is closed once it has fullBytes or fullRecords, or half of what the store
// accepts if that is less. One command may then add as much as the store still accepts. Most
// commands have only a few records, but a void corrects every trade that came after its
// fill, and cannot be split.
const (
	fullBytes   = 512 << 10
	fullRecords = 5_000
	// maxLaterFills limits how many later fills a void may examine. That takes up to 0.2 s,
	// during which all other callers wait.
	maxLaterFills = 12_000
)

// fullAt returns what closes an append to a store with such limits.
func fullAt(limits eventstore.Limits) eventstore.Limits {
	return eventstore.Limits{Bytes: min(fullBytes, limits.Bytes/2), Records: min(fullRecords, limits.Records/2)}
}

// roomOf returns what one command may record in a store with such limits.
func roomOf(limits eventstore.Limits) portfolio.Room {
	full := fullAt(limits)
	return portfolio.Room{Records: limits.Records - full.Records, Bytes: limits.Bytes - full.Bytes, Fills: maxLaterFills}
}

// step is one request on its way to its result.
type step struct {
	job *job
	i   int

	// The decision; every attempt decides again. One of events, known and err is set.
	command uuid.UUID
	events  []domain.Event      // accepted: their records are in the group
	known   *acceptedCommand    // accepted before
	err     error               // refused
	judged  bool                // decided against the state, so void if the group fails
	records []eventstore.Record // of events, once they are durable
	// later: its answer is built by its caller. finished: it has its result, or will have it
	// from its caller.
	later, finished bool
	// sent: an attempt included it in an append, so the stream may hold our own records.
	sent     bool
	attempts int // that were overtaken
	// behind is by how much the wall clock was behind the last record when it was decided.
	behind time.Duration
	// began is when its decision began, took how long the decision took.
	began, took time.Duration
}

func (s *step) request() *Request { return &s.job.requests[s.i] }

// group is the content of one append: steps, and the records of the accepted ones.
type group struct {
	steps    []*step
	proposed []eventstore.Proposed
	bytes    int
	records  []eventstore.Record // proposed, once they are durable
	// unreadable: the stream could not be folded, so nothing is decided.
	unreadable error
	// stops: it includes stops. others counts its other commands. again: some of them were
	// decided before.
	stops, again bool
	others       int
	// first is the revision of the first record. began is when the group began, on the
	// monotonic clock.
	first uint64
	began time.Duration
	// heavy: a step took long. The group ends with it, so that those before it do not wait
	// for more.
	heavy bool
	// spoiled: a step was refused after it had changed the state, and there is no spare.
	// The group ends with it, and the state is discarded.
	spoiled bool
}

func (g *group) full(at eventstore.Limits) bool {
	return g.spoiled || g.heavy || g.bytes >= at.Bytes || len(g.proposed) >= at.Records
}

// refuses reports whether any refusal is based on the state.
func (g *group) refuses() bool {
	for _, s := range g.steps {
		if s.judged && s.err != nil {
			return true
		}
	}
	return false
}

// decide decides one step. A panic becomes a refusal with a [Defect], and the state,
// which it may have changed, is replaced.
func (w *Writer) decide(g *group, s *step) {
	*s = step{job: s.job, i: s.i, sent: s.sent, attempts: s.attempts}
	if s.job.failed > s.i { // by an attempt that was overtaken
		s.job.failed = 0
	}
	records, bytes := len(g.proposed), g.bytes
	defer func() {
		if p := recover(); p != nil {
			s.err = &Defect{Value: p, Stack: debug.Stack()}
			g.spoiled = true
			g.proposed, g.bytes = g.proposed[:records], bytes // nothing of it is recorded
		}
		if g.spoiled {
			w.undo(g)
		}
		if s.judged {
			s.took = w.options.elapsed() - s.began
		}
		if s.err != nil {
			s.job.failAt(s.i)
		}
	}()
	switch {
	case s.job.failed > 0 && !s.job.each:
		s.err = ErrNotTried
	case s.job.ctx.Err() != nil:
		s.err = s.job.ctx.Err()
	default:
		s.err = w.answerOne(g, s)
	}
}

// Defect is a panic during a decision. Nothing of the command was recorded. Value and
// stack are for the log, not for the caller.
type Defect struct {
	Value any
	Stack []byte
}

func (e *Defect) Error() string {
	return "internal: a defect was found while deciding; nothing was recorded"
}

// answerOne decides one request against the state. It checks, in this order: may the caller
// send it, was it accepted before, does this stream accept it, what time is it, and what
// does the domain say.
func (w *Writer) answerOne(g *group, s *step) error {
	r := s.request()
	if err := CheckRequest(r); err != nil {
		return err
	}
	id := &s.job.ids[s.i]
	switch {
	case id.err != nil:
		return id.err
	case w.options.StopsOnly && ClassOf(r.Command) != ClassStop:
		return errStopsOnly
	}
	if g.unreadable == nil {
		g.unreadable = w.load()
	}
	if g.unreadable != nil {
		return g.unreadable
	}
	s.judged, s.began = true, w.options.elapsed()
	if len(g.proposed) == 0 {
		g.first = w.durable
	}
	if w.past != nil {
		w.past.begin(id.ahead)
	}
	command, known, found, err := w.accepted.recorded(w.subject, r, id)
	if err != nil {
		return err
	}
	if found {
		accepted := known
		s.command, s.known = command, &accepted
		w.recallJump(s.command, known)
		return nil
	}
	s.command = id.command
	if w.poisoned != nil {
		return asUnavailable(w.poisoned)
	}
	if err := w.state.admissible(r); err != nil {
		return err
	}
	if err := w.checkHold(r.Command); err != nil {
		return err
	}
	if w.options.overtaken != nil && r.Command.spec().GoesOn {
		if err := w.options.overtaken(about(r.Command), r.Seen); err != nil {
			return err
		}
	}
	if err := w.options.scarce(ClassOf(r.Command)); err != nil {
		return err
	}
	now, behind, err := w.clock(r)
	if err != nil {
		return err
	}
	s.behind = behind
	return w.record(g, s, id.hash, now)
}

// errStopsOnly refuses what would need the past.
var errStopsOnly = domain.Errorf(domain.CodeUnavailable, "only stops are taken here: what is already recorded is not looked up for them, and nothing else may be decided without it")

// recallJump checks whether a command that tried to record a jump of the clock did
// record it. Its records may be those of another server, which saw no jump.
func (w *Writer) recallJump(command uuid.UUID, known acceptedCommand) {
	if !w.jump.tried(command) {
		return
	}
	records, err := w.read(known.first, 1)
	if err == nil && records[0].ID == recordID(w.subject, command, w.options.Instance, 0) {
		w.jump.cameThrough()
	}
}

// checkHold refuses a command that could let a bot trade, or release a signature, while a stop
// is in force but not recorded yet. Other commands do not wait for that stop.
func (w *Writer) checkHold(c Command) error {
	if w.options.Hold == nil || !c.spec().waitsForStops {
		return nil
	}
	bot := about(c)
	if order, is := as[SignOrder](c); is {
		bot = w.state.botOf(order.Permit)
	}
	return w.options.Hold(bot)
}

// Takes returns an error if no command of a class is accepted now.
func (e *Engine) Takes(class Class) error { return e.options.scarce(class) }

// scarce refuses a command if the disk has too little space left for its class. The last
// of the space is reserved for stops, and some more for facts and stops.
func (o *Options) scarce(class Class) error {
	if o.Scarce == nil || class == ClassStop {
		return nil
	}
	err := o.Scarce(class)
	if err == nil {
		return nil
	}
	message := "the disk of the store is nearly full: only stops and facts (fills, settlements, marks, deposits, withdrawals, releases) are accepted; free some space, and send this again"
	if o.Scarce(ClassFact) != nil {
		message = "the disk of the store is almost full: only stops are accepted; keep this command, free some space, and send it again with the same Idempotency-Key"
	}
	return &domain.Error{Code: domain.CodeUnavailable, Message: message, Cause: err, After: domain.Lasting}
}

// clock returns the record time of a request. For an import that is the row's time,
// otherwise the wall clock's, or the time of the last record if the wall clock is behind
// it. behind says by how much, if that is more than 2 s.
func (w *Writer) clock(r *Request) (now time.Time, behind time.Duration, err error) {
	_, last := w.state.head()
	if r.Import != nil {
		at := r.Import.At.UTC()
		if at.Before(last) {
			return at, 0, domain.Errorf(domain.CodeClock, "the row's time %s lies before the portfolio's last record at %s; history is only appended to, so import older files first, or into a new portfolio",
				at.Format(time.RFC3339Nano), last.Format(time.RFC3339Nano))
		}
		return at, 0, nil
	}
	if w.state.imported() {
		return last, 0, nil // a reset of an imported portfolio belongs where its history ends
	}
	wall := w.options.Now()
	w.jump.compare(wall)
	now, behind = w.state.clock(wall)
	w.still.readClocks(wall, behind)
	return now, behind, nil
}

// record lets the domain decide, and adds the records to the group.
func (w *Writer) record(g *group, s *step, hash requestDigest, now time.Time) error {
	first, _ := w.state.head()
	by := w.jump.pending()
	at, err := w.circumstances(s.request(), now, by)
	if err != nil {
		return err
	}
	at.still = w.still.standing()
	if at.room, err = w.room(s); err != nil {
		return err
	}
	late := by.By != 0 || w.state.clocksEnd(at) || w.state.strained()
	if late || w.wantSpare && w.spare == nil {
		w.arm(g)
	}
	events, dirty, err := w.state.decide(at, s.request())
	if err == nil {
		dirty = true
		err = w.encode(g, s, events, now)
	}
	if err != nil {
		g.spoiled = dirty
		if errors.Is(err, portfolio.ErrUnbalanced) {
			w.notSound("the postings of a command did not sum to zero: " + s.request().Command.spec().Name)
		}
		return err
	}
	w.accepted.young[s.command] = acceptedCommand{first: first, count: uint32(len(events)), hash: hash} //nolint:gosec // bounded by encode
	s.events, s.sent = events, true
	w.jump.recorded(by, s.command)
	w.still.recorded(events, now)
	return nil
}

// circumstances collects what a decision needs besides the state and the command.
func (w *Writer) circumstances(r *Request, now time.Time, jumped portfolio.Jump) (circumstances, error) {
	c := circumstances{now: now, jumped: jumped, settledKept: w.options.SettledKept}
	spec := r.Command.spec()
	if w.options.Living == nil || spec.confirms == nil && !spec.approvers {
		return c, nil
	}
	var acts []uint64
	if spec.confirms != nil {
		acts = w.state.acts(spec.confirms(r.Command))
	}
	var err error
	c.keyholders, err = w.options.Living(w.stream, acts)
	return c, err
}

// room returns the limit on what a void may record, so that the domain can refuse it
// before any event is emitted.
func (w *Writer) room(s *step) (portfolio.Room, error) {
	if s.request().Command.spec() != voidFill {
		return portfolio.Room{}, nil
	}
	meta, err := w.metadata(s)
	if err != nil {
		return portfolio.Room{}, err
	}
	beside := eventstore.Proposed{Metadata: meta}
	most := w.options.most
	most.Each = beside.Size()
	return most, nil
}

// encode adds the records of one command to the group. They must fit one append.
func (w *Writer) encode(g *group, s *step, events []domain.Event, now time.Time) error {
	meta, err := w.metadata(s)
	if err != nil {
		return err
	}
	before, size := len(g.proposed), 0
	for i, e := range events {
		data, err := domain.Encode(e)
		if err != nil {
			g.proposed = g.proposed[:before]
			return err
		}
		g.proposed = append(g.proposed, eventstore.Proposed{
			ID: recordID(w.subject, s.command, w.options.Instance, i), Type: e.EventType(), Time: now, Metadata: meta, Data: data,
		})
		size += g.proposed[before+i].Size()
	}
	if err := w.fits(g.proposed[before:], size); err != nil {
		g.proposed = g.proposed[:before]
		return err
	}
	g.bytes += size
	return nil
}

// fits refuses the records of a command that are too many or too large, or that the store never
// accepts: they would make the other commands of the group fail.
func (w *Writer) fits(records []eventstore.Proposed, size int) error {
	if size > w.options.most.Bytes || len(records) > w.options.most.Records {
		return domain.Errorf(domain.CodeTooLarge, "the command would record %d events of %d bytes, and one command may record %d events of %d bytes in all; split it, or send less at once. Nothing was recorded", len(records), size, w.options.most.Records, w.options.most.Bytes)
	}
	if err := w.limits.Check(w.stream, eventstore.NoStream, records); err != nil {
		var invalid *eventstore.Invalid
		if errors.As(err, &invalid) {
			return &domain.Error{Code: domain.CodeInvalid, Message: "the store cannot hold this", Cause: err}
		}
		return fmt.Errorf("commands: %w", err)
	}
	return nil
}

// metadata returns what is stored beside the events of a command. Its caller has encoded it,
// except what depends on the clock and on the state.
func (w *Writer) metadata(s *step) ([]byte, error) {
	r, id := s.request(), &s.job.ids[s.i]
	imported := r.Import != nil || w.state.imported()
	if !imported && s.behind == 0 && id.metadata != nil {
		return id.metadata, nil
	}
	m := metadataOf(r, id)
	if imported {
		at := w.options.Now().UTC().Truncate(time.Second)
		m.ImportedAt = &at
	}
	if r.Import != nil {
		m.Source = r.Import.Source
	}
	m.ClockBehind = domain.Duration(s.behind)
	return domain.EncodeMetadata(m)
}

// metadataOf returns what a request says beside its events.
func metadataOf(r *Request, id *identity) domain.Metadata {
	return domain.Metadata{
		Actor: r.Caller.User, Role: r.Caller.Role, Bot: r.Caller.Bot,
		Command: r.Command.spec().Name, CommandID: id.command.String(), RequestHash: hex.EncodeToString(id.hash[:]),
	}
}
