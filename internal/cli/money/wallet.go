package money

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pets/commands/client"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/internal/open"
	"pets/internal/vault"
	"pets/projections"
)

func (a *app) walletCommand() *cobra.Command {
	own := []*cobra.Command{
		a.createWalletCommand(), a.recoverWalletCommand(), a.recordWalletCommand(), a.verifyWalletCommand(), a.listWalletsCommand(),
	}
	return cli.Group("wallet", "Wallets and their keys: create, register, recover, verify, list, retire, sweep", append(own, a.walletMoves()...)...)
}

// registered returns the wallets of the portfolio, from the named server or from the folder, which
// a running server may hold. If there is neither, open.IsNowhere is true for the error.
func (a *app) registered(ctx context.Context) ([]projections.Wallet, error) {
	v, err := readView(ctx, a, "", "/wallets", show.WalletsOf)
	return v.Wallets, err
}

// reachWithin bounds the attempt to reach a server that a command can do without.
const reachWithin = 5 * time.Second

// maybeRegistered is registered for commands that can do without. why is not nil if no server or
// store could be asked, or has no such portfolio. A refusal is an error all the same.
func (a *app) maybeRegistered(ctx context.Context) (wallets []projections.Wallet, why, err error) {
	if a.Patience == 0 {
		a.Patience = reachWithin
		defer func() { a.Patience = 0 }()
	}
	wallets, err = a.registered(ctx)
	var problem *client.Problem
	switch {
	case err == nil:
		return wallets, nil, nil
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case errors.As(err, &problem):
		if problem.Code() == domain.CodeNotFound || problem.Code() == domain.CodeUnavailable {
			return nil, err, nil
		}
		return nil, nil, err
	case open.IsNowhere(err), domain.CodeOf(err) == domain.CodeNotFound, a.Found != nil && domain.CodeOf(err) == domain.CodeInternal:
		return nil, err, nil // no store, no portfolio, no connection
	}
	return nil, nil, err
}

// registeredAs returns the wallet with a name, or nil.
func registeredAs(wallets []projections.Wallet, name string) *projections.Wallet {
	i := slices.IndexFunc(wallets, func(w projections.Wallet) bool { return w.Wallet == name })
	if i < 0 {
		return nil
	}
	return &wallets[i]
}

// sealedAs returns the key of a wallet in a list, or nil.
func sealedAs(entries []vault.Entry, name string) *vault.Entry {
	i := slices.IndexFunc(entries, func(e vault.Entry) bool { return e.Wallet == name })
	if i < 0 {
		return nil
	}
	return &entries[i]
}

// checkWallet refuses a name, place or chain that could not be registered later, before a key is
// made for it.
func checkWallet(name, place, chainID string) error {
	err := treasury.CheckWallet(&domain.WalletRegistered{
		Wallet: name, Place: place, Chain: chainID, Address: "0x0000000000000000000000000000000000000001", // a placeholder: there is no address yet
		Assets: []domain.WalletAsset{{Asset: "coin", ID: chainID + "/coin", Native: true}},
	})
	if err != nil {
		return cli.Usage(err)
	}
	return nil
}

// addressOf parses a typed address and verifies its checksum.
func addressOf(flag, text string) (vault.Address, error) {
	address, err := chain.ParseAddress(text)
	if err != nil {
		return vault.Address{}, cli.Usage(domain.Invalid(flag, "%v", err))
	}
	return vault.Address(address), nil
}

// accounts is how many accounts of a mnemonic are searched for a hint.
const accounts = 10

// addressAt derives the address of an account.
func addressAt(m *vault.Mnemonic, index uint32) (address vault.Address, err error) {
	err = m.Derive(vault.Path(index), nil, func(k *vault.PrivateKey) error {
		address = k.Address()
		return nil
	})
	return address, err
}

// otherAccount explains why words do not give an expected address: it searches the first
// accounts for it.
func otherAccount(m *vault.Mnemonic, index uint32, expected vault.Address) error {
	for i := range uint32(accounts) {
		address, err := addressAt(m, i)
		if err != nil {
			return err
		}
		if address == expected {
			return domain.Errorf(domain.CodeConflict, "the words are right, the account is not: %s is account %d of them, not %d; use --index %d", expected, i, index, i)
		}
	}
	return domain.Errorf(domain.CodeConflict,
		"none of the first %d accounts of these words is %s: they are the words of another wallet, or that wallet has a passphrase or another path than %s", accounts, expected, vault.Path(0))
}

// indexFlag adds --index.
func indexFlag(c *cobra.Command, into *uint32) {
	c.Flags().Var((*accountIndex)(into), "index", "the account of the words: `i` in m/44'/60'/0'/0/i")
}

// accountIndex is an account index of BIP-44.
type accountIndex uint32

func (i *accountIndex) String() string { return strconv.FormatUint(uint64(*i), 10) }
func (*accountIndex) Type() string     { return "number" }

// Set implements pflag.Value.
func (i *accountIndex) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > math.MaxInt32 {
		return errors.New("must be a whole number from 0 to 2147483647")
	}
	*i = accountIndex(n)
	return nil
}
