package open

import (
	"context"
	"maps"
	"slices"
	"time"

	"pets/commands"
	"pets/eventstore"
	"pets/internal/snapshot"
	"pets/internal/views"
)

// Checkpoints reads checkpoints.
type Checkpoints interface {
	commands.Checkpoints
	// LoadAsOf returns the newest checkpoint of a kind of which no record is later than a
	// time, or nil.
	LoadAsOf(kind, stream string, t time.Time) (revision uint64, data []byte)
}

// Checkpoints returns nil if there is no witness to confirm checkpoints.
func (w *Watch) Checkpoints() Checkpoints {
	if w.saver == nil {
		return nil
	}
	return w.saver
}

// Views returns the folder of what readers have written, or nil if there is no witness to
// confirm the checkpoints that refer to it, or if others can have written to it.
func (w *Watch) Views() *views.Folder { return w.views }

// Load returns the newest part of a kind with a revision ≤ atMost, or nil if there is none, or
// no witness to confirm one.
func (w *Watch) Load(kind, stream string, atMost uint64) (revision uint64, data []byte) {
	if w.saver == nil {
		return 0, nil
	}
	return w.saver.Load(kind, stream, atMost)
}

// Newest returns how many records the newest checkpoint of a stream covers, and its bytes, as
// Keep does; zeros if there is none, or no witness to confirm one.
func (w *Watch) Newest(stream string) (size uint64, bytes int64) {
	if w.saver == nil {
		return 0, 0
	}
	return w.saver.Newest(stream)
}

// Keep makes a checkpoint of the state after the records of a head of a stream. If the head has a
// root, the witness has to have seen the same one. at is the time of the last record, and parts
// returns the parts of the checkpoint as bytes, by their kinds. It returns how many bytes the checkpoint has. The files are written later, in the background: done is called
// once when they are, or with the reason why they are not, unless Keep returns an error.
func (w *Watch) Keep(ctx context.Context, stream string, folded eventstore.TreeHead, at time.Time, parts func() (map[string][]byte, error), done func(error)) (bytes int64, err error) {
	if w.saver == nil {
		done(nil)
		return 0, nil
	}
	if !w.saver.HasRoom(0) {
		done(snapshot.ErrNoRoom)
		return 0, nil
	}
	head := w.saver.Want(stream, folded.Size) // first: the witness goes on meanwhile
	all, err := parts()
	if err != nil {
		return 0, err
	}
	c := snapshot.Checkpoint{Stream: stream, Size: folded.Size, Root: folded.Root, At: at, Head: head, Done: done}
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		c.Parts = append(c.Parts, snapshot.Part{Kind: kind, Data: all[kind]})
	}
	w.saver.Save(c)
	return c.Bytes(), nil
}

// Missing returns how many records the checkpoints cover that a stream lacks.
func (w *Watch) Missing(stream string, records uint64) []uint64 {
	if w.saver == nil {
		return nil
	}
	return w.saver.Missing(stream, records)
}

// KeepAt makes a checkpoint of an earlier state. head is that of a history that was compared with
// the witness; where the witness remembers the root at that size, it is compared once more.
func (w *Watch) KeepAt(stream string, head eventstore.TreeHead, at time.Time, state []byte) {
	if w.saver == nil {
		return
	}
	w.saver.Save(snapshot.Checkpoint{
		Stream: stream, Size: head.Size, Root: head.Root, At: at, Parts: []snapshot.Part{{Kind: commands.CheckpointState, Data: state}},
		Head: func(context.Context) (eventstore.TreeHead, error) { return head, nil },
	})
}
