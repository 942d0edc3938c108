package replay_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/replay/scenario"
)

const defaultsPage = "../docs/semantics/defaults.md"

// policyKeys are the keys of a policy, in the order of its fields, with their types.
func policyKeys() (keys []string, types map[string]reflect.Type) {
	types = map[string]reflect.Type{}
	for f := range reflect.TypeFor[domain.Policy]().Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		keys, types[key] = append(keys, key), f.Type
	}
	return keys, types
}

// tries are a value of each kind of key, and others to change it to. The first key that is
// found in a name decides.
var tries = []struct {
	key, from string
	to        []try
}{
	{"rules", "2", []try{{"1", ""}}},
	{"breaker_stops", "bot", []try{{"all", "`all`"}}},
	{"breaker_stops", "all", []try{{"bot", "`bot`"}}},
	{"close_positions_on_trip", "false", []try{{"true", "on"}}},
	{"close_positions_on_trip", "true", []try{{"false", "off"}}},
	{"registered_only", "true", []try{{"false", "off"}}},
	{"registered_only", "false", []try{{"true", "on"}}},
	{"while_tripped", "nothing", []try{{"reduce", "`reduce`"}}},
	{"while_tripped", "reduce", []try{{"nothing", "`nothing`"}}},
	{"daily_loss_tz", "UTC", []try{{"Europe/Berlin", "another zone"}}},
	{"zone_bounds", "0.05,0.20,0.40,0.60,0.80,0.98", []try{{"0.05,0.20,0.40,0.60,0.80,0.97", "any change"}}},
	{"blocked_zones", "4,5", []try{{"3,4,5", "one more"}, {"5", "one less"}}},
}

// try is a value, and the word for the change to it.
type try struct{ value, word string }

// triesOf returns the changes to try on a key by its type.
func triesOf(key string, of reflect.Type) (from []string, to [][]try) {
	for _, t := range tries {
		if t.key == key {
			from, to = append(from, t.from), append(to, t.to)
		}
	}
	if from != nil {
		return from, to
	}
	switch of {
	case reflect.TypeFor[int]():
		return []string{"5"}, [][]try{{{"6", "higher"}, {"4", "lower"}, {"0", "0"}}}
	case reflect.TypeFor[domain.Duration]():
		return []string{"40s"}, [][]try{{{"41s", "longer"}, {"39s", "shorter"}, {"0s", "0s"}}}
	default:
		return []string{"0.05"}, [][]try{{{"0.06", "higher"}, {"0.04", "lower"}, {"0", "0"}}}
	}
}

// loosens tries changes of one key in a live portfolio of the second edition, and returns
// those that take two people.
func loosens(t *testing.T, key string, of reflect.Type) string {
	t.Helper()
	var words []string
	from, to := triesOf(key, of)
	for n := range from {
		for _, try := range to[n] {
			text := fmt.Sprintf("open mode=live gate=paper capital=1000 rules=2 %s=%s\nas admin ada\nlimits %s=%s reason=\"try it\"\n", key, from[n], key, try.value)
			if key == "rules" {
				text = strings.Replace(text, " rules=2 rules=2", " rules=2", 1)
			}
			var out strings.Builder
			require.NoError(t, scenario.Run(t.Context(), scenario.Options{Name: key}, strings.NewReader(text), &out))
			answer := out.String()[strings.LastIndex(strings.TrimSpace(out.String()), "\n")+1:]
			switch {
			case strings.HasPrefix(answer, "! denied: "):
				words = append(words, try.word)
			case strings.HasPrefix(answer, "! invalid: rules never go back"):
				words = append(words, "never goes back")
			case strings.HasPrefix(answer, "! invalid: "):
			default:
				require.Contains(t, answer, "limits.changed", text)
			}
		}
	}
	if slices.Equal(words, []string{"higher", "lower"}) || slices.Equal(words, []string{"higher", "lower", "0"}) {
		return "any change"
	}
	return strings.Join(words, ", ")
}

// newPolicies are those of a new portfolio: live, paper, imported.
func newPolicies(t *testing.T) []map[string]json.RawMessage {
	t.Helper()
	var all []map[string]json.RawMessage
	for _, of := range []struct {
		mode  domain.Mode
		clock domain.Clock
	}{{domain.ModeLive, domain.ClockWall}, {domain.ModePaper, domain.ClockWall}, {domain.ModePaper, domain.ClockImported}} {
		b, err := json.Marshal(domain.NewPolicy(of.mode, of.clock, "USDC"))
		require.NoError(t, err)
		values := map[string]json.RawMessage{}
		require.NoError(t, json.Unmarshal(b, &values))
		all = append(all, values)
	}
	return all
}

// shownDefault writes a default for the page.
func shownDefault(raw json.RawMessage) string {
	text := strings.Trim(string(raw), `[]"`)
	text = strings.ReplaceAll(strings.ReplaceAll(text, `","`, ", "), ",", ", ")
	text = strings.ReplaceAll(text, "  ", " ")
	if d, err := time.ParseDuration(text); err == nil && text != "0" {
		text = strings.TrimSuffix(d.String(), "0s")
		if d == 0 || strings.HasSuffix(d.String(), "30s") || d < time.Minute {
			text = d.String()
		}
	}
	switch text {
	case "", "0", "0s":
		return "–"
	case "all", "reduce", "UTC":
		return "`" + text + "`"
	}
	return text
}

// policyRow writes the row of a key. What it does is a person's text.
func policyRow(t *testing.T, key string, of reflect.Type, policies []map[string]json.RawMessage, does string) string {
	t.Helper()
	var shown []string
	for _, p := range policies {
		raw, ok := p[key]
		if !ok {
			raw = json.RawMessage("0")
		}
		shown = append(shown, shownDefault(raw))
	}
	value := shown[0]
	if shown[0] != shown[1] || shown[1] != shown[2] {
		value = strings.Join(shown, " / ")
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", key, value, loosens(t, key, of), does)
}

// "a table … which policy key governs it, its direction that loosens, default for new
// portfolios": the rows are those of the policy, in its order; the defaults are those of a new
// portfolio, and what loosens was tried on a live one.
func TestTheTableOfPolicyKeys(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(defaultsPage)
	require.NoError(t, err)
	lines := strings.Split(string(page), "\n")
	head := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "| key | new: live / paper / imported |") })
	require.Positive(t, head)
	does := map[string]string{}
	end := head + 2
	for ; strings.HasPrefix(lines[end], "| `"); end++ {
		cells := strings.Split(strings.Trim(lines[end], "| "), " | ")
		does[strings.Trim(cells[0], "`")] = cells[len(cells)-1]
	}
	keys, types := policyKeys()
	require.Len(t, does, len(keys), "a row that no policy has")
	policies := newPolicies(t)
	got := slices.Clone(lines[:head+2])
	for _, key := range keys {
		require.NotEmpty(t, does[key], "%s: say in a row of %s what it does", key, defaultsPage)
		got = append(got, policyRow(t, key, types[key], policies, does[key]))
	}
	got = append(got, lines[end:]...)
	if *rewrite {
		require.NoError(t, os.WriteFile(defaultsPage, []byte(strings.Join(got, "\n")), 0o600))
		return
	}
	require.Equal(t, string(page), strings.Join(got, "\n"), "go test ./replay -run TableOfPolicyKeys -rewrite writes what is now")
}

// "The docs list for each rule which key governs it": every key of the second edition, and of the
// two breakers that are off by default, stands in the table, and no key that no policy has.
func TestWhichKeyGovernsWhichRule(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(defaultsPage)
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "## Which key governs which rule\n")
	require.True(t, found)
	keys, _ := policyKeys()
	governs := map[string]bool{}
	for line := range strings.SplitSeq(section, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 3 || cells[1] == "key" {
			continue
		}
		for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			require.Contains(t, keys, key[1], line)
			governs[key[1]] = true
		}
		require.NotEmpty(t, cells[2], "%s: what holds without the key", line)
	}
	second := slices.Index(keys, "rules")
	require.Positive(t, second)
	for _, key := range append([]string{"max_bot_daily_loss_pct", "max_rolling_loss_pct"}, keys[second:]...) {
		require.True(t, governs[key], "%s governs no rule in %s", key, defaultsPage)
	}
}
