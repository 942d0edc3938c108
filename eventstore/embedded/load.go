package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"syscall"
)

// withoutZeroSectors returns the length of a torn tail, which begins at offset in
// its file, without the sectors of zeros at its end. Those were allocated ahead
// or never written, and may be many.
func withoutZeroSectors(b []byte, offset uint64) uint64 {
	used := offset + uint64(len(bytes.TrimRight(b, "\x00")))
	return min((used+sectorLen-1)/sectorLen*sectorLen-offset, uint64(len(b)))
}

// loadRest reads the log from the end of the index to the end of the files, and
// returns the length of a torn tail behind it, without the zeros that end it.
func (s *Store) loadRest() (rest uint64, err error) {
	if err := s.loadSealed(); err != nil {
		return 0, err
	}
	if err := s.loadFinished(); err != nil {
		return 0, err
	}
	seg := s.lastSegment()
	size, err := sizeOf(seg.file)
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", seg.path, err)
	}
	return s.loadLast(&cursor{segs: s.index.segs}, seg, seg.base+size)
}

// loadLast reads the last segment, the only one that may end in a torn tail.
func (s *Store) loadLast(c *cursor, seg *segment, limit uint64) (rest uint64, err error) {
	stopped, err := s.loadSegment(c, seg, limit)
	if err == nil || stopped == limit {
		return 0, err
	}
	return s.judgeTail(seg, stopped, limit, err)
}

// loadSegment adds the frames of one segment, up to limit, that are not in the
// index yet. With an error it returns the position where no frame could be read,
// or limit for another kind of error.
func (s *Store) loadSegment(c *cursor, seg *segment, limit uint64) (uint64, error) {
	s.index.end = max(s.index.end, seg.firstFrame())
	for position := s.index.end; position < limit; position = s.index.end {
		h, b, err := c.frame(position, limit)
		if err != nil {
			return position, err
		}
		if err := s.addFrame(seg, &h, b); err != nil {
			return limit, err // its checksums are right, so this is no tail to examine
		}
	}
	return limit, nil
}

// addFrame publishes one frame that was read from disk.
func (s *Store) addFrame(seg *segment, h *frameHeader, frame []byte) error {
	name := nameOf(frame, h)
	if err := s.index.publish(placed{header: *h, name: name}); err != nil {
		damage := seg.damage(h.position, err.Error())
		damage.Stream, damage.Revision = string(name), h.first
		return damage
	}
	return nil
}

// judgeTail examines the bytes of the last segment from a position where no frame
// could be read for the given reason.
func (s *Store) judgeTail(seg *segment, position, limit uint64, reason error) (uint64, error) {
	var damage *DamageError
	if !errors.As(reason, &damage) {
		return 0, reason // the disk did not answer, so nothing is known about the tail
	}
	// Nearly always these are zeros, and often many.
	if zeros, err := blankIn(seg, position, limit); err != nil || zeros {
		return 0, err
	}
	b, err := readTail(seg, position, limit)
	if err != nil {
		return 0, err
	}
	verdict, why := examineTail(b, position, position-seg.base)
	switch verdict {
	case blank:
		return 0, nil
	case torn:
		return withoutZeroSectors(b, position-seg.base), nil
	case damaged:
	}
	damage.Reason = why
	return 0, damage
}

func readTail(seg *segment, position, limit uint64) ([]byte, error) {
	b := make([]byte, limit-position)
	if _, err := seg.file.ReadAt(b, int64(position-seg.base)); err != nil && !errors.Is(err, io.EOF) { //nolint:gosec // an offset in a file
		return nil, fmt.Errorf("read %s: %w", seg.path, err)
	}
	return b, nil
}

// blankAfter checks that a segment that is not the last holds only zeros behind
// its last frame.
func blankAfter(seg *segment, used, size uint64) error {
	if size <= used {
		return nil // it cannot be shorter: its last frame was read
	}
	zeros, err := blankIn(seg, seg.base+used, seg.base+size)
	if err == nil && !zeros {
		err = seg.damage(seg.base+used, "bytes where the next segment should begin")
	}
	return err
}

// blankIn reports whether a segment holds only zeros between two positions.
func blankIn(seg *segment, from, to uint64) (bool, error) {
	window := make([]byte, min(to-min(from, to), maxWindow))
	for ; from < to; from += maxWindow {
		b := window[:min(to-from, maxWindow)]
		if _, err := seg.file.ReadAt(b, int64(from-seg.base)); err != nil { //nolint:gosec // an offset in a file
			return false, fmt.Errorf("read %s: %w", seg.path, err)
		}
		if !allZero(b) {
			return false, nil
		}
	}
	return true, nil
}

// checkMark refuses a log that ends before what was once durable.
func (s *Store) checkMark(position uint64) error {
	if s.index.end >= position {
		return nil
	}
	return s.lastSegment().damage(s.index.end, fmt.Sprintf("the log ends here, but the durable mark is at %d", position))
}

// recover prepares a folder for writing, however the previous writer ended. It
// changes nothing before everything was found intact.
func (s *Store) recover() error {
	position, err := s.mark.read()
	if err != nil {
		return err
	}
	var rest uint64
	err = s.load(func() error {
		if rest, err = s.loadRest(); err != nil {
			return err
		}
		return s.checkMark(position)
	})
	if err != nil {
		return err
	}
	if rest > 0 {
		if err := s.setAside(rest); err != nil {
			return err
		}
	}
	if err := s.writeAgain(position); err != nil {
		return err
	}
	if err := s.folder.SyncDir(); err != nil {
		return fmt.Errorf("flush folder: %w", err)
	}
	if err := s.mark.write(s.index.end); err != nil {
		return err
	}
	if err := s.mark.file.Datasync(); err != nil {
		return fmt.Errorf("flush durable mark: %w", err)
	}
	return nil
}

// setAside moves a torn tail out of the log into a file of its own. After a crash
// before the cut, the next start sets the tail aside again, under another number.
// A crash after it leaves a clean log.
func (s *Store) setAside(rest uint64) error {
	seg, end := s.lastSegment(), s.index.end
	b, err := readTail(seg, end, end+rest)
	if err != nil {
		return err
	}
	name, err := s.freeName(fmt.Sprintf("%s%d", tornPrefix, end), ".bin")
	if err != nil {
		return err
	}
	file, err := createFile(s.folder, name, b)
	if errors.Is(err, syscall.ENOSPC) {
		if err = s.freeZeros(seg, end+rest); err == nil {
			file, err = createFile(s.folder, name, b)
		}
	}
	if err != nil {
		return fmt.Errorf("set torn bytes aside: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("set torn bytes aside: %w", err)
	}
	if err := seg.file.Truncate(end - seg.base); err != nil {
		return fmt.Errorf("cut torn bytes: %w", err)
	}
	if err := seg.file.Sync(); err != nil {
		return fmt.Errorf("cut torn bytes: %w", err)
	}
	s.torn = Torn{Bytes: rest, File: filepath.Join(s.dir, name)}
	return nil
}

// freeZeros frees the space of files that hold only zeros: the spare of the
// previous writer, and the end of the last segment behind a torn tail. On a full
// disk there is no other space for the tail, and a store that cannot be opened
// cannot record a stop.
func (s *Store) freeZeros(seg *segment, end uint64) error {
	names, err := s.folder.ReadDir()
	if err != nil {
		return fmt.Errorf("list folder: %w", err)
	}
	if slices.Contains(names, spareName) {
		spare, err := s.folder.Open(spareName, Write)
		if err != nil {
			return fmt.Errorf("free the spare segment: %w", err)
		}
		if err := errors.Join(spare.Truncate(0), spare.Sync(), spare.Close()); err != nil {
			return fmt.Errorf("free the spare segment: %w", err)
		}
	}
	size, err := sizeOf(seg.file)
	if err == nil && size > end-seg.base {
		err = seg.file.Truncate(end - seg.base)
	}
	if err != nil {
		return fmt.Errorf("free the zeros behind torn bytes: %w", err)
	}
	return nil
}

// freeName returns a name that no file in the folder has yet.
func (s *Store) freeName(prefix, suffix string) (string, error) {
	names, err := s.folder.ReadDir()
	if err != nil {
		return "", fmt.Errorf("list folder: %w", err)
	}
	taken := map[string]bool{}
	for _, name := range names {
		taken[name] = true
	}
	for n := 1; ; n++ {
		if name := fmt.Sprintf("%s-%d%s", prefix, n, suffix); !taken[name] {
			return name, nil
		}
	}
}

// writeAgain rewrites what the last segment holds beyond the mark and flushes it.
// Those frames are complete, but perhaps only in memory: the writer may have been
// killed before its flush, or its flush failed. After a failed flush the kernel
// considers the pages clean, and a second flush alone would wrongly succeed.
// Earlier segments do not need this: a segment is begun only after the one before
// it was flushed.
func (s *Store) writeAgain(position uint64) error {
	seg, end := s.lastSegment(), s.index.end
	if from := max(position, seg.base); from < end {
		b, err := readTail(seg, from, end)
		if err != nil {
			return err
		}
		if _, err := seg.file.WriteAt(b, int64(from-seg.base)); err != nil { //nolint:gosec // an offset in a file
			return fmt.Errorf("write the last frames again: %w", err)
		}
	}
	if err := seg.file.Datasync(); err != nil {
		return fmt.Errorf("flush the last segment: %w", err)
	}
	return nil
}
