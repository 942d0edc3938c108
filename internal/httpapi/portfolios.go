package httpapi

import (
	"encoding/json"
	"reflect"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
)

// openBody opens a portfolio. Limits that are not named are the server's current
// defaults; from then on they are in the stream.
type openBody struct {
	ID           string          `json:"id"`
	Mode         domain.Mode     `json:"mode"`
	BaseAsset    string          `json:"base_asset,omitempty"`    // USDC by default
	BaseDecimals *int            `json:"base_decimals,omitempty"` // 6 by default
	Limits       json.RawMessage `json:"limits,omitempty"`
	Gate         *domain.Gate    `json:"gate,omitempty"`
}

// Base asset of a portfolio that names none.
const (
	defaultAsset    = "USDC"
	defaultDecimals = 6
)

func openRoute() route {
	r := sending(commands.OpenPortfolio{}, "/v1/portfolios", "Open a portfolio; one in live mode needs a gate", openPortfolio)
	r.body, r.global = reflect.TypeFor[openBody](), true
	return r
}

func openPortfolio(q *request) error {
	var b openBody
	if err := q.readBody(&b); err != nil {
		return err
	}
	if err := domain.CheckID("id", b.ID); err != nil {
		return err
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return err
	}
	c, err := q.opening(&b)
	if err != nil {
		return err
	}
	ctx, cancel := q.deciding(answerWithin)
	defer cancel()
	answer, err := q.api.engine.Do(ctx, b.ID, q.asks(k, c))
	q.decided(commands.ClassOf(c), &answer, err)
	if err != nil {
		return err
	}
	q.answer(&answer)
	return nil
}

func (q *request) opening(b *openBody) (commands.Command, error) {
	c := commands.OpenPortfolio{ID: b.ID, Mode: b.Mode, BaseAsset: b.BaseAsset, BaseDecimals: defaultDecimals, Gate: b.Gate}
	if c.BaseAsset == "" {
		c.BaseAsset = defaultAsset
	}
	if b.BaseDecimals != nil {
		c.BaseDecimals = *b.BaseDecimals
	}
	if len(b.Limits) > 0 {
		limits, err := canonicalPatch(b.Limits)
		if err != nil {
			return nil, err
		}
		c.Limits = limits
	}
	switch b.Mode {
	case domain.ModePaper, domain.ModeLive:
	default:
		return nil, domain.Invalid("mode", "must be \"paper\" or \"live\"")
	}
	if b.Mode == domain.ModeLive && q.api.config.LiveReady != nil {
		if err := q.api.config.LiveReady(); err != nil {
			return nil, err
		}
	}
	if b.Mode == domain.ModeLive && q.api.config.Payable != nil {
		c.Unpayable = q.api.config.Payable(c.BaseAsset)
	}
	defaults, err := q.api.config.Defaults(b.Mode, domain.ClockWall, c.BaseAsset)
	if err != nil {
		return nil, err
	}
	c.Defaults, c.Treasury = defaults, q.api.config.Treasury
	if b.Gate != nil {
		if c.Evidence, err = commands.ReadEvidence(q.r.Context(), q.api.config.Store, *b.Gate); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func limitsRoute() route {
	r := sending(commands.ChangeLimits{}, inPortfolio+"/limits", "Change limits of the policy, with a reason; every breaker is evaluated against the new ones", changeLimits)
	r.body = limitsBody
	return r
}

func changeLimits(q *request) error {
	body := reflect.New(limitsBody)
	if err := q.readBody(body.Interface()); err != nil {
		return err
	}
	limits := reflect.New(policyPatch)
	for i := range policyPatch.NumField() { // the others follow
		limits.Elem().Field(i).Set(body.Elem().Field(i))
	}
	patch, err := json.Marshal(limits.Interface())
	if err != nil {
		return err
	}
	return q.do(commands.ChangeLimits{
		Limits: patch, Reason: body.Elem().FieldByName("Reason").String(), Adopt: body.Elem().FieldByName("Adopt").Bool(),
	})
}

func overrideRoute() route {
	return sending(commands.RequestOverride{}, inPortfolio+"/overrides",
		"The first of two people asks for what takes two: "+portfolio.NamedOverrides(), requestOverride)
}

func requestOverride(q *request) error {
	var c commands.RequestOverride
	if err := q.readBody(&c); err != nil {
		return err
	}
	kind, known := portfolio.OverrideKindOf(c.Kind)
	if !known {
		return domain.Invalid("kind", "must be %s", portfolio.NamedOverrides())
	}
	if len(c.Limits) > 0 && kind.Content != nil {
		limits, err := canonicalContent(&kind, c.Limits)
		if err != nil {
			return err
		}
		c.Limits = limits
	}
	if kind.OnChain {
		return settling(q, c, Custodian.RequestOverride)
	}
	return q.do(c)
}
