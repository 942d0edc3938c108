package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"pets/domain"
	"pets/internal/chain"
	"pets/internal/evm"
	"pets/internal/typeddata"
	"pets/internal/vault"
)

// registry is what is known of chains and assets.
func (a *app) registry() (*chain.Registry, error) {
	if a.config.AssetRegistry == "" {
		return chain.Default()
	}
	return chain.ReadRegistry(a.config.AssetRegistry)
}

// shapes are the kinds of typed data that are signed.
func (a *app) shapes() (*typeddata.Shapes, error) {
	if a.config.OrderShapes == "" {
		return typeddata.Default()
	}
	return typeddata.ReadShapes(a.config.OrderShapes)
}

// openKeys opens the keystore, nil where ENCRYPTION_KEY is not set. It makes none: see
// makeKeys.
func (a *app) openKeys() (*evm.Keys, error) {
	if a.config.EncryptionKey.Reveal() != "" {
		if _, err := os.Stat(a.config.Keystore); errors.Is(err, fs.ErrNotExist) {
			return nil, domain.Errorf(domain.CodeNotFound, "there is no keystore at %s (PETS_KEYSTORE); pets wallet create and pets wallet recover make one", a.config.Keystore)
		}
	}
	return a.makeKeys()
}

// makeKeys opens the keystore, and makes its folder where it is missing. From then on the
// memory of the process is kept out of core dumps and away from other processes.
func (a *app) makeKeys() (*evm.Keys, error) {
	current := a.config.EncryptionKey.Reveal()
	if current == "" {
		return nil, nil
	}
	if err := vault.Harden(); err != nil {
		return nil, err
	}
	ring, err := vault.ParseKeyring(current, a.config.EncryptionKeysRetired.Reveal())
	if err != nil {
		return nil, err
	}
	store, err := vault.Open(a.config.Keystore, ring)
	if err != nil {
		ring.Wipe()
		return nil, err
	}
	return evm.NewKeys(store, ring), nil
}

// openChain makes a client of the chain, nil where PETS_RPC_URLS is not set. Nothing is
// asked yet.
func (a *app) openChain() (*evm.Chain, error) {
	endpoints := a.config.Endpoints()
	if len(endpoints) == 0 {
		return nil, nil
	}
	registry, err := a.registry()
	if err != nil {
		return nil, err
	}
	facts, err := registry.Chain(a.config.Chain)
	if err != nil {
		return nil, fmt.Errorf("PETS_CHAIN: %w", err)
	}
	config := chain.Config{Chain: facts, Live: !a.config.RPCTestChain}
	for _, e := range endpoints {
		config.Endpoints = append(config.Endpoints, e.Reveal)
	}
	client, err := chain.New(config)
	if err != nil {
		return nil, fmt.Errorf("PETS_RPC_URLS: %w", err)
	}
	return evm.NewChain(registry, client), nil
}

// checkEnvFile refuses a .env file that others can read: it holds the keys to the money.
func (a *app) checkEnvFile() error {
	if a.config.EnvFile == "" {
		return nil
	}
	return vault.CheckSecretFile(a.config.EnvFile)
}
