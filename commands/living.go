package commands

import (
	"context"
	"slices"
	"sync"
	"time"

	"pets/domain"
	"pets/domain/system"
	"pets/eventstore"
)

// confirming are the commands in which one person confirms what another asked for: they
// are decided with the users whose keys work.
var confirming = []string{ConfirmClear{}.Name(), ConfirmOverride{}.Name(), ApproveTransfer{}.Name()}

// circumstances gathers what a command is decided on.
func (w *Writer) circumstances(r *Request, now time.Time, jumped time.Duration) (circumstances, error) {
	c := circumstances{now: now, jumped: jumped}
	if w.options.Living == nil || !slices.Contains(confirming, r.Command.Name()) {
		return c, nil
	}
	var err error
	c.living, c.livingKnown, err = w.options.Living()
	return c, err
}

// keyholders follows the system stream when it is asked, so that a key revoked a moment
// ago, by whichever server, confirms nothing any more.
type keyholders struct {
	store eventstore.Store

	mu sync.Mutex
	s  *system.State
}

func newKeyholders(store eventstore.Store) *keyholders {
	return &keyholders{store: store, s: system.New()}
}

// living implements [Options.Living].
func (k *keyholders) living() (users []string, known bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	err = eventstore.Walk(context.Background(), k.store, SystemStream, k.s.Next, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			k.s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		return err
	})
	if err != nil {
		return nil, false, &domain.Error{Code: domain.CodeUnavailable, Message: "whose keys work cannot be read now; nothing is confirmed", Cause: err}
	}
	keys := k.s.Keys()
	for _, key := range keys {
		if key.RevokedAt == nil {
			users = append(users, key.User)
		}
	}
	return users, len(keys) > 0, nil
}
