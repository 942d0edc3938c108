package risk

import (
	"slices"
	"time"

	"pets/domain"
)

// Flows remembers the latest flows of a scope, and what its references were set to
// between them, so that a correction of one of them replaces its factor in the
// references. It begins anew where references no longer follow from flows and equity
// alone: after a rebase, a sleep or a debt. A nil *Flows remembers nothing.
type Flows struct {
	// The references before the first of them.
	Peak         domain.Decimal `json:"peak,omitzero"`
	LifetimePeak domain.Decimal `json:"lifetime_peak,omitzero"`
	DayOpen      domain.Decimal `json:"day_open,omitzero"`
	List         []Flowed       `json:"list,omitempty"`
}

// Flowed is one flow, with what the references were set to until the next one.
type Flowed struct {
	At     time.Time      `json:"at"`
	Before domain.Decimal `json:"before"` // equity
	After  domain.Decimal `json:"after"`
	// Peak and LifetimePeak are the highest equities reached, DayOpen is that of a day
	// that opened.
	Peak         domain.Decimal  `json:"peak,omitzero"`
	LifetimePeak domain.Decimal  `json:"lifetime_peak,omitzero"`
	DayOpen      *domain.Decimal `json:"day_open,omitempty"`
	// Of is set for a deposit or a withdrawal.
	Of *Movement `json:"of,omitempty"`
}

// Movement is a recorded deposit (positive) or withdrawal (negative).
type Movement struct {
	Revision uint64         `json:"revision"`
	Wallet   string         `json:"wallet"`
	Asset    string         `json:"asset"`
	Amount   domain.Decimal `json:"amount"`
	// Price is that of the asset then, Corrected the sum of its corrections.
	Price     domain.Decimal `json:"price"`
	Corrected domain.Decimal `json:"corrected,omitzero"`
}

// flowsKept is how many flows are remembered.
const flowsKept = 50

// Find returns a remembered deposit or withdrawal, or nil.
func (f *Flows) Find(revision uint64) *Movement {
	if n := f.find(revision); n >= 0 {
		return f.List[n].Of
	}
	return nil
}

func (f *Flows) find(revision uint64) int {
	if f == nil {
		return -1
	}
	return slices.IndexFunc(f.List, func(x Flowed) bool { return x.Of != nil && x.Of.Revision == revision })
}

// Came notes when the last flow came.
func (f *Flows) Came(at time.Time) {
	if f != nil && len(f.List) > 0 {
		f.List[len(f.List)-1].At = at
	}
}

// Name says which deposit or withdrawal the last flow was.
func (f *Flows) Name(m Movement) {
	if f != nil && len(f.List) > 0 {
		f.List[len(f.List)-1].Of = &m
	}
}

// forget begins anew.
func (f *Flows) forget() {
	if f != nil {
		*f = Flows{}
	}
}

// begin remembers a flow that set the references, which are those after it.
func (f *Flows) begin(r *References, after domain.Decimal) {
	if f != nil {
		*f = Flows{Peak: r.Peak, LifetimePeak: r.LifetimePeak, DayOpen: r.DayOpen, List: []Flowed{{Before: after, After: after}}}
	}
}

// next remembers a flow that scales the references, which are those before it.
func (f *Flows) next(r *References, before, after domain.Decimal) {
	if f == nil {
		return
	}
	if len(f.List) == 0 {
		f.Peak, f.LifetimePeak, f.DayOpen = r.Peak, r.LifetimePeak, r.DayOpen
	}
	if f.List = append(f.List, Flowed{Before: before, After: after}); len(f.List) > flowsKept {
		f.step(&f.List[0])
		f.List = slices.Delete(f.List, 0, 1)
	}
}

// step moves the references over one flow and what followed it.
func (f *Flows) step(x *Flowed) {
	f.Peak = saturated(domain.MulDiv(f.Peak, x.After, x.Before)).Max(x.Peak)
	f.LifetimePeak = saturated(domain.MulDiv(f.LifetimePeak, x.After, x.Before)).Max(x.LifetimePeak)
	f.DayOpen = saturated(domain.MulDiv(f.DayOpen, x.After, x.Before))
	if x.DayOpen != nil {
		f.DayOpen = *x.DayOpen
	}
}

func (f *Flows) raise(equity domain.Decimal) {
	if f != nil && len(f.List) > 0 {
		last := &f.List[len(f.List)-1]
		last.Peak, last.LifetimePeak = last.Peak.Max(equity), last.LifetimePeak.Max(equity)
	}
}

func (f *Flows) openDay(equity domain.Decimal) {
	if f != nil && len(f.List) > 0 {
		f.List[len(f.List)-1].DayOpen = &equity
	}
}

// CorrectFlow corrects the flow that a record made: units of its asset, which change
// equity by change now. It replaces the flow's factor in the references, and those of the
// flows since, as if it had been recorded right. Where that is not possible, because the
// scope has or would have too little equity, the correction is a flow of its own, and
// CorrectFlow returns true.
func (r *References) CorrectFlow(revision uint64, least, equity, units, change domain.Decimal) (another bool) {
	f := r.Flows
	n := f.find(revision)
	if n < 0 {
		r.FlowAbove(least, equity, change)
		return true
	}
	m := *f.List[n].Of
	m.Corrected = m.Corrected.Add(units)
	fixed := f.corrected(n, units.Mul(m.Price), &m)
	if fixed == nil || !r.Evaluated(equity) || equity.Sign() <= 0 || equity.Add(change).Sign() <= 0 || tooLittle(least, equity.Add(change)) {
		r.FlowAbove(least, equity, change)
		f.rename(revision, &m)
		return true
	}
	if r.Hours != nil {
		r.Hours.correct(f, fixed, n, units.Mul(m.Price))
	}
	r.Flows = fixed
	whole := fixed.Clone()
	for i := range whole.List {
		whole.step(&whole.List[i])
	}
	r.Peak, r.LifetimePeak, r.DayOpen = whole.Peak, whole.LifetimePeak, whole.DayOpen
	return false
}

// rename keeps what was corrected so far of a record that is still remembered.
func (f *Flows) rename(revision uint64, m *Movement) {
	if n := f.find(revision); n >= 0 {
		f.List[n].Of = m
	}
}

// corrected returns the flows as they are if the n-th moved equity by more, or nil if
// equity would not have been above 0 at one of them.
func (f *Flows) corrected(n int, more domain.Decimal, m *Movement) *Flows {
	c := f.Clone()
	c.List[n].Of = m
	for i := n; i < len(c.List); i++ {
		x := &c.List[i]
		if i > n {
			x.Before = x.Before.Add(more)
		}
		x.After = x.After.Add(more)
		if x.Before.Sign() <= 0 || x.After.Sign() <= 0 {
			return nil
		}
		for _, high := range []*domain.Decimal{&x.Peak, &x.LifetimePeak} {
			if !high.IsZero() {
				*high = saturated(high.Add(more))
			}
		}
		if x.DayOpen != nil {
			open := saturated(x.DayOpen.Add(more))
			x.DayOpen = &open
		}
	}
	return c
}

// correct does the same to the numbers of the hours. Where a flow divides an hour it is
// not known on which side its number was reached: the higher result counts.
func (h *Hours) correct(was, is *Flows, n int, more domain.Decimal) {
	for k, v := range h.Highs {
		hour := h.Last - int64(len(h.Highs)-1-k)
		first, last := -1, -1 // the flows after which the number may have been reached
		for i := range was.List {
			if at := hourOf(was.List[i].At); at < hour {
				first, last = i, i
			} else if at == hour {
				last = i
			}
		}
		best := domain.Zero
		for i := first; i <= last; i++ {
			u := v
			for j := len(was.List) - 1; j > i; j-- {
				u = domain.MulDiv(u, was.List[j].Before, was.List[j].After)
			}
			if i >= n {
				u = u.Add(more)
			}
			for j := i + 1; j < len(is.List); j++ {
				u = domain.MulDiv(u, is.List[j].After, is.List[j].Before)
			}
			best = best.Max(u)
		}
		h.Highs[k] = saturated(best)
	}
}

// Clone returns a deep copy.
func (f *Flows) Clone() *Flows {
	if f == nil {
		return nil
	}
	c := *f
	c.List = slices.Clone(f.List) // what its elements point to is replaced, never changed
	return &c
}
