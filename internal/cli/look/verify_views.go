package look

import (
	"pets/internal/cli"
	"pets/internal/open"
)

// verifiedViews is what was found of the files of trades, statistics and equity curves.
type verifiedViews struct {
	Dir   string `json:"dir"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
	// Problems are the files that no start uses, and why. They are made again.
	Problems []string `json:"problems"`
}

// verifyViews looks at the files; nil if there are none. Like the witness, they are not looked
// for beside a store that --store names.
func (a *app) verifyViews(store open.Store) *verifiedViews {
	if a.StoreFlag != "" {
		return nil
	}
	found := a.LookAtViews(store)
	if !found.There {
		return nil
	}
	return &verifiedViews{Dir: found.Dir, Files: found.Files, Bytes: found.Bytes, Problems: append([]string{}, found.Problems...)}
}

func (v *verifiedViews) print(p *cli.Printer) {
	if v == nil {
		return
	}
	if len(v.Problems) == 0 {
		p.Line("views      %d files, %d bytes: of this store, checked when read", v.Files, v.Bytes)
		return
	}
	p.Line("views      %d files, %d bytes; some cannot be used and are made again", v.Files, v.Bytes)
	list(p, "           ", texts(v.Problems))
}
