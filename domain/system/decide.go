package system

import (
	"slices"
	"time"

	"pets/domain"
)

const (
	// maxKeys limits how many keys can be live at a time.
	maxKeys = 10_000
	// KeyLife is how long a new API key lives if nobody says otherwise.
	KeyLife = 365 * 24 * time.Hour
	// MaxKeyLife is how long one may live at most.
	MaxKeyLife = 2 * KeyLife
	// WarnKey is how long before the end of a key people are warned.
	WarnKey = 30 * 24 * time.Hour
	// minKeyLife keeps out a life in the wrong unit.
	minKeyLife = time.Minute
	// KeyOverlap is how long a key that is replaced goes on beside the new one if
	// nobody says otherwise, and maxKeyOverlap the most that it may.
	KeyOverlap    = 24 * time.Hour
	maxKeyOverlap = 30 * 24 * time.Hour
	// lastAdminOverlap is the least overlap of the last admin key: if the answer
	// with the new secret is lost, the former one rotates the new one once more.
	lastAdminOverlap = time.Hour
	// maxDenials limits how many refusals one command records.
	maxDenials = 2_000
	hashLength = 64
)

// Decision is one command being decided, as in package portfolio: it is refused
// before it emits anything, or it emits events that are applied at once.
type Decision struct {
	s      *State
	now    time.Time
	caller domain.Caller
	events []domain.Event
	// behind is how far the wall clock is behind the last record.
	behind time.Duration
}

// Begin starts a decision at a time (of recording) for a caller.
func (s *State) Begin(now time.Time, caller domain.Caller) *Decision {
	return &Decision{s: s, now: now, caller: caller}
}

// Behind tells the decision how far the wall clock is behind the last record, whose time
// is then the decision's.
func (d *Decision) Behind(by time.Duration) { d.behind = by }

// wall is the time by the wall clock.
func (d *Decision) wall() time.Time { return d.now.Add(-d.behind) }

// Events returns what has been emitted, in order.
func (d *Decision) Events() []domain.Event { return d.events }

// Dirty reports that a decision changed the state and was refused afterwards.
func (d *Decision) Dirty() bool { return len(d.events) > 0 }

// Finish makes sure that every accepted command left a record.
func (d *Decision) Finish() error {
	if len(d.events) == 0 {
		d.note(domain.NotedNothing, "nothing to record")
	}
	return nil
}

func (d *Decision) emit(e domain.Event) {
	d.s.Apply(domain.Stamp{Revision: d.s.Next, Time: d.now}, e)
	d.events = append(d.events, e)
}

func (d *Decision) note(code, text string) { d.emit(&domain.CommandNoted{Code: code, Note: text}) }

var roles = []domain.Role{domain.RoleBot, domain.RoleFeed, domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin, domain.RoleAuditor}

// IssueKey records a new API key that lives for so long; 0 is [KeyLife]. A bot's
// key is bound to one bot of one portfolio. A key of another role may be bound to
// a portfolio, except an admin's.
func (d *Decision) IssueKey(e *domain.APIKeyIssued, life time.Duration) error {
	if err := checkKey(e); err != nil {
		return err
	}
	if err := d.expire(e, life); err != nil {
		return err
	}
	return d.issue(e)
}

// expire sets the end of a new key, counted by the wall clock: the stream's time may be years
// ahead of it.
func (d *Decision) expire(e *domain.APIKeyIssued, life time.Duration) error {
	if life == 0 {
		life = KeyLife
	}
	if life < minKeyLife || life > MaxKeyLife {
		return domain.Invalid("expires_in", "must be from %s to %s (%d days)", domain.Duration(minKeyLife), domain.Duration(MaxKeyLife), MaxKeyLife/(24*time.Hour))
	}
	at := d.wall().Add(life).UTC()
	e.ExpiresAt = &at
	return nil
}

func (d *Decision) issue(e *domain.APIKeyIssued) error {
	if _, known := d.s.byHash[e.Hash]; known {
		return &domain.Error{Code: domain.CodeConflict, Field: "hash", Message: "belongs to a key that was already issued"}
	}
	if all, _ := d.s.live(d.wall()); all >= maxKeys {
		return domain.Errorf(domain.CodeConflict, "%d keys are live, which is the limit; revoke keys that are not used", maxKeys)
	}
	e.Key = domain.KeyName(d.s.Next)
	d.emit(e)
	return nil
}

func checkKey(e *domain.APIKeyIssued) error {
	if err := domain.CheckUser("user", e.User); err != nil {
		return err
	}
	switch {
	case domain.ReservedUser(e.User):
		return domain.Invalid("user", "is reserved for the machine (as are server, system, import and os:…), so that records show whether a person or the machine acted; choose another name")
	case !slices.Contains(roles, e.Role):
		return domain.Invalid("role", "must be bot, feed, operator, approver, admin or auditor")
	case e.Role == domain.RoleBot && (e.Portfolio == "" || e.Bot == ""):
		return domain.Invalid("bot", "and portfolio are required for a key of role bot: it acts for one bot only")
	case e.Role != domain.RoleBot && e.Bot != "":
		return domain.Invalid("bot", "is allowed only with role bot")
	case e.Role == domain.RoleAdmin && e.Portfolio != "":
		return domain.Invalid("portfolio", "is not allowed with role admin: keys and policy do not belong to one portfolio")
	}
	if err := checkHash(e.Hash); err != nil {
		return err
	}
	for field, id := range map[string]string{"portfolio": e.Portfolio, "bot": e.Bot} {
		if id == "" {
			continue
		}
		if err := domain.CheckID(field, id); err != nil {
			return err
		}
	}
	return domain.CheckOptionalText("note", e.Note)
}

func checkHash(hash string) error {
	if len(hash) != hashLength || !domain.IsLowerHex(hash) {
		return domain.Invalid("hash", "must be a SHA-256 in lower-case hex")
	}
	return nil
}

// Bootstrap creates an admin key where none is accepted: the first key of all, or
// the way back in after the last admin key has expired. It is refused while an
// admin key lives: a person who lost it cannot create another this way. A key that
// has ended never comes back, because its hash was issued before.
func (d *Decision) Bootstrap(user, hash string) error {
	note := "first key"
	if len(d.s.keys) > 0 {
		note = "no admin key was accepted any more"
	}
	if _, admins := d.s.live(d.wall()); admins > 0 {
		return domain.Errorf(domain.CodeConflict, "there are API keys already, and one of an admin is accepted")
	}
	return d.IssueKey(&domain.APIKeyIssued{User: user, Role: domain.RoleAdmin, Hash: hash, Note: note}, 0)
}

// RotateKey records a key that takes the place of another: the same user, role,
// portfolio and bot under a new hash. The former one goes on for the overlap, and
// never longer than it would have.
func (d *Decision) RotateKey(id, hash string, overlap, life time.Duration) error {
	k := d.s.keys[id]
	switch {
	case k == nil:
		return &domain.Error{Code: domain.CodeNotFound, Field: "key", Message: "is not the id of an API key"}
	case k.RevokedAt != nil:
		return domain.Errorf(domain.CodeConflict, "the key was revoked; issue a new one where its user is to have one again")
	case k.ReplacedBy != "":
		return domain.Errorf(domain.CodeConflict, "the key was rotated already, to %s; rotate that one", k.ReplacedBy)
	case overlap < 0 || overlap > maxKeyOverlap:
		return domain.Invalid("overlap", "must be from 0s to %s (%d days)", domain.Duration(maxKeyOverlap), maxKeyOverlap/(24*time.Hour))
	}
	if _, admins := d.s.live(d.wall()); k.Role == domain.RoleAdmin && k.Live(d.wall()) && admins == 1 && overlap < lastAdminOverlap {
		return domain.Errorf(domain.CodeConflict, "this is the last admin key that is accepted: leave it an overlap of at least %s, so that an answer that is lost locks nobody out", lastAdminOverlap)
	}
	until := d.wall().Add(overlap).UTC()
	e := &domain.APIKeyIssued{
		User: k.User, Role: k.Role, Portfolio: k.Portfolio, Bot: k.Bot, Hash: hash, Note: k.Note, Replaces: id, FormerUntil: &until,
	}
	if err := checkHash(hash); err != nil { // who and what was checked when the former one was issued
		return err
	}
	if err := d.expire(e, life); err != nil {
		return err
	}
	return d.issue(e)
}

// RevokeKey revokes a key. The last admin key cannot be revoked, because no other
// could be issued afterwards.
func (d *Decision) RevokeKey(id, reason string) error {
	k := d.s.keys[id]
	if k == nil {
		return &domain.Error{Code: domain.CodeNotFound, Field: "key", Message: "is not the id of an API key"}
	}
	if reason != "" {
		if err := domain.CheckReason("reason", reason); err != nil {
			return err
		}
	}
	if k.RevokedAt != nil {
		d.note(domain.NotedUnchanged, "the key was revoked before")
		return nil
	}
	if _, admins := d.s.live(d.wall()); k.Role == domain.RoleAdmin && k.Live(d.wall()) && admins == 1 {
		return domain.Errorf(domain.CodeConflict, "this is the last admin key that is accepted; issue another one first, or rotate it")
	}
	d.emit(&domain.APIKeyRevoked{Key: id, Reason: reason})
	return nil
}

// RecordDenials records refused requests.
func (d *Decision) RecordDenials(all []domain.AccessDenied) error {
	if len(all) > maxDenials {
		return domain.Invalid("denials", "may hold at most %d", maxDenials)
	}
	for i := range all {
		d.emit(&all[i])
	}
	return nil
}
