package index_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"

	"pets/eventstore"
	"pets/internal/index"
)

// A follower keeps an index up to date: it opens it, adds what the log has from
// there on, and flushes it now and then.
func Example() {
	dir, _ := os.MkdirTemp("", "index-example-")
	defer os.RemoveAll(dir)
	store := uuid.MustParse("11111111-2222-4333-8444-555555555555")
	root := func(index.Position) (eventstore.Hash, error) { return eventstore.Hash{}, nil }

	x, err := index.Open(dir, store, root)
	if errors.Is(err, index.ErrRebuild) { // it begins anew, at position 0
		if err = index.Clear(dir); err == nil {
			x, err = index.Open(dir, store, root)
		}
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer x.Close()

	seen := index.IDKey("fill", "main", "fill-1")
	revisionAndHash := make([]byte, index.IDs.ValueLen())
	closed := index.PrefixOf("main", "bot-1")
	_ = x.Add(7, // the position of the record in the log
		index.Entry{Table: index.IDs, Key: seen, Value: revisionAndHash},
		index.Entry{Table: index.Closed, Key: closed.At(12)})
	_ = x.Flush(context.Background())

	_, asOf, found, err := x.Get(index.IDs, seen)
	fmt.Println(found, "before position", asOf, err)
	trades, _, err := x.Range(index.Closed, closed, 0, 100, true, 10)
	fmt.Println(len(trades), "at revision", trades[0].Key.N(), err)
	// Output:
	// true before position 8 <nil>
	// 1 at revision 12 <nil>
}
