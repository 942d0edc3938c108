package historytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Values are the leaves of a JSON tree by their path, /bots/alpha/cash. An object
// or a list is a leaf as well: {} at its path and a slash, or its length as [3].
type Values map[string]string

// flatten makes the leaves of anything that encodes to JSON.
func flatten(v any) (Values, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	out := Values{}
	out.add("", tree)
	return out, nil
}

// escapes are those of a JSON pointer: names have slashes.
var escapes = strings.NewReplacer("~", "~0", "/", "~1")

func (v Values) add(path string, tree any) {
	switch t := tree.(type) {
	case map[string]any:
		v[path+"/"] = "{}"
		for key, below := range t {
			v.add(path+"/"+escapes.Replace(key), below)
		}
	case []any:
		if named, ok := byName(path, t); ok {
			v.add(path, named)
			return
		}
		v[path+"/"] = "[" + strconv.Itoa(len(t)) + "]"
		for i, below := range t {
			v.add(path+"/"+strconv.Itoa(i), below)
		}
	case string:
		v[path] = strconv.Quote(t)
	case nil:
		v[path] = "null"
	default: // a number or a truth value
		v[path] = fmt.Sprint(t)
	}
}

// sets are the lists that are compared as sets, with the fields that identify
// their elements, so that an inserted element does not move the others.
var sets = map[string][]string{
	"instruments": {"market", "outcome"}, "fills": {"id"}, "breakers": {"breaker", "bot"}, "closed_breakers": {"breaker"},
	"accounts": {"asset", "account"}, "bots": {"bot"}, "positions": {"bot", "market", "outcome"}, "overrides": {"override"},
}

func byName(path string, list []any) (map[string]any, bool) {
	fields, ok := sets[path[strings.LastIndexByte(path, '/')+1:]]
	if !ok || len(list) == 0 {
		return nil, false
	}
	out := map[string]any{}
	for _, item := range list {
		row, isRow := item.(map[string]any)
		if !isRow {
			return nil, false
		}
		name := make([]string, len(fields))
		for i, field := range fields {
			if row[field] != nil {
				b, _ := json.Marshal(row[field]) // it was read from JSON
				name[i] = strings.Trim(string(b), `"`)
			}
		}
		out[strings.Join(name, "|")] = item
	}
	return out, len(out) == len(list)
}

// since returns what must be set and removed to get from before to v.
func (v Values) since(before Values) (changed Values, removed []string) {
	changed = Values{}
	for path, value := range v {
		if old, had := before[path]; !had || old != value {
			changed[path] = value
		}
	}
	for path := range before {
		if _, has := v[path]; !has {
			removed = append(removed, path)
		}
	}
	slices.Sort(removed)
	return changed, removed
}

// step moves on to the values after a record.
func (v Values) step(s Step) {
	maps.Copy(v, s.Changed)
	for _, path := range s.Removed {
		delete(v, path)
	}
}

// empty lists the values that count as absent.
var empty = map[string]bool{
	"{}": true, "[0]": true, "null": true, "false": true, "0": true, `""`: true, `"0"`: true, `"0s"`: true, `"0001-01-01T00:00:00Z"`: true,
}

// Added lists the keys that later builds have added with a value for older
// streams too, each with the reason why those streams still mean the same. A * in
// a path stands for one name.
var Added = map[string]string{
	"/views/state/doubts/":    doubts,
	"/views/state/doubts/*/*": doubts,

	"/state/custody/transfers/*/raise/revision":  acts,
	"/state/custody/transfers/*/raised/revision": acts,
	"/state/custody/transfers/*/first_revision":  acts,

	"/state/state/custody/transfers/*/raise/revision":  acts,
	"/state/state/custody/transfers/*/raised/revision": acts,
	"/state/state/custody/transfers/*/first_revision":  acts,
	"/views/state/stale":                               stale,
	"/views/state/positions/*/stale":                   stale,
	"/views/positions/*/stale":                         stale,

	"/state/edition_changes/":        editions,
	"/state/edition_changes/*":       editions,
	"/state/state/edition_changes/":  editions,
	"/state/state/edition_changes/*": editions,
}

// Removed lists the keys that later builds have no more, each with the reason why the
// streams still mean the same.
var Removed = map[string]string{
	"/state/bots/*/venues/":        fillsByTrade,
	"/state/bots/*/venues/*":       fillsByTrade,
	"/state/bots/*/legs":           fillsByTrade,
	"/state/state/bots/*/venues/":  fillsByTrade,
	"/state/state/bots/*/venues/*": fillsByTrade,
	"/state/state/bots/*/legs":     fillsByTrade,
}

// added are the figures that statistics got since, of the portfolio and of each bot.
var added = []string{
	"results", "longest_loss_streak_end/trade", "longest_loss_streak_end/time", "loss_streaks_at_limit",
	"best_day/date", "best_day/pnl", "worst_day/date", "worst_day/pnl", "closed_breakers/*/limit",
	"judged_by/", "judged_by/*/breaker", "judged_by/*/limit",
	"max_drawdown_abs/abs", "max_drawdown_abs/ratio", "max_drawdown_abs/peak", "max_drawdown_abs/trough",
	"max_drawdown_abs/peak_trade", "max_drawdown_abs/peak_time", "max_drawdown_abs/trough_trade", "max_drawdown_abs/trough_time",
	"judged_by/", "judged_by/*/breaker", "judged_by/*/limit",
}

func init() {
	for _, name := range added {
		Added["/views/stats/portfolio/"+name] = figures
		Added["/views/stats/bots/*/"+name] = figures
	}
}

// Mended lists the keys of which earlier builds kept a wrong value, each with what was wrong.
// They may be missing now, or differ. Nothing may appear beside them.
var Mended = map[string]string{
	"/state/bots/*/lost/":        lost,
	"/state/bots/*/lost/*":       lost,
	"/state/state/bots/*/lost/":  lost,
	"/state/state/bots/*/lost/*": lost,
}

const lost = "a loss that a void or a correction took away went on denying orders for market_cooldown"

const stale = "said of the marks and their times, which are what they were"

const editions = "the revisions at which the policy named another edition of the rules"

const fillsByTrade = "the places in which fills of a reported trade were looked for; they are looked up by the trade now"

const figures = "figures of the same closed trades, which earlier builds did not show"

const (
	doubts = "said of the balances of the treasury, which are what they were"
	acts   = "the record of what a person did, from which a revocation of that person's keys is measured now"
)

// differences compares got with the recorded values, by the rule of the package.
func (v Values) differences(got Values, most int) []string {
	var differ, more []string
	for path, value := range v {
		if now, has := got[path]; (!has || now != value) && !listed(Mended, path) && (has || !listed(Removed, path)) {
			differ = append(differ, path)
		}
	}
	for path, now := range got {
		if _, had := v[path]; !had && !empty[now] && !listed(Added, path) {
			more = append(more, path)
		}
	}
	slices.Sort(differ)
	slices.Sort(more)
	var found []string
	for _, path := range differ {
		if now, has := got[path]; has {
			found = append(found, fmt.Sprintf("%s was %s and is %s", path, v[path], now))
		} else {
			found = append(found, fmt.Sprintf("%s was %s and is missing", path, v[path]))
		}
	}
	for _, path := range more {
		found = append(found, fmt.Sprintf("%s was not there and is %s", path, got[path]))
	}
	return found[:min(len(found), most)]
}

// listed reports whether a path matches one of a list.
func listed(list map[string]string, path string) bool {
	names := strings.Split(path, "/")
	for pattern := range list {
		if slices.EqualFunc(strings.Split(pattern, "/"), names, func(p, n string) bool { return p == "*" || p == n }) {
			return true
		}
	}
	return false
}
