// Package keys tracks the encryption keys that wallets are sealed under, and the
// claims that tie a wallet's address to one portfolio.
//
// It owns which rotation is open and what is left of it, when a rotation is due,
// which key id each wallet was last sealed under, and who claimed an address. It
// refuses to know any key: encryption keys are named by the first 8 hex digits of
// their SHA-256, wallets by their names. Decisions are made in package system.
package keys

import (
	"slices"
	"strings"
	"time"

	"pets/domain"
)

const (
	// RotateEvery is the age of an encryption key at which a rotation is due
	// ("every 90 days").
	RotateEvery = 90 * 24 * time.Hour

	// Unknown is the value in key.reencrypted for the previous key of a wallet if
	// neither the keystore nor the history can tell it.
	Unknown = "unknown"

	idLength = 8
)

// Claim says which portfolio an address belongs to, and which of its wallets it
// is.
type Claim struct {
	Address   string // as claimed, in EIP-55
	Wallet    string
	Portfolio string
}

// Rotation is one replacement of the encryption key.
type Rotation struct {
	// Name is r and Revision, the revision of the record that started the
	// rotation.
	Name     string
	Revision uint64
	// To is the id of the new key.
	To        string
	Reason    string
	StartedAt time.Time
	// CompletedAt is nil while the rotation is open. It stays nil if a later
	// rotation to the same key took over the rest.
	CompletedAt *time.Time
	// Wallets are the wallets to seal again. Left are those of them that have no
	// record of it yet. Both are in the order of the record.
	Wallets, Left []string
}

// State is folded from the system stream. It belongs to the goroutine that folds
// it. Its methods return copies.
type State struct {
	rotations map[string]*Rotation
	open      *Rotation
	last      *Rotation // the last that was completed
	latest    string    // the name of the last that was started
	sealed    map[string]string
	claims    map[string]Claim // by the address in lower case
	since     *time.Time
	// used says since when each key was in use, as far as the history tells: one that comes
	// back is as old as it was.
	used map[string]time.Time
}

// New returns the state before the first event.
func New() *State {
	return &State{rotations: map[string]*Rotation{}, sealed: map[string]string{}, claims: map[string]Claim{}, used: map[string]time.Time{}}
}

// Apply folds one event. It is total: a recorded event is applied even where no
// decision would have allowed it.
func (s *State) Apply(at domain.Stamp, event domain.Event) {
	switch e := event.(type) {
	case *domain.WalletClaimed:
		s.know(at.Time)
		if key := strings.ToLower(e.Address); s.claims[key] == (Claim{}) {
			s.claims[key] = Claim{Address: e.Address, Wallet: e.Wallet, Portfolio: e.Portfolio}
		}
	case *domain.KeyRotationStarted:
		s.know(at.Time)
		s.open = &Rotation{
			Name: e.Rotation, Revision: at.Revision, To: e.To, Reason: e.Reason, StartedAt: at.Time,
			Wallets: slices.Clone(e.Wallets), Left: slices.Clone(e.Wallets),
		}
		s.rotations[e.Rotation], s.latest = s.open, e.Rotation
	case *domain.KeyReencrypted:
		s.sealed[e.Wallet] = e.To
		if _, known := s.used[e.From]; !known && s.since != nil && e.From != Unknown {
			s.used[e.From] = *s.since
		}
		if r := s.rotations[e.Rotation]; r != nil {
			r.Left = slices.DeleteFunc(r.Left, func(w string) bool { return w == e.Wallet })
		}
	case *domain.KeyRotationCompleted:
		s.complete(at, e)
	}
}

func (s *State) complete(at domain.Stamp, e *domain.KeyRotationCompleted) {
	r := s.rotations[e.Rotation]
	if r == nil { // the stream holds the completion, but not the start
		r = &Rotation{Name: e.Rotation, To: e.To, StartedAt: at.Time}
		s.rotations[e.Rotation] = r
	}
	when := at.Time
	r.CompletedAt = &when
	// A rotation to the current key repairs a keystore, and one to a former key
	// puts that back: neither resets the age of the key.
	if first, known := s.used[e.To]; known {
		s.since = &first
	} else {
		s.since, s.used[e.To] = &when, when
	}
	s.last = r
	if s.open == r {
		s.open = nil
	}
}

// know starts the age of the first key at the first event that mentions one.
func (s *State) know(at time.Time) {
	if s.since == nil {
		s.since = &at
	}
}

// Open returns the open rotation.
func (s *State) Open() (Rotation, bool) { return s.copyOf(s.open) }

// LastCompleted returns the rotation that was completed last.
func (s *State) LastCompleted() (Rotation, bool) { return s.copyOf(s.last) }

// Rotation returns a rotation by its name, open or over.
func (s *State) Rotation(name string) (Rotation, bool) { return s.copyOf(s.rotations[name]) }

// Latest names the rotation that was started last, "" before the first.
func (s *State) Latest() string { return s.latest }

func (s *State) copyOf(r *Rotation) (Rotation, bool) {
	if r == nil {
		return Rotation{}, false
	}
	c := *r
	c.Wallets, c.Left = slices.Clone(r.Wallets), slices.Clone(r.Left)
	return c, true
}

// SealedUnder returns the id of the key that a wallet was last re-encrypted to,
// as recorded. It returns false for a wallet that never was.
func (s *State) SealedUnder(wallet string) (string, bool) {
	id, known := s.sealed[wallet]
	return id, known
}

// Named reports whether a wallet of that name has another address.
func (s *State) Named(wallet, address string) bool {
	for key, c := range s.claims {
		if c.Wallet == wallet && key != strings.ToLower(address) {
			return true
		}
	}
	return false
}

// ClaimOf returns the claim of an address, ignoring the case of the address.
func (s *State) ClaimOf(address string) (Claim, bool) {
	c, claimed := s.claims[strings.ToLower(address)]
	return c, claimed
}

// Since returns the time from which the age of the key is counted. That is the
// completion of the first rotation to the key in use, or else the first event that
// mentions a key: the start of a rotation or the claim of a wallet. It
// returns false before all of these.
func (s *State) Since() (time.Time, bool) {
	if s.since == nil {
		return time.Time{}, false
	}
	return *s.since, true
}

// Age is how long the key has been in use, 0 where none is known.
func (s *State) Age(now time.Time) time.Duration {
	if s.since == nil || now.Before(*s.since) {
		return 0
	}
	return now.Sub(*s.since)
}

// Due reports whether the key has to be replaced: its age is [RotateEvery] or
// more.
func (s *State) Due(now time.Time) bool { return s.Age(now) >= RotateEvery }

// CheckID accepts the id of an encryption key: 8 lower-case hex digits.
func CheckID(field, id string) error {
	if len(id) != idLength || !domain.IsLowerHex(id) {
		return domain.Invalid(field, "must be the id of an encryption key: 8 lower-case hex digits")
	}
	return nil
}

const addressDigits = 40

// CheckAddress checks the shape of an address, 0x and 40 hex digits. It does not
// verify the EIP-55 checksum, because the domain does not hash.
func CheckAddress(field, address string) error {
	digits, ok := strings.CutPrefix(address, "0x")
	if !ok || len(digits) != addressDigits || !domain.IsLowerHex(strings.ToLower(digits)) {
		return domain.Invalid(field, "must be an address: 0x and 40 hex digits")
	}
	return nil
}
