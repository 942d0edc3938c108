package tradestats

import (
	"encoding/json"
	"fmt"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// kept is a walk as JSON, but for its limits and its zone.
type kept struct {
	Stats  Stats           `json:"stats"`
	Refs   risk.References `json:"refs"`
	Equity domain.Decimal  `json:"equity"`
	Day    string          `json:"day,omitempty"`
	Today  domain.Decimal  `json:"today"`
	Streak risk.Streak     `json:"streak"`
	Peak   Extreme         `json:"peak"`
}

// MarshalJSON returns what [Resume] needs.
func (w *Walk) MarshalJSON() ([]byte, error) {
	return json.Marshal(kept{w.stats, w.refs, w.equity, w.day, w.today, w.streak, w.peak})
}

// Resume returns a walk that goes on from where another with the same limits and zone was when
// it was marshalled.
func Resume(data []byte, limits Limits, zone *time.Location) (*Walk, error) {
	var k kept
	if err := domain.DecodeObject(data, &k); err != nil {
		return nil, err
	}
	return &Walk{limits: limits, zone: zone, stats: k.Stats, refs: k.Refs, equity: k.Equity, day: k.Day, today: k.Today, streak: k.Streak, peak: k.Peak}, nil
}

// trip is a closed breaker as JSON, with the name of its rule.
type trip struct {
	Breaker string         `json:"breaker"`
	Trade   int            `json:"trade"`
	Time    time.Time      `json:"time"`
	Value   domain.Decimal `json:"value"`
	Limit   domain.Decimal `json:"limit"`
}

// MarshalJSON implements [json.Marshaler].
func (b ClosedBreaker) MarshalJSON() ([]byte, error) {
	return json.Marshal(trip{b.Rule.Name, b.Trade, b.Time, b.Value, b.Limit})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (b *ClosedBreaker) UnmarshalJSON(data []byte) error {
	var t trip
	if err := domain.DecodeObject(data, &t); err != nil {
		return err
	}
	rule, ok := risk.RuleOf(t.Breaker)
	if !ok {
		return fmt.Errorf("there is no breaker %q", t.Breaker)
	}
	*b = ClosedBreaker{rule, t.Trade, t.Time, t.Value, t.Limit}
	return nil
}
