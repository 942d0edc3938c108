package commands

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pets/domain"
	"pets/eventstore"
)

// An audit folds every stream again, from its first record and without checkpoints. It
// compares the result with the state that the writers decide against, with the checkpoint
// that the state was restored from, and with the root of the hash tree that is kept while
// records are appended. If anything differs it stops the portfolio: the books and the
// history disagree, and it is unknown which decisions were based on the error.

// AuditOptions of [Engine.Audit].
type AuditOptions struct {
	// Want requests the head of a stream's hash tree at a size, from the witness. The
	// function it returns waits for that head. If Want is nil no heads are compared.
	Want func(stream string, size uint64) func(context.Context) (eventstore.TreeHead, error)
	// Share is the ratio of rest to work: with 3, the audit uses a quarter of one core. 0
	// is for tests.
	Share time.Duration
	// Missing returns how many records the checkpoints cover that a stream lacks, rising. Once
	// the stream was found to be the one of which Want gives the head, the audit folds it
	// again and calls Keep with the state at each: its bytes, the head of the hash tree, and
	// the time of the last record. Without Want, or if either is nil, none are made.
	Missing func(stream string, records uint64) []uint64
	Keep    func(stream string, head eventstore.TreeHead, at time.Time, state []byte)
	// Found is called for each stream that differs, before its portfolio is stopped. It may
	// be nil.
	Found func(stream, what string)
}

// Audited counts what an audit has checked.
type Audited struct {
	Streams, Records, Differing uint64
}

const (
	// auditStep is the number of records folded between two rests.
	auditStep = 256
	// auditRest is the longest rest.
	auditRest = 250 * time.Millisecond
	// auditRoot is the longest wait for a root that the witness has not computed yet.
	auditRoot = time.Minute
	// maxLiveSize is the most parts of a state that is hashed while its writer waits, for
	// about 25 ms. A larger state is compared only with the checkpoint that it was restored
	// from.
	maxLiveSize = 20_000
	// auditTries is how often the audit catches up with a state that changes meanwhile.
	auditTries = 5
)

// origin is the checkpoint that a state was restored from: the size of the stream at that
// time, and the hash of the state. A size of 0 means that the state was folded from the
// first record; there is no hash then.
type origin struct {
	size  uint64
	state eventstore.Hash
}

// Audit audits every stream, one after another. It returns the first error that kept it
// from auditing a stream; a difference is not an error.
func (e *Engine) Audit(ctx context.Context, o AuditOptions) (Audited, error) {
	if o.Found == nil {
		o.Found = func(string, string) {}
	}
	ids, err := e.Portfolios(ctx)
	if err != nil {
		return Audited{}, err
	}
	a := &audit{options: o, began: time.Now()}
	a.one(ctx, e, e.system)
	for _, id := range ids {
		w, err := e.writer(ctx, id, false)
		if err != nil {
			return a.done, err
		}
		a.one(ctx, e, w)
		if ctx.Err() != nil {
			return a.done, ctx.Err()
		}
	}
	return a.done, a.failed
}

// one audits one stream. A failure does not prevent the audit of the others.
func (a *audit) one(ctx context.Context, e *Engine, w *Writer) {
	what, err := a.stream(ctx, w)
	if err != nil && a.failed == nil {
		a.failed = fmt.Errorf("stream %s could not be audited: %w", w.stream, err)
	}
	if what != "" {
		a.options.Found(w.stream, what)
		e.StopDiffering(ctx, w.stream, what)
	}
}

// StopDiffering engages the system_error stop after an inconsistency in a stream: for the
// stream's portfolio, or for every portfolio if it is the system stream, which says whose
// keys work.
func (e *Engine) StopDiffering(ctx context.Context, stream, what string) {
	if id, ok := strings.CutPrefix(stream, streamPrefix); ok {
		e.SystemErrorAll(ctx, []string{id}, what)
		return
	}
	ids, err := e.Portfolios(ctx)
	if err != nil {
		e.options.Failed("the portfolios that are to be stopped cannot be listed", err)
		return
	}
	e.SystemErrorAll(ctx, ids, "the system stream: "+what)
}

// SystemErrorAll stops portfolios in which an inconsistency was found. All stops are in
// force before the first is recorded. A repeat does nothing while that stop is in force:
// it would drop a request to clear the stop.
func (e *Engine) SystemErrorAll(ctx context.Context, ids []string, reason string) {
	reason = plain(reason)
	for _, id := range ids {
		if e.stops.standing(ctx, id, domain.StopSystemError, reason) {
			continue
		}
		_, _, _ = e.stops.pending.add(e.stops.ours(id, domain.StopSystemError, reason), true)
	}
	e.stops.background(e.stops.saveLater)
	e.stops.pass(ctx)
	e.stops.keepTrying(retryStop)
}

// maxStopReason is the most bytes kept of a reason, below the limit for reasons.
const maxStopReason = 300

// plain makes an arbitrary text a valid reason: printable and not too long.
func plain(reason string) string {
	reason = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, reason)
	if len(reason) > maxStopReason {
		reason = strings.ToValidUTF8(reason[:maxStopReason], "") + " …"
	}
	return reason
}

type audit struct {
	options AuditOptions
	done    Audited
	failed  error // the first
	began   time.Time
	folded  uint64 // records, for the rests
}

// rest limits the audit to its share of a core.
func (a *audit) rest(ctx context.Context) error {
	if a.folded++; a.folded%auditStep != 0 || a.options.Share == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(min(a.options.Share*time.Since(a.began), auditRest))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	a.began = time.Now()
	return ctx.Err()
}

// seen is a writer's state, as the audit saw it.
type seen struct {
	size   uint64
	hash   string // "" if the state was too large to hash
	origin origin
}

func (w *Writer) seen(ctx context.Context) (s seen, err error) {
	err = w.lookAt(ctx, func(f stateFold) (err error) {
		s.size, _ = f.head()
		s.origin = w.origin
		if p, ok := f.(*portfolioFold); ok && p.s.Size() <= maxLiveSize {
			s.hash, err = p.s.Hash()
		}
		return err
	})
	return s, err
}

// refold is a stream that is being folded again.
type refold struct {
	decoder  domain.Decoder
	state    stateFold
	frontier eventstore.Frontier
	differs  string
	missing  []uint64 // sizes at which a checkpoint is to be made, from here on
	gaps     []gap    // those that were passed
}

// stream audits one stream. It returns a description of the difference, or "".
func (a *audit) stream(ctx context.Context, w *Writer) (string, error) {
	live, err := w.seen(ctx)
	if err != nil {
		return "", err
	}
	if live.size == 0 {
		return "", nil
	}
	var root func(context.Context) (eventstore.TreeHead, error)
	if a.options.Want != nil {
		root = a.options.Want(w.stream, live.size)
	}
	r := &refold{state: w.blank()}
	if p, ok := r.state.(*portfolioFold); ok {
		p.s.Forget() // it decides nothing
	}
	if root != nil && a.options.Missing != nil && a.options.Keep != nil {
		r.missing = a.options.Missing(w.stream, live.size)
	}
	if err := a.fold(ctx, w, r, live); err != nil {
		return "", err
	}
	a.done.Streams++
	what := r.differs
	if what == "" {
		what, err = r.compare(ctx, live, root)
	}
	if what == "" && err == nil {
		what, err = a.system(ctx, w, r)
	}
	if what == "" && err == nil {
		what, err = a.fill(ctx, w, r.gaps)
	}
	if what != "" {
		a.done.Differing++
	}
	return what, err
}

var errFolded = errors.New("the audit has come as far as it looked")

// fold folds the records before live.size, and compares with the origin when it gets
// there.
func (a *audit) fold(ctx context.Context, w *Writer, r *refold, live seen) error {
	err := eventstore.Walk(ctx, w.store, w.stream, r.frontier.Size(), func(rec eventstore.Record) error {
		if rec.Revision == live.size {
			return errFolded
		}
		if err := r.apply(rec); err != nil {
			r.differs = "its history does not decode: " + err.Error()
			return errFolded
		}
		if rec.Revision+1 == live.origin.size {
			r.meet(live.origin)
		}
		r.pass(rec.Revision + 1)
		a.done.Records++
		return a.rest(ctx)
	})
	if errors.Is(err, errFolded) {
		return nil
	}
	if err == nil && r.frontier.Size() < live.size {
		r.differs = fmt.Sprintf("its history has %d records where %d were decided on", r.frontier.Size(), live.size)
	}
	return err
}

func (r *refold) apply(rec eventstore.Record) error {
	r.frontier.Append(eventstore.LeafHash(&rec))
	e, err := r.decoder.Decode(rec.Type, rec.Data)
	if err != nil {
		return err
	}
	r.state.apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	return nil
}

// meet compares with the hash of a checkpoint.
func (r *refold) meet(o origin) {
	p, ok := r.state.(*portfolioFold)
	if !ok {
		return
	}
	hash, err := p.s.Hash()
	switch {
	case err != nil:
		r.differs = "its state cannot be hashed: " + err.Error()
	case hash != hex.EncodeToString(o.state[:]):
		r.differs = fmt.Sprintf("the checkpoint at revision %d, which its state was restored from, is not what its history folds to", o.size-1)
	}
}

// compare compares with the live state and the live root.
func (r *refold) compare(ctx context.Context, live seen, root func(context.Context) (eventstore.TreeHead, error)) (string, error) {
	if p, ok := r.state.(*portfolioFold); ok && live.hash != "" {
		hash, err := p.s.Hash()
		if err != nil || hash != live.hash {
			return fmt.Sprintf("the state that is decided on at revision %d is not what its history folds to", live.size-1), nil //nolint:nilerr // a state that cannot be hashed differs
		}
	}
	if root == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, auditRoot)
	defer cancel()
	head, err := root(ctx)
	if err != nil {
		return "", fmt.Errorf("the root of the history that is kept is not known: %w", err)
	}
	if head.Root != r.frontier.Root() {
		return fmt.Sprintf("the hash tree of its history at revision %d has another root than the one that was kept while it was written", live.size-1), nil
	}
	return "", nil
}

// system compares the whole state of the system stream, which is small.
func (a *audit) system(ctx context.Context, w *Writer, r *refold) (string, error) {
	fresh, ok := r.state.(*systemFold)
	if !ok {
		return "", nil
	}
	for range auditTries {
		var size uint64
		same := false
		err := w.lookAt(ctx, func(f stateFold) error {
			size, _ = f.head()
			same = size == fresh.s.Next && reflect.DeepEqual(f, r.state)
			return nil
		})
		if err != nil || same {
			return "", err
		}
		if size == fresh.s.Next {
			return fmt.Sprintf("what is decided on at revision %d is not what its history folds to", size-1), nil
		}
		if err := a.fold(ctx, w, r, seen{size: size}); err != nil {
			return "", err
		}
	}
	return "", nil // it keeps changing; its root was compared
}
