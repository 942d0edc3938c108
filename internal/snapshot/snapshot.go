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
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pets/eventstore"
)

// keep is how many snapshots of one kind and stream stay.
const keep = 2

// maxBytes bounds a snapshot file that is read.
const maxBytes = 1 << 30

// Folder is a folder of snapshots of one store.
type Folder struct {
	dir   string
	store eventstore.Store
}

// In returns the folder of snapshots at dir, for the given store. The folder is
// created by the first Save.
func In(dir string, store eventstore.Store) *Folder { return &Folder{dir, store} }

// name is kind@stream@revision with the stream in hex: streams are not file names.
func (f *Folder) name(kind, stream string, revision uint64) string {
	return fmt.Sprintf("%s@%s@%d", kind, hex.EncodeToString([]byte(stream)), revision)
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
	if err != nil || info.Size() > maxBytes {
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
	prefix := strings.TrimSuffix(f.name(kind, stream, 0), "0")
	var revs []uint64
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(rest, 10, 64); err == nil {
			revs = append(revs, n)
		}
	}
	slices.Sort(revs)
	return revs
}

// Save stores a snapshot and removes all but the newest. A failure leaves the
// older ones as they are: a cache that cannot be written is done without.
func (f *Folder) Save(kind, stream string, revision uint64, data []byte) {
	header, err := f.header(stream, revision, data)
	if err != nil || os.MkdirAll(f.dir, 0o700) != nil {
		return
	}
	path := filepath.Join(f.dir, f.name(kind, stream, revision))
	temp := path + ".tmp"
	if os.WriteFile(temp, append([]byte(header+"\n"), data...), 0o600) != nil || os.Rename(temp, path) != nil {
		_ = os.Remove(temp)
		return
	}
	revs := f.revisions(kind, stream)
	for _, old := range revs[:max(0, len(revs)-keep)] {
		_ = os.Remove(filepath.Join(f.dir, f.name(kind, stream, old)))
	}
}
