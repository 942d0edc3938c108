package projections

import (
	"context"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/system"
	"pets/eventstore"
)

// Key is one API key, without its secret.
type Key = system.Key

// systemStream is the stream that holds the keys; package commands writes it.
const systemStream = "system"

// Keyring follows the system stream and knows who has an API key and for what. It
// knows a key only after reading it from the store, and no key before it has
// caught up.
type Keyring struct {
	store eventstore.Store

	mu     sync.RWMutex
	state  *system.State
	moved  chan struct{} // closed when the state changes
	broken error
}

// NewKeyring returns an empty ring; [Keyring.Run] fills it.
func NewKeyring(store eventstore.Store) *Keyring {
	return &Keyring{store: store, state: system.New(), moved: make(chan struct{})}
}

// Run follows the stream until the context ends. After any other error the ring
// knows no key any more, because it could miss a revocation.
func (k *Keyring) Run(ctx context.Context) error {
	err := k.follow(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.broken = err
	k.wake()
	return err
}

// wake wakes the goroutines that wait for a change.
func (k *Keyring) wake() {
	close(k.moved)
	k.moved = make(chan struct{})
}

func (k *Keyring) follow(ctx context.Context) error {
	for rec, err := range k.store.SubscribeStream(ctx, systemStream, 0) {
		if err != nil {
			return err
		}
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		k.mu.Lock()
		k.state.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		k.wake()
		k.mu.Unlock()
	}
	return ctx.Err()
}

// Broken returns the error that stopped the ring, or nil.
func (k *Keyring) Broken() error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.broken
}

// Lookup returns the key with a SHA-256, unless it was revoked. It may have
// expired.
func (k *Keyring) Lookup(hash [32]byte) (Key, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.broken != nil {
		return Key{}, false
	}
	var text [2 * len(hash)]byte
	hex.Encode(text[:], hash[:])
	return k.state.ByHashText(text[:])
}

// List returns all keys in the order they were issued, without their hashes.
func (k *Keyring) List() []Key {
	k.mu.RLock()
	defer k.mu.RUnlock()
	all := k.state.Keys()
	for i := range all {
		all[i].Hash = ""
	}
	return all
}

// Approvers returns the approvers' keys, and the ledger's id.
func (k *Keyring) Approvers() approval.Approvers {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.state.Approvers()
}

// Word returns what gives a word for an approver's key that waits; see
// [system.State.Word].
func (k *Keyring) Word(id string) (approval.Subject, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.state.Word(id)
}

// ByID returns a key by its id, without its hash.
func (k *Keyring) ByID(id string) (Key, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, known := k.state.ByID(id)
	key.Hash = ""
	return key, known
}

// Administered reports whether an admin key is accepted at a time.
func (k *Keyring) Administered(now time.Time) bool {
	return slices.ContainsFunc(k.List(), func(one Key) bool { return one.Role == domain.RoleAdmin && one.Live(now) })
}

// LastAdminUntil returns when the last of the admin keys that are live at a time
// ends; nil if one of them never does, or there is none.
func (k *Keyring) LastAdminUntil(now time.Time) (last *time.Time) {
	for _, one := range k.List() {
		switch {
		case one.Role != domain.RoleAdmin || !one.Live(now):
		case one.ExpiresAt == nil:
			return nil
		case last == nil || one.ExpiresAt.After(*last):
			last = one.ExpiresAt
		}
	}
	return last
}

// Ending returns the keys that are live at a time, end soon, and were not replaced.
func (k *Keyring) Ending(now time.Time) []Key {
	return slices.DeleteFunc(k.List(), func(one Key) bool {
		return one.ReplacedBy != "" || one.StateAt(now) != system.KeyExpiring
	})
}

// Any reports whether a key was ever issued.
func (k *Keyring) Any() bool { return len(k.List()) > 0 }

// Wait returns when the ring has folded a revision, or can no longer do so.
func (k *Keyring) Wait(ctx context.Context, revision uint64) error {
	for {
		k.mu.RLock()
		there, moved, broken := k.state.Next > revision, k.moved, k.broken
		k.mu.RUnlock()
		switch {
		case there:
			return nil
		case broken != nil:
			return broken
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
