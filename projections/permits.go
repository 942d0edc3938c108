package projections

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// Permit is one live permit.
type Permit struct {
	Permit     string         `json:"permit_id"`
	Bot        string         `json:"bot"`
	Market     string         `json:"market"`
	Outcome    string         `json:"outcome"`
	Side       domain.Side    `json:"side"`
	Quantity   domain.Decimal `json:"quantity"`
	Left       domain.Decimal `json:"left"`
	LimitPrice domain.Decimal `json:"limit_price"`
	Reserved   domain.Decimal `json:"reserved"`
	// Status is granted, or working once the order rests at a venue.
	Status string `json:"status" enum:"granted,working"`
	// ExpiresAt is by the wall clock; null for a working order without an expiry
	// of its own. An order that still works after this time is kept because a
	// clock jumped.
	ExpiresAt *time.Time `json:"expires_at"`
	// Intent is "" for a directional order.
	Intent domain.Intent `json:"intent,omitempty"`
	// Arbitrage is the arbitrage that the order is a leg of.
	Arbitrage string `json:"arbitrage,omitempty"`
	// PaperFill reports that the engine fills the order itself, once the mark
	// reaches its limit.
	PaperFill bool `json:"paper_fill,omitempty"`
	// Group is the group of which the order counts as a part; an order that opens joins none.
	// TimeInForce is "" for one that rests until it is cancelled.
	Group       string             `json:"group,omitempty"`
	TimeInForce domain.TimeInForce `json:"time_in_force,omitempty"`
	// Reduces reports, under the second edition of the rules, that all that is left of the
	// order reduces: no halt asks to cancel it.
	Reduces bool `json:"reduces,omitempty"`
	// WayOut reports that an operator was permitted it in a halt.
	WayOut bool `json:"way_out,omitempty"`
}

// PermitsOf lists the live permits at a time, of one bot or ("") of all, in the
// order they were granted.
func PermitsOf(s *portfolio.State, bot string, now time.Time) []Permit {
	out := []Permit{}
	reserves := map[string]domain.Decimal{}
	for _, id := range s.BotIDs() {
		for p, reserved := range s.Reserving(id, now) {
			reserves[p.ID] = reserved
		}
	}
	for _, id := range s.PermitIDs() {
		p := s.Permits[id]
		if !p.Live(now) || bot != "" && p.Bot != bot {
			continue
		}
		v := Permit{
			Permit: id, Bot: p.Bot, Market: p.Market, Outcome: p.Outcome, Side: p.Side, Quantity: p.Quantity, Left: p.Left,
			LimitPrice: p.LimitPrice, Reserved: reserves[id], Status: "granted", ExpiresAt: when(p.WallExpiry()),
			Intent: p.Intent, Arbitrage: p.Arbitrage, PaperFill: p.PaperFill, Group: p.Group, TimeInForce: p.TimeInForce, Reduces: s.Policy.Second() && !s.Opens(id), WayOut: p.WayOut,
		}
		if p.Working {
			v.Status = "working"
		}
		out = append(out, v)
	}
	return out
}
