package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"pets/eventstore"
)

// Names of the files that [Salvage] leaves in its target beside the new store.
const (
	unplacedName = "unplaced.jsonl"
	salvageName  = "salvage.json"
	// unfinishedName marks a target as unfinished, from before it holds a store
	// until the end of the salvage. Such a store looks intact but is incomplete,
	// so it cannot be opened.
	unfinishedName = "salvage.unfinished"
)

// SalvageOptions are the options of [Salvage]. The zero value is the default.
type SalvageOptions struct {
	Options
	// Progress, if not nil, is called with the number of source bytes read.
	Progress func(done, total int64)
}

// SalvageReport describes what [Salvage] found, and exactly what it could not
// copy.
type SalvageReport struct {
	Source string `json:"source"`
	Target string `json:"target"`
	// Frames, Records and Streams count the content of the new store.
	Frames  uint64 `json:"frames"`
	Records uint64 `json:"records"`
	Streams uint64 `json:"streams"`
	// Unplaced counts the intact records behind a hole of their stream, or found
	// twice. They are in the file unplaced.jsonl of the target.
	Unplaced uint64 `json:"unplaced"`
	// TornBytes at the end of the log belong to appends that were never
	// acknowledged.
	TornBytes uint64 `json:"torn_bytes"`
	// Places are the damaged places, in the order of the log.
	Places []Place `json:"places"`
	// Holes are revisions that are in no intact frame although later ones of the
	// same stream are. Records missing at the end of a stream cannot be detected.
	Holes []Hole `json:"holes"`
}

// Whole reports whether the source was intact and all of it was copied.
func (r *SalvageReport) Whole() bool {
	return len(r.Places) == 0 && len(r.Holes) == 0 && r.Unplaced == 0
}

// Place is a part of a file that is missing or damaged.
type Place struct {
	File   string `json:"file"` // path
	Offset uint64 `json:"offset"`
	Bytes  uint64 `json:"bytes"` // 0 if it is not about bytes
	// Stream, Revision and Records identify the lost frame, if its header could
	// be read. The revision is that of its first record.
	Stream   string `json:"stream,omitempty"`
	Revision uint64 `json:"revision,omitempty"`
	Records  uint64 `json:"records,omitempty"`
	Reason   string `json:"reason"`
}

func (p Place) String() string {
	where := fmt.Sprintf("%s at byte %d", p.File, p.Offset)
	if p.Bytes > 0 {
		where += fmt.Sprintf(", %d bytes", p.Bytes)
	}
	if p.Stream != "" {
		where += fmt.Sprintf(" (stream %s, revisions %d to %d)", p.Stream, p.Revision, p.Revision+p.Records-1)
	}
	return where + ": " + p.Reason
}

// Hole is a range of revisions of a stream, both ends included.
type Hole struct {
	Stream string `json:"stream"`
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
}

func (h Hole) String() string {
	return fmt.Sprintf("stream %s: revisions %d to %d are missing", h.Stream, h.From, h.To)
}

// Salvage copies everything intact in the folder of a store, damaged or not, into
// a new store in target, which must be empty or missing, and reports the rest.
// The source is only read, and writers are kept out of it meanwhile. If a writer
// is active, what is behind its durable mark is skipped.
//
// A frame is copied completely or not at all. Of each stream, the new store gets
// what is before its first hole, at the same revisions: records behind a hole
// cannot keep their revision. They are written to unplaced.jsonl in the target.
// The report is written there last, as salvage.json. Until then the target is
// marked as unfinished, and opening it gives an *[UnfinishedError].
//
// It holds one segment in memory. A source of a newer format is a
// *[VersionError].
func Salvage(ctx context.Context, dir, target string, options SalvageOptions) (SalvageReport, error) {
	options.Options = options.withDefaults()
	s := &salvage{
		options: options, dir: filepath.Clean(dir), limit: ^uint64(0),
		report: SalvageReport{Source: filepath.Clean(dir), Target: filepath.Clean(target), Places: []Place{}, Holes: []Hole{}},
	}
	if err := s.run(ctx); err != nil {
		return SalvageReport{}, fmt.Errorf("salvage %s into %s: %w", s.report.Source, s.report.Target, err)
	}
	return s.report, nil
}

// salvage is one run. It reads the source file by file (salvage_source.go) and
// passes each intact frame to the copy (salvage_copy.go).
type salvage struct {
	options SalvageOptions
	source  Dir
	dir     string
	report  SalvageReport

	mark     uint64 // 0 if it cannot be read
	limit    uint64 // start of what an active writer may still change
	covered  uint64 // position up to which the log was read or reported
	done     int64
	total    int64
	copyInto *salvageCopy
}

func (s *salvage) run(ctx context.Context) error {
	if err := s.checkTarget(); err != nil {
		return err
	}
	source, err := s.options.FS.OpenDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &NotStoreError{Dir: s.dir, Reason: "the folder does not exist"}
	}
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // opened for reading only
	s.source = source
	held, err := s.keepWritersOut()
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }() // see above
	files, err := s.sources()
	if err != nil {
		return err
	}
	s.copyInto, err = newSalvageCopy(&s.report, s.options.Options)
	if err != nil {
		return err
	}
	return errors.Join(s.copyAll(ctx, files), s.copyInto.close())
}

// checkTarget refuses a target that has content or lies in the source, which
// would be changed.
func (s *salvage) checkTarget() error {
	from, err := filepath.Abs(s.report.Source)
	if err != nil {
		return err
	}
	to, err := filepath.Abs(s.report.Target)
	if err != nil {
		return err
	}
	if inside, err := filepath.Rel(from, to); err == nil && inside != ".." && !strings.HasPrefix(inside, ".."+string(filepath.Separator)) {
		return &eventstore.Invalid{Reason: "the target must not be in the folder to be salvaged"}
	}
	target, err := s.options.FS.OpenDir(s.report.Target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list target: %w", err)
	}
	names, err := target.ReadDir()
	switch err = errors.Join(err, target.Close()); {
	case err != nil:
		return fmt.Errorf("list target: %w", err)
	case slices.Contains(names, unfinishedName):
		return &UnfinishedError{s.report.Target}
	case len(names) > 0:
		return &eventstore.Invalid{Reason: fmt.Sprintf("the target must be empty, but holds %s", names[0])}
	}
	return nil
}

func (s *salvage) copyAll(ctx context.Context, files []sourceFile) error {
	for i := range files {
		next := ^uint64(0)
		if i+1 < len(files) {
			next = files[i+1].base
		}
		if err := s.segment(ctx, &files[i], next); err != nil {
			return err
		}
	}
	s.checkEnd(files)
	if err := s.copyInto.finish(ctx); err != nil {
		return err
	}
	b, err := json.MarshalIndent(&s.report, "", "  ")
	if err != nil {
		return err
	}
	return s.finished(append(b, '\n'))
}

// finished writes the report over the mark, and then renames it: a single step
// ends the unfinished state.
func (s *salvage) finished(report []byte) error {
	folder := s.copyInto.store.folder
	file, err := createFile(folder, unfinishedName, report)
	if err == nil {
		err = file.Close()
	}
	if err == nil {
		err = folder.Rename(unfinishedName, salvageName)
	}
	if err == nil {
		err = folder.SyncDir()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", salvageName, err)
	}
	return nil
}

func (s *salvage) place(p Place) { s.report.Places = append(s.report.Places, p) }
