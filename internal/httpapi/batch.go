package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/internal/strict"
	"pets/internal/work"
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

// batched is one command of a batch, decoded. Its bytes are not kept.
type batched struct {
	request commands.Request
	class   commands.Class
	goesOn  bool
	bytes   int   // of its body
	late    error // that it arrived could not be noted
	err     error // it is refused for this
}

// batch is a batch that was read to its end. Until then nothing of it is done: a body that
// is refused, wherever the fault is, has had no effect.
type batch struct {
	commands []batched
	permits  bool // some ask for a permit
	closing  bool // some may only close
}

func runBatch(q *request) error {
	if err := q.exists(); err != nil {
		return err
	}
	b, err := q.readBatch()
	if err != nil {
		return err
	}
	q.batchCame(b.commands)
	if err := q.makeRoom(min(answerRoom, smallAnswer+int64(len(b.commands))*roomForCommand)); err != nil {
		return err
	}
	requests, err := q.admitBatch(b)
	if err != nil {
		return err
	}
	return q.answerBatch(b, requests)
}

// readBatch reads the body, and decodes one command after another as they arrive.
func (q *request) readBatch() (*batch, error) {
	b, blank := &batch{}, q.asks("", nil)
	n := 0
	err := q.takeParts(func(body io.Reader) (err error) {
		n, err = strict.Each(body, "commands", func(i int, item *batchItem) {
			if i < maxBatch {
				b.add(item, blank)
			}
		})
		return err
	})
	if err == nil && (n == 0 || n > maxBatch) {
		err = domain.Invalid("commands", "must hold 1 to %d", maxBatch)
	}
	return b, err
}

// add decodes one command. What is wrong with it does not concern the others.
func (b *batch) add(item *batchItem, request commands.Request) {
	spec, _ := commands.SpecNamed(item.Command) // an unknown one has none, and is refused below
	one := batched{request: request, class: spec.Class, goesOn: spec.GoesOn, bytes: len(item.Body)}
	b.permits = b.permits || asksPermit(spec)
	b.closing = b.closing || bytes.Contains(item.Body, []byte(`"reduce_only"`))
	one.request.Key, one.err = checkKey("idempotency_key", item.IdempotencyKey)
	if one.err == nil {
		one.request.Command, one.err = item.command(&spec)
	}
	b.commands = append(b.commands, one)
}

func (item *batchItem) command(spec *commands.Spec) (commands.Command, error) {
	if len(item.Body) > maxBody {
		return nil, domain.Errorf(domain.CodeTooLarge, "the body of a command is over %d bytes", maxBody)
	}
	if !spec.Batch {
		return nil, domain.Invalid("command", "is not one that a batch takes: %s", batchable)
	}
	c, err := spec.Decode(func(into any) error { return strict.Decode(item.Body, into) })
	if err != nil {
		return nil, err
	}
	if m, is := c.(commands.RegisterMarket); is && m.Condition != "" {
		return nil, domain.Invalid("condition", "is compared with the chain, which a batch does not wait for: register the market by POST …/markets")
	}
	return c, nil
}

// admitBatch counts the commands, and returns the requests of those that are not refused, in
// their order.
func (q *request) admitBatch(b *batch) ([]commands.Request, error) {
	refused, err := q.chargeBatch(b)
	if err != nil {
		return nil, err
	}
	requests := make([]commands.Request, 0, len(b.commands))
	for i := range b.commands {
		one := &b.commands[i]
		if one.err == nil {
			one.err = one.late
		}
		if limit := refused[one.class]; limit != nil && (one.err != nil || !q.escapes(limit, one.request.Command)) {
			one.err = limit
		}
		if one.err == nil {
			one.err = q.chargeFact(one.request.Command, one.bytes)
		}
		if one.err == nil {
			requests = append(requests, one.request)
		}
		one.request = commands.Request{}
	}
	return requests, nil
}

// answerBatch lets the commands be decided, and writes each answer when it is there.
func (q *request) answerBatch(b *batch, requests []commands.Request) error {
	out := q.newBatchWriter(b)
	if len(requests) > 0 {
		ctx, cancel := q.deciding(batchWithin)
		defer cancel()
		next := 0
		err := q.api.engine.DoInParts(ctx, q.portfolio(), requests, func(from int, results []commands.Result) {
			q.api.config.Work.Do(work.Requests, func() {
				for i := range results {
					r, of := &results[i], &requests[from+i]
					q.decided(commands.ClassOf(of.Command), &r.Answer, r.Err)
					q.taken(of, r.Err)
					out.decided(r)
				}
			})
			next = from + len(results)
			out.flush()
		})
		if err != nil {
			for i := next; i < len(requests); i++ {
				q.unknown(commands.ClassOf(requests[i].Command), err)
			}
			if next == 0 {
				return err
			}
			for range requests[next:] { // the others are decided, and answered
				out.decided(&commands.Result{Err: err})
			}
		}
	}
	return out.end()
}

// chargeBatch counts the commands of a batch by class, before any is executed. If
// there are too many of a class, all commands of that class are refused; the
// others continue, because facts and stops must not wait for permits in the same
// request. If nothing is left, the whole batch is refused.
func (q *request) chargeBatch(b *batch) (refused map[commands.Class]error, err error) {
	counts := map[commands.Class]int{}
	for i := range b.commands {
		counts[b.commands[i].class]++
	}
	left := len(b.commands)
	for _, class := range []commands.Class{commands.ClassOther, commands.ClassFact} {
		n := counts[class]
		if n == 0 {
			continue
		}
		err := q.chargeClass(class, n, b.permits)
		if err == nil {
			continue
		}
		if left -= n; left == 0 && !b.closing {
			return nil, err
		}
		if refused == nil {
			refused = map[commands.Class]error{}
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
