package scenario

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
)

// verb is one kind of line that becomes commands.
type verb struct {
	usage string
	build func(*scenario, *args) []commands.Command
}

// verbs are the commands of a scenario, by the word they begin with.
var verbs = map[string]verb{
	"open":           {"[capital=N] [clock=imported] [asset=USDC] [decimals=6] [POLICY_KEY=VALUE …]", openVerb},
	"deposit":        {"AMOUNT [ASSET] [wallet=cold] [tx=TEXT] [leg=N]", depositVerb},
	"withdraw":       {"AMOUNT [ASSET] [wallet=cold] [tx=TEXT] [leg=N]", withdrawVerb},
	"fee":            {"AMOUNT [BOT] [kind=trading|gas|rebate] [asset=ASSET]", feeVerb},
	"adjust":         {`ACCOUNT AMOUNT [asset=ASSET] [flow=yes of=REVISION] reason="…"`, adjustVerb},
	"market":         {"MARKET kind=outcome|spot|perp [outcomes=A,B] [exclusive=yes|no] [category=TEXT] [tokens=N,N]", marketVerb},
	"bot":            {"BOT [capital=N] [start=no] [strategy=TEXT] [kind=TEXT] [inventory_cap=N]", botVerb},
	"start":          {"BOT", startVerb},
	"stop":           {`BOT [reason="…"] [full=yes]`, stopVerb},
	"allocate":       {"BOT AMOUNT", allocateVerb},
	"permit":         {"BOT buy|sell MARKET/OUTCOME QUANTITY @ LIMIT [fee=N] [kind=KIND] [reduce_only=yes] [ttl=30s] [intent=INTENT] [group=TEXT] [time_in_force=gtc|gtd|ioc|fok] [paper_fill=yes]", permitVerb},
	"arbitrage":      {"BOT buy|sell MARKET/OUTCOME QUANTITY @ LIMIT [buy|sell …] [timeout=30s] [ttl=30s] [paper_fill=yes]", arbitrageVerb},
	"overdue":        {"", func(*scenario, *args) []commands.Command { return one(commands.TimeOutLegs{}) }},
	"place":          {"PERMIT|last [expires=TIME]", placeVerb},
	"release":        {`PERMIT|last [reason="…"]`, releaseVerb},
	"buy":            {fillUsage, fillVerb(domain.Buy)},
	"sell":           {fillUsage, fillVerb(domain.Sell)},
	"confirm":        {"BOT TRADE_ID [venue=TEXT] [market=TEXT] [leg=N]", confirmVerb},
	"void":           {"BOT TRADE_ID [venue=TEXT] [market=TEXT] [leg=N]", voidVerb},
	"settle":         {"MARKET/OUTCOME PAYOUT [bot=BOT]", settleVerb},
	"payouts":        {"MARKET void | OUTCOME PAYOUT [… …]", payoutsVerb},
	"correct":        {`MARKET void | OUTCOME PAYOUT [… …] [rebase=yes] reason="…"`, correctVerb},
	"sets":           {"BOT split|merge MARKET QUANTITY [fee=N] id=TEXT", setsVerb},
	"adopt":          {`[POLICY_KEY=VALUE …] reason="…"`, adoptVerb},
	"redeem":         {"BOT MARKET QUANTITY CASH", redeemVerb},
	"mark":           {"MARKET/OUTCOME PRICE | ASSET PRICE [… …]", markVerb},
	"funding":        {"BOT MARKET/OUTCOME AMOUNT [id=TEXT]", fundingVerb},
	"trade":          {"BOT MARKET PNL [fee=N] [id=TEXT] [effective=TIME]", tradeVerb},
	"reset":          {`BREAKER [BOT] [rebase=yes] reason="…"`, resetVerb},
	"stop-emergency": {`[manual|system_error|security_breach] reason="…"`, engageVerb},
	"clear":          {`reason="…"`, clearVerb},
	"confirm-clear":  {"REQUEST|last", confirmClearVerb},
	"aside":          {"ROW_KEY", asideVerb},
	"limits":         {`POLICY_KEY=VALUE … reason="…"`, limitsVerb},
	"override":       {`go_live portfolio=ID | clock | payouts|settlement MARKET void|OUTCOME PAYOUT … [rebase=yes] | limits|treasury_policy|transfer KEY=VALUE … reason="…"`, overrideVerb},
	"agree":          {"OVERRIDE|last", agreeVerb},
	"wallet":         {"WALLET hot|cold ADDRESS", walletVerb},
	"key":            {"WALLET created|recovered", keyVerb},
	"loaded":         {"WALLET ASSET AMOUNT [… …]", loadedVerb},
	"opened":         {`WALLET purpose="…"`, openedVerb},
	"missing":        {`WALLET [detail="…"]`, missingVerb},
	"retire":         {`WALLET reason="…"`, retireVerb},
	"proven":         {"WALLET", provenVerb},
	"contact":        {"ADDRESS LABEL", contactVerb},
	"forget":         {`ADDRESS reason="…"`, forgetVerb},
	"transfer":       {`FROM TO AMOUNT [asset=ASSET] [fee=N] reason="…"`, transferVerb(domain.TransferInternal)},
	"sweep":          {`FROM TO [AMOUNT] [asset=ASSET] [fee=N] reason="…"`, transferVerb(domain.TransferSweep)},
	"evacuate":       {`FROM TO [AMOUNT] [asset=ASSET] [fee=N] reason="…"`, transferVerb(domain.TransferEvacuation)},
	"approve":        {"TRANSFER|last [hash=HEX]", approveVerb},
	"reject":         {`TRANSFER|last reason="…" [signed=no]`, rejectVerb},
	"raise":          {`TRANSFER|last FEE reason="…"`, raiseVerb},
	"cancel":         {`TRANSFER|last reason="…" [fee=N]`, cancelVerb},
	"advance":        {"TRANSFER|last prepared|again|repriced|signed|sent|arrived|failed|reopened [fee=N] [code=CODE]", advanceVerb},
	"expire":         {"", func(*scenario, *args) []commands.Command { return one(commands.ExpireTransfers{}) }},
	"rebalance":      {"", func(*scenario, *args) []commands.Command { return one(commands.ProposeRebalance{}) }},
	"reconcile":      {"WALLET/ASSET AMOUNT [… …]", reconcileVerb},
	"treasury":       {`KEY=VALUE … reason="…"`, treasuryVerb},
	"sign":           {"PERMIT|last buy|sell QUANTITY for AMOUNT [token=N] [fee_bps=N] [expires=TIME] [signer=ADDRESS]", signVerb},
}

const fillUsage = "BOT MARKET/OUTCOME QUANTITY @ PRICE [notional=N] [fee=N] [fee_asset=ASSET|shares] [id=TEXT] [venue=TEXT] [leg=N] [permit=PERMIT|last] [status=provisional] [effective=TIME]"

// settings are the lines that record nothing: clock, caller, output.
var settings = map[string]func(*scenario, *args){
	"at":      setClock,
	"wait":    func(s *scenario, a *args) { s.now = s.now.Add(a.duration("wait", a.word("the time to wait"))) },
	"as":      setCaller,
	"verbose": func(s *scenario, a *args) { s.verbose = onOff(a) },
	"quiet":   func(s *scenario, a *args) { s.quiet = onOff(a) },
}

// Words lists the words a line can begin with.
func Words() []string {
	words := []string{"show"}
	words = slices.AppendSeq(words, maps.Keys(verbs))
	words = slices.AppendSeq(words, maps.Keys(settings))
	slices.Sort(words)
	return words
}

func setClock(s *scenario, a *args) {
	t, err := time.Parse(time.RFC3339Nano, a.word("the time"))
	if err != nil {
		a.fail("at needs a time such as 2026-01-01T00:00:00Z")
		return
	}
	s.now = t.UTC()
}

func setCaller(s *scenario, a *args) {
	role := domain.Role(a.word("the role"))
	switch role {
	case domain.RoleBot, domain.RoleFeed, domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin, domain.RoleAuditor:
	default:
		a.fail("%q is not a role; the roles are bot, feed, operator, approver, admin and auditor", role)
	}
	s.caller = domain.Caller{User: a.wordOr(string(role)), Role: role}
	if role == domain.RoleBot {
		s.caller.Bot = s.caller.User
	}
}

func onOff(a *args) bool {
	text := a.word("on or off")
	if text != "on" && text != "off" {
		a.fail("%q is not on or off", text)
	}
	return text == "on"
}

// openLive replaces the gate that a live portfolio needs and that no command can
// pass yet.
type openLive struct {
	commands.OpenPortfolio
	event *domain.PortfolioOpened
}

func openVerb(s *scenario, a *args) []commands.Command {
	c := commands.OpenPortfolio{
		ID: Portfolio, Mode: domain.Mode(orElse(a.option("mode"), string(domain.ModePaper))),
		BaseAsset: orElse(a.option("asset"), "USDC"), BaseDecimals: a.integer("decimals", 6),
		Clock: domain.Clock(orElse(a.option("clock"), string(domain.ClockWall))),
	}
	capital, gate := a.amountOr("capital", domain.Zero), a.option("gate")
	c.Policy = domain.DefaultPolicy(c.Mode)
	if s.options.New && a.options["rules"] != "1" {
		c.Policy = domain.NewPolicy(c.Mode, c.Clock, c.BaseAsset)
	}
	if err := domain.DecodeObject(policyPatch(a), &c.Policy); err != nil {
		a.fail("%w", err)
	}
	out := []commands.Command{c}
	if gate != "" {
		out[0] = openLive{c, &domain.PortfolioOpened{
			Portfolio: c.ID, Mode: c.Mode, Clock: c.Clock, BaseAsset: c.BaseAsset, BaseDecimals: c.BaseDecimals,
			Policy: c.Policy, Gate: &domain.Gate{Portfolio: gate},
		}}
	}
	// The deposit counts as an import's, too, until the clock of the portfolio is
	// known.
	s.imported = s.imported || (c.Clock == domain.ClockImported && !s.state.IsOpen())
	if capital.Sign() > 0 {
		out = append(out, commands.RecordDeposit{Wallet: domain.WalletHot, Amount: capital})
	}
	return out
}

// policyPatch takes all remaining options as policy keys and values.
func policyPatch(a *args) []byte {
	patch := map[string]json.RawMessage{}
	for key, text := range a.options {
		patch[key] = policyValue(a, key, text)
	}
	clear(a.options)
	b, err := json.Marshal(patch)
	if err != nil {
		a.fail("a policy value has the wrong type: %w", err)
	}
	return b
}

// policyValue writes a value as its key has it in JSON: numbers and switches bare,
// lists by comma, everything else as text. A key that no policy has is text; the block
// of a transfer is the one exception.
func policyValue(a *args, key, text string) json.RawMessage {
	of, known := policyTypes[key]
	switch {
	case key == "block" || known && bare(of):
		return json.RawMessage(text)
	case known && of.Kind() == reflect.Slice && bare(of.Elem()):
		return json.RawMessage("[" + text + "]")
	case known && of.Kind() == reflect.Slice:
		return quoted(a, strings.Split(text, ","))
	default:
		return quoted(a, text)
	}
}

// policyTypes are the types of the fields of the policies, by their JSON keys.
var policyTypes = func() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, of := range []reflect.Type{reflect.TypeFor[domain.Policy](), reflect.TypeFor[domain.TreasuryPolicy]()} {
		for f := range of.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			types[key] = f.Type
		}
	}
	return types
}()

// bare reports whether JSON has values of a type without quotes. A type that writes
// itself as text, such as a decimal, has quotes.
func bare(of reflect.Type) bool {
	if of.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || of.Implements(reflect.TypeFor[json.Marshaler]()) {
		return false
	}
	return of.Kind() == reflect.Bool || of.Kind() == reflect.Int
}

func quoted(a *args, v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		a.fail("%w", err)
	}
	return b
}

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// integer takes an option that is a small whole number.
func (a *args) integer(name string, fallback int) int {
	text := a.option(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		a.fail("%s= is not a whole number", name)
	}
	return n
}

func one(c commands.Command) []commands.Command { return []commands.Command{c} }

func depositVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.RecordDeposit{
		Amount: a.number("the amount"), Asset: a.wordOr(""), Wallet: orElse(a.option("wallet"), domain.WalletHot), Tx: a.option("tx"), Leg: a.integer("leg", 0),
	})
}

func withdrawVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.RecordWithdrawal{
		Amount: a.number("the amount"), Asset: a.wordOr(""), Wallet: orElse(a.option("wallet"), domain.WalletHot), Tx: a.option("tx"), Leg: a.integer("leg", 0),
	})
}

func feeVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.RecordFee{
		Amount: a.number("the amount"), Bot: a.wordOr(""), Kind: orElse(a.option("kind"), domain.FeeTrading), Asset: a.option("asset"),
	})
}

func adjustVerb(_ *scenario, a *args) []commands.Command {
	c := commands.PostAdjustment{
		Account: a.word("the account"), Amount: a.number("the amount"), Asset: a.option("asset"), Reason: a.option("reason"), Flow: a.yes("flow", false),
	}
	if of := a.integer("of", -1); of >= 0 {
		revision := uint64(of)
		c.Of = &revision
	}
	return one(c)
}

func marketVerb(_ *scenario, a *args) []commands.Command {
	c := commands.RegisterMarket{Market: a.word("the market"), Kind: domain.MarketKind(a.option("kind")), Category: a.option("category")}
	if list := a.option("outcomes"); list != "" {
		c.Outcomes = strings.Split(list, ",")
	}
	if _, says := a.options["exclusive"]; says {
		exclusive := a.yes("exclusive", true)
		c.Exclusive = &exclusive
	}
	if list := a.option("tokens"); list != "" {
		c.Tokens = map[string]string{}
		for i, token := range strings.Split(list, ",") {
			if i < len(c.Outcomes) {
				c.Tokens[c.Outcomes[i]] = token
			}
		}
	}
	return one(c)
}

func botVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.RegisterBot{
		ID: a.word("the bot"), Capital: a.amountOr("capital", domain.Zero), Start: a.yes("start", true),
		Strategy: a.option("strategy"), Kind: a.option("kind"), InventoryCap: a.amountOr("inventory_cap", domain.Zero),
	})
}

func startVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.StartBot{Bot: a.word("the bot")})
}

func stopVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.StopBot{Bot: a.word("the bot"), Reason: a.option("reason"), Full: a.yes("full", false)})
}

func allocateVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.AllocateCapital{Bot: a.word("the bot"), Amount: a.number("the amount")})
}

func permitVerb(_ *scenario, a *args) []commands.Command {
	c := commands.AskPermit{
		Bot: a.word("the bot"), Side: domain.Side(a.word("buy or sell")), Instrument: a.instrument(), Quantity: a.number("the quantity"),
		LimitPrice: a.at(), Fee: a.amount("fee"), Kind: domain.MarketKind(a.option("kind")), ReduceOnly: a.yes("reduce_only", false),
		TTL: a.durationOr("ttl"), Intent: domain.Intent(a.option("intent")), Group: a.option("group"), TimeInForce: domain.TimeInForce(a.option("time_in_force")),
		PaperFill: a.yes("paper_fill", false),
	}
	return one(c)
}

func arbitrageVerb(_ *scenario, a *args) []commands.Command {
	c := commands.AskPermit{
		Bot: a.word("the bot"), Intent: domain.IntentArbitrage, TTL: a.durationOr("ttl"), LegTimeout: a.durationOr("timeout"),
		PaperFill: a.yes("paper_fill", false),
	}
	for more := true; more; more = a.more() {
		c.Legs = append(c.Legs, commands.Leg{
			Side: domain.Side(a.word("buy or sell")), Instrument: a.instrument(), Quantity: a.number("the quantity"), LimitPrice: a.at(),
		})
	}
	return one(c)
}

// durationOr takes an option that is a duration, with default 0.
func (a *args) durationOr(name string) domain.Duration {
	text := a.option(name)
	if text == "" {
		return 0
	}
	return domain.Duration(a.duration(name+"=", text))
}

// last replaces the word last by the name used last.
func last(text, named string) string {
	if text == "last" {
		return named
	}
	return text
}

func placeVerb(s *scenario, a *args) []commands.Command {
	return one(commands.PlacePermit{Permit: last(a.word("the permit"), s.permit), ExpiresAt: a.time("expires")})
}

func releaseVerb(s *scenario, a *args) []commands.Command {
	return one(commands.ReleasePermit{Permit: last(a.word("the permit"), s.permit), Reason: a.option("reason")})
}

// fillVerb reports a fill. A fill without an id is called f1, f2, and so on.
func fillVerb(side domain.Side) func(*scenario, *args) []commands.Command {
	return func(s *scenario, a *args) []commands.Command {
		s.fills++
		return one(commands.RecordFill{
			FillID:     domain.FillID{Bot: a.word("the bot"), Venue: a.option("venue"), TradeID: s.id(a), Leg: a.integer("leg", 0)},
			Instrument: a.instrument(), Side: side, Quantity: a.number("the quantity"), Price: a.at(),
			Notional: a.amount("notional"), Fee: a.amountOr("fee", domain.Zero), FeeAsset: a.option("fee_asset"),
			PermitID: last(a.option("permit"), s.permit), Status: a.option("status"), EffectiveAt: a.time("effective"),
		})
	}
}

func (s *scenario) id(a *args) string { return orElse(a.option("id"), fmt.Sprintf("f%d", s.fills)) }

func fillIDOf(a *args) domain.FillID {
	return domain.FillID{Bot: a.word("the bot"), TradeID: a.word("the trade id"), Venue: a.option("venue"), Leg: a.integer("leg", 0)}
}

func confirmVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.ConfirmFill{FillID: fillIDOf(a), Market: a.option("market")})
}

func voidVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.VoidFill{FillID: fillIDOf(a), Market: a.option("market")})
}

// fundingVerb reports funding. One without an id is called f1, f2, and so on, as fills are.
func fundingVerb(s *scenario, a *args) []commands.Command {
	s.fills++
	return one(commands.RecordFunding{Bot: a.word("the bot"), Instrument: a.instrument(), Amount: a.number("the amount"), FundingID: s.id(a)})
}

func settleVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.SettleMarket{Instrument: a.instrument(), Payout: a.number("the payout"), Bot: a.option("bot")})
}

// outcomePayouts takes pairs of an outcome and its payout, or void.
func outcomePayouts(a *args) (payouts map[string]domain.Decimal, void bool) {
	for more := true; more; more = a.more() {
		outcome := a.word("the outcome")
		if outcome == "void" {
			return nil, true
		}
		if payouts == nil {
			payouts = map[string]domain.Decimal{}
		}
		payouts[outcome] = a.number("the payout")
	}
	return payouts, false
}

func payoutsVerb(_ *scenario, a *args) []commands.Command {
	c := commands.SettleMarket{Instrument: domain.Instrument{Market: a.word("the market")}, Bot: a.option("bot")}
	c.Payouts, c.Void = outcomePayouts(a)
	return one(c)
}

func correctVerb(_ *scenario, a *args) []commands.Command {
	c := commands.CorrectSettlement{Market: a.word("the market"), Rebase: a.yes("rebase", false), Reason: a.option("reason")}
	c.Payouts, c.Void = outcomePayouts(a)
	return one(c)
}

func setsVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.ChangeSets{
		Bot: a.word("the bot"), Action: a.word("split or merge"), Market: a.word("the market"), Quantity: a.number("the quantity"),
		Fee: a.amountOr("fee", domain.Zero), SetID: a.option("id"),
	})
}

func adoptVerb(_ *scenario, a *args) []commands.Command {
	reason := a.option("reason")
	return one(commands.ChangeLimits{Limits: policyPatch(a), Reason: reason, Adopt: true})
}

func redeemVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.RedeemPosition{
		Bot: a.word("the bot"), Market: a.word("the market"), Quantity: a.number("the quantity"), Cash: a.number("the cash"),
	})
}

// markVerb takes pairs of a name and a price. A name without a slash is an asset.
func markVerb(_ *scenario, a *args) []commands.Command {
	var marks []domain.Mark
	for more := true; more; more = a.more() {
		name := a.word("the thing to mark")
		m := domain.Mark{Price: a.number("the price")}
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			m.Market, m.Outcome = name[:i], name[i+1:]
		} else {
			m.Asset = name
		}
		marks = append(marks, m)
	}
	return one(commands.MarkPrices{Marks: marks})
}

func tradeVerb(s *scenario, a *args) []commands.Command {
	s.fills++
	return one(commands.RecordTrade{
		Bot: a.word("the bot"), Market: a.word("the market"), PnL: a.number("the P&L"), Fee: a.amountOr("fee", domain.Zero),
		TradeID: s.id(a), EffectiveAt: a.time("effective"),
	})
}

func resetVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.ResetBreaker{
		Breaker: a.word("the breaker"), Bot: a.wordOr(""), Rebase: a.yes("rebase", false), Reason: a.option("reason"),
	})
}

func engageVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.EngageStop{Kind: a.wordOr(domain.StopManual), Reason: a.option("reason")})
}

func clearVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.RequestClear{Reason: a.option("reason")})
}

func confirmClearVerb(s *scenario, a *args) []commands.Command {
	return one(commands.ConfirmClear{Request: last(a.word("the request"), s.request)})
}

func limitsVerb(_ *scenario, a *args) []commands.Command {
	reason := a.option("reason")
	return one(commands.ChangeLimits{Limits: policyPatch(a), Reason: reason})
}

// overrideVerb requests an override; agreeVerb confirms it as a second person.
func overrideVerb(_ *scenario, a *args) []commands.Command {
	c := commands.RequestOverride{Kind: a.word("the kind"), Portfolio: a.option("portfolio"), Reason: a.option("reason")}
	switch c.Kind {
	case domain.OverrideGoLive, domain.OverrideClock:
	case domain.OverridePayouts, domain.OverrideSettlement:
		paid := portfolio.Correction{Market: a.word("the market"), Rebase: a.yes("rebase", false)}
		paid.Payouts, paid.Void = outcomePayouts(a)
		c.Limits = quoted(a, paid)
	default:
		c.Limits = policyPatch(a)
	}
	return one(c)
}

func agreeVerb(s *scenario, a *args) []commands.Command {
	return one(commands.ConfirmOverride{Override: last(a.word("the override"), s.override)})
}

func asideVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.SetRowAside{Row: a.word("the key of the row")})
}
