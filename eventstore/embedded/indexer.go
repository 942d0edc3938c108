package embedded

import "sync"

// indexer writes the indexes of sealed segments, in the background and one at a
// time. As they are disposable, so are its errors: what could not be written is
// left to the next start, and the segment is read then.
type indexer struct {
	store *Store
	work  sync.WaitGroup

	mu   sync.Mutex
	todo []int // segments, by their place in the log
	wake chan struct{}
}

func startIndexer(s *Store) *indexer {
	x := &indexer{store: s, todo: s.unindexed, wake: make(chan struct{}, 1)}
	x.wake <- struct{}{}
	x.work.Go(x.run)
	return x
}

// sealed asks for the index of a segment that is not written to any more.
func (x *indexer) sealed(i int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.todo = append(x.todo, i)
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// run ends when the store is closed, after the index that is at hand: so even a
// program that runs only for a moment gets one done.
func (x *indexer) run() {
	for {
		select {
		case <-x.wake:
		case <-x.store.closed:
			return
		}
		for i, ok := x.next(); ok; i, ok = x.next() {
			segs, _ := x.store.index.view()
			_ = x.store.writeSealed(segs, i) // see above
			select {
			case <-x.store.closed:
				return
			default:
			}
		}
	}
}

func (x *indexer) next() (int, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.todo) == 0 {
		return 0, false
	}
	i := x.todo[0]
	x.todo = x.todo[1:]
	return i, true
}
