// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/xp2p/xp2p/session"
	"go.yaml.in/yaml/v3"
)

// ParseCamera reads one camera, as in the configuration's cameras; JSON will do. A path
// in it is relative to dir.
func ParseCamera(text []byte, dir string) (CameraConfig, error) {
	var c CameraConfig
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return c, err
	}
	if len(doc.Content) == 0 {
		return c, errors.New("camera: needs name, and xp2p-info or url")
	}
	if err := c.decode(doc.Content[0], "camera"); err != nil {
		return c, err
	}
	if c.Storage != "" {
		c.Storage = under(dir, c.Storage)
	}
	if c.Info != "" {
		if err := c.readInfo(dir); err != nil {
			return c, wrong(value(doc.Content[0], "xp2p-info"), "camera.xp2p-info", err.Error())
		}
	}
	return c, nil
}

// Changes is what SetCameras did, by camera.
type Changes struct {
	Added     []string `json:"added"`
	Changed   []string `json:"changed"` // connected anew, unless the stream is the same
	Removed   []string `json:"removed"`
	Unchanged int      `json:"unchanged"` // how many were not touched
}

// AddCamera begins to record one more camera.
func (n *NVR) AddCamera(cfg CameraConfig) error {
	n.change.Lock()
	defer n.change.Unlock()
	if slices.ContainsFunc(n.all(), func(c *camera) bool { return c.cfg.Name == cfg.Name }) {
		return refused("camera.add", fmt.Errorf("there is a camera %q already: camera.set changes it", cfg.Name))
	}
	return n.add("camera.add", cfg)
}

// SetCamera changes a camera, or adds it. Its recordings stay. Where another stream is
// asked for the camera is connected anew; else it is not interrupted.
func (n *NVR) SetCamera(cfg CameraConfig) error {
	n.change.Lock()
	defer n.change.Unlock()
	_, err := n.set(cfg)
	return err
}

// RemoveCamera ends a camera. Its recordings stay.
func (n *NVR) RemoveCamera(name string) error {
	n.change.Lock()
	defer n.change.Unlock()
	if _, err := n.find("camera.remove", name); err != nil {
		return err
	}
	return n.remove(name)
}

// SetCameras makes the cameras those of list: what is the same goes on undisturbed. It
// does as much as it can; an error says what it could not.
func (n *NVR) SetCameras(list []CameraConfig) (Changes, error) {
	n.change.Lock()
	defer n.change.Unlock()
	ch := Changes{Added: []string{}, Changed: []string{}, Removed: []string{}}
	var errs []error
	for _, c := range n.all() {
		if name := c.cfg.Name; !slices.ContainsFunc(list, func(cfg CameraConfig) bool { return cfg.Name == name }) {
			ch.Removed = append(ch.Removed, name)
			errs = append(errs, n.remove(name))
		}
	}
	for _, cfg := range list {
		did, err := n.set(cfg)
		errs = append(errs, err)
		switch {
		case err != nil:
		case did == didAdd:
			ch.Added = append(ch.Added, cfg.Name)
		case did == didChange:
			ch.Changed = append(ch.Changed, cfg.Name)
		default:
			ch.Unchanged++
		}
	}
	n.order(list)
	return ch, errors.Join(errs...)
}

// refused is the error of a change that cannot be made.
func refused(op string, err error) error {
	return &session.Error{Op: op, Code: session.BadArgument, Err: err}
}

// The methods below need n.change.

type did int

const (
	didNothing did = iota
	didAdd
	didChange
)

func (n *NVR) set(cfg CameraConfig) (did, error) {
	if cfg.Record.When == "" {
		cfg.Record.When = RecordAlways
	}
	c, err := n.find("camera.set", cfg.Name)
	if err != nil {
		return didAdd, n.add("camera.set", cfg)
	}
	old := c.config()
	if reflect.DeepEqual(old, cfg) {
		return didNothing, nil
	}
	record := cfg.Record
	if record.Messages == old.Record.Messages {
		old.Record, old.Keep = record, cfg.Keep
		if reflect.DeepEqual(old, cfg) { // the stream is the same
			n.archive.SetRetention(cfg.Name, cfg.retention())
			c.setRecord(record, cfg.Keep)
			n.bus.publish(Event{Type: "camera.changed", Camera: cfg.Name})
			return didChange, nil
		}
	}
	if err := n.check("camera.set", cfg); err != nil {
		return didChange, err
	}
	if err := c.stop(); err != nil {
		return didChange, fmt.Errorf("camera %s: %w", cfg.Name, err)
	}
	next, err := newCamera(n, cfg)
	if err != nil {
		n.without(c)
		return didChange, fmt.Errorf("camera %s: %w", cfg.Name, err)
	}
	n.mu.Lock()
	list := slices.Clone(n.cameras)
	list[slices.Index(list, c)] = next
	n.cameras = list
	n.mu.Unlock()
	next.start()
	n.bus.publish(Event{Type: "camera.changed", Camera: cfg.Name})
	return didChange, nil
}

// check refuses what cannot be recorded by this service.
func (n *NVR) check(op string, cfg CameraConfig) error {
	if cfg.Storage != "" && !slices.ContainsFunc(n.cfg.Storage, func(s StorageConfig) bool { return s.Dir == cfg.Storage }) {
		return refused(op, fmt.Errorf("camera %s: %s is no storage of this recorder", cfg.Name, cfg.Storage))
	}
	if cfg.Info != "" && n.needsAccount {
		if key, say := n.cfg.missingForPeers(); key != "" {
			return refused(op, fmt.Errorf("camera %s has an xp2p-info, and the configuration has no %s: %s", cfg.Name, key, say))
		}
	}
	return nil
}

func (n *NVR) add(op string, cfg CameraConfig) error {
	if err := n.check(op, cfg); err != nil {
		return err
	}
	n.mu.RLock()
	closed := n.closed
	n.mu.RUnlock()
	if closed {
		return refused(op, errors.New("the recorder ends"))
	}
	c, err := newCamera(n, cfg)
	if err != nil {
		return fmt.Errorf("camera %s: %w", cfg.Name, err)
	}
	n.mu.Lock()
	n.cameras = append(slices.Clip(n.cameras), c)
	faces := n.faces
	n.mu.Unlock()
	c.start()
	for _, f := range faces {
		f.add(c.cfg.Name)
	}
	n.bus.publish(Event{Type: "camera.added", Camera: cfg.Name})
	return nil
}

func (n *NVR) remove(name string) error {
	c, err := n.find("camera.remove", name)
	if err != nil {
		return err
	}
	n.without(c)
	if err := c.stop(); err != nil {
		return fmt.Errorf("camera %s: %w", name, err)
	}
	n.bus.publish(Event{Type: "camera.removed", Camera: name})
	return nil
}

func (n *NVR) without(c *camera) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cameras = slices.DeleteFunc(slices.Clone(n.cameras), func(x *camera) bool { return x == c })
}

// order puts the cameras in the order of a configuration.
func (n *NVR) order(list []CameraConfig) {
	n.mu.Lock()
	defer n.mu.Unlock()
	place := func(c *camera) int {
		return slices.IndexFunc(list, func(cfg CameraConfig) bool { return cfg.Name == c.cfg.Name })
	}
	cameras := slices.Clone(n.cameras)
	slices.SortStableFunc(cameras, func(a, b *camera) int { return place(a) - place(b) })
	n.cameras = cameras
}
