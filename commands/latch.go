package commands

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pets/domain"
	"pets/internal/owner"
)

// Bounds of what is read of a marker file. They are on entries, not on the whole file:
// a long file must not keep a server from starting.
const (
	maxPending      = 200_000
	maxPendingBytes = 1 << 20 // of one entry, and of what is read ahead
)

// everywhere stands for the name of a portfolio in a stop of all of them.
const everywhere = "*"

// kindBot is the kind of a stop that concerns one bot.
const kindBot = "bot"

// PendingStop is a stop that holds but is not recorded yet: an emergency stop, or the
// stop of one bot.
type PendingStop struct {
	// Portfolio is "*" where every portfolio is meant, because they could not be listed.
	Portfolio string        `json:"portfolio"`
	Caller    domain.Caller `json:"caller"`
	// Key is the Idempotency-Key it will be recorded under.
	Key string `json:"key"`
	// Kind of emergency stop, or "bot".
	Kind   string    `json:"kind"`
	Bot    string    `json:"bot,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// command is what records it.
func (p *PendingStop) command() Command {
	if p.Kind == kindBot {
		return StopBot{Bot: p.Bot, Reason: p.Reason}
	}
	return EngageStop{Kind: p.Kind, Reason: p.Reason}
}

// refused says whose stop holds no longer. Its sender was told that it holds, when nobody
// could know yet whether there is what it names.
func (p *PendingStop) refused() string {
	if p.Kind == kindBot {
		return fmt.Sprintf("the stop of bot %s in portfolio %s, asked for by %s, was refused and stops nothing", p.Bot, p.Portfolio, p.Caller.User)
	}
	return fmt.Sprintf("the emergency stop (%s) of portfolio %s, asked for by %s, was refused and stops nothing", p.Kind, p.Portfolio, p.Caller.User)
}

// LatchFile keeps stops that are not recorded yet where a restart finds them: a
// marker file, written anew as a whole each time. An empty or missing file means that
// there are none.
type LatchFile struct {
	path string

	mu sync.Mutex
}

// NewLatchFile returns the latch in a file, which need not exist.
func NewLatchFile(path string) *LatchFile { return &LatchFile{path: path} }

// Read returns what is pending. With an error, it is what could be read: somebody wanted
// to stop more than that, and nobody knows what.
func (l *LatchFile) Read() ([]PendingStop, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.Open(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the marker of emergency stops: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	all, err := readPending(f)
	if err != nil {
		return all, fmt.Errorf("the marker of emergency stops %s cannot be understood: %w", l.path, err)
	}
	return all, nil
}

// readPending reads a JSON list of stops, one after the other.
func readPending(r io.Reader) ([]PendingStop, error) {
	in := &allowance{r: r, left: maxPendingBytes}
	dec := json.NewDecoder(in)
	begin, err := dec.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	case begin == nil: // "null", as an empty list was once written
		return nil, nil
	case begin != json.Delim('['):
		return nil, errors.New("it is no list")
	}
	var all []PendingStop
	for dec.More() {
		if len(all) == maxPending {
			return all, fmt.Errorf("it has more than %d entries", maxPending)
		}
		var p PendingStop
		in.left = maxPendingBytes
		if err := dec.Decode(&p); err != nil {
			return all, err
		}
		all = append(all, p)
	}
	_, err = dec.Token()
	return all, err
}

// allowance is a reader that ends with an error after so many bytes.
type allowance struct {
	r    io.Reader
	left int
}

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, fmt.Errorf("an entry is longer than %d bytes", maxPendingBytes)
	}
	n, err := a.r.Read(p[:min(len(p), a.left)])
	a.left -= n
	return n, err
}

// SetAside renames a file that cannot be understood, so that a person can look at it, and
// returns its new name.
func (l *LatchFile) SetAside(now time.Time) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := l.path + ".unreadable-" + now.UTC().Format("20060102T150405.000000000")
	return name, os.Rename(l.path, name)
}

// Write replaces what is pending, durably.
func (l *LatchFile) Write(all []PendingStop) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	tmp := l.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(owner.Keep(f), writePending(f, all))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, l.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(l.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// writePending writes a JSON list, a line for each stop.
func writePending(f io.Writer, all []PendingStop) error {
	w := bufio.NewWriterSize(f, 64<<10)
	between := "[\n"
	for i := range all {
		b, err := json.Marshal(&all[i])
		if err != nil {
			return err
		}
		_, _ = w.WriteString(between) // Flush has the error
		_, _ = w.Write(b)
		between = ",\n"
	}
	if len(all) == 0 {
		_, _ = w.WriteString("[")
	}
	_, _ = w.WriteString("]\n")
	return w.Flush()
}
