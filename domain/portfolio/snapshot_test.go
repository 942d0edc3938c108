package portfolio

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// goldenHistory is a recorded stream with every event type that there was when
// it was written: never change it.
func goldenHistory(t *testing.T) []recorded {
	b, err := os.ReadFile("testdata/history.jsonl")
	require.NoError(t, err)
	var out []recorded
	for line := range bytes.Lines(b) {
		var r struct {
			Revision uint64
			Time     time.Time
			Type     string
			Data     json.RawMessage
		}
		require.NoError(t, json.Unmarshal(line, &r))
		e, err := domain.Decode(r.Type, r.Data)
		require.NoError(t, err)
		out = append(out, recorded{domain.Stamp{Revision: r.Revision, Time: r.Time}, r.Type, r.Data, e})
	}
	require.Greater(t, len(out), 60)
	return out
}

// A snapshot of another build may stand for another state. When this fails, the
// fold or the shape of the state has changed: raise Version, and write the new
// hash here.
func TestGoldenHistory(t *testing.T) {
	const (
		version = 17
		hash    = "af3c54606868c6d0b070e109335707633f83e61ce8a26cc4dc7bdaa732dae6d3"
	)
	s := New()
	for _, r := range goldenHistory(t) {
		s.Apply(r.at, r.event)
		require.Empty(t, s.Book.TrialBalance())
	}
	got, err := s.Hash()
	require.NoError(t, err)
	require.Equal(t, hash, got)
	require.Equal(t, version, Version)
}

// Splitting the history anywhere changes nothing.
func TestSnapshotAnywhere(t *testing.T) {
	history := goldenHistory(t)
	whole := New()
	for _, r := range history {
		whole.Apply(r.at, r.event)
	}
	want, err := whole.Hash()
	require.NoError(t, err)
	for cut := range history {
		s := New()
		for i, r := range history {
			if i == cut {
				b, err := s.Snapshot()
				require.NoError(t, err)
				s, err = Restore(b)
				require.NoError(t, err)
			}
			s.Apply(r.at, r.event)
		}
		got, err := s.Hash()
		require.NoError(t, err)
		require.Equal(t, want, got, "cut before revision %d", cut)
	}
}

// Restore: “Any doubt is an error: the caller then folds the stream from its
// beginning.”
func TestRestoreRefuses(t *testing.T) {
	s := New()
	for _, r := range goldenHistory(t) {
		s.Apply(r.at, r.event)
	}
	b, err := s.Snapshot()
	require.NoError(t, err)
	_, err = Restore(b)
	require.NoError(t, err)
	good := string(b)
	now := `"version":` + strconv.Itoa(Version)
	require.Contains(t, good, now)
	for name, bad := range map[string]string{
		"nothing":         "",
		"an empty object": "{}",
		"null":            "null",
		"no state":        `{` + now + `}`,
		"a null state":    `{` + now + `,"state":null}`,
		"cut short":       good[:len(good)-1],
		"goes on":         good + "{}",
		"older":           strings.Replace(good, now, `"version":`+strconv.Itoa(Version-1), 1),
		"newer":           strings.Replace(good, now, `"version":`+strconv.Itoa(Version+1), 1),
		"a new field":     strings.Replace(good, `"portfolio":`, `"portfolios":`, 1),
		"a null list":     strings.Replace(good, `"instruments":[`, `"instruments":[null,`, 1),
		"a null bot":      strings.Replace(good, `"bots":{`, `"bots":{"x":null,`, 1),
		"null books":      `{` + now + `,"state":{"book":null,"bots":null}}`,
		"a number":        strings.Replace(good, `"cash":"`, `"cash":"x`, 1),
	} {
		require.NotEqual(t, good, bad, name)
		_, err := Restore([]byte(bad))
		require.Error(t, err, name)
	}
}

// A restored state goes on as the state that was copied: also where a record of an earlier build,
// or of another program, ends one of several provisional fills and names no market.
func TestProvisionalFillsKeepTheirOrder(t *testing.T) {
	s := New()
	apply := func(s *State, e domain.Event) { s.Apply(domain.Stamp{Revision: s.Next, Time: noon}, e) }
	first, second := domain.DefaultPolicy(domain.ModePaper), domain.DefaultPolicy(domain.ModePaper)
	first.Rules, second.Rules = 0, domain.SecondRules
	apply(s, &domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", Policy: second})
	id := domain.FillID{Bot: "a", TradeID: "1"}
	for _, market := range []string{"n", "m"} {
		apply(s, &domain.FillRecorded{
			FillID: id, Instrument: domain.Instrument{Market: market, Outcome: "YES"}, Side: domain.Buy,
			Quantity: dec("1"), Price: dec("0.5"), Notional: dec("0.5"), Status: domain.FillProvisionalStatus,
		})
	}
	apply(s, &domain.LimitsChanged{Policy: first})
	b, err := s.Snapshot()
	require.NoError(t, err)
	restored, err := Restore(b)
	require.NoError(t, err)
	for _, one := range []*State{s, restored} {
		apply(one, &domain.FillVoided{FillID: id})
	}
	want, err := s.Hash()
	require.NoError(t, err)
	got, err := restored.Hash()
	require.NoError(t, err)
	require.Equal(t, want, got)
}
