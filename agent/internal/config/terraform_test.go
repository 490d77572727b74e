package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Terraform itself cannot be run in a test, since its provider comes over the network.
func TestTheTerraformExampleIsHCLAndGrantsWhatIsNeeded(t *testing.T) {
	src, err := os.ReadFile("../../../examples/terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	if _, diags := hclsyntax.ParseConfig(src, "main.tf", hcl.InitialPos); diags.HasErrors() {
		t.Error(diags)
	}
	for _, action := range []string{
		"s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes",
	} {
		if !strings.Contains(string(src), `"`+action+`"`) {
			t.Errorf("%s is not granted", action)
		}
	}
}
