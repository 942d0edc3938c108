package witness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"pets/eventstore"
)

// Difference is a stream with fewer records than were witnessed, or with
// different ones.
type Difference struct {
	Stream string
	// Witnessed and Found are numbers of records. If Found is not less, the last
	// witnessed record differs from the one in the store.
	Witnessed, Found uint64
}

func (d Difference) String() string {
	if d.Found < d.Witnessed {
		return fmt.Sprintf("%s: %d records were there, %d are left", d.Stream, d.Witnessed, d.Found)
	}
	return fmt.Sprintf("%s: record %d is not the one that was there", d.Stream, d.Witnessed-1)
}

// RolledBackError reports that the log is behind its witness. Nothing was
// changed.
type RolledBackError struct {
	Dir         string
	Differences []Difference
}

// shown is how many streams an error names.
const shown = 5

func (e *RolledBackError) Error() string {
	var names []string
	for _, d := range e.Differences[:min(shown, len(e.Differences))] {
		names = append(names, d.String())
	}
	if more := len(e.Differences) - shown; more > 0 {
		names = append(names, fmt.Sprintf("and %d more streams", more))
	}
	return fmt.Sprintf("the store was rolled back: the witness in %s saw more than is there (%s). Most likely an older copy of the folder was put back, so that a tripped breaker, an emergency stop or a revoked key may be missing. Put back the newest copy. Only if there is none, continue without what is missing: pets serve --accept-rollback \"REASON\"",
		e.Dir, strings.Join(names, "; "))
}

// DamagedError reports that the file of the witness is unreliable, so it is
// unknown whether the log was rolled back. Nothing was changed.
type DamagedError struct {
	Dir   string
	Cause error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the witness in %s cannot be used (%v), so it is unknown whether the store is the newest one. Put the file back from a copy, or check the store and continue without it: pets serve --accept-rollback \"REASON\"", e.Dir, e.Cause)
}

func (e *DamagedError) Unwrap() error { return e.Cause }

// OtherStoreError reports that the witness belongs to another store.
type OtherStoreError struct {
	Dir           string
	Theirs, Store uuid.UUID
}

func (e *OtherStoreError) Error() string {
	return fmt.Sprintf("the witness in %s belongs to another store (%s; this one is %s). If this store has replaced the other one, acknowledged events may be missing: put the other one back. If both are right, name another folder with PETS_WITNESS. Only if the other store is gone, or this one was salvaged from it, continue: pets serve --accept-rollback \"REASON\"", e.Dir, e.Theirs, e.Store)
}

// errNone is what is accepted if there is no witness although the store has
// events.
var errNone = errors.New("there is none, although the store has events")

// There reports whether a folder holds a witness, of any store, even a damaged
// one.
func There(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, fileName))
	return err == nil
}

// InUseError reports that another process writes the witness.
type InUseError struct{ Dir string }

func (e *InUseError) Error() string {
	return fmt.Sprintf("the witness in %s is in use by another process, which serves a copy of this store; only one of the two may continue", e.Dir)
}

// differences compares the log with a book.
func differences(ctx context.Context, store eventstore.Store, k *book) ([]Difference, error) {
	var found []Difference
	for _, name := range k.names() {
		d := Difference{Stream: name, Witnessed: k.entries[name].frontier.Size()}
		same, err := d.compare(ctx, store, k.entries[name].leaf)
		if err != nil {
			return nil, err
		}
		if !same {
			found = append(found, d)
		}
	}
	return found, nil
}

// compare checks one stream: its head, and the record that was witnessed last. It
// does not check the records before that, which needs a reading of the whole
// history; the root is compared for that after the start.
func (d *Difference) compare(ctx context.Context, store eventstore.Store, leaf eventstore.Hash) (same bool, err error) {
	head, err := store.Head(ctx, d.Stream)
	var missing *eventstore.NotFound
	switch {
	case errors.As(err, &missing):
		return d.Witnessed == 0, nil
	case err != nil:
		return false, err
	}
	if d.Found = head + 1; d.Found < d.Witnessed || d.Witnessed == 0 {
		return d.Witnessed == 0, nil
	}
	for rec, err := range store.ReadStream(ctx, d.Stream, d.Witnessed-1) {
		if err != nil {
			return false, err
		}
		return eventstore.LeafHash(&rec) == leaf, nil
	}
	return false, fmt.Errorf("stream %s: record %d cannot be read", d.Stream, d.Witnessed-1)
}
