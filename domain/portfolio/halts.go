package portfolio

import (
	"cmp"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/risk"
)

// Leave is what a halt leaves permitted.
type Leave string

// What may be permitted, from the strictest.
const (
	LeaveNothing Leave = "nothing"
	LeaveReduce  Leave = "reduce"
	LeaveAll     Leave = "all"
)

// Halt is one thing that keeps a bot from trading freely, with what it leaves
// permitted to the bot, and to an operator for it.
type Halt struct {
	// Kind is breaker, bot_stopped or emergency_stop.
	Kind string `json:"kind" enum:"breaker,bot_stopped,emergency_stop"`
	// Of is the breaker, the bot's status, or the kind of the emergency stop.
	Of       string `json:"of"`
	Bot      Leave  `json:"bot_may" enum:"nothing,reduce,all"`
	Operator Leave  `json:"operator_may" enum:"nothing,reduce,all"`

	breaker risk.Key
}

// The kinds of halts.
const (
	HaltBreaker   = "breaker"
	HaltBot       = "bot_stopped"
	HaltEmergency = "emergency_stop"
)

// Halts lists what halts a bot now. Of several, the strictest holds: see [State.Leaves].
//
// It is the table of halts: what a breaker leaves is the policy's while_tripped; a bot
// that a person stopped may reduce, unless it was stopped fully; a manual emergency
// stop, and that of a drawdown, leave reducing to operators, and to bots where the
// policy tells them to close; a breach or a system error leave nothing. A portfolio of
// the first edition leaves only what close_positions_on_trip does.
func (s *State) Halts(bot string) []Halt {
	var all []Halt
	if s.Stop.Engaged {
		all = append(all, s.haltOfStop())
	}
	tripped := s.haltedBy(bot)
	for _, key := range tripped {
		all = append(all, Halt{HaltBreaker, key.String(), s.leavesTripped(false), s.leavesTripped(true), key})
	}
	if b := s.Bots[bot]; b != nil && b.Status != Running {
		all = append(all, s.haltOfBot(b, len(tripped) > 0))
	}
	return all
}

func (s *State) haltOfStop() Halt {
	h := Halt{Kind: HaltEmergency, Of: s.Stop.Kind, Bot: LeaveNothing, Operator: LeaveNothing}
	if s.Policy.Second() && leavesStop(s.Stop.Kind) {
		h.Operator = LeaveReduce
		if s.Policy.ClosePositionsOnTrip {
			h.Bot = LeaveReduce
		}
	}
	return h
}

// leavesStop reports whether an emergency stop leaves a way out of positions: one that
// doubts the keys or the machine does not.
func leavesStop(kind string) bool {
	return kind == domain.StopManual || kind == domain.StopPortfolioDrawdown
}

// leavesTripped is what a tripped breaker leaves.
func (s *State) leavesTripped(operator bool) Leave {
	p := &s.Policy
	switch {
	case operator && p.Second(), p.WhileTripped == domain.WhileReduce:
		return LeaveReduce
	case p.WhileTripped == "" && p.ClosePositionsOnTrip:
		return LeaveReduce
	}
	return LeaveNothing
}

func (s *State) haltOfBot(b *Bot, tripped bool) Halt {
	h := Halt{Kind: HaltBot, Of: string(b.Status), Bot: LeaveNothing, Operator: LeaveNothing}
	switch {
	case s.Policy.Second():
		h.Operator = LeaveReduce
		if !b.Full {
			h.Bot = LeaveReduce
		}
	case tripped && b.Halted: // the trip stopped it, and it leaves what the breaker does
		h.Bot, h.Operator = s.leavesTripped(false), s.leavesTripped(false)
	}
	return h
}

// Leaves returns what is permitted to a bot now, or to an operator for it.
func (s *State) Leaves(bot string, operator bool) Leave {
	leave, tripped := LeaveAll, s.trippedFor(bot)
	if s.Stop.Engaged {
		leave = stricter(leave, s.haltOfStop().For(operator))
	}
	if tripped { // each tripped breaker leaves the same
		leave = stricter(leave, s.leavesTripped(operator))
	}
	if b := s.Bots[bot]; b != nil && b.Status != Running {
		leave = stricter(leave, s.haltOfBot(b, tripped).For(operator))
	}
	return leave
}

// For returns what the halt leaves to a bot, or to an operator.
func (h Halt) For(operator bool) Leave {
	if operator {
		return h.Operator
	}
	return h.Bot
}

func stricter(a, b Leave) Leave {
	if a == LeaveNothing || b == LeaveNothing {
		return LeaveNothing
	}
	if a == LeaveReduce || b == LeaveReduce {
		return LeaveReduce
	}
	return LeaveAll
}

// tellsToClose reports that the policy has bots told to close their positions, where that
// is permitted to them: "close_positions is said only where closing is permitted". kind is
// the emergency stop in force, or "".
func (s *State) tellsToClose(kind string, tripped bool) bool {
	p := &s.Policy
	switch {
	case !p.ClosePositionsOnTrip:
		return false
	case !p.Second():
		return tripped && p.WhileTripped != domain.WhileNothing
	case tripped && s.leavesTripped(false) == LeaveNothing:
		return false
	}
	return kind == "" || leavesStop(kind)
}

// stopKind returns the kind of the emergency stop in force, or "".
func (s *State) stopKind() string {
	if s.Stop.Engaged {
		return s.Stop.Kind
	}
	return ""
}

// ToldToClose reports that a halted bot is told to close its positions now.
func (s *State) ToldToClose(bot string) bool {
	b, p := s.Bots[bot], &s.Policy
	switch {
	case b == nil || b.Positions == 0 || !p.ClosePositionsOnTrip:
		return false
	case !p.Second():
		return b.Halted && !s.Stop.Engaged
	case !s.closable(bot):
		return false
	}
	return (s.Stop.Engaged || b.Halted || s.trippedFor(bot)) && s.Leaves(bot, false) == LeaveReduce
}

// closable reports that a bot holds something that an order would reduce: no dust, nothing
// of what is settled, and in an exclusive market more than complete sets, of which no half
// is sold without opening the other. Nor does one reduce what only its own word says. Who is told to close must not
// be refused.
func (s *State) closable(bot string) bool {
	for in, h := range s.holdingsOf(bot) {
		if h.IsFlat() || in.Payout != nil || s.isDust(bot, in) {
			continue
		}
		m := s.together(in.Instrument)
		switch {
		case m == nil && h.Quantity.Sign() == h.proven().Sign():
			return true
		case m != nil && s.held(m, in.Market, bot).Uneven() && s.heldPart(m, in.Market, bot, (*Holding).proven).Uneven():
			return true
		}
	}
	return false
}

// LegsToClose lists the legs of arbitrages that a bot is told to close now: those that
// were not filled in time, and that no other leg covers.
func (s *State) LegsToClose(bot string) []domain.OpenLeg {
	if !s.Policy.Second() || s.Leaves(bot, false) == LeaveNothing {
		return nil
	}
	var legs []domain.OpenLeg
	for i, quantity := range s.OpenLegs(bot) {
		legs = append(legs, domain.OpenLeg{Instrument: i, Quantity: quantity})
	}
	slices.SortFunc(legs, func(a, b domain.OpenLeg) int {
		return cmp.Or(strings.Compare(a.Market, b.Market), strings.Compare(a.Outcome, b.Outcome))
	})
	return legs
}

// byOperator reports whether the caller is a person acting for a bot.
func (d *Decision) byOperator() bool { return d.caller.Role != domain.RoleBot }

// mayClose reports whether an order that only reduces passes the breakers and the
// limits.
func (d *Decision) mayClose() bool { return d.s.leavesTripped(d.byOperator()) == LeaveReduce }

// toCancel lists the resting orders that open, of one bot or of all, oldest first: a
// halt directs bots to cancel them. The first edition does not.
func (s *State) toCancel(only string, d *Decision) []string {
	if !s.Policy.Second() {
		return nil
	}
	of := s.permits.resting
	if only != "" {
		of = s.permitsOf(only)
	}
	return idsOf(of, func(p *risk.Permit) bool { return p.Working && p.Live(d.now) && opens(p) })
}

// opens reports whether some of what is left of an order opens. A stop-loss or another
// order that only reduces stays where it rests.
func opens(p *risk.Permit) bool { return p.ReducingLeft.Less(p.Left) }

// Opens reports that of a permit. An unknown one opens nothing.
func (s *State) Opens(permit string) bool {
	p := s.Permits[permit]
	return p != nil && opens(p)
}

// ToCancel lists the resting orders of a bot that open, as of the last record.
func (s *State) ToCancel(bot string) []string {
	return s.toCancel(bot, &Decision{s: s, now: s.Time})
}
