// Package domain is the vocabulary every other package speaks: exact decimals,
// identifiers, error codes, callers and roles, the portfolio policy, and every
// event that can stand in a stream, with the one registry of them: what each is
// called on disk, what a bot sees of it, and what old versions of it become.
//
// It owns the names and the shapes that are stored for ever. It refuses to know
// how they are stored (eventstore), what they add up to (domain/ledger,
// domain/risk, domain/portfolio) or who sent them over which wire. It reads no
// clock, no randomness, no file and no network.
package domain
