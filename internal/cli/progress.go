package cli

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Bar is a progress bar on a terminal. Without a terminal it does nothing.
type Bar struct {
	p *progressbar.ProgressBar
}

// Progress starts a bar; a total of 0 is one that is not known yet.
func (a *App) Progress(what string, total int64) *Bar {
	f, ok := a.Err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &Bar{}
	}
	if total == 0 {
		total = -1
	}
	return &Bar{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
	)}
}

// Shown reports whether there is a terminal that shows the bar.
func (b *Bar) Shown() bool { return b.p != nil }

// To moves the bar.
func (b *Bar) To(done, total int64) {
	if b.p == nil {
		return
	}
	if total > 0 && b.p.GetMax64() != total {
		b.p.ChangeMax64(total)
	}
	_ = b.p.Set64(done)
}

// Finish removes the bar.
func (b *Bar) Finish() {
	if b.p != nil {
		_ = b.p.Finish()
	}
}
