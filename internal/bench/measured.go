package bench

import (
	"fmt"
	"math"
	"strconv"
)

// Measured is one figure of a run, with the goal that it is compared with.
type Measured struct {
	// Goal is its number; 0 is a figure without a goal.
	Goal int `json:"goal"`
	// Name identifies the figure: it is the same in every run. What says how it was measured
	// and beside what.
	Name string `json:"name"`
	What string `json:"what"`
	// Value is in Unit, which is "×" for a ratio of two contenders.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Want is the goal as text, such as "≥ 0.6", Bound its number; "" is a figure that is only
	// printed.
	Want  string  `json:"want,omitempty"`
	Bound float64 `json:"bound,omitempty"`
	Met   bool    `json:"met"`
	// Ours and Theirs are the medians of both contenders, in Sides.
	Ours   float64 `json:"ours,omitempty"`
	Theirs float64 `json:"theirs,omitempty"`
	Sides  string  `json:"sides,omitempty"`
	// Note holds further figures of the measurement.
	Note string `json:"note,omitempty"`
	// Skipped says why nothing was measured; "" if it was.
	Skipped string `json:"skipped,omitempty"`
}

// Skip returns a goal that was not measured.
func Skip(goal int, name, why string) Measured { return Measured{Goal: goal, Name: name, Skipped: why} }

// Least sets a lower limit as the goal.
func (m Measured) Least(bound float64) Measured {
	m.Want, m.Bound, m.Met = "≥ "+figure(bound), bound, m.Value >= bound
	return m
}

// Most sets an upper limit as the goal.
func (m Measured) Most(bound float64) Measured {
	m.Want, m.Bound, m.Met = "≤ "+figure(bound), bound, m.Value <= bound
	return m
}

// Ratio compares two series of neighbouring turns: its value is the median of their ratios.
func Ratio(goal int, name, what, sides string, ours, theirs []float64) Measured {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / theirs[i]
	}
	return Measured{
		Goal: goal, Name: name, What: what, Unit: "×", Value: middle(ratios), Ours: middle(ours), Theirs: middle(theirs), Sides: sides,
	}
}

// Figure returns the value with its unit.
func (m Measured) Figure() string {
	if m.Skipped != "" {
		return "-"
	}
	if m.Unit == "" {
		return figure(m.Value)
	}
	return figure(m.Value) + " " + m.Unit
}

// Result says whether the goal was met, and by how much it was missed.
func (m Measured) Result() string {
	switch {
	case m.Skipped != "":
		return "skipped"
	case m.Want == "":
		return "no goal"
	case m.Met:
		return "met"
	}
	off := m.Value / m.Bound
	if off < 1 && off > 0 {
		off = 1 / off
	}
	if off >= 2 || off <= 0 {
		return "missed " + figure(off) + "-fold"
	}
	return fmt.Sprintf("missed by %.0f %%", math.Abs(m.Value-m.Bound)/m.Bound*100)
}

// Details returns what the table has no room for.
func (m Measured) Details() string {
	if m.Skipped != "" {
		return m.Name + ": " + m.Skipped
	}
	text := m.Name + ": " + m.What
	if m.Sides != "" {
		text += fmt.Sprintf("; %s ÷ %s %s", figure(m.Ours), figure(m.Theirs), m.Sides)
	}
	if m.Note != "" {
		text += "; " + m.Note
	}
	return text
}

// figure formats a number with three digits, or all digits of a large one.
func figure(x float64) string {
	if math.Abs(x) >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// Figure formats a number as the tables do.
func Figure(x float64) string { return figure(x) }
