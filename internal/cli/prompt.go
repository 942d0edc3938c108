package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"pets/domain"
	"pets/internal/columns"
	"pets/internal/vault"
)

const (
	// maxTyped bounds one answer, in bytes: 24 words have 216 at most.
	maxTyped = 4096
	// tries is how often a person may answer a question about words.
	tries = 3
)

// What keys send while the terminal is raw.
const (
	ctrlC     = 0x03
	ctrlD     = 0x04
	ctrlU     = 0x15
	backspace = 0x08
	deleteKey = 0x7f
)

var errInterrupted = errors.New("interrupted")

// Prompter asks a person at a terminal. It owns the modes of the terminal: while it
// waits, nothing is echoed but what it writes itself, and Ctrl-C is a key like any
// other, so that the modes are put back before the program ends. It refuses to ask
// where nobody sits.
type Prompter struct {
	in, out *os.File
	width   int
	pressed [1]byte // the one place where keys arrive; a cell of its own for each would leave them all behind
}

// Prompter returns one, or a usage error where input or output is no terminal: secrets
// that are typed or shown must not come from, or go to, a file or another program.
func (a *App) Prompter(command string) (*Prompter, error) {
	out, ok := a.Out.(*os.File)
	switch {
	case a.In == nil || !term.IsTerminal(int(a.In.Fd())):
		return nil, Usage(fmt.Errorf("%s: standard input is no terminal; words are typed by a person, and never piped in or read from a file", command))
	case !ok || !term.IsTerminal(int(out.Fd())):
		return nil, Usage(fmt.Errorf("%s: standard output is no terminal; what is shown and asked there must not end up in a file or another program", command))
	}
	return &Prompter{in: a.In, out: out, width: a.Width()}, nil
}

// Line asks, and returns what was typed, which is shown.
func (p *Prompter) Line(ctx context.Context, question string) (string, error) {
	text, err := p.read(ctx, columns.Shown(question), true, func([]byte) string { return "" })
	return strings.TrimSpace(string(text)), err
}

// secret asks for one line that is not shown. The answer is the caller's to wipe.
func (p *Prompter) secret(ctx context.Context, question string) ([]byte, error) {
	return p.read(ctx, question, false, func([]byte) string { return "" })
}

// Mnemonic asks for words, on one line or several, that are not shown. What is wrong is
// said by position, and may be typed again.
func (p *Prompter) Mnemonic(ctx context.Context, words int) (*vault.Mnemonic, error) {
	more := func(typed []byte) string {
		n := len(bytes.Fields(typed))
		if n >= words || n == 0 || bytes.HasSuffix(typed, []byte("\n\n")) {
			return ""
		}
		return fmt.Sprintf("  %d of %d words, go on (an empty line ends): ", n, words)
	}
	question := fmt.Sprintf("The %d words, in order; they are not shown: ", words)
	for try := 1; ; try++ {
		typed, err := p.read(ctx, question, false, more)
		if err != nil {
			return nil, err
		}
		m, err := parseWords(typed, words)
		clear(typed)
		if err == nil || try == tries {
			return m, err
		}
		p.Say("%v. Try again.", err)
	}
}

// parseWords reads exactly that many words.
func parseWords(typed []byte, words int) (*vault.Mnemonic, error) {
	if words == 24 {
		return vault.ParseMnemonic(typed)
	}
	m, err := vault.RecoverMnemonic(typed)
	if err == nil && m.Len() != words {
		n := m.Len()
		m.Wipe()
		return nil, domain.Invalid("mnemonic", "has %d words; --words says %d", n, words)
	}
	return m, err
}

// CheckWords accepts the lengths that BIP-39 knows.
func CheckWords(words int) error {
	if !slices.Contains([]int{12, 15, 18, 21, 24}, words) {
		return Usage(domain.Invalid("--words", "must be 12, 15, 18, 21 or 24"))
	}
	return nil
}

// read takes what is typed up to Enter. more is asked then: what it returns is shown, and
// reading goes on; "" ends it. The terminal is raw before the question stands there, so
// nothing that is typed as an answer is ever echoed by it.
func (p *Prompter) read(ctx context.Context, question string, echo bool, more func(typed []byte) string) ([]byte, error) {
	before, err := term.MakeRaw(int(p.in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be made silent: %w", err)
	}
	defer func() { _ = term.Restore(int(p.in.Fd()), before) }() // what else could be done
	t := &typing{p: p, echo: echo, b: make([]byte, 0, maxTyped)}
	if _, err := io.WriteString(p.out, strings.Join(columns.Wrap(question, p.width, 2), "\r\n")); err != nil {
		return nil, err
	}
	for {
		key, err := p.key(ctx)
		if err != nil {
			t.wipe()
			return nil, err
		}
		if key != '\r' && key != '\n' {
			if err := t.press(key); err != nil {
				t.wipe()
				return nil, err
			}
			continue
		}
		_, _ = io.WriteString(p.out, "\r\n")
		t.b = append(t.b, '\n')
		next := more(t.b)
		if next == "" || len(t.b) >= maxTyped-1 {
			return bytes.TrimRight(t.b, "\n"), nil
		}
		_, _ = io.WriteString(p.out, next)
	}
}

// typing is an answer under way. Its buffer never grows: growing would leave a copy.
type typing struct {
	p    *Prompter
	echo bool
	b    []byte
}

// press takes one key that is not Enter.
func (t *typing) press(key byte) error {
	switch {
	case key == ctrlC, key == ctrlD && len(t.b) == 0:
		_, _ = io.WriteString(t.p.out, "\r\n")
		return errInterrupted
	case key == ctrlU:
		for len(t.b) > 0 && t.b[len(t.b)-1] != '\n' {
			t.back()
		}
	case key == backspace, key == deleteKey:
		if len(t.b) > 0 && t.b[len(t.b)-1] != '\n' {
			t.back()
		}
	case key == '\t':
		return t.press(' ')
	case key < ' ':
		// No key of an answer.
	case len(t.b) >= maxTyped-2:
		_, _ = io.WriteString(t.p.out, "\r\n")
		return Usage(errors.New("the answer is too long"))
	default:
		t.b = append(t.b, key)
		if t.echo {
			_, _ = t.p.out.Write([]byte{key})
		}
	}
	return nil
}

// back takes the last byte back.
func (t *typing) back() {
	last := len(t.b) - 1
	t.b[last] = 0
	t.b = t.b[:last]
	if t.echo {
		_, _ = io.WriteString(t.p.out, "\b \b")
	}
}

func (t *typing) wipe() { clear(t.b[:cap(t.b)]) }

// key waits for one byte. A read of a terminal cannot be called off: it is left behind
// where the program ends anyway.
func (p *Prompter) key(ctx context.Context) (byte, error) {
	got := make(chan error, 1)
	go func() {
		n, err := p.in.Read(p.pressed[:])
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		got <- err
	}()
	select {
	case err := <-got:
		if err != nil {
			return 0, fmt.Errorf("the terminal is gone: %w", err)
		}
		key := p.pressed[0]
		p.pressed[0] = 0
		return key, nil
	case <-ctx.Done():
		_, _ = io.WriteString(p.out, "\r\n")
		return 0, ctx.Err()
	}
}

// Say writes a line to the person; a command goes on below as a shell takes it. A terminal
// that is gone is met at the next question.
func (p *Prompter) Say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	lines := &Printer{w: p.out, Width: p.width}
	if command := strings.TrimLeft(text, " "); isCommand(command) {
		lines.command(text[:len(text)-len(command)], shellWords(command))
		return
	}
	lines.Line("%s", text)
}

// Control sequences of terminals (ECMA-48, and xterm's alternate screen).
const (
	otherScreen = "\x1b[?1049h"
	firstScreen = "\x1b[?1049l"
	clearAll    = "\x1b[H\x1b[2J\x1b[3J" // the screen, and what was scrolled out of it
	showRows    = 12
	showTop     = 4
	showWidth   = 24
)

// ShowOnce shows words on the alternate screen until Enter is pressed, and wipes that
// screen, and the scrollback of terminals that have no other one, however it ends.
func (p *Prompter) ShowOnce(ctx context.Context, m *vault.Mnemonic) (err error) {
	defer func() {
		_, e := io.WriteString(p.out, clearAll+firstScreen+clearAll)
		err = errors.Join(err, e)
	}()
	if _, err := io.WriteString(p.out, otherScreen+clearAll); err != nil {
		return err
	}
	p.Say("These words are the key. They are shown this once and kept nowhere.")
	p.Say("Write them on paper, in order, and let no camera or other person see them.")
	if err := m.Show(besides{p.out}); err != nil {
		return err
	}
	question := fmt.Sprintf("\x1b[%d;1HPress Enter when they are written down; three are asked back: ", showTop+showRows+1)
	typed, err := p.secret(ctx, question)
	clear(typed)
	return err
}

// besides puts lines beside each other, so that 24 words fit on any terminal. It keeps
// nothing of them.
type besides struct{ w io.Writer }

func (c besides) Write(b []byte) (int, error) {
	i := 0
	for line := range bytes.Lines(b) {
		at := fmt.Sprintf("\x1b[%d;%dH", showTop+i%showRows, 1+i/showRows*showWidth)
		if _, err := io.WriteString(c.w, at); err != nil {
			return 0, err
		}
		if _, err := c.w.Write(bytes.TrimRight(line, "\n")); err != nil {
			return 0, err
		}
		i++
	}
	return len(b), nil
}

// AskBack has three words typed back: "asked back". Nobody who cannot give them has
// written them down.
func (p *Prompter) AskBack(ctx context.Context, m *vault.Mnemonic) error {
	for try := 1; ; try++ {
		positions := m.Questions()
		var answers [vault.Asked][]byte
		for i, at := range positions {
			answer, err := p.secret(ctx, fmt.Sprintf("Word %d (not shown): ", at))
			if err != nil {
				return err
			}
			defer clear(answer)
			answers[i] = answer
		}
		err := m.Confirm(positions, answers)
		if err == nil || try == tries {
			return err
		}
		p.Say("%v. %d of %d tries are left.", err, tries-try, tries)
	}
}
