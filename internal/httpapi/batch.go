package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/internal/strict"
)

// maxBatch is how many commands one batch may hold.
const maxBatch = 1_000

// batchWithin is how long a batch may take: it is many durable writes.
const batchWithin = 25 * time.Second

// batchBody is POST …/batch.
type batchBody struct {
	Commands []batchItem `json:"commands"`
}

// batchItem is one command of a batch: its name as in the metadata of its events,
// and its whole body, with what would stand in the path of a request of its own.
type batchItem struct {
	IdempotencyKey string          `json:"idempotency_key"`
	Command        string          `json:"command"`
	Body           json.RawMessage `json:"body"`
}

// batchAnswer answers by index.
type batchAnswer struct {
	Results []batchResult `json:"results"`
}

// batchResult is the answer, or the problem, of one command.
type batchResult struct {
	Status   int      `json:"status"`
	Replayed bool     `json:"replayed,omitempty"`
	Answer   any      `json:"answer,omitempty"`
	Problem  *Problem `json:"problem,omitempty"`
}

func batchRoute() route {
	return route{
		method: http.MethodPost, path: inPortfolio + "/batch", name: "batch", roles: batchRoles, handle: runBatch,
		summary: "Up to 1,000 commands in one request; each is atomic, the batch is not; answers by index",
		body:    reflect.TypeFor[batchBody](), answer: reflect.TypeFor[batchAnswer](), maxBody: maxBatchBody,
	}
}

// batchRoles may send a batch; each command of it is authorised by itself.
var batchRoles = []domain.Role{domain.RoleBot, domain.RoleFeed, domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin}

// batchable makes an empty command by name: every command of a portfolio but the
// opening of one, which a batch in it cannot do.
var batchable = map[string]func() any{
	"ask_permit":        blank[commands.AskPermit],
	"place_permit":      blank[commands.PlacePermit],
	"release_permit":    blank[commands.ReleasePermit],
	"record_fill":       blank[commands.RecordFill],
	"confirm_fill":      blank[commands.ConfirmFill],
	"void_fill":         blank[commands.VoidFill],
	"record_trade":      blank[commands.RecordTrade],
	"settle_market":     blank[commands.SettleMarket],
	"mark_prices":       blank[commands.MarkPrices],
	"record_deposit":    blank[commands.RecordDeposit],
	"record_withdrawal": blank[commands.RecordWithdrawal],
	"record_fee":        blank[commands.RecordFee],
	"post_adjustment":   blank[commands.PostAdjustment],
	"register_market":   blank[commands.RegisterMarket],
	"allocate_capital":  blank[commands.AllocateCapital],
	"start_bot":         blank[commands.StartBot],
	"stop_bot":          blank[commands.StopBot],
}

func blank[C any]() any { return new(C) }

func runBatch(q *request) error {
	if err := q.exists(); err != nil {
		return err
	}
	var b batchBody
	if err := q.readBody(&b); err != nil {
		return err
	}
	if len(b.Commands) == 0 || len(b.Commands) > maxBatch {
		return domain.Invalid("commands", "must hold 1 to %d", maxBatch)
	}
	out := batchAnswer{Results: make([]batchResult, len(b.Commands))}
	var requests []commands.Request
	var at []int // where in the batch a request comes from
	for i, item := range b.Commands {
		r, err := item.request(q.key.caller)
		if err != nil {
			out.Results[i] = failed(err)
			continue
		}
		requests, at = append(requests, r), append(at, i)
	}
	if len(requests) > 0 {
		ctx, cancel := context.WithTimeout(q.r.Context(), batchWithin)
		defer cancel()
		results, err := q.api.engine.DoEach(ctx, q.portfolio(), requests)
		if err != nil {
			return err
		}
		for n, r := range results {
			out.Results[at[n]] = q.batched(r)
		}
	}
	writeJSON(q.w, http.StatusOK, out)
	return nil
}

func (item *batchItem) request(caller domain.Caller) (commands.Request, error) {
	k, err := checkKey("idempotency_key", item.IdempotencyKey)
	if err != nil {
		return commands.Request{}, err
	}
	make, known := batchable[item.Command]
	if !known {
		return commands.Request{}, domain.Invalid("command", "is not one that a batch takes; see /openapi.json")
	}
	into := make()
	if err := strict.Decode(item.Body, into); err != nil {
		return commands.Request{}, err
	}
	c, ok := reflect.ValueOf(into).Elem().Interface().(commands.Command)
	if !ok {
		return commands.Request{}, domain.Errorf(domain.CodeInternal, "%s is no command", item.Command)
	}
	return commands.Request{Caller: caller, Key: k, Command: c}, nil
}

func (q *request) batched(r commands.Result) batchResult {
	if r.Err != nil {
		if domain.CodeOf(r.Err) == domain.CodeInternal {
			q.api.logDefect(q, r.Err)
		}
		return failed(r.Err)
	}
	a := r.Answer
	v := batchResult{Status: http.StatusOK, Replayed: a.Replayed, Answer: &a}
	if a.Permit != nil {
		v.Answer = permitAnswerOf(&a)
	}
	return v
}

func failed(err error) batchResult {
	p := problemOf(err)
	return batchResult{Status: p.Status, Problem: &p}
}
