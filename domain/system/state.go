// Package system holds the state of the system stream: the API keys, the
// approvers' keys, the encryption keys and the wallets' claims (package keys), and the
// decisions about them.
//
// It owns who has an API key, for what and until when, whose signatures approve, and
// three rules: a person takes no last key away that can administer, one rotation is
// open at a time, and an address belongs to one portfolio. It refuses to know a key
// itself: it gets only hashes, ids and public halves.
// Pure, like every package of the domain.
package system

import (
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/keys"
)

// Key is one API key.
type Key struct {
	ID        string
	User      string
	Role      domain.Role
	Portfolio string
	Bot       string
	Hash      string
	Note      string
	IssuedAt  time.Time
	RevokedAt *time.Time
	// ExpiresAt is when the key ends, nil for never: keys that earlier builds
	// issued do not end.
	ExpiresAt *time.Time
	// ReplacedBy is the key that took its place, or "".
	ReplacedBy string
}

// Expired reports whether the key has ended at a time.
func (k *Key) Expired(now time.Time) bool { return k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) }

// Live reports whether the key is accepted at a time.
func (k *Key) Live(now time.Time) bool { return k.RevokedAt == nil && !k.Expired(now) }

// The states of a key at a time.
const (
	KeyLive     = "live"
	KeyExpiring = "expiring" // it ends within WarnKey
	KeyExpired  = "expired"
	KeyRevoked  = "revoked"
)

// StateAt returns the state of the key at a time.
func (k *Key) StateAt(now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return KeyRevoked
	case k.Expired(now):
		return KeyExpired
	case k.ExpiresAt != nil && k.ExpiresAt.Sub(now) <= WarnKey:
		return KeyExpiring
	}
	return KeyLive
}

// State is folded from the system stream and from nothing else. It belongs to the
// goroutine that folds it.
type State struct {
	// Next is the revision the next event gets; Time that of the last one.
	Next uint64
	Time time.Time

	keys   map[string]*Key // by id, revoked ones too
	byHash map[string]*Key

	encryption *keys.State
	approvers  approval.Approvers
}

// New returns the state before the first event.
func New() *State {
	return &State{keys: map[string]*Key{}, byHash: map[string]*Key{}, encryption: keys.New()}
}

// Apply folds one event. It is total: an event that it does not use only advances
// Next and Time.
func (s *State) Apply(at domain.Stamp, event domain.Event) {
	if s.approvers.Ledger == "" {
		s.approvers.Ledger = approval.LedgerID(at.Time, event)
	}
	s.Next, s.Time = at.Revision+1, at.Time
	switch e := event.(type) {
	case *domain.APIKeyIssued:
		s.comesBack(at.Time, e.User)
		k := &Key{
			ID: e.Key, User: e.User, Role: e.Role, Portfolio: e.Portfolio, Bot: e.Bot, Hash: e.Hash, Note: e.Note, IssuedAt: at.Time, ExpiresAt: e.ExpiresAt,
		}
		s.keys[k.ID], s.byHash[k.Hash] = k, k
		s.replace(e)
	case *domain.APIKeyRevoked:
		if k := s.keys[e.Key]; k != nil && k.RevokedAt == nil {
			when := at.Time
			k.RevokedAt = &when
		}
	case *domain.ApproverRegistered, *domain.ApproverVouched, *domain.ApproverRevoked:
		s.applyApprover(at, event)
	default:
		s.encryption.Apply(at, event)
	}
}

// Encryption returns the state of the encryption keys and of the wallets' claims.
// It is live: it changes with s.
func (s *State) Encryption() *keys.State { return s.encryption }

// replace ends the key that another takes the place of. No key lives longer for
// it.
func (s *State) replace(e *domain.APIKeyIssued) {
	former := s.keys[e.Replaces]
	if former == nil || former.ID == e.Key {
		return
	}
	former.ReplacedBy = e.Key
	if until := e.FormerUntil; until != nil && (former.ExpiresAt == nil || until.Before(*former.ExpiresAt)) {
		former.ExpiresAt = until
	}
}

// ByHash returns the key with a hash, unless it was revoked. It may have expired:
// see [Key.Expired].
func (s *State) ByHash(hash string) (Key, bool) {
	return s.byHash[hash].unrevoked()
}

// ByHashText is ByHash for a hash that is no string yet. It makes none: a key is looked up
// several times for each request.
func (s *State) ByHashText(hash []byte) (Key, bool) {
	return s.byHash[string(hash)].unrevoked()
}

func (k *Key) unrevoked() (Key, bool) {
	if k == nil || k.RevokedAt != nil {
		return Key{}, false
	}
	return *k, true
}

// ByID returns a key by its id, also one that has ended.
func (s *State) ByID(id string) (Key, bool) {
	k := s.keys[id]
	if k == nil {
		return Key{}, false
	}
	return *k, true
}

// Keys lists all keys in the order they were issued.
func (s *State) Keys() []Key {
	out := make([]Key, 0, len(s.keys))
	for _, k := range s.keys {
		out = append(out, *k)
	}
	slices.SortFunc(out, func(a, b Key) int {
		if len(a.ID) != len(b.ID) {
			return len(a.ID) - len(b.ID)
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// live counts the keys that are accepted at a time, and the admin keys among them.
func (s *State) live(now time.Time) (all, admins int) {
	for _, k := range s.keys {
		if k.Live(now) {
			all++
			if k.Role == domain.RoleAdmin {
				admins++
			}
		}
	}
	return all, admins
}
