package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"pets/domain"
)

// printJSON writes one indented JSON document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table writes rows in columns; the first is the heading.
func (a *app) table(rows [][]string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(r, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// printer writes lines and remembers the first failure.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// percent shows a ratio to a person: 0.0312 is 3.12 %.
func percent(d domain.Decimal) string {
	return d.Mul(domain.FromInt(100)).Round(2).String() + " %"
}

// money shows an amount to a person, with at most 6 decimals; JSON has them all.
func money(d domain.Decimal) string { return d.Round(6).String() }

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// cut keeps a cell to a width, as token ids have 77 digits.
func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}
