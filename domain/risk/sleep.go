package risk

import (
	"slices"

	"pets/domain"
)

// A scope sleeps, under the second edition of the rules, while it has too little equity
// for a ratio to mean anything: until its equity first reaches min_capital, and after a
// flow that leaves less. Asleep its ratios stay and trip nothing.

// FlowAbove is [References.Flow] for a scope that sleeps below a minimum of capital.
func (r *References) FlowAbove(least, before, flow domain.Decimal) {
	r.Sleeps = true
	after := before.Add(flow)
	switch {
	case !r.Capital || r.Dormant:
		r.keep(before)
		r.wake(least, after, flow)
	case tooLittle(least, after):
		r.rest(r.ratios(before))
		if before.Sign() > 0 && r.DayOpen.Less(before) { // a gain of the day is kept as well
			open := r.DayOpen.Div(before)
			r.Carried.Open = &open
		}
		if before.Sign() <= 0 {
			r.owe(flow) // a part of what pays off a debt
		}
		r.keep(after)
		r.Flows.forget()
	case before.Sign() > 0 && after.Sign() > 0:
		r.Flows.next(r, before, after)
		r.scale(before, after)
	case after.Sign() > 0:
		r.seed(before, after, flow)
		r.Flows.forget()
	default:
		r.owe(flow)
		r.Flows.forget()
	}
}

// PerformAbove is [References.Perform] for such a scope: it wakes with any event that
// leaves it enough.
func (r *References) PerformAbove(least, equity domain.Decimal) {
	r.Sleeps = true
	if !r.Capital || r.Dormant {
		r.wake(least, equity, domain.Zero)
	}
	r.Perform(equity)
}

// WakeAbove ends the sleep of a scope that has enough equity for a policy that has just
// come into force.
func (r *References) WakeAbove(least, equity domain.Decimal) {
	r.Sleeps = true
	if !r.Capital || r.Dormant {
		r.wake(least, equity, domain.Zero)
	}
}

// tooLittle reports whether a scope with this equity sleeps.
func tooLittle(least, equity domain.Decimal) bool { return equity.IsZero() || equity.Abs().Less(least) }

// wake ends the sleep of a scope that has enough equity. Above 0 its references are set
// so that the ratios are unchanged; below 0 they are 1.
func (r *References) wake(least, equity, flow domain.Decimal) {
	switch {
	case tooLittle(least, equity):
		r.oweAsleep(flow)
		r.keep(equity)
	case equity.Sign() > 0:
		r.Flows.forget()
		whole := slices.ContainsFunc(r.ratios(equity.Sub(flow)), func(ratio domain.Decimal) bool { return !ratio.Less(domain.One) })
		if r.seed(equity.Sub(flow), equity, flow); !flow.IsZero() && !whole {
			r.Flows.begin(r, equity)
		}
	default:
		r.Flows.forget()
		r.oweAsleep(flow)
		r.notBelowZero()
		r.Capital, r.Dormant, r.Carried = true, false, Ratios{}
		if r.Hours != nil {
			r.Hours.Carried = nil
		}
	}
}

// sleepingRatios returns the ratios of a scope that sleeps, in the order of its values.
func (r *References) sleepingRatios() []domain.Decimal { return r.ratios(domain.Zero) }

// keep sets the references of a scope that sleeps to their multiples of its last equity:
// what it gains or loses below the minimum is no performance of the scope. What pays off a
// debt has no multiple.
func (r *References) keep(equity domain.Decimal) {
	ratios := r.sleepingRatios()
	equity = equity.Max(domain.Zero)
	for i, v := range r.values() {
		if ratios[i].Less(domain.One) {
			*v = saturated(equity.Div(domain.One.Sub(ratios[i])))
		}
	}
	if open := r.Carried.Open; open != nil {
		r.DayOpen = saturated(open.Mul(equity))
	}
}

// notBelowZero ends a debt that a person accepted while the scope slept: awake, it counts.
func (r *References) notBelowZero() {
	ratios := r.sleepingRatios()
	for i, v := range r.values() {
		if ratios[i].Less(domain.One) {
			*v = v.Max(domain.Zero)
		}
	}
}

// oweAsleep is owe for a scope that sleeps: only where the ratio is 1, because every other
// reference is a multiple of the equity.
func (r *References) oweAsleep(flow domain.Decimal) {
	if flow.Sign() <= 0 {
		return
	}
	ratios := r.sleepingRatios()
	for i, v := range r.values() {
		if !ratios[i].Less(domain.One) {
			*v = v.Add(flow)
		}
	}
	r.saturate()
}

// owe adds what comes in to the references: capital that arrives in parts must not hide
// a part of a loss where the ratio is 1.
func (r *References) owe(flow domain.Decimal) {
	if flow.Sign() <= 0 {
		return
	}
	for _, v := range r.values() {
		*v = v.Add(flow)
	}
	r.saturate()
}
