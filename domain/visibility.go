package domain

import (
	"reflect"
	"slices"
)

// Viewer is a bot that reads events with its key. It sees its own money, orders
// and breakers. Of everything else it sees only what it needs for trading, as the
// registry's rows say, and nothing of an event without a row. It does not see who
// did something, unless it was the bot itself.
type Viewer struct {
	Bot string
	// Holds reports whether a permit belongs to the bot.
	Holds func(permit string) bool
	// Asked reports that the bot itself sent the command that caused the event.
	Asked bool
}

// Sees returns what the bot sees of an event, or nil for nothing. It does not
// change the event; if it leaves out parts, it returns a copy.
func (v Viewer) Sees(e Event) Event {
	r, known := events.byType[reflect.TypeOf(e)]
	if !known || r.bots == nil {
		return nil
	}
	return r.bots(e, v)
}

// ownOpening leaves out the rules of the treasury, which do not concern a bot.
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
	if c.User = ""; e.Bot == "" {
		c.RebasedTo, c.WaitingMarks = nil, nil // the portfolio's equity, and what others hold
	}
	return &c
}

func ownClearing(e *EmergencyStopCleared, _ Viewer) *EmergencyStopCleared {
	c := *e
	c.RequestedBy, c.ConfirmedBy, c.Signature, c.TransfersEnded = "", "", nil, nil
	return &c
}

// ownMarks shows the marks to a bot, and not who sent them. Another bot's word prices
// nothing of it.
func ownMarks(e *PriceMarked, v Viewer) *PriceMarked {
	if e.Bot != "" && e.Bot != v.Bot {
		return nil
	}
	c := *e
	if c.User = ""; e.Bot == "" {
		c.Refused = nil
	}
	return &c
}

func ownJump(e *ClockJumped, v Viewer) *ClockJumped {
	return &ClockJumped{By: e.By, PermitsExpired: v.ownPermits(e.PermitsExpired), OrdersKept: v.ownPermits(e.OrdersKept), Moved: e.Moved}
}

// ownSettlement shows the payout to the bot and which of its permits ended. Every
// settlement of an outcome ends the permits on it, even one that is limited to
// another bot.
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

// ownRegistration shows a market to a bot, and of what its registration changed only
// its own.
func ownRegistration(e *MarketRegistered, v Viewer) *MarketRegistered {
	c := *e
	c.Changes = ofViewer(e.Changes, func(s *ScopeChange) bool { return s.Bot != "" && s.Bot == v.Bot })
	c.CancelOrders = ofViewer(e.CancelOrders, func(o *BotOrders) bool { return o.Bot == v.Bot })
	return &c
}

// ownPayouts shows what a market paid, what the bot held of it, and which of its
// permits ended.
func ownPayouts(e *MarketPaidOut, v Viewer) *MarketPaidOut {
	c := *e
	c.Holders = ofViewer(e.Holders, func(h *OutcomeHolder) bool { return h.Bot == v.Bot })
	c.CancelOrders = ofViewer(e.CancelOrders, func(o *BotOrders) bool { return o.Bot == v.Bot })
	c.PermitsReleased, c.Finding, c.Override = v.ownPermits(e.PermitsReleased), false, ""
	if v.elsewhere(e.Bot) {
		if len(c.PermitsReleased) == 0 {
			return nil
		}
		c.Bot = ""
	}
	return &c
}

// ownCorrection shows the payouts to a bot, with what it held and which of its permits
// ended, and not who corrected them or why.
func ownCorrection(e *MarketCorrected, v Viewer) *MarketCorrected {
	c := *e
	c.Holders = ofViewer(e.Holders, func(h *OutcomeHolder) bool { return h.Bot == v.Bot })
	c.PermitsReleased = v.ownPermits(e.PermitsReleased)
	c.User, c.Reason, c.Override = "", "", ""
	return &c
}

func ownTrips(e *BreakersTripped, v Viewer) *BreakersTripped {
	var own []BreakerTripped
	for i := range e.Rows {
		if t := ownTrip(&e.Rows[i], v); t != nil {
			own = append(own, *t)
		}
	}
	if own == nil {
		return nil
	}
	return &BreakersTripped{Rows: own}
}

// ofViewer returns the rows that a viewer sees, or nil for none.
func ofViewer[T any](rows []T, sees func(*T) bool) []T {
	var own []T
	for i := range rows {
		if sees(&rows[i]) {
			own = append(own, rows[i])
		}
	}
	return own
}

// ownTrip shows a trip of the bot's own breaker, or of the portfolio's without
// its amounts. Of another bot's trip it shows only the effect on this bot,
// without that bot's name or figures, or nothing if there was no effect.
func ownTrip(e *BreakerTripped, v Viewer) *BreakerTripped {
	c := *e
	c.BotsStopped, c.PermitsRevoked, c.CancelOrders = v.only(e.BotsStopped), v.ownPermits(e.PermitsRevoked), v.ownPermits(e.CancelOrders)
	if v.elsewhere(e.Bot) {
		if len(c.BotsStopped)+len(c.PermitsRevoked)+len(c.CancelOrders) == 0 {
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
	c.BotsStopped, c.PermitsRevoked, c.TransfersEnded = v.only(e.BotsStopped), v.ownPermits(e.PermitsRevoked), nil
	c.CancelOrders = v.ownPermits(e.CancelOrders)
	return &c
}

// elsewhere reports whether an event is about another bot. An event about no bot
// concerns all.
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
