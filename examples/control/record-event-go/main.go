// SPDX-License-Identifier: LGPL-2.1-or-later

// Command record-event-go tells a recorder of an event at a camera, and waits until
// its recording ends.
//
//	go run ./examples/control/record-event-go SOCKET CAMERA
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/xp2p/xp2p/control"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatalf("usage: %s SOCKET CAMERA", os.Args[0])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, socket, camera string) error {
	ended := make(chan struct{}, 1)
	c, err := control.Dial(ctx, socket, func(raw json.RawMessage) {
		var e struct {
			Type, Camera string
			Detail       struct{ Recording string }
		}
		if json.Unmarshal(raw, &e) == nil && e.Type == "record.state" && e.Camera == camera {
			fmt.Printf("%s is recorded for: %q\n", camera, e.Detail.Recording)
			if e.Detail.Recording == "" {
				select {
				case ended <- struct{}{}:
				default:
				}
			}
		}
	})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Call(ctx, "events.subscribe", nil, nil); err != nil {
		return err
	}
	event := map[string]any{"camera": camera, "kind": "doorbell", "for": 1}
	if err := c.Call(ctx, "event.trigger", event, nil); err != nil {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-c.Done():
		return fmt.Errorf("the recorder ended the connection")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
