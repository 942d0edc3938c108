// Package views keeps the pieces of read models in files, so that a start goes on from where
// the last server ended, and memory holds only what is new.
//
// It owns one folder of caches, and in it one file for each portfolio and reader: what is in
// it, its name, its permissions, and how much space is left on the disk. A file is only
// appended to. It refuses a file of another store, stream, reader or format, one that others
// may write to, and one that is shorter than what was written. It does not know whether a
// piece is the right one: who reads it says where it lies, how long it is, and its checksum.
//
// Nothing is flushed to the disk, because the folder may be deleted between two runs: the
// history is folded from its first record then. What cannot be written stays in memory, and
// is tried again with the next checkpoint.
package views
