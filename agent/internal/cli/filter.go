package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const filterText = `
agent filter reads CloudTrail files and prints, per event name, how many events
a pipeline's filter keeps and filters. It stores nothing and needs no database.

  agent filter -config agent.hcl -pipeline audit FILE...

A FILE that exists is taken as it is; another one may be a pattern.
`

func (p *Program) filter(args []string) int {
	var c configFlags
	f := p.flags("filter", filterText)
	c.define(f)
	name := f.String("pipeline", "", "the `name` of the pipeline; not needed if there is only one")
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() == 0 {
		p.failf("name the files to read: agent filter -config %s -pipeline NAME FILE...", c.file)
		return exitUsage
	}
	cfg, ok := p.load(c, false)
	if !ok {
		return exitUsage
	}
	pl, err := onePipeline(cfg, *name)
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	fl, faults := filter.Compile(pl.Filter)
	if len(faults) > 0 {
		p.failf("filter of pipeline %q: %s: %s", pl.Name, faults[0].Summary, faults[0].Detail)
		return exitUsage
	}
	tally := &tally{filter: fl, names: make(map[string]*tallied)}
	if tally.invalid, err = p.readFiles(f.Args(), tally.count); err != nil {
		p.failf("%v", err)
		return exitFailed
	}
	tally.print(p.Stdout)
	return exitOK
}

func onePipeline(cfg *config.Config, name string) (config.Pipeline, error) {
	var names []string
	for _, pl := range cfg.Pipelines {
		if pl.Name == name || (name == "" && len(cfg.Pipelines) == 1) {
			return pl, nil
		}
		names = append(names, pl.Name)
	}
	if name == "" {
		return config.Pipeline{}, fmt.Errorf("say which pipeline with -pipeline: %s", strings.Join(names, ", "))
	}
	return config.Pipeline{}, fmt.Errorf("there is no pipeline %q in %s, only %s", name, cfg.File, strings.Join(names, ", "))
}

// readFiles reads files through the file source, as a pipeline would. It returns why
// files cannot be read to their end.
func (p *Program) readFiles(paths []string, take func([]sdk.Event) error) (invalid []error, err error) {
	settings, err := json.Marshal(map[string]any{"paths": literalFirst(paths)})
	if err != nil {
		return nil, fmt.Errorf("settings of the file source: %w", err)
	}
	cat := p.catalog(p.warnings())
	ctx, cancel := context.WithCancel(context.Background())
	defer func() {
		closing, done := context.WithTimeout(ctx, 5*time.Second)
		cat.Close(closing)
		done()
		cancel()
	}()
	source, err := cat.Source("filter", "file", settings)
	if err != nil {
		return nil, err
	}
	var splits []sdk.Split
	err = source.Discover(ctx, sdk.TimeRange{}, func(page []sdk.Split) error {
		splits = append(splits, page...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(splits) == 0 {
		return nil, fmt.Errorf("%s: no CloudTrail file: those end in .json or .json.gz, and digests are not read", strings.Join(paths, ", "))
	}
	for _, s := range splits {
		err := source.Fetch(ctx, s, take)
		if sdk.IsInvalid(err) {
			invalid = append(invalid, err)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return invalid, nil
}

// literalFirst escapes what the file source would take for a pattern in names of files
// that exist: the shell has expanded patterns already, and names may hold brackets.
func literalFirst(paths []string) []string {
	escape := strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`)
	out := slices.Clone(paths)
	for i, path := range out {
		if _, err := os.Lstat(path); err == nil {
			out[i] = escape.Replace(path)
		}
	}
	return out
}

// A tally counts a filter's decisions per event name.
type tally struct {
	filter                *filter.Filter
	names                 map[string]*tallied
	rejected, unevaluable int
	invalid               []error // files that cannot be read to their end
}

type tallied struct{ kept, filtered int }

func (t *tally) count(events []sdk.Event) error {
	for i := range events {
		e := &events[i]
		if e.Reject != "" {
			t.rejected++
			continue
		}
		n := t.names[e.Name]
		if n == nil {
			n = &tallied{}
			t.names[e.Name] = n
		}
		v := t.filter.Match(e)
		if v.Unevaluable != nil {
			t.unevaluable++
		}
		if v.Keep {
			n.kept++
		} else {
			n.filtered++
		}
	}
	return nil
}

func (t *tally) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "kept\tfiltered\t event name")
	var total tallied
	for _, name := range slices.Sorted(maps.Keys(t.names)) {
		n := t.names[name]
		total.kept += n.kept
		total.filtered += n.filtered
		if name == "" {
			name = "(none)"
		}
		fmt.Fprintf(tw, "%d\t%d\t %s\n", n.kept, n.filtered, plain.Text(name))
	}
	fmt.Fprintf(tw, "%d\t%d\t total\n", total.kept, total.filtered)
	_ = tw.Flush()
	if t.unevaluable > 0 {
		fmt.Fprintf(w, "%s kept because the filter could not be evaluated.\n", count(t.unevaluable, "event"))
	}
	for _, err := range t.invalid {
		fmt.Fprintf(w, "A file would go to quarantine: %s\n", plain.Text(err.Error()))
	}
	if t.rejected > 0 {
		fmt.Fprintf(w, "%s would go to quarantine.\n", count(t.rejected, "record"))
	}
}
