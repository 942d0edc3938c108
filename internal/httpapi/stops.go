package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"pets/commands"
)

// latchWithin is how long a stop waits to be recorded while the history is still
// being folded. It is in force from the first moment, and the answer says so.
const latchWithin = time.Second

// stopAnswer answers a stop. recorded is false (and the status 202) while the
// store cannot record it. The stop is in force all the same, and is recorded as
// soon as possible. kept is missing if it is recorded, and false if it could not
// be written anywhere: a restart then forgets it.
type stopAnswer struct {
	Recorded bool  `json:"recorded"`
	Kept     *bool `json:"kept,omitempty"`
	commands.Answer
}

// stopAllAnswer has one line for each portfolio.
type stopAllAnswer struct {
	Portfolios []commands.Stopped `json:"portfolios"`
}

func stopRoute() route {
	return urgent(sending(commands.EngageStop{}, inPortfolio+"/emergency-stop", "Stop everything in the portfolio, at once", engageStop))
}

func stopAllRoute() route {
	return route{
		method: http.MethodPost, path: "/v1/emergency-stop", name: "engage_stop_everywhere", roles: commands.SpecOf(commands.EngageStop{}).Roles, global: true,
		summary: "Stop every portfolio, at once", handle: engageAll, urgent: true, key: keyAlways,
		body: reflect.TypeFor[commands.EngageStop](), answer: reflect.TypeFor[stopAllAnswer](),
	}
}

func stopBotRoute() route {
	return urgent(sending(commands.StopBot{}, inPortfolio+"/bots/{bot}/stop", "Take a bot out of trading", stopBot))
}

// urgent is a route that stops something in one portfolio.
func urgent(r route) route {
	r.urgent, r.answer = true, reflect.TypeFor[stopAnswer]()
	return r
}

// stopRequest reads what both have in common.
func (q *request) stopRequest() (commands.Request, error) {
	var c commands.EngageStop
	if err := q.readBody(&c); err != nil {
		return commands.Request{}, err
	}
	k, err := idempotencyKey(q.r)
	return q.asks(k, c), err
}

// stopping returns the context of a stop: like every command, it continues when
// its caller has disconnected.
func (q *request) stopping() (context.Context, context.CancelFunc) {
	within := answerWithin
	if !q.api.ready.Load() {
		within = latchWithin
	}
	return q.deciding(within)
}

func engageStop(q *request) error {
	r, err := q.stopRequest()
	if err != nil {
		return err
	}
	return q.stopOne(r, q.api.engine.Stop)
}

func stopBot(q *request) error {
	c := commands.StopBot{Bot: q.r.PathValue("bot")}
	if err := q.readBody(&c); err != nil {
		return err
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return err
	}
	return q.stopOne(q.asks(k, c), q.api.engine.StopBot)
}

// stopOne sends what stops something in one portfolio.
func (q *request) stopOne(r commands.Request, stop func(context.Context, string, commands.Request) (commands.Answer, bool, error)) error {
	if err := q.exists(); err != nil {
		return err
	}
	ctx, cancel := q.stopping()
	answer, recorded, err := stop(ctx, q.portfolio(), r)
	cancel()
	if err != nil {
		return err
	}
	if answer.Replayed {
		q.w.Header().Set("Idempotency-Replayed", "true")
	}
	status, out := http.StatusOK, stopAnswer{Recorded: recorded}
	if !recorded {
		kept := answer.Kept
		status, out.Kept = http.StatusAccepted, &kept
		answer = commands.Answer{Events: []commands.EventRef{}}
		answer.Directives, _ = q.pendingDirectives()
	}
	out.Answer = answer
	writeJSON(q.w, status, out)
	return nil
}

func engageAll(q *request) error {
	r, err := q.stopRequest()
	if err != nil {
		return err
	}
	ctx, cancel := q.stopping()
	all, err := q.api.engine.StopAll(ctx, r)
	cancel()
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
