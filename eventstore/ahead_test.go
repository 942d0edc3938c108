package eventstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// history is a store of one stream, of which the records up to one can be read.
type history struct {
	Store
	records uint64
	err     error // behind them
	read    int   // how many were read; of the reader's goroutine
}

func (h *history) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for at := from; at < h.records; at++ {
			if ctx.Err() != nil {
				yield(Record{}, ctx.Err())
				return
			}
			h.read++
			if !yield(Record{Stream: stream, Revision: at}, nil) {
				return
			}
		}
		if h.err != nil {
			yield(Record{}, h.err)
		}
	}
}

func revisionOf(rec *Record) (uint64, error) { return rec.Revision, nil }

// Whatever the length of a history, a walk ahead sees the same as a walk, and so does one that the
// store, the reader or the receiver ends.
func TestWalkAheadIsAWalk(t *testing.T) {
	broken, enough := errors.New("the disk is gone"), errors.New("enough")
	for _, records := range []uint64{0, 1, firstBatch - 1, firstBatch, firstBatch + 1, 5 * mostBatch, 5*mostBatch + 7} {
		for _, from := range []uint64{0, 3} {
			for _, c := range []struct {
				name        string
				end         error
				reads, ends uint64 // the revision that cannot be read, and the one that is the last to be applied
			}{
				{"to the end", nil, records, records},
				{"a store that fails", broken, records, records},
				{"a stream that is not there", &NotFound{Stream: "s"}, records, records},
				{"a record that is wrong", broken, records / 2, records},
				{"enough", broken, records, records / 2},
				{"enough before one that is wrong", nil, records - 1, records / 2},
			} {
				walked := func(walk func(h *history, see func(uint64) error) error) (seen []uint64, err error) {
					err = walk(&history{records: records, err: c.end}, func(at uint64) error {
						if seen = append(seen, at); at == c.ends {
							return enough
						}
						return nil
					})
					return seen, err
				}
				read := func(rec *Record) (uint64, error) {
					if rec.Revision == c.reads {
						return 0, broken
					}
					return rec.Revision, nil
				}
				seen, err := walked(func(h *history, see func(uint64) error) error {
					return Walk(t.Context(), h, "s", from, func(rec Record) error {
						at, err := read(&rec)
						if err != nil {
							return err
						}
						return see(at)
					})
				})
				ahead, aheadErr := walked(func(h *history, see func(uint64) error) error {
					return WalkAhead(t.Context(), h, "s", from, read, see)
				})
				require.Equal(t, seen, ahead, "%s, %d records from %d", c.name, records, from)
				require.Equal(t, fmt.Sprint(err), fmt.Sprint(aheadErr), "%s, %d records from %d", c.name, records, from)
				require.Equal(t, errors.Is(err, broken), errors.Is(aheadErr, broken))
				require.Equal(t, errors.Is(err, enough), errors.Is(aheadErr, enough))
			}
		}
	}
}

// A history without end is read only as far ahead as two batches, and the reader ends with the walk.
func TestWalkAheadIsBounded(t *testing.T) {
	before := runtime.NumGoroutine()
	enough, h := errors.New("enough"), &history{records: ^uint64(0)}
	err := WalkAhead(t.Context(), h, "s", 0, revisionOf, func(at uint64) error {
		if at == 20*mostBatch {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.LessOrEqual(t, h.read, 20*mostBatch+4*mostBatch, "nothing reads any more, so this is no race")
	for runtime.NumGoroutine() > before { // the reader has closed its channel, and is about to be gone
		runtime.Gosched()
	}
}

// A context that ends is an error, wherever the walk is.
func TestWalkAheadEndsWithItsContext(t *testing.T) {
	for _, at := range []uint64{0, firstBatch, mostBatch, 10 * mostBatch} {
		ctx, end := context.WithCancel(t.Context())
		err := WalkAhead(ctx, &history{records: ^uint64(0)}, "s", 0, revisionOf, func(revision uint64) error {
			if revision == at {
				end()
			}
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
	}
}

// A panic of the reader is one of the caller, who may be prepared for it, behind the records before.
func TestWalkAheadPanicsInTheCaller(t *testing.T) {
	seen := uint64(0)
	require.PanicsWithValue(t, "a defect", func() {
		_ = WalkAhead(t.Context(), &history{records: 1000}, "s", 0, func(rec *Record) (uint64, error) {
			if rec.Revision == 700 {
				panic("a defect")
			}
			return rec.Revision, nil
		}, func(uint64) error {
			seen++
			return nil
		})
	})
	require.EqualValues(t, 700, seen)
	require.PanicsWithValue(t, "another", func() {
		_ = WalkAhead(t.Context(), &history{records: 1000}, "s", 0, revisionOf, func(uint64) error { panic("another") })
	})
}
