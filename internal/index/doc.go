// Package index finds what the log already holds: whether an identity was used,
// which trades a bot closed, what equity was, and where the checkpoints of the
// live state are. It is a cache of the log in files of its own: immutable sorted
// runs, and a map in memory of what came after them.
//
// It owns the folder of its files (format.go describes every byte), which entries
// are visible at which position of the log (index.go), and the merging that keeps
// the number of files small (merge.go). One follower adds entries in the order of
// the log; any number of goroutines look them up.
//
// It refuses to guess. A wrong "not there" would book a fill twice, and no record
// of the log could refute it. So every answer says up to which position of the log
// it holds, every byte that is read from a file is covered by a checksum that is
// checked each time, and any doubt is an error that matches [ErrRebuild], never an
// answer. It also refuses to be believed alone: prefixes of keys are 64 bits, so
// the caller confirms each hit by the record in the log. It knows bytes only, no
// event, and nothing is lost with it: it can be built from the log at any time,
// which is why it never flushes a file to disk.
//
// The caller keeps a second writer out, as it does for the log itself: it holds
// the lock of the store while an [Index] is open. A [Reader] needs no lock.
package index
