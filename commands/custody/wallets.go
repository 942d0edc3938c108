package custody

import (
	"context"
	"errors"
	"slices"
	"strings"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
)

// RegisterWallet registers a wallet. It first claims the address in the system stream, so
// that the wallet belongs to one portfolio only.
func (c *Custodian) RegisterWallet(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.RegisterWallet](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	if err := c.checkAddress(cmd.Address); err != nil {
		return commands.Answer{}, err
	}
	err = c.engine.AtHead(ctx, id, func(s *portfolio.State) error {
		var err error
		if cmd.Assets, err = c.o.Chain.Assets(cmd.Chain, s.BaseAsset, cmd.Named); err != nil {
			return err
		}
		if err := c.checkPaid(s, &cmd); err != nil {
			return err
		}
		return s.CheckWallet(&domain.WalletRegistered{Wallet: cmd.Wallet, Place: cmd.Place, Chain: cmd.Chain, Address: cmd.Address, Assets: cmd.Assets})
	})
	if err != nil {
		return commands.Answer{}, err
	}
	claim := commands.ClaimWallet{Address: cmd.Address, Wallet: cmd.Wallet, Portfolio: id}
	if _, err := c.engine.System(ctx, asServer(claim)); err != nil {
		return commands.Answer{}, err
	}
	r.Command = cmd
	return c.engine.Do(ctx, id, r)
}

// checkPaid refuses the first wallet of a chain whose token of the base asset pays no known
// order: that is when the portfolio's token is settled, and then no order would ever be signed.
// A chain that has a wallet has its token already, and keeps it.
func (c *Custodian) checkPaid(s *portfolio.State, cmd *commands.RegisterWallet) error {
	if c.o.Collaterals == nil {
		return nil
	}
	paying := c.o.Collaterals(cmd.Chain)
	settled := slices.ContainsFunc(s.Custody.SortedWallets(), func(w *treasury.Wallet) bool { return w.Chain == cmd.Chain })
	i := slices.IndexFunc(cmd.Assets, func(a domain.WalletAsset) bool { return a.Asset == s.BaseAsset })
	if len(paying) == 0 || settled || i < 0 || slices.Contains(paying, cmd.Assets[i].ID) {
		return nil
	}
	return &domain.Error{
		Code: domain.CodeConflict, Field: "assets",
		Message: "have " + cmd.Assets[i].ID + " for the base asset " + s.BaseAsset + ", and no known order is paid in that, so no order would ever be signed; orders are paid in " + strings.Join(paying, ", "),
	}
}

// AddAddress adds an address to the address book, and refuses one with a wrong checksum.
func (c *Custodian) AddAddress(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.AddAddress](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	if err := c.checkAddress(cmd.Address); err != nil {
		return commands.Answer{}, err
	}
	return c.engine.Do(ctx, id, r)
}

// checkAddress refuses an address that is not written with its checksum.
func (c *Custodian) checkAddress(address string) error {
	if c.o.Chain == nil {
		return errNoChain
	}
	written, err := c.o.Chain.CheckAddress(address)
	if err == nil && written != address {
		err = domain.Invalid("address", "must be written with its checksum (EIP-55)")
	}
	return err
}

// VerifyWallet opens a wallet's key, compares it with the address, and records that.
func (c *Custodian) VerifyWallet(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.UseKey](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	w, err := c.verified(ctx, id, cmd.Wallet)
	if err != nil {
		return commands.Answer{}, err
	}
	cmd.Address = w.Address
	r.Command = cmd
	return c.engine.Do(ctx, id, r)
}

// LoadWallet verifies a wallet as [Custodian.VerifyWallet] does, and records its balances
// on the chain.
func (c *Custodian) LoadWallet(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.LoadWallet](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	if c.o.Chain == nil {
		return commands.Answer{}, errNoChain
	}
	w, err := c.verified(ctx, id, cmd.Wallet)
	if err != nil {
		return commands.Answer{}, err
	}
	read, err := c.o.Chain.Balances(ctx, []*treasury.Wallet{w})
	if err != nil {
		return commands.Answer{}, err
	}
	cmd.Address, cmd.Block, cmd.Balances = w.Address, read.Block, []domain.WalletBalance{}
	for _, b := range read.Readings {
		cmd.Balances = append(cmd.Balances, domain.WalletBalance{Asset: b.Asset, Amount: b.Amount})
	}
	r.Command = cmd
	return c.engine.Do(ctx, id, r)
}

// verified returns a wallet after opening its key and comparing it with the address.
func (c *Custodian) verified(ctx context.Context, id, name string) (*treasury.Wallet, error) {
	if c.o.Signer == nil {
		return nil, errNoSigner
	}
	wallets, err := c.wallets(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, w := range wallets {
		if w.Wallet == name {
			return w, c.stopIfForeign(ctx, id, name, c.o.Signer.Verify(ctx, name, w.Address))
		}
	}
	return nil, &domain.Error{Code: domain.CodeNotFound, Field: "wallet", Message: "is not registered in this portfolio"}
}

// stopIfForeign engages the emergency stop if a wallet's key was exchanged.
func (c *Custodian) stopIfForeign(ctx context.Context, id, wallet string, err error) error {
	if !errors.Is(err, ErrForeignKey) {
		return err
	}
	c.breach(ctx, id, "the key of wallet "+wallet+" is that of another address")
	return &domain.Error{Code: domain.CodeHalted, Message: "the key of wallet " + wallet + " is that of another address; the emergency stop is engaged", Cause: ErrForeignKey}
}

// wallets returns copies of a portfolio's wallets.
func (c *Custodian) wallets(ctx context.Context, id string) ([]*treasury.Wallet, error) {
	var all []*treasury.Wallet
	err := c.engine.AtHead(ctx, id, func(s *portfolio.State) error {
		for _, w := range s.Custody.SortedWallets() {
			copied := *w
			all = append(all, &copied)
		}
		return nil
	})
	return all, err
}
