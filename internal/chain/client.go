package chain

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"pets/domain"
)

// Limits of a client.
const (
	DefaultTimeout = 10 * time.Second
	maxTimeout     = time.Minute
	maxEndpoints   = 8
	// liveEndpoints is how many endpoints must answer, and agree, in live mode.
	liveEndpoints = 2
)

// Config names the chain and its endpoints.
type Config struct {
	Chain     Chain // from the registry, with its fixed number
	Endpoints []Endpoint
	Timeout   time.Duration // of each call; 0 is DefaultTimeout
	// Live: two endpoints at two hosts must agree about everything. Only a test chain
	// may do without: see [Chain.Test].
	Live bool
	Now  func() time.Time
	// Promises is what endpoints have promised to earlier processes; nil for nothing.
	Promises Promises
}

// Client queries a chain through its endpoints. It is safe for concurrent use.
type Client struct {
	chain     Chain
	endpoints []*endpoint
	need      int
	now       func() time.Time
}

// New returns a client without querying anything: a server has to start, and bots
// need answers, even while no endpoint is reachable. The chain id is queried
// together with every head.
func New(config Config) (*Client, error) {
	c := &Client{chain: config.Chain, need: 1, now: config.Now}
	if config.Live {
		c.need = liveEndpoints
	}
	if c.now == nil {
		c.now = time.Now
	}
	timeout := config.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	switch {
	case c.chain.number == 0:
		return nil, domain.Invalid("chain", "must come from a registry")
	case !config.Live && !c.chain.Test():
		return nil, domain.Invalid("chain", "%s is not a known test chain, so a single endpoint is never believed", c.chain.ID)
	case len(config.Endpoints) < c.need:
		return nil, domain.Invalid("endpoints", "must be at least %d, so that one can be checked against the other", c.need)
	case len(config.Endpoints) > maxEndpoints:
		return nil, domain.Invalid("endpoints", "must be at most %d", maxEndpoints)
	case timeout < 0 || timeout > maxTimeout:
		return nil, domain.Invalid("timeout", "must be above 0 and at most %s", maxTimeout)
	}
	witnesses := map[string]int{}
	for i, at := range config.Endpoints {
		e, by, err := dial(i, at, config.Live, timeout)
		if err != nil {
			return nil, err
		}
		if other, twice := witnesses[by]; twice {
			return nil, domain.Invalid(fmt.Sprintf("endpoint %d", i), "has the same host as endpoint %d, so it does not count as a second one", other)
		}
		witnesses[by] = i
		e.remember(config.Promises, promiseOf(c.chain.ID, by))
		c.endpoints = append(c.endpoints, e)
	}
	return c, nil
}

// Close lets go of the endpoints.
func (c *Client) Close() {
	for _, e := range c.endpoints {
		e.hangUp()
	}
}

// Chain returns the registry's facts about the chain.
func (c *Client) Chain() Chain { return c.chain }

func (c *Client) checkChain(ctx context.Context, e *endpoint) (uint64, error) {
	var id hexutil.Uint64
	const call = "eth_chainId"
	if err := e.call(ctx, &id, call); err != nil {
		return 0, err
	}
	if uint64(id) != c.chain.number {
		return 0, &EndpointError{Endpoint: e.index, Call: call, Problem: "serves another chain than " + c.chain.ID, kind: ErrWrongChain}
	}
	return uint64(id), nil
}

// answers are the answers of the endpoints that responded.
type answers[T any] struct {
	from   []*endpoint
	values []T
}

// ask sends one request to all the given endpoints at once and waits for each for
// at most the time-out. Too few answers are an error. So is one endpoint on
// another chain, however many are on this one.
func ask[T any](ctx context.Context, c *Client, of []*endpoint, what string, read func(context.Context, *endpoint) (T, error)) (answers[T], error) {
	values, errs := make([]T, len(of)), make([]error, len(of))
	var wait sync.WaitGroup
	for i, e := range of {
		wait.Go(func() { values[i], errs[i] = read(ctx, e) })
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return answers[T]{}, fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
	}
	var got answers[T]
	var failed []error
	for i, err := range errs {
		switch {
		case err == nil:
			got.from = append(got.from, of[i])
			got.values = append(got.values, values[i])
		case errors.Is(err, ErrWrongChain), errors.Is(err, ErrDisagreement):
			return answers[T]{}, err
		default:
			failed = append(failed, err)
		}
	}
	if len(got.from) < c.need {
		return answers[T]{}, tooFew(what, c.need, len(of), failed)
	}
	return got, nil
}

// agreed returns the value that all answers share.
func (a answers[T]) agreed(what string) (T, error) {
	for i := range a.values {
		if !reflect.DeepEqual(a.values[i], a.values[0]) {
			var none T
			return none, &Disagreement{What: what, A: a.from[0].index, B: a.from[i].index}
		}
	}
	return a.values[0], nil
}

// agree sends a request and requires the same answer from all.
func agree[T any](ctx context.Context, c *Client, of []*endpoint, what string, read func(context.Context, *endpoint) (T, error)) (T, error) {
	got, err := ask(ctx, c, of, what, read)
	if err != nil {
		var none T
		return none, err
	}
	return got.agreed(what)
}

// Block identifies a block. Reads are bound to its hash, so that they cannot mix
// two histories.
type Block struct {
	Number uint64      `json:"number"`
	Hash   common.Hash `json:"hash"`
	Time   time.Time   `json:"time"`
}

// header is a block with the values that fees are computed from.
type header struct {
	Block
	BaseFee Units
}

// view is a block that the endpoints of one operation agree on, with those
// endpoints. An endpoint that failed is not used again within the operation.
type view struct {
	header
	of []*endpoint
}

// rawHeader is decoded as it is, and its hash is not recomputed: some chains add
// header fields that Ethereum's rules for the hash do not cover. What matters is
// that endpoints agree on the hash.
type rawHeader struct {
	Number    *hexutil.Uint64 `json:"number"`
	Hash      common.Hash     `json:"hash"`
	Timestamp hexutil.Uint64  `json:"timestamp"`
	BaseFee   *hexutil.Big    `json:"baseFeePerGas"`
}

// headerAt reads a header by number, or "latest".
func headerAt(ctx context.Context, e *endpoint, number string) (header, error) {
	const call = "eth_getBlockByNumber"
	var raw *rawHeader
	if err := e.call(ctx, &raw, call, number, false); err != nil {
		return header{}, err
	}
	if raw == nil {
		return header{}, &EndpointError{Endpoint: e.index, Call: call, Problem: "does not know the block", kind: errNoBlock}
	}
	if raw.Number == nil || raw.Hash == (common.Hash{}) || raw.BaseFee == nil || uint64(raw.Timestamp) > 1<<40 {
		return header{}, e.malformed(call)
	}
	if number != latest && number != finalized && raw.Number.String() != number {
		return header{}, e.malformed(call)
	}
	base, err := unitsOf(raw.BaseFee.ToInt())
	if err != nil {
		return header{}, e.malformed(call)
	}
	at := time.Unix(int64(raw.Timestamp), 0).UTC() //nolint:gosec // bounded above
	return header{Block{uint64(*raw.Number), raw.Hash, at}, base}, nil
}

// The tags of blocks that are used.
const (
	latest    = "latest"
	finalized = "finalized"
)

// look finds the newest block that enough endpoints have and that all responding
// endpoints agree on. One endpoint may be MaxLag blocks behind another. A
// difference at the tip may be a reorganisation; MaxLag blocks further down they
// have to agree.
func (c *Client) look(ctx context.Context) (view, error) {
	got, err := ask(ctx, c, c.endpoints, "the newest block", func(ctx context.Context, e *endpoint) (header, error) {
		if _, err := c.checkChain(ctx, e); err != nil {
			return header{}, err
		}
		return headerAt(ctx, e, latest)
	})
	if err != nil {
		return view{}, err
	}
	low, high := 0, 0
	for i, h := range got.values {
		if h.Number < got.values[low].Number {
			low = i
		}
		if h.Number > got.values[high].Number {
			high = i
		}
	}
	tip := got.values[low]
	if got.values[high].Number-tip.Number > c.chain.MaxLag {
		return view{}, &Disagreement{What: fmt.Sprintf("the newest block by more than %d blocks", c.chain.MaxLag), A: got.from[low].index, B: got.from[high].index}
	}
	if age := c.now().Sub(tip.Time); age > time.Duration(c.chain.HeadMaxAge) {
		return view{}, fmt.Errorf("%w: the newest block of endpoint %d is %s old", ErrUnavailable, got.from[low].index, age.Truncate(time.Second))
	}
	at, err := c.headerAgreed(ctx, got.from, tip.Number)
	if errors.Is(err, ErrDisagreement) && tip.Number > c.chain.MaxLag {
		at, err = c.headerAgreed(ctx, got.from, tip.Number-c.chain.MaxLag)
	}
	return view{at, got.from}, err
}

// headerAgreed returns the block of a number, on which all endpoints agree.
func (c *Client) headerAgreed(ctx context.Context, of []*endpoint, number uint64) (header, error) {
	return agree(ctx, c, of, fmt.Sprintf("block %d", number), func(ctx context.Context, e *endpoint) (header, error) {
		return headerAt(ctx, e, hexutil.EncodeUint64(number))
	})
}

// Head returns the newest block on which the endpoints agree.
func (c *Client) Head(ctx context.Context) (Block, error) {
	v, err := c.look(ctx)
	return v.Block, err
}
