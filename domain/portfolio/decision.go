package portfolio

import (
	"errors"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/ledger"
	"pets/domain/risk"
)

// Decision is one command being decided against a state. It either refuses before
// it has emitted anything, or emits the events that answer the command. Each
// event is applied to the state at once, so that the next check sees it.
//
// The state is then ahead of what is stored. The caller appends the events. If
// that fails, or if a decision was refused after it had emitted (see
// [Decision.Dirty]), the caller discards the state and folds it again.
type Decision struct {
	s      *State
	now    time.Time
	caller domain.Caller
	events []domain.Event
	// still: time stands still in the stream. jumped: the clock was moved.
	still  Standstill
	jumped Jump
	// living are the users with a live API key, revoked those with a revoked one, and
	// since those with one that was revoked after a revision, if known.
	living, revoked []string
	since           map[uint64][]string
	livingKnown     bool
	// reading is what a chain says of a market's tokens, if it was asked.
	reading *TokenReading
	// approvers are the keys that approvals are signed with, if known.
	approvers      approval.Approvers
	approversKnown bool
	signature      *domain.ApprovalSignature // of the command, or nil
	// cause is the revision of the record that moved a value.
	cause uint64
	// legs are the permits that the legs of an arbitrage checked so far would
	// get.
	legs []*risk.Permit
	room Room // how much may be recorded
	// found are the dead permits as of an event (permit_sums.go).
	found   *deadPermits
	foundAt uint64
	// singles counts the events of one type that are recorded one by one (rows.go).
	singles map[string]int
	// unread are the marks of the command that could not be read, by their place in it.
	unread map[int]error
	// told: a trip of this decision that stops all bots has named the orders to cancel.
	told bool
	// looked are archived markets that the decision looks at, and unreadable says why it could
	// not look at one. kept is how many settled markets stay in the state.
	looked     []lookedAt
	unreadable error
	kept       int
	// unbalanced is the type of an event whose postings did not sum to zero.
	unbalanced string
}

// ErrUnbalanced is a defect: the postings of an event do not sum to zero in each
// asset. Nothing of such a decision may be recorded.
var ErrUnbalanced = errors.New("the postings do not sum to zero")

// Begin starts a decision at a time (of recording) for a caller. The time must
// not be before the state's.
func (s *State) Begin(now time.Time, caller domain.Caller) *Decision {
	s.overflowed = false // Count only what this decision does.
	return &Decision{s: s, now: now, caller: caller, kept: SettledKept}
}

// Events returns what has been emitted, in order.
func (d *Decision) Events() []domain.Event { return d.events }

// State returns the state as the decision sees it.
func (d *Decision) State() *State { return d.s }

// Dirty reports that a refused decision had already changed the state.
func (d *Decision) Dirty() bool { return len(d.events) > 0 }

// Finish reports whether the emitted events may be kept. It refuses an amount
// that reached 10^15; the state then has to be folded again.
func (d *Decision) Finish() error {
	if d.unbalanced != "" {
		return &domain.Error{Code: domain.CodeInternal, Message: "a defect was found while deciding, in an event " + d.unbalanced + "; nothing was recorded", Cause: ErrUnbalanced}
	}
	if d.unreadable != nil {
		return d.unreadable
	}
	if d.archive(); d.s.overflowed {
		return domain.Errorf(domain.CodeInvalid, "an amount would reach 10^15 with this; check its size")
	}
	if len(d.events) == 0 {
		d.Note(domain.NotedNothing, "nothing to record")
	}
	return nil
}

// emit records an event in the decision and applies it. Events that are due by
// its time come before the first one.
func (d *Decision) emit(e domain.Event) {
	if len(d.events) == 0 {
		d.catchUp()
	}
	switch e.(type) {
	case *domain.CommandNoted, *domain.PermitDenied, *domain.ArbitrageDenied: // of no market anything changes
	default:
		d.restoreLooked()
	}
	d.add(e)
}

// due records what comes before an event that is named after its revision: what is overdue,
// and the markets that it needs.
func (d *Decision) due() {
	d.catchUp()
	d.restoreLooked()
}

// catchUp records what the passing of time has caused: a new calendar day, legs that
// were not filled in time, and transfers that were not approved or prepared in
// time.
func (d *Decision) catchUp() {
	d.openDay()
	d.confirmMarks()
	d.timeOutLegs()
	d.expireTransfers()
}

func (d *Decision) add(e domain.Event) {
	strayed := d.strayed(e)
	d.s.Apply(domain.Stamp{Revision: d.s.Next, Time: d.now}, e)
	d.nameStray(e, strayed)
	d.events = append(d.events, e)
	d.checkBalance(e)
}

// checkBalance sums the postings of an event by asset.
func (d *Decision) checkBalance(e domain.Event) {
	if !ledger.Balanced(d.s.effects.Postings) {
		d.unbalanced = e.EventType()
	}
}

// openDay opens the day of the decision's time if it is a new one. Days only go
// forward: a change of zone never opens an earlier one.
func (d *Decision) openDay() {
	if !d.s.IsOpen() {
		return
	}
	if day, isNew := d.s.newDay(d.now); isNew {
		d.add(&domain.DayOpened{Date: day, Equity: d.s.Equity()})
	}
}

// fact emits the event that moves values, and remembers it as the cause of
// warnings and trips.
func (d *Decision) fact(e domain.Event) *Effects {
	d.emit(e)
	d.cause = d.s.Next - 1
	return d.s.Effects()
}

// Room sets how much the decision may record.
func (d *Decision) Room(r Room) { d.room = r }

// Living sets which users have a live API key, which have a revoked one, and
// which had one revoked since each of the revisions of [State.Acts]. A decision in
// which one person confirms another's request needs it: a person whose last key was
// revoked has no say any more, and a revoked key may be the one that made the
// request. Callers without API keys do not call it, and nothing is checked.
func (d *Decision) Living(users, revoked []string, since map[uint64][]string) {
	d.living, d.revoked, d.since, d.livingKnown = users, revoked, since, true
}

// Acts returns the revisions at which people did what is confirmed with a request of this
// name: asked for it and, of a transfer, for a higher fee, or approved it first.
func (s *State) Acts(request string) []uint64 {
	acts := []uint64{domain.RevisionOf(request)}
	if t := s.Custody.Transfers[request]; t != nil && t.Raise != nil {
		acts = append(acts, t.Raise.Revision)
	}
	if t := s.Custody.Transfers[request]; t != nil && t.FirstApprovedBy != "" {
		acts = append(acts, t.FirstRevision)
	}
	return acts
}

// requireLiving refuses to confirm what a user did at a revision whose keys are all
// revoked or expired, or who had one revoked since: new keys after a theft do not confirm
// what the thief requested. The server and local users need no key; a key of such
// a name, which earlier builds issued, can still be revoked.
func (d *Decision) requireLiving(user string, act uint64) error {
	same := func(other string) bool { return domain.SameUser(user, other) }
	keyless := domain.SameUser(user, domain.ServerUser) || domain.LocalUser(user)
	switch {
	case !d.livingKnown:
		return nil
	case slices.ContainsFunc(d.since[act], same):
		return domain.Errorf(domain.CodeDenied, "an API key of %s was revoked after this was requested, and may be the one that requested it; it has to be requested again", user)
	case slices.ContainsFunc(d.living, same) || keyless && !slices.ContainsFunc(d.revoked, same):
		return nil
	}
	return domain.Errorf(domain.CodeDenied, "%s requested this, and all API keys of that user are revoked or have expired: another person has to request it again", user)
}

// note answers a command that has nothing else to record.
func (d *Decision) note(text string, of uint64) {
	d.emit(&domain.CommandNoted{Code: domain.NotedDuplicate, Note: text, Of: &of})
}

// Note records that a command had nothing else to record, and why.
func (d *Decision) Note(code, text string) { d.emit(&domain.CommandNoted{Code: code, Note: text}) }

func (d *Decision) requireOpen() error {
	if !d.s.IsOpen() {
		return domain.Errorf(domain.CodeNotFound, "the portfolio has not been opened")
	}
	return nil
}

func (d *Decision) requireBot(id string) (*Bot, error) {
	if err := d.requireOpen(); err != nil {
		return nil, err
	}
	if err := domain.CheckID("bot", id); err != nil {
		return nil, err
	}
	b := d.s.Bots[id]
	if b == nil {
		return nil, &domain.Error{Code: domain.CodeNotFound, Field: "bot", Message: "is not registered in this portfolio"}
	}
	return b, nil
}

func (d *Decision) imported() bool { return d.s.Clock == domain.ClockImported }
