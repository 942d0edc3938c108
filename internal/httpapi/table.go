package httpapi

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"pets/commands"
	"pets/domain"
)

// route is one row of the table: the request, its roles, and its handler.
type route struct {
	method, path string
	// name is the operation's id in the OpenAPI document and in metrics, tag its
	// group there.
	name    string
	tag     string
	summary string
	roles   []domain.Role
	// global routes do not concern a single portfolio: a key that is bound to one
	// may not use them.
	global bool
	// history: a look into the past needs every event, not only a checkpoint.
	history bool
	params  []param
	body    reflect.Type // nil for none
	// notInBody are fields of the body's type that are no part of the body: those that the
	// path names, and those that a sender does not set.
	notInBody []string
	answer    reflect.Type
	// also is another form of the answer: of a dry run, or to a bot; nil for none.
	also    reflect.Type
	maxBody int64
	handle  func(*request) error
	// urgent routes stop things: no rate and no other request delays them, they
	// are open before the history is folded, and the stop socket answers them.
	urgent bool
	// early routes are open as soon as the keys are folded, because they need no
	// portfolio.
	early bool
	// batch: each command of the request counts by itself, once it is known.
	batch bool
	// streams: the answer continues until one side ends it.
	streams bool
	// sends is the row of the command that the route sends; it has no name where it sends
	// none, or several.
	sends commands.Spec
	// key says whether the route needs an Idempotency-Key.
	key keyNeed
}

// keyNeed says whether a route needs an Idempotency-Key.
type keyNeed int

const (
	keyByCommand keyNeed = iota // if it sends a command
	keyAlways
	keyUnlessDry // not if it records nothing: a preview, a dry run
)

// keyed resolves keyByCommand. taken reports whether the route uses a key, needed
// whether it requires one.
func (row *route) keyed() (taken, needed bool) {
	switch row.key {
	case keyAlways:
		return true, true
	case keyUnlessDry:
		return true, false
	default:
		return row.sends.Name != "", row.sends.Name != ""
	}
}

// param is a parameter of the query; without a schema it is any text.
type param struct {
	name, doc string
	schema    *huma.Schema
}

func textParam(name, doc string) param { return param{name: name, doc: doc} }

func boolParam(name, doc string) param {
	return param{name, doc, &huma.Schema{Type: huma.TypeBoolean, Default: false}}
}

func timeParam(name, doc string) param {
	return param{name, doc, &huma.Schema{Type: huma.TypeString, Format: "date-time"}}
}

func revisionParam(name, doc string) param {
	return param{name, doc, &huma.Schema{Type: huma.TypeInteger, Minimum: new(float64)}}
}

func countParam(name, doc string, least, most, fallback float64) param {
	return param{name, doc, &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Default: fallback}}
}

// grouped puts routes into a group of the document.
func grouped(tag string, routes []route) []route {
	for i := range routes {
		routes[i].tag = tag
	}
	return routes
}

// Readers: all roles but a feed, which only sends prices. A bot, which comes
// first, sees only its own.
var (
	readers  = []domain.Role{domain.RoleBot, domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin, domain.RoleAuditor}
	admins   = []domain.Role{domain.RoleAdmin}
	keyLists = []domain.Role{domain.RoleAdmin, domain.RoleAuditor}
)

// table lists every route under /v1, and who may read what. A route that sends a
// command has the roles of the command's row in commands/table.go, whose authorise
// checks them once more. The order is that of the OpenAPI document. /livez, /readyz
// and /openapi.json need no key and are not here.
var table = slices.Concat(
	grouped(tagPortfolios, portfolioRoutes()), grouped(tagMoney, moneyRoutes()), grouped(tagBots, botRoutes()),
	grouped(tagTrading, tradingRoutes()), grouped(tagStops, riskRoutes()), grouped(tagCustody, custodyRoutes()),
	grouped(tagViews, readRoutes()), grouped(tagKeys, keyRoutes()), grouped(tagKeys, approverRoutes()), grouped(tagKeys, encryptionRoutes()),
)

const inPortfolio = "/v1/portfolios/{portfolio}"

func portfolioRoutes() []route {
	return []route{
		openRoute(),
		{
			method: http.MethodGet, path: "/v1/portfolios", name: "list_portfolios", roles: readers, handle: listPortfolios,
			summary: "The portfolios there are; a key that is bound to one sees that one", answer: reflect.TypeFor[portfolioList](), params: paging,
		},
		get("", "get_portfolio", "One portfolio: mode, clock, policy, where it stands", portfolioView, paging...),
		limitsRoute(),
	}
}

func moneyRoutes() []route {
	return []route{
		post[commands.RecordDeposit]("/deposits", "Record money that came in from outside", nil),
		post[commands.RecordWithdrawal]("/withdrawals", "Record money that went out (a fact: sending is not done here)", nil),
		post[commands.RecordFee]("/fees", "Record a fee, or a rebate, that belongs to no fill", nil),
		post[commands.PostAdjustment]("/adjustments", "Correct an asset account of a paper portfolio by hand, with a reason; in a live one two people do, by an override of kind adjustment", nil),
	}
}

func botRoutes() []route {
	return []route{
		marketRoute(),
		outOfBody(post[commands.RegisterBot]("/bots", "Register a bot with its capital", nil), "start"), // only an import starts what it registers
		post("/bots/{bot}/start", "Let a bot ask for permits", func(c *commands.StartBot, r *http.Request) { c.Bot = r.PathValue("bot") }),
		stopBotRoute(),
		post("/bots/{bot}/allocate", "Move capital to a bot, or back where negative", func(c *commands.AllocateCapital, r *http.Request) { c.Bot = r.PathValue("bot") }),
	}
}

func tradingRoutes() []route {
	return []route{
		permitRoute(),
		post("/permits/{permit}/placed", "The permitted order rests at the venue", func(c *commands.PlacePermit, r *http.Request) { c.Permit = r.PathValue("permit") }),
		post("/permits/{permit}/release", "The order was cancelled, or never placed", func(c *commands.ReleasePermit, r *http.Request) { c.Permit = r.PathValue("permit") }),
		post[commands.RecordFill]("/fills", "I traded: an order was filled, wholly or in part", nil),
		post("/fills/{trade_id}/confirm", "A provisional fill is final", func(c *commands.ConfirmFill, r *http.Request) { c.TradeID = r.PathValue("trade_id") }),
		post("/fills/{trade_id}/void", "A provisional fill never happened", func(c *commands.VoidFill, r *http.Request) { c.TradeID = r.PathValue("trade_id") }),
		post[commands.RecordFunding]("/funding", "Record what holding a position brought or cost", nil),
		post[commands.SettleMarket]("/settlements", "Pay out a market to its holders: by the payouts of all outcomes, as void, or one outcome", nil),
		post[commands.CorrectSettlement]("/settlements/correct", "Replace what a settled market paid; two people do it in a live portfolio, by an override", nil),
		post[commands.ChangeSets]("/sets", "I split cash into complete sets of a market, or merged them", nil),
		post[commands.MarkPrices]("/marks", "Value instruments and assets", nil),
		post[commands.RecordTrade]("/trades", "Report a closed trade of a bot that only knows results", nil),
		batchRoute(), importRoute(),
	}
}

func riskRoutes() []route {
	return []route{
		resetRoute(),
		stopRoute(), stopAllRoute(),
		post[commands.RequestClear]("/emergency-stop/clear", "The first of two people asks to clear the emergency stop", nil),
		overrideRoute(),
		confirmOverrideRoute(),
		post("/emergency-stop/clear/{request}/confirm", "The second of two people confirms it", func(c *commands.ConfirmClear, r *http.Request) { c.Request = r.PathValue("request") }),
	}
}

func readRoutes() []route {
	bot := textParam("bot", "only this bot")
	return []route{
		answering[stateAnswer, ownStateAnswer](get("/state", "state", "Equity, drawdown, breakers, bots and positions; a bot's key gets its own share", stateView, paging...)),
		answering[statsAnswer, ownStats](past(get("/stats", "stats", "Statistics of closed trades, and where each breaker would first have tripped", statsView, paging...))),
		get("/balances", "balances", "The double-entry books; each asset sums to zero", balancesView, paging...),
		get("/positions", "positions", "What is held", positionsView, with(bot)...),
		past(get("/trades", "trades", "What was closed, newest last", tradesView, bot, textParam("after", "what next of the page before said: go on behind that trade; or a number: only trades with a number above it"), countParam("limit", "at most this many", 1, 1000, 100))),
		get("/permits", "permits", "Permits that are live: granted, or working at a venue", permitsView, with(bot)...),
		get("/breakers", "breakers", "Every breaker: status, value, limit", breakersView, paging...),
		// The money of the whole portfolio is hidden from a bot; its own is in
		// its state.
		by(readers[1:], past(get("/equity", "equity", "Equity over time", equityView,
			timeParam("from", "only points from this time on"), timeParam("to", "only points up to this time"), countParam("points", "thinned to about this many", 3, 100_000, 500),
			revisionParam("after", "only points of revisions above this")))),
		eventsRoute(), streamRoute(),
	}
}

// with adds the parameters of paging to others.
func with(more ...param) []param { return append(more, paging...) }

// answering documents the answer of a route that shows bots less.
func answering[T, Own any](r route) route {
	r.answer, r.also = reflect.TypeFor[T](), reflect.TypeFor[Own]()
	return r
}

// by restricts who may call a route.
func by(roles []domain.Role, r route) route {
	r.roles = roles
	return r
}

// past marks a route whose view needs the whole history.
func past(r route) route {
	r.history = true
	return r
}

func keyRoutes() []route {
	return []route{
		issueRoute(),
		{
			method: http.MethodGet, path: "/v1/api-keys", name: "list_api_keys", roles: keyLists, global: true, handle: listKeys,
			summary: "The API keys there are, without their secrets", answer: reflect.TypeFor[keyList](), params: paging,
		},
		rotateRoute(),
		revokeRoute(),
	}
}

// get is a route with a view of a portfolio. All of them accept ?at= and
// ?min_revision=.
func get[T any](path, name, summary string, view func(*looker) (*T, error), more ...param) route {
	return route{
		method: http.MethodGet, path: inPortfolio + path, name: name, summary: summary, roles: readers,
		params: append([]param{
			textParam("at", "as of this revision or RFC 3339 time"),
			revisionParam("min_revision", "wait until at least this revision is folded, for up to 5 s"),
		}, more...),
		answer: reflect.TypeFor[T](),
		handle: func(q *request) error { return show(q, view) },
	}
}

// sending is a route that sends one command: it has its name and its roles.
func sending(c commands.Command, path, summary string, handle func(*request) error) route {
	s := commands.SpecOf(c)
	return route{
		method: http.MethodPost, path: path, name: s.Name, summary: summary, roles: s.Roles, sends: s,
		body: reflect.TypeOf(c), notInBody: parametersOf(path), answer: reflect.TypeFor[commands.Answer](), handle: handle,
	}
}

// post is a route of a portfolio whose body is one command; inPath reads the fields of
// it that the path names, nil for none.
func post[C commands.Command](path, summary string, inPath func(*C, *http.Request)) route {
	var blank C
	return sending(blank, inPortfolio+path, summary, func(q *request) error {
		c, err := readCommand(q, inPath)
		if err != nil {
			return err
		}
		if err := q.chargeFact(c, q.bodyBytes); err != nil {
			return err
		}
		return q.do(c)
	})
}

// readCommand reads a command from body and path.
func readCommand[C commands.Command](q *request, inPath func(*C, *http.Request)) (C, error) {
	var c C
	if err := q.readBody(&c); err != nil {
		return c, err
	}
	if inPath != nil {
		inPath(&c, q.r)
	}
	return c, nil
}

// parametersOf are the fields that stand in a path. The portfolio is none: it is where a
// command goes to.
func parametersOf(path string) []string {
	var names []string
	for part := range strings.SplitSeq(path, "/") {
		if name, is := strings.CutPrefix(part, "{"); is && name != "portfolio}" {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// outOfBody keeps fields of a command that its senders do not set out of the body.
func outOfBody(r route, fields ...string) route {
	r.notInBody = append(r.notInBody, fields...)
	return r
}

// portfolioSummary is one portfolio in a list.
type portfolioSummary struct {
	Portfolio string      `json:"portfolio"`
	Mode      domain.Mode `json:"mode"`
	Revision  uint64      `json:"revision"`
}

type portfolioList struct {
	Portfolios []portfolioSummary `json:"portfolios"`
	Pages
}
