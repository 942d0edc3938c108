// Package history keeps the index of what a store already holds, and answers from it what
// a decision asks about the past.
//
// It owns the folder of the index of one store, the goroutine that follows the whole log
// and adds each record once, when the index is written to disk, and when it is made again.
// What of a record is an entry, and how a hit is confirmed by the log, belongs to the
// commands ([commands.Identities]); how entries are kept belongs to the index.
//
// It refuses to answer as long as it is not sure to have every record that was in the log
// when it was opened. An index that is missing, damaged, of another version, another store
// or another history, or that the log contradicts, is made again from the log. Until that
// is done every look-up is an error, and nothing can be decided.
//
// A folder that cannot be used is no reason to answer nothing: the index then stays in memory,
// up to a bound, until it can be written.
package history
