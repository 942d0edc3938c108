package evm

import (
	"context"
	"errors"
	"fmt"

	"pets/commands/custody"
	"pets/domain"
	"pets/internal/chain"
	"pets/internal/vault"
)

// Keys are the hot wallets' keys in a keystore. They implement [custody.Signer] and
// [custody.Sealer].
type Keys struct {
	*vault.Keystore
	ring *vault.Keyring
}

// NewKeys returns the keys of a keystore and the keyring that it was opened with.
func NewKeys(store *vault.Keystore, ring *vault.Keyring) *Keys { return &Keys{store, ring} }

// Wipe erases the encryption keys. No wallet's key can be opened after that.
func (k *Keys) Wipe() { k.ring.Wipe() }

// Sign implements custody.Signer.
func (k *Keys) Sign(_ context.Context, wallet, address string, digest [32]byte) (signature [65]byte, err error) {
	err = k.with(wallet, address, func(key *vault.PrivateKey) error {
		signature, err = key.Sign(digest)
		return err
	})
	return signature, err
}

// Verify implements custody.Signer.
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

// foreign turns errors about the key of another address into [custody.ErrForeignKey].
func foreign(err error) error {
	if errors.Is(err, vault.ErrForeignKey) || errors.Is(err, vault.ErrForeignBlob) {
		return fmt.Errorf("%w: %w", custody.ErrForeignKey, err)
	}
	return err
}

// Current implements custody.Sealer.
func (k *Keys) Current() string { return k.ring.Current() }

// Reencrypt implements custody.Sealer.
func (k *Keys) Reencrypt(wallet string) (custody.Resealed, error) {
	done, err := k.Keystore.Reencrypt(wallet)
	if err != nil {
		return custody.Resealed{}, foreign(err)
	}
	return custody.Resealed{Wallet: done.Wallet, Address: done.Address.String(), From: done.From, To: done.To}, nil
}
