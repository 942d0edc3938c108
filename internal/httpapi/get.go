package httpapi

import (
	"net/url"
	"sort"
	"strconv"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/projections"
)

// looker is the input of a view.
type looker struct {
	q      *request
	values url.Values
	// bot is the only bot that the caller sees, or asked for; "" for all.
	bot string
	// own reports that the caller is a bot, which sees nothing of other bots and
	// of the whole.
	own   bool
	state *portfolio.State
	with  riders
	now   time.Time
	// past reports that the view is of a moment of the past.
	past bool
	// pending are the stops that are in force and not recorded yet; none in the
	// past.
	pending []commands.PendingStop
}

// show answers a GET with a view of a portfolio.
func show[T any](q *request, view func(*looker) (*T, error)) error {
	if err := q.exists(); err != nil {
		return err
	}
	l, m, err := q.looker()
	if err != nil {
		return err
	}
	var out *T
	var revision uint64
	l.past = m.at.Revision != nil || m.at.Time != nil
	if !l.past { // read before the state, so that one recorded meanwhile is in the state
		l.pending = q.api.engine.Pending(q.portfolio())
	}
	err = q.api.showState(q.r.Context(), q.portfolio(), m, func(s *portfolio.State, with riders) error {
		l.state, l.with, revision = s, with, s.Next-1
		var err error
		out, err = view(l)
		return err
	})
	if err != nil {
		if revoked := q.entitled(); revoked != nil {
			return revoked // a refusal tells something, too
		}
		return err
	}
	// Written after the look, because a slow reader must not hold the view.
	q.w.Header().Set("Pets-Revision", strconv.FormatUint(revision, 10))
	if both, ok := any(out).(*any); ok {
		return q.deliver(*both)
	}
	return q.deliver(out)
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

// clock is the current time by the portfolio's clock.
func (l *looker) clock() time.Time {
	now, _ := l.state.ClockAt(l.now)
	return now
}

// at is the time of which the view speaks: that of the last record, in the past.
func (l *looker) at() time.Time {
	if l.past {
		return l.state.Time
	}
	return l.clock()
}

// Head begins every view of a portfolio. It is exported for the document: because
// it is embedded, its fields appear in each answer.
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
	Mode         domain.Mode  `json:"mode"`
	Clock        domain.Clock `json:"clock"`
	BaseAsset    string       `json:"base_asset"`
	BaseDecimals int          `json:"base_decimals"`
	Gate         *domain.Gate `json:"gate,omitempty"`
	// SignedApprovals: a second person approves with a signature of a registered key.
	SignedApprovals bool                      `json:"signed_approvals"`
	EmergencyStop   projections.EmergencyStop `json:"emergency_stop"`
	Bots            []string                  `json:"bots"`
	Policy          domain.Policy             `json:"policy"`
	Pages
}

func portfolioView(l *looker) (*portfolioAnswer, error) {
	s := l.state
	v := &portfolioAnswer{
		Head: l.head(), Mode: s.Mode, Clock: s.Clock, BaseAsset: s.BaseAsset, BaseDecimals: s.BaseDecimals, Gate: s.Gate, SignedApprovals: s.SignedApprovals,
		EmergencyStop: l.emergencyStop(), Bots: s.BotIDs(), Policy: s.Policy.Clone(),
	}
	if l.own {
		v.Bots = []string{l.bot}
	}
	return v, v.page(l.values, listOf("bots", &v.Bots, func(id *string) string { return *id }))
}

// The answers of /state and /stats, and the part that a bot's key sees.
type (
	stateAnswer struct {
		projections.State
		Pages
	}
	ownStateAnswer struct {
		projections.OwnState
		Pages
	}
	statsAnswer struct {
		projections.Stats
		Pages
	}
	ownStats struct {
		Bots []projections.BotStats `json:"bots"`
		Pages
	}
)

func stateView(l *looker) (*any, error) {
	if l.own {
		v := &ownStateAnswer{OwnState: projections.OwnStateOf(l.state, l.bot, l.at())}
		v.EmergencyStop = l.emergencyStop()
		l.stopped(v.Bots)
		return boxed(v), v.page(l.values, botList(&v.Bots), breakerList(&v.Breakers), positionList(&v.Positions), marketList(&v.Markets))
	}
	v := &stateAnswer{State: projections.StateAt(l.state, l.at())}
	if !l.past {
		_, behind := l.state.ClockAt(l.now)
		v.ClockBehind = domain.Duration(behind)
	}
	v.EmergencyStop = l.emergencyStop()
	l.stopped(v.Bots)
	overrides := listOf("overrides", &v.Overrides, func(o *projections.Override) string { return o.Override })
	return boxed(v), v.page(l.values, botList(&v.Bots), breakerList(&v.Breakers), positionList(&v.Positions), overrides, marketList(&v.Markets),
		waitingList(&v.WaitingMarks), partlyList(&v.PartlyMarked), doubtList(&v.Doubts))
}

func waitingList(all *[]projections.WaitingMark) list {
	return listOf("waiting_marks", all, func(w *projections.WaitingMark) string { return joined(w.Market, w.Outcome, w.Asset) })
}

func partlyList(all *[]string) list {
	return listOf("partly_marked", all, func(market *string) string { return *market })
}

func doubtList(all *[]projections.Doubt) list {
	return listOf("doubts", all, func(d *projections.Doubt) string { return joined(d.Account, d.Asset) })
}

func botList(all *[]projections.Bot) list {
	return listOf("bots", all, func(b *projections.Bot) string { return b.Bot })
}

func breakerList(all *[]projections.Breaker) list {
	return listOf("breakers", all, func(b *projections.Breaker) string {
		if b.Bot == nil {
			return joined(b.Breaker)
		}
		return joined(b.Breaker, *b.Bot)
	})
}

func positionList(all *[]projections.Position) list {
	return listOf("positions", all, func(p *projections.Position) string { return joined(p.Market, p.Outcome, p.Bot) })
}

func marketList(all *[]portfolio.MarketHolding) list {
	return listOf("markets", all, func(m *portfolio.MarketHolding) string { return joined(m.Market, m.Bot) })
}

func statsView(l *looker) (*any, error) {
	fold, err := l.with.stats()
	if err != nil {
		return nil, err
	}
	stats, err := fold.View(l.state, nil)
	if err != nil {
		return nil, unreadable("the summary of trades", err)
	}
	if !l.own {
		v := &statsAnswer{Stats: stats}
		return boxed(v), v.page(l.values, statsList(&v.Bots))
	}
	mine := &ownStats{Bots: []projections.BotStats{}}
	for _, b := range stats.Bots {
		if b.Bot == l.bot {
			mine.Bots = append(mine.Bots, b)
		}
	}
	return boxed(mine), mine.page(l.values, statsList(&mine.Bots))
}

func statsList(all *[]projections.BotStats) list {
	return listOf("bots", all, func(b *projections.BotStats) string { return b.Bot })
}

// boxed lets a view answer bots with another type than people.
func boxed(v any) *any { return &v }

type balancesAnswer struct {
	Head
	projections.Balances
	Pages
}

func balancesView(l *looker) (*balancesAnswer, error) {
	v := &balancesAnswer{Head: l.head(), Balances: projections.BalancesOf(l.state).Of(l.bot)}
	return v, v.page(l.values, listOf("accounts", &v.Accounts, func(b *projections.Balance) string { return joined(b.Asset, b.Account) }))
}

type positionsAnswer struct {
	Head
	Positions []projections.Position `json:"positions"`
	// Markets are what bots hold of exclusive markets as a whole: the positions alone do
	// not add up to equity.
	Markets []portfolio.MarketHolding `json:"markets,omitempty"`
	Pages
}

func positionsView(l *looker) (*positionsAnswer, error) {
	v := &positionsAnswer{Head: l.head(), Positions: []projections.Position{}, Markets: l.state.MarketHoldings(l.bot, l.at())}
	for _, p := range projections.PositionsAt(l.state, l.at()) {
		if l.bot == "" || p.Bot == l.bot {
			v.Positions = append(v.Positions, p)
		}
	}
	return v, v.page(l.values, positionList(&v.Positions), marketList(&v.Markets))
}

type permitsAnswer struct {
	Head
	Permits []projections.Permit `json:"permits"`
	Pages
}

func permitsView(l *looker) (*permitsAnswer, error) {
	now := l.clock()
	if l.values.Get("at") != "" || l.state.Clock == domain.ClockImported {
		now = l.state.Time // what was live then
	}
	v := &permitsAnswer{Head: l.head(), Permits: l.usable(projections.PermitsOf(l.state, l.bot, now))}
	return v, v.page(l.values, listOf("permits", &v.Permits, func(p *projections.Permit) string { return p.Permit }))
}

type breakersAnswer struct {
	Head
	EmergencyStop projections.EmergencyStop `json:"emergency_stop"`
	Breakers      []projections.Breaker     `json:"breakers"`
	Pages
}

func breakersView(l *looker) (*breakersAnswer, error) {
	v := &breakersAnswer{Head: l.head(), EmergencyStop: l.emergencyStop(), Breakers: []projections.Breaker{}}
	for _, b := range projections.BreakersOf(l.state) {
		if !l.own || b.Bot == nil || *b.Bot == l.bot {
			v.Breakers = append(v.Breakers, b)
		}
	}
	return v, v.page(l.values, breakerList(&v.Breakers))
}

// mostPoints limits the points of one answer, to about [maxAnswer] bytes.
const mostPoints = 20_000

type equityAnswer struct {
	Head
	Points []projections.EquityPoint `json:"points"`
	// Next is the revision to ask after for the rest of the points; it is not there where
	// these are all.
	Next *uint64 `json:"next,omitempty"`
}

// count and keep implement paged.
func (v *equityAnswer) count() int { return len(v.Points) }

func (v *equityAnswer) keep(n int) {
	v.Points = v.Points[:n]
	v.Next = &v.Points[n-1].Revision
}

func equityView(l *looker) (*equityAnswer, error) {
	v := &equityAnswer{Head: l.head()}
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
	after, err := number(l.values, "after", -1, 0, 1<<62)
	if err != nil {
		return v, err
	}
	curve, err := l.with.equity()
	if err != nil {
		return v, err
	}
	if v.Points, err = curve.Points(from, to, points); err != nil {
		return v, unreadable("the equity curve", err)
	}
	v.Points = v.Points[sort.Search(len(v.Points), func(i int) bool { return int64(v.Points[i].Revision) > int64(after) }):] //nolint:gosec // revisions stay far below 2^63
	if len(v.Points) > mostPoints {
		v.keep(mostPoints)
	}
	return v, nil
}

// Headers of the list of portfolios: who answers, for pets status.
const (
	VersionHeader = "Pets-Version"
	StartedHeader = "Pets-Started"
)

func listPortfolios(q *request) error {
	values, err := q.query()
	if err != nil {
		return err
	}
	ids, err := q.api.engine.Portfolios(q.r.Context())
	if err != nil {
		return err
	}
	v := &portfolioList{Portfolios: []portfolioSummary{}}
	for _, id := range ids {
		if q.key.portfolio != "" && q.key.portfolio != id {
			continue
		}
		err := q.api.showState(q.r.Context(), id, moment{}, func(s *portfolio.State, _ riders) error {
			v.Portfolios = append(v.Portfolios, portfolioSummary{id, s.Mode, s.Next - 1})
			return nil
		})
		if err != nil {
			return err
		}
	}
	if c := &q.api.config; c.Version != "" {
		q.w.Header().Set(VersionHeader, c.Version)
		q.w.Header().Set(StartedHeader, c.Started.UTC().Format(time.RFC3339))
	}
	if err := v.page(values, listOf("portfolios", &v.Portfolios, func(p *portfolioSummary) string { return p.Portfolio })); err != nil {
		return err
	}
	return q.deliver(v)
}
