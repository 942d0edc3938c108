package risk

import (
	"slices"
	"time"

	"pets/domain"
)

// RollingLoss is the portfolio's fall from its highest equity in this clock hour
// and the 24 before. Unlike the daily loss, it does not start again at midnight.
const RollingLoss = "rolling_loss"

var rollingLoss = Rule{
	Name: RollingLoss, Scope: OfPortfolio, Key: "max_rolling_loss_pct", OnClosed: true,
	Limit:  func(p *domain.Policy) domain.Decimal { return p.MaxRollingLossPct },
	Value:  func(s Subject) domain.Decimal { return s.Refs.rollingLoss(s.Equity, s.Time) },
	From:   func(s Subject) domain.Decimal { return s.Refs.Hours.highest(s.Equity, s.Time) },
	Rebase: func(s Subject) { s.Refs.rebaseHours(s.Equity) },
	Hour:   func(s Subject) { s.Refs.Hours.advance(s.Equity, s.Time) },
	On:     func(s Subject) { s.Refs.Hours = newHours(s.Equity, s.Time) },
	Off:    func(s Subject) { s.Refs.Hours = nil },
}

// hoursKept counts this clock hour (UTC) and the 24 before.
const hoursKept = 25

// Hours are the highest equities of the last clock hours. The equity at the start
// of an hour belongs to that hour. Flows scale them like the peak. A nil *Hours
// remembers nothing.
type Hours struct {
	// Last is the hour of the latest number, counted from 1970 in UTC.
	Last int64 `json:"last"`
	// Highs holds one number for each hour, the oldest first.
	Highs []domain.Decimal `json:"highs"`
	// Carried are their ratios while the scope is dormant.
	Carried []domain.Decimal `json:"carried,omitempty"`
}

func newHours(equity domain.Decimal, now time.Time) *Hours {
	h := &Hours{Last: hourOf(now), Highs: make([]domain.Decimal, hoursKept)}
	h.rebase(equity)
	return h
}

func hourOf(t time.Time) int64 { return t.Truncate(time.Hour).Unix() / 3600 }

// Complete reports whether a snapshot holds all fields.
func (h *Hours) Complete() bool {
	return h == nil || len(h.Highs) == hoursKept && (h.Carried == nil || len(h.Carried) == hoursKept)
}

// gone returns how many of the numbers have left the window at a time.
func (h *Hours) gone(now time.Time) int {
	return int(min(max(hourOf(now)-h.Last, 0), int64(len(h.Highs))))
}

// rebase sets all of them to the current equity.
func (h *Hours) rebase(equity domain.Decimal) {
	if h == nil { // a reset of a trip after the breaker was switched off
		return
	}
	for i := range h.Highs {
		h.Highs[i] = equity
	}
}

// rebaseHours measures the rolling loss from the current equity.
func (r *References) rebaseHours(equity domain.Decimal) {
	r.Hours.rebase(equity)
	r.Flows.forget()
	if r.Sleeps && r.Hours != nil {
		r.Hours.Carried = nil // what a scope that sleeps had lost
	}
}

// advance starts the hours up to a time, at the current equity.
func (h *Hours) advance(equity domain.Decimal, now time.Time) {
	if h == nil || h.gone(now) == 0 {
		return
	}
	n := h.gone(now)
	h.Last = hourOf(now)
	h.Highs = append(h.Highs[n:], slices.Repeat([]domain.Decimal{equity}, n)...)
	if h.Carried != nil { // nothing can be lost while the scope is dormant
		h.Carried = append(h.Carried[n:], make([]domain.Decimal, n)...)
	}
}

// raise applies a change of equity by performance.
func (h *Hours) raise(equity domain.Decimal) {
	if h != nil {
		h.Highs[hoursKept-1] = h.Highs[hoursKept-1].Max(equity)
	}
}

// highest returns the equity that a fall is measured from at a time. The current
// equity also counts for the hours since the last record.
func (h *Hours) highest(equity domain.Decimal, now time.Time) domain.Decimal {
	if h == nil {
		return equity
	}
	high := equity
	for _, v := range h.Highs[h.gone(now):] {
		high = high.Max(v)
	}
	return high
}

// rollingLoss is (highest − equity) ÷ highest at a time, or 0 if nothing is kept.
func (r *References) rollingLoss(equity domain.Decimal, now time.Time) domain.Decimal {
	h := r.Hours
	switch {
	case h == nil:
		return domain.Zero
	case !r.asleep(equity):
		return r.below(h.highest(equity, now), equity)
	}
	loss := domain.Zero
	for i := h.gone(now); i < len(h.Carried); i++ {
		loss = loss.Max(h.Carried[i])
	}
	return loss
}

// Clone returns a deep copy.
func (r References) Clone() References {
	if r.Hours != nil {
		h := *r.Hours
		h.Highs, h.Carried = slices.Clone(h.Highs), slices.Clone(h.Carried)
		r.Hours = &h
	}
	r.Flows = r.Flows.Clone()
	return r
}
