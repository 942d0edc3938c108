package operate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli"
)

// maxRead bounds a file that a command sends, in bytes: the size limit of a batch.
const maxRead = 2 << 20

// readInput reads a JSON file, or standard input for "-".
func (a *app) readInput(path string) ([]byte, error) {
	var in io.Reader = a.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	} else if a.In == nil {
		return nil, cli.Usage(domain.Invalid("FILE", "is -, but there is no standard input"))
	}
	b, err := io.ReadAll(io.LimitReader(in, maxRead+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxRead:
		return nil, cli.Usage(domain.Invalid("FILE", "is larger than %d MiB", maxRead>>20))
	case !json.Valid(b):
		return nil, cli.Usage(domain.Invalid("FILE", "is not JSON"))
	}
	return b, nil
}

// signAnswer is the answer to a request for a signature.
type signAnswer struct {
	commands.SignatureAnswer
	Revision  uint64              `json:"revision"`
	Events    []commands.EventRef `json:"events"`
	Signature string              `json:"signature,omitempty"`
	Raw       string              `json:"raw,omitempty"`
	TxHash    string              `json:"tx_hash,omitempty"`
}

// errNotSigned makes a refusal exit with a failure.
var errNotSigned = fmt.Errorf("%w: not signed", cli.ErrNotPermitted)

func (a *app) signCommand() *cobra.Command {
	var permit, transfer string
	c := &cobra.Command{
		Use: "sign --permit ID FILE | --transfer ID", Short: "Have the server sign: an order under its permit, or an approved transfer", Args: cobra.MaximumNArgs(1),
		Long: "FILE holds the order as typed data, as a wallet signs it (- for standard input): see\n" +
			"docs/signing.md. The signature is printed alone, on standard output. A refusal exits with 1.",
		Example: "  pets sign --permit p12 order.json\n  pets sign --transfer x41",
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{}
			switch {
			case permit != "" && transfer == "" && len(args) == 1:
				order, err := a.readInput(args[0])
				if err != nil {
					return err
				}
				body["permit"], body["typed_data"] = permit, json.RawMessage(order)
			case transfer != "" && permit == "" && len(args) == 0:
				body["transfer"] = transfer
			default:
				return cli.Usage(errors.New("name --permit ID and FILE, or --transfer ID"))
			}
			var v signAnswer
			if err := a.ToServer(c.Context(), http.MethodPost, "/sign", body, &v); err != nil {
				return err
			}
			return a.printSignature(&v)
		},
	}
	c.Flags().StringVar(&permit, "permit", "", "the permit of the order")
	c.Flags().StringVar(&transfer, "transfer", "", "the transfer, which a second person has approved")
	return c
}

func (a *app) printSignature(v *signAnswer) error {
	p, signed := a.Messages(), v.Signature
	if signed == "" {
		signed = v.Raw
	}
	switch {
	case a.JSON:
		p.Err = a.PrintJSON(v)
	case signed != "":
		p.Line("%s", signed)
	default:
		p = a.Printer()
		p.Line("REFUSED")
		for _, r := range v.Reasons {
			p.Line("  %s: %s%s", r.Code, r.Message, against(r.Value, r.Limit))
		}
	}
	if p.Err == nil && signed == "" {
		return errNotSigned
	}
	return cli.Told("it is signed", p.Err)
}

// batchItem is one command in a file for pets batch.
type batchItem struct {
	IdempotencyKey string          `json:"idempotency_key"`
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
}

func (a *app) batchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "batch FILE", Short: "Send up to 1,000 commands of a JSON file in one request", Args: cobra.ExactArgs(1),
		Long: "FILE holds {\"commands\":[{\"command\":…,\"body\":{…}},…]}, as docs/api.md has it, or - for standard\n" +
			"input. Each command is atomic, the batch is not. One without an idempotency_key gets one of --key\n" +
			"and its place in the file: sent again with the same --key, each happens once.",
		Example: "  pets batch marks.json",
		RunE: func(c *cobra.Command, args []string) error {
			raw, err := a.readInput(args[0])
			if err != nil {
				return err
			}
			var body struct {
				Commands []batchItem `json:"commands"`
			}
			if err := json.Unmarshal(raw, &body); err != nil || len(body.Commands) == 0 {
				return cli.Usage(domain.Invalid("FILE", "must hold {\"commands\":[{\"command\":…,\"body\":{…}},…]}"))
			}
			space, err := uuid.Parse(a.Again)
			if err != nil {
				return err
			}
			for i := range body.Commands {
				one := &body.Commands[i]
				if one.IdempotencyKey == "" {
					one.IdempotencyKey = uuid.NewSHA1(space, fmt.Appendf(nil, "%d", i)).String()
				}
				row, _ := commands.SpecNamed(one.Command) // the server refuses an unknown one
				a.Once = a.Once || row.GoesOn
			}
			var v batchAnswer
			if err := a.ToServer(c.Context(), http.MethodPost, "/batch", body, &v); err != nil {
				return err
			}
			names := make([]string, len(body.Commands))
			for i, one := range body.Commands {
				names[i] = one.Command
			}
			return a.printBatch(&v, names)
		},
	}
}

// printBatch prints the commands that were refused, and how many were done.
func (a *app) printBatch(v *batchAnswer, names []string) error {
	p, refused := a.Printer(), 0
	for i, r := range v.Results {
		if r.Problem == nil {
			continue
		}
		refused++
		if !a.JSON && i < len(names) {
			p.Line("%d  %s  REFUSED: %s", i+1, names[i], r.Problem.Error())
		}
	}
	done := fmt.Sprintf("%d of %d are done", len(v.Results)-refused, len(v.Results))
	if a.JSON {
		p.Err = a.PrintJSON(v)
	} else {
		p.Line("%s", done)
	}
	if p.Err == nil && refused > 0 {
		return &cli.ToldError{Err: fmt.Errorf("%s; %d are refused", done, refused)}
	}
	return cli.Told(done, p.Err)
}
