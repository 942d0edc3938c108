package commands

import (
	"context"
	"sync/atomic"

	"pets/domain"
	"pets/internal/work"
)

// parts tells the caller of a long call how far it is answered. The writer only counts, and
// never waits for the caller: results stay in the call until the caller takes them.
type parts struct {
	answered atomic.Int64  // requests that have their result, from the first on
	more     chan struct{} // has one element when there are more than before
}

// tell tells the callers of the steps of a group how far they are answered.
func tell(steps []*step) {
	for _, s := range steps {
		p := s.job.parts
		if p == nil || p.answered.Swap(int64(s.job.answered)) == int64(s.job.answered) {
			continue
		}
		select {
		case p.more <- struct{}{}:
		default: // it has not looked since
		}
	}
}

// DoInParts sends commands like [Writer.DoEach], and calls told with their results, in order
// and from the first on, while later ones are still being decided. If it returns an error,
// that is the answer to all requests that told was not called for. told may take its time,
// and nothing but this call waits for it. It must not keep the slice.
func (w *Writer) DoInParts(ctx context.Context, requests []Request, told func(from int, results []Result)) error {
	if len(requests) > MaxRequests {
		return domain.Errorf(domain.CodeTooLarge, "%d commands at once; the most is %d", len(requests), MaxRequests)
	}
	if len(requests) == 0 {
		return nil
	}
	j := &job{ctx: ctx, requests: requests, each: true, parts: &parts{more: make(chan struct{}, 1)}}
	if err := w.enqueue(j); err != nil {
		return err
	}
	return w.tellParts(j, told)
}

// tellParts passes on the results of a call as they come.
func (w *Writer) tellParts(j *job, told func(from int, results []Result)) error {
	p := &pointed{w: w}
	from := 0
	pass := func() {
		to := int(j.parts.answered.Load())
		if to == from {
			return
		}
		w.options.Work.Do(work.Requests, func() { p.complete(j, from, to) })
		told(from, j.results[from:to])
		clear(j.results[from:to]) // the caller has them
		from = to
	}
	for from < len(j.requests) {
		select {
		case <-j.parts.more:
			pass()
			continue
		default: // what is there is passed on first, also if the time is over
		}
		select {
		case <-j.parts.more:
			pass()
		case <-j.ctx.Done():
			w.queue.remove(j)
			pass()
			if from < len(j.requests) {
				return j.ctx.Err()
			}
		case <-w.done:
			pass()
			if from < len(j.requests) {
				return errStopped
			}
		}
	}
	return nil
}

// DoInParts sends several commands, each decided on its own, and calls told with their results
// as they come; see [Writer.DoInParts]. Stops of bots hold even where the store cannot take
// them.
func (e *Engine) DoInParts(ctx context.Context, portfolio string, requests []Request, told func(from int, results []Result)) error {
	requests = e.arrive(portfolio, requests)
	w, err := e.writer(ctx, portfolio, false)
	if err != nil {
		return err
	}
	e.stops.ahead(ctx, portfolio)
	next := 0
	err = w.DoInParts(ctx, requests, func(from int, results []Result) {
		of := requests[from : from+len(results)]
		next = from + len(results)
		e.keep(portfolio, of, results)
		e.asOfNow(ctx, portfolio, of, results)
		told(from, results)
	})
	if err != nil {
		e.keep(portfolio, requests[next:], nil)
	}
	return err
}
