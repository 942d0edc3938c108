package httpapi

import (
	"context"
	"iter"
	"sync"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/live"
	"pets/internal/work"
	"pets/projections"
)

// Looks at the past. Each folds a history again and holds what its view needs
// until it is answered, which depends on the history. So only a few may run at a
// time.
const (
	// maxPasts is how many run at a time; one more is reserved for people.
	maxPasts    = 2
	pastsPeople = 1
	// maxPastsWaiting is how many machines, and how many people, may wait for a
	// place, and for how long.
	maxPastsWaiting = 16
	pastQueueWithin = 10 * time.Second
	// pastWithin limits one look.
	pastWithin = 28 * time.Second
)

// pastLooks limits the looks at the past: one of each key, and a few of all keys.
type pastLooks struct {
	mu      sync.Mutex
	byKey   map[string]bool
	running int
	waiting int // all of them
	people  int // those of them who are people
	freed   chan struct{}
	// most is the maximum of running; for tests.
	most int
}

func newPastLooks() *pastLooks {
	return &pastLooks{byKey: map[string]bool{}, freed: make(chan struct{})}
}

// take waits for a place. A second look of the same key is refused at once,
// because it would only wait for the first.
func (p *pastLooks) take(ctx context.Context, k key) (leave func(), err error) {
	if err := p.enter(k); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pastQueueWithin)
	defer cancel()
	for {
		began, freed := p.begin(k)
		if began {
			return func() { p.end(k.id) }, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			p.mu.Lock()
			defer p.mu.Unlock()
			p.waits(k, -1)
			delete(p.byKey, k.id)
			return nil, domain.Errorf(domain.CodeUnavailable, "too many views of the past (?at=) are being read (%d at a time); ask again in a moment", maxPasts)
		}
	}
}

// steady is a store whose histories are read in a place among those who compute.
type steady struct {
	eventstore.Store
	work *work.Places
}

// ReadStream implements eventstore.Store.
func (s steady) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		place := s.work.Take(work.Past)
		defer func() { place.Leave() }()
		for rec, err := range s.Store.ReadStream(ctx, stream, from) {
			if place = place.Share(); !yield(rec, err) {
				return
			}
		}
	}
}

// waits counts the waiting callers. Waiting machines do not exclude people.
func (p *pastLooks) waits(k key, n int) {
	p.waiting += n
	if k.person() {
		p.people += n
	}
}

func (p *pastLooks) enter(k key) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.waiting - p.people
	if k.person() {
		before = p.people
	}
	switch {
	case p.byKey[k.id]:
		return domain.Errorf(domain.CodeRateLimited, "the key is already reading a view of the past (?at=); read one at a time")
	case before >= maxPastsWaiting:
		return domain.Errorf(domain.CodeUnavailable, "too many requests wait for a view of the past (?at=); ask again in a moment")
	}
	p.byKey[k.id] = true
	p.waits(k, 1)
	return nil
}

func (p *pastLooks) begin(k key) (began bool, freed <-chan struct{}) {
	most := maxPasts
	if k.person() {
		most += pastsPeople
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running >= most {
		return false, p.freed
	}
	p.waits(k, -1)
	p.running++
	p.most = max(p.most, p.running)
	return true, nil
}

func (p *pastLooks) end(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	delete(p.byKey, id)
	close(p.freed)
	p.freed = make(chan struct{})
}

// lookBack folds the history again up to a moment. It ends when its client
// disconnects.
func (a *API) lookBack(ctx context.Context, id string, m moment, show func(*portfolio.State, riders) error) error {
	leave, err := a.pasts.take(ctx, m.who)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, pastWithin)
	defer cancel()
	var with riders
	var list []projections.Projection
	if m.history {
		stats, equity := projections.NewStats(nil), projections.NewEquity(nil)
		with = riders{func() (*projections.StatsFold, error) { return stats, nil }, func() (*projections.Equity, error) { return equity, nil }}
		list = []projections.Projection{stats, equity}
	}
	r := projections.NewRunner(steady{a.config.Store, a.config.Work}, commands.Stream(id), list...)
	r.Alone() // what is read in a place is folded in it, too
	r.UseCheckpoint(a.config.Checkpoints, m.at)
	if err := r.CatchUp(ctx, m.at); err != nil {
		return err
	}
	if err := m.makeRoom(); err != nil {
		return err
	}
	return live.Show(r, func(s *portfolio.State) error { return show(s, with) })
}
