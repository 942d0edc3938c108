// Package domain defines the vocabulary that all other packages share: exact
// decimals, identifiers, error codes, callers and roles, the portfolio policy,
// and every event that a stream can hold. Its registry gives each event its
// stored name, what a bot may see of it, and how its older versions are read.
//
// It owns the names and the shapes that are stored permanently. It refuses to
// know how they are stored (eventstore), what they add up to (domain/ledger,
// domain/risk, domain/portfolio) or which protocol a command came over. It uses
// no clock, randomness, file or network.
package domain
