package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/internal/strict"
)

// Limits of one request of an import: as many rows as the writer takes at once.
const (
	maxImportBody = 4 << 20
	importWithin  = 30 * time.Second
	// importStep is how many rows are booked before the length of their answer is
	// checked.
	importStep = 128
	// importEnough ends an answer: the rows after it were not tried.
	importEnough = maxAnswer / 2
)

// importBody is POST …/import: rows of files in order, as pets import sends them.
// The first failure stops the rest.
type importBody struct {
	Rows []importRow `json:"rows"`
}

// importRow is one row: its command, its time, and the bot or market that it
// introduces.
type importRow struct {
	Key     string          `json:"key"`
	At      time.Time       `json:"at"`
	Source  string          `json:"source"` // file:line
	Command string          `json:"command"`
	Body    json.RawMessage `json:"body"`
	// Reason is why a row is set aside.
	Reason    string              `json:"reason,omitempty"`
	Newcomers *commands.Newcomers `json:"newcomers,omitempty"`
	// Payouts are what the rows of a settled market at one time say together.
	Payouts map[string]domain.Decimal `json:"payouts,omitempty"`
}

// importAnswer answers by index. Rows after the first problem were not tried. If
// there is no problem and the answer is shorter than the request, it had become
// too long: send the remaining rows again.
type importAnswer struct {
	Results []importResult `json:"results"`
}

type importResult struct {
	Revision uint64        `json:"revision"`
	Replayed bool          `json:"replayed,omitempty"`
	Events   []importEvent `json:"events,omitempty"`
	Problem  *Problem      `json:"problem,omitempty"`
	// Newcomer reports that the problem belongs to the bot that the row
	// introduces, not to the row.
	Newcomer bool `json:"newcomer,omitempty"`
}

type importEvent struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

func importRoute() route {
	return route{
		method: http.MethodPost, path: inPortfolio + "/import", name: "import_rows", roles: commands.SpecOf(commands.RegisterBot{}).Roles, handle: importRows,
		summary: "Rows of trade files for an imported portfolio, as pets import sends them; stops at the first that fails",
		body:    reflect.TypeFor[importBody](), answer: reflect.TypeFor[importAnswer](), maxBody: maxImportBody,
	}
}

func importRows(q *request) error {
	if err := q.exists(); err != nil {
		return err
	}
	var b importBody
	if err := q.readBody(&b); err != nil {
		return err
	}
	if len(b.Rows) == 0 || len(b.Rows) > commands.MaxRequests {
		return domain.Invalid("rows", "must hold 1 to %d", commands.MaxRequests)
	}
	requests := make([]commands.Request, len(b.Rows))
	for i := range b.Rows {
		r, err := b.Rows[i].request(q)
		if err != nil {
			return err
		}
		requests[i] = r
	}
	if err := q.makeRoom(answerRoom); err != nil {
		return err
	}
	ctx, cancel := q.deciding(importWithin)
	defer cancel()
	var out bytes.Buffer
	out.WriteString(`{"results":[`)
	for step := range slices.Chunk(requests, importStep) {
		if q.r.Context().Err() != nil {
			return q.r.Context().Err() // the sender has disconnected: rows not begun are not booked
		}
		results, err := q.api.engine.DoAll(ctx, q.portfolio(), step)
		q.decidedRows(step, results, err)
		if err != nil {
			return err
		}
		more, err := q.bookedRows(&out, results)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	out.WriteString("]}\n")
	return q.write(out.Bytes())
}

// decidedRows counts the records of rows beyond the facts themselves.
func (q *request) decidedRows(rows []commands.Request, results []commands.Result, err error) {
	for i := range rows {
		class := commands.ClassOf(rows[i].Command)
		if err != nil {
			q.unknown(class, err)
			continue
		}
		q.decided(class, &results[i].Answer, results[i].Err)
	}
}

// bookedRows adds the outcomes of rows to the answer. more is false if no further
// rows are to be booked.
func (q *request) bookedRows(out *bytes.Buffer, results []commands.Result) (more bool, err error) {
	for _, r := range results {
		if errors.Is(r.Err, commands.ErrNotTried) {
			return false, nil
		}
		v, err := q.imported(r)
		if err != nil {
			return false, err
		}
		if out.Bytes()[out.Len()-1] != '[' {
			out.WriteByte(',')
		}
		before := out.Len()
		if err := appendJSON(out, v); err != nil {
			return false, err
		}
		if out.Len() > maxAnswer-importStep*smallResult { // booked, and reported without its events
			out.Truncate(before)
			if err := appendJSON(out, importResult{Revision: v.Revision, Replayed: v.Replayed, Problem: v.Problem, Newcomer: v.Newcomer}); err != nil {
				return false, err
			}
		}
	}
	return out.Len() < importEnough, nil
}

// smallResult is more than the result of a row without its events takes.
const smallResult = 1 << 10

func (row *importRow) request(q *request) (commands.Request, error) {
	if len(row.Body) > maxBody {
		return commands.Request{}, domain.Errorf(domain.CodeTooLarge, "the body of a row is over %d bytes", maxBody)
	}
	s, _ := commands.SpecNamed(row.Command)
	if !s.Import {
		return commands.Request{}, domain.Invalid("rows", "contain a command that is not accepted from an import")
	}
	c, err := s.Decode(func(into any) error { return strict.Decode(row.Body, into) })
	if err != nil {
		return commands.Request{}, within("rows", err)
	}
	if aside, ok := c.(commands.SetRowAside); ok {
		aside.Reason = row.Reason
		c = aside
	}
	if row.Newcomers != nil {
		booked, ok := c.(commands.PortfolioCommand)
		if !ok {
			return commands.Request{}, domain.Errorf(domain.CodeInternal, "%s is not a command of a portfolio", row.Command)
		}
		c = commands.ImportRow{PortfolioCommand: booked, Newcomers: *row.Newcomers, Payouts: row.Payouts}
	}
	r := q.asks(row.Key, c)
	r.Import = &commands.Import{At: row.At, Source: row.Source}
	return r, nil
}

func (q *request) imported(r commands.Result) (importResult, error) {
	if r.Err != nil {
		if domain.CodeOf(r.Err) == domain.CodeInternal {
			q.api.logDefect(q, r.Err)
		}
		p := problemOf(r.Err)
		var newcomer *commands.NewcomerError
		return importResult{Problem: &p, Newcomer: errors.As(r.Err, &newcomer)}, nil
	}
	v := importResult{Revision: r.Answer.Revision, Replayed: r.Answer.Replayed}
	for _, e := range r.Answer.Decoded() {
		data, err := domain.Encode(e)
		if err != nil {
			return v, err
		}
		v.Events = append(v.Events, importEvent{e.EventType(), data})
	}
	return v, nil
}
