package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"pets/commands"
	"pets/domain"
)

const (
	// maxLine is the longest line of a stream in bytes.
	maxLine = 4 << 20
	// DefaultSilence is how long a stream may be silent before it is considered dead. The
	// server sends at least a sign of life every 15 s.
	DefaultSilence = 20 * time.Second
)

var (
	errEnded  = errors.New("the server ended the stream")
	errNoWord = errors.New("there is no answer yet")
)

// silentError means that a stream was silent for longer than a server ever is.
type silentError struct{ silence time.Duration }

func (e *silentError) Error() string {
	return fmt.Sprintf("nothing was heard for %s, not even that the server is alive", e.silence)
}

// Event is one event of a stream.
type Event struct {
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	// Row is the place of the event in its record, from 0, where several share one: an
	// event is known by its revision and its row.
	Row  *int            `json:"row"`
	User string          `json:"user"`
	Data json.RawMessage `json:"data"`
	// Metadata says who did it and why. It is not shown to bots.
	Metadata json.RawMessage `json:"metadata"`
	// Stored is the event as it is stored, if that is an older version.
	Stored *domain.RawEvent `json:"stored"`
}

// Follow passes on the events of a portfolio after a revision (nil: from now on) and the
// directives for bots. After a lost connection it continues with the event after the last
// one that it passed on. It returns when the context ends, when event returns an error,
// or when the server refuses.
func (p *Portfolio) Follow(ctx context.Context, after *uint64, event func(Event) error) error {
	f := &follower{p: p, event: event, line: newLine(p.c)}
	defer f.line.end()
	if after != nil {
		f.last = strconv.FormatUint(*after, 10)
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		heard, err := f.connect(ctx)
		var stopped *stopError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &stopped):
			return stopped.error
		case final(err):
			return err
		}
		f.line.broke(err)
		if heard {
			pause = firstPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// stopError is an error that the receiver of events returned.
type stopError struct{ error }

type follower struct {
	p     *Portfolio
	event func(Event) error
	last  string // id of the last message that was passed on
	line  *line
}

// line calls Options.Lost when the connection has been lost for a second, and when it is
// made again.
type line struct {
	mu    sync.Mutex
	c     *Client
	why   error
	timer *time.Timer // nil while connected
	told  bool
}

func newLine(c *Client) *line {
	l := &line{c: c}
	l.broke(errNoWord)
	return l
}

// broke notes why there is no connection.
func (l *line) broke(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why = why
	if l.timer == nil && l.c.lost != nil {
		l.timer = time.AfterFunc(tellAfter, l.tell)
	}
}

func (l *line) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil && !l.told {
		l.told = true
		l.c.lost(l.why)
	}
}

// stands notes that there is a connection.
func (l *line) stands() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.told {
		l.told = false
		l.c.lost(nil)
	}
}

// end stops the reports.
func (l *line) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// connect reads one connection to its end.
func (f *follower) connect(ctx context.Context) (heard bool, err error) {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.p.c.base+f.p.path+"/stream", http.NoBody)
	if err != nil {
		return false, quiet(err)
	}
	f.p.c.authorise(req)
	req.Header.Set("Accept", "text/event-stream")
	if f.last != "" {
		req.Header.Set("Last-Event-ID", f.last)
	}
	resp, err := f.p.c.do(req)
	if err != nil {
		return false, quiet(err)
	}
	defer func() { _ = resp.Body.Close() }() // the stream is over
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return false, problemOf(resp.StatusCode, raw)
	}
	f.line.stands()
	silent := &silentError{f.p.c.silence}
	dead := time.AfterFunc(silent.silence, func() { cut(silent) })
	defer dead.Stop()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	m := message{}
	for lines.Scan() {
		dead.Reset(silent.silence)
		if !m.line(lines.Text()) {
			continue
		}
		if err := f.take(m); err != nil {
			return heard, err
		}
		heard, m = true, message{}
	}
	switch err := lines.Err(); {
	case errors.Is(context.Cause(ctx), silent):
		return heard, silent
	case err != nil:
		return heard, quiet(err)
	}
	return heard, errEnded
}

// message is one message of text/event-stream, as far as it was read.
type message struct{ id, name, data string }

// line adds a line and reports whether the message is whole.
func (m *message) line(text string) bool {
	if text == "" {
		return m.data != "" || m.id != "" // an id without data reports progress
	}
	field, value, _ := strings.Cut(text, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "id":
		m.id = value
	case "event":
		m.name = value
	case "data":
		m.data += value
	}
	return false
}

func (f *follower) take(m message) error {
	switch m.name {
	case "hello":
		var h struct {
			Revision   int64                `json:"revision"`
			Directives []commands.Directive `json:"directives"`
		}
		if err := json.Unmarshal([]byte(m.data), &h); err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
		if f.last == "" && h.Revision >= 0 {
			f.last = strconv.FormatInt(h.Revision, 10)
		}
		for _, d := range h.Directives {
			f.p.c.direct(d)
		}
	case "directive":
		var d commands.Directive
		if err := json.Unmarshal([]byte(m.data), &d); err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
		f.p.c.direct(d)
	case "event":
		var e Event
		if err := json.Unmarshal([]byte(m.data), &e); err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
		if err := f.event(e); err != nil {
			return &stopError{err}
		}
	}
	if m.id != "" {
		f.last = m.id
	}
	return nil
}
