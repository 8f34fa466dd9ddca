// SPDX-License-Identifier: LGPL-2.1-or-later

package target

import "strings"

// merge completes query, which has precedence, by the parameters that only
// defaults has. The defaults of one action mean nothing to another, so they are
// left out when query names a different one.
func merge(query, defaults string) string {
	if query == "" {
		return defaults
	}
	if a := get(query, "action"); a != "" && a != get(defaults, "action") {
		return query
	}
	out := query
	for field := range strings.SplitSeq(defaults, "&") {
		key, _, _ := strings.Cut(field, "=")
		if key != "" && !has(query, key) {
			out += "&" + field
		}
	}
	return out
}

func get(query, key string) string {
	for field := range strings.SplitSeq(query, "&") {
		if k, v, _ := strings.Cut(field, "="); k == key {
			return v
		}
	}
	return ""
}

func has(query, key string) bool {
	for field := range strings.SplitSeq(query, "&") {
		if k, _, _ := strings.Cut(field, "="); k == key {
			return true
		}
	}
	return false
}
