package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pets/domain"
	"pets/domain/golive"
	"pets/domain/portfolio"
	"pets/projections"
)

// looker is what a view may look at.
type looker struct {
	q      *request
	values url.Values
	// bot is the only bot the caller sees, or asked for; "" for all.
	bot string
	// own: the caller is a bot, and sees nothing of others and of the whole.
	own   bool
	state *portfolio.State
	with  riders
	now   time.Time
}

// show answers a GET with a view of a portfolio.
func show[T any](q *request, view func(*looker) (T, error)) error {
	if err := q.exists(); err != nil {
		return err
	}
	l, m, err := q.looker()
	if err != nil {
		return err
	}
	var out T
	var revision uint64
	err = q.api.look(q.r.Context(), q.portfolio(), m, func(s *portfolio.State, with riders) error {
		l.state, l.with, revision = s, with, s.Next-1
		var err error
		out, err = view(l)
		return err
	})
	if err != nil {
		return err
	}
	// Written outside the look: a slow reader must not hold the view.
	q.w.Header().Set("Pets-Revision", strconv.FormatUint(revision, 10))
	writeJSON(q.w, http.StatusOK, out)
	return nil
}

func (q *request) looker() (*looker, moment, error) {
	values, err := q.query()
	if err != nil {
		return nil, moment{}, err
	}
	m, err := q.moment(values)
	if err != nil {
		return nil, m, err
	}
	bot, err := own(q.key, values.Get("bot"))
	if err != nil {
		return nil, m, err
	}
	return &looker{q: q, values: values, bot: bot, own: q.key.caller.Role == domain.RoleBot, now: q.api.now()}, m, nil
}

// clock is now by the portfolio's clock.
func (l *looker) clock() time.Time {
	now, _ := l.state.ClockAt(l.now)
	return now
}

// Head is what every view of a portfolio begins with. It is exported for the
// document: embedded, its fields stand in each answer.
type Head struct {
	Portfolio string    `json:"portfolio"`
	Revision  uint64    `json:"revision"`
	Time      time.Time `json:"time"`
}

func (l *looker) head() Head {
	return Head{l.state.Portfolio, l.state.Next - 1, l.state.Time}
}

// portfolioAnswer is one portfolio.
type portfolioAnswer struct {
	Head
	Mode          domain.Mode               `json:"mode"`
	Clock         domain.Clock              `json:"clock"`
	BaseAsset     string                    `json:"base_asset"`
	BaseDecimals  int                       `json:"base_decimals"`
	Gate          *domain.Gate              `json:"gate,omitempty"`
	EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
	Bots          []string                  `json:"bots"`
	Policy        domain.Policy             `json:"policy"`
}

func portfolioView(l *looker) (portfolioAnswer, error) {
	s := l.state
	v := portfolioAnswer{
		Head: l.head(), Mode: s.Mode, Clock: s.Clock, BaseAsset: s.BaseAsset, BaseDecimals: s.BaseDecimals, Gate: s.Gate,
		EmergencyStop: projections.EmergencyStopOf(s), Bots: s.BotIDs(), Policy: s.Policy.Clone(),
	}
	if l.own {
		v.Bots = []string{l.bot}
	}
	return v, nil
}

func stateView(l *looker) (any, error) {
	if l.own {
		return projections.OwnStateOf(l.state, l.bot), nil
	}
	return projections.StateOf(l.state), nil
}

func statsView(l *looker) (any, error) {
	stats, err := l.with.stats.View(l.state, golive.DefaultLimits())
	if err != nil {
		return nil, err
	}
	if !l.own {
		return stats, nil
	}
	mine := ownStats{Bots: []projections.BotStats{}}
	for _, b := range stats.Bots {
		if b.Bot == l.bot {
			mine.Bots = append(mine.Bots, b)
		}
	}
	return mine, nil
}

// ownStats is what a bot's key sees of the statistics.
type ownStats struct {
	Bots []projections.BotStats `json:"bots"`
}

type balancesAnswer struct {
	Head
	projections.Balances
}

func balancesView(l *looker) (balancesAnswer, error) {
	return balancesAnswer{l.head(), projections.BalancesOf(l.state).Of(l.bot)}, nil
}

type positionsAnswer struct {
	Head
	Positions []projections.Position `json:"positions"`
}

func positionsView(l *looker) (positionsAnswer, error) {
	v := positionsAnswer{l.head(), []projections.Position{}}
	for _, p := range projections.PositionsOf(l.state) {
		if l.bot == "" || p.Bot == l.bot {
			v.Positions = append(v.Positions, p)
		}
	}
	return v, nil
}

type tradesAnswer struct {
	Head
	Trades []projections.Trade `json:"trades"`
	// Next is the number to ask after for more, null at the end.
	Next *int `json:"next"`
}

func tradesView(l *looker) (tradesAnswer, error) {
	v := tradesAnswer{Head: l.head(), Trades: []projections.Trade{}}
	after, err := number(l.values, "after", 0, 0, 1<<31-1)
	if err != nil {
		return v, err
	}
	limit, err := number(l.values, "limit", 100, 1, 1000)
	if err != nil {
		return v, err
	}
	for _, t := range l.with.stats.Trades().List(l.bot) {
		if t.Number <= after {
			continue
		}
		if len(v.Trades) == limit {
			next := v.Trades[limit-1].Number
			v.Next = &next
			break
		}
		v.Trades = append(v.Trades, t)
	}
	return v, nil
}

type permitsAnswer struct {
	Head
	Permits []projections.Permit `json:"permits"`
}

func permitsView(l *looker) (permitsAnswer, error) {
	now := l.clock()
	if l.values.Get("at") != "" || l.state.Clock == domain.ClockImported {
		now = l.state.Time // what was live then
	}
	return permitsAnswer{l.head(), projections.PermitsOf(l.state, l.bot, now)}, nil
}

type breakersAnswer struct {
	Head
	EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
	Breakers      []projections.Breaker     `json:"breakers"`
}

func breakersView(l *looker) (breakersAnswer, error) {
	v := breakersAnswer{l.head(), projections.EmergencyStopOf(l.state), []projections.Breaker{}}
	for _, b := range projections.BreakersOf(l.state) {
		if !l.own || b.Bot == nil || *b.Bot == l.bot {
			v.Breakers = append(v.Breakers, b)
		}
	}
	return v, nil
}

type equityAnswer struct {
	Head
	Points []projections.EquityPoint `json:"points"`
}

func equityView(l *looker) (equityAnswer, error) {
	v := equityAnswer{Head: l.head()}
	from, err := instant(l.values, "from")
	if err != nil {
		return v, err
	}
	to, err := instant(l.values, "to")
	if err != nil {
		return v, err
	}
	points, err := number(l.values, "points", 500, projections.LeastPoints, 100_000)
	if err != nil {
		return v, err
	}
	v.Points = l.with.equity.Points(from, to, points)
	return v, nil
}

func listPortfolios(q *request) error {
	if _, err := q.query(); err != nil {
		return err
	}
	ids, err := q.api.engine.Portfolios(q.r.Context())
	if err != nil {
		return err
	}
	v := portfolioList{Portfolios: []portfolioSummary{}}
	for _, id := range ids {
		if q.key.portfolio != "" && q.key.portfolio != id {
			continue
		}
		err := q.api.look(q.r.Context(), id, moment{}, func(s *portfolio.State, _ riders) error {
			v.Portfolios = append(v.Portfolios, portfolioSummary{id, s.Mode, s.Next - 1})
			return nil
		})
		if err != nil {
			return err
		}
	}
	writeJSON(q.w, http.StatusOK, v)
	return nil
}
