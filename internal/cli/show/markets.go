package show

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/projections"
)

// What the second edition of the rules adds to what is shown: what bots hold of markets as a
// whole, marks that wait, and what a halt leaves permitted.

// printMarkets prints what bots hold of exclusive markets as a whole.
func printMarkets(a *cli.App, all []portfolio.MarketHolding) error {
	if len(all) == 0 {
		return nil
	}
	p := a.Printer()
	p.Line("")
	p.Say(0, "As a whole, where one share of each outcome pays 1 together (the positions alone do not add up to equity):")
	if p.Err != nil {
		return p.Err
	}
	rows := [][]string{{"BOT", "MARKET", "COST", "VALUE", "PAYS AT LEAST", "AT MOST", "EXPOSURE"}}
	for _, h := range all {
		rows = append(rows, []string{
			h.Bot, h.Market, cli.Money(h.Cost), cli.Money(h.Value), cli.Money(h.PayoffMin), cli.Money(h.PayoffMax), cli.Money(h.Exposure),
		})
	}
	return a.Table(rows)
}

// Waiting says of a mark that waits what it would price, what is in force, and until when.
func Waiting(w projections.WaitingMark, after time.Duration) string {
	name := w.Asset
	if name == "" {
		name = cli.Instrument(w.Market, w.Outcome)
	}
	if w.InForce == nil {
		return fmt.Sprintf("%s at %s, the first mark of it: it prices nothing until another user marks it within the collar", name, cli.Money(w.Price))
	}
	if w.OutOfRange {
		return fmt.Sprintf("%s at %s, in force %s: it would bring what is held of it out of range, and is not confirmed", name, cli.Money(w.Price), cli.Money(*w.InForce))
	}
	return fmt.Sprintf("%s at %s, in force %s, until %s UTC", name, cli.Money(w.Price), cli.Money(*w.InForce), cli.Clock(w.Since.Add(after)))
}

// sayMarks prints marks that wait or are too old, and markets that are marked in parts.
func sayMarks(p *cli.Printer, v *projections.State) {
	beyond := false
	for _, w := range v.WaitingMarks {
		beyond = beyond || w.InForce != nil
		p.Line("WAITS     %s", Waiting(w, v.Policy.ConfirmAfter()))
	}
	if beyond {
		p.Say(10, "A mark beyond mark_collar prices nothing until then, or until another one is near it. One near the mark in force drops it. Permits that open in that market are denied (mark_unconfirmed).")
	}
	if old := Stale(v.Positions); old != "" {
		p.Line("STALE     %s: no mark for longer than mark_max_age (%s)", old, v.Policy.MarkMaxAge)
	}
	if len(v.PartlyMarked) > 0 {
		p.Line("MARKS     %s", Partly(v.PartlyMarked))
	}
	if v.Unreconciled {
		p.Line("SHORT     two reconciliations in a row found less %s on the chain than is recorded: nothing is opened until one finds no shortage", v.BaseAsset)
	}
}

// Partly says which markets are marked in parts.
func Partly(markets []string) string {
	return fmt.Sprintf("not all outcomes of %s were marked by one command: they are valued at prices of different moments", some(markets))
}

// Stale names the instruments of positions whose marks are too old, "" for none.
func Stale(all []projections.Position) string {
	var names []string
	for _, p := range all {
		if name := cli.Instrument(p.Market, p.Outcome); p.Stale && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return some(names)
}

// some names the first of many.
func some(names []string) string {
	if len(names) > MostPrinted {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:MostPrinted], ", "), len(names)-MostPrinted)
	}
	return strings.Join(names, ", ")
}

// sayEdition says by which rules a portfolio lives, and how it adopts the second edition.
func sayEdition(p *cli.Printer, v *projections.State) {
	switch {
	case v.Clock == domain.ClockImported:
	case v.Policy.Second():
		p.Line("rules     %d", v.Policy.Rules)
	default:
		p.Line("rules     1, the first edition; the list of limits says how to adopt the second one")
	}
	if v.Asleep {
		p.Line("ASLEEP    its equity has not reached min_capital (%s): no breaker of it is evaluated", v.Policy.MinCapital)
	}
}

// May is what a bot may do, and what an operator may for it, where something halts it: of
// several halts the strictest holds.
func May(halts []portfolio.Halt) (bot, operator portfolio.Leave) {
	bot, operator = portfolio.LeaveAll, portfolio.LeaveAll
	for _, h := range halts {
		bot, operator = stricter(bot, h.Bot), stricter(operator, h.Operator)
	}
	return bot, operator
}

func stricter(a, b portfolio.Leave) portfolio.Leave {
	order := []portfolio.Leave{portfolio.LeaveNothing, portfolio.LeaveReduce, portfolio.LeaveAll}
	return order[min(slices.Index(order, a), slices.Index(order, b))]
}

// Halted are bots as they are shown: in an imported portfolio nothing is traded, so it is not said
// what a halt leaves permitted.
func Halted(bots []projections.Bot, clock domain.Clock) []projections.Bot {
	if clock != domain.ClockImported {
		return bots
	}
	bots = slices.Clone(bots)
	for i := range bots {
		bots[i].Halts = nil
	}
	return bots
}

// isHalted reports whether something halts a bot beside that it was never started.
func isHalted(b *projections.Bot) bool {
	return slices.ContainsFunc(b.Halts, func(h portfolio.Halt) bool { return h.Of != string(portfolio.Registered) })
}

// may says it in a word or two.
func may(halts []portfolio.Halt) string {
	bot, operator := May(halts)
	if bot == operator {
		return string(bot)
	}
	return fmt.Sprintf("%s (operator: %s)", bot, operator)
}

// sayHalts says what halts bots, and what that leaves permitted. Bots that are halted alike share
// a line.
func sayHalts(p *cli.Printer, bots []projections.Bot) {
	alike := map[string][]string{}
	var order []string
	for _, b := range bots {
		if !isHalted(&b) {
			continue
		}
		text := haltWords(b.Halts)
		if alike[text] == nil {
			order = append(order, text)
		}
		alike[text] = append(alike[text], b.Bot)
	}
	for _, text := range order {
		p.Line("HALTED    %s: %s", some(alike[text]), text)
	}
}

// sayOwnWords names what halted bots hold by their own word: "the bot may still reduce what it
// holds" is not said of that.
func sayOwnWords(p *cli.Printer, bots []projections.Bot, positions []projections.Position) {
	for _, h := range positions {
		halted := slices.ContainsFunc(bots, func(b projections.Bot) bool { return b.Bot == h.Bot && isHalted(&b) })
		if halted && !h.OwnWord.IsZero() {
			p.Line("          of %s, %s × %s is its own word (own_word): no permit covers it, and only an operator may reduce it", h.Bot, h.OwnWord, cli.Instrument(h.Market, h.Outcome))
		}
	}
}

func haltWords(halts []portfolio.Halt) string {
	var of []string
	for _, h := range halts {
		switch h.Kind {
		case portfolio.HaltEmergency:
			of = append(of, "emergency stop ("+h.Of+")")
		case portfolio.HaltBreaker:
			of = append(of, "breaker "+h.Of+" tripped")
		default:
			of = append(of, "the bot is "+h.Of)
		}
	}
	bot, operator := May(halts)
	text := strings.Join(of, ", ") + ". "
	switch {
	case bot == portfolio.LeaveReduce && operator == portfolio.LeaveReduce:
		return text + "The bot, and an operator for it, may still reduce what it holds"
	case operator == portfolio.LeaveReduce:
		return text + "The bot may do nothing; an operator may still reduce what it holds"
	case bot == portfolio.LeaveNothing && operator == portfolio.LeaveNothing:
		return text + "Nothing is permitted to the bot, nor to an operator for it"
	}
	return text + fmt.Sprintf("The bot may: %s; an operator for it: %s", bot, operator)
}

// sayWaysToFlat prints how an operator reduces what halted bots hold, where that is permitted:
// complete sets are merged, and for the rest a permit is asked for.
func sayWaysToFlat(a *cli.App, p *cli.Printer, n nextSteps) {
	var merges, asks [][]string
	var closing []projections.Permit
	for _, b := range n.bots {
		if _, operator := May(b.Halts); n.imported || len(b.Halts) == 0 || operator == portfolio.LeaveNothing {
			continue
		}
		sets := map[string]domain.Decimal{}
		for _, m := range n.markets {
			if m.Bot == b.Bot && m.Sets.Sign() > 0 {
				sets[m.Market] = m.Sets
				merges = append(merges, []string{"sets", "merge", "--bot", b.Bot, "--market", m.Market, "--quantity", m.Sets.String(), "--set-id", "SET-ID"})
			}
		}
		for _, h := range n.positions {
			switch {
			case h.Bot != b.Bot:
			case h.Settled != nil: // said by sayLate, for bots that run, too
			default:
				if !strings.HasPrefix(h.Outcome, "!") {
					h.Quantity = h.Quantity.Sub(sets[h.Market])
				}
				taken := closingOf(h, n)
				if h.Quantity = lessClosed(h, taken); !h.Quantity.IsZero() {
					asks = append(asks, wayToFlat(h))
				}
				closing = append(closing, taken...)
			}
		}
	}
	sayEach(a, p, "Complete sets of halted bots are merged at the venue, under the id that it gives, and recorded:", merges)
	sayClosing(a, p, closing)
	sayEach(a, p, "To close what a halted bot holds, an operator asks for the permit, places the order, and reports its fill:", asks)
}

// sayEach prints commands of a kind: of many the first, and how to list what all are about.
func sayEach(a *cli.App, p *cli.Printer, what string, commands [][]string) {
	if len(commands) == 0 {
		return
	}
	p.Say(2, "%s", what)
	if len(commands) <= MostPrinted {
		for _, words := range commands {
			a.Command(p, words...)
		}
		return
	}
	a.Command(p, commands[0]...)
	p.Say(2, "So for each of %d. All that is held is listed by:", len(commands))
	a.Command(p, "positions")
}

// sayLate prints what pays out holdings of settled markets, whether their bots run or not.
func sayLate(a *cli.App, p *cli.Printer, positions []projections.Position) {
	settles := LateSettlements(positions)
	if len(settles) == 0 {
		return
	}
	p.Line("")
	sayEach(a, p, "What is held of a settled market came late. It is worth what the market pays, and the same payouts again pay it out:", settles)
}

// LateSettlements are the commands that pay out holdings of settled markets, each once.
func LateSettlements(positions []projections.Position) [][]string {
	var settles [][]string
	for _, h := range positions {
		if h.Settled == nil {
			continue
		}
		if words := settledAgain(h); !slices.ContainsFunc(settles, func(w []string) bool { return slices.Equal(w, words) }) {
			settles = append(settles, words)
		}
	}
	return settles
}

// settledAgain is the command that settles the market of a position at what it was settled at.
func settledAgain(h projections.Position) []string {
	switch outcomes := slices.Sorted(maps.Keys(h.Settled.Payouts)); {
	case h.Settled.Void:
		return Named([]string{"settle"}, []string{h.Market}, "--void")
	case len(outcomes) == 1:
		return Named([]string{"settle"}, []string{h.Market, outcomes[0], h.Settled.Payouts[outcomes[0]].String()})
	default:
		pairs := make([]string, len(outcomes))
		for i, outcome := range outcomes {
			pairs[i] = outcome + "=" + h.Settled.Payouts[outcome].String()
		}
		return Named([]string{"settle"}, []string{h.Market}, "--payouts", strings.Join(pairs, ","))
	}
}

// Named is a command with names of markets and outcomes: where one looks like a flag, the names
// come last, after what ends the flags.
func Named(command, names []string, flags ...string) []string {
	if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "-") }) {
		return slices.Concat(command, flags, []string{"--"}, names)
	}
	return slices.Concat(command, names, flags)
}

// closingOf lists the live orders that close what a position holds: in an exclusive market of two
// also purchases of the other outcome.
func closingOf(h projections.Position, n nextSteps) []projections.Permit {
	together := slices.ContainsFunc(n.markets, func(m portfolio.MarketHolding) bool { return m.Bot == h.Bot && m.Market == h.Market })
	var all []projections.Permit
	for _, p := range n.permits {
		if !p.Reduces || p.Bot != h.Bot || p.Market != h.Market {
			continue
		}
		same := p.Outcome == h.Outcome
		if same && (p.Side == domain.Sell) == (h.Quantity.Sign() > 0) || !same && together && p.Side == domain.Buy && h.Quantity.Sign() > 0 && !holds(n, p) {
			all = append(all, p)
		}
	}
	return all
}

// holds reports whether the bot of an order holds, or is short of, its outcome: the order then
// closes that.
func holds(n nextSteps, p projections.Permit) bool {
	return slices.ContainsFunc(n.positions, func(h projections.Position) bool {
		return h.Bot == p.Bot && h.Market == p.Market && h.Outcome == p.Outcome && h.Quantity.Sign() < 0
	})
}

// lessClosed is what is left of a position beside orders that close it: of a group the largest.
func lessClosed(h projections.Position, orders []projections.Permit) domain.Decimal {
	taken, groups := domain.Zero, map[string]domain.Decimal{}
	for _, p := range orders {
		if p.Group == "" {
			taken = taken.Add(p.Left)
			continue
		}
		groups[p.Group] = groups[p.Group].Max(p.Left)
	}
	for _, largest := range groups {
		taken = taken.Add(largest)
	}
	left := h.Quantity.Abs().Sub(taken).Max(domain.Zero)
	if h.Quantity.Sign() < 0 {
		return left.Neg()
	}
	return left
}

// sayClosing names the orders that close a part already, and how to close it otherwise: two orders
// for one holding would both be filled.
func sayClosing(a *cli.App, p *cli.Printer, orders []projections.Permit) {
	if len(orders) == 0 {
		return
	}
	slices.SortStableFunc(orders, func(a, b projections.Permit) int {
		return cmp.Or(cmp.Compare(len(a.Permit), len(b.Permit)), cmp.Compare(a.Permit, b.Permit))
	})
	orders = slices.CompactFunc(orders, func(a, b projections.Permit) bool { return a.Permit == b.Permit })
	p.Say(2, "Live orders close this already, and it is left out below:")
	for _, o := range orders[:min(len(orders), MostPrinted)] {
		what := "rests at the venue"
		if o.Status != "working" {
			what = "is not placed yet"
		}
		if o.WayOut {
			what += ", an operator's"
		}
		p.Line("    %s: %s may %s %s × %s at %s; it %s", o.Permit, o.Bot, o.Side, o.Left, cli.Instrument(o.Market, o.Outcome), o.LimitPrice, what)
	}
	if len(orders) > MostPrinted {
		a.Command(p, "permits")
	}
	p.Say(2, "To close it otherwise, cancel such an order at the venue first, and release its permit: else both are filled, and the bot is short. Then look again:")
	a.Command(p, "permit", "release", "PERMIT")
	a.Command(p, "state")
}

func wayToFlat(h projections.Position) []string {
	side := domain.Sell
	if h.Quantity.Sign() < 0 {
		side = domain.Buy
	}
	return []string{
		"permit", "ask", "--bot", h.Bot, "--market", h.Market, "--outcome", h.Outcome, "--side", string(side),
		"--quantity", h.Quantity.Abs().String(), "--limit-price", "PRICE", "--reduce-only",
	}
}

// notes are what has to be known of a position beside its figures.
func notes(p *projections.Position) string {
	var said []string
	switch {
	case p.Oversold:
		said = append(said, "oversold")
	case !p.OpenLeg.IsZero():
		said = append(said, "open leg "+cli.Money(p.OpenLeg))
	}
	if p.Settled != nil {
		said = append(said, "settled")
	}
	if !p.OwnWord.IsZero() {
		said = append(said, "own word "+cli.Money(p.OwnWord))
	}
	if p.MarkWaiting != nil {
		said = append(said, cli.Money(*p.MarkWaiting)+" waits")
	}
	if p.Stale {
		said = append(said, "stale")
	}
	return strings.Join(said, ", ")
}

// terms are what a live order was asked for with beside its figures.
func terms(p *projections.Permit) string {
	var said []string
	if p.Group != "" {
		said = append(said, "group "+p.Group)
	}
	if t := cmp.Or(p.TimeInForce, domain.GoodTillCancelled); t != domain.GoodTillCancelled {
		said = append(said, string(t))
	}
	return strings.Join(said, ", ")
}
