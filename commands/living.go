package commands

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/system"
	"pets/eventstore"
)

// Keyholders are the users who have, or had, API keys.
type Keyholders struct {
	// Living are the users with a key that works, neither revoked nor expired. Revoked are those
	// with a revoked key.
	Living, Revoked []string
	// Since are the users with a key that was revoked after the record of a revision, for each
	// revision that was asked about.
	Since map[uint64][]string
	// Known is false if no key was ever issued.
	Known bool
	// Approvers are the keys that approvals are signed with, or nil if there is no system
	// stream to read them from.
	Approvers *approval.Approvers
}

// keyholders reads the system stream up to its head each time it is asked, so that a key
// that any server has just revoked confirms nothing any more.
type keyholders struct {
	store eventstore.Store
	now   func() time.Time

	mu          sync.Mutex
	s           *system.State
	revocations []revocation
}

// revocation is the position in the log at which a key was revoked. Times cannot tell
// what came first: a clock may stand still, and each stream has its own.
type revocation struct {
	key string
	at  eventstore.Position
}

func newKeyholders(store eventstore.Store, now func() time.Time) *keyholders {
	if now == nil {
		now = time.Now
	}
	return &keyholders{store: store, now: now, s: system.New()}
}

// living implements [Options.Living].
func (k *keyholders) living(stream string, acts []uint64) (h Keyholders, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	err = eventstore.Walk(context.Background(), k.store, SystemStream, k.s.Next, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			k.s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		if e, is := e.(*domain.APIKeyRevoked); is {
			k.revocations = append(k.revocations, revocation{e.Key, rec.Position})
		}
		return err
	})
	since := map[uint64][]string{}
	for _, act := range acts {
		if err == nil {
			since[act], err = k.since(stream, act)
		}
	}
	if err != nil {
		return h, &domain.Error{Code: domain.CodeUnavailable, Message: "the API keys cannot be read now; nothing is confirmed", Cause: err}
	}
	keys, now := k.s.Keys(), k.now()
	h.Since = map[uint64][]string{}
	for _, key := range keys {
		if key.Live(now) {
			h.Living = append(h.Living, key.User)
		}
		if key.RevokedAt == nil {
			continue
		}
		h.Revoked = append(h.Revoked, key.User)
		for act, revoked := range since {
			if slices.Contains(revoked, key.ID) {
				h.Since[act] = append(h.Since[act], key.User)
			}
		}
	}
	h.Known = len(keys) > 0
	approvers := k.s.Approvers()
	h.Approvers = &approvers
	return h, nil
}

// since returns the keys that were revoked after a record. A record that is not written
// yet comes after all revocations.
func (k *keyholders) since(stream string, act uint64) (keys []string, err error) {
	var request *eventstore.Record
	for rec, err := range k.store.ReadStream(context.Background(), stream, act) {
		if missing := (*eventstore.NotFound)(nil); errors.As(err, &missing) {
			break
		}
		if err != nil {
			return nil, err
		}
		request = &rec
		break
	}
	for _, r := range k.revocations {
		if request != nil && r.at.Compare(request.Position) > 0 {
			keys = append(keys, r.key)
		}
	}
	return keys, nil
}
