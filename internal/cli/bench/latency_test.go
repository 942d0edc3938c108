package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each load is measured, and drawn. The test does not check how long anything takes.
func TestBenchLatency(t *testing.T) {
	t.Parallel()
	picture := filepath.Join(t.TempDir(), "latency.svg")
	var stages []struct {
		Load, Rate    float64
		Count, Failed int
		Curve         []struct{ Of, MS float64 }
	}
	measured(t, &stages, "latency", "--seconds", "1", "--loads", "10,50", "--svg", picture)
	require.Len(t, stages, 2)
	for i, load := range []float64{0.1, 0.5} {
		require.Equal(t, load, stages[i].Load)
		require.NotZero(t, stages[i].Count)
		require.Zero(t, stages[i].Failed)
		require.NotEmpty(t, stages[i].Curve)
	}
	b, err := os.ReadFile(picture)
	require.NoError(t, err)
	requireXML(t, string(b), "10 %", "50 %", "Permits over HTTP")

	mistaken(t, []string{"--loads"}, "bench", "latency", "--loads", "0")
	mistaken(t, []string{"--seconds"}, "bench", "latency", "--seconds", "0")
}

func requireXML(t *testing.T, text string, words ...string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	for _, w := range words {
		require.Contains(t, text, w)
	}
}

// Straight where one grows with the other, and inside of the frame.
func TestCurvesAreDrawnByTheirLogarithms(t *testing.T) {
	t.Parallel()
	c := curves{title: "a < b", curves: []curve{{"one", []point{{1, 0.01}, {10, 0.1}, {100, 1}}}, {"none", nil}}}
	text, err := stacked(&c)
	require.NoError(t, err)
	requireXML(t, text, "a &lt; b", `d="M84.0 360.0L432.0 203.0L780.0 46.0"`, ">0.01<", ">0.1<", ">100<")
	require.Equal(t, []string{"0.001", "1", "1,000", "1,000,000"}, []string{powerOfTen(-3), powerOfTen(0), powerOfTen(3), powerOfTen(6)})
	_, err = stacked(&curves{})
	require.Error(t, err)
	_, err = stacked(&c, &curves{})
	require.Error(t, err)
}

// The names of curves that end close to each other can be read, and the second picture is below the first.
func TestNamesOfCurvesAreApart(t *testing.T) {
	t.Parallel()
	ends := func(name string, y float64) curve { return curve{name, []point{{1, y}, {10, y}}} }
	c := curves{curves: []curve{ends("low", 1), ends("same", 5), ends("close", 5.01), {"none", nil}, ends("high", 10)}}
	text, err := stacked(&c, &c)
	require.NoError(t, err)
	requireXML(t, text, "translate(0 420)")
	heights := map[string]float64{}
	for _, m := range regexp.MustCompile(`y="([0-9.]+)" fill="#[0-9a-f]+">([a-z]+)<`).FindAllStringSubmatch(text, -1) {
		y, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		heights[m[2]] = y
	}
	require.Less(t, heights["high"], heights["close"])
	require.InDelta(t, labelHeight, heights["same"]-heights["close"], 0.11)
	require.Less(t, heights["same"], heights["low"])
}
