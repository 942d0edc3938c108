package commands

import (
	"time"

	"pets/domain"
	"pets/eventstore"
)

// load folds the stream into state and index if they are missing: from the newest pair of
// checkpoints, then record by record. It serves start-up, the restart after a failure, and
// catching up after a conflict. It runs in the writer's context, because the deadline of
// the first caller could prevent a long history from ever being loaded.
func (w *Writer) load() error {
	if w.state != nil {
		return nil
	}
	state, idx, from, began := w.restore()
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
	w.state, w.index, w.durable, w.origin = state, idx, next, began
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

// restore returns the newest state and index checkpoints of the same revision, or
// empty ones.
func (w *Writer) restore() (state stateFold, idx index, next uint64, from origin) {
	s := w.options.Checkpoints
	if s == nil {
		return w.blank(), index{}, 0, origin{}
	}
	atMost := ^uint64(0)
	for range maxCheckpoints {
		at, stateBytes := s.Load(CheckpointState, w.stream, atMost)
		if stateBytes == nil {
			break
		}
		indexAt, indexBytes := s.Load(CheckpointIndex, w.stream, at)
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

// maxCheckpoints limits the search for a pair of checkpoints.
const maxCheckpoints = 4

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
	if w.durable-w.spareUsed > w.options.spareFor {
		w.spare, w.wantSpare = nil, false
	}
}
