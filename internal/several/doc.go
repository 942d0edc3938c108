// Package several tests several servers on one EventStoreDB: each in a process of its own, with
// a PETS_DIR of its own, against the wire-level server of internal/esdbtest, or against a running
// EventStoreDB.
//
// It holds only tests. They own what has to hold whichever server answers: a limit is kept by all
// of them together, what one has acknowledged is known to the others, and a stop at one holds at
// all. How one engine contains the defects of its client is tested in eventstore/esdb.
package several
