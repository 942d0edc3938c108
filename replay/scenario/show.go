package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/ledger"
	"pets/projections"
	"pets/replay"
)

// lists are the views of show that print one line for each entry.
var lists = map[string]func(*scenario) []string{
	"balances":  (*scenario).balanceLines,
	"breakers":  (*scenario).breakerLines,
	"halts":     (*scenario).haltLines,
	"markets":   (*scenario).marketLines,
	"told":      (*scenario).toldLines,
	"positions": (*scenario).positionLines,
	"trades":    (*scenario).tradeLines,
	"permits":   (*scenario).permitLines,
	"series":    (*scenario).seriesLines,
}

// leftOut are the fields of a state that it leaves out where there is nothing to say.
var leftOut = map[string]string{"stale": "false", "unreconciled": "false", "waiting_marks": "none", "partly_marked": "none"}

// show prints numbers as `pets state --json` and `pets stats --json` give them:
// equity, day.loss, alpha.cash, stats.portfolio.win_rate, an account such as
// hot:bot/alpha, or one of the lists.
func (s *scenario) show(a *args) error {
	if !a.more() {
		a.fail("show needs the name of a number")
	}
	var values []string
	flush := func() {
		if len(values) > 0 {
			s.out.print("> " + strings.Join(values, "  "))
		}
		values = nil
	}
	for a.more() {
		name := a.word("")
		if list, ok := lists[name]; ok {
			flush()
			s.printList(name, list(s))
			continue
		}
		value, err := s.lookup(name)
		if err != nil {
			return err
		}
		values = append(values, name+" "+value)
	}
	flush()
	return a.finish()
}

func (s *scenario) printList(name string, entries []string) {
	if len(entries) == 0 {
		s.out.print("> " + name + ": none")
		return
	}
	s.out.print("> " + name)
	for _, e := range entries {
		s.out.print(">   " + e)
	}
}

// lookup finds one number by its path.
func (s *scenario) lookup(path string) (string, error) {
	if place, owner, ok := strings.Cut(path, ":"); ok {
		asset := s.state.BaseAsset
		if other, rest, ok := strings.Cut(place, "|"); ok {
			asset, place = other, rest
		}
		return s.state.Book[ledger.Account{Asset: asset, Place: place, Owner: owner}].String(), nil
	}
	steps := strings.Split(path, ".")
	var view any = projections.StateOf(s.state)
	if steps[0] == "stats" {
		stats, err := s.stats.View(s.state, nil)
		if err != nil {
			return "", err
		}
		view, steps = stats, steps[1:]
	}
	root, err := tree(view)
	if err != nil {
		return "", err
	}
	found, ok := descend(root, steps)
	if none, may := leftOut[path]; !ok && may {
		return none, nil
	}
	if !ok {
		return "", fmt.Errorf("show does not know %q", path)
	}
	return plain(found), nil
}

// tree converts a view to its JSON form.
func tree(view any) (map[string]any, error) {
	b, err := json.Marshal(view)
	if err != nil {
		return nil, err
	}
	var root map[string]any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	err = dec.Decode(&root)
	return root, err
}

// descend follows a path. A bot's name selects its entry among the bots; streak
// means consecutive_losses.
func descend(node any, steps []string) (any, bool) {
	if len(steps) == 0 {
		return node, true
	}
	object, ok := node.(map[string]any)
	if !ok {
		return nil, false
	}
	if steps[0] == "streak" {
		steps[0] = "consecutive_losses"
	}
	if next, ok := object[steps[0]]; ok {
		return descend(next, steps[1:])
	}
	bots, ok := object["bots"].([]any)
	if !ok {
		return nil, false
	}
	for _, b := range bots {
		if bot, ok := b.(map[string]any); ok && bot["bot"] == steps[0] {
			return descend(bot, steps[1:])
		}
	}
	return nil, false
}

// plain returns a value without quotes, and a composite value as JSON.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return "null"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (s *scenario) balanceLines() []string {
	v := projections.BalancesOf(s.state)
	out := make([]string, len(v.Accounts))
	for i, b := range v.Accounts {
		out[i] = fmt.Sprintf("%s %s %s", b.Asset, b.Account, b.Balance)
	}
	return out
}

func (s *scenario) breakerLines() []string {
	all := projections.StateOf(s.state).Breakers
	out := make([]string, len(all))
	for i, b := range all {
		name := b.Breaker
		if b.Bot != nil {
			name += " of " + *b.Bot
		}
		out[i] = fmt.Sprintf("%s %s at %v, limit %v", name, b.Status, b.Value, b.Limit)
		if b.Revision != nil {
			out[i] += fmt.Sprintf(", since revision %d", *b.Revision)
		}
	}
	return out
}

func (s *scenario) positionLines() []string {
	all := projections.PositionsOf(s.state)
	out := make([]string, len(all))
	for i, p := range all {
		mark := "none"
		if p.Mark != nil {
			mark = p.Mark.String()
		}
		out[i] = fmt.Sprintf("%s %s × %s, cost %s, mark %s, unrealised %s (%s)", p.Bot, p.Quantity,
			replay.Short(domain.Instrument{Market: p.Market, Outcome: p.Outcome}), p.Cost, mark, replay.Signed(p.UnrealisedPnL), p.Trade)
		if p.Oversold {
			out[i] += " oversold"
		}
		if !p.OpenLeg.IsZero() {
			out[i] += ", open leg " + p.OpenLeg.String()
		}
	}
	return out
}

// haltLines show what each halt leaves to a bot, and to an operator for it.
func (s *scenario) haltLines() []string {
	var out []string
	for _, b := range projections.StateOf(s.state).Bots {
		for _, h := range b.Halts {
			out = append(out, fmt.Sprintf("%s: %s %s: leaves the bot %s, an operator %s", b.Bot, h.Kind, h.Of, h.Bot, h.Operator))
		}
	}
	return out
}

func (s *scenario) marketLines() []string {
	all := projections.StateAt(s.state, s.now).Markets
	out := make([]string, len(all))
	for i, m := range all {
		out[i] = fmt.Sprintf("%s %s: pays %s to %s, value %s, cost %s, exposure %s", m.Bot, m.Market, m.PayoffMin, m.PayoffMax, m.Value, m.Cost, m.Exposure)
	}
	return out
}

// toldLines show the directives in force.
func (s *scenario) toldLines() []string {
	var out []string
	for _, d := range commands.Standing(s.state, nil) {
		text := fmt.Sprintf("%s: %s: %s", strings.Join(d.Bots, ", "), d.Action, d.Reason)
		if len(d.Permits) > 0 {
			text += ": " + strings.Join(d.Permits, ", ")
		}
		for _, l := range d.Legs {
			text += ": " + l.Quantity.String() + " × " + replay.Short(l.Instrument)
		}
		out = append(out, text)
	}
	return out
}

func (s *scenario) tradeLines() []string {
	all, err := s.trades.List("")
	if err != nil {
		return []string{err.Error()}
	}
	out := make([]string, len(all))
	for i, t := range all {
		out[i] = fmt.Sprintf("%d %s %s %s: %s of %s, fee %s, by %s", t.Number, t.Trade, t.Bot,
			replay.Short(domain.Instrument{Market: t.Market, Outcome: t.Outcome}), t.Result, replay.Signed(t.PnL), t.Fee, t.ClosedBy)
		if t.Revised {
			out[i] += ", revised"
		}
	}
	return out
}

func (s *scenario) permitLines() []string {
	var out []string
	for _, bot := range s.state.BotIDs() {
		for p, reserved := range s.state.Reserving(bot, s.now) {
			until := "placed, no expiry"
			switch {
			case !p.ExpiresAt.IsZero() && p.Working:
				until = "placed, until " + p.ExpiresAt.Format(time.RFC3339)
			case !p.ExpiresAt.IsZero():
				until = "to be placed until " + p.ExpiresAt.Format(time.RFC3339)
			}
			out = append(out, fmt.Sprintf("%s %s %s %s × %s at %s: %s left, %s reserved, %s", p.ID, p.Bot, p.Side, p.Quantity,
				replay.Short(p.Instrument), p.LimitPrice, p.Left, reserved, until))
		}
	}
	slices.Sort(out)
	return out
}

func (s *scenario) seriesLines() []string {
	all, err := s.equity.Points(time.Time{}, time.Time{}, 0)
	if err != nil {
		return []string{err.Error()}
	}
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = fmt.Sprintf("%d equity %s realised %s drawdown %s flow %s", p.Revision, p.Equity, p.RealisedEquity, p.Drawdown, p.Flow)
		if p.Tripped != "" {
			out[i] += " tripped " + p.Tripped
		}
	}
	return out
}
