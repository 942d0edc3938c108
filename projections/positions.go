package projections

import (
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
)

// Position is one open position. Mark is null if the instrument was never marked;
// the position is then valued at cost.
type Position struct {
	Bot           string          `json:"bot"`
	Market        string          `json:"market"`
	Outcome       string          `json:"outcome"`
	Quantity      domain.Decimal  `json:"quantity"`
	Cost          domain.Decimal  `json:"cost"`
	Mark          *domain.Decimal `json:"mark" nullable:"true"`
	UnrealisedPnL domain.Decimal  `json:"unrealised_pnl"`
	Oversold      bool            `json:"oversold"`
	Trade         string          `json:"trade"`
	// OpenLeg is the part that belongs to an arbitrage whose other legs were not
	// filled in time, signed like the quantity; absent if there is none.
	OpenLeg domain.Decimal `json:"open_leg,omitzero"`
}

// PositionsOf lists the open positions by market, outcome and bot.
func PositionsOf(s *portfolio.State) []Position {
	out := []Position{}
	open := map[string]risk.Shares{}
	for bot := range s.Bots {
		open[bot] = s.OpenLegs(bot)
	}
	for _, in := range s.SortedInstruments() {
		for _, h := range in.Holdings {
			if h.IsFlat() {
				continue
			}
			p := Position{
				Bot: h.Bot, Market: in.Market, Outcome: in.Outcome, Quantity: h.Quantity, Cost: h.Cost,
				UnrealisedPnL: h.Value.Sub(h.Cost), Oversold: h.Oversold, Trade: h.Episode.Trade,
				OpenLeg: open[h.Bot][in.Instrument],
			}
			if m := in.Mark(); m != nil {
				price := m.Price
				p.Mark = &price
			}
			out = append(out, p)
		}
	}
	return out
}
