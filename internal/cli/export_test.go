package cli

import "context"

// Exported for tests of the whole command line.
var (
	ErrInterrupted = errInterrupted
	FreeText       = freeText
)

const MaxTyped = maxTyped

// Secret asks for one line that is not echoed.
func (p *Prompter) Secret(ctx context.Context, question string) ([]byte, error) {
	return p.secret(ctx, question)
}

// Unaimed lists the commands that no portfolio is named to.
var Unaimed = unaimed
