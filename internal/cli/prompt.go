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
	// maxTyped bounds one answer, in bytes: 24 words take 216 at most.
	maxTyped = 4096
	// tries is how often a person may answer a question about the words of a mnemonic.
	tries = 3
)

// The bytes that keys send while the terminal is in raw mode.
const (
	ctrlC     = 0x03
	ctrlD     = 0x04
	ctrlU     = 0x15
	backspace = 0x08
	deleteKey = 0x7f
)

var errInterrupted = errors.New("interrupted")

// Prompter asks a person at a terminal. It owns the modes of the terminal: while it waits,
// only what it writes itself appears, and Ctrl-C arrives as an ordinary key, so that the
// modes are restored before the program ends. It refuses to work without a terminal.
type Prompter struct {
	in, out *os.File
	width   int
	pressed [1]byte // reused for every key, so that no typed byte stays in memory
}

// Prompter returns a prompter for a command, or a usage error if input or output is not a
// terminal: secrets must not be read from, or written to, a file or another program.
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

// Line asks and returns what was typed, which is echoed.
func (p *Prompter) Line(ctx context.Context, question string) (string, error) {
	text, err := p.read(ctx, columns.OneLine(question), true, func([]byte) string { return "" })
	return strings.TrimSpace(string(text)), err
}

// secret asks for one line that is not echoed. The caller wipes the answer.
func (p *Prompter) secret(ctx context.Context, question string) ([]byte, error) {
	return p.read(ctx, question, false, func([]byte) string { return "" })
}

// Mnemonic asks for words, on one line or several, without echo. Errors name the positions
// of wrong words, and the person may try again.
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

// parseWords reads exactly the given number of words.
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

// CheckWords accepts the lengths of BIP-39.
func CheckWords(words int) error {
	if !slices.Contains([]int{12, 15, 18, 21, 24}, words) {
		return Usage(domain.Invalid("--words", "must be 12, 15, 18, 21 or 24"))
	}
	return nil
}

// read returns what is typed up to Enter. It then calls more: a text that more returns is
// shown and reading goes on; "" ends it. The terminal is made raw before the question is
// shown, so that it never echoes any of the answer.
func (p *Prompter) read(ctx context.Context, question string, echo bool, more func(typed []byte) string) ([]byte, error) {
	before, err := term.MakeRaw(int(p.in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be made silent: %w", err)
	}
	defer func() { _ = term.Restore(int(p.in.Fd()), before) }() // nothing more can be done
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

// typing is an answer in progress. Its buffer never grows, because growing would leave a copy.
type typing struct {
	p    *Prompter
	echo bool
	b    []byte
}

// press handles one key other than Enter.
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
		// Other control characters are ignored.
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

// back removes the last byte.
func (t *typing) back() {
	last := len(t.b) - 1
	t.b[last] = 0
	t.b = t.b[:last]
	if t.echo {
		_, _ = io.WriteString(t.p.out, "\b \b")
	}
}

func (t *typing) wipe() { clear(t.b[:cap(t.b)]) }

// key waits for one byte. A read from a terminal cannot be cancelled: when ctx ends, it is
// left pending, and the program is about to end anyway.
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

// Say writes a line to the person; a long command continues as a shell accepts it. Errors
// are ignored: the next question reports a terminal that is gone.
func (p *Prompter) Say(format string, args ...any) {
	lines := &Printer{w: p.out, Width: p.width}
	for text := range strings.SplitSeq(columns.Format(format, args...), "\n") {
		if command := strings.TrimLeft(text, " "); isCommand(command) {
			lines.command(text[:len(text)-len(command)], shellWords(command))
			continue
		}
		lines.line(text)
	}
}

// Control sequences of terminals (ECMA-48, and xterm's alternate screen).
const (
	otherScreen = "\x1b[?1049h"
	firstScreen = "\x1b[?1049l"
	clearAll    = "\x1b[H\x1b[2J\x1b[3J" // the screen and its scrollback
	showRows    = 12
	showTop     = 4
	showWidth   = 24
)

// ShowOnce shows words on the alternate screen until Enter is pressed. However it ends, it
// wipes that screen, and the main screen's scrollback for terminals without an alternate one.
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

// besides arranges lines in two columns, so that 24 words fit on any terminal. It keeps no
// copy of them.
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

// AskBack asks for three of the words again, to check that they were written down.
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
