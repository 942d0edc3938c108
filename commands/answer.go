package commands

import (
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/eventstore"
)

// Answer is what an accepted command is answered with. It is a pure function of
// the records it stored, so that a retry, after a restart or at another server,
// gets the first answer again.
type Answer struct {
	// Revision of the last record of the command.
	Revision   uint64      `json:"revision"`
	Events     []EventRef  `json:"events"`
	Directives []Directive `json:"directives"`
	// Permit is set for permit requests.
	Permit *PermitAnswer `json:"permit,omitempty"`
	// Replayed reports that the command had been accepted before. It is not part
	// of the answer.
	Replayed bool `json:"-"`

	events []domain.Event
}

// EventRef points to a stored record.
type EventRef struct {
	Revision uint64    `json:"revision"`
	Type     string    `json:"type"`
	ID       uuid.UUID `json:"id"`
}

// Directive tells bots what to do now.
type Directive struct {
	// Action is "stop" or "close_positions".
	Action string   `json:"action"`
	Bots   []string `json:"bots"`
	Reason string   `json:"reason"`
}

// PermitAnswer answers: may I trade?
type PermitAnswer struct {
	Allowed   bool            `json:"allowed"`
	PermitID  string          `json:"permit_id,omitempty"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
	Reserved  domain.Decimal  `json:"reserved"`
	Reasons   []domain.Reason `json:"reasons"`
}

// Decoded returns the events of the answer.
func (a *Answer) Decoded() []domain.Event { return a.events }

// Closed counts the trades the command closed.
func (a *Answer) Closed() int {
	n := 0
	for _, e := range a.events {
		if _, ok := e.(*domain.TradeClosed); ok {
			n++
		}
	}
	return n
}

// answerOf builds the answer from the command's records, already decoded.
func answerOf(records []eventstore.Record, events []domain.Event) Answer {
	a := Answer{Events: make([]EventRef, 0, len(records)), Directives: []Directive{}, events: events}
	for i, rec := range records {
		a.Revision = rec.Revision
		a.Events = append(a.Events, EventRef{rec.Revision, rec.Type, rec.ID})
		a.add(events[i])
	}
	return a
}

func (a *Answer) add(event domain.Event) {
	switch e := event.(type) {
	case *domain.PermitGranted:
		at := e.ExpiresAt
		a.Permit = &PermitAnswer{Allowed: true, PermitID: e.Permit, ExpiresAt: &at, Reserved: e.Reserved, Reasons: []domain.Reason{}}
	case *domain.PermitDenied:
		a.Permit = &PermitAnswer{Reasons: e.Reasons}
	case *domain.BreakerTripped:
		a.direct("stop", e.BotsStopped, "breaker "+e.Breaker+" tripped")
		if e.ClosePositions {
			a.direct("close_positions", e.BotsStopped, "breaker "+e.Breaker+" tripped")
		}
	case *domain.EmergencyStopEngaged:
		a.direct("stop", e.BotsStopped, "emergency stop: "+e.Kind)
	case *domain.BotStopped:
		a.direct("stop", []string{e.Bot}, "stopped by an operator")
	}
}

func (a *Answer) direct(action string, bots []string, reason string) {
	if len(bots) > 0 {
		a.Directives = append(a.Directives, Directive{action, bots, reason})
	}
}
