package evm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/chain"
)

// Chain is one chain, accessed through its endpoints. It implements [custody.Chain].
type Chain struct {
	*Signatory
	client *chain.Client
}

// NewChain returns the chain that a client accesses.
func NewChain(r *chain.Registry, c *chain.Client) *Chain { return &Chain{NewSignatory(r), c} }

// classified is an error of the chain that also is one of custody's errors. Its text is
// that of the chain's error.
type classified struct{ class, err error }

func (c *classified) Error() string { return c.err.Error() }

// Unwrap returns both.
func (c *classified) Unwrap() []error { return []error{c.err, c.class} }

// classify makes an error of the chain one of custody's errors, if it means one.
func classify(err error) error {
	switch {
	case errors.Is(err, chain.ErrDisagreement), errors.Is(err, chain.ErrWrongChain):
		return &classified{custody.ErrChainDisagrees, err}
	case errors.Is(err, chain.ErrToken), errors.Is(err, chain.ErrTransaction):
		return &classified{custody.ErrCannotPay, err}
	case errors.Is(err, chain.ErrUnderpriced):
		return &classified{custody.ErrUnderpriced, err}
	}
	return err
}

// checkServed refuses a chain that is not the one the endpoints serve.
func (c *Chain) checkServed(id string) error {
	if id != c.client.Chain().ID {
		return domain.Errorf(domain.CodeConflict, "the endpoints are of %s, not of %s", c.client.Chain().ID, id)
	}
	return nil
}

// parse reads a transaction, and refuses one of another chain: the nonces of the account
// there would make its payment look lost or replaced.
func (c *Chain) parse(transaction json.RawMessage) (chain.Unsigned, error) {
	u, err := parse(transaction)
	if err == nil {
		err = c.checkServed(fmt.Sprintf("eip155:%d", u.ChainID))
	}
	return u, err
}

// Prepare implements custody.Chain. It first compares the token's own data with the
// registry: a wrong number of decimals would change amounts by powers of ten.
func (c *Chain) Prepare(ctx context.Context, p domain.Payment, how custody.Making) (commands.Prepared, error) {
	if err := c.checkServed(p.Chain); err != nil {
		return commands.Prepared{}, err
	}
	asset, err := c.registry.Asset(p.AssetID)
	if err != nil {
		return commands.Prepared{}, err
	}
	t := chain.Transfer{Asset: asset, Amount: p.Amount, HighestFee: p.HighestFee, First: how.First, WholeFee: how.WholeFee, Nonce: how.Nonce}
	if t.From, err = chain.ParseAddress(p.From); err != nil {
		return commands.Prepared{}, domain.Invalid("from", "%v", err)
	}
	if t.To, err = chain.ParseAddress(p.To); err != nil {
		return commands.Prepared{}, domain.Invalid("to", "%v", err)
	}
	if !asset.Native() {
		at, err := c.client.Head(ctx)
		if err == nil {
			err = c.client.CheckToken(ctx, at, asset)
		}
		if err != nil {
			return commands.Prepared{}, classify(err)
		}
	}
	u, err := c.client.Prepare(ctx, t)
	if err != nil {
		return commands.Prepared{}, classify(err)
	}
	return c.apart(u, how.Not)
}

// apart encodes a transaction, with other fees if its digest is one of those that it must
// not have.
func (c *Chain) apart(u chain.Unsigned, not []string) (commands.Prepared, error) {
	for {
		made, err := c.encode(u)
		if err != nil || !slices.Contains(not, made.Digest) {
			return made, err
		}
		if u, err = c.client.Vary(u); err != nil {
			return commands.Prepared{}, classify(err)
		}
	}
}

// Reprice implements custody.Chain.
func (c *Chain) Reprice(ctx context.Context, transaction json.RawMessage, p domain.Payment, how custody.Making) (commands.Prepared, error) {
	u, err := c.parse(transaction)
	if err != nil {
		return commands.Prepared{}, err
	}
	cancel := p.From == p.To && p.Amount.IsZero()
	next, err := c.client.Replace(ctx, u, chain.Replacement{HighestFee: p.HighestFee, Cancel: cancel, WholeFee: how.WholeFee})
	if err != nil {
		return commands.Prepared{}, classify(err)
	}
	made, err := c.apart(next, how.Not)
	made.Cancel = cancel
	return made, err
}

// Send implements custody.Chain. A used nonce is not an error here: following the
// transaction shows which one used it.
func (c *Chain) Send(ctx context.Context, id, raw string) error {
	if err := c.checkServed(id); err != nil {
		return err
	}
	b, err := decodeHex(raw)
	if err != nil {
		return err
	}
	if _, err := c.client.Broadcast(ctx, b); err != nil && !errors.Is(err, chain.ErrNonceTooLow) {
		return classify(err)
	}
	return nil
}

// Follow implements custody.Chain. The transactions have one nonce, so at most one of
// them is ever in a block. If another transaction used the nonce, it can be found only as
// long as the endpoints keep old state; for one of ours its receipt is enough at any time.
func (c *Chain) Follow(ctx context.Context, attempts []treasury.Attempt) (custody.Outcome, error) {
	out := custody.Outcome{Kind: custody.Lost}
	var unknown error
	for _, a := range slices.Backward(attempts) {
		u, err := c.parse(a.Transaction)
		if err != nil {
			return out, err
		}
		status, err := c.client.Status(ctx, common.HexToHash(a.TxHash), u.From, a.Nonce)
		switch {
		case errors.Is(err, chain.ErrUnavailable):
			unknown = err
			continue
		case err != nil:
			return out, classify(err)
		}
		switch status.State {
		case chain.Mined:
			return c.mined(u, a, status)
		case chain.Replaced:
			return c.taken(ctx, attempts, status)
		case chain.Pending:
			out.Kind = custody.Waiting
		case chain.Dropped:
		}
	}
	return out, classify(unknown)
}

// taken returns the outcome for a nonce that a transaction in a block has used: another
// attempt, whose status is asked for next, or a stranger's. The status of the remaining
// attempts is not asked for, because finding the user of a nonce takes dozens of calls,
// and there may be many attempts.
func (c *Chain) taken(ctx context.Context, attempts []treasury.Attempt, s chain.Status) (custody.Outcome, error) {
	waiting := custody.Outcome{Kind: custody.Waiting, InBlock: true}
	i := slices.IndexFunc(attempts, func(a treasury.Attempt) bool { return a.TxHash == s.Rival.Hex() })
	switch {
	case i < 0 && !s.Final:
		return waiting, nil
	case i < 0:
		return custody.Outcome{Kind: custody.Replaced, TxHash: s.Rival.Hex(), Block: s.Block.Number}, nil
	}
	u, err := c.parse(attempts[i].Transaction)
	if err != nil {
		return waiting, err
	}
	own, err := c.client.Status(ctx, s.Rival, u.From, attempts[i].Nonce)
	if err != nil || own.State != chain.Mined { // its receipt is late, or a reorganisation came between
		return waiting, classify(err)
	}
	return c.mined(u, attempts[i], own)
}

// mined returns the outcome of a transaction that is in a block.
func (c *Chain) mined(u chain.Unsigned, a treasury.Attempt, s chain.Status) (custody.Outcome, error) {
	if !s.Final {
		return custody.Outcome{Kind: custody.Waiting, InBlock: true}, nil
	}
	native, err := c.registry.Native(c.client.Chain().ID)
	if err != nil {
		return custody.Outcome{}, err
	}
	fee, err := native.Amount(s.Fee)
	if err != nil {
		return custody.Outcome{}, err
	}
	out := custody.Outcome{Kind: custody.Arrived, TxHash: a.TxHash, Block: s.Block.Number, Fee: fee}
	switch {
	case !s.Success:
		out.Kind = custody.Reverted
	case a.Cancel:
		out.Kind = custody.Cancelled
	case s.Settled(u) != nil:
		out.Kind = custody.NotMoved
	}
	return out, nil
}

// Balances implements custody.Chain. It reads the newest block that the endpoints agree
// on: final ones are minutes old, and the ledger is not.
func (c *Chain) Balances(ctx context.Context, wallets []*treasury.Wallet) (custody.Balances, error) {
	var holdings []chain.Holding
	var out custody.Balances
	for _, w := range wallets {
		if err := c.checkServed(w.Chain); err != nil {
			return out, err
		}
		address, err := chain.ParseAddress(w.Address)
		if err != nil {
			return out, domain.Invalid("wallet", "%s has an address that %v", w.Wallet, err)
		}
		for _, a := range w.Assets {
			asset, err := c.registry.Asset(a.ID)
			if err != nil {
				return out, err
			}
			if asset.Decimals != a.Decimals {
				return out, domain.Errorf(domain.CodeConflict, "the registry has other decimals for %s than the wallet was registered with", a.ID)
			}
			holdings = append(holdings, chain.Holding{Wallet: address, Asset: asset})
			out.Readings = append(out.Readings, portfolio.Reading{Wallet: w.Wallet, Asset: a.Asset})
		}
	}
	at, err := c.client.Head(ctx)
	if err != nil {
		return out, classify(err)
	}
	read, err := c.client.Balances(ctx, at, holdings)
	if err != nil {
		return out, classify(err)
	}
	for i, units := range read.Balances {
		if out.Readings[i].Amount, err = holdings[i].Asset.Amount(units); err != nil {
			return out, err
		}
	}
	out.Block, out.Time = read.Block.Number, read.Block.Time
	return out, nil
}

// CheckAddress implements custody.Chain.
func (c *Chain) CheckAddress(address string) (string, error) {
	a, err := chain.ParseAddress(address)
	if err != nil {
		return "", domain.Invalid("address", "%v", err)
	}
	if symbol, is := c.token(a); is {
		return "", domain.Invalid("address", "is the contract of the token %s: what is sent to it is lost", symbol)
	}
	return a.String(), nil
}

// Assets implements custody.Chain. It refuses a chain that the endpoints do not serve: a
// wallet on it could never be reconciled, nor could its portfolio.
func (c *Chain) Assets(id, symbol string, named map[string]string) ([]domain.WalletAsset, error) {
	if _, err := c.registry.Chain(id); err == nil {
		if err := c.checkServed(id); err != nil {
			return nil, err
		}
	}
	return c.Signatory.Assets(id, symbol, named)
}

// Assets returns the registry's entries for assets of a chain.
func (s *Signatory) Assets(id, symbol string, named map[string]string) ([]domain.WalletAsset, error) {
	if _, err := s.registry.Chain(id); err != nil {
		return nil, domain.Invalid("chain", "is not in the asset registry")
	}
	native, err := s.registry.Native(id)
	if err != nil {
		return nil, err
	}
	if len(named) == 0 {
		named = map[string]string{}
		for _, a := range s.registry.Assets {
			if a.Chain() == id && a.Symbol == symbol {
				named[symbol] = a.ID
			}
		}
		if len(named) == 0 {
			return nil, domain.Invalid("assets", "are needed: the registry has no %s on %s, so name the asset by its CAIP-19 id", symbol, id)
		}
	}
	if !slices.Contains(slices.Collect(maps.Values(named)), native.ID) {
		if id, taken := named[native.Symbol]; taken {
			return nil, domain.Invalid("assets", "name %s %s, which is the coin that fees on %s are paid in", id, native.Symbol, native.Chain())
		}
		named = maps.Clone(named)
		named[native.Symbol] = native.ID
	}
	out := make([]domain.WalletAsset, 0, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		a, err := s.registry.Asset(named[name])
		if err != nil || a.Chain() != id {
			return nil, domain.Invalid("assets", "names %s an asset that the registry does not have on %s", name, id)
		}
		if err := s.checkName(name, a); err != nil {
			return nil, err
		}
		out = append(out, domain.WalletAsset{Asset: name, ID: a.ID, Decimals: a.Decimals, Native: a.Native()})
	}
	return out, nil
}

var (
	_ custody.Chain  = (*Chain)(nil)
	_ custody.Signer = (*Keys)(nil)
	_ custody.Sealer = (*Keys)(nil)
)
