package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
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
// and its whole body, including what the path of a single request would hold.
type batchItem struct {
	IdempotencyKey string          `json:"idempotency_key"`
	Command        string          `json:"command"`
	Body           json.RawMessage `json:"body"`

	seen uint64 // as [commands.Request.Seen]
	late error  // it could not be noted
}

// batchAnswer holds the answers by index.
type batchAnswer struct {
	Results []batchResult `json:"results"`
}

// batchResult is the answer, or the problem, of one command.
type batchResult struct {
	Status   int      `json:"status"`
	Replayed bool     `json:"replayed,omitempty"`
	Answer   any      `json:"answer,omitempty"`
	Problem  *Problem `json:"problem,omitempty"`
	// Short reports that the answers of the batch were too long and that this one
	// lacks its reasons and events. The same command sent again by itself, under
	// its key, is answered in full.
	Short bool `json:"short,omitempty"`
}

func batchRoute() route {
	return route{
		method: http.MethodPost, path: inPortfolio + "/batch", name: "batch", roles: batchRoles, handle: runBatch,
		summary: "Up to 1,000 commands in one request; each is atomic, the batch is not; answers by index",
		body:    reflect.TypeFor[batchBody](), answer: reflect.TypeFor[batchAnswer](), maxBody: maxBatchBody, batch: true,
	}
}

// batchRoles may send a batch; each of its commands is authorised by itself.
var batchRoles = []domain.Role{domain.RoleBot, domain.RoleFeed, domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin}

// batchable are the commands that a batch takes.
var batchable = strings.Join(commands.Names(func(s commands.Spec) bool { return s.Batch }), ", ")

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
	q.batchCame(b.Commands)
	if err := q.makeRoom(min(answerRoom, smallAnswer+int64(len(b.Commands))*roomForCommand)); err != nil {
		return err
	}
	out := batchAnswer{Results: make([]batchResult, len(b.Commands))}
	refused, err := q.chargeBatch(b.Commands)
	if err != nil {
		return err
	}
	var requests []commands.Request
	var at []int // the place in the batch that a request comes from
	for i, item := range b.Commands {
		r, err := item.request(q)
		if limit := refused[item.class()]; limit != nil && (err != nil || !q.escapes(limit, r.Command)) {
			err = limit
		}
		if err == nil {
			err = q.chargeFact(r.Command, len(item.Body))
		}
		if err != nil {
			out.Results[i] = failed(err)
			continue
		}
		requests, at = append(requests, r), append(at, i)
	}
	if len(requests) > 0 {
		ctx, cancel := q.deciding(batchWithin)
		defer cancel()
		results, err := q.api.engine.DoEach(ctx, q.portfolio(), requests)
		if err != nil {
			for _, r := range requests {
				q.unknown(commands.ClassOf(r.Command), err)
			}
			return err
		}
		for n, r := range results {
			q.decided(b.Commands[at[n]].class(), &r.Answer, r.Err)
			q.taken(&requests[n], r.Err)
			out.Results[at[n]] = q.batched(r)
		}
	}
	return q.deliverBatch(&out)
}

// spec is the row of the command that the item names; an unknown one has none, and is
// refused when its turn comes.
func (item *batchItem) spec() commands.Spec {
	s, _ := commands.SpecNamed(item.Command)
	return s
}

func (item *batchItem) class() commands.Class { return item.spec().Class }

// chargeBatch counts the commands of a batch by class, before any is executed. If
// there are too many of a class, all commands of that class are refused; the
// others continue, because facts and stops must not wait for permits in the same
// request. If nothing is left, the whole batch is refused.
func (q *request) chargeBatch(items []batchItem) (refused map[commands.Class]error, err error) {
	counts, permits, closing := map[commands.Class]int{}, false, false
	for i := range items {
		counts[items[i].class()]++
		permits = permits || asksPermit(items[i].spec())
		closing = closing || bytes.Contains(items[i].Body, []byte(`"reduce_only"`))
	}
	refused = map[commands.Class]error{}
	left := len(items)
	for _, class := range []commands.Class{commands.ClassOther, commands.ClassFact} {
		n := counts[class]
		if n == 0 {
			continue
		}
		err := q.chargeClass(class, n, permits)
		if err == nil {
			continue
		}
		if left -= n; left == 0 && !closing {
			return nil, err
		}
		refused[class] = err
	}
	return refused, nil
}

// chargeClass checks the bytes first, so that a key without bytes does not also
// lose commands of its rate.
func (q *request) chargeClass(class commands.Class, n int, permits bool) error {
	if class == commands.ClassOther && (!q.key.person() || permits) {
		if err := q.withinBudget(); err != nil {
			return err
		}
	}
	return q.charge(class, n)
}

// roomForCommand is the memory reserved for the answer to each command of a
// batch: five times what most answers need.
const roomForCommand = 2 << 10

// deliverBatch answers a batch. Its decisions are final, so answers that do not
// fit are shortened to what the caller has to know at once.
func (q *request) deliverBatch(v *batchAnswer) error {
	var out bytes.Buffer
	whole := int(q.answerLease.bytes * 3 / 4) // the rest is for the shortened answers
	out.WriteString(`{"results":[`)
	for i := range v.Results {
		if i > 0 {
			out.WriteByte(',')
		}
		before := out.Len()
		if err := appendResult(&out, &v.Results[i]); err != nil {
			return err
		}
		if out.Len() > whole {
			out.Truncate(before)
			if err := appendJSON(&out, shortened(v.Results[i])); err != nil {
				return err
			}
		}
		v.Results[i] = batchResult{} // it is written
	}
	out.WriteString("]}\n")
	return q.write(out.Bytes())
}

// appendResult appends one result.
func appendResult(out *bytes.Buffer, r *batchResult) error {
	if b, plain := appendBatched(out.AvailableBuffer(), r); plain {
		_, err := out.Write(b)
		return err
	}
	return appendJSON(out, r)
}

// shortened keeps the part of an answer that its sender has to know now: the
// decision, and what to do.
func shortened(r batchResult) batchResult {
	r.Short = r.Answer != nil
	switch a := r.Answer.(type) {
	case *commands.Answer:
		r.Answer = &commands.Answer{Revision: a.Revision, Events: []commands.EventRef{}, Directives: a.Directives, ID: a.ID}
	case permitAnswered:
		a.Reasons, a.Events = []domain.Reason{}, []commands.EventRef{}
		r.Answer = a
	}
	return r
}

func (item *batchItem) request(q *request) (commands.Request, error) {
	k, err := checkKey("idempotency_key", item.IdempotencyKey)
	if err != nil {
		return commands.Request{}, err
	}
	if len(item.Body) > maxBody {
		return commands.Request{}, domain.Errorf(domain.CodeTooLarge, "the body of a command is over %d bytes", maxBody)
	}
	s := item.spec()
	if !s.Batch {
		return commands.Request{}, domain.Invalid("command", "is not one that a batch takes: %s", batchable)
	}
	c, err := s.Decode(func(into any) error { return strict.Decode(item.Body, into) })
	if err != nil {
		return commands.Request{}, err
	}
	if m, is := c.(commands.RegisterMarket); is && m.Condition != "" {
		return commands.Request{}, domain.Invalid("condition", "is compared with the chain, which a batch does not wait for: register the market by POST …/markets")
	}
	r := q.asks(k, c)
	r.Seen = item.seen
	return r, item.late
}

func (q *request) batched(r commands.Result) batchResult {
	if r.Err != nil {
		if domain.CodeOf(r.Err) == domain.CodeInternal {
			q.api.logDefect(q, r.Err)
		}
		return failed(r.Err)
	}
	a := r.Answer
	a.Directives = q.told(a.Directives)
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
