// Package esdbtest is an EventStoreDB server for tests, as clients see it on the wire: the
// services Streams, Gossip and ServerFeatures of the protocol, on a log in memory.
//
// It owns what a client can meet: expected revisions and idempotent writes, deleted streams and
// tombstones, positions, subscriptions, several servers with a leader that moves, TLS and
// credentials, and the faults that a test sets (Server.Inject, Stop, Pause and others). It refuses
// to be part of the product: nothing but tests imports it, and it knows nothing of what it tests.
//
// # What it is faithful to
//
// The behaviour is that of EventStoreDB 24.10, as its documentation and source have it. Clients
// that others wrote check it: the official one for Go, the official one for JavaScript
// (testdata/npm), and the test suite of the Kurrent client (make esdb-conformance).
//
//   - Appends with every expected revision. An explicit one below the stream's own with the ids
//     that are there is answered as the first time; with other ids, or only some of them, it is a
//     conflict; at the stream's own revision, ids are not compared. A conflict is a response of
//     Append, with the stream's revision, and an error of Delete. Data, metadata and twice the
//     length of the type count against the 1 MiB of one append; what is larger is answered before
//     the request has ended, and the Go client makes code 0 of it, sometimes with EOF for words.
//   - A deleted stream is not found, and goes on with the next revision; a tombstone is for good.
//     $tb, $maxCount and $maxAge hide events of a stream, and not of $all.
//   - Positions grow, have gaps, and are commit and prepare alike. Reads have the event at a
//     position when they go forwards, and not when they go backwards. $all begins with events of
//     the server's own.
//   - A subscription is confirmed first, begins after its start, and says once that it has caught
//     up. Reads send no first or last position: the Go client panics at those.
//   - A follower passes writes on to the leader, and may lag behind when it is read. Only to a
//     client that requires a leader it answers that it is none, and where the leader is. Without a
//     leader the answer is UNAVAILABLE; without a majority, ABORTED.
//   - Wrong credentials are UNAUTHENTICATED, and none are PERMISSION_DENIED. An append is refused
//     so before it has ended, too.
//
// # What it is not
//
// There are no persistent subscriptions, no projections ($ce-, $by-category and the like), no
// users, no access lists, no scavenging, no transactions and no appends to several streams. A
// leader's death elects no other: the test says who leads, with MoveLeader. A write is in the log of
// all servers or of none: nothing that was written is lost by a change of leaders. Ids are
// remembered for ever, where the server forgets old ones under the revision Any. Filters and
// checkpoints of $all are counted by event, and the time between the messages means nothing.
package esdbtest
