// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

// Cause says why a camera was not recorded for a while, or why a run ended.
type Cause string

const (
	CauseLink     Cause = "link"     // the way to the camera broke or could not be made
	CauseCamera   Cause = "camera"   // the camera stopped, refused or sent what cannot be recorded
	CauseDisk     Cause = "disk"     // the storage failed, was full or too slow
	CauseOverload Cause = "overload" // this machine could not keep up
	CauseConfig   Cause = "config"   // the configuration added, changed or removed the camera
	CauseRestart  Cause = "restart"  // the recorder was stopped in good order
	CauseCrash    Cause = "crash"    // the recorder ended without being stopped
	CauseClock    Cause = "clock"    // timestamps of the camera or the host's clock jumped
)

// Valid says whether c is one of the causes above.
func (c Cause) Valid() bool {
	switch c {
	case CauseLink, CauseCamera, CauseDisk, CauseOverload, CauseConfig, CauseRestart, CauseCrash, CauseClock:
		return true
	}
	return false
}
