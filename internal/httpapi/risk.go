package httpapi

import (
	"net/http"
	"reflect"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/projections"
)

// resetBody resets a breaker, or previews the reset.
type resetBody struct {
	Bot    string `json:"bot,omitempty"`
	Reason string `json:"reason,omitempty"` // needed, except for a dry run
	Rebase bool   `json:"rebase,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// resetPreview is the effect of a reset. Nothing is recorded.
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
	// EventsSince is the number of records after the trip.
	EventsSince uint64 `json:"events_since"`
	// RebasesTo is the equity that the breaker would be measured from after a rebase.
	RebasesTo *domain.Decimal `json:"rebases_to,omitempty"`
	// WaitingMarks are marks of what the scope holds that wait beyond the collar.
	WaitingMarks []projections.WaitingMark `json:"waiting_marks,omitempty"`
}

func resetRoute() route {
	r := sending(commands.ResetBreaker{}, inPortfolio+"/breakers/{breaker}/reset", "Reset a tripped breaker, with a reason; dry_run says what would happen and needs no Idempotency-Key", resetBreaker)
	r.body, r.also, r.key = reflect.TypeFor[resetBody](), reflect.TypeFor[resetPreview](), keyUnlessDry
	return r
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
	q.dry = true
	if err := q.exists(); err != nil {
		return err
	}
	var v resetPreview
	err := q.api.showState(q.r.Context(), q.portfolio(), moment{}, func(s *portfolio.State, _ riders) error {
		now, _ := s.ClockAt(q.api.now())
		p, err := s.PreviewReset(risk.Key{Breaker: breaker, Bot: b.Bot}, b.Rebase, now)
		if err != nil {
			return err
		}
		v = resetPreview{
			Revision: s.Next - 1, Breaker: breaker, Tripped: p.Tripped, Before: p.Before.Ratio(), After: p.After.Ratio(),
			Limit: p.Limit, WouldRetrip: p.WouldRetrip, OpenPositions: p.OpenPositions, EventsSince: p.Since, RebasesTo: p.RebasesTo,
			WaitingMarks: projections.Waiting(p.Waiting),
		}
		if b.Bot != "" {
			v.Bot = &b.Bot
		}
		return nil
	})
	if err == nil {
		err = q.entitled()
	}
	if err != nil {
		return err
	}
	writeJSON(q.w, http.StatusOK, v)
	return nil
}

// asksPermit: it is the command that bots flood a server with, if they do.
func asksPermit(s commands.Spec) bool { return s.Name == commands.SpecOf(commands.AskPermit{}).Name }

func permitRoute() route {
	r := sending(commands.AskPermit{}, inPortfolio+"/permits", "May I trade? A check and a reservation in one; a denial is an answer, with every reason", askPermit)
	r.params = []param{boolParam("preview", "run every check, record nothing, reserve nothing; needs no Idempotency-Key")}
	r.answer, r.key = reflect.TypeFor[permitAnswered](), keyUnlessDry
	return r
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
	if err := q.affordable(c); err != nil {
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
	q.dry = true
	if err := commands.Allowed(q.key.caller, c); err != nil {
		return err
	}
	if err := q.exists(); err != nil {
		return err
	}
	if err := q.api.engine.Takes(commands.ClassOf(c)); err != nil {
		return err
	}
	v := permitAnswered{Preview: true, Events: []commands.EventRef{}, Directives: []commands.Directive{}}
	pending := q.api.engine.Pending(q.portfolio())
	known := true
	var p portfolio.PermitPreview
	err := q.api.showState(q.r.Context(), q.portfolio(), moment{}, func(s *portfolio.State, _ riders) (err error) {
		v.Revision = s.Next - 1
		if known = c.Knows(s); known {
			p, err = c.Preview(s, q.api.now().UTC(), q.key.caller)
		}
		return err
	})
	if err == nil && !known { // the market may be archived, which only what decides can say
		p, v.Revision, err = q.api.engine.Preview(q.r.Context(), q.portfolio(), commands.Request{Caller: q.key.caller, Command: c}, q.api.now().UTC())
	}
	v.PermitAnswer = commands.PermitAnswer{Allowed: p.Allowed, Reserved: p.Reserved, Reasons: p.Reasons, Cost: p.Cost, SurePayout: p.SurePayout}
	v.hold(pending, c.Bot)
	if err == nil {
		err = q.entitled()
	}
	if err != nil {
		return err
	}
	writeJSON(q.w, http.StatusOK, v)
	return nil
}

// hold denies what a stop that is not recorded yet forbids.
func (v *permitAnswered) hold(pending []commands.PendingStop, bot string) {
	if p := commands.Gravest(pending, bot); p != nil {
		v.Allowed, v.Reserved = false, domain.Zero
		v.Reasons = p.Against(v.Reasons)
		v.Directives = []commands.Directive{p.Directive(bot)}
	}
}
