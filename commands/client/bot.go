package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"pets/commands"
	"pets/domain"
)

// Portfolio sends commands to one portfolio and reads its views.
type Portfolio struct {
	c    *Client
	path string
}

// Portfolio returns the commands and views of one portfolio.
func (c *Client) Portfolio(id string) *Portfolio {
	return &Portfolio{c, "/v1/portfolios/" + url.PathEscape(id)}
}

// Permit is the answer to "may I trade?". In an answer to a retry, Allowed says whether
// the order may be placed now; if not, Status says what became of the permit. Place an
// order only if Allowed is true.
type Permit struct {
	commands.PermitAnswer
	Revision   uint64               `json:"revision"`
	Events     []commands.EventRef  `json:"events"`
	Directives []commands.Directive `json:"directives"`
}

// AskPermit asks: may I trade? A denial is an answer, not an error. While the server's clock
// is behind (problem clock), what opens is asked again for as long as the client's patience
// lasts, and what reduces is answered: a bot that does both in one goroutine gives the first a
// context that ends soon.
func (p *Portfolio) AskPermit(ctx context.Context, reference string, ask commands.AskPermit) (Permit, error) {
	var answer Permit
	err := p.Post(ctx, "/permits", reference, ask, &answer)
	return answer, err
}

// Placed reports that a permitted order rests at the venue, until its own expiry if it
// has one.
func (p *Portfolio) Placed(ctx context.Context, reference, permit string, expires *time.Time) (commands.Answer, error) {
	body := struct {
		ExpiresAt *time.Time `json:"expires_at,omitempty"`
	}{expires}
	return p.do(ctx, "/permits/"+url.PathEscape(permit)+"/placed", reference, body)
}

// Release gives a permit back: the order was cancelled, or never placed.
func (p *Portfolio) Release(ctx context.Context, reference, permit, reason string) (commands.Answer, error) {
	body := struct {
		Reason string `json:"reason,omitempty"`
	}{reason}
	return p.do(ctx, "/permits/"+url.PathEscape(permit)+"/release", reference, body)
}

// RecordFill reports a fill.
func (p *Portfolio) RecordFill(ctx context.Context, reference string, fill commands.RecordFill) (commands.Answer, error) {
	return p.do(ctx, "/fills", reference, fill)
}

// ConfirmFill makes a provisional fill final. The market may be empty where the id is that
// of one fill only.
func (p *Portfolio) ConfirmFill(ctx context.Context, reference string, id domain.FillID, market string) (commands.Answer, error) {
	return p.do(ctx, "/fills/"+url.PathEscape(id.TradeID)+"/confirm", reference, fillBody(id, market))
}

// VoidFill reverses a provisional fill. The market may be empty where the id is that of one
// fill only.
func (p *Portfolio) VoidFill(ctx context.Context, reference string, id domain.FillID, market string) (commands.Answer, error) {
	return p.do(ctx, "/fills/"+url.PathEscape(id.TradeID)+"/void", reference, fillBody(id, market))
}

func fillBody(id domain.FillID, market string) any {
	return struct {
		Bot    string `json:"bot"`
		Venue  string `json:"venue,omitempty"`
		Market string `json:"market,omitempty"`
		Leg    int    `json:"leg,omitempty"`
	}{id.Bot, id.Venue, market, id.Leg}
}

// RecordFunding reports what holding a position brought or cost.
func (p *Portfolio) RecordFunding(ctx context.Context, reference string, funding commands.RecordFunding) (commands.Answer, error) {
	return p.do(ctx, "/funding", reference, funding)
}

// ChangeSets reports that cash was split into complete sets of a market, or that sets were
// merged into cash.
func (p *Portfolio) ChangeSets(ctx context.Context, reference string, change commands.ChangeSets) (commands.Answer, error) {
	return p.do(ctx, "/sets", reference, change)
}

// RecordTrade reports a closed trade, for a bot that reports only results.
func (p *Portfolio) RecordTrade(ctx context.Context, reference string, trade commands.RecordTrade) (commands.Answer, error) {
	return p.do(ctx, "/trades", reference, trade)
}

// Mark values instruments and assets.
func (p *Portfolio) Mark(ctx context.Context, reference string, marks ...domain.Mark) (commands.Answer, error) {
	return p.do(ctx, "/marks", reference, commands.MarkPrices{Marks: marks})
}

func (p *Portfolio) do(ctx context.Context, path, reference string, body any) (commands.Answer, error) {
	var answer commands.Answer
	err := p.Post(ctx, path, reference, body, &answer)
	return answer, err
}

// Post sends any other command of the portfolio; path begins with a slash.
func (p *Portfolio) Post(ctx context.Context, path, reference string, body, into any) error {
	return p.c.Send(ctx, http.MethodPost, p.path+path, reference, body, into)
}

// Get reads any view of the portfolio; path begins with a slash and may have a
// query.
func (p *Portfolio) Get(ctx context.Context, path string, into any) error {
	return p.c.Get(ctx, p.path+path, into)
}
