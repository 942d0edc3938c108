package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
)

// maxRead bounds a file that a command sends, in bytes: the size limit of a batch.
const maxRead = 2 << 20

// readInput reads a JSON file, or standard input for "-". Reading a pipe may wait for its
// writer; it does not wait when this run is over.
func (a *app) readInput(ctx context.Context, path string) ([]byte, error) {
	if path == "-" && a.In == nil {
		return nil, cli.Usage(domain.Invalid("FILE", "is -, but there is no standard input"))
	}
	type content struct {
		bytes []byte
		err   error
	}
	read := make(chan content, 1)
	go func() { // at the end of this run it ends with the process
		b, err := a.readAll(path)
		read <- content{b, err}
	}()
	var c content
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case c = <-read:
	}
	switch {
	case c.err != nil:
		return nil, c.err
	case len(c.bytes) > maxRead:
		return nil, cli.Usage(domain.Invalid("FILE", "is larger than %d MiB", maxRead>>20))
	case !json.Valid(c.bytes):
		return nil, cli.Usage(domain.Invalid("FILE", "is not JSON"))
	}
	return c.bytes, nil
}

// readAll reads a file to its end, or to where it is too long.
func (a *app) readAll(path string) ([]byte, error) {
	var in io.Reader = a.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	}
	return io.ReadAll(io.LimitReader(in, maxRead+1))
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
				order, err := a.readInput(c.Context(), args[0])
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
			if a.Replayed() {
				a.Tell("%s", a.Before(v.Revision))
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
	case signed == "" && v.Signed:
	case signed != "":
		p.Line("%s", signed)
	default:
		p = a.Printer()
		p.Line("REFUSED")
		for _, r := range v.Reasons {
			p.Line("  %s: %s%s", r.Code, r.Message, against(r.Value, r.Limit))
		}
	}
	switch {
	case p.Err == nil && signed == "" && v.Signed: // it is kept nowhere, and made again for who asks again
		return fmt.Errorf("it is signed, and the answer has no signature: ask again with --key %s", a.Again)
	case p.Err == nil && signed == "":
		return errNotSigned
	}
	return cli.Told("it is signed", p.Err)
}
