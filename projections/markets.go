package projections

import (
	"maps"
	"slices"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
)

// MarketHolding is what a bot holds of an exclusive market as a whole: what that pays at
// least and at most, what it is worth, what it cost, and its exposure. The positions
// alone do not add up to the bot's equity; cash and the values of markets do, with the
// positions elsewhere.
type MarketHolding struct {
	Bot string `json:"bot"`
	portfolio.MarketFigures
}

// MarketHoldingsOf lists what bots hold of exclusive markets, by market and bot.
func MarketHoldingsOf(s *portfolio.State) []MarketHolding {
	var out []MarketHolding
	for _, market := range slices.Sorted(maps.Keys(s.Markets)) {
		for _, held := range s.Markets[market].Held {
			if f, ok := s.Figures(held.Bot, market); ok {
				out = append(out, MarketHolding{held.Bot, f})
			}
		}
	}
	return out
}

// MarketHoldingsOfBot is the part of one bot, or of all ("").
func MarketHoldingsOfBot(s *portfolio.State, bot string) []MarketHolding {
	return slices.DeleteFunc(MarketHoldingsOf(s), func(h MarketHolding) bool { return bot != "" && h.Bot != bot })
}

// asleep reports that a scope of the second edition has too little equity for a ratio to
// mean anything, so that no breaker of it is evaluated.
func asleep(s *portfolio.State, refs *risk.References, equity domain.Decimal) bool {
	return s.Policy.Second() && !refs.Evaluated(equity)
}
