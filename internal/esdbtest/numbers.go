package esdbtest

import "math"

// The protocol has unsigned numbers where the log has signed ones, and the other way round.

// unsigned is a revision of the log as the protocol has it, or half of an id.
func unsigned(i int64) uint64 { return uint64(i) } //nolint:gosec // the same bits, on purpose

// signed is half of an id as the protocol has it.
func signed(u uint64) int64 { return int64(u) } //nolint:gosec // the same bits, on purpose

// small is a port or a size of the test's own.
func small(i int) uint32 { return uint32(i) } //nolint:gosec // far below 2^32

// revision is one that a client expects: those from 2^63 on would be words for something else.
func revision(u uint64) (expected, error) {
	if u > math.MaxInt64 {
		return 0, errBadRequest("the expected revision is larger than any that there can be")
	}
	return expected(u), nil
}
