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
	"time"

	"pets/commands"
	"pets/domain"
)

const (
	// maxLine bounds one line of a stream.
	maxLine = 4 << 20
	// silence is how long a stream may say nothing before it is taken for dead:
	// the server says at least that it is alive every 15 s.
	silence = 45 * time.Second
)

// Event is one event of a stream.
type Event struct {
	Revision uint64          `json:"revision"`
	Time     time.Time       `json:"time"`
	Type     string          `json:"type"`
	User     string          `json:"user"`
	Data     json.RawMessage `json:"data"`
	// Metadata says who did it and why; a bot's key is not shown it.
	Metadata json.RawMessage `json:"metadata"`
	// Stored is what stands in the stream, where that is an older version of the event.
	Stored *domain.RawEvent `json:"stored"`
}

// Follow hands on the events of a portfolio after a revision (nil: from now on)
// and what bots have to do, until the context ends. A connection that breaks is
// made again, after the last event that was handed on. It returns when the
// context ends, when event returns an error, or when the server refuses.
func (p *Portfolio) Follow(ctx context.Context, after *uint64, event func(Event) error) error {
	f := &follower{p: p, event: event}
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

// stopError is what the receiver of events answered.
type stopError struct{ error }

type follower struct {
	p     *Portfolio
	event func(Event) error
	last  string // id of the last message handed on
}

// connect reads one connection to its end.
func (f *follower) connect(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.p.c.base+f.p.path+"/stream", http.NoBody)
	if err != nil {
		return false, quiet(err)
	}
	f.p.c.authorise(req)
	req.Header.Set("Accept", "text/event-stream")
	if f.last != "" {
		req.Header.Set("Last-Event-ID", f.last)
	}
	resp, err := f.p.c.http.Do(req)
	if err != nil {
		return false, quiet(err)
	}
	defer func() { _ = resp.Body.Close() }() // the stream is over
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return false, problemOf(resp.StatusCode, raw)
	}
	dead := time.AfterFunc(silence, cancel)
	defer dead.Stop()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	m := message{}
	for lines.Scan() {
		dead.Reset(silence)
		if !m.line(lines.Text()) {
			continue
		}
		if err := f.take(m); err != nil {
			return heard, err
		}
		heard, m = true, message{}
	}
	return heard, lines.Err()
}

// message is one message of text/event-stream as it grows.
type message struct{ id, name, data string }

// line adds a line and reports whether the message is whole.
func (m *message) line(text string) bool {
	if text == "" {
		return m.data != "" || m.id != "" // an id by itself says how far the stream has come
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
