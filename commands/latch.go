package commands

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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

// disowned is a stop out of a file that somebody else may have written: it stops, for a
// stop is safe, but in the name of the server. Who is said to have asked for it stands in the
// reason.
func (p PendingStop) disowned(why error) PendingStop {
	said := fmt.Sprintf("a marker file that others could write says that %q (%q) asked for this: %q", p.Caller.User, p.Caller.Role, p.Reason)
	if len(said) > maxDisowned {
		said = strings.ToValidUTF8(said[:maxDisowned], "") + "…"
	}
	untrusted := (*owner.UntrustedError)(nil)
	if !errors.As(why, &untrusted) {
		said = "a marker file whose owner is not known held this stop"
	}
	p.Caller, p.Reason = serverCaller, said
	return p
}

// maxDisowned keeps such a reason within the bound of reasons.
const maxDisowned = 400

// LatchFile keeps stops that are not recorded yet where a restart finds them: a marker
// file, and copies of it in other folders. An empty or missing file means that there
// are none. It works by the handles of its folders: what takes the place of one is not
// written to.
type LatchFile struct {
	path string

	trust  owner.Trust
	mu     sync.Mutex
	places []*place // that it is written to
	former []*place // that it is read from, until what they held is elsewhere
}

// NewLatchFile returns the latch in a file, which need not exist.
func NewLatchFile(path string) *LatchFile {
	return &LatchFile{path: path, trust: owner.TrustOf(), places: []*place{{path: path}}}
}

// CopyTo keeps a copy in another file, whose folder is made where it is missing. It is
// called before anything is read or written, as [LatchFile.Former] is.
func (l *LatchFile) CopyTo(path string) { l.places = append(l.places, &place{path: path, makes: true}) }

// Believe says whose files say who asked for a stop: by default those of this process's user
// and of root. What somebody else may have written stops all the same, in nobody's name.
func (l *LatchFile) Believe(t owner.Trust) { l.trust = t }

// MayMakeFolder has the folder of the file made where it is missing or was removed.
func (l *LatchFile) MayMakeFolder() { l.places[0].makes = true }

// Former names a file of before: what it holds is read, and it is removed as soon as that
// stands where it belongs.
func (l *LatchFile) Former(path string) { l.former = append(l.former, &place{path: path}) }

// Read returns what is pending in any of its places. With an error, it is what could be
// read: somebody wanted to stop more than that, and nobody knows what.
func (l *LatchFile) Read() (all []PendingStop, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[PendingStop]bool{}
	for _, p := range l.all() {
		found, failed := p.read(l.trust)
		if p.unread = failed != nil; p.unread {
			err = errors.Join(err, fmt.Errorf("the marker of emergency stops %s cannot be understood: %w", p.path, failed))
		}
		for _, stop := range found {
			if !seen[stop] {
				seen[stop] = true
				all = append(all, stop)
			}
		}
	}
	return all, err
}

func (l *LatchFile) all() []*place { return append(slices.Clip(l.places), l.former...) }

// SetAside renames what could not be understood, so that a person can look at it, and
// returns its new names.
func (l *LatchFile) SetAside(now time.Time) (names string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	// An entry that makes no sense stands in a file that could be read.
	sound := !slices.ContainsFunc(l.all(), func(p *place) bool { return p.unread })
	for _, p := range l.all() {
		if !p.unread && !(sound && p.there()) {
			continue
		}
		name, failed := p.setAside(now)
		all, err = append(all, name), errors.Join(err, failed)
	}
	return strings.Join(all, " and "), err
}

// Write replaces what is pending, durably, in all its places.
func (l *LatchFile) Write(all []PendingStop) error {
	_, err := l.keep(all, 0)
	return err
}

// keep is Write of a version of what is pending; a place that has it is left alone.
// kept: at least one place has it now, where the next start looks.
func (l *LatchFile) keep(all []PendingStop, version uint64) (kept bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.places {
		if failed := p.keep(all, version, l.trust); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", p.path, failed))
			continue
		}
		kept = true
	}
	for kept && len(l.former) > 0 {
		if failed := l.former[0].remove(); failed != nil {
			return kept, errors.Join(err, failed)
		}
		l.former = l.former[1:]
	}
	return kept, err
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
		return nil, ended(dec)
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
	if _, err := dec.Token(); err != nil {
		return all, err
	}
	in.left = maxPendingBytes
	return all, ended(dec)
}

// ended refuses what stands behind the list: somebody may have wanted to stop that.
func ended(dec *json.Decoder) error {
	switch _, err := dec.Token(); {
	case err == nil:
		return errors.New("something stands behind its list")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
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
