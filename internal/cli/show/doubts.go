package show

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"pets/internal/cli"
	"pets/projections"
)

// LookFor bounds how long a warning is looked for: what it warns of is done already.
const LookFor = 5 * time.Second

// Flow is a deposit or a withdrawal that was recorded, with its reference.
type Flow struct {
	Revision uint64
	Tx       string
	Leg      int
}

// WarnOfSameTx warns where the reference of a deposit or a withdrawal was recorded before: what
// is typed twice counts twice.
func WarnOfSameTx(ctx context.Context, a *cli.App, eventType string, all ...Flow) {
	ctx, cancel := context.WithTimeout(ctx, LookFor)
	defer cancel()
	_ = a.EachEvent(ctx, cli.EventQuery{After: -1, Types: []string{eventType}}, func(line cli.EventLine) error { // what cannot be read is not warned of
		var before struct {
			Amount, Tx string
			Leg        int
		}
		if json.Unmarshal(line.Data, &before) != nil || before.Tx == "" {
			return nil
		}
		for _, f := range all {
			if line.Revision < f.Revision && before.Leg == f.Leg && strings.EqualFold(before.Tx, f.Tx) {
				a.Tell("warning: revision %d has %s with the same --tx already. If that is the same money, it is counted twice since revision %d: see pets adjust --help", line.Revision, before.Amount, f.Revision)
			}
		}
		return nil
	})
}

// WarnOfMoney warns where money of these assets, "" for the base asset, has left an account in
// doubt.
func WarnOfMoney(ctx context.Context, a *cli.App, assets ...string) {
	ctx, cancel := context.WithTimeout(ctx, LookFor)
	defer cancel()
	var v projections.State
	if a.View(ctx, "", "/state", nil, &v) != nil { // what cannot be read is not warned of
		return
	}
	for _, d := range v.Doubts {
		if slices.Contains(assets, d.Asset) || d.Asset == v.BaseAsset && slices.Contains(assets, "") {
			a.Tell("warning: %s", InDoubt(a, d, v.BaseAsset))
		}
	}
}

// InDoubt says what is in doubt of an account, and what to do.
func InDoubt(a *cli.App, d projections.Doubt, base string) string {
	var said []string
	if d.Balance.Sign() < 0 {
		said = append(said, "is below zero: more went out of it than came in. Record what is missing, or correct what was mistyped (pets adjust --help)")
	}
	if d.Unvalued {
		said = append(said, fmt.Sprintf("is not the base asset (%s) and has no mark, so it counts for nothing in the equity. If the name is right, mark it (%s); if not, correct it (pets adjust --help)", base, a.Typed("mark", "--asset", d.Asset, "PRICE")))
	}
	return fmt.Sprintf("%s has %s %s, which %s", d.Account, d.Balance, d.Asset, strings.Join(said, "; and "))
}
