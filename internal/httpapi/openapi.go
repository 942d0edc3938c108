package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/domain/treasury"
)

// The document is generated from the route table and the Go types of the bodies,
// so it cannot differ from the server. huma derives the schemas; requests are
// decoded by this package (docs/decisions).

// decimalDoc, durationDoc and jsonDoc describe types that are written as text.
type (
	decimalDoc  string
	durationDoc string
	uuidDoc     string
	sideDoc     string
	modeDoc     string
	kindDoc     string
	roleDoc     string
	intentDoc   string
	forceDoc    string
	reasonDoc   string
	signDoc     string
	transferDoc string
	botDoc      string
	breakerDoc  string
)

// Schema implements huma.SchemaProvider.
func (decimalDoc) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: `^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,18})?$`, Examples: []any{"12.5"},
		Description: "An exact decimal: at most 18 decimals, below 10^15, no exponent.",
	}
}

// Schema implements huma.SchemaProvider.
func (durationDoc) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Examples: []any{"30s"}, Description: "A duration such as 30s, 15m or 1h."}
}

// Schema implements huma.SchemaProvider.
func (uuidDoc) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "uuid"}
}

func oneOf(values ...any) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Enum: values} }

// Schema implements huma.SchemaProvider.
func (sideDoc) Schema(huma.Registry) *huma.Schema { return oneOf("buy", "sell") }

// Schema implements huma.SchemaProvider.
func (modeDoc) Schema(huma.Registry) *huma.Schema { return oneOf("paper", "live") }

// Schema implements huma.SchemaProvider.
func (kindDoc) Schema(huma.Registry) *huma.Schema { return oneOf("outcome", "spot", "perp") }

// Schema implements huma.SchemaProvider.
func (roleDoc) Schema(huma.Registry) *huma.Schema {
	return oneOf("bot", "feed", "operator", "approver", "admin", "auditor")
}

// Schema implements huma.SchemaProvider.
func (intentDoc) Schema(huma.Registry) *huma.Schema {
	return among([]domain.Intent{domain.IntentDirectional, domain.IntentArbitrage, domain.IntentMarketMaking})
}

// Schema implements huma.SchemaProvider.
func (forceDoc) Schema(huma.Registry) *huma.Schema {
	return among([]domain.TimeInForce{domain.GoodTillCancelled, domain.GoodTillDate, domain.ImmediateOrCancel, domain.FillOrKill})
}

// Schema implements huma.SchemaProvider.
func (reasonDoc) Schema(huma.Registry) *huma.Schema { return among(domain.ReasonCodes()) }

// Schema implements huma.SchemaProvider.
func (signDoc) Schema(huma.Registry) *huma.Schema { return among(domain.SignatureCodes()) }

// Schema implements huma.SchemaProvider.
func (transferDoc) Schema(huma.Registry) *huma.Schema {
	return among([]treasury.Status{
		treasury.Requested, treasury.Approved, treasury.Rejected, treasury.Expired, treasury.Prepared, treasury.Signed, treasury.Broadcast,
		treasury.Confirmed, treasury.Failed,
	})
}

// Schema implements huma.SchemaProvider.
func (botDoc) Schema(huma.Registry) *huma.Schema {
	return among([]portfolio.BotStatus{portfolio.Registered, portfolio.Running, portfolio.Stopped})
}

// Schema implements huma.SchemaProvider.
func (breakerDoc) Schema(huma.Registry) *huma.Schema {
	return among([]risk.Status{risk.OK, risk.Warned, risk.Tripped})
}

func among[T ~string](values []T) *huma.Schema {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return oneOf(all...)
}

// newRegistry registers the types that are written as text, and the closed lists.
func newRegistry() huma.Registry {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Decimal](), reflect.TypeFor[decimalDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Duration](), reflect.TypeFor[durationDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Side](), reflect.TypeFor[sideDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Mode](), reflect.TypeFor[modeDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.MarketKind](), reflect.TypeFor[kindDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Role](), reflect.TypeFor[roleDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Intent](), reflect.TypeFor[intentDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.TimeInForce](), reflect.TypeFor[forceDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.ReasonCode](), reflect.TypeFor[reasonDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.SignatureCode](), reflect.TypeFor[signDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[treasury.Status](), reflect.TypeFor[transferDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[portfolio.BotStatus](), reflect.TypeFor[botDoc]())
	registry.RegisterTypeAlias(reflect.TypeFor[risk.Status](), reflect.TypeFor[breakerDoc]())
	return registry
}

func init() { huma.DefaultArrayNullable = false } //nolint:gochecknoinits // no list of an answer is null

// OpenAPI returns the OpenAPI 3.1 document as JSON, indented.
func OpenAPI(version string) ([]byte, error) {
	registry := newRegistry()
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "pets", Version: version,
			Description: "An event-sourced ledger and risk engine for trading bots. Amounts are exact decimals in strings. " +
				"A command carries an Idempotency-Key; the same key and body again get the first answer, with what has become of a permit, and what bots have to do, as of now. Errors are problem+json.",
		},
		Servers: []*huma.Server{{URL: "/", Description: "The server that serves this document; http://127.0.0.1:7433 by default"}},
		Tags:    tags,
		Components: &huma.Components{
			Schemas:   registry,
			Responses: refusals(registry),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"key": {Type: "http", Scheme: "bearer", Description: "An API key: Authorization: Bearer pets_…"},
			},
		},
		Security: []map[string][]string{{"key": {}}},
	}
	for i := range table {
		doc.AddOperation(operation(registry, &table[i]))
	}
	problems(registry)
	describe(registry)
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func operation(registry huma.Registry, row *route) *huma.Operation {
	roles := make([]string, len(row.roles))
	for i, r := range row.roles {
		roles[i] = string(r)
	}
	op := &huma.Operation{
		Method: row.method, Path: row.path, OperationID: row.name, Summary: row.summary, Tags: []string{row.tag},
		Description: "Roles: " + strings.Join(roles, ", ") + ".",
		Extensions:  map[string]any{"x-roles": roles},
	}
	op.Parameters = parameters(row)
	if row.body != nil {
		schema := bodySchema(registry, row)
		of := schema
		if schema.Ref != "" {
			of = registry.SchemaFromRef(schema.Ref)
		}
		op.RequestBody = &huma.RequestBody{
			Required: len(of.Required) > 0, // a command that needs nothing more takes no body, too
			Content:  map[string]*huma.MediaType{"application/json": {Schema: schema}},
		}
	}
	op.Responses = answers(registry, row)
	return op
}

// answers lists the answers of a route: the result, and the refusals that can
// occur.
func answers(registry huma.Registry, row *route) map[string]*huma.Response {
	ok, media := "OK", "application/json"
	answer := registry.Schema(row.answer, true, row.name+"Answer")
	switch {
	case row.name == "stream":
		media = "text/event-stream"
		ok = "Server-sent events. The data of each is JSON: of hello, which comes first, a Hello; of event an EventAnswer; of directive a DirectiveMessage. The id is the revision to resume after"
		answer = &huma.Schema{OneOf: []*huma.Schema{
			registry.Schema(reflect.TypeFor[hello](), true, "StreamHello"), answer,
			registry.Schema(reflect.TypeFor[directiveMessage](), true, "StreamDirective"),
		}}
	case row.also != nil:
		answer = &huma.Schema{OneOf: []*huma.Schema{answer, registry.Schema(row.also, true, row.name+"Other")}}
	}
	content := map[string]*huma.MediaType{media: {Schema: answer}}
	all := map[string]*huma.Response{"200": {Description: ok, Content: content}}
	if row.urgent {
		all["202"] = &huma.Response{Description: "It holds, and is recorded as soon as it can be", Content: content}
	}
	for _, r := range refusalTable {
		if r.of(row) {
			all[r.status] = &huma.Response{Ref: "#/components/responses/" + r.name}
		}
	}
	return all
}

// problems makes the problem types a closed list.
func problems(registry huma.Registry) {
	p := registry.Map()["Problem"]
	for _, code := range domain.Codes() {
		p.Properties["type"].Enum = append(p.Properties["type"].Enum, problemType+string(code))
	}
}

func bodySchema(registry huma.Registry, row *route) *huma.Schema {
	if row.body == row.sends.Type() && len(row.notInBody) > 0 {
		return withoutApart(registry, row)
	}
	s := registry.Schema(row.body, true, row.name+"_body")
	if row.body == reflect.TypeFor[openBody]() {
		registry.SchemaFromRef(s.Ref).Properties["limits"] = registry.Schema(policyPatch, true, "limits")
	}
	if row.body == reflect.TypeFor[commands.AskPermit]() {
		of := registry.SchemaFromRef(s.Ref)
		of.Required = []string{"bot"}
		of.Description = "One order: market, outcome, side, quantity and limit_price. Or an arbitrage: intent arbitrage and legs, and none of these."
	}
	if row.body == reflect.TypeFor[commands.SettleMarket]() {
		of := registry.SchemaFromRef(s.Ref)
		of.Required = []string{"market"}
		of.Description = "One outcome: market, outcome and payout, both required. Or the whole market: payouts, which name every outcome, or void, and neither of these."
	}
	return s
}

// withoutApart is the schema of a command without the fields that are no part of the body.
func withoutApart(registry huma.Registry, row *route) *huma.Schema {
	s := huma.SchemaFromType(registry, row.body)
	for _, name := range row.notInBody {
		delete(s.Properties, name)
	}
	s.Required = slices.DeleteFunc(s.Required, func(name string) bool { return slices.Contains(row.notInBody, name) })
	name := row.body.Name() + "Body"
	registry.Map()[name] = s
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

func parameters(row *route) []*huma.Param {
	var out []*huma.Param
	text := &huma.Schema{Type: huma.TypeString}
	for part := range strings.SplitSeq(row.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			out = append(out, &huma.Param{Name: name, In: "path", Required: true, Description: pathWords[name], Schema: text})
		}
	}
	for _, p := range row.params {
		schema := p.schema
		if schema == nil {
			schema = text
		}
		out = append(out, &huma.Param{Name: p.name, In: "query", Description: p.doc, Schema: schema})
	}
	if taken, needed := row.keyed(); taken {
		doc := "A UUID that the client makes for the command, keeps, and sends again when it retries"
		if !needed {
			doc += ". Needed for all but what records nothing"
		}
		out = append(out, &huma.Param{Name: "Idempotency-Key", In: "header", Required: needed, Schema: uuidDoc("").Schema(nil), Description: doc})
	}
	if row.name == "stream" {
		out = append(out, &huma.Param{Name: "Last-Event-ID", In: "header", Description: "Resume after this revision", Schema: revisionParam("", "").schema})
	}
	return out
}

// documentWithin is how long one reader may take for the document.
const documentWithin = 5 * time.Second

// document is made once, because it is the same for every caller.
var document = sync.OnceValues(func() ([]byte, error) { return OpenAPI("v1") })

func (a *API) openapi(w http.ResponseWriter, _ *http.Request) {
	doc, err := document()
	if err != nil {
		writeProblem(w, problemOf(domain.Errorf(domain.CodeInternal, "the document cannot be made")))
		return
	}
	w.Header().Set("Connection", "close") // it is long, and is requested only once by a client
	release, ok := a.documentPlace()
	if !ok {
		writeProblem(w, problemOf(domain.Errorf(domain.CodeUnavailable, "too many are reading the document; ask again in a moment")))
		return
	}
	defer release()
	out := &recorder{ResponseWriter: w, out: http.NewResponseController(w), within: a.sendWithin, until: time.Now().Add(documentWithin)}
	out.Header().Set("Content-Type", "application/openapi+json")
	out.Header().Set("Content-Length", strconv.Itoa(len(doc)))
	_, _ = out.Write(doc) // a caller who has disconnected needs no answer
}
