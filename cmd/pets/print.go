package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"pets/domain"
)

// printJSON writes one indented JSON document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// number is a cell that is aligned at its decimal point.
var number = regexp.MustCompile(`^(<?-?[0-9]+)((?:\.[0-9]+)?(?: %)?)$`)

// table writes rows in columns; the first is the heading. A column of numbers is
// aligned at the decimal point, any other to the left.
func (a *app) table(rows [][]string) error {
	lines := make([]strings.Builder, len(rows))
	for c := range rows[0] {
		cells := column(rows, c)
		width := 0
		for _, cell := range cells {
			width = max(width, utf8.RuneCountInString(cell))
		}
		for i, cell := range cells {
			lines[i].WriteString(cell + strings.Repeat(" ", width-utf8.RuneCountInString(cell)+2))
		}
	}
	for i := range lines {
		if _, err := fmt.Fprintln(a.out, strings.TrimRight(lines[i].String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// column returns the cells of a column, padded on the left where it is one of
// numbers; "" and "-" are missing numbers.
func column(rows [][]string, c int) []string {
	cells := make([]string, len(rows))
	whole, tail, numbers := 0, 0, 0
	for i, r := range rows {
		cells[i] = r[c]
		if i == 0 || missing(r[c]) {
			continue
		}
		m := number.FindStringSubmatch(r[c])
		if m == nil { // text
			for i := range rows {
				cells[i] = rows[i][c]
			}
			return cells
		}
		whole, tail, numbers = max(whole, len(m[1])), max(tail, len(m[2])), numbers+1
	}
	if numbers == 0 {
		return cells
	}
	for i, cell := range cells {
		after := tail
		if m := number.FindStringSubmatch(cell); m != nil {
			after -= len(m[2])
		}
		if i == 0 { // the heading ends where the numbers end
			after = 0
		}
		width := max(whole+tail, utf8.RuneCountInString(cells[0]))
		cells[i] = strings.Repeat(" ", max(width-after-utf8.RuneCountInString(cell), 0)) + cell
	}
	return cells
}

func missing(cell string) bool { return cell == "" || cell == "-" }

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

// percent shows a ratio to a person: 0.0312 is 3.12 %. It is cut, not rounded, so
// that what is still below a limit never looks as if it had reached it.
func percent(d domain.Decimal) string {
	p := d.Mul(domain.FromInt(100))
	cut := p.Trunc(2)
	if cut.IsZero() && p.Sign() > 0 {
		return "<0.01 %"
	}
	text := cut.String()
	whole, fraction, _ := strings.Cut(text, ".")
	return whole + "." + (fraction + "00")[:2] + " %"
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
