package chain

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Fees are what a transaction offers per unit of gas, in wei (EIP-1559).
type Fees struct {
	MaxFee Units `json:"max_fee_per_gas"` // the most it pays, base fee and tip together
	Tip    Units `json:"max_tip_per_gas"` // the most of it that goes to the producer of the block
}

// feeRules are the registry's limits per unit of gas, in wei.
type feeRules struct{ minTip, maxTip, maxFee Units }

// offer computes fees for a block's base fee. The suggested tip is moved into the
// registry's limits, because it is only the advice of one endpoint. The maximum
// leaves room for the base fee to double, if the registry and the highest fee
// allow that. It is never less than the base fee and the smallest tip.
func (r feeRules) offer(base, suggested Units, gas uint64, highest Units) (Fees, error) {
	tip := lower(higher(suggested, r.minTip), r.maxTip)
	limit := lower(r.maxFee, highest.over(gas))
	least, fits := base.add(r.minTip)
	if !fits || least.Cmp(limit) > 0 {
		return Fees{}, fmt.Errorf("%w: it asks for %s wei per gas at least; %s are allowed for %d gas", ErrFeeOverCap, least, limit, gas)
	}
	tip = lower(tip, limit.less(base))
	most, fits := base.times(2)
	if fits {
		most, fits = most.add(tip)
	}
	if !fits {
		most = limit
	}
	return Fees{MaxFee: lower(most, limit), Tip: tip}, nil
}

// offerWhole computes fees that use all of the highest fee, within the registry's limits:
// for a transaction that waits for a signature elsewhere, and cannot be repriced without
// another one. What the base fee does not need is not paid. Its tip is twice the suggested
// one, because that is paid, and may be out of date by then.
func (r feeRules) offerWhole(base, suggested Units, gas uint64, highest Units) (Fees, error) {
	fees, err := r.offer(base, suggested, gas, highest)
	if err != nil {
		return Fees{}, err
	}
	fees.MaxFee = lower(r.maxFee, highest.over(gas))
	if doubled, fits := fees.Tip.times(2); fits {
		fees.Tip = lower(lower(doubled, r.maxTip), fees.MaxFee.less(base))
	}
	return fees, nil
}

// CheckFees refuses a transaction that may pay more than the registry allows on its chain:
// no server with this registry makes one. Whoever writes a file by hand can burn a wallet's
// coins as its fee, and pay nothing with it. What cancels a transaction offers more than that,
// which may offer all that is allowed, so it may offer twice as much.
func (r *Registry) CheckFees(u Unsigned) error {
	c, err := r.Chain(fmt.Sprintf("eip155:%d", u.ChainID))
	if err != nil {
		return err
	}
	most := c.rules.maxFee
	if u.Cancels() {
		if doubled, fits := most.times(2); fits {
			most = doubled
		}
	}
	switch {
	case u.Gas > c.MaxGas:
		return fmt.Errorf("%w: it may use %d gas, and at most %d are allowed on %s", ErrFeeOverCap, u.Gas, c.MaxGas, c.Name)
	case u.MaxFee.Cmp(most) > 0:
		return fmt.Errorf("%w: it offers up to %s wei per gas, and at most %s are allowed on %s", ErrFeeOverCap, u.MaxFee, most, c.Name)
	}
	return nil
}

// SuggestFees returns what a transaction of that much gas should offer now, with
// gas × MaxFee within the highest fee (in wei). If the chain demands more, it
// returns [ErrFeeOverCap].
func (c *Client) SuggestFees(ctx context.Context, gas uint64, highest Units) (Fees, error) {
	v, err := c.look(ctx)
	if err != nil {
		return Fees{}, err
	}
	return c.fees(ctx, v, gas, highest, false)
}

// Vary returns the same payment as another transaction, for a wallet that already has this
// very one: it offers a wei more as its tip, or a wei less in all where the tip is as high as
// it may be. Neither is above what was approved, and calling it again and again never gives
// the same one twice.
func (c *Client) Vary(u Unsigned) (Unsigned, error) {
	one := NewUnits(1)
	u.Data = bytes.Clone(u.Data)
	if tip, fits := u.Tip.add(one); fits && tip.Cmp(lower(u.MaxFee, c.chain.rules.maxTip)) <= 0 {
		u.Tip = tip
		return u, u.Check()
	}
	if u.MaxFee.IsZero() {
		return Unsigned{}, fmt.Errorf("%w: another transfer of the wallet has this transaction, and there is none that offers less", ErrFeeOverCap)
	}
	u.MaxFee = u.MaxFee.less(one)
	u.Tip = lower(u.Tip, u.MaxFee)
	return u, u.Check()
}

// fees uses the lowest tip that an endpoint suggests: too high a tip costs money,
// too low a tip only time, and then the transaction can be repriced.
func (c *Client) fees(ctx context.Context, v view, gas uint64, highest Units, whole bool) (Fees, error) {
	if gas == 0 || gas > c.chain.MaxGas {
		return Fees{}, fmt.Errorf("%w: it needs %d gas, at most %d are allowed", ErrFeeOverCap, gas, c.chain.MaxGas)
	}
	tips, err := ask(ctx, c, v.of, "the tip", func(ctx context.Context, e *endpoint) (Units, error) {
		const call = "eth_maxPriorityFeePerGas"
		var tip *hexutil.Big
		if err := e.call(ctx, &tip, call); err != nil {
			return Units{}, err
		}
		u, err := unitsOf(tip.ToInt())
		if err != nil {
			return Units{}, e.malformed(call)
		}
		return u, nil
	})
	if err != nil {
		return Fees{}, err
	}
	lowest := tips.values[0]
	for _, tip := range tips.values {
		lowest = lower(lowest, tip)
	}
	if whole {
		return c.chain.rules.offerWhole(v.BaseFee, lowest, gas, highest)
	}
	return c.chain.rules.offer(v.BaseFee, lowest, gas, highest)
}
