package witness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/eventstore"
	"pets/internal/owner"
)

// Options of a Keeper.
type Options struct {
	// Dir is the folder of the witness. It is created if there is none.
	Dir string
	// Owner is a path whose owner the folder gets if root creates it; may be
	// empty.
	Owner string
	// Enter opens the folder for writing, or refuses it. It is called at each
	// check of the folder and before anything is written in it. A missing folder
	// is an error of fs.ErrNotExist. If Enter is nil, any folder is accepted.
	Enter func(dir string) (*os.Root, error)
	// Store is what is witnessed, and ID its UUID.
	Store eventstore.Store
	ID    uuid.UUID
	// Urgent says which types of events are written at once; may be nil.
	Urgent func(eventType string) bool
	// Failed is called once for each problem in the background; may be nil.
	Failed func(what string, err error)
	// Hashed is called from time to time with the number of hashed records, while
	// the keeper catches up with the log; may be nil.
	Hashed func(records uint64)
	// Every is the largest delay before changes are written, Soon the delay after
	// an urgent event, which lets further events join. A minute and 20 ms if 0.
	Every, Soon time.Duration
	// Look is how often the keeper checks that its folder and file are still
	// there. A second if 0.
	Look time.Duration
	// Again is how long a keeper waits before it asks a database again that did not answer; 0: 1 s.
	Again time.Duration
}

func (o Options) withDefaults() Options {
	if o.Urgent == nil {
		o.Urgent = func(string) bool { return false }
	}
	if o.Failed == nil {
		o.Failed = func(string, error) {}
	}
	if o.Enter == nil {
		o.Enter = owner.OpenRoot
	}
	if o.Hashed == nil {
		o.Hashed = func(uint64) {}
	}
	if o.Every == 0 {
		o.Every = time.Minute
	}
	if o.Soon == 0 {
		o.Soon = 20 * time.Millisecond
	}
	if o.Look == 0 {
		o.Look = time.Second
	}
	if o.Again == 0 {
		o.Again = time.Second
	}
	return o
}

// tree is one stream as far as it was followed.
type tree struct {
	entry
	base    eventstore.Frontier // as last written: the base of requests for an earlier root
	waiting []waiter
	moved   bool // since it was written
}

type waiter struct {
	size uint64
	head chan eventstore.TreeHead
}

// Keeper follows a store and writes its witness.
type Keeper struct {
	o    Options
	disk *disk // held by the goroutine of passes
	// barred reports that the folder could not be entered, or that what is there
	// must not be overwritten.
	barred bool

	mu       sync.Mutex
	trees    map[string]*tree
	moved    []string // names of those that changed since they were written
	position eventstore.Position
	broken   error // why the store is not followed any more
	status   Status
	said     string // the error reported last, "" while all is well

	urgent chan struct{}
	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	closed chan struct{}
}

// Status is the state of the witness.
type Status struct {
	// Streams is the number of streams; Records how many records it has hashed
	// since the start.
	Streams int
	Records uint64
	// Position is that of the last record it has hashed.
	Position eventstore.Position
	// Written is when it was last written, Failures how often that failed.
	Written  time.Time
	Failures uint64
	// Err says why it cannot be written, or why the store is not followed; nil
	// while all is well.
	Err error
}

// Opened describes how a witness was opened.
type Opened struct {
	// New reports that there was none.
	New bool
	// Torn is the number of bytes of a last entry, cut short by a crash, that
	// were left out.
	Torn int
	// Differences and Damage are what was accepted, on request. Damage says why
	// it is unknown what is missing: the witness is unreliable, belongs to
	// another store, or does not exist although the store has events.
	Differences []Difference
	Damage      error
}

// Accepted reports that something was accepted, which has to be recorded.
func (o Opened) Accepted() bool { return len(o.Differences) > 0 || o.Damage != nil }

// Open reads the witness of a store and compares the two. A store with fewer
// records than were witnessed, or different ones, is a *[RolledBackError]; an
// unreliable witness is a *[DamagedError], and one of another store an
// *[OtherStoreError]. With accept, all of these are accepted, the witness is
// started again, and the existing file is kept aside. A witness in use
// (*[InUseError]) is never accepted. Nothing is written before [Keeper.Start].
func Open(ctx context.Context, o Options, accept bool) (*Keeper, Opened, error) {
	o = o.withDefaults()
	k := &Keeper{
		o: o, disk: &disk{dir: o.Dir, owner: o.Owner, id: o.ID, open: o.Enter},
		trees: map[string]*tree{}, urgent: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	opened, err := k.open(ctx, accept)
	if err != nil {
		k.cancel()
		return nil, opened, errors.Join(err, k.disk.leave())
	}
	return k, opened, nil
}

func (k *Keeper) open(ctx context.Context, accept bool) (opened Opened, err error) {
	if err = k.disk.enter(); errors.As(err, new(*InUseError)) || errors.As(err, new(*owner.UntrustedError)) {
		return opened, err
	} else if err != nil {
		k.barred = true
		k.failed(err)
	}
	b, err := readBook(k.o.Dir)
	switch {
	case err != nil:
		err = &DamagedError{k.o.Dir, err}
	case b != nil && b.store != k.o.ID:
		err = &OtherStoreError{k.o.Dir, b.store, k.o.ID}
	case b == nil:
		opened.New = true
		if accept {
			opened.Damage, err = k.unseen(ctx)
		}
		return opened, err
	}
	if err == nil {
		opened.Torn = b.torn
		if opened.Differences, err = differences(ctx, k.o.Store, b); err != nil {
			return opened, err // the store cannot be read
		}
	}
	switch {
	case err != nil && !accept:
		return opened, err
	case err != nil:
		opened.Damage, k.disk.aside = cause(err), true
		return opened, nil
	case len(opened.Differences) > 0 && !accept:
		return opened, &RolledBackError{k.o.Dir, opened.Differences}
	case len(opened.Differences) > 0:
		k.disk.aside = true
		return opened, nil // the old book is not used: everything is hashed again, and no snapshot is used
	}
	k.position, k.status.Written = b.position, b.written
	for name, e := range b.entries {
		k.trees[name] = &tree{entry: *e, base: e.frontier.Clone()}
	}
	return opened, nil
}

// Seen returns how many records of a stream the witness has seen: before [Keeper.Start], those of
// the former run; none if there was no witness, or none that is believed.
func (k *Keeper) Seen(stream string) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.trees[stream]; t != nil {
		return t.frontier.Size()
	}
	return 0
}

// cause returns what is wrong with a witness, without the advice.
func cause(err error) error {
	var damaged *DamagedError
	var other *OtherStoreError
	switch {
	case errors.As(err, &damaged):
		return damaged.Cause
	case errors.As(err, &other):
		return fmt.Errorf("it belongs to another store (%s; this one is %s)", other.Theirs, other.Store)
	}
	return err
}

// unseen returns what is wrong with a store without a witness: nothing if it is
// empty.
func (k *Keeper) unseen(ctx context.Context) (what, err error) {
	streams, err := k.o.Store.Streams(ctx)
	if err == nil && len(streams) > 0 {
		what = errNone
	}
	return what, err
}

// Start begins to follow the store and to write.
func (k *Keeper) Start() {
	k.work.Go(k.follow)
	k.work.Go(k.passes)
}

// Close reads to the end of the log, as far as the context allows, writes the
// result and closes the folder. The next start reads the rest.
func (k *Keeper) Close(ctx context.Context) error {
	k.cancel()
	k.work.Wait()
	k.mu.Lock()
	follows := k.broken == nil
	k.mu.Unlock()
	if follows {
		if err := k.read(ctx, 0); err != nil && ctx.Err() == nil {
			k.stop(err)
		}
	}
	k.write()
	close(k.closed)
	return errors.Join(k.Status().Err, k.disk.leave())
}

// Abandon closes a keeper that was not started, and writes nothing.
func (k *Keeper) Abandon() {
	k.cancel()
	close(k.closed)
	_ = k.disk.leave() // nothing was written
}

// Status says how the witness is doing.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	s.Streams, s.Position = len(k.trees), k.position
	if k.broken != nil {
		s.Err = k.broken
	}
	return s
}

// follow reads what was added since the witness was written, with pauses, because
// it may be much and others are working; then it reads new records.
func (k *Keeper) follow() {
	err := k.followed()
	for eventstore.IsAway(err) && k.ctx.Err() == nil { // it goes on where it was
		select {
		case <-k.ctx.Done():
		case <-time.After(k.o.Again):
			err = k.followed()
		}
	}
	if err != nil && k.ctx.Err() == nil {
		k.stop(err)
	}
}

// followed hashes what is in the store and what comes, until something fails.
func (k *Keeper) followed() error {
	err := k.read(k.ctx, catchUpShare)
	if err == nil {
		k.hurry() // a whole file: it shows at once whether one can be written
		k.mu.Lock()
		position := k.position
		k.mu.Unlock()
		for rec, failed := range k.o.Store.SubscribeAll(k.ctx, position) {
			if err = failed; err == nil {
				err = k.note(&rec)
			}
			if err != nil {
				break
			}
		}
	}
	return err
}

const (
	// catchUpShare is the ratio of rest to work of the keeper while it catches
	// up.
	catchUpShare = 3
	// maxRest limits one rest.
	maxRest = 250 * time.Millisecond
	// paceEvery is how many records are read between two rests.
	paceEvery = 512
	// tellEvery is how often Hashed is called.
	tellEvery = 5 * time.Second
)

// read reads to the end of the log, resting share times as long as it works.
func (k *Keeper) read(ctx context.Context, share time.Duration) error {
	k.mu.Lock()
	position := k.position
	k.mu.Unlock()
	n, began, told := uint64(0), time.Now(), time.Now()
	for rec, err := range k.o.Store.ReadAll(ctx, position) {
		if err != nil {
			return err
		}
		if err := k.note(&rec); err != nil {
			return err
		}
		if n++; n%paceEvery > 0 {
			continue
		}
		if time.Since(told) >= tellEvery {
			told = time.Now()
			k.o.Hashed(n)
		}
		if share > 0 {
			rest(ctx, min(share*time.Since(began), maxRest))
			began = time.Now()
		}
	}
	return nil
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// MismatchError reports that the log does not continue where the witness left
// off.
type MismatchError struct {
	Stream      string
	Found, Next uint64
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("stream %s: the log continues with revision %d where the witness expects %d", e.Stream, e.Found, e.Next)
}

// note adds one durable record to its tree.
func (k *Keeper) note(rec *eventstore.Record) error {
	leaf := eventstore.LeafHash(rec)
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.trees[rec.Stream]
	if t == nil {
		t = &tree{}
		k.trees[rec.Stream] = t
	}
	if rec.Revision != t.frontier.Size() {
		return &MismatchError{rec.Stream, rec.Revision, t.frontier.Size()}
	}
	t.frontier.Append(leaf)
	t.leaf = leaf
	k.position = rec.Position
	k.status.Records++
	k.touch(rec.Stream, t)
	if len(t.waiting) > 0 {
		t.serve()
	}
	if k.o.Urgent(rec.Type) {
		k.hurry()
	}
	return nil
}

func (k *Keeper) touch(stream string, t *tree) {
	if !t.moved {
		t.moved = true
		k.moved = append(k.moved, stream)
	}
}

// hurry requests a pass now. A request that is already pending is enough.
func (k *Keeper) hurry() {
	select {
	case k.urgent <- struct{}{}:
	default:
	}
}

// stop notes why the store is not followed any more. Those who wait for a root
// learn it when their wait ends.
func (k *Keeper) stop(err error) {
	k.mu.Lock()
	k.broken = err
	k.mu.Unlock()
	k.o.Failed("the store is not witnessed any more", err)
}

// passes writes what changed, each minute and soon after an urgent event.
func (k *Keeper) passes() {
	tick := time.NewTicker(k.o.Every)
	defer tick.Stop()
	look := time.NewTicker(k.o.Look)
	defer look.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-look.C:
			if !k.look() {
				continue
			}
		case <-tick.C:
		case <-k.urgent:
			rest(k.ctx, k.o.Soon)
		}
		k.write()
	}
}

// look compares the names with the open files, and notes the result. anew reports
// that everything has to be written again. Nothing may be written while it is
// barred.
func (k *Keeper) look() (anew bool) {
	was := k.barred
	changed, err := k.disk.stands()
	if k.barred = err != nil; k.barred {
		k.failed(err)
		return false
	}
	if anew = changed != nil || was; anew {
		k.disk.spoiled()
	}
	if changed != nil {
		k.mu.Lock()
		k.status.Err = changed
		k.status.Failures++
		k.mu.Unlock()
		k.o.Failed("the witness was changed", changed)
	}
	return anew
}

// write writes one pass: everything that changed since the last one. All of it
// was read from the log and is durable there.
func (k *Keeper) write() {
	if k.look(); k.barred {
		return
	}
	b, whole := k.pass()
	if b == nil {
		return
	}
	var err error
	if whole {
		err = k.disk.replace(b)
	} else {
		err = k.disk.append(b)
	}
	k.failed(err)
}

// pass encodes what changed, or everything if the file has to be rewritten.
func (k *Keeper) pass() (b []byte, whole bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	whole = k.disk.full()
	if len(k.moved) == 0 && !whole {
		return nil, false
	}
	if whole {
		b = appendHeader(b, k.o.ID)
	}
	p := newPass(b, k.position, time.Now())
	names := k.moved // the others are encoded only if the file is rewritten
	if whole {
		names = slices.Collect(maps.Keys(k.trees))
	}
	for _, name := range names {
		if t := k.trees[name]; t.frontier.Size() > 0 {
			p.add(name, &t.entry)
		}
	}
	for _, name := range k.moved {
		t := k.trees[name]
		t.moved, t.base = false, t.frontier.Clone()
	}
	k.moved = k.moved[:0]
	return p.bytes(), whole
}

// failed notes whether the witness could be written. A pass that failed is
// repeated by the next one, which is a whole file.
func (k *Keeper) failed(err error) {
	k.mu.Lock()
	k.status.Err = err
	was := k.said
	if k.said = ""; err != nil {
		k.said = err.Error()
		k.status.Failures++
	} else {
		k.status.Written = time.Now()
	}
	news := k.said != "" && k.said != was
	k.mu.Unlock()
	if news {
		if unadvised(err) {
			err = fmt.Errorf("%w: %s", err, Advice(err))
		}
		k.o.Failed("the witness in "+k.o.Dir+" cannot be written: a rollback of the store would not be detected from now on", err)
	}
}
