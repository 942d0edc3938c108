package snapshot

// Missing returns how many records the checkpoints would cover that a stream of so many records
// lacks: where two neighbours are too far apart, or the newest is too far from the end, as after
// an import, after an upgrade, without the folder, or where a file is lost or damaged.
func (f *Folder) Missing(stream string, records uint64) []uint64 {
	items, _ := f.list(stream)
	items = f.usable(stream, items)
	var states []item
	for _, c := range items {
		if c.kind == State {
			states = append(states, c)
		}
	}
	return missing(states, records, maxKept)
}

// missing does not name more than there is room for, with states that grow with the history.
// Otherwise they would be made and thinned again and again.
func missing(states []item, records uint64, most int64) (sizes []uint64) {
	if len(states) == 0 {
		return nil
	}
	newest := states[len(states)-1]
	room := most - bytesOf(states)
	if records > newest.size+Near { // up to the end, which has none
		newest.bytes = bytesAt([]uint64{records}, newest)
		newest.size = records
		states = append(states[:len(states):len(states)], newest)
	}
	before := uint64(0)
	for _, c := range states {
		for c.size-before > gapLimit(newest.size, c.size) {
			if before += step(newest.size, before); before >= c.size {
				break
			}
			sizes = append(sizes, before)
		}
		before = c.size
	}
	for len(sizes) > 0 && bytesAt(sizes, newest) > room {
		sizes = everySecond(sizes)
	}
	return sizes
}

// step is the distance from one checkpoint to the next.
func step(head, from uint64) uint64 {
	if from+Far+Recent <= head {
		return Far
	}
	return Near
}

// bytesAt estimates the bytes of checkpoints from those of the newest.
func bytesAt(sizes []uint64, newest item) (n int64) {
	for _, size := range sizes {
		n += int64(float64(newest.bytes) * float64(size) / float64(newest.size))
	}
	return n
}
