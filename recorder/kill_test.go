// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

const victimDir = "XP2P_TEST_VICTIM"

func victim(string) {}
