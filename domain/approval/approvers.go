package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"pets/domain"
)

// Wait is how long a registered key waits before it counts, unless it is the first
// one of the ledger or a counting approver gives a word for it: long enough for
// people to see the notice and to revoke it.
const Wait = 24 * time.Hour

// SystemPortfolio stands for the portfolio in subjects that concern the whole ledger.
const SystemPortfolio = "system"

// The kinds of approvals.
const (
	KindTransfer = "transfer"
	KindClear    = "clear"
	KindOverride = "override"
	KindApprover = "approver" // the word for another approver's key
)

// Approver is one registered key.
type Approver struct {
	// ID is a<revision of its registration>.
	ID   string
	User string
	Key  string // the public half, as text
	// By is the admin who registered it.
	By           string
	RegisteredAt time.Time
	// CountsFrom is the time from which the key's signatures count, VouchedBy the
	// approver whose word made it earlier.
	CountsFrom time.Time
	VouchedBy  string
	RevokedAt  *time.Time
	Note       string
	// AbsentUntil is the time until which the key waits because its user was away: an API
	// key was issued to that user, who had none left.
	AbsentUntil time.Time
	// Dated: the word for the key is signed with the time of its registration.
	Dated bool
	// Unsound says what in the records of the key no build of this program writes. It is ""
	// for a sound key; others never count.
	Unsound string
	// Later: it is not the first key ever, and waits whatever the stream's time was when it
	// was registered.
	Later bool
}

// Counts reports whether the key's signatures count at a time, once it is known.
func (a *Approver) Counts(at time.Time) bool { return a.RevokedAt == nil && a.From(at) == nil }

// From returns from when on the key counts, or nil if it does not wait at a time.
func (a *Approver) From(at time.Time) *time.Time {
	switch {
	case at.Before(a.AbsentUntil):
		return &a.AbsentUntil
	case a.early(at):
		return &a.CountsFrom
	}
	return nil
}

// early reports whether the key still waits at a time. The first key and those with a
// word wait for no clock: one that was set right since must not lock everybody out.
func (a *Approver) early(at time.Time) bool {
	return a.Unsound != "" || !a.AtOnce() && at.Before(a.CountsFrom)
}

// AtOnce reports whether the key waits for nothing: it is the first one, or has a word.
func (a *Approver) AtOnce() bool {
	return a.VouchedBy != "" || !a.Later && !a.CountsFrom.After(a.RegisteredAt)
}

// Approvers are the keys of a ledger, in the order of their registration.
type Approvers struct {
	// Ledger is the ledger's id; see LedgerID.
	Ledger string
	Keys   []Approver
}

// Counting reports whether the signatures of any key count at a time.
func (a *Approvers) Counting(at time.Time) bool {
	return slices.ContainsFunc(a.Keys, func(k Approver) bool { return k.Counts(at) })
}

// Unrevoked counts the keys that are not revoked.
func (a *Approvers) Unrevoked() (n int) {
	for i := range a.Keys {
		if a.Keys[i].RevokedAt == nil {
			n++
		}
	}
	return n
}

// WithKey returns the approver with a public key. A public key is registered once.
func (a *Approvers) WithKey(key string) (Approver, bool) {
	i := slices.IndexFunc(a.Keys, func(k Approver) bool { return k.Key == key })
	if i < 0 {
		return Approver{}, false
	}
	return a.Keys[i], true
}

// Check refuses an approval that is not signed over this subject with a key of this
// user that counts at this time.
func (a *Approvers) Check(g *domain.ApprovalSignature, s Subject, user string, at time.Time) error {
	return a.check(g, s, user, at, func(k *Approver) bool { return k.RevokedAt != nil }, func(k *Approver) bool { return k.From(at) != nil })
}

// Underway is how long a decision may take: an approval that was decided before a
// revocation may be recorded this long after it.
const Underway = time.Minute

// CheckRecorded is Check for an approval that was recorded at a time in the past, with
// the keys of today. follows reports whether its record follows the one from which a key
// counts, in the order of the log: clocks alone may have been set right in between.
func (a *Approvers) CheckRecorded(g *domain.ApprovalSignature, s Subject, user string, at time.Time, follows func(id string) bool) error {
	revoked := func(k *Approver) bool { return k.revokedBefore(at) }
	early := func(k *Approver) bool { return k.earlyThen(at, follows) }
	return a.check(g, s, user, at, revoked, early)
}

// CheckSince is Check for an approval of the past that is used now: a revocation since then
// does not matter. The order of the log is not known here, so that the first key and those
// with a word count whenever they were registered.
func (a *Approvers) CheckSince(g *domain.ApprovalSignature, s Subject, user string, at time.Time) error {
	return a.check(g, s, user, at, func(k *Approver) bool { return k.revokedBefore(at) }, func(k *Approver) bool { return k.early(at) })
}

func (a *Approver) revokedBefore(at time.Time) bool {
	return a.RevokedAt != nil && at.After(a.RevokedAt.Add(Underway))
}

// CountedAt reports whether the signatures of any key counted for a record at a time in the
// past; see [Approvers.CheckRecorded].
func (a *Approvers) CountedAt(at time.Time, follows func(id string) bool) bool {
	return slices.ContainsFunc(a.Keys, func(k Approver) bool {
		return follows(k.ID) && !k.earlyThen(at, follows) && !(k.RevokedAt != nil && !at.Before(*k.RevokedAt))
	})
}

// earlyThen reports whether the key still waited at a time in the past.
func (a *Approver) earlyThen(at time.Time, follows func(id string) bool) bool {
	return a.Unsound != "" || at.Before(a.CountsFrom) && !(a.AtOnce() && follows(a.ID))
}

func (a *Approvers) check(g *domain.ApprovalSignature, s Subject, user string, at time.Time, revoked, early func(*Approver) bool) error {
	if g == nil {
		return refused("is missing: this approval has to be signed with a registered approver's key. Read what stands to be approved, sign that, and send the signature with it (pets does so with the key of pets apikey request)")
	}
	k, known := a.WithKey(g.Key)
	if !known {
		return refused("is by key %s, which is not registered; an admin registers its public half (pets apikey request prints it)", Fingerprint(g.Key))
	}
	// Checked in this order, so that nothing is said of a key to those who do not hold it.
	key, err := ParsePublicKey("key", k.Key)
	if err != nil {
		return err
	}
	if err := Verify(*g, s, key); err != nil {
		return refused("does not fit: %v", err)
	}
	switch {
	case !domain.SameUser(k.User, user):
		return refused("is by key %s, which belongs to another user: an approver signs with a key of the same user as the API key", key.Fingerprint())
	case revoked(&k):
		return refused("is by key %s, which is revoked for good; make and register another one, or sign with the file of another one (--with FILE, PETS_APPROVER_KEY)", key.Fingerprint())
	case k.Unsound != "":
		return refused("is by key %s, which does not count: %s. Somebody else has written to the store", key.Fingerprint(), k.Unsound)
	case early(&k) && !k.early(at):
		return refused("is by key %s, which counts from %s on: its user had no API key left until one was issued again, and may not be the same person", key.Fingerprint(), k.AbsentUntil.Format(time.RFC3339))
	case early(&k):
		return refused("is by key %s, which counts from %s on, or as soon as a counting approver gives a word for it", key.Fingerprint(), k.CountsFrom.Format(time.RFC3339))
	}
	return nil
}

func refused(format string, args ...any) *domain.Error {
	e := domain.Errorf(domain.CodeDenied, format, args...)
	e.Field = "signature"
	return e
}

// LedgerID returns the id of a ledger: "ledger-" and the first 32 hex digits of the
// SHA-256 over the first record of the system stream: a text of four lines, each ended
// by a line break, with "pets-ledger-v1", the event's type, the time of the record (RFC
// 3339, UTC, with the nanoseconds that are not zero) and the event's JSON as stored. It
// is the same in every engine, and after a restore; no two ledgers share it, because
// the first record holds the hash of a random key or the time of its making.
func LedgerID(recorded time.Time, first domain.Event) string {
	data, err := domain.Encode(first)
	if err != nil {
		return "" // an event that no store holds
	}
	sum := sha256.Sum256([]byte("pets-ledger-v1\n" + first.EventType() + "\n" + recorded.UTC().Format(time.RFC3339Nano) + "\n" + string(data) + "\n"))
	return "ledger-" + hex.EncodeToString(sum[:16])
}
