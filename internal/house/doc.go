// SPDX-License-Identifier: LGPL-2.1-or-later

// Package house holds no code, only the test of the house's rules: which of the
// project's packages may import which, and why (DESIGN, "The house").
package house
