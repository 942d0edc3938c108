// Package projections answers questions about a portfolio: its state, balances,
// positions, trades, statistics and equity, now or as of any earlier moment.
//
// It owns the read models, one file each, and the runner that folds a stream
// into them. Every one is rebuilt from zero to the same answer. It refuses to
// decide anything: a risk check on a projection would race the trade it checks,
// so no command ever reads one.
package projections
