package domain

// Mode says whether a portfolio moves real money. It never changes.
type Mode string

// The modes.
const (
	ModePaper Mode = "paper"
	ModeLive  Mode = "live"
)

// Clock says where the times of a portfolio's records come from.
type Clock string

// The clocks.
const (
	ClockWall     Clock = "wall"     // our own clock, at the moment of recording
	ClockImported Clock = "imported" // the rows of the imported files
)

// PortfolioOpened is the first event of every portfolio stream.
type PortfolioOpened struct {
	Portfolio string `json:"portfolio"`
	Mode      Mode   `json:"mode"`
	Clock     Clock  `json:"clock"`
	// BaseAsset is what equity, capital and P&L are counted in; BaseDecimals is
	// what the chain rounds it to.
	BaseAsset    string `json:"base_asset"`
	BaseDecimals int    `json:"base_decimals"`
	Policy       Policy `json:"policy"`
	// Treasury has the rules of the treasury; without it the defaults of section 8 hold.
	Treasury *TreasuryPolicy `json:"treasury,omitempty"`
	// Gate is the passed assessment a live portfolio was opened on.
	Gate *Gate `json:"gate,omitempty"`
}

// Gate points to the record that allowed a live portfolio.
type Gate struct {
	Portfolio string `json:"portfolio"`
	Revision  uint64 `json:"revision"`
}

// LimitsChanged replaces the policy.
type LimitsChanged struct {
	Policy Policy `json:"policy"`
	Reason string `json:"reason"`
}

// CommandNoted records that a command was accepted and had nothing (more) to
// say, so that its retry can never act later.
type CommandNoted struct {
	// Code says why for a program, Note for a person.
	Code string `json:"code"`
	Note string `json:"note"`
	// Of is the revision of the record that had already said it.
	Of *uint64 `json:"of,omitempty"`
}

// Codes of notes.
const (
	NotedDuplicate = "duplicate" // a record had said it already; see Of
	NotedUnchanged = "unchanged" // what was asked for is so already
	NotedIgnored   = "ignored"   // it has no effect by rule
	NotedSetAside  = "set_aside" // a row of an import that could not be booked
	NotedNothing   = "nothing"   // there was nothing to record
)

// MarketKind says what is traded in a market.
type MarketKind string

// The market kinds. Only outcome markets have zones and prices in 0..1.
const (
	KindOutcome MarketKind = "outcome"
	KindSpot    MarketKind = "spot"
	KindPerp    MarketKind = "perp"
)

// MarketRegistered makes the operator's word on a market's kind final.
type MarketRegistered struct {
	Market   string     `json:"market"`
	Kind     MarketKind `json:"kind"`
	Outcomes []string   `json:"outcomes,omitempty"`
	Category string     `json:"category,omitempty"`
	// Tokens are the ids of the outcomes' tokens on the chain, decimal: an order that
	// is to be signed has to name the one of its permit.
	Tokens map[string]string `json:"tokens,omitempty"`
}

// BotRegistered introduces a bot; it cannot trade until it is started.
type BotRegistered struct {
	Bot      string `json:"bot"`
	Strategy string `json:"strategy,omitempty"`
	// Kind is directional, the default, or market_maker.
	Kind string `json:"kind,omitempty"`
	// InventoryCap is the most shares, or units, that a market maker may come to be
	// exposed to in any one market; 0 for other bots.
	InventoryCap Decimal `json:"inventory_cap,omitzero"`
}

// Kinds of bots.
const (
	BotDirectional = "directional"
	BotMarketMaker = "market_maker"
)

// BotCapitalAllocated moves base asset from hot:treasury to the bot, or back
// when negative. A flow of the bot, not of the portfolio.
type BotCapitalAllocated struct {
	Bot    string  `json:"bot"`
	Amount Decimal `json:"amount"`
}

// BotStarted lets a bot ask for permits.
type BotStarted struct {
	Bot string `json:"bot"`
}

// BotStopped takes that back. Stops by a breaker stand in its trip instead.
type BotStopped struct {
	Bot    string `json:"bot"`
	Reason string `json:"reason,omitempty"`
}

// Event types of this file.
const (
	PortfolioOpenedType     = "portfolio.opened.v1"
	LimitsChangedType       = "limits.changed.v1"
	CommandNotedType        = "command.noted.v1"
	MarketRegisteredType    = "market.registered.v1"
	BotRegisteredType       = "bot.registered.v1"
	BotCapitalAllocatedType = "bot.capital_allocated.v1"
	BotStartedType          = "bot.started.v1"
	BotStoppedType          = "bot.stopped.v1"
)

// EventType implements Event.
func (e *PortfolioOpened) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *LimitsChanged) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *CommandNoted) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *MarketRegistered) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BotRegistered) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BotCapitalAllocated) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BotStarted) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BotStopped) EventType() string { return typeOf(e) }
