package system

import (
	"slices"
	"time"

	"pets/domain"
	"pets/domain/approval"
)

// maxApprovers limits how many approvers' keys that are not revoked a ledger has.
// Revoked ones do not count: one stolen admin key could use up the list for ever.
const maxApprovers = 1_000

// applyApprover folds the events of approvers' keys.
func (s *State) applyApprover(at domain.Stamp, event domain.Event) {
	with := func(id string, change func(*approval.Approver)) {
		// Copies that were handed out keep what they had.
		s.approvers.Keys = slices.Clone(s.approvers.Keys)
		for i := range s.approvers.Keys {
			if s.approvers.Keys[i].ID == id {
				change(&s.approvers.Keys[i])
			}
		}
	}
	switch e := event.(type) {
	case *domain.ApproverRegistered:
		s.approvers.Keys = append(slices.Clip(s.approvers.Keys), registered(at.Time, e, len(s.approvers.Keys) == 0))
	case *domain.ApproverVouched:
		err := s.checkWord(e.Approver, e.By, &e.Signature, at.Time)
		with(e.Approver, func(a *approval.Approver) {
			switch {
			case err == nil:
				a.CountsFrom, a.VouchedBy = at.Time, e.By
			case !a.Counts(at.Time): // one that counts already is not ended by a false word
				a.Unsound = "the word of " + e.By + " for it is not sound: " + err.Error()
			}
		})
	case *domain.ApproverRevoked:
		with(e.Approver, func(a *approval.Approver) {
			if a.RevokedAt == nil {
				when := at.Time
				a.RevokedAt = &when
			}
		})
	}
}

// comesBack makes the approver's keys of a user wait who has had API keys and has none left
// when another is issued: whoever that goes to, with a file that a person kept who left, would
// be the second of two people at once. The first API key of a user makes nothing wait.
func (s *State) comesBack(at time.Time, user string) {
	had := false
	for _, k := range s.keys {
		if domain.SameUser(k.User, user) {
			if had = true; k.Live(at) {
				return
			}
		}
	}
	if !had {
		return
	}
	s.approvers.Keys = slices.Clone(s.approvers.Keys) // copies that were handed out keep what they had
	for i := range s.approvers.Keys {
		if k := &s.approvers.Keys[i]; k.RevokedAt == nil && domain.SameUser(k.User, user) {
			k.AbsentUntil = at.Add(approval.Wait)
		}
	}
}

// registered is a key as its record and the rule make it. When it counts is computed: whoever
// can write to the store could write any time. A key counts later if its record says so, and
// one whose record contradicts the rule to its favor does not count.
func registered(at time.Time, e *domain.ApproverRegistered, first bool) approval.Approver {
	a := approval.Approver{
		ID: e.Approver, User: e.User, Key: e.PublicKey, By: e.By, RegisteredAt: at, CountsFrom: at, Note: e.Note, Dated: !e.RegisteredAt.IsZero(), Later: !first,
	}
	if !first {
		a.CountsFrom = at.Add(approval.Wait)
	}
	switch {
	case e.CountsFrom.Before(a.CountsFrom):
		a.Unsound = "its record says that it counts from " + e.CountsFrom.Format(time.RFC3339) + ", which is earlier than it can"
	case a.Dated && !e.RegisteredAt.Equal(at):
		a.Unsound = "its record holds another time of registration than its own"
	default:
		a.CountsFrom = e.CountsFrom
	}
	return a
}

// checkWord refuses a word for a key that is not a third person's, or not signed over what
// waits with a key that counts at a time.
func (s *State) checkWord(id, by string, g *domain.ApprovalSignature, at time.Time) error {
	a, _ := s.approver(id)
	word, waits := s.Word(id)
	switch {
	case domain.SameUser(a.User, by):
		return domain.Errorf(domain.CodeDenied, "the word for a key has to be another approver's, not that of its own user")
	case domain.SameUser(a.By, by):
		return domain.Errorf(domain.CodeDenied, "the user who registered a key cannot give the word for it; it takes two people")
	case !waits:
		return domain.Errorf(domain.CodeConflict, "no key of this id waits for a word")
	}
	return s.approvers.Check(g, word, by, at)
}

// Approvers returns all keys that were ever registered, revoked ones too, and the id
// of the ledger. The answer does not change with s.
func (s *State) Approvers() approval.Approvers { return s.approvers }

// Word returns what a counting approver signs to give a word for a key that waits, or
// false if none of this id waits at that time.
func (s *State) Word(id string) (approval.Subject, bool) {
	a, known := s.approver(id)
	if !known || a.RevokedAt != nil || a.Unsound != "" || a.AtOnce() {
		return approval.Subject{}, false
	}
	lines := []string{
		"approver: " + a.ID,
		"user: " + a.User,
		"public key: " + a.Key,
		"fingerprint: " + approval.Fingerprint(a.Key),
		"registered by: " + a.By,
	}
	if a.Dated {
		lines = append(lines, "registered at: "+a.RegisteredAt.UTC().Format(time.RFC3339Nano))
	}
	return approval.Subject{Ledger: s.approvers.Ledger, Portfolio: approval.SystemPortfolio, Kind: approval.KindApprover, Lines: lines}, true
}

func (s *State) approver(id string) (approval.Approver, bool) {
	i := slices.IndexFunc(s.approvers.Keys, func(a approval.Approver) bool { return a.ID == id })
	if i < 0 {
		return approval.Approver{}, false
	}
	return s.approvers.Keys[i], true
}

// RegisterApprover records the public half of an approver's key. "The first approver
// counts at once, later ones after 24 h or by an approver's word." The first is the
// first one ever: an admin who revokes all keys gains nothing by it.
func (d *Decision) RegisterApprover(e *domain.ApproverRegistered) error {
	if err := domain.CheckUser("user", e.User); err != nil {
		return err
	}
	key, err := approval.ParsePublicKey("public_key", e.PublicKey)
	if err != nil {
		return err
	}
	if err := domain.CheckOptionalText("note", e.Note); err != nil {
		return err
	}
	known := d.s.approvers
	_, again := known.WithKey(key.String())
	switch {
	case domain.ReservedUser(e.User):
		return domain.Invalid("user", "is reserved for the machine (as are server, system, import and os:…): a person approves")
	case again:
		return &domain.Error{Code: domain.CodeConflict, Field: "public_key", Message: "is or was registered in this ledger; a key is registered once, for one user"}
	case known.Unrevoked() >= maxApprovers:
		return domain.Errorf(domain.CodeConflict, "%d approvers' keys are registered and not revoked, which is the limit; revoke those that nobody has asked for", maxApprovers)
	}
	e.Approver, e.By, e.RegisteredAt, e.CountsFrom = domain.ApproverName(d.s.Next), d.caller.User, d.now, d.now
	if len(known.Keys) > 0 {
		e.CountsFrom = d.now.Add(approval.Wait)
	}
	d.emit(e)
	return nil
}

// VouchApprover records the word of a counting approver for another one's key. The
// word is of a third person: neither of the key's user, nor of who registered it.
func (d *Decision) VouchApprover(id string, g *domain.ApprovalSignature) error {
	a, known := d.s.approver(id)
	switch {
	case !known:
		return unknownApprover()
	case domain.SameUser(a.User, d.caller.User), domain.SameUser(a.By, d.caller.User):
		return d.s.checkWord(id, d.caller.User, g, d.wall())
	case a.RevokedAt != nil:
		return domain.Errorf(domain.CodeConflict, "the key is revoked for good")
	case a.Counts(d.wall()):
		d.note(domain.NotedUnchanged, "the key counts already")
		return nil
	}
	if err := d.s.checkWord(id, d.caller.User, g, d.wall()); err != nil {
		return err
	}
	d.emit(&domain.ApproverVouched{Approver: id, By: d.caller.User, Signature: *g})
	return nil
}

// RevokeApprover ends a key for good. An admin may revoke every key, an approver those
// of the own user, and an approver with a key that counts every one that waits: who stole an
// admin's key registers one, and nobody else is there to obey the wait. The last one may be revoked too, because it may be stolen: the next
// one then counts after a day.
func (d *Decision) RevokeApprover(id, reason string) error {
	a, known := d.s.approver(id)
	if !known {
		return unknownApprover()
	}
	if reason != "" {
		if err := domain.CheckReason("reason", reason); err != nil {
			return err
		}
	}
	if d.caller.Role != domain.RoleAdmin && !domain.SameUser(a.User, d.caller.User) && (a.Counts(d.wall()) || !d.countsAsApprover()) {
		return domain.Errorf(domain.CodeDenied, "an approver revokes keys of the own user and, with a key that counts, those that wait; an admin revokes any")
	}
	if a.RevokedAt != nil {
		d.note(domain.NotedUnchanged, "the key was revoked before")
		return nil
	}
	d.emit(&domain.ApproverRevoked{Approver: id, By: d.caller.User, Reason: reason})
	return nil
}

// countsAsApprover reports whether the caller has an approver's key that counts.
func (d *Decision) countsAsApprover() bool {
	return slices.ContainsFunc(d.s.approvers.Keys, func(k approval.Approver) bool {
		return domain.SameUser(k.User, d.caller.User) && k.Counts(d.wall())
	})
}

func unknownApprover() error {
	return &domain.Error{Code: domain.CodeNotFound, Field: "approver", Message: "is not the id of an approver's key"}
}
