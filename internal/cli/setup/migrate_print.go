package setup

// maxHeads bounds the streams and portfolios that are printed; --json has all of them.
const maxHeads = 50

// print says what is equal on both sides, and what comes next.
func (m *migration) print() error {
	v := &m.answer
	if m.JSON {
		return m.PrintJSON(v)
	}
	p := m.Printer()
	p.Line("from       %s", v.From)
	p.Line("to         %s", v.To)
	if v.There > 0 {
		p.Line("compared   %d records that the target had, in %.2f s: the same", v.There, v.Seconds.Compared)
	}
	p.Line("copied     %d records in %.2f s (%.0f records/s)", v.Copied, v.Seconds.Copied, v.EventsPerSecond)
	p.Line("verified   %d records of %s, read back in %.2f s and folded in %.2f s: the same on both sides", v.Records, counted(len(v.Streams), "stream"), v.Seconds.Verified, v.Seconds.Folded)
	for _, s := range v.Streams[:min(len(v.Streams), maxHeads)] {
		p.Line("stream     %s: %d records, tree head %s", s.Stream, s.Records, s.TreeHead)
	}
	for _, f := range v.Portfolios[:min(len(v.Portfolios), maxHeads)] {
		p.Line("portfolio  %s: state hash %s", f.Portfolio, f.StateHash)
	}
	if more := max(len(v.Streams), len(v.Portfolios)) - maxHeads; more > 0 {
		p.Line("           and %d more; --json has all of them", more)
	}
	if v.Tail != nil {
		p.Line("tail       %d records in %.2f s, from the end of the server until they were copied and verified", v.Tail.Records, v.Tail.Seconds)
	}
	switch {
	case v.Behind > 0:
		p.Line("behind     by %d records, which the source has got meanwhile", v.Behind)
		p.Say(0, "Stop the servers of the source, then run the same command again: it copies what is left.")
	case v.Written:
		p.Line("behind     by nothing now, but a server writes to the source")
		p.Say(0, "Stop it, then run the same command again: it copies what is left.")
	case m.from.Dir == "":
		p.Say(0, "The target has everything. If a server still runs on the source, stop it and run the same command again.")
	case v.UnrecordedStops > 0: // an error says what to do
	default:
		p.Say(0, "The target has everything, and nothing writes to the source. Start the server on the target, and never again on the source.")
	}
	return p.Err
}
