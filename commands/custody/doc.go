// Package custody acts on what a portfolio's stream allows: it signs orders, signs and
// sends transfers, reconciles the ledger with the chain, and rotates the encryption keys
// of the keystore.
//
// It owns the order of these steps, one file per topic: wallets.go, signing.go,
// transfers.go (the steps of a transfer), run.go (the loop that takes them),
// reconcile.go, rotation.go. Two rules hold in all of it. The record that allows an
// act is appended before the act, so a crash at any moment is followed by the same step
// with the same bytes. A signature is released only after its record is appended.
//
// It decides nothing: it sends commands to the engine, which refuses or records them.
// It knows no key and no endpoint: those are behind the interfaces in outside.go, which
// package internal/evm implements. It never imports internal/vault or internal/chain.
package custody
