package eventstore

// Health is what an engine says of a store that it has open.
type Health struct {
	// Poisoned is why nothing can be appended until the store is opened again, or
	// nil.
	Poisoned error
	// Damaged is the damage, or the failed read, that a check in the background or a
	// reader found, or nil. Damage poisons the store; a disk that does not answer
	// does not.
	Damaged error
	// Checked reports that the check has read everything that was there when the
	// store was opened, and that it agrees with the indexes.
	Checked bool
}

// Report is what reading every record of a store again has found. All of it is intact. An
// engine without segments and frames of its own leaves their numbers 0.
type Report struct {
	Segments, Frames, Records, Streams uint64
	Bytes                              uint64 // of the log, headers included
	TornBytes                          uint64 // found behind it when the store was opened
}
