package httpapi

import (
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
