package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pets/internal/columns"
)

// usageTemplate returns cobra's template, with flags wrapped to the terminal.
func (a *App) usageTemplate(c *cobra.Command) string {
	text := c.UsageTemplate()
	for _, flags := range []string{"LocalFlags", "InheritedFlags"} {
		text = strings.ReplaceAll(text, "."+flags+".FlagUsages ", fmt.Sprintf("(.%s.FlagUsagesWrapped %d) ", flags, a.Width()))
	}
	return text
}

// help prints what a command does and how it is used, wrapped to the terminal.
func (a *App) help(c *cobra.Command, _ []string) {
	about := c.Long
	if about == "" {
		about = c.Short
	}
	width := a.Width()
	c.Example = examples(c.Example, width)
	_, _ = fmt.Fprintf(a.Out, "%s\n\n%s", columns.Flow(about, width), columns.Fit(c.UsageString(), width))
}

// examples formats example commands to be copied: a long one continues on the next line, as
// a shell accepts it.
func examples(text string, width int) string {
	var b strings.Builder
	p := &Printer{w: &b, Width: width}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if len([]rune(line)) <= width {
			p.Whole(line)
			continue
		}
		p.command("  ", shellWords(line))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// shellWords splits a command at spaces outside quotes.
func shellWords(line string) []string {
	quoted := false
	return strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}
