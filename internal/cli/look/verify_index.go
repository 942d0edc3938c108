package look

import (
	"context"
	"fmt"

	"pets/domain"
	"pets/internal/cli"
	"pets/internal/open"
)

// verifiedIndex is the result of comparing the index of the history with the log.
type verifiedIndex struct {
	Dir     string `json:"dir"`
	Entries uint64 `json:"entries"`
	Bytes   uint64 `json:"bytes"`
	// Amplification is how many bytes were written for each byte of an entry.
	Amplification float64 `json:"amplification"`
	// Problem is why the index cannot be used, or "".
	Problem string `json:"problem,omitempty"`
	lacks   bool   // something may have been taken for new
}

// verifyIndex compares the index with the log, entry by entry; nil if there is none. Like the
// witness, it is not looked for beside a store that --store names.
func (a *app) verifyIndex(ctx context.Context, store open.Store) (*verifiedIndex, error) {
	if a.StoreFlag != "" {
		return nil, nil //nolint:nilnil // it is not compared
	}
	bar := a.Progress("comparing the index", 0)
	found, err := a.VerifyHistory(ctx, store)
	bar.Finish()
	if err != nil || !found.There {
		return nil, err
	}
	v := &verifiedIndex{Dir: found.Dir, Entries: found.Entries, Bytes: found.Bytes, Amplification: found.Amplification}
	if found.Problem != nil {
		v.Problem, v.lacks = found.Problem.Error(), found.Lacks
	}
	return v, nil
}

func (v *verifiedIndex) print(p *cli.Printer) {
	switch {
	case v == nil:
	case v.Problem != "":
		p.Line("index      %s CANNOT BE USED: %s", v.Dir, v.Problem)
	case v.Entries == 0:
		p.Line("index      has nothing on disk yet: a few records are looked up in memory")
	default:
		p.Line("index      %s: it agrees with the log", v.size())
	}
}

// failure says what to do. What is wrong with the index is wrong with no event.
func (v *verifiedIndex) failure() error {
	next := ""
	if v.lacks {
		next = "; as it lacked something, a fact may have been booked twice: that stands among the problems of its portfolio above"
	}
	return domain.Errorf(domain.CodeInternal, "the index of the history cannot be used. No event is lost, and nothing is decided by it: a server that meets this makes the index again from the log. Otherwise stop the server, move %s away, and start it%s", v.Dir, next)
}

func (v *verifiedIndex) size() string {
	return fmt.Sprintf("%d entries, %d bytes, each byte of an entry written %.1f times", v.Entries, v.Bytes, v.Amplification)
}
