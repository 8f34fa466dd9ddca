// SPDX-License-Identifier: LGPL-2.1-or-later

package guard

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Criticals()
	os.Exit(m.Run())
}

func TestCriticals(t *testing.T) { Check(t) }
