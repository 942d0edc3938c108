// Package witness remembers, outside the folder of the log, how far the log had
// come: for each stream the number of its records, the frontier of its hash tree,
// the leaf of its last record, and the hashes of the snapshots made of it.
//
// It owns one append-only file in a folder of its own (file.go describes every
// byte), the follower that keeps the frontiers as records become durable (keeper.go),
// the comparison of a log with what was seen of it before (check.go), and the look whether
// the file still stands where the next start finds it (stands.go). A log that
// holds less, or something else, than was witnessed is refused: most likely an older
// copy was put back, and a breaker that had tripped is untripped in it.
//
// It never runs ahead of the log: only what was read from it, and was durable there,
// is written here. It refuses to be in anybody's way: appends do not wait for it, and a
// witness that cannot be written is reported while the server goes on. It knows no
// event: which types are worth a prompt entry is handed in.
package witness
