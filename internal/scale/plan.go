package scale

// Forecast is what portfolios come to that write days like the one that was measured.
type Forecast struct {
	Portfolios int     `json:"portfolios"`
	Bots       float64 `json:"bots"`
	Day        Volume  `json:"day"`
	Year       Volume  `json:"year"`
	Second     float64 `json:"events_per_second"` // on average
	// Folded is the part of one core that a server uses to fold every stream as it grows, and
	// FromFirst how many seconds a core takes to fold a year of all.
	Folded    float64 `json:"fold_of_a_core"`
	FromFirst float64 `json:"fold_of_a_year_seconds"`
}

// Foresee computes what some portfolios write. The average number of bots is that of [Classes].
func Foresee(portfolios int, day Day, r Rates) Forecast {
	f := Forecast{Portfolios: portfolios, Bots: float64(portfolios) * MeanBots()}
	f.Day = day.Of(MeanBots()).Times(float64(portfolios))
	f.Year = f.Day.Times(365)
	f.Second = f.Day.Events / secondsADay
	f.Folded, f.FromFirst = f.Second/r.Fold, f.Year.Events/r.Fold
	return f
}

// Stream is what one portfolio with so many bots has after a year.
type Stream struct {
	Bots      int     `json:"bots"`
	Day       Volume  `json:"day"`
	Year      Volume  `json:"year"`
	FromFirst float64 `json:"fold_of_a_year_seconds"`
}

// Streams returns the streams of each class of portfolios after a year.
func Streams(day Day, r Rates) []Stream {
	all := make([]Stream, len(Classes))
	for i, c := range Classes {
		v := day.Of(float64(c.Bots))
		all[i] = Stream{Bots: c.Bots, Day: v, Year: v.Times(365), FromFirst: v.Events * 365 / r.Fold}
	}
	return all
}
