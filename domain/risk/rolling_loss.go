package risk

import (
	"slices"
	"time"

	"pets/domain"
)

// RollingLoss is the portfolio's fall from its highest equity of this clock hour and the
// 24 before. Unlike the daily loss, it does not begin anew at midnight.
const RollingLoss = "rolling_loss"

var rollingLoss = Rule{
	Name: RollingLoss, Scope: OfPortfolio, Key: "max_rolling_loss_pct", OnClosed: true,
	Limit:  func(p *domain.Policy) domain.Decimal { return p.MaxRollingLossPct },
	Value:  func(s Subject) domain.Decimal { return s.Refs.rollingLoss(s.Equity, s.Time) },
	From:   func(s Subject) domain.Decimal { return s.Refs.Hours.highest(s.Equity, s.Time) },
	Rebase: func(s Subject) { s.Refs.Hours.rebase(s.Equity) },
	Hour:   func(s Subject) { s.Refs.Hours.advance(s.Equity, s.Time) },
	On:     func(s Subject) { s.Refs.Hours = newHours(s.Equity, s.Time) },
	Off:    func(s Subject) { s.Refs.Hours = nil },
}

// hoursKept: this clock hour (UTC) and the 24 before.
const hoursKept = 25

// Hours are the highest equities of the last clock hours. The equity in force when an
// hour began belongs to that hour. Flows scale them as they scale the peak. A nil *Hours
// remembers nothing.
type Hours struct {
	// Last is the hour of the last number, counted from 1970 in UTC.
	Last int64 `json:"last"`
	// Highs are one number for each hour, the oldest first.
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

// Complete reports whether a snapshot has all of them.
func (h *Hours) Complete() bool {
	return h == nil || len(h.Highs) == hoursKept && (h.Carried == nil || len(h.Carried) == hoursKept)
}

// gone is how many of the numbers have left the window at a time.
func (h *Hours) gone(now time.Time) int {
	return int(min(max(hourOf(now)-h.Last, 0), int64(len(h.Highs))))
}

// rebase makes all of them the equity now.
func (h *Hours) rebase(equity domain.Decimal) {
	if h == nil { // a trip that outlived its breaker
		return
	}
	for i := range h.Highs {
		h.Highs[i] = equity
	}
}

// advance begins the hours up to a time, at the equity that is in force.
func (h *Hours) advance(equity domain.Decimal, now time.Time) {
	if h == nil || h.gone(now) == 0 {
		return
	}
	n := h.gone(now)
	h.Last = hourOf(now)
	h.Highs = append(h.Highs[n:], slices.Repeat([]domain.Decimal{equity}, n)...)
	if h.Carried != nil { // nothing is lost while the scope is dormant
		h.Carried = append(h.Carried[n:], make([]domain.Decimal, n)...)
	}
}

// raise tells of equity moved by performance.
func (h *Hours) raise(equity domain.Decimal) {
	if h != nil {
		h.Highs[hoursKept-1] = h.Highs[hoursKept-1].Max(equity)
	}
}

// highest is the number that a fall is measured from at a time. The equity now was in
// force when the hours since the last record began.
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

// rollingLoss is (highest − equity) ÷ highest at a time; 0 while nothing is kept.
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

// Clone returns references that nothing changes with these.
func (r References) Clone() References {
	if r.Hours != nil {
		h := *r.Hours
		h.Highs, h.Carried = slices.Clone(h.Highs), slices.Clone(h.Carried)
		r.Hours = &h
	}
	return r
}
