package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Report is a whole run, as it is kept in a file.
type Report struct {
	Machine Machine   `json:"machine"`
	Began   time.Time `json:"began"`
	Rounds  int       `json:"rounds"`
	Events  int       `json:"events"`
	Quick   bool      `json:"quick,omitempty"` // too small for figures that mean something
	// Interrupted is true if the run ended before everything was measured.
	Interrupted bool       `json:"interrupted,omitempty"`
	Results     []Measured `json:"results"`
	// Curves are costs over the length of the history, by name.
	Curves map[string][]Point `json:"curves,omitempty"`
	// Compared is set if another run was named.
	Compared *Comparison `json:"compared,omitempty"`
}

// Comparison is a run beside an earlier one.
type Comparison struct {
	With     string     `json:"with"`
	Warnings []string   `json:"warnings"`
	Rows     []Compared `json:"rows"`
}

// Compared is a figure of two runs.
type Compared struct {
	Goal  int     `json:"goal"`
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Then  float64 `json:"then"`
	Now   float64 `json:"now"`
	Ratio float64 `json:"ratio"` // now ÷ then
}

// ReadReport reads the run that a file has.
func ReadReport(file string) (*Report, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s is not the output of pets bench --json: %w", file, err)
	}
	if len(r.Results) == 0 {
		return nil, fmt.Errorf("%s has no results: it is not the output of pets bench --json", file)
	}
	return &r, nil
}

// Compare compares a run with an earlier one. Figures that one of them lacks are left out.
func (r *Report) Compare(name string, then *Report) *Comparison {
	c := &Comparison{With: name, Warnings: r.Machine.differs(then.Machine), Rows: []Compared{}}
	if r.Events != then.Events {
		c.Warnings = append(c.Warnings, fmt.Sprintf("length of the history: %d events then, %d now", then.Events, r.Events))
	}
	if r.Quick || then.Quick {
		c.Warnings = append(c.Warnings, "a run with --quick is too small to be compared")
	}
	type key struct {
		goal int
		name string
	}
	before := map[key]Measured{}
	for _, m := range then.Results {
		before[key{m.Goal, m.Name}] = m
	}
	for _, m := range r.Results {
		old, ok := before[key{m.Goal, m.Name}]
		if !ok || m.Skipped != "" || old.Skipped != "" || old.Unit != m.Unit {
			continue
		}
		row := Compared{Goal: m.Goal, Name: m.Name, Unit: m.Unit, Then: old.Value, Now: m.Value}
		if old.Value != 0 {
			row.Ratio = m.Value / old.Value
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}
