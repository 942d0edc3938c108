// Package chain moves coins on EVM chains over JSON-RPC, and reads where they
// are.
//
// It owns the registry of chains and assets; amounts in an asset's own units;
// transfers as data (prepare, digest, assemble, decode, reprice), as events and
// offline signing files hold them; sending a transfer; following it until it is
// final; and the balances that the ledger is reconciled with.
//
// It refuses to know a private key: the caller passes a signing function. It
// refuses to call any contract method but a token's transfer, to name an endpoint
// other than by its index, to repeat text from an endpoint, and, in live mode, to
// trust a single endpoint: if two do not agree, that is [ErrDisagreement], on
// which callers stop and raise the alarm.
//
// The package stores nothing. What was requested, prepared and signed is in the
// caller's events, so after a crash the same bytes are sent again.
package chain
