// Package projections answers questions about a portfolio: its state, balances,
// positions, trades, statistics and equity, now or as of any earlier moment.
//
// It owns the read models, one file each, and the runner that folds a stream into
// them. Each can be rebuilt from the stream with the same result. It refuses to
// decide anything: no command reads a projection, because a risk check on it
// would race the trade it checks.
package projections
