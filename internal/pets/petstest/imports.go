package petstest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// FillsHeader is the first line of a file of fills.
const FillsHeader = "time,bot,market,outcome,side,quantity,price,fee,trade_id"

// History returns the part of the events that must not depend on how and when they were
// imported.
func (s *Shell) History(args ...string) []string {
	s.T.Helper()
	var out []string
	for line := range strings.Lines(s.Ok(append([]string{"events", "--json"}, args...)...)) {
		var e struct {
			Revision   int
			Time, Type string
			Data       json.RawMessage
		}
		ReadJSON(s.T, line, &e)
		out = append(out, fmt.Sprint(e.Revision, e.Time, e.Type, string(e.Data)))
	}
	return out
}

// ManyFills writes a file of n fills; with many of them, an import can be interrupted.
func (s *Shell) ManyFills(n int) string {
	s.T.Helper()
	rows := []string{FillsHeader}
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		side, price := "buy", 30+i%40
		if i/5%2 == 1 {
			side = "sell"
		}
		rows = append(rows, fmt.Sprintf("%s,bot%d,m%d,YES,%s,%d,0.%d,0.01,t%d", at.Add(time.Duration(i)*7*time.Second).Format(time.RFC3339), i%5, i%5, side, 1+i%7, price, i))
	}
	return s.File("many.csv", rows...)
}

// SummaryJSON is the answer of pets import --json.
type SummaryJSON struct {
	Rows, Recorded, Known, Duplicates, Ignored, Findings, Events, Trades, Oversold int
	SetAside                                                                       int `json:"set_aside"`
	BadRows                                                                        int `json:"bad_rows"`
	Rounded                                                                        int
	Trips                                                                          []struct{ Breaker, Bot, Source string }
}
