package rdsdirect

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// credentials gives the AWS SDK one pair of keys and nothing else.
func credentials(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "",
	} {
		t.Setenv(name, value)
	}
}

// askingServer is a PostgreSQL server as far as the password: it asks for it in clear, as
// RDS does for a token, notes it and refuses it.
type askingServer struct {
	host string
	port int

	mu        sync.Mutex
	passwords []string
}

func newAskingServer(t *testing.T) *askingServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	s := &askingServer{host: address.IP.String(), port: address.Port}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return s
}

func (s *askingServer) serve(conn net.Conn) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if backend.Flush() != nil || backend.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
		return
	}
	if m, err := backend.Receive(); err == nil {
		s.mu.Lock()
		s.passwords = append(s.passwords, m.(*pgproto3.PasswordMessage).Password)
		s.mu.Unlock()
	}
	backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"})
	_ = backend.Flush()
}

func (s *askingServer) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.passwords)
}

func TestAnIAMTokenIsMintedForEachConnection(t *testing.T) {
	credentials(t)
	server := newAskingServer(t)
	s := unreachable()
	// The server here has no TLS, which the settings themselves would refuse.
	s.Host, s.Port, s.User, s.Auth, s.Region, s.SSLMode = server.host, server.port, "inu_writer", authIAM, "eu-central-1", "disable"
	sink := openSink(t, s)
	for range 2 {
		_, err := sink.Done(t.Context(), sdk.DoneQuery{Splits: []string{"a"}})
		if !sdk.IsDenied(err) || !strings.Contains(err.Error(), "rds_iam") {
			t.Fatalf("error = %v, want Denied that names rds_iam", err)
		}
	}
	tokens := server.asked()
	if len(tokens) != 2 {
		t.Fatalf("%d connections asked, want 2", len(tokens))
	}
	for _, token := range tokens {
		u, err := url.Parse("https://" + token)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if u.Host != s.address() || q.Get("Action") != "connect" || q.Get("DBUser") != "inu_writer" ||
			!strings.Contains(q.Get("X-Amz-Credential"), "AKIATEST/") || !strings.Contains(q.Get("X-Amz-Credential"), "/eu-central-1/rds-db/") {
			t.Errorf("token %s, want one for the server, user and Region", token)
		}
	}
}

func TestIAMWithoutCredentialsOrRegionSaysWhatIsMissing(t *testing.T) {
	credentials(t)
	s := unreachable()
	s.Auth, s.Host = authIAM, "127.0.0.1"
	if _, err := openSink(t, s).Done(t.Context(), sdk.DoneQuery{}); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "Region") {
		t.Errorf("without a Region: %v, want Denied", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	s.Region = "eu-central-1"
	if _, err := openSink(t, s).Done(t.Context(), sdk.DoneQuery{}); !sdk.IsDenied(err) || !strings.Contains(err.Error(), "find AWS credentials") {
		t.Errorf("without credentials: %v, want Denied", err)
	}
}

// secretsManager answers GetSecretValue with text, or fails with an error's code.
type secretsManager struct {
	mu         sync.Mutex
	text, code string
	reads      int
}

func newSecretsManager(t *testing.T) *secretsManager {
	t.Helper()
	credentials(t)
	m := &secretsManager{}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL)
	return m
}

func (m *secretsManager) set(text, code string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text, m.code = text, code
}

func (m *secretsManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || m.code != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": m.code, "message": "no"})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"SecretString": m.text})
}

const secretARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf"

func TestASecretIsReadOnceAndAgainWhenTheServerRefusesIt(t *testing.T) {
	manager := newSecretsManager(t)
	db := newDatabase(t, cluster)
	manager.set(db.Writer.Password, "")
	sink := db.newSink(t, func(s *Settings) { s.Password, s.PasswordSecret = "", secretARN })
	write := func(id string) error {
		_, err := sink.Write(t.Context(), batchOf(id, testEvents(1)...))
		return err
	}
	if err := write("one"); err != nil {
		t.Fatal(err)
	}
	db.exec(t, `alter role `+db.Writer.User+` password 'rotated'`)
	if err := write("two"); err != nil {
		t.Errorf("a session does not end with its password: %v", err)
	}
	sink.pool.Reset()
	if err := write("three"); !sdk.IsDenied(err) {
		t.Errorf("with the old password: %v, want Denied", err)
	}
	manager.set(`{"username":"somebody","password":"rotated"}`, "")
	if err := write("three"); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	if manager.reads != 2 {
		t.Errorf("the secret was read %d times, want 2", manager.reads)
	}
}

func TestASecretThatCannotBeReadSaysWhatToDo(t *testing.T) {
	manager := newSecretsManager(t)
	s := unreachable()
	s.PasswordSecret = secretARN
	for _, tc := range []struct {
		text, code string
		denied     bool
		says       string
	}{
		{code: "AccessDeniedException", denied: true, says: "allow secretsmanager:GetSecretValue"},
		{code: "ResourceNotFoundException", denied: true, says: "check password_secret"},
		{code: "InternalServiceError", says: "InternalServiceError"},
		{text: `{"pass":"canary"}`, denied: true, says: "holds no password"},
		{text: `{"canary`, denied: true, says: "holds no password"},
		{text: "", denied: true, says: "holds no password"},
	} {
		manager.set(tc.text, tc.code)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := openSink(t, s).Done(ctx, sdk.DoneQuery{})
		cancel()
		if err == nil || sdk.IsDenied(err) != tc.denied || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("secret %q, code %q: %v, want Denied %v and %q", tc.text, tc.code, err, tc.denied, tc.says)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error holds a part of the secret: %v", err)
		}
	}
}

func TestTheRegionOfALogin(t *testing.T) {
	for _, tc := range []struct{ region, host, secret, want string }{
		{region: "eu-west-1", host: "db.x.us-east-1.rds.amazonaws.com", want: "eu-west-1"},
		{host: "db.abcdef.ap-northeast-2.rds.amazonaws.com", want: "ap-northeast-2"},
		{host: "DB.cluster-ro-x.cn-north-1.rds.amazonaws.com.cn", want: "cn-north-1"},
		{host: "db.x.us-east-1.rds.amazonaws.com", secret: secretARN, want: "eu-central-1"},
		{host: "10.0.0.1"},
	} {
		s := Settings{Region: tc.region, Host: tc.host, PasswordSecret: tc.secret}
		if got := s.region(); got != tc.want {
			t.Errorf("region of %+v = %q, want %q", tc, got, tc.want)
		}
	}
}

func TestContradictingLoginsAreFaults(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Settings)
		paths  []string
	}{
		{"a password", func(s *Settings) { s.Password = "x" }, nil},
		{"a secret", func(s *Settings) { s.PasswordSecret = secretARN }, nil},
		{"IAM", func(s *Settings) { s.Auth = authIAM }, nil},
		{"both", func(s *Settings) { s.Password, s.PasswordSecret = "x", secretARN }, []string{"password_secret"}},
		{"IAM with everything", func(s *Settings) {
			s.Auth, s.Password, s.PasswordSecret, s.SSLMode = authIAM, "x", secretARN, "disable"
		}, []string{"password", "password_secret", "sslmode"}},
	} {
		s := unreachable()
		s.Password, s.SSLMode = "", "verify-full"
		tc.change(&s)
		var paths []string
		for _, f := range s.Validate() {
			paths = append(paths, f.Path)
		}
		if !slices.Equal(paths, tc.paths) {
			t.Errorf("%s: faults %v, want %v", tc.name, paths, tc.paths)
		}
	}
}
