package httpapi

import (
	"context"
	"net/http"
	"time"

	"pets/commands"
	"pets/domain"
)

// Bodies of commands whose other fields are in the path.
type (
	emptyBody  struct{}
	reasonBody struct {
		Reason string `json:"reason,omitempty"`
	}
	neededReason struct {
		Reason string `json:"reason"`
	}
	amountBody struct {
		Amount domain.Decimal `json:"amount"`
	}
	placedBody struct {
		ExpiresAt *time.Time `json:"expires_at,omitempty"`
	}
	fillBody struct {
		Bot   string `json:"bot"`
		Venue string `json:"venue,omitempty"`
		Leg   int    `json:"leg,omitempty"`
	}
	registerBody struct {
		ID       string         `json:"id"`
		Strategy string         `json:"strategy,omitempty"`
		Kind     string         `json:"kind,omitempty" enum:"directional,market_maker"`
		Capital  domain.Decimal `json:"capital"`
		// InventoryCap is needed for a market maker.
		InventoryCap domain.Decimal `json:"inventory_cap,omitzero"`
	}
)

func (b fillBody) id(r *http.Request) domain.FillID {
	return domain.FillID{Bot: b.Bot, Venue: b.Venue, TradeID: r.PathValue("trade_id"), Leg: b.Leg}
}

// command leaves the start to a person: only an import starts what it registers.
func (b registerBody) command() commands.Command {
	return commands.RegisterBot{ID: b.ID, Strategy: b.Strategy, Kind: b.Kind, Capital: b.Capital, InventoryCap: b.InventoryCap}
}

// do sends one command and answers with what it recorded.
func (q *request) do(c commands.Command) error {
	answer, err := q.send(c)
	if err != nil {
		return err
	}
	q.answer(&answer)
	return nil
}

func (q *request) send(c commands.Command) (commands.Answer, error) {
	if err := q.exists(); err != nil {
		return commands.Answer{}, err
	}
	k, err := idempotencyKey(q.r)
	if err != nil {
		return commands.Answer{}, err
	}
	ctx, cancel := q.deciding(answerWithin)
	defer cancel()
	r := q.asks(k, c)
	r.Seen = q.seen
	answer, err := q.api.engine.Do(ctx, q.portfolio(), r)
	q.taken(&r, err)
	q.decided(commands.ClassOf(c), &answer, err)
	return answer, err
}

// deciding returns the context of a command, which differs from the request's: a
// command whose caller has disconnected is still decided and counted, and the
// same Idempotency-Key returns its answer. Meanwhile the connection is not closed
// to make room.
func (q *request) deciding(within time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), within)
	q.conn().hold()
	return ctx, func() { cancel(); q.conn().release() }
}

// exists refuses names of portfolios that do not exist before anything else uses
// them.
func (q *request) exists() error {
	return domain.CheckID("portfolio", q.portfolio())
}

// permitAnswered is the answer to a permit, with the decision first.
type permitAnswered struct {
	commands.PermitAnswer
	Revision   uint64               `json:"revision"`
	Events     []commands.EventRef  `json:"events"`
	Directives []commands.Directive `json:"directives"`
	// ClockBehind is how far the wall clock was behind the last record.
	ClockBehind domain.Duration `json:"clock_behind,omitzero"`
	// Preview reports that nothing was recorded, and that there is no permit.
	Preview bool `json:"preview,omitempty"`
}

func permitAnswerOf(a *commands.Answer) permitAnswered {
	return permitAnswered{PermitAnswer: *a.Permit, Revision: a.Revision, Events: a.Events, Directives: a.Directives, ClockBehind: a.ClockBehind}
}

// answer writes the answer of a command. A retry gets the first answer, and a
// header that says so.
func (q *request) answer(a *commands.Answer) {
	if a.Replayed {
		q.w.Header().Set("Idempotency-Replayed", "true")
	}
	if a.Permit != nil {
		writeJSON(q.w, http.StatusOK, permitAnswerOf(a))
		return
	}
	writeJSON(q.w, http.StatusOK, a)
}
