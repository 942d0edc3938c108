package custody_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore/memory"
)

// flaky is a chain, and a keystore, of which two of three calls fail: one before it did
// anything, one after it did everything.
type flaky struct {
	custody.Chain
	custody.Signer
	mu     sync.Mutex
	rng    *rand.Rand
	failed int
}

var errFlaky = errors.New("it failed")

func try[T any](f *flaky, do func() (T, error)) (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var none T
	switch f.rng.IntN(3) {
	case 0:
		f.failed++
		return none, errFlaky
	case 1:
		f.failed++
		_, _ = do()
		return none, errFlaky
	}
	return do()
}

func (f *flaky) Prepare(ctx context.Context, p domain.Payment, how custody.Making) (commands.Prepared, error) {
	return try(f, func() (commands.Prepared, error) { return f.Chain.Prepare(ctx, p, how) })
}

func (f *flaky) Reprice(ctx context.Context, transaction json.RawMessage, pay domain.Payment, how custody.Making) (commands.Prepared, error) {
	return try(f, func() (commands.Prepared, error) { return f.Chain.Reprice(ctx, transaction, pay, how) })
}

func (f *flaky) Read(transaction json.RawMessage) (commands.Prepared, error) {
	return try(f, func() (commands.Prepared, error) { return f.Chain.Read(transaction) })
}

func (f *flaky) Assemble(transaction json.RawMessage, signature [65]byte) (custody.SignedTransaction, error) {
	return try(f, func() (custody.SignedTransaction, error) { return f.Chain.Assemble(transaction, signature) })
}

func (f *flaky) Send(ctx context.Context, chain, raw string) error {
	_, err := try(f, func() (bool, error) { return true, f.Chain.Send(ctx, chain, raw) })
	return err
}

func (f *flaky) Follow(ctx context.Context, attempts []treasury.Attempt) (custody.Outcome, error) {
	return try(f, func() (custody.Outcome, error) { return f.Chain.Follow(ctx, attempts) })
}

func (f *flaky) Balances(ctx context.Context, wallets []*treasury.Wallet) (custody.Balances, error) {
	return try(f, func() (custody.Balances, error) { return f.Chain.Balances(ctx, wallets) })
}

func (f *flaky) Sign(ctx context.Context, wallet, address string, digest [32]byte) ([65]byte, error) {
	return try(f, func() ([65]byte, error) { return f.Signer.Sign(ctx, wallet, address, digest) })
}

// Every failure is retried, however often: one transaction, and no stop.
func TestATransferWhereMostThingsFail(t *testing.T) {
	t.Parallel()
	w := plainWorld(t)
	failed := 0
	for round := range *crashRounds {
		store := memory.New()
		setup := w.opened(store)
		j := w.journeys()[[]int{0, 1, 3}[round%3]]
		id, block := setup.ask(j.ask), w.node.Head()
		f := &flaky{rng: rand.New(rand.NewPCG(uint64(round), 1))}
		s := w.serve(store, func(o *custody.Options) {
			f.Chain, f.Signer = o.Chain, o.Signer
			o.Chain, o.Signer = f, f
		})
		for n := 0; s.transfer(id).Open(); n++ {
			require.Less(t, n, 500)
			_ = s.work()
			x := s.transfer(id)
			switch {
			case j.stuck && x.Status == treasury.Broadcast && len(x.Attempts) < 3:
				w.later(2 * time.Minute)
			case x.Sent():
				w.node.Mine(1)
			}
		}
		require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
		require.False(t, s.state().Stop.Engaged)
		setup.one(id, block)
		setup.agrees()
		failed += f.failed
	}
	t.Logf("%d rounds, %d calls failed", *crashRounds, failed)
}
