package config

import (
	"strconv"

	"github.com/hashicorp/hcl/v2"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
)

// filterSettings is a filter block. Its fields are those of [filter.Config], in the same
// order. A list that is absent is nil, one that is written but empty is not.
type filterSettings struct {
	EventNames          []string `agent:"event_names" desc:"Names of the events that are kept." optional:"true"`
	ExcludeEventNames   []string `agent:"exclude_event_names" desc:"Names of events that are left out." optional:"true"`
	EventSources        []string `agent:"event_sources" desc:"Services whose events are kept, as in s3.amazonaws.com." optional:"true"`
	ExcludeEventSources []string `agent:"exclude_event_sources" desc:"Services whose events are left out." optional:"true"`
	Regions             []string `agent:"regions" desc:"Regions whose events are kept." optional:"true"`
	ExcludeRegions      []string `agent:"exclude_regions" desc:"Regions whose events are left out." optional:"true"`
	Accounts            []string `agent:"accounts" desc:"Accounts whose events are kept." optional:"true"`
	ExcludeAccounts     []string `agent:"exclude_accounts" desc:"Accounts whose events are left out." optional:"true"`
	Principals          []string `agent:"principals" desc:"Callers whose events are kept." optional:"true"`
	ExcludePrincipals   []string `agent:"exclude_principals" desc:"Callers whose events are left out." optional:"true"`
	ErrorCodes          []string `agent:"error_codes" desc:"Error codes of the events that are kept." optional:"true"`
	ExcludeErrorCodes   []string `agent:"exclude_error_codes" desc:"Error codes of events that are left out." optional:"true"`
	ReadOnly            *bool    `agent:"read_only" desc:"Whether reading or writing events are kept."`
	Where               string   `agent:"where" desc:"A condition in CEL over the record, called event." optional:"true"`
}

// filter decodes a filter block and compiles it for its faults.
func (d *decoder) filter(block *hcl.Block, disabled bool) filter.Config {
	if block == nil {
		return filter.Config{}
	}
	var own filterSettings
	s := d.section(block.Body, block.DefRange, describe(own), disabled)
	s.own(&own)
	c := filter.Config(own)
	_, faults := filter.Compile(c)
	for _, f := range faults {
		if f.Index >= 0 && s.uncertain[f.Attribute+"["+strconv.Itoa(f.Index)+"]"] {
			continue // it is no text
		}
		d.fault(d.filterFault(s, f), f.Summary, sentence(f.Detail))
	}
	return c
}

// filterFault is where the text stands that f is about.
func (d *decoder) filterFault(s *section, f filter.Fault) hcl.Range {
	p := s.places[f.Attribute]
	if p.expr == nil {
		at, _ := s.locate(f.Attribute)
		return at
	}
	expr := p.expr
	if f.Index >= 0 {
		if expr = elementOf(expr, f.Index); expr == nil {
			return p.expr.Range()
		}
	}
	if f.Start < 0 {
		return expr.Range()
	}
	return d.within(expr, f.Start, f.End)
}
