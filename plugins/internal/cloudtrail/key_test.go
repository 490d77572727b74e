package cloudtrail_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/cloudtrail"
)

func TestParseKey(t *testing.T) {
	const name = "111122223333_CloudTrail_us-east-1_20261101T1255Z_AbCdEfGh12345678.json.gz"
	day, label := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 12, 55, 0, 0, time.UTC)
	full := cloudtrail.Key{Account: "111122223333", Category: "CloudTrail", Region: "us-east-1", Day: day, Label: label}
	for key, want := range map[string]cloudtrail.Key{
		"AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/" + name:                           full,
		"a/b/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/" + name:                       full,
		"AWSLogs/o-abcdef1234/111122223333/CloudTrail/us-east-1/2026/11/01/" + name:              full,
		"o-abcdef1234/AWSLogs/o-abcdef1234/111122223333/CloudTrail/us-east-1/2026/11/01/" + name: full,
		"AWSLogs/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/" + name:                   full,
		name:          {Account: "111122223333", Category: "CloudTrail", Region: "us-east-1", Label: label},
		"x/" + name:   {Account: "111122223333", Category: "CloudTrail", Region: "us-east-1", Label: label},
		"events.json": {},
		"":            {},
		"/":           {},
		"AWSLogs/":    {},
		"AWSLogs/111122223333/CloudTrail/eu-west-1/2014/06/20/111122223333_CloudTrail_us-east-1_20140620T1255ZHdkvFTXOA3Vnhbc.json.gz": {
			Account: "111122223333", Category: "CloudTrail", Region: "eu-west-1",
			Day: time.Date(2014, 6, 20, 0, 0, 0, 0, time.UTC), Label: time.Date(2014, 6, 20, 12, 55, 0, 0, time.UTC),
		},
		"AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/11/01/x.json.gz": {Account: "111122223333", Category: "CloudTrail-Insight", Region: "us-east-1", Day: day},
		"AWSLogs/111122223333/CloudTrail/us-east-1/2026/13/01/x.json.gz":         {Account: "111122223333", Category: "CloudTrail", Region: "us-east-1"},
		"AWSLogs/111122223333/CloudTrail/us-east-1":                              {Account: "111122223333", Category: "CloudTrail"},
		"AWSLogs/tenant/CloudTrail/us-east-1/2026/11/01/x.json":                  {Account: "tenant", Category: "CloudTrail", Region: "us-east-1", Day: day},
		"20269999T9999Z20261101T1255Z":                                           {Label: label},
	} {
		if diff := cmp.Diff(want, cloudtrail.ParseKey(key)); diff != "" {
			t.Errorf("ParseKey(%q) (-want +got):\n%s", key, diff)
		}
	}
}

func TestKeyTimeIsTheLabelElseTheDay(t *testing.T) {
	day := cloudtrail.ParseKey("AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/x.json.gz").Time()
	if want := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC); !day.Equal(want) {
		t.Errorf("time = %v, want %v", day, want)
	}
	label := cloudtrail.ParseKey("AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/x_20261031T2359Z.json.gz").Time()
	if want := time.Date(2026, 10, 31, 23, 59, 0, 0, time.UTC); !label.Equal(want) {
		t.Errorf("time = %v, want %v", label, want)
	}
}

func TestRecordable(t *testing.T) {
	for key, want := range map[string]bool{"a/é.json": true, "": true, "a\x01.json": true, "a\xff.json": false, "a\x00.json": false} {
		if got := cloudtrail.Recordable(key); got != want {
			t.Errorf("Recordable(%q) = %v, want %v", key, got, want)
		}
	}
}

func TestReadable(t *testing.T) {
	const below = "AWSLogs/111122223333/"
	for key, want := range map[string]bool{
		below + "CloudTrail/us-east-1/2026/11/01/x.json.gz":                 true,
		below + "CloudTrail/us-east-1/2026/11/01/x.json":                    true,
		below + "CloudTrail-Insight/us-east-1/2026/11/01/x.json.gz":         true,
		below + "CloudTrail-NetworkActivity/us-east-1/2026/11/01/x.json.gz": true,
		below + "CloudTrail-Aggregated/us-east-1/2026/11/01/x.json.gz":      true,
		"copies/x.json.gz": true,
		below + "CloudTrail-Digest/us-east-1/2026/11/01/x.json.gz":                                false,
		"copies/CloudTrail-Digest/x.json.gz":                                                      false,
		"CloudTrail-Digest/x.json.gz":                                                             false,
		"copies/111122223333_CloudTrail-Digest_us-east-1_main_us-east-1_20261101T125500Z.json.gz": false,
		below + "Config/us-east-1/2026/11/1/ConfigHistory/x.json.gz":                              false,
		below + "CloudTrail/us-east-1/2026/11/01/":                                                false,
		below + "CloudTrail/us-east-1/2026/11/01/x.gz":                                            false,
		below + "CloudTrail/us-east-1/2026/11/01/x.csv":                                           false,
		"": false,
	} {
		if got := cloudtrail.Readable(key); got != want {
			t.Errorf("Readable(%q) = %v, want %v", key, got, want)
		}
	}
}
