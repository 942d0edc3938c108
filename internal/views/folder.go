package views

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"

	"pets/internal/owner"
)

// idBytes is how many random bytes tell the files of one stream and reader apart: a
// checkpoint means one of them, and not another that was begun later.
const idBytes = 8

// Folder is a folder of files of pieces, of one store. It is created by the first write.
type Folder struct {
	dir   string
	store string // the id of the store
	log   *slog.Logger

	mu      sync.Mutex
	reserve uint64
	free    func(dir *os.File) (uint64, error) // nil if there is no limit
	root    *os.Root                           // nil until the folder is needed
	closed  bool
	listed  bool
	found   map[string][]string // files that were there at the start, by their stream
	failing bool                // it was logged that nothing can be written
}

// In returns the folder at dir for a store. log gets why nothing can be written; it may be nil.
func In(dir, store string, log *slog.Logger) *Folder {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Folder{dir: dir, store: store, log: log}
}

// Leave makes the folder leave twice the reserve free on its disk, as checkpoints do. free
// returns the free bytes on the disk of a folder; if they are unknown, files are written.
func (f *Folder) Leave(reserve uint64, free func(dir *os.File) (uint64, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserve, f.free = reserve, free
}

// Close lets the folder go. Nothing is written or read afterwards.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.root == nil {
		return nil
	}
	root := f.root
	f.root = nil
	return root.Close()
}

// New returns a new file for the pieces of a reader of a stream. It is made by the first write.
func (f *Folder) New(stream, reader string) *File {
	var id [idBytes]byte
	_, _ = rand.Read(id[:]) // it never fails
	return f.file(stream, reader, hex.EncodeToString(id[:]))
}

func (f *Folder) file(stream, reader, id string) *File {
	name := hex.EncodeToString([]byte(stream)) + "@" + hex.EncodeToString([]byte(reader)) + "@" + id
	return &File{folder: f, name: name, id: id, header: headerOf(f.store, name)}
}

// headerOf returns the first line of a file.
func headerOf(store, name string) []byte {
	return fmt.Appendf(nil, "pets views 1 %s %s\n", store, name)
}

// Open returns the file with an id as it was when it had so many bytes of pieces. What was
// written later is removed: nothing refers to it. The file must belong to this store, stream
// and reader, and nobody else may be able to write to it.
func (f *Folder) Open(stream, reader, id string, length uint64) (*File, error) {
	if b, err := hex.DecodeString(id); err != nil || len(b) != idBytes {
		return nil, errors.New("the id of a file of pieces is damaged")
	}
	file := f.file(stream, reader, id)
	if length == 0 {
		return f.New(stream, reader), nil // nothing was written
	}
	if err := f.cut(file, length); err != nil {
		return nil, fmt.Errorf("the file of pieces %s: %w", file.name, err)
	}
	file.written = length
	return file, nil
}

var (
	errHeader = errors.New("it belongs to another store, stream or reader, or has another format")
	errShort  = errors.New("it is shorter than what was written")
)

// cut checks an existing file, and cuts it back to a length.
func (f *Folder) cut(file *File, length uint64) (err error) {
	root, err := f.enter(false)
	if err != nil {
		return err
	}
	of, err := owner.Open(root, file.name, os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, of.Close()) }()
	if err := owner.TrustOf(f.dir).File(of); err != nil {
		return err
	}
	info, err := of.Stat()
	if err != nil {
		return err
	}
	end := file.end(length)
	if info.Size() < end {
		return errShort
	}
	header := make([]byte, len(file.header))
	if _, err := of.ReadAt(header, 0); err != nil {
		return err
	}
	if string(header) != string(file.header) {
		return errHeader
	}
	if info.Size() > end {
		return of.Truncate(end)
	}
	return nil
}

// Tidy removes the files of a stream that were there at the start, except those that are kept.
func (f *Folder) Tidy(stream string, kept ...*File) {
	root, err := f.enter(false)
	if err != nil {
		return // there is no folder, or it stays as it is
	}
	for _, name := range f.foundOf(root, stream) {
		used := false
		for _, k := range kept {
			used = used || k.name == name
		}
		if !used {
			_ = root.Remove(name) // it takes space, and nothing else
		}
	}
}

// foundOf returns, once for each stream, its files that were there at the start. The folder is
// read once, because there may be thousands of portfolios.
func (f *Folder) foundOf(root *os.Root, stream string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.listed {
		f.listed, f.found = true, map[string][]string{}
		entries, _ := fs.ReadDir(root.FS(), ".")
		for _, e := range entries {
			if of, _, is := strings.Cut(e.Name(), "@"); is && ours(e.Name()) && e.Type().IsRegular() {
				f.found[of] = append(f.found[of], e.Name())
			}
		}
	}
	key := hex.EncodeToString([]byte(stream))
	names := f.found[key]
	delete(f.found, key)
	return names
}

// ours reports whether a name is one that this package gives to files. Others are left alone.
func ours(name string) bool {
	parts := strings.Split(name, "@")
	if len(parts) != 3 {
		return false
	}
	for _, p := range parts {
		if _, err := hex.DecodeString(p); err != nil {
			return false
		}
	}
	return len(parts[2]) == 2*idBytes
}

var errClosed = errors.New("the folder of pieces is closed")

// enter returns the handle of the folder; a missing one is made only for a writer.
func (f *Folder) enter(writing bool) (*os.Root, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root != nil {
		return f.root, nil
	}
	if f.closed {
		return nil, errClosed
	}
	if writing {
		if err := owner.MkdirAll(f.dir); err != nil {
			return nil, err
		}
	}
	root, err := owner.OpenRoot(f.dir)
	if err == nil {
		f.root = root
	}
	return root, err
}

// errNoRoom reports that a write would come near to the space that is kept for stops and facts.
var errNoRoom = errors.New("the disk has too little free space for caches")

// hasRoom reports whether so many bytes may be written: afterwards twice the reserve is free.
func (f *Folder) hasRoom(root *os.Root, size uint64) error {
	f.mu.Lock()
	reserve, free := f.reserve, f.free
	f.mu.Unlock()
	if free == nil {
		return nil
	}
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // it was only looked at
	n, err := free(dir)
	if err != nil {
		return nil //nolint:nilerr // an unknown disk is written to, as checkpoints are
	}
	for _, needed := range []uint64{reserve, reserve, size} {
		if n < needed {
			return errNoRoom
		}
		n -= needed
	}
	return nil
}

// tell logs when writing fails for the first time, and when it works again.
func (f *Folder) tell(err error) {
	f.mu.Lock()
	changed := f.failing == (err == nil)
	f.failing = err != nil
	f.mu.Unlock()
	switch {
	case !changed:
	case err == nil:
		f.log.Info("the pieces of read models are written to files again")
	default:
		f.log.Warn("the pieces of read models cannot be written to a file; they stay in memory, and the next start folds more of the history. Nothing else changes", "folder", f.dir, "error", err.Error())
	}
}
