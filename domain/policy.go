package domain

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // The embedded zones make a day independent of what the machine has installed.
)

// The names of the breakers that every portfolio has. domain/risk/rules.go
// defines these and all others.
const (
	ConsecutiveLosses = "consecutive_losses"
	DailyLoss         = "daily_loss"
	BotDrawdown       = "bot_drawdown"
	PortfolioDrawdown = "portfolio_drawdown"
)

// The values of BreakerStops.
const (
	StopAll = "all"
	StopBot = "bot"
)

// Policy holds all rules of one portfolio. It is stored in the stream:
// portfolio.opened carries it and limits.changed replaces it. Nothing outside the
// stream is consulted. The JSON keys are the environment variables in lower case.
type Policy struct {
	// MaxConsecutiveLosses trips consecutive_losses at this many losing trades
	// of one bot in a row.
	MaxConsecutiveLosses int `json:"max_consecutive_losses"`
	// MaxDailyLossPct, MaxBotDrawdownPct and MaxPortfolioDrawdownPct are
	// fractions: 0.05 is 5 %.
	MaxDailyLossPct         Decimal `json:"max_daily_loss_pct"`
	MaxBotDrawdownPct       Decimal `json:"max_bot_drawdown_pct"`
	MaxPortfolioDrawdownPct Decimal `json:"max_portfolio_drawdown_pct"`
	// MaxBotDailyLossPct and MaxRollingLossPct are fractions as well; 0 switches
	// the breaker off.
	MaxBotDailyLossPct Decimal `json:"max_bot_daily_loss_pct,omitzero"`
	MaxRollingLossPct  Decimal `json:"max_rolling_loss_pct,omitzero"`
	// BreakerWarnAt is the fraction of a limit at which a breaker warns.
	BreakerWarnAt Decimal `json:"breaker_warn_at"`
	// BreakerStops is StopAll, or StopBot to stop only the bot whose breaker
	// tripped.
	BreakerStops string `json:"breaker_stops"`
	// ClosePositionsOnTrip asks the bots to close their positions after a trip.
	// Reducing permits stay possible while halted.
	ClosePositionsOnTrip bool `json:"close_positions_on_trip"`
	// DailyLossTZ is the IANA time zone whose midnight opens a day.
	DailyLossTZ string `json:"daily_loss_tz"`
	// LossDust: a closed trade with |P&L| at or below it is neutral.
	LossDust Decimal `json:"loss_dust"`
	// ZoneBounds are the six borders of the five price zones of an outcome share.
	ZoneBounds []Decimal `json:"zone_bounds"`
	// BlockedZones are the zones (1–5) in which exposure may not be increased.
	BlockedZones []int `json:"blocked_zones"`
	// PermitTTL limits the time between a permit and the placing of its order.
	PermitTTL Duration `json:"permit_ttl"`
	// MarkMaxAge is the age at which a mark becomes stale; 0 means never.
	MarkMaxAge Duration `json:"mark_max_age"`
	// FeeBPS is the fee assumed for a permit without one, in 1/10,000 of the
	// notional.
	FeeBPS Decimal `json:"fee_bps"`
	// PaperSlippageBPS worsens the mark at which a paper order is filled, in
	// 1/10,000 of it.
	PaperSlippageBPS Decimal `json:"paper_slippage_bps,omitzero"`

	// Optional limits of a permit that opens exposure; 0 means no limit. A value
	// at its limit is allowed, a value above it is denied.
	//
	// MaxOrderUSD limits the worst case of one order without its fee.
	// MaxPositionUSD limits the exposure of one bot in one outcome. Both are in
	// base asset.
	MaxOrderUSD    Decimal `json:"max_order_usd,omitzero"`
	MaxPositionUSD Decimal `json:"max_position_usd,omitzero"`
	// MaxOpenPositions limits the number of outcomes in which a bot has, or may
	// get, exposure.
	MaxOpenPositions int `json:"max_open_positions,omitzero"`
	// MaxBotCapitalPct limits the exposure of one bot, and MaxCategoryExposurePct
	// that of all bots in the markets of one category, as fractions of the
	// portfolio's equity.
	MaxBotCapitalPct       Decimal `json:"max_bot_capital_pct,omitzero"`
	MaxCategoryExposurePct Decimal `json:"max_category_exposure_pct,omitzero"`
	// MaxOrdersPerMinute limits the permits that a bot is granted within 60 s.
	MaxOrdersPerMinute int `json:"max_orders_per_minute,omitzero"`

	// Rules is the edition of the rules that the portfolio lives by: 2 is the
	// second, in which risk lives in markets; absent is the first. It never goes
	// back. A key below that is absent has the meaning from before it existed.
	Rules int `json:"rules,omitzero"`
	// MaxMarketUSD limits the sum of the bots' exposures in one market.
	MaxMarketUSD Decimal `json:"max_market_usd,omitzero"`
	// MaxOrdersPerDay limits the permits that a bot is granted in one calendar day.
	MaxOrdersPerDay int `json:"max_orders_per_day,omitzero"`
	// MarketCooldown is how long a bot may not open anything in a market after a
	// losing result there.
	MarketCooldown Duration `json:"market_cooldown,omitzero"`
	// PositionDustUSD is the worth below which what is left of a position is not
	// an open one.
	PositionDustUSD Decimal `json:"position_dust_usd,omitzero"`
	// WhileTripped says what a tripped breaker leaves permitted: WhileReduce or
	// WhileNothing. Absent, ClosePositionsOnTrip decides.
	WhileTripped string `json:"while_tripped,omitzero"`
	// MarkCollar is how far a market mark may be from the one in force without
	// waiting: absolute for outcomes, a fraction elsewhere. MarkConfirmAfter is how
	// long it waits.
	MarkCollar       Decimal  `json:"mark_collar,omitzero"`
	MarkConfirmAfter Duration `json:"mark_confirm_after,omitzero"`
	// MinCapital is the equity below which a scope sleeps, in base asset.
	MinCapital Decimal `json:"min_capital,omitzero"`
	// RegisteredOnly denies permits that open in a market that is not registered.
	RegisteredOnly bool `json:"registered_only,omitzero"`
}

// The values of WhileTripped.
const (
	WhileReduce  = "reduce"
	WhileNothing = "nothing"
)

// SecondRules is the edition in which risk lives in markets.
const SecondRules = 2

// Second reports whether the second edition of the rules is in force.
func (p *Policy) Second() bool { return p.Rules >= SecondRules }

// Adopted returns the policy under the second edition of the rules: a key of it that is
// absent gets the default of a new portfolio. It keeps all others.
func (p Policy) Adopted(mode Mode, clock Clock, baseAsset string) Policy {
	live, imported := mode == ModeLive, clock == ClockImported
	p.Rules = SecondRules
	if p.WhileTripped == "" {
		p.WhileTripped = WhileReduce
	}
	if p.MarkCollar.IsZero() && live {
		p.MarkCollar = MustDecimal("0.25")
	}
	if p.MarkConfirmAfter == 0 {
		p.MarkConfirmAfter = Duration(confirmAfter)
	}
	if p.MinCapital.IsZero() && isDollar(baseAsset) {
		p.MinCapital = One
	}
	if p.PositionDustUSD.IsZero() && !imported {
		p.PositionDustUSD = MustDecimal("0.10")
	}
	p.RegisteredOnly = p.RegisteredOnly || live
	return p
}

// isDollar reports whether an asset is a dollar, or a coin that is worth one.
func isDollar(asset string) bool {
	name := strings.ToUpper(asset)
	return strings.Contains(name, "USD") || name == "DAI"
}

// confirmAfter is how long a mark beyond the collar waits if the policy does not say.
const confirmAfter = 10 * time.Second

// ConfirmAfter returns how long a mark beyond the collar waits.
func (p *Policy) ConfirmAfter() time.Duration {
	if p.MarkConfirmAfter > 0 {
		return time.Duration(p.MarkConfirmAfter)
	}
	return confirmAfter
}

// maxOrdersPerMinute is the highest configurable rate, because each permit of the
// last minute is remembered.
const maxOrdersPerMinute = 10_000

// Limits of the keys of the second edition.
const (
	maxOrdersPerDay = 1_000_000
	maxCooldown     = 30 * 24 * time.Hour
)

// NewPolicy returns the policy that a new portfolio is opened with: the second edition of
// the rules, with its defaults.
func NewPolicy(mode Mode, clock Clock, baseAsset string) Policy {
	return DefaultPolicy(mode).Adopted(mode, clock, baseAsset)
}

// DefaultPolicy returns the defaults of the first edition of the rules, on which those of
// the second are built.
func DefaultPolicy(mode Mode) Policy {
	p := Policy{
		MaxConsecutiveLosses:    3,
		MaxDailyLossPct:         MustDecimal("0.05"),
		MaxBotDrawdownPct:       MustDecimal("0.25"),
		MaxPortfolioDrawdownPct: MustDecimal("0.40"),
		BreakerWarnAt:           MustDecimal("0.8"),
		BreakerStops:            StopAll,
		DailyLossTZ:             "UTC",
		ZoneBounds:              decimals("0.05", "0.20", "0.40", "0.60", "0.80", "0.98"),
		BlockedZones:            []int{4, 5},
		PermitTTL:               Duration(30 * time.Second),
	}
	if mode == ModeLive {
		p.MarkMaxAge = Duration(15 * time.Minute)
	}
	return p
}

func decimals(texts ...string) []Decimal {
	out := make([]Decimal, len(texts))
	for i, s := range texts {
		out[i] = MustDecimal(s)
	}
	return out
}

// Clone returns a policy that shares no slice with p and writes no list as null.
func (p *Policy) Clone() Policy {
	c := *p
	c.ZoneBounds, c.BlockedZones = append([]Decimal{}, p.ZoneBounds...), append([]int{}, p.BlockedZones...)
	return c
}

// Validate returns the first violation, in the order of the fields.
func (p *Policy) Validate() error {
	if p.MaxConsecutiveLosses < 1 || p.MaxConsecutiveLosses > 1000 {
		return Invalid("max_consecutive_losses", "must be 1 to 1000")
	}
	for _, r := range []ratio{
		{"max_daily_loss_pct", p.MaxDailyLossPct},
		{"max_bot_drawdown_pct", p.MaxBotDrawdownPct},
		{"max_portfolio_drawdown_pct", p.MaxPortfolioDrawdownPct},
		{"breaker_warn_at", p.BreakerWarnAt},
	} {
		if err := checkRatio(r.field, r.value); err != nil {
			return err
		}
	}
	switch {
	case p.BreakerStops != StopAll && p.BreakerStops != StopBot:
		return Invalid("breaker_stops", "must be \"all\" or \"bot\"")
	case p.LossDust.Sign() < 0:
		return Invalid("loss_dust", "must not be negative")
	case p.PermitTTL < Duration(time.Second) || p.PermitTTL > Duration(time.Hour):
		return Invalid("permit_ttl", "must be between 1s and 1h")
	case p.MarkMaxAge < 0:
		return Invalid("mark_max_age", "must not be negative; 0 switches the check off")
	case p.PaperSlippageBPS.Sign() < 0 || p.PaperSlippageBPS.AtLeast(FromInt(10_000)):
		return Invalid("paper_slippage_bps", "must be at least 0 and below 10000 (basis points of the mark)")
	case p.FeeBPS.Sign() < 0 || p.FeeBPS.AtLeast(FromInt(10_000)):
		return Invalid("fee_bps", "must be at least 0 and below 10000 (basis points of the notional)")
	}
	if err := p.validateOptional(); err != nil {
		return err
	}
	if _, err := p.Location(); err != nil {
		return Invalid("daily_loss_tz", "is not a known IANA time zone such as UTC or Europe/Berlin")
	}
	return p.validateZones()
}

func (p *Policy) validateOptional() error {
	switch {
	case p.MaxOrderUSD.Sign() < 0:
		return Invalid("max_order_usd", "must not be negative; 0 is no limit")
	case p.MaxPositionUSD.Sign() < 0:
		return Invalid("max_position_usd", "must not be negative; 0 is no limit")
	case p.MaxOpenPositions < 0 || p.MaxOpenPositions > 100_000:
		return Invalid("max_open_positions", "must be 0 to 100000; 0 is no limit")
	case p.MaxOrdersPerMinute < 0 || p.MaxOrdersPerMinute > maxOrdersPerMinute:
		return Invalid("max_orders_per_minute", "must be 0 to %d; 0 is no limit", maxOrdersPerMinute)
	}
	if err := p.validateSecond(); err != nil {
		return err
	}
	for _, r := range []ratio{
		{"max_bot_daily_loss_pct", p.MaxBotDailyLossPct},
		{"max_rolling_loss_pct", p.MaxRollingLossPct},
		{"max_bot_capital_pct", p.MaxBotCapitalPct},
		{"max_category_exposure_pct", p.MaxCategoryExposurePct},
	} {
		if r.value.IsZero() {
			continue
		}
		if err := checkRatio(r.field, r.value); err != nil {
			return err
		}
	}
	return nil
}

// validateSecond checks the keys of the second edition.
func (p *Policy) validateSecond() error {
	switch {
	case p.Rules < 0 || p.Rules > SecondRules:
		return Invalid("rules", "must be 1 or 2, the edition of the rules")
	case p.MaxMarketUSD.Sign() < 0:
		return Invalid("max_market_usd", "must not be negative; 0 is no limit")
	case p.MaxOrdersPerDay < 0 || p.MaxOrdersPerDay > maxOrdersPerDay:
		return Invalid("max_orders_per_day", "must be 0 to %d; 0 is no limit", maxOrdersPerDay)
	case p.MarketCooldown < 0 || p.MarketCooldown > Duration(maxCooldown):
		return Invalid("market_cooldown", "must be between 0s, which is none, and %s", maxCooldown)
	case p.PositionDustUSD.Sign() < 0:
		return Invalid("position_dust_usd", "must not be negative")
	case p.WhileTripped != "" && p.WhileTripped != WhileReduce && p.WhileTripped != WhileNothing:
		return Invalid("while_tripped", "must be \"reduce\" or \"nothing\"")
	case p.MarkCollar.Sign() < 0 || p.MarkCollar.AtLeast(One):
		return Invalid("mark_collar", "must be at least 0, which is off, and below 1")
	case p.MarkConfirmAfter < 0 || p.MarkConfirmAfter > Duration(time.Hour):
		return Invalid("mark_confirm_after", "must be between 1s and 1h, or 0s for 10s")
	case p.MarkConfirmAfter > 0 && p.MarkConfirmAfter < Duration(time.Second):
		return Invalid("mark_confirm_after", "must be between 1s and 1h, or 0s for 10s")
	case p.MinCapital.Sign() < 0:
		return Invalid("min_capital", "must not be negative")
	}
	return nil
}

type ratio struct {
	field string
	value Decimal
}

// checkRatio refuses a value that is not between 0 and 1, both exclusive. If it
// looks like a percentage, the message suggests the fraction.
func checkRatio(field string, v Decimal) error {
	if v.Sign() <= 0 {
		return Invalid(field, "must be above 0 (a fraction: 0.05 is 5 %%)")
	}
	hundred := FromInt(100)
	if v.AtLeast(hundred) {
		return Invalid(field, "is %s, but a ratio is a fraction below 1 (0.05 is 5 %%)", v)
	}
	if v.AtLeast(One) {
		return Invalid(field, "is %s, but a ratio is a fraction below 1: did you mean %s?", v, v.Div(hundred))
	}
	return nil
}

func (p *Policy) validateZones() error {
	if len(p.ZoneBounds) != 6 {
		return Invalid("zone_bounds", "must hold 6 prices, the borders of 5 zones")
	}
	for i, b := range p.ZoneBounds {
		if b.Sign() < 0 || One.Less(b) {
			return Invalid("zone_bounds", "must lie between 0 and 1")
		}
		if i > 0 && !p.ZoneBounds[i-1].Less(b) {
			return Invalid("zone_bounds", "must rise from one to the next")
		}
	}
	for _, z := range p.BlockedZones {
		if z < 1 || z > 5 {
			return Invalid("blocked_zones", "may hold only 1 to 5")
		}
	}
	return nil
}

// Location returns the time zone days are counted in.
func (p *Policy) Location() (*time.Location, error) {
	if p.DailyLossTZ == "" || p.DailyLossTZ == "Local" {
		return nil, fmt.Errorf("time zone %q depends on the machine", p.DailyLossTZ)
	}
	return time.LoadLocation(p.DailyLossTZ)
}

// Zone returns the zone (1–5) of a price, [lo,hi) with the last one closed, or
// 0 outside all zones.
func (p *Policy) Zone(price Decimal) int {
	last := len(p.ZoneBounds) - 1
	if last < 1 {
		return 0
	}
	if price == p.ZoneBounds[last] {
		return last
	}
	for i := range last {
		if price.AtLeast(p.ZoneBounds[i]) && price.Less(p.ZoneBounds[i+1]) {
			return i + 1
		}
	}
	return 0
}

// Duration is a time.Duration written as text such as "30s" in JSON.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("is not a duration such as 30s or 15m")
	}
	*d = Duration(v)
	return nil
}

// ParseRatio reads a ratio between 0 and 1, both exclusive, as policies use it.
func ParseRatio(field, text string) (Decimal, error) {
	v, err := ParseDecimal(text)
	if err != nil {
		return Zero, Invalid(field, "%v", err)
	}
	return v, checkRatio(field, v)
}
