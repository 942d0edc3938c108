package open

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

// Registry returns the known chains and assets.
func (a *Place) Registry() (*chain.Registry, error) {
	if a.Config.AssetRegistry == "" {
		return chain.Default()
	}
	return chain.ReadRegistry(a.Config.AssetRegistry)
}

// Shapes returns the kinds of typed data that may be signed.
func (a *Place) Shapes() (*typeddata.Shapes, error) {
	if a.Config.OrderShapes == "" {
		return typeddata.Default()
	}
	return typeddata.ReadShapes(a.Config.OrderShapes)
}

// ErasesMemory reports whether this build erases the copies of secrets that libraries make.
const ErasesMemory = vault.ErasesMemory

// Harden keeps the memory of this process out of core dumps and away from other processes.
func Harden() error { return vault.Harden() }

// OpenKeys opens the keystore; it returns nil if ENCRYPTION_KEY is not set. It does not create
// a keystore: see MakeKeys.
func (a *Place) OpenKeys() (*evm.Keys, error) {
	if a.Config.EncryptionKey.Reveal() != "" {
		if _, err := os.Stat(a.Config.Keystore); errors.Is(err, fs.ErrNotExist) {
			return nil, domain.Errorf(domain.CodeNotFound, "there is no keystore at %s (PETS_KEYSTORE); pets wallet create and pets wallet recover make one", a.Config.Keystore)
		}
	}
	return a.MakeKeys()
}

// MakeKeys opens the keystore and creates its folder if it is missing. From then on the memory
// of the process is kept out of core dumps and away from other processes.
func (a *Place) MakeKeys() (*evm.Keys, error) {
	current := a.Config.EncryptionKey.Reveal()
	if current == "" {
		return nil, nil
	}
	if err := vault.Harden(); err != nil {
		return nil, err
	}
	ring, err := vault.ParseKeyring(current, a.Config.EncryptionKeysRetired.Reveal())
	if err != nil {
		return nil, err
	}
	store, err := vault.Open(a.Config.Keystore, ring)
	if err != nil {
		ring.Wipe()
		return nil, err
	}
	return evm.NewKeys(store, ring), nil
}

// OpenChain returns a client of the chain; nil if PETS_RPC_URLS is not set. It sends no
// request.
func (a *Place) OpenChain() (*evm.Chain, error) {
	endpoints := a.Config.Endpoints()
	if len(endpoints) == 0 {
		return nil, nil
	}
	registry, err := a.Registry()
	if err != nil {
		return nil, err
	}
	facts, err := registry.Chain(a.Config.Chain)
	if err != nil {
		return nil, fmt.Errorf("PETS_CHAIN: %w", err)
	}
	if a.Config.RPCTestChain && !facts.Test() {
		return nil, domain.Invalid("PETS_RPC_TEST_CHAIN", "must be false: %s is not a known test chain, and on any other one endpoint alone could invent balances and outcomes; name two endpoints in PETS_RPC_URLS", facts.ID)
	}
	config := chain.Config{Chain: facts, Live: !a.Config.RPCTestChain, Promises: promises{[]string{a.Config.Keystore, a.Config.ServerDir()}, a.Caution}}
	for _, e := range endpoints {
		config.Endpoints = append(config.Endpoints, e.Reveal)
	}
	client, err := chain.New(config)
	if err != nil {
		return nil, fmt.Errorf("PETS_RPC_URLS: %w", err)
	}
	return evm.NewChain(registry, client), nil
}

// CheckEnvFile refuses a .env file that others can read: it holds the keys to the money.
func (a *Place) CheckEnvFile() error {
	if a.Config.EnvFile == "" {
		return nil
	}
	return vault.CheckSecretFile(a.Config.EnvFile)
}

// SealedKeys lists the keystore without opening a key. It does not create a folder. It needs
// no encryption key: names, addresses and key ids are readable by all who can list the
// folder.
func (a *Place) SealedKeys() ([]vault.Entry, error) {
	if _, err := os.Stat(a.Config.Keystore); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	current := a.Config.EncryptionKey.Reveal()
	if current == "" {
		current = vault.GenerateKey() // listing opens no key, so any encryption key will do
	}
	ring, err := vault.ParseKeyring(current, "")
	if err != nil {
		return nil, err
	}
	defer ring.Wipe()
	store, err := vault.Open(a.Config.Keystore, ring)
	if err != nil {
		return nil, err
	}
	return store.List()
}
