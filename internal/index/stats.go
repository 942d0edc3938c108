package index

// Stats describes an index.
type Stats struct {
	Position Position // see [Index.Position]
	Flushed  Position // where an Open would continue, if the index were closed now
	Tables   []TableStats
}

// TableStats describes a table.
type TableStats struct {
	Table    string
	Position Position
	Flushed  Position
	Runs     int
	// Entries are those of all runs and in memory: one that was replaced counts
	// until its run is merged. InMemory are those that no run has yet.
	Entries, InMemory uint64
	// Bytes are those of the files, Live those of the entries in them, and Written
	// those that it took to make the files, with every merge.
	Bytes, Live, Written uint64
	// Resident is the memory for fences, filters and the entries in memory.
	Resident uint64
}

// Amplification is the bytes written for each byte of an entry, or 0 without any.
func (t TableStats) Amplification() float64 {
	if t.Live == 0 {
		return 0
	}
	return float64(t.Written) / float64(t.Live)
}

// Total sums the tables up.
func (s Stats) Total() TableStats {
	sum := TableStats{Table: "all", Position: s.Position, Flushed: s.Flushed}
	for _, t := range s.Tables {
		sum.Runs += t.Runs
		sum.Entries += t.Entries
		sum.InMemory += t.InMemory
		sum.Bytes += t.Bytes
		sum.Live += t.Live
		sum.Written += t.Written
		sum.Resident += t.Resident
	}
	return sum
}

// Stats returns what the index holds now.
func (c *lookup) Stats() Stats {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var s Stats
	for t := range c.tables {
		table := c.tables[t].stats(Table(t))
		if t == 0 {
			s.Position, s.Flushed = table.Position, table.Flushed
		}
		s.Position, s.Flushed = min(s.Position, table.Position), min(s.Flushed, table.Flushed)
		s.Tables = append(s.Tables, table)
	}
	return s
}

func (s *tableState) stats(t Table) TableStats {
	out := TableStats{Table: t.String(), Position: s.pos, Flushed: s.flushed, Runs: len(s.list.runs)}
	for _, part := range []*tail{s.frozen, s.tail} {
		if part != nil {
			out.InMemory += uint64(part.len()) //nolint:gosec // a length
			out.Resident += part.resident()
		}
	}
	out.Entries = out.InMemory
	width := uint64(schemas[t].width()) //nolint:gosec // positive
	for _, r := range s.list.runs {
		out.Entries += r.count
		out.Live += r.count * width
		out.Bytes += uint64(r.fileLen()) //nolint:gosec // a length
		out.Written += r.written
		out.Resident += uint64(len(r.fences) + len(r.filter))
	}
	return out
}

// InMemory returns how many entries no run has yet.
func (c *lookup) InMemory() (entries uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for t := range c.tables {
		for _, part := range []*tail{c.tables[t].frozen, c.tables[t].tail} {
			if part != nil {
				entries += uint64(part.len()) //nolint:gosec // a length
			}
		}
	}
	return entries
}

// Dropped says which runs did not count when the index was opened, and why. The
// index begins before them, so nothing is missing.
func (x *Index) Dropped() []error { return x.dropped }

// MergeErr returns why the last merge failed, such as a full disk. Look-ups do not
// suffer, except that there are more runs to look into; the next Flush tries again.
func (x *Index) MergeErr() error {
	if err := x.mergeErr.Load(); err != nil {
		return *err
	}
	return nil
}
