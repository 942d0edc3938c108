package commands

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/eventstore"
)

// load folds the stream if it is not folded: from the newest checkpoint, then record by
// record. It serves start-up, the restart after a failure, and
// catching up after a conflict. It runs in the writer's context, because the deadline of
// the first caller could prevent a long history from ever being loaded.
func (w *Writer) load() error {
	if w.state != nil {
		return nil
	}
	state, commands, from, began, err := w.restore()
	if err != nil {
		return err
	}
	next, told, until := from, time.Now(), w.bound()
	var decoder domain.Decoder // of the goroutine that reads
	decode := func(rec *eventstore.Record) (decoded, error) { return decodeRecord(&decoder, rec) }
	err = eventstore.WalkAhead(w.ctx, w.store, w.stream, from, decode, func(rec decoded) error {
		if next = rec.at.Revision + 1; next%foldingStep == 0 {
			if w.past != nil {
				known := w.options.History.Indexed(w.stream)
				commands.indexed(known, rec.at.Revision)
				state.indexed(known)
			}
			if time.Since(told) >= foldingEvery {
				told = time.Now()
				w.folding(next)
			}
		}
		err := rec.fold(state, commands)
		if err == nil && w.options.StopsOnly && next%foldingStep == 0 { // it asks for none of them
			commands = newAccepted(nil, next)
			commands.before = rec.cause.command
		}
		if err == nil && until > 0 && next >= until {
			return errReached
		}
		return err
	})
	if err != nil && !errors.Is(err, errReached) {
		return unreadable(err)
	}
	known := w.durable
	w.state, w.accepted, w.durable, w.origin = state, commands, next, began
	if !w.options.StopsOnly { // it reads how permits were granted, which a stop revokes
		if err := w.takeOver(known, w.one); err != nil {
			return err
		}
	}
	w.folded.Store(true)
	w.checkBooks()
	w.askAhead()
	w.noteTime()
	w.timed.Store(true)
	return nil
}

// errReached ends a read that has come as far as it has to.
var errReached = errors.New("the read has come as far as it has to")

// bound returns where a read may end: the revision after the last record that is there now, or
// 0 if that is unknown, and the read ends where it finds no more. Where other servers append
// faster than one answer of the store takes, the latter never comes.
func (w *Writer) bound() uint64 {
	head, err := w.store.Head(w.ctx, w.stream)
	if err != nil {
		return 0 // the read says what is wrong
	}
	return head + 1
}

// A fold that takes longer than foldingEvery reports its progress, at most once per
// foldingStep records.
const (
	foldingEvery = 3 * time.Second
	foldingStep  = 4096
)

func (w *Writer) folding(at uint64) {
	if w.options.Folding == nil {
		return
	}
	head, err := w.store.Head(w.ctx, w.stream)
	if err != nil {
		return // the fold reports the error
	}
	w.options.Folding(w.stream, at, head+1)
}

// restore returns the state of the newest checkpoint, or an empty one, and what is known of
// commands before its end. Neither holds what is past: without a History the stream is folded
// from its first record, unless only stops are decided.
func (w *Writer) restore() (state stateFold, commands *accepted, next uint64, from origin, err error) {
	state = w.blank()
	if w.options.StopsOnly {
		commands, next, from = w.restoreForStops(state)
		return state, commands, next, from, nil
	}
	if w.past == nil {
		return state, newAccepted(nil, 0), 0, origin{}, nil
	}
	if s := w.options.Checkpoints; s != nil {
		next, from = w.restoreState(s, state, ^uint64(0))
	}
	if err := w.options.History.Await(w.ctx, w.stream, next); err != nil {
		return nil, nil, 0, origin{}, notIndexed(err)
	}
	commands = newAccepted(w.past, next)
	if next > 0 {
		if commands.before, err = w.commandAt(next - 1); err != nil {
			return nil, nil, 0, origin{}, err
		}
	}
	state.lookUp(w.past)
	return state, commands, next, from, nil
}

// restoreForStops restores the newest checkpoint and forgets the past. No stop asks it. Which
// commands were accepted before the checkpoint is not known either: a stop that is among them is
// recorded again. That is harmless, for it stops what is stopped, or what was let go on since,
// which a person can let go on again; to overlook a stop would not be.
func (w *Writer) restoreForStops(state stateFold) (commands *accepted, next uint64, from origin) {
	if head, err := w.store.Head(w.ctx, w.stream); err == nil && w.options.Checkpoints != nil {
		next, from = w.restoreState(w.options.Checkpoints, state, head)
	}
	state.forget()
	commands = newAccepted(nil, next)
	if next > 0 {
		commands.before, _ = w.commandAt(next - 1) // a record that cannot be read must not keep the stop
	}
	return commands, next, from
}

// restoreState restores the newest checkpoint that can be used, of a revision or before.
func (w *Writer) restoreState(s Checkpoints, state stateFold, atMost uint64) (next uint64, from origin) {
	for range maxCheckpoints {
		at, b := s.Load(CheckpointState, w.stream, atMost)
		if b == nil {
			break
		}
		if state.restore(b, at+1) {
			return at + 1, origin{at + 1, sha256.Sum256(b)}
		}
		if at == 0 {
			break
		}
		atMost = at - 1
	}
	return 0, origin{}
}

// commandAt returns the command of a record.
func (w *Writer) commandAt(revision uint64) (uuid.UUID, error) {
	rec, err := eventstore.One(w.ctx, w.store, w.stream, revision)
	if err != nil {
		return uuid.Nil, unreadable(err)
	}
	id, err := commandOf(&rec)
	if err != nil {
		return uuid.Nil, unreadable(err)
	}
	return id, nil
}

func commandOf(rec *eventstore.Record) (uuid.UUID, error) {
	m, err := domain.DecodeMetadata(rec.Metadata)
	if err != nil {
		return uuid.Nil, err
	}
	return uuid.Parse(m.CommandID)
}

func unreadable(err error) error {
	return &domain.Error{Code: domain.CodeUnavailable, Message: "the history cannot be read; nothing is decided", Cause: err}
}

// forget drops from memory what is durable and can be looked up. A command that was looked up
// before that is looked up again when it is decided.
func (w *Writer) forget() {
	if w.past == nil || w.state == nil {
		return
	}
	known := w.options.History.Indexed(w.stream)
	next, _ := w.state.head()
	w.accepted.indexed(known, next)
	w.state.indexed(known)
	if w.spare != nil {
		w.spare.indexed(known)
	}
}

// maxCheckpoints limits the search for a checkpoint.
const maxCheckpoints = 4

// A command that is refused after it has changed the state leaves a state that nothing can
// be decided against. Folding a long stream again takes seconds, and every command would
// have to wait, stops included: a caller that sends such commands repeatedly could prevent
// a portfolio from being stopped. So a writer that has seen one, or may see one, keeps a
// spare: a second state to which only accepted events are applied. The spoiled state is
// replaced by a copy of the spare, without reading the stream. So is one whose group another
// server has overtaken. The spare takes as much memory as the state, and is dropped when it was
// not needed for a long time.

// arm makes the spare before a command that may be refused late is decided.
func (w *Writer) arm(g *group) {
	w.spareUsed = w.durable
	if w.spare == nil {
		w.spare = w.state.clone()
	}
	_ = w.learn(g) // if that fails there is no spare
}

// undo replaces the state that a refused command has spoiled. Without a spare the group
// ends and the stream is folded again; from then on there is a spare.
func (w *Writer) undo(g *group) {
	w.wantSpare = true
	if w.spare == nil || w.learn(g) != nil {
		return
	}
	if state := w.spare.clone(); state != nil {
		w.state, w.spareUsed, g.spoiled = state, w.durable, false
	}
}

var errBehind = errors.New("the spare lacks records from before the group")

// learn applies the records that the current group will append to the spare. It decodes
// them as a restart would.
func (w *Writer) learn(g *group) error {
	if w.spare == nil {
		return nil
	}
	at, _ := w.spare.head()
	if at < g.first {
		w.spare = nil
		return errBehind
	}
	for ; at < g.first+uint64(len(g.proposed)); at++ {
		p := &g.proposed[at-g.first]
		e, err := domain.Decode(p.Type, p.Data)
		if err != nil {
			w.spare = nil
			return err
		}
		w.spare.apply(domain.Stamp{Revision: at, Time: p.Time}, e)
	}
	return nil
}

// armBefore makes the spare before a group is decided, once one was needed.
func (w *Writer) armBefore() {
	if w.wantSpare && w.spare == nil && w.state != nil {
		w.spare, w.spareUsed = w.state.clone(), w.durable
	}
}

// stepBack replaces the state by the spare after another server has overtaken a group, and
// folds what that server has appended: several servers that write to one portfolio meet often,
// and to fold it again from its checkpoint each time would take most of their time. It returns
// false if there is no spare, or if it has learned of the group already.
func (w *Writer) stepBack(g *group, err error) bool {
	if !overtaken(err) {
		return false
	}
	w.wantSpare = true
	if w.spare == nil {
		return false
	}
	if at, _ := w.spare.head(); at != w.durable {
		return false
	}
	w.state, w.spare = w.spare, nil
	for _, s := range g.steps {
		if s.events != nil { // it was not recorded, or is found among what is folded now
			delete(w.accepted.young, s.command)
		}
	}
	return w.catchUp(nextAfter(err)) == nil
}

// keepSpare updates the spare once a group is durable, or drops it if it was not needed
// for a long time.
func (w *Writer) keepSpare(g *group) {
	if w.spare == nil || w.learn(g) != nil {
		return
	}
	if w.durable-w.spareUsed > w.options.spareFor {
		w.spare, w.wantSpare = nil, false
	}
}
