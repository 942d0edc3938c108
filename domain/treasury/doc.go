// Package treasury has the rules for wallets and transfers (design, section 8).
//
// It owns the share that the hot wallet should hold and what is proposed when it
// does not, the life of a transfer from request to confirmation, what an approval is
// bound to, and when one is needed. It refuses to know a key, a chain or a balance
// that is not handed in: everything here is a pure function of values.
package treasury
