// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/xp2p/xp2p/nvr"
	"github.com/xp2p/xp2p/pipelines"
)

// watcher is what pipelines need of a recorder.
type watcher interface {
	Watch(ctx context.Context, camera string) (io.ReadCloser, error)
	Publish(nvr.Event)
	BeginEvent(camera, kind string) error
	EndEvent(camera, kind string) error
}

// pipelineJobs makes the configuration's pipelines into jobs, whose cameras come from
// watch when they run. An error names the key and its line.
func pipelineJobs(cfg nvr.Config, dir string, watch func() watcher) ([]pipelines.Job, error) {
	var jobs []pipelines.Job
	for i := range cfg.Pipelines {
		pc := &cfg.Pipelines[i]
		p, err := configuredPipeline(pc)
		if err != nil {
			return nil, err
		}
		job := pipelines.Job{Name: pc.Name, Pipeline: p, Params: pc.Params, Dir: dir, Always: pc.Always, Retries: -1}
		if p.Talks() {
			if len(pc.Cameras) == 1 {
				job.Env = talkEnvironment(cfg, pc.Cameras[0])
			}
			if job.Env == nil {
				return nil, pc.Wrong(nvr.KeyCameras, "must be the one camera to talk to, and have an xp2p-info")
			}
		} else {
			for _, name := range pc.Cameras {
				job.Sources = append(job.Sources, pipelines.Source{Name: name, Open: func(ctx context.Context) (io.ReadCloser, error) {
					r, err := watch().Watch(ctx, name)
					return r, coded(err)
				}})
			}
		}
		if err := checkJob(pc, &job); err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

func configuredPipeline(pc *nvr.PipelineConfig) (*pipelines.Pipeline, error) {
	if pc.Use != "" {
		p, err := pipelines.Find(pc.Use)
		if err != nil {
			return nil, pc.Wrong(nvr.KeyUse, err.Error())
		}
		return p, nil
	}
	p, err := pipelines.Parse(pc.Line)
	if err != nil {
		return nil, pc.Wrong(nvr.KeyLine, err.Error())
	}
	return p, nil
}

// checkJob says where in the configuration a job's mistake is.
func checkJob(pc *nvr.PipelineConfig, job *pipelines.Job) error {
	least, most := job.Pipeline.Sources()
	if n := len(job.Sources); n < least || n > most {
		switch {
		case n == 0:
			return pc.Wrong(nvr.KeyCameras, "is missing: the pipeline needs the stream of a camera")
		case most == 0:
			return pc.Wrong(nvr.KeyCameras, "is of no use: the line has no ${source}")
		}
		return pc.Wrong(nvr.KeyCameras, "are too many: the line takes the stream of one camera")
	}
	err := job.Check()
	var param *pipelines.ParamError
	switch {
	case errors.As(err, &param):
		return pc.Wrong(nvr.KeyParam(param.Param), param.Say)
	case err != nil && pc.Line != "":
		return pc.Wrong(nvr.KeyLine, err.Error())
	case err != nil:
		return pc.Wrong(nvr.KeyUse, err.Error())
	}
	return nil
}

// talkEnvironment is how xp2psink finds a camera of the configuration; nil: it cannot.
func talkEnvironment(cfg nvr.Config, camera string) []string {
	for _, c := range cfg.Cameras {
		if c.Name == camera && c.Info != "" {
			return []string{
				environmentName("rendezvous") + "=" + cfg.Rendezvous, environmentName("app") + "=" + cfg.App,
				envXP2PInfo + "=" + c.Info,
			}
		}
	}
	return nil
}

// moved makes motion that a pipeline sees an event of the cameras that it looks at. One of
// several cameras cannot say whose it is: it is everybody's.
func moved(n watcher, e pipelines.Event, log *slog.Logger) {
	for _, camera := range e.Cameras {
		tell := n.EndEvent
		if e.Motion.Moving {
			tell = n.BeginEvent
		}
		if err := tell(camera, nvr.EventMotion); err != nil { // the camera was removed
			log.Debug("motion of a camera", "pipeline", e.Pipeline, "camera", camera, "error", err)
		}
	}
}

// newPipelineSet makes the jobs into a set whose events go to the recorder's
// subscribers.
func newPipelineSet(jobs []pipelines.Job, n watcher, log *slog.Logger) (*pipelines.Set, error) {
	return pipelines.NewSet(jobs, pipelines.Options{Logger: log, Events: func(e pipelines.Event) {
		n.Publish(nvr.Event{Type: "pipeline." + e.Type, Detail: e})
		if e.Motion != nil {
			moved(n, e, log)
		}
	}})
}
