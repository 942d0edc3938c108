// Package bench measures the speed of the store as ratios, to the speed of the disk
// itself and to other stores, and summarises what was measured: ratios, how long requests
// took, how costs grow, and two runs beside each other.
//
// It owns the method. Absolute figures vary tenfold with other load on a machine,
// so all contenders are open at once and take turns of 200 ms, and a ratio is the
// median of the ratios of neighbouring turns. It refuses to be a test, because a
// ratio depends on the disk.
package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"pets/eventstore"
	"pets/eventstore/embedded"
)

const (
	writers = 64
	bytes   = 250 // of one record, framing not counted
)

// Options of a run.
type Options struct {
	// Dir is a folder on the disk to be measured. Its new files are removed at the end.
	Dir string
	// Rounds is how many turns each contender gets, Events how many events the store
	// has when its opening is measured.
	Rounds, Events int
	Rivals         []Rival
	Progress       Progress
	// Wants reports whether a goal is to be measured; nil means all.
	Wants func(goal int) bool
}

func (o *Options) wants(goals ...int) bool {
	return o.Wants == nil || slices.ContainsFunc(goals, o.Wants)
}

// Rival is another store, tuned for the same promise: each acknowledged append survives a
// power cut.
type Rival struct {
	Name string
	// Least is the goal: our events a second ÷ theirs.
	Least float64
	// Open creates the store in a folder. put appends one record of a writer, which is
	// durable when put returns.
	Open func(dir string) (put func(writer int, record []byte) error, closer io.Closer, err error)
}

// run is one measurement.
type run struct {
	o      Options
	dir    string // of this run
	folder string // of the store
	store  *embedded.Store
	// By writer: its stream, and the expected revision of its next append.
	streams []string
	next    []eventstore.Expected
}

// Run measures goals 1, 2 (where there are rivals), 4 and 10, in one go, or those of them that
// are wanted.
func Run(ctx context.Context, o Options) (results []Measured, err error) {
	if o.Rounds < 1 || o.Events < 1 {
		return nil, errors.New("rounds and events must be at least 1")
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	dir, err := os.MkdirTemp(o.Dir, "pets-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := newRun(o, filepath.Join(dir, "store"))
	if err != nil {
		return nil, err
	}
	r.dir = dir
	if o.wants(1, 2, 4) {
		results, err = r.appends(ctx)
	}
	if err == nil && o.wants(10) {
		err = r.grow(ctx)
	}
	if err == nil {
		err = link(r.folder, filepath.Join(dir, "crashed"), "")
	}
	if err = errors.Join(err, r.store.Close()); err != nil || !o.wants(10) {
		return results, err
	}
	opening, err := r.opens(ctx)
	return append(results, opening...), err
}

// newRun opens a store for writers that have appended nothing yet.
func newRun(o Options, folder string) (*run, error) {
	r := &run{o: o, folder: folder, next: slices.Repeat([]eventstore.Expected{eventstore.NoStream}, writers)}
	for w := range writers {
		r.streams = append(r.streams, fmt.Sprintf("portfolio-%d", w))
	}
	var err error
	r.store, err = embedded.Open(folder, embedded.Options{})
	return r, err
}

// append adds one record to the end of a writer's stream. Like a writer of
// package commands it uses no context, which would cost time on each call.
func (r *run) append(writer int) error {
	_, err := r.put(writer)
	return err
}

func (r *run) put(writer int) (eventstore.Appended, error) {
	record := eventstore.Proposed{ID: r.id(writer), Type: "fill.recorded.v1", Time: time.Now(), Metadata: filler[:50], Data: filler[:bytes-50]}
	appended, err := r.store.Append(context.Background(), r.streams[writer], r.next[writer], []eventstore.Proposed{record})
	r.next[writer]++
	return appended, err
}

// id counts up, so that the generation of random ids is not measured.
func (r *run) id(writer int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(writer)+1)                 //nolint:gosec // not negative
	binary.BigEndian.PutUint64(id[8:], uint64(int64(r.next[writer])+1)) //nolint:gosec // ≥ 0
	return id
}

var filler = []byte(fmt.Sprintf("%-*s", bytes, `{"bot":"value","market":"0x1f2e","side":"buy"}`))

// appends measures goals 1, 2 and 4.
func (r *run) appends(ctx context.Context) (results []Measured, err error) {
	many, err := newRawFile(r.dir, "floor")
	if err != nil {
		return nil, err
	}
	closers := []io.Closer{many.f}
	defer func() {
		for _, c := range closers {
			err = errors.Join(err, c.Close())
		}
	}()
	one, err := newRawFile(r.dir, "raw")
	if err != nil {
		return nil, err
	}
	closers = append(closers, one.f)
	all := []Contender{
		{Name: "store, 64 writers", Writers: writers, Work: func(w int) error { return r.append(w) }},
		{Name: "floor, 64 writers", Writers: writers, Work: func(int) error { return many.together(filler) }},
		{Name: "store, one caller", Writers: 1, Work: func(w int) error { return r.append(w) }},
		{Name: "raw, one caller", Writers: 1, Work: func(int) error { return one.alone(filler) }},
	}
	for _, rival := range r.o.Rivals {
		put, closer, err := rival.Open(filepath.Join(r.dir, rival.Name))
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", rival.Name, err)
		}
		closers = append(closers, closer)
		all = append(all, Contender{Name: rival.Name, Writers: writers, Work: func(w int) error { return put(w, filler) }})
	}
	figures, err := Turns(ctx, r.o.Rounds, all, r.o.Progress)
	if err != nil {
		return nil, err
	}
	const unit = "events/s"
	results = append(results, Ratio(1, "durable events ÷ raw file", "appends of 64 writers a second; beside write and fdatasync together on a growing file", unit, figures[0], figures[1]).Least(1.5))
	for i, rival := range r.o.Rivals {
		what := "appends of 64 writers a second; beside " + rival.Name + " with its best group commit"
		results = append(results, Ratio(2, "durable events ÷ "+rival.Name, what, unit, figures[0], figures[4+i]).Least(rival.Least))
	}
	return append(results, Ratio(4, "one append ÷ raw sync", "one caller, median; beside write and fdatasync", "µs", figures[2], figures[3]).Most(1.3)), nil
}

// grow appends until the store has the events for the measurement of its opening.
func (r *run) grow(ctx context.Context) error {
	store := Contender{Name: "store", Writers: writers, Work: r.append}
	for {
		have := 0
		for _, n := range r.next {
			have += int(n) + 1
		}
		r.o.Progress("growing", int64(have), int64(r.o.Events))
		if have >= r.o.Events {
			return nil
		}
		if _, _, err := store.turn(ctx); err != nil {
			return err
		}
	}
}

// opens measures goal 10: opening the same files with their indexes, as a crash and as a
// close leave them, and without indexes.
func (r *run) opens(ctx context.Context) ([]Measured, error) {
	crashed, bare := filepath.Join(r.dir, "crashed"), filepath.Join(r.dir, "bare")
	if err := link(r.folder, bare, ".idx"); err != nil {
		return nil, err
	}
	figures, err := Turns(ctx, r.o.Rounds, []Contender{
		{Name: "crashed", Writers: 1, Work: opening(crashed)},
		{Name: "closed", Writers: 1, Work: opening(r.folder)},
		{Name: "scan", Writers: 1, Work: opening(bare)},
	}, r.o.Progress)
	if err != nil {
		return nil, err
	}
	const what = "a store of many events; beside reading everything"
	return []Measured{
		Ratio(10, "open after a crash ÷ full scan", what, "µs", figures[0], figures[2]).Most(0.2),
		Ratio(10, "open after a close ÷ full scan", what, "µs", figures[1], figures[2]).Most(0.2),
	}, nil
}

func opening(folder string) func(int) error {
	return func(int) error {
		s, err := embedded.OpenReadOnly(folder, embedded.Options{})
		if err != nil {
			return err
		}
		return s.Close()
	}
}

// link makes a folder with hard links to the files of a store, as a crash at this moment
// would leave them. It omits files with the extension without, if that is set.
func link(from, to, without string) error {
	names, err := filepath.Glob(filepath.Join(from, "*"))
	if err = errors.Join(err, os.Mkdir(to, 0o700)); err != nil {
		return err
	}
	for _, name := range names {
		ext := filepath.Ext(name)
		if ext == ".tmp" || filepath.Base(name) == "LOCK" || (without != "" && ext == without) {
			continue
		}
		if err := os.Link(name, filepath.Join(to, filepath.Base(name))); err != nil {
			return err
		}
	}
	return nil
}

// StoreAlone opens a store in a folder, and returns a contender whose 64 writers append one
// record at a time to it.
func StoreAlone(folder string) (Contender, io.Closer, error) {
	r, err := newRun(Options{}, folder)
	if err != nil {
		return Contender{}, nil, err
	}
	return Contender{Name: "store alone", Writers: writers, Work: r.append}, r.store, nil
}
