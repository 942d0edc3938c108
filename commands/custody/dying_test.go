package custody_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"sync"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore"
)

// life is the life of one process. It counts effects, and dies before or after a chosen
// one; after that nothing it does has an effect.
type life struct {
	mu     sync.Mutex
	n, at  int // 0 for never
	before bool
	dead   bool
	names  map[string]bool
}

var errDead error = &eventstore.Unavailable{Cause: errors.New("the process is dead")}

// step does one effect, if the process is alive. If it dies after the effect, the result
// is lost.
func step[T any](l *life, name string, do func() (T, error)) (T, error) {
	var none T
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return none, errDead
	}
	if l.n++; l.n != l.at {
		l.names[name] = true
		return do()
	}
	l.dead = true
	if l.before {
		l.names["before "+name] = true
		return none, errDead
	}
	l.names["after "+name] = true
	if _, err := do(); err != nil {
		return none, errors.Join(err, errDead)
	}
	return none, errDead
}

func (l *life) died() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// mortalStore is the store as seen by a process.
type mortalStore struct {
	eventstore.Store
	life *life
}

func (s mortalStore) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	return step(s.life, "append", func() (eventstore.Appended, error) { return s.Store.Append(ctx, stream, expected, records) })
}

func (s mortalStore) Head(ctx context.Context, stream string) (uint64, error) {
	if s.life.died() {
		return 0, errDead
	}
	return s.Store.Head(ctx, stream)
}

func (s mortalStore) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	if s.life.died() {
		return func(yield func(eventstore.Record, error) bool) { yield(eventstore.Record{}, errDead) }
	}
	return s.Store.ReadStream(ctx, stream, from)
}

// mortalChain and mortalSigner are the chain and the signer as seen by a process.
type mortalChain struct {
	custody.Chain
	life *life
}

func (c mortalChain) Prepare(ctx context.Context, p domain.Payment, how custody.Making) (commands.Prepared, error) {
	return step(c.life, "prepare", func() (commands.Prepared, error) { return c.Chain.Prepare(ctx, p, how) })
}

func (c mortalChain) Reprice(ctx context.Context, transaction json.RawMessage, pay domain.Payment, how custody.Making) (commands.Prepared, error) {
	return step(c.life, "reprice", func() (commands.Prepared, error) { return c.Chain.Reprice(ctx, transaction, pay, how) })
}

func (c mortalChain) Send(ctx context.Context, chain, raw string) error {
	_, err := step(c.life, "send", func() (struct{}, error) { return struct{}{}, c.Chain.Send(ctx, chain, raw) })
	return err
}

func (c mortalChain) Follow(ctx context.Context, attempts []treasury.Attempt) (custody.Outcome, error) {
	return step(c.life, "follow", func() (custody.Outcome, error) { return c.Chain.Follow(ctx, attempts) })
}

type mortalSigner struct {
	custody.Signer
	life *life
}

func (s mortalSigner) Sign(ctx context.Context, wallet, address string, digest [32]byte) ([65]byte, error) {
	return step(s.life, "sign", func() ([65]byte, error) { return s.Signer.Sign(ctx, wallet, address, digest) })
}

// mortal starts a process that dies at an effect.
func (w *world) mortal(store eventstore.Store, at int, before bool) (*server, *life) {
	l := &life{at: at, before: before, names: map[string]bool{}}
	s := w.serve(mortalStore{store, l}, func(o *custody.Options) {
		o.Chain, o.Signer = mortalChain{o.Chain, l}, mortalSigner{o.Signer, l}
	})
	s.truth = store
	return s, l
}
