package awsconfig

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// keyFile makes the credentials file the only place to find a key in, and returns a
// function that writes it.
func keyFile(t *testing.T) (write func(text string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "",
		"AWS_CONFIG_FILE": file + ".none", "AWS_SHARED_CREDENTIALS_FILE": file, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ROLE_ARN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
	} {
		t.Setenv(name, value)
	}
	return func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func key(id string) string {
	return "[default]\naws_access_key_id=" + id + "\naws_secret_access_key=s\n"
}

func options() Options {
	return Options{HTTPClient: awshttp.NewBuildableClient(), Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
}

func TestCredentialsAreFoundAgainAfterRenew(t *testing.T) {
	write := keyFile(t)
	write(key("AKIAONE"))
	a, err := Load(t.Context(), options())
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		content string
		renew   bool
		want    string // key; empty: denied
	}{
		{key("AKIAONE"), false, "AKIAONE"},
		{key("AKIATWO"), false, "AKIAONE"}, // they are read once
		{key("AKIATWO"), true, "AKIATWO"},
		{"", true, ""},
		{key("AKIATWO"), true, "AKIATWO"},
		{"[default\n", true, ""}, // somebody is writing the file
		{key("AKIATHREE"), false, "AKIATHREE"},
	} {
		write(step.content)
		if step.renew {
			a.Renew()
		}
		err := a.Authenticate(t.Context())
		creds, _ := a.Credentials.Retrieve(t.Context()) // err says the same
		if creds.AccessKeyID != step.want || (step.want == "") != sdk.IsDenied(err) {
			t.Errorf("with file %q, renewed %v: key %q, %v; want %q", step.content, step.renew, creds.AccessKeyID, err, step.want)
		}
	}
}

func TestLoadFailsForAProfileThatIsNotThere(t *testing.T) {
	keyFile(t)
	o := options()
	o.Profile = "missing"
	if _, err := Load(t.Context(), o); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("Load = %v, want a denied error that names the profile", err)
	}
}

func TestIsAWS(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"https://cloudtrail.us-east-1.amazonaws.com":                 true,
		"https://vpce-1.cloudtrail.us-east-1.vpce.amazonaws.com:443": true,
		"https://cloudtrail.cn-north-1.amazonaws.com.cn":             true,
		"https://cloudtrail-fips.us-east-1.api.aws":                  true,
		"http://127.0.0.1:4566":                                      false,
		"https://amazonaws.com.example":                              false,
		"https://evil.example/?.amazonaws.com":                       false,
		"":                                                           false,
		"://":                                                        false,
	} {
		if got := IsAWS(endpoint); got != want {
			t.Errorf("IsAWS(%q) = %v, want %v", endpoint, got, want)
		}
	}
}

func TestEndpointFault(t *testing.T) {
	for _, tc := range []struct {
		endpoint string
		insecure bool
		want     string
	}{
		{"", false, ""},
		{"https://h:1/x", false, ""},
		{"http://127.0.0.1:9000", false, ""},
		{"http://[::1]:9000", false, ""},
		{"http://localhost:9000", false, ""},
		{"http://minio:9000", true, ""},
		{"h", false, "Not a URL"},
		{"ftp://h", true, "Not a URL"},
		{"http://", true, "Not a URL"},
		{"://", false, "Not a URL"},
		{"http://minio:9000", false, "Endpoint without TLS"},
		{"HTTP://10.0.0.1", false, "Endpoint without TLS"},
		{"http://127.0.0.1.evil.example", false, "Endpoint without TLS"},
		{"http://localhost.evil.example", false, "Endpoint without TLS"},
		{"http://127.0.0.1@evil.example", false, "Endpoint without TLS"},
	} {
		f, bad := EndpointFault(tc.endpoint, "https://example.com", tc.insecure)
		if bad != (tc.want != "") || f.Summary != tc.want || bad && f.Path != "endpoint" {
			t.Errorf("EndpointFault(%q, %v) = %+v, %v, want %q", tc.endpoint, tc.insecure, f, bad, tc.want)
		}
	}
}

type counting struct{ sent []string }

func (c *counting) Do(r *http.Request) (*http.Response, error) {
	c.sent = append(c.sent, r.URL.Host)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// Wherever the endpoint comes from, the block, the environment or an answer, nothing goes
// out in the clear.
func TestNoRequestLeavesTheMachineInTheClear(t *testing.T) {
	keyFile(t)(key("AKIAONE"))
	t.Setenv("AWS_CA_BUNDLE", "") // it asks for a client of the SDK's own
	for _, insecure := range []bool{false, true} {
		o, client := options(), &counting{}
		o.HTTPClient, o.Insecure = client, insecure
		a, err := Load(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var refused []string
		for _, to := range []string{"https://s3.amazonaws.com", "http://127.0.0.1:1", "http://localhost", "http://s3.amazonaws.com", "http://10.0.0.1"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := a.HTTPClient.Do(r)
			if err != nil {
				if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "allow_insecure") {
					t.Errorf("%s: %v", to, err)
				}
				refused = append(refused, r.URL.Host)
				continue
			}
			_ = res.Body.Close()
		}
		want := []string{"s3.amazonaws.com", "10.0.0.1"}
		if insecure {
			want = nil
		}
		if !slices.Equal(refused, want) || len(client.sent)+len(refused) != 5 {
			t.Errorf("insecure %v: refused %v, want %v", insecure, refused, want)
		}
	}
}
