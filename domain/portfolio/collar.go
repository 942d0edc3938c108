package portfolio

import (
	"cmp"
	"errors"
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
	Since    time.Time `json:"since"`
	Revision uint64    `json:"revision"`
	Source   string    `json:"source"`
	// User sent it. It is known of assets.
	User string `json:"user,omitempty"`
}

// markSecondEdition judges each mark alone: good ones are taken, bad ones are named in
// the record. If none is good, the first refusal is the answer.
func (d *Decision) markSecondEdition(marks []domain.Mark) error {
	e := &domain.PriceMarked{Source: d.caller.Role, Bot: d.caller.Bot}
	var first error
	settled := 0
	for n, m := range marks {
		kept, err := d.judgeMark(m)
		switch {
		case err != nil:
			first = cmp.Or(first, err)
			e.Refused = append(e.Refused, refusedMark(n, err))
		case kept == nil:
			settled++
		default:
			e.Marks = append(e.Marks, *kept)
		}
	}
	if len(e.Marks) == 0 {
		if first != nil {
			return first
		}
		d.Note(domain.NotedIgnored, "every market named is settled, or has a mark that counts more")
		return nil
	}
	e.Marks = d.s.complete(e.Marks)
	if d.caller.Role == domain.RoleFeed && slices.ContainsFunc(e.Marks, func(m domain.Mark) bool { return m.Asset != "" }) {
		e.User = d.caller.User
	}
	d.due() // a mark that has waited long enough is in force before these are compared
	for n := range e.Marks {
		e.Marks[n].Waits = d.waits(e.Marks[n])
	}
	moved := slices.Clone(d.fact(e).Moved)
	d.evaluate(moved)
	d.fillRestingOnPaper(slices.DeleteFunc(slices.Clone(e.Marks), func(m domain.Mark) bool { return m.Waits }))
	return nil
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
	if err := d.checkNewMark(m); err != nil {
		return nil, err
	}
	if m.Asset != "" {
		return &m, nil
	}
	i := domain.Instrument{Market: m.Market, Outcome: m.Outcome}
	if market := d.s.Markets[m.Market]; market != nil && len(market.Outcomes) > 0 && !market.has(m.Outcome) && d.s.Instruments[i] == nil {
		return nil, domain.Invalid("outcome", "is none of the registered market")
	}
	i, _ = d.s.priced(i, m.Price)
	in := d.s.Instruments[i]
	if in != nil && d.caller.Role == domain.RoleBot && d.fresh(in.Mark()) {
		return nil, nil //nolint:nilnil // a bot's word counts only where the market has no fresh mark
	}
	if in != nil && in.Payout != nil {
		return nil, nil //nolint:nilnil // the payout is the last mark: there is nothing to take, and nothing wrong
	}
	return &m, nil
}

// complete returns the marks of outcomes that a command gives. In an exclusive market a
// mark of a complement is one of its outcome at 1 − it, and with two outcomes a mark of
// one is one of the other, unless the command gives that itself.
func (s *State) complete(marks []domain.Mark) []domain.Mark {
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
			if len(market.Outcomes) == 2 {
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
		in := d.s.Instruments[domain.Instrument{Market: m.Market, Outcome: m.Outcome}]
		if in == nil || in.Mark() == nil {
			return false
		}
		force, waiting = &in.Mark().Price, in.Waiting
	}
	if force != nil && inCollar(m.Price, *force, collar, kind) {
		return false
	}
	return waiting == nil || !inCollar(m.Price, waiting.Price, collar, kind)
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
	w := &Waiting{Price: m.Price, Since: at.Time, Revision: at.Revision, Source: string(e.Source), User: e.User}
	if old != nil {
		w.Since = old.Since
	}
	return w
}

// confirmMarks records the marks that have waited long enough, and evaluates what they
// change. While time stands still nothing is confirmed by time.
func (d *Decision) confirmMarks() {
	if !d.s.Policy.Second() || d.still.Behind != 0 {
		return
	}
	var moved []string
	for _, in := range d.s.waitingMarks() {
		if d.now.Sub(in.Waiting.Since) >= d.s.Policy.ConfirmAfter() {
			d.add(&domain.MarkConfirmed{Instrument: in.Instrument, Price: in.Waiting.Price})
			d.cause = d.s.Next - 1
			moved = append(moved, d.s.Effects().Moved...)
		}
	}
	if d.cause != 0 && len(moved) > 0 {
		slices.Sort(moved)
		d.evaluate(slices.Compact(moved))
	}
}

// waitingMarks lists the instruments with a mark that waits, by name.
func (s *State) waitingMarks() []*Instrument {
	if s.waiting == 0 {
		return nil
	}
	var all []*Instrument
	for _, in := range s.Instruments {
		if in.Waiting != nil {
			all = append(all, in)
		}
	}
	slices.SortFunc(all, compareInstruments)
	return all
}

// setWaiting changes the mark that waits, nil for none.
func (s *State) setWaiting(in *Instrument, w *Waiting) {
	switch {
	case in.Waiting == nil && w != nil:
		s.waiting++
	case in.Waiting != nil && w == nil:
		s.waiting--
	}
	in.Waiting = w
}

// NextConfirmation returns when the next mark that waits is confirmed by time, or false
// if none waits for that.
func (s *State) NextConfirmation() (at time.Time, ok bool) {
	for _, in := range s.waitingMarks() {
		if due := in.Waiting.Since.Add(s.Policy.ConfirmAfter()); !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	return at, ok
}

func (s *State) applyMarkConfirmed(at domain.Stamp, e *domain.MarkConfirmed) {
	in := s.instrument(e.Instrument)
	source := string(domain.RoleFeed)
	if in.Waiting != nil {
		source = in.Waiting.Source
	}
	s.effects.Performed = true
	s.setWaiting(in, nil)
	in.Marks.push(MarkEntry{Price: e.Price, Revision: at.Revision, Time: at.Time, Source: source})
	in.Own = nil
	s.revalue(in)
}

// checkUnconfirmed denies what opens in a market in which a mark waits.
func (d *Decision) checkUnconfirmed(c *orderCheck) {
	if d.s.waiting == 0 {
		return
	}
	for _, in := range d.s.instrumentsOf(c.order.Market) {
		if w := in.Waiting; w != nil {
			c.fail(domain.ReasonMarkUnconfirmed, w.Price.String(), in.last().String(), "the mark %s of %s is beyond the collar of the one in force, and waits to be confirmed", w.Price, in.Instrument)
			return
		}
	}
}
