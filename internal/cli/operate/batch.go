package operate

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

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
			"input. Each command is atomic, the batch is not. One without an idempotency_key gets one of --key\n" +
			"and its place in the file: sent again with the same --key, each happens once. What is corrected stays\n" +
			"in its place then, as does what was done.",
		Example: "  pets batch marks.json",
		RunE: func(c *cobra.Command, args []string) error {
			raw, err := a.readInput(args[0])
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

// keysOf gives each command without a key one of the key of all and its place.
func (a *app) keysOf(all []batchItem) error {
	space, err := uuid.Parse(a.Again)
	if err != nil {
		return err
	}
	switch {
	case !a.KeyGiven:
		a.Again = counted(space, len(all)).String()
		space = uuid.MustParse(a.Again)
	case space.Version() == countedVersion && countOf(space) != len(all):
		return cli.Usage(domain.Invalid("--key", "was made for a file of %d commands, and this one has %d: put each command back into its place, also what was done, or it happens twice. What is new goes into another file, without --key", countOf(space), len(all)))
	}
	for i := range all {
		if all[i].IdempotencyKey == "" {
			all[i].IdempotencyKey = uuid.NewSHA1(space, fmt.Appendf(nil, "%d", i)).String()
		}
	}
	return nil
}

// countedVersion is that of a UUID whose content is its maker's own (RFC 9562).
const countedVersion = 8

// counted writes into the key of a batch how many commands it has: when one was taken out
// of the file, those behind it would come under keys of others, and happen twice.
func counted(key uuid.UUID, n int) uuid.UUID {
	key[6] = countedVersion<<4 | key[6]&0x0f
	binary.BigEndian.PutUint16(key[14:], uint16(n)) //nolint:gosec // a server takes 1,000
	return key
}

func countOf(key uuid.UUID) int { return int(binary.BigEndian.Uint16(key[14:])) }

func (a *app) sendBatch(ctx context.Context, body batchFile) error {
	if len(body.Commands) > maxBatch {
		return cli.Usage(domain.Invalid("FILE", "has %d commands; a batch takes %d", len(body.Commands), maxBatch))
	}
	if err := a.keysOf(body.Commands); err != nil {
		return err
	}
	// What lets trading go on is not sent again by itself. A person may, under the same key:
	// the server refuses a start that a stop has overtaken.
	a.Once = slices.ContainsFunc(body.Commands, func(one batchItem) bool {
		row, _ := commands.SpecNamed(one.Command) // the server refuses an unknown one
		return row.GoesOn
	})
	starts := a.Once
	v := batchAnswer{Key: a.Again}
	err := a.ToServer(ctx, http.MethodPost, "/batch", body, &v)
	a.Once = false
	if err != nil {
		return err
	}
	return a.printBatch(&v, body.Commands, starts)
}

// maxBatch is how many commands a server takes at once.
const maxBatch = 1_000

// tally counts what became of the commands of a batch.
type tally struct{ refused, denied, before, unchanged int }

// printBatch prints what was refused, how much was done, and how to send the rest: under
// the same key, by which the server knows what was done.
func (a *app) printBatch(v *batchAnswer, sent []batchItem, starts bool) error {
	p, n := a.Printer(), a.printItems(v, sent)
	done := fmt.Sprintf("%d of %d are done", len(v.Results)-n.refused, len(v.Results))
	if n.before > 0 {
		done += fmt.Sprintf(" (%d of them were already recorded under this key; nothing was done again)", n.before)
	}
	if n.unchanged > 0 {
		done += fmt.Sprintf("; %d of them changed nothing: pets events --type command says why", n.unchanged)
	}
	if a.JSON {
		p.Err = a.PrintJSON(v)
	} else {
		p.Line("%s", done)
	}
	switch {
	case p.Err != nil:
		return cli.Told(done, fmt.Errorf("%w; sent again with --key %s each happens once", p.Err, v.Key))
	case n.refused == 0 && n.denied > 0:
		return &cli.ToldError{Err: fmt.Errorf("%d are denied: place no order for them", n.denied)}
	case n.refused == 0:
		return nil
	}
	again := "to send the rest, correct it in its place in the file, leave all else as it is, and send the file again with --key " + v.Key + ": what is done is not done again"
	if starts {
		again += "; the file starts bots: look first whether somebody has stopped them"
	}
	return &cli.ToldError{Err: errors.Join(fmt.Errorf("%s; %d are refused", done, n.refused), errors.New(again))}
}

// printItems prints the commands that a person has to look at.
func (a *app) printItems(v *batchAnswer, sent []batchItem) (n tally) {
	p := a.Printer()
	if a.JSON {
		p = cli.Nowhere()
	}
	for i, r := range v.Results {
		name := ""
		if i < len(sent) {
			name = sent[i].Command
		}
		var answer struct {
			commands.Answer
			Allowed *bool `json:"allowed"`
		}
		if r.Replayed {
			n.before++
		}
		switch {
		case r.Problem != nil:
			n.refused++
			p.Line("%d  %s", i+1, columns.WithoutKeys(fmt.Sprintf("%s  REFUSED: %s", name, r.Problem.Error())))
			if r.Problem.Code() == domain.CodeIdempotencyMismatch {
				p.Line("  it was done under this key as it stood in the file then, and stays so; what is new goes into another file, without --key")
			}
		case json.Unmarshal(r.Answer, &answer) != nil:
		case answer.Allowed != nil && !*answer.Allowed:
			n.denied++
			p.Line("%d  %s  DENIED", i+1, name)
		case !r.Short && answer.Allowed == nil && a.Noted(answer.Answer):
			n.unchanged++
		}
	}
	return n
}
