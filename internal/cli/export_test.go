package cli

import "context"

// What tests of the whole command line look at.
var (
	ErrInterrupted = errInterrupted
	FreeText       = freeText
)

const MaxTyped = maxTyped

// Secret asks for one line that is not shown.
func (p *Prompter) Secret(ctx context.Context, question string) ([]byte, error) {
	return p.secret(ctx, question)
}
