package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
)

// serverBooker books the rows of an import through the server that holds the store.
type serverBooker struct {
	p *client.Portfolio
}

// serverRow is one row of a request; see internal/httpapi/import.go.
type serverRow struct {
	Key       string              `json:"key"`
	At        time.Time           `json:"at"`
	Source    string              `json:"source"`
	Command   string              `json:"command"`
	Body      json.RawMessage     `json:"body"`
	Reason    string              `json:"reason,omitempty"`
	Newcomers *commands.Newcomers `json:"newcomers,omitempty"`

	Payouts map[string]domain.Decimal `json:"payouts,omitempty"`
}

type serverResult struct {
	Revision uint64 `json:"revision"`
	Replayed bool   `json:"replayed"`
	Events   []struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	} `json:"events"`
	Problem  *client.Problem `json:"problem"`
	Newcomer bool            `json:"newcomer"`
}

// mostRowBytes is the most that one request of an import holds; the server accepts 4 MiB.
const mostRowBytes = 3 << 20

// DoAll implements importer.Booker. A request resent after a lost answer books nothing twice,
// because each row has its own key.
func (b *serverBooker) DoAll(ctx context.Context, requests []commands.Request) ([]commands.Result, error) {
	rows, sizes := make([]serverRow, len(requests)), make([]int, len(requests))
	for i := range requests {
		row, err := rowOf(&requests[i])
		if err != nil {
			return nil, err
		}
		rows[i], sizes[i] = row, len(row.Body)+len(row.Source)+256
		for outcome := range row.Payouts {
			sizes[i] += 2*len(outcome) + 32
		}
	}
	results := make([]commands.Result, 0, len(requests))
	for len(results) < len(requests) {
		from := len(results)
		answered, err := b.send(ctx, rows[from:from+fitting(sizes[from:])])
		if err != nil {
			return nil, err
		}
		results = append(results, answered...)
		if len(answered) == 0 || results[len(results)-1].Err != nil {
			break
		}
	}
	for len(results) < len(requests) {
		results = append(results, commands.Result{Err: commands.ErrNotTried})
	}
	return results, nil
}

// fitting returns how many rows fit into one request, at least one.
func fitting(sizes []int) int {
	n, bytes := 0, 0
	for _, size := range sizes {
		if bytes += size; n > 0 && bytes > mostRowBytes {
			break
		}
		n++
	}
	return n
}

// send sends rows in one request. The server answers at least one of them, up to the first that
// failed or until its answer gets too long.
func (b *serverBooker) send(ctx context.Context, rows []serverRow) ([]commands.Result, error) {
	var answer struct {
		Results []serverResult `json:"results"`
	}
	if err := b.p.Post(ctx, "/import", uuid.NewString(), map[string]any{"rows": rows}, &answer); err != nil {
		return nil, err
	}
	results := make([]commands.Result, 0, len(rows))
	for i := range answer.Results {
		r, err := answer.Results[i].result()
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

func rowOf(r *commands.Request) (serverRow, error) {
	body, err := json.Marshal(r.Command)
	if err != nil {
		return serverRow{}, fmt.Errorf("encode a row: %w", err)
	}
	row := serverRow{Key: r.Key, At: r.Import.At, Source: r.Import.Source, Command: commands.SpecOf(r.Command).Name, Body: body}
	switch c := r.Command.(type) {
	case commands.ImportRow:
		row.Newcomers, row.Payouts = &c.Newcomers, c.Payouts
	case commands.SetRowAside:
		row.Reason = c.Reason
	}
	return row, nil
}

func (r *serverResult) result() (commands.Result, error) {
	if p := r.Problem; p != nil {
		// The detail begins with the field, as our own errors print it.
		var err error = &domain.Error{Code: p.Code(), Field: p.Field, Message: withoutField(p)}
		if r.Newcomer {
			err = &commands.NewcomerError{Bot: "of the row", Err: err}
		}
		return commands.Result{Err: err}, nil
	}
	events := make([]domain.Event, len(r.Events))
	for i, e := range r.Events {
		decoded, err := domain.Decode(e.Type, e.Data)
		if err != nil {
			return commands.Result{}, err
		}
		events[i] = decoded
	}
	return commands.Result{Answer: commands.NewImportAnswer(r.Revision, r.Replayed, events)}, nil
}

func withoutField(p *client.Problem) string {
	if p.Field != "" && len(p.Detail) > len(p.Field) {
		return p.Detail[len(p.Field)+1:]
	}
	return p.Detail
}

// serverBooker connects to the server of this run.
func (a *app) serverBooker() (*serverBooker, func() error, error) {
	r, err := a.Remote()
	if err != nil {
		return nil, nil, err
	}
	a.Acting(r.String(), true)
	c, err := client.New(a.Asking(r))
	if err != nil {
		return nil, nil, err
	}
	return &serverBooker{c.Portfolio(a.Config.Portfolio)}, c.Close, nil
}
