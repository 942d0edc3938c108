// Package witness records, outside the folder of the log, how far the log had
// come: for each stream the number of its records, the frontier of its hash tree,
// the leaf of its last record, and the hashes of the snapshots made of it.
//
// It owns one append-only file in a folder of its own (file.go describes every
// byte), the follower that updates the frontiers as records become durable
// (keeper.go), the comparison of a log with its witness (check.go), and the check
// that the file is still where the next start will look for it (stands.go). A log
// with fewer records than were witnessed, or with different ones, is refused:
// most likely an older copy was put back, in which a breaker that had tripped is
// not tripped.
//
// It never runs ahead of the log: it records only what it has read from the log,
// which was durable there. It refuses to delay anything: appends do not wait for
// it, and if the witness cannot be written, that is reported while the server
// continues. It does not know events: the caller says which types are written at
// once.
package witness
