package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// A command that is refused after it has changed the state leaves a state that nothing can
// be decided against. To fold the stream anew takes seconds where it is long, for which
// everybody would wait, stops too: whoever can have such a command refused again and again
// could keep a portfolio from being stopped. So a writer that has met one, or sees that it
// may, keeps a spare: a second state, that only learns of what is accepted. What a refused
// command leaves is replaced by a copy of it, and nothing is read. It takes as much memory
// as the state, and is given up when it was not needed for a long time.

// arm makes the spare before a command is decided that may be refused late.
func (w *Writer) arm(g *group) {
	w.spareUsed = w.durable
	if w.spare == nil {
		w.spare = w.state.clone()
	}
	_ = w.learn(g) // what it cannot learn ends it, and it is done without
}

// undo replaces the state that a refused command has left. Without a spare the group ends,
// the stream is folded, and there is one from then on.
func (w *Writer) undo(g *group) {
	w.wantSpare = true
	if w.spare == nil || w.learn(g) != nil {
		return
	}
	if state := w.spare.clone(); state != nil {
		w.state, w.spareUsed, g.spoiled = state, w.durable, false
	}
}

// learn brings the spare up to what the group at hand will record. It folds what is
// stored, as a restart would.
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

// keepSpare is called once a group is durable.
func (w *Writer) keepSpare(g *group) {
	if w.spare == nil || w.learn(g) != nil {
		return
	}
	if w.durable-w.spareUsed > w.options.SnapshotEvery {
		w.spare, w.wantSpare = nil, false
	}
}

// room is what a command may record of which that is known before anything is emitted.
func (w *Writer) room(s *step, hash requestDigest) (portfolio.Room, error) {
	if s.request().Command.Name() != (VoidFill{}).Name() {
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
