package projections

import (
	"slices"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// What a bot's key sees (design, section 9): its own money, orders and breakers,
// and of everything else only what it has to know to trade. Everything that is
// not listed here is hidden.

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
	Policy        domain.Policy `json:"policy"`
}

// OwnStateOf renders what one bot sees: its breakers, and those of the portfolio.
func OwnStateOf(s *portfolio.State, bot string) OwnState {
	v := OwnState{
		Portfolio: s.Portfolio, Revision: lastRevision(s), Time: s.Time, Mode: s.Mode, Clock: s.Clock, BaseAsset: s.BaseAsset,
		EmergencyStop: EmergencyStopOf(s), Bots: []Bot{}, Breakers: []Breaker{}, Positions: []Position{}, Policy: s.Policy.Clone(),
	}
	if b := s.Bots[bot]; b != nil {
		v.Bots = append(v.Bots, botOf(s, b))
	}
	for _, b := range BreakersOf(s) {
		if b.Bot == nil || *b.Bot == bot {
			v.Breakers = append(v.Breakers, b)
		}
	}
	for _, p := range PositionsOf(s) {
		if p.Bot == bot {
			v.Positions = append(v.Positions, p)
		}
	}
	return v
}

// OwnEvent returns what a bot sees of an event, nil for nothing. owner names the
// bot of a permit. The event itself is not changed: what is shown with parts left
// out is a copy.
func OwnEvent(e domain.Event, bot string, owner func(permit string) string) domain.Event {
	switch e := e.(type) {
	case *domain.MarketRegistered, *domain.PriceMarked, *domain.LimitsChanged, *domain.PortfolioOpened, *domain.EmergencyStopCleared:
		return e
	case *domain.MarketSettled:
		return ownSettlement(e, bot)
	case *domain.BreakerTripped:
		return ownTrip(e, bot, owner)
	case *domain.EmergencyStopEngaged:
		c := *e
		c.BotsStopped, c.PermitsRevoked = only(e.BotsStopped, bot), ownPermits(e.PermitsRevoked, bot, owner)
		return &c
	case *domain.BreakerWarned:
		return ifOwn(e, e.Bot == bot || e.Bot == "")
	case *domain.BreakerReset:
		return ifOwn(e, e.Bot == bot || e.Bot == "")
	case *domain.ClockJumped:
		return &domain.ClockJumped{By: e.By, PermitsExpired: ownPermits(e.PermitsExpired, bot, owner), OrdersKept: ownPermits(e.OrdersKept, bot, owner), Moved: e.Moved}
	case *domain.PermitPlaced:
		return ifOwn(e, owner(e.Permit) == bot)
	case *domain.PermitReleased:
		return ifOwn(e, owner(e.Permit) == bot)
	default:
		return ifOwn(e, botOfEvent(e) == bot)
	}
}

func ifOwn(e domain.Event, own bool) domain.Event {
	if !own {
		return nil
	}
	return e
}

// botOfEvent names the one bot an event is about, "" for none.
func botOfEvent(event domain.Event) string {
	switch e := event.(type) {
	case *domain.BotRegistered:
		return e.Bot
	case *domain.BotCapitalAllocated:
		return e.Bot
	case *domain.BotStarted:
		return e.Bot
	case *domain.BotStopped:
		return e.Bot
	case *domain.FeeRecorded:
		return e.Bot
	case *domain.PermitGranted:
		return e.Bot
	case *domain.PermitDenied:
		return e.Bot
	case *domain.ArbitragePermitted:
		return e.Bot
	case *domain.ArbitrageDenied:
		return e.Bot
	case *domain.ArbitrageTimedOut:
		return e.Bot
	case *domain.FillRecorded:
		return e.Bot
	case *domain.FillConfirmed:
		return e.Bot
	case *domain.FillVoided:
		return e.Bot
	case *domain.TradeClosed:
		return e.Bot
	case *domain.TradeRevised:
		return e.Bot
	case *domain.SignatureMade: // with the wallet and its address: the order it places names them
		return e.Bot
	case *domain.SignatureRefused:
		return e.Bot
	default:
		return ""
	}
}

func ownSettlement(e *domain.MarketSettled, bot string) domain.Event {
	if e.Bot != "" && e.Bot != bot {
		return nil
	}
	c := *e
	c.Holders, c.PermitsReleased, c.Finding = nil, nil, false
	for _, h := range e.Holders {
		if h.Bot == bot {
			c.Holders = append(c.Holders, h)
		}
	}
	return &c
}

// ownTrip shows a trip of the bot's own breaker, or of the portfolio's without
// its money. What another bot tripped is told as a directive, not as that bot's
// affairs.
func ownTrip(e *domain.BreakerTripped, bot string, owner func(string) string) domain.Event {
	if e.Bot != "" && e.Bot != bot {
		return nil
	}
	c := *e
	c.BotsStopped, c.PermitsRevoked = only(e.BotsStopped, bot), ownPermits(e.PermitsRevoked, bot, owner)
	if e.Bot == "" {
		c.Equity, c.Reference = nil, nil
	}
	return &c
}

func only(bots []string, bot string) []string {
	if slices.Contains(bots, bot) {
		return []string{bot}
	}
	return nil
}

func ownPermits(permits []string, bot string, owner func(string) string) []string {
	var own []string
	for _, p := range permits {
		if owner(p) == bot {
			own = append(own, p)
		}
	}
	return own
}
