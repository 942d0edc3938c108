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

// Limits on reading a marker file. They apply to entries, not to the whole file: a long
// file must not prevent a server from starting.
const (
	maxPending      = 200_000
	maxPendingBytes = 1 << 20 // bytes of one entry, read-ahead included
)

// everywhere takes the place of the portfolio's name in a stop of every portfolio.
const everywhere = "*"

// kindBot is the kind of a stop that concerns one bot.
const kindBot = "bot"

// PendingStop is a stop that is in force but not recorded yet: an emergency stop, or
// the stop of one bot.
type PendingStop struct {
	// Portfolio is "*", for every portfolio, if the store could not list them.
	Portfolio string        `json:"portfolio"`
	Caller    domain.Caller `json:"caller"`
	// Key is the Idempotency-Key that the stop will be recorded under.
	Key string `json:"key"`
	// Kind of emergency stop, or "bot".
	Kind   string    `json:"kind"`
	Bot    string    `json:"bot,omitempty"`
	Full   bool      `json:"full,omitempty"` // the bot may not even reduce
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// command returns the command that records the stop.
func (p *PendingStop) command() Command {
	if p.Kind == kindBot {
		return StopBot{Bot: p.Bot, Reason: p.Reason, Full: p.Full}
	}
	return EngageStop{Kind: p.Kind, Reason: p.Reason}
}

// refused reports that a stop is no longer in force, and who asked for it. The sender was
// told that it was in force, before the bot or portfolio that it names could be checked.
func (p *PendingStop) refused() string {
	if p.Kind == kindBot {
		return fmt.Sprintf("the stop of bot %s in portfolio %s, asked for by %s, was refused and stops nothing", p.Bot, p.Portfolio, p.Caller.User)
	}
	return fmt.Sprintf("the emergency stop (%s) of portfolio %s, asked for by %s, was refused and stops nothing", p.Kind, p.Portfolio, p.Caller.User)
}

// missing reports that a stop holds whose portfolio is not there.
func (p *PendingStop) missing() string {
	return fmt.Sprintf("a stop of portfolio %s, asked for by %s, holds, and this store has no such portfolio: it stays in the marker, and is recorded once the portfolio is opened", p.Portfolio, p.Caller.User)
}

// disowned returns a stop read from a file that another user may have written. It is in
// force, because a stop is safe, but in the name of the server. The reason says who
// supposedly asked for it.
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

// maxDisowned keeps the reason of a disowned stop within the limit for reasons.
const maxDisowned = 400

// LatchFile keeps stops that are not recorded yet where a restart finds them: in a marker
// file, and in copies of it in other folders. An empty or missing file means that there
// are none. Folders are used through open handles, so a folder that replaces one of them
// is not written to.
type LatchFile struct {
	path string

	trust  owner.Trust
	mu     sync.Mutex
	places []*place // written
	former []*place // only read, and removed once their contents are in places
}

// NewLatchFile returns the latch that is kept in a file. The file need not exist.
func NewLatchFile(path string) *LatchFile {
	return &LatchFile{path: path, trust: owner.TrustOf(), places: []*place{{path: path}}}
}

// CopyTo keeps a copy in another file, and creates its folder if it is missing. Call it
// before anything is read or written, as [LatchFile.Former].
func (l *LatchFile) CopyTo(path string) { l.places = append(l.places, &place{path: path, makes: true}) }

// Believe sets the users whose files are trusted to say who asked for a stop. The default
// is the user of this process and root. A stop that another user may have written is in
// force all the same, in the name of the server.
func (l *LatchFile) Believe(t owner.Trust) { l.trust = t }

// MayMakeFolder allows the folder of the file to be created if it is missing or was removed.
func (l *LatchFile) MayMakeFolder() { l.places[0].makes = true }

// Former names a file that was used before. It is read, and removed as soon as its stops
// are written to the current place.
func (l *LatchFile) Former(path string) { l.former = append(l.former, &place{path: path}) }

// Read returns the stops that are pending in any of its places. With an error, it returns
// those that could be read; the file may hold others.
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

// SetAside renames the files that could not be understood, so that a person can look at
// them, and returns their new names.
func (l *LatchFile) SetAside(now time.Time) (names string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	// If every file could be read, one of them holds an invalid entry.
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

// Write durably replaces the pending stops in all its places.
func (l *LatchFile) Write(all []PendingStop) error {
	_, err := l.keep(all, 0)
	return err
}

// keep is Write for one version of the pending stops; a place that already has it is
// skipped. kept reports that at least one place has it where the next start looks.
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

// readPending reads a JSON list of stops, one at a time.
func readPending(r io.Reader) ([]PendingStop, error) {
	in := &allowance{r: r, left: maxPendingBytes}
	dec := json.NewDecoder(in)
	begin, err := dec.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	case begin == nil: // "null", which earlier builds wrote for an empty list
		return nil, ended(dec)
	case begin != json.Delim('['):
		return nil, errors.New("it is not a list")
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

// ended refuses data after the list: it may be a stop.
func ended(dec *json.Decoder) error {
	switch _, err := dec.Token(); {
	case err == nil:
		return errors.New("it has data after its list")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// allowance is a reader that fails after left bytes.
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

// writePending writes a JSON list with one line for each stop.
func writePending(f io.Writer, all []PendingStop) error {
	w := bufio.NewWriterSize(f, 64<<10)
	between := "[\n"
	for i := range all {
		b, err := json.Marshal(&all[i])
		if err != nil {
			return err
		}
		_, _ = w.WriteString(between) // Flush returns the error
		_, _ = w.Write(b)
		between = ",\n"
	}
	if len(all) == 0 {
		_, _ = w.WriteString("[")
	}
	_, _ = w.WriteString("]\n")
	return w.Flush()
}
