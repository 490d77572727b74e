package filter

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Whatever the filter and the event: the clauses say the same as the verdict.
func TestExplainAgreesWithMatch(t *testing.T) {
	wheres := []string{
		"", `event.errorCode == null`, `event.userIdentity.type == "Root" && event.errorCode == null`,
		`event.requestParameters.x == 1 && event.readOnly == true`,
		`event.readOnly == true && (event.errorCode == null || event.requestParameters.x == 1) && event.awsRegion.startsWith("eu-")`,
		`false && event.requestParameters.x == 1`,
	}
	rapid.Check(t, func(t *rapid.T) {
		c := Config{Where: rapid.SampledFrom(wheres).Draw(t, "where")}
		if rapid.Bool().Draw(t, "names") {
			c.EventNames = []string{"Get*", "ConsoleLogin"}
		}
		if rapid.Bool().Draw(t, "regions") {
			c.ExcludeRegions = []string{"us-*"}
		}
		if rapid.Bool().Draw(t, "read only") {
			readOnly := rapid.Bool().Draw(t, "value")
			c.ReadOnly = &readOnly
		}
		f, faults := Compile(c)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		e := sdk.Event{
			Name:      rapid.SampledFrom([]string{"", "GetUser", "ConsoleLogin", "PutObject"}).Draw(t, "event"),
			Region:    rapid.SampledFrom([]string{"", "eu-west-1", "us-east-1"}).Draw(t, "region"),
			ErrorCode: rapid.SampledFrom([]string{"", "AccessDenied"}).Draw(t, "error"),
			ReadOnly:  rapid.SampledFrom([]sdk.Bool{sdk.Bool(0), sdk.False, sdk.True}).Draw(t, "readOnly"),
		}
		readOnly := map[sdk.Bool]string{sdk.True: `,"readOnly":true`, sdk.False: `,"readOnly":false`}[e.ReadOnly]
		e.Raw = fmt.Appendf(nil, `{"awsRegion":%q,"userIdentity":{"type":%q}%s}`, e.Region,
			rapid.SampledFrom([]string{"Root", "Role"}).Draw(t, "type"), readOnly)
		holds, unevaluable := true, false
		for _, c := range f.Explain(&e) {
			holds = holds && (c.Holds || c.Err != nil)
			unevaluable = unevaluable || c.Err != nil
		}
		v := f.Match(&e)
		if v.Keep != holds || v.Unevaluable != nil && !unevaluable {
			t.Errorf("Match = %+v, but Explain = %+v", v, f.Explain(&e))
		}
	})
}

func TestExplainOfNoFilter(t *testing.T) {
	var f *Filter
	if clauses := f.Explain(&sdk.Event{}); clauses != nil {
		t.Errorf("clauses %+v", clauses)
	}
}
