package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"text/tabwriter"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

const pluginListText = `
agent plugin list shows the built-in plugins, those that the configuration
names, and the programs in its plugin folder. Each one that may be run is
started, for its version.
`

func (p *Program) pluginList(args []string) int {
	var c configFlags
	f := p.flags("plugin list", pluginListText)
	c.define(f)
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() > 0 {
		p.failf("unexpected argument %q; agent plugin list -h shows the flags", f.Arg(0))
		return exitUsage
	}
	cat, _, code := p.programs(c, false)
	if cat == nil {
		return code
	}
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tTYPE\tVERSION\tPROGRAM\tSTATUS")
	for _, in := range cat.List() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n",
			cmp.Or(in.Kind, "?"), in.Type, printable(cmp.Or(in.Version, "?")), cmp.Or(in.Path, "built-in"), pinState(in))
	}
	if err := w.Flush(); err != nil {
		p.failf("print plugins: %v", err)
		return exitFailed
	}
	return exitOK
}

func pinState(in catalog.Installed) string {
	switch {
	case in.Fault != nil:
		return "cannot be used: " + printable(in.Fault.Error())
	case in.Path == "":
		return "ready"
	case in.Pinned:
		return "ready, pinned"
	}
	return "ready, not pinned"
}

// programs reads what a configuration says of external plugins. Unless the
// configuration must be there, one that is not, and was not named, is empty. The
// catalog is nil if the command is over, with exit code code.
func (p *Program) programs(c configFlags, must bool) (_ *catalog.Catalog, _ config.Programs, code int) {
	guard := &config.Guard{Service: isService()}
	if err := c.setEnv(guard); err != nil {
		p.failf("%v", err)
		return nil, config.Programs{}, exitUsage
	}
	src, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) && !must && c.file == defaultConfig() {
		src, err = nil, nil
	}
	if err != nil {
		p.failf("read configuration: %v", err)
		return nil, config.Programs{}, exitUsage
	}
	programs, diags := config.ReadPrograms(c.file, src, config.Options{
		CredentialsDir: os.Getenv("CREDENTIALS_DIRECTORY"),
		Strict:         true,
		Guard:          guard,
	})
	diags.Print(p.Stderr, isTerminal(p.Stderr))
	if diags.HasErrors() {
		return nil, config.Programs{}, exitUsage
	}
	cat := p.catalog(slog.New(slog.DiscardHandler))
	cat.Configure(programs.Agent, programs.Plugins)
	return cat, programs, exitOK
}
