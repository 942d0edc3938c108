package portfolio

import (
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// permitIndex finds the permits of one bot, and the expired ones, without
// scanning all permits: every request needs both. It is derived from
// State.Permits and is not part of a snapshot.
type permitIndex struct {
	byBot map[string]*botPermits
	// paper holds the permits that the engine fills, by instrument.
	paper  map[domain.Instrument]map[string]*risk.Permit
	expiry expiryHeap
	// unplaced are the permits whose orders do not rest at a venue yet, resting those whose
	// orders rest, and open.
	unplaced, resting map[string]*risk.Permit
	// reserved is what all permits reserve; pendingIn and pendingOf are what they may open
	// by market and by category.
	reserved             domain.Decimal
	pendingIn, pendingOf map[string]domain.Decimal
	// counted is what the sums have of each permit, changed what they lack, and outdated
	// whose uncovered sales are to be summed again (permit_sums.go).
	counted  map[string]*countedPermit
	changed  []string
	outdated []*botPermits
	spare    sparePermits
}

func newPermitIndex() permitIndex {
	return permitIndex{
		byBot: map[string]*botPermits{}, unplaced: map[string]*risk.Permit{}, resting: map[string]*risk.Permit{},
		pendingIn: map[string]domain.Decimal{}, pendingOf: map[string]domain.Decimal{}, counted: map[string]*countedPermit{},
	}
}

// of returns the permits of a bot, and creates them.
func (x *permitIndex) of(bot string) *botPermits {
	b := x.byBot[bot]
	if b == nil {
		b = &botPermits{bot: bot, all: map[string]*risk.Permit{}, markets: map[string]*marketPermits{}}
		x.byBot[bot] = b
	}
	return b
}

// expiring is the time at which a permit was to expire. The entry is outdated if
// the permit has another time now, because it was placed since.
type expiring struct {
	at time.Time
	id string
}

// expiryHeap orders permits by expiry, the earliest first.
type expiryHeap []expiring

// push adds an entry. Package heap would allocate each entry once more.
func (h *expiryHeap) push(e expiring) {
	*h = append(*h, e)
	all, n := *h, len(*h)-1
	for n > 0 {
		above := (n - 1) / 2
		if !e.at.Before(all[above].at) {
			break
		}
		all[n], n = all[above], above
	}
	all[n] = e
}

// pop takes out the first entry, of a heap that has one.
func (h *expiryHeap) pop() expiring {
	all, last := *h, len(*h)-1
	first, e := all[0], all[last]
	all[last] = expiring{}
	if *h = all[:last]; last == 0 {
		return first
	}
	n := 0
	for below := 1; below < last; below = 2*n + 1 {
		if other := below + 1; other < last && all[other].at.Before(all[below].at) {
			below = other
		}
		if !all[below].at.Before(e.at) {
			break
		}
		all[n], n = all[below], below
	}
	all[n] = e
	return first
}

func (s *State) addPermit(p *risk.Permit) {
	s.Permits[p.ID] = p
	s.permits.of(p.Bot).all[p.ID] = p
	s.changedPermit(p)
	if p.PaperFill {
		s.permits.addPaper(p)
	}
	s.expires(p)
}

func (x *permitIndex) addPaper(p *risk.Permit) {
	if x.paper == nil {
		x.paper = map[domain.Instrument]map[string]*risk.Permit{}
	}
	if x.paper[p.Instrument] == nil {
		x.paper[p.Instrument] = map[string]*risk.Permit{}
	}
	x.paper[p.Instrument][p.ID] = p
}

func (x *permitIndex) dropPaper(p *risk.Permit) {
	of := x.paper[p.Instrument]
	if delete(of, p.ID); len(of) == 0 {
		delete(x.paper, p.Instrument)
	}
}

// expires notes when a permit expires, each time that changes.
func (s *State) expires(p *risk.Permit) {
	if !p.ExpiresAt.IsZero() {
		s.permits.expiry.push(expiring{p.ExpiresAt, p.ID})
	}
}

// dropPermit ends a permit, and its arbitrage if nothing else of it is left.
func (s *State) dropPermit(id string) {
	if p := s.Permits[id]; p != nil {
		s.forgetPermit(p)
		if p.Arbitrage != "" {
			s.tidyArbitrages(p.Bot)
		}
	}
}

// forgetPermit forgets a used-up permit, while its fill is not held yet.
func (s *State) forgetPermit(p *risk.Permit) {
	id := p.ID
	delete(s.Permits, id)
	delete(s.permits.of(p.Bot).all, id)
	s.changedPermit(p)
	if p.PaperFill {
		s.permits.dropPaper(p)
	}
}

// purgePermits forgets the permits that have expired.
func (s *State) purgePermits(now time.Time) {
	for h := &s.permits.expiry; len(*h) > 0 && !now.Before((*h)[0].at); {
		e := h.pop()
		if p := s.Permits[e.id]; p != nil && p.ExpiresAt.Equal(e.at) {
			s.dropPermit(e.id)
		}
	}
}

// keepOrders moves the expiry of resting orders when time jumped over it.
func (s *State) keepOrders(e *domain.ClockJumped) {
	for _, id := range e.OrdersKept {
		if p := s.Permits[id]; p != nil {
			p.Keep(e.Moved)
			s.changedPermit(p)
			s.expires(p)
		}
	}
}

// permitsOf returns the remembered permits of a bot, including expired ones.
func (s *State) permitsOf(bot string) map[string]*risk.Permit {
	if x := s.permits.byBot[bot]; x != nil {
		return x.all
	}
	return nil
}

// indexPermits rebuilds the index of a restored state.
func (s *State) indexPermits() {
	s.permits = newPermitIndex()
	for _, p := range s.Permits {
		s.addPermit(p)
	}
	s.sumPermits()
}

// permitOf returns the permit that a record grants.
func permitOf(e *domain.PermitGranted) *risk.Permit {
	return &risk.Permit{
		ID: e.Permit, Order: e.Order, Arbitrage: e.Arbitrage, Left: e.Quantity, ReducingLeft: e.Reducing,
		OpeningLeft: e.Quantity.Sub(e.Reducing), Covered: e.Covered, Reserved: e.Reserved, Mark: e.Mark, ExpiresAt: e.ExpiresAt, Ahead: e.Ahead,
		WayOut: e.WayOut,
	}
}

// applyLeg links a permit to its arbitrage, whose record came before it.
func (s *State) applyLeg(p *risk.Permit) {
	if a := s.Arbitrages[p.Arbitrage]; a != nil {
		a.Legs = append(a.Legs, risk.Leg{Permit: p.ID, Instrument: p.Instrument, Side: p.Side, Quantity: p.Quantity})
	}
}

// freeCash returns a bot's cash less what its live permits reserve and what its
// open shorts may still cost. Proceeds of a short sale are not free.
func (s *State) freeCash(b *Bot, now time.Time) domain.Decimal {
	live := func(p *risk.Permit) bool { return p.Live(now) }
	free := b.Cash.Sub(s.reservedBy(b.ID, s.expired(now), live))
	return free.Add(s.reliefs(b.ID, now, nil).sum()).Sub(s.shortCover(b.ID))
}

// reliefs is what buys release of the cover of shorts, by the instrument of these: the
// reservation of each takes the place of cover. All buys of one short together release no
// more than its cover, of which there is one, however many of them may close it.
type reliefs map[domain.Instrument]*relief

type relief struct{ released, cover domain.Decimal }

// reliefs returns what the live permits of a bot release, and the earlier legs of a request.
func (s *State) reliefs(bot string, now time.Time, legs []*risk.Permit) reliefs {
	all := reliefs{}
	if x := s.permits.byBot[bot]; x != nil {
		for _, p := range x.relieved {
			if p.Live(now) {
				all.add(s, p)
			}
		}
	}
	for _, p := range legs {
		all.add(s, p)
	}
	return all
}

func (r reliefs) add(s *State, p *risk.Permit) {
	of := r[p.Instrument]
	if of == nil {
		of = &relief{cover: s.coverOfShort(p.Bot, p.Instrument)}
		r[p.Instrument] = of
	}
	of.released = of.released.Add(p.Relief(s.relief(p.Bot, p.Instrument, p.ReducingLeft))).Min(of.cover)
}

// left returns how much of the cover of a short of a bot is not released yet.
func (r reliefs) left(s *State, bot string, i domain.Instrument) domain.Decimal {
	if of := r[i]; of != nil {
		return of.cover.Sub(of.released)
	}
	return s.coverOfShort(bot, i)
}

func (r reliefs) sum() domain.Decimal {
	sum := domain.Zero
	for _, of := range r {
		sum = sum.Add(of.released)
	}
	return sum
}

// coverOfShort returns the cover of the short that a bot has of an instrument.
func (s *State) coverOfShort(bot string, i domain.Instrument) domain.Decimal {
	if in := s.Instruments[i]; in != nil {
		if h := in.Holding(bot); h != nil {
			return risk.ShortCover(h.Quantity, h.Cost, h.Value, s.KindOf(i.Market))
		}
	}
	return domain.Zero
}

// reserved returns what the live permits of a bot reserve.
func (d *Decision) reserved(b *Bot) domain.Decimal {
	sum := domain.Zero
	for _, p := range d.legs {
		sum = sum.Add(p.Reserved)
	}
	return sum.Add(d.s.reservedBy(b.ID, d.dead(), d.counts))
}

// shortCover returns the cover of all open shorts of a bot.
func (s *State) shortCover(bot string) domain.Decimal {
	sum := domain.Zero
	if s.Bots[bot].Positions == 0 {
		return sum
	}
	for in, h := range s.holdingsOf(bot) {
		sum = sum.Add(risk.ShortCover(h.Quantity, h.Cost, h.Value, s.KindOf(in.Market)))
	}
	return sum
}

// relief returns the part of a short's cover that buying some of it back
// releases.
func (s *State) relief(bot string, i domain.Instrument, closed domain.Decimal) domain.Decimal {
	in := s.Instruments[i]
	if in == nil || closed.Sign() <= 0 {
		return domain.Zero
	}
	h := in.Holding(bot)
	if h == nil || h.Quantity.Sign() >= 0 {
		return domain.Zero
	}
	short := h.Quantity.Abs()
	return domain.MulDiv(s.coverOfShort(bot, i), closed.Min(short), short)
}
