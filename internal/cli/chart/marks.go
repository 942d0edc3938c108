package chart

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/eventstore"
)

// markKind is a kind of mark on a chart of equity.
type markKind int

// The kinds of marks, from least to most serious. A column of the terminal shows its most serious mark.
const (
	markCleared markKind = iota
	markReset
	markTripped
	markStopped
)

// markKinds describes how each kind is drawn and what it means.
var markKinds = []struct {
	symbol            byte
	what, stroke, ink string
}{
	markCleared: {'C', "emergency stop cleared", `stroke="#5f6b7a" stroke-dasharray="1 3"`, "#4a5563"},
	markReset:   {'R', "breaker reset", `stroke="#5f6b7a" stroke-dasharray="1 3"`, "#4a5563"},
	markTripped: {'!', "breaker tripped", `stroke="#c62828" stroke-width="1.5" stroke-dasharray="5 3"`, "#c62828"},
	markStopped: {'S', "emergency stop", `stroke="#7f0000" stroke-width="2"`, "#7f0000"},
}

// Mark is a trip or a stop, or the end of one.
type Mark struct {
	revision uint64
	time     time.Time
	kind     markKind
	label    string
}

// MarkTypes lists the types of events that get a mark.
var MarkTypes = []string{domain.BreakerTrippedType, domain.BreakersTrippedType, domain.BreakerResetType, domain.EmergencyStopEngagedType, domain.EmergencyStopClearedType}

// Marks collects the marks between two times; the zero time is unbounded.
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
	case *domain.BreakersTripped:
		for i := range e.Rows {
			c.Add(revision, at, &e.Rows[i])
		}
		return
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
