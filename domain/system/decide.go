package system

import (
	"slices"
	"time"

	"pets/domain"
)

const (
	// maxKeys limits how many keys can be live at a time.
	maxKeys = 10_000
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

// IssueKey records a new API key. A bot's key is bound to one bot of one
// portfolio. A key of another role may be bound to a portfolio, except an
// admin's.
func (d *Decision) IssueKey(e *domain.APIKeyIssued) error {
	if err := checkKey(e); err != nil {
		return err
	}
	if _, known := d.s.byHash[e.Hash]; known {
		return &domain.Error{Code: domain.CodeConflict, Field: "hash", Message: "belongs to a key that was already issued"}
	}
	if all, _ := d.s.live(); all >= maxKeys {
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
	case len(e.Hash) != hashLength || !domain.IsLowerHex(e.Hash):
		return domain.Invalid("hash", "must be a SHA-256 in lower-case hex")
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

// Bootstrap creates the first key, for an admin. It is refused if a key was ever
// issued: a person who lost all keys cannot create another this way.
func (d *Decision) Bootstrap(user, hash string) error {
	if len(d.s.keys) > 0 {
		return domain.Errorf(domain.CodeConflict, "there are API keys already")
	}
	return d.IssueKey(&domain.APIKeyIssued{User: user, Role: domain.RoleAdmin, Hash: hash, Note: "first key"})
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
	if _, admins := d.s.live(); k.Role == domain.RoleAdmin && admins == 1 {
		return domain.Errorf(domain.CodeConflict, "this is the last admin key; issue another one first")
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
