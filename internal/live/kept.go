package live

import (
	"encoding/binary"
	"errors"
	"fmt"

	"pets/eventstore"
	"pets/internal/views"
	"pets/projections"
)

// The kinds of the parts of a checkpoint. A start needs both, of the same revision.
const (
	stateKind = "state"
	viewsKind = "views"
)

// keptVersion is the version of the part of a checkpoint that has the readers. What a reader
// has kept has a version of its own.
const keptVersion = 1

// kept is the part of a checkpoint that has the readers.
type kept struct {
	folded  eventstore.Frontier // the hash tree of the records that were folded
	leaf    eventstore.Hash     // the last of them
	readers []keptReader
}

// keptReader is one reader as it was at the moment of a checkpoint.
type keptReader struct {
	name   string
	id     string // of its file of pieces
	length uint64 // of the pieces
	data   []byte
	file   *views.File // nil in a part that was read
}

var errNotKept = errors.New("it cannot be kept")

// keep returns the readers of a fold, which is read meanwhile.
func (f *fold) keep() (k *kept, err error) {
	k = &kept{folded: f.progress.folded.Clone(), leaf: f.progress.leaf}
	for _, r := range f.riders {
		of, err := r.keep()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.of.called(), err)
		}
		k.readers = append(k.readers, of)
	}
	return k, nil
}

func (r *rider) keep() (k keptReader, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it failed: %v", v)
		}
	}()
	of, is := r.Reader.(projections.Kept)
	if !is || r.file == nil {
		return keptReader{}, errNotKept
	}
	if err := r.trouble(); err != nil {
		return keptReader{}, err
	}
	data, err := of.Keep()
	if err != nil {
		return keptReader{}, err
	}
	return keptReader{name: r.of.called(), id: r.file.ID(), length: r.file.Length(), data: data, file: r.file}, nil
}

// flush writes the pieces that are referred to.
func (k *kept) flush() error {
	for _, r := range k.readers {
		if err := r.file.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// marshal returns the part as bytes: the version, the last leaf, the frontier, the number of
// readers, and of each its name, the id and the length of its file, and what it has kept.
// Numbers are varints, and everything of no fixed length follows its length.
func (k *kept) marshal() []byte {
	b := append([]byte{keptVersion}, k.leaf[:]...)
	b = k.folded.AppendTo(b)
	b = binary.AppendUvarint(b, uint64(len(k.readers)))
	for _, r := range k.readers {
		b = appendText(b, r.name)
		b = appendText(b, r.id)
		b = binary.AppendUvarint(b, r.length)
		b = appendText(b, r.data)
	}
	return b
}

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

var (
	errKeptVersion = errors.New("it was written by a build with another version")
	errKeptShort   = errors.New("its readers are not what was written")
)

// parseKept is the reverse of marshal.
func parseKept(b []byte) (*kept, error) {
	k := &kept{}
	if len(b) == 0 || b[0] != keptVersion {
		return nil, errKeptVersion
	}
	if b = b[1:]; len(b) < len(k.leaf) {
		return nil, errKeptShort
	}
	k.leaf = eventstore.Hash(b[:len(k.leaf)])
	var err error
	if k.folded, b, err = eventstore.CutFrontier(b[len(k.leaf):]); err != nil {
		return nil, err
	}
	c := cutter{rest: b}
	for n := c.number(); n > 0 && !c.short; n-- {
		k.readers = append(k.readers, keptReader{name: string(c.text()), id: string(c.text()), length: c.number(), data: c.text()})
	}
	if c.short || len(c.rest) > 0 {
		return nil, errKeptShort
	}
	return k, nil
}

// cutter cuts values from the beginning of bytes.
type cutter struct {
	rest  []byte
	short bool // something was missing
}

func (c *cutter) number() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.short, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cutter) text() []byte {
	n := c.number()
	if n > uint64(len(c.rest)) {
		c.short, c.rest = true, nil
		return nil
	}
	text := c.rest[:n:n]
	c.rest = c.rest[n:]
	return text
}
