// Package snapshot keeps disposable caches of folded state as files beside the
// log.
//
// It owns their files. It refuses to trust them: a snapshot is used only if the
// SHA-256 of its whole file is in the witness, which is in another folder, and if
// the record that it was taken at still exists. A file carries the root of the
// stream's hash tree that it belongs to. A snapshot that is missing, truncated,
// altered, of another stream, or unknown to the witness is not used, and the
// stream is folded instead. Deleting the folder costs only time.
package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"pets/eventstore"
	"pets/internal/owner"
)

// maxBytes limits a snapshot; a larger one is neither written nor read.
const maxBytes = 1 << 30

// tempSuffix marks a file that is being written.
const tempSuffix = ".tmp"

// Knower says which snapshots can be trusted. The witness implements it.
type Knower interface {
	// Newest returns the newest snapshot of a kind that was taken of a stream
	// with at most so many records: its size and the SHA-256 of its file.
	Newest(kind, stream string, atMost uint64) (size uint64, hash eventstore.Hash, ok bool)
}

// Witness is a Knower that registers new snapshots.
type Witness interface {
	Knower
	// Want requests the head of a stream at a size.
	Want(stream string, size uint64) func(context.Context) (eventstore.TreeHead, error)
	// Keep registers the hash of a file. It returns the sizes of snapshots of
	// that kind that are no longer known.
	Keep(kind, stream string, size uint64, hash eventstore.Hash) (dropped []uint64)
}

// Folder is a folder of snapshots of one store, for readers.
type Folder struct {
	dir   string
	store eventstore.Store
	knows Knower
	limit int // maxBytes, except in tests
}

// In returns the folder of snapshots at dir, for the given store.
func In(dir string, store eventstore.Store, knows Knower) *Folder {
	return &Folder{dir, store, knows, maxBytes}
}

// name is kind@stream@revision with the stream in hex: streams are not file names.
func name(kind, stream string, size uint64) string {
	return kind + "@" + hex.EncodeToString([]byte(stream)) + "@" + strconv.FormatUint(size-1, 10)
}

// Load returns the newest usable snapshot with a revision ≤ atMost, or nil.
func (f *Folder) Load(kind, stream string, atMost uint64) (revision uint64, data []byte) {
	most := max(atMost, atMost+1) // a size is one more than a revision
	for {
		size, hash, ok := f.knows.Newest(kind, stream, most)
		if !ok {
			return 0, nil
		}
		if data, ok := f.read(kind, stream, size, hash); ok {
			return size - 1, data
		}
		most = size - 1
	}
}

// read checks the file against the witness, and the log against the file.
func (f *Folder) read(kind, stream string, size uint64, hash eventstore.Hash) ([]byte, bool) {
	b, err := f.file(name(kind, stream, size))
	if err != nil || sha256.Sum256(b) != hash {
		return nil, false
	}
	head, data, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, false
	}
	leaf, err := f.leafAt(stream, size)
	if err != nil || !bytes.HasSuffix(head, []byte(" "+leaf.String())) {
		return nil, false
	}
	return data, true
}

// file reads a file of the folder.
func (f *Folder) file(name string) ([]byte, error) {
	root, err := owner.OpenRoot(f.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > int64(f.limit) {
		return nil, fmt.Errorf("snapshot: %s has more than %d bytes", name, f.limit)
	}
	return owner.ReadFile(root, name)
}

// header ties a snapshot to its stream and to what stood in it.
func header(kind, stream string, h eventstore.TreeHead) string {
	return fmt.Sprintf("pets snapshot 2 %s %s %d %s %s\n", kind, hex.EncodeToString([]byte(stream)), h.Size, h.Root, h.Leaf)
}

// leafAt returns the leaf of the last of so many records, read from the log.
func (f *Folder) leafAt(stream string, size uint64) (eventstore.Hash, error) {
	for rec, err := range f.store.ReadStream(context.Background(), stream, size-1) {
		if err != nil {
			return eventstore.Hash{}, err
		}
		return eventstore.LeafHash(&rec), nil
	}
	return eventstore.Hash{}, fmt.Errorf("snapshot: stream %s has no record %d", stream, size-1)
}

// write avoids copying the data, which may be large, and returns the hash of the
// file. It needs no flush: a file left incomplete by a power cut has another
// hash.
func write(root *os.Root, name, head string, data []byte) (eventstore.Hash, error) {
	file, err := owner.Create(root, name+tempSuffix)
	if err != nil {
		return eventstore.Hash{}, err
	}
	_, err1 := file.WriteString(head)
	_, err2 := file.Write(data)
	err = errors.Join(err1, err2, file.Close())
	if err == nil {
		err = root.Rename(name+tempSuffix, name)
	}
	if err != nil {
		_ = root.Remove(name + tempSuffix)
		return eventstore.Hash{}, err
	}
	h := sha256.New()
	h.Write([]byte(head))
	h.Write(data)
	return eventstore.Hash(h.Sum(nil)), nil
}

// sweep removes the snapshots that the witness does not know: left incomplete by
// a crash, or written by a build without a witness. Other files stay.
func (f *Folder) sweep() {
	root, err := owner.OpenRoot(f.dir)
	if err != nil {
		return // there is no folder yet, or it stays as it is
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		kind, stream, size, ok := parseName(strings.TrimSuffix(e.Name(), tempSuffix))
		if !ok || e.IsDir() {
			continue
		}
		known, _, ok := f.knows.Newest(kind, stream, size)
		if !ok || known != size || strings.HasSuffix(e.Name(), tempSuffix) {
			_ = root.Remove(e.Name())
		}
	}
}

// parseName is the reverse of name.
func parseName(name string) (kind, stream string, size uint64, ok bool) {
	parts := strings.Split(name, "@")
	if len(parts) != 3 {
		return "", "", 0, false
	}
	raw, err1 := hex.DecodeString(parts[1])
	revision, err2 := strconv.ParseUint(parts[2], 10, 63)
	if err1 != nil || err2 != nil || parts[2] != strconv.FormatUint(revision, 10) {
		return "", "", 0, false
	}
	return parts[0], string(raw), revision + 1, true
}
