// Package esdbtest is an EventStoreDB server for tests, as clients see it on the wire: the
// services Streams, Gossip and ServerFeatures of the protocol, on a log in memory.
//
// It owns what a client can meet: expected revisions and idempotent writes, deleted streams and
// tombstones, positions, subscriptions, several servers with a leader that moves, TLS and
// credentials, and the faults that a test sets. It refuses to be part of the product: nothing but
// tests imports it, and it knows nothing of what it tests.
package esdbtest
