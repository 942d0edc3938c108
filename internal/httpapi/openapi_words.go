package httpapi

import (
	"cmp"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// The texts of the OpenAPI document that no Go type holds.

// Groups of routes in the document.
const (
	tagPortfolios = "portfolios"
	tagMoney      = "money"
	tagBots       = "bots and markets"
	tagTrading    = "trading"
	tagStops      = "breakers and stops"
	tagCustody    = "custody"
	tagViews      = "views"
	tagKeys       = "keys"
)

var tags = []*huma.Tag{
	{Name: tagPortfolios, Description: "Portfolios and their limits."},
	{Name: tagMoney, Description: "Money that came, went, or has to be corrected."},
	{Name: tagBots, Description: "Bots, their capital, and the markets they trade."},
	{Name: tagTrading, Description: "What a bot does: ask, place, report."},
	{Name: tagStops, Description: "Breakers, emergency stops, and rules that two people override."},
	{Name: tagCustody, Description: "Wallets, transfers, signatures and the treasury."},
	{Name: tagViews, Description: "What there is, now or at a moment of the past, and the event stream."},
	{Name: tagKeys, Description: "API keys, and the keys that seal the keystore."},
}

// refusal is one status that a request can be refused with.
type refusal struct {
	status, name, doc string
	of                func(*route) bool // the routes that it can come from
}

var refusalTable = []refusal{
	{"400", "Invalid", "The request is not valid; field says where.", every},
	{"401", "Unauthenticated", "There is no valid API key, or it has expired.", every},
	{"403", "Denied", "The role of the key may not do this, or not here.", every},
	{"421", "Misdirected", "The Host of the request is not a name of this server (PETS_ALLOWED_HOSTS).", every},
	{"404", "NotFound", "There is no such thing.", every},
	{"409", "Conflict", "It contradicts what is recorded, or the settings of the server; detail says what.", every},
	{"413", "TooLarge", "It is too large: split it.", every},
	{"422", "IdempotencyMismatch", "The Idempotency-Key was used for another request.", func(row *route) bool { taken, _ := row.keyed(); return taken }},
	{"429", "RateLimited", "A bound of the key or of the server is reached: wait as long as Retry-After says, and send it again with the same key.", every},
	{"503", "Unavailable", "Nothing was decided, or the answer did not come in time: send it again with the same key.", every},
	{"default", "Problem", "A problem; its type is urn:pets:problem:<code>.", every},
}

func every(*route) bool { return true }

// refusals are the answers of refusalTable, for all routes together.
func refusals(registry huma.Registry) map[string]*huma.Response {
	problem := map[string]*huma.MediaType{"application/problem+json": {Schema: registry.Schema(reflect.TypeFor[Problem](), true, "Problem")}}
	out := make(map[string]*huma.Response, len(refusalTable))
	for _, r := range refusalTable {
		out[r.name] = &huma.Response{Description: r.doc, Content: problem}
	}
	return out
}

// pathWords describe the parameters of a path.
var pathWords = map[string]string{
	"portfolio": "The portfolio's id",
	"bot":       "The bot's id",
	"permit":    "The permit's id: permit_id of the answer that granted it",
	"trade_id":  "The fill's trade_id",
	"breaker":   "The breaker's name, such as consecutive_losses",
	"request":   "The id of the request to clear the stop",
	"override":  "The override's id",
	"wallet":    "The wallet's name",
	"transfer":  "The transfer's id",
	"key":       "The API key's id, not its secret",
	"approver":  "The id of the approver's key",
	"kind":      "transfer, override or clear",
	"id":        "The id of the transfer, of the override, or of the request to clear the stop",
}

// fieldWords describe fields by name if the Go type does not: a name has one
// meaning in all bodies and answers.
var fieldWords = map[string]string{
	"account":         "The account in the double-entry books",
	"action":          "What to do",
	"adopt":           "Bring the portfolio under the second edition of the rules, for good, with its defaults for the keys that are not set",
	"address":         "The address on the chain",
	"allowed":         "Whether the order may be placed",
	"amount":          "How much of the asset",
	"arbitrage":       "The id of the arbitrage",
	"asleep":          "Whether its equity has not reached min_capital, so that none of its breakers is evaluated",
	"asset":           "The asset, such as USDC",
	"base_asset":      "The asset in which the portfolio is valued",
	"body":            "The fields of the command",
	"bot":             "The bot's id",
	"bots":            "The bots",
	"breaker":         "The breaker's name",
	"capital":         "The capital of the bot, out of the treasury",
	"chain":           "The chain's id",
	"command":         "The name of the command",
	"commands":        "The commands, in order",
	"cost":            "What it costs",
	"data":            "The event as it is stored",
	"detail":          "For a person",
	"digest":          "What is signed: 0x and hex",
	"directives":      "What bots have to do now",
	"dry_run":         "Say what would happen, and record nothing",
	"effective_at":    "When it happened at the venue, where that is not now",
	"events":          "What was recorded",
	"expires_at":      "Until when it is good",
	"fee":             "The fee",
	"fees":            "Fees paid",
	"flags":           "What is remarkable about it",
	"full":            "The bot may not even reduce what it holds",
	"group":           "Joins orders of which one is to be filled: those that wholly reduce count as the largest",
	"halts":           "What keeps the bot from trading freely; of several, the strictest holds",
	"idempotency_key": "The UUID of the command",
	"intent":          "What the order is for; directional by default",
	"leg":             "The number of the leg at the venue",
	"legs":            "The orders of an arbitrage",
	"left":            "What may still be filled of the order",
	"limit_price":     "The worst price that the order accepts",
	"losses":          "How many lost",
	"mark":            "The last price that was recorded",
	"market":          "The market's id",
	"message":         "For a person",
	"mode":            "paper or live",
	"neutral":         "How many neither won nor lost",
	"next":            "What to ask after for the next page",
	"note":            "A note for people",
	"notional":        "The cash that moved, without the fee; quantity times price where it is left out",
	"of":              "The breaker, the bot's status, or the kind of the emergency stop",
	"bot_may":         "What it leaves permitted to the bot",
	"operator_may":    "What it leaves permitted to an operator for the bot",
	"outcome":         "The outcome of the market that is traded",
	"paper_fill":      "In a paper portfolio: let the engine fill the order",
	"payoff_max":      "What the holdings in the market pay together in the best outcome",
	"payoff_min":      "What the holdings in the market pay together in the worst outcome",
	"payouts":         "What one share of each outcome pays, from 0 to 1",
	"permit":          "The permit's id",
	"permit_id":       "The permit's id, under which the order is placed",
	"pnl":             "Profit or loss, net of fees",
	"portfolio":       "The portfolio's id",
	"positions":       "What is held",
	"price":           "The price of one",
	"quantity":        "How much: of an order or a fill above 0, and side says which way it goes; of a position below 0 where it is short",
	"reason":          "Why, for people and the record",
	"reasons":         "Every reason that was found",
	"reduce_only":     "Only reduce what is held",
	"reserved":        "The cash that is reserved for the order",
	"results":         "The answers, in the order of the commands",
	"revision":        "The place in the portfolio's history",
	"rebase":          "Measure from the equity after it",
	"role":            "What the key may do",
	"row":             "The place of the event in its record, from 0, where several events share one",
	"set_id":          "The venue's or the chain's id of the change: reported twice it is recorded once",
	"short":           "Left out what made the answer too long",
	"shrunk":          "The orders of a group of which less may be filled",
	"side":            "buy or sell",
	"strategy":        "The strategy's name, for people",
	"time_in_force":   "How long the order rests; gtc by default",
	"time":            "The time of it",
	"trade":           "The id of the trade",
	"trade_id":        "The venue's id of the fill or trade: reported twice it is recorded once",
	"trades":          "Closed trades",
	"transfer":        "The transfer's id",
	"tripped":         "Whether it is tripped",
	"ttl":             "How long it is good",
	"tx_hash":         "The transaction's hash on the chain",
	"user":            "The person",
	"void":            "The market is void: every holder gets the cost back",
	"venue":           "The venue, part of the identity of a fill",
	"wallet":          "The wallet's name",
	"wins":            "How many won",
}

// fieldWordsOf are those of a single schema, if the description by name would not
// be exact.
var fieldWordsOf = map[string]string{
	"AskPermit.fee":            "The fee of the whole order, where it can have one; the fee_bps of the limits by default",
	"Leg.fee":                  "The fee of the whole leg, where it can have one; the fee_bps of the limits by default",
	"RecordFill.fee":           "The fee that was paid. More than the permit names is flagged: fee_exceeded, under rules 1 permit_exceeded. Negative is a rebate (rules 2)",
	"RecordFill.fee_asset":     "What the fee was paid in: the base asset by default, another asset, or shares of what was bought (rules 2)",
	"ConfirmFill.market":       "The fill's market; needed where the id is unknown, or that of fills of several markets (rules 2)",
	"VoidFill.market":          "The fill's market; needed where the id is unknown, or that of fills of several markets (rules 2)",
	"RecordFunding.amount":     "What holding the position brought; negative is what it cost",
	"RecordFunding.funding_id": "The venue's id of the payment: reported twice it is recorded once",
	"RecordDeposit.leg":        "Tells apart movements of one asset in one transaction",
	"RecordWithdrawal.leg":     "Tells apart movements of one asset in one transaction",
	"Answer.flags":             "What is remarkable about the fill, or the closed trade, that was reported",
	"ChangeSets.action":        "split: cash into sets; merge: sets into cash",
	"ChangeSets.fee":           "The fee of the change, in the base asset",
	"ChangeSets.quantity":      "How many complete sets",
	"MarketHolding.cost":       "What the holdings in the market cost together",
	"MarketHolding.exposure":   "What can be lost of them, and of what live permits may still open there, as the limits count it",
	"MarketHolding.value":      "What the holdings in the market are worth together: positions alone do not add up to it",
	"Reason.leg":               "The leg it is about, from 1",
}

// describe gives the fields of all schemas their words.
func describe(registry huma.Registry) {
	for of, schema := range registry.Map() {
		for name, field := range schema.Properties {
			switch words := cmp.Or(fieldWordsOf[of+"."+name], fieldWords[name]); {
			case words == "" || field.Ref != "":
			case field.Description == "":
				field.Description = words
			case field.Pattern != "": // a decimal, which says only how it is written
				field.Description = words + ". " + field.Description
			}
		}
	}
}
