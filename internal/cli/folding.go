package cli

import (
	"cmp"
	"context"
	"iter"
	"math"
	"time"

	"pets/eventstore"
	"pets/projections"
)

// A fold of a long history takes time, in which a person is told how far it is.
const (
	// foldsSilently is how long nothing is said.
	foldsSilently = time.Second
	// foldsTold is the time between two lines where there is no terminal for a bar.
	foldsTold = 10 * time.Second
	// foldsLook is how many records are read between two looks at the clock.
	foldsLook = 256
)

// folding is a store that tells how far the stream of a portfolio is read.
type folding struct {
	eventstore.Store
	app   *App
	what  string
	total uint64 // 0 if it is unknown
	due   time.Time
	bar   *Bar
}

// folding returns the store for a fold up to a point. Its bar is to be finished.
func (a *App) folding(ctx context.Context, store eventstore.Store, to projections.Point) *folding {
	f := &folding{
		Store: store, app: a, what: "folding " + a.Config.Portfolio, bar: &Bar{},
		due: time.Now().Add(cmp.Or(a.FoldsSilently, foldsSilently)),
	}
	if head, err := store.Head(ctx, a.Stream()); err == nil { // a fold reports what is wrong with it
		f.total = head + 1
	}
	if to.Revision != nil {
		f.total = min(f.total, *to.Revision+1)
	}
	return f
}

// ReadStream implements [eventstore.Store].
func (f *folding) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		for rec, err := range f.Store.ReadStream(ctx, stream, from) {
			if err == nil && (rec.Revision-from)%foldsLook == 0 {
				f.tell(rec.Revision, time.Now())
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// tell moves the bar, or says a line where there is no terminal, if it is time.
func (f *folding) tell(done uint64, now time.Time) {
	if now.Before(f.due) {
		return
	}
	f.total = max(f.total, done+1) // a writer may have gone on
	if f.bar.p == nil {
		f.bar = f.app.Progress(f.what, int64(min(f.total, math.MaxInt64)))
	}
	if f.bar.p != nil {
		f.bar.To(int64(min(done, math.MaxInt64)), int64(min(f.total, math.MaxInt64)))
		return
	}
	f.app.Tell("%s: %d of %d events", f.what, done, f.total)
	f.due = now.Add(foldsTold)
}
