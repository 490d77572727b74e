package config

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/filter"
)

func TestFilterFaultsStandWhereTheyWereWritten(t *testing.T) {
	const src = `event_names = ["ConsoleLogin", "a\"["]
regions = env("REGIONS")
where = <<-EOT
  event.eventName == "x" &&
    event.errorCod != null
EOT
`
	d := newDecoder("a.hcl", []byte(src), Options{Env: func(string) (string, bool) { return "", true }})
	f, diags := hclsyntax.ParseConfig(d.src, d.name, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	header := hcl.Range{Filename: "a.hcl", Start: hcl.Pos{Line: 9}}
	s := d.section(f.Body, header, describe(filterSettings{}), false)
	tests := []struct {
		name  string
		fault filter.Fault
		want  string
	}{
		{"a list", filter.Fault{Attribute: "event_names", Index: -1, Start: -1}, `["ConsoleLogin", "a\"["]`},
		{"an element", filter.Fault{Attribute: "event_names", Index: 0, Start: -1}, `"ConsoleLogin"`},
		{"a part of an element", filter.Fault{Attribute: "event_names", Index: 1, Start: 2, End: 3}, `[`},
		{"an element that is not written", filter.Fault{Attribute: "regions", Index: 0, Start: -1}, `env("REGIONS")`},
		{"an expression", filter.Fault{Attribute: "where", Index: -1, Start: 34, End: 42}, `errorCod`},
		{"the end of an expression", filter.Fault{Attribute: "where", Index: -1, Start: 51, End: 51}, ``},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			at := d.filterFault(s, tc.fault)
			if got := src[at.Start.Byte:at.End.Byte]; got != tc.want {
				t.Errorf("the fault covers %q (%v), want %q", got, at, tc.want)
			}
		})
	}
	if at := d.filterFault(s, filter.Fault{Attribute: "accounts", Index: -1, Start: -1}); at != header {
		t.Errorf("a fault of what is not written is at %v, want %v", at, header)
	}
}
