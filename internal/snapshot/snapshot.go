// Package snapshot keeps checkpoints: disposable copies of folded state, as files
// beside the log.
//
// It owns their files, the list of them for each stream, and which of them stay
// (thin.go). It refuses to trust them: a checkpoint is used only if the SHA-256 of
// its whole file is in a list of which the witness, in another folder, has the
// SHA-256, and if the record that it was taken at still exists. A file carries the
// root of the stream's hash tree that it belongs to, which has to be the witness' root
// where the witness remembers one. A checkpoint that is missing, truncated, altered, of
// another stream or version, or not listed is not used: the one before
// it is, or the stream is folded from its beginning. Deleting the folder costs only
// time.
package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"pets/eventstore"
	"pets/internal/owner"
)

// maxBytes limits a file; a larger one is neither written nor read.
const maxBytes = 1 << 30

// tempSuffix marks a file that is being written.
const tempSuffix = ".tmp"

// Knower says which files can be trusted. The witness implements it.
type Knower interface {
	// Newest returns the newest file of a kind and stream with at most this size:
	// its size and its SHA-256. The size of a list is its number.
	Newest(kind, stream string, atMost uint64) (size uint64, hash eventstore.Hash, ok bool)
	// Root returns the root of a stream's hash tree at a size, if it remembers that one.
	Root(stream string, size uint64) (root eventstore.Hash, ok bool)
}

// Witness is a Knower that registers new files.
type Witness interface {
	Knower
	// Want requests the head of a stream at a size.
	Want(stream string, size uint64) func(context.Context) (eventstore.TreeHead, error)
	// Keep registers the hash of a file. It returns the sizes of files of that
	// kind that are no longer known.
	Keep(kind, stream string, size uint64, hash eventstore.Hash) (dropped []uint64)
}

// Folder is a folder of checkpoints of one store, for readers.
type Folder struct {
	dir      string
	store    eventstore.Store
	version  string
	knows    Knower
	limit    int          // maxBytes, except in tests
	log      *slog.Logger // of files that cannot be used; nil discards it
	unusable unusables
}

// In returns the folder of checkpoints at dir, for the given store. Only those of the given
// version, a word, are listed and used.
func In(dir string, store eventstore.Store, version string, knows Knower) *Folder {
	return &Folder{dir: dir, store: store, version: version, knows: knows, limit: maxBytes}
}

// skipped reports a file that should be usable and is not.
func (f *Folder) skipped(name string, err error) {
	if f.log != nil {
		f.log.Warn("a file of a checkpoint cannot be used and is skipped; an older one is used, or the history from its beginning", "file", name, "error", err.Error())
	}
}

// name is kind@stream@revision with the stream in hex: streams are not file names.
func name(kind, stream string, size uint64) string {
	return kind + "@" + hex.EncodeToString([]byte(stream)) + "@" + strconv.FormatUint(size-1, 10)
}

// Load returns the newest usable checkpoint of a kind with a revision ≤ atMost, or nil.
func (f *Folder) Load(kind, stream string, atMost uint64) (revision uint64, data []byte) {
	most := max(atMost, atMost+1) // a size is one more than a revision
	return f.newest(kind, stream, func(c item) bool { return c.size <= most })
}

// LoadAsOf returns the newest usable checkpoint of a kind of which no record is later than a
// time, or nil.
func (f *Folder) LoadAsOf(kind, stream string, t time.Time) (revision uint64, data []byte) {
	return f.newest(kind, stream, func(c item) bool { return !c.at.After(t) })
}

// Newest returns how many records the newest checkpoint of a state covers, and the bytes of
// its files, which are those of [Checkpoint.Bytes]; zeros if there is none. No file of it is read.
func (f *Folder) Newest(stream string) (size uint64, bytes int64) {
	items, _ := f.list(stream)
	items = f.usable(stream, items)
	for _, c := range items {
		if c.kind == State {
			size = max(size, c.size)
		}
	}
	for _, c := range items {
		if c.size == size {
			bytes += c.bytes
		}
	}
	return size, bytes
}

// newest reads the newest file of a kind that fits and can be used.
func (f *Folder) newest(kind, stream string, fits func(item) bool) (revision uint64, data []byte) {
	items, _ := f.list(stream)
	for i := len(items) - 1; i >= 0; i-- {
		c := items[i]
		file := name(kind, stream, c.size)
		if c.kind != kind || !fits(c) {
			continue
		}
		data, err := f.read(kind, stream, c)
		if err == nil {
			f.unusable.drop(file)
			return c.size - 1, data
		}
		if !forGood(err) || f.unusable.add(file) { // a damaged one is said once
			f.skipped(file, err)
		}
	}
	return 0, nil
}

var (
	errLonger  = errors.New("it is longer than what was written")
	errUnknown = errors.New("its SHA-256 is not the one that the witness vouches for")
	errFormat  = errors.New("it has no header")
	errHistory = errors.New("the history has another record at its revision")
	errRoot    = errors.New("it belongs to another history than the one that the witness has seen")
)

// read checks the file against its hash, and the log against the file.
func (f *Folder) read(kind, stream string, c item) ([]byte, error) {
	size := c.size
	b, err := f.file(name(kind, stream, size), int(min(int64(f.limit), c.bytes))) // a longer one is not read
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(b) != c.hash {
		return nil, errUnknown
	}
	head, data, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, errFormat
	}
	rec, err := f.recordAt(stream, size)
	if err != nil {
		return nil, err
	}
	root, leaf, ok := hashesIn(head)
	switch {
	case !ok:
		return nil, errFormat
	case leaf != eventstore.LeafHash(&rec).String():
		return nil, errHistory
	}
	if seen, ok := f.knows.Root(stream, size); ok && root != seen.String() {
		return nil, errRoot
	}
	return data, nil
}

// hashesIn returns the last two words of a header: the root of the hash tree, and its last leaf.
func hashesIn(header []byte) (root, leaf string, ok bool) {
	words := strings.Fields(string(header))
	if len(words) < 2 {
		return "", "", false
	}
	return words[len(words)-2], words[len(words)-1], true
}

// file reads a file of the folder, if it has at most so many bytes.
func (f *Folder) file(name string, limit int) ([]byte, error) {
	root, err := owner.OpenRoot(f.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > int64(limit) {
		return nil, errLonger
	}
	return owner.ReadFile(root, name)
}

// header ties a checkpoint to its stream and to what stood in it.
func header(kind, stream string, h eventstore.TreeHead) string {
	return fmt.Sprintf("pets snapshot 2 %s %s %d %s %s\n", kind, hex.EncodeToString([]byte(stream)), h.Size, h.Root, h.Leaf)
}

// recordAt returns the last of so many records, read from the log.
func (f *Folder) recordAt(stream string, size uint64) (eventstore.Record, error) {
	for rec, err := range f.store.ReadStream(context.Background(), stream, size-1) {
		return rec, err
	}
	return eventstore.Record{}, fmt.Errorf("stream %s has no record %d", stream, size-1)
}

// write avoids copying the data, which may be large, and returns the hash of the
// file. It needs no flush: a file left incomplete by a power cut has another
// hash.
func write(root *os.Root, name, head string, data []byte) (eventstore.Hash, error) {
	makeWay(root, name)
	makeWay(root, name+tempSuffix)
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

// makeWay removes an empty folder that has the name of a file, which a rename would not replace.
// One with something in it is not ours to remove: writing the file fails, and says so.
func makeWay(root *os.Root, name string) {
	if info, err := root.Lstat(name); err == nil && info.IsDir() {
		_ = root.Remove(name)
	}
}

// sweep removes the files that are not listed: left incomplete by a crash, or not known to
// the witness. Other files stay. It reads the folder once, and the list of each stream once.
// It ends early with the context.
func (f *Folder) sweep(ctx context.Context) {
	root, err := owner.OpenRoot(f.dir)
	if err != nil {
		return // there is no folder yet, or it stays as it is
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	listed := map[string]map[string]bool{} // of each stream
	for _, e := range entries {
		kind, stream, size, ok := parseName(strings.TrimSuffix(e.Name(), tempSuffix))
		if !ok || e.IsDir() || ctx.Err() != nil {
			continue
		}
		if listed[stream] == nil {
			listed[stream] = f.names(stream)
		}
		if !listed[stream][name(kind, stream, size)] || strings.HasSuffix(e.Name(), tempSuffix) {
			_ = root.Remove(e.Name())
		}
	}
}

// names returns the files that a stream has: those of its list, and its lists. A list of another
// version is none of them: it would name files that are gone.
func (f *Folder) names(stream string) map[string]bool {
	all := map[string]bool{}
	items, _ := f.list(stream)
	for _, c := range items {
		all[name(c.kind, stream, c.size)] = true
	}
	most := uint64(math.MaxUint64)
	for {
		n, _, ok := f.knows.Newest(listKind, stream, most)
		if !ok {
			return all
		}
		b, err := f.file(name(listKind, stream, n), maxBytes)
		if err == nil {
			_, err = parseList(f.version, stream, b)
		}
		all[name(listKind, stream, n)] = !errors.Is(err, errVersion)
		most = n - 1
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
