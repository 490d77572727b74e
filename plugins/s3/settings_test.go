package s3

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

func TestSettingsAreASchema(t *testing.T) {
	block, err := schema.Of(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range block.Attributes {
		if a.Doc == "" || a.Required != (a.Name == "bucket") {
			t.Errorf("attribute %s: required %v, documented %q", a.Name, a.Required, a.Doc)
		}
	}
	var got Settings
	err = schema.Decode([]byte(`{"bucket":"b","prefixes":["a/"],"force_path_style":true,"assume_role":{"arn":"arn:aws-cn:iam::111122223333:role/r","external_id":"x"}}`), &got)
	want := Settings{
		Bucket: "b", Prefixes: []string{"a/"}, ForcePathStyle: true,
		AssumeRole: &AssumeRole{ARN: "arn:aws-cn:iam::111122223333:role/r", ExternalID: "x"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("settings, error %v (-want +got):\n%s", err, diff)
	}
}

func TestNotificationsHaveDefaults(t *testing.T) {
	var got Settings
	err := schema.Decode([]byte(`{"bucket":"b","notifications":{"queue_url":"https://sqs.eu-west-1.amazonaws.com/111122223333/trail"}}`), &got)
	want := Settings{Bucket: "b", Notifications: &Notifications{
		QueueURL: "https://sqs.eu-west-1.amazonaws.com/111122223333/trail", Wait: 20 * time.Second, Visibility: 5 * time.Minute,
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("settings, error %v (-want +got):\n%s", err, diff)
	}
	for _, url := range []string{"trail", "arn:aws:sqs:eu-west-1:111122223333:trail", "https://sqs.eu-west-1.amazonaws.com", "https:///trail"} {
		if err := schema.Decode([]byte(`{"bucket":"b","notifications":{"queue_url":"`+url+`"}}`), &got); err == nil {
			t.Errorf("queue_url %q was accepted", url)
		}
	}
}

func TestPrefixesThatOverlapAreListedOnce(t *testing.T) {
	for _, tc := range []struct {
		name     string
		settings Settings
		want     []string
	}{
		{"none", Settings{}, []string{""}},
		{"one", Settings{Prefix: "a/"}, []string{"a/"}},
		{"apart", Settings{Prefixes: []string{"a/", "b/"}}, []string{"a/", "b/"}},
		{"one within another", Settings{Prefixes: []string{"a/b/", "a/"}}, []string{"a/"}},
		{"twice the same", Settings{Prefixes: []string{"a/", "a/"}}, []string{"a/"}},
	} {
		if diff := cmp.Diff(tc.want, tc.settings.prefixes()); diff != "" {
			t.Errorf("%s: prefixes (-want +got):\n%s", tc.name, diff)
		}
	}
}
