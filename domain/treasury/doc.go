// Package treasury holds the rules for wallets and transfers.
//
// It owns the share that the hot wallet should hold and the transfers proposed to
// restore it, the life of a transfer from request to confirmation, what an
// approval is bound to, and when one is needed. It refuses to know a key, a chain
// or a balance that is not passed in: all its functions are pure.
package treasury
