package projections

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// OwnState is what a bot sees of the state: the fields of [State] without the
// portfolio's money and without other bots.
type OwnState struct {
	Portfolio     string        `json:"portfolio"`
	Revision      uint64        `json:"revision"`
	Time          time.Time     `json:"time"`
	Mode          domain.Mode   `json:"mode"`
	Clock         domain.Clock  `json:"clock"`
	BaseAsset     string        `json:"base_asset"`
	EmergencyStop EmergencyStop `json:"emergency_stop"`
	Bots          []Bot         `json:"bots"`
	Breakers      []Breaker     `json:"breakers"`
	Positions     []Position    `json:"positions"`
	// Markets are the exclusive markets that the bot holds, or may open.
	Markets []portfolio.MarketHolding `json:"markets,omitempty"`
	Policy  domain.Policy             `json:"policy"`
	// Stale reports that one of the positions has a mark that is older than mark_max_age.
	Stale bool `json:"stale,omitempty"`
}

// OwnStateOf renders what one bot sees, including its breakers and those of the
// portfolio, at a time.
func OwnStateOf(s *portfolio.State, bot string, now time.Time) OwnState {
	v := OwnState{
		Portfolio: s.Portfolio, Revision: lastRevision(s), Time: s.Time, Mode: s.Mode, Clock: s.Clock, BaseAsset: s.BaseAsset,
		EmergencyStop: EmergencyStopOf(s), Bots: []Bot{}, Breakers: []Breaker{}, Positions: []Position{},
		Markets: s.MarketHoldings(bot, now), Policy: s.Policy.Clone(),
	}
	if b := s.Bots[bot]; b != nil {
		v.Bots = append(v.Bots, botOf(s, b))
	}
	for _, b := range BreakersOf(s) {
		if b.Bot == nil || *b.Bot == bot {
			v.Breakers = append(v.Breakers, b)
		}
	}
	for _, p := range PositionsAt(s, now) {
		if p.Bot == bot {
			v.Stale = v.Stale || p.Stale
			v.Positions = append(v.Positions, p)
		}
	}
	return v
}
