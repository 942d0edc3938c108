package httpapi

import (
	"context"
	"net/http"
	"reflect"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
)

// resetBody resets a breaker, or asks what that would do.
type resetBody struct {
	Bot    string `json:"bot,omitempty"`
	Reason string `json:"reason,omitempty"` // needed, except for a dry run
	Rebase bool   `json:"rebase,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// resetPreview says what a reset would do. Nothing is recorded.
type resetPreview struct {
	Revision      uint64         `json:"revision"`
	Breaker       string         `json:"breaker"`
	Bot           *string        `json:"bot"`
	Tripped       bool           `json:"tripped"`
	Before        domain.Decimal `json:"before"`
	After         domain.Decimal `json:"after"`
	Limit         domain.Decimal `json:"limit"`
	WouldRetrip   bool           `json:"would_retrip"`
	OpenPositions int            `json:"open_positions"`
	// EventsSince is how many records came after the trip.
	EventsSince uint64 `json:"events_since"`
}

func resetRoute() route {
	c := commands.ResetBreaker{}
	return route{
		method: http.MethodPost, path: inPortfolio + "/breakers/{breaker}/reset", name: c.Name(), roles: c.Roles(), handle: resetBreaker,
		summary: "Reset a tripped breaker, with a reason; dry_run says what would happen and needs no Idempotency-Key", command: c.Name(),
		body: reflect.TypeFor[resetBody](), answer: reflect.TypeFor[commands.Answer](), also: reflect.TypeFor[resetPreview](),
	}
}

func resetBreaker(q *request) error {
	var b resetBody
	if err := q.readBody(&b); err != nil {
		return err
	}
	breaker := q.r.PathValue("breaker")
	if !b.DryRun {
		return q.do(commands.ResetBreaker{Breaker: breaker, Bot: b.Bot, Reason: b.Reason, Rebase: b.Rebase})
	}
	if err := q.exists(); err != nil {
		return err
	}
	var v resetPreview
	err := q.api.look(q.r.Context(), q.portfolio(), moment{}, func(s *portfolio.State, _ riders) error {
		now, _ := s.ClockAt(q.api.now())
		p, err := s.PreviewReset(risk.Key{Breaker: breaker, Bot: b.Bot}, b.Rebase, now)
		if err != nil {
			return err
		}
		v = resetPreview{
			Revision: s.Next - 1, Breaker: breaker, Tripped: p.Tripped, Before: p.Before.Ratio(), After: p.After.Ratio(),
			Limit: p.Limit, WouldRetrip: p.WouldRetrip, OpenPositions: p.OpenPositions, EventsSince: p.Since,
		}
		if b.Bot != "" {
			v.Bot = &b.Bot
		}
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(q.w, http.StatusOK, v)
	return nil
}

// stopBody engages the emergency stop.
type stopBody struct {
	Kind   string `json:"kind"` // manual, system_error or security_breach
	Reason string `json:"reason"`
}

// stopAnswer: recorded is false (and the status 202) while the store cannot take
// it; the stop holds all the same, and is recorded as soon as it can be.
type stopAnswer struct {
	Recorded bool `json:"recorded"`
	commands.Answer
}

// stopAllAnswer has one line for each portfolio.
type stopAllAnswer struct {
	Portfolios []commands.Stopped `json:"portfolios"`
}

func stopRoute() route {
	c := commands.EngageStop{}
	return route{
		method: http.MethodPost, path: inPortfolio + "/emergency-stop", name: c.Name(), roles: c.Roles(), handle: engageStop,
		summary: "Stop everything in the portfolio, at once", command: c.Name(), urgent: true,
		body: reflect.TypeFor[stopBody](), answer: reflect.TypeFor[stopAnswer](),
	}
}

func stopAllRoute() route {
	return route{
		method: http.MethodPost, path: "/v1/emergency-stop", name: "engage_stop_everywhere", roles: commands.EngageStop{}.Roles(), global: true,
		summary: "Stop every portfolio, at once", handle: engageAll, urgent: true,
		body: reflect.TypeFor[stopBody](), answer: reflect.TypeFor[stopAllAnswer](),
	}
}

// stopRequest reads what both have in common.
func (q *request) stopRequest() (commands.Request, error) {
	var b stopBody
	if err := q.readBody(&b); err != nil {
		return commands.Request{}, err
	}
	k, err := idempotencyKey(q.r)
	return commands.Request{Caller: q.key.caller, Key: k, Command: commands.EngageStop{Kind: b.Kind, Reason: b.Reason}}, err
}

func engageStop(q *request) error {
	r, err := q.stopRequest()
	if err != nil {
		return err
	}
	if err := q.exists(); err != nil {
		return err
	}
	// Not the request's context: a stop goes on when its caller has hung up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), answerWithin)
	defer cancel()
	answer, recorded, err := q.api.engine.Stop(ctx, q.portfolio(), r)
	if err != nil {
		return err
	}
	if answer.Replayed {
		q.w.Header().Set("Idempotency-Replayed", "true")
	}
	status := http.StatusOK
	if !recorded {
		status = http.StatusAccepted
		answer = commands.Answer{Events: []commands.EventRef{}, Directives: []commands.Directive{}}
	}
	writeJSON(q.w, status, stopAnswer{recorded, answer})
	return nil
}

func engageAll(q *request) error {
	r, err := q.stopRequest()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), answerWithin)
	defer cancel()
	all, err := q.api.engine.StopAll(ctx, r)
	if err != nil {
		return err
	}
	status := http.StatusOK
	for _, s := range all {
		if !s.Recorded && s.Refused == "" {
			status = http.StatusAccepted
		}
	}
	writeJSON(q.w, status, stopAllAnswer{all})
	return nil
}

func permitRoute() route {
	c := commands.AskPermit{}
	return route{
		method: http.MethodPost, path: inPortfolio + "/permits", name: c.Name(), roles: c.Roles(), handle: askPermit,
		summary: "May I trade? A check and a reservation in one; a denial is an answer, with every reason", command: c.Name(),
		body: reflect.TypeFor[commands.AskPermit](), answer: reflect.TypeFor[permitAnswered](),
		params: []param{{"preview", "true: run every check, record nothing, reserve nothing; needs no Idempotency-Key"}},
	}
}

func askPermit(q *request) error {
	var c commands.AskPermit
	values, err := q.query()
	if err != nil {
		return err
	}
	if err := q.readBody(&c); err != nil {
		return err
	}
	switch values.Get("preview") {
	case "", "false":
		return q.do(c)
	case "true":
		return q.preview(c)
	default:
		return domain.Invalid("preview", "must be true or false")
	}
}

func (q *request) preview(c commands.AskPermit) error {
	if err := commands.Allowed(q.key.caller, c); err != nil {
		return err
	}
	if err := q.exists(); err != nil {
		return err
	}
	v := permitAnswered{Preview: true, Events: []commands.EventRef{}, Directives: []commands.Directive{}}
	err := q.api.look(q.r.Context(), q.portfolio(), moment{}, func(s *portfolio.State, _ riders) error {
		p, err := c.Preview(s, q.api.now().UTC(), q.key.caller)
		v.Revision = s.Next - 1
		v.PermitAnswer = commands.PermitAnswer{Allowed: p.Allowed, Reserved: p.Reserved, Reasons: p.Reasons, Cost: p.Cost, SurePayout: p.SurePayout}
		return err
	})
	if err != nil {
		return err
	}
	writeJSON(q.w, http.StatusOK, v)
	return nil
}
