package index

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"pets/eventstore"
)

// RootFunc returns the root of the log at a position: a hash that identifies the history
// up to there. No other history has it, such as one that went another way from an older
// copy on. It may be the root of a hash tree, or the hash of the last record, if that says
// whose it is. [Open] asks it where the runs end, and [Index.Flush] at
// the position of a table. It answers [ErrUnknownRoot] for a position that the log
// does not reach, or whose root is not known. It is never asked at position 0.
type RootFunc func(Position) (eventstore.Hash, error)

// loaded is the runs of a table that count.
type loaded struct {
	runs    []*run
	dropped []error // why others do not
}

func (l *loaded) end() (Position, eventstore.Hash) {
	if len(l.runs) == 0 {
		return 0, eventstore.Hash{}
	}
	last := l.runs[len(l.runs)-1]
	return last.to, last.rootTo
}

func (l *loaded) close() {
	for _, r := range l.runs {
		_ = r.file.Close() // opened for reading only
	}
}

// load opens the runs of a table that follow one another from 0 on and end at the
// root of the log. Where several begin at one position the longest counts, because
// it was merged from the others. A damaged one does not count, so the table ends
// before it, and the caller continues there. A run of another version, store or
// history is an error: that is for the caller to judge.
func load(d folder, store uuid.UUID, t Table, names []string, root RootFunc) (loaded, error) {
	var l loaded
	if err := l.tile(d, store, candidates(t, names)); err != nil {
		l.close()
		return loaded{}, err
	}
	if err := l.confirm(root); err != nil {
		l.close()
		return loaded{}, err
	}
	return l, nil
}

// candidates are the runs of a table by where they begin, the longest first.
func candidates(t Table, names []string) []runName {
	var out []runName
	for _, name := range names {
		if n, ok := parseName(name); ok && n.table == t {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b runName) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	return out
}

func (l *loaded) tile(d folder, store uuid.UUID, names []runName) error {
	for _, name := range names {
		end, root := l.end()
		if name.from != end {
			continue
		}
		r, err := openRun(d, name, store)
		switch {
		case errors.Is(err, ErrDamaged):
			l.dropped = append(l.dropped, err)
			continue
		case err != nil:
			return err
		case r.rootFrom != root:
			l.dropped = append(l.dropped, errors.Join(&UnusableError{
				File: name.String(), Kind: ErrLog, Reason: "it does not continue the run before it",
			}, r.file.Close()))
			continue
		}
		l.runs = append(l.runs, r)
	}
	return nil
}

// confirm compares the root at the end with the log. Each run has the root that it
// begins at, too, so the last one vouches for the others.
func (l *loaded) confirm(root RootFunc) error {
	for len(l.runs) > 0 {
		last := l.runs[len(l.runs)-1]
		h, err := root(last.to)
		switch {
		case errors.Is(err, ErrUnknownRoot):
			l.dropped = append(l.dropped, fmt.Errorf("index: %s does not count: %w", last.name, err))
			l.runs = l.runs[:len(l.runs)-1]
			_ = last.file.Close() // opened for reading only
		case err != nil:
			return fmt.Errorf("index: root of the log at %d: %w", last.to, err)
		case h != last.rootTo:
			return &UnusableError{File: last.name.String(), Kind: ErrLog, Reason: fmt.Sprintf("at %d the log has another root", last.to)}
		default:
			return nil
		}
	}
	return nil
}
