package chart

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/eventstore"
)

// markKind is what a chart of equity marks beside the money.
type markKind int

// The kinds, the gravest last: it is what a column of the terminal shows.
const (
	markCleared markKind = iota
	markReset
	markTripped
	markStopped
)

// markKinds say how they are shown, and what they are.
var markKinds = []struct {
	symbol            byte
	what, stroke, ink string
}{
	markCleared: {'C', "emergency stop cleared", `stroke="#5f6b7a" stroke-dasharray="1 3"`, "#4a5563"},
	markReset:   {'R', "breaker reset", `stroke="#5f6b7a" stroke-dasharray="1 3"`, "#4a5563"},
	markTripped: {'!', "breaker tripped", `stroke="#c62828" stroke-width="1.5" stroke-dasharray="5 3"`, "#c62828"},
	markStopped: {'S', "emergency stop", `stroke="#7f0000" stroke-width="2"`, "#7f0000"},
}

// Mark is a stop, or an end of one.
type Mark struct {
	revision uint64
	time     time.Time
	kind     markKind
	label    string
}

// MarkTypes are the types of events that are marked.
var MarkTypes = []string{domain.BreakerTrippedType, domain.BreakerResetType, domain.EmergencyStopEngagedType, domain.EmergencyStopClearedType}

// Marks collects the marks between two times (zero: unbounded).
type Marks struct {
	From, To time.Time
	All      []Mark
}

// Apply implements projections.Projection.
func (c *Marks) Apply(rec eventstore.Record, e domain.Event, _ *portfolio.State) {
	c.Add(rec.Revision, rec.Time, e)
}

// Add adds the mark of an event, if it has one.
func (c *Marks) Add(revision uint64, at time.Time, e domain.Event) {
	if at.Before(c.From) || !c.To.IsZero() && at.After(c.To) {
		return
	}
	m := Mark{revision: revision, time: at}
	switch e := e.(type) {
	case *domain.BreakerTripped:
		m.kind, m.label = markTripped, risk.Key{Breaker: e.Breaker, Bot: e.Bot}.String()+" tripped"
	case *domain.BreakerReset:
		m.kind, m.label = markReset, risk.Key{Breaker: e.Breaker, Bot: e.Bot}.String()+" reset"
	case *domain.EmergencyStopEngaged:
		m.kind, m.label = markStopped, "EMERGENCY STOP "+e.Kind
	case *domain.EmergencyStopCleared:
		m.kind, m.label = markCleared, "emergency stop cleared"
	default:
		return
	}
	c.All = append(c.All, m)
}
