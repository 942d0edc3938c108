package embedded

import "sync"

const (
	// indexStep is how much is added to a segment before its index is rewritten:
	// the most that opening a store after a crash has to read.
	indexStep = 16 << 20
	// closeStep is how much has to be added to make one more index worthwhile
	// when the store is closed.
	closeStep = 1 << 20
)

// indexer writes the indexes of segments in the background, one at a time.
// Indexes are disposable, so its errors are ignored: an index that could not be
// written is made by the next start, which reads the segment.
type indexer struct {
	store *Store
	work  sync.WaitGroup

	mu   sync.Mutex
	todo []indexing
	wake chan struct{}
}

// indexing is a request to write the index of a segment, up to a position; 0
// means all of a sealed segment.
type indexing struct {
	segment int // its place in the log
	end     uint64
}

func startIndexer(s *Store) *indexer {
	x := &indexer{store: s, wake: make(chan struct{}, 1)}
	for _, i := range s.unindexed {
		x.todo = append(x.todo, indexing{segment: i})
	}
	x.wake <- struct{}{}
	x.work.Go(x.run)
	return x
}

// want requests the index of a segment.
func (x *indexer) want(i indexing) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.todo = append(x.todo, i)
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// run ends when the store is closed, after the current index, so that even a
// short-lived program gets one done.
func (x *indexer) run() {
	for {
		select {
		case <-x.wake:
		case <-x.store.closed:
			return
		}
		for i, ok := x.next(); ok; i, ok = x.next() {
			x.write(i)
			select {
			case <-x.store.closed:
				return
			default:
			}
		}
	}
}

func (x *indexer) write(i indexing) {
	segs, _ := x.store.index.view()
	sealed := i.segment+1 < len(segs)
	switch {
	case i.end == 0:
		i.end = segs[i.segment+1].base
	case sealed:
		return // the index of all of it is wanted, too
	}
	_ = x.store.writeSealed(segs, i.segment, i.end) // see above
}

// last writes the index of the last segment when the store is closed, if enough
// was added to it, so that the next start has nothing to read.
func (x *indexer) last(added uint64) {
	segs, end := x.store.index.view()
	if added >= closeStep && x.store.poisoned.Load() == nil {
		x.write(indexing{len(segs) - 1, end})
	}
}

func (x *indexer) next() (indexing, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.todo) == 0 {
		return indexing{}, false
	}
	i := x.todo[0]
	x.todo = x.todo[1:]
	return i, true
}
