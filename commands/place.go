package commands

import "pets/internal/work"

// place returns a place to decide in. It returns none if a stop waits, which needs none: a group
// that has one is short.
func (w *Writer) place() *work.Place {
	if w.options.Work == nil || w.queue.stopWaits() {
		return nil
	}
	place := w.options.Work.Ask(work.Decisions)
	for {
		select {
		case <-place.Given():
			return place
		case <-w.ctx.Done():
			place.Leave()
			return nil
		case <-w.queue.wake:
			if w.queue.stopWaits() {
				place.Leave()
				return nil
			}
		}
	}
}
