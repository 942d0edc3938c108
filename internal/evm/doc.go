// Package evm implements the interfaces of package commands/custody for keys,
// transactions and the chain, with the keystore (internal/vault) and the client of an EVM
// chain (internal/chain). No other package joins these.
//
// It owns the translation between their types, and refuses to decide: what may be signed,
// sent or confirmed is decided, and appended, before this package is called. No error that
// passes through it contains a key, an endpoint's address, or an endpoint's words.
package evm
