package custody

import (
	"context"
	"errors"
	"slices"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
)

// KeyProblem says why the key of a wallet cannot be used.
type KeyProblem struct {
	Wallet string
	Err    error
}

func (e *KeyProblem) Error() string { return "wallet " + e.Wallet + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *KeyProblem) Unwrap() error { return e.Err }

// hotInUse names the hot wallets of a live portfolio that are not retired.
func hotInUse(s *portfolio.State) []string {
	var names []string
	if s.Mode != domain.ModeLive {
		return nil
	}
	for _, w := range s.Custody.SortedWallets() {
		if w.Place == domain.WalletHot && !w.Retired() {
			names = append(names, w.Wallet)
		}
	}
	return names
}

// openedAtStart is the purpose of the records of [Custodian.OpenKeys].
const openedAtStart = "start of the server"

// OpenKeys opens the keys of hot wallets, compares each with its address, and records
// that. It also records that a key is not there: a transfer to its wallet then needs an
// approval until the key is found. It returns the wallets that have to be tried again.
func (c *Custodian) OpenKeys(ctx context.Context, id string, wallets []string) (left []string, err error) {
	if c.o.Signer == nil {
		return wallets, errNoSigner
	}
	all, err := c.wallets(ctx, id)
	if err != nil {
		return wallets, err
	}
	var failed []error
	for _, w := range all {
		if w.Retired() || !slices.Contains(wallets, w.Wallet) {
			continue
		}
		if err := c.openKey(ctx, id, w.Wallet, w.Address); err != nil {
			left = append(left, w.Wallet)
			failed = append(failed, &KeyProblem{Wallet: w.Wallet, Err: err})
		}
	}
	return left, errors.Join(failed...)
}

// openKey opens one key and records what came of it.
func (c *Custodian) openKey(ctx context.Context, id, wallet, address string) error {
	found := c.stopIfForeign(ctx, id, wallet, c.o.Signer.Verify(ctx, wallet, address))
	if found == nil {
		return c.act(ctx, id, commands.UseKey{Wallet: wallet, Purpose: openedAtStart, Address: address})
	}
	if ctx.Err() != nil { // the server is stopping: that says nothing of the key
		return found
	}
	detail := "it cannot be opened"
	if domain.CodeOf(found) == domain.CodeNotFound {
		detail = "it is not in the keystore"
	}
	return errors.Join(found, c.act(ctx, id, commands.MissKey{Wallet: wallet, Address: address, Detail: detail}))
}
