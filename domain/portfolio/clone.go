package portfolio

import (
	"maps"
	"slices"

	"pets/domain/risk"
	"pets/domain/treasury"
)

// Clone returns an independent copy of the state. Values taken from events are
// never changed in place, so both copies may point to them.
func (s *State) Clone() *State {
	c := *s
	c.Refs = s.Refs.Clone()
	c.Book = maps.Clone(s.Book)
	c.Assets = eachCopied(s.Assets, nil) // marks of feeds are replaced, never changed
	c.Bots = eachCopied(s.Bots, (*Bot).own)
	c.Markets = eachCopied(s.Markets, func(m *Market) { m.Held = slices.Clone(m.Held) })
	c.Permits = eachCopied(s.Permits, nil)
	c.Arbitrages = eachCopied(s.Arbitrages, ownLegs)
	c.Overrides = eachCopied(s.Overrides, nil)
	c.Replaced = maps.Clone(s.Replaced)
	c.Custody = s.Custody.clone()
	c.Instruments = eachCopied(s.Instruments, (*Instrument).own)
	c.Provisional = maps.Clone(s.Provisional)
	c.Past = s.Past.clone()
	c.Booked = maps.Clone(s.Booked)
	c.Breakers = eachCopied(s.Breakers, nil)
	c.effects = Effects{}
	c.indexMarkets()
	c.derive()
	return &c
}

// eachCopied copies a map and the values it points to. own copies what a value
// must not share.
func eachCopied[K comparable, V any](m map[K]*V, own func(*V)) map[K]*V {
	c := make(map[K]*V, len(m))
	for key, v := range m {
		copied := *v
		if own != nil {
			own(&copied)
		}
		c[key] = &copied
	}
	return c
}

func (b *Bot) own() {
	b.Refs = b.Refs.Clone()
	b.Streak.Results = slices.Clone(b.Streak.Results)
	b.Lost, b.Other = cloneLosses(b.Lost), maps.Clone(b.Other)
	if b.Results != nil {
		b.Results = eachCopied(b.Results, nil)
	}
	b.Denied, b.Granted = slices.Clone(b.Denied), slices.Clone(b.Granted)
}

func (i *Instrument) own() {
	i.Marks, i.Own, i.Holdings = slices.Clone(i.Marks), slices.Clone(i.Own), slices.Clone(i.Holdings)
	for n := range i.Own {
		i.Own[n].Marks = slices.Clone(i.Own[n].Marks)
	}
	for n, h := range i.Holdings {
		copied := *h
		copied.Tail, copied.Closings = slices.Clone(h.Tail), maps.Clone(h.Closings)
		i.Holdings[n] = &copied
	}
	i.Paid, i.paidTo = slices.Clone(i.Paid), nil
	for n, p := range i.Paid {
		copied := *p
		copied.Tail, copied.Closings = slices.Clone(p.Tail), maps.Clone(p.Closings)
		i.Paid[n] = &copied
		i.indexPaid(&copied)
	}
}

func ownLegs(a *risk.Arbitrage) {
	a.Legs = slices.Clone(a.Legs)
	for i := range a.Legs {
		a.Legs[i].Provisional = slices.Clone(a.Legs[i].Provisional)
	}
}

func (c Custody) clone() Custody {
	c.Wallets = eachCopied(c.Wallets, nil)
	c.Book = eachCopied(c.Book, nil)
	c.Transfers = eachCopied(c.Transfers, func(t *treasury.Transfer) { t.Attempts = slices.Clone(t.Attempts) })
	c.Ended, c.Differences, c.Booked = slices.Clone(c.Ended), maps.Clone(c.Differences), maps.Clone(c.Booked)
	return c
}
