package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"pets/domain"
	"pets/internal/columns"
)

// PrintJSON writes one indented JSON document.
func (a *App) PrintJSON(v any) error {
	return a.printJSON(v, "  ")
}

// PrintJSONLine writes one JSON document on a line.
func (a *App) PrintJSONLine(v any) error { return a.printJSON(v, "") }

func (a *App) printJSON(v any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := a.Out.Write(columns.ShownJSON(b.Bytes()))
	return err
}

// number matches a cell that is aligned at its decimal point.
var number = regexp.MustCompile(`^(<?-?[0-9]+)((?:\.[0-9]+)?(?: %)?)$`)

// squeezable maps the headings of the columns whose cells may be cut in the middle to the
// width that each keeps. JSON has the full values.
var squeezable = map[string]int{"MARKET": 12, "BOT": 8, "ACCOUNT": 30}

// gap is the number of spaces between two columns.
const gap = 2

// Table writes rows in columns; the first row is the heading. A column of numbers is aligned
// at the decimal point, any other to the left. A table wider than the terminal is squeezed
// where allowed; if that is not enough, it is split into blocks, one below the other, each
// starting with the columns that tell the rows apart.
func (a *App) Table(rows [][]string) error {
	columns := make([][]string, len(rows[0]))
	widths := make([]int, len(columns))
	for c := range columns {
		columns[c] = column(rows, c)
		widths[c] = widest(columns[c])
	}
	squeeze(rows[0], columns, widths, a.Width())
	for i, block := range blocks(widths, telling(rows), a.Width()) {
		if i > 0 {
			if _, err := fmt.Fprintln(a.Out); err != nil {
				return err
			}
		}
		for row := range rows {
			var line strings.Builder
			for _, c := range block {
				cell := columns[c][row]
				line.WriteString(cell + strings.Repeat(" ", widths[c]-utf8.RuneCountInString(cell)+gap))
			}
			if _, err := fmt.Fprintln(a.Out, strings.TrimRight(line.String(), " ")); err != nil {
				return err
			}
		}
	}
	return nil
}

func widest(cells []string) int {
	width := 0
	for _, cell := range cells {
		width = max(width, utf8.RuneCountInString(cell))
	}
	return width
}

// squeeze narrows the widest squeezable columns until the table fits or no column can give
// more.
func squeeze(heading []string, columns [][]string, widths []int, width int) {
	total := -gap
	for _, w := range widths {
		total += w + gap
	}
	squeezed := map[int]bool{}
	for ; total > width; total-- {
		most := -1
		for c, name := range heading {
			least, may := squeezable[name]
			if may && widths[c] > least && (most < 0 || widths[c] > widths[most]) {
				most = c
			}
		}
		if most < 0 {
			break
		}
		widths[most], squeezed[most] = widths[most]-1, true
	}
	for c := range squeezed {
		columns[c] = toldApart(columns[c], widths[c])
		widths[c] = widest(columns[c])
	}
}

// toldApart cuts cells to a width so that those that differ still do: two markets that differ
// in the middle of their names must not look alike. Where that is not possible, they stay a
// little wider.
func toldApart(cells []string, width int) []string {
	for ; ; width++ {
		short, of := map[string]string{}, map[string]string{}
		apart(slices.Compact(slices.Sorted(slices.Values(cells))), width, 0, short)
		clash := false
		for cell, cut := range short {
			other, taken := of[cut]
			clash, of[cut] = clash || taken && other != cell, cell
		}
		if clash {
			continue
		}
		out := make([]string, len(cells))
		for i, cell := range cells {
			out[i] = short[cell]
		}
		return out
	}
}

// apart cuts the cells of a group that are alike up to a place. Those that still look alike
// then are cut so that the first place where they differ is seen.
func apart(group []string, width, place int, short map[string]string) {
	alike := map[string][]string{}
	for _, cell := range group {
		cut := middle(cell, width)
		if r := []rune(cell); place > 0 && len(r) > width {
			const head = 3
			rest := min(place, len(r)-(width-head-1))
			cut = string(r[:head]) + "…" + middle(string(r[rest:]), width-head-1)
		}
		short[cell] = cut
		alike[cut] = append(alike[cut], cell)
	}
	for _, cells := range alike {
		if p := commonRunes(cells); len(cells) > 1 && p > place {
			apart(cells, width, p, short)
		}
	}
}

// commonRunes is in how many runes at their beginning all cells agree.
func commonRunes(cells []string) int {
	first := []rune(cells[0])
	n := len(first)
	for _, cell := range cells[1:] {
		r := []rune(cell)
		n = min(n, len(r))
		for i := range n {
			if r[i] != first[i] {
				n = i
				break
			}
		}
	}
	return n
}

// telling returns how many leading columns tell the rows apart: 1 or 2, and 1 if neither
// does.
func telling(rows [][]string) int {
	for n := 1; n <= min(2, len(rows[0])); n++ {
		seen := map[string]bool{}
		for _, r := range rows {
			seen[strings.Join(r[:n], "\x00")] = true
		}
		if len(seen) == len(rows) {
			return n
		}
	}
	return 1
}

// blocks distributes the columns over blocks that fit; the first columns are in each.
func blocks(widths []int, first, width int) [][]int {
	var head []int
	used := -gap
	for c := range first {
		head, used = append(head, c), used+gap+widths[c]
	}
	all, begin := [][]int{slices.Clone(head)}, used
	for c := first; c < len(widths); c++ {
		last := len(all) - 1
		if used+gap+widths[c] > width && len(all[last]) > first {
			all, used, last = append(all, slices.Clone(head)), begin, last+1
		}
		all[last], used = append(all[last], c), used+gap+widths[c]
	}
	return all
}

// column returns the cells of a column, padded on the left where it is one of
// numbers; "" and "-" are missing numbers.
func column(rows [][]string, c int) []string {
	cells := make([]string, len(rows))
	whole, tail, numbers := 0, 0, 0
	for i, r := range rows {
		cells[i] = columns.OneLine(r[c])
		if i == 0 || missing(r[c]) {
			continue
		}
		m := number.FindStringSubmatch(r[c])
		if m == nil { // text
			for i := range rows {
				cells[i] = columns.OneLine(rows[i][c])
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

// UsualWidth is the assumed width of an output of unknown width.
const UsualWidth = 80

// Width returns the columns of a line of text: COLUMNS, else the terminal's width, else UsualWidth.
func (a *App) Width() int { return cmp.Or(a.columnsOf(a.Out), UsualWidth) }

// columnsOf returns the width of an output: COLUMNS, else its terminal's; 0 if unknown.
func (a *App) columnsOf(w io.Writer) int {
	for _, v := range slices.Backward(a.Environ) {
		if text, found := strings.CutPrefix(v, "COLUMNS="); found {
			if n, err := strconv.Atoi(text); err == nil && n > 0 {
				return n
			}
			break
		}
	}
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return 0
}

// Printer writes lines and remembers the first error. With a width, it wraps them.
type Printer struct {
	w     io.Writer
	Width int
	Err   error
}

// Messages returns a printer for what a command has done. It wraps lines only at a terminal:
// elsewhere a line stays whole, so that it can be searched for.
func (a *App) Messages() *Printer { return &Printer{w: a.Out, Width: a.columnsOf(a.Out)} }

// Notes returns a printer for messages on standard error.
func (a *App) Notes() *Printer { return &Printer{w: a.Err, Width: a.Columns} }

// Printer returns a printer that wraps lines to the width of this run.
func (a *App) Printer() *Printer { return &Printer{w: a.Out, Width: a.Width()} }

// Nowhere is a printer of what --json does not print.
func Nowhere() *Printer { return &Printer{w: io.Discard} }

// Line writes one line, or what it wraps to; only the format begins another one. A command at
// its end, or alone in it, is copied: it stays whole, or has a backslash where it goes on below.
func (p *Printer) Line(format string, args ...any) {
	for text := range strings.SplitSeq(columns.Format(format, args...), "\n") {
		p.line(text)
	}
}

func (p *Printer) line(text string) {
	if bare := strings.TrimLeft(text, " "); strings.HasPrefix(bare, "pets ") {
		p.typed(text[:len(text)-len(bare)], bare)
		return
	}
	indent, command := columns.Hanging(text), ""
	if at := begins.FindStringIndex(text); at != nil && p.Width > 0 && utf8.RuneCountInString(text) > p.Width {
		before, after := text[:at[0]], text[at[0]+len(": "):]
		revision := recorded.FindString(after)
		text = before + revision + ":"
		command = strings.Repeat(" ", indent) + strings.TrimSuffix(after, revision) // it is copied, and stays whole
	}
	for _, l := range columns.Wrap(text, p.Width, indent) {
		p.Whole(l)
	}
	if command != "" {
		p.typed(strings.Repeat(" ", indent), command)
	}
}

// typed prints a command. What is quoted is not broken.
func (p *Printer) typed(indent, command string) {
	p.command(indent, typedWord.FindAllString(command, -1))
}

// typedWord is a word of a command, with the spaces that are quoted in it.
var typedWord = regexp.MustCompile(`(?:"[^"]*"|'[^']*'|[^\s"']|["'])+`)

// Say writes a sentence that goes on where it began.
func (p *Printer) Say(indent int, format string, args ...any) {
	for text := range strings.SplitSeq(columns.Format(format, args...), "\n") {
		for _, l := range columns.Wrap(strings.Repeat(" ", indent)+text, p.Width, indent) {
			p.Whole(l)
		}
	}
}

// Whole writes a line that must not be wrapped, such as a command. Names and texts in it may
// come from a file or a server.
func (p *Printer) Whole(text string) {
	if p.Err == nil {
		_, p.Err = fmt.Fprintln(p.w, columns.OneLine(text))
	}
}

// begins is where a command begins, as [App.Name] calls this program.
var begins = regexp.MustCompile(`: ('[^']*/pets'|\S*/pets|pets) `)

// isCommand reports whether a line is a command that is copied.
func isCommand(line string) bool {
	at := begins.FindStringIndex(": " + line)
	return at != nil && at[0] == 0
}

// recorded is what stands behind what was done.
var recorded = regexp.MustCompile(` \(revision \d+\)$`)

// Percent formats a ratio for a person: 0.0312 becomes 3.12 %. It truncates, so that a value
// below a limit never looks as if it had reached it.
func Percent(d domain.Decimal) string {
	p := d.Mul(domain.FromInt(100))
	cut := p.Trunc(2)
	if cut.IsZero() && p.Sign() > 0 {
		return "<0.01 %"
	}
	text := cut.String()
	whole, fraction, _ := strings.Cut(text, ".")
	return whole + "." + (fraction + "00")[:2] + " %"
}

// Money formats an amount for a person, with at most 6 decimals; JSON has all of them.
func Money(d domain.Decimal) string { return d.Round(6).String() }

// Clock formats a time for a person, in UTC.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// Cut shortens a cell to a width; token ids, for one, have 77 digits.
func Cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}

// middle shortens a cell to a width by leaving out its middle, because names often differ
// at the end.
func middle(s string, width int) string {
	r := []rune(s)
	if len(r) <= width || width < 3 {
		return s
	}
	end := (width - 1) / 3
	return string(r[:width-1-end]) + "…" + string(r[len(r)-end:])
}

// Instrument formats a market and its outcome for a cell.
func Instrument(market, outcome string) string {
	if outcome == "" {
		return market
	}
	return market + "/" + outcome
}

// command prints the words of one; what does not fit goes on below, after a backslash. A flag
// stays with its value.
func (p *Printer) command(indent string, words []string) {
	line := indent + words[0]
	for i := 1; i < len(words); i++ {
		w := words[i]
		if i+1 < len(words) && strings.HasPrefix(w, "-") && !strings.Contains(w, "=") && !strings.HasPrefix(words[i+1], "-") {
			i++
			w += " " + words[i]
		}
		if p.Width > 0 && utf8.RuneCountInString(line+" "+w+` \`) > p.Width && strings.TrimSpace(line) != "" {
			p.Whole(line + ` \`)
			line = indent + "  " + w
			continue
		}
		line += " " + w
	}
	p.Whole(line)
}

// Quoted quotes a word for a shell; the empty one, too, which is none otherwise.
func Quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Days formats a long duration.
func Days(d time.Duration) string {
	n := int(d / (24 * time.Hour))
	switch {
	case n <= 0:
		return "less than a day"
	case n == 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", n)
	}
}
