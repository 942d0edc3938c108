package tradefile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"pets/domain"
)

// reader collects the rows of the files of one run.
type reader struct {
	opt    Options
	limits limits

	places    []place // in order of files, then of lines
	bad       []BadRow
	rounded   int
	files     []*file
	summaries []FileSummary
	bots      map[string]uint32 // places in botNames, from 1
	botNames  []string

	contents map[[sha256.Size]byte]string // path by content
	tape     string                       // path of the tape, if there is one
	known    map[string]string            // see cells.remember
	meaning  meaning

	progress    func(doneBytes, totalBytes int64)
	done, total int64
}

func newReader(opt Options, l limits) (*reader, error) {
	if opt.Bot == "" {
		opt.Bot = DefaultBot
	}
	if err := domain.CheckID("bot", opt.Bot); err != nil {
		return nil, err
	}
	return &reader{
		opt: opt, limits: l,
		contents: make(map[[sha256.Size]byte]string),
		known:    make(map[string]string),
		bots:     make(map[string]uint32),
		progress: func(int64, int64) {},
	}, nil
}

// measure adds up the sizes of the files. That finds missing files before any
// work is done.
func (r *reader) measure(paths []string) error {
	for _, path := range paths {
		size, err := sizeOf(path)
		if err != nil {
			return err
		}
		r.total += size
	}
	r.progress(0, r.total)
	return nil
}

// add reads one file from its bytes on disk.
func (r *reader) add(ctx context.Context, path string, stored []byte) error {
	size := int64(len(stored))
	data, err := unpack(path, stored, r.limits.bytes)
	if err != nil {
		return err
	}
	data = bytes.TrimPrefix(data, utf8BOM)
	if err := r.checkContent(path, data); err != nil {
		return err
	}
	s := newScanner(data, r.limits)
	s.next() // there is a header: checkContent found more than blanks
	l, err := recognise(path, s)
	if err != nil {
		return err
	}
	if err := r.checkUse(path, l); err != nil {
		return err
	}
	f := &file{
		reader: r, path: path, index: uint32(len(r.files)), stored: size, scanner: s, // #nosec G115 -- as many as were named
		cells: cells{layout: l, opt: r.opt, known: r.known},
	}
	if l.format.scope != nil {
		f.scope = l.format.scope(r.opt)
	}
	if err := f.read(ctx); err != nil {
		return err
	}
	r.files = append(r.files, f)
	r.done += size
	r.progress(r.done, r.total)
	return nil
}

// checkContent refuses a file that is not CSV, and a file given twice, whose rows
// without an id would count as further occurrences.
func (r *reader) checkContent(path string, data []byte) error {
	if err := checkKind(path, data); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	if before, ok := r.contents[sum]; ok {
		return unusable(path, "has the same content as %s; give every file once", before)
	}
	r.contents[sum] = path
	return nil
}

// checkUse refuses files that must not be read together.
func (r *reader) checkUse(path string, l *layout) error {
	if r.opt.AsTrades && l.format.hasFills {
		return unusable(path, "is a file of fills (%s); with --as-trades the reported results are booked instead, and both would count every trade twice: leave this file or --as-trades out", l.format.name)
	}
	if l.format.name != tapeName {
		return nil
	}
	if r.tape != "" {
		return unusable(path, "is a second tape beside %s; trade ids of a tape are its row numbers, so a run takes one only", r.tape)
	}
	r.tape = path
	return nil
}

// file is the file being read.
type file struct {
	*reader
	path    string
	index   uint32
	stored  int64 // bytes on disk
	scope   string
	scanner *scanner
	cells   cells
	good    int
	badRows int
}

// Check the context and report progress once every so many rows.
const stepRows = 4096

func (f *file) read(ctx context.Context) error {
	for f.scanner.next() {
		f.cells.number++
		if err := f.readRow(); err != nil {
			return err
		}
		if f.cells.number%stepRows == 0 {
			f.step()
			f.reserve()
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	f.summaries = append(f.summaries, FileSummary{f.path, f.cells.format.name, f.good, f.badRows})
	return ctx.Err()
}

// step reports the progress in this file, in bytes on disk; for a packed file, in
// proportion to what has been unpacked.
func (f *file) step() {
	// Both factors are at most limits.bytes, 2^31, so the product fits.
	part := f.stored * int64(f.scanner.at.offset) / int64(len(f.scanner.data))
	f.progress(f.done+part, f.total)
}

// readRow reads the current row of the scanner. It is kept, set aside, or
// returned as the error to stop with. The form is checked before the content, so
// that no cell is read under the name of another column.
func (f *file) readRow() error {
	s := f.scanner
	f.cells.tooFine = false
	if fault := s.fault; fault != nil {
		return f.refuse(fault)
	}
	if s.count != len(f.cells.header) {
		return f.setAsideWidth()
	}
	c := &f.cells
	row := c.read(s.cells)
	if c.refused {
		return f.setAside(s.cells[c.index[c.column]].at, c.column.String(), c.reason)
	}
	if len(f.places) == f.limits.rows {
		return f.stopAt(s.cells[0].at, "the files have over %d rows; import them in several runs", f.limits.rows)
	}
	f.good++
	f.rounded += c.rounded
	f.places = append(f.places, place{
		nanos: row.Time.UnixNano(), file: f.index, offset: uint32(s.start.offset), line: uint32(s.start.line), // #nosec G115 -- limits.bytes is 2^31
		number: uint32(c.number), bot: f.botNumber(row.bot()), // #nosec G115 -- no more rows than bytes
	})
	return nil
}

// botNumber returns a short number for a bot.
func (r *reader) botNumber(bot string) uint32 {
	if bot == "" {
		return 0
	}
	n, ok := r.bots[bot]
	if !ok {
		r.botNames = append(r.botNames, bot)
		n = uint32(len(r.botNames)) // #nosec G115 -- no more bots than rows
		r.bots[bot] = n
	}
	return n
}

// reserve allocates room for the rows that the file probably still has, so that
// the list is not copied each time it grows.
func (f *file) reserve() {
	if cap(f.places)-len(f.places) >= stepRows {
		return
	}
	done, left := f.scanner.at.offset, len(f.scanner.data)-f.scanner.at.offset
	f.places = slices.Grow(f.places, min(2*stepRows+int(int64(left)*int64(f.cells.number)/int64(done)), f.limits.rows))
}

// rowAt reads a row again that was read without error.
func (f *file) rowAt(at place) *Row {
	f.scanner.seek(at)
	f.scanner.next()
	f.cells.number = int(at.number)
	row := f.cells.read(f.scanner.cells)
	row.File, row.Line, row.file, row.at = f.path, int(at.line), f, at
	row.Key = f.meaning.identify(&row, f.scope, f.scanner.raw)
	return &row
}

// refuse turns a fault of form into a bad row. If the following rows can no
// longer be separated, it ends the file, even with --skip-bad.
func (f *file) refuse(fault *fault) error {
	field := f.fieldOf(fault.cell)
	if !fault.fatal {
		return f.setAside(fault.at, field, fault.reason)
	}
	if field != "" {
		field += ": "
	}
	return f.stopAt(fault.at, "%s%s; what follows cannot be read", field, fault.reason)
}

// setAsideWidth refuses a row whose number of cells differs from the header. The
// error is about the first surplus cell, or the last existing one.
func (f *file) setAsideWidth() error {
	s, want := f.scanner, len(f.cells.header)
	at := s.cells[len(s.cells)-1].at
	if s.count > want {
		at = s.cells[min(want, len(s.cells)-1)].at
	}
	return f.setAside(at, "", fmt.Sprintf("the row has %d fields, the header has %d", s.count, want))
}

// setAside keeps a bad row, or returns it as the error to stop with.
func (f *file) setAside(at spot, field, reason string) error {
	b := BadRow{
		File: f.path, Line: at.line, Column: f.scanner.columnOf(at), Field: field, Reason: reason,
		Raw: bytes.Clone(f.scanner.raw), TooFine: f.cells.tooFine,
	}
	if !f.opt.KeepBad {
		return &b
	}
	if len(f.bad) == f.limits.bad {
		return f.stopAt(at, "the files have over %d bad rows", f.limits.bad)
	}
	f.bad = append(f.bad, b)
	f.badRows++
	return nil
}

// fieldOf returns the name of the i-th column, or "".
func (f *file) fieldOf(i int) string {
	if i < 0 || i >= len(f.cells.header) {
		return ""
	}
	return f.cells.header[i]
}

func (f *file) stopAt(at spot, format string, args ...any) error {
	return stoppedAt(f.path, f.scanner, at, format, args...)
}
