// Package system holds the state of the system stream: the API keys, the
// approvers' keys, the encryption keys and the wallets' claims (package keys), and the
// decisions about them.
//
// It owns who has an API key and for what, whose signatures approve, and three rules:
// there is always a key that can administer, one rotation is open at a time, and an
// address belongs to one portfolio. It refuses to know a key itself: it gets only
// hashes, ids and public halves.
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
		k := &Key{
			ID: e.Key, User: e.User, Role: e.Role, Portfolio: e.Portfolio, Bot: e.Bot, Hash: e.Hash, Note: e.Note, IssuedAt: at.Time,
		}
		s.keys[k.ID], s.byHash[k.Hash] = k, k
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

// ByHash returns the live key with a hash.
func (s *State) ByHash(hash string) (Key, bool) {
	k := s.byHash[hash]
	if k == nil || k.RevokedAt != nil {
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

// live counts the live keys, and the admin keys among them.
func (s *State) live() (all, admins int) {
	for _, k := range s.keys {
		if k.RevokedAt == nil {
			all++
			if k.Role == domain.RoleAdmin {
				admins++
			}
		}
	}
	return all, admins
}
