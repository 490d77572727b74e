package filter

import (
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

const (
	kept        = "kept"
	dropped     = "dropped"
	unevaluable = "unevaluable" // and kept
)

func TestWhere(t *testing.T) {
	login := `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::1:user/a","sessionContext":{"attributes":{"mfaAuthenticated":"true"}}},` +
		`"eventTime":"2026-11-02T03:04:05Z","eventName":"ConsoleLogin","sourceIPAddress":"198.51.100.7","readOnly":false,` +
		`"requestParameters":null,"additionalEventData":{"MFAUsed":"Yes","n":7,"half":0.5,"big":18446744073709551616,"x-y":[1,{"a":true}]},` +
		`"resources":[{"ARN":"arn:aws:s3:::b","type":"AWS::S3::Bucket"},{"type":"AWS::S3::Object"}]}`
	for _, tc := range []struct {
		name, where, raw string
		want             string
	}{
		{"a known field", `event.eventName == "ConsoleLogin"`, login, kept},
		{"a known field, other value", `event.eventName == "AssumeRole"`, login, dropped},
		{"membership", `event.eventName in ["AssumeRole", "ConsoleLogin"]`, login, kept},
		{"an absent field is null", `event.errorCode == null`, login, kept},
		{"a null field is null", `event.requestParameters == null`, login, kept},
		{"an absent field is not a value", `event.errorCode == "AccessDenied"`, login, dropped},
		{"an absent field is in no list", `event.errorCode in ["AccessDenied"]`, login, dropped},
		{"nullable flag and text", `event.readOnly != true || event.errorCode != null`, login, kept},
		{"an absent flag is not true", `event.managementEvent == true`, login, dropped},
		{"has of a field", `has(event.sourceIPAddress) && !has(event.userAgent) && !has(event.requestParameters)`, login, kept},
		{"has of a key", `has(event.userIdentity.arn) && !has(event.userIdentity.userName)`, login, kept},
		{"a nested key", `event.userIdentity.sessionContext.attributes.mfaAuthenticated == "true"`, login, kept},
		{"two keys of one object", `event.userIdentity.type == "IAMUser" && event.userIdentity.arn.endsWith("/a")`, login, kept},
		{"an object and a key of it", `event.userIdentity.size() == 3 && event.userIdentity.type == "IAMUser"`, login, kept},
		{"a key and its object", `event.userIdentity.type == "IAMUser" && event.userIdentity.size() == 3`, login, kept},
		{"a key with a dash", `event.additionalEventData["x-y"][1].a == true`, login, kept},
		{"a whole number", `event.additionalEventData.n == 7 && event.additionalEventData.n > 6.5`, login, kept},
		{"a fraction", `event.additionalEventData.half < 1`, login, kept},
		{"a number beyond int64", `event.additionalEventData.big > 9223372036854775807`, login, kept},
		{"a loop", `event.resources.exists(r, has(r.ARN) && r.ARN.startsWith("arn:aws:s3:::"))`, login, kept},
		{"a loop without a hit", `event.resources.exists(r, r.type == "AWS::EC2::Instance")`, login, dropped},
		{"a regular expression", `event.eventName.matches("^(Console|Switch)")`, login, kept},
		{"text functions", `event.eventName.lowerAscii() == "consolelogin"`, login, kept},
		{"time", `timestamp(event.eventTime).getHours() < 6 && timestamp(event.eventTime) > timestamp("2026-11-01T00:00:00Z")`, login, kept},

		{"a missing key has no value", `event.userIdentity.userName == "a"`, login, unevaluable},
		{"a missing key on the way has no value", `event.userIdentity.sessionIssuer.arn == "a"`, login, unevaluable},
		{"a key of an absent field has no value", `event.tlsDetails.tlsVersion == "TLSv1.3"`, login, unevaluable},
		{"a key of a null field has no value", `event.requestParameters.bucketName == "b"`, login, unevaluable},
		{"a key of a text has no value", `event.userIdentity.type.name == "b"`, login, unevaluable},
		{"a function of null has no value", `event.errorCode.startsWith("Access")`, login, unevaluable},
		{"null is not a condition", `event.managementEvent && true`, login, unevaluable},
		{"a decided expression needs no other value", `event.readOnly == false || event.userIdentity.userName == "a"`, login, kept},
		{"a decided expression needs no other value, on either side", `event.userIdentity.userName == "a" && event.readOnly == true`, login, dropped},
		{"a guard against a missing key", `has(event.userIdentity.userName) && event.userIdentity.userName == "a"`, login, dropped},
		{"a bad time has no value", `timestamp(event.eventTime).getHours() < 6`, `{"eventTime":"yesterday"}`, unevaluable},

		{"an empty text is not null", `event.errorCode == ""`, `{"errorCode":""}`, kept},
		{"a field of an odd type is what it is", `event.errorCode != null && event.errorCode != "5"`, `{"errorCode":5}`, kept},
		{"a function of an odd type has no value", `event.errorCode.startsWith("5")`, `{"errorCode":5}`, unevaluable},
		{"a flag written as text is not true", `event.readOnly == true`, `{"readOnly":"true"}`, dropped},
		{"a result of an odd type has no value", `event.readOnly == null ? false : event.readOnly`, `{"readOnly":"true"}`, unevaluable},
		{"a name inside a value is not the field", `event.errorCode == null`, `{"responseElements":{"errorCode":"x"},"requestParameters":"\"errorCode\":1"}`, kept},
		{"a name with escapes", `event.errorCode == "x"`, `{"error\u0043ode":"x"}`, kept},
		{"of equal names the last counts", `event.errorCode == "b"`, `{"errorCode":"a","errorCode":"b"}`, kept},
		{"of equal objects the last counts", `has(event.userIdentity.type)`, `{"userIdentity":{"type":"a"},"userIdentity":{"arn":"b"}}`, dropped},
		{"space between tokens", `event.errorCode == "x" && event.userIdentity.a == 1`, " { \"errorCode\" : \"x\" ,\n\"userIdentity\" : { \"a\" : 1 } } ", kept},
		{"text that is not UTF-8", `event.errorMessage == "a\ufffdb"`, "{\"errorMessage\":\"a\xffb\"}", kept},
		{"a name that is not UTF-8", `"a\ufffd" in event.requestParameters`, "{\"requestParameters\":{\"a\xff\":1}}", kept},
		{"a lone surrogate", `event.errorMessage == "\ufffd"`, `{"errorMessage":"\ud83d"}`, kept},
		{"a number out of range", `event.requestParameters.a > 1.0e300`, `{"requestParameters":{"a":1e400}}`, kept},
		{"a list where an object is expected", `event.resources.ARN == "a"`, `{"resources":[{"ARN":"a"}]}`, unevaluable},

		{"a record that is cut off", `event.errorCode == "x"`, `{"errorCode":"x"`, unevaluable},
		{"a record that is no object", `event.errorCode == null`, `["errorCode"]`, unevaluable},
		{"a record that is no JSON", `has(event.errorCode)`, `"errorCode" {`, unevaluable},
		{"nesting without end", `event.resources == null`, `{"resources":` + strings.Repeat("[", 20_000), unevaluable},
		{
			"loops without end", `[0,1,2,3,4,5,6,7,8,9].all(a, event.requestParameters.l.all(b, event.requestParameters.l.all(c, event.requestParameters.l.all(d, a + b + c + d >= 0))))`,
			`{"requestParameters":{"l":[` + strings.Repeat("1,", 99) + `1]}}`, unevaluable,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := compile(t, Config{Where: tc.where}).Match(&sdk.Event{Raw: []byte(tc.raw)})
			if outcome(got) != tc.want {
				t.Errorf("%s is %s (%v), want %s", tc.where, outcome(got), got.Unevaluable, tc.want)
			}
		})
	}
}

func outcome(v Verdict) string {
	switch {
	case v.Unevaluable != nil && v.Keep:
		return unevaluable
	case v.Unevaluable != nil:
		return "unevaluable, but dropped"
	case v.Keep:
		return kept
	}
	return dropped
}

// An event whose envelope has the answer is decided without its record: here the
// record would say otherwise.
func TestWhereIsDecidedOnTheEnvelopeWherePossible(t *testing.T) {
	event := sdk.Event{
		Name: "A", Source: "b", Region: "c", ErrorCode: "d", ReadOnly: sdk.True,
		Raw: []byte(`{"eventName":`),
	}
	for _, where := range []string{
		`event.eventName == "A"`,
		`event.eventSource == "b"`,
		`event.awsRegion == "c"`,
		`event.errorCode == "d"`,
		`event.readOnly == true`,
		`event.eventName == "A" || event.userIdentity.type == "Root"`,
		`event.vpcEndpointId == null`,
	} {
		if got := compile(t, Config{Where: where}).Match(&event); outcome(got) != kept {
			t.Errorf("%s is %s (%v), want kept", where, outcome(got), got.Unevaluable)
		}
	}
}

// What an event leaves behind must not be seen by the next one.
func TestWhereForgetsTheEventBefore(t *testing.T) {
	f := compile(t, Config{Where: `event.errorMessage == "x" || event.userIdentity.type == "Root"`})
	for range 100 {
		for _, tc := range []struct{ raw, want string }{
			{`{"errorMessage":"x","userIdentity":{"type":"Root"}}`, kept},
			{`{"userIdentity":{"type":"IAMUser"}}`, dropped},
			{`{"errorMessage":"y","userIdentity":{}}`, unevaluable},
			{`{"errorMessage":"x`, unevaluable},
			{`{"eventName":"z"}`, unevaluable},
		} {
			if got := f.Match(&sdk.Event{Raw: []byte(tc.raw)}); outcome(got) != tc.want {
				t.Fatalf("%s is %s (%v), want %s", tc.raw, outcome(got), got.Unevaluable, tc.want)
			}
		}
	}
}

func TestWhereLeavesTheRecordAlone(t *testing.T) {
	raw := `{"errorMessage":"a\u0041","userIdentity":{"type":"Root"}}`
	event := sdk.Event{Raw: []byte(raw)}
	compile(t, Config{Where: `event.errorMessage == "aA" && event.userIdentity.type == "Root"`}).Match(&event)
	if string(event.Raw) != raw {
		t.Errorf("Raw became %s", event.Raw)
	}
}

// Whoever can write to the bucket must not hold up the filter with a long list.
func TestWhereGivesUpOnLoopsWithinLoopsOverLongLists(t *testing.T) {
	list := strings.Repeat(`{"ARN":"a"},`, 3000) + `{"ARN":"a"}`
	event := sdk.Event{Raw: []byte(`{"resources":[` + list + `]}`)}
	inner := `event.resources.exists(b, event.resources.exists(c, b.ARN != c.ARN))`
	if got := compile(t, Config{Where: inner}).Match(&event); outcome(got) != unevaluable {
		t.Errorf("nine million comparisons: %s", outcome(got))
	}
	// One loop is no reason to give up, wherever it stands.
	for _, where := range []string{`event.resources.all(r, r.ARN == "a")`, `event.resources.size() == 3001 && (event.readOnly == true || event.resources.exists(r, r.ARN == "a"))`} {
		if got := compile(t, Config{Where: where}).Match(&event); outcome(got) != kept {
			t.Errorf("%s: %s (%v)", where, outcome(got), got.Unevaluable)
		}
	}
}

func TestOnlyLoopsNeedALimit(t *testing.T) {
	env, err := newEnv()
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]bool{
		`event.eventName == "a"`: false,
		`has(event.errorCode) && event.sourceIPAddress.startsWith("10.") || event.eventName in ["a", "b"]`: false,
		`event.resources.exists(r, true)`:                                true,
		`!(event.eventName == "a" && [event.resources.map(r, r)] == [])`: true,
	} {
		tree, issues := env.Compile(source)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", source, issues.Err())
		}
		if got := loops(tree.NativeRep().Expr()); got != want {
			t.Errorf("%s: loops is %t, want %t", source, got, want)
		}
	}
}
