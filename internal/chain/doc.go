// Package chain moves coins, and looks at where they are, on EVM chains over
// JSON-RPC.
//
// It owns the registry of chains and assets; amounts in an asset's own units;
// transfers as data (prepare, digest, assemble, decode, reprice), which is what
// events and offline signing files hold; sending one; following it until it is
// final; and the balances that the ledger is reconciled against.
//
// It refuses to know a private key: signing is a function the caller gives. It
// refuses to call any contract but for a token's transfer, to name an endpoint
// other than by its index, to repeat a word of what an endpoint said, and, in
// live mode, to believe a single endpoint: what two do not agree on is
// [ErrDisagreement], on which callers stop and raise the alarm.
//
// Nothing here remembers anything. What was asked for, prepared and signed is in
// the caller's events, so after a crash the same bytes are sent again.
package chain
