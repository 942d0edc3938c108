package operate

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/internal/spelling"
)

func (a *app) limitsCommand() *cobra.Command {
	var moment string
	c := &cobra.Command{
		Use: "limits", Short: "The limits of a portfolio; limits set changes them", Args: cobra.NoArgs,
		Long: "Every _pct is a fraction: 0.05 is 5 %. docs/semantics/defaults.md says what each of them does.",
		RunE: func(c *cobra.Command, _ []string) error {
			var v struct {
				show.ViewHead
				Policy domain.Policy `json:"policy"`
			}
			if err := a.LookEither(c.Context(), moment, nil, func() error {
				return a.View(c.Context(), moment, "", nil, &v)
			}, func(s *portfolio.State) error {
				v.ViewHead, v.Policy = show.HeadOf(s), s.Policy.Clone()
				return nil
			}); err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(v)
			}
			p := a.Printer()
			p.Line("%s  revision %d  %s UTC", v.Portfolio, v.Revision, cli.Clock(v.Time))
			p.Line("")
			for _, l := range limitsOf(&v.Policy) {
				p.Line("%-28s%s", l[0], l[1])
			}
			if !v.Policy.Second() {
				p.Line("")
				p.Say(0, "This portfolio lives by the first edition of the rules. What adopting the second one changes is shown before it asks:")
				a.Command(p, "limits", "adopt", "--reason", cli.Unsaid)
			}
			return p.Err
		},
	}
	cli.AtFlag(c, &moment)
	c.AddCommand(a.Sends(a.setLimitsCommand()), a.Sends(a.adoptCommand()))
	return c
}

// limitsOf returns the key and the value of every limit.
func limitsOf(p *domain.Policy) [][2]string {
	var out [][2]string
	value := reflect.ValueOf(p).Elem()
	for _, f := range reflect.VisibleFields(value.Type()) {
		text := fmt.Sprint(value.FieldByIndex(f.Index).Interface())
		if list := value.FieldByIndex(f.Index); list.Kind() == reflect.Slice {
			words := make([]string, list.Len())
			for i := range words {
				words[i] = fmt.Sprint(list.Index(i).Interface())
			}
			text = strings.Join(words, ",")
			if text == "" {
				text = "none"
			}
		}
		if strings.Contains(f.Tag.Get("json"), "omitzero") && value.FieldByIndex(f.Index).IsZero() {
			text = absent(p, limitKey(f), text)
		}
		out = append(out, [2]string{limitKey(f), text})
	}
	return out
}

// unset is how a limit is written that is a word, and has none.
const unset = "unset"

// absent says what a limit means that is not set.
func absent(p *domain.Policy, key, text string) string {
	switch {
	case key == "rules":
		return "1"
	case key == "while_tripped" && p.ClosePositionsOnTrip:
		return unset + " (a tripped breaker leaves bots reducing, by close_positions_on_trip)"
	case key == "while_tripped":
		return unset + " (a tripped breaker leaves bots nothing)"
	case key == "mark_confirm_after" && !p.MarkCollar.IsZero():
		return fmt.Sprintf("%s (%s)", text, p.ConfirmAfter())
	}
	return text + " (off)"
}

// limitKey returns the key of a limit in the policy's JSON.
func limitKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return key
}

func (a *app) setLimitsCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "set KEY=VALUE…", Short: "Change limits, for a reason (an admin)", Args: cobra.MinimumNArgs(1),
		Long: "Changes limits of the portfolio; every breaker is evaluated against the new ones at once. In a live\n" +
			"portfolio it takes two people to loosen any limit that is set, and under the first edition of the rules to\n" +
			"loosen one beyond its default: see pets override request --help.",
		Example: "  pets limits set max_daily_loss_pct=0.03 --reason \"smaller bets in August\"\n  pets limits set blocked_zones=none fee_bps=10 --reason \"a venue with fees\"",
		RunE: func(c *cobra.Command, args []string) error {
			body, err := limitsPatch("", args)
			if err != nil {
				return err
			}
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			body["reason"] = reason
			return a.Post(c.Context(), "/limits", body, "the limits of "+a.Config.Portfolio+" are changed: "+strings.Join(args, ", "))
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}

// limitsPatch turns KEY=VALUE pairs into the JSON that the API expects of limits; nil for no
// pairs. Errors name the key, and the flag if the pairs come from one.
func limitsPatch(flag string, pairs []string) (map[string]any, error) {
	read, err := cli.Pairs(flag, "KEY=VALUE, such as max_daily_loss_pct=0.03", pairs)
	var out map[string]any
	for _, pair := range read {
		key := strings.ToLower(pair.Key)
		f, known := limitNamed(key)
		about := strings.TrimSpace(flag + " " + key)
		if !known {
			return nil, cli.Usage(domain.Invalid(about, "is not a limit%s; pets limits lists them", nearestLimit(key)))
		}
		value, err := limitValue(key, f.Type, pair.Value)
		if err != nil {
			return nil, cli.Usage(domain.Invalid(about, "%s", err.Error()))
		}
		if out == nil {
			out = map[string]any{}
		}
		out[key] = value
	}
	return out, err
}

func limitNamed(key string) (reflect.StructField, bool) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[domain.Policy]()) {
		if limitKey(f) == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func nearestLimit(key string) string {
	best, least := "", 5
	for _, f := range reflect.VisibleFields(reflect.TypeFor[domain.Policy]()) {
		if d := spelling.Distance(key, limitKey(f)); d < least {
			best, least = limitKey(f), d
		}
	}
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}

// limitValue reads one value by the type that the policy has for it.
func limitValue(key string, t reflect.Type, text string) (any, error) {
	switch kind := t.Kind(); {
	case kind == reflect.Slice:
		return limitList(key, t.Elem(), text)
	case kind == reflect.Bool && text != "true" && text != "false":
		return nil, errors.New("must be true or false")
	case kind == reflect.Bool:
		return text == "true", nil
	case kind == reflect.String && text == unset:
		return "", nil
	case kind == reflect.String:
		return text, nil
	case kind == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, errors.New("must be a whole number, such as 3" + offOf(key))
		}
		return n, nil
	case t == reflect.TypeFor[domain.Duration]():
		var d domain.Duration
		if d.UnmarshalText([]byte(text)) != nil {
			return nil, errors.New("must be a duration, such as 30s")
		}
		return d, nil
	}
	d, err := domain.ParseDecimal(text)
	if err != nil {
		return nil, errors.New("must be " + limitUnit(key))
	}
	return d, nil
}

// limitUnit says what the number of a limit is of, by the end of its name.
func limitUnit(key string) string {
	off := offOf(key)
	switch {
	case strings.HasSuffix(key, "_bps"):
		return "a decimal number of basis points, such as 10 for 0.1 %" + off
	case strings.HasSuffix(key, "_pct"):
		return "a decimal number, a fraction such as 0.05 for 5 %" + off
	case strings.HasSuffix(key, "_usd"), key == "loss_dust":
		return "a decimal number, an amount of money such as 250" + off
	}
	return "a decimal number, such as 0.8" + off
}

// offOf says how a limit that may be off is put off.
func offOf(key string) string {
	if f, _ := limitNamed(key); strings.Contains(f.Tag.Get("json"), "omitzero") {
		return "; 0 is off"
	}
	return ""
}

func limitList(key string, t reflect.Type, text string) (any, error) {
	out := []any{}
	if text == "none" {
		return out, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		one, err := limitValue(key, t, strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}
