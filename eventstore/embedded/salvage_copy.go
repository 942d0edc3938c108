package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"pets/eventstore"
)

// maxInFlight limits how many frames are being appended to the new store at a
// time.
const maxInFlight = 1024

// salvageCopy is the new store and the file of records that have no place in it.
type salvageCopy struct {
	report   *SalvageReport
	store    *Store
	streams  map[string]*salvagedStream
	inFlight []*request
	leads    bool // one of them has to lead
	bytes    int
	unplaced sideFile
}

// salvagedStream counts revisions: those below placed are in the new store, those
// below seen were found, or are in a reported hole.
type salvagedStream struct{ placed, seen uint64 }

func newSalvageCopy(report *SalvageReport, options Options) (*salvageCopy, error) {
	options.salvaging = true
	store, err := Open(report.Target, options)
	if err != nil {
		return nil, err
	}
	return &salvageCopy{
		report: report, store: store, streams: map[string]*salvagedStream{},
		unplaced: sideFile{folder: store.folder, name: unplacedName},
	}, nil
}

// markUnfinished marks the folder of a copy before there is a store in it.
func markUnfinished(folder Dir) error {
	file, err := createFile(folder, unfinishedName, []byte("This salvage is unfinished.\n"))
	if err != nil {
		return fmt.Errorf("write %s: %w", unfinishedName, err)
	}
	return file.Close()
}

// frame puts an intact frame into the new store if it continues its stream there,
// and else into the side file.
func (c *salvageCopy) frame(f *sourceFile, h *frameHeader, frame []byte) error {
	name := string(nameOf(frame, h))
	stream := c.streams[name]
	if stream == nil {
		stream = &salvagedStream{}
		c.streams[name] = stream
	}
	switch {
	case h.first < stream.seen:
		c.report.Places = append(c.report.Places, Place{
			File: f.path, Offset: h.position - f.base, Bytes: h.length, Stream: name, Revision: h.first, Records: h.records,
			Reason: fmt.Sprintf("these revisions were already found: the stream continued at %d", stream.seen),
		})
	case h.first > stream.seen:
		c.report.Holes = append(c.report.Holes, Hole{Stream: name, From: stream.seen, To: h.first - 1})
	}
	inPlace := h.first == stream.placed && stream.placed == stream.seen
	stream.seen = max(stream.seen, h.first+h.records)
	if !inPlace {
		c.report.Unplaced += h.records
		return c.unplaced.frame(name, h, frame)
	}
	stream.placed = stream.seen
	c.report.Frames++
	c.report.Records += h.records
	return c.append(name, h, frame)
}

// append sends a frame to the new store; several share a flush. The frame is
// copied from the source unchanged except for its position.
func (c *salvageCopy) append(name string, h *frameHeader, frame []byte) error {
	r := requests.Get().(*request)                                                         //nolint:errcheck,forcetypeassert // the pool makes nothing else
	r.stream, r.expected, r.records = name, eventstore.Expected(h.first)-1, int(h.records) //nolint:gosec // bounded by decodeFrameHeader
	r.frame = append(r.frame[:0], frame...)
	leads, err := c.store.queue.put(r)
	if err != nil {
		return &eventstore.Unavailable{Cause: err}
	}
	c.leads = c.leads || leads
	c.inFlight, c.bytes = append(c.inFlight, r), c.bytes+len(frame)
	if len(c.inFlight) < maxInFlight && c.bytes < maxGroupBytes {
		return nil
	}
	return c.settle()
}

// settle waits until everything sent is durable.
func (c *salvageCopy) settle() error {
	if c.leads {
		c.store.committer.lead()
		c.leads = false
	}
	var failed error
	for _, r := range c.inFlight {
		err := c.store.await(context.Background(), r)
		switch {
		case err != nil:
			failed = err
		case r.err != nil:
			failed = r.err
		case r.actual != r.expected:
			failed = &eventstore.Conflict{Stream: r.stream, Expected: r.expected, Actual: r.actual}
		}
		r.recycle()
	}
	c.inFlight, c.bytes = c.inFlight[:0], 0
	return failed
}

// finish makes everything durable, and reads the new store once from disk,
// because a salvage that differs from its report is worse than none.
func (c *salvageCopy) finish(ctx context.Context) error {
	if err := c.settle(); err != nil {
		return err
	}
	if err := c.unplaced.finish(); err != nil {
		return fmt.Errorf("write %s: %w", unplacedName, err)
	}
	found, err := c.store.Verify(ctx, nil)
	if err != nil {
		return err
	}
	if found.Frames != c.report.Frames || found.Records != c.report.Records {
		return fmt.Errorf("the copy has %d records in %d frames; %d in %d were written", found.Records, found.Frames, c.report.Records, c.report.Frames)
	}
	c.report.Streams = found.Streams
	return nil
}

// close abandons what finish did not complete.
func (c *salvageCopy) close() error {
	failed := c.settle()
	if c.unplaced.file != nil {
		failed = errors.Join(failed, c.unplaced.file.Close())
	}
	return errors.Join(failed, c.store.Close())
}

// sideFile is renamed into place only when it is complete.
type sideFile struct {
	folder Dir
	name   string
	file   File // nil until there is something to write
	buf    []byte
	at     int64
}

// unplacedRecord is one line of unplaced.jsonl. Metadata and data are given as
// JSON if that is exactly what they are, byte for byte; else in base64.
type unplacedRecord struct {
	Stream         string          `json:"stream"`
	Revision       uint64          `json:"revision"`
	ID             string          `json:"id"`
	Type           string          `json:"type"`
	Time           time.Time       `json:"time"`
	Metadata       json.RawMessage `json:"metadata,omitempty"`
	MetadataBase64 []byte          `json:"metadata_base64,omitempty"`
	Data           json.RawMessage `json:"data,omitempty"`
	DataBase64     []byte          `json:"data_base64,omitempty"`
}

func (f *sideFile) frame(stream string, h *frameHeader, frame []byte) error {
	if f.file == nil {
		file, err := f.folder.Open(f.name+tmpSuffix, Create)
		if err != nil {
			return err
		}
		f.file = file
	}
	buf := bytes.NewBuffer(f.buf)
	lines := json.NewEncoder(buf)
	lines.SetEscapeHTML(false) // the bytes read back are the bytes written
	var failed error
	err := decodeRecords(frame[frameHeaderLen+h.nameLen:], h, func(i uint64, raw *rawRecord) {
		r := unplacedRecord{Stream: stream, Revision: h.first + i, ID: raw.id.String(), Type: string(raw.typ), Time: time.Unix(0, raw.nanos).UTC()}
		r.Metadata, r.MetadataBase64 = jsonOrBytes(raw.metadata)
		r.Data, r.DataBase64 = jsonOrBytes(raw.data)
		if err := lines.Encode(&r); err != nil {
			failed = err
		}
	})
	f.buf = buf.Bytes()
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case len(f.buf) >= maxWindow:
		return f.write()
	}
	return nil
}

func jsonOrBytes(b []byte) (json.RawMessage, []byte) {
	var compact bytes.Buffer
	if utf8.Valid(b) && json.Compact(&compact, b) == nil && bytes.Equal(compact.Bytes(), b) {
		return b, nil
	}
	return nil, b
}

func (f *sideFile) write() error {
	n, err := f.file.WriteAt(f.buf, f.at)
	f.buf, f.at = f.buf[:0], f.at+int64(n)
	return err
}

func (f *sideFile) finish() error {
	if f.file == nil {
		return nil
	}
	if err := f.write(); err != nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	file := f.file
	f.file = nil
	if err := file.Close(); err != nil {
		return err
	}
	return giveName(f.folder, f.name)
}
