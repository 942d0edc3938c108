package portfolio

import (
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/ledger"
)

// Instrument is one outcome of one market: its marks, its payout once it is
// settled, and who holds it.
type Instrument struct {
	domain.Instrument
	// Marks ends with the current mark. Earlier ones are kept only behind marks
	// that can still be voided.
	Marks markStack `json:"marks,omitempty"`
	// Own are the prices by which single bots value what they hold, sorted by bot.
	Own []OwnMark `json:"own,omitempty"`
	// Waiting is a mark beyond the collar, or nil.
	Waiting *Waiting `json:"waiting,omitempty"`
	// Payout is set by the settlement and final, unless a correction replaces it.
	Payout *domain.Decimal `json:"payout,omitempty"`
	// Refunded reports that its market was void: holders got the cost back.
	Refunded bool `json:"refunded,omitempty"`
	// Corrigible reports that what its settlement closed is remembered, so that it can
	// be corrected: settlements of the first edition of the rules are not.
	Corrigible bool `json:"corrigible,omitempty"`
	// Paid are the settled positions, in the order in which they were paid.
	Paid []*Paid `json:"paid,omitempty"`
	// Holdings are sorted by bot; none is empty.
	Holdings []*Holding `json:"holdings,omitempty"`

	// paidTo is an index of Paid, by bot. It is no part of a snapshot.
	paidTo map[string][]*Paid
}

// Holding is one bot's position in an instrument.
type Holding struct {
	Bot string `json:"bot"`
	// Value is quantity × mark, or the cost if it was never marked (State.worthOf).
	Value domain.Decimal `json:"value"`
	// Oversold reports that more was sold than held, without a permit.
	Oversold bool `json:"oversold,omitempty"`
	// counted reports that it is counted in its bot's Positions.
	counted bool
	// weight is what it counts in its bot's claims (claim.go).
	weight domain.Decimal
	// account is the owner of its account, or "" until that is asked for.
	account string
	ledger.Holding
}

// all is what is held, proven what is held beside what only the bot's own key reported.
func (h *Holding) all() domain.Decimal    { return h.Quantity }
func (h *Holding) proven() domain.Decimal { return h.Quantity.Sub(h.OwnWord) }

// MarkEntry is one price of an instrument.
type MarkEntry struct {
	Price    domain.Decimal `json:"price"`
	Revision uint64         `json:"revision"`
	Time     time.Time      `json:"time"`
	// Source is the role that sent it, or the word fill or settlement.
	Source string `json:"source"`
	// Provisional marks are removed when their fill is voided.
	Provisional bool `json:"provisional,omitempty"`
	// Earns reports a bot's word that may raise its equity: on paper, within a permit.
	Earns bool `json:"earns,omitempty"`
}

// Sources of marks that do not come from a role.
const (
	MarkedByFill       = "fill"
	MarkedBySettlement = "settlement"
)

// Mark returns the current mark of the market, or nil if the instrument was never marked.
func (i *Instrument) Mark() *MarkEntry { return i.Marks.last() }

// Holding returns the holding of a bot, or nil.
func (i *Instrument) Holding(bot string) *Holding {
	if n, ok := i.search(bot); ok {
		return i.Holdings[n]
	}
	return nil
}

func (i *Instrument) search(bot string) (int, bool) {
	return slices.BinarySearchFunc(i.Holdings, bot, func(h *Holding, id string) int { return strings.Compare(h.Bot, id) })
}

// hold returns the holding of a bot, and creates it.
func (s *State) hold(in *Instrument, bot string) *Holding {
	n, ok := in.search(bot)
	if !ok {
		in.Holdings = slices.Insert(in.Holdings, n, &Holding{Bot: bot})
		s.noteHolding(in, bot)
	}
	return in.Holdings[n]
}

// accountOf returns the account of a holding, at cost.
func (s *State) accountOf(in *Instrument, h *Holding) ledger.Account {
	if h.account == "" {
		h.account = ledger.PositionOf(s.BaseAsset, h.Bot, in.Instrument).Owner
	}
	return ledger.Account{Asset: s.BaseAsset, Place: ledger.PlacePosition, Owner: h.account}
}

func (i *Instrument) drop(bot string) {
	if n, ok := i.search(bot); ok {
		i.Holdings = slices.Delete(i.Holdings, n, n+1)
	}
}

// worthOf values a holding of an instrument at the current mark; in a void market, which gives
// the cost back, at its cost.
func (s *State) worthOf(i *Instrument, h *Holding) domain.Decimal {
	if i.Refunded {
		return h.Cost
	}
	if price, ok := i.priceFor(h.Bot); ok {
		return s.bearable(h.Quantity.Mul(price))
	}
	return h.Cost
}
