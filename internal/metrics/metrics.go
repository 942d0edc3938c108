// Package metrics exposes the state of the portfolios and the server to
// Prometheus.
//
// It owns the names: prefix pets_, base units, _total on counters only, ratios
// 0..1 as _ratio, money as _usd gauges for display (the exact figures are in the
// API), labels portfolio, bot and breaker. It refuses labels that could grow
// without limit or reveal a secret: no market, address, hash or key.
package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pets/domain/portfolio"
	"pets/domain/risk"
)

// Source shows the state of every portfolio, one after another. A state must not
// be kept.
type Source interface {
	Each(look func(*portfolio.State))
}

// Metrics collects what /metrics shows.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	limited  *prometheus.CounterVec
	jumps    prometheus.Counter
	ahead    prometheus.Gauge
	custody  *prometheus.CounterVec
	keyAge   prometheus.Gauge
	audits   prometheus.Counter
}

// New returns metrics without portfolios; see [Metrics.Watch].
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pets_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pets_http_request_duration_seconds", Help: "Time to answer a request, by route.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 2.5},
		}, []string{"route"}),
		jumps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pets_clock_jumps_total", Help: "Times the wall clock was seen to move by more than 5 s against the monotonic one; each portfolio counts it.",
		}),
	}
	m.limited = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pets_limited_total", Help: "Refusals because a key met a bound: commands or facts a second, or its bytes of a day; by the role of the key.",
	}, []string{"bound", "role"})
	m.ahead = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pets_clock_ahead_streams", Help: "Streams whose last record was more than 24 h old by the wall clock when they were folded; is the clock right?",
	})
	m.custody = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pets_custody_problems_total", Help: "What keys, transfers and the chain needed a person for.",
	}, []string{"portfolio"})
	m.keyAge = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pets_encryption_key_age_seconds", Help: "Age of the encryption key of the keystore; it is due for rotation at 90 days (7776000).",
	})
	m.audits = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pets_audit_mismatches_total", Help: "Streams in which what is decided on, a snapshot or the hash tree is not what the history says; their portfolios are stopped.",
	})
	m.registry.MustRegister(m.requests, m.seconds, m.limited, m.jumps, m.ahead, m.custody, m.keyAge, m.audits, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request counts one request answered.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// Limited counts a request that was refused because a key reached a limit.
func (m *Metrics) Limited(bound, role string) { m.limited.WithLabelValues(bound, role).Inc() }

// ClockJump counts a jump of the wall clock, as seen by one stream.
func (m *Metrics) ClockJump() { m.jumps.Inc() }

// ClockAhead counts a stream whose last record is old by the wall clock.
func (m *Metrics) ClockAhead() { m.ahead.Inc() }

// CustodyProblem counts a problem that needs a person.
func (m *Metrics) CustodyProblem(portfolio string) { m.custody.WithLabelValues(portfolio).Inc() }

// KeyAge sets the age of the encryption key.
func (m *Metrics) KeyAge(age time.Duration) { m.keyAge.Set(age.Seconds()) }

// Watch sets the source of the portfolios, whether the server answers commands,
// and the state of the store. health may be nil.
func (m *Metrics) Watch(s Source, isReady func() bool, health func() Health) {
	m.registry.MustRegister(&states{s, isReady, time.Now})
	if health != nil {
		m.registry.MustRegister(store(health))
	}
}

// Handler answers GET /metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 10 * time.Second, MaxRequestsInFlight: 4})
}

// states reads the portfolios at the moment of the request. A gauge that is kept
// beside the state could be wrong; this cannot.
type states struct {
	source  Source
	isReady func() bool
	now     func() time.Time
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pets_"+name, help, labels, nil)
}

// The series of a portfolio, a bot and a breaker. A breaker's labels start at 0
// with the bot it belongs to; bot is empty for the portfolio's own.
var (
	ready = desc("ready", "1 when every stream is folded and commands are answered.")

	revision  = desc("portfolio_revision", "Revision of the last event.", "portfolio")
	recorded  = desc("portfolio_last_event_timestamp_seconds", "When the last event was recorded.", "portfolio")
	equity    = desc("equity_usd", "Equity at marks, for display.", "portfolio", "bot")
	realised  = desc("realised_equity_usd", "Equity with positions at cost, for display.", "portfolio")
	drawdown  = desc("drawdown_ratio", "Fall from the peak.", "portfolio", "bot")
	dailyLoss = desc("daily_loss_ratio", "Loss since the day opened.", "portfolio")
	stopped   = desc("emergency_stop", "1 while the emergency stop is engaged.", "portfolio")
	streak    = desc("consecutive_losses", "Closed trades lost in a row.", "portfolio", "bot")
	running   = desc("bot_running", "1 while the bot may ask for permits.", "portfolio", "bot")
	positions = desc("open_positions", "Open positions.", "portfolio", "bot")
	stale     = desc("stale_positions", "Open positions whose mark is older than mark_max_age now.", "portfolio")
	waiting   = desc("waiting_marks", "Marks beyond the collar that wait to be confirmed.", "portfolio")
	partly    = desc("partly_marked_markets", "Exclusive markets of which the feed did not mark all outcomes in one command.", "portfolio")
	rules     = desc("rules_edition", "Edition of the rules that the portfolio lives by.", "portfolio")
	asleep    = desc("asleep", "1 while there is too little capital for a ratio to mean anything, so that none trips.", "portfolio", "bot")
	permits   = desc("permits", "Permits that are remembered as granted or working.", "portfolio")

	value   = desc("breaker_value", "What the breaker is at: losses in a row, or a ratio.", "portfolio", "bot", "breaker")
	limit   = desc("breaker_limit", "What it trips at.", "portfolio", "bot", "breaker")
	tripped = desc("breaker_tripped", "1 while the breaker is tripped.", "portfolio", "bot", "breaker")
	warned  = desc("breaker_warned", "1 while the breaker has warned.", "portfolio", "bot", "breaker")
)

var all = []*prometheus.Desc{
	ready, revision, recorded, equity, realised, drawdown, dailyLoss, stopped, streak, running, positions, stale, waiting, partly, rules, asleep, permits, value, limit, tripped, warned,
}

// Describe implements prometheus.Collector.
func (s *states) Describe(out chan<- *prometheus.Desc) {
	for _, d := range slices.Concat(all, custodySeries) {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s *states) Collect(out chan<- prometheus.Metric) {
	gauge(out, ready, truth(s.isReady()))
	var found []prometheus.Metric // sent afterwards: a slow scrape must not hold a state
	now := s.now()
	s.source.Each(func(st *portfolio.State) { found = append(found, ofState(st, now)...) })
	for _, m := range found {
		out <- m
	}
}

func ofState(s *portfolio.State, wall time.Time) []prometheus.Metric {
	p, whole := s.Portfolio, s.Equity()
	now, _ := s.ClockAt(wall)
	out := []prometheus.Metric{
		metric(revision, float64(s.Next-1), p),
		metric(recorded, float64(s.Time.UnixMilli())/1000, p),
		metric(equity, whole.Float(), p, ""),
		metric(realised, s.RealisedEquity().Float(), p),
		metric(drawdown, s.Refs.Drawdown(whole).Float(), p, ""),
		metric(dailyLoss, s.Refs.DailyLoss(whole).Float(), p),
		metric(stopped, truth(s.Stop.Engaged), p),
		metric(permits, float64(len(s.Permits)), p),
		metric(stale, float64(s.StalePositions(now)), p),
		metric(waiting, float64(len(s.WaitingMarks())), p),
		metric(partly, float64(len(s.PartlyMarked())), p),
		metric(rules, float64(max(s.Policy.Rules, 1)), p),
		metric(asleep, truth(!s.Refs.Evaluated(whole)), p, ""),
	}
	for _, id := range s.BotIDs() {
		b := s.Bots[id]
		out = append(out,
			metric(equity, b.Equity().Float(), p, id),
			metric(drawdown, b.Refs.Drawdown(b.Equity()).Float(), p, id),
			metric(asleep, truth(!b.Refs.Evaluated(b.Equity())), p, id),
			metric(streak, float64(b.Streak.Losses), p, id),
			metric(running, truth(b.Status == portfolio.Running), p, id),
			metric(positions, float64(b.Positions), p, id),
		)
	}
	out = append(out, ofCustody(s)...)
	for _, key := range s.BreakerKeys() {
		b := s.ReadBreaker(key)
		out = append(out,
			metric(tripped, truth(b.Status == risk.Tripped), p, key.Bot, key.Breaker),
			metric(warned, truth(b.Status == risk.Warned), p, key.Bot, key.Breaker),
		)
		if b.On { // a limit of 0 would look like one that is always reached
			out = append(out, metric(value, b.Value.Float(), p, key.Bot, key.Breaker), metric(limit, b.Limit.Float(), p, key.Bot, key.Breaker))
		}
	}
	return out
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- metric(d, v, labels...)
}

func metric(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
