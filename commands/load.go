package commands

import (
	"errors"
	"time"

	"pets/domain"
	"pets/eventstore"
)

// load folds the stream into state and index if they are missing: from the newest pair of
// snapshots, then record by record. It serves start-up, the restart after a failure, and
// catching up after a conflict. It runs in the writer's context, because the deadline of
// the first caller could prevent a long history from ever being loaded.
func (w *Writer) load() error {
	if w.state != nil {
		return nil
	}
	state, idx, from := w.fromSnapshot()
	next, told := from, time.Now()
	var decoder domain.Decoder
	err := eventstore.Walk(w.ctx, w.store, w.stream, from, func(rec eventstore.Record) error {
		if next = rec.Revision + 1; next%foldingStep == 0 && time.Since(told) >= foldingEvery {
			told = time.Now()
			w.folding(next)
		}
		return foldRecord(&decoder, state, idx, rec)
	})
	if err != nil {
		return &domain.Error{Code: domain.CodeUnavailable, Message: "the history cannot be read; nothing is decided", Cause: err}
	}
	known := w.durable
	w.state, w.index, w.durable, w.snapshot = state, idx, next, from
	w.saved.Store(from)
	if err := w.takeOver(known); err != nil {
		return err
	}
	w.folded.Store(true)
	w.checkBooks()
	w.askAhead()
	w.noteTime()
	w.timed.Store(true)
	return nil
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

// fromSnapshot restores from the newest snapshot, and keeps its origin for the audit.
func (w *Writer) fromSnapshot() (state stateFold, idx index, next uint64) {
	state, idx, next, w.origin = w.restore()
	return state, idx, next
}

// restore returns the newest state and index snapshots of the same revision, or
// empty ones.
func (w *Writer) restore() (state stateFold, idx index, next uint64, from origin) {
	s := w.options.Snapshots
	if s == nil {
		return w.blank(), index{}, 0, origin{}
	}
	atMost := ^uint64(0)
	for range maxSnapshots {
		at, stateBytes := s.Load(SnapshotState, w.stream, atMost)
		if stateBytes == nil {
			break
		}
		indexAt, indexBytes := s.Load(SnapshotIndex, w.stream, at)
		if indexBytes == nil {
			break
		}
		if indexAt < at { // one of the two is missing: there may be an older pair
			atMost = indexAt
			continue
		}
		state := w.blank()
		idx, err := unmarshalIndex(indexBytes)
		if err == nil && state.restore(stateBytes, at+1) {
			return state, idx, at + 1, newOrigin(at+1, stateBytes, idx)
		}
		if at == 0 {
			break
		}
		atMost = at - 1
	}
	return w.blank(), index{}, 0, origin{}
}

// maxSnapshots limits the search for a pair of snapshots.
const maxSnapshots = 4

// saveSnapshot caches the durable state. It is called only when the writer ends, because
// commands would have to wait for it: encoding a large state takes a second. While
// commands arrive, saveBeside is used.
func (w *Writer) saveSnapshot() {
	if w.options.Snapshots == nil || w.state == nil || w.durable == w.saved.Load() {
		return
	}
	w.keep(w.state, w.index, w.durable)
}

// saveBeside caches the durable state in a goroutine beside the loop, one at a time. It
// makes its own fold: the newest snapshot, and the records after it.
func (w *Writer) saveBeside() {
	if w.options.Snapshots == nil || w.state == nil || w.saving.Load() {
		return
	}
	upTo := w.durable
	w.snapshot = upTo
	w.saving.Store(true)
	w.saves.Go(func() {
		defer w.saving.Store(false)
		state, idx, next, _ := w.restore()
		var decoder domain.Decoder
		err := eventstore.Walk(w.ctx, w.store, w.stream, next, func(rec eventstore.Record) error {
			if rec.Revision == upTo {
				return errFolded
			}
			if err := w.ctx.Err(); err != nil {
				return err
			}
			next = rec.Revision + 1
			return foldRecord(&decoder, state, idx, rec)
		})
		if next == upTo && (err == nil || errors.Is(err, errFolded)) {
			w.keep(state, idx, upTo)
		}
	})
}

// keep caches a fold of the records before next.
func (w *Writer) keep(f stateFold, known index, next uint64) {
	state := f.snapshot()
	if state == nil {
		return
	}
	w.options.Snapshots.Save(SnapshotIndex, w.stream, next-1, known.marshal())
	w.options.Snapshots.Save(SnapshotState, w.stream, next-1, state)
	w.saved.Store(next)
}

// A command that is refused after it has changed the state leaves a state that nothing can
// be decided against. Folding a long stream again takes seconds, and every command would
// have to wait, stops included: a caller that sends such commands repeatedly could prevent
// a portfolio from being stopped. So a writer that has seen one, or may see one, keeps a
// spare: a second state to which only accepted events are applied. The spoiled state is
// replaced by a copy of the spare, without reading the stream. The spare takes as much
// memory as the state, and is dropped when it was not needed for a long time.

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

// learn applies the records that the current group will append to the spare. It decodes
// them as a restart would.
func (w *Writer) learn(g *group) error {
	if w.spare == nil {
		return nil
	}
	at, _ := w.spare.head()
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

// keepSpare updates the spare once a group is durable, or drops it if it was not needed
// for a long time.
func (w *Writer) keepSpare(g *group) {
	if w.spare == nil || w.learn(g) != nil {
		return
	}
	if w.durable-w.spareUsed > w.options.SnapshotEvery {
		w.spare, w.wantSpare = nil, false
	}
}
