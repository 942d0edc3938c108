package chain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/rpc"
)

// A block is final if it has the registry's number of confirmations and the chain itself
// has finalized it. The number alone was wrong in the past: main chains were reorganised
// deeper than anybody had expected. The tag alone would rest on software that is younger
// than the chain.
//
// Not every chain or endpoint knows the tag "finalized". For an endpoint that does not,
// only the number counts. One that has named a finalized block before is not believed to
// have forgotten the tag: nothing is final until it names one again. That is remembered
// beyond the process: see [Promises].

// Promises remembers, for longer than a process, which endpoints have named a finalized
// block. A name is made of the chain and the host of an endpoint, and tells neither.
type Promises interface {
	Made(name string) bool
	// Keep remembers one. What cannot be remembered holds for this process, and the
	// implementation says so to people.
	Keep(name string)
}

// promiseOf is the name of what an endpoint promises.
func promiseOf(chain, witness string) string {
	sum := sha256.Sum256([]byte("pets finality " + chain + " " + witness))
	return hex.EncodeToString(sum[:16])
}

// remember has an endpoint know what it has promised to an earlier process, and keep what
// it promises to this one.
func (e *endpoint) remember(kept Promises, name string) {
	if kept == nil {
		return
	}
	e.finalizes.Store(kept.Made(name))
	e.keep = func() { kept.Keep(name) }
}

// errNoBlock reports that an endpoint does not know a block. It is an ErrUnavailable.
var errNoBlock error = fmt.Errorf("%w: no such block", ErrUnavailable)

// final reports whether a block that is part of a view is final in it.
func (c *Client) final(ctx context.Context, v view, at Block) (bool, error) {
	if v.Number+1-at.Number < c.chain.Confirmations {
		return false, nil
	}
	got, err := ask(ctx, c, v.of, "the finalized block", func(ctx context.Context, e *endpoint) (bool, error) {
		return e.finalizedAt(ctx, at.Number)
	})
	if err != nil {
		return false, err
	}
	for _, covered := range got.values {
		if !covered {
			return false, nil
		}
	}
	return true, nil
}

// finalizedAt returns what an endpoint says of a block: whether the chain has finalized
// it, or true if the endpoint knows no finalized block at all.
func (e *endpoint) finalizedAt(ctx context.Context, number uint64) (bool, error) {
	h, err := headerAt(ctx, e, finalized)
	switch {
	case err == nil:
		if !e.finalizes.Swap(true) {
			e.keep()
		}
		return h.Number >= number, nil
	case !e.finalizes.Load() && knowsNoTag(err):
		return true, nil
	}
	return false, err
}

// knowsNoTag reports whether an error means that the endpoint, or its chain, has no
// finalized block. A limit of requests or a fault of the transport does not mean that.
func knowsNoTag(err error) bool {
	return errors.Is(err, errNoBlock) || errors.Is(err, errNoTag)
}

// errNoTag reports that an endpoint refuses the tag. It is an ErrUnavailable.
var errNoTag error = fmt.Errorf("%w: the tag is not known", ErrUnavailable)

// refusesTag reports whether an endpoint refused a call because of its tag: it does not
// know the call's parameters (JSON-RPC error -32602), or says that there is no such block.
func refusesTag(err error, args []any) bool {
	var answer rpc.Error
	if len(args) == 0 || args[0] != finalized || !errors.As(err, &answer) {
		return false
	}
	const invalidParams = -32602
	text := strings.ToLower(answer.Error())
	return answer.ErrorCode() == invalidParams || slices.ContainsFunc(
		[]string{"finalized", "not found", "unknown block", "invalid block", "unsupported", "not supported", "cannot unmarshal", "hex string"},
		func(words string) bool { return strings.Contains(text, words) })
}
