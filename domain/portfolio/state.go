// Package portfolio holds the state of one portfolio and every decision about it.
//
// It owns [State], which folds the events of one stream ([State.Apply] is total:
// it never fails), and [Decision], which turns a request into events or a
// refusal. It composes the ledger and the risk rules, and refuses everything that
// is not pure: no clock, no store, no randomness. The line that trips a breaker
// is in evaluate.go.
package portfolio

import (
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
)

// State is everything that decisions need to know of a portfolio. It is folded
// from its stream and from nothing else. It is not safe for concurrent use: it
// belongs to the goroutine that folds it.
type State struct {
	Portfolio    string        `json:"portfolio"`
	Mode         domain.Mode   `json:"mode"`
	Clock        domain.Clock  `json:"clock"`
	BaseAsset    string        `json:"base_asset"`
	BaseDecimals int           `json:"base_decimals"`
	Policy       domain.Policy `json:"policy"`
	Gate         *domain.Gate  `json:"gate,omitempty"`
	// SignedApprovals reports that approvals have to be signed (approvals.go).
	SignedApprovals bool `json:"signed_approvals,omitempty"`
	// CorrectedByTwo reports that no adjustment of one person alone may follow in the
	// stream (override_adjustment.go).
	CorrectedByTwo bool `json:"corrected_by_two,omitempty"`

	// Next is the revision of the next event, Time the time of the last one.
	Next uint64    `json:"next"`
	Time time.Time `json:"time"`
	// ClockOffset is what two people agreed to add to the wall clock (clock.go).
	ClockOffset domain.Duration `json:"clock_offset,omitzero"`
	// Day is the open calendar day, 2006-01-02 in the policy's zone.
	Day string `json:"day"`
	// DayHold is the time before which no new day opens, after a change of zone.
	DayHold time.Time `json:"day_hold,omitzero"`

	Book   ledger.Book       `json:"book"`
	Assets map[string]*Asset `json:"assets"`
	// Cash, Cost and Value are the base-asset sums of the cash accounts, of the
	// positions at cost, and of the positions at their marks.
	Cash  domain.Decimal  `json:"cash"`
	Cost  domain.Decimal  `json:"cost"`
	Value domain.Decimal  `json:"value"`
	Refs  risk.References `json:"refs"`

	Bots    map[string]*Bot         `json:"bots"`
	Markets map[string]*Market      `json:"markets"`
	Permits map[string]*risk.Permit `json:"permits"`
	// Arbitrages holds those whose legs are not all finally filled.
	Arbitrages map[string]*risk.Arbitrage `json:"arbitrages"`
	Stop       Stop                       `json:"emergency_stop"`
	// Overrides holds confirmed overrides and requests that wait for the second
	// person.
	Overrides map[string]*Override `json:"overrides"`
	// Replaced are requests that another one replaced, and which: the newest of them.
	Replaced map[string]string `json:"replaced,omitempty"`

	// Custody is the known state of wallets and transfers (custody.go).
	Custody Custody `json:"custody"`
	// FirstDeposit opened an imported portfolio, under the second edition of the rules.
	FirstDeposit domain.Decimal `json:"first_deposit,omitzero"`
	// Booked are the deposits and withdrawals with a transaction, under the second
	// edition, by wallet, leg, asset and transaction.
	Booked map[string]Booked `json:"booked,omitempty"`

	// Maps with struct keys; a snapshot writes them as sorted lists.
	Instruments map[domain.Instrument]*Instrument `json:"-"`
	Breakers    map[risk.Key]*risk.Breaker        `json:"-"`
	// Provisional are the provisional fills by their ids, several where the markets differ.
	Provisional map[domain.FillID][]*ProvisionalFill `json:"-"`
	// Past are the identities of the facts that are final (past.go).
	Past Past `json:"-"`
	// EditionChanges are the revisions at which the second edition of the rules came into
	// force, ended, and so on. They say how a record of the past is to be read.
	EditionChanges []uint64 `json:"edition_changes,omitempty"`

	permits permitIndex
	derived derived
	// byMarket is an index of Instruments, sorted by outcome, so that a restored state
	// answers alike. It is no part of a snapshot.
	byMarket map[string][]*Instrument
	// waiting counts the marks that are confirmed by time: of instruments, and of assets
	// that have a mark in force.
	waiting int
	// unbearable is what bots have of other assets beyond what counts (reach.go).
	unbearable domain.Decimal
	effects    Effects
	overflowed bool
	strained   bool
	zone       *time.Location
	zoneName   string
}

// Asset is one asset other than the base asset. It counts only while it has a
// mark.
type Asset struct {
	Balance domain.Decimal `json:"balance"` // over all asset accounts
	Marked  bool           `json:"marked,omitempty"`
	Mark    domain.Decimal `json:"mark"`
	At      time.Time      `json:"at,omitzero"`
	// Waiting is a mark beyond the collar, or the first one of a live portfolio, or nil.
	Waiting *Waiting `json:"waiting,omitempty"`
	// FeedMarks are the latest marks of two different feeds, the latest first. The
	// approval of a transfer depends on those that its requester did not send.
	FeedMarks []FeedMark `json:"feed_marks,omitempty"`
}

// FeedMark is a mark of an asset by a user with a key of role feed.
type FeedMark struct {
	User  string         `json:"user"`
	Price domain.Decimal `json:"price"`
	At    time.Time      `json:"at"`
}

// markedBy notes a mark of a feed. The latest one of each of two users is enough:
// a requester can have sent only one of them.
func (a *Asset) markedBy(m FeedMark) {
	marks := []FeedMark{m}
	for _, old := range a.FeedMarks {
		if !domain.SameUser(old.User, m.User) && len(marks) < 2 {
			marks = append(marks, old)
		}
	}
	a.FeedMarks = marks
}

// Value in base asset; 0 without a mark.
func (a *Asset) Value() domain.Decimal { return a.Balance.Mul(a.Mark) }

// BotStatus says whether a bot may request permits.
type BotStatus string

// The statuses.
const (
	Registered BotStatus = "registered"
	Running    BotStatus = "running"
	Stopped    BotStatus = "stopped"
)

// Bot is one trading bot and its share of the money.
type Bot struct {
	ID       string `json:"id"`
	Strategy string `json:"strategy,omitempty"`
	Kind     string `json:"kind,omitempty"`
	// InventoryCap of a market maker is its largest exposure in one market, in
	// shares.
	InventoryCap domain.Decimal `json:"inventory_cap,omitzero"`
	Status       BotStatus      `json:"status"`
	// Halted reports that a trip or the emergency stop stopped the bot, and that
	// no person has started or stopped it since.
	Halted bool `json:"halted,omitempty"`
	// Full reports that a person stopped it so that it may not even reduce.
	Full bool `json:"full,omitempty"`

	Cash  domain.Decimal `json:"cash"`
	Cost  domain.Decimal `json:"cost"`
	Value domain.Decimal `json:"value"`
	// Other are its balances of other assets: the fees that it paid in them. OtherValue
	// is what those with a mark are worth.
	Other map[string]domain.Decimal `json:"other,omitempty"`
	// OtherFees is what the fees in them were worth when they were booked.
	OtherFees  domain.Decimal  `json:"other_fees,omitzero"`
	OtherValue domain.Decimal  `json:"other_value,omitzero"`
	Positions  int             `json:"positions"`
	Refs       risk.References `json:"refs"`
	Streak     risk.Streak     `json:"streak"`

	// Closings counts every result. Trades counts the trades that still stand, the
	// others their results.
	Closings int `json:"closings"`
	Trades   int `json:"trades"`
	Wins     int `json:"wins"`
	Losses   int `json:"losses"`
	Neutral  int `json:"neutral"`
	// Results are those of several trades, by name.
	Results map[string]*Result `json:"results,omitempty"`

	Denied []Denial `json:"denied,omitempty"`
	// Granted holds the times of the permits of the last minute, oldest first,
	// and possibly some older ones.
	Granted Moments `json:"granted,omitempty"`
	// Today counts the permits of the open calendar day under the second edition.
	Today int `json:"today,omitempty"`
	// Lost are the bot's latest losing results, by market, under the second edition.
	Lost map[string][]Loss `json:"lost,omitempty"`
	// claims are the weights of its holdings. They are no part of a snapshot.
	claims domain.Decimal
	// touched and moved say that it is in the lists of derived and of the effects.
	touched bool
	moved   uint64
	// accounts are never changed, so that copies of the bot share them.
	accounts *botAccounts
	// unbearable is what its other assets would be worth beyond what counts (reach.go).
	unbearable domain.Decimal
}

// Denial is a denied permit of a bot, kept to coalesce an identical next one.
type Denial struct {
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
	Digest   string    `json:"digest"`
}

// Equity of the bot: its cash, its positions at their marks, and other assets that
// have one.
func (b *Bot) Equity() domain.Decimal { return b.Cash.Add(b.Value).Add(b.OtherValue) }

// Stop is the emergency stop.
type Stop struct {
	Engaged bool      `json:"engaged"`
	Kind    string    `json:"kind,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	// Request is the open request to clear it, Requester the user who made it.
	Request   string `json:"request,omitempty"`
	Requester string `json:"requester,omitempty"`
	// RequestedAt is when it was made, and RequestEnds when it ends; both are zero for a
	// request of an older build.
	RequestedAt time.Time `json:"requested_at,omitzero"`
	RequestEnds time.Time `json:"request_ends,omitzero"`
}

// unrequested returns the stop without a request to clear it.
func (s Stop) unrequested() Stop {
	s.Request, s.Requester, s.RequestedAt, s.RequestEnds = "", "", time.Time{}, time.Time{}
	return s
}

// FillRef is what is remembered of every fill and reported trade permanently, so
// that none is booked twice.
type FillRef struct {
	Revision uint64     `json:"revision"`
	Content  Content    `json:"content"`
	Status   FillStatus `json:"status"`
	// Sells, Early and Market are known under the second edition. Early reports that it
	// was voided before it was reported.
	Sells bool `json:"sells,omitempty"`
	Early bool `json:"early,omitempty"`
	// Within reports a fill that was within its permit, under the second edition.
	Within bool   `json:"within,omitempty"`
	Market string `json:"market,omitempty"`
}

// FillStatus of a remembered fill.
type FillStatus byte

// The statuses.
const (
	Confirmed   FillStatus = 'c'
	Provisional FillStatus = 'p'
	Voided      FillStatus = 'v'
)

// Effects describe what the last applied event did, for readers that follow the
// stream.
type Effects struct {
	Postings []ledger.Posting
	Flows    []Flow
	// Moved are the bots whose equity or streak was changed by performance, in id
	// order for settlements and marks. Performed reports that the portfolio's
	// equity was.
	Moved     []string
	Performed bool
	// Closed is the episode that a fill closed, or nil. Holders of a settlement
	// add theirs.
	Closed []ClosedEpisode
}

// ClosedEpisode is a position episode that an event ended.
type ClosedEpisode struct {
	Bot string
	domain.Instrument
	ledger.Episode
}

// Flow is money that came to, or left, the portfolio (Bot empty) or a bot.
type Flow struct {
	Bot    string
	Amount domain.Decimal
	// Of is the revision of the deposit or withdrawal that it corrects, if it does.
	Of *uint64
}

// New returns the state before the first event.
func New() *State {
	return &State{
		Book: ledger.Book{}, Assets: map[string]*Asset{}, Bots: map[string]*Bot{}, Markets: map[string]*Market{},
		Permits: map[string]*risk.Permit{}, Arbitrages: map[string]*risk.Arbitrage{}, Overrides: map[string]*Override{}, Instruments: map[domain.Instrument]*Instrument{},
		Provisional: map[domain.FillID][]*ProvisionalFill{}, Past: newPast(),
		Breakers: map[risk.Key]*risk.Breaker{}, Custody: newCustody(), byMarket: map[string][]*Instrument{},
		permits: newPermitIndex(), derived: newDerived(),
	}
}

// IsOpen reports whether the portfolio has been opened.
func (s *State) IsOpen() bool { return s.Portfolio != "" }

// Equity is the base-asset sum over all asset accounts, with positions at their
// marks and other assets while they have a mark.
func (s *State) Equity() domain.Decimal { return s.Cash.Add(s.Value).Add(s.otherAssets()) }

// RealisedEquity is the same with positions at cost.
func (s *State) RealisedEquity() domain.Decimal { return s.Cash.Add(s.Cost).Add(s.otherAssets()) }

func (s *State) otherAssets() domain.Decimal {
	sum := domain.Zero
	for _, a := range s.Assets { // The order does not matter: the sums are exact.
		if a.Marked {
			sum = sum.Add(a.Value())
		}
	}
	return sum.Sub(s.unbearable)
}

// Effects returns what the last applied event did. The slices are reused by the
// next Apply.
func (s *State) Effects() *Effects { return &s.effects }

// BotIDs returns the ids of all bots, sorted.
func (s *State) BotIDs() []string {
	ids := make([]string, 0, len(s.Bots))
	for id := range s.Bots {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// SortedInstruments returns all instruments by market and outcome.
func (s *State) SortedInstruments() []*Instrument {
	all := make([]*Instrument, 0, len(s.Instruments))
	for _, i := range s.Instruments {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *Instrument) int {
		if c := strings.Compare(a.Market, b.Market); c != 0 {
			return c
		}
		return strings.Compare(a.Outcome, b.Outcome)
	})
	return all
}

// KindOf returns the kind of a market. An unregistered one is of kind outcome.
func (s *State) KindOf(market string) domain.MarketKind {
	if m := s.Markets[market]; m != nil {
		return m.Kind
	}
	return domain.KindOutcome
}

// Income returns all income less all expenses posted to a bot, and its fees.
func (s *State) Income(bot string) (realised, fees domain.Decimal) {
	trading := s.Book[ledger.TradingIncome(s.BaseAsset, bot)]
	rebates := s.Book[ledger.RebateIncome(s.BaseAsset, bot)]
	funding := s.Book[ledger.FundingIncome(s.BaseAsset, bot)]
	fees = s.Book[ledger.Fees(s.BaseAsset, bot)]
	if b := s.Bots[bot]; b != nil { // those in other assets, at what they were worth then
		fees = fees.Add(b.OtherFees)
	}
	return trading.Add(rebates).Add(funding).Neg().Sub(fees), fees
}

// NetDeposits returns the base asset that came in from outside, less what left.
func (s *State) NetDeposits() domain.Decimal { return s.Book[ledger.External(s.BaseAsset)].Neg() }
