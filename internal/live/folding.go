package live

import (
	"context"
	"time"
)

const (
	// A fold that takes longer than tellsAfter is logged, and then once in tellsEvery.
	tellsAfter = time.Second
	tellsEvery = 5 * time.Second
)

// coming is a fold on its way to the record that was the last one when it began.
type coming struct {
	fold  *fold
	head  uint64
	why   string
	began time.Time
	told  time.Time // private to tellFolding
}

// Folding is a portfolio that is not folded to its end.
type Folding struct {
	Portfolio   string
	Records, Of uint64
}

// Folding returns how far the portfolio is that has the most records left to fold, and false if
// none has.
func (f *Followers) Folding() (Folding, bool) {
	var most Folding
	for _, p := range f.list() {
		c := p.coming.Load()
		if c == nil {
			continue
		}
		if next := c.fold.at.next.Load(); c.head+1-min(next, c.head+1) > most.Of-most.Records {
			most = Folding{p.id, next, c.head + 1}
		}
	}
	return most, most.Of > 0
}

// tellFolding logs how far long folds have come, until the context ends.
func (f *Followers) tellFolding(ctx context.Context) {
	tick := time.NewTicker(tellsAfter)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, p := range f.list() {
				p.tellFolding(now)
			}
		}
	}
}

func (p *Portfolio) tellFolding(now time.Time) {
	c := p.coming.Load()
	if c == nil || now.Sub(c.began) < tellsAfter || now.Sub(c.told) < tellsEvery {
		return
	}
	next := c.fold.at.next.Load()
	if next > c.head {
		p.coming.CompareAndSwap(c, nil)
		return
	}
	c.told = now
	p.log.Info("folding a portfolio for its read models", "portfolio", p.id, "records", next, "of", c.head+1, "why", c.why)
}
