package index

const (
	// mergeWidth runs of like size become one.
	mergeWidth = 8
	// maxRun is the most entries that a run is merged to. A run with more than half
	// of that is complete: it is not merged any more.
	maxRun = 5_000_000
	// smallRun is the size of the smallest class.
	smallRun = 64
	// complete is the class of complete runs.
	complete = 64
)

// class groups runs of like size: each class holds eight times as many entries as
// the one below.
func class(count, most uint64) int {
	if count > most/2 {
		return complete
	}
	c := 0
	for ; count >= smallRun; count /= mergeWidth {
		c++
	}
	return c
}

// plan returns which runs to merge next, by their numbers of entries, oldest
// first: those from lo up to hi. Runs that are merged are neighbours, because a
// run holds a range of the log.
//
// When nothing is left to merge, classes fall from the oldest run to the newest,
// with fewer than eight runs in each; but one run may be in front of each complete
// one. So the number of runs grows with the logarithm of the entries, and with
// their number divided by maxRun. An entry is written once for each class that it
// rises to.
func plan(counts []uint64, most uint64) (lo, hi int, ok bool) {
	if lo, hi, ok = planRise(counts, most); ok {
		return lo, hi, true
	}
	for lo < len(counts) {
		hi = lo + 1
		for hi < len(counts) && class(counts[hi], most) == class(counts[lo], most) {
			hi++
		}
		if class(counts[lo], most) < complete && hi-lo >= mergeWidth {
			return lo, lo + fits(counts[lo:hi], most), true
		}
		lo = hi
	}
	return 0, 0, false
}

// planRise finds small runs in front of one of a higher class, which would
// separate runs of like size for ever. They join it if that does not make it too
// large, and each other otherwise.
func planRise(counts []uint64, most uint64) (lo, hi int, ok bool) {
	for i := 1; i < len(counts); i++ {
		first := i
		for first > 0 && class(counts[first-1], most) < class(counts[i], most) {
			first--
		}
		lo = i
		for sum := counts[i]; lo > first && sum+counts[lo-1] <= most; lo-- {
			sum += counts[lo-1]
		}
		if lo < i {
			return lo, i + 1, true
		}
		if i-first >= 2 {
			return first, first + fits(counts[first:i], most), true
		}
	}
	return 0, 0, false
}

// fits returns how many of the first runs fit into one: two at least, as none of
// them is complete.
func fits(counts []uint64, most uint64) int {
	n, sum := 0, uint64(0)
	for n < len(counts) && sum+counts[n] <= most {
		sum += counts[n]
		n++
	}
	return n
}
