package main

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

// serverBooker books the rows of an import through the server that holds the
// store.
type serverBooker struct {
	p *client.Portfolio
}

// serverRow is one row on its way; see internal/httpapi/import.go.
type serverRow struct {
	Key       string              `json:"key"`
	At        time.Time           `json:"at"`
	Source    string              `json:"source"`
	Command   string              `json:"command"`
	Body      json.RawMessage     `json:"body"`
	Reason    string              `json:"reason,omitempty"`
	Newcomers *commands.Newcomers `json:"newcomers,omitempty"`
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

// DoAll implements importer.Booker. A request that is sent again after a lost
// answer books nothing twice: each row has a key of its own.
func (b *serverBooker) DoAll(ctx context.Context, requests []commands.Request) ([]commands.Result, error) {
	rows := make([]serverRow, len(requests))
	for i := range requests {
		row, err := rowOf(&requests[i])
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	var answer struct {
		Results []serverResult `json:"results"`
	}
	body := map[string]any{"rows": rows}
	if err := b.p.Post(ctx, "/import", uuid.NewString(), body, &answer); err != nil {
		return nil, err
	}
	results := make([]commands.Result, len(requests))
	for i := range results {
		if i >= len(answer.Results) {
			results[i].Err = commands.ErrNotTried
			continue
		}
		r, err := answer.Results[i].result()
		if err != nil {
			return nil, err
		}
		results[i] = r
	}
	return results, nil
}

func rowOf(r *commands.Request) (serverRow, error) {
	body, err := json.Marshal(r.Command)
	if err != nil {
		return serverRow{}, fmt.Errorf("encode a row: %w", err)
	}
	row := serverRow{Key: r.Key, At: r.Import.At, Source: r.Import.Source, Command: r.Command.Name(), Body: body}
	switch c := r.Command.(type) {
	case commands.ImportRow:
		row.Newcomers = &c.Newcomers
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
	return commands.Result{Answer: commands.Told(r.Revision, r.Replayed, events)}, nil
}

func withoutField(p *client.Problem) string {
	if p.Field != "" && len(p.Detail) > len(p.Field) {
		return p.Detail[len(p.Field)+1:]
	}
	return p.Detail
}

// serverBooker connects to the server of this run.
func (a *app) serverBooker() (*serverBooker, func() error, error) {
	r, err := a.remote()
	if err != nil {
		return nil, nil, err
	}
	a.acting(r.String(), true)
	c, err := client.New(client.Options{URL: r.url, Key: a.config.Key.Reveal(), CAFile: r.ca})
	if err != nil {
		return nil, nil, err
	}
	return &serverBooker{c.Portfolio(a.config.Portfolio)}, c.Close, nil
}
