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

// An append is closed once it has fullBytes or fullRecords. One command may add all that
// the store takes beyond that: nearly none has more than a few records, but a void corrects
// every trade that came after its fill, and cannot be split.
const (
	fullBytes   = 512 << 10
	fullRecords = 5_000

	maxCommandBytes   = eventstore.MaxAppendBytes - fullBytes
	maxCommandRecords = eventstore.MaxAppendRecords - fullRecords
	// maxLaterFills bounds what a void looks at: it takes some 0.1 s, for which everybody waits.
	maxLaterFills = 24_000
)

// step is one request on its way to its result.
type step struct {
	job *job
	i   int

	// What was decided; every attempt decides anew. One of events, known and err
	// is set.
	command uuid.UUID
	events  []domain.Event      // accepted: their records are in the group
	known   *indexEntry         // accepted before
	err     error               // refused
	judged  bool                // decided against the state, so as good as the group
	records []eventstore.Record // of events, once they are durable
	// sent, by any attempt: what is found in the stream may be our own.
	sent     bool
	attempts int // that were overtaken
	// behind is by how much the wall clock was behind the last record when it was decided.
	behind time.Duration
	// began is when it was to be decided, took how long that did, accepted or not.
	began, took time.Duration
}

func (s *step) request() *Request { return &s.job.requests[s.i] }

// group is what one append takes: steps, and the records of those accepted.
type group struct {
	steps    []*step
	proposed []eventstore.Proposed
	bytes    int
	records  []eventstore.Record // proposed, once they are durable
	// unreadable: the stream could not be folded, so nothing is decided.
	unreadable error
	// stops: it has stops; others counts the commands that are none of those that go
	// first; again: some of them were decided before.
	stops, again bool
	others       int
	// first is the revision of the first record; began is when the group was, by a clock
	// that goes on.
	first uint64
	began time.Duration
	// heavy: a step took long. The group ends with it: those before it wait for no other.
	heavy bool
	// spoiled: a step was refused after it had changed the state, and there is no spare.
	// The group ends with it, and the state is thrown away.
	spoiled bool
}

func (g *group) full() bool {
	return g.spoiled || g.heavy || g.bytes >= fullBytes || len(g.proposed) >= fullRecords
}

// refuses reports whether any refusal rests on the state.
func (g *group) refuses() bool {
	for _, s := range g.steps {
		if s.judged && s.err != nil {
			return true
		}
	}
	return false
}

// decide decides one step. A defect that panics is refused like any other
// request that cannot be decided: the state it may have touched is thrown away.
func (w *Writer) decide(g *group, s *step) {
	*s = step{job: s.job, i: s.i, sent: s.sent, attempts: s.attempts}
	if s.job.failed > s.i { // by an attempt that was overtaken
		s.job.failed = 0
	}
	defer func() {
		if p := recover(); p != nil {
			s.err = &Defect{Value: p, Stack: debug.Stack()}
			g.spoiled = true
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
		s.err = w.judge(g, s)
	}
}

// Defect is a panic while deciding. Nothing of the command was recorded. Value
// and stack are for the log, not for the caller.
type Defect struct {
	Value any
	Stack []byte
}

func (e *Defect) Error() string {
	return "internal: a defect was found while deciding; nothing was recorded"
}

// judge holds one request against the state, in this order: may it be sent at
// all, was it accepted before, may this portfolio take it, what time is it, what
// does the domain say.
func (w *Writer) judge(g *group, s *step) error {
	r := s.request()
	if err := check(r); err != nil {
		return err
	}
	body, err := canonical(r)
	if err != nil {
		return err
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
	command, known, found, err := w.index.recorded(w.subject, r, body)
	if err != nil {
		return err
	}
	if found {
		s.command, s.known = command, &known
		w.recallJump(s.command, known)
		return nil
	}
	s.command = commandID(r.scope(), r.Key)
	if w.poisoned != nil {
		return asUnavailable(w.poisoned)
	}
	if err := w.state.admissible(r); err != nil {
		return err
	}
	if err := w.held(r.Command); err != nil {
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
	return w.record(g, s, requestHash(r.scope(), w.subject, r, body), now)
}

// recallJump looks whether a command that tried to record a jump did: its records may
// be another server's, which saw none.
func (w *Writer) recallJump(command uuid.UUID, known indexEntry) {
	if !w.jump.tried(command) {
		return
	}
	records, err := w.read(known.first, 1)
	if err == nil && records[0].ID == recordID(w.subject, command, w.options.Instance, 0) {
		w.jump.cameThrough()
	}
}

func check(r *Request) error {
	if r.Command == nil {
		return domain.Invalid("command", "is missing")
	}
	if r.Key == "" || len(r.Key) > MaxKeyBytes {
		return domain.Invalid("Idempotency-Key", "is required and has at most %d bytes; keep one UUID per command", MaxKeyBytes)
	}
	if r.Entitled != nil {
		if err := r.Entitled(); err != nil {
			return err
		}
	}
	return authorise(r)
}

// held asks whether a command that could let a bot trade, or a signature out, may be
// decided at all.
// Nothing else waits for a stop that is not recorded yet: it could only be made
// harder to record by it.
func (w *Writer) held(c Command) error {
	if w.options.Hold == nil || !c.spec().held {
		return nil
	}
	bot := about(c)
	if order, is := as[SignOrder](c); is {
		bot = w.state.botOf(order.Permit)
	}
	return w.options.Hold(bot)
}

// Takes says why no command of a class is taken now, whatever it asks.
func (e *Engine) Takes(class Class) error { return e.options.scarce(class) }

// scarce refuses what is not a stop while the disk has too little space left for its
// class: what is left is kept for facts, and the last of it for stops.
func (o *Options) scarce(class Class) error {
	if o.Scarce == nil || class == ClassStop {
		return nil
	}
	err := o.Scarce(class)
	if err == nil {
		return nil
	}
	message := "the disk of the store is nearly full: only stops are taken, and what has already happened (fills, settlements, marks, deposits, withdrawals, releases); free some space, and this is taken again"
	if o.Scarce(ClassFact) != nil {
		message = "the disk of the store is as good as full: what is left is for stops; keep this, free some space, and send it again with the same Idempotency-Key"
	}
	return &domain.Error{Code: domain.CodeUnavailable, Message: message, Cause: err, After: domain.Lasting}
}

// clock gives the record time of a request: the row's for an import, otherwise ours, and
// that of the last record when ours is behind it: behind says by how much, where it is
// more than 2 s.
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
	w.jump.look(wall)
	now, behind = w.state.clock(wall)
	w.still.look(wall, behind)
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
	if at.room, err = w.room(s, hash); err != nil {
		return err
	}
	late := by.By != 0 || w.state.clocksEnd(at) || w.state.strained()
	if late || w.wantSpare && w.spare == nil {
		w.arm(g)
	}
	events, dirty, err := w.state.decide(at, s.request())
	var records []eventstore.Proposed
	size := 0
	if err == nil {
		dirty = true
		records, size, err = w.encode(s, events, hash, now)
	}
	if err != nil {
		g.spoiled = dirty
		if errors.Is(err, portfolio.ErrUnbalanced) {
			w.notSound("the postings of a command did not sum to zero: " + s.request().Command.spec().Name)
		}
		return err
	}
	g.proposed = append(g.proposed, records...)
	g.bytes += size
	w.index[s.command] = indexEntry{first: first, count: uint32(len(records)), hash: hash} //nolint:gosec // bounded by encode
	s.events, s.sent = events, true
	w.jump.recorded(by, s.command)
	w.still.recorded(events, now)
	return nil
}

// circumstances gathers what a command is decided on.
func (w *Writer) circumstances(r *Request, now time.Time, jumped portfolio.Jump) (circumstances, error) {
	c := circumstances{now: now, jumped: jumped}
	confirms := r.Command.spec().confirms
	if w.options.Living == nil || confirms == nil {
		return c, nil
	}
	var err error
	c.keyholders, err = w.options.Living(w.stream, asked(confirms(r.Command)))
	return c, err
}

// room is what a command may record of which that is known before anything is emitted.
func (w *Writer) room(s *step, hash requestDigest) (portfolio.Room, error) {
	if s.request().Command.spec() != voidFill {
		return portfolio.Room{}, nil
	}
	meta, err := encodeJSON(w.metadata(s, hash))
	if err != nil {
		return portfolio.Room{}, err
	}
	beside := eventstore.Proposed{Metadata: meta}
	most := w.options.most
	most.Each = beside.Size()
	return most, nil
}

// encode makes the records of one command, which have to fit one append.
func (w *Writer) encode(s *step, events []domain.Event, hash requestDigest, now time.Time) ([]eventstore.Proposed, int, error) {
	meta, err := encodeJSON(w.metadata(s, hash))
	if err != nil {
		return nil, 0, err
	}
	records, size := make([]eventstore.Proposed, len(events)), 0
	for i, e := range events {
		data, err := domain.Encode(e)
		if err != nil {
			return nil, 0, err
		}
		records[i] = eventstore.Proposed{
			ID: recordID(w.subject, s.command, w.options.Instance, i), Type: e.EventType(), Time: now, Metadata: meta, Data: data,
		}
		size += records[i].Size()
	}
	if size > w.options.most.Bytes || len(records) > w.options.most.Records {
		return nil, 0, domain.Errorf(domain.CodeTooLarge, "the command would record %d events of %d bytes; split it", len(records), size)
	}
	// What the store can never take would otherwise fail everything beside it.
	if err := eventstore.Check(w.stream, eventstore.NoStream, records); err != nil {
		var invalid *eventstore.Invalid
		if errors.As(err, &invalid) {
			return nil, 0, &domain.Error{Code: domain.CodeInvalid, Message: "the store cannot hold this", Cause: err}
		}
		return nil, 0, fmt.Errorf("commands: %w", err)
	}
	return records, size, nil
}

func (w *Writer) metadata(s *step, hash requestDigest) domain.Metadata {
	r := s.request()
	m := domain.Metadata{
		Actor: r.Caller.User, Role: r.Caller.Role, Bot: r.Caller.Bot,
		Command: r.Command.spec().Name, CommandID: s.command.String(), RequestHash: hex.EncodeToString(hash[:]),
	}
	if r.Import != nil || w.state.imported() {
		at := w.options.Now().UTC().Truncate(time.Second)
		m.ImportedAt = &at
	}
	if r.Import != nil {
		m.Source = r.Import.Source
	}
	m.ClockBehind = domain.Duration(s.behind)
	return m
}
