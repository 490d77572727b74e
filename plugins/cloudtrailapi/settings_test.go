package cloudtrailapi

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

func TestSettingsAreASchema(t *testing.T) {
	block, err := schema.Of(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range block.Attributes {
		if a.Doc == "" || a.Required {
			t.Errorf("attribute %s: required %v, documented %q", a.Name, a.Required, a.Doc)
		}
	}
	var got Settings
	err = schema.Decode([]byte(`{"regions":["us-gov-west-1"],"event_category":"insight","rate":0.5,"lookup":{"event_name":"RunInstances"},
		"assume_role":{"arn":"arn:aws:iam::111122223333:role/r"},"endpoint":"http://127.0.0.1:1","profile":"p"}`), &got)
	want := Settings{
		Regions: []string{"us-gov-west-1"}, EventCategory: "insight", Rate: 0.5, Lookup: &Lookup{EventName: "RunInstances"},
		AssumeRole: &awsconfig.AssumeRole{ARN: "arn:aws:iam::111122223333:role/r"}, Endpoint: "http://127.0.0.1:1", Profile: "p",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("settings, error %v (-want +got):\n%s", err, diff)
	}
}

func TestValidateNamesFaults(t *testing.T) {
	no := false
	const vpc = "https://vpce-1.cloudtrail.ap-northeast-2.vpce.amazonaws.com"
	for name, tc := range map[string]struct {
		settings Settings
		want     []string
	}{
		"nothing at all":             {Settings{}, nil},
		"one attribute":              {Settings{Lookup: &Lookup{ReadOnly: &no}}, nil},
		"a stand-in for all Regions": {Settings{Endpoint: "http://localhost:4566"}, nil},
		"a VPC endpoint":             {Settings{Endpoint: vpc, Regions: []string{seoul}}, nil},
		"no attribute":               {Settings{Lookup: &Lookup{}}, []string{"lookup: Not one attribute"}},
		"two attributes":             {Settings{Lookup: &Lookup{EventName: "a", ReadOnly: &no}}, []string{"lookup: Not one attribute"}},
		"a long value":               {Settings{Lookup: &Lookup{Username: strings.Repeat("x", 1001)}}, []string{"lookup.username: Value cannot be recorded"}},
		"a value with a NUL":         {Settings{Lookup: &Lookup{EventName: "a\x00"}}, []string{"lookup.event_name: Value cannot be recorded"}},
		"insights by user":           {Settings{EventCategory: categoryInsight, Lookup: &Lookup{Username: "u"}}, []string{"lookup.username: Not an attribute of Insights events"}},
		"insights by source":         {Settings{EventCategory: categoryInsight, Lookup: &Lookup{EventSource: "s"}}, nil},
		"not a URL":                  {Settings{Endpoint: "localhost"}, []string{"endpoint: Not a URL"}},
		"a VPC endpoint for all":     {Settings{Endpoint: vpc}, []string{"endpoint: Endpoint of one Region"}},
		"a Region twice":             {Settings{Regions: []string{seoul, virginia, seoul}}, []string{"regions[2]: Region given twice"}},
	} {
		var got []string
		for _, f := range tc.settings.Validate() {
			if f.Detail == "" {
				t.Errorf("%s: fault %q does not say how to mend it", name, f.Summary)
			}
			got = append(got, f.Path+": "+f.Summary)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: faults (-want +got):\n%s", name, diff)
		}
	}
}

// TestRequestsGoToTheEndpointThatIsMeant covers what no test with a stand-in can see.
func TestRequestsGoToTheEndpointThatIsMeant(t *testing.T) {
	bareEnvironment(t)
	for endpoint, want := range map[string]string{
		"":                      "",
		"http://127.0.0.1:4566": "http://127.0.0.1:4566",
		"https://vpce-1.cloudtrail.ap-northeast-2.vpce.amazonaws.com": "",
		"https://cloudtrail.cn-north-1.amazonaws.com.cn":              "",
		"https://amazonaws.com.example":                               "https://amazonaws.com.example",
	} {
		src := &Source{settings: Settings{Endpoint: endpoint}}
		got := ""
		if url := src.standInURL(); url != nil {
			got = *url
		}
		if got != want {
			t.Errorf("with endpoint %q questions about the account go to %q, want %q", endpoint, got, want)
		}
	}
}
