package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// testSettings is a test block.
type testSettings struct {
	Pipeline string         `agent:"pipeline" desc:"The pipeline whose filter is tried."`
	Input    string         `agent:"input" desc:"CloudTrail records as JSON, usually file(\"…\"): a log file, a list, or one record after another."`
	Expect   expectSettings `agent:"expect,block" desc:"What the filter does with them."`
}

// expectSettings is an expect block.
type expectSettings struct {
	Kept     *int     `agent:"kept" desc:"How many events are kept." min:"0"`
	Filtered *int     `agent:"filtered" desc:"How many events are filtered." min:"0"`
	EventIDs []string `agent:"event_ids" desc:"The eventIDs of all events that are kept, in any order." optional:"true"`
}

// tests decodes the test blocks; pipelines are those of the file.
func (d *decoder) tests(blocks hcl.Blocks, pipelines []Pipeline) []Test {
	d.unique("test", blocks)
	var names []string
	for _, p := range pipelines {
		names = append(names, p.Name)
	}
	var tests []Test
	for _, b := range blocks {
		var own testSettings
		s := d.section(b.Body, b.DefRange, describe(own), false)
		s.own(&own)
		if !s.complete() {
			continue
		}
		if !slices.Contains(names, own.Pipeline) {
			at, _ := s.locate("pipeline")
			detail := fmt.Sprintf("There is no pipeline %q in this file.", own.Pipeline)
			if near := nearest(own.Pipeline, names); near != "" {
				detail += fmt.Sprintf(" Did you mean %q?", near)
			} else {
				detail += fmt.Sprintf(" Known: %s.", strings.Join(names, ", "))
			}
			d.fault(at, "Unknown pipeline", detail)
		}
		if own.Expect.Kept == nil && own.Expect.Filtered == nil && own.Expect.EventIDs == nil {
			at, _ := s.locate("expect")
			d.fault(at, "Test without expectation", "Write kept, filtered or event_ids.")
		}
		tests = append(tests, Test{
			Name: b.Labels[0], Pipeline: own.Pipeline, Input: own.Input,
			Kept: own.Expect.Kept, Filtered: own.Expect.Filtered, EventIDs: own.Expect.EventIDs,
			Pos: posOf(b.DefRange),
		})
	}
	return tests
}
