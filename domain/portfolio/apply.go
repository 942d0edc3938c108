package portfolio

import (
	"slices"
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
)

// Apply folds one event into the state. It is total: any event that decodes can
// be applied, in any order, without failing. An event that makes no sense, such
// as a fill of an unknown bot in a stream written by another program, is applied
// as far as possible; `pets verify` reports it.
func (s *State) Apply(at domain.Stamp, event domain.Event) {
	s.effects = Effects{Postings: s.effects.Postings[:0], Flows: s.effects.Flows[:0], Moved: s.effects.Moved[:0], Closed: s.effects.Closed[:0]}
	s.Next, s.Time = at.Revision+1, at.Time
	s.derived.applied++
	s.passHours()
	switch e := event.(type) {
	case *domain.PortfolioOpened:
		s.applyOpened(at, e)
	case *domain.LimitsChanged:
		s.holdDay(at, e.Policy.DailyLossTZ)
		s.setPolicy(e.Policy)
		s.wakeScopes()
		// In a zone further west the open day may be an earlier one. Its name
		// must not keep the next day from opening.
		if day, err := s.dayOf(at.Time); err == nil && day < s.Day {
			s.Day = day
		}
		s.rearmAll()
	case *domain.MarketRegistered:
		s.register(at, e)
	case *domain.BotRegistered:
		s.registerBot(&Bot{ID: e.Bot, Strategy: e.Strategy, Kind: e.Kind, InventoryCap: e.InventoryCap, Status: Registered})
	case *domain.BotStarted:
		b := s.bot(e.Bot)
		b.Status, b.Halted, b.Full = Running, false, false
		s.noteStatus(b)
	case *domain.BotStopped:
		b := s.bot(e.Bot)
		b.Status, b.Halted, b.Full = Stopped, false, e.Full
		s.noteStatus(b)
	case *domain.DayOpened:
		s.openDay(e)
		s.rearmAll()
	case *domain.CommandNoted:
	case *domain.TradesClosed, *domain.TradesRevised, *domain.BreakersTripped, *domain.BreakersWarned:
		s.applyRows(at, domain.Flatten(e))
		return
	default:
		s.applyMore(at, event)
	}
	if s.effects.Performed {
		s.perform()
	}
	s.watchHot(at.Time)
	s.sumPermits()
}

func (s *State) applyMore(at domain.Stamp, event domain.Event) {
	switch e := event.(type) {
	case *domain.DepositRecorded:
		if s.Clock == domain.ClockImported && s.Policy.Second() && s.FirstDeposit.IsZero() {
			s.FirstDeposit = e.Amount
		}
		s.applyFlow(at, e.Wallet, e.Asset, e.Amount)
		s.keepMovement(at, movementOf(e.Asset, e.Wallet, e.Tx, e.Leg), e.Tx, e.Amount)
	case *domain.WithdrawalRecorded:
		s.applyFlow(at, e.Wallet, e.Asset, e.Amount.Neg())
		s.keepMovement(at, movementOf(e.Asset, e.Wallet, e.Tx, e.Leg), e.Tx, e.Amount.Neg())
	case *domain.BotCapitalAllocated:
		s.applyAllocation(e)
	case *domain.FeeRecorded:
		s.applyFee(e)
	case *domain.AdjustmentPosted:
		s.applyAdjustment(e)
	case *domain.FillRecorded:
		s.applyFill(at, e)
	case *domain.FillConfirmed:
		s.applyConfirm(at, e)
	case *domain.FillVoided:
		s.applyVoid(at, e)
	case *domain.MarketSettled:
		s.applySettlement(at, e)
	case *domain.PriceMarked:
		s.applyMarks(at, e)
	case *domain.TradeClosed:
		s.applyTradeClosed(at, e)
	case *domain.TradeRevised:
		s.applyTradeRevised(e)
	case *domain.MarketPaidOut:
		s.applyPaidOut(at, e)
	case *domain.MarketCorrected:
		s.applyCorrected(at, e)
	case *domain.MarketArchived:
		s.applyArchived(at, e)
	case *domain.MarketRestored:
		s.applyRestored(e)
	case *domain.MarkConfirmed:
		s.applyMarkConfirmed(at, e)
	case *domain.SetsChanged:
		s.applySets(at, e)
	case *domain.FillReinstated:
		s.applyReinstated(at, &e.FillRecorded)
	case *domain.FundingRecorded:
		s.applyFunding(at, e)
	default:
		s.applyRisk(at, event)
	}
}

func (s *State) applyRisk(at domain.Stamp, event domain.Event) {
	switch e := event.(type) {
	case *domain.PermitGranted:
		s.purgePermits(at.Time)
		p := permitOf(e)
		s.addPermit(p)
		s.applyLeg(p)
		s.countOrder(at.Time, e.Bot)
		if p.WayOut { // what the bot's own orders will close shrinks
			in := s.Instruments[p.Instrument]
			if in == nil {
				in = &Instrument{Instrument: p.Instrument}
			}
			s.reclaim(at, p.Bot, in)
		}
	case *domain.PermitDenied:
		s.purgePermits(at.Time)
		if b := s.Bots[e.Bot]; b != nil {
			b.remember(Denial{Revision: at.Revision, Time: at.Time, Digest: denialDigest([]domain.Order{e.Order}, e.Reasons)})
		}
	case *domain.PermitPlaced:
		if p := s.Permits[e.Permit]; p != nil {
			s.place(at, p, e)
		}
	case *domain.PermitReleased:
		s.dropPermit(e.Permit)
	case *domain.BreakerWarned:
		s.setBreaker(risk.Key{Breaker: e.Breaker, Bot: e.Bot}, &risk.Breaker{Status: risk.Warned, Revision: at.Revision})
	case *domain.BreakerTripped:
		s.applyTrip(at, e)
	case *domain.BreakerReset:
		s.applyReset(e)
	case *domain.EmergencyStopEngaged:
		s.halt(e.BotsStopped, e.PermitsRevoked)
		s.endTransfers(at, e.TransfersEnded, "the emergency stop was engaged")
		s.endRaises(nil)
		if e.Requested() != domain.StopPortfolioDrawdown { // stopped by a person, not by a trip
			for id := range s.derived.halted {
				s.Bots[id].Halted = false
			}
			clear(s.derived.halted)
		}
		if !s.Stop.Engaged {
			s.Stop = Stop{Engaged: true, Since: at.Time}
		}
		// Show the latest reason, because a breach reported after a manual stop
		// has to be seen. A later, less severe stop keeps the reason of the more
		// severe one beside its own.
		if s.Stop.Kind = e.Kind; e.RequestedKind == "" {
			s.Stop.Reason = e.Reason
		}
		// A new stop cancels an open request to clear, which was made for another
		// situation.
		s.Stop = s.Stop.unrequested()
	case *domain.EmergencyStopClearRequested:
		s.Stop = s.Stop.unrequested()
		s.Stop.Request, s.Stop.Requester = e.Request, e.User
		if !e.ExpiresAt.IsZero() {
			s.Stop.RequestedAt, s.Stop.RequestEnds = at.Time, e.ExpiresAt
		}
	case *domain.EmergencyStopCleared:
		s.Stop = Stop{}
		s.endTransfers(at, e.TransfersEnded, "the emergency stop was cleared")
	default:
		s.applyLater(at, event)
	}
}

func (s *State) applyLater(at domain.Stamp, event domain.Event) {
	switch e := event.(type) {
	case *domain.OverrideRequested:
		s.requestOverride(e)
	case *domain.OverrideRecorded:
		s.recordOverride(at, e)
	case *domain.ArbitragePermitted:
		s.purgePermits(at.Time)
		if old := s.Arbitrages[e.Arbitrage]; old != nil {
			s.forgetArbitrage(old)
		}
		a := &risk.Arbitrage{ID: e.Arbitrage, Bot: e.Bot, Deadline: e.Deadline, Blocked: e.Blocked}
		s.Arbitrages[e.Arbitrage] = a
		s.noteArbitrage(a)
	case *domain.ArbitrageDenied:
		s.purgePermits(at.Time)
		if b := s.Bots[e.Bot]; b != nil {
			b.remember(Denial{Revision: at.Revision, Time: at.Time, Digest: denialDigest(e.Legs, e.Reasons)})
		}
	case *domain.ArbitrageTimedOut:
		if a := s.Arbitrages[e.Arbitrage]; a != nil {
			a.TimedOut = true
			s.purgePermits(at.Time)
			s.tidyArbitrages(a.Bot)
		}
	case *domain.ClockJumped:
		for _, id := range e.PermitsExpired {
			s.dropPermit(id)
		}
		s.keepOrders(e)
	default:
		s.applyCustody(at, event)
	}
}

func (s *State) applyOpened(at domain.Stamp, e *domain.PortfolioOpened) {
	s.Portfolio, s.Mode, s.Clock = e.Portfolio, e.Mode, e.Clock
	s.BaseAsset, s.BaseDecimals, s.Gate = e.BaseAsset, e.BaseDecimals, e.Gate
	s.SignedApprovals, s.CorrectedByTwo = e.SignedApprovals, e.CorrectedByTwo
	s.setPolicy(e.Policy)
	if e.Treasury != nil {
		s.Custody.Policy = *e.Treasury
	}
	// The first event has no day.opened before it; it opens its own day.
	if day, err := s.dayOf(at.Time); err == nil {
		s.Day = day
	}
}

// bot returns a bot, and creates it if the stream names a bot that it never
// registered.
func (s *State) bot(id string) *Bot {
	b := s.Bots[id]
	if b == nil {
		b = &Bot{ID: id, Status: Registered}
		s.Bots[id] = b
	}
	s.touch(b)
	return b
}

func (s *State) instrument(i domain.Instrument) *Instrument {
	in := s.Instruments[i]
	if in == nil {
		in = &Instrument{Instrument: i}
		s.inheritPayout(in)
		s.Instruments[i] = in
		of := s.byMarket[i.Market]
		n, _ := slices.BinarySearchFunc(of, in, compareInstruments)
		s.byMarket[i.Market] = slices.Insert(slices.Clip(of), n, in) // a loop over the old slice is not disturbed
	}
	return in
}

// post applies postings to the books. The sums of cash and positions follow.
func (s *State) post(postings ...ledger.Posting) {
	for _, p := range postings {
		if p.Amount.IsZero() {
			continue
		}
		s.bound(s.Book.Post(p))
		s.Custody.booked(p.Account)
		s.effects.Postings = append(s.effects.Postings, p)
		if !p.Account.IsAsset() {
			continue
		}
		switch {
		case p.Account.Asset != s.BaseAsset:
			a := s.asset(p.Account.Asset)
			a.Balance = a.Balance.Add(p.Amount)
			s.boundAsset(p.Account.Asset)
		case p.Account.Place == ledger.PlacePosition:
			s.Cost = s.Cost.Add(p.Amount)
		default:
			s.Cash = s.Cash.Add(p.Amount)
			s.Custody.post(p)
		}
	}
	s.bound(s.Cash, s.Cost)
}

func (s *State) bound(values ...domain.Decimal) {
	for _, v := range values {
		if !v.Abs().Less(large) {
			s.strained = true
			s.overflowed = s.overflowed || !v.InRange()
		}
	}
}

// large is far above traded amounts, and far below the limit of all amounts.
var large = domain.FromInt(1_000_000_000_000)

// Strained reports that an amount has come near the limit of all amounts since
// the state was created or restored. A decision may then be refused after it has
// emitted events, because an amount would reach the limit.
func (s *State) Strained() bool { return s.strained }

func (s *State) asset(name string) *Asset {
	a := s.Assets[name]
	if a == nil {
		a = &Asset{}
		s.Assets[name] = a
	}
	return a
}

// botAccounts are the accounts of a bot that every trade changes. They are named once.
type botAccounts struct{ cash, income, fees ledger.Account }

func (s *State) accountsOf(b *Bot) *botAccounts {
	if b.accounts == nil || b.accounts.cash.Asset != s.BaseAsset {
		b.accounts = &botAccounts{ledger.BotCash(s.BaseAsset, b.ID), ledger.TradingIncome(s.BaseAsset, b.ID), ledger.Fees(s.BaseAsset, b.ID)}
	}
	return b.accounts
}

// postBot changes a bot's money: the four accounts of a trade.
func (s *State) postBot(b *Bot, position ledger.Account, m ledger.Money) {
	of := s.accountsOf(b)
	s.post(
		ledger.Posting{Account: of.cash, Amount: m.Cash},
		ledger.Posting{Account: position, Amount: m.Cost},
		ledger.Posting{Account: of.income, Amount: m.Income.Neg()},
		ledger.Posting{Account: of.fees, Amount: m.Fee},
	)
	b.Cash = b.Cash.Add(m.Cash)
	b.Cost = b.Cost.Add(m.Cost)
}

func (s *State) applyFlow(at domain.Stamp, wallet, asset string, amount domain.Decimal) {
	before := s.Equity()
	s.post(ledger.Move(ledger.Wallet(asset, wallet), ledger.External(asset), amount)...)
	s.flow(before)
	if s.Equity() != before {
		s.Refs.Flows.Name(risk.Movement{Revision: at.Revision, Wallet: wallet, Asset: asset, Amount: amount, Price: s.priceOfAsset(asset)})
	}
}

// priceOfAsset returns what one of an asset counts in equity.
func (s *State) priceOfAsset(asset string) domain.Decimal {
	if asset == s.BaseAsset {
		return domain.One
	}
	if a := s.Assets[asset]; a != nil && a.Marked {
		return a.Mark
	}
	return domain.Zero
}

// flow tells the references that equity moved by something other than
// performance.
func (s *State) flow(before domain.Decimal) {
	f := s.Equity().Sub(before)
	if f.IsZero() {
		return
	}
	s.flowed(&s.Refs, before, f, s.anythingOpen())
	s.Refs.Flows.Came(s.Time)
	s.bound(s.Equity(), s.Refs.Peak, s.Refs.LifetimePeak, s.Refs.DayOpen)
	s.effects.Flows = append(s.effects.Flows, Flow{Amount: f})
}

// flowed applies a flow to the references of one scope.
func (s *State) flowed(r *risk.References, before, flow domain.Decimal, open bool) {
	if s.Policy.Second() {
		if r == &s.Refs && r.Flows == nil {
			r.Flows = &risk.Flows{}
		}
		r.FlowAbove(s.Policy.MinCapital, before, flow)
		return
	}
	r.Flow(before, flow, open)
}

// wakeScopes wakes what sleeps although it has enough equity for a policy that has just
// come into force.
func (s *State) wakeScopes() {
	if !s.Policy.Second() {
		return
	}
	s.Refs.WakeAbove(s.Policy.MinCapital, s.Equity())
	for _, b := range s.Bots {
		b.Refs.WakeAbove(s.Policy.MinCapital, b.Equity())
	}
}

// performed applies a change of equity by performance to the references of one scope.
func (s *State) performed(r *risk.References, equity domain.Decimal) {
	if s.Policy.Second() {
		r.PerformAbove(s.Policy.MinCapital, equity)
		return
	}
	r.Perform(equity)
}

func (s *State) anythingOpen() bool { return s.derived.open > 0 }

func (s *State) applyAllocation(e *domain.BotCapitalAllocated) {
	b := s.bot(e.Bot)
	before := b.Equity()
	s.post(ledger.Move(ledger.BotCash(s.BaseAsset, b.ID), ledger.Wallet(s.BaseAsset, domain.WalletHot), e.Amount)...)
	b.Cash = b.Cash.Add(e.Amount)
	s.flowed(&b.Refs, before, e.Amount, b.Positions > 0)
	s.bound(b.Equity(), b.Refs.Peak, b.Refs.LifetimePeak, b.Refs.DayOpen)
	s.effects.Flows = append(s.effects.Flows, Flow{Bot: b.ID, Amount: e.Amount})
}

func (s *State) applyFee(e *domain.FeeRecorded) {
	owner, wallet := ledger.Treasury, ledger.Wallet(e.Asset, domain.WalletHot)
	if e.Bot != "" {
		owner, wallet = e.Bot, ledger.BotCash(e.Asset, e.Bot)
	}
	amount := e.Amount
	other := ledger.Fees(e.Asset, owner)
	switch e.Kind {
	case domain.FeeRebate:
		other, amount = ledger.RebateIncome(e.Asset, owner), amount.Neg()
	case domain.FeeGas:
		other = ledger.Gas(e.Asset)
	}
	s.post(ledger.Move(other, wallet, amount)...)
	s.chargeBot(e.Bot, e.Asset, amount.Neg())
}

// chargeBot keeps a bot's cash, or its balance of another asset, in step with its
// account.
func (s *State) chargeBot(bot, asset string, amount domain.Decimal) {
	s.effects.Performed = true
	if bot == "" {
		return
	}
	b := s.bot(bot)
	if asset != s.BaseAsset {
		s.changeOther(b, asset, amount)
		s.moved(bot)
		return
	}
	b.Cash = b.Cash.Add(amount)
	s.moved(bot)
}

func (s *State) applyAdjustment(e *domain.AdjustmentPosted) {
	account, bot := parseAccount(e.Asset, e.Account)
	if account == (ledger.Account{}) { // an amount without an account: there is nothing to post
		return
	}
	before := s.Equity()
	s.post(ledger.Move(account, ledger.Adjustment(e.Asset), e.Amount)...)
	if e.Flow && e.Of != nil && bot == "" && s.Policy.Second() {
		s.correctFlow(before, *e.Of, e.Amount)
	} else {
		s.chargeBot(bot, e.Asset, e.Amount)
	}
	s.explain(account, e.Amount)
}

// correctFlow tells the references that a deposit or withdrawal was another amount.
func (s *State) correctFlow(before domain.Decimal, of uint64, units domain.Decimal) {
	change := s.Equity().Sub(before)
	if s.Refs.CorrectFlow(of, s.Policy.MinCapital, before, units, change) {
		s.Refs.Flows.Came(s.Time) // without its hour, a later correction would lose what was reached before it
	}
	s.bound(s.Equity(), s.Refs.Peak, s.Refs.LifetimePeak, s.Refs.DayOpen)
	s.effects.Flows = append(s.effects.Flows, Flow{Amount: change, Of: &of})
	s.rearm()
}

// moved notes that performance changed a bot's equity or streak.
func (s *State) moved(bot string) { s.movedBot(s.bot(bot)) }

func (s *State) movedBot(b *Bot) {
	s.effects.Performed = true
	if b.moved == s.derived.applied {
		return
	}
	b.moved = s.derived.applied
	s.effects.Moved = append(s.effects.Moved, b.ID)
}

// perform raises peaks and re-arms warnings after performance.
func (s *State) perform() {
	for _, id := range s.effects.Moved {
		b := s.bot(id)
		s.performed(&b.Refs, b.Equity())
		s.bound(b.Cash, b.Value, b.Equity(), b.Refs.Max.Abs)
	}
	s.performed(&s.Refs, s.Equity())
	s.bound(s.Value, s.Equity(), s.Refs.Max.Abs)
	s.rearm()
}

func (s *State) halt(bots, permits []string) {
	for _, id := range bots {
		b := s.bot(id)
		b.Status, b.Halted = Stopped, true
		s.noteStatus(b)
	}
	for _, id := range permits {
		s.dropPermit(id)
	}
}

// newDay returns the day of a time if it is later than the open one.
func (s *State) newDay(t time.Time) (day string, isNew bool) {
	zone, err := s.dayZone()
	if err != nil {
		return "", false
	}
	var room [32]byte
	text := t.In(zone).AppendFormat(room[:0], time.DateOnly)
	if string(text) <= s.Day || t.Before(s.DayHold) { // as before almost every command
		return "", false
	}
	return string(text), true
}

// holdDay keeps the current day open until its original midnight when the zone of
// days changes. A new day would start the daily loss at 0 at once.
func (s *State) holdDay(at domain.Stamp, zone string) {
	old, err := s.Policy.Location()
	if zone == s.Policy.DailyLossTZ || err != nil || at.Time.Before(s.DayHold) {
		return // a held day already has its end
	}
	year, month, day := at.Time.In(old).Date()
	if midnight := time.Date(year, month, day+1, 0, 0, 0, 0, old).UTC(); midnight.After(s.DayHold) {
		s.DayHold = midnight
	}
}

// dayOf returns the calendar day of a time in the policy's zone.
func (s *State) dayOf(t time.Time) (string, error) {
	zone, err := s.dayZone()
	if err != nil {
		return "", err
	}
	return t.In(zone).Format(time.DateOnly), nil
}

// dayZone returns the policy's zone. It is cached between events, because loading it costs
// more than folding a fill.
func (s *State) dayZone() (*time.Location, error) {
	if s.zone == nil || s.zoneName != s.Policy.DailyLossTZ {
		zone, err := s.Policy.Location()
		if err != nil {
			return nil, err
		}
		s.zone, s.zoneName = zone, s.Policy.DailyLossTZ
	}
	return s.zone, nil
}
