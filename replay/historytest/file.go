package historytest

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"pets/eventstore"
)

// History is one stream and the states it folds to.
type History struct {
	Build  string // that recorded it
	From   string // origin of the stream, such as the name of a scenario
	Stream string
	Steps  []Step
	// End is the state after the last step together with the views, as a readable
	// tree.
	End any
}

// Step is one stored record, and what it changed in the state.
type Step struct {
	Record eventstore.Record
	// Changed holds the values that the record set, by their path. Removed holds
	// the paths that existed before it and not after.
	Changed Values   `json:"changed,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// header, line and ending are the JSON lines of a file.
type header struct {
	Format int    `json:"history"`
	Build  string `json:"build"`
	From   string `json:"from"`
	Stream string `json:"stream"`
}

// line has the stored bytes as text: they are JSON, and text is kept byte by byte.
type line struct {
	Revision *uint64   `json:"revision,omitempty"`
	ID       uuid.UUID `json:"id,omitzero"`
	Type     string    `json:"type,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Metadata string    `json:"metadata,omitempty"`
	Data     string    `json:"data,omitempty"`
	Changed  Values    `json:"changed,omitempty"`
	Removed  []string  `json:"removed,omitempty"`
	End      any       `json:"end,omitempty"`
}

const format = 1

// Write stores a history in a new file, and refuses to replace one.
func Write(path string, h *History) error {
	return create(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(header{format, h.Build, h.From, h.Stream}); err != nil {
			return err
		}
		for _, s := range h.Steps {
			r := s.Record
			if err := enc.Encode(line{&r.Revision, r.ID, r.Type, r.Time, string(r.Metadata), string(r.Data), s.Changed, s.Removed, nil}); err != nil {
				return err
			}
		}
		return enc.Encode(line{End: h.End})
	})
}

// create writes a compressed file that must not exist yet.
func create(path string, fill func(io.Writer) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // part of the source tree
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // part of the source tree
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists, and a recorded history is never replaced: record it under another name", path)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := fill(z); err != nil {
		return err
	}
	return z.Close()
}

// Read reads a history that Write stored.
func Read(path string) (*History, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bufio.NewReader(z))
	dec.UseNumber()
	var head header
	if err := dec.Decode(&head); err != nil || head.Format != format {
		return nil, fmt.Errorf("%s is not a history of format %d: %w", path, format, err)
	}
	h := &History{Build: head.Build, From: head.From, Stream: head.Stream}
	for {
		var l line
		switch err := dec.Decode(&l); {
		case err != nil:
			return nil, fmt.Errorf("%s ends too early: %w", path, err)
		case l.Revision == nil:
			h.End = l.End
			return h, nil
		}
		h.Steps = append(h.Steps, Step{Changed: l.Changed, Removed: l.Removed, Record: eventstore.Record{
			Stream: h.Stream, Revision: *l.Revision, ID: l.ID, Type: l.Type, Time: l.Time, Metadata: []byte(l.Metadata), Data: []byte(l.Data),
		}})
	}
}
