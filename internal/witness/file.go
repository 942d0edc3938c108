package witness

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/google/uuid"

	"pets/eventstore"
)

// The file, all integers big-endian, all checksums CRC-32C:
//
//	file    "PETSWIT\n", version 1 in 4 bytes, UUID of the store in 16, checksum of
//	        these 28 bytes in 4; then passes
//	pass    "PASS", length of the body in 4, checksum of these 8 bytes in 4, checksum
//	        of the body in 4, the body
//	body    position of the last record that was read: commit in 8, prepare in 8;
//	        when, nanoseconds since 1970, in 8; number of entries in 4; entries
//	entry   length of the stream's name in 2, the name; leaf of the last record, 32;
//	        frontier: size in 8 and a node of 32 for each bit set in it;
//	        number of snapshots in 1, and for each: length of its kind in 1, the kind,
//	        size in 8, SHA-256 of the file, 32
//
// A later entry of a stream replaces the one before it. Every pass has an entry for
// each stream that moved since the one before, so that what a file says, read to the
// end of any pass, is true of one moment of the log.
const (
	fileMagic  = "PETSWIT\n"
	passMagic  = "PASS"
	version    = 1
	headerLen  = 8 + 4 + 16 + 4
	passLen    = 16
	bodyLen    = 8 + 8 + 8 + 4
	sectorLen  = 512
	maxBody    = 1 << 30
	maxKindLen = 32
)

var be = binary.BigEndian

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// snapshot is a snapshot of a stream that had size records.
type snapshot struct {
	kind string
	size uint64
	hash eventstore.Hash
}

// entry is what is known of one stream.
type entry struct {
	frontier  eventstore.Frontier
	leaf      eventstore.Hash
	snapshots []snapshot
}

// newest returns the newest snapshot of a kind with at most so many records.
func (e *entry) newest(kind string, atMost uint64) (snapshot, bool) {
	var best snapshot
	for _, s := range e.snapshots {
		if s.kind == kind && s.size <= atMost && s.size > best.size {
			best = s
		}
	}
	return best, best.size > 0
}

// book is the content of a file.
type book struct {
	store    uuid.UUID
	position eventstore.Position
	written  time.Time
	entries  map[string]*entry
	torn     int // bytes of a last pass that a crash cut short
}

func appendHeader(b []byte, store uuid.UUID) []byte {
	at := len(b)
	b = append(b, fileMagic...)
	b = be.AppendUint32(b, version)
	b = append(b, store[:]...)
	return be.AppendUint32(b, checksum(b[at:]))
}

// pass is a pass under construction.
type pass struct {
	b     []byte
	start int
	count uint32
}

func newPass(b []byte, position eventstore.Position, now time.Time) *pass {
	p := &pass{b: b, start: len(b)}
	p.b = append(p.b, passMagic...)
	p.b = append(p.b, make([]byte, passLen-len(passMagic))...)
	p.b = be.AppendUint64(p.b, position.Commit)
	p.b = be.AppendUint64(p.b, position.Prepare)
	p.b = be.AppendUint64(p.b, uint64(now.UnixNano()))
	p.b = be.AppendUint32(p.b, 0) // the count, see bytes
	return p
}

func (p *pass) add(stream string, e *entry) {
	p.count++
	p.b = be.AppendUint16(p.b, uint16(len(stream))) //nolint:gosec // at most eventstore.MaxStreamName
	p.b = append(p.b, stream...)
	p.b = append(p.b, e.leaf[:]...)
	p.b = e.frontier.AppendTo(p.b)
	p.b = append(p.b, byte(len(e.snapshots))) //nolint:gosec // two of each kind
	for _, s := range e.snapshots {
		p.b = append(p.b, byte(len(s.kind))) //nolint:gosec // at most maxKindLen
		p.b = append(p.b, s.kind...)
		p.b = be.AppendUint64(p.b, s.size)
		p.b = append(p.b, s.hash[:]...)
	}
}

// bytes finishes the pass.
func (p *pass) bytes() []byte {
	head := p.b[p.start:]
	be.PutUint32(head[passLen+24:], p.count)
	be.PutUint32(head[4:], uint32(len(head)-passLen)) //nolint:gosec // some 600 bytes a stream
	be.PutUint32(head[8:], checksum(head[:8]))
	be.PutUint32(head[12:], checksum(head[passLen:]))
	return p.b
}

// parse reads a file. It leaves out a last pass that is cut short or has a sector
// of zeros that never reached the disk: its writer ended before finishing it.
// Anything else that is invalid is damage, and an error.
func parse(b []byte) (*book, error) {
	store, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	if len(b) == headerLen {
		return nil, fmt.Errorf("it ends before its first pass")
	}
	k := &book{store: store, entries: map[string]*entry{}}
	for at := headerLen; at < len(b); {
		body, err := cutPass(b[at:])
		if err != nil {
			if at > headerLen && torn(b[at:], at) { // the first one came with the file's name, so it is complete
				k.torn = len(b) - at
				return k, nil
			}
			return nil, fmt.Errorf("the pass at byte %d %w", at, err)
		}
		if err := k.read(body); err != nil {
			return nil, fmt.Errorf("the pass at byte %d %w", at, err)
		}
		at += passLen + len(body)
	}
	return k, nil
}

// parseHeader reads the first bytes of a file, which identify its store.
func parseHeader(b []byte) (store uuid.UUID, err error) {
	switch {
	case len(b) < headerLen || string(b[:8]) != fileMagic:
		return store, fmt.Errorf("it is not the file of a witness")
	case be.Uint32(b[28:]) != checksum(b[:28]):
		return store, fmt.Errorf("its first bytes do not match their checksum")
	case be.Uint32(b[8:]) != version:
		return store, fmt.Errorf("it has version %d; this build reads %d", be.Uint32(b[8:]), version)
	}
	return uuid.UUID(b[12:28]), nil
}

// cutPass returns the body of the pass at the beginning of b.
func cutPass(b []byte) ([]byte, error) {
	if len(b) < passLen {
		return nil, errCut
	}
	n := int(be.Uint32(b[4:]))
	switch {
	case string(b[:4]) != passMagic || be.Uint32(b[8:]) != checksum(b[:8]) || n > maxBody:
		return nil, errHead
	case len(b)-passLen < n:
		return nil, errCut
	case checksum(b[passLen:passLen+n]) != be.Uint32(b[12:]):
		return nil, errBody
	}
	return b[passLen : passLen+n], nil
}

var (
	errCut  = fmt.Errorf("is cut short")
	errHead = fmt.Errorf("does not begin like a pass")
	errBody = fmt.Errorf("does not match its checksum")
)

// torn decides whether the rest of the file, which begins at byte at and holds no
// complete pass, is the end of an append that a crash interrupted. It is, if the
// file ends inside it, or if one of its sectors never reached the disk and is
// still zero. If a complete pass follows, it is damage, because only the last one
// was being written.
func torn(rest []byte, at int) bool {
	if len(rest) < passLen {
		return true
	}
	if string(rest[:4]) == passMagic && be.Uint32(rest[8:]) == checksum(rest[:8]) {
		if end := passLen + int(be.Uint32(rest[4:])); end != len(rest) {
			return end > len(rest)
		}
	}
	return blankSector(rest, at) && !passBehind(rest)
}

// blankSector reports whether the part of rest in any one sector is all zero.
func blankSector(rest []byte, at int) bool {
	for len(rest) > 0 {
		n := min(len(rest), sectorLen-at%sectorLen)
		if part := rest[:n]; n >= 8 && len(bytes.Trim(part, "\x00")) == 0 {
			return true
		}
		rest, at = rest[n:], at+n
	}
	return false
}

func passBehind(rest []byte) bool {
	for at := 1; ; at++ {
		next := bytes.Index(rest[at:], []byte(passMagic))
		if next < 0 {
			return false
		}
		at += next
		if _, err := cutPass(rest[at:]); err == nil {
			return true
		}
	}
}

func (k *book) read(b []byte) error {
	if len(b) < bodyLen {
		return errCut
	}
	k.position = eventstore.Position{Commit: be.Uint64(b), Prepare: be.Uint64(b[8:])}
	k.written = time.Unix(0, int64(be.Uint64(b[16:]))).UTC() //nolint:gosec // the same bits
	count := be.Uint32(b[24:])
	b = b[bodyLen:]
	for range count {
		name, e, rest, err := cutEntry(b)
		if err != nil {
			return err
		}
		k.entries[name] = e
		b = rest
	}
	if len(b) > 0 {
		return fmt.Errorf("has %d bytes too many", len(b))
	}
	return nil
}

func cutEntry(b []byte) (name string, e *entry, rest []byte, err error) {
	if len(b) < 2 || len(b) < 2+int(be.Uint16(b))+len(eventstore.Hash{}) {
		return "", nil, nil, errCut
	}
	n := 2 + int(be.Uint16(b))
	name, b = string(b[2:n]), b[n:]
	e = &entry{leaf: eventstore.Hash(b[:32])}
	if e.frontier, b, err = eventstore.CutFrontier(b[32:]); err != nil {
		return "", nil, nil, err
	}
	if len(b) < 1 {
		return "", nil, nil, errCut
	}
	count := int(b[0])
	b = b[1:]
	for range count {
		if len(b) < 1 || len(b) < 1+int(b[0])+8+32 {
			return "", nil, nil, errCut
		}
		n := 1 + int(b[0])
		e.snapshots = append(e.snapshots, snapshot{string(b[1:n]), be.Uint64(b[n:]), eventstore.Hash(b[n+8 : n+40])})
		b = b[n+40:]
	}
	return name, e, b, nil
}

// names lists the streams of a book, sorted.
func (k *book) names() []string {
	names := make([]string, 0, len(k.entries))
	for name := range k.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
