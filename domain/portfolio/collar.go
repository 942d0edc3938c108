package portfolio

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pets/domain"
)

// The collar: a mark of the market that is far from the one in force waits. It stops a
// glitch, not a stolen feed key.

// Waiting is a mark beyond the collar. It prices nothing.
type Waiting struct {
	Price domain.Decimal `json:"price"`
	// Since is when the first of the waiting marks came; one that takes the place of
	// another one goes on from there.
	Since time.Time `json:"since"`
	// At is when this one came: its age counts from there, also once it is in force.
	At       time.Time `json:"at,omitzero"`
	Revision uint64    `json:"revision"`
	Source   string    `json:"source"`
	// User sent it. It is known of assets.
	User string `json:"user,omitempty"`
}

// markSecondEdition judges each mark alone: good ones are taken, bad ones are named in
// the record. If none is good, the command is refused.
func (d *Decision) markSecondEdition(marks []domain.Mark) error {
	e := &domain.PriceMarked{Source: d.caller.Role, Bot: d.caller.Bot}
	reaches := d.s.trial(d.caller.Bot)
	for n, m := range marks {
		kept, err := d.judgeMark(m)
		if unread := d.unread[n]; unread != nil {
			kept, err = nil, unread
		}
		if err == nil && kept != nil {
			err = d.checkReach(reaches, *kept)
		}
		switch {
		case err != nil:
			e.Refused = append(e.Refused, refusedMark(n, err))
		case kept != nil:
			e.Marks = append(e.Marks, *kept)
		}
	}
	if len(e.Marks) == 0 {
		if len(e.Refused) > 0 {
			return noneTaken(e.Refused)
		}
		d.Note(domain.NotedIgnored, "every market named is settled, or has a mark that counts more")
		return nil
	}
	e.Marks = d.s.complete(lastOfEach(e.Marks), d.caller.Role != domain.RoleBot)
	if d.caller.Role != domain.RoleBot && slices.ContainsFunc(e.Marks, func(m domain.Mark) bool { return m.Asset != "" }) {
		e.User = d.caller.User
	}
	d.due() // a mark that has waited long enough is in force before these are compared
	for n := range e.Marks {
		e.Marks[n].Waits = d.waits(e.Marks[n])
	}
	moved := slices.Clone(d.fact(e).Moved)
	d.evaluate(moved)
	d.fillRestingOnPaper(slices.DeleteFunc(slices.Clone(e.Marks), func(m domain.Mark) bool { return m.Waits }), d.caller.Bot)
	return nil
}

// noneTaken refuses a command of which no mark can be taken. It names the first few.
func noneTaken(refused []domain.RefusedMark) error {
	const few = 5
	reasons := make([]string, 0, few+1)
	for n, r := range refused {
		if n == few {
			reasons = append(reasons, fmt.Sprintf("and %d more", len(refused)-few))
			break
		}
		reasons = append(reasons, fmt.Sprintf("marks[%d]: %s", r.Index, r.Message))
	}
	return &domain.Error{Code: domain.CodeMarksRefused, Field: "marks", Message: "cannot be taken: " + strings.Join(reasons, "; ")}
}

func refusedMark(n int, err error) domain.RefusedMark {
	r := domain.RefusedMark{Index: n, Code: domain.CodeOf(err), Message: err.Error()}
	var e *domain.Error
	if errors.As(err, &e) {
		r.Message = strings.TrimSpace(e.Field + " " + e.Message)
	}
	return r
}

// judgeMark returns a mark as it is to be taken, or nil for one of a settled outcome.
func (d *Decision) judgeMark(m domain.Mark) (*domain.Mark, error) {
	m.Waits = false
	if m.Asset == "" {
		i := d.s.Named(domain.Instrument{Market: m.Market, Outcome: m.Outcome})
		m.Market, m.Outcome = i.Market, i.Outcome
	}
	if err := d.checkMark(m); err != nil {
		return nil, err
	}
	if d.s.archived(m.Market) {
		return nil, nil //nolint:nilnil // it is settled, and no bot holds anything in it
	}
	if err := d.checkNewMark(m); err != nil {
		return nil, err
	}
	if m.Asset != "" {
		if d.caller.Role == domain.RoleBot {
			return nil, domain.Errorf(domain.CodeDenied, "an asset is marked by a key of role feed or operator: a bot's word prices only its own holding")
		}
		return &m, nil
	}
	i := domain.Instrument{Market: m.Market, Outcome: m.Outcome}
	if market := d.s.Markets[m.Market]; market != nil && len(market.Outcomes) > 0 && !market.has(m.Outcome) && d.s.Instruments[i] == nil {
		return nil, domain.Invalid("outcome", "is none of the registered market")
	}
	i, _ = d.s.priced(i, m.Price)
	in := d.s.Instruments[i]
	if d.caller.Role == domain.RoleBot && d.fresh(d.s.marketMark(i)) {
		return nil, nil //nolint:nilnil // a bot's word counts only where the market has no fresh mark
	}
	if in != nil && in.Payout != nil {
		return nil, nil //nolint:nilnil // the payout is the last mark: there is nothing to take, and nothing wrong
	}
	return &m, nil
}

// lastOfEach drops the marks of a thing that the same command marks again: only its last
// word is compared with the collar.
func lastOfEach(marks []domain.Mark) []domain.Mark {
	type thing struct{ market, outcome, asset string }
	last := map[thing]int{}
	for n, m := range marks {
		last[thing{m.Market, m.Outcome, m.Asset}] = n
	}
	kept := marks[:0]
	for n, m := range marks {
		if last[thing{m.Market, m.Outcome, m.Asset}] == n {
			kept = append(kept, m)
		}
	}
	return kept
}

// complete returns the marks of outcomes that a command gives. In an exclusive market a
// mark of a complement is one of its outcome at 1 − it, and with two outcomes a mark of
// the market (ofMarket) is one of the other outcome, too, unless the command gives that
// itself.
func (s *State) complete(marks []domain.Mark, ofMarket bool) []domain.Mark {
	given := map[domain.Instrument]bool{}
	for _, m := range marks {
		given[domain.Instrument{Market: m.Market, Outcome: m.Outcome}] = m.Asset == ""
	}
	out := make([]domain.Mark, 0, len(marks))
	for _, m := range marks {
		i := domain.Instrument{Market: m.Market, Outcome: m.Outcome}
		market := s.together(i)
		switch other, price := s.priced(i, m.Price); {
		case m.Asset != "" || market == nil:
			out = append(out, m)
		case other != i && given[other]: // the outcome itself is marked, too
		case other != i:
			out = append(out, domain.Mark{Market: other.Market, Outcome: other.Outcome, Price: price})
		default:
			out = append(out, m)
			if ofMarket && len(market.Outcomes) == 2 {
				i.Outcome = market.Outcomes[1-slices.Index(market.Outcomes, i.Outcome)]
				if !given[i] {
					out = append(out, domain.Mark{Market: i.Market, Outcome: i.Outcome, Price: domain.One.Sub(m.Price)})
				}
			}
		}
	}
	return out
}

// waits decides whether a mark waits: one within the collar of the mark in force takes
// force, else one within the collar of the mark that waits does; any other waits in
// its place. The first mark of an asset in a live portfolio waits for that of another
// user.
func (d *Decision) waits(m domain.Mark) bool {
	collar := d.s.Policy.MarkCollar
	if d.caller.Role == domain.RoleBot || collar.IsZero() {
		return false
	}
	kind := domain.KindSpot
	var force *domain.Decimal
	var waiting *Waiting
	if m.Asset != "" {
		a := d.s.Assets[m.Asset]
		if a == nil {
			return d.s.Mode == domain.ModeLive
		}
		if waiting = a.Waiting; a.Marked {
			force = &a.Mark
		} else if d.s.Mode != domain.ModeLive {
			return false
		} else if waiting != nil && domain.SameUser(waiting.User, d.caller.User) {
			return true
		}
	} else {
		kind = d.s.KindOf(m.Market)
		i := domain.Instrument{Market: m.Market, Outcome: m.Outcome}
		if in := d.s.Instruments[i]; in != nil {
			waiting = in.Waiting
		}
		e := d.s.marketMark(i)
		if e == nil {
			return false
		}
		force = &e.Price
	}
	if force != nil && inCollar(m.Price, *force, collar, kind) {
		return false
	}
	return waiting == nil || !inCollar(m.Price, waiting.Price, collar, kind)
}

// marketMark returns the mark of the market for an outcome: its own, or with two outcomes
// 1 − that of the other; nil for none.
func (s *State) marketMark(i domain.Instrument) *MarkEntry {
	i = s.Named(i)
	if in := s.Instruments[i]; in != nil && in.Mark() != nil {
		return in.Mark()
	}
	m := s.together(i)
	if m == nil || len(m.Outcomes) != minOutcomes {
		return nil
	}
	at := slices.Index(m.Outcomes, i.Outcome)
	if at < 0 {
		return nil
	}
	i.Outcome = m.Outcomes[1-at]
	if in := s.Instruments[i]; in != nil && in.Mark() != nil {
		e := *in.Mark()
		e.Price = domain.One.Sub(e.Price)
		return &e
	}
	return nil
}

// inCollar reports whether a price is within the collar of another one: absolute for
// outcomes, as a fraction elsewhere.
func inCollar(price, of, collar domain.Decimal, kind domain.MarketKind) bool {
	if kind != domain.KindOutcome {
		collar = collar.Mul(of.Abs())
	}
	return !collar.Less(price.Sub(of).Abs())
}

// waitingAfter returns what waits after another mark beyond the collar.
func waitingAfter(old *Waiting, at domain.Stamp, e *domain.PriceMarked, m domain.Mark) *Waiting {
	w := &Waiting{Price: m.Price, Since: at.Time, At: at.Time, Revision: at.Revision, Source: string(e.Source), User: e.User}
	if old != nil {
		w.Since = old.Since
	}
	return w
}

// orElse returns the mark that waits, or where none does one of a feed at a stamp.
func (w *Waiting) orElse(at domain.Stamp) Waiting {
	if w == nil {
		return Waiting{At: at.Time, Revision: at.Revision, Source: string(domain.RoleFeed)}
	}
	return *w
}

// confirmMarks records the marks that have waited long enough, and evaluates what they
// change. While time stands still nothing is confirmed by time.
func (d *Decision) confirmMarks() {
	if d.still.Behind != 0 {
		return
	}
	waited := d.s.waited(d.now)
	if len(waited) == 0 {
		return
	}
	e := waited[0]
	for _, other := range waited[1:] {
		e.With = append(e.With, other.All()...)
	}
	d.add(e)
	d.cause = d.s.Next - 1
	d.evaluate(slices.Clone(d.s.Effects().Moved))
	d.fillConfirmedOnPaper(e.All())
}

// confirmedAtOnce limits how many marks one decision confirms. A command records no more
// than fits an append, and a stop must never fail because a feed has sent too much: the
// next decision confirms more, and the server makes one each second.
const confirmedAtOnce = 1000

// waited returns the marks that have waited long enough at a time, as they are to be
// recorded: instruments by name, then assets by name. Of too many it returns those that
// have waited longest, and a market as a whole. One that would bring an amount out of range
// is not among them: it goes on waiting, and blocks no decision.
func (s *State) waited(now time.Time) []*domain.MarkConfirmed {
	if s.waiting == 0 { // before every command
		return nil
	}
	type due struct {
		since time.Time
		*domain.MarkConfirmed
	}
	var all []due
	s.eachWaiting(func(w *Waiting, e domain.MarkConfirmed) {
		if now.Sub(w.Since) >= s.Policy.ConfirmAfter() && s.trial("").takes(markOf(&e)) {
			all = append(all, due{w.Since, &e})
		}
	})
	byName := func(a, b *domain.MarkConfirmed) int {
		return cmp.Or(strings.Compare(a.Asset, b.Asset), strings.Compare(a.Market, b.Market), strings.Compare(a.Outcome, b.Outcome))
	}
	if n := confirmedAtOnce; len(all) > n {
		slices.SortFunc(all, func(a, b due) int { return cmp.Or(a.since.Compare(b.since), byName(a.MarkConfirmed, b.MarkConfirmed)) })
		for n < len(all) && all[n].Market != "" && all[n].Market == all[n-1].Market {
			n++
		}
		all = all[:n]
	}
	out := make([]*domain.MarkConfirmed, len(all))
	for n := range all {
		out[n] = all[n].MarkConfirmed
	}
	slices.SortFunc(out, byName)
	reaches := s.trial("")
	return slices.DeleteFunc(out, func(e *domain.MarkConfirmed) bool { return !reaches.takes(markOf(e)) })
}

func markOf(e *domain.MarkConfirmed) domain.Mark {
	return domain.Mark{Market: e.Market, Outcome: e.Outcome, Asset: e.Asset, Price: e.Price}
}

// eachWaiting calls do for each mark that is confirmed by time, in no order. The first
// mark of an asset waits for another user, and for nothing else.
func (s *State) eachWaiting(do func(*Waiting, domain.MarkConfirmed)) {
	if s.waiting == 0 {
		return
	}
	for in := range s.derived.waiting {
		if w := in.Waiting; w != nil {
			do(w, domain.MarkConfirmed{Instrument: in.Instrument, Price: w.Price})
		}
	}
	for name, a := range s.Assets {
		if w := a.Waiting; w != nil && a.Marked {
			do(w, domain.MarkConfirmed{Asset: name, Price: w.Price})
		}
	}
}

// setWaiting changes the mark that waits, nil for none.
func (s *State) setWaiting(in *Instrument, w *Waiting) {
	s.countWaiting(in.Waiting, w)
	in.Waiting = w
	setMember(s.derived.waiting, in, w != nil)
}

// setWaitingAsset is the same for an asset. Its first mark is not confirmed by time.
func (s *State) setWaitingAsset(a *Asset, w *Waiting) {
	if a.Marked {
		s.countWaiting(a.Waiting, w)
	}
	a.Waiting = w
}

func (s *State) countWaiting(before, after *Waiting) {
	switch {
	case before == nil && after != nil:
		s.waiting++
	case before != nil && after == nil:
		s.waiting--
	}
}

// endWaiting drops the marks that wait in a market, which was paid out.
func (s *State) endWaiting(market string) {
	if s.waiting == 0 {
		return
	}
	for _, in := range s.instrumentsOf(market) {
		s.setWaiting(in, nil)
	}
}

// NextConfirmation returns when the next mark that waits is confirmed by time, or false
// if none waits for that.
func (s *State) NextConfirmation() (at time.Time, ok bool) {
	s.eachWaiting(func(w *Waiting, _ domain.MarkConfirmed) {
		if due := w.Since.Add(s.Policy.ConfirmAfter()); !ok || due.Before(at) {
			at, ok = due, true
		}
	})
	return at, ok
}

func (s *State) applyMarkConfirmed(at domain.Stamp, e *domain.MarkConfirmed) {
	s.effects.Performed = true
	for _, m := range e.All() {
		if m.Asset != "" {
			s.confirmAsset(at, m)
		} else {
			s.confirm(at, m)
		}
	}
}

func (s *State) confirmAsset(at domain.Stamp, m domain.ConfirmedMark) {
	a := s.asset(m.Asset)
	w := a.Waiting.orElse(at)
	s.setWaitingAsset(a, nil)
	s.markAsset(domain.Stamp{Revision: w.Revision, Time: w.At}, domain.Mark{Asset: m.Asset, Price: m.Price})
	if w.Source == string(domain.RoleFeed) && w.User != "" {
		a.markedBy(FeedMark{User: w.User, Price: m.Price, At: w.At})
	}
}

func (s *State) confirm(at domain.Stamp, m domain.ConfirmedMark) {
	in := s.instrument(domain.Instrument{Market: m.Market, Outcome: m.Outcome})
	w := in.Waiting.orElse(at)
	s.setWaiting(in, nil)
	in.Marks.push(MarkEntry{Price: m.Price, Revision: w.Revision, Time: w.At, Source: w.Source})
	in.Own = nil
	s.revalue(in)
}

// WaitingFor returns the price that waits beyond the collar for an instrument, or nil.
func (s *State) WaitingFor(i domain.Instrument) *domain.Decimal {
	marked, _ := s.priced(i, domain.Zero)
	in := s.Instruments[marked]
	if in == nil || in.Waiting == nil {
		return nil
	}
	_, price := s.priced(i, in.Waiting.Price)
	return &price
}

// WaitingMark is a mark that waits, with the one in force.
type WaitingMark struct {
	domain.Instrument
	Asset string // instead of the instrument
	Waiting
	InForce *domain.Decimal // nil for none
	// OutOfRange reports that it would bring an amount out of range, so that it is not
	// confirmed.
	OutOfRange bool
}

// WaitingMarks lists the marks that wait to be confirmed, by time or by another user:
// of instruments by name, then of assets.
func (s *State) WaitingMarks() []WaitingMark {
	var all []WaitingMark
	if s.waiting > 0 {
		for in := range s.derived.waiting {
			if in.Waiting != nil {
				w := WaitingMark{Instrument: in.Instrument, Waiting: *in.Waiting}
				if e := s.marketMark(in.Instrument); e != nil {
					w.InForce = &e.Price
				}
				all = append(all, w)
			}
		}
	}
	for name, a := range s.Assets {
		if a.Waiting != nil {
			m := WaitingMark{Asset: name, Waiting: *a.Waiting}
			if a.Marked {
				m.InForce = &a.Mark
			}
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b WaitingMark) int {
		return cmp.Or(strings.Compare(a.Asset, b.Asset), strings.Compare(a.Market, b.Market), strings.Compare(a.Outcome, b.Outcome))
	})
	for n, m := range all {
		all[n].OutOfRange = !s.trial("").takes(domain.Mark{Market: m.Market, Outcome: m.Outcome, Asset: m.Asset, Price: m.Price})
	}
	return all
}

// waitingOf lists the marks that wait beyond the collar of what a bot holds, or with "" any bot
// or the treasury.
func (s *State) waitingOf(bot string) []WaitingMark {
	return slices.DeleteFunc(s.WaitingMarks(), func(w WaitingMark) bool {
		if w.InForce == nil {
			return true
		}
		if w.Asset != "" {
			if bot == "" {
				return s.Assets[w.Asset].Balance.IsZero()
			}
			return s.Bots[bot] == nil || s.Bots[bot].Other[w.Asset].IsZero()
		}
		for _, in := range s.instrumentsOf(w.Market) {
			if in.Instrument != w.Instrument && s.together(in.Instrument) == nil {
				continue
			}
			for _, h := range in.Holdings {
				if !h.IsFlat() && (bot == "" || bot == h.Bot) {
					return false
				}
			}
		}
		return true
	})
}

// PartlyMarked lists the exclusive markets of which the feed did not mark all outcomes in
// its last command: outcomes that are marked apart are valued at prices of different
// moments. With two outcomes a mark of one is one of the other.
func (s *State) PartlyMarked() []string {
	var out []string
	for name, m := range s.Markets {
		if m.Exclusive && len(m.Outcomes) > minOutcomes && !s.decided(name) && s.partlyMarked(m, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (s *State) partlyMarked(m *Market, name string) bool {
	var marked []uint64 // the revision of the feed's last word on each outcome
	for _, outcome := range s.alive(m, name) {
		var revision uint64
		if in := s.Instruments[domain.Instrument{Market: name, Outcome: outcome}]; in != nil {
			if e := in.Mark(); e != nil && e.Source == string(domain.RoleFeed) {
				revision = e.Revision
			}
			if w := in.Waiting; w != nil && w.Source == string(domain.RoleFeed) {
				revision = max(revision, w.Revision)
			}
		}
		marked = append(marked, revision)
	}
	return len(marked) > 0 && slices.Min(marked) != slices.Max(marked)
}

// checkUnconfirmed denies what opens in a market in which a mark waits.
func (d *Decision) checkUnconfirmed(c *orderCheck) {
	if d.s.waiting == 0 {
		return
	}
	var first *Instrument
	own, _ := d.s.priced(c.order.Instrument, domain.Zero)
	for _, in := range d.s.instrumentsOf(c.order.Market) {
		if in.Waiting != nil && (first == nil || in.Instrument == own) { // that of the order, where it waits
			first = in
		}
	}
	if first != nil {
		price := first.Waiting.Price
		c.fail(domain.ReasonMarkUnconfirmed, price.String(), first.last().String(), "the mark %s of %s is beyond the collar of the one in force, and waits to be confirmed", price, first.Instrument)
	}
}
