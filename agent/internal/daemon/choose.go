package daemon

import (
	"fmt"
	"slices"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

// NothingToRun is the error of New where the configuration and the options leave no
// pipeline: another start would end the same way.
type NothingToRun string

func (n NothingToRun) Error() string { return string(n) }

// choose returns the pipelines that run, with their enabled sources and sinks only.
func choose(c *config.Config, o Options) ([]config.Pipeline, error) {
	var chosen []config.Pipeline
	var names []string
	for _, p := range c.Pipelines {
		names = append(names, p.Name)
		if o.Pipeline != "" && p.Name != o.Pipeline {
			continue
		}
		if !p.Enabled && o.Pipeline == "" {
			continue
		}
		p.Sources = slices.DeleteFunc(slices.Clone(p.Sources), func(s config.Source) bool {
			return !s.Enabled || (o.Source != "" && s.Type != o.Source)
		})
		p.Sinks = slices.DeleteFunc(slices.Clone(p.Sinks), func(s config.Sink) bool { return !s.Enabled })
		if len(p.Sources) > 0 && len(p.Sinks) > 0 {
			chosen = append(chosen, p)
		}
	}
	switch {
	case len(chosen) > 0:
		return chosen, nil
	case o.Pipeline != "" && !slices.Contains(names, o.Pipeline):
		return nil, NothingToRun(fmt.Sprintf("there is no pipeline %q in %s, only %s", o.Pipeline, c.File, strings.Join(names, ", ")))
	case o.Source != "":
		return nil, NothingToRun(fmt.Sprintf("no enabled source of type %q in the pipelines that would run", o.Source))
	}
	return nil, NothingToRun(c.File + " has nothing to run: no pipeline with an enabled source and sink")
}
