package rdsdirect

import (
	"github.com/google/uuid"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Settings are the attributes of a sink "rds_direct" block.
type Settings struct {
	_ struct{} `desc:"Stores each event as one row in PostgreSQL, whatever crashes. The tables are made by agent migrate."`

	Host     string `agent:"host" desc:"Name or address of the PostgreSQL server, such as an RDS endpoint."`
	Port     int    `agent:"port" default:"5432" min:"1" max:"65535" desc:"Port of the server."`
	Database string `agent:"database" default:"postgres" desc:"Name of the database."`
	User     string `agent:"user" default:"postgres" desc:"Role that writes. It needs no more than what agent migrate grants it, and should not own the tables."`
	Password string `agent:"password" optional:"true" sensitive:"true" desc:"Password of the role."`

	Auth           string `agent:"auth" default:"password" enum:"password,iam" desc:"iam logs in with a token of RDS that is minted for each connection from the agent's AWS credentials, instead of a password."`
	PasswordSecret string `agent:"password_secret" optional:"true" pattern:"^(arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:\\S+)?$" desc:"ARN of a secret in AWS Secrets Manager that holds the password, alone or as the member password of a JSON object. It is read again when the server refuses it."`
	Region         string `agent:"region" optional:"true" desc:"AWS Region of the database or secret. That of the ARN, of an RDS endpoint in host, or of the environment if absent."`

	SSLMode     string `agent:"sslmode" default:"verify-full" enum:"verify-full,verify-ca,require,disable" desc:"verify-full checks the server's certificate and name, verify-ca the certificate alone; require encrypts without knowing to whom; disable sends everything in clear."`
	SSLRootCert string `agent:"sslrootcert" optional:"true" desc:"File with the certificate authorities to trust, such as Amazon's global-bundle.pem for RDS. The system's own when absent; these do not include the authority of RDS."`

	GroupID       string `agent:"group_id" desc:"UUID of the group that the events belong to. agent migrate adds it to the table groups."`
	GroupName     string `agent:"group_name" optional:"true" desc:"Name that agent migrate gives the group; its UUID when absent."`
	SourceProduct string `agent:"source_product" default:"cloudtrail" desc:"What the column events.source_product says."`

	Writers int `agent:"writers" optional:"true" min:"1" max:"32" desc:"Batches written at once, each on its own connection. When absent, from 2 to 4: as many as the server answers best with, which is measured all the time."`
}

var _ sdk.Validator = Settings{}

// Validate reports what the tags cannot say.
func (s Settings) Validate() []sdk.Fault {
	var faults []sdk.Fault
	if s.Host == "" {
		faults = append(faults, sdk.Fault{
			Path:    "host",
			Summary: "No host",
			Detail:  "Write the name or address of the PostgreSQL server.",
		})
	}
	if _, err := s.group(); err != nil {
		faults = append(faults, sdk.Fault{
			Path:    "group_id",
			Summary: "Not a UUID",
			Detail:  `A group is named by a UUID such as "3f1c6f0e-9d0c-4b7e-8a52-0d6f3b1f2c11"; uuidgen makes one.`,
		})
	}
	faults = append(faults, s.loginFaults()...)
	if s.SSLRootCert != "" && s.SSLMode == "disable" {
		faults = append(faults, sdk.Fault{
			Path:    "sslrootcert",
			Summary: "Certificate without TLS",
			Detail:  `With sslmode = "disable" there is no certificate to check. Remove one of the two.`,
		})
	}
	return faults
}

// group is the parsed GroupID. Only the usual form of a UUID is taken, because the
// setting is compared by eye with what the database shows.
func (s Settings) group() (uuid.UUID, error) {
	if err := uuid.Validate(s.GroupID); err != nil || len(s.GroupID) != len(uuid.Nil.String()) {
		return uuid.Nil, errNotUUID
	}
	return uuid.Parse(s.GroupID)
}
