package httpapi

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"pets/commands"
	"pets/domain"
)

// maxDenialSources limits the sources remembered within a minute. Further ones
// are counted together as "other".
const maxDenialSources = 1_000

// DenialsEvery is how often denials are recorded: one access.denied per source
// and minute, within the limits below.
const DenialsEvery = time.Minute

// Limits of what the refusals of one key, and of all strangers together, may add
// to the log: so many events at once and in a day, of about 400 bytes each.
// Further refusals are counted in one event, because every start folds these
// events before a stop is possible over TCP.
const (
	denialsBurst  = 200
	denialsPerDay = 500
	// otherSources stands for the sources that are counted together.
	otherSources = "other"
)

// denials counts refusals of access until they are recorded.
type denials struct {
	record func(context.Context, []domain.AccessDenied) error

	mu      sync.Mutex
	pending map[denialKey]*domain.AccessDenied
	// rates are what may be recorded, by key id; "" are those without.
	rates map[string]*rate.Limiter
}

type denialKey struct {
	source, key string
	code        domain.Code
}

func newDenials(record func(context.Context, []domain.AccessDenied) error) *denials {
	return &denials{record: record, pending: map[denialKey]*domain.AccessDenied{}, rates: map[string]*rate.Limiter{}}
}

func (d *denials) note(source, key, route string, code domain.Code, now time.Time) {
	now = now.UTC()
	d.mu.Lock()
	defer d.mu.Unlock()
	k := denialKey{source, key, code}
	e := d.pending[k]
	if e == nil {
		if len(d.pending) >= maxDenialSources {
			k.source = otherSources
		}
		if e = d.pending[k]; e == nil {
			e = &domain.AccessDenied{Source: k.source, Key: key, Code: string(code), From: now}
			d.pending[k] = e
		}
	}
	e.Count++
	e.Route, e.To = route, now
}

// flush records what is pending, within the limits. What cannot be recorded now
// is kept for the next time, if there is one.
func (d *denials) flush(ctx context.Context, now time.Time, last bool) {
	d.mu.Lock()
	batch := d.due(now, last)
	d.mu.Unlock()
	if len(batch) == 0 || d.record(ctx, batch) == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range batch {
		d.keep(&batch[i], batch[i].Source)
	}
}

// due removes and returns what may be recorded.
func (d *denials) due(now time.Time, last bool) (batch []domain.AccessDenied) {
	byKey := map[string][]*domain.AccessDenied{}
	for _, e := range d.pending {
		byKey[e.Key] = append(byKey[e.Key], e)
	}
	d.pending = map[denialKey]*domain.AccessDenied{}
	for key, all := range byKey {
		few := d.merged(key, all, now)
		for _, e := range few {
			if d.rates[key].AllowN(now, 1) || last {
				batch = append(batch, *e)
			} else {
				d.keep(e, otherSources)
			}
		}
	}
	return batch
}

// merged combines sources of a key if they are more than may be recorded now; the
// most active ones are kept apart.
func (d *denials) merged(key string, all []*domain.AccessDenied, now time.Time) []*domain.AccessDenied {
	left := d.rates[key]
	if left == nil {
		left = rate.NewLimiter(denialsPerDay/rate.Limit((24*time.Hour).Seconds()), denialsBurst)
		d.rates[key] = left
	}
	may := int(left.TokensAt(now))
	if len(all) <= may {
		return all
	}
	slices.SortFunc(all, func(a, b *domain.AccessDenied) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Source, b.Source))
	})
	codes := map[string]*domain.AccessDenied{}
	var few, others []*domain.AccessDenied
	for i, e := range all {
		switch first := codes[e.Code]; {
		case i < may/2: // keep some for the others until the limit refills
			few = append(few, e)
		case first == nil:
			e.Source, codes[e.Code] = otherSources, e
			others = append(others, e)
		default:
			together(first, e)
		}
	}
	return append(others, few...)
}

// together adds one count to another.
func together(with, e *domain.AccessDenied) {
	with.Count += e.Count
	if e.From.Before(with.From) {
		with.From = e.From
	}
	if e.To.After(with.To) {
		with.To, with.Route = e.To, e.Route
	}
}

// keep puts back what could not be recorded, under a source.
func (d *denials) keep(e *domain.AccessDenied, source string) {
	k := denialKey{source, e.Key, domain.Code(e.Code)}
	now := d.pending[k]
	if now == nil && len(d.pending) >= maxDenialSources {
		k.source = otherSources
		now = d.pending[k]
	}
	if now != nil {
		together(now, e)
		return
	}
	c := *e
	c.Source = k.source
	d.pending[k] = &c
}

// Flush records refusals every minute until the context ends.
func (a *API) Flush(ctx context.Context) {
	tick := time.NewTicker(DenialsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.denials.flush(ctx, a.now(), false)
		case <-ctx.Done():
			return
		}
	}
}

// server is the caller that records what happened to the server itself.
var server = domain.Caller{User: "server", Role: domain.RoleAdmin}

func (a *API) recordDenials(ctx context.Context, all []domain.AccessDenied) error {
	_, err := a.engine.System(ctx, commands.Request{
		Caller: server, Key: uuid.NewString(), Command: commands.RecordDenials{Denials: all},
	})
	if err != nil {
		a.log.Warn("refusals of access could not be recorded yet", "error", strings.TrimSpace(err.Error()))
	}
	return err
}
