// Package risk evaluates equity against its references (peak, lifetime peak,
// day-open), the breakers (rules.go) with their levels, price zones, and the
// reservations of permits.
//
// It owns the arithmetic and the states of breakers and permits. It refuses to
// know accounts, events or callers; domain/portfolio applies it. Pure.
package risk

import "pets/domain"

// References are the values that equity is measured against, for the portfolio or
// for one bot. Flows scale them, so that deposits and withdrawals never count as
// performance. The zero References have seen no capital.
type References struct {
	// Capital is set by the first flow that brings equity above 0. Before it,
	// drawdown and daily loss are 0.
	Capital bool `json:"capital,omitempty"`
	// Dormant reports that flows brought equity to exactly 0 with nothing open.
	// The ratios stay as carried, and breakers are not evaluated, until there is
	// capital again.
	Dormant bool `json:"dormant,omitempty"`
	// Sleeps reports that the scope sleeps below a minimum of capital (sleep.go), so
	// that Dormant alone says whether it does.
	Sleeps       bool           `json:"sleeps,omitempty"`
	Peak         domain.Decimal `json:"peak"`
	LifetimePeak domain.Decimal `json:"lifetime_peak"`
	DayOpen      domain.Decimal `json:"day_open"`
	// Carried are the ratios while Dormant.
	Carried Ratios `json:"carried,omitzero"`
	// Max is the largest marked drawdown from the lifetime peak.
	Max Drawdown `json:"max,omitzero"`
	// Hours is set while rolling_loss is on.
	Hours *Hours `json:"hours,omitempty"`
	// Flows are the latest flows of a portfolio under the second edition.
	Flows *Flows `json:"flows,omitempty"`
}

// HighestReference is the most that a flow scales a reference to, under the second edition.
// References are statistics: what one bot reported, gained and lost must not refuse a mark
// or a deposit because of a peak that flows multiply. At it a ratio reads lower than it was,
// and is still as good as 1.
var HighestReference = domain.FromInt(500_000_000_000_000)

// saturated holds a reference within range.
func saturated(v domain.Decimal) domain.Decimal {
	return v.Min(HighestReference).Max(HighestReference.Neg())
}

// saturate holds all references within range after a flow. The first edition, which never
// sleeps, does not.
func (r *References) saturate() {
	if !r.Sleeps {
		return
	}
	for _, v := range r.values() {
		*v = saturated(*v)
	}
}

// Ratios of the three references, each a fraction.
type Ratios struct {
	Drawdown domain.Decimal `json:"drawdown"`
	Lifetime domain.Decimal `json:"lifetime"`
	Daily    domain.Decimal `json:"daily"`
	// Open is what the day opened at, as a multiple of the last equity, where that was
	// higher: no ratio says it. It is set under the second edition only.
	Open *domain.Decimal `json:"open,omitempty"`
}

// Drawdown is one fall of equity: Abs = Peak − Trough, Ratio = Abs ÷ Peak.
type Drawdown struct {
	Ratio  domain.Decimal `json:"ratio"`
	Abs    domain.Decimal `json:"abs"`
	Peak   domain.Decimal `json:"peak"`
	Trough domain.Decimal `json:"trough"`
}

// Drawdown is (peak − equity) ÷ peak: 0 before any capital, 1 when equity ≤ 0
// after it.
func (r *References) Drawdown(equity domain.Decimal) domain.Decimal {
	if r.asleep(equity) {
		return r.Carried.Drawdown
	}
	return r.below(r.Peak, equity)
}

// DailyLoss is max(0, (day-open − equity) ÷ day-open): 0 before any capital, 1
// when equity ≤ 0 after it.
func (r *References) DailyLoss(equity domain.Decimal) domain.Decimal {
	if r.asleep(equity) {
		return r.Carried.Daily
	}
	return r.below(r.DayOpen, equity)
}

func (r *References) lifetime(equity domain.Decimal) domain.Decimal {
	if r.asleep(equity) {
		return r.Carried.Lifetime
	}
	return r.below(r.LifetimePeak, equity)
}

// Evaluated reports whether breakers are evaluated for this scope.
func (r *References) Evaluated(equity domain.Decimal) bool { return r.Capital && !r.asleep(equity) }

// asleep reports whether the scope stays dormant. A debt wakes it, because that
// is a real loss. A rebate that arrives after everything was withdrawn does not.
func (r *References) asleep(equity domain.Decimal) bool {
	return r.Dormant && (r.Sleeps || equity.Sign() >= 0)
}

func (r *References) below(reference, equity domain.Decimal) domain.Decimal {
	switch {
	case !r.Capital:
		return domain.Zero
	case r.Sleeps && reference.Sign() < 0 && !equity.Less(reference):
		return domain.Zero // a person accepted this debt, and nothing was lost since
	case equity.Sign() <= 0:
		return domain.One
	case !equity.Less(reference):
		return domain.Zero
	default:
		return reference.Sub(equity).Div(reference)
	}
}

// Perform applies a change of equity by performance: a new high raises the peaks.
func (r *References) Perform(equity domain.Decimal) {
	if !r.Evaluated(equity) {
		return
	}
	r.Peak = r.Peak.Max(equity)
	r.LifetimePeak = r.LifetimePeak.Max(equity)
	r.Hours.raise(equity)
	r.Flows.raise(equity)
	if ratio := r.lifetime(equity); r.Max.Ratio.Less(ratio) {
		r.Max = Drawdown{Ratio: ratio, Abs: r.LifetimePeak.Sub(equity), Peak: r.LifetimePeak, Trough: equity}
		if r.Sleeps { // from a peak to a debt is as far as both together
			r.Max.Abs = saturated(r.Max.Abs)
		}
	}
}

// OpenDay starts a calendar day at the given equity. Below 0 the day's loss is then 0
// until more is lost, under the second edition.
func (r *References) OpenDay(equity domain.Decimal) {
	r.DayOpen = equity
	r.Carried.Daily, r.Carried.Open = domain.Zero, nil
	r.Flows.openDay(equity)
}

// Rebase makes the current equity the drawdown peak. The lifetime peak stays. A scope
// that sleeps forgets its ratio: that is what the person accepts. Below 0 the drawdown is
// 0 until more is lost, under the second edition.
func (r *References) Rebase(equity domain.Decimal) {
	r.Peak = equity
	r.Flows.forget()
	if r.Sleeps && r.Dormant {
		r.Carried.Drawdown = domain.Zero
	}
}

// Flow applies money that came in (positive) or went out, given the equity before
// it. open reports whether anything is held after it. References are multiplied
// by (E+F)/E if both are above 0. Otherwise the ratios are carried, and the next
// positive capital seeds the references so that the ratios do not change.
func (r *References) Flow(before, flow domain.Decimal, open bool) {
	after := before.Add(flow)
	switch {
	case r.Capital && !r.Dormant && before.Sign() > 0 && after.Sign() > 0:
		r.scale(before, after)
	case after.Sign() > 0 && flow.Sign() > 0:
		r.seed(before, after, flow)
	case r.Capital:
		r.carry(before, after, flow, open)
	}
}

// values returns pointers to all reference values. A flow scales each of them
// alike.
func (r *References) values() []*domain.Decimal {
	all := []*domain.Decimal{&r.Peak, &r.LifetimePeak, &r.DayOpen}
	if r.Hours != nil {
		for i := range r.Hours.Highs {
			all = append(all, &r.Hours.Highs[i])
		}
	}
	return all
}

// ratios returns how far equity is below each reference value.
func (r *References) ratios(equity domain.Decimal) []domain.Decimal {
	values := r.values()
	all := make([]domain.Decimal, len(values))
	if r.asleep(equity) {
		copy(all, []domain.Decimal{r.Carried.Drawdown, r.Carried.Lifetime, r.Carried.Daily})
		if r.Hours != nil {
			copy(all[3:], r.Hours.Carried) // nil where it was switched on since: all 0
		}
		return all
	}
	for i, v := range values {
		all[i] = r.below(*v, equity)
	}
	return all
}

// carry handles flows that leave no equity. A flow that pays off part of a debt
// is added to the references, as if the whole debt had been paid at once. Where
// the ratio is 1, capital that arrives in parts must not hide a part of the loss.
func (r *References) carry(before, after, flow domain.Decimal, open bool) {
	if !r.Dormant && after.IsZero() && !open {
		r.rest(r.ratios(before))
	}
	if flow.Sign() > 0 {
		for _, v := range r.values() {
			*v = v.Add(flow)
		}
	}
}

func (r *References) rest(ratios []domain.Decimal) {
	r.Carried, r.Dormant = Ratios{Drawdown: ratios[0], Lifetime: ratios[1], Daily: ratios[2]}, true
	if r.Hours != nil {
		r.Hours.Carried = ratios[3:]
	}
}

func (r *References) scale(before, after domain.Decimal) {
	for _, v := range r.values() {
		*v = domain.MulDiv(*v, after, before)
	}
	r.saturate()
}

func (r *References) seed(before, after, flow domain.Decimal) {
	ratios := r.ratios(before)
	for i, v := range r.values() {
		*v = seedOne(*v, ratios[i], after, flow)
	}
	if open := r.Carried.Open; open != nil {
		r.DayOpen = open.Mul(after)
	}
	r.Capital, r.Dormant, r.Carried = true, false, Ratios{}
	if r.Hours != nil {
		r.Hours.Carried = nil
	}
	r.saturate()
}

// seedOne seeds one reference. With a carried ratio of 1, no reference can keep
// the ratio at a positive equity, so the old reference grows by the flow.
func seedOne(old, ratio, equity, flow domain.Decimal) domain.Decimal {
	if !ratio.Less(domain.One) {
		return old.Add(flow)
	}
	return equity.Div(domain.One.Sub(ratio))
}
