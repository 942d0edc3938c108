package domain

import (
	"reflect"
	"slices"
)

// Viewer is a bot that reads events with its key. It sees its own money, orders and
// breakers, and of everything else only what it has to know to trade: what the
// registry's rows say, and nothing of an event that has no row. It is never told who did
// something, unless it was the bot itself.
type Viewer struct {
	Bot string
	// Holds says whether a permit is the bot's.
	Holds func(permit string) bool
	// Asked says that the bot itself sent the command that the event belongs to.
	Asked bool
}

// Sees returns what the bot sees of an event, nil for nothing. The event itself is not
// changed: what is shown with parts left out is a copy.
func (v Viewer) Sees(e Event) Event {
	r, known := events.byType[reflect.TypeOf(e)]
	if !known || r.bots == nil {
		return nil
	}
	return r.bots(e, v)
}

// ownOpening leaves out the rules of the treasury, which is not a bot's.
func ownOpening(e *PortfolioOpened, _ Viewer) *PortfolioOpened {
	c := *e
	c.Treasury = nil
	return &c
}

func ownReset(e *BreakerReset, v Viewer) *BreakerReset {
	if v.elsewhere(e.Bot) {
		return nil
	}
	c := *e
	c.User = ""
	return &c
}

func ownClearing(e *EmergencyStopCleared, _ Viewer) *EmergencyStopCleared {
	c := *e
	c.RequestedBy, c.ConfirmedBy = "", ""
	return &c
}

func ownJump(e *ClockJumped, v Viewer) *ClockJumped {
	return &ClockJumped{By: e.By, PermitsExpired: v.ownPermits(e.PermitsExpired), OrdersKept: v.ownPermits(e.OrdersKept), Moved: e.Moved}
}

// ownSettlement shows what was paid out to the bot, and which of its permits ended: those
// on the outcome end with every settlement of it, also with one that is only another bot's.
func ownSettlement(e *MarketSettled, v Viewer) *MarketSettled {
	c := *e
	c.Holders, c.PermitsReleased, c.Finding = nil, v.ownPermits(e.PermitsReleased), false
	if v.elsewhere(e.Bot) {
		if len(c.PermitsReleased) == 0 {
			return nil
		}
		c.Bot = ""
		return &c
	}
	for _, h := range e.Holders {
		if h.Bot == v.Bot {
			c.Holders = append(c.Holders, h)
		}
	}
	return &c
}

// ownTrip shows a trip of the bot's own breaker, or of the portfolio's without its money.
// Of another bot's it shows what that did to this one, and nothing where it did nothing:
// neither whose it is, nor its figures.
func ownTrip(e *BreakerTripped, v Viewer) *BreakerTripped {
	c := *e
	c.BotsStopped, c.PermitsRevoked = v.only(e.BotsStopped), v.ownPermits(e.PermitsRevoked)
	if v.elsewhere(e.Bot) {
		if len(c.BotsStopped)+len(c.PermitsRevoked) == 0 {
			return nil
		}
		c.Bot, c.Value, c.Limit, c.Cause = "", Zero, Zero, 0
	}
	if e.Bot != v.Bot {
		c.Equity, c.Reference = nil, nil
	}
	return &c
}

func ownStop(e *EmergencyStopEngaged, v Viewer) *EmergencyStopEngaged {
	c := *e
	c.BotsStopped, c.PermitsRevoked = v.only(e.BotsStopped), v.ownPermits(e.PermitsRevoked)
	return &c
}

// elsewhere reports whether an event is about another bot; about none is about all.
func (v Viewer) elsewhere(bot string) bool { return bot != "" && bot != v.Bot }

func (v Viewer) only(bots []string) []string {
	if slices.Contains(bots, v.Bot) {
		return []string{v.Bot}
	}
	return nil
}

func (v Viewer) ownPermits(permits []string) []string {
	var own []string
	for _, p := range permits {
		if v.Holds(p) {
			own = append(own, p)
		}
	}
	return own
}
