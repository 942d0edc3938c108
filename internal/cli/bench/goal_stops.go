package bench

import (
	"context"
	"fmt"

	"pets/internal/bench"
)

// stopGoals measures goal 17: emergency stops beside a load from another process, and on an
// idle server.
func (b *suite) stopGoals(ctx context.Context) error {
	idle := map[string]bench.Latency{}
	for _, name := range b.sizes.stops.stages {
		s := &stopBench{app: b.app, o: b.sizes.stops, name: name, idle: idle}
		if err := s.run(ctx); err != nil {
			return err
		}
		if name == "idle" {
			continue
		}
		for i := range s.results {
			b.add(stopResult(s.ways[i], s.results[i]))
		}
	}
	return nil
}

func stopResult(w stopWay, l bench.Latency) bench.Measured {
	m := bench.Measured{
		Goal: 17, Name: "emergency stop, " + w.title, Unit: "ms", Value: l.P999,
		What: "p99.9 of emergency stops, each on a portfolio not yet stopped and over a connection of its own, " + stageTitles["loaded"] + " from another process",
	}.Most(stopGoal)
	m.Note = fmt.Sprintf("%d stops, %d failed, p50 %s ms, longest %s ms", l.Count, l.Failed, bench.Figure(l.P50), bench.Figure(l.Max))
	if l.Ratio > 0 {
		m.Note += ", " + bench.Figure(l.Ratio) + " × an idle server"
	}
	for _, f := range l.Floors {
		m.Note += fmt.Sprintf("; beside it, %s: p50 %s ms, p99.9 %s ms", f.What, bench.Figure(f.P50), bench.Figure(f.P999))
	}
	if l.Short != "" {
		m.Note += "; " + l.Short
	}
	if l.First != "" {
		m.Note += "; first failure: " + l.First
	}
	m.Met = m.Met && l.Failed == 0 && l.Count > 0 && l.Short == "" // the goal is of all stops, and of none that fails
	return m
}
