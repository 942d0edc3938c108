package domain

// Mode says whether a portfolio moves real money. It never changes.
type Mode string

// The modes.
const (
	ModePaper Mode = "paper"
	ModeLive  Mode = "live"
)

// Clock says where the record times of a portfolio come from.
type Clock string

// The clocks.
const (
	ClockWall     Clock = "wall"     // the server's clock, at the moment of recording
	ClockImported Clock = "imported" // the rows of the imported files
)

// PortfolioOpened is the first event of every portfolio stream.
type PortfolioOpened struct {
	Portfolio string `json:"portfolio"`
	Mode      Mode   `json:"mode"`
	Clock     Clock  `json:"clock"`
	// BaseAsset is the asset that equity, capital and P&L are counted in.
	// BaseDecimals is the number of decimals that it has on its chain.
	BaseAsset    string `json:"base_asset"`
	BaseDecimals int    `json:"base_decimals"`
	Policy       Policy `json:"policy"`
	// Treasury holds the rules of the treasury, or nil for the defaults.
	Treasury *TreasuryPolicy `json:"treasury,omitempty"`
	// Gate is the passed assessment that a live portfolio was opened on.
	Gate *Gate `json:"gate,omitempty"`
	// SignedApprovals reports that every approval in the portfolio has to be signed
	// with an approver's own key. It is set for every live portfolio; those of older
	// builds lack it.
	SignedApprovals bool `json:"signed_approvals,omitempty"`
	// CorrectedByTwo reports that the books are corrected by two people from the
	// beginning. It is set for every live portfolio; those of older builds lack it.
	CorrectedByTwo bool `json:"corrected_by_two,omitempty"`
}

// Gate points to the record that allowed a live portfolio to be opened.
type Gate struct {
	Portfolio string `json:"portfolio"`
	Revision  uint64 `json:"revision"`
}

// LimitsChanged replaces the policy.
type LimitsChanged struct {
	Policy Policy `json:"policy"`
	Reason string `json:"reason"`
}

// CommandNoted records a command that was accepted without any other event, so
// that a retry of it can never take effect later.
type CommandNoted struct {
	// Code gives the reason for programs, Note for people.
	Code string `json:"code"`
	Note string `json:"note"`
	// Of is the revision of the earlier record that the command repeats.
	Of *uint64 `json:"of,omitempty"`
}

// Codes of notes.
const (
	NotedDuplicate = "duplicate" // an earlier record holds the same; see Of
	NotedUnchanged = "unchanged" // the requested state is already in force
	NotedIgnored   = "ignored"   // the command has no effect by rule
	NotedSetAside  = "set_aside" // a row of an import that could not be booked
	NotedNothing   = "nothing"   // there was nothing to record
)

// MarketKind says what is traded in a market.
type MarketKind string

// The market kinds. Only outcome markets have zones and prices between 0 and 1.
const (
	KindOutcome MarketKind = "outcome"
	KindSpot    MarketKind = "spot"
	KindPerp    MarketKind = "perp"
)

// MarketRegistered fixes the kind of a market; it cannot be changed afterwards.
type MarketRegistered struct {
	Market   string     `json:"market"`
	Kind     MarketKind `json:"kind"`
	Outcomes []string   `json:"outcomes,omitempty"`
	Category string     `json:"category,omitempty"`
	// Tokens are the on-chain ids of the outcomes' tokens, in decimal. An order
	// can be signed only if it names the token of its permit's outcome.
	Tokens map[string]string `json:"tokens,omitempty"`
	// Exclusive reports that one share of each outcome pays 1 together.
	Exclusive bool `json:"exclusive,omitempty"`
	// Changes are the changes of equity by a registration that came after marks and
	// fills. They count as flows.
	Changes []ScopeChange `json:"changes,omitempty"`
	// Condition is the id of the condition that the tokens derive from, by the order of
	// the outcomes: 0x and 64 hex digits, or 62 where a token's own digits are its
	// condition.
	Condition string `json:"condition,omitempty"`
	// Checked is how the tokens were compared with the condition.
	Checked *TokensCheck `json:"checked,omitempty"`
	// CancelOrders lists, by bot, the resting orders of halted bots that would open now
	// because what they were to close is held together with other outcomes.
	CancelOrders []BotOrders `json:"cancel_orders,omitempty"`
}

// ScopeChange is a change of equity of a bot, or of the portfolio if Bot is empty.
type ScopeChange struct {
	Bot    string  `json:"bot,omitempty"`
	Amount Decimal `json:"amount"`
}

// TokensCheck records how the tokens of a market were compared with its condition.
type TokensCheck struct {
	Condition string `json:"condition,omitempty"`
	// Chain and Block are where the contract was asked. They are empty if the tokens'
	// own digits say what they derive from, and if nothing was compared.
	Chain string `json:"chain,omitempty"`
	Block uint64 `json:"block,omitempty"`
	// Form names how the tokens derive from the condition.
	Form string `json:"form,omitempty"`
	// Unchecked says why nothing was compared.
	Unchecked string `json:"unchecked,omitempty"`
}

// BotRegistered introduces a bot; it cannot trade until it is started.
type BotRegistered struct {
	Bot      string `json:"bot"`
	Strategy string `json:"strategy,omitempty"`
	// Kind is directional, the default, or market_maker.
	Kind string `json:"kind,omitempty"`
	// InventoryCap is the largest exposure, in shares or units, that a market
	// maker may have in any one market. It is 0 for other bots.
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

// BotStopped withdraws the permission given by BotStarted. Stops by a breaker are
// part of its trip instead.
type BotStopped struct {
	Bot    string `json:"bot"`
	Reason string `json:"reason,omitempty"`
	// Full reports that the bot may not even reduce what it holds.
	Full bool `json:"full,omitempty"`
	// CancelOrders lists the permits of its resting orders that open, which it has to
	// cancel.
	CancelOrders []string `json:"cancel_orders,omitempty"`
}

// The event types of this file.
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
