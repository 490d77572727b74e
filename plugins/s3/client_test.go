package s3

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestNoCredentialsAreDenied(t *testing.T) {
	srv := serve(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	src := source(t, srv, Settings{})
	_, listed := discover(t, src, sdk.TimeRange{})
	_, fetched := fetch(t, src, sdk.Split{ID: "trail/k.json@e"})
	for _, err := range []error{listed, fetched} {
		if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "find AWS credentials") {
			t.Errorf("error = %v, want a denied error about credentials", err)
		}
	}
}

func TestOpenNeedsARegionUnlessThereIsAnEndpoint(t *testing.T) {
	bareEnvironment(t)
	if _, err := Open(t.Context(), Settings{Bucket: bucket}); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "no AWS Region") {
		t.Errorf("Open = %v, want a denied error about the Region", err)
	}
	for _, s := range []Settings{{Bucket: bucket, Region: "eu-west-1"}, {Bucket: bucket, Endpoint: "http://127.0.0.1:1"}} {
		if _, err := Open(t.Context(), s); err != nil {
			t.Errorf("Open of %+v = %v, want nil", s, err)
		}
	}
	t.Setenv("AWS_REGION", "eu-west-1")
	if _, err := Open(t.Context(), Settings{Bucket: bucket}); err != nil {
		t.Errorf("Open with AWS_REGION = %v, want nil", err)
	}
}

func TestProfileIsReadFromTheConfiguration(t *testing.T) {
	srv := serve(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("[profile logs]\naws_access_key_id=AKIAPROFILE\naws_secret_access_key=s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", config)
	var signed string
	srv.SetHook(func(_ http.ResponseWriter, r *http.Request) bool {
		signed = r.Header.Get("Authorization")
		return false
	})
	if _, err := discover(t, source(t, srv, Settings{Profile: "logs"}), sdk.TimeRange{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(signed, "Credential=AKIAPROFILE/") {
		t.Errorf("request was signed %q, want it by the profile's key", signed)
	}
	if _, err := Open(t.Context(), Settings{Bucket: bucket, Profile: "missing"}); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("Open with a profile that is not there = %v, want a denied error that names it", err)
	}
}

// stsAnswers is the one operation of AWS STS that a source asks for.
const stsAnswers = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`

func TestAssumeRole(t *testing.T) {
	srv := serve(t)
	put(t, srv, "x.json.gz", zip(two))
	var asked []string
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("Action")+" "+r.FormValue("RoleArn")+" "+r.FormValue("ExternalId"))
		if r.FormValue("ExternalId") != "x-1" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`)
			return
		}
		fmt.Fprint(w, stsAnswers)
	}))
	defer sts.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	var signed string
	srv.SetHook(func(_ http.ResponseWriter, r *http.Request) bool {
		signed = r.Header.Get("Authorization")
		return false
	})
	const role = "arn:aws:iam::111122223333:role/reader"

	src := source(t, srv, Settings{AssumeRole: &AssumeRole{ARN: role, ExternalID: "x-1"}})
	if _, err := fetch(t, src, only(t, src)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"AssumeRole " + role + " x-1"}, asked); diff != "" {
		t.Errorf("requests to STS (-want +got):\n%s", diff)
	}
	if !strings.Contains(signed, "Credential=ASIAROLE/") {
		t.Errorf("request was signed %q, want it by the role's key", signed)
	}

	_, err := discover(t, source(t, srv, Settings{AssumeRole: &AssumeRole{ARN: role}}), sdk.TimeRange{})
	if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "assume role "+role) {
		t.Errorf("Discover with a role that refuses = %v, want a denied error that names it", err)
	}
}

func TestValidateNamesFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		settings Settings
		want     []string
	}{
		"nothing wrong":       {Settings{Bucket: "b", Prefix: "a/", Endpoint: "https://minio:9000"}, nil},
		"prefix and prefixes": {Settings{Prefix: "a", Prefixes: []string{"b"}}, []string{"prefixes: Both prefix and prefixes"}},
		"an empty prefix":     {Settings{Prefixes: []string{"a", ""}}, []string{"prefixes[1]: Empty prefix"}},
		"leading slashes":     {Settings{Prefix: "/a", Prefixes: nil}, []string{"prefix: Prefix begins with a slash"}},
		"a leading slash in a list": {
			Settings{Prefixes: []string{"a", "/b"}}, []string{"prefixes[1]: Prefix begins with a slash"},
		},
		"an endpoint without scheme": {Settings{Endpoint: "minio:9000"}, []string{"endpoint: Not a URL"}},
		"an endpoint without host":   {Settings{Endpoint: "http://"}, []string{"endpoint: Not a URL"}},
		"an endpoint without TLS": {
			Settings{Endpoint: "http://minio:9000", Notifications: &Notifications{QueueURL: "http://sqs/1/q"}},
			[]string{"endpoint: Endpoint without TLS", "notifications.queue_url: Queue without TLS"},
		},
		"a queue with an endpoint of its own": {Settings{Notifications: &Notifications{QueueURL: "http://sqs/1/q", Endpoint: "http://localhost:1"}}, nil},
		"no TLS, and it is said so":           {Settings{Endpoint: "http://minio:9000", AllowInsecure: true, Notifications: &Notifications{QueueURL: "http://sqs/1/q"}}, nil},
		"the queue's endpoint":                {Settings{Notifications: &Notifications{Endpoint: "sqs"}}, []string{"notifications.endpoint: Not a URL"}},
	} {
		var got []string
		for _, f := range tc.settings.Validate() {
			got = append(got, f.Path+": "+f.Summary)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: faults (-want +got):\n%s", name, diff)
		}
	}
}
