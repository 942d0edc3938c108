package risk

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// results closes one trade per letter.
func results(s *Streak, letters string) {
	for _, l := range letters {
		s.Close(map[rune]domain.Result{'w': domain.Win, 'l': domain.Loss, 'n': domain.Neutral}[l])
	}
}

// "Consecutive losses per bot: closed trades in stream order; win → 0, loss →
// +1, neutral → unchanged."
func TestStreakCountsLossesInARow(t *testing.T) {
	for letters, want := range map[string]int{
		"": 0, "l": 1, "ll": 2, "lll": 3, "llll": 4, "w": 0, "llw": 0, "llwl": 1, "n": 0, "ln": 1, "lnl": 2, "lnnnl": 2,
		"llwlll": 3, // "trips at the sixth trade, not the fourth"
		"wnl":    1, "lwn": 0,
	} {
		var s Streak
		results(&s, letters)
		require.Equal(t, want, s.Losses, letters)
	}
}

// "trade.revised corrects … the streak since its last reset": in its place.
func TestReviseCountsAgainInPlace(t *testing.T) {
	for _, c := range []struct {
		before string
		n      int
		to     domain.Result
		want   int
	}{
		{"lll", 1, domain.Win, 1},
		{"lll", 2, domain.Win, 0},
		{"lll", 0, domain.Win, 2},
		{"lll", 1, domain.Neutral, 2},
		{"lll", 1, "", 2}, // open again, or void
		{"lwl", 1, domain.Loss, 3},
		{"lwl", 1, "", 2},
		{"lwl", 3, domain.Win, 1},  // no such trade
		{"lwl", -1, domain.Win, 1}, // no such trade
	} {
		var s Streak
		results(&s, c.before)
		s.Revise(c.n, c.to)
		require.Equal(t, c.want, s.Losses, "%s, trade %d to %q", c.before, c.n, c.to)
	}
}

// "Streak → 0" on reset, and what came before it is a closed matter.
func TestResetForgetsWhatCameBefore(t *testing.T) {
	var s Streak
	results(&s, "lll")
	s.Reset(3)
	require.Equal(t, Streak{From: 3}, s)
	s.Revise(0, domain.Loss)
	s.Revise(2, domain.Win)
	require.Equal(t, 0, s.Losses)
	results(&s, "ll")
	require.Equal(t, 2, s.Losses)
	s.Revise(2, domain.Win) // the last one before the reset
	require.Equal(t, 2, s.Losses)
	s.Revise(3, domain.Win) // the first one after it
	require.Equal(t, 1, s.Losses)
	s.Revise(4, "")
	require.Equal(t, 0, s.Losses)
	s.Reset(5)
	results(&s, "l")
	require.Equal(t, 1, s.Losses)
}

func TestStreakSurvivesASnapshot(t *testing.T) {
	var s, back Streak
	s.Reset(7)
	results(&s, "lnwl")
	s.Revise(8, "")
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"results":"l-wl","from":7,"losses":1}`, string(b))
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, s, back)
	back.Revise(9, domain.Loss)
	require.Equal(t, 3, back.Losses)
	require.Equal(t, "l-wl", string(s.Results), "a copy shares nothing")
}
