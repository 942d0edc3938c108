package portfolio

import (
	"time"

	"pets/domain"
)

// PermitPreview is the answer that a permit request would get.
type PermitPreview struct {
	Allowed  bool            `json:"allowed"`
	Reserved domain.Decimal  `json:"reserved"`
	Reasons  []domain.Reason `json:"reasons"`
	// Cost and SurePayout are set for an arbitrage.
	Cost       *domain.Decimal `json:"cost,omitempty"`
	SurePayout *domain.Decimal `json:"sure_payout,omitempty"`
}

// PreviewPermit runs every check of a permit and records nothing. It does not
// change the state of a reader, so concurrent previews may share one. That of what decides
// sees archived markets, too, and is not shared. wall is what the wall clock shows.
func (s *State) PreviewPermit(wall time.Time, caller domain.Caller, r PermitRequest) (PermitPreview, error) {
	d := s.lookAt(wall, caller)
	defer d.End()
	if err := d.PermitRefusedByClock(r); err != nil {
		return PermitPreview{}, err
	}
	o, _, err := d.checkOrder(r)
	if err != nil {
		return PermitPreview{}, err
	}
	if err := d.checkPermitCount(o.Bot, 1); err != nil {
		return PermitPreview{}, err
	}
	c := d.examine(o, r.Kind)
	if d.unreadable != nil {
		return PermitPreview{}, d.unreadable
	}
	return previewOf(c.reasons, c.reserve), nil
}

// PreviewArbitrage is PreviewPermit for legs that are requested together.
func (s *State) PreviewArbitrage(wall time.Time, caller domain.Caller, r ArbitrageRequest) (PermitPreview, error) {
	d := s.lookAt(wall, caller)
	defer d.End()
	if err := d.RefusedByClock(); err != nil {
		return PermitPreview{}, err
	}
	a, err := d.readArbitrage(r)
	if err != nil {
		return PermitPreview{}, err
	}
	if err := d.checkArbitrageCount(a); err != nil {
		return PermitPreview{}, err
	}
	if d.checkArbitrage(a, r); d.unreadable != nil {
		return PermitPreview{}, d.unreadable
	}
	p := previewOf(a.reasons, a.reserve)
	p.Cost, p.SurePayout = &a.cost, &a.sure
	return p, nil
}

// lookAt begins a decision that records nothing.
func (s *State) lookAt(wall time.Time, caller domain.Caller) *Decision {
	now, behind := s.ClockAt(wall)
	return &Decision{s: s, now: now, caller: caller, still: Standstill{Behind: behind}}
}

func previewOf(reasons []domain.Reason, reserve domain.Decimal) PermitPreview {
	if len(reasons) > 0 {
		return PermitPreview{Reasons: reasons}
	}
	return PermitPreview{Allowed: true, Reserved: reserve, Reasons: []domain.Reason{}}
}
