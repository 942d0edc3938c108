package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/chain"
)

// Chain is one chain, through its endpoints. It implements [commands.Chain].
type Chain struct {
	*Signatory
	client *chain.Client
}

// NewChain returns the chain that a client asks.
func NewChain(r *chain.Registry, c *chain.Client) *Chain { return &Chain{NewSignatory(r), c} }

// meant is an error of the chain that has a meaning for those who move money; it says
// so itself.
type meant struct{ meaning, err error }

func (m *meant) Error() string { return m.err.Error() }

// Unwrap returns both.
func (m *meant) Unwrap() []error { return []error{m.err, m.meaning} }

// known gives an error the meaning it has for those who move money.
func known(err error) error {
	switch {
	case errors.Is(err, chain.ErrDisagreement), errors.Is(err, chain.ErrWrongChain):
		return &meant{commands.ErrChainDisagrees, err}
	case errors.Is(err, chain.ErrToken), errors.Is(err, chain.ErrTransaction):
		return &meant{commands.ErrCannotPay, err}
	case errors.Is(err, chain.ErrUnderpriced):
		return &meant{commands.ErrUnderpriced, err}
	}
	return err
}

func (c *Chain) here(id string) error {
	if id != c.client.Chain().ID {
		return domain.Errorf(domain.CodeConflict, "the endpoints are of %s, not of %s", c.client.Chain().ID, id)
	}
	return nil
}

// parse reads a transaction, of this chain: what another one says of the same account's
// nonces would make a payment look lost, or replaced.
func (c *Chain) parse(transaction json.RawMessage) (chain.Unsigned, error) {
	u, err := parse(transaction)
	if err == nil {
		err = c.here(fmt.Sprintf("eip155:%d", u.ChainID))
	}
	return u, err
}

// Prepare implements commands.Chain. What the token says of itself is held against the
// registry first: a wrong number of decimals would move amounts by powers of ten.
func (c *Chain) Prepare(ctx context.Context, p domain.Payment, first bool) (commands.Prepared, error) {
	if err := c.here(p.Chain); err != nil {
		return commands.Prepared{}, err
	}
	asset, err := c.registry.Asset(p.AssetID)
	if err != nil {
		return commands.Prepared{}, err
	}
	t := chain.Transfer{Asset: asset, Amount: p.Amount, HighestFee: p.HighestFee, First: first}
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
			return commands.Prepared{}, known(err)
		}
	}
	u, err := c.client.Prepare(ctx, t)
	if err != nil {
		return commands.Prepared{}, known(err)
	}
	return c.encode(u)
}

// Reprice implements commands.Chain.
func (c *Chain) Reprice(ctx context.Context, transaction json.RawMessage) (commands.Prepared, error) {
	u, err := c.parse(transaction)
	if err != nil {
		return commands.Prepared{}, err
	}
	fees, err := c.client.SuggestFees(ctx, u.Gas, u.HighestFee)
	if err != nil {
		return commands.Prepared{}, known(err)
	}
	next, err := u.Reprice(fees)
	if err != nil {
		return commands.Prepared{}, err
	}
	return c.encode(next)
}

// Send implements commands.Chain. That the nonce is used is no failure here: following
// the transaction says by which one.
func (c *Chain) Send(ctx context.Context, id, raw string) error {
	if err := c.here(id); err != nil {
		return err
	}
	b, err := decodeHex(raw)
	if err != nil {
		return err
	}
	if _, err := c.client.Broadcast(ctx, b); err != nil && !errors.Is(err, chain.ErrNonceTooLow) {
		return known(err)
	}
	return nil
}

// Follow implements commands.Chain. The transactions have one nonce, so at most one of
// them is ever in a block. What used the nonce of one can be told only as long as the
// endpoints keep old state; a receipt of another is enough at any time.
func (c *Chain) Follow(ctx context.Context, attempts []treasury.Attempt) (commands.Outcome, error) {
	out := commands.Outcome{Kind: commands.Lost}
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
			return out, known(err)
		}
		switch status.State {
		case chain.Mined:
			return c.mined(u, a, status)
		case chain.Replaced:
			return c.taken(ctx, attempts, status)
		case chain.Pending:
			out.Kind = commands.Waiting
		case chain.Dropped:
		}
	}
	return out, known(unknown)
}

// taken says what became of a nonce that a block has used: by another attempt, which is
// looked at next, or by a stranger. Nothing is asked of the others: finding out what used
// a nonce takes dozens of questions, and there may be many attempts.
func (c *Chain) taken(ctx context.Context, attempts []treasury.Attempt, s chain.Status) (commands.Outcome, error) {
	waiting := commands.Outcome{Kind: commands.Waiting, InBlock: true}
	i := slices.IndexFunc(attempts, func(a treasury.Attempt) bool { return a.TxHash == s.Rival.Hex() })
	switch {
	case i < 0 && !s.Final:
		return waiting, nil
	case i < 0:
		return commands.Outcome{Kind: commands.Replaced, TxHash: s.Rival.Hex(), Block: s.Block.Number}, nil
	}
	u, err := c.parse(attempts[i].Transaction)
	if err != nil {
		return waiting, err
	}
	own, err := c.client.Status(ctx, s.Rival, u.From, attempts[i].Nonce)
	if err != nil || own.State != chain.Mined { // its receipt is late, or a reorganisation came between
		return waiting, known(err)
	}
	return c.mined(u, attempts[i], own)
}

// mined says what came of a transaction that stands in a block.
func (c *Chain) mined(u chain.Unsigned, a treasury.Attempt, s chain.Status) (commands.Outcome, error) {
	if !s.Final {
		return commands.Outcome{Kind: commands.Waiting, InBlock: true}, nil
	}
	native, err := c.registry.Native(c.client.Chain().ID)
	if err != nil {
		return commands.Outcome{}, err
	}
	fee, err := native.Amount(s.Fee)
	if err != nil {
		return commands.Outcome{}, err
	}
	out := commands.Outcome{Kind: commands.Arrived, TxHash: a.TxHash, Block: s.Block.Number, Fee: fee}
	switch {
	case !s.Success:
		out.Kind = commands.Reverted
	case s.Settled(u) != nil:
		out.Kind = commands.NotMoved
	}
	return out, nil
}

// Balances implements commands.Chain. It reads the newest block that the endpoints agree
// on: final ones are minutes old, and the ledger is not.
func (c *Chain) Balances(ctx context.Context, wallets []*treasury.Wallet) (commands.Balances, error) {
	var holdings []chain.Holding
	var out commands.Balances
	for _, w := range wallets {
		if err := c.here(w.Chain); err != nil {
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
		return out, known(err)
	}
	read, err := c.client.Balances(ctx, at, holdings)
	if err != nil {
		return out, known(err)
	}
	for i, units := range read.Balances {
		if out.Readings[i].Amount, err = holdings[i].Asset.Amount(units); err != nil {
			return out, err
		}
	}
	out.Block, out.Time = read.Block.Number, read.Block.Time
	return out, nil
}

// CheckAddress implements commands.Chain.
func (*Chain) CheckAddress(address string) (string, error) {
	a, err := chain.ParseAddress(address)
	if err != nil {
		return "", domain.Invalid("address", "%v", err)
	}
	return a.String(), nil
}

// Assets implements commands.Chain. A wallet on a chain that is not asked could never be
// reconciled, and nothing else of its portfolio with it.
func (c *Chain) Assets(id, symbol string, named map[string]string) ([]domain.WalletAsset, error) {
	if _, err := c.registry.Chain(id); err == nil {
		if err := c.here(id); err != nil {
			return nil, err
		}
	}
	return c.Signatory.Assets(id, symbol, named)
}

// Assets finds what the registry knows of assets of a chain.
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
		named = maps.Clone(named)
		named[native.Symbol] = native.ID
	}
	out := make([]domain.WalletAsset, 0, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		a, err := s.registry.Asset(named[name])
		if err != nil || a.Chain() != id {
			return nil, domain.Invalid("assets", "names %s an asset that the registry does not have on %s", name, id)
		}
		out = append(out, domain.WalletAsset{Asset: name, ID: a.ID, Decimals: a.Decimals, Native: a.Native()})
	}
	return out, nil
}

var (
	_ commands.Chain  = (*Chain)(nil)
	_ commands.Signer = (*Keys)(nil)
	_ commands.Sealer = (*Keys)(nil)
)
