// Package columns fits text to the width of a terminal.
//
// It owns where a line is broken, how it goes on and what of it may be shown. It refuses to
// break a word, such as an address or a path that somebody copies, and a command of pets.
package columns

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// label matches a label at the start of a line, such as "hot share   ".
var label = regexp.MustCompile(`^ *\S+(?: \S+)*  +`)

// Hanging returns the indent of a line's continuation: the width of its label, or two columns.
func Hanging(text string) int {
	const mostLabel = 24
	if l := label.FindString(text); l != "" && len(l) <= mostLabel {
		return utf8.RuneCountInString(l)
	}
	return len(text) - len(strings.TrimLeft(text, " ")) + 2
}

// command is one of pets within a text: its words, its flags with a value each, and what
// follows them that is no plain word, such as an id.
var command = regexp.MustCompile(`\bpets [a-z][a-z-]*(?: [a-z][a-z-]*)?(?: (?:--?[a-z][a-z-]*(?:[ =][^\s-]\S*)?|\S*[0-9A-Z"'/=…]\S*))*`)

// bound is a space at which no line is broken: one of a private character.
const bound = "\uE000"

// Wrap breaks a text at spaces into lines of at most width columns (0: any number), all
// but the first of them indented. A word that is longer stays whole, and so does a command.
func Wrap(text string, width, indent int) []string {
	if width <= 0 {
		return []string{text}
	}
	whole := command.ReplaceAllStringFunc(text, func(c string) string { return strings.ReplaceAll(c, " ", bound) })
	lines := wrap(whole, width, indent)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], bound, " ")
	}
	return lines
}

func wrap(text string, width, indent int) []string {
	var lines []string
	for line := []rune(text); ; {
		if len(line) <= width {
			return append(lines, string(line))
		}
		start := 0
		if lines != nil {
			start = indent
		}
		for start < len(line) && line[start] == ' ' {
			start++
		}
		at := -1
		for i := start; i < len(line) && (i <= width || at < 0); i++ {
			if line[i] == ' ' && line[i-1] != ' ' {
				at = i
			}
		}
		if at < 0 {
			return append(lines, string(line))
		}
		lines = append(lines, string(line[:at]))
		rest := strings.TrimLeft(string(line[at:]), " ")
		line = []rune(strings.Repeat(" ", indent) + rest)
	}
}

// Fit wraps each line of a text with a hanging indent.
func Fit(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		end := ""
		if cut, found := strings.CutSuffix(line, "\n"); found {
			line, end = cut, "\n"
		}
		b.WriteString(strings.Join(Wrap(line, width, Hanging(line)), "\n") + end)
	}
	return b.String()
}

// Flow joins the lines of each paragraph and wraps it again. An indented line is not joined; it
// wraps with a hanging indent.
func Flow(text string, width int) string {
	var out []string
	paragraph := ""
	flush := func() {
		if paragraph != "" {
			out = append(out, Wrap(paragraph, width, 0)...)
		}
		paragraph = ""
	}
	for _, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, " ") {
			flush()
			out = append(out, Wrap(line, width, Hanging(line))...)
			continue
		}
		paragraph = strings.TrimLeft(paragraph+" "+line, " ")
	}
	flush()
	return strings.Join(out, "\n")
}
