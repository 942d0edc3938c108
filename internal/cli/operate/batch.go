package operate

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/columns"
	"pets/internal/strict"
)

// batchFile is a file for pets batch, in the form of a body of POST …/batch.
type batchFile struct {
	Commands []batchItem `json:"commands"`
}

type batchItem struct {
	IdempotencyKey string          `json:"idempotency_key,omitempty"`
	Command        string          `json:"command"`
	Body           json.RawMessage `json:"body"`

	own bool // the key is of the file
}

type batchAnswer struct {
	Results []struct {
		Status   int             `json:"status"`
		Replayed bool            `json:"replayed,omitempty"`
		Answer   json.RawMessage `json:"answer,omitempty"`
		Problem  *client.Problem `json:"problem,omitempty"`
		Short    bool            `json:"short,omitempty"`
	} `json:"results"`
	// Key is that under which the file can be sent again.
	Key string `json:"key"`
}

func (a *app) batchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "batch FILE", Short: "Send up to 1,000 commands of a JSON file in one request", Args: cobra.ExactArgs(1),
		Long: "FILE holds {\"commands\":[{\"command\":…,\"body\":{…}},…]}, as docs/api.md has it, or - for standard\n" +
			"input. Each command is atomic, the batch is not. One without an idempotency_key gets one of --key and\n" +
			"what it says: sent again with the same --key by the same user, it happens once, wherever it stands.\n" +
			"One that was changed is another, and happens as well. Commands that say the same, but for stops, each\n" +
			"need an idempotency_key of their own. A file that starts bots takes no --key.",
		Example: "  pets batch marks.json",
		RunE: func(c *cobra.Command, args []string) error {
			raw, err := a.readInput(c.Context(), args[0])
			if err != nil {
				return err
			}
			var body batchFile
			if err := strict.Decode(raw, &body); err != nil || len(body.Commands) == 0 {
				return notABatch(args[0], err)
			}
			return a.sendBatch(c.Context(), body)
		},
	}
}

// notABatch says what is wrong with a file, and where in it.
func notABatch(file string, err error) error {
	what, wrong := "commands is empty", (*domain.Error)(nil)
	if errors.As(err, &wrong) {
		what = wrong.Error()
	}
	return cli.Usage(domain.Errorf(domain.CodeInvalid, "%s: %s. The file must hold {\"commands\":[{\"command\":…,\"body\":{…}},…]}; the portfolio is that of --portfolio", file, what))
}

// keysOf gives each command without a key one that is made of the key of the file and of what
// the command says. A command that is sent again as it was happens once, wherever it stands; one
// that was changed is another. Two that say the same are refused: once one of them is corrected,
// nothing tells which of them the other was. A stop is taken as often as it stands there.
func (a *app) keysOf(all []batchItem) error {
	space, err := uuid.Parse(a.Again)
	if err != nil {
		return err
	}
	if a.placed() {
		return a.placedKeys(space, all)
	}
	said := map[string][]int{}
	keyless := map[string]bool{}
	for i := range all {
		item := &all[i]
		says := item.says()
		before := said[says]
		said[says] = append(before, i)
		keyless[says] = keyless[says] || item.IdempotencyKey == ""
		if len(before) > 0 && keyless[says] && item.spec().Class != commands.ClassStop {
			return a.saidTwice(before[0], i)
		}
		if item.IdempotencyKey == "" {
			item.IdempotencyKey = uuid.NewSHA1(space, fmt.Appendf(nil, "%s\x00%d", says, len(before))).String()
		}
	}
	return nil
}

// saidTwice refuses two commands that say the same. Under the key of an earlier run, a key of
// its own would let one that was done happen again.
func (a *app) saidTwice(first, second int) error {
	if a.KeyGiven {
		return cli.Usage(domain.Invalid("FILE", "has commands %d and %d that say the same, and --key does not tell which of them was done: look (%s), take out of the file what was done, and give each that is still to happen an idempotency_key of its own",
			first+1, second+1, a.Typed("events")))
	}
	return cli.Usage(domain.Invalid("FILE", "has commands %d and %d that say the same; give each an idempotency_key of its own, so that sending the file again does each once", first+1, second+1))
}

// placedKeys gives each command without a key the one that an older version gave it.
func (a *app) placedKeys(space uuid.UUID, all []batchItem) error {
	if n := placedCount(space); n != len(all) {
		return cli.Usage(domain.Invalid("--key", "was made by an older version for a file of %d commands, and this one has %d: put each command back into its place, also what was done. What is new goes into another file, without --key. A file that let trading go on (start_bot) cannot be sent again with this key: look what was done (%s), take that out as well, and send the rest without --key",
			n, len(all), a.Typed("events")))
	}
	for i := range all {
		if all[i].IdempotencyKey == "" {
			all[i].IdempotencyKey = uuid.NewSHA1(space, []byte(strconv.Itoa(i))).String()
		}
	}
	return nil
}

// spec is the row of the command that the item names; an unknown one has none, and the server
// refuses it.
func (item *batchItem) spec() commands.Spec {
	row, _ := commands.SpecNamed(item.Command)
	return row
}

// says is what a command says, however the file writes it: a number, the order of its
// fields, or the spaces between them may be written otherwise.
func (item *batchItem) says() string {
	content := []byte(item.Body)
	row, known := commands.SpecNamed(item.Command)
	if c, err := decoded(row, known, item.Body); err == nil {
		content, _ = json.Marshal(c) // what was decoded can be encoded
	}
	return item.Command + "\x00" + string(content)
}

// decoded is the command of a body; the server refuses one that is no command.
func decoded(row commands.Spec, known bool, body json.RawMessage) (commands.Command, error) {
	if !known || !row.Batch {
		return nil, domain.Errorf(domain.CodeInvalid, "not one that a batch takes")
	}
	return row.Decode(func(into any) error { return strict.Decode(body, into) })
}

// sameKeys refuses a file that has one key twice: the second command would be answered as if
// it were the first, or be refused as another one.
func sameKeys(all []batchItem) error {
	first := map[string]int{}
	for i, item := range all {
		key := strings.ToLower(item.IdempotencyKey)
		if at, twice := first[key]; twice && key != "" {
			return cli.Usage(domain.Invalid("FILE", "has one idempotency_key twice, in its commands %d and %d: each happens once under a key of its own", at+1, i+1))
		}
		first[key] = i
	}
	return nil
}

// placedVersion is that of the keys that older versions made of a random UUID and of how many
// commands the file had; each command then had its key by its place (RFC 9562 leaves the
// content of this version to its maker). What was sent under them is still found.
const placedVersion = 8

// placed reports whether --key is such a key.
func (a *app) placed() bool {
	key, err := uuid.Parse(a.Again)
	return err == nil && a.KeyGiven && key.Version() == placedVersion
}

func placedCount(key uuid.UUID) int { return int(binary.BigEndian.Uint16(key[14:])) }

func (a *app) sendBatch(ctx context.Context, body batchFile) error {
	if len(body.Commands) > maxBatch {
		return cli.Usage(domain.Invalid("FILE", "has %d commands; a batch takes %d", len(body.Commands), maxBatch))
	}
	if err := sameKeys(body.Commands); err != nil {
		return err
	}
	for i := range body.Commands {
		body.Commands[i].own = body.Commands[i].IdempotencyKey != ""
	}
	start := slices.IndexFunc(body.Commands, func(one batchItem) bool { return one.spec().GoesOn })
	a.Starts = start >= 0
	switch {
	case a.Starts && a.placed():
		return cli.Usage(domain.Invalid("FILE", "lets trading go on (%s, its command %d), and --key was made by an older version for this file as it is: it cannot be sent again with it, nor without that command. Look what was done (%s), take that and what lets trading go on out of the file, and send the rest without --key; look (%s), and then start each bot by itself",
			body.Commands[start].Command, start+1, a.Typed("events"), a.Typed("state")))
	case a.Starts && a.KeyGiven:
		return cli.Usage(domain.Invalid("FILE", "lets trading go on (%s, its command %d), and --key sends again what may have been sent before: somebody may have stopped it since, and the server may not remember. Take what lets trading go on out of the file, and send the rest with --key; look (%s), and then start each bot by itself",
			body.Commands[start].Command, start+1, a.Typed("state")))
	}
	if err := a.keysOf(body.Commands); err != nil {
		return err
	}
	// What lets trading go on is not sent again by itself.
	a.Once = a.Starts
	v := batchAnswer{Key: a.Again}
	err := a.ToServer(ctx, http.MethodPost, "/batch", body, &v)
	a.Once = false
	if err != nil {
		return err
	}
	return a.printBatch(ctx, &v, body.Commands)
}

// maxBatch is how many commands a server takes at once.
const maxBatch = 1_000

// tally counts what became of the commands of a batch.
type tally struct{ refused, denied, before, unchanged int }

// printBatch prints what was refused, how much was done, and how to send the rest: under
// the same key, by which the server knows what was done.
func (a *app) printBatch(ctx context.Context, v *batchAnswer, sent []batchItem) error {
	p := a.Printer()
	n, failed := a.printItems(ctx, v, sent)
	done := fmt.Sprintf("%d of %d are done", len(v.Results)-n.refused, len(v.Results))
	if n.before > 0 {
		done += fmt.Sprintf(" (%d of them were already recorded under this key; nothing was done again)", n.before)
	}
	if n.unchanged > 0 {
		done += fmt.Sprintf("; %d of them changed nothing: %s says why", n.unchanged, a.Typed("events", "--type", "command"))
	}
	if a.JSON {
		p.Err = a.PrintJSON(v)
	} else {
		p.Line("%s", done)
	}
	failed = cmp.Or(failed, p.Err)
	switch {
	case failed != nil:
		return cli.Told(done, fmt.Errorf("%w; %s", failed, a.SendAgain()))
	case n.refused == 0 && n.denied > 0:
		return &cli.ToldError{Err: fmt.Errorf("%d are denied: place no order for them", n.denied)}
	case n.refused == 0:
		return nil
	}
	return &cli.ToldError{Err: errors.Join(fmt.Errorf("%s; %d are refused", done, n.refused), errors.New(a.sendTheRest(v.Key)))}
}

// sendTheRest says how to send what was refused.
func (a *app) sendTheRest(key string) string {
	again := "to send the rest, correct in the file what was refused, and only that, and send the file again, as the same user, with --key " + key
	if a.placed() {
		return again + ", each command in its place: what was done is not done again; what was done and is changed is refused"
	}
	again += ": what stands there as it was is not done again; what was done and is changed happens as well, or is refused if it has an idempotency_key of its own"
	if a.Starts {
		again += ". Take out first what starts bots, look whether somebody has stopped them, and start each by itself"
	}
	return again
}

// printItems prints the commands that a person has to look at.
func (a *app) printItems(ctx context.Context, v *batchAnswer, sent []batchItem) (n tally, err error) {
	p := a.Printer()
	if a.JSON {
		p = cli.Nowhere()
	}
	all := map[int]done{}
	for i, r := range v.Results {
		var item batchItem
		if i < len(sent) {
			item = sent[i]
		}
		// Under a key of this run it is this run's own, sent twice because an answer was lost.
		replayed := r.Replayed && (a.KeyGiven || item.own)
		if replayed {
			n.before++
		}
		if r.Problem != nil {
			n.refused++
			p.Line("%d  %s", i+1, columns.WithoutKeys(fmt.Sprintf("%s  REFUSED: %s", item.Command, r.Problem.Error())))
			if r.Problem.Code() == domain.CodeIdempotencyMismatch {
				p.Line("  something else was done under its key, and stays so; if this is to happen as well, give it another idempotency_key")
			}
			continue
		}
		one := done{command: item, replayed: replayed, short: r.Short}
		if json.Unmarshal(r.Answer, &one.answer) != nil {
			continue
		}
		all[i] = one
		switch permit, is := permitOf(r.Answer); {
		case is:
			permit.Replayed = replayed
			if !permit.Allowed {
				n.denied++
			}
			p.Line("%d  %s  %s", i+1, item.Command, permitHead(permit))
			permitDetails(p, permit, legsIn(item.Body))
		case !r.Short && cli.Noted(one.answer.Events):
			n.unchanged++
		}
	}
	unchanged, err := a.warnOfBatch(ctx, all)
	n.unchanged += unchanged
	return n, cmp.Or(p.Err, err)
}

// permitOf is an answer, if it is that to a request for a permit.
func permitOf(answer json.RawMessage) (*permitAnswer, bool) {
	var is struct {
		Allowed *bool `json:"allowed"`
	}
	var v permitAnswer
	if json.Unmarshal(answer, &is) != nil || is.Allowed == nil || json.Unmarshal(answer, &v) != nil {
		return nil, false
	}
	return &v, true
}

// legsIn are the orders of a request for a permit.
func legsIn(body json.RawMessage) []commands.Leg {
	var ask commands.AskPermit
	if json.Unmarshal(body, &ask) != nil {
		return nil
	}
	return ask.Legs
}
