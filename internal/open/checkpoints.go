package open

import (
	"context"
	"time"

	"pets/commands"
	"pets/eventstore"
	"pets/internal/snapshot"
)

// Newest returns how many records the newest checkpoint of a stream covers, and the bytes of
// its state; zeros if there is none, or no witness to confirm one.
func (w *Watch) Newest(stream string) (size uint64, bytes int64) {
	if w.Saver == nil {
		return 0, 0
	}
	return w.Saver.Newest(stream)
}

// Keep makes a checkpoint of the state after size records of a stream. at is the time of the last one, and state returns the state as bytes. It returns how
// many bytes the checkpoint has. The files are written later, in the background.
func (w *Watch) Keep(ctx context.Context, stream string, size uint64, at time.Time, state func() ([]byte, error)) (bytes int64, err error) {
	if w.Saver == nil {
		return 0, nil
	}
	head := w.Saver.Want(stream, size) // first: the witness goes on meanwhile
	data, err := state()
	if err != nil {
		return 0, err
	}
	w.Saver.Save(snapshot.Checkpoint{
		Stream: stream, Size: size, At: at, Head: head,
		Parts: []snapshot.Part{{Kind: commands.CheckpointState, Data: data}},
	})
	return int64(len(data)), nil
}

// Missing returns how many records the checkpoints cover that a stream lacks.
func (w *Watch) Missing(stream string) []uint64 {
	if w.Saver == nil {
		return nil
	}
	return w.Saver.Missing(stream)
}

// KeepAt makes a checkpoint of an earlier state, of which the head of the hash tree is known.
func (w *Watch) KeepAt(stream string, head eventstore.TreeHead, at time.Time, state []byte) {
	if w.Saver == nil {
		return
	}
	w.Saver.Save(snapshot.Checkpoint{
		Stream: stream, Size: head.Size, At: at, Parts: []snapshot.Part{{Kind: commands.CheckpointState, Data: state}},
		Head: func(context.Context) (eventstore.TreeHead, error) { return head, nil },
	})
}
