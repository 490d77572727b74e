package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/control"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/status"
)

const statusText = `
agent status tells how the running service is: what each pipeline read and
stored, how far behind it is, what it waits for, and why it is degraded.

Exit code: 0 if all is well or it is still starting, 1 if it is degraded or does
not run. With -watch it goes on until Ctrl-C; the code is that of the last look.
`

// watchInterval is how often agent status -watch looks.
const watchInterval = 2 * time.Second

func (p *Program) status(args []string) int {
	var c serviceFlags
	f := p.flags("status", statusText)
	c.define(f)
	watch := f.Bool("watch", false, "look again every two seconds")
	asJSON := f.Bool("json", false, "print JSON, a line each time")
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() > 0 {
		p.failf("unexpected argument %q; agent status -h shows the flags", f.Arg(0))
		return exitUsage
	}
	client, err := c.client(isGiven(f, "config"))
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := p.look(ctx, client, *asJSON, *watch)
	for *watch {
		select {
		case <-time.After(watchInterval):
		case <-ctx.Done():
			return code
		}
		code = p.look(ctx, client, *asJSON, true)
	}
	return code
}

// look asks once, and prints the answer.
func (p *Program) look(ctx context.Context, client control.Client, asJSON, again bool) int {
	var r status.Report
	if err := client.Do(ctx, http.MethodGet, "/status", &r); err != nil {
		if ctx.Err() == nil {
			p.failf("status: %v", err)
		}
		return exitFailed
	}
	if err := p.show(&r, asJSON, again); err != nil {
		p.failf("status: %v", err)
		return exitFailed
	}
	if r.State == status.Degraded {
		return exitFailed
	}
	return exitOK
}

func (p *Program) show(r *status.Report, asJSON, again bool) error {
	if asJSON {
		return json.NewEncoder(p.Stdout).Encode(r)
	}
	style := status.Plain()
	if isTerminal(p.Stdout) {
		if again {
			fmt.Fprint(p.Stdout, "\x1b[H\x1b[2J") // the cursor home, an empty screen
		}
		if os.Getenv("NO_COLOR") == "" {
			style = status.Colourful()
		}
	} else if again {
		fmt.Fprintf(p.Stdout, "--- %s\n", r.Time.UTC().Format(time.RFC3339))
	}
	return r.Print(p.Stdout, style)
}

// agentVersion is the version that the binary was built as.
func agentVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
