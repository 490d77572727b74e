package migrate

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"golang.org/x/text/secure/precis"
)

const (
	scramIterations = 4096 // PostgreSQL's default, scram_iterations
	scramSaltLength = 16
)

// scramVerifier is what PostgreSQL stores of a password, in the form that CREATE
// ROLE takes in its place: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
// (PostgreSQL's documentation of pg_authid, and RFC 5803).
func scramVerifier(password string) (string, error) {
	salt := make([]byte, scramSaltLength)
	rand.Read(salt) // never fails
	return scramVerifierWithSalt(password, salt)
}

func scramVerifierWithSalt(password string, salt []byte) (string, error) {
	// Clients normalize the password when they log in; one that cannot be
	// normalized is used as it is, on both sides.
	if normalized, err := precis.OpaqueString.String(password); err == nil {
		password = normalized
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive SCRAM verifier: %w", err)
	}
	storedKey := sha256.Sum256(keyed(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, encode(salt), encode(storedKey[:]), encode(keyed(salted, "Server Key"))), nil
}

func keyed(key []byte, message string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return mac.Sum(nil)
}
