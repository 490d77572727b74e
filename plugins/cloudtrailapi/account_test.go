package cloudtrailapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi/lookuptest"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/internal/awsconfig"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestARegionThatRefusesIsParkedAlone(t *testing.T) {
	for _, code := range []string{"UnrecognizedClientException", "AccessDeniedException"} {
		afterTwoDays(t, func(t *testing.T) { parkOne(t, code) })
	}
}

// parkOne has one of three Regions refuse, serve and refuse again.
func parkOne(t *testing.T, code string) {
	srv := lookuptest.New(lookuptest.Options{})
	notOptedIn := func(r lookuptest.Request) string {
		if r.Region == "af-south-1" {
			return code
		}
		return ""
	}
	srv.Refuse(notOptedIn)
	src := source(t, srv, Settings{Regions: []string{seoul, "af-south-1", virginia}})
	splits, err := discover(t, src, sdk.TimeRange{})
	if diff := cmp.Diff([]string{seoul, virginia}, regionsOf(splits)); diff != "" {
		t.Errorf("Regions listed (-want +got):\n%s", diff)
	}
	if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "look up events in af-south-1") {
		t.Errorf("Discover = %v, want a denied error that names the Region", err)
	}
	if _, err := fetch(t, src, splitID(seoul, today())); err != nil {
		t.Errorf("Fetch in another Region = %v, want nil", err)
	}

	srv.Refuse(nil) // somebody has enabled the Region
	splits, err = discover(t, src, sdk.TimeRange{})
	if n := len(regionsOf(splits)); n != 3 || err != nil {
		t.Errorf("Discover after that = %d Regions, %v, want 3", n, err)
	}

	srv.Refuse(notOptedIn) // and disabled it again
	if _, err := fetch(t, src, splitID("af-south-1", today())); !sdk.IsDenied(err) {
		t.Errorf("Fetch = %v, want it denied", err)
	}
	splits, err = discover(t, src, sdk.TimeRange{})
	if n := len(regionsOf(splits)); n != 2 || !sdk.IsDenied(err) {
		t.Errorf("Discover after that = %d Regions, %v, want 2 and why", n, err)
	}
}

func TestARegionThatIsThrottledIsListed(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		srv.Refuse(func(lookuptest.Request) string { return "ThrottlingException" })
		splits, err := discover(t, source(t, srv, inSeoul()), sdk.TimeRange{})
		if len(splits) == 0 || err != nil {
			t.Errorf("Discover = %d splits, %v, want some", len(splits), err)
		}
	})
}

// writeKey makes a credentials file with one key.
func writeKey(t *testing.T, key, account string) {
	t.Helper()
	text := "[default]\naws_access_key_id=" + key + "\naws_secret_access_key=s\n"
	if account != "" {
		text += "aws_account_id=" + account + "\n"
	}
	if err := os.WriteFile(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withKeyFile runs a test whose credentials come from a file.
func withKeyFile(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	afterTwoDays(t, func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "credentials"))
		f(t)
	})
}

// onlyKey refuses every key but one.
func onlyKey(key string) func(lookuptest.Request) string {
	return func(r lookuptest.Request) string {
		if r.Key != key {
			return "ExpiredTokenException"
		}
		return ""
	}
}

func TestCredentialsThatExpireComeBack(t *testing.T) {
	withKeyFile(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		srv.Add(seoul, record("a", today()))
		writeKey(t, "AKIAOLD", "")
		src := source(t, srv, inSeoul())
		if _, err := fetch(t, src, splitID(seoul, today())); err != nil {
			t.Fatal(err)
		}
		srv.Refuse(onlyKey("AKIANEW"))
		if _, err := fetch(t, src, splitID(seoul, today())); !sdk.IsDenied(err) {
			t.Errorf("Fetch with expired credentials = %v, want it denied", err)
		}
		if splits, err := discover(t, src, sdk.TimeRange{}); !sdk.IsDenied(err) || len(splits) != 0 {
			t.Errorf("Discover with expired credentials = %d splits, %v, want none and why", len(splits), err)
		}
		writeKey(t, "AKIANEW", "")
		got, err := fetch(t, src, splitID(seoul, today()))
		if diff := cmp.Diff([]string{"a"}, ids(got)); diff != "" || err != nil {
			t.Errorf("events once there are new ones, error %v (-want +got):\n%s", err, diff)
		}
		if splits, err := discover(t, src, sdk.TimeRange{}); len(splits) == 0 || err != nil {
			t.Errorf("Discover once there are new ones = %d splits, %v, want some", len(splits), err)
		}
	})
}

func TestCredentialsOfAnotherAccountReadNothing(t *testing.T) {
	withKeyFile(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		srv.Add(seoul, record("a", today()))
		writeKey(t, "AKIAOLD", accountID)
		src := source(t, srv, inSeoul())
		if _, err := fetch(t, src, splitID(seoul, today())); err != nil {
			t.Fatal(err)
		}
		srv.Refuse(onlyKey("AKIANEW"))
		writeKey(t, "AKIANEW", "999988887777")
		before := len(srv.Requests())
		for range 2 {
			_, err := fetch(t, src, splitID(seoul, today()))
			if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "of account 999988887777, the split is of 111122223333") {
				t.Errorf("Fetch = %v, want it denied, and both accounts", err)
			}
		}
		for _, r := range srv.Requests()[before:] {
			if r.Code == "" {
				t.Errorf("a lookup in account 999988887777 was answered for a split of 111122223333")
			}
		}
		splits, err := discover(t, src, sdk.TimeRange{})
		if err != nil || !strings.HasPrefix(splits[0].ID, "999988887777/") {
			t.Errorf("Discover = %v, want splits of the other account", err)
		}
	})
}

func TestNoCredentialsAreDenied(t *testing.T) {
	withKeyFile(t, func(t *testing.T) {
		src := source(t, lookuptest.New(lookuptest.Options{}), Settings{})
		_, listed := discover(t, src, sdk.TimeRange{})
		_, fetched := fetch(t, src, splitID(seoul, today()))
		for _, err := range []error{listed, fetched} {
			if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "find AWS credentials") {
				t.Errorf("error = %v, want a denied error about credentials", err)
			}
		}
	})
}

func TestTheAccountIsAskedForOnceUnlessTheCredentialsTell(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		sts := 0
		srv := lookuptest.New(lookuptest.Options{Account: "444455556666"})
		count := counting{lookuptest.Client{Service: srv}, &sts}
		src := sourceOver(t, count, inSeoul(), t.TempDir())
		for range 2 {
			splits, err := discover(t, src, sdk.TimeRange{})
			if err != nil || !strings.HasPrefix(splits[0].ID, "444455556666/") {
				t.Fatalf("Discover = %v, want splits of the account that AWS STS names", err)
			}
		}
		if sts != 1 {
			t.Errorf("questions to AWS STS = %d, want 1", sts)
		}
		t.Setenv("AWS_ACCOUNT_ID", "777788889999")
		splits, err := discover(t, sourceOver(t, count, inSeoul(), t.TempDir()), sdk.TimeRange{})
		if err != nil || !strings.HasPrefix(splits[0].ID, "777788889999/") || sts != 1 {
			t.Errorf("Discover = %v after %d questions, want splits of the account that the credentials name", err, sts)
		}
	})
}

// counting counts requests to AWS STS.
type counting struct {
	lookuptest.Client
	sts *int
}

func (c counting) Do(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.Header.Get("Authorization"), "/sts/") {
		*c.sts++
	}
	return c.Client.Do(r)
}

// answering answers questions to AWS STS in one way.
type answering struct {
	lookuptest.Client
	status int
	body   string
}

func (c answering) Do(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.Header.Get("Authorization"), "/sts/") {
		return c.Client.Do(r)
	}
	w := httptest.NewRecorder()
	w.WriteHeader(c.status)
	_, _ = w.WriteString(c.body)
	return w.Result(), nil
}

// A server for tests may know LookupEvents alone. AWS itself always knows who asks.
func TestAStandInNeedNotKnowTheAccount(t *testing.T) {
	const standIn = "http://127.0.0.1:4566"
	refusal := func(code string) string {
		return "<ErrorResponse><Error><Code>" + code + "</Code><Message>no</Message></Error></ErrorResponse>"
	}
	for _, tc := range []struct {
		endpoint string
		status   int
		body     string
		known    bool
	}{
		{standIn, 400, "", true},
		{standIn, 400, `{"__type":"UnknownOperationException"}`, true},
		{standIn, 404, "not found", true},
		{standIn, 405, "", true},
		{standIn, 501, "", true},
		{standIn, 200, `{"Events":[]}`, true},
		{standIn, 403, refusal("AccessDenied"), false},
		{standIn, 403, refusal("InvalidClientTokenId"), false},
		{standIn, 400, refusal("Throttling"), false},
		{standIn, 500, "", false},
		{standIn, 503, "", false},
		{"https://vpce-0a1b2c.cloudtrail.ap-northeast-2.vpce.amazonaws.com", 404, "", false},
	} {
		t.Run(fmt.Sprintf("%s %d %s", tc.endpoint, tc.status, tc.body), func(t *testing.T) {
			afterTwoDays(t, func(t *testing.T) {
				settings := inSeoul()
				settings.Endpoint = tc.endpoint
				client := answering{lookuptest.Client{Service: lookuptest.New(lookuptest.Options{})}, tc.status, tc.body}
				splits, err := discover(t, sourceOver(t, client, settings, t.TempDir()), sdk.TimeRange{})
				switch {
				case !tc.known && (err == nil || !strings.Contains(err.Error(), "find the account of the credentials")):
					t.Errorf("Discover = %v, want an error that names the account", err)
				case tc.known && (err != nil || !strings.HasPrefix(splits[0].ID, "000000000000/")):
					t.Errorf("Discover = %v, want splits of the account of stand-ins", err)
				}
			})
		})
	}
}

func TestARoleIsAssumed(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		src := source(t, srv, Settings{Regions: []string{seoul}, AssumeRole: &awsconfig.AssumeRole{ARN: "arn:aws:iam::111122223333:role/reader"}})
		if _, err := fetch(t, src, splitID(seoul, today())); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Hour) // the role's credentials are good for one
		if _, err := fetch(t, src, splitID(seoul, today())); err != nil {
			t.Fatal(err)
		}
		for _, r := range srv.Requests() {
			if r.Key != "ASIAROLE" {
				t.Errorf("a lookup was signed by %s, want it by the role's key", r.Key)
			}
		}
	})
}

func TestQuestionsAboutTheAccountThatAreRefused(t *testing.T) {
	afterTwoDays(t, func(t *testing.T) {
		srv := lookuptest.New(lookuptest.Options{})
		src := source(t, srv, Settings{})
		_, err := discover(t, src, sdk.TimeRange{})
		if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "write regions = […]") {
			t.Errorf("Discover where no Region is enabled = %v, want it denied with advice", err)
		}
		srv.RefuseQuestions("AccessDenied")
		if _, err = discover(t, src, sdk.TimeRange{}); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "allow account:ListRegions, or write regions") {
			t.Errorf("Discover = %v, want it denied with advice", err)
		}
		_, err = discover(t, source(t, srv, Settings{}), sdk.TimeRange{})
		if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "find the account of the credentials") {
			t.Errorf("Discover when the account cannot be found = %v, want it denied with advice", err)
		}
		srv.RefuseQuestions("ExpiredToken")
		if _, err = discover(t, source(t, srv, Settings{}), sdk.TimeRange{}); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "renew or replace") {
			t.Errorf("Discover with expired credentials = %v, want it denied with advice", err)
		}
	})
}

func TestOpenFailsWhereItCannotShareAQuota(t *testing.T) {
	bareEnvironment(t)
	_, err := open(t.Context(), Settings{}, surroundings{temp: filepath.Join(t.TempDir(), "none")})
	if !sdk.IsDenied(err) {
		t.Errorf("open = %v, want it denied", err)
	}
	t.Setenv("AWS_PROFILE", "missing")
	if _, err := Open(t.Context(), Settings{}); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("Open with a profile that is not there = %v, want it denied", err)
	}
}
