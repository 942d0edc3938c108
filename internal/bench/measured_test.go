package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// "met / missed by how much", on both sides of a limit.
func TestResults(t *testing.T) {
	of := func(x float64) Measured { return Measured{Goal: 3, Value: x, Unit: "×"} }
	for _, c := range []struct {
		m      Measured
		result string
	}{
		{of(0.6).Least(0.6), "met"},
		{of(0.599).Least(0.6), "missed by 0 %"},
		{of(0.45).Least(0.6), "missed by 25 %"},
		{of(0.2).Least(0.6), "missed 3-fold"},
		{of(-1).Least(0.6), "missed -1.67-fold"},
		{of(2).Most(2), "met"},
		{of(2.5).Most(2), "missed by 25 %"},
		{of(7).Most(2), "missed 3.5-fold"},
		{of(-5).Most(2), "met"},
		{of(1), "no goal"},
		{Skip(9, "sweep", "none"), "skipped"},
	} {
		require.Equal(t, c.result, c.m.Result(), "%+v", c.m)
	}
	require.Equal(t, "≤ 1.1", of(1).Most(1.1).Want)
	require.Equal(t, "0.45 ×", of(0.45).Figure())
	require.Equal(t, "1.1", Measured{Value: 1.1}.Figure())
	require.Equal(t, "223046", Figure(223046.2))
	require.Equal(t, "sweep: none", Skip(9, "sweep", "none").Details())
}

// A ratio is the median of the ratios of neighbouring turns, not the ratio of the medians.
func TestRatio(t *testing.T) {
	m := Ratio(1, "a", "b", "events/s", []float64{10, 40, 90}, []float64{10, 20, 30})
	require.Equal(t, []float64{2, 40, 20}, []float64{m.Value, m.Ours, m.Theirs})
	require.Equal(t, "a: b; 40 ÷ 20 events/s", m.Details())
}

// A cost that grows like the size has slope 1; the steepest part counts.
func TestSlope(t *testing.T) {
	require.InDelta(t, 1, Slope([]Point{{1, 3}, {10, 30}, {100, 300}}), 1e-9)
	require.InDelta(t, 2, Slope([]Point{{1, 3}, {10, 3}, {100, 300}}), 1e-9)
	require.InDelta(t, 0, Slope([]Point{{1, 3}, {100, 3}}), 1e-9)
	require.InDelta(t, -1, Slope([]Point{{1, 3}, {10, 0.3}}), 1e-9)
	require.Zero(t, Slope([]Point{{1, 3}, {2, 0}}))
	require.Zero(t, Slope(nil))
}

// Two runs are compared by goal and name, and what differs between machines is named.
func TestCompare(t *testing.T) {
	machine := Machine{CPU: "x", Cores: 2, MemoryMB: 10, Filesystem: "ext4", System: "linux/amd64", Kernel: "6", Go: "go1.26"}
	run := func(value float64, unit string) *Report {
		return &Report{Machine: machine, Events: 1000, Results: []Measured{
			{Goal: 5, Name: "one", Value: value, Unit: "×"}, {Goal: 5, Name: "many", Value: 1, Unit: unit}, Skip(9, "sweep", "none"),
		}}
	}
	then, now := run(2, "ms"), run(3, "s")
	c := now.Compare("file", then)
	require.Empty(t, c.Warnings)
	require.Equal(t, []Compared{{Goal: 5, Name: "one", Unit: "×", Then: 2, Now: 3, Ratio: 1.5}}, c.Rows, "units that differ are not compared")
	then.Machine.Cores, then.Machine.Filesystem, then.Machine.Load, then.Quick = 4, "", 9, true
	require.Equal(t, []string{"cores: 4 then, 2 now", "filesystem: unknown then, ext4 now", "a run with --quick is too small to be compared"}, now.Compare("file", then).Warnings)
}

func TestReadReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	_, err := ReadReport(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, text := range []string{"[]", "{", "{}"} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err = ReadReport(file)
		require.ErrorContains(t, err, "pets bench --json")
	}
}

// The machine is described: what runs the tests has cores and a version.
func TestDescribe(t *testing.T) {
	m := Describe(t.TempDir())
	require.Positive(t, m.Cores)
	require.Contains(t, m.Go, "go1")
	require.NotEmpty(t, m.Lines())
	require.Empty(t, m.differs(m))
}
