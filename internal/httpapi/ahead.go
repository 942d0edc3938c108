package httpapi

import (
	"context"
	"sync"
)

// ahead limits the bytes that are read ahead of a slow reader of a stream. One
// event is always read, however large it is.
type ahead struct {
	most int

	mu    sync.Mutex
	held  int
	freed chan struct{} // has one element when something was sent
}

func newAhead(most int) *ahead { return &ahead{most: most, freed: make(chan struct{}, 1)} }

// add waits until so many bytes may be held. It returns false if the stream ended
// before.
func (a *ahead) add(ctx context.Context, bytes int) bool {
	for !a.try(bytes) {
		select {
		case <-a.freed:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (a *ahead) try(bytes int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held > 0 && a.held+bytes > a.most {
		return false
	}
	a.held += bytes
	return true
}

// sent gives bytes back.
func (a *ahead) sent(bytes int) {
	a.mu.Lock()
	a.held -= bytes
	a.mu.Unlock()
	select {
	case a.freed <- struct{}{}:
	default:
	}
}
