// Package evm implements what custody needs of the outside: keys, transactions and the
// chain. It ties the keystore (internal/vault) and the client of an EVM chain
// (internal/chain) to the interfaces of package commands/custody, and no other package
// joins them.
//
// It owns the translation between their words, and decides nothing: what may be signed,
// sent or confirmed is decided, and appended, before this package is asked. No error that
// passes through it contains a key, an endpoint's address, or what an endpoint said.
package evm
