// Package snapshot keeps disposable caches of folded state as files beside the
// log.
//
// It owns their files and their checksums. It refuses to be trusted: a snapshot
// that is missing, cut short, altered, or of a record that is no longer where it
// was is ignored, and the stream is folded instead. Deleting the folder costs
// time and nothing else.
package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pets/eventstore"
	"pets/internal/owner"
)

// keep is how many snapshots of one kind and stream stay.
const keep = 2

// maxBytes bounds a snapshot; a larger one is neither written nor read.
const maxBytes = 1 << 30

// tempSuffix marks a file that is being written.
const tempSuffix = ".tmp"

// Folder is a folder of snapshots of one store. One goroutine may save while
// others load.
type Folder struct {
	dir   string
	store eventstore.Store
	limit int // maxBytes, but in tests
}

// In returns the folder of snapshots at dir, for the given store. The folder is
// created by the first Save.
func In(dir string, store eventstore.Store) *Folder { return &Folder{dir, store, maxBytes} }

// name is kind@stream@revision with the stream in hex: streams are not file names.
func (f *Folder) name(kind, stream string, revision uint64) string {
	return f.prefix(kind, stream) + strconv.FormatUint(revision, 10)
}

func (f *Folder) prefix(kind, stream string) string {
	return kind + "@" + hex.EncodeToString([]byte(stream)) + "@"
}

// Load returns the newest usable snapshot with a revision ≤ atMost, or nil.
func (f *Folder) Load(kind, stream string, atMost uint64) (revision uint64, data []byte) {
	for _, rev := range slices.Backward(f.revisions(kind, stream)) {
		if rev > atMost {
			continue
		}
		if data, ok := f.read(kind, stream, rev); ok {
			return rev, data
		}
	}
	return 0, nil
}

// read checks the file against its own checksum and against the record it says
// it was taken at.
func (f *Folder) read(kind, stream string, revision uint64) ([]byte, bool) {
	path := filepath.Join(f.dir, f.name(kind, stream, revision))
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > int64(f.limit) {
		return nil, false
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	header, data, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, false
	}
	want, err := f.header(stream, revision, data)
	if err != nil || want != string(header) {
		return nil, false
	}
	return data, true
}

// header ties a snapshot to its bytes and to the record it ends with.
func (f *Folder) header(stream string, revision uint64, data []byte) (string, error) {
	id, err := f.recordAt(stream, revision)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return "pets snapshot 1 " + id + " " + hex.EncodeToString(sum[:]), nil
}

func (f *Folder) recordAt(stream string, revision uint64) (string, error) {
	for rec, err := range f.store.ReadStream(context.Background(), stream, revision) {
		if err != nil {
			return "", err
		}
		return rec.ID.String(), nil
	}
	return "", fmt.Errorf("snapshot: stream %s has no revision %d", stream, revision)
}

func (f *Folder) revisions(kind, stream string) []uint64 {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil
	}
	prefix := f.prefix(kind, stream)
	var revs []uint64
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(rest, 10, 64); err == nil && f.name(kind, stream, n) == e.Name() {
			revs = append(revs, n)
		}
	}
	slices.Sort(revs)
	return revs
}

// Save stores a snapshot and removes all but the newest. A failure leaves the
// older ones as they are: a cache that cannot be written is done without. No
// flush is needed: what a power cut leaves half written has another checksum.
func (f *Folder) Save(kind, stream string, revision uint64, data []byte) {
	header, err := f.header(stream, revision, data)
	if err != nil || len(header)+1+len(data) > f.limit || owner.MkdirAll(f.dir) != nil {
		return
	}
	path := filepath.Join(f.dir, f.name(kind, stream, revision))
	if write(path+tempSuffix, header, data) != nil || os.Rename(path+tempSuffix, path) != nil {
		_ = os.Remove(path + tempSuffix)
		return
	}
	f.prune(kind, stream)
}

// write does without a copy of the data, which may be large.
func write(path, header string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err1 := file.WriteString(header + "\n")
	_, err2 := file.Write(data)
	return errors.Join(err1, err2, owner.Keep(file), file.Close())
}

// prune removes all but the newest, and what a crash left half written.
func (f *Folder) prune(kind, stream string) {
	revs := f.revisions(kind, stream)
	for _, old := range revs[:max(0, len(revs)-keep)] {
		_ = os.Remove(filepath.Join(f.dir, f.name(kind, stream, old)))
	}
	entries, _ := os.ReadDir(f.dir) // what cannot be listed stays
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), f.prefix(kind, stream)) && strings.HasSuffix(e.Name(), tempSuffix) {
			_ = os.Remove(filepath.Join(f.dir, e.Name()))
		}
	}
}
