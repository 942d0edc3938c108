package snapshot

// Missing returns how many records the checkpoints would cover that a stream lacks: where two
// neighbours are too far apart, as after an import, after an upgrade, without the folder, or where
// a file is lost or damaged. Those
// after the newest one are not meant; it is for the follower of the stream to make them.
func (f *Folder) Missing(stream string) []uint64 {
	items, _ := f.list(stream)
	items = f.usable(stream, items)
	var states []item
	for _, c := range items {
		if c.kind == State {
			states = append(states, c)
		}
	}
	return missing(states, maxKept)
}

// missing does not name more than there is room for, with states that grow with the history.
// Otherwise they would be made and thinned again and again.
func missing(states []item, most int64) (sizes []uint64) {
	if len(states) == 0 {
		return nil
	}
	newest := states[len(states)-1]
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
	room := most - bytesOf(states)
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
