package custody

import (
	"context"
	"errors"
	"fmt"

	"pets/commands"
	"pets/domain"
	"pets/internal/chain"
	"pets/internal/vault"
)

// Keys are the hot wallets' keys in a keystore. They implement [commands.Signer] and
// [commands.Sealer].
type Keys struct {
	*vault.Keystore
	ring *vault.Keyring
}

// NewKeys returns the keys of a keystore and the keyring that it was opened with.
func NewKeys(store *vault.Keystore, ring *vault.Keyring) *Keys { return &Keys{store, ring} }

// Wipe erases the encryption keys: nothing can be opened any more.
func (k *Keys) Wipe() { k.ring.Wipe() }

// Sign implements commands.Signer.
func (k *Keys) Sign(_ context.Context, wallet, address string, digest [32]byte) (signature [65]byte, err error) {
	err = k.with(wallet, address, func(key *vault.PrivateKey) error {
		signature, err = key.Sign(digest)
		return err
	})
	return signature, err
}

// Verify implements commands.Signer.
func (k *Keys) Verify(_ context.Context, wallet, address string) error {
	return k.with(wallet, address, func(*vault.PrivateKey) error { return nil })
}

func (k *Keys) with(wallet, address string, f func(*vault.PrivateKey) error) error {
	expected, err := chain.ParseAddress(address)
	if err != nil {
		return domain.Invalid("address", "of the wallet %v", err)
	}
	return foreign(k.WithKeyOf(wallet, vault.Address(expected), f))
}

// foreign makes known that somebody has been at the keystore.
func foreign(err error) error {
	if errors.Is(err, vault.ErrForeignKey) || errors.Is(err, vault.ErrForeignBlob) {
		return fmt.Errorf("%w: %w", commands.ErrForeignKey, err)
	}
	return err
}

// Current implements commands.Sealer.
func (k *Keys) Current() string { return k.ring.Current() }

// Reencrypt implements commands.Sealer.
func (k *Keys) Reencrypt(wallet string) (commands.Resealed, error) {
	done, err := k.Keystore.Reencrypt(wallet)
	if err != nil {
		return commands.Resealed{}, foreign(err)
	}
	return commands.Resealed{Wallet: done.Wallet, Address: done.Address.String(), From: done.From, To: done.To}, nil
}
