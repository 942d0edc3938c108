package live

import (
	"context"
	"fmt"

	"pets/domain"
	"pets/eventstore"
)

// News hands on the records of all streams after Options.Since, old ones first, until the
// context or the followers end; that is no error. The package comment says what tell may
// rely on. Several News do not wait for each other.
func (f *Followers) News(ctx context.Context, tell func(context.Context, eventstore.Record)) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return domain.Errorf(domain.CodeUnavailable, "the server is stopping")
	}
	f.running.Add(1)
	f.mu.Unlock()
	defer f.running.Done()
	defer context.AfterFunc(f.ctx, end)()
	for rec, err := range f.store.SubscribeAll(ctx, f.options.Since) {
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = told(ctx, tell, rec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// told keeps a panic from ending the server.
func told(ctx context.Context, tell func(context.Context, eventstore.Record), rec eventstore.Record) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("failed at revision %d of %s: %v", rec.Revision, rec.Stream, v)
		}
	}()
	tell(ctx, rec)
	return nil
}
