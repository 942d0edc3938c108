package snapshot

import "time"

// The rule by which checkpoints of a state are thinned. It depends on nothing but the
// checkpoints themselves, so the same ones are kept on every machine.
const (
	// Near is the most records between two checkpoints within the last Recent records of a
	// stream, Far before that. The beginning of the stream counts as a checkpoint.
	Near   = 20_000
	Far    = 100_000
	Recent = 1_000_000
	// keepsAll is the time before the newest checkpoint in which every checkpoint stays, if
	// there is room.
	keepsAll = time.Hour
	// keepsNewest is how many of the newest ones stay in any case: if one cannot be used, a
	// start falls back to the one before.
	keepsNewest = 2
	// maxKept limits the bytes of the older checkpoints of one stream. States of long
	// histories may be so large that the distances above cannot be kept.
	maxKept = 512 << 20
)

// gapLimit is the most records between two checkpoints, of which the later one has so many
// records, in a stream whose newest checkpoint has head records.
func gapLimit(head, later uint64) uint64 {
	if later+Recent > head {
		return Near
	}
	return Far
}

// thin returns which checkpoints of one kind stay. They are in the order of the stream, as
// are those that are returned. All of the last hour stay. Of older ones, those stay without
// which two neighbours would be too far apart. If all but the newest two are larger than most,
// every second one goes, until they are not. The last hour is no exception then: a large state
// may fill the room with it, and the whole past before it would have none.
func thin(all []item, most int64) []item {
	if len(all) == 0 {
		return nil
	}
	newest := all[len(all)-1]
	var kept []item
	before := uint64(0)
	for i, c := range all {
		young := i+keepsNewest >= len(all) || newest.at.Sub(c.at) <= keepsAll
		if young || all[i+1].size-before > gapLimit(newest.size, all[i+1].size) {
			kept = append(kept, c)
			before = c.size
		}
	}
	for older := max(len(kept)-keepsNewest, 0); older > 0 && bytesOf(kept[:older]) > most; older = len(kept) - keepsNewest {
		kept = append(everySecond(kept[:older]), kept[older:]...)
	}
	return kept
}

func bytesOf(all []item) (n int64) {
	for _, c := range all {
		n += c.bytes
	}
	return n
}

// everySecond leaves out the first, the third, and so on.
func everySecond[T any](all []T) (rest []T) {
	for i := 1; i < len(all); i += 2 {
		rest = append(rest, all[i])
	}
	return rest
}
