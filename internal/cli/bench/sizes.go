package bench

// sizes say how much of what is measured.
type sizes struct {
	lengths  []int // of the history, in events; rising
	replayed int   // trades of the history that is replayed from memory
	opened   int   // positions, and closed trades, whose memory is measured
	moments  int   // that are looked at over HTTP
	folder   int   // that are looked at on the folder
	seconds  int   // of load
	// Rising numbers of what a cost may depend on.
	portfolios, bots, permits []int
	stops                     stopOptions
}

func sizesOf(o goalOptions) sizes {
	s := sizes{
		lengths: []int{o.events / 10, o.events / 3, o.events}, replayed: 4000, opened: 2000, moments: 20, folder: 5, seconds: 5,
		portfolios: []int{1, 100, 10_000}, bots: []int{1, 100, 1000}, permits: []int{1, 100, 1000},
		stops: stopOptions{
			dir: o.dir, stops: 2000, own: 1, callers: 4, seconds: 180, warmUp: 5, permits: 64, batches: 32, size: 1000, readers: 8,
			historyLen: 20_000, perSource: 32, kinds: stopKinds[:1], stages: []string{"idle", "loaded"},
		},
	}
	if o.quick {
		s.replayed, s.opened, s.moments, s.folder, s.seconds = 40, 10, 2, 1, 1
		s.portfolios, s.bots, s.permits = []int{1, 3}, []int{1, 4}, []int{1, 4}
		s.stops.stops, s.stops.seconds, s.stops.warmUp, s.stops.permits, s.stops.batches = 4, 20, 0, 2, 2
		s.stops.size, s.stops.readers, s.stops.historyLen = 10, 1, 1000
	}
	return s
}
