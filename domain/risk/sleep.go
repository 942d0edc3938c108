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
		r.wake(least, after, flow)
	case tooLittle(least, after):
		r.rest(r.ratios(before))
		if before.Sign() > 0 && r.DayOpen.Less(before) { // a gain of the day is kept as well
			open := r.DayOpen.Div(before)
			r.Carried.Open = &open
		}
		if before.Sign() <= 0 {
			r.owe(flow) // a part of what pays off a debt
		} else {
			r.scale(before, after.Max(domain.Zero)) // references are kept as multiples of the last equity
		}
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
		if r.Capital {
			r.moveAsleep(equity, flow)
		}
	case equity.Sign() > 0:
		r.Flows.forget()
		whole := slices.ContainsFunc(r.ratios(equity.Sub(flow)), func(ratio domain.Decimal) bool { return !ratio.Less(domain.One) })
		if r.seed(equity.Sub(flow), equity, flow); !flow.IsZero() && !whole {
			r.Flows.begin(r, equity)
		}
	default:
		r.Flows.forget()
		r.Capital, r.Dormant, r.Carried = true, false, Ratios{}
		if r.Hours != nil {
			r.Hours.Carried = nil
		}
		r.owe(flow)
	}
}

// moveAsleep moves the references of a scope that sleeps: a debt that wakes it is measured from
// them. What comes in or goes out is added, and a new high raises the peaks: a ratio would
// mean nothing. Where the ratio is 1, what goes out lowers none: a debt stays a debt.
func (r *References) moveAsleep(equity, flow domain.Decimal) {
	r.owe(flow)
	if flow.Sign() < 0 {
		ratios := r.ratios(domain.Zero)
		for i, v := range r.values() {
			if v.Sign() > 0 && ratios[i].Less(domain.One) {
				*v = v.Add(flow).Max(domain.Zero)
			}
		}
	}
	if flow.IsZero() {
		r.Peak, r.LifetimePeak = r.Peak.Max(equity), r.LifetimePeak.Max(equity)
		r.Hours.raise(equity)
	}
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
