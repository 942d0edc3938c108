package projections

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/portfolio"
	"pets/domain/risk"
)

// State is the response of `pets state` and GET …/state: amounts as exact decimal
// strings, ratios at 12 decimals, counts as numbers.
type State struct {
	Portfolio string    `json:"portfolio"`
	Revision  uint64    `json:"revision"`
	Time      time.Time `json:"time"`
	// ClockOffset is what two people agreed to add to the wall clock.
	ClockOffset    domain.Duration `json:"clock_offset,omitzero"`
	Mode           domain.Mode     `json:"mode"`
	Clock          domain.Clock    `json:"clock"`
	BaseAsset      string          `json:"base_asset"`
	Equity         domain.Decimal  `json:"equity"`
	RealisedEquity domain.Decimal  `json:"realised_equity"`
	Peak           domain.Decimal  `json:"peak"`
	LifetimePeak   domain.Decimal  `json:"lifetime_peak"`
	Drawdown       domain.Decimal  `json:"drawdown"`
	Day            Day             `json:"day"`
	EmergencyStop  EmergencyStop   `json:"emergency_stop"`
	Bots           []Bot           `json:"bots"`
	Breakers       []Breaker       `json:"breakers"`
	Positions      []Position      `json:"positions"`
	// Markets are the exclusive markets that bots hold, or may open: what all that a bot
	// holds there pays together, is worth and risks. Its positions do not add up to it.
	Markets []portfolio.MarketHolding `json:"markets,omitempty"`
	Policy  domain.Policy             `json:"policy"`
	// ClockBehind is by how much the wall clock is behind the last record: what opens, and what
	// depends on the time, is refused meanwhile.
	ClockBehind domain.Duration `json:"clock_behind,omitzero"`
	// Asleep: the portfolio has less than min_capital, and its breakers are not evaluated.
	Asleep bool `json:"asleep,omitempty"`
	// Overrides are what two people decided together, oldest first.
	Overrides []Override `json:"overrides"`
	// Doubts lists accounts of the treasury that can hardly be meant as they are.
	Doubts []Doubt `json:"doubts,omitempty"`
	// WaitingMarks are beyond the collar, or the first ones of their assets, and price
	// nothing yet.
	WaitingMarks []WaitingMark `json:"waiting_marks,omitempty"`
	// Stale reports that a position has a mark that is older than mark_max_age.
	Stale bool `json:"stale,omitempty"`
	// PartlyMarked lists the exclusive markets of which a feed did not mark all outcomes in
	// one command, so that they are valued at prices of different moments.
	PartlyMarked []string `json:"partly_marked,omitempty"`
	// Unreconciled reports that base asset is missing on the chain: nothing is opened.
	Unreconciled bool `json:"unreconciled,omitempty"`
}

// WaitingMark is a mark that waits to be confirmed, of an outcome or an asset. InForce is
// absent if nothing is.
type WaitingMark struct {
	Market  string          `json:"market,omitempty"`
	Outcome string          `json:"outcome,omitempty"`
	Asset   string          `json:"asset,omitempty"`
	Price   domain.Decimal  `json:"price"`
	InForce *domain.Decimal `json:"in_force,omitempty"`
	Since   time.Time       `json:"since"`
	// OutOfRange: it would bring an amount out of range, so time does not confirm it.
	OutOfRange bool `json:"out_of_range,omitempty"`
}

// WaitingMarksOf lists the marks that wait.
func WaitingMarksOf(s *portfolio.State) []WaitingMark { return Waiting(s.WaitingMarks()) }

// Waiting shows marks that wait.
func Waiting(all []portfolio.WaitingMark) []WaitingMark {
	var out []WaitingMark
	for _, w := range all {
		out = append(out, WaitingMark{w.Market, w.Outcome, w.Asset, w.Price, w.InForce, w.Since, w.OutOfRange})
	}
	return out
}

// Doubt is an account of the treasury that is below zero, or holds an asset that counts for
// nothing: a name that was mistyped, or an amount. What was recorded stays as it is.
type Doubt struct {
	Account string         `json:"account"`
	Asset   string         `json:"asset"`
	Balance domain.Decimal `json:"balance"`
	// Unvalued: the asset is not the base asset, has no mark, and is of no registered wallet.
	Unvalued bool `json:"unvalued,omitempty"`
}

// ofAWallet reports whether a wallet was registered with the asset, as with the coin for fees:
// its name is meant then.
func ofAWallet(s *portfolio.State, asset string) bool {
	for _, w := range s.Custody.Wallets {
		if _, is := w.Asset(asset); is {
			return true
		}
	}
	return false
}

// DoubtsOf lists the accounts of the treasury that are in doubt.
func DoubtsOf(s *portfolio.State) []Doubt {
	var out []Doubt
	for a, balance := range s.Book {
		if a.Owner != ledger.Treasury || a.Place != ledger.PlaceHot && a.Place != ledger.PlaceCold {
			continue
		}
		asset := s.Assets[a.Asset]
		unvalued := a.Asset != s.BaseAsset && (asset == nil || !asset.Marked) && !ofAWallet(s, a.Asset)
		if balance.Sign() < 0 || unvalued && !balance.IsZero() {
			out = append(out, Doubt{a.Name(), a.Asset, balance, unvalued})
		}
	}
	slices.SortFunc(out, func(a, b Doubt) int {
		return cmp.Or(strings.Compare(a.Asset, b.Asset), strings.Compare(a.Account, b.Account))
	})
	return out
}

// Override is a confirmed override of a rule.
type Override struct {
	Override    string          `json:"override"`
	Kind        string          `json:"kind"`
	Portfolio   string          `json:"portfolio,omitempty"`
	Limits      json.RawMessage `json:"limits,omitempty"`
	Reason      string          `json:"reason"`
	RequestedBy string          `json:"requested_by"`
	ConfirmedBy string          `json:"confirmed_by"`
	At          time.Time       `json:"at"`
	// Offset is what an override of kind clock adds to the wall clock.
	Offset domain.Duration `json:"offset,omitzero"`
}

// OverridesOf lists the overrides that were confirmed.
func OverridesOf(s *portfolio.State) []Override {
	out := []Override{}
	for _, o := range s.Overrides {
		if o.ConfirmedBy != "" {
			out = append(out, Override{o.ID, o.Kind, o.Portfolio, o.Limits, o.Reason, o.User, o.ConfirmedBy, o.At, o.Offset})
		}
	}
	slices.SortFunc(out, func(a, b Override) int { return a.At.Compare(b.At) })
	return out
}

// Day is the open calendar day.
type Day struct {
	Date string         `json:"date"`
	Open domain.Decimal `json:"open"`
	Loss domain.Decimal `json:"loss"`
}

// EmergencyStop has null fields while none is engaged.
type EmergencyStop struct {
	Engaged bool       `json:"engaged"`
	Kind    *string    `json:"kind"`
	Reason  *string    `json:"reason"`
	Since   *time.Time `json:"since"`
	// Pending reports that the stop is in force but not recorded yet.
	Pending bool `json:"pending,omitempty"`
}

// Bot is one bot with its share of the money.
type Bot struct {
	Bot    string              `json:"bot"`
	Status portfolio.BotStatus `json:"status"`
	// Pending reports that the bot is stopped but the stop is not recorded yet.
	Pending           bool           `json:"pending,omitempty"`
	Cash              domain.Decimal `json:"cash"`
	Equity            domain.Decimal `json:"equity"`
	Peak              domain.Decimal `json:"peak"`
	Drawdown          domain.Decimal `json:"drawdown"`
	ConsecutiveLosses int            `json:"consecutive_losses"`
	Trades            int            `json:"trades"`
	Wins              int            `json:"wins"`
	Losses            int            `json:"losses"`
	Neutral           int            `json:"neutral"`
	RealisedPnL       domain.Decimal `json:"realised_pnl"`
	Fees              domain.Decimal `json:"fees"`
	// Asleep: the bot has less than min_capital, and its breakers are not evaluated.
	Asleep bool `json:"asleep,omitempty"`
	// Halts are what keeps the bot from trading freely, with what each leaves permitted
	// to it, and to an operator for it, under the second edition of the rules. Of several,
	// the strictest holds.
	Halts []portfolio.Halt `json:"halts,omitempty"`
}

// Breaker is one breaker; Bot is null for the portfolio's. Value and Limit are
// numbers for a streak, decimal strings for a ratio, null for a breaker that this
// build does not know; 0 for one that was switched off after it tripped. Revision is that of the
// record that warned or tripped it.
type Breaker struct {
	Breaker  string      `json:"breaker"`
	Bot      *string     `json:"bot"`
	Status   risk.Status `json:"status"`
	Value    any         `json:"value"`
	Limit    any         `json:"limit"`
	Revision *uint64     `json:"revision"`
}

// StateOf renders a state as of its last record.
func StateOf(s *portfolio.State) State { return StateAt(s, s.Time) }

// StateAt renders a state at a time: marks go stale although nothing is recorded.
func StateAt(s *portfolio.State, now time.Time) State {
	equity := s.Equity()
	v := State{
		Portfolio: s.Portfolio, Revision: lastRevision(s), Time: s.Time, ClockOffset: s.ClockOffset, Mode: s.Mode, Clock: s.Clock, BaseAsset: s.BaseAsset,
		Equity: equity, RealisedEquity: s.RealisedEquity(), Peak: s.Refs.Peak, LifetimePeak: s.Refs.LifetimePeak,
		Drawdown:      s.Refs.Drawdown(equity).Ratio(),
		Day:           Day{Date: s.Day, Open: s.Refs.DayOpen, Loss: s.Refs.DailyLoss(equity).Ratio()},
		EmergencyStop: EmergencyStopOf(s),
		Bots:          make([]Bot, 0, len(s.Bots)), Breakers: BreakersOf(s), Positions: PositionsAt(s, now), Markets: s.MarketHoldings("", now), Policy: s.Policy.Clone(),
		Asleep: asleep(s, &s.Refs, equity), Overrides: OverridesOf(s), Doubts: DoubtsOf(s),
		WaitingMarks: WaitingMarksOf(s), Stale: s.StalePositions(now) > 0, PartlyMarked: s.PartlyMarked(), Unreconciled: s.Custody.Unreconciled(),
	}
	for _, id := range s.BotIDs() {
		v.Bots = append(v.Bots, botOf(s, s.Bots[id]))
	}
	return v
}

// EmergencyStopOf renders the emergency stop.
func EmergencyStopOf(s *portfolio.State) EmergencyStop {
	if !s.Stop.Engaged {
		return EmergencyStop{}
	}
	kind, reason, since := s.Stop.Kind, s.Stop.Reason, s.Stop.Since
	return EmergencyStop{Engaged: true, Kind: &kind, Reason: &reason, Since: &since}
}

// BreakersOf lists every breaker in the order they are evaluated.
func BreakersOf(s *portfolio.State) []Breaker {
	keys := s.BreakerKeys()
	out := make([]Breaker, 0, len(keys))
	for _, key := range keys {
		out = append(out, breakerOf(s, key))
	}
	return out
}

func lastRevision(s *portfolio.State) uint64 {
	if s.Next == 0 {
		return 0
	}
	return s.Next - 1
}

func botOf(s *portfolio.State, b *portfolio.Bot) Bot {
	realised, fees := s.Income(b.ID)
	return Bot{
		Bot: b.ID, Status: b.Status, Cash: b.Cash, Equity: b.Equity(), Peak: b.Refs.Peak,
		Drawdown: b.Refs.Drawdown(b.Equity()).Ratio(), ConsecutiveLosses: b.Streak.Losses,
		Trades: b.Trades, Wins: b.Wins, Losses: b.Losses, Neutral: b.Neutral, RealisedPnL: realised, Fees: fees,
		Asleep: asleep(s, &b.Refs, b.Equity()), Halts: haltsOf(s, b.ID),
	}
}

// haltsOf lists what halts a bot. A portfolio of the first edition shows what it showed
// before there was a table of halts.
func haltsOf(s *portfolio.State, bot string) []portfolio.Halt {
	if !s.Policy.Second() {
		return nil
	}
	return s.Halts(bot)
}

func breakerOf(s *portfolio.State, key risk.Key) Breaker {
	b := s.ReadBreaker(key)
	v := Breaker{Breaker: key.Breaker, Status: b.Status}
	if b.Rule != nil {
		v.Value, v.Limit = shown(b.Rule, b.Value), shown(b.Rule, b.Limit)
	}
	if key.Bot != "" {
		v.Bot = &key.Bot
	}
	if b.Status != risk.OK {
		v.Revision = &b.Revision
	}
	return v
}

// shown returns a count as a number and a ratio as a decimal.
func shown(r *risk.Rule, value domain.Decimal) any {
	if r.Whole {
		return value.Int()
	}
	return value.Ratio()
}
