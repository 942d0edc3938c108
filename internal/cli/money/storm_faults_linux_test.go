package money_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"net/http"
	"sync"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore"
	"pets/internal/chain/chaintest"
)

// life is the life of one server. It counts effects, and dies before or after a chosen one;
// after that nothing it does has an effect.
type life struct {
	mu     sync.Mutex
	left   int // effects until it dies; 0 for never
	before bool
	dead   bool
}

var errDead error = &eventstore.Unavailable{Cause: errors.New("the process is dead")}

// dies makes the process die before or after an effect from now on: 1 is the next.
func (l *life) dies(at int, before bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.before = at, before
}

func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
}

func (l *life) died() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// effect does one effect, if the process is alive. If it dies after it, the result is lost.
func effect[T any](l *life, do func() (T, error)) (T, error) {
	var none T
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return none, errDead
	}
	if l.left == 0 {
		return do()
	}
	if l.left--; l.left > 0 {
		return do()
	}
	l.dead = true
	if l.before {
		return none, errDead
	}
	_, err := do()
	return none, errors.Join(err, errDead)
}

// mortalStore is the store as seen by a server.
type mortalStore struct {
	eventstore.Store
	life *life
}

func (s mortalStore) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	return effect(s.life, func() (eventstore.Appended, error) { return s.Store.Append(ctx, stream, expected, records) })
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

// mortalChain and mortalSigner are the chain and the keystore as seen by a server.
type mortalChain struct {
	custody.Chain
	life *life
}

func (c mortalChain) Prepare(ctx context.Context, p domain.Payment, how custody.Making) (commands.Prepared, error) {
	return effect(c.life, func() (commands.Prepared, error) { return c.Chain.Prepare(ctx, p, how) })
}

func (c mortalChain) Reprice(ctx context.Context, transaction json.RawMessage, pay domain.Payment, how custody.Making) (commands.Prepared, error) {
	return effect(c.life, func() (commands.Prepared, error) { return c.Chain.Reprice(ctx, transaction, pay, how) })
}

func (c mortalChain) Send(ctx context.Context, chain, raw string) error {
	_, err := effect(c.life, func() (struct{}, error) { return struct{}{}, c.Chain.Send(ctx, chain, raw) })
	return err
}

func (c mortalChain) Follow(ctx context.Context, attempts []treasury.Attempt) (custody.Outcome, error) {
	return effect(c.life, func() (custody.Outcome, error) { return c.Chain.Follow(ctx, attempts) })
}

type mortalSigner struct {
	custody.Signer
	life *life
}

func (s mortalSigner) Sign(ctx context.Context, wallet, address string, digest [32]byte) ([65]byte, error) {
	return effect(s.life, func() ([65]byte, error) { return s.Signer.Sign(ctx, wallet, address, digest) })
}

// endpointFaults are what is wrong with the two endpoints now.
type endpointFaults struct {
	mu     sync.Mutex
	silent [2]bool
	lies   [2]bool
	gwei   int64 // what the base fee is said to be; 0 is the truth
	forget bool  // the nodes say that no transaction is taken
}

// set changes them.
func (f *endpointFaults) set(change func(*endpointFaults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// heal ends all but the fees, which stay as high as they are.
func (f *endpointFaults) heal() {
	f.set(func(f *endpointFaults) { f.silent, f.lies, f.forget = [2]bool{}, [2]bool{}, false })
}

func (f *endpointFaults) of(n int) chaintest.Fault {
	return func(rw http.ResponseWriter, r chaintest.Request) bool {
		f.mu.Lock()
		silent, lies, forget, base := f.silent[n], f.lies[n], f.forget, new(big.Int).Mul(big.NewInt(f.gwei), big.NewInt(1e9))
		f.mu.Unlock()
		switch {
		case silent:
			return chaintest.Status(http.StatusServiceUnavailable, "")(rw, r)
		case lies && (r.Method == "eth_getTransactionCount" || r.Method == "eth_getBalance"):
			return chaintest.Result(`"0x4d"`)(rw, r)
		case r.Method == "eth_sendRawTransaction" && (forget || base.Sign() > 0 && offers(r.Params).Cmp(base) < 0):
			return chaintest.Refuse(-32000, "transaction underpriced")(rw, r)
		case base.Sign() > 0 && r.Method == "eth_getBlockByNumber":
			return chaintest.Twist(func(block map[string]any) { block["baseFeePerGas"] = fmt.Sprintf("%#x", base) })(rw, r)
		}
		return false
	}
}

// offers is what a transaction pays for gas at most.
func offers(params json.RawMessage) *big.Int {
	var raw []hexutil.Bytes
	var tx types.Transaction
	if json.Unmarshal(params, &raw) != nil || len(raw) != 1 || tx.UnmarshalBinary(raw[0]) != nil {
		return new(big.Int)
	}
	return tx.GasFeeCap()
}
