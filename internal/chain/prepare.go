package chain

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"pets/domain"
)

// Transfer is an approved payment.
type Transfer struct {
	Asset      Asset
	From, To   Address
	Amount     domain.Decimal
	HighestFee domain.Decimal // for all of the transaction, in the native coin (18 decimals)
	// Nonce is a nonce that the caller reserved, or nil to take the next one. The
	// next one is known only while no transaction of the wallet is under way.
	Nonce *uint64
	// First takes the next nonce even so, replacing the transaction that is under
	// way.
	First bool
	// WholeFee offers all of the highest fee: see offerWhole.
	WholeFee bool
}

// nativeDecimals are the decimals of the coin that fees are paid in, on every EVM
// chain: the EVM counts in wei.
const nativeDecimals = 18

// Prepare turns an approved transfer into a transaction, with the current nonce,
// gas and fees and everything else as approved. It simulates the transfer on the
// newest block and refuses one that would fail. Nothing is sent or reserved: the
// result has no effect until the caller records it.
func (c *Client) Prepare(ctx context.Context, t Transfer) (Unsigned, error) {
	u, err := c.draft(t)
	if err != nil {
		return Unsigned{}, err
	}
	v, err := c.look(ctx)
	if err != nil {
		return Unsigned{}, err
	}
	if u.Nonce, err = c.chooseNonce(ctx, v, t); err != nil {
		return Unsigned{}, err
	}
	held, err := c.held(ctx, v, u, t.Asset)
	if err != nil {
		return Unsigned{}, err
	}
	if err := held.cover(u, t.Asset); err != nil { // before gas, whose estimate would fail for it
		return Unsigned{}, err
	}
	if err := c.rehearse(ctx, v, u); err != nil {
		return Unsigned{}, err
	}
	if u.Gas, err = c.gas(ctx, v, u); err != nil {
		return Unsigned{}, err
	}
	highest := u.HighestFee
	if t.WholeFee {
		highest = lower(highest, held.native.less(u.Value))
	}
	if u.Fees, err = c.fees(ctx, v, u.Gas, highest, t.WholeFee); err != nil {
		return Unsigned{}, err
	}
	if err := held.cover(u, t.Asset); err != nil { // and with the fee
		return Unsigned{}, err
	}
	return u, u.Check()
}

// draft builds the part that follows from the approval alone.
func (c *Client) draft(t Transfer) (Unsigned, error) {
	if t.Asset.chain != c.chain.ID {
		return Unsigned{}, domain.Invalid("asset", "is not on %s", c.chain.ID)
	}
	units, err := t.Asset.Units(t.Amount)
	if err != nil {
		return Unsigned{}, err
	}
	highest, err := scaled("highest_fee", t.HighestFee, nativeDecimals)
	if err != nil {
		return Unsigned{}, err
	}
	u := Unsigned{ChainID: c.chain.number, From: t.From, To: t.To, Value: units, HighestFee: highest}
	if !t.Asset.Native() {
		u.To, u.Value, u.Data = t.Asset.token, Units{}, transferData(t.To, units)
	}
	if u.From.IsZero() || t.To.IsZero() {
		return Unsigned{}, notTransfer("sender or recipient is missing")
	}
	return u, u.checkPayment()
}

// chooseNonce takes the next nonce, or checks the caller's. A nonce that leaves a
// gap would never be included. One chosen while another transaction is under way
// could replace that one, which is right only if the caller says so.
func (c *Client) chooseNonce(ctx context.Context, v view, t Transfer) (uint64, error) {
	want := t.Nonce
	next, err := c.nonceAt(ctx, v.of, v.Block, t.From)
	if err != nil || want == nil && t.First {
		return next, err
	}
	pending, err := c.pendingNonce(ctx, v.of, t.From)
	if err != nil {
		return 0, err
	}
	switch {
	case want == nil && pending > next:
		return 0, fmt.Errorf("%w: a transaction of this wallet is under way", ErrNonce)
	case want == nil:
		return next, nil
	case *want < next:
		return 0, fmt.Errorf("%w: %d is used, the next one is %d", ErrNonce, *want, next)
	case *want > max(pending, next):
		return 0, fmt.Errorf("%w: %d would leave a gap, the next one is %d", ErrNonce, *want, max(pending, next))
	}
	return *want, nil
}

// rehearse simulates a token transfer. It distinguishes three kinds of tokens:
// those that return true, those that return nothing (which counts, if there is a
// contract at all), and those that return false instead of reverting.
func (c *Client) rehearse(ctx context.Context, v view, u Unsigned) error {
	if len(u.Data) == 0 {
		return nil
	}
	code, err := c.hasCode(ctx, v.of, v.Block, u.To)
	if err != nil {
		return err
	}
	if !code {
		return fmt.Errorf("%w: there is no contract at its address", ErrToken)
	}
	answer, err := agree(ctx, c, v.of, "a rehearsed transfer", func(ctx context.Context, e *endpoint) (contractAnswer, error) {
		return e.callContract(ctx, v.Hash, u.From, u.To, u.Data)
	})
	switch {
	case err != nil:
		return err
	case answer.reverted:
		return fmt.Errorf("%w: the token's contract reverts it", ErrWouldFail)
	case !saysTrue(answer.data):
		return fmt.Errorf("%w: the token's contract does not answer true", ErrWouldFail)
	}
	return nil
}

func saysTrue(data []byte) bool {
	if len(data) == 0 {
		return true
	}
	ok := slices.Repeat([]byte{0}, 31)
	return slices.Equal(data, append(ok, 1))
}

// gas adds a quarter to the highest estimate: estimators differ, unused gas is
// not paid, and with too little gas the fee is lost. The highest fee still limits
// the total.
func (c *Client) gas(ctx context.Context, v view, u Unsigned) (uint64, error) {
	got, err := ask(ctx, c, v.of, "the gas", func(ctx context.Context, e *endpoint) (uint64, error) { return e.estimate(ctx, u) })
	if err != nil {
		return 0, err
	}
	highest := slices.Max(got.values)
	if slices.Contains(got.values, 0) {
		return 0, fmt.Errorf("%w: an endpoint says that it reverts or cannot be paid", ErrWouldFail)
	}
	if highest > c.chain.MaxGas {
		return 0, fmt.Errorf("%w: it needs %d gas, at most %d are allowed", ErrFeeOverCap, highest, c.chain.MaxGas)
	}
	return min(highest+highest/4, c.chain.MaxGas), nil
}

// estimate returns 0 for a transfer that the endpoint would not carry out.
func (e *endpoint) estimate(ctx context.Context, u Unsigned) (uint64, error) {
	const call = "eth_estimateGas"
	var n *hexutil.Uint64
	args := map[string]any{"from": common.Address(u.From), "to": common.Address(u.To), "value": (*hexutil.Big)(u.Value.Big())}
	if len(u.Data) > 0 {
		args["data"] = u.Data
	}
	err := e.call(ctx, &n, call, args)
	switch {
	case isRefusal(err):
		return 0, nil
	case err != nil:
		return 0, err
	case n == nil || *n == 0:
		return 0, e.malformed(call)
	}
	return uint64(*n), nil
}

// funds are the sender's balances of the asset it sends, and of the coin that
// fees are paid in.
type funds struct{ asset, native Units }

func (c *Client) held(ctx context.Context, v view, u Unsigned, asset Asset) (funds, error) {
	return agree(ctx, c, v.of, fmt.Sprintf("balances at block %d", v.Number), func(ctx context.Context, e *endpoint) (funds, error) {
		of, err := e.balance(ctx, v.Hash, Holding{u.From, asset})
		if err != nil {
			return funds{}, err
		}
		native, err := e.balance(ctx, v.Hash, Holding{Wallet: u.From})
		return funds{of, native}, err
	})
}

// cover compares them with the amount and the maximum fee.
func (f funds) cover(u Unsigned, asset Asset) error {
	_, units := u.Recipient()
	fee, _ := u.MaxFee.times(u.Gas)
	coins, fits := u.Value.add(fee)
	switch {
	case f.asset.Cmp(units) < 0:
		return fmt.Errorf("%w of %s", ErrInsufficientFunds, asset.Symbol)
	case !fits || f.native.Cmp(coins) < 0:
		return fmt.Errorf("%w to pay amount and fee", ErrInsufficientFunds)
	}
	return nil
}
