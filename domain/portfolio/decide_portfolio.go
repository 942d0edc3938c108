package portfolio

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/ledger"
)

// Open opens the portfolio. A live one needs a gate, whose record is passed in as
// evidence. An imported one can never be live.
func (d *Decision) Open(e *domain.PortfolioOpened, ev *Evidence) error {
	if d.s.IsOpen() {
		return domain.Errorf(domain.CodeConflict, "portfolio %s is already open", d.s.Portfolio)
	}
	if err := checkNewID(e.Portfolio); err != nil {
		return err
	}
	switch {
	case e.Mode != domain.ModePaper && e.Mode != domain.ModeLive:
		return domain.Invalid("mode", "must be \"paper\" or \"live\"")
	case e.Clock != domain.ClockWall && e.Clock != domain.ClockImported:
		return domain.Invalid("clock", "must be \"wall\" or \"imported\"")
	case e.Mode == domain.ModeLive && e.Clock == domain.ClockImported:
		return domain.Invalid("mode", "of an imported portfolio can only be \"paper\"")
	case e.Mode == domain.ModePaper && e.Gate != nil:
		return domain.Invalid("gate", "is not allowed with mode \"paper\"")
	case e.BaseDecimals < 0 || e.BaseDecimals > domain.Scale:
		return domain.Invalid("base_decimals", "must be 0 to %d", domain.Scale)
	}
	if err := checkAsset("base_asset", e.BaseAsset); err != nil {
		return err
	}
	if err := e.Policy.Validate(); err != nil {
		return err
	}
	if e.Treasury != nil {
		if err := e.Treasury.Validate(); err != nil {
			return err
		}
	}
	if e.Mode == domain.ModeLive {
		if err := d.checkGate(e, ev); err != nil {
			return err
		}
		if d.approversKnown {
			if err := d.requireApprover(); err != nil {
				return err
			}
			e.SignedApprovals = true
		}
		e.CorrectedByTwo = true
	}
	d.emit(e)
	return nil
}

// Patched returns a policy with the keys of one JSON object replaced. It refuses
// any other input.
func Patched(p domain.Policy, patch json.RawMessage) (domain.Policy, error) { return patched(p, patch) }

// ChangeLimits replaces parts of the policy: patch is a JSON object with policy
// keys. All breakers are evaluated against the new limits; none is reset.
func (d *Decision) ChangeLimits(patch json.RawMessage, reason string) error {
	return d.changeLimits(patch, reason, false)
}

// AdoptRules brings a portfolio under the second edition of the rules. Keys that neither
// the policy nor patch sets get the defaults of a new portfolio. It is never undone.
func (d *Decision) AdoptRules(patch json.RawMessage, reason string) error {
	return d.changeLimits(patch, reason, true)
}

func (d *Decision) changeLimits(patch json.RawMessage, reason string, adopt bool) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	p, err := patched(d.s.Policy, patch)
	if err != nil {
		return err
	}
	if adopt {
		if p.Rules != d.s.Policy.Rules && p.Rules != domain.SecondRules {
			return domain.Invalid("rules", "must be 2, or absent, where the second edition is adopted")
		}
		p = p.Adopted(d.s.Mode, d.s.Clock, d.s.BaseAsset)
		if p, err = patched(p, patch); err != nil { // a key that the request sets to 0 is not absent
			return err
		}
	}
	if err := d.checkPolicy(&p); err != nil {
		return err
	}
	if d.s.Mode == domain.ModeLive {
		if key := loosened(&d.s.Policy, &p); key != "" {
			return &domain.Error{Code: domain.CodeDenied, Field: key, Message: "of a live portfolio cannot be loosened " + beyond(&d.s.Policy) + "without two people: POST …/overrides, confirmed by another user"}
		}
	}
	d.fact(&domain.LimitsChanged{Policy: p, Reason: reason})
	d.evaluate(d.s.BotIDs())
	return nil
}

// beyond says how far one person may loosen a limit.
func beyond(p *domain.Policy) string {
	if p.Second() {
		return ""
	}
	return "beyond its default "
}

// checkPolicy checks a policy that is to replace the one in force: the edition of the
// rules never goes back, because what is held in markets would be valued otherwise.
func (d *Decision) checkPolicy(p *domain.Policy) error {
	if d.s.Policy.Second() && !p.Second() {
		return domain.Invalid("rules", "never go back: the portfolio lives by the second edition")
	}
	return p.Validate()
}

// patched returns a policy with the keys of one JSON object replaced. It refuses
// unknown keys and anything other than one object.
func patched(p domain.Policy, patch json.RawMessage) (domain.Policy, error) {
	// Decoding writes into existing slices, and those belong to the state.
	p.ZoneBounds, p.BlockedZones = slices.Clone(p.ZoneBounds), slices.Clone(p.BlockedZones)
	refused := &domain.Error{Code: domain.CodeInvalid, Field: "limits", Message: "must be one JSON object of policy keys and values"}
	if err := domain.DecodeObject(patch, &p); err != nil {
		refused.Cause = quiet(err)
		return p, refused
	}
	return p, nil
}

// quiet removes the value from a JSON error.
func quiet(err error) error {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return domain.Invalid(t.Field, "has the wrong type")
	}
	return err
}

// RegisterBot registers a bot with its capital, moved from hot:treasury. start
// also starts it unless something halts it, as an import does.
func (d *Decision) RegisterBot(e *domain.BotRegistered, capital domain.Decimal, start bool) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := checkNewID(e.Bot); err != nil {
		return err
	}
	if e.Bot == ledger.Treasury { // Its fees would be booked to the treasury's account.
		return domain.Invalid("id", "must not be %s, which stands for the treasury", ledger.Treasury)
	}
	if err := domain.CheckOptionalText("strategy", e.Strategy); err != nil {
		return err
	}
	switch e.Kind {
	case "", domain.BotDirectional, domain.BotMarketMaker:
	default:
		return domain.Invalid("kind", "must be directional or market_maker")
	}
	if maker := e.Kind == domain.BotMarketMaker; maker && e.InventoryCap.Sign() <= 0 {
		return domain.Invalid("inventory_cap", "must be above 0 for a market maker: its largest exposure in one market, in shares")
	} else if !maker && !e.InventoryCap.IsZero() {
		return domain.Invalid("inventory_cap", "is only for bots of kind market_maker")
	}
	if d.s.Bots[e.Bot] != nil {
		return &domain.Error{Code: domain.CodeConflict, Field: "id", Message: "is already registered in this portfolio"}
	}
	if capital.Sign() < 0 {
		return domain.Invalid("capital", "must not be negative")
	}
	if err := d.treasuryCovers("capital", capital); err != nil {
		return err
	}
	if err := d.checkLargest("capital", capital); err != nil {
		return err
	}
	d.emit(e)
	if capital.Sign() > 0 {
		d.emit(&domain.BotCapitalAllocated{Bot: e.Bot, Amount: capital})
	}
	if start && !d.s.Stop.Engaged && !d.s.trippedFor(e.Bot) {
		d.emit(&domain.BotStarted{Bot: e.Bot})
	}
	return nil
}

// Allocate moves base asset from hot:treasury to a bot, or back when negative.
func (d *Decision) Allocate(bot string, amount domain.Decimal) error {
	b, err := d.requireBot(bot)
	if err != nil {
		return err
	}
	switch {
	case amount.IsZero():
		return domain.Invalid("amount", "must not be 0")
	case amount.Sign() > 0:
		if err := d.treasuryCovers("amount", amount); err != nil {
			return err
		}
	case d.s.freeCash(b, d.now).Less(amount.Neg()):
		return domain.Invalid("amount", "is more than the bot's free cash of %s", d.s.freeCash(b, d.now))
	case b.Equity().Less(amount.Neg()):
		return domain.Invalid("amount", "would leave the bot's equity of %s below 0", b.Equity())
	}
	if err := d.checkClaim("amount", claim{bot: b, cash: amount}); err != nil {
		return err
	}
	d.emit(&domain.BotCapitalAllocated{Bot: bot, Amount: amount})
	return nil
}

func (d *Decision) treasuryCovers(field string, amount domain.Decimal) error {
	if have := d.s.freeIn(domain.WalletHot, d.s.BaseAsset, d.now); amount.Sign() > 0 && have.Less(amount) {
		return domain.Invalid(field, "is more than the %s %s in hot:treasury; record a deposit first", have, d.s.BaseAsset)
	}
	return nil
}

// StartBot lets a bot request permits. It is refused during an emergency stop,
// and while a breaker is tripped that stopped the bot or stops all.
func (d *Decision) StartBot(id string) error {
	b, err := d.requireBot(id)
	if err != nil {
		return err
	}
	if d.s.Stop.Engaged {
		return domain.Errorf(domain.CodeHalted, "the emergency stop (%s) is engaged; two people have to clear it first", d.s.Stop.Kind)
	}
	if keys := d.s.haltedBy(id); len(keys) > 0 {
		return domain.Errorf(domain.CodeHalted, "breaker %s is tripped; reset it before starting a bot", keys[0])
	}
	if b.Status == Running {
		d.Note(domain.NotedUnchanged, "bot is already running")
		return nil
	}
	d.emit(&domain.BotStarted{Bot: id})
	return nil
}

// StopBot stops a bot and revokes its permits that are not placed yet. Under the second
// edition of the rules it may still reduce what it holds.
func (d *Decision) StopBot(id, reason string) error { return d.stopBot(id, reason, false) }

// StopBotFully stops a bot so that it may not even reduce.
func (d *Decision) StopBotFully(id, reason string) error { return d.stopBot(id, reason, true) }

func (d *Decision) stopBot(id, reason string, full bool) error {
	b, err := d.requireBot(id)
	if err != nil {
		return err
	}
	if reason != "" {
		if err := domain.CheckReason("reason", reason); err != nil {
			return err
		}
	}
	// A bot stopped by a trip may still close; a stop by a person ends that too.
	if b.Status == Stopped && !b.Halted && (b.Full || !full) {
		d.Note(domain.NotedUnchanged, "bot is already stopped")
		return nil
	}
	d.emit(&domain.BotStopped{Bot: id, Reason: reason, Full: full, CancelOrders: d.s.toCancel(id, d)})
	for _, p := range d.s.unplacedPermits(id, d) {
		d.emit(&domain.PermitReleased{Permit: p, Reason: "bot stopped"})
	}
	return nil
}

// checkNewID checks the name of something new. What was named by an older version with a dash
// at its beginning keeps its name.
func checkNewID(id string) error {
	if strings.HasPrefix(id, "-") {
		return domain.Invalid("id", "must not begin with a dash: a command line takes it for a flag")
	}
	return domain.CheckID("id", id)
}
