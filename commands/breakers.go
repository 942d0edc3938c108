package commands

import (
	"encoding/json"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
)

// StartBot lets a bot ask for permits.
type StartBot struct {
	Bot string `json:"bot"`
}

func (StartBot) spec() *Spec { return startBot }

// Decide implements PortfolioCommand.
func (c StartBot) Decide(d *portfolio.Decision) error {
	return d.StartBot(c.Bot)
}

// StopBot stops a bot: it gets no more permits that open. Full: nor any that reduce.
type StopBot struct {
	Bot    string `json:"bot"`
	Reason string `json:"reason,omitempty"`
	Full   bool   `json:"full,omitempty"`
}

func (StopBot) spec() *Spec { return stopBot }

// Decide implements PortfolioCommand.
func (c StopBot) Decide(d *portfolio.Decision) error {
	if c.Full {
		return d.StopBotFully(c.Bot, c.Reason)
	}
	return d.StopBot(c.Bot, c.Reason)
}

// ResetBreaker is a person's decision to continue after a trip.
type ResetBreaker struct {
	Breaker string `json:"breaker"`
	Bot     string `json:"bot,omitempty"`
	Reason  string `json:"reason"`
	Rebase  bool   `json:"rebase"`
}

func (ResetBreaker) spec() *Spec { return resetBreaker }

// Decide implements PortfolioCommand.
func (c ResetBreaker) Decide(d *portfolio.Decision) error {
	return d.ResetBreaker(risk.Key{Breaker: c.Breaker, Bot: c.Bot}, c.Reason, c.Rebase)
}

// EngageStop halts the portfolio at once.
type EngageStop struct {
	Kind   string `json:"kind"` // manual, system_error or security_breach
	Reason string `json:"reason"`
}

func (EngageStop) spec() *Spec { return engageStop }

// Decide implements PortfolioCommand.
func (c EngageStop) Decide(d *portfolio.Decision) error {
	return d.EngageStop(c.Kind, c.Reason)
}

// RequestClear is sent by the first of the two people who clear an emergency stop.
type RequestClear struct {
	Reason string `json:"reason"`
}

func (RequestClear) spec() *Spec { return requestClear }

// Decide implements PortfolioCommand.
func (c RequestClear) Decide(d *portfolio.Decision) error {
	return d.RequestClear(c.Reason)
}

// ConfirmClear is sent by the second of the two people.
type ConfirmClear struct {
	Request string `json:"request"`
	// Signature is the approver's over what stands to be approved.
	Signature *domain.ApprovalSignature `json:"signature,omitempty"`
}

func (ConfirmClear) spec() *Spec { return confirmClear }

// Decide implements PortfolioCommand.
func (c ConfirmClear) Decide(d *portfolio.Decision) error {
	d.SignedWith(c.Signature)
	return d.ConfirmClear(c.Request)
}

// RequestOverride is sent by the first of the two people who agree to an override.
type RequestOverride struct {
	Kind      string          `json:"kind"` // see portfolio.OverrideKinds
	Portfolio string          `json:"portfolio,omitempty"`
	Limits    json.RawMessage `json:"limits,omitempty"`
	Reason    string          `json:"reason"`
	// Reading is what the chain says of the tokens of a market. It is not part of the body.
	Reading *portfolio.TokenReading `json:"-"`
}

func (RequestOverride) spec() *Spec { return requestOverride }

// Decide implements PortfolioCommand.
func (c RequestOverride) Decide(d *portfolio.Decision) error {
	d.TokensRead(c.Reading)
	return d.RequestOverride(c.Kind, c.Portfolio, c.Limits, c.Reason)
}

// ConfirmOverride is sent by the second of the two people.
type ConfirmOverride struct {
	Override string `json:"override"`
	// Signature is the approver's over what stands to be approved.
	Signature *domain.ApprovalSignature `json:"signature,omitempty"`
	// Reading is what the chain says of the tokens of a market. It is not part of the body.
	Reading *portfolio.TokenReading `json:"-"`
}

func (ConfirmOverride) spec() *Spec { return confirmOverride }

// Decide implements PortfolioCommand.
func (c ConfirmOverride) Decide(d *portfolio.Decision) error {
	d.SignedWith(c.Signature)
	d.TokensRead(c.Reading)
	return d.ConfirmOverride(c.Override)
}

// ChangeLimits replaces parts of the policy.
type ChangeLimits struct {
	// Limits is a JSON object of policy keys and values.
	Limits json.RawMessage `json:"limits"`
	Reason string          `json:"reason"`
	// Adopt brings the portfolio under the second edition of the rules, with its defaults
	// for the keys that are not set.
	Adopt bool `json:"adopt,omitempty"`
}

func (ChangeLimits) spec() *Spec { return changeLimits }

// Decide implements PortfolioCommand.
func (c ChangeLimits) Decide(d *portfolio.Decision) error {
	if c.Adopt {
		return d.AdoptRules(c.Limits, c.Reason)
	}
	return d.ChangeLimits(c.Limits, c.Reason)
}
