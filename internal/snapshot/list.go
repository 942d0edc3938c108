package snapshot

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"

	"pets/eventstore"
)

// The checkpoints of a stream are listed in a file beside them, with the SHA-256 of each. The
// witness knows the SHA-256 of the list, so it believes the same files as if it knew each of
// them, and stays small. Each list has a number, which is one more than that of the list
// before. The witness knows the newest two: a crash may lose the newest before the witness is
// written.

// listKind is the kind of a list. Its number takes the place of a size.
const listKind = "checkpoints"

// listHeader begins a list, followed by the version of what its files hold, and by its stream. A
// list of another version, or one without a version, is read as if there were none: a build
// cannot use what its files hold, and must not take them for checkpoints that it has.
const listHeader = "pets checkpoints 2 "

// State is the kind of checkpoint that is thinned with age. Of every other kind the newest two
// stay: they are needed only by a start.
const State = "state"

// item is one file of a checkpoint.
type item struct {
	kind  string
	size  uint64 // records that it covers
	bytes int64  // of its file
	at    time.Time
	hash  eventstore.Hash // of its file
}

func compareItems(a, b item) int {
	return cmp.Or(strings.Compare(a.kind, b.kind), cmp.Compare(a.size, b.size))
}

// beginning is the first line of a list.
func beginning(version, stream string) []byte {
	return fmt.Appendf(nil, "%s%s %s\n", listHeader, version, hex.EncodeToString([]byte(stream)))
}

// marshalList writes the list of a stream.
func marshalList(version, stream string, items []item) []byte {
	b := beginning(version, stream)
	for _, c := range items {
		b = fmt.Appendf(b, "%s %d %d %s %s\n", c.kind, c.size, c.bytes, c.at.UTC().Format(time.RFC3339Nano), c.hash)
	}
	return b
}

var (
	errList    = errors.New("it is not a list of checkpoints of this stream")
	errVersion = errors.New("it lists checkpoints of another version")
)

// parseList is the reverse of marshalList. The list of another build is an errVersion.
func parseList(version, stream string, b []byte) ([]item, error) {
	rest, ok := bytes.CutPrefix(b, beginning(version, stream))
	if !ok {
		if first, _, _ := bytes.Cut(b, []byte("\n")); isOfAnother(string(first), stream) {
			return nil, errVersion
		}
		return nil, errList
	}
	var items []item
	for line := range strings.Lines(string(rest)) {
		var c item
		var at, hash string
		if _, err := fmt.Sscanf(line, "%s %d %d %s %s\n", &c.kind, &c.size, &c.bytes, &at, &hash); err != nil || !strings.HasSuffix(line, "\n") {
			return nil, errList
		}
		when, err1 := time.Parse(time.RFC3339Nano, at)
		sum, err2 := hex.DecodeString(hash)
		if err1 != nil || err2 != nil || len(sum) != len(c.hash) || c.size == 0 {
			return nil, errList
		}
		c.at, c.hash = when, eventstore.Hash(sum)
		items = append(items, c)
	}
	return items, nil
}

// isOfAnother reports whether a line begins a list of a stream, of whatever version.
func isOfAnother(line, stream string) bool {
	words := strings.Fields(line)
	return len(words) >= 4 && words[0] == "pets" && words[1] == "checkpoints" && words[len(words)-1] == hex.EncodeToString([]byte(stream))
}

// list returns the files of a stream's checkpoints that can be believed: those of the newest
// list that the witness knows and that can be read. If that list is of another version there are
// none. number is that of the newest list that the witness knows.
func (f *Folder) list(stream string) (items []item, number uint64) {
	most := uint64(math.MaxUint64)
	for {
		n, hash, ok := f.knows.Newest(listKind, stream, most)
		if !ok {
			break
		}
		number = max(number, n)
		b, err := f.file(name(listKind, stream, n), maxBytes)
		if err == nil && sha256.Sum256(b) != hash {
			err = errUnknown
		}
		if err == nil {
			items, err = parseList(f.version, stream, b)
		}
		if err == nil || errors.Is(err, errVersion) {
			return items, number
		}
		if !errors.Is(err, fs.ErrNotExist) { // one that was removed, with all files or after an upgrade
			f.skipped(name(listKind, stream, n), err)
		}
		most = n - 1
	}
	return nil, number
}

// with returns the items of a stream after one was added, and those that go.
func with(items []item, added []item, most int64) (stay, gone []item) {
	all := slices.Clone(items)
	for _, c := range added {
		all = slices.DeleteFunc(all, func(other item) bool { return other.kind == c.kind && other.size == c.size })
	}
	all = append(all, added...)
	slices.SortFunc(all, compareItems)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].kind == all[0].kind {
			n++
		}
		kept := all[max(0, n-keepsNewest):n]
		if all[0].kind == State {
			kept = thin(all[:n], most)
		}
		for _, c := range all[:n] {
			if !slices.Contains(kept, c) {
				gone = append(gone, c)
			}
		}
		stay = append(stay, kept...)
		all = all[n:]
	}
	return stay, gone
}
