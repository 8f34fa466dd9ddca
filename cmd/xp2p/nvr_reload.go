// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"syscall"

	"github.com/xp2p/xp2p/control"
	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/pipelines"
)

// reloader reads the configuration again and changes what changed in it.
type reloader struct {
	file string
	nvr  *nvr.NVR
	set  *pipelines.Set
	log  *slog.Logger

	mu   sync.Mutex // one at a time
	cfg  nvr.Config
	jobs []pipelines.Job // of cfg.Pipelines
}

// reload changes nothing if the file is wrong. Cameras and pipelines that are as before
// go on undisturbed.
func (r *reloader) reload(context.Context) (control.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := control.Reloaded{Restart: []string{}}
	cfg, err := nvr.ReadConfig(r.file)
	if err != nil {
		return done, badArgument(fmt.Errorf("nothing was changed: %w", err))
	}
	jobs, err := pipelineJobs(cfg, filepath.Dir(r.file), func() watcher { return r.nvr })
	if err != nil {
		return done, badArgument(fmt.Errorf("nothing was changed: %s: %w", r.file, err))
	}
	done.Restart = needRestart(r.cfg, cfg)
	var errs []error
	pipes := &done.Pipelines
	*pipes = nvr.Changes{Added: []string{}, Changed: []string{}, Removed: []string{}}
	for _, j := range r.jobs {
		if !slices.ContainsFunc(jobs, func(now pipelines.Job) bool { return now.Name == j.Name }) {
			pipes.Removed = append(pipes.Removed, j.Name)
			errs = append(errs, r.set.Remove(j.Name))
		}
	}
	done.Cameras, err = r.nvr.SetCameras(cfg.Cameras)
	errs = append(errs, err)
	for i, j := range jobs {
		old := slices.IndexFunc(r.jobs, func(o pipelines.Job) bool { return o.Name == j.Name })
		switch {
		case old < 0:
			pipes.Added = append(pipes.Added, j.Name)
		case cfg.Pipelines[i].Equal(&r.cfg.Pipelines[old]) && slices.Equal(j.Env, r.jobs[old].Env):
			pipes.Unchanged++
			continue
		default:
			pipes.Changed = append(pipes.Changed, j.Name)
		}
		errs = append(errs, r.set.Put(j))
	}
	// What waits for a restart is compared with what runs, next time too.
	r.cfg.Cameras, r.cfg.Pipelines, r.jobs = cfg.Cameras, cfg.Pipelines, jobs
	r.nvr.Publish(nvr.Event{Type: "config.reloaded", Detail: done})
	return done, errors.Join(errs...)
}

// needRestart are the keys that differ and that a running service does not change.
func needRestart(old, now nvr.Config) []string {
	keys := []string{}
	for _, k := range []struct {
		key      string
		old, now any
	}{
		{"rendezvous", old.Rendezvous, now.Rendezvous}, {"app", old.App, now.App}, {"control", old.Control, now.Control},
		{"web", old.Web, now.Web}, {"device", old.Device, now.Device}, {"hooks", old.Hooks, now.Hooks}, {"remote", old.Remote, now.Remote}, {"storage", old.Storage, now.Storage},
		{"export-key", old.ExportKey, now.ExportKey}, {"max-upload", old.MaxUpload, now.MaxUpload},
	} {
		if !reflect.DeepEqual(k.old, k.now) {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// onHangup reloads at every SIGHUP until ctx ends; the log says what came of it.
func (r *reloader) onHangup(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		done, err := r.reload(ctx)
		if err != nil {
			r.log.Error("reload configuration", "file", r.file, "error", err)
			continue
		}
		r.log.Info("configuration reloaded", "cameras", done.Cameras, "pipelines", done.Pipelines)
		if len(done.Restart) > 0 {
			r.log.Warn("changes that wait for a restart", "keys", done.Restart)
		}
	}
}
