package demo

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"time"

	"pets/commands"
	"pets/domain"
)

//go:embed week/*.csv
var demoFiles embed.FS

// scriptStep is one step of the demo week: a market that is registered, an order that a bot
// wants to place, prices of one moment, or a payout.
type scriptStep struct {
	at     time.Time
	market *commands.RegisterMarket
	order  *domain.Order
	marks  []domain.Mark
	settle *settlement
}

type settlement struct {
	domain.Instrument
	payout domain.Decimal
}

// demoScript reads the bundled week in time order.
func demoScript() ([]scriptStep, error) {
	var steps []scriptStep
	for _, part := range []struct {
		file  string
		parse func(cells []string) (scriptStep, error)
	}{
		{"week/markets.csv", parseMarket},
		{"week/orders.csv", parseOrder},
		{"week/marks.csv", parseMark},
		{"week/settlements.csv", parseSettlement},
	} {
		b, err := demoFiles.ReadFile(part.file)
		if err != nil {
			return nil, err
		}
		rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.file, err)
		}
		for i, cells := range rows[1:] {
			step, err := part.parse(cells)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", part.file, i+2, err)
			}
			if step.at, err = time.Parse(time.RFC3339, cells[0]); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", part.file, i+2, err)
			}
			steps = append(steps, step)
		}
	}
	slices.SortStableFunc(steps, func(a, b scriptStep) int { return a.at.Compare(b.at) })
	return together(steps), nil
}

// together joins the prices of one moment, as a feed sends them.
func together(steps []scriptStep) []scriptStep {
	var out []scriptStep
	for _, s := range steps {
		if n := len(out) - 1; n >= 0 && s.marks != nil && out[n].marks != nil && s.at.Equal(out[n].at) {
			out[n].marks = append(out[n].marks, s.marks...)
			continue
		}
		out = append(out, s)
	}
	return out
}

func parseMarket(c []string) (scriptStep, error) {
	return scriptStep{market: &commands.RegisterMarket{Market: c[1], Kind: domain.KindOutcome, Outcomes: strings.Fields(c[2])}}, nil
}

func parseOrder(c []string) (scriptStep, error) {
	numbers, err := parseDecimals(c[5], c[6], c[7])
	if err != nil {
		return scriptStep{}, err
	}
	return scriptStep{order: &domain.Order{
		Bot: c[1], Instrument: domain.Instrument{Market: c[2], Outcome: c[3]}, Side: domain.Side(c[4]),
		Quantity: numbers[0], LimitPrice: numbers[1], Fee: numbers[2],
	}}, nil
}

func parseMark(c []string) (scriptStep, error) {
	price, err := domain.ParseDecimal(c[3])
	return scriptStep{marks: []domain.Mark{{Market: c[1], Outcome: c[2], Price: price}}}, err
}

func parseSettlement(c []string) (scriptStep, error) {
	payout, err := domain.ParseDecimal(c[3])
	return scriptStep{settle: &settlement{domain.Instrument{Market: c[1], Outcome: c[2]}, payout}}, err
}

func parseDecimals(texts ...string) ([]domain.Decimal, error) {
	out := make([]domain.Decimal, len(texts))
	for i, s := range texts {
		d, err := domain.ParseDecimal(s)
		if err != nil {
			return nil, err
		}
		out[i] = d
	}
	return out, nil
}
