// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/control"
)

// call is one line of a batch.
type call struct {
	line   int
	method string
	params json.RawMessage // nil: none
}

// maxBatchLine is what the control socket takes as a line.
const maxBatchLine = 1 << 20

// readBatch reads every call before the first is made: a mistake in the last line
// changes nothing.
func readBatch(r io.Reader, name string) ([]call, error) {
	var calls []call
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxBatchLine)
	for n := 1; s.Scan(); n++ {
		text := strings.TrimSpace(s.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		method, params, _ := strings.Cut(text, " ")
		c := call{line: n, method: method}
		if params = strings.TrimSpace(params); params != "" {
			if !json.Valid([]byte(params)) {
				return nil, fmt.Errorf("%s: line %d: the parameters of %s are not JSON: %s", name, n, method, params)
			}
			c.params = json.RawMessage(params)
		}
		if method == "events.subscribe" {
			return nil, fmt.Errorf("%s: line %d: events.subscribe has no end: call it alone", name, n)
		}
		calls = append(calls, c)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return calls, nil
}

// batchResult is a line of the output.
type batchResult struct {
	Line   int             `json:"line"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
}

func runBatch(cmd *cobra.Command, socket string, timeout time.Duration, file string) error {
	in, name := cmd.InOrStdin(), "standard input"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return badArgument(err)
		}
		defer f.Close()
		in, name = f, file
	}
	calls, err := readBatch(in, name)
	if err != nil {
		return badArgument(err)
	}
	c, err := control.Dial(cmd.Context(), socket, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	out := json.NewEncoder(cmd.OutOrStdout())
	for _, one := range calls {
		var params any
		if one.params != nil {
			params = one.params
		}
		result := batchResult{Line: one.line, Method: one.method}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		err := c.Call(ctx, one.method, params, &result.Result)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", name, one.line, err)
		}
		if err := out.Encode(result); err != nil {
			return err
		}
	}
	return nil
}
