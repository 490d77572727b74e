package rdsdirect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Settings)
		want   []string // the paths of the faults
	}{
		{name: "good settings", change: func(*Settings) {}},
		{name: "an upper-case group", change: func(s *Settings) { s.GroupID = "3F1C6F0E-9D0C-4B7E-8A52-0D6F3B1F2C11" }},
		{name: "no group", change: func(s *Settings) { s.GroupID = "" }, want: []string{"group_id"}},
		{name: "a group that is no UUID", change: func(s *Settings) { s.GroupID = "security" }, want: []string{"group_id"}},
		{name: "a group in braces", change: func(s *Settings) { s.GroupID = "{3f1c6f0e-9d0c-4b7e-8a52-0d6f3b1f2c11}" }, want: []string{"group_id"}},
		{name: "a group without dashes", change: func(s *Settings) { s.GroupID = "3f1c6f0e9d0c4b7e8a520d6f3b1f2c11" }, want: []string{"group_id"}},
		{name: "a certificate without TLS", change: func(s *Settings) { s.SSLRootCert = "ca.pem" }, want: []string{"sslrootcert"}},
		{name: "no host", change: func(s *Settings) { s.Host = "" }, want: []string{"host"}},
		{name: "several faults", change: func(s *Settings) { s.Host, s.GroupID, s.SSLRootCert = "", "x", "ca.pem" }, want: []string{"host", "group_id", "sslrootcert"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := unreachable()
			tc.change(&s)
			var got []string
			for _, fault := range s.Validate() {
				got = append(got, fault.Path)
				if fault.Summary == "" || fault.Detail == "" {
					t.Errorf("fault of %s does not say what is wrong and how to mend it: %+v", fault.Path, fault)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSettingsAreASchema(t *testing.T) {
	block, err := schema.Of(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range block.Attributes {
		if a.Doc == "" {
			t.Errorf("%s has no description", a.Name)
		}
		if a.Sensitive != (a.Name == "password") {
			t.Errorf("%s: sensitive = %v", a.Name, a.Sensitive)
		}
	}

	var got Settings
	if err := schema.Decode([]byte(`{"host":"db","group_id":"3f1c6f0e-9d0c-4b7e-8a52-0d6f3b1f2c11"}`), &got); err != nil {
		t.Fatal(err)
	}
	want := Settings{
		Host: "db", Port: 5432, Database: "postgres", User: "postgres", Auth: "password", SSLMode: "verify-full",
		GroupID: testGroup.String(), SourceProduct: "cloudtrail",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Settings{})); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}
