package portfolio

import (
	"maps"
	"slices"
	"time"

	"pets/domain"
)

// Loss is a losing result of a bot in a market: its number among the bot's results, and
// when it became one.
type Loss struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
}

const (
	// lossesKept is how many losses of a bot in one market a void can take back, so that the
	// one before them decides about market_cooldown again.
	lossesKept = 8
	// marketsLost is of how many markets losses are kept that no cooldown looks back on.
	marketsLost = 64
)

// lastLoss returns when a bot last had a losing result in a market.
func (b *Bot) lastLoss(market string) (at time.Time, ok bool) {
	all := b.Lost[market]
	if len(all) == 0 {
		return time.Time{}, false
	}
	return all[len(all)-1].At, true
}

// lost notes that a result of a bot in a market is a loss, or that it is none any more. What a
// void or a correction makes a loss counts from then: it was not known before.
func (s *State) lost(b *Bot, market string, number int, r domain.Result) {
	if !s.Policy.Second() {
		return
	}
	losses := b.Lost[market]
	known := slices.IndexFunc(losses, func(l Loss) bool { return l.Number == number })
	switch {
	case r == domain.Loss && known >= 0, r != domain.Loss && known < 0:
		return
	case known >= 0:
		losses = slices.Delete(losses, known, known+1)
	default:
		losses = append(losses, Loss{Number: number, At: s.Time})
		losses = slices.Delete(losses, 0, max(len(losses)-lossesKept, 0))
	}
	if len(losses) == 0 {
		delete(b.Lost, market)
		return
	}
	if b.Lost == nil {
		b.Lost = map[string][]Loss{}
	}
	b.Lost[market] = losses
	s.forgetLosses(b, market)
}

func cloneLosses(lost map[string][]Loss) map[string][]Loss {
	c := maps.Clone(lost)
	for market, losses := range c {
		c[market] = slices.Clone(losses)
	}
	return c
}

// forgetLosses forgets the markets that the policy does not look back on, but one.
func (s *State) forgetLosses(b *Bot, but string) {
	if len(b.Lost) <= marketsLost {
		return
	}
	keep := max(time.Duration(s.Policy.MarketCooldown), day)
	for market, losses := range b.Lost {
		if market != but && s.Time.Sub(losses[len(losses)-1].At) >= keep {
			delete(b.Lost, market)
		}
	}
}
