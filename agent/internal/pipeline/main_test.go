package pipeline_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the tests if a goroutine is left of any of them.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
