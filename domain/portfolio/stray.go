package portfolio

import (
	"maps"
	"slices"

	"pets/domain"
	"pets/domain/risk"
)

// Stray orders: a halt leaves resting orders that reduce where they are, and names those
// that open. If something takes away later what such an order was to close, it opens, too,
// and the record of that names it. So a reader of the events learns of every order that is
// to be cancelled.

// strayed lists the resting orders of halted bots that open, as far as an event can make
// more of them do so. The first edition gives no such directive.
func (d *Decision) strayed(event domain.Event) []string {
	bot, market := "", ""
	switch e := event.(type) {
	case *domain.PermitGranted:
		if !e.WayOut {
			return nil
		}
		bot = e.Bot
	case *domain.FillRecorded:
		bot = e.Bot
	case *domain.FillReinstated:
		bot = e.Bot
	case *domain.FillVoided:
		bot = e.Bot
	case *domain.SetsChanged:
		bot = e.Bot
	case *domain.MarketPaidOut:
		market = e.Market
	case *domain.MarketRegistered:
		market = e.Market
	default:
		return nil
	}
	s := d.s
	stray := func(p *risk.Permit) bool { return p.Working && p.Live(d.now) && opens(p) }
	switch {
	case !s.Policy.Second():
		return nil
	case bot == "":
		return idsOf(s.permits.resting, func(p *risk.Permit) bool { return p.Market == market && stray(p) && s.halted(p.Bot) })
	case !s.halted(bot):
		return nil
	}
	return idsOf(s.permitsOf(bot), stray)
}

// nameStray names the orders in an event that has just been applied: those that opened
// before it were named before.
func (d *Decision) nameStray(event domain.Event, before []string) {
	now := slices.DeleteFunc(d.strayed(event), func(id string) bool { return slices.Contains(before, id) })
	if len(now) == 0 {
		return
	}
	switch e := event.(type) {
	case *domain.PermitGranted:
		e.CancelOrders = now
	case *domain.FillRecorded:
		e.CancelOrders = now
	case *domain.FillReinstated:
		e.CancelOrders = now
	case *domain.FillVoided:
		e.CancelOrders = now
	case *domain.SetsChanged:
		e.CancelOrders = now
	case *domain.MarketPaidOut:
		e.CancelOrders = d.s.byBot(now)
	case *domain.MarketRegistered:
		e.CancelOrders = d.s.byBot(now)
	}
}

// byBot sorts live permits by their bots.
func (s *State) byBot(permits []string) []domain.BotOrders {
	var all []domain.BotOrders
	own := map[string][]string{}
	for _, id := range permits {
		bot := s.Permits[id].Bot
		own[bot] = append(own[bot], id)
	}
	for _, bot := range slices.Sorted(maps.Keys(own)) {
		all = append(all, domain.BotOrders{Bot: bot, Permits: own[bot]})
	}
	return all
}
